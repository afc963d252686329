//! What of the audit is not in the reporting log yet: triggers of the tables note it with each row.

use futures::FutureExt as _;
use infra::{
    AUDIT_DOCUMENT_MAX, Answer, AuditEntry, AuditOutbox, Audited, AuditedChange, AuditedDocument, AuditedSignIn,
    ChangeOrigin, Result,
};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Tables, Turn, life, number, query};

impl<D: Dialect> AuditOutbox for Tables<D> {
    fn waiting(&self, at_most: u32) -> Answer<'_, Vec<AuditEntry>> {
        async move { read(&mut *self.0.reads().await?, at_most).await }.boxed()
    }

    fn sent<'a>(&'a self, places: &'a [u64]) -> Answer<'a, ()> {
        async move {
            let mut turn = self.0.appends().await?;
            for place in places {
                turn.run(query("DELETE FROM audit_outbox WHERE number = ?").bind(number(*place))).await?;
            }
            turn.commit().await
        }
        .boxed()
    }
}

/// Takes the history of a tenant that has just come back out: what a backup has is nothing that happens now. That one of its id has ended
/// before may still wait.
pub(super) async fn pass_over_history(db: &mut dyn Turn, tenant: &TenantId) -> Result<()> {
    let begin = life::log_begin(db, tenant).await?.unwrap_or_default();
    let passed = query("DELETE FROM audit_outbox WHERE tenant = ? AND what = 'change' AND record > ?");
    db.run(passed.bind(tenant.as_str()).bind(begin)).await.map(drop)
}

/// A batch by its places, not by its tenants: whoever was first is first.
async fn read(db: &mut dyn Turn, at_most: u32) -> Result<Vec<AuditEntry>> {
    let sql = "SELECT number FROM audit_outbox ORDER BY number LIMIT ?";
    let places = db.rows(query(sql).bind(i64::from(at_most))).await?;
    let Some(last) = places.last() else { return Ok(Vec::new()) };
    let last: i64 = last.get("number")?;
    let longest = i64::try_from(AUDIT_DOCUMENT_MAX).unwrap_or(i64::MAX);
    let changes = query(CHANGES).bind(longest).bind(longest).bind(last);
    let mut entries = db.rows(changes).await?.iter().map(change).collect::<Result<Vec<_>>>()?;
    for row in &db.rows(query(SIGN_INS).bind(last)).await? {
        entries.push(sign_in(row)?);
    }
    entries.sort_by_key(|entry| entry.place);
    Ok(entries)
}

/// A document that is too long is not read at all.
const CHANGES: &str = "SELECT audit_outbox.number AS place, audit_outbox.tenant AS tenant, change_log.number AS number,
         revision, changed_ms AS at_ms, changed_by, way, client, session, source, request, kind, id, secrets,
         CASE WHEN length(document_before) > ? THEN NULL ELSE document_before END AS document_before,
         CASE WHEN length(document_after) > ? THEN NULL ELSE document_after END AS document_after,
         CAST(CASE WHEN document_before IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_before,
         CAST(CASE WHEN document_after IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_after
     FROM audit_outbox JOIN change_log ON change_log.number = audit_outbox.record
     WHERE what = 'change' AND audit_outbox.number <= ? ORDER BY audit_outbox.number";

const SIGN_INS: &str = "SELECT audit_outbox.number AS place, audit_outbox.tenant AS tenant,
         sign_in_audit.number AS number, at_ms, event, way, subject, done_by, client, session, source, user_agent, times
     FROM audit_outbox JOIN sign_in_audit ON sign_in_audit.number = audit_outbox.record
     WHERE what = 'sign_in' AND audit_outbox.number <= ? ORDER BY audit_outbox.number";

fn change(row: &Row) -> Result<AuditEntry> {
    let what = Audited::Change(AuditedChange {
        revision: unsigned(row, "revision")?,
        by: row.text("changed_by")?,
        way: row.text("way")?,
        origin: origin(row, row.get("source")?)?,
        request: row.get("request")?,
        kind: row.text("kind")?,
        id: row.text("id")?,
        before: document(row, "document_before", "has_before")?,
        after: document(row, "document_after", "has_after")?,
        secrets_changed: row.get::<u32>("secrets")? != 0,
    });
    entry(row, what)
}

fn sign_in(row: &Row) -> Result<AuditEntry> {
    let what = Audited::SignIn(AuditedSignIn {
        event: row.text("event")?,
        way: row.get("way")?,
        subject: row.get("subject")?,
        by: row.get("done_by")?,
        origin: origin(row, Some(row.text("source")?).filter(|source| !source.is_empty()))?,
        user_agent: row.text("user_agent")?,
        times: row.get("times")?,
    });
    entry(row, what)
}

fn entry(row: &Row, what: Audited) -> Result<AuditEntry> {
    Ok(AuditEntry {
        place: unsigned(row, "place")?,
        tenant: row.text("tenant")?,
        number: unsigned(row, "number")?,
        at: Timestamp::from_millis(unsigned(row, "at_ms")?),
        what,
    })
}

fn origin(row: &Row, source: Option<String>) -> Result<ChangeOrigin> {
    Ok(ChangeOrigin { client: row.get("client")?, session: row.get("session")?, source })
}

fn document(row: &Row, column: &str, has: &str) -> Result<AuditedDocument> {
    Ok(match row.get::<Option<String>>(column)? {
        Some(json) => AuditedDocument::Json(json),
        None if row.get::<i64>(has)? != 0 => AuditedDocument::TooLong,
        None => AuditedDocument::None,
    })
}

fn unsigned(row: &Row, column: &str) -> Result<u64> {
    Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use infra::conformance::provisioning::{note, objects};
    use infra::{ObjectChange, ProvisioningStore as _, Revision, SignInAudit as _};

    use super::*;
    use crate::sqlite::SqliteProvisioning;

    async fn ran(store: &SqliteProvisioning, sql: &'static str) -> Result<u64> {
        let mut turn = store.0.appends().await?;
        let count = turn.run(query(sql)).await?;
        turn.commit().await?;
        Ok(count)
    }

    #[tokio::test]
    async fn a_row_is_never_changed_and_goes_for_its_age_alone_with_its_place_among_those_that_wait() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let all: Vec<_> = objects("acme").objects().map(ObjectChange::Put).collect();
        let count = all.len();
        store.update(&acme, Revision(0), all, note()).await.unwrap();
        let young = "INSERT INTO sign_in_audit (tenant, at_ms, event, source, user_agent, times)
             VALUES ('acme', CAST(strftime('%s', 'now') AS INTEGER) * 1000, 'telepathy', '', '', 1)";
        ran(&store, young).await.unwrap();
        for refused in [
            "UPDATE change_log SET changed_by = 'nobody'",
            "UPDATE sign_in_audit SET subject = NULL",
            "DELETE FROM sign_in_audit",
        ] {
            assert!(ran(&store, refused).await.is_err(), "{refused}");
        }
        assert_eq!(store.forget_before(Timestamp::from_millis(1_800_000), 10).await.unwrap(), 0);
        assert_eq!(store.waiting(1_000).await.unwrap().len(), count + 1);
        let after = Timestamp::from_millis(1_700_000_000_001);
        let removed = store.prune_history(&acme, after, 1_000).await.unwrap();
        let left = store.waiting(1_000).await.unwrap();
        assert_eq!((removed, left.len()), (count as u64, 1));
        let Audited::SignIn(sign_in) = &left[0].what else { panic!("{left:?}") };
        assert_eq!(sign_in.event, "telepathy", "what a later release has noted is not passed over");
    }

    #[tokio::test]
    async fn a_document_that_is_too_long_is_said_to_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let own = ObjectChange::Put(contracts::provisioning::Object::Tenant(Box::new(objects("acme").tenant)));
        store.update(&acme, Revision(0), vec![own], note()).await.unwrap();
        let long =
            "INSERT INTO change_log (tenant, revision, changed_ms, changed_by, way, kind, id, document_after, secrets)
             VALUES ('acme', 2, 1, 'somebody', 'grpc', 'application', 'x', hex(zeroblob(100001)), 0)";
        ran(&store, long).await.unwrap();
        let left = store.waiting(10).await.unwrap();
        let [first, second] = left.as_slice() else { panic!("{left:?}") };
        let documents = |entry: &AuditEntry| match &entry.what {
            Audited::Change(change) => (change.before.clone(), change.after.clone()),
            Audited::SignIn(_) => panic!("{entry:?}"),
        };
        assert!(matches!(documents(first), (AuditedDocument::None, AuditedDocument::Json(_))), "{first:?}");
        assert_eq!(documents(second), (AuditedDocument::None, AuditedDocument::TooLong));
    }
}
