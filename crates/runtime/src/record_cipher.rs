//! What is confidential in records: sealed before it reaches a store.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use crate::installation_key::InstallationKey;

/// What tells the key from everything else that is made with the installation's: no purpose of a MAC begins like this.
const PURPOSE: &[u8] = b"trunkline records";
/// The same for each record: see [`RecordCipher`].
const NONCE: [u8; 12] = [0; 12];

/// Seals parts of records by AES-256-GCM-SIV (RFC 8452) under a key that is made of the installation's: whoever reads the store without that
/// key learns their length alone, and a part that was changed there is refused.
///
/// The mode allows to use one nonce again and again: what shows is which parts of one kind are equal. A call that is read from its record so
/// encodes to the same record.
#[derive(Clone)]
pub struct RecordCipher(Arc<LessSafeKey>);

impl RecordCipher {
    /// That of an installation.
    pub fn of(installation: &InstallationKey) -> Self {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, installation.bytes()), PURPOSE);
        #[expect(clippy::expect_used, reason = "a MAC by SHA-256 has the length of such a key")]
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.as_ref()).expect("a key of 32 bytes");
        Self(Arc::new(LessSafeKey::new(key)))
    }

    /// Seals a part of a record of this kind.
    pub fn seal(&self, kind: &str, mut plain: Vec<u8>) -> Vec<u8> {
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let sealed = self.0.seal_in_place_append_tag(nonce, Aad::from(kind.as_bytes()), &mut plain);
        #[expect(clippy::expect_used, reason = "no record has 64 GiB, the most that is sealed at once")]
        sealed.expect("less than 64 GiB");
        plain
    }

    /// What was sealed; `None` if it was by another key, for another kind, or was changed.
    pub fn open(&self, kind: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let length = self.0.open_in_place(nonce, Aad::from(kind.as_bytes()), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl fmt::Debug for RecordCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordCipher(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(key: u8) -> RecordCipher {
        RecordCipher::of(&InstallationKey::from_bytes([key; 32]))
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_for_the_same_kind_alone() {
        let sealed = of(1).seal("media", b"the key of a call".to_vec());
        assert_eq!(of(1).open("media", &sealed).as_deref(), Some(b"the key of a call".as_slice()));
        assert_eq!(of(2).open("media", &sealed), None);
        assert_eq!(of(1).open("call", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(of(1).open("media", &changed), None, "{at}");
        }
        assert_eq!(of(1).open("media", b"short"), None);
    }

    #[test]
    fn nothing_of_it_shows_and_equal_parts_are_equal_when_sealed() {
        let sealed = of(1).seal("media", b"the key of a call".to_vec());
        assert!(!sealed.windows(3).any(|bytes| b"the key of a call".windows(3).any(|plain| plain == bytes)));
        assert_eq!(sealed, of(1).seal("media", b"the key of a call".to_vec()));
        assert_ne!(sealed[..3], of(1).seal("media", b"the key of another call".to_vec())[..3]);
        assert!(!format!("{:?} {:?}", of(1), InstallationKey::from_bytes([1; 32])).contains('1'));
    }
}
