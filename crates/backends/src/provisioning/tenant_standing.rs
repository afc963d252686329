//! How a tenant stands beside others that had its id: whether it still leaves, and where what is noted begins to be its own.

use infra::{Result, StoreError, TenantLife};
use model::TenantId;

use super::{Turn, query};

/// Whether a tenant has ended and rows of it are left.
pub(super) async fn is_leaving(db: &mut dyn Turn, tenant: &TenantId) -> Result<bool> {
    let sql = "SELECT id FROM tenant WHERE id = ? AND ended_ms IS NOT NULL";
    Ok(!db.rows(query(sql).bind(tenant.as_str())).await?.is_empty())
}

/// Refuses to make a tenant while there are rows of one with its id.
pub(super) async fn expect_gone(db: &mut dyn Turn, tenant: &TenantId) -> Result<()> {
    if !is_leaving(db, tenant).await? {
        return Ok(());
    }
    let what = format!("tenant {tenant} was deleted, and what is left of it still goes: delete it again, and wait");
    Err(StoreError::Invalid(what))
}

/// Which tenant of its id it is; none if there is no such tenant.
pub(super) async fn life(db: &mut dyn Turn, tenant: &TenantId) -> Result<Option<TenantLife>> {
    let sql = "SELECT life FROM tenant WHERE id = ? AND ended_ms IS NULL";
    let rows = db.rows(query(sql).bind(tenant.as_str())).await?;
    let life = rows.first().map(|row| row.get::<i64>("life")).transpose()?;
    Ok(life.map(|life| TenantLife(u64::try_from(life).unwrap_or_default())))
}

/// Behind which number of the log the history of a tenant begins; none if there is no such tenant.
pub(super) async fn log_begin(db: &mut dyn Turn, tenant: &TenantId) -> Result<Option<i64>> {
    let sql = "SELECT log_begin FROM tenant WHERE id = ? AND ended_ms IS NULL";
    let rows = db.rows(query(sql).bind(tenant.as_str())).await?;
    rows.first().map(|row| row.get("log_begin")).transpose()
}

/// Behind which number of what is noted of signing in a tenant begins. Of one that is not there all that is kept counts.
pub(super) async fn sign_in_begin(db: &mut dyn Turn, tenant: &TenantId) -> Result<i64> {
    let sql = "SELECT sign_in_begin FROM tenant WHERE id = ? AND ended_ms IS NULL";
    let rows = db.rows(query(sql).bind(tenant.as_str())).await?;
    rows.first().map_or(Ok(0), |row| row.get("sign_in_begin"))
}
