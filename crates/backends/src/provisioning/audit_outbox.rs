//! What of the audit is not in the reporting log yet: triggers of the tables note it with each row.

use std::borrow::Cow;

use futures::FutureExt as _;
use infra::{
    AUDIT_DOCUMENT_MAX, Answer, AuditBatch, AuditEntry, AuditOutbox, AuditTurns, Audited, AuditedChange,
    AuditedDocument, AuditedSignIn, ChangeOrigin, Result,
};
use model::{TenantId, Timestamp};

use super::{Dialect, Field, Row, Statement, Tables, Turn, number, query};

/// A batch ends with the part of a tenant that has brought it to so many bytes: a part with documents of the largest size has some 20 MB.
const BATCH_BYTES: usize = 1 << 20;
/// The most tenants whose changes a batch has; the others are in the next ones.
const TENANTS_AT_ONCE: usize = 50;
/// Rows that one statement names when they are sent.
const SENT_AT_ONCE: usize = 500;
/// Rows that are passed over at once: no statement may take seconds.
const PASSED_AT_ONCE: u32 = 20_000;

impl<D: Dialect> AuditOutbox for Tables<D> {
    fn waiting<'a>(&'a self, at_most: u32, after: &'a str) -> Answer<'a, AuditBatch> {
        async move { read(&mut *self.0.reads().await?, at_most, after).await }.boxed()
    }

    fn waits_since(&self) -> Answer<'_, Option<Timestamp>> {
        async move { oldest(&mut *self.0.reads().await?).await }.boxed()
    }

    fn sent<'a>(&'a self, places: &'a [u64]) -> Answer<'a, ()> {
        async move {
            let mut turn = self.0.appends().await?;
            for places in places.chunks(SENT_AT_ONCE) {
                turn.run(of_places("UPDATE audit_outbox SET sent = 1 WHERE number IN ", places)).await?;
                turn.run(of_places("DELETE FROM audit_outbox WHERE number IN ", places)).await?;
            }
            turn.commit().await
        }
        .boxed()
    }
}

/// The statement with the places at its end.
fn of_places(sql: &str, places: &[u64]) -> Statement {
    let placeholders = vec!["?"; places.len()].join(", ");
    let fields = places.iter().map(|place| Field::from(number(*place))).collect();
    Statement { sql: Cow::Owned(format!("{sql}({placeholders})")), fields }
}

/// The number of the last change that any tenant has; 0 if there is none.
pub(super) async fn last_change(db: &mut dyn Turn) -> Result<i64> {
    let rows = db.rows(query("SELECT coalesce(max(number), 0) AS last FROM change_log")).await?;
    rows.first().map_or(Ok(0), |row| row.get("last"))
}

/// Takes the changes behind a number out, of a tenant that has just come back: what a backup has is nothing that happens now.
pub(super) async fn pass_over_changes(db: &mut dyn Turn, tenant: &TenantId, behind: i64) -> Result<()> {
    const NEXT: &str = "SELECT max(record) AS last FROM
         (SELECT record FROM audit_outbox WHERE what = 'change' AND record > ? ORDER BY record LIMIT ?) AS next";
    const MARK: &str =
        "UPDATE audit_outbox SET sent = 1 WHERE what = 'change' AND record > ? AND record <= ? AND tenant = ?";
    const REMOVE: &str = "DELETE FROM audit_outbox WHERE what = 'change' AND record > ? AND record <= ? AND tenant = ?";
    let mut behind = behind;
    loop {
        let rows = db.rows(query(NEXT).bind(behind).bind(i64::from(PASSED_AT_ONCE))).await?;
        let Some(last) = rows.first().map(|row| row.get::<Option<i64>>("last")).transpose()?.flatten() else {
            return Ok(());
        };
        for sql in [MARK, REMOVE] {
            db.run(query(sql).bind(behind).bind(last).bind(tenant.as_str())).await?;
        }
        behind = last;
    }
}

/// A batch. Half of it is for what has happened at signing in; in the other, tenants take turns: neither waits for the import of a large
/// tenant. What a later release may note besides is left for it.
async fn read(db: &mut dyn Turn, at_most: u32, after: &str) -> Result<AuditBatch> {
    let of_sign_ins = query(SIGN_INS).bind(i64::from(at_most.div_ceil(2)));
    let mut entries = db.rows(of_sign_ins).await?.iter().map(sign_in).collect::<Result<Vec<_>>>()?;
    let longest = i64::try_from(AUDIT_DOCUMENT_MAX).unwrap_or(i64::MAX);
    let room = at_most.saturating_sub(u32::try_from(entries.len()).unwrap_or(u32::MAX));
    let mut turns = AuditTurns::of(tenants(db, after).await?, room, BATCH_BYTES);
    while let Some(turn) = turns.poll_turn() {
        let of_tenant = query(CHANGES).bind(longest).bind(longest).bind(&turn.tenant);
        let rows = db.rows(of_tenant.bind(number(turn.behind)).bind(i64::from(turn.at_most))).await?;
        let (mut last, mut bytes) = (turn.behind, 0);
        for row in &rows {
            entries.push(change(row)?);
            (last, bytes) = (unsigned(row, "number")?, bytes + row.size());
        }
        turns.gave(turn, u32::try_from(rows.len()).unwrap_or(u32::MAX), last, bytes);
    }
    entries.sort_by_key(|entry| entry.place);
    Ok(AuditBatch { entries, last: turns.into_last() })
}

/// Tenants whose changes wait: those behind one first, and then from the first on.
async fn tenants(db: &mut dyn Turn, after: &str) -> Result<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let begins = if after.is_empty() { vec![""] } else { vec![after, ""] };
    for begin in begins {
        let most = i64::try_from(TENANTS_AT_ONCE).unwrap_or(i64::MAX);
        for row in db.rows(query(TENANTS).bind(begin).bind(most)).await? {
            let tenant = row.text("tenant")?;
            if found.len() < TENANTS_AT_ONCE && !found.contains(&tenant) {
                found.push(tenant);
            }
        }
    }
    Ok(found)
}

/// When the first of those that wait has happened, of each kind the one that was noted first.
async fn oldest(db: &mut dyn Turn) -> Result<Option<Timestamp>> {
    let sql = "SELECT changed_ms AS at_ms FROM change_log
             WHERE number = (SELECT min(record) FROM audit_outbox WHERE what = 'change')
         UNION ALL SELECT at_ms FROM sign_in_audit
             WHERE number = (SELECT min(record) FROM audit_outbox WHERE what = 'sign_in')";
    let rows = db.rows(query(sql)).await?;
    let times = rows.iter().map(|row| unsigned(row, "at_ms")).collect::<Result<Vec<_>>>()?;
    Ok(times.into_iter().min().map(Timestamp::from_millis))
}

/// The tenants behind one whose changes wait, each found by the one before it: however many changes of a tenant wait, they are passed over.
const TENANTS: &str = "WITH RECURSIVE waiting(tenant, place) AS (
         SELECT min(tenant), CAST(1 AS BIGINT) FROM audit_outbox WHERE what = 'change' AND tenant > ?
         UNION ALL
         SELECT (SELECT min(later.tenant) FROM audit_outbox AS later
                 WHERE later.what = 'change' AND later.tenant > waiting.tenant), waiting.place + 1
         FROM waiting WHERE waiting.tenant IS NOT NULL AND waiting.place < ?
     )
     SELECT tenant FROM waiting WHERE tenant IS NOT NULL ORDER BY place";

/// The first changes of a tenant that wait behind a number, by their numbers. A document that is too long is not read at all. They are
/// taken before the log is looked into: what the database believes of the size of either table leads to no other plan.
const CHANGES: &str =
    "SELECT place, waiting.tenant AS tenant, number, revision, changed_ms AS at_ms, changed_by, way, client, session,
         source, request, kind, id, secrets,
         CASE WHEN length(document_before) > ? THEN NULL ELSE document_before END AS document_before,
         CASE WHEN length(document_after) > ? THEN NULL ELSE document_after END AS document_after,
         CAST(CASE WHEN document_before IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_before,
         CAST(CASE WHEN document_after IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_after
     FROM (SELECT number AS place, tenant, record FROM audit_outbox
             WHERE what = 'change' AND tenant = ? AND record > ? ORDER BY record LIMIT ?) AS waiting
         JOIN change_log ON change_log.number = waiting.record
     ORDER BY number";

const SIGN_INS: &str = "SELECT place, waiting.tenant AS tenant, number, at_ms, event, way, subject, done_by, client, session, source,
         user_agent, times
     FROM (SELECT number AS place, tenant, record FROM audit_outbox WHERE what = 'sign_in' ORDER BY record LIMIT ?) AS waiting
         JOIN sign_in_audit ON sign_in_audit.number = waiting.record
     ORDER BY number";

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
    use std::collections::BTreeMap;

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
            "DELETE FROM audit_outbox",
        ] {
            assert!(ran(&store, refused).await.is_err(), "{refused}");
        }
        assert_eq!(store.forget_before(Timestamp::from_millis(1_800_000), 10).await.unwrap(), 0);
        assert_eq!(store.waiting(1_000, "").await.unwrap().entries.len(), count + 1);
        let after = Timestamp::from_millis(1_700_000_000_001);
        let removed = store.prune_history(&acme, after, 1_000).await.unwrap();
        let left = store.waiting(1_000, "").await.unwrap().entries;
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
        let left = store.waiting(10, "").await.unwrap().entries;
        let [first, second] = left.as_slice() else { panic!("{left:?}") };
        let documents = |entry: &AuditEntry| match &entry.what {
            Audited::Change(change) => (change.before.clone(), change.after.clone()),
            Audited::SignIn(_) => panic!("{entry:?}"),
        };
        assert!(matches!(documents(first), (AuditedDocument::None, AuditedDocument::Json(_))), "{first:?}");
        assert_eq!(documents(second), (AuditedDocument::None, AuditedDocument::TooLong));
    }

    /// That many skills of a tenant, each noted with a document of so many characters, one millisecond after the other.
    async fn noted(store: &SqliteProvisioning, count: u32, characters: u32) {
        let sql = "INSERT INTO change_log (tenant, revision, changed_ms, changed_by, way, kind, id, document_after, secrets)
             WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?)
             SELECT 'acme', 1, 5000 + n, 'somebody', 'import', 'skill', n, replace(hex(zeroblob(?)), '00', 'x'), 0 FROM counted";
        let mut turn = store.0.appends().await.unwrap();
        turn.run(query(sql).bind(count).bind(characters)).await.unwrap();
        turn.commit().await.unwrap();
    }

    async fn with_a_tenant(folder: &tempfile::TempDir) -> SqliteProvisioning {
        let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
        let own = ObjectChange::Put(contracts::provisioning::Object::Tenant(Box::new(objects("acme").tenant)));
        store.update(&TenantId::parse("acme").unwrap(), Revision(0), vec![own], note()).await.unwrap();
        let places: Vec<u64> = store.waiting(10, "").await.unwrap().entries.iter().map(|entry| entry.place).collect();
        store.sent(&places).await.unwrap();
        store
    }

    #[tokio::test]
    async fn what_happens_at_signing_in_does_not_wait_for_an_import_nor_anything_for_what_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_a_tenant(&folder).await;
        assert_eq!(store.waits_since().await.unwrap(), None);
        ran(&store, "INSERT INTO audit_outbox (tenant, what, record) VALUES ('acme', 'telepathy', 1)").await.unwrap();
        assert_eq!(
            (store.waiting(10, "").await.unwrap().entries, store.waits_since().await.unwrap()),
            (Vec::new(), None)
        );
        noted(&store, 600, 10).await;
        let sign_ins = "INSERT INTO sign_in_audit (tenant, at_ms, event, source, user_agent, times)
             VALUES ('bolt', 4000, 'refused', '', '', 1), ('bolt', 4001, 'refused', '', '', 1)";
        ran(&store, sign_ins).await.unwrap();
        assert_eq!(store.waits_since().await.unwrap(), Some(Timestamp::from_millis(4_000)));
        let first = store.waiting(4, "").await.unwrap().entries;
        let told: Vec<(String, u64)> = first.iter().map(|entry| (entry.tenant.clone(), entry.at.as_millis())).collect();
        let expected = [("acme", 5_001), ("acme", 5_002), ("bolt", 4_000), ("bolt", 4_001)];
        assert_eq!(told, expected.map(|(tenant, at)| (tenant.to_owned(), at)));
        let all = store.waiting(500, "").await.unwrap().entries;
        assert_eq!(all.len(), 500);
        store.sent(&all.iter().map(|entry| entry.place).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(store.waits_since().await.unwrap(), Some(Timestamp::from_millis(5_499)));
        assert_eq!(store.waiting(500, "").await.unwrap().entries.len(), 102);
    }

    /// The tenants of a batch, each with the number of its entries, in the order of their names; and the last one.
    async fn batch(store: &SqliteProvisioning, at_most: u32, after: &str) -> (BTreeMap<String, usize>, String) {
        let AuditBatch { entries, last } = store.waiting(at_most, after).await.unwrap();
        let mut counts = BTreeMap::new();
        for entry in &entries {
            *counts.entry(entry.tenant.clone()).or_default() += 1;
        }
        (counts, last.unwrap_or_default())
    }

    #[tokio::test]
    async fn a_tenant_with_a_large_import_keeps_no_other_waiting_and_its_own_order() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_a_tenant(&folder).await;
        noted(&store, 600, 10).await;
        let late = "INSERT INTO change_log (tenant, revision, changed_ms, changed_by, way, kind, id, secrets)
             VALUES ('bolt', 1, 9000, 'somebody', 'page', 'skill', 'x', 0), ('bolt', 2, 9001, 'somebody', 'page', 'skill', 'y', 0)";
        ran(&store, late).await.unwrap();
        let (counts, last) = batch(&store, 100, "").await;
        assert_eq!(counts, BTreeMap::from([("acme".to_owned(), 98), ("bolt".to_owned(), 2)]));
        assert_eq!(last, "acme");
        let entries = store.waiting(100, "").await.unwrap().entries;
        let of = |tenant: &str| -> Vec<u64> {
            entries.iter().filter(|entry| entry.tenant == tenant).map(|entry| entry.at.as_millis()).collect()
        };
        assert_eq!(of("acme"), (5_001..5_099).collect::<Vec<u64>>(), "the first ones, in their order");
        assert_eq!(of("bolt"), [9_000, 9_001]);
        store.sent(&entries.iter().map(|entry| entry.place).collect::<Vec<_>>()).await.unwrap();
        let next = store.waiting(100, &last).await.unwrap().entries;
        assert_eq!((next.len(), next[0].at.as_millis()), (100, 5_099));
    }

    #[tokio::test]
    async fn of_many_tenants_those_behind_the_last_ones_are_in_the_next_batch() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_a_tenant(&folder).await;
        let many = "INSERT INTO change_log (tenant, revision, changed_ms, changed_by, way, kind, id, secrets)
             WITH RECURSIVE counted(n) AS (SELECT 101 UNION ALL SELECT n + 1 FROM counted WHERE n < 160)
             SELECT 'tenant-' || n, 1, n, 'somebody', 'page', 'skill', 'x', 0 FROM counted";
        ran(&store, many).await.unwrap();
        let (first, last) = batch(&store, 500, "").await;
        assert_eq!((first.len(), last.as_str()), (TENANTS_AT_ONCE, "tenant-150"));
        // Nothing of the first batch is sent.
        let (second, last) = batch(&store, 500, &last).await;
        assert!((151..=160).all(|n| second.contains_key(&format!("tenant-{n}"))), "{second:?}");
        assert_eq!((second.len(), last.as_str()), (TENANTS_AT_ONCE, "tenant-140"), "then from the first on");
    }

    #[tokio::test]
    async fn a_batch_of_long_documents_has_fewer_rows() {
        let folder = tempfile::tempdir().unwrap();
        let store = with_a_tenant(&folder).await;
        noted(&store, 120, 30_000).await;
        assert_eq!(store.waiting(500, "").await.unwrap().entries.len(), 50);
    }
}
