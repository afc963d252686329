//! The folder of a tenant's day. It is written under a name that nobody reads, and gets its own when it is whole.

use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use contracts::provisioning::Object;
use jiff::civil::Date;
use model::{TenantId, Timestamp};
use serde::Serialize;

use super::table_file::{FileFormat, TableFile, WrittenFile, create};
use super::tables::{self, InventoryTable};

/// What is in a day, with sums; a day that has it is whole.
pub(super) const MANIFEST: &str = "manifest.json";
/// Folders have names and addresses of people: they are for the owner alone.
const FOLDER_MODE: u32 = 0o700;
/// The file of a tenant's folder that is locked while one replica writes a day.
const LOCK: &str = ".lock";
/// What the name of a folder ends with that is being written; before it stand a dot and the day.
const PART: &str = ".part";

/// The folder of a tenant.
pub(super) struct TenantFolder(PathBuf);

impl TenantFolder {
    pub fn new(folder: &Path, tenant: &TenantId) -> Self {
        Self(folder.join(name_of(tenant)))
    }

    /// The folders of tenants in that folder: a lock shows that a folder is one.
    pub fn all(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| Self(entry.path())).filter(|tenant| tenant.0.join(LOCK).is_file()).collect()
    }

    /// Takes the folder for one attempt, as long as the lock is held; none while another replica has it.
    pub fn lock(&self) -> anyhow::Result<Option<File>> {
        make(&self.0)?;
        let path = self.0.join(LOCK);
        let file = create(&path).with_context(|| format!("making {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
        }
    }

    /// Whether the files of that day are there.
    pub fn has(&self, day: Date) -> bool {
        self.0.join(day.to_string()).join(MANIFEST).exists()
    }

    /// When the latest files were written.
    pub fn last_written(&self) -> Option<Timestamp> {
        let written = self.days().into_iter().filter_map(|day| {
            let manifest = self.0.join(day.to_string()).join(MANIFEST);
            let at = fs::metadata(manifest).and_then(|file| file.modified()).ok()?;
            at.duration_since(SystemTime::UNIX_EPOCH).ok()
        });
        written.max().map(|since: Duration| Timestamp::ZERO + since)
    }

    /// Removes the folders of days before `first`, if that is known, and what attempts have left that were broken off. Nothing while
    /// another replica has the folder.
    pub fn remove_before(&self, first: Option<Date>) -> anyhow::Result<()> {
        let Some(_held) = self.lock()? else { return Ok(()) };
        self.remove_parts()?;
        for day in self.days().into_iter().filter(|day| first.is_some_and(|first| *day < first)) {
            fs::remove_dir_all(self.0.join(day.to_string())).with_context(|| format!("removing {day}"))?;
        }
        Ok(())
    }

    /// Removes what attempts have left that were broken off, whatever their day: there is one attempt at a time.
    fn remove_parts(&self) -> anyhow::Result<()> {
        for name in self.names() {
            if name.strip_prefix('.').and_then(|name| day_of(name.strip_suffix(PART)?)).is_some() {
                fs::remove_dir_all(self.0.join(&name)).with_context(|| format!("removing {name}"))?;
            }
        }
        Ok(())
    }

    /// The days that have a folder.
    fn days(&self) -> Vec<Date> {
        self.names().filter_map(|name| day_of(&name)).collect()
    }

    /// The names of all that is in it.
    fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok())
    }
}

/// The day of that name.
fn day_of(name: &str) -> Option<Date> {
    let day: Date = name.parse().ok()?;
    // There are other ways to write a day.
    (name == day.to_string()).then_some(day)
}

/// The name of a tenant's folder, in a bucket too: what is neither letter, digit, `-` nor `_` stands as `%` and its number.
pub(super) fn name_of(tenant: &TenantId) -> String {
    let mut name = String::new();
    for byte in tenant.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name
}

/// A folder that is being written.
pub(super) struct DayFolder {
    part: PathBuf,
    whole: PathBuf,
    files: Vec<TableFile>,
    rows: u64,
}

/// What a day is of.
#[derive(Serialize)]
pub(super) struct Manifest<'a> {
    pub tenant: &'a str,
    pub day: String,
    pub time_zone: &'a str,
    /// As `2026-07-02T00:30:01Z`.
    pub written_at: String,
    /// The revision of the tenant's configuration that the files show.
    pub revision: u64,
}

impl Manifest<'_> {
    /// What a file says of itself where its format has a place for it: with the same rows of the same revision it is the same file.
    fn notes(&self) -> [(&'static str, String); 3] {
        [
            ("trunkline.tenant", self.tenant.to_owned()),
            ("trunkline.day", self.day.clone()),
            ("trunkline.revision", self.revision.to_string()),
        ]
    }
}

#[derive(Serialize)]
struct WrittenManifest<'a> {
    #[serde(flatten)]
    of: &'a Manifest<'a>,
    files: &'a [WrittenFile],
}

impl DayFolder {
    /// Begins the files of a day, and removes what attempts before have left. Whoever does so holds the tenant's folder.
    pub fn begin(folder: &TenantFolder, day: Date, formats: &[FileFormat]) -> anyhow::Result<Self> {
        let (part, whole) = (folder.0.join(format!(".{day}{PART}")), folder.0.join(day.to_string()));
        folder.remove_parts()?;
        make(&part)?;
        let all = InventoryTable::ALL.into_iter().flat_map(|table| formats.iter().map(move |format| (table, *format)));
        let files = all.map(|(table, format)| TableFile::create(&part, table, format));
        let files = files.collect::<anyhow::Result<_>>().with_context(|| format!("writing {}", part.display()))?;
        Ok(Self { part, whole, files, rows: 0 })
    }

    /// Writes the rows of an object.
    pub fn add(&mut self, object: &Object) -> anyhow::Result<()> {
        for (table, row) in tables::rows(object) {
            for file in self.files.iter_mut().filter(|file| file.table() == table) {
                file.append(&row).with_context(|| format!("writing {}", table.name()))?;
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// Ends all files; nobody sees them yet.
    pub fn close(self, of: &Manifest<'_>) -> anyhow::Result<WrittenDay> {
        let Self { part, whole, files, rows } = self;
        let notes = of.notes();
        let files = files.into_iter().map(|file| file.finish(&notes)).collect::<anyhow::Result<Vec<_>>>()?;
        let manifest = serde_json::to_vec_pretty(&WrittenManifest { of, files: &files })?;
        Ok(WrittenDay { part, whole, files, manifest, revision: of.revision, rows })
    }
}

/// A day whose files are written, in a folder that nobody reads yet.
pub(super) struct WrittenDay {
    part: PathBuf,
    whole: PathBuf,
    pub files: Vec<WrittenFile>,
    /// The manifest of these files, in JSON.
    pub manifest: Vec<u8>,
    /// The revision of the tenant's configuration that they show.
    pub revision: u64,
    /// Rows of all tables.
    pub rows: u64,
}

impl WrittenDay {
    /// Where a file of it is.
    pub fn path_of(&self, file: &WrittenFile) -> PathBuf {
        self.part.join(&file.name)
    }

    /// Gives the folder its manifest, and then its name.
    pub fn publish(self) -> anyhow::Result<()> {
        let mut file = create(&self.part.join(MANIFEST))?;
        file.write_all(&self.manifest)?;
        file.sync_all()?;
        File::open(&self.part)?.sync_all()?;
        if self.whole.exists() {
            // It has no manifest, or this day would not be written.
            fs::remove_dir_all(&self.whole).with_context(|| format!("removing {}", self.whole.display()))?;
        }
        fs::rename(&self.part, &self.whole).with_context(|| format!("naming {}", self.whole.display()))?;
        if let Some(folder) = self.whole.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes the folder: its files are elsewhere.
    pub fn remove(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.part).with_context(|| format!("removing {}", self.part.display()))
    }
}

/// Makes a folder that its owner alone reads, if it is not there.
fn make(folder: &Path) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    made.with_context(|| format!("making {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest;
    use contracts::provisioning::Skill;

    use super::*;

    const DAY: Date = Date::constant(2026, 7, 2);
    const BOTH: [FileFormat; 2] = [FileFormat::Csv, FileFormat::Parquet];

    fn write(folder: &TenantFolder, day: Date, skills: &[&str]) -> u64 {
        let mut files = DayFolder::begin(folder, day, &BOTH).unwrap();
        for name in skills {
            files.add(&Object::Skill(Skill { name: (*name).to_owned() })).unwrap();
        }
        let written_at = "2026-07-02T00:30:01Z".to_owned();
        let of = Manifest { tenant: "acme", day: day.to_string(), time_zone: "UTC", written_at, revision: 7 };
        let written = files.close(&of).unwrap();
        let rows = written.rows;
        written.publish().unwrap();
        rows
    }

    #[test]
    fn a_folder_gets_its_name_when_it_is_whole_and_the_manifest_has_its_sums() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        // An attempt that broke off leaves nothing behind.
        let mut broken = DayFolder::begin(&folder, DAY, &BOTH).unwrap();
        broken.add(&Object::Skill(Skill { name: "lost".to_owned() })).unwrap();
        drop(broken);
        assert!(!folder.has(DAY) && folder.last_written().is_none());

        assert_eq!(write(&folder, DAY, &["sales", "english"]), 2);
        assert!(folder.has(DAY) && folder.last_written().is_some());
        let day = root.path().join("acme/2026-07-02");
        let text = fs::read_to_string(day.join("skills.csv")).unwrap();
        assert_eq!(text, "name\r\nsales\r\nenglish\r\n");
        let manifest: serde_json::Value = serde_json::from_slice(&fs::read(day.join(MANIFEST)).unwrap()).unwrap();
        assert_eq!((&manifest["tenant"], &manifest["revision"]), (&"acme".into(), &7.into()));
        let files = manifest["files"].as_array().unwrap();
        assert_eq!(files.len(), 2 * InventoryTable::ALL.len());
        for name in ["skills.csv", "skills.parquet"] {
            let bytes = fs::read(day.join(name)).unwrap();
            let of_file = files.iter().find(|file| file["name"] == name).unwrap();
            assert_eq!((&of_file["rows"], &of_file["bytes"]), (&2.into(), &bytes.len().into()));
            assert_eq!((&of_file["table"], &of_file["columns"]), (&"skills".into(), &vec!["name"].into()));
            let sum = digest::digest(&digest::SHA256, &bytes);
            let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(of_file["sha256"], sum.as_str());
        }
        assert!(!root.path().join("acme/.2026-07-02.part").exists());
    }

    #[test]
    fn one_replica_has_a_tenants_folder_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("other").unwrap());
        let held = TenantFolder::new(root.path(), &acme).lock().unwrap();
        assert!(held.is_some());
        assert!(TenantFolder::new(root.path(), &acme).lock().unwrap().is_none());
        assert!(TenantFolder::new(root.path(), &other).lock().unwrap().is_some());
        drop(held);
        assert!(TenantFolder::new(root.path(), &acme).lock().unwrap().is_some());
    }

    #[test]
    fn files_that_are_kept_elsewhere_leave_no_folder() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        let files = DayFolder::begin(&folder, DAY, &BOTH).unwrap();
        let written_at = "2026-07-02T00:30:01Z".to_owned();
        let of = Manifest { tenant: "acme", day: DAY.to_string(), time_zone: "UTC", written_at, revision: 7 };
        let written = files.close(&of).unwrap();
        assert!(written.files.iter().all(|file| written.path_of(file).exists()));
        written.remove().unwrap();
        assert!(folder.names().next().is_none());
    }

    #[test]
    fn what_was_broken_off_goes_with_the_next_attempt_whatever_its_day() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        drop(DayFolder::begin(&folder, DAY.yesterday().unwrap(), &BOTH).unwrap());
        let left = root.path().join("acme/.2026-07-01.part");
        assert!(left.exists());
        let notes = root.path().join("acme/.notes.part");
        fs::create_dir(&notes).unwrap();
        write(&folder, DAY, &["sales"]);
        assert!(!left.exists() && notes.exists());
    }
}
