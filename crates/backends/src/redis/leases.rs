//! Epochs, leases, jobs, and the right to export a stream.

use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, ExportLease, Lease, Leases, Outbox, Position, Result, StoreError, bounds};
use model::{Epoch, NodeId, Owner, TenantId, Timestamp, Token};

use super::ledgers::STREAMS;
use super::script::Call;
use super::{RedisStores, position, refused, reply};

/// The tag of what belongs to no tenant.
const NODES: &str = "{nodes}";

impl RedisStores {
    fn of_nodes(&self, what: &str) -> Call<'_> {
        let mut call = Call::tagged(&self.scripts.leases, NODES);
        call.arg(what).arg(self.clock.now().as_millis());
        call
    }

    async fn words(&self, call: &Call<'_>) -> Result<Vec<String>> {
        reply::texts(&call.send(self).await?)
    }
}

fn parsed<T: std::str::FromStr>(what: &str, text: Option<&String>) -> Result<T>
where
    T::Err: ToString,
{
    text.map(String::as_str).unwrap_or_default().parse().map_err(|e: T::Err| reply::corrupt(what, e))
}

fn is_done(words: &[String]) -> bool {
    words.first().is_some_and(|word| word == "done")
}

impl Leases for RedisStores {
    fn next_epoch<'a>(&'a self, node: &'a NodeId) -> Answer<'a, Epoch> {
        async move {
            let mut call = self.of_nodes("epoch");
            call.arg(node.as_str()).arg(bounds::LEASES_MAX);
            let words = self.words(&call).await?;
            if is_done(&words) { parsed("an epoch", words.get(1)).map(Epoch) } else { Err(refused(&words)) }
        }
        .boxed()
    }

    fn renew<'a>(&'a self, owner: &'a Owner, role: &'a str, ttl: Duration) -> Answer<'a, ()> {
        async move {
            // Before the lease: nobody claims what an owner has not given back yet.
            self.mend().await?;
            let mut call = self.of_nodes("renew");
            call.arg(owner.node.as_str()).arg(owner.epoch.0).arg(role).arg(ttl.as_millis().to_string());
            let words = self.words(&call).await?;
            if is_done(&words) {
                return Ok(());
            }
            let newest: u64 = parsed("an epoch", words.get(1))?;
            let key = format!("node:{}", owner.node);
            let owner = Owner { node: owner.node.clone(), epoch: Epoch(newest) };
            Err(StoreError::Fenced { key, owner, token: Token(newest) })
        }
        .boxed()
    }

    fn release<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()> {
        async move {
            let mut call = self.of_nodes("release");
            call.arg(owner.node.as_str()).arg(owner.epoch.0);
            call.send(self).await.map(drop)
        }
        .boxed()
    }

    fn live<'a>(&'a self, role: &'a str) -> Answer<'a, Vec<Lease>> {
        async move {
            let mut call = self.of_nodes("live");
            let answer = call.arg(role).send(self).await?;
            let lease = |value: &redis::Value| {
                let words = reply::texts(value)?;
                let until: u64 = parsed("a time", words.get(1))?;
                let owner = parsed("an owner", words.first())?;
                Ok(Lease { owner, role: role.to_owned(), until: Timestamp::from_millis(until) })
            };
            let mut live = reply::list(&answer)?.iter().map(lease).collect::<Result<Vec<_>>>()?;
            live.sort_by(|a, b| a.owner.cmp(&b.owner));
            Ok(live)
        }
        .boxed()
    }

    fn take_job<'a>(&'a self, job: &'a str, owner: &'a Owner, ttl: Duration) -> Answer<'a, Option<Token>> {
        async move {
            let mut call = self.of_nodes("job");
            call.arg(job).arg(owner.to_string()).arg(ttl.as_millis().to_string()).arg(bounds::LEASES_MAX);
            let words = self.words(&call).await?;
            match words.first().map(String::as_str) {
                Some("done") => parsed("a token", words.get(1)).map(|token| Some(Token(token))),
                Some("taken") => Ok(None),
                _ => Err(refused(&words)),
            }
        }
        .boxed()
    }
}

impl Outbox for RedisStores {
    fn tenants(&self) -> Answer<'_, Vec<TenantId>> {
        self.listed(STREAMS).boxed()
    }

    fn take<'a>(&'a self, tenant: &'a TenantId, by: &'a Owner, ttl: Duration) -> Answer<'a, Option<ExportLease>> {
        async move {
            let mut call = Call::on(&self.scripts.outbox, tenant);
            call.arg("take").arg(by.to_string()).arg(self.clock.now().as_millis()).arg(ttl.as_millis().to_string());
            let words = self.words(&call).await?;
            if !is_done(&words) {
                return Ok(None);
            }
            let token = Token(parsed("a token", words.get(1))?);
            let position = position(words.get(2).map_or("", String::as_str))?.unwrap_or(Position::START);
            Ok(Some(ExportLease { token, position }))
        }
        .boxed()
    }

    fn exported<'a>(&'a self, tenant: &'a TenantId, token: Token, position: Position) -> Answer<'a, ()> {
        async move {
            let mut call = Call::on(&self.scripts.outbox, tenant);
            call.arg("exported").arg(token.0).arg(position.to_string()).arg(bounds::STREAM_BYTES);
            let words = self.words(&call).await?;
            let key = format!("export:{tenant}");
            match words.first().map(String::as_str) {
                Some("done") => Ok(()),
                Some("fenced") => Err(StoreError::Fenced {
                    key,
                    owner: parsed("an owner", words.get(1))?,
                    token: Token(parsed("a token", words.get(2))?),
                }),
                _ => Err(StoreError::Missing { key }),
            }
        }
        .boxed()
    }
}
