//! A private key that signs tokens (ES256).

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::TokenError;
use super::key::PublicJwk;

/// A private key, with the public one that verifies what it signs.
pub struct SigningKey {
    encoding: EncodingKey,
    jwk: PublicJwk,
    pkcs8: Vec<u8>,
}

impl SigningKey {
    /// A new private key, as PKCS#8.
    ///
    /// # Errors
    /// If the machine has no randomness.
    pub fn new_pkcs8() -> Result<Vec<u8>, TokenError> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        key.map(|key| key.as_ref().to_vec()).map_err(|_| TokenError::Key)
    }

    /// That private key (PKCS#8).
    ///
    /// # Errors
    /// If it is no key on P-256.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, TokenError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| TokenError::Key)?;
        let jwk = PublicJwk::of(pair.public_key().as_ref()).ok_or(TokenError::Key)?;
        Ok(Self { encoding: EncodingKey::from_ec_der(pkcs8), jwk, pkcs8: pkcs8.to_vec() })
    }

    /// A new private key.
    ///
    /// # Errors
    /// As [`Self::new_pkcs8`].
    pub fn made() -> Result<Self, TokenError> {
        Self::from_pkcs8(&Self::new_pkcs8()?)
    }

    /// It as PKCS#8, to be stored.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The key that verifies.
    pub const fn jwk(&self) -> &PublicJwk {
        &self.jwk
    }

    /// Signs claims as a token of that type.
    pub(super) fn sign<T: Serialize>(&self, claims: &T, typ: &str) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.jwk.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|_| TokenError::Key)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.jwk.kid).finish_non_exhaustive()
    }
}
