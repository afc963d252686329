//! A sign-in that has begun and not ended: what the browser keeps of it, sealed, in a cookie.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use runtime::installation_key::InstallationKey;
use runtime::sealed;
use serde::{Deserialize, Serialize};

/// How long somebody may take to sign in.
pub(super) const LIFE: Duration = Duration::from_secs(1_800);
/// What the sealed text is bound to.
const BOUND_TO: &[u8] = b"sign-in of a page";

/// What is needed when the browser comes back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PendingSignIn {
    /// Comes back with the code (RFC 6749 section 10.12).
    pub state: String,
    /// Comes back in the ID token.
    pub nonce: String,
    /// Proves that who redeems the code has asked for it (RFC 7636).
    pub verifier: String,
    /// Where the code goes.
    pub redirect_uri: String,
    /// Where the person goes on to.
    pub to: String,
    /// Until when, in microseconds since 1970.
    pub until_us: u64,
}

impl PendingSignIn {
    /// As a cookie's value.
    pub fn seal(&self, key: &InstallationKey) -> Option<String> {
        let plain = serde_json::to_vec(self).ok()?;
        sealed::seal(key, BOUND_TO, plain).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    /// From a cookie's value; none if it is not ours, or is too old.
    pub fn open(key: &InstallationKey, value: &str, now: Timestamp) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        let pending: Self = serde_json::from_slice(&sealed::open(key, BOUND_TO, &sealed)?).ok()?;
        (now.as_micros() < pending.until_us).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_browser_keeps_is_ours_and_ends() {
        let key = InstallationKey::from_bytes([7; 32]);
        let text = || "x".to_owned();
        let pending = PendingSignIn {
            state: text(),
            nonce: text(),
            verifier: text(),
            redirect_uri: text(),
            to: "/agent-setup/".to_owned(),
            until_us: 10,
        };
        let value = pending.seal(&key).unwrap();
        let open = |value: &str, now: u64| PendingSignIn::open(&key, value, Timestamp::from_micros(now));
        assert!(open(&value, 9) == Some(pending));
        for (other, now) in [(value.as_str(), 10), ("x", 0), (&value[1..], 0)] {
            assert!(open(other, now).is_none(), "{other} {now}");
        }
    }
}
