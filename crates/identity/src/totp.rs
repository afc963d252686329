//! Codes of an authenticator app (TOTP, RFC 6238): SHA-1, 30 s, six digits, since some apps know nothing else.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use model::Timestamp;

use crate::{base32, percent};

/// Length of a secret in bytes (RFC 4226 section 4 recommends it).
pub const SECRET_BYTES: usize = 20;
/// How long a code is shown.
pub const STEP: Duration = Duration::from_secs(30);
/// How long a spent code has to be remembered: longer than it is taken.
pub const SPENT_KEPT: Duration = Duration::from_secs(180);
/// Digits of a code.
const DIGITS: usize = 6;
/// Codes before and after the present one that are taken too: clocks differ, and people type slowly.
const WINDOW: u64 = 1;

/// What an app makes its codes of.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

impl TotpSecret {
    /// One of random bytes.
    pub const fn new(random: [u8; SECRET_BYTES]) -> Self {
        Self(random)
    }

    /// A stored one; `None` if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes, to be sealed.
    pub const fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// As people type it into their app: Base32.
    pub fn text(&self) -> String {
        base32::encode(&self.0)
    }

    /// Reads what [`Self::text`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(&base32::decode(text)?)
    }

    /// The address by which apps take it over: `otpauth://totp/issuer:account?secret=…`.
    pub fn uri(&self, issuer: &str, account: &str) -> String {
        let (issuer, account) = (percent::encoded(issuer), percent::encoded(account));
        let (secret, period) = (self.text(), STEP.as_secs());
        format!(
            "otpauth://totp/{issuer}:{account}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={period}"
        )
    }

    /// The step whose code that is, if it is taken now. A code is good once: the caller remembers the step.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<u64> {
        if code.len() != DIGITS || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let present = now.as_secs() / STEP.as_secs();
        let is_that = |step: &u64| verify_slices_are_equal(self.code(*step).as_bytes(), code.as_bytes()).is_ok();
        (present.saturating_sub(WINDOW)..=present.saturating_add(WINDOW)).find(is_that)
    }

    /// The code of a step (RFC 4226 section 5.3).
    fn code(&self, step: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        let at = usize::from(tag.last().copied().unwrap_or_default() & 0x0f);
        let word = tag.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes);
        format!("{:0width$}", (word & 0x7fff_ffff) % 1_000_000, width = DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret::new(*b"12345678901234567890")
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(seconds)
    }

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code(seconds / 30), code);
            assert_eq!(secret().step_of(code, at(seconds)), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_taken_from_one_step_before_to_one_after() {
        let code = secret().code(100);
        for (seconds, is_taken) in
            [(100 * 30 - 31, false), (100 * 30 - 30, true), (100 * 30, true), (102 * 30 - 1, true), (102 * 30, false)]
        {
            assert_eq!(secret().step_of(&code, at(seconds)), is_taken.then_some(100), "{seconds}");
        }
        for bad in ["", "28708", "2870820", "+28708", "28708２", "287 082"] {
            assert_eq!(secret().step_of(bad, at(59)), None, "{bad}");
        }
        assert!(secret().step_of(&secret().code(0), at(0)).is_some());
    }

    #[test]
    fn a_secret_is_shown_and_read_and_does_not_show_itself() {
        let text = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(secret().text(), text);
        assert_eq!(TotpSecret::parse(text), Some(secret()));
        assert_eq!(TotpSecret::parse("GEZDGNBV"), None);
        assert_eq!(TotpSecret::from_bytes(secret().as_bytes()), Some(secret()));
        assert_eq!(format!("{:?}", secret()), "TotpSecret(..)");
    }

    #[test]
    fn the_address_for_apps_says_it_all_and_nothing_leaves_its_place() {
        let uri = secret().uri("Trunkline", "acme/ann & co:é");
        assert_eq!(
            uri,
            "otpauth://totp/Trunkline:acme%2Fann%20%26%20co%3A%C3%A9?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Trunkline&algorithm=SHA1&digits=6&period=30"
        );
    }
}
