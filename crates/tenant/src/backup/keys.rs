//! The installation's keys in a backup: sealed with a key that is made of a passphrase.

use identity::password;
use model::Entropy;
use runtime::installation_key::InstallationKey;
use runtime::sealed;

use super::BackupError;
use super::line::{bytes, digits};

/// What they are sealed for.
const SEALED_FOR: &[u8] = b"keys of a backup";

/// A file of the folder `keys`.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its path below the folder, with `/` between its parts.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyFile({}, {} bytes)", self.path, self.content.len())
    }
}

/// Keys that only who knows the passphrase can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedKeys {
    pub(super) salt: [u8; password::SALT_BYTES],
    pub(super) sealed: Vec<u8>,
}

impl SealedKeys {
    /// Seals files under a passphrase.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn seal(files: &[KeyFile], passphrase: &str, entropy: &mut dyn Entropy) -> Result<Self, BackupError> {
        let mut salt = [0; password::SALT_BYTES];
        for part in salt.chunks_mut(8) {
            let drawn = entropy.next_u64().to_be_bytes();
            part.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
        }
        let listed: Vec<(&str, String)> =
            files.iter().map(|file| (file.path.as_str(), digits(file.content.iter().copied()))).collect();
        let plain = serde_json::to_vec(&listed).map_err(|_| BackupError::Seal)?;
        let sealed = sealed::seal(&key(passphrase, salt)?, SEALED_FOR, plain).ok_or(BackupError::Seal)?;
        Ok(Self { salt, sealed })
    }

    /// The files.
    ///
    /// # Errors
    /// When the passphrase is another one.
    pub fn open(&self, passphrase: &str) -> Result<Vec<KeyFile>, BackupError> {
        let plain = sealed::open(&key(passphrase, self.salt)?, SEALED_FOR, &self.sealed);
        let plain = plain.ok_or(BackupError::Passphrase)?;
        let listed: Vec<(String, String)> = serde_json::from_slice(&plain).map_err(|_| BackupError::Passphrase)?;
        let file = |(path, content): (String, String)| Some(KeyFile { path, content: bytes(&content)? });
        listed.into_iter().map(file).collect::<Option<_>>().ok_or(BackupError::Passphrase)
    }
}

fn key(passphrase: &str, salt: [u8; password::SALT_BYTES]) -> Result<InstallationKey, BackupError> {
    password::key(passphrase, salt).map(InstallationKey::from_bytes).map_err(|_| BackupError::Seal)
}
