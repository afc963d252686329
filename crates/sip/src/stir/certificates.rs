//! Certificates of signers (RFC 8226): the chain that an `info` names, and the authorities that a tenant trusts.

use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use thiserror::Error;
use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};
use x509_parser::asn1_rs::{Oid, oid};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::StirRefusal;

/// The most certificates of a chain: that of the signer, and authorities between it and a root.
const CHAIN_MAX: usize = 6;
/// The most authorities that a tenant trusts at a trunk; the list of a whole country is about a dozen.
const AUTHORITIES_MAX: usize = 64;
/// The extension that says for which numbers or providers a certificate is (RFC 8226 §9).
const TN_AUTH_LIST: Oid<'static> = oid!(1.3.6.1.5.5.7.1.26);

/// The algorithms by which certificates of a chain may be signed. Those of SHAKEN are P-256 throughout.
const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    webpki::aws_lc_rs::ECDSA_P256_SHA256,
    webpki::aws_lc_rs::ECDSA_P256_SHA384,
    webpki::aws_lc_rs::ECDSA_P384_SHA256,
    webpki::aws_lc_rs::ECDSA_P384_SHA384,
];

/// What is wrong with certificates.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CertificatesError {
    /// There is none.
    #[error("there is no certificate in it")]
    None,
    /// One cannot be read.
    #[error("certificate {0} cannot be read")]
    Unreadable(usize),
    /// There are too many.
    #[error("it has more than {0} certificates")]
    TooMany(usize),
    /// The signer's key is of another kind.
    #[error("its key is not one of the curve P-256")]
    Key,
}

/// Whether a certificate says for whom it may sign.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TnAuthorization {
    /// It has a TNAuthList. Which numbers are in it is not compared: in SHAKEN it names a provider.
    Present,
    /// It has none.
    Absent,
}

/// The certificates of a signer, its own first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateChain {
    certificates: Vec<CertificateDer<'static>>,
    public_key: Vec<u8>,
    authorization: TnAuthorization,
    valid_from: i64,
    valid_until: i64,
}

impl CertificateChain {
    /// Reads what was fetched: PEM, or one certificate in DER.
    ///
    /// # Errors
    /// When that is something else, has too many certificates, or the signer's key is not of the curve P-256.
    pub fn parse(fetched: &[u8]) -> Result<Self, CertificatesError> {
        // A DER certificate is a SEQUENCE.
        let certificates = match fetched.first() {
            Some(0x30) => vec![CertificateDer::from(fetched.to_vec())],
            _ => read_pem(fetched, CHAIN_MAX)?,
        };
        let first = certificates.first().ok_or(CertificatesError::None)?;
        let (_, own) = X509Certificate::from_der(first).map_err(|_| CertificatesError::Unreadable(1))?;
        let public_key = own.public_key().subject_public_key.data.to_vec();
        // The uncompressed point; whether it is one of this curve the first use finds out.
        if public_key.len() != 65 || public_key.first() != Some(&4) {
            return Err(CertificatesError::Key);
        }
        let has_list = own.iter_extensions().any(|extension| extension.oid == TN_AUTH_LIST);
        let authorization = if has_list { TnAuthorization::Present } else { TnAuthorization::Absent };
        let (valid_from, valid_until) = time_of(&own);
        Ok(Self { public_key, authorization, valid_from, valid_until, certificates })
    }

    /// The same, if an authority has signed for it and it is valid at that time. A long chain costs milliseconds.
    ///
    /// # Errors
    /// When that is not so (437).
    pub fn trusted(self: Arc<Self>, authorities: &Authorities, now_s: u64) -> Result<TrustedChain, StirRefusal> {
        self.check(authorities, now_s).map_err(StirRefusal::UnsupportedCredential)?;
        Ok(TrustedChain(self))
    }

    fn check(&self, authorities: &Authorities, now_s: u64) -> Result<(), String> {
        let (own, others) = self.certificates.split_first().ok_or("there is none")?;
        let own = EndEntityCert::try_from(own).map_err(|error| error.to_string())?;
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now_s));
        own.verify_for_usage(ALGORITHMS, &authorities.0, others, time, AnyUsage, None, None)
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// Whether the signer's key has signed this (`r` and `s`, 32 bytes each).
    pub(super) fn has_signed(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.public_key).verify(text, signature).is_ok()
    }

    /// Whether the signer's certificate says for whom it may sign.
    pub const fn authorization(&self) -> TnAuthorization {
        self.authorization
    }

    /// When the signer's certificate begins to be valid, in seconds since 1970.
    pub const fn valid_from(&self) -> i64 {
        self.valid_from
    }

    /// When the signer's certificate ends, in seconds since 1970.
    pub const fn valid_until(&self) -> i64 {
        self.valid_until
    }

    pub(super) fn public_key(&self) -> &[u8] {
        &self.public_key
    }
}

/// The certificates of a signer whom an authority has signed for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrustedChain(pub(super) Arc<CertificateChain>);

/// RFC 8226 knows no purpose for these certificates: whatever one names, its key signs for numbers.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

/// The authorities whose certificates are trusted.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<TrustAnchor<'static>>);

impl Authorities {
    /// Reads their certificates: PEM.
    ///
    /// # Errors
    /// When there is none, one cannot be read, or there are too many.
    pub fn parse(pem: &str) -> Result<Self, CertificatesError> {
        let certificates = read_pem(pem.as_bytes(), AUTHORITIES_MAX)?;
        if certificates.is_empty() {
            return Err(CertificatesError::None);
        }
        let anchor = |(place, certificate): (usize, &CertificateDer<'static>)| {
            let anchor = anchor_from_trusted_cert(certificate).map_err(|_| CertificatesError::Unreadable(place + 1))?;
            Ok(anchor.to_owned())
        };
        certificates.iter().enumerate().map(anchor).collect::<Result<_, _>>().map(Self)
    }
}

/// How long the certificate of an authority says that it is valid, in seconds since 1970. Signatures are verified by it afterwards too: an
/// authority is trusted because the tenant says so (RFC 5280 §6.1.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthorityValidity {
    /// Its subject.
    pub name: String,
    /// From when.
    pub valid_from: i64,
    /// Until when.
    pub valid_until: i64,
}

impl AuthorityValidity {
    /// Reads those of a list: PEM.
    ///
    /// # Errors
    /// As [`Authorities::parse`].
    pub fn all(pem: &str) -> Result<Vec<Self>, CertificatesError> {
        let certificates = read_pem(pem.as_bytes(), AUTHORITIES_MAX)?;
        if certificates.is_empty() {
            return Err(CertificatesError::None);
        }
        let read = |(place, certificate): (usize, &CertificateDer<'static>)| {
            let (_, read) =
                X509Certificate::from_der(certificate).map_err(|_| CertificatesError::Unreadable(place + 1))?;
            let (valid_from, valid_until) = time_of(&read);
            Ok(Self { name: read.subject().to_string(), valid_from, valid_until })
        };
        certificates.iter().enumerate().map(read).collect()
    }
}

fn time_of(certificate: &X509Certificate<'_>) -> (i64, i64) {
    let validity = certificate.validity();
    (validity.not_before.timestamp(), validity.not_after.timestamp())
}

fn read_pem(pem: &[u8], max: usize) -> Result<Vec<CertificateDer<'static>>, CertificatesError> {
    let mut certificates = Vec::new();
    for (place, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
        if place == max {
            return Err(CertificatesError::TooMany(max));
        }
        certificates.push(certificate.map_err(|_| CertificatesError::Unreadable(place + 1))?);
    }
    Ok(certificates)
}
