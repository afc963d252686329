//! Streams whose entries consumers share: each entry goes to one of them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infra::{Matter, Position, Result};
use model::{Owner, TenantId};

use super::at;
use crate::redis::RedisStores;
use crate::redis::connection::{SentBytes, reply};
use crate::redis::scripts::Call;
use crate::redis::store::wait::Found;
use crate::redis::tag;

/// Entries of a stream that are searched for those held for too long: several turns of a busy node.
const HELD_MAX: usize = 1_000;

/// A reader that holds nothing and has sent no query for this long is of an epoch that is over: readers query every few seconds.
const READERS_KEPT: Duration = Duration::from_secs(600);

/// The entries that readers of this client have received and not acknowledged, by tenant and stream.
pub(in crate::redis) type Given = HashMap<(TenantId, String), HashMap<Owner, BTreeSet<String>>>;

/// An entry that a consumer has received.
pub(super) struct Taken {
    pub(super) position: Position,
    pub(super) deliveries: u32,
    pub(super) body: Bytes,
    /// How long ago it was posted, by the clock of Redis.
    pub(super) age: Duration,
}

impl RedisStores {
    /// Entries that nobody holds.
    async fn take_fresh(&self, tenant: &TenantId, stream: &str, by: &Owner, max: usize) -> Result<Vec<Taken>> {
        let mut call = Call::on(&self.scripts.take_work, tenant);
        let answer = call.about(Matter::Work).arg(stream).arg(by.to_string()).arg(max).send(self).await?;
        let taken: Vec<Taken> = reply::list(&answer)?.iter().map(taken).collect::<Result<_>>()?;
        self.hands_out(tenant, stream, by, &taken);
        Ok(taken)
    }

    /// Remembers the entries that a reader has really received. It knows nothing of a lost answer, although Redis assigned it the entries.
    fn hands_out(&self, tenant: &TenantId, stream: &str, by: &Owner, taken: &[Taken]) {
        let mut given = self.given();
        let got = given.entry((tenant.clone(), stream.to_owned())).or_default().entry(by.clone()).or_default();
        got.extend(taken.iter().map(|taken| taken.position.to_string()));
    }

    /// Forgets entries received before the query that Redis no longer holds, and removes the reader's own received entries from `held`.
    fn without_those_given(
        &self,
        of: &(TenantId, String),
        by: &Owner,
        before: &BTreeSet<String>,
        held: &mut Vec<Vec<String>>,
    ) {
        let mut given = self.given();
        let Some(got) = given.get_mut(of).and_then(|readers| readers.get_mut(by)) else { return };
        if held.len() < HELD_MAX {
            let positions: BTreeSet<&String> = held.iter().filter_map(|entry| entry.first()).collect();
            got.retain(|position| !before.contains(position) || positions.contains(position));
        }
        let by = by.to_string();
        held.retain(|entry| match &entry[..] {
            [position, holder, ..] => *holder != by || !got.contains(position),
            _ => false,
        });
    }

    /// The reader has dropped what it holds: Redis assigns that again as it does what a lost answer has assigned.
    pub(super) fn forget_given(&self, tenant: &TenantId, stream: &str, by: &Owner) {
        if let Some(readers) = self.given().get_mut(&(tenant.clone(), stream.to_owned())) {
            readers.remove(by);
        }
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries that others, or a lost answer, have held unchanged for `idle`, by this process's clock alone.
    pub(super) async fn take_held(
        &self,
        tenant: &TenantId,
        stream: &str,
        by: &Owner,
        idle: Duration,
        max: usize,
    ) -> Result<Vec<Taken>> {
        let of = (tenant.clone(), stream.to_owned());
        let before = self.given().get(&of).and_then(|readers| readers.get(by)).cloned().unwrap_or_default();
        let mut call = Call::on(&self.scripts.reclaim_work, tenant);
        call.about(Matter::Work).arg("held").arg(stream).arg(by.to_string()).arg(HELD_MAX);
        let answer = call.arg(READERS_KEPT.as_millis().to_string()).send(self).await?;
        let mut held = reply::list(&answer)?.iter().map(reply::texts).collect::<Result<Vec<_>>>()?;
        self.without_those_given(&of, by, &before, &mut held);
        let due = self.held_for(&format!("{stream}:{tenant}:"), held, idle, max);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let mut call = Call::on(&self.scripts.reclaim_work, tenant);
        call.about(Matter::Work).arg("take").arg(stream).arg(by.to_string()).arg(due.len());
        for word in due.iter().flatten() {
            call.arg(word);
        }
        let answer = call.send(self).await?;
        let taken: Vec<Taken> = reply::list(&answer)?.iter().map(taken).collect::<Result<_>>()?;
        self.hands_out(tenant, stream, by, &taken);
        Ok(taken)
    }

    /// The entries that have been held unchanged for `idle`; each is its position, its holder, and its number of deliveries.
    fn held_for(&self, prefix: &str, held: Vec<Vec<String>>, idle: Duration, max: usize) -> Vec<Vec<String>> {
        let now = self.clock.now();
        let mut watched = self.outage.lease_watch();
        watched.retain(prefix, |position| held.iter().any(|entry| entry.first().is_some_and(|at| at == position)));
        let mut is_due = |entry: &Vec<String>| {
            let Some((position, holder)) = entry.split_first() else { return false };
            now.since(watched.see(format!("{prefix}{position}"), &holder.join(" "), now)) >= idle
        };
        // All of them are checked, so that each is watched from now on.
        let mut due: Vec<Vec<String>> = held.into_iter().filter(|entry| is_due(entry)).collect();
        due.truncate(max);
        due
    }

    pub(super) async fn take_work(
        &self,
        tenant: &TenantId,
        stream: &str,
        by: &Owner,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Taken>> {
        let look = || async {
            let taken = self.take_fresh(tenant, stream, by, max).await?;
            let found = Found::from(!taken.is_empty());
            Ok((taken, found))
        };
        self.wait_for(tenant, stream, wait, look).await
    }

    /// Decodes entries. An unreadable one is dropped: delivered again and again, it would block those behind it.
    pub(super) async fn readable<T>(
        &self,
        tenant: &TenantId,
        stream: &str,
        taken: Vec<Taken>,
        read: impl Fn(Taken) -> Result<T>,
    ) -> Result<Vec<T>> {
        let (mut entries, mut unreadable) = (Vec::with_capacity(taken.len()), Vec::new());
        for taken in taken {
            let position = taken.position;
            match read(taken) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    tracing::error!(%tenant, stream, %error, "an entry cannot be read: it is dropped");
                    unreadable.push(position);
                }
            }
        }
        self.ack_work(tenant, stream, &unreadable).await?;
        Ok(entries)
    }

    pub(super) async fn ack_work(&self, tenant: &TenantId, stream: &str, positions: &[Position]) -> Result<()> {
        if positions.is_empty() {
            return Ok(());
        }
        let key = format!("{stream}:{}", tag(tenant));
        let ids: Vec<String> = positions.iter().map(ToString::to_string).collect();
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("XACK").arg(&key).arg("readers").arg(&ids).cmd("XDEL").arg(&key).arg(&ids);
        let mut held = self.connections.connection().await?;
        let answer = pipe.query_async(&mut held.connection).await;
        let mut sent = SentBytes::default();
        sent.add(Matter::Work, ids.iter().map(String::len).sum());
        self.connections.settled(&held, sent, answer).map(drop)?;
        let mut given = self.given();
        for got in given.get_mut(&(tenant.clone(), stream.to_owned())).into_iter().flat_map(HashMap::values_mut) {
            ids.iter().for_each(|id| {
                got.remove(id);
            });
        }
        Ok(())
    }
}

fn taken(entry: &redis::Value) -> Result<Taken> {
    let words = reply::list(entry)?;
    let deliveries = u32::try_from(reply::number(words.get(1))?).unwrap_or(u32::MAX);
    let age = Duration::from_millis(reply::number(words.get(3))?);
    Ok(Taken { position: at(words.first())?, deliveries, body: reply::bytes(words.get(2))?, age })
}
