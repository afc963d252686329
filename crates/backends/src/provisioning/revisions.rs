//! The revisions of tenants and of their objects.

use std::collections::HashMap;

use contracts::provisioning::ObjectKey;
use infra::{Result, Revision, StoreError};
use model::TenantId;

use super::{Turn, key_of, query, revision_of};

/// The tenant's revision; none when it does not exist.
pub(super) async fn of_tenant(db: &mut dyn Turn, tenant: &TenantId) -> Result<Option<Revision>> {
    let rows = db.rows(query("SELECT revision FROM tenant WHERE id = ?").bind(tenant.as_str())).await?;
    rows.first().map(|row| Ok(revision_of(row.get("revision")?))).transpose()
}

/// The changes after a revision, in the order of kinds.
pub(super) async fn changed_keys(db: &mut dyn Turn, tenant: &TenantId, since: Revision) -> Result<Vec<ObjectKey>> {
    let changed = query("SELECT kind, id FROM change WHERE tenant = ? AND revision > ?")
        .bind(tenant.as_str())
        .bind(i64::try_from(since.0).unwrap_or(i64::MAX));
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
