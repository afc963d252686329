//! Secrets that are handed out once and kept as digests: codes, refresh tokens, session cookies.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Entropy;
use sha2::{Digest as _, Sha256};

/// Random bytes of a secret: 256 bits cannot be guessed.
pub const SECRET_BYTES: usize = 32;

/// The SHA-256 of a secret: what is stored. Secrets are random and long, so that no slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a secret as it was handed out.
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// A stored digest; `None` if it does not have 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Its bytes, to be stored.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What [`Self::text`] has written.
    pub fn read(text: &str) -> Option<Self> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).ok()?)
    }

    /// As text without padding, to be a key.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// A new secret, as text.
pub fn drawn(entropy: &mut dyn Entropy) -> String {
    text(&random(entropy))
}

/// The random bytes of a secret.
pub(crate) fn random(entropy: &mut dyn Entropy) -> Vec<u8> {
    (0..SECRET_BYTES / 8).flat_map(|_| entropy.next_u64().to_be_bytes()).collect()
}

/// Random bytes as text that fits URLs, forms and cookies.
pub fn text(random: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_stored_and_read_and_does_not_show_itself() {
        let digest = Digest::of(&text(&[7; SECRET_BYTES]));
        assert_eq!(Digest::from_bytes(digest.as_bytes()), Some(digest));
        assert_eq!(Digest::from_bytes(&[0; 31]), None);
        assert_eq!((Digest::read(&digest.text()), Digest::read("x")), (Some(digest), None));
        assert_ne!(digest, Digest::of("another"));
        assert_eq!(format!("{digest:?}"), "Digest(..)");
        assert_eq!(digest.text().len(), 43);
    }
}
