//! What is noted of signing in: written at the end of its table, read in pages, removed when it is too old.

use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use futures::FutureExt as _;
use infra::{Answer, AuditPage, AuditPart, Result, SignInAudit, SignInPlace};
use model::{TenantId, Timestamp};

use super::{Dialect, Row, Statement, Tables, Turn, number, query, tenant_standing};

impl<D: Dialect> SignInAudit for Tables<D> {
    fn note<'a>(&'a self, records: &'a [(TenantId, SignInRecord)]) -> Answer<'a, ()> {
        async move {
            let mut turn = self.0.appends().await?;
            for (tenant, record) in records {
                turn.run(put(tenant, record)).await?;
            }
            turn.commit().await
        }
        .boxed()
    }

    fn noted<'a>(&'a self, tenant: &'a TenantId, page: &'a AuditPage) -> Answer<'a, AuditPart> {
        async move { read(&mut *self.0.reads().await?, tenant, page).await }.boxed()
    }

    fn forget_before(&self, before: Timestamp, at_most: u32) -> Answer<'_, u64> {
        async move {
            let mut turn = self.0.appends().await?;
            let sql = "DELETE FROM sign_in_audit WHERE number IN
                 (SELECT number FROM sign_in_audit WHERE at_ms < ? ORDER BY at_ms LIMIT ?)";
            let forget = query(sql).bind(number(before.as_millis())).bind(i64::from(at_most));
            let count = turn.run(forget).await?;
            turn.commit().await?;
            Ok(count)
        }
        .boxed()
    }
}

/// Writes a record.
pub(super) fn put(tenant: &TenantId, record: &SignInRecord) -> Statement {
    let sql = "INSERT INTO sign_in_audit (tenant, at_ms, event, way, subject, done_by, client, session, source, user_agent, times)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    query(sql)
        .bind(tenant.as_str())
        .bind(number(record.at.as_millis()))
        .bind(record.event.as_str())
        .bind(record.way.map(SignInWay::as_str))
        .bind(&record.subject)
        .bind(&record.by)
        .bind(&record.client)
        .bind(&record.session)
        .bind(&record.source)
        .bind(&record.user_agent)
        .bind(record.times)
}

/// Each is answered from an index in its order. Statements name their columns, here too.
macro_rules! noted {
    ($filter:literal) => {
        concat!(
            "SELECT number, at_ms, event, way, subject, done_by, client, session, source, user_agent, times
             FROM sign_in_audit WHERE tenant = ? AND ",
            $filter,
            "at_ms >= ? AND (at_ms, number) < (?, ?) AND number > ? ORDER BY at_ms DESC, number DESC LIMIT ?"
        )
    };
}

async fn read(db: &mut dyn Turn, tenant: &TenantId, page: &AuditPage) -> Result<AuditPart> {
    let asked = match (&page.subject, page.event) {
        (None, None) => query(noted!("")).bind(tenant.as_str()),
        (Some(subject), None) => query(noted!("subject = ? AND ")).bind(tenant.as_str()).bind(subject),
        (None, Some(event)) => query(noted!("event = ? AND ")).bind(tenant.as_str()).bind(event.as_str()),
        (Some(subject), Some(event)) => {
            query(noted!("subject = ? AND event = ? AND ")).bind(tenant.as_str()).bind(subject).bind(event.as_str())
        }
    };
    // No record has the number 0: all of that time are behind it.
    let of_time = page.until.map(|until| SignInPlace { at_ms: until.as_millis(), number: 0 });
    let end = SignInPlace { at_ms: u64::MAX, number: u64::MAX };
    let behind = [page.behind, of_time].into_iter().flatten().min().unwrap_or(end);
    let since = page.since.unwrap_or(Timestamp::ZERO);
    // A tenant is not told of one before it with its id.
    let begin = tenant_standing::sign_in_begin(db, tenant).await?;
    let asked = asked
        .bind(number(since.as_millis()))
        .bind(number(behind.at_ms))
        .bind(number(behind.number))
        .bind(begin)
        .bind(i64::from(page.limit));
    let rows = db.rows(asked).await?;
    let mut part = AuditPart::default();
    for row in &rows {
        let place = place(row)?;
        part.records.extend(record(row)?.map(|record| (place, record)));
    }
    if rows.len() == usize::try_from(page.limit).unwrap_or(usize::MAX) {
        part.last = rows.last().map(place).transpose()?;
    }
    Ok(part)
}

fn place(row: &Row) -> Result<SignInPlace> {
    let unsigned = |column| -> Result<u64> { Ok(u64::try_from(row.get::<i64>(column)?).unwrap_or_default()) };
    Ok(SignInPlace { at_ms: unsigned("at_ms")?, number: unsigned("number")? })
}

/// The record of a row; none if a later release has noted an event that this one does not know.
fn record(row: &Row) -> Result<Option<SignInRecord>> {
    let Some(event) = SignInEvent::named(&row.text("event")?) else { return Ok(None) };
    Ok(Some(SignInRecord {
        at: Timestamp::from_millis(place(row)?.at_ms),
        event,
        way: row.get::<Option<String>>("way")?.and_then(|way| SignInWay::named(&way)),
        subject: row.get("subject")?,
        by: row.get("done_by")?,
        client: row.get("client")?,
        session: row.get("session")?,
        source: row.text("source")?,
        user_agent: row.text("user_agent")?,
        times: row.get("times")?,
    }))
}
