//! Snapshots of a whole tenant under names: its files as an export has them, with their secrets, which the store seals.

mod restore;

use std::path::{Path, PathBuf};

use contracts::provisioning::{ObjectKey, ObjectKind, TenantObjects};
use infra::{
    ChangeNote, HistoryEntry, NamedSnapshot, Revision, SnapshotHead, StoreError, TenantArchive, TenantFileText,
};
use model::TenantId;
use tokio::task::spawn_blocking;

use crate::file::{self, Examined, Exported, Faults, ObjectFault};
use crate::objects::repeatable_since;
pub use restore::{RESTORED_SHOWN_MAX, RestoreRefusal, RestoreTerms, RestoredSnapshot, restore};

/// The longest name of a snapshot, in bytes.
pub const NAME_BYTES_MAX: usize = 64;
/// The most faults that a refusal has in its words.
const FAULTS_SAID_MAX: usize = 20;

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
    /// The tenant was stored when other rules held: its snapshot could not be restored.
    #[error("no snapshot is made, since none of a tenant that breaks rules can be restored; correct first:{}", lines(.0))]
    Faults(Vec<ObjectFault>),
    /// The key of the request was used for another one.
    #[error("request_id: it was used for another request")]
    RequestReused,
    /// The store refused or failed.
    #[error("the snapshots cannot be used")]
    Store(#[from] StoreError),
}

/// The first faults, each on a line of its own.
fn lines(faults: &[ObjectFault]) -> String {
    let said = faults.iter().take(FAULTS_SAID_MAX).map(|fault| format!("\n  {fault}")).collect::<String>();
    let more = faults.len().saturating_sub(FAULTS_SAID_MAX);
    if more == 0 { said } else { format!("{said}\n  and {more} more") }
}

/// Keeps the tenant as it is now, if a restore would take it. The same request sent again, by its key in the note, gets the first answer.
///
/// # Errors
/// When the name is taken or wrong, there is no such tenant, it breaks rules of this release, there are too many snapshots, or the store
/// fails.
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
    if let Some(entry) = earlier(store, tenant, name, note, true).await? {
        return Ok(head_of(entry));
    }
    let loaded = store.load(tenant).await?;
    let (revision, stored) = loaded.ok_or_else(|| SnapshotRefusal::NoTenant(tenant.clone()))?;
    let head = SnapshotHead { name: name.to_owned(), at: note.at, by: note.by.clone(), revision };
    // Beside the executor: a large tenant takes a while. It fails when the process ends.
    let made = spawn_blocking(move || snapshot_of(head, &stored)).await;
    let snapshot = made.map_err(|_| StoreError::Unavailable { reason: "the process ends".to_owned() })??;
    if store.keep_snapshot(tenant, &snapshot, note).await? {
        return Ok(snapshot.head);
    }
    // The same request may have been under way twice.
    let done = earlier(store, tenant, name, note, true).await?;
    done.map(head_of).ok_or_else(|| SnapshotRefusal::Taken(name.to_owned()))
}

/// What the same request has left in the history if it was sent before: that a snapshot of that name was made, or removed.
async fn earlier(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    name: &str,
    note: &ChangeNote,
    is_made: bool,
) -> Result<Option<HistoryEntry>, SnapshotRefusal> {
    let Some(request) = &note.request else { return Ok(None) };
    let mut done = store.request(tenant, &note.by, request, repeatable_since(note)).await?;
    let Some(entry) = done.pop() else { return Ok(None) };
    let is_about = entry.key.kind == ObjectKind::Tenant && entry.key.id == name;
    // Of one that was restored both are there.
    let is_that = (entry.before.is_some(), entry.after.is_some()) == (!is_made, is_made);
    if is_about && is_that { Ok(Some(entry)) } else { Err(SnapshotRefusal::RequestReused) }
}

/// The snapshot that an entry says was made.
fn head_of(entry: HistoryEntry) -> SnapshotHead {
    let told = entry.after.as_deref().and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let revision = told.and_then(|told| told.get("revision")?.as_u64()).map_or(entry.revision, Revision);
    SnapshotHead { name: entry.key.id, at: entry.note.at, by: entry.note.by, revision }
}

/// The snapshot of a tenant, which is read as a restore reads it: what is stored was let in by the rules of its time.
fn snapshot_of(head: SnapshotHead, stored: &TenantObjects) -> Result<NamedSnapshot, SnapshotRefusal> {
    let Exported { yaml, documents } = file::write(stored);
    let text = |(path, document): (PathBuf, String)| (path.to_string_lossy().into_owned(), document);
    let documents = documents.into_iter().map(text).collect();
    let snapshot = NamedSnapshot { head, file: TenantFileText(yaml), documents };
    match objects(&snapshot) {
        Ok(_) => Ok(snapshot),
        Err(faults) => Err(SnapshotRefusal::Faults(by_object(stored, faults))),
    }
}

/// What the rules say against a tenant, by object and field; what they say against its file alone is about the tenant itself.
fn by_object(stored: &TenantObjects, faults: Faults) -> Vec<ObjectFault> {
    let found = file::object_faults(stored, |_| true);
    if !found.is_empty() {
        return found;
    }
    let key = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let of_file = faults.0.into_iter();
    of_file.map(|fault| ObjectFault { key: key.clone(), field: fault.key, rule: fault.rule }).collect()
}

/// The snapshot of that name.
///
/// # Errors
/// When there is none, or the store fails.
pub async fn find(store: &dyn TenantArchive, tenant: &TenantId, name: &str) -> Result<NamedSnapshot, SnapshotRefusal> {
    let missing = || SnapshotRefusal::Missing { tenant: tenant.clone(), name: name.to_owned() };
    store.snapshot(tenant, name).await?.ok_or_else(missing)
}

/// Removes the snapshot of that name. The same request sent again, by its key in the note, changes nothing.
///
/// # Errors
/// When there is none, or the store fails.
pub async fn delete(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    name: &str,
    note: &ChangeNote,
) -> Result<(), SnapshotRefusal> {
    if earlier(store, tenant, name, note, false).await?.is_some() || store.remove_snapshot(tenant, name, note).await? {
        return Ok(());
    }
    // The same request may have been under way twice.
    let done = earlier(store, tenant, name, note, false).await?;
    let missing = || SnapshotRefusal::Missing { tenant: tenant.clone(), name: name.to_owned() };
    done.map(drop).ok_or_else(missing)
}

/// The tenant of a snapshot.
///
/// # Errors
/// What the rules of this release say against its file: it may be one of an earlier release.
pub fn objects(snapshot: &NamedSnapshot) -> Result<TenantObjects, Faults> {
    file::read(&snapshot.file.0, |path| document(snapshot, path))
}

/// What can be read of a snapshot, whatever the rules of this release say against it: to be looked at, not to be restored.
pub fn looked_at(snapshot: &NamedSnapshot) -> Examined {
    file::look(&snapshot.file.0, |path| document(snapshot, path))
}

fn document(snapshot: &NamedSnapshot, path: &Path) -> std::io::Result<String> {
    let found = snapshot.documents.iter().find(|(known, _)| Path::new(known) == path);
    found.map(|(_, document)| document.clone()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::Trunk;
    use model::Timestamp;

    use super::*;

    fn head() -> SnapshotHead {
        let at = Timestamp::from_millis(1);
        SnapshotHead { name: "before".to_owned(), at, by: "tester".to_owned(), revision: Revision(1) }
    }

    fn example() -> TenantObjects {
        let text = include_str!("../../../data/example-tenant.yaml");
        file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example")
    }

    /// A trunk that releases before took.
    fn open_to_everybody() -> Trunk {
        Trunk { name: "Old".to_owned(), allow: vec!["0.0.0.0/0".to_owned()], ..Trunk::default() }
    }

    #[test]
    fn what_no_restore_would_take_is_refused_by_object_field_and_rule() {
        assert!(snapshot_of(head(), &example()).is_ok());
        let mut stored = example();
        stored.trunks.push(open_to_everybody());
        let refused = snapshot_of(head(), &stored).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("trunk Old allow: 0.0.0.0/0 is everybody"), "{said}");
        let SnapshotRefusal::Faults(faults) = refused else { panic!("{said}") };
        assert_eq!((faults[0].key.id.as_str(), faults[0].field.as_str(), faults.len()), ("Old", "allow", 1));
    }

    #[test]
    fn many_faults_are_said_as_a_number() {
        let mut stored = example();
        let named = |number: usize| Trunk { name: format!("Old-{number}"), ..open_to_everybody() };
        stored.trunks.extend((0..FAULTS_SAID_MAX + 3).map(named));
        let said = snapshot_of(head(), &stored).unwrap_err().to_string();
        assert!(said.ends_with("\n  and 3 more") && said.lines().count() == FAULTS_SAID_MAX + 2, "{said}");
    }

    #[test]
    fn a_snapshot_that_breaks_rules_is_still_looked_at() {
        let mut stored = example();
        stored.trunks.push(open_to_everybody());
        let Exported { yaml, .. } = file::write(&stored);
        let kept = NamedSnapshot { head: head(), file: TenantFileText(yaml), documents: Vec::new() };
        let Examined { objects, faults, .. } = looked_at(&kept);
        assert!(faults.iter().any(|fault| fault.key == "trunks.Old.allow"), "{faults:?}");
        assert_eq!(objects.map(|objects| objects.trunks), Some(stored.trunks));
    }
}
