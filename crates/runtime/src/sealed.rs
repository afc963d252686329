//! What is confidential in files, in records and in the configuration: encrypted and authenticated with a key made of the installation's,
//! or of one that a caller has.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use infra::{SecretCipher, SecretPlace};

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

/// What the keys of [`TenantSecretCipher`] are made of. They never change, and nothing else is made with them.
const SECRETS: &[u8] = b"trunkline tenant secrets";
const NONCES: &[u8] = b"trunkline nonces of tenant secrets";

/// Seals the secrets of tenants' objects with the installation's key.
///
/// A secret at one place is always sealed to the same text: the nonce is a MAC of both. So it is seen whether a secret has changed, and no
/// more; AES-GCM-SIV (RFC 8452) allows that.
pub struct TenantSecretCipher {
    cipher: LessSafeKey,
    nonces: hmac::Key,
}

impl TenantSecretCipher {
    /// One with keys made of the installation's; `None` if the machine has no such cipher.
    pub fn of(key: &InstallationKey) -> Option<Self> {
        let made = hmac::Key::new(hmac::HMAC_SHA256, key.bytes());
        let cipher = UnboundKey::new(&AES_256_GCM_SIV, hmac::sign(&made, SECRETS).as_ref()).ok()?;
        let nonces = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&made, NONCES).as_ref());
        Some(Self { cipher: LessSafeKey::new(cipher), nonces })
    }
}

impl fmt::Debug for TenantSecretCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSecretCipher(***)")
    }
}

impl SecretCipher for TenantSecretCipher {
    fn seal(&self, place: &SecretPlace<'_>, plain: &str) -> Option<String> {
        // The place says its own lengths, so that what follows it cannot be taken for a part of it.
        let bound_to = place.bytes();
        let mac = hmac::sign(&self.nonces, &[&bound_to, plain.as_bytes()].concat());
        let nonce: [u8; NONCE_LEN] = mac.as_ref().get(..NONCE_LEN)?.try_into().ok()?;
        let mut text = plain.as_bytes().to_vec();
        let once = Nonce::assume_unique_for_key(nonce);
        self.cipher.seal_in_place_append_tag(once, Aad::from(bound_to.as_slice()), &mut text).ok()?;
        Some(URL_SAFE_NO_PAD.encode([&nonce[..], &text].concat()))
    }

    fn open(&self, place: &SecretPlace<'_>, sealed: &str) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let plain = self.cipher.open_in_place(nonce, Aad::from(place.bytes()), &mut text).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use model::TenantId;

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

    #[test]
    fn a_secret_is_sealed_to_one_text_that_opens_at_its_place_with_its_key_alone() {
        let acme = TenantId::parse("acme").unwrap();
        let at = |name: &str, field| SecretPlace { field, ..SecretPlace::of_snapshot(&acme, name) };
        let cipher = |byte| TenantSecretCipher::of(&InstallationKey::from_bytes([byte; 32])).unwrap();
        let sealed = cipher(1).seal(&at("7101", "password"), "hunter2").unwrap();
        assert_eq!(cipher(1).seal(&at("7101", "password"), "hunter2").unwrap(), sealed);
        assert_eq!(cipher(1).open(&at("7101", "password"), &sealed).as_deref(), Some("hunter2"));
        assert_ne!(cipher(1).seal(&at("7102", "password"), "hunter2").unwrap(), sealed);
        assert_ne!(cipher(1).seal(&at("7101", "password"), "hunter3").unwrap(), sealed);
        assert_eq!(cipher(2).open(&at("7101", "password"), &sealed), None);
        assert_eq!(cipher(1).open(&at("7102", "password"), &sealed), None);
        assert_eq!(cipher(1).open(&at("7101", "pass"), &sealed), None);
        for wrong in ["", "AAAA", "not base64!"] {
            assert_eq!(cipher(1).open(&at("7101", "password"), wrong), None, "{wrong}");
        }
        assert!(!format!("{:?}", cipher(1)).contains('1'));
    }
}
