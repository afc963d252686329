//! The folder of a tenant's day. It is written under a name that nobody reads, and gets its own when it is whole.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use aws_lc_rs::digest;
use contracts::provisioning::Object;
use jiff::ToSpan as _;
use jiff::civil::Date;
use model::{TenantId, Timestamp};
use serde::Serialize;

use super::tables::{self, InventoryTable};
use crate::csv;

/// What is in a folder, with sums; a folder that has it is whole.
const MANIFEST: &str = "manifest.json";
/// Folders and files have names and addresses of people: they are for the owner alone.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What the name of a folder ends with that is being written; before it stand a dot and the day.
const PART: &str = ".part";
/// The clock removes folders as if it were no later than so many folders say, the last ones: one that is wrong for less than a week removes
/// nothing before its time.
const AGREEING: u32 = 7;

/// The folder of a tenant.
pub(super) struct TenantFolder(PathBuf);

impl TenantFolder {
    pub fn new(folder: &Path, tenant: &TenantId) -> Self {
        Self(folder.join(name_of(tenant)))
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

    /// Removes the folders of days that are more than that number of days before `today`, as far as the folders agree that it is today.
    pub fn remove_before(&self, today: Date, keep_days: u32) -> anyhow::Result<()> {
        let days = self.days();
        let Some(believed) = believed(today, &days, AGREEING.min(keep_days))? else { return Ok(()) };
        let first = believed.checked_sub(i64::from(keep_days).days())?;
        for day in days.into_iter().filter(|day| *day < first) {
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

/// The day that it is, as far as so many of the last folders agree: as if there were one for each day since the first of them. None while
/// there are fewer. Folders of later days say nothing: a clock was wrong.
fn believed(today: Date, days: &[Date], agreeing: u32) -> anyhow::Result<Option<Date>> {
    let mut days: Vec<Date> = days.iter().copied().filter(|day| *day <= today).collect();
    days.sort_unstable();
    let before = agreeing.saturating_sub(1);
    let Some(first) = days.into_iter().rev().nth(usize::try_from(before)?) else { return Ok(None) };
    Ok(Some(today.min(first.checked_add(i64::from(before).days())?)))
}

/// The name of a tenant's folder: what is neither letter, digit, `-` nor `_` stands as `%` and its number.
fn name_of(tenant: &TenantId) -> String {
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
    line: String,
}

/// What a folder is of.
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

#[derive(Serialize)]
struct WrittenManifest<'a> {
    #[serde(flatten)]
    of: &'a Manifest<'a>,
    files: Vec<WrittenFile>,
}

#[derive(Serialize)]
struct WrittenFile {
    name: String,
    columns: &'static [&'static str],
    rows: u64,
    bytes: u64,
    sha256: String,
}

impl DayFolder {
    /// Begins the files of a day, and removes what attempts before have left.
    pub fn begin(folder: &TenantFolder, day: Date) -> anyhow::Result<Self> {
        let (part, whole) = (folder.0.join(format!(".{day}{PART}")), folder.0.join(day.to_string()));
        folder.remove_parts()?;
        if whole.exists() {
            fs::remove_dir_all(&whole).with_context(|| format!("removing {}", whole.display()))?;
        }
        let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&part);
        made.with_context(|| format!("making {}", part.display()))?;
        let files = InventoryTable::ALL.into_iter().map(|table| TableFile::create(&part, table));
        let files = files.collect::<io::Result<_>>().with_context(|| format!("writing {}", part.display()))?;
        Ok(Self { part, whole, files, line: String::new() })
    }

    /// Writes the rows of an object.
    pub fn add(&mut self, object: &Object) -> anyhow::Result<()> {
        for (table, row) in tables::rows(object) {
            self.line.clear();
            csv::append_line(&mut self.line, row.iter().map(String::as_str));
            let file = self.files.iter_mut().find(|file| file.table == table).context("a table without a file")?;
            file.append(self.line.as_bytes()).with_context(|| format!("writing {}", table.name()))?;
            file.rows += 1;
        }
        Ok(())
    }

    /// Gives the folder its name. Returns the number of rows.
    pub fn finish(self, of: &Manifest<'_>) -> anyhow::Result<u64> {
        let files = self.files.into_iter().map(TableFile::finish).collect::<io::Result<Vec<_>>>()?;
        let rows: u64 = files.iter().map(|file| file.rows).sum();
        let manifest = serde_json::to_vec_pretty(&WrittenManifest { of, files })?;
        let mut file = create(&self.part.join(MANIFEST))?;
        file.write_all(&manifest)?;
        file.sync_all()?;
        File::open(&self.part)?.sync_all()?;
        fs::rename(&self.part, &self.whole).with_context(|| format!("naming {}", self.whole.display()))?;
        if let Some(folder) = self.whole.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(rows)
    }
}

/// The file of a table.
struct TableFile {
    table: InventoryTable,
    file: BufWriter<File>,
    sum: digest::Context,
    rows: u64,
    bytes: u64,
}

impl TableFile {
    fn create(folder: &Path, table: InventoryTable) -> io::Result<Self> {
        let file = BufWriter::new(create(&folder.join(file_name(table)))?);
        let mut created = Self { table, file, sum: digest::Context::new(&digest::SHA256), rows: 0, bytes: 0 };
        let mut head = String::new();
        csv::append_line(&mut head, table.columns().iter().copied());
        created.append(head.as_bytes())?;
        Ok(created)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        self.sum.update(line);
        self.bytes += line.len() as u64;
        self.file.write_all(line)
    }

    fn finish(self) -> io::Result<WrittenFile> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        let mut sha256 = String::new();
        for byte in self.sum.finish().as_ref() {
            let _ = write!(sha256, "{byte:02x}");
        }
        let (name, columns) = (file_name(self.table), self.table.columns());
        Ok(WrittenFile { name, columns, rows: self.rows, bytes: self.bytes, sha256 })
    }
}

fn file_name(table: InventoryTable) -> String {
    format!("{}.csv", table.name())
}

fn create(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new().create(true).truncate(true).write(true).mode(FILE_MODE).open(path)
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::Skill;

    use super::*;

    const DAY: Date = Date::constant(2026, 7, 2);

    fn write(folder: &TenantFolder, day: Date, skills: &[&str]) -> u64 {
        let mut files = DayFolder::begin(folder, day).unwrap();
        for name in skills {
            files.add(&Object::Skill(Skill { name: (*name).to_owned() })).unwrap();
        }
        let written_at = "2026-07-02T00:30:01Z".to_owned();
        let of = Manifest { tenant: "acme", day: day.to_string(), time_zone: "UTC", written_at, revision: 7 };
        files.finish(&of).unwrap()
    }

    #[test]
    fn a_folder_gets_its_name_when_it_is_whole_and_the_manifest_has_its_sums() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        // An attempt that broke off leaves nothing behind.
        let mut broken = DayFolder::begin(&folder, DAY).unwrap();
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
        assert_eq!(files.len(), InventoryTable::ALL.len());
        let skills = files.iter().find(|file| file["name"] == "skills.csv").unwrap();
        assert_eq!((&skills["rows"], &skills["bytes"]), (&2.into(), &text.len().into()));
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        let sum: String = sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(skills["sha256"], sum.as_str());
        assert!(!root.path().join("acme/.2026-07-02.part").exists());
    }

    #[test]
    fn old_days_go_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("a/../b").unwrap());
        let days = ["2026-06-29", "2026-06-30", "2026-07-01", "2026-07-02"].map(|day| day.parse::<Date>().unwrap());
        for day in days {
            write(&folder, day, &[]);
        }
        let other = root.path().join("a%2F%2E%2E%2Fb/notes");
        fs::create_dir(&other).unwrap();
        folder.remove_before(DAY, 2).unwrap();
        assert_eq!(days.map(|day| folder.has(day)), [false, true, true, true]);
        assert!(other.exists());
    }

    #[test]
    fn what_was_broken_off_goes_with_the_next_attempt_whatever_its_day() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        drop(DayFolder::begin(&folder, DAY.yesterday().unwrap()).unwrap());
        let left = root.path().join("acme/.2026-07-01.part");
        assert!(left.exists());
        let notes = root.path().join("acme/.notes.part");
        fs::create_dir(&notes).unwrap();
        write(&folder, DAY, &["sales"]);
        assert!(!left.exists() && notes.exists());
    }

    #[test]
    fn a_clock_that_was_wrong_for_some_days_removes_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        let day = |after: i64| DAY.checked_add(after.days()).unwrap();
        let path = |after| root.path().join("acme").join(day(after).to_string());
        let written = |after| {
            fs::create_dir_all(path(after)).unwrap();
            folder.remove_before(day(after), 90).unwrap();
        };
        (-89..=0).for_each(written);
        // It is 90 days ahead for some days; meanwhile the oldest folders come of age.
        (90..93).for_each(written);
        assert!((-87..=0).all(|after| path(after).exists()));
        // It is right again, and old folders go as before.
        (3..=100).for_each(written);
        let kept: Vec<i64> = (-89..=100).filter(|after| path(*after).exists()).collect();
        assert_eq!(kept, (10..=100).collect::<Vec<_>>());
    }

    #[test]
    fn folders_of_long_ago_go_after_a_week() {
        let root = tempfile::tempdir().unwrap();
        let folder = TenantFolder::new(root.path(), &TenantId::parse("acme").unwrap());
        let day = |after: i64| DAY.checked_add(after.days()).unwrap();
        let written = |after: i64| fs::create_dir_all(root.path().join("acme").join(day(after).to_string())).unwrap();
        (-1_000..-990).for_each(written);
        for after in 0..7 {
            written(after);
            folder.remove_before(day(after), 90).unwrap();
        }
        assert_eq!(folder.days().len(), 7);
    }
}
