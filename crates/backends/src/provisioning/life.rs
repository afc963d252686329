//! The life of a whole tenant: where its history begins, how it ends, and how its rows go after that.
//!
//! A tenant ends by one small write, from which on nobody finds it. Its rows then go in parts, so that nobody who writes waits for long.
//! What is noted stays for its time: the log of changes, what has happened at signing in, and that there was the tenant.

use std::borrow::Cow;

use contracts::provisioning::{ObjectKey, ObjectKind};
use infra::bounds::ENDED_TENANTS_MAX;
use infra::{ChangeNote, EndedTenant, HistoryEntry, Result, Revision, StoreError, TenantLife, TenantOverview};
use model::{TenantId, Timestamp};

use super::{
    Row, Statement, Turn, api_keys, find, history, kind_tables, number, query, revision_of, revisions, tenant_id,
    tenant_standing,
};

/// What is removed of a tenant that has ended, part by part, behind the names that documents have of others: whatever names a row goes before
/// it. Each has the tenant twice, and the most rows that go at once (of lists, those of so many objects).
const PARTS: [&str; 36] = [
    "DELETE FROM prompt_audio WHERE tenant = ? AND sha256 IN
         (SELECT sha256 FROM prompt_audio WHERE tenant = ? LIMIT ?)",
    "DELETE FROM people_import WHERE tenant = ? AND id IN (SELECT id FROM people_import WHERE tenant = ? LIMIT ?)",
    "DELETE FROM shift WHERE tenant = ? AND id IN (SELECT id FROM shift WHERE tenant = ? LIMIT ?)",
    "DELETE FROM passkey WHERE tenant = ? AND id IN (SELECT id FROM passkey WHERE tenant = ? LIMIT ?)",
    "DELETE FROM person_favourite WHERE tenant = ? AND user_name IN
         (SELECT user_name FROM person_favourite WHERE tenant = ? LIMIT ?)",
    "DELETE FROM person_recent WHERE tenant = ? AND user_name IN
         (SELECT user_name FROM person_recent WHERE tenant = ? LIMIT ?)",
    "DELETE FROM person_setting WHERE tenant = ? AND user_name IN
         (SELECT user_name FROM person_setting WHERE tenant = ? LIMIT ?)",
    "DELETE FROM person_contact WHERE tenant = ? AND id IN (SELECT id FROM person_contact WHERE tenant = ? LIMIT ?)",
    "DELETE FROM shared_contact WHERE tenant = ? AND id IN (SELECT id FROM shared_contact WHERE tenant = ? LIMIT ?)",
    "DELETE FROM person_skill WHERE tenant = ? AND user_name IN
         (SELECT user_name FROM person_skill WHERE tenant = ? LIMIT ?)",
    "DELETE FROM person WHERE tenant = ? AND dbid IN (SELECT dbid FROM person WHERE tenant = ? LIMIT ?)",
    "DELETE FROM client_redirect_uri WHERE tenant = ? AND id IN
         (SELECT id FROM client_redirect_uri WHERE tenant = ? LIMIT ?)",
    "DELETE FROM client WHERE tenant = ? AND dbid IN (SELECT dbid FROM client WHERE tenant = ? LIMIT ?)",
    "DELETE FROM number WHERE tenant = ? AND dbid IN (SELECT dbid FROM number WHERE tenant = ? LIMIT ?)",
    "DELETE FROM place_dn WHERE tenant = ? AND name IN (SELECT name FROM place_dn WHERE tenant = ? LIMIT ?)",
    "DELETE FROM place WHERE tenant = ? AND dbid IN (SELECT dbid FROM place WHERE tenant = ? LIMIT ?)",
    "DELETE FROM dn_prompt WHERE tenant = ? AND number IN (SELECT number FROM dn_prompt WHERE tenant = ? LIMIT ?)",
    "UPDATE dn SET default_dn = NULL WHERE tenant = ? AND dbid IN
         (SELECT dbid FROM dn WHERE tenant = ? AND default_dn IS NOT NULL LIMIT ?)",
    "DELETE FROM dn WHERE tenant = ? AND dbid IN (SELECT dbid FROM dn WHERE tenant = ? LIMIT ?)",
    "DELETE FROM application WHERE tenant = ? AND dbid IN (SELECT dbid FROM application WHERE tenant = ? LIMIT ?)",
    "DELETE FROM prompt WHERE tenant = ? AND dbid IN (SELECT dbid FROM prompt WHERE tenant = ? LIMIT ?)",
    "DELETE FROM skill WHERE tenant = ? AND dbid IN (SELECT dbid FROM skill WHERE tenant = ? LIMIT ?)",
    "DELETE FROM dial_rule WHERE tenant = ? AND dbid IN (SELECT dbid FROM dial_rule WHERE tenant = ? LIMIT ?)",
    "DELETE FROM trunk_source WHERE tenant = ? AND name IN (SELECT name FROM trunk_source WHERE tenant = ? LIMIT ?)",
    "DELETE FROM trunk_certificate_name WHERE tenant = ? AND name IN
         (SELECT name FROM trunk_certificate_name WHERE tenant = ? LIMIT ?)",
    "DELETE FROM trunk_header WHERE tenant = ? AND name IN (SELECT name FROM trunk_header WHERE tenant = ? LIMIT ?)",
    "DELETE FROM trunk WHERE tenant = ? AND dbid IN (SELECT dbid FROM trunk WHERE tenant = ? LIMIT ?)",
    "DELETE FROM schedule_line WHERE tenant = ? AND name IN
         (SELECT name FROM schedule_line WHERE tenant = ? LIMIT ?)",
    "DELETE FROM schedule WHERE tenant = ? AND dbid IN (SELECT dbid FROM schedule WHERE tenant = ? LIMIT ?)",
    "DELETE FROM feature_code WHERE tenant = ? AND dbid IN (SELECT dbid FROM feature_code WHERE tenant = ? LIMIT ?)",
    "DELETE FROM object_document WHERE tenant = ? AND dbid IN
         (SELECT dbid FROM object_document WHERE tenant = ? LIMIT ?)",
    "DELETE FROM object_annex WHERE tenant = ? AND (kind, id) IN
         (SELECT kind, id FROM object_annex WHERE tenant = ? LIMIT ?)",
    "DELETE FROM tenant_snapshot WHERE tenant = ? AND dbid IN
         (SELECT dbid FROM tenant_snapshot WHERE tenant = ? LIMIT ?)",
    "DELETE FROM change WHERE tenant = ? AND (kind, id) IN (SELECT kind, id FROM change WHERE tenant = ? LIMIT ?)",
    "DELETE FROM revision_stamp WHERE tenant = ? AND revision IN
         (SELECT revision FROM revision_stamp WHERE tenant = ? LIMIT ?)",
    "DELETE FROM tenant_codec WHERE tenant = ? AND place IN (SELECT place FROM tenant_codec WHERE tenant = ? LIMIT ?)",
];

/// Statements name their columns, here too.
macro_rules! ended_tenants {
    ($rest:literal) => {
        concat!("SELECT number, tenant, name, revision, ended_ms, ended_by, removed FROM ended_tenant WHERE ", $rest)
    };
}

/// The tenants with what they have, counted where it is.
pub(super) async fn overviews(db: &mut dyn Turn) -> Result<Vec<TenantOverview>> {
    let sql = "SELECT id, name, revision,
             (SELECT count(*) FROM person WHERE person.tenant = tenant.id) AS people,
             (SELECT count(*) FROM dn WHERE dn.tenant = tenant.id) AS dns
         FROM tenant WHERE ended_ms IS NULL ORDER BY id";
    let count = |row: &Row, column| -> Result<u64> { Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()) };
    let overview = |row: &Row| -> Result<TenantOverview> {
        Ok(TenantOverview {
            tenant: tenant_id(&row.text("id")?)?,
            name: row.text("name")?,
            revision: revision_of(row.get("revision")?),
            people: count(row, "people")?,
            dns: count(row, "dns")?,
        })
    };
    db.rows(query(sql)).await?.iter().map(overview).collect()
}

// === its begin ===

/// A tenant is made: what is noted already under its id is of one before it, and so are the API keys. So is what others keep of it by its
/// id: they tell it by its life. That is a new one, but for a tenant that was lost with its tables and comes back.
pub(super) async fn begin(db: &mut dyn Turn, tenant: &TenantId, life: Option<TenantLife>) -> Result<()> {
    let TenantLife(life) = life.unwrap_or_else(|| TenantLife(revisions::random()));
    let sql = "UPDATE tenant SET
             log_begin = (SELECT coalesce(max(number), 0) FROM change_log WHERE change_log.tenant = ?),
             sign_in_begin = (SELECT coalesce(max(number), 0) FROM sign_in_audit WHERE sign_in_audit.tenant = ?),
             life = ?
         WHERE id = ?";
    let noted = query(sql).bind(tenant.as_str()).bind(tenant.as_str()).bind(number(life));
    db.run(noted.bind(tenant.as_str())).await?;
    api_keys::leave_behind(db, tenant).await
}

/// Whether a tenant of that id has ended here, as far as that is still noted.
pub(super) async fn has_ended_before(db: &mut dyn Turn, tenant: &TenantId) -> Result<bool> {
    let sql = "SELECT number FROM ended_tenant WHERE tenant = ? LIMIT 1";
    Ok(!db.rows(query(sql).bind(tenant.as_str())).await?.is_empty())
}

// === its end ===

/// Ends a tenant, and notes who has done it. None if there is no such tenant.
pub(super) async fn end(
    db: &mut dyn Turn,
    tenant: &TenantId,
    expected: Revision,
    note: &ChangeNote,
) -> Result<Option<EndedTenant>> {
    let Some(actual) = revisions::of_tenant(db, tenant).await? else { return Ok(None) };
    if actual != expected {
        let key = format!("configuration of {tenant}");
        return Err(StoreError::Conflict { key, expected: expected.0, actual: actual.0 });
    }
    let revision = Revision(actual.0 + 1);
    note_end(db, tenant, revision, note).await?;
    api_keys::revoke_all(db, tenant, note).await?;
    let sql = "SELECT name, (SELECT max(number) FROM change_log WHERE change_log.tenant = ?) AS log_end
         FROM tenant WHERE id = ?";
    let rows = db.rows(query(sql).bind(tenant.as_str()).bind(tenant.as_str())).await?;
    let row = rows.first().ok_or_else(|| StoreError::Missing { key: format!("tenant {tenant}") })?;
    let (name, log_end) = (row.text("name")?, row.get::<i64>("log_end")?);
    let sql = "INSERT INTO ended_tenant (tenant, name, revision, ended_ms, ended_by, log_end, removed)
         VALUES (?, ?, ?, ?, ?, ?, 0)";
    let at = number(note.at.as_millis());
    let put = query(sql).bind(tenant.as_str()).bind(name).bind(number(revision.0)).bind(at).bind(&note.by);
    db.run(put.bind(log_end)).await?;
    // Another tenant may have its host names at once.
    db.run(query("DELETE FROM tenant_host WHERE tenant = ?").bind(tenant.as_str())).await?;
    let ended = query("UPDATE tenant SET ended_ms = ?, revision = ? WHERE id = ?").bind(at).bind(number(revision.0));
    db.run(ended.bind(tenant.as_str())).await?;
    let rows = db.rows(query(ended_tenants!("tenant = ? ORDER BY number DESC LIMIT 1")).bind(tenant.as_str())).await?;
    rows.first().map(ended_of).transpose()
}

/// That the tenant is gone is one entry of its history, in which all its objects go with it.
async fn note_end(db: &mut dyn Turn, tenant: &TenantId, revision: Revision, note: &ChangeNote) -> Result<()> {
    let key = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let known = match find::find(db, tenant, &key).await {
        Ok(found) => found,
        // A tenant that is damaged in the tables can be deleted, too.
        Err(StoreError::Corrupt { .. }) => None,
        Err(error) => return Err(error),
    };
    let shown = known.map(|object| String::from_utf8(object.without_secrets().to_json()).unwrap_or_default());
    let before = shown.unwrap_or_else(|| serde_json::json!({ "id": tenant.as_str() }).to_string());
    let (before, note) = (Some(before), note.clone());
    let entry = HistoryEntry { number: 0, revision, note, key, before, after: None, secrets_changed: false };
    history::put(db, tenant, entry).await
}

/// Removes some rows of a tenant that has ended, and says how many; none if none is left, or the tenant has not ended.
pub(super) async fn remove(db: &mut dyn Turn, tenant: &TenantId, at_most: u32) -> Result<u64> {
    if !tenant_standing::is_leaving(db, tenant).await? {
        return Ok(0);
    }
    for sql in parts() {
        let part = Statement { sql, fields: Vec::new() };
        let part = part.bind(tenant.as_str()).bind(tenant.as_str()).bind(i64::from(at_most));
        let count = db.run(part).await?;
        if count > 0 {
            return Ok(count);
        }
    }
    let told = query("UPDATE ended_tenant SET removed = 1 WHERE tenant = ? AND removed = 0").bind(tenant.as_str());
    db.run(told).await?;
    db.run(query("DELETE FROM tenant WHERE id = ? AND ended_ms IS NOT NULL").bind(tenant.as_str())).await
}

/// The statements that remove a tenant which has ended, in their order.
fn parts() -> impl Iterator<Item = Cow<'static, str>> {
    let names = kind_tables::name_columns().map(|column| Cow::<'static, str>::Owned(column.names_of_ended()));
    names.chain(PARTS.map(Cow::Borrowed))
}

// === what is known of those that have ended ===

/// Those that have ended at that time and later, the latest first.
pub(super) async fn ended(db: &mut dyn Turn, since: Timestamp) -> Result<Vec<EndedTenant>> {
    let most = i64::try_from(ENDED_TENANTS_MAX).unwrap_or(i64::MAX);
    let asked = query(ended_tenants!("ended_ms >= ? ORDER BY number DESC LIMIT ?"));
    let rows = db.rows(asked.bind(number(since.as_millis())).bind(most)).await?;
    rows.iter().map(ended_of).collect()
}

/// Forgets those that ended before that time and of which nothing is left, neither objects nor history.
pub(super) async fn forget(db: &mut dyn Turn, before: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM ended_tenant WHERE ended_ms < ? AND removed = 1 AND NOT EXISTS
         (SELECT 1 FROM change_log
             WHERE change_log.tenant = ended_tenant.tenant AND change_log.number <= ended_tenant.log_end)";
    db.run(query(sql).bind(number(before.as_millis()))).await
}

fn ended_of(row: &Row) -> Result<EndedTenant> {
    let unsigned = |column| -> Result<u64> { Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()) };
    Ok(EndedTenant {
        number: unsigned("number")?,
        tenant: tenant_id(&row.text("tenant")?)?,
        name: row.text("name")?,
        revision: revision_of(row.get("revision")?),
        at: Timestamp::from_millis(unsigned("ended_ms")?),
        by: row.text("ended_by")?,
        is_removed: row.get::<u32>("removed")? != 0,
    })
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::{note, objects};
    use infra::{ObjectChange, ProvisioningStore as _};

    use super::*;
    use crate::provisioning::Dialect as _;
    use crate::sqlite::SqliteProvisioning;

    /// What stays of a tenant that is removed: what is noted, and the generation by which readers tell what is newer.
    const STAYS: [&str; 6] = ["api_keys", "audit_outbox", "change_log", "ended_tenant", "published", "sign_in_audit"];

    #[tokio::test]
    async fn every_table_loses_the_rows_of_a_tenant_that_has_ended_and_keeps_those_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        for name in ["acme", "globex"] {
            let all = objects(name).objects().map(ObjectChange::Put).collect();
            store.update(&TenantId::parse(name).unwrap(), Revision(0), all, note()).await.unwrap();
        }
        let acme = TenantId::parse("acme").unwrap();
        store.end_tenant(&acme, Revision(1), note()).await.unwrap().unwrap();
        while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
        let mut turn = store.0.reads().await.unwrap();
        let sql =
            "SELECT m.name AS name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c ON c.name = 'tenant'
             WHERE m.type = 'table' ORDER BY m.name";
        let tables = turn.rows(query(sql)).await.unwrap();
        let mut others = 0;
        for table in &tables {
            let name = table.text("name").unwrap();
            let sql = format!("SELECT tenant FROM {name} WHERE tenant = 'acme'");
            let left = turn.rows(Statement { sql: Cow::Owned(sql), fields: Vec::new() }).await.unwrap();
            assert!(left.is_empty() || STAYS.contains(&name.as_str()), "{name}");
            let sql = format!("SELECT tenant FROM {name} WHERE tenant = 'globex'");
            others += turn.rows(Statement { sql: Cow::Owned(sql), fields: Vec::new() }).await.unwrap().len();
        }
        assert!(tables.len() > STAYS.len() + 20 && others > 50, "{} tables, {others} rows", tables.len());
    }

    #[tokio::test]
    async fn a_tenant_whose_documents_were_written_after_its_end_goes_nevertheless() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let all = objects("acme").objects().map(ObjectChange::Put).collect();
        store.update(&acme, Revision(0), all, note()).await.unwrap();
        store.end_tenant(&acme, Revision(1), note()).await.unwrap().unwrap();
        // By the release before, which does not know that a tenant has ended.
        let mut turn = store.0.appends().await.unwrap();
        let written = turn.run(query("UPDATE object_document SET document = document || ' '")).await.unwrap();
        assert!(written > 15, "{written}");
        turn.commit().await.unwrap();
        while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
        let ended = store.ended_tenants(Timestamp::ZERO).await.unwrap();
        assert!(ended.iter().all(|ended| ended.is_removed) && ended.len() == 1, "{ended:?}");
    }
}
