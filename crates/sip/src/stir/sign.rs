//! Signing: a PASSporT becomes a value of `Identity` (RFC 8224 §6.1).

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;

use super::passport::{Passport, SHAKEN, encode};
use super::{CertificateChain, check_certificate_url};

/// Why nothing can be signed with what was given. Its author is to blame.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KeyError {
    /// The text has no private key.
    #[error("the private key is not PEM")]
    Pem,
    /// The key is of another kind.
    #[error("the private key is not one of the curve P-256 (ES256)")]
    Curve,
    /// The address of the certificate cannot be used.
    #[error("the address of the certificate: {0}")]
    Url(&'static str),
}

/// A key with which INVITEs are signed, and where its certificate is.
pub struct Signer {
    key: EcdsaKeyPair,
    certificate_url: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("certificate_url", &self.certificate_url).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads the key: PEM, in PKCS#8 or as SEC 1 has it.
    ///
    /// # Errors
    /// When it is no key of the curve P-256, or the certificate's address is none.
    pub fn new(private_key_pem: &str, certificate_url: &str) -> Result<Self, KeyError> {
        check_certificate_url(certificate_url).map_err(KeyError::Url)?;
        let der = PrivateKeyDer::from_pem_slice(private_key_pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let key = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der());
        Ok(Self { key: key.map_err(|_| KeyError::Curve)?, certificate_url: certificate_url.to_owned() })
    }

    /// The value of `Identity`; none if the cryptography library fails.
    pub fn sign(&self, passport: &Passport) -> Option<String> {
        let input = passport.signing_input(&self.certificate_url);
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).ok()?;
        let (signature, url) = (encode(signature.as_ref()), &self.certificate_url);
        Some(format!("{input}.{signature};info=<{url}>;alg=ES256;ppt={SHAKEN}"))
    }

    /// Whether these certificates are those of the key.
    pub fn is_of(&self, certificates: &CertificateChain) -> bool {
        certificates.public_key() == self.key.public_key().as_ref()
    }
}
