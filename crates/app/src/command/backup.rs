//! `trunkline backup|restore`: stored tenants as one file, and back.

mod key_files;

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use infra::{ChangeNote, ChangeWay, EndedTenant, TenantArchive};
use model::{TenantId, Timestamp};
use runtime::exit::{Exit, ExitError};
use serde_json::json;
use tenant::backup::{
    self, BackedUpTenant, BackupError, BackupReader, BackupSummary, LeftOutTenant, RestoredBackup, RestoredTenant,
    SealedKeys, UnreadablePart, WrittenBackup,
};

use super::{InstallationOptions, executor};

pub const BACKUP_EXAMPLES: &str = "\
Examples:
  trunkline backup /backup/tenants.trunkline
  trunkline backup acme.trunkline --tenant acme
  trunkline backup all.trunkline --with-keys --passphrase-file /backup/passphrase

Passwords of phones and carriers are in the file sealed with the installation's key, and those of people as hashes: for a
restore elsewhere the keys must come along. It has no recordings, prompts, calls or settings. A tenant that is damaged in the
tables is left out: the file has all others, and the command says which one is missing and ends with 6. A file that has keys or a
tenant which the new one lacks, and which nobody has deleted, stays, and so does one that cannot be read: the new one is named
FILE.incomplete or FILE.new then (6). Of a secret that cannot be opened any more it warns, and ends with 11: a restore brings its
tenant back without that secret.";

pub const RESTORE_EXAMPLES: &str = "\
Examples:
  trunkline restore /backup/tenants.trunkline --dry-run
  trunkline restore /backup/tenants.trunkline
  trunkline restore all.trunkline --tenant acme --replace
  trunkline restore all.trunkline --with-keys --passphrase-file /backup/passphrase

A tenant that is not there comes back as it was, with revisions, history and snapshots. With --replace the objects of one that
is there become those of the backup, as by an import, and its own history goes on. A tenant that cannot be restored keeps no
other one from it: the command names it, and does not end with 0. Secrets that cannot be opened are left out and named (11).";

#[derive(Args)]
pub struct BackupArguments {
    /// The file to write
    file: PathBuf,
    /// Only this tenant; may be repeated
    #[arg(long = "tenant", value_name = "ID")]
    tenants: Vec<String>,
    #[command(flatten)]
    keys: KeyOptions,
}

#[derive(Args)]
pub struct RestoreArguments {
    /// The file to read
    file: PathBuf,
    /// Only this tenant; may be repeated
    #[arg(long = "tenant", value_name = "ID")]
    tenants: Vec<String>,
    /// Also make tenants that are there equal to those of the backup
    #[arg(long)]
    replace: bool,
    /// Check the file, say what it holds, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    keys: KeyOptions,
}

#[derive(Args)]
struct KeyOptions {
    /// With the keys of the installation, sealed under the passphrase
    #[arg(long, requires = "passphrase_file")]
    with_keys: bool,
    /// A file whose first line is the passphrase
    #[arg(long, value_name = "FILE", requires = "with_keys")]
    passphrase_file: Option<PathBuf>,
}

impl KeyOptions {
    /// The passphrase; none without keys.
    fn passphrase(&self) -> anyhow::Result<Option<String>> {
        const CHARACTERS_MIN: usize = 12;
        let Some(file) = self.passphrase_file.as_deref().filter(|_| self.with_keys) else { return Ok(None) };
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let passphrase = text.lines().next().unwrap_or_default().to_owned();
        if passphrase.chars().count() < CHARACTERS_MIN {
            let message = format!("{}: a passphrase has at least {CHARACTERS_MIN} characters", file.display());
            return Err(ExitError::new(Exit::Usage, message).into());
        }
        Ok(Some(passphrase))
    }
}

// === backup ===

pub(super) fn backup(options: &InstallationOptions, arguments: &BackupArguments) -> anyhow::Result<Exit> {
    let wanted = tenant_ids(&arguments.tenants)?;
    let keys = arguments.keys.passphrase()?.map(|passphrase| {
        let files = key_files::read(&options.data_dir())?;
        let mut entropy = runtime::entropy::Strong::seeded_by_system();
        anyhow::Ok(SealedKeys::seal(&files, &passphrase, &mut entropy)?)
    });
    let keys = keys.transpose()?;
    let BackupOnDisk { file, summary, unreadable, stays } =
        write_file(options, &arguments.file, &wanted, keys.as_ref())?;
    say(&summary);
    warn_of(&unreadable);
    let mut wrong = Vec::new();
    if !summary.left_out.is_empty() {
        wrong.push(format!("{} is whole but for {}", file.display(), names_of(&summary.left_out)));
    }
    if let Some(why) = stays {
        let (present, new) = (arguments.file.display(), file.display());
        wrong.push(format!("{present} stays as it was, since {why}; the new file is {new}"));
    }
    if wrong.is_empty() {
        return Ok(if unreadable.is_empty() { Exit::Done } else { Exit::Warned });
    }
    Err(ExitError::new(Exit::CheckFailed, wrong.join("; ")).into())
}

/// A backup that was written into a file.
pub(super) struct BackupOnDisk {
    /// The file.
    file: PathBuf,
    /// What it holds.
    pub summary: BackupSummary,
    /// What it holds in vain.
    pub unreadable: Vec<UnreadablePart>,
    /// Why a file of the wanted name stays, if it does.
    stays: Option<StayingFile>,
}

/// Why a file stays in the place of a new backup.
#[derive(Debug, PartialEq, Eq)]
enum StayingFile {
    /// The new one lacks what it has.
    HasMore(String),
    /// Nobody knows what it has: it cannot be read now, is damaged, or of a later release.
    Unread(String),
}

impl std::fmt::Display for StayingFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HasMore(what) => write!(f, "it has what the new file lacks: {what}"),
            Self::Unread(why) => write!(f, "it is no backup that can be read: {why}"),
        }
    }
}

/// Names what a restore of a backup will leave out.
pub(super) fn warn_of(unreadable: &[UnreadablePart]) {
    unreadable.iter().for_each(|part| eprintln!("warning: {part}"));
}

/// Writes the tenants into a file, all of them if none is wanted, and reads it as a restore does. A file of that name goes, unless it has
/// what the new one lacks or cannot be read.
pub(super) fn write_file(
    options: &InstallationOptions,
    file: &Path,
    wanted: &[TenantId],
    keys: Option<&SealedKeys>,
) -> anyhow::Result<BackupOnDisk> {
    let beside = beside(file);
    let done = executor()?.block_on(async {
        let store = open(options).await?;
        let tenants: Vec<TenantId> = match wanted {
            [] => store.tenants().await?.into_iter().map(|(tenant, _)| tenant).collect(),
            wanted => wanted.to_vec(),
        };
        let cannot = || format!("cannot write {}", beside.display());
        let out = BufWriter::new(File::create(&beside).with_context(cannot)?);
        let made = crate::author::note(ChangeWay::Backup).at;
        let written = backup::write(&*store, &tenants, keys, made, out).await.map_err(refused)?;
        let WrittenBackup { summary, unreadable, out } = written;
        let written = out.into_inner().map_err(|error| error.into_error()).with_context(cannot)?;
        written.sync_all().with_context(cannot)?;
        // As a restore reads it: what it would refuse gets no name.
        let read = backup::examine(reader(&beside)?).map_err(refused)?;
        anyhow::ensure!(read == summary, "{} does not have what was written", beside.display());
        let ended = store.ended_tenants(Timestamp::ZERO).await?;
        let stays = staying(file, &summary, &ended);
        let file = match &stays {
            None => file.to_owned(),
            Some(why) => free_name(file, why, |name| staying(name, &summary, &ended).is_none())?,
        };
        std::fs::rename(&beside, &file).with_context(|| format!("cannot write {}", file.display()))?;
        anyhow::Ok(BackupOnDisk { file, summary, unreadable, stays })
    });
    if done.is_err() {
        // What was written so far is no backup.
        let _ = std::fs::remove_file(&beside);
    }
    done
}

/// Why the file of a name stays in the place of a new backup; none if there is none, or it has nothing that the new one lacks.
fn staying(file: &Path, new: &BackupSummary, ended: &[EndedTenant]) -> Option<StayingFile> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(StayingFile::Unread(error.to_string())),
    };
    // Such a file was made for its name alone.
    if opened.metadata().is_ok_and(|about| about.is_file() && about.len() == 0) {
        return None;
    }
    match backup::examine(BackupReader::new(BufReader::new(opened))) {
        Ok(present) => {
            let lacked = lacked(&present, new, ended);
            (!lacked.is_empty()).then(|| StayingFile::HasMore(lacked.join(", ")))
        }
        Err(error) => Some(StayingFile::Unread(error.to_string())),
    }
}

/// What a backup has and another one lacks, but for tenants that somebody has deleted.
fn lacked(of: &BackupSummary, by: &BackupSummary, ended: &[EndedTenant]) -> Vec<String> {
    let is_left_out = |tenant: &TenantId| by.left_out.iter().any(|one| one.tenant == *tenant);
    let is_ended = |tenant: &TenantId| !is_left_out(tenant) && ended.iter().any(|one| one.tenant == *tenant);
    let has = |tenant: &TenantId| by.tenants.iter().any(|held| held.tenant == *tenant);
    let tenants = of.tenants.iter().map(|held| &held.tenant);
    let lacked = tenants.filter(|tenant| !has(tenant) && !is_ended(tenant)).map(|tenant| format!("tenant {tenant}"));
    lacked.chain((of.has_keys && !by.has_keys).then(|| "the keys".to_owned())).collect()
}

/// Where a backup goes while the file of its name stays: the first name that `is_free`.
fn free_name(file: &Path, why: &StayingFile, is_free: impl Fn(&Path) -> bool) -> anyhow::Result<PathBuf> {
    const NAMES_MAX: usize = 9;
    let ending = match why {
        StayingFile::HasMore(_) => "incomplete",
        StayingFile::Unread(_) => "new",
    };
    let named = |number: usize| {
        let mut name = file.as_os_str().to_owned();
        name.push(if number == 1 { format!(".{ending}") } else { format!(".{ending}-{number}") });
        PathBuf::from(name)
    };
    (1..=NAMES_MAX).map(named).find(|name| is_free(name)).ok_or_else(|| {
        let (file, last) = (file.display(), named(NAMES_MAX));
        let message = format!("{file} stays, since {why}, and so do all up to {}: move them away", last.display());
        ExitError::new(Exit::CheckFailed, message).into()
    })
}

/// Tenants that are left out, with what is wrong with them.
fn names_of(left_out: &[LeftOutTenant]) -> String {
    let name = |LeftOutTenant { tenant, reason }: &LeftOutTenant| format!("tenant {tenant} ({reason})");
    left_out.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The file while it is written.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    PathBuf::from(name)
}

/// A line for each tenant.
fn say(summary: &BackupSummary) {
    for BackedUpTenant { tenant, revision, objects, entries, snapshots } in &summary.tenants {
        let counted = json!({
            "tenant": tenant.as_str(),
            "revision": revision.0,
            "objects": objects,
            "history": entries,
            "snapshots": snapshots,
        });
        say_line!("{counted}");
    }
}

// === restore ===

pub(super) fn restore(options: &InstallationOptions, arguments: &RestoreArguments) -> anyhow::Result<Exit> {
    let wanted = tenant_ids(&arguments.tenants)?;
    let passphrase = arguments.keys.passphrase()?;
    // The whole file first: nothing is restored from one that is damaged.
    let summary = backup::examine(reader(&arguments.file)?).map_err(refused)?;
    let is_whole = |tenant: &TenantId| summary.tenants.iter().any(|held| held.tenant == *tenant);
    if let Some(missing) = wanted.iter().find(|id| !is_whole(id)) {
        let why = summary.left_out.iter().find(|left_out| left_out.tenant == *missing);
        let why = why.map(|left_out| format!(": it was left out, {}", left_out.reason)).unwrap_or_default();
        return Err(ExitError::new(Exit::Unknown, format!("the backup has no tenant {missing}{why}")).into());
    }
    let is_wanted = |tenant: &TenantId| is_whole(tenant) && (wanted.is_empty() || wanted.contains(tenant));
    if !summary.left_out.is_empty() {
        eprintln!("warning: the backup is whole but for {}", names_of(&summary.left_out));
    }
    let keys = passphrase.map(|passphrase| opened_keys(&arguments.file, &passphrase)).transpose()?;
    if keys.is_some() {
        key_files::expect_none(&options.data_dir())?;
    }
    if arguments.dry_run {
        let made = contracts::json::rfc3339(summary.made);
        eprintln!("made {made} by {}; keys: {}", summary.program, if summary.has_keys { "yes" } else { "no" });
        say(&summary);
        return Ok(Exit::Done);
    }
    if let Some(keys) = keys {
        key_files::write(&options.data_dir(), &keys)?;
    }
    let RestoredBackup { restored, failed } = executor()?.block_on(async {
        let store = open(options).await?;
        if !arguments.replace {
            expect_absent(&*store, &summary, is_wanted).await?;
        }
        // The history and the audit say of which file.
        let request = Some(format!("sha256:{}", summary.sha256));
        let note = ChangeNote { request, ..crate::author::note(ChangeWay::Backup) };
        let reader = reader(&arguments.file)?;
        anyhow::Ok(backup::restore(&*store, reader, is_wanted, arguments.replace, &note).await)
    })?;
    let has_all = restored.iter().all(|tenant| tenant.left_out.is_empty());
    for RestoredTenant { tenant, revision, replaced, left_out } in restored {
        for what in &left_out {
            eprintln!("warning: tenant {tenant} is restored without what cannot be restored: {what}");
        }
        let mut told = json!({ "tenant": tenant.as_str(), "revision": revision.0 });
        if let Some(replaced) = replaced {
            told["put"] = replaced.put.into();
            told["deleted"] = replaced.deleted.into();
            told["snapshots"] = replaced.snapshots.into();
        }
        if !left_out.is_empty() {
            told["left_out"] = left_out.into();
        }
        say_line!("{told}");
    }
    not_restored(failed)?;
    Ok(if has_all { Exit::Done } else { Exit::Warned })
}

/// Names the tenants that were not restored; the last one is the error of the command.
fn not_restored(failed: Vec<BackupError>) -> anyhow::Result<()> {
    let mut failed: Vec<anyhow::Error> = failed.into_iter().map(refused).collect();
    let Some(last) = failed.pop() else { return Ok(()) };
    failed.iter().for_each(|error| eprintln!("not restored: {error:#}"));
    Err(last)
}

/// Refuses before the first tenant is restored what would be refused at the last one.
async fn expect_absent(
    store: &dyn TenantArchive,
    summary: &BackupSummary,
    is_wanted: impl Fn(&TenantId) -> bool,
) -> anyhow::Result<()> {
    let present = store.tenants().await?;
    let is_there = |held: &&BackedUpTenant| present.iter().any(|(tenant, _)| *tenant == held.tenant);
    match summary.tenants.iter().filter(|held| is_wanted(&held.tenant)).find(is_there) {
        Some(held) => Err(refused(BackupError::Present(held.tenant.clone()))),
        None => Ok(()),
    }
}

fn opened_keys(file: &Path, passphrase: &str) -> anyhow::Result<Vec<backup::KeyFile>> {
    let sealed = backup::sealed_keys(reader(file)?).map_err(refused)?;
    let none = || ExitError::new(Exit::Unknown, format!("{} has no keys", file.display()));
    sealed.ok_or_else(none)?.open(passphrase).map_err(refused)
}

fn reader(file: &Path) -> anyhow::Result<BackupReader<BufReader<File>>> {
    let opened = File::open(file)
        .map_err(|error| ExitError::new(Exit::CheckFailed, format!("{} cannot be read: {error}", file.display())))?;
    Ok(BackupReader::new(BufReader::new(opened)))
}

// === both ===

async fn open(options: &InstallationOptions) -> anyhow::Result<std::sync::Arc<dyn TenantArchive>> {
    crate::stores::archive(options.instance, &options.data_dir(), &options.values()?).await
}

fn tenant_ids(texts: &[String]) -> Result<Vec<TenantId>, ExitError> {
    let id = |text: &String| TenantId::parse(text).map_err(|error| ExitError::new(Exit::Usage, error.to_string()));
    let mut ids = texts.iter().map(id).collect::<Result<Vec<_>, _>>()?;
    ids.sort();
    ids.dedup();
    Ok(ids)
}

fn refused(error: BackupError) -> anyhow::Error {
    let exit = match &error {
        BackupError::Fault(_)
        | BackupError::Present(_)
        | BackupError::Passphrase
        | BackupError::TooLarge { .. }
        | BackupError::NoneWhole { .. } => Exit::CheckFailed,
        BackupError::NoTenant(_) => Exit::Unknown,
        _ => return error.into(),
    };
    ExitError::new(exit, error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use infra::Revision;

    use super::*;

    fn id(tenant: &str) -> TenantId {
        TenantId::parse(tenant).unwrap()
    }

    fn summary(tenants: &[&str], left_out: &[&str]) -> BackupSummary {
        let held = |tenant: &&str| BackedUpTenant {
            tenant: id(tenant),
            revision: Revision(1),
            objects: 1,
            entries: 1,
            snapshots: 0,
        };
        BackupSummary {
            made: Timestamp::ZERO,
            program: String::new(),
            tenants: tenants.iter().map(held).collect(),
            left_out: left_out.iter().map(|one| LeftOutTenant { tenant: id(one), reason: String::new() }).collect(),
            has_keys: false,
            sha256: String::new(),
        }
    }

    #[test]
    fn a_file_stays_for_keys_or_a_tenant_that_only_it_has_unless_somebody_has_deleted_that() {
        let ended = |tenant: &str| EndedTenant {
            number: 1,
            tenant: id(tenant),
            name: String::new(),
            revision: Revision(2),
            at: Timestamp::ZERO,
            by: "user/ann".to_owned(),
            is_removed: true,
        };
        let present = summary(&["acme", "bolt", "coil"], &["dash"]);
        let kept_for = |new: &BackupSummary, ended: &[EndedTenant]| lacked(&present, new, ended);
        assert!(kept_for(&summary(&["acme", "bolt", "coil"], &[]), &[]).is_empty());
        assert_eq!(kept_for(&summary(&["acme", "coil"], &["bolt"]), &[]), ["tenant bolt"]);
        assert_eq!(kept_for(&summary(&["acme"], &[]), &[ended("bolt")]), ["tenant coil"]);
        assert!(kept_for(&summary(&["acme"], &[]), &[ended("bolt"), ended("coil")]).is_empty());
        // It was made anew since, and is there.
        assert_eq!(kept_for(&summary(&["acme", "coil"], &["bolt"]), &[ended("bolt")]), ["tenant bolt"]);
        let with_keys = BackupSummary { has_keys: true, ..summary(&["acme"], &[]) };
        assert_eq!(lacked(&with_keys, &summary(&["acme"], &[]), &[]), ["the keys"]);
        assert!(lacked(&with_keys, &with_keys, &[]).is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_stays_and_so_does_what_is_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, new) = (folder.path().join("all"), summary(&["acme"], &[]));
        let stays = |name: &Path| staying(name, &new, &[]);
        assert_eq!(stays(&file), None);
        std::fs::write(&file, "").unwrap();
        assert_eq!(stays(&file), None, "it has nothing");
        std::fs::write(&file, "of a later release").unwrap();
        let why = stays(&file).unwrap();
        assert!(matches!(why, StayingFile::Unread(_)), "{why}");
        let free = || free_name(&file, &why, |name| stays(name).is_none());
        for number in 1..=9 {
            let ending = if number == 1 { "all.new".to_owned() } else { format!("all.new-{number}") };
            let name = free().unwrap();
            assert_eq!(name, folder.path().join(ending));
            std::fs::write(&name, "of a later release").unwrap();
        }
        assert!(free().unwrap_err().to_string().contains("move them away"));
        let more = StayingFile::HasMore("the keys".to_owned());
        assert_eq!(free_name(&file, &more, |_| true).unwrap(), folder.path().join("all.incomplete"));
    }
}
