//! Authenticated text: written into a message by us, and recognised as ours when a peer returns it.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The bytes of a seal: 64 bits cannot be guessed at the rate that a listener allows.
pub const SEAL_BYTES: usize = 8;

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
    /// An account of ours, in the instance by which its registrar knows us again (RFC 5626 §4.1).
    Account = 10,
}

/// The installation's key, ready to seal (HMAC-SHA-256, truncated).
#[derive(Clone)]
pub struct Seal(Hmac<Sha256>);

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
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// The seal of `text`.
    pub fn sign(&self, purpose: Purpose, text: &[u8]) -> [u8; SEAL_BYTES] {
        let mut mac = self.0.clone();
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
        let mut mac = self.0.clone();
        mac.update(&[purpose as u8]);
        mac.update(text);
        seal.len() == SEAL_BYTES && mac.verify_truncated_left(seal).is_ok()
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
}
