//! Authenticated and encrypted text: written into a message by us, and recognised as ours when a peer returns it.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::derived_key::{DerivedKey, KeyUse, NONCE_BYTES, mac_with};

/// The bytes of a seal: 64 bits cannot be guessed at the rate that a listener allows.
pub const SEAL_BYTES: usize = 8;

/// The purpose of a sealed text, so that one kind cannot be passed off as another. Its number is from 1 to 31: keys are made of texts that
/// begin with another byte ([`KeyUse`]).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Purpose {
    /// The local tag of a dialog.
    LocalTag = 1,
    /// A flow of the edge in a Record-Route or Path.
    Flow = 2,
    /// A digest nonce.
    Nonce = 3,
    /// A phone, in the flow token of its connection.
    Phone = 4,
    /// A number in the tables of wrong passwords; it never leaves the process.
    Lockout = 8,
    /// A trunk, in the `origid` of what is signed (RFC 8588 §5).
    Origin = 9,
    /// The way back of a request, in the branch of our Via.
    ReturnPath = 10,
    /// A dialog or a part of a body, in its name.
    Name = 11,
    /// An account of ours, in the instance by which its registrar knows us again (RFC 5626 §4.1).
    Account = 12,
}

/// The installation's key, ready to seal (HMAC-SHA-256, truncated) and to encrypt (AES-256-GCM-SIV, RFC 8452).
#[derive(Clone)]
pub struct Seal {
    mac: Hmac<Sha256>,
    key: DerivedKey,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// Seals with `key`, the same on all nodes of an installation.
    pub fn new(key: &[u8; 32]) -> Self {
        Self { mac: mac_with(key), key: DerivedKey::new(key, KeyUse::Messages) }
    }

    /// The seal of `text`.
    pub fn sign(&self, purpose: Purpose, text: &[u8]) -> [u8; SEAL_BYTES] {
        let mut mac = self.mac.clone();
        mac.update(&[purpose as u8]);
        mac.update(text);
        let full = mac.finalize().into_bytes();
        let mut short = [0; SEAL_BYTES];
        short.copy_from_slice(&full[..SEAL_BYTES]);
        short
    }

    /// A UUID (version 8, RFC 9562 §5.8) that is the same as long as the installation has its key: half of it is the seal of each name, of
    /// which it tells nothing else.
    pub fn uuid(&self, purpose: Purpose, [first, second]: [&str; 2]) -> String {
        let half = |name: &str| u64::from_be_bytes(self.sign(purpose, name.as_bytes()));
        // The version is the four bits from the 49th on, the variant the two from the 65th.
        let (high, low) = (half(first) & !(0xf << 12) | 8 << 12, half(second) & !(0b11 << 62) | 0b10 << 62);
        let (start, middle, version) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        format!("{start:08x}-{middle:04x}-{version:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }

    /// Whether `seal` is the seal of `text`; runs in constant time.
    pub fn verifies(&self, purpose: Purpose, text: &[u8], seal: &[u8]) -> bool {
        let mut mac = self.mac.clone();
        mac.update(&[purpose as u8]);
        mac.update(text);
        seal.len() == SEAL_BYTES && mac.verify_truncated_left(seal).is_ok()
    }

    /// `text`, encrypted for that purpose ([`DerivedKey::encrypt`]).
    pub fn encrypt(&self, purpose: Purpose, nonce: [u8; NONCE_BYTES], text: Vec<u8>) -> Vec<u8> {
        self.key.encrypt(nonce, &[purpose as u8], text)
    }

    /// The text that was encrypted for that purpose with that nonce; `None` for anything else.
    pub fn decrypt(&self, purpose: Purpose, nonce: [u8; NONCE_BYTES], encrypted: Vec<u8>) -> Option<Vec<u8>> {
        self.key.decrypt(nonce, &[purpose as u8], encrypted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_for_its_text_purpose_and_key_alone() {
        let ours = Seal::new(&[7; 32]);
        let seal = ours.sign(Purpose::Flow, b"abc");
        assert!(ours.verifies(Purpose::Flow, b"abc", &seal));
        assert!(!ours.verifies(Purpose::Flow, b"abd", &seal));
        assert!(!ours.verifies(Purpose::LocalTag, b"abc", &seal));
        assert!(!ours.verifies(Purpose::Flow, b"abc", &seal[..7]));
        assert!(!Seal::new(&[8; 32]).verifies(Purpose::Flow, b"abc", &seal));
    }

    #[test]
    fn an_encrypted_text_is_read_for_its_purpose_by_its_key_alone() {
        const NONCE: [u8; NONCE_BYTES] = [0; NONCE_BYTES];
        let ours = Seal::new(&[7; 32]);
        let hidden = ours.encrypt(Purpose::LocalTag, NONCE, b"acme".to_vec());
        assert_eq!(ours.decrypt(Purpose::LocalTag, NONCE, hidden.clone()).as_deref(), Some(&b"acme"[..]));
        assert_eq!(ours.decrypt(Purpose::ReturnPath, NONCE, hidden.clone()), None);
        assert_eq!(Seal::new(&[8; 32]).decrypt(Purpose::LocalTag, NONCE, hidden), None);
    }

    #[test]
    fn no_purpose_begins_as_what_a_key_is_made_of() {
        let purposes = [
            Purpose::LocalTag,
            Purpose::Flow,
            Purpose::Nonce,
            Purpose::Phone,
            Purpose::Lockout,
            Purpose::Origin,
            Purpose::ReturnPath,
            Purpose::Name,
            Purpose::Account,
        ];
        assert!(purposes.into_iter().all(|purpose| (1..32).contains(&(purpose as u8))));
        for of in [KeyUse::Messages, KeyUse::Records] {
            assert!(of.label().first().is_some_and(|byte| !(1..32).contains(byte)), "{of:?}");
        }
    }

    #[test]
    fn a_uuid_is_the_same_for_ever() {
        // Computed apart. Never change it: a registrar knows us by it.
        assert_eq!(Seal::new(&[7; 32]).uuid(Purpose::Account, ["a", "b"]), "78d86948-2f18-88f8-bbe1-5633e9c94a75");
    }
}
