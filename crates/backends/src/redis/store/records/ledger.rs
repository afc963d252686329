//! What every ledger does with its records: write, claim, load, list.

use std::collections::HashMap;

use futures::FutureExt as _;
use futures::future::try_join_all;
use infra::{
    Claim, Claimed, Consumed, Holding, Loaded, Position, Record, RecordKey, Result, StoreError, Written, bounds,
};
use model::{Owner, TenantId};
use redis::Value;

use super::answer::{claimed, record, written_or_refused};
use super::kind::Kind;
use super::row::{Row, row_of};
use crate::redis::connection::reply::{self, position};
use crate::redis::scripts::Call;
use crate::redis::store::tenants::STREAMS;
use crate::redis::{RedisStores, tag};

impl RedisStores {
    /// Writes rows in one script.
    pub(in crate::redis) async fn write_rows(
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
        call.arg(bounds::STREAM_BYTES_HARD);
        call.arg(rows.len());
        for row in rows {
            row.put_into(&mut call);
        }
        call.arg(consumed.map_or("", |consumed| consumed.view));
        call.arg(consumed.map(|consumed| consumed.position.to_string()).unwrap_or_default());
        let answer = call.send(self).await?;
        Ok(reply::list(&answer)?.iter().map(written_or_refused).collect())
    }

    pub(super) async fn claim_rows<K: RecordKey>(
        &self,
        kind: Kind,
        by: &Owner,
        claims: Vec<Claim<K>>,
    ) -> Result<Vec<Claimed<K>>> {
        if self.outage.owners_first() {
            let reason = "Redis has just come back: owners renew before anybody claims".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        // Boxed: the compiler follows futures in futures only so far.
        self.replay_previous_run().boxed().await?;
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
            call.arg(kind.name).arg(by.to_string()).arg(places.len());
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
                    self.outage.queue.lock().await.claimed(&id);
                    self.outage.claimed(kind, row_of(tenant, record), self.clock.now());
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
        call.arg(kind.name);
        for word in how {
            call.arg(word);
        }
        call.send(self).await
    }

    pub(super) async fn load_one<K: RecordKey>(&self, kind: Kind, tenant: &TenantId, key: &K) -> Result<Loaded<K>> {
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
    pub(super) async fn nothing_waits_or_is_lost(&self, kind: Kind) -> Result<()> {
        if kind.continues_in_outage && self.outage.owners_first() {
            let reason = "Redis has just come back: owners write what has waited for it".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        self.nothing_is_lost().await
    }

    pub(super) async fn load_many<K: RecordKey>(
        &self,
        kind: Kind,
        tenant: &TenantId,
        how: &[&str],
    ) -> Result<Vec<Record<K>>> {
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

    pub(super) async fn load_owned<K: RecordKey>(
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

    pub(super) async fn load_page<K: RecordKey>(
        &self,
        kind: Kind,
        tenant: &TenantId,
        after: Option<&K>,
        max: usize,
    ) -> Result<Vec<Record<K>>> {
        let after = after.map(RecordKey::text).unwrap_or_default();
        self.load_many(kind, tenant, &["page", &after, &max.to_string()]).await
    }

    pub(super) async fn owners_of(&self, kind: Kind, tenant: &TenantId) -> Result<Vec<Holding>> {
        let key = format!("owners:{}:{}", tag(tenant), kind.name);
        let words = reply::texts(&flat(self.connections.command(redis::cmd("HGETALL").arg(key)).await?))?;
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

    pub(super) async fn consumed_to(&self, tenant: &TenantId, view: &str) -> Result<Position> {
        let key = format!("read:{}:{view}", tag(tenant));
        let answer = self.connections.command(redis::cmd("GET").arg(key)).await?;
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

/// Writes rows of several tenants, all tenants at once; the answers are in the order of the rows.
pub(super) async fn by_tenant<Writing>(
    rows: Vec<Row>,
    write: impl Fn(TenantId, Vec<Row>) -> Writing,
) -> Result<Vec<Written>>
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
