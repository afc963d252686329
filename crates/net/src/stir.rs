//! Keys of signers and authorities of verifiers, from a tenant's configuration to the protocol core that signs with them.

use contracts::provisioning::{Secret, Stir, StirSign, StirVerify};
use sip::stir::{Authorities, AuthorityValidity, CertificateChain, KeyError, Signer};
use thiserror::Error;

/// Why calls by a trunk cannot be signed as its tenant has set it.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SigningFault {
    /// There is no key.
    #[error("it is needed: the key of the certificate, as PEM")]
    NoKey,
    /// The key or the address cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate cannot be used.
    #[error("{0}")]
    Certificate(String),
    /// The certificate is that of another key.
    #[error("it is not the certificate of `private_key`")]
    OtherKey,
}

impl SigningFault {
    /// The key of the trunk that is to blame.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::NoKey | Self::Key(KeyError::Pem | KeyError::Curve) => "private_key",
            Self::Key(KeyError::Url(_)) => "certificate_url",
            Self::Certificate(_) | Self::OtherKey => "certificate",
        }
    }
}

/// What signs with this key.
///
/// # Errors
/// Those of [`Signer::new`], when there is no key, and when the certificate is that of another one.
pub fn signer(sign: &StirSign, private_key: Option<&Secret>) -> Result<Signer, SigningFault> {
    let key = private_key.ok_or(SigningFault::NoKey)?;
    let signer = Signer::new(key.reveal(), &sign.certificate_url)?;
    // Also while a new key is on its way: the signature of the former one does not hold for a new certificate.
    match parsed(sign).transpose()? {
        Some(certificate) if !signer.is_of(&certificate) => Err(SigningFault::OtherKey),
        _ => Ok(signer),
    }
}

/// The certificate that stands beside the key.
pub fn certificate(stir: &Stir) -> Option<Result<CertificateChain, SigningFault>> {
    parsed(stir.sign.as_ref()?)
}

fn parsed(sign: &StirSign) -> Option<Result<CertificateChain, SigningFault>> {
    let read = CertificateChain::parse(sign.certificate.as_ref()?.as_bytes());
    Some(read.map_err(|error| SigningFault::Certificate(error.to_string())))
}

/// Checks key, address and certificate, and that they belong together.
///
/// # Errors
/// Names the first fault.
pub fn check_signing(stir: &Stir) -> Result<(), SigningFault> {
    let Some(sign) = &stir.sign else { return Ok(()) };
    signer(sign, sign.private_key.as_ref()).map(drop)
}

/// The certificate that was fetched from where whoever verifies fetches it.
///
/// # Errors
/// When it is none, or not that of the key.
pub fn published(sign: &StirSign, fetched: &[u8]) -> Result<CertificateChain, SigningFault> {
    let key = sign.private_key.as_ref().ok_or(SigningFault::NoKey)?;
    let signer = Signer::new(key.reveal(), &sign.certificate_url)?;
    let read = CertificateChain::parse(fetched).map_err(|error| SigningFault::Certificate(error.to_string()))?;
    if signer.is_of(&read) { Ok(read) } else { Err(SigningFault::OtherKey) }
}

/// How long the authorities are valid by which signatures are verified; none where they are not.
///
/// # Errors
/// As [`authorities`].
pub fn authority_validities(stir: &Stir) -> Result<Vec<AuthorityValidity>, String> {
    authorities(stir)?;
    let read = stir.authorities.as_deref().map(AuthorityValidity::all).transpose();
    read.map(Option::unwrap_or_default).map_err(|error| error.to_string())
}

/// The authorities by which signatures are verified; none where they are not.
///
/// # Errors
/// In words, when there are none, or they cannot be read.
pub fn authorities(stir: &Stir) -> Result<Option<Authorities>, String> {
    match (stir.verify, &stir.authorities) {
        (StirVerify::Off, None) => Ok(None),
        (_, None) => Err("`verify` needs it: the certificates of the authorities, as PEM".to_owned()),
        (_, Some(pem)) => Authorities::parse(pem).map(Some).map_err(|error| error.to_string()),
    }
}
