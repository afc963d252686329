//! The second factor of a person: an authenticator app, passkeys, or both, and recovery codes for when they are lost.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;

use crate::passkey::{HANDLE_BYTES, UserHandle};
use crate::recovery_code;
use crate::secret::Digest;
use crate::totp::{SECRET_BYTES, TotpSecret};

/// The value that takes the second factor from a person: in the tenant's file, and in a change of the object.
pub const RESET: &str = "reset";
/// The longest text that is stored, in bytes.
pub const STORED_BYTES_MAX: usize = 1_024;

/// What a stored text begins with.
const SEALED: &str = "sealed:";
/// The forms of what is sealed: that of an app without passkeys, which earlier releases read too, and that of all else.
const APP_ALONE: u8 = 1;
const WITH_PASSKEYS: u8 = 2;
const DIGEST_BYTES: usize = 32;

/// What a person shows besides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondFactor {
    /// What the app makes its codes of; none for who has no app.
    pub app: Option<TotpSecret>,
    /// What the person's passkeys are kept under; none for who has never had any. One that is kept under another handle is over.
    pub passkeys: Option<UserHandle>,
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
        if let Some(step) = self.app.as_ref().and_then(|app| app.step_of(&compact, now)) {
            return Some(ShownCode::App { step });
        }
        let shown = recovery_code::digest(typed)?;
        let mut left = self.clone();
        left.recovery.retain(|digest| *digest != shown);
        (left.recovery.len() < self.recovery.len()).then_some(ShownCode::Recovery { left })
    }

    /// As bytes, to be sealed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = match (&self.app, &self.passkeys) {
            (Some(app), None) => [&[APP_ALONE][..], app.as_bytes()].concat(),
            (app, passkeys) => {
                let mut bytes = vec![WITH_PASSKEYS, u8::from(passkeys.is_some()), u8::from(app.is_some())];
                bytes.extend(passkeys.iter().flat_map(UserHandle::as_bytes));
                bytes.extend(app.iter().flat_map(TotpSecret::as_bytes));
                bytes
            }
        };
        for digest in &self.recovery {
            bytes.extend_from_slice(digest.as_bytes());
        }
        bytes
    }

    /// From bytes that were sealed; `None` if they are of another form.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (has_passkeys, has_app, rest) = match (*version, rest) {
            (APP_ALONE, rest) => (false, true, rest),
            (WITH_PASSKEYS, [has_passkeys @ (0 | 1), has_app @ (0 | 1), rest @ ..]) => {
                (*has_passkeys == 1, *has_app == 1, rest)
            }
            _ => return None,
        };
        let (handle, rest) = rest.split_at_checked(if has_passkeys { HANDLE_BYTES } else { 0 })?;
        let (app, digests) = rest.split_at_checked(if has_app { SECRET_BYTES } else { 0 })?;
        if !digests.len().is_multiple_of(DIGEST_BYTES) {
            return None;
        }
        let recovery = digests.chunks_exact(DIGEST_BYTES).map(Digest::from_bytes).collect::<Option<_>>()?;
        Some(Self { app: TotpSecret::from_bytes(app), passkeys: UserHandle::from_bytes(handle), recovery })
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
        SecondFactor { app: Some(TotpSecret::new(*b"12345678901234567890")), passkeys: None, recovery }
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
    fn without_an_app_the_recovery_codes_alone_are_right() {
        let keys = SecondFactor { app: None, passkeys: Some(UserHandle::new([7; HANDLE_BYTES])), ..factor() };
        let now = Timestamp::ZERO + Duration::from_secs(59);
        assert_eq!(keys.check("287082", now), None);
        let Some(ShownCode::Recovery { left }) = keys.check(&code(3), now) else { panic!("it is one") };
        assert_eq!((left.passkeys, left.recovery.len()), (keys.passkeys, 9));
    }

    #[test]
    fn what_is_stored_is_read() {
        let passkeys = Some(UserHandle::new([7; HANDLE_BYTES]));
        for factor in [
            factor(),
            SecondFactor { recovery: Vec::new(), ..factor() },
            SecondFactor { passkeys: passkeys.clone(), ..factor() },
            SecondFactor { passkeys, app: None, ..factor() },
            SecondFactor { app: None, ..factor() },
        ] {
            let text = stored(&factor.to_bytes());
            assert!(text.len() <= STORED_BYTES_MAX);
            assert_eq!(sealed(&text).and_then(|bytes| SecondFactor::from_bytes(&bytes)), Some(factor));
        }
        let bytes = factor().to_bytes();
        assert_eq!(bytes[0], 1, "the release before reads it");
        for bad in [&bytes[1..], &bytes[..20], &bytes[..bytes.len() - 1], &[], &[2], &[2, 2, 0], &[2, 1, 0, 7]] {
            assert_eq!(SecondFactor::from_bytes(bad), None);
        }
        for bad in ["", "reset", "sealed", "sealed:!", "$argon2id$x"] {
            assert_eq!(sealed(bad), None, "{bad}");
        }
    }
}
