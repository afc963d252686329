//! Follows the files of public keys and of what was revoked. Each is read apart: a fault of the one keeps nothing of the other from this
//! process.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use infra::Clock;
use model::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::believed_age::BelievedAge;
use super::outage::Outage;
use super::{ISSUER, KEYS, PUBLIC, REVOKED, SET, revoked_file};
use crate::data_dir::unusable;
use crate::exit::ExitError;
use crate::token::{Believed, KeyOwner, KeySet, PublicJwk, RevokedSet};

/// Maximum of files of public keys: no installation has as many roles.
const FILES_MAX: usize = 256;
/// The largest file of public keys, in bytes; a key has 250.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The largest file of what was revoked, in bytes: names of people may be long.
const REVOKED_BYTES_MAX: u64 = 8 << 20;
/// How often a process looks whether the files have changed.
const READ_EVERY: Duration = Duration::from_secs(1);

/// The files by which a process verifies, to be followed.
pub struct FollowedKeys {
    files: PublicFiles,
    tell: watch::Sender<Believed>,
    age: BelievedAge,
    clock: Arc<dyn Clock>,
    keys_outage: Outage,
    revocations_outage: Outage,
}

/// What one look at the files has given; `None`: the same as before.
struct Look {
    /// When it began.
    at: Timestamp,
    keys: io::Result<Option<KeySet>>,
    revocations: io::Result<Option<RevokedSet>>,
}

impl FollowedKeys {
    /// Reads them for the first time.
    pub(super) fn open(data_dir: &Path, clock: Arc<dyn Clock>) -> Result<(watch::Receiver<Believed>, Self), ExitError> {
        let mut files = PublicFiles::of(data_dir);
        let age = BelievedAge::of_now(clock.clone());
        let Look { keys, revocations, .. } = files.look(clock.now());
        let fault = |error: io::Error| unusable(&files.folder, &error);
        let believed = Believed {
            keys: keys.map_err(fault)?.unwrap_or_default(),
            revoked: revocations.map_err(fault)?.unwrap_or_default(),
        };
        let (tell, believed) = watch::channel(believed);
        let (keys_outage, revocations_outage) = (Outage::default(), Outage::default());
        Ok((believed, Self { files, tell, age, clock, keys_outage, revocations_outage }))
    }

    /// How old what is believed is.
    pub fn age(&self) -> BelievedAge {
        self.age.clone()
    }

    /// Tells the verifier of every change. Whatever cannot be read leaves in force what was.
    pub async fn follow(self) {
        let mut followed = self;
        loop {
            tokio::time::sleep(READ_EVERY).await;
            let began = followed.clock.now();
            // A disk that hangs must not keep the executor.
            let looked = tokio::task::spawn_blocking(move || {
                let look = followed.files.look(began);
                (followed, look)
            });
            // The process ends; or the look has failed, and the age says so.
            let Ok((kept, look)) = looked.await else { return };
            followed = kept;
            followed.take(look);
        }
    }

    /// Looks once, and tells the verifier.
    #[cfg(test)]
    pub(super) fn look(&mut self) {
        let look = self.files.look(self.clock.now());
        self.take(look);
    }

    fn take(&mut self, look: Look) {
        let now = self.clock.now();
        match look.keys {
            Ok(read) => {
                self.age.keys_were_read(look.at);
                if self.keys_outage.succeeded() {
                    tracing::info!("the keys that verify tokens can be read again");
                }
                if let Some(keys) = read {
                    self.tell.send_modify(|believed| believed.keys = keys);
                }
            }
            Err(error) if self.keys_outage.failed(now) => {
                tracing::error!(%error, "the keys that verify tokens cannot be read: those of before stay in force");
            }
            Err(_) => {}
        }
        match look.revocations {
            Ok(read) => {
                self.age.revocations_were_read(look.at);
                if self.revocations_outage.succeeded() {
                    tracing::info!("what was revoked can be read again");
                }
                if let Some(revoked) = read {
                    self.tell.send_modify(|believed| believed.revoked = revoked);
                }
            }
            Err(error) if self.revocations_outage.failed(now) => {
                tracing::error!(
                    %error,
                    "what was revoked cannot be read: what was known stays refused, and what is revoked from now on is good here until \
                     it runs out"
                );
            }
            Err(_) => {}
        }
    }
}

/// The files, and how they were when they were read.
struct PublicFiles {
    folder: PathBuf,
    keys_seen: Vec<SeenFile>,
    revoked_seen: Option<SeenFile>,
    /// What was read there and is not over: what the file loses stays in force.
    revoked: RevokedSet,
}

/// A file: name, inode, time of change, and bytes. Each write makes a new inode.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SeenFile {
    name: String,
    inode: u64,
    changed: (i64, i64),
    bytes: u64,
}

impl SeenFile {
    fn of(name: &str, about: &Metadata) -> Self {
        let changed = (about.mtime(), about.mtime_nsec());
        Self { name: name.to_owned(), inode: about.ino(), changed, bytes: about.len() }
    }
}

impl PublicFiles {
    fn of(data_dir: &Path) -> Self {
        let folder = data_dir.join(KEYS).join(PUBLIC);
        Self { folder, keys_seen: Vec::new(), revoked_seen: None, revoked: RevokedSet::default() }
    }

    fn look(&mut self, now: Timestamp) -> Look {
        Look { at: now, keys: self.keys(), revocations: self.revocations(now) }
    }

    /// The keys; `None`: the same as before.
    fn keys(&mut self) -> io::Result<Option<KeySet>> {
        let now = self.files_of_keys()?;
        if now == self.keys_seen {
            return Ok(None);
        }
        let mut keys = KeySet::default();
        // The issuer's first: no role can claim one of them.
        let of_issuer = |file: &&SeenFile| file.name == ISSUER;
        for file in now.iter().filter(of_issuer).chain(now.iter().filter(|file| !of_issuer(file))) {
            let owner = match file.name.as_str() {
                ISSUER => KeyOwner::Issuer,
                role => KeyOwner::Role(role.to_owned()),
            };
            for (jwk, until) in self.keys_of(&file.name)? {
                keys.add(&jwk, owner.clone(), until);
            }
        }
        self.keys_seen = now;
        Ok(Some(keys))
    }

    /// The files of keys that are there, in the order of their names.
    fn files_of_keys(&self) -> io::Result<Vec<SeenFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            // Others are being written.
            let Some(name) = name.to_str().and_then(|name| name.strip_suffix(SET)) else { continue };
            if name == REVOKED {
                continue;
            }
            // One that was replaced since is found again.
            let Ok(about) = entry.metadata() else { continue };
            files.push(SeenFile::of(name, &about));
            if files.len() > FILES_MAX || about.len() > FILE_BYTES_MAX {
                let what =
                    format!("{name}{SET}: more than {FILES_MAX} files, or more than {FILE_BYTES_MAX} bytes in one");
                return Err(io::Error::other(what));
            }
        }
        files.sort();
        Ok(files)
    }

    fn keys_of(&self, name: &str) -> io::Result<PublicKeys> {
        let file = format!("{name}{SET}");
        let fault = || io::Error::other(format!("{file}: it is no set of keys on P-256"));
        let set: Value = serde_json::from_slice(&fs::read(self.folder.join(&file))?).map_err(|_| fault())?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or_else(fault)?;
        let read = |key: &Value| {
            let until = key.get("exp").and_then(Value::as_u64);
            Some((PublicJwk::read(key)?, until.map(|until| Timestamp::from_millis(until.saturating_mul(1_000)))))
        };
        keys.iter().map(|key| read(key).ok_or_else(fault)).collect()
    }

    /// What was revoked; `None`: the same as before.
    fn revocations(&mut self, now: Timestamp) -> io::Result<Option<RevokedSet>> {
        let fault = |what: String| io::Error::other(format!("{REVOKED}{SET}: {what}"));
        let path = self.folder.join(format!("{REVOKED}{SET}"));
        let seen = match fs::metadata(&path) {
            Ok(about) => SeenFile::of(REVOKED, &about),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::metadata(&self.folder)?;
                self.revoked.drop_ended(now);
                // The first revocation makes it. Later it is missed, until nothing is left of what it said.
                let is_missed = self.revoked.iter().next().is_some();
                return if is_missed { Err(fault("it is gone".to_owned())) } else { Ok(None) };
            }
            Err(error) => return Err(fault(error.to_string())),
        };
        if self.revoked_seen.as_ref() == Some(&seen) {
            return Ok(None);
        }
        if seen.bytes > REVOKED_BYTES_MAX {
            return Err(fault(format!("more than {REVOKED_BYTES_MAX} bytes")));
        }
        let read = revoked_file::read(&path).map_err(|error| fault(error.to_string()))?;
        self.revoked.drop_ended(now);
        self.revoked.merge(read);
        self.revoked_seen = Some(seen);
        Ok(Some(self.revoked.clone()))
    }
}

/// Public keys, each with its end where that is known.
pub(super) type PublicKeys = Vec<(PublicJwk, Option<Timestamp>)>;

/// The public keys of one role, and the file that has them.
pub(super) fn keys_of_role(data_dir: &Path, role: &str) -> (PathBuf, io::Result<PublicKeys>) {
    let files = PublicFiles::of(data_dir);
    (files.folder.join(format!("{role}{SET}")), files.keys_of(role))
}

/// Whether a process that started now could read the public keys and what was revoked. It makes nothing; where no process was ever
/// started, nothing is missing.
///
/// # Errors
/// If they cannot be read.
pub fn check_public(data_dir: &Path, now: Timestamp) -> Result<(), ExitError> {
    let mut files = PublicFiles::of(data_dir);
    if fs::metadata(&files.folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let Look { keys, revocations, .. } = files.look(now);
    keys.map(drop).and(revocations.map(drop)).map_err(|error| unusable(&files.folder, &error))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use serde_json::json;

    use super::super::issuer;
    use super::*;
    use crate::api_family::ApiFamily;
    use crate::claims::Claims;
    use crate::metrics::{Format, Metrics};
    use crate::token::TokenVerifier;

    /// A clock that the test sets, in seconds.
    #[derive(Default)]
    struct Hands(AtomicU64);
    impl Clock for Hands {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Relaxed) * 1_000)
        }
    }

    /// A data directory, and a process that follows it.
    struct FollowingProcess {
        data_dir: tempfile::TempDir,
        clock: Arc<Hands>,
        believed: watch::Receiver<Believed>,
        followed: FollowedKeys,
    }

    impl FollowingProcess {
        fn begin() -> Self {
            let (data_dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(Hands::default()));
            fs::create_dir_all(data_dir.path().join("keys/public")).unwrap();
            let (believed, followed) = FollowedKeys::open(data_dir.path(), clock.clone()).unwrap();
            Self { data_dir, clock, believed, followed }
        }

        fn file(&self, name: &str) -> PathBuf {
            self.data_dir.path().join("keys/public").join(name)
        }

        /// Writes a file as a whole, by a new inode.
        fn write(&self, name: &str, content: &str) {
            crate::data_dir::write_whole(&self.file(name), content.as_bytes()).unwrap();
        }

        /// Writes a file with those sign-ins revoked until then.
        fn write_revoked(&self, sign_ins: &[&str], until: u64) {
            let one = |id: &&str| json!({ "tenant": "acme", "id": id, "until": until });
            let revoked: Vec<Value> = sign_ins.iter().map(one).collect();
            self.write("revoked.json", &json!({ "revoked": revoked }).to_string());
        }

        /// Looks at that second.
        fn look(&mut self, second: u64) {
            self.clock.0.store(second, Relaxed);
            self.followed.look();
        }

        fn refuses(&self, sign_in: &str) -> bool {
            let claims = Claims { tenant: "acme".to_owned(), sid: Some(sign_in.to_owned()), ..Claims::default() };
            self.believed.borrow().revoked.contains(&claims)
        }

        fn verifies(&self, token: &str) -> bool {
            let verifier = TokenVerifier::new(self.believed.clone(), &[], self.clock.clone());
            verifier.verify(token, "rq", &[ApiFamily::Operations]).is_ok()
        }

        /// What the metrics say at that second: of the keys, and of what was revoked.
        fn ages(&self, second: u64) -> [String; 2] {
            self.clock.0.store(second, Relaxed);
            let metrics = Metrics::default();
            metrics.collect(self.followed.age());
            let text = metrics.encode(Format::Text);
            ["token_keys_age_seconds ", "token_revocations_age_seconds "].map(|name| {
                let sample = text.lines().find_map(|line| line.strip_prefix(name));
                sample.unwrap_or_default().to_owned()
            })
        }
    }

    #[test]
    fn a_fault_of_the_keys_keeps_no_revocation_away_and_one_of_the_revocations_no_key() {
        let mut process = FollowingProcess::begin();
        process.write("ors.json", "{");
        process.write_revoked(&["ann"], 900);
        process.look(1);
        assert!(process.refuses("ann"), "although keys cannot be read");
        assert!(check_public(process.data_dir.path(), process.clock.now()).is_err());

        fs::remove_file(process.file("ors.json")).unwrap();
        let issuer = issuer(process.data_dir.path(), process.clock.clone()).unwrap();
        let token = issuer.issue(None, "operator/ann", "operate", Duration::from_secs(60)).unwrap();
        process.write("revoked.json", "{");
        assert!(!process.verifies(&token));
        process.look(2);
        assert!(process.verifies(&token) && process.refuses("ann"), "although what was revoked cannot be read");
        let refused = check_public(process.data_dir.path(), process.clock.now()).unwrap_err();
        assert!(refused.message.contains("revoked.json"), "{refused}");
        process.write_revoked(&["ann", "bob"], 900);
        process.look(3);
        assert!(process.refuses("ann") && process.refuses("bob"));
        assert!(check_public(process.data_dir.path(), process.clock.now()).is_ok());
    }

    #[test]
    fn what_the_file_loses_stays_refused_until_it_is_over() {
        let mut process = FollowingProcess::begin();
        process.write_revoked(&["ann", "bob"], 900);
        process.look(1);
        // As from a copy of the disk of before.
        process.write_revoked(&["bob"], 900);
        process.look(2);
        assert!(process.refuses("ann") && process.refuses("bob"));
        fs::remove_file(process.file("revoked.json")).unwrap();
        process.look(3);
        assert!(process.refuses("ann"));
        assert_eq!(process.ages(8), ["5", "6"], "the file is missed");
        process.look(900);
        assert_eq!(process.ages(900), ["0", "0"], "nothing is left that it could say");
        process.write_revoked(&["cid"], 1_800);
        process.look(901);
        assert!(process.refuses("cid") && !process.refuses("ann"), "what is over is forgotten");
    }

    #[test]
    fn what_cannot_be_read_grows_old_and_is_new_again_when_it_can() {
        let mut process = FollowingProcess::begin();
        process.look(10);
        assert_eq!(process.ages(10), ["0", "0"]);
        assert_eq!(process.ages(50), ["40", "40"], "nobody has looked, as while a disk hangs");
        process.write("ors.json", "{");
        process.look(60);
        assert_eq!(process.ages(61), ["51", "1"]);
        let [place, away] = ["keys/public", "away"].map(|name| process.data_dir.path().join(name));
        fs::rename(&place, &away).unwrap();
        process.look(70);
        assert_eq!(process.ages(70), ["60", "10"], "no folder: nothing is known of either");
        fs::rename(&away, &place).unwrap();
        fs::remove_file(process.file("ors.json")).unwrap();
        process.look(80);
        assert_eq!(process.ages(81), ["1", "1"]);
    }
}
