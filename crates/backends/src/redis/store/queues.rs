//! The ledger of queues: one owner per tenant.

mod restore;

use bytes::Bytes;
use futures::FutureExt as _;
use infra::{Answer, Holder, Matter, Position, QueueBatch, QueueLedger, QueueRecord, Result, Written, bounds};
use model::{AgentId, Owner, TenantId, Token};
use redis::Value;

use super::records::written;
use super::streams::audience::Audience;
use super::tenants::STREAMS;
use super::{encoded, stream_bytes};
use crate::redis::RedisStores;
use crate::redis::connection::reply::{self, position};
use crate::redis::scripts::Call;

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
                return Err(infra::StoreError::Unavailable { reason });
            }
            let mut call = Call::on(&self.scripts.queues_claim, tenant);
            call.arg(by.to_string()).arg(seen.map(|token| token.0.to_string()).unwrap_or_default()).arg("claim");
            let answer = call.send(self).await?;
            let words = reply::list(&answer)?;
            if reply::text(words.first())? == "raced" {
                return Ok(Err(holder(words)?));
            }
            let record = record(tenant, words)?;
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
            record(tenant, reply::list(&answer)?).map(Some)
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
fn rows(value: Option<&Value>) -> Result<Vec<(String, Bytes)>> {
    let pairs = reply::list(value.unwrap_or(&Value::Nil))?.chunks(2);
    let mut rows = pairs
        .map(|pair| Ok((reply::text(pair.first())?, reply::bytes(pair.get(1))?)))
        .collect::<Result<Vec<(String, Bytes)>>>()?;
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(rows)
}

fn record(tenant: &TenantId, words: &[Value]) -> Result<QueueRecord> {
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
        requests: rows(words.get(4))?,
        reservations: rows(words.get(5))?.into_iter().filter_map(agent).collect(),
        consumed: position(&reply::text(words.get(6))?)?.unwrap_or(Position::START),
    })
}
