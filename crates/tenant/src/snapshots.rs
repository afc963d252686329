//! Snapshots of a whole tenant under names: its files as an export has them, with their secrets, which the store seals.

mod restore;

use std::path::Path;

use contracts::provisioning::TenantObjects;
use infra::{ChangeNote, NamedSnapshot, SnapshotHead, StoreError, TenantArchive, TenantFileText};
use model::TenantId;
use tokio::task::spawn_blocking;

use crate::file::{self, Exported, Faults};
pub use restore::{RESTORED_SHOWN_MAX, RestoreRefusal, RestoreTerms, RestoredSnapshot, restore};

/// The longest name of a snapshot, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Why a snapshot was not made or not found.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotRefusal {
    /// The name cannot be one.
    #[error(
        "{0:?} is no name of a snapshot: it has 1 to {NAME_BYTES_MAX} letters, digits, dashes, underscores and dots"
    )]
    Name(String),
    /// There is one of that name.
    #[error("there is a snapshot {0} already")]
    Taken(String),
    /// There is none of that name.
    #[error("tenant {tenant} has no snapshot {name}")]
    Missing {
        /// The tenant.
        tenant: TenantId,
        /// The name.
        name: String,
    },
    /// There is no such tenant.
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    /// The store refused or failed.
    #[error("the snapshots cannot be used")]
    Store(#[from] StoreError),
}

/// Keeps the tenant as it is now.
///
/// # Errors
/// When the name is taken or wrong, there is no such tenant, there are too many snapshots, or the store fails.
pub async fn create(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    name: &str,
    note: &ChangeNote,
) -> Result<SnapshotHead, SnapshotRefusal> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_letter) {
        return Err(SnapshotRefusal::Name(name.to_owned()));
    }
    let loaded = store.load(tenant).await?;
    let (revision, objects) = loaded.ok_or_else(|| SnapshotRefusal::NoTenant(tenant.clone()))?;
    // Beside the executor: a large tenant takes a while. It fails when the process ends.
    let written = spawn_blocking(move || file::write(&objects)).await;
    let Exported { yaml, documents } =
        written.map_err(|_| StoreError::Unavailable { reason: "the process ends".to_owned() })?;
    let text = |(path, document): (std::path::PathBuf, String)| (path.to_string_lossy().into_owned(), document);
    let snapshot = NamedSnapshot {
        head: SnapshotHead { name: name.to_owned(), at: note.at, by: note.by.clone(), revision },
        file: TenantFileText(yaml),
        documents: documents.into_iter().map(text).collect(),
    };
    if store.keep_snapshot(tenant, &snapshot).await? {
        Ok(snapshot.head)
    } else {
        Err(SnapshotRefusal::Taken(name.to_owned()))
    }
}

/// The snapshot of that name.
///
/// # Errors
/// When there is none, or the store fails.
pub async fn find(store: &dyn TenantArchive, tenant: &TenantId, name: &str) -> Result<NamedSnapshot, SnapshotRefusal> {
    let missing = || SnapshotRefusal::Missing { tenant: tenant.clone(), name: name.to_owned() };
    store.snapshot(tenant, name).await?.ok_or_else(missing)
}

/// Removes the snapshot of that name.
///
/// # Errors
/// When there is none, or the store fails.
pub async fn delete(store: &dyn TenantArchive, tenant: &TenantId, name: &str) -> Result<(), SnapshotRefusal> {
    if store.remove_snapshot(tenant, name).await? {
        return Ok(());
    }
    Err(SnapshotRefusal::Missing { tenant: tenant.clone(), name: name.to_owned() })
}

/// The tenant of a snapshot.
///
/// # Errors
/// What the rules of this release say against its file: it may be one of an earlier release.
pub fn objects(snapshot: &NamedSnapshot) -> Result<TenantObjects, Faults> {
    file::read(&snapshot.file.0, |path| {
        let found = snapshot.documents.iter().find(|(known, _)| Path::new(known) == path);
        found.map(|(_, document)| document.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    })
}
