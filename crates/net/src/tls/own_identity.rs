//! A certificate of our own making for an edge that is set none: made once, and kept in a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use runtime::data_dir;

use super::expiry::ENDS_SOON;
use super::identity::{Identity, IdentityFiles};
use super::self_signed;

/// Where it is kept, and for whom it is.
#[derive(Debug)]
pub struct OwnIdentity {
    path: PathBuf,
    names: Vec<String>,
}

impl OwnIdentity {
    /// It is kept in this file, and is for these host names and addresses.
    pub fn new(path: PathBuf, names: Vec<String>) -> Self {
        Self { path, names }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The certificate; made if it is missing, ends soon, or lacks a name of ours. Another replica on this machine may use the same file:
    /// its names stay.
    ///
    /// # Errors
    /// If a name is none that a certificate can have, or the file cannot be written.
    pub fn read_or_make(&self, now: i64) -> Result<Arc<Identity>> {
        let files = IdentityFiles { chain: self.path.clone(), key: self.path.clone() };
        let known = Identity::read(&files).ok().map(Arc::new);
        let is_good = |known: &Identity| {
            self.names.iter().all(|name| known.is_for(name))
                && known.valid_to() - now > ENDS_SOON.as_secs().cast_signed()
        };
        if let Some(known) = known.as_ref().filter(|known| is_good(known)) {
            return Ok(known.clone());
        }
        let mut names = known.map(|known| known.names()).unwrap_or_default();
        names.extend(self.names.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
        let pem = self_signed::generate(&names, now).with_context(|| format!("a certificate for {names:?}"))?;
        data_dir::write_whole(&self.path, pem.as_bytes()).with_context(|| self.path.display().to_string())?;
        let file = self.path.display();
        tracing::info!(?names, %file, "no certificate is set: one of our own was made, which clients have to be told to trust");
        Ok(Arc::new(Identity::read(&files)?))
    }
}
