//! Epochs, leases, jobs, and the right to export a stream.

use std::time::Duration;

use futures::FutureExt as _;
use infra::{Answer, ExportLease, Lease, Leases, Outbox, Position, Result, StoreError, bounds};
use model::{Epoch, NodeId, Owner, TenantId, Timestamp, Token};

use super::lease_watch::is_over;
use super::tenants::STREAMS;
use crate::redis::RedisStores;
use crate::redis::connection::reply::{self, position, refused};
use crate::redis::scripts::Call;

/// The tag of keys that belong to no tenant.
const NODES: &str = "{nodes}";

/// A lease that was not renewed for this long is removed from the table.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);
/// Prefix of the node in the names of watched leases.
const LEASE: &str = "lease:";

/// A lease as this process has watched it.
struct WatchedLease {
    node: String,
    row: String,
    since: Timestamp,
}

impl RedisStores {
    /// Notes the leases in a script's answer, behind its first word. Unreadable ones are skipped.
    fn watch_leases(&self, answer: &redis::Value, now: Timestamp) -> Result<Vec<WatchedLease>> {
        let mut watched = self.outage.lease_watch();
        let mut leases = Vec::new();
        for row in reply::list(answer)?.iter().skip(1) {
            let Ok(words) = reply::texts(row) else { continue };
            let [node, row] = &words[..] else { continue };
            let since = watched.see(format!("{LEASE}{node}"), row, now);
            leases.push(WatchedLease { node: node.clone(), row: row.clone(), since });
        }
        watched.retain(LEASE, |node| leases.iter().any(|lease| lease.node == node));
        Ok(leases)
    }

    /// Drops the rows of nodes that failed long ago, unless they have changed since they were seen.
    async fn forget_leases(&self, leases: &[WatchedLease], now: Timestamp) -> Result<()> {
        for lease in leases.iter().filter(|lease| now.since(lease.since) >= FORGOTTEN_AFTER) {
            self.of_nodes("forget").arg(&lease.node).arg(&lease.row).send(self).await?;
        }
        Ok(())
    }

    /// Requests something that one node has at a time. If another node has it and its row has been unchanged for its time, requests it
    /// again with that row. Returns the words of the last answer.
    async fn take_over<'a>(
        &'a self,
        what: String,
        ttl: Duration,
        ask: impl Fn(&str) -> Call<'a>,
    ) -> Result<Vec<String>> {
        let words = self.words(&ask("")).await?;
        let [taken, row] = &words[..] else { return Ok(words) };
        if taken != "taken" {
            return Ok(words);
        }
        let now = self.clock.now();
        let since = self.outage.lease_watch().see(what, row, now);
        if is_over(since, ttl, now) { self.words(&ask(row)).await } else { Ok(words) }
    }

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
            let renewed = async {
                // Before the lease: nobody claims a record that its owner has not restored yet.
                self.recover().await?;
                let mut call = self.of_nodes("renew");
                call.arg(owner.node.as_str()).arg(owner.epoch.0).arg(role).arg(ttl.as_millis().to_string());
                call.send(self).await
            };
            let answer = renewed.await;
            self.outage.note_renewal(&answer);
            let answer = answer?;
            let words = reply::list(&answer)?;
            if reply::text(words.first())? == "done" {
                // A node that renews also watches the others: if one of them fails, it is known since when.
                let now = self.clock.now();
                let leases = self.watch_leases(&answer, now)?;
                return self.forget_leases(&leases, now).await;
            }
            let newest = reply::number(words.get(1))?;
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
            let answer = self.of_nodes("live").send(self).await?;
            let now = self.clock.now();
            let lease = |watched: WatchedLease| {
                let mut words = watched.row.splitn(3, ' ');
                let (epoch, of) = (words.next()?.parse().ok()?, words.nth(1)?);
                let owner = Owner { node: NodeId::parse(&watched.node).ok()?, epoch: Epoch(epoch) };
                let until = watched.since + bounds::LEASE + bounds::LEASE_MARGIN;
                let is_live = of == role && !is_over(watched.since, bounds::LEASE, now);
                is_live.then(|| Lease { owner, role: role.to_owned(), until })
            };
            let mut live: Vec<Lease> = self.watch_leases(&answer, now)?.into_iter().filter_map(lease).collect();
            live.sort_by(|a, b| a.owner.cmp(&b.owner));
            Ok(live)
        }
        .boxed()
    }

    fn take_job<'a>(&'a self, job: &'a str, owner: &'a Owner, ttl: Duration) -> Answer<'a, Option<Token>> {
        async move {
            let ask = |seen: &str| {
                let mut call = self.of_nodes("job");
                call.arg(job).arg(owner.to_string()).arg(ttl.as_millis().to_string()).arg(bounds::LEASES_MAX).arg(seen);
                call
            };
            let words = self.take_over(format!("job:{job}"), ttl, ask).await?;
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
            let ask = |seen: &str| {
                let mut call = Call::on(&self.scripts.outbox, tenant);
                call.arg("take").arg(by.to_string()).arg(self.clock.now().as_millis());
                call.arg(ttl.as_millis().to_string()).arg(seen);
                call
            };
            let words = self.take_over(format!("export:{tenant}"), ttl, ask).await?;
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
            call.arg("exported").arg(token.0).arg(position.to_string());
            call.arg(bounds::STREAM_BYTES).arg(bounds::STREAM_BYTES_UNREAD);
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
