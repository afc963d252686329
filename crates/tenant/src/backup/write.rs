//! Writes a backup.

use std::io::{self, Write};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use infra::{
    ArchiveBegin, ArchivedPart, ContactOwner, KeptAudio, KeptContact, NamedSnapshot, StoreError, TenantArchive,
};
use model::{TenantId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::line::{BackupLine, EntryLine, digits};
use super::unreadable::UnreadableParts;
use super::{
    BackedUpTenant, BackupError, BackupSummary, LINE_BYTES_MAX, LeftOutTenant, SNAPSHOT_BYTES_MAX, SealedKeys,
    TEXT_BYTES_MAX, UnreadablePart, VERSION,
};

/// How often a tenant is read that the store does not give, and the pause before it is read again.
const ATTEMPTS_MAX: u32 = 3;
const AGAIN_AFTER: Duration = Duration::from_secs(2);
/// The most bytes of a tenant's lines that wait until it is whole: of a larger one what is read stands in the file, and it is read once.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// A backup that was written.
#[derive(Debug)]
pub struct WrittenBackup<W> {
    /// What it holds.
    pub summary: BackupSummary,
    /// What it holds in vain: it stands in the store so that nobody can open it.
    pub unreadable: Vec<UnreadablePart>,
    /// What it was written to.
    pub out: W,
}

/// Writes a backup of the tenants to `out`. Each is read at one moment; the installation may run. A tenant that is damaged in the store is
/// left out, and named in what is returned.
///
/// # Errors
/// When a tenant does not exist, none can be read whole, the store fails, or nothing can be written: then what was written is no backup.
pub async fn write<W: Write + Send>(
    store: &dyn TenantArchive,
    tenants: &[TenantId],
    keys: Option<&SealedKeys>,
    made: Timestamp,
    out: W,
) -> Result<WrittenBackup<W>, BackupError> {
    let program = format!("trunkline {}", env!("CARGO_PKG_VERSION"));
    // As the head says it.
    let made = Timestamp::from_millis(made.as_millis());
    let mut summary = BackupSummary {
        made,
        program: program.clone(),
        tenants: Vec::new(),
        left_out: Vec::new(),
        has_keys: keys.is_some(),
        sha256: String::new(),
    };
    let (mut writer, mut unreadable) = (BackupWriter::new(out), Vec::new());
    writer.put(&BackupLine::TrunklineBackup { version: VERSION, made_ms: made.as_millis(), program })?;
    for tenant in tenants {
        let read = async |writer: &mut BackupWriter<W>| one(store, tenant, writer).await;
        match repeated(&mut writer, read).await {
            Ok((counted, named)) => {
                summary.tenants.push(counted);
                unreadable.extend(named.into_iter().map(|what| UnreadablePart { tenant: tenant.clone(), what }));
            }
            Err(error) => {
                // What is read too slowly, as a snapshot of a very large tenant, does not mean that the store is away.
                let answers = store.revision(tenant).await.is_ok();
                let reason = fault_of_one(error, answers)?;
                writer.put(&BackupLine::LeftOut { id: tenant.to_string(), reason: reason.clone() })?;
                summary.left_out.push(LeftOutTenant { tenant: tenant.clone(), reason });
            }
        }
    }
    if let (true, Some(left_out)) = (summary.tenants.is_empty(), summary.left_out.first()) {
        let LeftOutTenant { tenant, reason } = left_out.clone();
        return Err(BackupError::NoneWhole { tenant, reason });
    }
    if let Some(keys) = keys {
        writer.put(&BackupLine::Keys { salt: digits(keys.salt), sealed: digits(keys.sealed.iter().copied()) })?;
    }
    summary.sha256 = writer.sha256();
    let out = writer.finish().map_err(BackupError::Write)?;
    Ok(WrittenBackup { summary, unreadable, out })
}

/// Writes a tenant; again from its begin where the store did not give it for a moment.
async fn repeated<W: Write, T>(
    writer: &mut BackupWriter<W>,
    mut read: impl AsyncFnMut(&mut BackupWriter<W>) -> Result<T, BackupError>,
) -> Result<T, BackupError> {
    let mut attempts = 1;
    loop {
        writer.wait();
        let error = match read(writer).await {
            Ok(done) => {
                writer.write_waiting()?;
                return Ok(done);
            }
            Err(error) => error,
        };
        let may_pass = matches!(&error, BackupError::Store { source: StoreError::Unavailable { .. }, .. });
        let is_clean = writer.forget_waiting();
        if !may_pass || !is_clean || attempts >= ATTEMPTS_MAX {
            return Err(error);
        }
        attempts += 1;
        tracing::warn!(%error, attempts, "a tenant cannot be read for the backup: it is read again");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// What is wrong with a tenant alone; an error that concerns all of them is given back. `answers`: whether the store answers all the same.
fn fault_of_one(error: BackupError, answers: bool) -> Result<String, BackupError> {
    match error {
        BackupError::Store { source: source @ StoreError::Unavailable { .. }, .. } if answers => Ok(source.to_string()),
        BackupError::Store { source: source @ (StoreError::Corrupt { .. } | StoreError::Invalid(_)), .. } => {
            Ok(source.to_string())
        }
        BackupError::TooLarge { .. } => Ok(error.to_string()),
        error => Err(error),
    }
}

async fn one<W: Write + Send>(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    writer: &mut BackupWriter<W>,
) -> Result<(BackedUpTenant, Vec<String>), BackupError> {
    let mut counted =
        BackedUpTenant { tenant: tenant.clone(), revision: Default::default(), objects: 0, entries: 0, snapshots: 0 };
    let (seals, mut unreadable) = (store.seals(), UnreadableParts::default());
    let mut failed: Option<BackupError> = None;
    let mut take = |part: ArchivedPart| {
        count(&mut counted, &part);
        unreadable.note(&seals, tenant, &part);
        writer.put_part(tenant, part).map_err(|error| {
            failed = Some(error);
            StoreError::Invalid("the backup cannot be written".to_owned())
        })
    };
    let archived = store.archive(tenant, &mut take).await;
    match (archived, failed) {
        (_, Some(error)) => Err(error),
        (Err(source), None) => Err(BackupError::Store { tenant: tenant.clone(), source }),
        (Ok(false), None) => Err(BackupError::NoTenant(tenant.clone())),
        (Ok(true), None) => Ok((counted, unreadable.take())),
    }
}

/// Counts a part of a tenant.
pub(super) fn count(counted: &mut BackedUpTenant, part: &ArchivedPart) {
    match part {
        ArchivedPart::Begin(begin) => counted.revision = begin.revision,
        ArchivedPart::Object(..) => counted.objects += 1,
        ArchivedPart::Annex(..) | ArchivedPart::Gone(..) | ArchivedPart::Audio(_) | ArchivedPart::Contact(..) => {}
        ArchivedPart::Entry(_) => counted.entries += 1,
        ArchivedPart::Snapshot(_) => counted.snapshots += 1,
    }
}

/// Writes lines; without its end the file is no backup.
pub(super) struct BackupWriter<W: Write> {
    out: GzEncoder<W>,
    digest: Sha256,
    lines: u64,
    /// Those of a tenant that is not whole yet; none where lines are written at once.
    waiting: Option<WaitingLines>,
}

/// Lines that are not written yet.
#[derive(Default)]
struct WaitingLines {
    text: Vec<u8>,
    lines: u64,
}

impl<W: Write> BackupWriter<W> {
    pub fn new(out: W) -> Self {
        let out = GzEncoder::new(out, Compression::default());
        Self { out, digest: Sha256::new(), lines: 0, waiting: None }
    }

    /// From here on lines wait, as long as there is room.
    fn wait(&mut self) {
        self.waiting = Some(WaitingLines::default());
    }

    /// Writes what waits; from here on lines are written at once.
    fn write_waiting(&mut self) -> Result<(), BackupError> {
        let Some(WaitingLines { text, lines }) = self.waiting.take() else { return Ok(()) };
        self.write(&text, lines)
    }

    /// Drops what waits; whether nothing was written since lines wait.
    fn forget_waiting(&mut self) -> bool {
        self.waiting.take().is_some()
    }

    /// Writes the lines of a tenant's part.
    pub fn put_part(&mut self, tenant: &TenantId, part: ArchivedPart) -> Result<(), BackupError> {
        let line = match part {
            ArchivedPart::Begin(ArchiveBegin { revision, pruned, life }) => BackupLine::Tenant {
                id: tenant.to_string(),
                revision: revision.0,
                pruned_revision: pruned.0,
                life: life.0,
            },
            ArchivedPart::Object(object, revision) => BackupLine::Object {
                kind: object.key().kind,
                revision: revision.0,
                document: serde_json::from_slice(&object.to_json()).map_err(unwritable)?,
            },
            ArchivedPart::Annex(key, annex) => BackupLine::Annex {
                kind: key.kind,
                id: key.id,
                document: serde_json::from_slice(&annex.to_json()).map_err(unwritable)?,
            },
            ArchivedPart::Audio(KeptAudio { sha256, wav }) => BackupLine::Audio { sha256, wav: BASE64.encode(wav) },
            ArchivedPart::Contact(owner, KeptContact { id, at, document }) => BackupLine::Contact {
                person: match owner {
                    ContactOwner::Person(user) => Some(user),
                    ContactOwner::Tenant => None,
                },
                id,
                changed_ms: at.as_millis(),
                document,
            },
            ArchivedPart::Gone(key, revision) => BackupLine::Gone { kind: key.kind, id: key.id, revision: revision.0 },
            ArchivedPart::Entry(entry) => BackupLine::Entry(EntryLine::of(entry)),
            ArchivedPart::Snapshot(snapshot) => return self.put_snapshot(snapshot),
        };
        self.put(&line)
    }

    /// Writes a snapshot in pieces: with all applications of a large tenant it would be a line that nobody can read.
    fn put_snapshot(&mut self, snapshot: NamedSnapshot) -> Result<(), BackupError> {
        let NamedSnapshot { head, file, documents } = snapshot;
        let bytes = documents.iter().fold(file.0.len(), |sum, (path, text)| sum + path.len() + text.len());
        if bytes > SNAPSHOT_BYTES_MAX {
            return Err(BackupError::TooLarge { what: "a snapshot", bytes, most: SNAPSHOT_BYTES_MAX });
        }
        self.put_text(&file.0, |file| BackupLine::Snapshot {
            name: head.name,
            made_ms: head.at.as_millis(),
            made_by: head.by,
            revision: head.revision.0,
            file,
            documents: Vec::new(),
        })?;
        for (path, text) in documents {
            self.put_text(&text, |text| BackupLine::SnapshotDocument { path, text })?;
        }
        Ok(())
    }

    /// Writes a text as the line that begins with it, and those by which it goes on.
    fn put_text(&mut self, text: &str, begin: impl FnOnce(String) -> BackupLine) -> Result<(), BackupError> {
        let mut pieces = pieces(text).into_iter();
        self.put(&begin(pieces.next().unwrap_or_default().to_owned()))?;
        pieces.try_for_each(|text| self.put(&BackupLine::SnapshotText { text: text.to_owned() }))
    }

    pub fn put(&mut self, line: &BackupLine) -> Result<(), BackupError> {
        let mut text = serde_json::to_vec(line).map_err(unwritable)?;
        text.push(b'\n');
        if text.len() > LINE_BYTES_MAX {
            return Err(BackupError::TooLarge { what: line.what(), bytes: text.len(), most: LINE_BYTES_MAX });
        }
        match &mut self.waiting {
            Some(waiting) if waiting.text.len() + text.len() <= WAITING_BYTES_MAX => {
                waiting.text.append(&mut text);
                waiting.lines += 1;
                Ok(())
            }
            _ => {
                self.write_waiting()?;
                self.write(&text, 1)
            }
        }
    }

    fn write(&mut self, text: &[u8], lines: u64) -> Result<(), BackupError> {
        self.digest.update(text);
        self.lines += lines;
        self.out.write_all(text).map_err(BackupError::Write)
    }

    /// The SHA-256 of the lines that were written.
    fn sha256(&self) -> String {
        digits(<[u8; 32]>::from(self.digest.clone().finalize()))
    }

    pub fn finish(mut self) -> io::Result<W> {
        let sha256 = self.sha256();
        let mut text = serde_json::to_vec(&BackupLine::End { lines: self.lines, sha256 })?;
        text.push(b'\n');
        self.out.write_all(&text)?;
        self.out.finish()
    }
}

fn unwritable(error: serde_json::Error) -> BackupError {
    BackupError::Write(error.into())
}

/// A text in pieces that are short enough for a line.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while rest.len() > TEXT_BYTES_MAX {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(TEXT_BYTES_MAX));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late() -> BackupError {
        BackupError::Store {
            tenant: TenantId::parse("acme").unwrap(),
            source: StoreError::Unavailable { reason: "it has not answered in time".to_owned() },
        }
    }

    fn line() -> BackupLine {
        BackupLine::Tenant { id: "acme".to_owned(), revision: 1, pruned_revision: 0, life: 0 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_the_store_does_not_give_for_a_moment_is_read_again_from_its_begin() {
        let (mut writer, mut attempts) = (BackupWriter::new(Vec::new()), 0);
        let read = async |writer: &mut BackupWriter<Vec<u8>>| -> Result<(), BackupError> {
            attempts += 1;
            writer.put(&line())?;
            if attempts < ATTEMPTS_MAX { Err(late()) } else { Ok(()) }
        };
        repeated(&mut writer, read).await.unwrap();
        assert_eq!((attempts, writer.lines), (ATTEMPTS_MAX, 1), "what was read before has left nothing");
        let (mut writer, mut attempts) = (BackupWriter::new(Vec::new()), 0);
        let never = async |_: &mut BackupWriter<Vec<u8>>| -> Result<(), BackupError> {
            attempts += 1;
            Err(late())
        };
        assert!(matches!(repeated(&mut writer, never).await, Err(BackupError::Store { .. })));
        assert_eq!((attempts, writer.lines), (ATTEMPTS_MAX, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_is_damaged_or_of_which_much_is_written_is_read_once() {
        let damaged = || StoreError::Corrupt { what: "table dn".to_owned(), reason: "it is wrong".to_owned() };
        let (mut writer, mut attempts) = (BackupWriter::new(Vec::new()), 0);
        let read = async |_: &mut BackupWriter<Vec<u8>>| -> Result<(), BackupError> {
            attempts += 1;
            Err(BackupError::Store { tenant: TenantId::parse("acme").unwrap(), source: damaged() })
        };
        assert!(repeated(&mut writer, read).await.is_err());
        assert_eq!(attempts, 1);
        let mut attempts = 0;
        let long = BackupLine::SnapshotText { text: "x".repeat(WAITING_BYTES_MAX) };
        let read = async |writer: &mut BackupWriter<Vec<u8>>| -> Result<(), BackupError> {
            attempts += 1;
            writer.put(&line())?;
            writer.put(&long)?;
            Err(late())
        };
        assert!(repeated(&mut writer, read).await.is_err());
        assert_eq!((attempts, writer.lines), (1, 2));
    }

    #[test]
    fn a_tenant_that_is_read_too_slowly_is_left_out_unless_the_store_is_away() {
        assert!(fault_of_one(late(), true).is_ok_and(|reason| reason.contains("has not answered in time")));
        assert!(matches!(fault_of_one(late(), false), Err(BackupError::Store { .. })));
    }
}
