//! Proof Key for Code Exchange (RFC 7636), method S256 alone: who redeems a code proves to be who asked for it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The only method; `plain` would show the verifier to whoever sees the request (RFC 7636 section 7.2).
pub const METHOD: &str = "S256";
/// Characters of a challenge: 32 bytes in base64url without padding.
const CHALLENGE_CHARACTERS: usize = 43;
/// Characters of a verifier (RFC 7636 section 4.1).
const VERIFIER_CHARACTERS: std::ops::RangeInclusive<usize> = 43..=128;

/// A `code_challenge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Reads a `code_challenge`; `None` unless it is a SHA-256 in base64url without padding.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != CHALLENGE_CHARACTERS {
            return None;
        }
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    /// A stored challenge; `None` if it does not have 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes, to be stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether that `code_verifier` belongs to it (RFC 7636 section 4.6).
    pub fn is_met_by(&self, verifier: &str) -> bool {
        let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
        VERIFIER_CHARACTERS.contains(&verifier.len())
            && verifier.bytes().all(is_unreserved)
            && <[u8; 32]>::from(Sha256::digest(verifier.as_bytes())) == self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_met() {
        // RFC 7636 appendix B.
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert!(challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!challenge.is_met_by("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK"));
        assert!(!challenge.is_met_by("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), "the challenge is no verifier");
    }

    #[test]
    fn what_is_no_challenge_is_refused() {
        for bad in ["", "short", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c=", &"+".repeat(43), &"a".repeat(44)] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_challenge_is_met_by_its_own_verifier_alone(verifier in "[A-Za-z0-9._~-]{43,128}", other in ".{0,140}") {
            let challenge = Challenge::from_bytes(&Sha256::digest(verifier.as_bytes())).unwrap();
            prop_assert!(challenge.is_met_by(&verifier));
            prop_assert_eq!(challenge.is_met_by(&other), other == verifier);
        }

        #[test]
        fn verifiers_of_other_lengths_are_refused(verifier in "([A-Za-z0-9._~-]{0,42}|[A-Za-z0-9._~-]{129,200})") {
            let challenge = Challenge::from_bytes(&Sha256::digest(verifier.as_bytes())).unwrap();
            prop_assert!(!challenge.is_met_by(&verifier));
        }
    }
}
