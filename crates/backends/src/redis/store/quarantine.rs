//! Quarantined records.

use futures::FutureExt as _;
use infra::{
    Answer, LedgerKind, Quarantine, QuarantineId, QuarantineRequest, QuarantinedRecord, QuarantinedState, Result,
    StoreError, Written, bounds, released,
};
use model::{Owner, TenantId, Timestamp, Token};
use redis::Value;

use super::encoded;
use super::records::{Kind, written};
use super::tenants::STREAMS;
use crate::redis::connection::reply;
use crate::redis::scripts::Call;
use crate::redis::{RedisStores, tag};

impl RedisStores {
    fn of_quarantine(&self, tenant: &TenantId, what: &str) -> Call<'_> {
        let mut call = Call::on(&self.scripts.quarantine, tenant);
        call.arg(what).arg(self.clock.now().as_micros()).arg(bounds::QUARANTINE_KEPT.as_micros().to_string());
        call.arg(bounds::QUARANTINE_MAX).arg(bounds::QUARANTINE_BYTES);
        call
    }

    async fn put_row_aside(&self, kind: Kind, aside: &QuarantineRequest) -> Result<Written> {
        // Commits that wait here are newer than Redis's record.
        self.replay_previous_run().boxed().await?;
        let mut queue = self.outage.queue.lock().await;
        self.replay_queue(&mut queue).await;
        let id = (kind.name, aside.tenant.clone(), aside.key.clone());
        if queue.waits_for(&id) {
            let reason = "commits of this record wait here for Redis".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        self.announce(STREAMS, &aside.tenant).await?;
        let mut call = self.of_quarantine(&aside.tenant, "put");
        call.arg(kind.name).arg(kind.remembers.as_micros().to_string()).arg(&aside.key);
        call.arg(aside.owner.to_string()).arg(aside.token.0).arg(&aside.why).bytes(&aside.report);
        call.list(encoded(&aside.events, Some(&aside.owner)).iter().map(|fact| &fact[..]));
        let written = written(&call.send(self).await?)?;
        // If Redis comes back empty, the record is not written again.
        if !matches!(written, Written::Refused(_)) {
            self.outage.forget(&id);
        }
        Ok(written)
    }

    /// Moves an unreadable record to quarantine, found among those of a failed owner.
    pub(in crate::redis) async fn put_damaged_aside(
        &self,
        kind: Kind,
        tenant: &TenantId,
        of: &Owner,
        key: &str,
        why: &str,
    ) -> Result<()> {
        let mut call = self.of_quarantine(tenant, "damaged");
        call.arg(kind.name).arg(kind.remembers.as_micros().to_string()).arg(key).arg(of.to_string());
        call.arg(released().to_string()).arg(why.get(..bounds::QUARANTINE_WHY_MAX).unwrap_or(why));
        call.send(self).await.map(drop)
    }

    /// Whether a record in quarantine was changed.
    async fn is_done(&self, call: &mut Call<'_>) -> Result<bool> {
        let words = reply::texts(&call.send(self).await?)?;
        Ok(words.first().is_some_and(|word| word == "done"))
    }
}

fn listed(value: &Value) -> Result<QuarantinedRecord> {
    let words = reply::list(value)?;
    let ledger = reply::text(words.get(1))?;
    let at = Timestamp::from_micros(reply::number(words.get(6))?);
    Ok(QuarantinedRecord {
        id: QuarantineId(reply::number(words.first())?),
        ledger: LedgerKind::named(&ledger).ok_or_else(|| reply::corrupt("a ledger's name", ledger))?,
        key: reply::text(words.get(2))?,
        owner: reply::text(words.get(3))?.parse().map_err(|e| reply::corrupt("an owner", e))?,
        token: Token(reply::number(words.get(4))?),
        why: reply::text(words.get(5))?,
        at,
        expires_at: at + bounds::QUARANTINE_KEPT,
        bytes: usize::try_from(reply::number(words.get(7))?).unwrap_or(usize::MAX),
    })
}

// === impl Quarantine ===

impl Quarantine for RedisStores {
    fn put_aside(&self, mut aside: QuarantineRequest) -> Answer<'_, Written> {
        async move {
            aside.bound();
            self.put_row_aside(Kind::of(aside.ledger), &aside).await
        }
        .boxed()
    }

    fn list<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Vec<QuarantinedRecord>> {
        async move {
            let answer = self.of_quarantine(tenant, "list").send(self).await?;
            // An unreadable record hides no other.
            let listed = reply::list(&answer)?.iter().skip(1).map(listed);
            let readable = listed.filter_map(|aside| match aside {
                Ok(aside) => Some(aside),
                Err(error) => {
                    tracing::error!(%tenant, %error, "a record in quarantine cannot be read");
                    None
                }
            });
            Ok(readable.collect())
        }
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId) -> Answer<'a, Option<QuarantinedState>> {
        async move {
            let answer = self.of_quarantine(tenant, "read").arg(id.0).send(self).await?;
            let words = reply::list(&answer)?;
            let Some(aside) = words.get(1) else { return Ok(None) };
            let due = reply::text(words.get(5))?;
            let due = if due.is_empty() { None } else { Some(Timestamp::from_micros(reply::number(words.get(5))?)) };
            Ok(Some(QuarantinedState {
                aside: listed(aside)?,
                report: reply::bytes(words.get(2))?,
                state: reply::bytes(words.get(3))?,
                intentions: reply::bytes(words.get(4))?,
                due,
            }))
        }
        .boxed()
    }

    fn release<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId, by: &'a str) -> Answer<'a, bool> {
        async move {
            let mut call = self.of_quarantine(tenant, "release");
            let done = self.is_done(call.arg(id.0).arg(released().to_string())).await?;
            if done {
                tracing::info!(%tenant, %id, by, "a record is released from quarantine");
            }
            Ok(done)
        }
        .boxed()
    }

    fn discard<'a>(&'a self, tenant: &'a TenantId, id: QuarantineId, by: &'a str) -> Answer<'a, bool> {
        async move {
            let done = self.is_done(self.of_quarantine(tenant, "discard").arg(id.0)).await?;
            if done {
                tracing::info!(%tenant, %id, by, "a record in quarantine is discarded");
            }
            Ok(done)
        }
        .boxed()
    }

    fn dropped<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, u64> {
        async move {
            let key = format!("asidemeta:{}", tag(tenant));
            let answer = self.connections.command(redis::cmd("HGET").arg(key).arg("dropped")).await?;
            let count = reply::text(Some(&answer))?;
            if count.is_empty() { Ok(0) } else { reply::number(Some(&answer)) }
        }
        .boxed()
    }
}
