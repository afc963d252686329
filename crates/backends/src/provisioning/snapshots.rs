//! A tenant's files under names.

use contracts::provisioning::{ObjectKey, ObjectKind};
use infra::{
    ChangeNote, HistoryEntry, NamedSnapshot, Result, Revision, SNAPSHOTS_BYTES_MAX, SNAPSHOTS_MAX, SnapshotHead,
    StoreError, TenantFileText,
};
use model::{TenantId, Timestamp};

use super::{Row, Turn, history, number, query, revision_of, revisions};

/// Keeps one, and notes that; `false` if there is one of its name.
pub(super) async fn keep(
    db: &mut dyn Turn,
    tenant: &TenantId,
    snapshot: &NamedSnapshot,
    by: &ChangeNote,
) -> Result<bool> {
    let Some(at) = revisions::of_tenant(db, tenant).await? else {
        return Err(StoreError::Invalid(format!("tenant {tenant} does not exist")));
    };
    let present = heads(db, tenant).await?;
    if present.iter().any(|head| head.name == snapshot.head.name) {
        return Ok(false);
    }
    if present.len() >= SNAPSHOTS_MAX {
        return Err(StoreError::Full { what: "the list of the tenant's snapshots", bound: SNAPSHOTS_MAX as u64 });
    }
    let documents = snapshot.documents.iter().map(|(path, text)| path.len() + text.len()).sum::<usize>();
    expect_room(bytes(db, tenant).await?, snapshot.file.0.len().saturating_add(documents))?;
    put(db, tenant, snapshot).await?;
    let entry = HistoryEntry { after: Some(shown(&snapshot.head)), ..noted(at, by, &snapshot.head.name) };
    history::put(db, tenant, entry).await?;
    Ok(true)
}

/// The bytes of those of a tenant. The databases know the size of a text without reading it.
async fn bytes(db: &mut dyn Turn, tenant: &TenantId) -> Result<u64> {
    let sql =
        "SELECT CAST(coalesce(sum(CAST(octet_length(file) AS BIGINT) + octet_length(documents)), 0) AS BIGINT) AS bytes
         FROM tenant_snapshot WHERE tenant = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str())).await?;
    let bytes = rows.first().map(|row| row.get::<i64>("bytes")).transpose()?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
}

/// Refuses a snapshot for which there is no room beside the others.
fn expect_room(present: u64, more: usize) -> Result<()> {
    if present.saturating_add(u64::try_from(more).unwrap_or(u64::MAX)) > SNAPSHOTS_BYTES_MAX {
        let what = "the room for the tenant's snapshots, in bytes,";
        return Err(StoreError::Full { what, bound: SNAPSHOTS_BYTES_MAX });
    }
    Ok(())
}

/// Writes one.
pub(super) async fn put(db: &mut dyn Turn, tenant: &TenantId, snapshot: &NamedSnapshot) -> Result<()> {
    let head = &snapshot.head;
    let documents = serde_json::to_string(&snapshot.documents);
    let documents = documents.map_err(|error| StoreError::Invalid(format!("a snapshot's documents: {error}")))?;
    let sql = "INSERT INTO tenant_snapshot (tenant, name, made_ms, made_by, revision, file, documents)
         VALUES (?, ?, ?, ?, ?, ?, ?)";
    let put = query(sql)
        .bind(tenant.as_str())
        .bind(&head.name)
        .bind(number(head.at.as_millis()))
        .bind(&head.by)
        .bind(number(head.revision.0))
        .bind(&snapshot.file.0)
        .bind(documents);
    db.run(put).await.map(drop)
}

/// Without their files, the first one first.
pub(super) async fn heads(db: &mut dyn Turn, tenant: &TenantId) -> Result<Vec<SnapshotHead>> {
    let sql = "SELECT name, made_ms, made_by, revision FROM tenant_snapshot WHERE tenant = ? ORDER BY dbid";
    db.rows(query(sql).bind(tenant.as_str())).await?.iter().map(head).collect()
}

/// One of that name.
pub(super) async fn find(db: &mut dyn Turn, tenant: &TenantId, name: &str) -> Result<Option<NamedSnapshot>> {
    let sql = "SELECT name, made_ms, made_by, revision, file, documents FROM tenant_snapshot
         WHERE tenant = ? AND name = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(name)).await?;
    rows.first().map(whole).transpose()
}

/// Removes one, and notes that; `false` if there is none of that name.
pub(super) async fn remove(db: &mut dyn Turn, tenant: &TenantId, name: &str, by: &ChangeNote) -> Result<bool> {
    let Some(at) = revisions::of_tenant(db, tenant).await? else { return Ok(false) };
    let present = heads(db, tenant).await?.into_iter().find(|head| head.name == name);
    let Some(head) = present else { return Ok(false) };
    let sql = "DELETE FROM tenant_snapshot WHERE tenant = ? AND name = ?";
    db.run(query(sql).bind(tenant.as_str()).bind(name)).await?;
    let entry = HistoryEntry { before: Some(shown(&head)), ..noted(at, by, name) };
    history::put(db, tenant, entry).await?;
    Ok(true)
}

/// Notes that the tenant has come to a revision by one.
pub(super) async fn note_restored(
    db: &mut dyn Turn,
    tenant: &TenantId,
    revision: Revision,
    head: &SnapshotHead,
    by: &ChangeNote,
) -> Result<()> {
    let mut after = described(head);
    after["restored_revision"] = revision.0.into();
    let (before, after) = (Some(shown(head)), Some(after.to_string()));
    history::put(db, tenant, HistoryEntry { before, after, ..noted(revision, by, &head.name) }).await
}

/// An entry of the history about a snapshot, which stands under its name: no object changes.
fn noted(revision: Revision, note: &ChangeNote, name: &str) -> HistoryEntry {
    let key = ObjectKey { kind: ObjectKind::Tenant, id: name.to_owned() };
    let note = note.clone();
    HistoryEntry { number: 0, revision, note, key, before: None, after: None, secrets_changed: false }
}

/// A snapshot without its files, as the history shows it.
fn shown(head: &SnapshotHead) -> String {
    described(head).to_string()
}

fn described(head: &SnapshotHead) -> serde_json::Value {
    let (name, at) = (&head.name, head.at.as_millis());
    serde_json::json!({ "name": name, "made_ms": at, "made_by": head.by, "revision": head.revision.0 })
}

fn head(row: &Row) -> Result<SnapshotHead> {
    Ok(SnapshotHead {
        name: row.text("name")?,
        at: Timestamp::from_millis(u64::try_from(row.get::<i64>("made_ms")?).unwrap_or_default()),
        by: row.text("made_by")?,
        revision: revision_of(row.get("revision")?),
    })
}

fn whole(row: &Row) -> Result<NamedSnapshot> {
    let documents = serde_json::from_str(&row.text("documents")?).map_err(|error| StoreError::Corrupt {
        what: "table tenant_snapshot".to_owned(),
        reason: format!("documents: {error}"),
    })?;
    Ok(NamedSnapshot { head: head(row)?, file: TenantFileText(row.text("file")?), documents })
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::{note, objects};
    use infra::{ObjectChange, ProvisioningStore as _, TenantArchive as _};

    use super::*;
    use crate::provisioning::Dialect as _;
    use crate::sqlite::SqliteProvisioning;

    #[test]
    fn all_snapshots_of_a_tenant_have_a_bound_in_bytes() {
        assert!(expect_room(SNAPSHOTS_BYTES_MAX - 10, 10).is_ok());
        let refused = expect_room(SNAPSHOTS_BYTES_MAX - 10, 11).unwrap_err().to_string();
        assert!(refused.contains("in bytes, is full: at most 2147483648"), "{refused}");
    }

    #[tokio::test]
    async fn the_bytes_of_texts_count_and_not_their_characters() {
        let folder = tempfile::tempdir().unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let all = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(&acme, Revision(0), all, note()).await.unwrap();
        assert_eq!(bytes(&mut *store.0.reads().await.unwrap(), &acme).await.unwrap(), 0);
        for name in ["one", "two"] {
            let head =
                SnapshotHead { name: name.to_owned(), at: note().at, by: note().by.clone(), revision: Revision(1) };
            let kept = NamedSnapshot { head, file: TenantFileText("\u{e9}".repeat(10)), documents: Vec::new() };
            assert!(store.keep_snapshot(&acme, &kept, note()).await.unwrap());
        }
        // Twice twenty bytes, and an empty list of documents each.
        assert_eq!(bytes(&mut *store.0.reads().await.unwrap(), &acme).await.unwrap(), 2 * (20 + 2));
    }
}
