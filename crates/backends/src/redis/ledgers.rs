//! The ledgers of calls, agents, sessions and media sessions.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;

use futures::FutureExt as _;
use futures::future::try_join_all;
use infra::{
    AgentBatch, AgentLedger, Answer, CallLedger, CallWrite, Claim, Claimed, Consumed, DialogKey, Holding, Loaded,
    MediaLedger, MediaSessionId, MediaWrite, Position, Record, RecordKey, Refusal, Result, SessionBatch, SessionId,
    SessionLedger, StoreError, Written, bounds,
};
use model::{AgentId, ConnId, Owner, TenantId, Timestamp, Token};
use redis::Value;

use super::row::{AGENT, CALL, Facts, Kind, MEDIA, Row, SESSION, dialog_link, numbers_from, row_of, row_of_call};
use super::script::Call;
use super::{RedisStores, position, refused, reply};

/// The list of tenants that have a stream of facts.
pub(super) const STREAMS: &str = "stream";

impl RedisStores {
    /// Writes rows in one script.
    pub(super) async fn write_rows(
        &self,
        kind: Kind,
        tenant: &TenantId,
        rows: &[Row],
        consumed: Option<&Consumed>,
    ) -> Result<Vec<Written>> {
        self.announce(STREAMS, tenant).await?;
        let mut call = Call::on(&self.scripts.commit, tenant);
        call.arg(kind.name).arg(self.clock.now().as_micros()).arg(kind.remembers.as_micros().to_string());
        call.arg(bounds::RECORDS_MAX).arg(bounds::NEW_CALLS_MAX);
        call.arg(bounds::STREAM_BYTES_HARD).arg(bounds::STREAM_BYTES_LAST);
        call.arg(rows.len());
        for row in rows {
            row.put_into(&mut call);
        }
        call.arg(consumed.map_or("", |consumed| consumed.view));
        call.arg(consumed.map(|consumed| consumed.position.to_string()).unwrap_or_default());
        let answer = call.send(self).await?;
        Ok(reply::list(&answer)?.iter().map(written_or_refused).collect())
    }

    async fn claim_rows<K: RecordKey>(&self, kind: Kind, by: &Owner, claims: Vec<Claim<K>>) -> Result<Vec<Claimed<K>>> {
        if self.steady.owners_first() {
            let reason = "Redis has just come back: owners renew before anybody claims".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        // Boxed: the compiler follows futures in futures only so far.
        self.hand_in_former().boxed().await?;
        let count = claims.len();
        let claims = self.known_to_the_last(claims, |claim| (kind.name, claim.tenant.clone(), claim.key.text())).await;
        if claims.len() < count {
            let reason = "commits of this record wait here, and are newer than what Redis has".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        let mut by_tenant: HashMap<&TenantId, Vec<usize>> = HashMap::new();
        for (at, claim) in claims.iter().enumerate() {
            by_tenant.entry(&claim.tenant).or_default().push(at);
        }
        let mut answers: Vec<Option<Claimed<K>>> = claims.iter().map(|_| None).collect();
        for (tenant, places) in by_tenant {
            let mut call = Call::on(&self.scripts.claim, tenant);
            call.arg(kind.name).arg(by.to_string()).arg(self.clock.now().as_micros()).arg(places.len());
            for claim in places.iter().filter_map(|at| claims.get(*at)) {
                call.arg(claim.key.text()).arg(claim.seen.map(|token| token.0.to_string()).unwrap_or_default());
            }
            let answer = call.send(self).await?;
            for (at, item) in places.into_iter().zip(reply::list(&answer)?) {
                let claimed: Claimed<K> = claimed(tenant, item).unwrap_or_else(|error| {
                    tracing::error!(%tenant, ledger = kind.name, %error, "what was to be claimed cannot be read");
                    Claimed::Unknown
                });
                if let Claimed::Yours(record) = &claimed {
                    let id = (kind.name, tenant.clone(), record.key.text());
                    self.steady.away.lock().await.claimed(&id);
                    self.steady.claimed(kind, row_of(tenant, record), self.clock.now());
                }
                if let Some(place) = answers.get_mut(at) {
                    *place = Some(claimed);
                }
            }
        }
        let answers: Option<Vec<_>> = answers.into_iter().collect();
        answers.ok_or_else(|| reply::corrupt("an answer", "fewer answers than claims"))
    }

    /// `ended`, `unknown`, or `live` and records.
    async fn load_rows(&self, kind: Kind, tenant: &TenantId, how: &[&str]) -> Result<Value> {
        let mut call = Call::on(&self.scripts.load, tenant);
        call.arg(kind.name).arg(self.clock.now().as_micros());
        for word in how {
            call.arg(word);
        }
        call.send(self).await
    }

    async fn load_one<K: RecordKey>(&self, kind: Kind, tenant: &TenantId, key: &K) -> Result<Loaded<K>> {
        let answer = self.load_rows(kind, tenant, &["one", &key.text()]).await?;
        let words = reply::list(&answer)?;
        match reply::text(words.first())?.as_str() {
            "live" => Ok(record(tenant, words.get(1)).map_or_else(
                |error| {
                    unreadable(tenant, &error);
                    Loaded::Unknown
                },
                Loaded::Live,
            )),
            "ended" => Ok(Loaded::Ended),
            _ => {
                self.nothing_waits_or_is_lost(kind).await?;
                Ok(Loaded::Unknown)
            }
        }
    }

    /// For a caller that found no record: Redis may not have received it yet, or may have lost it.
    async fn nothing_waits_or_is_lost(&self, kind: Kind) -> Result<()> {
        if kind.goes_on && self.steady.owners_first() {
            let reason = "Redis has just come back: owners write what has waited for it".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        self.nothing_is_lost().await
    }

    async fn load_many<K: RecordKey>(&self, kind: Kind, tenant: &TenantId, how: &[&str]) -> Result<Vec<Record<K>>> {
        Ok(self.load_readable(kind, tenant, how).await?.0)
    }

    /// Readable records, and the keys of unreadable ones, each with the reason.
    async fn load_readable<K: RecordKey>(
        &self,
        kind: Kind,
        tenant: &TenantId,
        how: &[&str],
    ) -> Result<(Vec<Record<K>>, Vec<(String, String)>)> {
        let answer = self.load_rows(kind, tenant, how).await?;
        let (mut records, mut damaged) = (Vec::new(), Vec::new());
        for item in reply::list(&answer)?.iter().skip(1) {
            match record(tenant, Some(item)) {
                Ok(record) => records.push(record),
                Err(error) => {
                    tracing::error!(%tenant, ledger = kind.name, %error, "a record cannot be read: the others are");
                    let key = reply::list(item).and_then(|words| reply::text(words.first()));
                    damaged.extend(key.ok().map(|key| (key, error.to_string())));
                }
            }
        }
        Ok((records, damaged))
    }

    async fn load_owned<K: RecordKey>(
        &self,
        kind: Kind,
        tenant: &TenantId,
        of: &Owner,
        max: usize,
    ) -> Result<Vec<Record<K>>> {
        let how = ["owner", &of.to_string(), &max.to_string()];
        let (records, damaged) = self.load_readable::<K>(kind, tenant, &how).await?;
        // Nobody can claim them, so they would stay there for ever.
        for (key, why) in &damaged {
            self.put_damaged_aside(kind, tenant, of, key, why).await?;
        }
        let (records, misplaced): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.owner == *of);
        for record in misplaced {
            self.load_rows(kind, tenant, &["misplaced", &record.key.text(), &of.to_string()]).await?;
        }
        Ok(self.known_to_the_last(records, |record: &Record<K>| (kind.name, tenant.clone(), record.key.text())).await)
    }

    async fn load_page<K: RecordKey>(
        &self,
        kind: Kind,
        tenant: &TenantId,
        after: Option<&K>,
        max: usize,
    ) -> Result<Vec<Record<K>>> {
        let after = after.map(RecordKey::text).unwrap_or_default();
        self.load_many(kind, tenant, &["page", &after, &max.to_string()]).await
    }

    async fn owners_of(&self, kind: Kind, tenant: &TenantId) -> Result<Vec<Holding>> {
        let key = format!("owners:{}:{}", super::tag(tenant), kind.name);
        let words = reply::texts(&flat(self.link.command(redis::cmd("HGETALL").arg(key)).await?))?;
        let holding = |pair: &[String]| {
            let [owner, records] = pair else { return Err(reply::corrupt("owners", "a key without a value")) };
            let owner = owner.parse().map_err(|e| reply::corrupt("an owner", e))?;
            Ok(Holding { owner, records: records.parse().map_err(|e| reply::corrupt("a count", e))? })
        };
        let readable =
            words.chunks(2).filter_map(|pair| holding(pair).inspect_err(|error| unreadable(tenant, error)).ok());
        let mut all: Vec<Holding> = readable.collect();
        all.sort_by(|a, b| a.owner.cmp(&b.owner));
        Ok(all)
    }

    async fn consumed_to(&self, tenant: &TenantId, view: &str) -> Result<Position> {
        let key = format!("read:{}:{view}", super::tag(tenant));
        let answer = self.link.command(redis::cmd("GET").arg(key)).await?;
        Ok(position(&reply::text(Some(&answer))?)?.unwrap_or(Position::START))
    }
}

fn unreadable(tenant: &TenantId, error: &StoreError) {
    tracing::error!(%tenant, %error, "an entry among others cannot be read");
}

/// A map as the list that RESP2 makes of it.
fn flat(value: Value) -> Value {
    match value {
        Value::Map(pairs) => Value::Array(pairs.into_iter().flat_map(|(k, v)| [k, v]).collect()),
        other => other,
    }
}

/// The result of a write.
pub(super) fn written(answer: &Value) -> Result<Written> {
    let words = reply::texts(answer)?;
    let holder = |words: &[String]| {
        let owner = words.get(1).map(String::as_str).unwrap_or_default();
        let token = words.get(2).map(String::as_str).unwrap_or_default();
        let owner = owner.parse::<Owner>().map_err(|e| reply::corrupt("an owner", e))?;
        Ok::<_, StoreError>((owner, Token(token.parse().map_err(|e| reply::corrupt("a token", e))?)))
    };
    match words.first().map(String::as_str) {
        Some("done") => Ok(Written::Done { position: position(words.get(1).map_or("", String::as_str))? }),
        Some("fenced") => holder(&words).map(|(owner, token)| Written::Fenced { owner, token }),
        Some("exists") => holder(&words).map(|(owner, token)| Written::Exists { owner, token }),
        Some("ended") => Ok(Written::Ended),
        Some("unknown") => Ok(Written::Unknown),
        Some("damaged") => Ok(Written::Refused(Refusal::Invalid(words.join(" ")))),
        _ => match refused(&words) {
            StoreError::Full { what, bound } => Ok(Written::Refused(Refusal::NoRoom { what, bound })),
            error => Err(error),
        },
    }
}

/// The result of one write among others: an unreadable answer affects that write alone.
fn written_or_refused(answer: &Value) -> Written {
    written(answer).unwrap_or_else(|error| Written::Refused(Refusal::Invalid(error.to_string())))
}

fn claimed<K: RecordKey>(tenant: &TenantId, answer: &Value) -> Result<Claimed<K>> {
    let words = reply::list(answer)?;
    match reply::text(words.first())?.as_str() {
        "yours" => record(tenant, words.get(1)).map(Claimed::Yours),
        "raced" => {
            let owner = reply::text(words.get(1))?.parse().map_err(|e| reply::corrupt("an owner", e))?;
            Ok(Claimed::Raced { owner, token: Token(reply::number(words.get(2))?) })
        }
        "ended" => Ok(Claimed::Ended),
        _ => Ok(Claimed::Unknown),
    }
}

fn record<K: RecordKey>(tenant: &TenantId, answer: Option<&Value>) -> Result<Record<K>> {
    let words = reply::list(answer.unwrap_or(&Value::Nil))?;
    let key = reply::text(words.first())?;
    // The store's own fields may be lost without the record.
    let due = reply::number(words.get(5)).ok();
    Ok(Record {
        tenant: tenant.clone(),
        key: K::parse(&key).ok_or_else(|| reply::corrupt("a key", key))?,
        owner: reply::text(words.get(1))?.parse().map_err(|e| reply::corrupt("an owner", e))?,
        token: Token(reply::number(words.get(2))?),
        state: reply::bytes(words.get(3))?,
        intentions: reply::bytes(words.get(4))?,
        due: due.map(Timestamp::from_micros),
        claims: reply::number(words.get(6)).map_or(0, |claims| u32::try_from(claims).unwrap_or(u32::MAX)),
    })
}

/// Writes rows of several tenants, all tenants at once; the answers are in the order of the rows.
async fn by_tenant<Writing>(rows: Vec<Row>, write: impl Fn(TenantId, Vec<Row>) -> Writing) -> Result<Vec<Written>>
where
    Writing: Future<Output = Result<Vec<Written>>>,
{
    let count = rows.len();
    let mut by_tenant: HashMap<TenantId, (Vec<usize>, Vec<Row>)> = HashMap::new();
    for (at, row) in rows.into_iter().enumerate() {
        let (places, rows) = by_tenant.entry(row.tenant.clone()).or_default();
        places.push(at);
        rows.push(row);
    }
    let (places, commits): (Vec<_>, Vec<_>) =
        by_tenant.into_iter().map(|(tenant, (places, rows))| (places, write(tenant, rows))).unzip();
    let answers = try_join_all(commits).await?;
    let mut placed: Vec<(usize, Written)> = places.into_iter().flatten().zip(answers.into_iter().flatten()).collect();
    placed.sort_by_key(|(at, _)| *at);
    if placed.len() != count {
        return Err(reply::corrupt("an answer", "fewer answers than writes"));
    }
    Ok(placed.into_iter().map(|(_, written)| written).collect())
}

// === impl CallLedger ===

impl CallLedger for RedisStores {
    fn commit(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        async move {
            let rows = batch.into_iter().map(row_of_call).collect();
            by_tenant(rows, |tenant, rows| async move { self.commit_rows(CALL, &tenant, rows, None).await }).await
        }
        .boxed()
    }

    fn confirm(&self, batch: Vec<CallWrite>) -> Answer<'_, Vec<Written>> {
        async move {
            let rows = batch.into_iter().map(row_of_call).collect();
            by_tenant(rows, |tenant, rows| async move { self.confirm_rows(CALL, &tenant, rows).await }).await
        }
        .boxed()
    }

    fn has_room(&self) -> bool {
        !self.steady.full.load(Relaxed)
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<ConnId>>) -> Answer<'a, Vec<Claimed<ConnId>>> {
        self.claim_rows(CALL, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Loaded<ConnId>> {
        async move { self.load_one(CALL, tenant, &conn_id).await }.boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        self.load_owned(CALL, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(CALL, tenant).boxed()
    }

    fn lookup<'a>(&'a self, tenant: &'a TenantId, dialog: &'a DialogKey) -> Answer<'a, Option<ConnId>> {
        async move {
            let mut call = Call::on(&self.scripts.lookup, tenant);
            call.arg(dialog_link(dialog)).arg(self.clock.now().as_micros());
            let id = reply::text(Some(&call.send(self).await?))?;
            if id.is_empty() {
                self.nothing_waits_or_is_lost(CALL).await?;
            }
            Ok(ConnId::parse(&id))
        }
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId, after: Option<ConnId>, max: usize) -> Answer<'a, Vec<Record<ConnId>>> {
        async move { self.load_page(CALL, tenant, after.as_ref(), max).await }.boxed()
    }
}

// === impl AgentLedger ===

impl AgentLedger for RedisStores {
    fn commit(&self, batch: AgentBatch) -> Answer<'_, Vec<Written>> {
        async move {
            let AgentBatch { tenant, owner, writes, consumed, number } = batch;
            let rows = writes.into_iter().zip(numbers_from(number)).map(|(write, number)| Row {
                tenant: tenant.clone(),
                key: write.agent.text(),
                owner: owner.clone(),
                token: write.token,
                change: write.change,
                due: write.due,
                links: Vec::new(),
                facts: write.events.into(),
                new_call: None,
                began_with: None,
                number,
            });
            self.commit_rows(AGENT, &tenant, rows.collect(), consumed.as_ref()).await
        }
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<AgentId>>) -> Answer<'a, Vec<Claimed<AgentId>>> {
        self.claim_rows(AGENT, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, agent: &'a AgentId) -> Answer<'a, Loaded<AgentId>> {
        self.load_one(AGENT, tenant, agent).boxed()
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Option<&'a AgentId>,
        max: usize,
    ) -> Answer<'a, Vec<Record<AgentId>>> {
        self.load_page(AGENT, tenant, after, max).boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<AgentId>>> {
        self.load_owned(AGENT, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(AGENT, tenant).boxed()
    }

    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        self.consumed_to(tenant, view).boxed()
    }
}

// === impl SessionLedger ===

impl SessionLedger for RedisStores {
    fn commit(&self, batch: SessionBatch) -> Answer<'_, Vec<Written>> {
        async move {
            let SessionBatch { tenant, owner, writes, consumed, number } = batch;
            let rows = writes.into_iter().zip(numbers_from(number)).map(|(write, number)| Row {
                tenant: tenant.clone(),
                key: write.session.text(),
                owner: owner.clone(),
                token: write.token,
                change: write.change,
                due: write.due,
                links: write.conn_id.iter().map(ToString::to_string).collect(),
                facts: write.events.into(),
                new_call: None,
                began_with: write.began_with,
                number,
            });
            self.commit_rows(SESSION, &tenant, rows.collect(), consumed.as_ref()).await
        }
        .boxed()
    }

    fn claim<'a>(&'a self, by: &'a Owner, claims: Vec<Claim<SessionId>>) -> Answer<'a, Vec<Claimed<SessionId>>> {
        self.claim_rows(SESSION, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a SessionId) -> Answer<'a, Loaded<SessionId>> {
        self.load_one(SESSION, tenant, session).boxed()
    }

    fn of_call<'a>(&'a self, tenant: &'a TenantId, conn_id: ConnId) -> Answer<'a, Vec<Record<SessionId>>> {
        async move { self.load_many(SESSION, tenant, &["link", &conn_id.to_string()]).await }.boxed()
    }

    fn orphans<'a>(&'a self, tenant: &'a TenantId, of: &'a Owner, max: usize) -> Answer<'a, Vec<Record<SessionId>>> {
        self.load_owned(SESSION, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(SESSION, tenant).boxed()
    }

    fn consumed<'a>(&'a self, tenant: &'a TenantId, view: &'static str) -> Answer<'a, Position> {
        self.consumed_to(tenant, view).boxed()
    }
}

// === impl MediaLedger ===

impl MediaLedger for RedisStores {
    fn commit(&self, batch: Vec<MediaWrite>) -> Answer<'_, Vec<Written>> {
        async move {
            let rows = batch.into_iter().map(|write| Row {
                key: write.session.text(),
                tenant: write.tenant,
                owner: write.owner,
                token: write.token,
                change: write.change,
                due: write.due,
                links: Vec::new(),
                facts: Facts::default(),
                new_call: None,
                began_with: None,
                number: 0,
            });
            let write = |tenant, rows| async move { self.commit_rows(MEDIA, &tenant, rows, None).await };
            by_tenant(rows.collect(), write).await
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        claims: Vec<Claim<MediaSessionId>>,
    ) -> Answer<'a, Vec<Claimed<MediaSessionId>>> {
        self.claim_rows(MEDIA, by, claims).boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId, session: &'a MediaSessionId) -> Answer<'a, Loaded<MediaSessionId>> {
        self.load_one(MEDIA, tenant, session).boxed()
    }

    fn orphans<'a>(
        &'a self,
        tenant: &'a TenantId,
        of: &'a Owner,
        max: usize,
    ) -> Answer<'a, Vec<Record<MediaSessionId>>> {
        self.load_owned(MEDIA, tenant, of, max).boxed()
    }

    fn owners<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<Holding>> {
        self.owners_of(MEDIA, tenant).boxed()
    }
}
