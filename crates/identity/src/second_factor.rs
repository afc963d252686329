//! The second factor of a person: an authenticator app, and recovery codes for when it is lost.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;

use crate::recovery_code;
use crate::secret::Digest;
use crate::totp::{SECRET_BYTES, TotpSecret};

/// The value that takes the second factor from a person: in the tenant's file, and in a change of the object.
pub const RESET: &str = "reset";
/// The longest text that is stored, in bytes.
pub const STORED_BYTES_MAX: usize = 1_024;

/// What a stored text begins with.
const SEALED: &str = "sealed:";
/// The form of what is sealed.
const VERSION: u8 = 1;
const DIGEST_BYTES: usize = 32;

/// What a person shows besides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// What the app makes its codes of.
    pub secret: TotpSecret,
    /// The digests of the recovery codes that are left.
    pub recovery: Vec<Digest>,
}

/// A code that is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownCode {
    /// It is the app's of that step, if that was not spent before.
    App {
        /// The step.
        step: u64,
    },
    /// It was one of the recovery codes.
    Recovery {
        /// What the person has after it.
        left: SecondFactor,
    },
}

impl SecondFactor {
    /// What a code is; `None` if it is wrong.
    pub fn check(&self, typed: &str, now: Timestamp) -> Option<ShownCode> {
        let compact: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(step) = self.secret.step_of(&compact, now) {
            return Some(ShownCode::App { step });
        }
        let shown = recovery_code::digest(typed)?;
        let mut left = self.clone();
        left.recovery.retain(|digest| *digest != shown);
        (left.recovery.len() < self.recovery.len()).then_some(ShownCode::Recovery { left })
    }

    /// As bytes, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.secret.as_bytes());
        for digest in &self.recovery {
            bytes.extend_from_slice(digest.as_bytes());
        }
        bytes
    }

    /// From bytes that were sealed; `None` if they are of another form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (secret, digests) = rest.split_at_checked(SECRET_BYTES)?;
        if *version != VERSION || !digests.len().is_multiple_of(DIGEST_BYTES) {
            return None;
        }
        let recovery = digests.chunks_exact(DIGEST_BYTES).map(Digest::from_bytes).collect::<Option<_>>()?;
        Some(Self { secret: TotpSecret::from_bytes(secret)?, recovery })
    }
}

/// Sealed bytes as the text that is stored.
pub fn stored(sealed: &[u8]) -> String {
    format!("{SEALED}{}", URL_SAFE_NO_PAD.encode(sealed))
}

/// The sealed bytes of a stored text; `None` if it is of another form.
pub fn sealed(text: &str) -> Option<Vec<u8>> {
    if text.len() > STORED_BYTES_MAX {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text.strip_prefix(SEALED)?).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn code(byte: u8) -> String {
        recovery_code::write([byte; recovery_code::RANDOM_BYTES])
    }

    fn factor() -> SecondFactor {
        let recovery = (0..10).filter_map(|byte| recovery_code::digest(&code(byte))).collect();
        SecondFactor { secret: TotpSecret::new(*b"12345678901234567890"), recovery }
    }

    #[test]
    fn the_app_and_each_recovery_code_are_right_and_the_latter_once() {
        let now = Timestamp::ZERO + Duration::from_secs(59);
        assert_eq!(factor().check("287 082 ", now), Some(ShownCode::App { step: 1 }));
        assert_eq!(factor().check("287083", now), None);
        let Some(ShownCode::Recovery { left }) = factor().check(&code(3), now) else { panic!("it is one") };
        assert_eq!((left.recovery.len(), left.check(&code(3), now)), (9, None));
        assert!(left.check(&code(4), now).is_some());
        assert_eq!(factor().check(&code(10), now), None);
    }

    #[test]
    fn what_is_stored_is_read() {
        for factor in [factor(), SecondFactor { recovery: Vec::new(), ..factor() }] {
            let text = stored(&factor.to_bytes());
            assert!(text.len() <= STORED_BYTES_MAX);
            assert_eq!(sealed(&text).and_then(|bytes| SecondFactor::from_bytes(&bytes)), Some(factor));
        }
        let bytes = factor().to_bytes();
        for bad in [&bytes[1..], &bytes[..20], &bytes[..bytes.len() - 1], &[]] {
            assert_eq!(SecondFactor::from_bytes(bad), None);
        }
        for bad in ["", "reset", "sealed", "sealed:!", "$argon2id$x"] {
            assert_eq!(sealed(bad), None, "{bad}");
        }
    }
}
