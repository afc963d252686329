//! API keys in their table. That one is made or revoked is noted in the same turn.

use contracts::provisioning::{ObjectKey, ObjectKind};
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use futures::FutureExt as _;
use infra::bounds::{API_KEYS_ENDED_MAX, API_KEYS_MAX};
use infra::{
    Answer, ApiKey, ApiKeys, ChangeNote, ChangeOrigin, KeptApiKey, NewApiKey, ObjectChange, Result, StoreError,
};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Statement, Tables, Turn, find, number, query, sign_in_audit, tenant_id, tenant_standing};

/// Statements name their columns, here too. From where a key was used last is in what is noted of it, and is found by an index.
macro_rules! columns {
    ($filter:literal) => {
        concat!(
            "SELECT tenant, id, digest, name, client, scopes, made_by, made_ms, ends_ms, used_ms, revoked_ms,
                 (SELECT source FROM sign_in_audit WHERE sign_in_audit.tenant = api_keys.tenant
                     AND sign_in_audit.subject = 'api-key/' || api_keys.id AND sign_in_audit.event = 'api_key_used'
                     ORDER BY sign_in_audit.at_ms DESC, sign_in_audit.number DESC LIMIT 1) AS used_from
             FROM api_keys WHERE ",
            $filter
        )
    };
}

impl<D: Dialect> ApiKeys for Tables<D> {
    fn keep_api_key<'a>(&'a self, tenant: &'a TenantId, key: &'a NewApiKey) -> Answer<'a, Option<ApiKey>> {
        async move {
            // Writers of the tenant take turns: none of them keeps one more than there may be.
            let mut turn = self.0.writes(tenant).await?;
            tenant_standing::expect_gone(&mut *turn, tenant).await?;
            if let Some(made) = made_before(&mut *turn, tenant, key).await? {
                return Ok(Some(made));
            }
            if count_good(&mut *turn, tenant, key.key.made_at).await? >= API_KEYS_MAX {
                return Err(StoreError::Full { what: "the list of the tenant's API keys", bound: API_KEYS_MAX as u64 });
            }
            drop_ended(&mut *turn, tenant, key.key.made_at).await?;
            turn.run(put(tenant, key)).await?;
            let made = SignInRecord { client: key.key.client.clone(), ..SignInRecord::of(SignInEvent::ApiKeyCreated) };
            let made = come_from(&key.origin, made.done_by(&key.key.made_by));
            note(&mut *turn, tenant, &key.key.id, made, key.key.made_at).await?;
            turn.commit().await?;
            Ok(None)
        }
        .boxed()
    }

    fn api_keys<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<ApiKey>> {
        async move {
            let asked =
                query(columns!("tenant = ? AND tenant_ended IS NULL ORDER BY made_ms DESC, id")).bind(tenant.as_str());
            self.0.reads().await?.rows(asked).await?.iter().map(key_of).collect()
        }
        .boxed()
    }

    fn find_api_key<'a>(&'a self, id: &'a str) -> Answer<'a, Option<KeptApiKey>> {
        async move {
            let rows = self.0.reads().await?.rows(query(columns!("id = ?")).bind(id)).await?;
            let kept = |row: &Row| -> Result<KeptApiKey> {
                let tenant = tenant_id(&row.text("tenant")?)?;
                Ok(KeptApiKey { tenant, key: key_of(row)?, digest: row.text("digest")? })
            };
            rows.first().map(kept).transpose()
        }
        .boxed()
    }

    fn note_api_key_use<'a>(
        &'a self,
        tenant: &'a TenantId,
        id: &'a str,
        at: Timestamp,
        unless_since: Timestamp,
    ) -> Answer<'a, ()> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql =
                "UPDATE api_keys SET used_ms = ? WHERE tenant = ? AND id = ? AND (used_ms IS NULL OR used_ms < ?)";
            let note = query(sql).bind(number(at.as_millis())).bind(tenant.as_str()).bind(id);
            turn.run(note.bind(number(unless_since.as_millis()))).await?;
            turn.commit().await
        }
        .boxed()
    }

    fn revoke_api_key<'a>(&'a self, tenant: &'a TenantId, id: &'a str, note: &'a ChangeNote) -> Answer<'a, bool> {
        async move {
            let mut turn = self.0.appends().await?;
            if revoke(&mut *turn, tenant, id, note).await? {
                turn.commit().await?;
                return Ok(true);
            }
            let there = query("SELECT id FROM api_keys WHERE tenant = ? AND id = ? AND tenant_ended IS NULL");
            Ok(!turn.rows(there.bind(tenant.as_str()).bind(id)).await?.is_empty())
        }
        .boxed()
    }

    fn revoked_api_keys(&self, since: Timestamp, at_most: u32) -> Answer<'_, Vec<(TenantId, String)>> {
        async move {
            let sql = "SELECT tenant, id FROM api_keys WHERE revoked_ms >= ? ORDER BY revoked_ms DESC, id LIMIT ?";
            let asked = query(sql).bind(number(since.as_millis())).bind(i64::from(at_most));
            let rows = self.0.reads().await?.rows(asked).await?;
            let one = |row: &Row| -> Result<_> { Ok((tenant_id(&row.text("tenant")?)?, row.text("id")?)) };
            rows.iter().map(one).collect()
        }
        .boxed()
    }

    fn forget_api_keys(&self, ended_before: Timestamp, at_most: u32) -> Answer<'_, u64> {
        async move {
            let mut turn = self.0.appends().await?;
            let before = number(ended_before.as_millis());
            let sql = "DELETE FROM api_keys WHERE id IN
                 (SELECT id FROM api_keys WHERE revoked_ms < ? OR ends_ms < ? LIMIT ?)";
            let count = turn.run(query(sql).bind(before).bind(before).bind(i64::from(at_most))).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }
}

/// The clients that changes delete.
pub(super) fn clients_deleted(changes: &[ObjectChange]) -> Vec<ObjectKey> {
    let deleted = changes.iter().filter_map(|change| match change {
        ObjectChange::Delete(key) if key.kind == ObjectKind::Client => Some(key.clone()),
        ObjectChange::Delete(_) | ObjectChange::Put(_) | ObjectChange::Annex(..) => None,
    });
    deleted.collect()
}

/// Revokes the keys of clients that are gone, in the turn that deletes them: a client that is given such an id later gets no key with it.
/// One that is only spelled otherwise is not gone.
pub(super) async fn revoke_of_clients(
    turn: &mut dyn Turn,
    tenant: &TenantId,
    deleted: Vec<ObjectKey>,
    note: &ChangeNote,
) -> Result<()> {
    for client in deleted {
        if find::find(turn, tenant, &client).await?.is_some() {
            continue;
        }
        let sql = "SELECT id, client FROM api_keys WHERE tenant = ? AND client IS NOT NULL AND revoked_ms IS NULL";
        for row in turn.rows(query(sql).bind(tenant.as_str())).await? {
            let of = ObjectKey { kind: ObjectKind::Client, id: row.text("client")? };
            if of.folded() == client.folded() {
                revoke(turn, tenant, &row.text("id")?, note).await?;
            }
        }
    }
    Ok(())
}

/// Revokes all keys of a tenant in the turn that ends it: a later one of its id has none of them.
pub(super) async fn revoke_all(turn: &mut dyn Turn, tenant: &TenantId, note: &ChangeNote) -> Result<()> {
    let sql = "SELECT id FROM api_keys WHERE tenant = ? AND revoked_ms IS NULL";
    for row in turn.rows(query(sql).bind(tenant.as_str())).await? {
        revoke(turn, tenant, &row.text("id")?, note).await?;
    }
    leave_behind(turn, tenant).await
}

/// The keys that there are of a tenant's id are those of one that has ended. Those that nobody has revoked were never good.
pub(super) async fn leave_behind(turn: &mut dyn Turn, tenant: &TenantId) -> Result<()> {
    let sql = "UPDATE api_keys SET tenant_ended = 1, revoked_ms = coalesce(revoked_ms, made_ms)
         WHERE tenant = ? AND tenant_ended IS NULL";
    turn.run(query(sql).bind(tenant.as_str())).await.map(drop)
}

/// Revokes a key that is not, and notes it.
async fn revoke(turn: &mut dyn Turn, tenant: &TenantId, id: &str, by: &ChangeNote) -> Result<bool> {
    let sql = "UPDATE api_keys SET revoked_ms = ? WHERE tenant = ? AND id = ? AND revoked_ms IS NULL";
    let revoke = query(sql).bind(number(by.at.as_millis())).bind(tenant.as_str()).bind(id);
    let is_revoked = turn.run(revoke).await? > 0;
    if is_revoked {
        let revoked = come_from(&by.origin, SignInRecord::of(SignInEvent::ApiKeyRevoked).done_by(&by.by));
        note(turn, tenant, id, revoked, by.at).await?;
    }
    Ok(is_revoked)
}

/// What the same request of the same maker has made before.
async fn made_before(turn: &mut dyn Turn, tenant: &TenantId, key: &NewApiKey) -> Result<Option<ApiKey>> {
    let Some(request) = &key.request else { return Ok(None) };
    let sql = columns!(
        "tenant = ? AND tenant_ended IS NULL AND made_by = ? AND request = ? AND made_ms >= ? ORDER BY made_ms DESC"
    );
    let asked = query(sql)
        .bind(tenant.as_str())
        .bind(&key.key.made_by)
        .bind(request)
        .bind(number(key.request_since.as_millis()));
    turn.rows(asked).await?.first().map(key_of).transpose()
}

/// How many of the tenant are good at that time.
async fn count_good(turn: &mut dyn Turn, tenant: &TenantId, now: Timestamp) -> Result<usize> {
    let sql = "SELECT id FROM api_keys WHERE tenant = ? AND revoked_ms IS NULL AND ends_ms > ?";
    let rows = turn.rows(query(sql).bind(tenant.as_str()).bind(number(now.as_millis()))).await?;
    Ok(rows.len())
}

/// Forgets those of the tenant that ended first, if there are more than may be.
async fn drop_ended(turn: &mut dyn Turn, tenant: &TenantId, now: Timestamp) -> Result<()> {
    let sql = "SELECT id FROM api_keys WHERE tenant = ? AND (revoked_ms IS NOT NULL OR ends_ms <= ?)
         ORDER BY COALESCE(revoked_ms, ends_ms) DESC, id";
    let ended = turn.rows(query(sql).bind(tenant.as_str()).bind(number(now.as_millis()))).await?;
    for row in ended.iter().skip(API_KEYS_ENDED_MAX) {
        let sql = "DELETE FROM api_keys WHERE tenant = ? AND id = ?";
        turn.run(query(sql).bind(tenant.as_str()).bind(row.text("id")?)).await?;
    }
    Ok(())
}

fn put(tenant: &TenantId, NewApiKey { key, digest, request, .. }: &NewApiKey) -> Statement {
    let sql = "INSERT INTO api_keys (tenant, id, digest, name, client, scopes, made_by, made_ms, ends_ms, request)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    query(sql)
        .bind(tenant.as_str())
        .bind(&key.id)
        .bind(digest)
        .bind(&key.name)
        .bind(&key.client)
        .bind(key.scopes.join(" "))
        .bind(&key.made_by)
        .bind(number(key.made_at.as_millis()))
        .bind(number(key.ends_at.as_millis()))
        .bind(request)
}

/// A record of something that came from there.
fn come_from(origin: &ChangeOrigin, record: SignInRecord) -> SignInRecord {
    SignInRecord { session: origin.session.clone(), source: origin.source.clone().unwrap_or_default(), ..record }
}

async fn note(turn: &mut dyn Turn, tenant: &TenantId, id: &str, record: SignInRecord, at: Timestamp) -> Result<()> {
    let record = SignInRecord { at, ..record.about_api_key(id) };
    turn.run(sign_in_audit::put(tenant, &record)).await.map(drop)
}

fn key_of(row: &Row) -> Result<ApiKey> {
    let at = |ms: i64| Timestamp::from_millis(u64::try_from(ms).unwrap_or_default());
    Ok(ApiKey {
        id: row.text("id")?,
        name: row.text("name")?,
        client: row.get("client")?,
        scopes: row.text("scopes")?.split_whitespace().map(str::to_owned).collect(),
        made_by: row.text("made_by")?,
        made_at: at(row.get("made_ms")?),
        ends_at: at(row.get("ends_ms")?),
        used_at: row.get::<Option<i64>>("used_ms")?.map(at),
        used_from: row.get::<Option<String>>("used_from")?.filter(|source| !source.is_empty()),
        revoked_at: row.get::<Option<i64>>("revoked_ms")?.map(at),
    })
}
