//! The signature of a delivery, as Standard Webhooks lays it out: HMAC-SHA256 of `<id>.<timestamp>.<body>`.

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// The least and the most bytes of a secret.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Bytes of a secret that is made here.
pub(super) const NEW_SECRET_BYTES: usize = 32;
/// Bytes of the digest that names a message.
const ID_BYTES: usize = 16;

/// The key of a webhook's signatures.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SigningKey(Vec<u8>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

impl SigningKey {
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        SECRET_BYTES.contains(&bytes.len()).then_some(Self(bytes))
    }

    /// Reads `whsec_<base64>`.
    pub fn read(text: &str) -> Result<Self, String> {
        let rule = || {
            format!("it must be {PREFIX} and the base64 of {} to {} bytes", SECRET_BYTES.start(), SECRET_BYTES.end())
        };
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        bytes.and_then(Self::new).ok_or_else(rule)
    }

    pub fn shown(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of `webhook-signature`.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

/// The value of `webhook-id`: the same for a fact at a webhook, whenever it is sent. It has no point, which separates what is signed.
pub(super) fn message_id(webhook: &str, identity: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{webhook}\n{identity}").as_bytes());
    format!("msg_{}", URL_SAFE_NO_PAD.encode(&digest.as_ref()[..ID_BYTES]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_specification() {
        // The example of the specification's libraries.
        let secret = SigningKey::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret.shown(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(format!("{secret:?}"), "SigningKey(..)");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_with_the_rule() {
        for wrong in ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!"] {
            assert!(SigningKey::read(wrong).unwrap_err().contains("24 to 64 bytes"), "{wrong}");
        }
    }

    #[test]
    fn a_message_keeps_its_name() {
        let id = message_id("wh_1", "call:7:1:2");
        assert_eq!(id, message_id("wh_1", "call:7:1:2"));
        assert!(id != message_id("wh_2", "call:7:1:2") && id != message_id("wh_1", "call:7:1:3"));
        assert!(id.starts_with("msg_") && !id.contains('.'));
    }
}
