//! Authenticated and encrypted text: written into a message by us, and recognised as ours when a peer returns it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The bytes of a seal: 64 bits cannot be guessed at the rate that a listener allows.
pub const SEAL_BYTES: usize = 8;
/// The bytes of a nonce of [`Seal::encrypt`].
pub const NONCE_BYTES: usize = 12;
/// By how many bytes an encrypted text is longer than what it hides.
pub const ENCRYPTED_MORE: usize = 16;
/// What the key of encryption is derived from. No purpose has the number 0, so this is never signed for anything else.
const ENCRYPTION: &[u8] = b"\0encryption";

/// The purpose of a sealed text, so that one kind cannot be passed off as another.
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
    cipher: Arc<LessSafeKey>,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Seal {
    /// Seals with `key`, the same on all nodes of an installation.
    pub fn new(key: &[u8; 32]) -> Self {
        // Hashing the key once more gives the initial block of the construction; a key of 32 bytes is never refused.
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        let mut derived = mac.clone();
        derived.update(ENCRYPTION);
        let derived = derived.finalize().into_bytes();
        #[expect(clippy::expect_used, reason = "a SHA-256 has the 32 bytes of the key")]
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, &derived[..]).expect("a SHA-256 has the 32 bytes of the key");
        Self { mac, cipher: Arc::new(LessSafeKey::new(cipher)) }
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
        let half = |name: &str| u128::from(u64::from_be_bytes(self.sign(purpose, name.as_bytes())));
        let random = (half(first) << 64 | half(second)) & !(0xf << 76) & !(0b11 << 62);
        let digits = format!("{:032x}", random | 8 << 76 | 0b10 << 62);
        let mut uuid = String::with_capacity(36);
        for (place, digit) in digits.chars().enumerate() {
            if matches!(place, 8 | 12 | 16 | 20) {
                uuid.push('-');
            }
            uuid.push(digit);
        }
        uuid
    }

    /// Whether `seal` is the seal of `text`; runs in constant time.
    pub fn verifies(&self, purpose: Purpose, text: &[u8], seal: &[u8]) -> bool {
        let mut mac = self.mac.clone();
        mac.update(&[purpose as u8]);
        mac.update(text);
        seal.len() == SEAL_BYTES && mac.verify_truncated_left(seal).is_ok()
    }

    /// `text`, encrypted and authenticated; [`ENCRYPTED_MORE`] bytes longer. Empty if it has more than 2^36 bytes.
    ///
    /// A nonce may repeat: all that GCM-SIV then shows is whether two texts of one purpose are the same (RFC 8452 §1). A constant one
    /// makes the result the same each time.
    pub fn encrypt(&self, purpose: Purpose, nonce: [u8; NONCE_BYTES], mut text: Vec<u8>) -> Vec<u8> {
        let (nonce, purpose) = (Nonce::assume_unique_for_key(nonce), Aad::from([purpose as u8]));
        match self.cipher.seal_in_place_append_tag(nonce, purpose, &mut text) {
            Ok(()) => text,
            Err(_) => Vec::new(),
        }
    }

    /// The text that was encrypted for that purpose with that nonce; `None` for anything else.
    pub fn decrypt(&self, purpose: Purpose, nonce: [u8; NONCE_BYTES], mut encrypted: Vec<u8>) -> Option<Vec<u8>> {
        let (nonce, purpose) = (Nonce::assume_unique_for_key(nonce), Aad::from([purpose as u8]));
        let length = self.cipher.open_in_place(nonce, purpose, &mut encrypted).ok()?.len();
        encrypted.truncate(length);
        Some(encrypted)
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
        assert_eq!(hidden.len(), 4 + ENCRYPTED_MORE);
        assert_eq!(hidden, ours.encrypt(Purpose::LocalTag, NONCE, b"acme".to_vec()), "the same each time");
        assert!(!hidden.windows(4).any(|part| part == b"acme"));
        assert_eq!(ours.decrypt(Purpose::LocalTag, NONCE, hidden.clone()).as_deref(), Some(&b"acme"[..]));
        assert_eq!(ours.decrypt(Purpose::ReturnPath, NONCE, hidden.clone()), None);
        assert_eq!(ours.decrypt(Purpose::LocalTag, [1; NONCE_BYTES], hidden.clone()), None);
        assert_eq!(Seal::new(&[8; 32]).decrypt(Purpose::LocalTag, NONCE, hidden.clone()), None);
        for at in 0..hidden.len() {
            let mut changed = hidden.clone();
            changed[at] ^= 1;
            assert_eq!(ours.decrypt(Purpose::LocalTag, NONCE, changed), None, "{at}");
        }
        assert_eq!(ours.decrypt(Purpose::LocalTag, NONCE, hidden[..15].to_vec()), None);
    }
}
