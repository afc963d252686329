//! What is confidential in files, in records and in the configuration: encrypted and authenticated with a key made of the installation's,
//! or of one that a caller has.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;

use crate::installation_key::InstallationKey;

/// What the key is made of. It never changes, and nothing else is made of the installation's key with it.
const LABEL: &[u8] = b"trunkline files";

fn cipher(key: &InstallationKey) -> Option<LessSafeKey> {
    let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.bytes()), LABEL);
    UnboundKey::new(&AES_256_GCM_SIV, derived.as_ref()).ok().map(LessSafeKey::new)
}

/// Seals `plain`; `None` if the machine has no randomness. Only who names again what it is bound to can open it.
pub fn seal(key: &InstallationKey, bound_to: &[u8], mut plain: Vec<u8>) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).ok()?;
    let sealed = cipher(key)?;
    sealed.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound_to), &mut plain).ok()?;
    Some([&nonce[..], &plain].concat())
}

/// What was sealed; `None` if it was with another key, is bound to something else, or was changed.
pub fn open(key: &InstallationKey, bound_to: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
    let mut text = text.to_vec();
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let plain = cipher(key)?.open_in_place(nonce, Aad::from(bound_to), &mut text).ok()?;
    Some(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_with_the_same_key_for_the_same_use_alone() {
        let key = |byte| InstallationKey::from_bytes([byte; 32]);
        let sealed = seal(&key(1), b"use", b"text".to_vec()).unwrap();
        assert_eq!(open(&key(1), b"use", &sealed).as_deref(), Some(&b"text"[..]));
        assert_eq!(open(&key(2), b"use", &sealed), None);
        assert_eq!(open(&key(1), b"other", &sealed), None);
        assert_eq!(open(&key(1), b"use", b"short"), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(open(&key(1), b"use", &changed), None, "{at}");
        }
        assert_ne!(seal(&key(1), b"use", b"text".to_vec()).unwrap(), sealed);
    }
}
