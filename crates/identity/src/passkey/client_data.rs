//! What the browser says of its request (section 5.8.1): JSON, which the authenticator signs by its digest.

use serde_json::Value;

use super::{AskedPasskey, PasskeyFault};

/// The longest that are read, in bytes.
const BYTES_MAX: usize = 4_096;

/// Whether they are an answer to what was asked for, of that type (`webauthn.create`, `webauthn.get`).
pub(super) fn check(json: &[u8], of_type: &str, asked: &AskedPasskey<'_>) -> Result<(), PasskeyFault> {
    if json.len() > BYTES_MAX {
        return Err(PasskeyFault::ClientData);
    }
    let said: Value = serde_json::from_slice(json).map_err(|_| PasskeyFault::ClientData)?;
    let text = |key: &str| said.get(key).and_then(Value::as_str).ok_or(PasskeyFault::ClientData);
    if text("type")? != of_type {
        return Err(PasskeyFault::Type);
    }
    if text("challenge")? != asked.challenge.text() {
        return Err(PasskeyFault::Challenge);
    }
    if text("origin")? != asked.at.origin {
        return Err(PasskeyFault::Origin);
    }
    match said.get("crossOrigin") {
        None | Some(Value::Bool(false)) => Ok(()),
        Some(_) => Err(PasskeyFault::CrossOrigin),
    }
}
