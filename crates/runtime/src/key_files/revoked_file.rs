//! What auth has revoked, for all processes: a file beside the public keys, which they follow with them. Each replica of auth adds what it
//! has revoked itself to what others have written there.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use infra::Clock;
use model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::data_dir::{SECRET_MODE, make_directory, unusable, write_whole};
use crate::drain::Drain;
use crate::exit::ExitError;
use crate::token::{Revocation, RevokedSet};

/// At most so often the file is written: what is revoked in between is written together.
const WRITTEN_EACH: Duration = Duration::from_millis(250);
/// What the file ends with that writers lock, beside the file.
const LOCK: &str = "lock";

/// The file.
#[derive(Default, Serialize, Deserialize)]
struct StoredRevocations {
    revoked: Vec<Revocation>,
}

/// Revokes sign-ins, tokens and all that a subject has, at every role. Cheap to clone.
#[derive(Clone)]
pub struct Revoker {
    revoked: Arc<Mutex<RevokedSet>>,
    changed: Arc<Notify>,
    clock: Arc<dyn Clock>,
}

impl Revoker {
    /// Revokes a sign-in (`sid`) or a token (`jti`); it is remembered until then.
    pub fn revoke(&self, tenant: &TenantId, id: &str, until: Timestamp) {
        self.add(Revocation {
            tenant: tenant.to_string(),
            id: id.to_owned(),
            issued_before: None,
            until: until.as_secs(),
        });
    }

    /// Revokes what a subject has now, but nothing that it gets from now on; it is remembered until then.
    pub fn revoke_subject(&self, tenant: &TenantId, sub: &str, until: Timestamp) {
        self.add(Revocation {
            tenant: tenant.to_string(),
            id: sub.to_owned(),
            issued_before: Some(self.clock.now().as_secs()),
            until: until.as_secs(),
        });
    }

    fn add(&self, revocation: Revocation) {
        let has_room = self.locked().add(revocation, self.clock.now());
        if !has_room {
            tracing::warn!(
                "too much was revoked lately: what ends first is believed again by other roles until it ends"
            );
        }
        self.changed.notify_one();
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, RevokedSet> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what a [`Revoker`] revokes.
pub struct RevocationWriter {
    path: PathBuf,
    revoker: Revoker,
}

impl RevocationWriter {
    pub(super) fn open(folder: &Path, path: PathBuf, clock: Arc<dyn Clock>) -> Result<(Revoker, Self), ExitError> {
        make_directory(folder)?;
        let revoked = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => RevokedSet::default(),
            read => read.map_err(|error| unusable(&path, &error))?,
        };
        let revoker = Revoker { revoked: Arc::new(Mutex::new(revoked)), changed: Arc::default(), clock };
        Ok((revoker.clone(), Self { path, revoker }))
    }

    /// Writes every change until the role has drained.
    pub async fn run(self, drain: Drain) -> anyhow::Result<()> {
        loop {
            let is_over = tokio::select! {
                () = self.revoker.changed.notified() => false,
                () = drain.ended() => true,
            };
            let (path, revoker) = (self.path.clone(), self.revoker.clone());
            let written = tokio::task::spawn_blocking(move || write(&path, &revoker)).await?;
            if is_over {
                return Ok(written?);
            }
            if let Err(error) = written {
                tracing::error!(%error, "what was revoked cannot be told to other roles: it is tried again");
                self.revoker.changed.notify_one();
            }
            tokio::select! {
                () = tokio::time::sleep(WRITTEN_EACH) => {}
                // The role may end soon: nothing waits any more.
                () = drain.begun() => {}
            }
        }
    }
}

/// Adds to the file what was revoked here, and takes over what others have revoked.
fn write(path: &Path, revoker: &Revoker) -> io::Result<()> {
    let beside = path.with_extension(LOCK);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(SECRET_MODE).open(beside)?;
    // Held until the file is written: nobody else reads it in between to replace it.
    lock.lock()?;
    // One that cannot be read is replaced: it tells nobody anything.
    let others = read(path).unwrap_or_default();
    let stored = {
        let mut revoked = revoker.locked();
        revoked.merge(others);
        revoked.drop_ended(revoker.clock.now());
        serde_json::to_vec(&StoredRevocations { revoked: revoked.iter().cloned().collect() })?
    };
    write_whole(path, &stored)
}

/// What was revoked, as it is written there.
pub(super) fn read(path: &Path) -> io::Result<RevokedSet> {
    let stored: StoredRevocations = serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?;
    Ok(RevokedSet::restored(stored.revoked))
}

#[cfg(test)]
mod tests {
    use infra::SystemClock;

    use super::*;

    #[test]
    fn what_several_replicas_revoke_is_all_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.json");
        let acme = TenantId::parse("acme").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let until = clock.now() + Duration::from_secs(600);
        let replicas: Vec<Revoker> =
            (0..4).map(|_| RevocationWriter::open(folder.path(), path.clone(), clock.clone()).unwrap().0).collect();
        std::thread::scope(|scope| {
            for (number, replica) in replicas.iter().enumerate() {
                let (acme, path) = (&acme, &path);
                scope.spawn(move || {
                    for sign_in in 0..8 {
                        replica.revoke(acme, &format!("{number}/{sign_in}"), until);
                        write(path, replica).unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&path).unwrap().iter().count(), 32);
        // A file that is broken off is written anew.
        fs::write(&path, "{").unwrap();
        write(&path, &replicas[0]).unwrap();
        assert!(read(&path).unwrap().iter().count() >= 8);
    }
}
