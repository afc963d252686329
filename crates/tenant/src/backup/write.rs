//! Writes a backup.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use infra::{ArchivedPart, StoreError, TenantArchive};
use model::{TenantId, Timestamp};
use sha2::{Digest as _, Sha256};

use super::line::{BackupLine, digits};
use super::{BackedUpTenant, BackupError, BackupSummary, SealedKeys, VERSION};

/// Writes a backup of the tenants to `out`. Each is read at one moment; the installation may run.
///
/// # Errors
/// When a tenant does not exist, the store fails, or nothing can be written: then what was written is no backup.
pub async fn write<W: Write + Send>(
    store: &dyn TenantArchive,
    tenants: &[TenantId],
    keys: Option<&SealedKeys>,
    made: Timestamp,
    out: W,
) -> Result<(BackupSummary, W), BackupError> {
    let program = format!("trunkline {}", env!("CARGO_PKG_VERSION"));
    let mut summary = BackupSummary { made, program: program.clone(), tenants: Vec::new(), has_keys: keys.is_some() };
    let mut writer = BackupWriter::new(out);
    let head = BackupLine::TrunklineBackup { version: VERSION, made_ms: made.as_millis(), program };
    writer.put(&head).map_err(BackupError::Write)?;
    for tenant in tenants {
        summary.tenants.push(one(store, tenant, &mut writer).await?);
    }
    if let Some(keys) = keys {
        let line = BackupLine::Keys { salt: digits(keys.salt), sealed: digits(keys.sealed.iter().copied()) };
        writer.put(&line).map_err(BackupError::Write)?;
    }
    let out = writer.finish().map_err(BackupError::Write)?;
    Ok((summary, out))
}

async fn one<W: Write + Send>(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    writer: &mut BackupWriter<W>,
) -> Result<BackedUpTenant, BackupError> {
    let mut counted =
        BackedUpTenant { tenant: tenant.clone(), revision: Default::default(), objects: 0, entries: 0, snapshots: 0 };
    let mut failed: Option<io::Error> = None;
    let mut take = |part: ArchivedPart| {
        count(&mut counted, &part);
        let line = BackupLine::of(tenant, part).map_err(io::Error::from);
        line.and_then(|line| writer.put(&line)).map_err(|error| {
            failed = Some(error);
            StoreError::Invalid("the backup cannot be written".to_owned())
        })
    };
    let archived = store.archive(tenant, &mut take).await;
    match (archived, failed) {
        (_, Some(error)) => Err(BackupError::Write(error)),
        (Err(source), None) => Err(BackupError::Store { tenant: tenant.clone(), source }),
        (Ok(false), None) => Err(BackupError::NoTenant(tenant.clone())),
        (Ok(true), None) => Ok(counted),
    }
}

/// Counts a part of a tenant.
pub(super) fn count(counted: &mut BackedUpTenant, part: &ArchivedPart) {
    match part {
        ArchivedPart::Begin(revision) => counted.revision = *revision,
        ArchivedPart::Object(..) => counted.objects += 1,
        ArchivedPart::Gone(..) => {}
        ArchivedPart::Entry(_) => counted.entries += 1,
        ArchivedPart::Snapshot(_) => counted.snapshots += 1,
    }
}

/// Writes lines; without its end the file is no backup.
pub(super) struct BackupWriter<W: Write> {
    out: GzEncoder<W>,
    digest: Sha256,
    lines: u64,
}

impl<W: Write> BackupWriter<W> {
    pub fn new(out: W) -> Self {
        Self { out: GzEncoder::new(out, Compression::default()), digest: Sha256::new(), lines: 0 }
    }

    pub fn put(&mut self, line: &BackupLine) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.lines += 1;
        self.out.write_all(&text)
    }

    pub fn finish(mut self) -> io::Result<W> {
        let sha256 = digits(<[u8; 32]>::from(self.digest.clone().finalize()));
        let mut text = serde_json::to_vec(&BackupLine::End { lines: self.lines, sha256 })?;
        text.push(b'\n');
        self.out.write_all(&text)?;
        self.out.finish()
    }
}
