//! The ledger of queues: one owner per tenant.

mod restore;

use bytes::Bytes;
use futures::FutureExt as _;
use infra::{
    Answer, Holder, Matter, Position, QueueBatch, QueueLedger, QueueRecord, Result, StoreError, Written, bounds,
};
use model::{AgentId, Owner, TenantId, Token};
use redis::Value;

use super::records::written;
use super::streams::audience::Audience;
use super::tenants::STREAMS;
use super::{encoded, stream_bytes};
use crate::redis::RedisStores;
use crate::redis::connection::reply::{self, position};
use crate::redis::scripts::Call;

/// Rows that a claim reads at once: some milliseconds of Redis. More are read by pages.
const CLAIM_ROWS: usize = 2_000;
/// Rows of a page, about.
const PAGE_ROWS: usize = 500;

/// Rows by their ids.
type Rows = Vec<(String, Bytes)>;

impl RedisStores {
    /// Writes a turn with its encoded facts.
    async fn write_queues(&self, batch: &QueueBatch, facts: &[Bytes]) -> Result<Written> {
        if let Err(refusal) = batch.check(facts.iter().map(Bytes::len)) {
            return Ok(Written::Refused(refusal));
        }
        let mut call = Call::on(&self.scripts.queues_commit, &batch.tenant);
        call.arg(batch.owner.to_string()).arg(batch.token.0).arg(stream_bytes(batch.room()));
        call.arg(u8::from(batch.state.is_some())).arg(batch.state.as_deref().unwrap_or_default());
        items(&mut call, batch.requests.iter().map(|(id, body)| (id.as_str(), body)));
        items(&mut call, batch.reservations.iter().map(|(id, body)| (id.as_str(), body)));
        call.about(Matter::Facts).list(facts.iter().map(|fact| &fact[..])).about(Matter::Records);
        call.arg(batch.consumed.as_ref().map_or("", |consumed| consumed.view));
        call.arg(batch.consumed.as_ref().map(|consumed| consumed.position.to_string()).unwrap_or_default());
        call.arg(bounds::RECORDS_MAX).arg(batch.number);
        let answer = call.send(self).await;
        self.outage.note_answer(&answer);
        written(&answer?)
    }

    /// The queues that were just claimed, with their rows by pages. Nobody else writes those now, and the former owner's writes are fenced.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] also when another one has claimed them meanwhile, or not all rows were found: another master of Redis,
    /// which does not know the cursor of the one before, has answered in between.
    async fn claimed_in_pages(&self, tenant: &TenantId, words: &[Value]) -> Result<QueueRecord> {
        let claimed = holder(words)?;
        let requests = self.rows_in_pages(tenant, &claimed, "requests").await?;
        let reservations = self.rows_in_pages(tenant, &claimed, "reservations").await?;
        let counts = (reply::number(words.get(4))?, reply::number(words.get(5))?);
        if (requests.len() as u64, reservations.len() as u64) != counts {
            return Err(changed_meanwhile(tenant));
        }
        record(tenant, words, requests, reservations)
    }

    async fn rows_in_pages(&self, tenant: &TenantId, claimed: &Holder, name: &str) -> Result<Rows> {
        let (mut all, mut cursor) = (Rows::new(), "0".to_owned());
        loop {
            let mut call = Call::on(&self.scripts.queues_page, tenant);
            call.arg(claimed.owner.to_string()).arg(claimed.token.0).arg(name).arg(cursor.as_str()).arg(PAGE_ROWS);
            let answer = call.send(self).await?;
            let words = reply::list(&answer)?;
            if reply::text(words.first())? != "page" {
                return Err(changed_meanwhile(tenant));
            }
            all.extend(rows(words.get(2))?);
            cursor = reply::text(words.get(1))?;
            if cursor == "0" {
                break;
            }
        }
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        // Redis may give a row twice while it makes the hash larger.
        all.dedup_by(|(a, _), (b, _)| a == b);
        Ok(all)
    }

    /// What a script reads of a tenant's queues; none before the first claim.
    async fn read_queues(&self, tenant: &TenantId, what: &str) -> Result<Option<Value>> {
        let mut call = Call::on(&self.scripts.queues_claim, tenant);
        let answer = call.arg("").arg("").arg(what).send(self).await?;
        if reply::text(reply::list(&answer)?.first())? == "unknown" {
            self.nothing_is_lost().await?;
            return Ok(None);
        }
        Ok(Some(answer))
    }
}

impl QueueLedger for RedisStores {
    fn commit(&self, batch: QueueBatch) -> Answer<'_, Written> {
        async move {
            self.announce(STREAMS, &batch.tenant).await?;
            let facts = encoded(&batch.events, Some(&batch.owner));
            let mut answer = self.write_queues(&batch, &facts).await?;
            if answer == Written::Unknown
                && let Some(whole) = self.outage.queues_anew(&batch.tenant)
                && (&whole.owner, whole.token) == (&batch.owner, batch.token)
            {
                tracing::warn!(tenant = %batch.tenant, "Redis has lost the queues: they are written again");
                let latest = self.outage.latest_of_queues(&batch.tenant);
                self.tell_if_room(&batch.tenant, &latest, Audience::Repeat).await?;
                self.restore_queues(&whole).await?;
                answer = self.write_queues(&batch, &facts).await?;
            }
            self.outage.note_queues(batch, facts, &answer);
            Ok(answer)
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        by: &'a Owner,
        tenant: &'a TenantId,
        seen: Option<Token>,
    ) -> Answer<'a, std::result::Result<QueueRecord, Holder>> {
        async move {
            if self.outage.owners_first() {
                let reason = "Redis has just come back: owners renew before anybody claims".to_owned();
                return Err(StoreError::Unavailable { reason });
            }
            let mut call = Call::on(&self.scripts.queues_claim, tenant);
            call.arg(by.to_string()).arg(seen.map(|token| token.0.to_string()).unwrap_or_default()).arg("claim");
            call.arg(CLAIM_ROWS);
            let answer = call.send(self).await?;
            let words = reply::list(&answer)?;
            let record = match reply::text(words.first())?.as_str() {
                "raced" => return Ok(Err(holder(words)?)),
                "paged" => self.claimed_in_pages(tenant, words).await?,
                _ => record(tenant, words, rows(words.get(4))?, rows(words.get(5))?)?,
            };
            self.outage.claimed_queues(&record);
            Ok(Ok(record))
        }
        .boxed()
    }

    fn holder<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Holder>> {
        async move {
            let Some(answer) = self.read_queues(tenant, "head").await? else { return Ok(None) };
            holder(reply::list(&answer)?).map(Some)
        }
        .boxed()
    }

    fn requests<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<(String, Bytes)>> {
        async move {
            let Some(answer) = self.read_queues(tenant, "requests").await? else { return Ok(Vec::new()) };
            rows(reply::list(&answer)?.get(4))
        }
        .boxed()
    }

    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<QueueRecord>> {
        async move {
            let Some(answer) = self.read_queues(tenant, "whole").await? else { return Ok(None) };
            let words = reply::list(&answer)?;
            record(tenant, words, rows(words.get(4))?, rows(words.get(5))?).map(Some)
        }
        .boxed()
    }
}

/// Triples: id, whether there is a body, the body.
fn items<'a>(call: &mut Call<'_>, items: impl ExactSizeIterator<Item = (&'a str, &'a Option<Bytes>)>) {
    call.arg(items.len());
    for (id, body) in items {
        call.arg(id).arg(u8::from(body.is_some())).arg(body.as_deref().unwrap_or_default());
    }
}

fn owner(words: &[Value]) -> Result<Owner> {
    reply::text(words.get(1))?.parse().map_err(|e| reply::corrupt("an owner", e))
}

fn holder(words: &[Value]) -> Result<Holder> {
    Ok(Holder { owner: owner(words)?, token: Token(reply::number(words.get(2))?) })
}

/// Rows in the order of their ids.
fn rows(value: Option<&Value>) -> Result<Rows> {
    let pairs = reply::list(value.unwrap_or(&Value::Nil))?.chunks(2);
    let mut rows =
        pairs.map(|pair| Ok((reply::text(pair.first())?, reply::bytes(pair.get(1))?))).collect::<Result<Rows>>()?;
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(rows)
}

fn changed_meanwhile(tenant: &TenantId) -> StoreError {
    StoreError::Unavailable { reason: format!("the queues of {tenant} have changed while they were read") }
}

fn record(tenant: &TenantId, words: &[Value], requests: Rows, reservations: Rows) -> Result<QueueRecord> {
    let agent = |(id, body): (String, Bytes)| match AgentId::parse(&id) {
        Ok(id) => Some((id, body)),
        Err(error) => {
            tracing::error!(%tenant, %error, "a reservation without an agent is ignored");
            None
        }
    };
    Ok(QueueRecord {
        tenant: tenant.clone(),
        owner: owner(words)?,
        token: Token(reply::number(words.get(2))?),
        state: reply::bytes(words.get(3))?,
        requests,
        reservations: reservations.into_iter().filter_map(agent).collect(),
        consumed: position(&reply::text(words.get(6))?)?.unwrap_or(Position::START),
    })
}
