//! Reads a backup, line by line.

use std::io::{BufRead, BufReader, Read as _};

use flate2::bufread::GzDecoder;
use model::{TenantId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::line::{BackupLine, bytes, digits};
use super::write::count;
use super::{BackedUpTenant, BackupError, BackupFault, BackupSummary, LINE_BYTES_MAX, SealedKeys, VERSION};

/// The lines of a backup.
pub struct BackupReader<R: BufRead> {
    input: BufReader<GzDecoder<R>>,
    digest: Sha256,
    lines: u64,
    is_over: bool,
}

impl<R: BufRead> BackupReader<R> {
    /// A reader of a file.
    pub fn new(file: R) -> Self {
        Self { input: BufReader::new(GzDecoder::new(file)), digest: Sha256::new(), lines: 0, is_over: false }
    }

    /// A fault of the line that was read last.
    pub(super) fn fault(&self, reason: impl Into<String>) -> BackupFault {
        BackupFault { line: self.lines, reason: reason.into() }
    }

    /// The next line; none behind the end, which is checked.
    pub(super) fn line(&mut self) -> Result<Option<BackupLine>, BackupFault> {
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
                if *lines != self.lines - 1 || *sha256 != digits(<[u8; 32]>::from(self.digest.clone().finalize())) {
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
        self.digest.update(&text);
        Ok(Some(line))
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
    let mut summary =
        BackupSummary { made: Timestamp::from_millis(0), program: String::new(), tenants: Vec::new(), has_keys: false };
    while let Some(line) = reader.line()? {
        let part = match line {
            BackupLine::TrunklineBackup { made_ms, program, .. } => {
                (summary.made, summary.program) = (Timestamp::from_millis(made_ms), program);
                continue;
            }
            BackupLine::Tenant { id, revision } => {
                let tenant = TenantId::parse(&id).map_err(|error| reader.fault(error.to_string()))?;
                if summary.tenants.iter().any(|other| other.tenant == tenant) {
                    return Err(reader.fault(format!("tenant {tenant} is there twice")).into());
                }
                let revision = infra::Revision(revision);
                summary.tenants.push(BackedUpTenant { tenant, revision, objects: 0, entries: 0, snapshots: 0 });
                continue;
            }
            BackupLine::Keys { .. } => {
                summary.has_keys = true;
                continue;
            }
            line => line.part().map_err(|reason| reader.fault(reason))?,
        };
        let Some(counted) = summary.tenants.last_mut() else {
            return Err(reader.fault("it belongs to no tenant").into());
        };
        count(counted, &part);
    }
    Ok(summary)
}

/// The keys of a backup, if it has them.
///
/// # Errors
/// The first fault of the backup.
pub fn sealed_keys<R: BufRead>(mut reader: BackupReader<R>) -> Result<Option<SealedKeys>, BackupError> {
    let mut found = None;
    while let Some(line) = reader.line()? {
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
