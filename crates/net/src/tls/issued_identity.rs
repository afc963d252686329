//! A certificate that an ACME server has issued to this installation, with its key: sealed in a file of the data directory, which all
//! processes of the installation read.

use std::path::{Path, PathBuf};

use runtime::installation_key::InstallationKey;
use runtime::{data_dir, sealed};
use serde::{Deserialize, Serialize};

use super::identity::{Identity, IdentityFault, IdentityFiles};

/// Its file, in the data directory.
const FILE: &str = "acme-certificate.sealed";
/// What it is sealed for.
const SEALED_FOR: &[u8] = b"trunkline acme certificate";

/// What has been issued, and by whom.
#[derive(Clone, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The URL of the directory of the ACME server (RFC 8555 section 7.1.1).
    pub directory: String,
    /// PEM: the certificate, those of its authorities, and its private key.
    pub pem: String,
    /// When it is to be renewed, in milliseconds of Unix time; 0 if nobody has said.
    #[serde(default)]
    pub renew_at_ms: u64,
}

/// The present one as TLS uses it, with what is kept beside it.
#[derive(Debug)]
pub struct PresentIdentity {
    /// The URL of the directory of who has issued it.
    pub directory: String,
    /// When it is to be renewed, in milliseconds of Unix time; 0 if nobody has said.
    pub renew_at_ms: u64,
    /// Certificate and key.
    pub identity: Identity,
}

/// Where it is kept. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IssuedIdentity {
    path: PathBuf,
    key: InstallationKey,
}

impl IssuedIdentity {
    /// That of an installation.
    pub fn of_installation(data_dir: &Path, key: InstallationKey) -> Self {
        Self { path: data_dir.join(FILE), key }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The present one; `None` if none has been issued yet.
    ///
    /// # Errors
    /// If the file cannot be read ([`IdentityFault::is_unreadable`]: there may be one), was sealed by another installation, or has no
    /// certificate that TLS can use.
    pub fn read(&self) -> Result<Option<PresentIdentity>, IdentityFault> {
        let sealed = match std::fs::read(&self.path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(IdentityFault::Unreadable { path: self.path.clone(), why: error.to_string() });
            }
        };
        let opened = sealed::open(&self.key, SEALED_FOR, &sealed);
        let issued: Option<IssuedCertificate> = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        let issued = issued.ok_or_else(|| self.unusable("another installation has sealed it, or it was changed"))?;
        let identity = self.parsed(&issued)?;
        Ok(Some(PresentIdentity { directory: issued.directory, renew_at_ms: issued.renew_at_ms, identity }))
    }

    /// Puts one in the place of the present one, if TLS can use it; and returns it as it will be used.
    ///
    /// # Errors
    /// If it cannot be used or written: the present one stays.
    pub fn write(&self, issued: &IssuedCertificate) -> Result<Identity, IdentityFault> {
        let identity = self.parsed(issued)?;
        let plain = serde_json::to_vec(issued).map_err(|error| self.unusable(&error.to_string()))?;
        let sealed = sealed::seal(&self.key, SEALED_FOR, plain);
        let sealed = sealed.ok_or_else(|| self.unusable("it cannot be sealed: the machine has no randomness"))?;
        data_dir::write_whole(&self.path, &sealed).map_err(|error| self.unusable(&error.to_string()))?;
        Ok(identity)
    }

    /// What TLS would make of one.
    ///
    /// # Errors
    /// If TLS cannot use it.
    pub fn parsed(&self, issued: &IssuedCertificate) -> Result<Identity, IdentityFault> {
        let files = IdentityFiles { chain: self.path.clone(), key: self.path.clone() };
        Identity::parse(issued.pem.as_bytes(), issued.pem.as_bytes(), &files)
    }

    fn unusable(&self, why: &str) -> IdentityFault {
        IdentityFault::Unusable { path: self.path.clone(), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::self_signed;

    #[test]
    fn what_was_issued_is_sealed_and_read_back_and_nothing_else_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let of = |byte| IssuedIdentity::of_installation(folder.path(), InstallationKey::from_bytes([byte; 32]));
        let issued = of(1);
        assert!(issued.read().unwrap().is_none());
        let pem = self_signed::generate(&["edge.example".to_owned()], 1_800_000_000).unwrap();
        let directory = "https://ca.example/directory".to_owned();
        let certificate = IssuedCertificate { directory: directory.clone(), pem: pem.clone(), renew_at_ms: 7 };
        issued.write(&certificate).unwrap();
        let present = issued.read().unwrap().unwrap();
        assert_eq!((&present.directory, present.renew_at_ms), (&directory, 7));
        assert_eq!(present.identity.names(), ["edge.example"]);
        let stored = std::fs::read(issued.path()).unwrap();
        assert!(!String::from_utf8_lossy(&stored).contains("BEGIN"), "it is sealed");
        let without_key = pem.split("-----BEGIN PRIVATE").next().unwrap().to_owned();
        assert!(issued.write(&IssuedCertificate { pem: without_key, ..certificate }).is_err());
        assert_eq!(std::fs::read(issued.path()).unwrap(), stored, "the one before stays");
        let foreign = of(2).read().unwrap_err();
        assert!(foreign.to_string().contains("another installation") && !foreign.is_unreadable());
        std::fs::remove_file(issued.path()).unwrap();
        std::fs::create_dir(issued.path()).unwrap();
        assert!(issued.read().unwrap_err().is_unreadable(), "nobody knows what was in it");
    }

    #[test]
    fn one_that_was_kept_without_the_time_of_its_renewal_is_read() {
        let kept = r#"{"directory":"https://ca.example/directory","pem":""}"#;
        assert_eq!(serde_json::from_str::<IssuedCertificate>(kept).unwrap().renew_at_ms, 0);
    }
}
