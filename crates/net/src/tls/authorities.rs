//! Whom we believe: the system's authorities, or those of files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Those that are believed.
pub type Roots = RootCertStore;

/// Why a file of authorities is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct AuthorityFault {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

/// The authorities of these files: PEM, each with any number of certificates.
///
/// # Errors
/// If one of them cannot be read or has no certificate of an authority.
pub fn of_files(paths: &[impl AsRef<Path>]) -> Result<RootCertStore, AuthorityFault> {
    let mut roots = RootCertStore::empty();
    for path in paths.iter().map(AsRef::as_ref) {
        let fault = |why: String| AuthorityFault { path: path.to_owned(), why };
        let text = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
        add(&mut roots, &text).map_err(fault)?;
    }
    Ok(roots)
}

/// The authorities of a text in PEM.
///
/// # Errors
/// If a certificate in it is of no use, or there is none.
pub fn of_text(text: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    add(&mut roots, text.as_bytes()).map(|()| roots)
}

fn add(roots: &mut RootCertStore, text: &[u8]) -> Result<(), String> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(text) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.len() > before { Ok(()) } else { Err("there is no certificate in it".to_owned()) }
}

/// How many authorities these are. One that has renewed its certificate and is there twice is one.
pub fn count(roots: &RootCertStore) -> usize {
    roots.roots.iter().map(|root| root.subject.as_ref()).collect::<BTreeSet<&[u8]>>().len()
}

/// The authorities that this machine's system believes, as far as they can be read; and what could not be.
pub fn of_system() -> (RootCertStore, Option<String>) {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some of them are of a form that nobody checks any more.
    roots.add_parsable_certificates(found.certs);
    (roots, found.errors.first().map(ToString::to_string))
}
