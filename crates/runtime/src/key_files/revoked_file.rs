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
use prometheus_client::metrics::gauge::Gauge;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::outage::Outage;
use crate::data_dir::{SECRET_MODE, make_directory, unusable, write_whole};
use crate::drain::Drain;
use crate::exit::ExitError;
use crate::token::{Revocation, RevokedSet, WHOLE_TENANT};

/// At most so often the file is written: what is revoked in between is written together.
const WRITTEN_EACH: Duration = Duration::from_millis(250);
/// The pause after a failure.
const RETRIED_EACH: Duration = Duration::from_secs(1);
/// How often it is tried once the role has ended: as often as its tasks may go on.
const LAST_TRIES: u32 = 4;
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
    revocations: Arc<Mutex<KnownRevocations>>,
    changed: Arc<Notify>,
    /// How many of those that were added here the file has.
    written: watch::Receiver<u64>,
    clock: Arc<dyn Clock>,
}

/// What is revoked, as far as this process knows.
struct KnownRevocations {
    set: RevokedSet,
    /// How many were added here.
    added: u64,
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

    /// Revokes what a subject was given before that second, and nothing later; it is remembered until then.
    pub fn revoke_given_before(&self, tenant: &TenantId, sub: &str, before: u64, until: Timestamp) {
        self.add(Revocation {
            tenant: tenant.to_string(),
            id: sub.to_owned(),
            issued_before: Some(before),
            until: until.as_secs(),
        });
    }

    /// Revokes all tokens of a tenant that has ended, but none of a later tenant of its id; it is remembered until then.
    pub fn revoke_tenant(&self, tenant: &TenantId, ended: Timestamp, until: Timestamp) {
        self.add(Revocation {
            tenant: tenant.to_string(),
            id: WHOLE_TENANT.to_owned(),
            // Times of tokens are whole seconds.
            issued_before: Some(ended.as_secs() + 1),
            until: until.as_secs(),
        });
    }

    fn add(&self, revocation: Revocation) {
        let has_room = {
            let mut known = self.locked();
            known.added += 1;
            known.set.add(revocation, self.clock.now())
        };
        if !has_room {
            tracing::warn!(
                "too much was revoked lately: what ends first is believed again by other roles until it ends"
            );
        }
        self.changed.notify_one();
    }

    /// Waits until every role can read what was revoked until now, for so long at most. Returns whether it can.
    pub async fn is_written(&self, within: Duration) -> bool {
        let added = self.locked().added;
        let mut written = self.written.clone();
        let told = tokio::time::timeout(within, written.wait_for(|count| *count >= added)).await;
        matches!(told, Ok(Ok(_)))
    }

    /// How many that were revoked here no other role can read yet.
    fn unwritten(&self) -> u64 {
        let added = self.locked().added;
        added.saturating_sub(*self.written.borrow())
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, KnownRevocations> {
        self.revocations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what a [`Revoker`] revokes.
pub struct RevocationWriter {
    path: PathBuf,
    revoker: Revoker,
    /// Tells the revoker how many of its revocations the file has.
    tell: watch::Sender<u64>,
}

impl RevocationWriter {
    pub(super) fn open(folder: &Path, path: PathBuf, clock: Arc<dyn Clock>) -> Result<(Revoker, Self), ExitError> {
        make_directory(folder)?;
        let set = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => RevokedSet::default(),
            read => read.map_err(|error| unusable(&path, &error))?,
        };
        let (tell, written) = watch::channel(0);
        let revocations = Arc::new(Mutex::new(KnownRevocations { set, added: 0 }));
        let revoker = Revoker { revocations, changed: Arc::default(), written, clock };
        Ok((revoker.clone(), Self { path, revoker, tell }))
    }

    /// Writes every change until the role has ended; again and again what cannot be written. `unwritten` shows how much that is.
    ///
    /// # Errors
    /// If the role has ended and something is unwritten: it is lost.
    pub async fn run(self, drain: Drain, unwritten: Gauge) -> anyhow::Result<()> {
        let mut outage = Outage::default();
        loop {
            tokio::select! {
                biased;
                () = drain.ended() => return self.write_last(&unwritten).await,
                () = self.revoker.changed.notified() => {}
            }
            let pause = match self.write(&unwritten).await? {
                Ok(()) => {
                    if outage.succeeded() {
                        tracing::info!("what was revoked is told to other roles again");
                    }
                    WRITTEN_EACH
                }
                Err(error) => {
                    if outage.failed(self.revoker.clock.now()) {
                        tracing::error!(
                            %error,
                            file = %self.path.display(),
                            revocations = self.revoker.unwritten(),
                            "what was revoked cannot be told to other roles, which go on believing those tokens: let this process \
                             write there, and see whether the disk is full; it is tried again"
                        );
                    }
                    self.revoker.changed.notify_one();
                    RETRIED_EACH
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = drain.ended() => {}
            }
        }
    }

    /// Writes what the role has left, if anything.
    async fn write_last(&self, unwritten: &Gauge) -> anyhow::Result<()> {
        for tries_left in (0..LAST_TRIES).rev() {
            if self.revoker.unwritten() == 0 {
                break;
            }
            match self.write(unwritten).await? {
                Err(error) if tries_left == 0 => {
                    let revocations = self.revoker.unwritten();
                    tracing::error!(%error, revocations, "what was revoked is lost: those tokens are good until they end");
                    return Err(error.into());
                }
                Err(_) => tokio::time::sleep(WRITTEN_EACH).await,
                Ok(()) => {}
            }
        }
        Ok(())
    }

    /// Writes everything once.
    async fn write(&self, unwritten: &Gauge) -> anyhow::Result<io::Result<()>> {
        let show = || unwritten.set(i64::try_from(self.revoker.unwritten()).unwrap_or(i64::MAX));
        show();
        let (path, revoker) = (self.path.clone(), self.revoker.clone());
        // A disk that hangs must not keep the executor.
        let written = tokio::task::spawn_blocking(move || write(&path, &revoker)).await?;
        let told = written.map(|added| {
            self.tell.send_replace(added);
        });
        show();
        Ok(told)
    }
}

/// Adds to the file what was revoked here, and takes over what others have revoked. Returns how many that were added here it has.
fn write(path: &Path, revoker: &Revoker) -> io::Result<u64> {
    let beside = path.with_extension(LOCK);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(SECRET_MODE).open(beside)?;
    // Held until the file is written: nobody else reads it in between to replace it.
    lock.lock()?;
    // One that cannot be read is replaced: it tells nobody anything.
    let others = read(path).unwrap_or_default();
    let (stored, added) = {
        let mut known = revoker.locked();
        known.set.merge(others);
        known.set.drop_ended(revoker.clock.now());
        (stored(&known.set)?, known.added)
    };
    write_whole(path, &stored)?;
    Ok(added)
}

/// What was revoked, as it is written.
pub(super) fn stored(set: &RevokedSet) -> io::Result<Vec<u8>> {
    let revoked = set.iter().cloned().collect();
    Ok(serde_json::to_vec(&StoredRevocations { revoked })?)
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

    #[tokio::test(start_paused = true)]
    async fn what_a_disk_refuses_is_tried_again_until_it_is_written() {
        const WITHIN: Duration = Duration::from_secs(5);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revoked.json");
        let acme = TenantId::parse("acme").unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let until = clock.now() + Duration::from_secs(600);
        let (revoker, writer) = RevocationWriter::open(folder.path(), path.clone(), clock.clone()).unwrap();
        let (drain, unwritten) = (Drain::new(Duration::from_secs(30)), Gauge::default());
        let running = tokio::spawn(writer.run(drain.clone(), unwritten.clone()));
        assert!(revoker.is_written(Duration::ZERO).await, "nothing was revoked");

        // Nothing can be written in the place of a folder.
        fs::create_dir(&path).unwrap();
        revoker.revoke(&acme, "sign-in", until);
        assert!(!revoker.is_written(WITHIN).await);
        assert_eq!((revoker.unwritten(), unwritten.get()), (1, 1));
        drain.begin(clock.now());
        assert!(!revoker.is_written(WITHIN).await, "nor while the role drains");
        fs::remove_dir(&path).unwrap();
        assert!(revoker.is_written(WITHIN).await);
        assert_eq!((revoker.unwritten(), unwritten.get()), (0, 0));
        assert!(read(&path).unwrap().iter().any(|revocation| revocation.id == "sign-in"));

        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        revoker.revoke(&acme, "another", until);
        drain.end();
        assert!(running.await.unwrap().is_err(), "the role ends with a revocation that nobody knows");
        assert_eq!(unwritten.get(), 1);
    }
}
