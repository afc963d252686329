//! Reads a backup, line by line.

use std::io::{BufRead, BufReader, Read as _};

use flate2::bufread::GzDecoder;
use model::{TenantId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::line::{BackupLine, bytes, digits};
use super::write::count;
use super::{
    BackedUpTenant, BackupError, BackupFault, BackupSummary, LINE_BYTES_MAX, LeftOutTenant, SNAPSHOT_BYTES_MAX,
    SealedKeys, VERSION,
};

/// The lines of a backup.
pub struct BackupReader<R: BufRead> {
    input: BufReader<GzDecoder<R>>,
    digest: Sha256,
    lines: u64,
    is_over: bool,
    /// The bytes of the snapshot whose lines are being read.
    snapshot_bytes: Option<usize>,
    /// What was read to see whether a snapshot goes on.
    ahead: Option<BackupLine>,
}

impl<R: BufRead> BackupReader<R> {
    /// A reader of a file.
    pub fn new(file: R) -> Self {
        let (input, digest) = (BufReader::new(GzDecoder::new(file)), Sha256::new());
        Self { input, digest, lines: 0, is_over: false, snapshot_bytes: None, ahead: None }
    }

    /// The SHA-256 of the lines that were read.
    fn sha256(&self) -> String {
        digits(<[u8; 32]>::from(self.digest.clone().finalize()))
    }

    /// A fault of the line that was read last.
    pub(super) fn fault(&self, reason: impl Into<String>) -> BackupFault {
        BackupFault { line: self.lines, reason: reason.into() }
    }

    /// The next line, a snapshot with all that belongs to it; none behind the end, which is checked.
    pub(super) fn line(&mut self) -> Result<Option<BackupLine>, BackupFault> {
        let mut line = match self.ahead.take() {
            Some(line) => line,
            None => match self.piece()? {
                Some(line) => line,
                None => return Ok(None),
            },
        };
        let BackupLine::Snapshot { file, documents, .. } = &mut line else { return Ok(Some(line)) };
        loop {
            match self.piece()? {
                Some(BackupLine::SnapshotDocument { path, text }) => documents.push((path, text)),
                Some(BackupLine::SnapshotText { text }) => match documents.last_mut() {
                    Some((_, document)) => document.push_str(&text),
                    None => file.push_str(&text),
                },
                ahead => {
                    self.ahead = ahead;
                    return Ok(Some(line));
                }
            }
        }
    }

    /// The next line as it stands in the file: a snapshot is one line or many.
    fn piece(&mut self) -> Result<Option<BackupLine>, BackupFault> {
        if self.is_over {
            return Ok(None);
        }
        self.lines += 1;
        let Some(text) = self.text()? else {
            return Err(self.fault("the backup is cut off: it has no end"));
        };
        let line: BackupLine = serde_json::from_slice(&text)
            .map_err(|error| self.fault(format!("it is not a line of a backup: {error}")))?;
        match &line {
            BackupLine::TrunklineBackup { version, .. } if *version > VERSION => {
                return Err(
                    self.fault(format!("it is of a later release: version {version}, this program reads {VERSION}"))
                );
            }
            BackupLine::TrunklineBackup { .. } if self.lines == 1 => {}
            _ if self.lines == 1 => return Err(self.fault("it is not the head of a backup")),
            BackupLine::TrunklineBackup { .. } => return Err(self.fault("it is a second head")),
            BackupLine::End { lines, sha256 } => {
                self.is_over = true;
                if *lines != self.lines - 1 || *sha256 != self.sha256() {
                    return Err(self.fault("the backup is damaged: its lines have another SHA-256 than its end says"));
                }
                // The end of what is packed is read as well, with its own sum.
                if self.text()?.is_some() {
                    return Err(self.fault("there is something behind its end"));
                }
                return Ok(None);
            }
            _ => {}
        }
        self.count_snapshot(&line)?;
        self.digest.update(&text);
        Ok(Some(line))
    }

    /// Refuses what goes on with no snapshot, and a snapshot that is too large.
    fn count_snapshot(&mut self, line: &BackupLine) -> Result<(), BackupFault> {
        let begun = match line {
            BackupLine::Snapshot { .. } => Some(0),
            _ => self.snapshot_bytes,
        };
        self.snapshot_bytes = match (begun, line.snapshot_bytes()) {
            (_, None) => None,
            (None, Some(_)) => return Err(self.fault("it goes on with no snapshot")),
            (Some(before), Some(bytes)) => Some(before.saturating_add(bytes)),
        };
        if self.snapshot_bytes.is_some_and(|bytes| bytes > SNAPSHOT_BYTES_MAX) {
            return Err(self.fault(format!("the snapshot has more than {SNAPSHOT_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn text(&mut self) -> Result<Option<Vec<u8>>, BackupFault> {
        let mut text = Vec::new();
        let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = self.input.by_ref().take(most).read_until(b'\n', &mut text);
        read.map_err(|error| self.fault(format!("it cannot be read: {error}")))?;
        match text.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(text)),
            Some(_) if text.len() >= LINE_BYTES_MAX => {
                Err(self.fault(format!("it has more than {LINE_BYTES_MAX} bytes")))
            }
            Some(_) => Err(self.fault("the backup is cut off within it")),
        }
    }
}

/// Reads a whole backup and says what it holds.
///
/// # Errors
/// The first fault: nothing should be restored then.
pub fn examine<R: BufRead>(mut reader: BackupReader<R>) -> Result<BackupSummary, BackupError> {
    let mut summary = BackupSummary {
        made: Timestamp::from_millis(0),
        program: String::new(),
        tenants: Vec::new(),
        left_out: Vec::new(),
        has_keys: false,
        sha256: String::new(),
    };
    // Whether parts may follow: behind a tenant's line, up to the next that is no part.
    let mut is_within = false;
    while let Some(line) = reader.piece()? {
        let is_tenant = matches!(line, BackupLine::Tenant { .. });
        match line {
            BackupLine::TrunklineBackup { made_ms, program, .. } => {
                (summary.made, summary.program) = (Timestamp::from_millis(made_ms), program);
            }
            BackupLine::Tenant { id, revision, .. } => {
                let tenant = unused(&reader, &summary, &id)?;
                let revision = infra::Revision(revision);
                summary.tenants.push(BackedUpTenant { tenant, revision, objects: 0, entries: 0, snapshots: 0 });
            }
            BackupLine::LeftOut { id, reason } => {
                // What was read of it counts for nothing.
                if is_within && summary.tenants.last().is_some_and(|last| last.tenant.as_str() == id) {
                    summary.tenants.pop();
                }
                let tenant = unused(&reader, &summary, &id)?;
                summary.left_out.push(LeftOutTenant { tenant, reason });
            }
            BackupLine::Keys { .. } => summary.has_keys = true,
            // Those behind a snapshot belong to it, which is counted.
            BackupLine::SnapshotDocument { .. } | BackupLine::SnapshotText { .. } => continue,
            line => {
                let part = line.part().map_err(|reason| reader.fault(reason))?;
                let Some(counted) = summary.tenants.last_mut().filter(|_| is_within) else {
                    return Err(reader.fault("it belongs to no tenant").into());
                };
                count(counted, &part);
                continue;
            }
        }
        is_within = is_tenant;
    }
    summary.sha256 = reader.sha256();
    Ok(summary)
}

/// A tenant's id that the backup did not have yet.
fn unused<R: BufRead>(reader: &BackupReader<R>, summary: &BackupSummary, id: &str) -> Result<TenantId, BackupFault> {
    let tenant = TenantId::parse(id).map_err(|error| reader.fault(error.to_string()))?;
    let mut known = summary.tenants.iter().map(|held| &held.tenant);
    let mut left_out = summary.left_out.iter().map(|left_out| &left_out.tenant);
    if known.any(|other| *other == tenant) || left_out.any(|other| *other == tenant) {
        return Err(reader.fault(format!("tenant {tenant} is there twice")));
    }
    Ok(tenant)
}

/// The keys of a backup, if it has them.
///
/// # Errors
/// The first fault of the backup.
pub fn sealed_keys<R: BufRead>(mut reader: BackupReader<R>) -> Result<Option<SealedKeys>, BackupError> {
    let mut found = None;
    while let Some(line) = reader.piece()? {
        if let BackupLine::Keys { salt, sealed } = line {
            let salt = bytes(&salt).and_then(|salt| salt.try_into().ok());
            let (Some(salt), Some(sealed)) = (salt, bytes(&sealed)) else {
                return Err(reader.fault("the keys are not written as keys are").into());
            };
            found = Some(SealedKeys { salt, sealed });
        }
    }
    Ok(found)
}
