//! What auth has revoked, for all processes: a file beside the public keys, which they follow with them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use infra::Clock;
use model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::data_dir::{make_directory, unusable, write_whole};
use crate::drain::Drain;
use crate::exit::ExitError;
use crate::token::{Revocation, RevokedSet};

/// At most so often the file is written: what is revoked in between is written together.
const WRITTEN_EACH: Duration = Duration::from_millis(250);

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
            let (path, now) = (self.path.clone(), self.revoker.clock.now());
            let stored = {
                let mut revoked = self.revoker.locked();
                revoked.drop_ended(now);
                serde_json::to_vec(&StoredRevocations { revoked: revoked.iter().cloned().collect() })?
            };
            let written = tokio::task::spawn_blocking(move || write_whole(&path, &stored)).await?;
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

/// What was revoked, as it is written there.
pub(super) fn read(path: &Path) -> io::Result<RevokedSet> {
    let stored: StoredRevocations = serde_json::from_slice(&fs::read(path)?).map_err(io::Error::other)?;
    let mut revoked = RevokedSet::default();
    for revocation in stored.revoked {
        revoked.add(revocation, Timestamp::ZERO);
    }
    Ok(revoked)
}
