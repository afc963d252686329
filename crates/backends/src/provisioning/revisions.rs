//! The revisions of tenants and of their objects, and what tells a revision from the same number in another history.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};

use contracts::provisioning::ObjectKey;
use infra::{HistoryPoint, HistoryStamp, Result, Revision, StoreError};
use model::TenantId;

use super::{Row, Turn, key_of, number, query, revision_of, tenant_id};

/// The revisions of a tenant whose stamps are kept. A reader that is further behind gets all objects.
const STAMPS_KEPT: u64 = 1_000;

/// The tenant's revision; none when it does not exist.
pub(super) async fn of_tenant(db: &mut dyn Turn, tenant: &TenantId) -> Result<Option<Revision>> {
    let rows =
        db.rows(query("SELECT revision FROM tenant WHERE id = ? AND ended_ms IS NULL").bind(tenant.as_str())).await?;
    rows.first().map(|row| Ok(revision_of(row.get("revision")?))).transpose()
}

/// The present points of a tenant's history, or of all.
macro_rules! points {
    ($rest:literal) => {
        concat!(
            "SELECT tenant.id AS id, tenant.revision AS revision, coalesce(revision_stamp.stamp, 0) AS stamp FROM tenant
             LEFT JOIN revision_stamp ON revision_stamp.tenant = tenant.id AND revision_stamp.revision = tenant.revision ",
            $rest
        )
    };
}

/// The points of all tenants, in the order of their ids.
pub(super) async fn points(db: &mut dyn Turn) -> Result<Vec<(TenantId, HistoryPoint)>> {
    let rows = db.rows(query(points!("WHERE tenant.ended_ms IS NULL ORDER BY tenant.id"))).await?;
    rows.iter().map(|row| Ok((tenant_id(&row.text("id")?)?, point_of(row)?))).collect()
}

/// The tenant's point; none when it does not exist.
pub(super) async fn point(db: &mut dyn Turn, tenant: &TenantId) -> Result<Option<HistoryPoint>> {
    let rows = db.rows(query(points!("WHERE tenant.id = ? AND tenant.ended_ms IS NULL")).bind(tenant.as_str())).await?;
    rows.first().map(point_of).transpose()
}

fn point_of(row: &Row) -> Result<HistoryPoint> {
    Ok(HistoryPoint { revision: revision_of(row.get("revision")?), stamp: stamp_of(row)? })
}

fn stamp_of(row: &Row) -> Result<HistoryStamp> {
    Ok(HistoryStamp(u64::try_from(row.get::<i64>("stamp")?).unwrap_or_default()))
}

/// Whether the history that has come to `present` has had the point. One without a known stamp is taken for a point of it.
pub(super) async fn has_passed(
    db: &mut dyn Turn,
    tenant: &TenantId,
    point: HistoryPoint,
    present: HistoryPoint,
) -> Result<bool> {
    if point.revision == Revision(0) {
        return Ok(false);
    }
    if !point.stamp.is_known() || point == present {
        return Ok(true);
    }
    if point.revision >= present.revision {
        return Ok(false);
    }
    has(db, tenant, point).await
}

/// A number that no other one is, above 0.
pub(super) fn random() -> u64 {
    // The standard library has its keys of hashes from the system's source of randomness, and no two of them are the same. The tables have
    // numbers of 63 bits.
    (RandomState::new().build_hasher().finish() >> 1).max(1)
}

/// Gives a revision a stamp, and lets the stamp of one go that is long past. The point that the history has come to.
pub(super) async fn stamp(db: &mut dyn Turn, tenant: &TenantId, revision: Revision) -> Result<HistoryPoint> {
    let stamp = random();
    let put = "INSERT INTO revision_stamp (tenant, revision, stamp) VALUES (?, ?, ?)
         ON CONFLICT (tenant, revision) DO UPDATE SET stamp = excluded.stamp";
    db.run(query(put).bind(tenant.as_str()).bind(number(revision.0)).bind(number(stamp))).await?;
    let clear = "DELETE FROM revision_stamp WHERE tenant = ? AND revision <= ?";
    let last = revision.0.saturating_sub(STAMPS_KEPT);
    db.run(query(clear).bind(tenant.as_str()).bind(number(last))).await?;
    Ok(HistoryPoint { revision, stamp: HistoryStamp(stamp) })
}

/// Whether the tenant's history has that point: no other one has its stamp.
pub(super) async fn has(db: &mut dyn Turn, tenant: &TenantId, point: HistoryPoint) -> Result<bool> {
    let sql = "SELECT stamp FROM revision_stamp WHERE tenant = ? AND revision = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(number(point.revision.0))).await?;
    Ok(rows.first().map(stamp_of).transpose()? == Some(point.stamp))
}

/// The changes after a revision, in the order of kinds.
pub(super) async fn changed_keys(db: &mut dyn Turn, tenant: &TenantId, since: Revision) -> Result<Vec<ObjectKey>> {
    let changed = query("SELECT kind, id FROM change WHERE tenant = ? AND revision > ?")
        .bind(tenant.as_str())
        .bind(number(since.0));
    let rows = db.rows(changed).await?;
    let mut keys: Vec<ObjectKey> = rows.iter().filter_map(|row| key_of(row).transpose()).collect::<Result<_>>()?;
    keys.sort();
    Ok(keys)
}

/// The revision that has changed each object last, of those that are gone too.
pub(super) async fn of_objects(db: &mut dyn Turn, tenant: &TenantId) -> Result<HashMap<ObjectKey, Revision>> {
    let sql = "SELECT kind, id, revision FROM change WHERE tenant = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str())).await?;
    let mut revisions = HashMap::with_capacity(rows.len());
    for row in &rows {
        if let Some(key) = key_of(row)? {
            revisions.insert(key, revision_of(row.get("revision")?));
        }
    }
    Ok(revisions)
}

/// The revision that has changed one object last.
pub(super) async fn of_object(db: &mut dyn Turn, tenant: &TenantId, key: &ObjectKey) -> Result<Revision> {
    let sql = "SELECT revision FROM change WHERE tenant = ? AND kind = ? AND id = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(key.kind.as_str()).bind(&key.id)).await?;
    let row = rows.first().ok_or_else(|| StoreError::Corrupt {
        what: "table change".to_owned(),
        reason: format!("it does not have the {} {:?}", key.kind.as_str(), key.id),
    })?;
    Ok(revision_of(row.get("revision")?))
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::{note, objects};
    use infra::{ObjectChange, ProvisioningStore as _};

    use super::*;
    use crate::provisioning::Dialect as _;
    use crate::sqlite::SqliteProvisioning;

    /// A tenant at its first revision.
    async fn made(folder: &tempfile::TempDir) -> (SqliteProvisioning, TenantId, HistoryPoint) {
        let acme = TenantId::parse("acme").unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let all = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(&acme, Revision(0), all, note()).await.unwrap();
        let first = store.point(&acme).await.unwrap().unwrap();
        (store, acme, first)
    }

    #[tokio::test]
    async fn the_last_stamps_are_kept_and_a_reader_from_before_them_gets_all_objects() {
        let folder = tempfile::tempdir().unwrap();
        let (store, acme, first) = made(&folder).await;
        let mut turn = store.0.writes(&acme).await.unwrap();
        let present = |revision| HistoryPoint { revision: Revision(revision), stamp: HistoryStamp(7) };
        stamp(&mut *turn, &acme, Revision(STAMPS_KEPT)).await.unwrap();
        assert!(has_passed(&mut *turn, &acme, first, present(STAMPS_KEPT)).await.unwrap());
        stamp(&mut *turn, &acme, Revision(STAMPS_KEPT + 1)).await.unwrap();
        assert!(!has_passed(&mut *turn, &acme, first, present(STAMPS_KEPT + 1)).await.unwrap());
        let kept = turn.rows(query("SELECT revision FROM revision_stamp")).await.unwrap();
        assert_eq!(kept.len(), 2);
    }

    #[tokio::test]
    async fn a_revision_of_a_release_without_stamps_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (store, acme, first) = made(&folder).await;
        let mut turn = store.0.writes(&acme).await.unwrap();
        for sql in ["UPDATE tenant SET revision = 2", "UPDATE change SET revision = 2 WHERE kind = 'prompt'"] {
            turn.run(query(sql)).await.unwrap();
        }
        turn.commit().await.unwrap();
        let second = HistoryPoint::unstamped(Revision(2));
        assert_eq!(store.point(&acme).await.unwrap(), Some(second));
        let changes = store.changes(&acme, first).await.unwrap();
        assert_eq!((changes.point, changes.is_whole, changes.changes.len()), (second, false, 1));
        let changes = store.changes(&acme, second).await.unwrap();
        assert_eq!((changes.is_whole, changes.changes.len()), (false, 0));
        let other = HistoryPoint { revision: Revision(2), ..first };
        assert!(store.changes(&acme, other).await.unwrap().is_whole);
    }
}
