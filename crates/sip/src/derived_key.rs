//! Keys of encryption that are made of the installation's, one for each use: what is encrypted for one use is nothing for another.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The bytes of a nonce.
pub const NONCE_BYTES: usize = 12;
/// By how many bytes an encrypted text is longer than what it hides.
pub const ENCRYPTED_MORE: usize = 16;

/// What a key is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyUse {
    /// What peers return in SIP messages: tags, branches.
    Messages,
    /// What is confidential in records.
    Records,
}

impl KeyUse {
    /// What the key is made of. It never changes: what was encrypted before must stay readable. No purpose of a seal, signed with the
    /// installation's key too, has the number of a first byte here.
    pub(crate) const fn label(self) -> &'static [u8] {
        match self {
            Self::Messages => b"\0encryption",
            Self::Records => b"trunkline records",
        }
    }
}

/// A key of AES-256-GCM-SIV (RFC 8452), made of the installation's by HMAC-SHA-256.
///
/// The mode allows to use one nonce again and again: what shows is which texts, bound to the same, are equal. A constant nonce makes
/// the result the same each time.
#[derive(Clone)]
pub struct DerivedKey(Arc<LessSafeKey>);

impl DerivedKey {
    /// The key of an installation for this use.
    pub fn new(installation: &[u8; 32], of: KeyUse) -> Self {
        let mut mac = mac_with(installation);
        mac.update(of.label());
        let bytes = mac.finalize().into_bytes();
        #[expect(clippy::expect_used, reason = "a SHA-256 has the 32 bytes of the key")]
        let key = UnboundKey::new(&AES_256_GCM_SIV, &bytes[..]).expect("a SHA-256 has the 32 bytes of the key");
        Self(Arc::new(LessSafeKey::new(key)))
    }

    /// `text`, encrypted and authenticated; [`ENCRYPTED_MORE`] bytes longer. It can be read only by who names again what it is bound to.
    pub fn encrypt(&self, nonce: [u8; NONCE_BYTES], bound_to: &[u8], mut text: Vec<u8>) -> Vec<u8> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let encrypted = self.0.seal_in_place_append_tag(nonce, Aad::from(bound_to), &mut text);
        // An empty or clear text instead would be stored or sent as if it were a good one.
        #[expect(clippy::expect_used, reason = "no text of ours has the 64 GiB that are too many")]
        encrypted.expect("less than 64 GiB");
        text
    }

    /// The text that was encrypted by this key with that nonce and bound to that; `None` for anything else.
    pub fn decrypt(&self, nonce: [u8; NONCE_BYTES], bound_to: &[u8], mut encrypted: Vec<u8>) -> Option<Vec<u8>> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.0.open_in_place(nonce, Aad::from(bound_to), &mut encrypted).ok()?.len();
        encrypted.truncate(length);
        Some(encrypted)
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DerivedKey(..)")
    }
}

/// Ready to authenticate with a key: that it is hashed is done once.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub(crate) fn mac_with(installation: &[u8; 32]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(installation).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];

    fn key(of: KeyUse) -> DerivedKey {
        DerivedKey::new(&[7; 32], of)
    }

    #[test]
    fn an_encrypted_text_is_read_by_its_key_for_what_it_is_bound_to_alone() {
        let ours = key(KeyUse::Messages);
        let hidden = ours.encrypt(NONCE, b"a tag", b"acme".to_vec());
        assert_eq!(hidden.len(), 4 + ENCRYPTED_MORE);
        assert!(!hidden.windows(4).any(|part| part == b"acme"));
        assert_eq!(ours.decrypt(NONCE, b"a tag", hidden.clone()).as_deref(), Some(&b"acme"[..]));
        assert_eq!(ours.decrypt(NONCE, b"a way", hidden.clone()), None);
        assert_eq!(ours.decrypt([1; NONCE_BYTES], b"a tag", hidden.clone()), None);
        assert_eq!(key(KeyUse::Records).decrypt(NONCE, b"a tag", hidden.clone()), None);
        assert_eq!(DerivedKey::new(&[8; 32], KeyUse::Messages).decrypt(NONCE, b"a tag", hidden.clone()), None);
        for at in 0..hidden.len() {
            let mut changed = hidden.clone();
            changed[at] ^= 1;
            assert_eq!(ours.decrypt(NONCE, b"a tag", changed), None, "{at}");
        }
        assert_eq!(ours.decrypt(NONCE, b"a tag", hidden[..15].to_vec()), None);
    }

    #[test]
    fn what_another_implementation_has_encrypted_is_the_same_for_ever() {
        // By HMAC of Python's hashlib and AES-GCM-SIV of OpenSSL. Never change it: tags and records with such contents exist.
        for (of, bound_to, text, expected) in [
            (KeyUse::Messages, &[1][..], &b"acme"[..], "b28768d19bdbc2a5b99d1425fe97628d025cb7a1"),
            (
                KeyUse::Records,
                &b"media"[..],
                &b"the key of a call"[..],
                "6d8d4bc7cdc7894f9cc563be737ee1c99d0a62f46ff300dfdb42d2c4ffe0facd10",
            ),
        ] {
            let hidden: String =
                key(of).encrypt(NONCE, bound_to, text.to_vec()).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hidden, expected, "{of:?}");
        }
    }

    #[test]
    fn a_key_does_not_show() {
        assert_eq!(format!("{:?}", key(KeyUse::Records)), "DerivedKey(..)");
    }
}
