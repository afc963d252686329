//! The keys that sign the tokens of people and programs: one file, sealed with the installation's key.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_dir::{SECRET_MODE, installation_key, is_there, make_directory, secret, unusable, write_whole};
use crate::exit::ExitError;
use crate::installation_key::InstallationKey;
use crate::sealed;
use crate::token::{KeyRing, SigningKey, TokenError};

/// The file.
const NAME: &str = "signing.keys";
/// What it is sealed for.
const SEALED_FOR: &[u8] = b"signing keys";
/// The one private key of builds before this one.
const FORMER: &str = "caller.p8";
/// The file that writers lock.
const LOCK: &str = "lock";

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct StoredRing {
    keys: Vec<StoredKey>,
}

/// A key: PKCS#8 in Base64, and from when it signs, in microseconds since the Unix epoch.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    pkcs8: String,
    signs_from: u64,
}

/// The file of an installation. Those who may write it hold its lock.
pub(super) struct RingFile {
    folder: PathBuf,
    key: InstallationKey,
    _lock: Option<File>,
}

impl RingFile {
    /// To be read or written: others wait. Makes the folder and the installation's key if they are missing.
    pub fn open(data_dir: &Path, folder: PathBuf) -> Result<Self, ExitError> {
        make_directory(&folder)?;
        let path = folder.join(LOCK);
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(SECRET_MODE).open(&path);
        let locked = opened.and_then(|file| file.lock().map(|()| file));
        let lock = locked.map_err(|error| unusable(&path, &error))?;
        Ok(Self { key: installation_key(data_dir)?, folder, _lock: Some(lock) })
    }

    /// What is there, for commands that write nothing; `None`: no key was made here yet.
    pub fn existing(
        data_dir: &Path,
        folder: PathBuf,
        now: Timestamp,
    ) -> Result<Option<KeyRing<SigningKey>>, ExitError> {
        if is_there(&folder.join(NAME))? {
            let path = folder.join(NAME);
            let file = Self { key: installation_key(data_dir)?, folder, _lock: None };
            let sealed = fs::read(&path).map_err(|error| unusable(&path, &error))?;
            return file.opened(&sealed).map(Some);
        }
        if is_there(&folder.join(FORMER))? {
            return Ok(Some(KeyRing::beginning(former(&folder)?, now)));
        }
        Ok(None)
    }

    /// The ring. If there is none, it begins with the key of the build before, so that tokens of that one go on, or with a new key.
    pub fn ring(&self, now: Timestamp) -> Result<KeyRing<SigningKey>, ExitError> {
        let beginning = || {
            let key = if self.folder.join(FORMER).exists() {
                former(&self.folder).map_err(io::Error::other)?
            } else {
                SigningKey::made().map_err(io::Error::other)?
            };
            self.sealed(&KeyRing::beginning(key, now)).map_err(io::Error::other)
        };
        let ring = self.opened(&secret(&self.folder, NAME, beginning)?)?;
        // It is in the ring, or was before that was made.
        match fs::remove_file(self.folder.join(FORMER)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(&self.folder.join(FORMER), &error)),
            _ => Ok(ring),
        }
    }

    /// Replaces the ring.
    pub fn write(&self, ring: &KeyRing<SigningKey>) -> Result<(), ExitError> {
        let path = self.folder.join(NAME);
        let sealed = self.sealed(ring).map_err(|error| unusable(&path, &io::Error::other(error)))?;
        write_whole(&path, &sealed).map_err(|error| unusable(&path, &error))
    }

    fn sealed(&self, ring: &KeyRing<SigningKey>) -> Result<Vec<u8>, TokenError> {
        let stored = |(signs_from, key): (Timestamp, &SigningKey)| StoredKey {
            pkcs8: STANDARD.encode(key.pkcs8()),
            signs_from: signs_from.as_micros(),
        };
        let stored = StoredRing { keys: ring.keys().map(stored).collect() };
        let plain = serde_json::to_vec(&stored).map_err(|_| TokenError::Key)?;
        sealed::seal(&self.key, SEALED_FOR, plain).ok_or(TokenError::Key)
    }

    fn opened(&self, sealed: &[u8]) -> Result<KeyRing<SigningKey>, ExitError> {
        let read = || {
            let stored: StoredRing = serde_json::from_slice(&sealed::open(&self.key, SEALED_FOR, sealed)?).ok()?;
            let key = |stored: StoredKey| {
                let key = SigningKey::from_pkcs8(&STANDARD.decode(stored.pkcs8).ok()?).ok()?;
                Some((Timestamp::from_micros(stored.signs_from), key))
            };
            KeyRing::restored(stored.keys.into_iter().map(key).collect::<Option<_>>()?)
        };
        let fault = "it was changed, or was sealed with another keys/installation.key";
        read().ok_or_else(|| unusable(&self.folder.join(NAME), &io::Error::other(fault)))
    }
}

fn former(folder: &Path) -> Result<SigningKey, ExitError> {
    let path = folder.join(FORMER);
    let pkcs8 = fs::read(&path).map_err(|error| unusable(&path, &error))?;
    SigningKey::from_pkcs8(&pkcs8).map_err(|error| unusable(&path, &io::Error::other(error)))
}
