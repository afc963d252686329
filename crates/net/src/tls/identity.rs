//! Who we are: a certificate with its chain, and its key.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate with its chain and key.
pub struct Identity {
    key: Arc<CertifiedKey>,
    names: Vec<CertifiedName>,
    valid_from: i64,
    valid_to: i64,
}

/// A name in a certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
enum CertifiedName {
    /// A host, possibly with `*` as its first label.
    Host(String),
    Address(IpAddr),
}

/// Why a certificate cannot be used. It names files, and nothing that is in them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    /// A file cannot be read.
    #[error("{}: {why}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: String,
    },
    /// No certificate.
    #[error("{}: there is no certificate in it", .0.display())]
    NoCertificate(PathBuf),
    /// No key.
    #[error("{}: there is no private key in it, which the certificate needs", .0.display())]
    NoKey(PathBuf),
    /// The key is another certificate's.
    #[error("{}: the private key does not fit the certificate", .0.display())]
    OtherKey(PathBuf),
    /// It is no certificate that TLS can use.
    #[error("{}: {why}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl IdentityFault {
    /// Whether a file could not be read, so that it is not known what is in it: a later look may find it sound.
    pub const fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

/// The files of an identity.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct IdentityFiles {
    /// The certificate, then those of its authorities.
    pub chain: PathBuf,
    /// The private key; it may be the same file.
    pub key: PathBuf,
}

impl IdentityFiles {
    /// From `chain.pem`, which has the key too, or `chain.pem:key.pem`.
    pub fn parse(text: &str) -> Self {
        let (chain, key) = text.split_once(':').unwrap_or((text, text));
        Self { chain: chain.into(), key: key.into() }
    }
}

impl Identity {
    /// Reads an identity from its files.
    ///
    /// # Errors
    /// [`IdentityFault`].
    pub fn read(files: &IdentityFiles) -> Result<Self, IdentityFault> {
        let chain = read(&files.chain)?;
        let key = if files.key == files.chain { chain.clone() } else { read(&files.key)? };
        Self::parse(&chain, &key, files)
    }

    pub(super) fn parse(chain: &[u8], key: &[u8], files: &IdentityFiles) -> Result<Self, IdentityFault> {
        let unusable = |path: &Path, why: String| IdentityFault::Unusable { path: path.to_owned(), why };
        let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| unusable(&files.chain, error.to_string()))?;
        let Some(first) = chain.first() else { return Err(IdentityFault::NoCertificate(files.chain.clone())) };
        let (names, valid_from, valid_to) = look_at(first).map_err(|why| unusable(&files.chain, why))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| IdentityFault::NoKey(files.key.clone()))?;
        let key = CertifiedKey::from_der(chain, key, &super::provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => IdentityFault::OtherKey(files.key.clone()),
            // Its text is about forms and algorithms, never about the key itself.
            other => unusable(&files.key, other.to_string()),
        })?;
        Ok(Self { key: Arc::new(key), names, valid_from, valid_to })
    }

    pub(super) const fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// From when it is valid, in seconds of Unix time.
    pub const fn valid_from(&self) -> i64 {
        self.valid_from
    }

    /// Until when it is valid, in seconds of Unix time.
    pub const fn valid_to(&self) -> i64 {
        self.valid_to
    }

    /// Whether the certificate is one for this host name or address.
    pub fn is_for(&self, name: &str) -> bool {
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        self.names.iter().any(|certified| match (certified, address) {
            (CertifiedName::Address(certified), Some(address)) => *certified == address,
            (CertifiedName::Host(certified), None) => covers(certified, name),
            _ => false,
        })
    }

    /// The names in the certificate, for people.
    pub fn names(&self) -> Vec<String> {
        let text = |name: &CertifiedName| match name {
            CertifiedName::Host(host) => host.clone(),
            CertifiedName::Address(address) => address.to_string(),
        };
        self.names.iter().map(text).collect()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityFault> {
    std::fs::read(path).map_err(|error| IdentityFault::Unreadable { path: path.to_owned(), why: error.to_string() })
}

/// The names and the time of a certificate.
fn look_at(certificate: &CertificateDer<'_>) -> Result<(Vec<CertifiedName>, i64, i64), String> {
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let alternative = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(host) => Some(CertifiedName::Host((*host).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(CertifiedName::Address),
        _ => None,
    });
    let validity = certificate.validity();
    Ok((names.collect(), validity.not_before.timestamp(), validity.not_after.timestamp()))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Whether a host in a certificate means this host; `*` stands for one whole label (RFC 6125 §6.4.3).
fn covers(certified: &str, host: &str) -> bool {
    match certified.strip_prefix("*.") {
        None => certified.eq_ignore_ascii_case(host),
        Some(domain) => {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(domain))
        }
    }
}

// A key must not come into a log.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("names", &self.names).field("valid_to", &self.valid_to).finish_non_exhaustive()
    }
}

/// Chooses among several by the name that a client asks for. Without a name, or with one that none has, it is the first.
#[derive(Debug)]
pub(super) struct Identities(pub(super) Vec<Arc<Identity>>);

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name().and_then(|name| self.0.iter().find(|identity| identity.is_for(name)));
        asked.or_else(|| self.0.first()).map(|identity| identity.key.clone())
    }
}
