//! Announcements that callers have recorded: `announcements/<tenant>/<id>.wav` in the data directory, played like prompts.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use media::tone::SAMPLE_RATE;
use media::wav;
use model::TenantId;
use model::request::Treatment;

use super::limits::{ANNOUNCEMENT_BYTES_MAX, ANNOUNCEMENTS_MAX};

/// The announcements of all tenants.
#[derive(Clone, Debug)]
pub struct Announcements {
    folder: PathBuf,
}

/// What a tenant has: files and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// How many.
    pub count: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Announcements {
    /// Announcements in that folder, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the announcement of that id is; none if it is no id, or the tenant's name no name of a folder.
    pub fn path(&self, tenant: &TenantId, id: &str) -> Option<PathBuf> {
        let tenant = Some(tenant.as_str()).filter(|name| !name.starts_with('.') && !name.contains(['/', '\\']))?;
        Treatment::is_announcement_id(id).then(|| self.folder.join(tenant).join(format!("{id}.wav")))
    }

    /// Whether there is such an announcement.
    pub fn has(&self, tenant: &TenantId, id: &str) -> bool {
        self.path(tenant, id).is_some_and(|path| path.is_file())
    }

    /// Whether a recording fits beside what the tenant has and `promised` for recordings in progress.
    pub fn has_room(&self, tenant: &TenantId, promised: Used, longest: Duration) -> bool {
        // A tenant has a thousand files at most: this blocks the loop for a few milliseconds, once for each recording.
        let used = self.used(tenant);
        let bytes = used.bytes + promised.bytes + bytes_of(longest);
        used.count + promised.count < ANNOUNCEMENTS_MAX && bytes <= ANNOUNCEMENT_BYTES_MAX
    }

    /// Keeps a recording, in place of one of the same id.
    ///
    /// # Errors
    /// Those of the disk; then nothing of it is kept.
    pub fn keep(&self, tenant: &TenantId, id: &str, samples: &[i16]) -> io::Result<()> {
        let path = self.path(tenant, id).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let part = path.with_extension("part");
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let written = fs::File::create(&part).and_then(|mut file| {
            file.write_all(&wav::build(samples))?;
            file.sync_all()
        });
        let kept = written.and_then(|()| fs::rename(&part, &path));
        if kept.is_err() {
            // Whatever was written is in the way of the next one.
            let _ = fs::remove_file(&part);
        }
        kept
    }

    /// Deletes an announcement.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete(&self, tenant: &TenantId, id: &str) -> io::Result<()> {
        let path = self.path(tenant, id).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        fs::remove_file(path)
    }

    fn used(&self, tenant: &TenantId) -> Used {
        let files = fs::read_dir(self.folder.join(tenant.as_str())).into_iter().flatten().flatten();
        let sizes = files.filter_map(|file| file.metadata().ok()).map(|about| about.len());
        sizes.fold(Used::default(), |sum, bytes| Used { count: sum.count + 1, bytes: sum.bytes + bytes })
    }
}

/// The bytes of a recording of that length.
pub fn bytes_of(length: Duration) -> u64 {
    let samples = length.as_millis() * u128::from(SAMPLE_RATE) / 1_000;
    u64::try_from(samples).unwrap_or(u64::MAX / 4) * 2 + HEAD_BYTES
}

/// The bytes of a WAV file before its samples.
const HEAD_BYTES: u64 = 44;

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    #[test]
    fn what_is_kept_is_there_for_its_tenant_until_it_is_deleted() {
        let folder = std::env::temp_dir().join(format!("trunkline-announcements-{}", std::process::id()));
        let store = Announcements::new(folder.clone());
        let (acme, other) = (tenant("acme"), tenant("other"));
        assert!(!store.has(&acme, "ann-1-1"));
        store.keep(&acme, "ann-1-1", &[7; 800]).unwrap();
        assert_eq!((store.has(&acme, "ann-1-1"), store.has(&other, "ann-1-1")), (true, false));
        assert_eq!(store.used(&acme), Used { count: 1, bytes: bytes_of(Duration::from_millis(100)) });
        store.keep(&acme, "ann-1-1", &[8; 400]).unwrap();
        let path = store.path(&acme, "ann-1-1").unwrap();
        assert_eq!(wav::parse(&fs::read(path).unwrap()).unwrap(), [8; 400], "a later one of the same id");
        store.delete(&acme, "ann-1-1").unwrap();
        assert_eq!((store.has(&acme, "ann-1-1"), store.used(&acme)), (false, Used::default()));
        assert!(store.delete(&acme, "ann-1-1").is_err());
        assert!(store.keep(&acme, "../keys", &[0]).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_tenant_has_room_for_so_many_and_so_much() {
        let store = Announcements::new(PathBuf::from("/nonexistent"));
        let (acme, minute) = (tenant("acme"), Duration::from_secs(60));
        let fits = |count, bytes| store.has_room(&acme, Used { count, bytes }, minute);
        assert!(fits(0, 0) && fits(ANNOUNCEMENTS_MAX - 1, 0) && !fits(ANNOUNCEMENTS_MAX, 0));
        assert!(fits(0, ANNOUNCEMENT_BYTES_MAX - bytes_of(minute)) && !fits(0, ANNOUNCEMENT_BYTES_MAX));
    }
}
