//! Facts by position; new calls and requests by consumer group.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use infra::{
    Answer, EventEntry, EventStream, Matter, NewCalls, OutEntry, Position, Posted, PostedEntry, Recipient,
    RequestStream, Result, StoreError, TakenCall, bounds, wire,
};
use model::{CallUuid, Owner, Stamped, TenantId};

use super::audience::Audience;
use super::link::Sent;
use super::script::Call;
use super::script::PART_ROWS;
use super::{Found, RedisStores, envelopes, position, refused, reply};

/// The name of the stream of new calls.
const NEW_CALLS: &str = "newcalls";

/// A recipient's requests are deleted when nothing was posted for this long: a failed node has left a stream behind.
const REQUESTS_KEPT: Duration = Duration::from_secs(3_600);

/// Entries of a stream that are searched for those held for too long: several turns of a busy node.
const HELD_MAX: usize = 1_000;

/// A reader that holds nothing and has sent no query for this long is of an epoch that is over: readers query every few seconds.
const READERS_KEPT: Duration = Duration::from_secs(600);

/// The entries that readers of this client have received and not acknowledged, by tenant and stream.
pub(super) type Given = HashMap<(TenantId, String), HashMap<Owner, BTreeSet<String>>>;

/// An entry that a consumer has received.
struct Taken {
    position: Position,
    deliveries: u32,
    body: Bytes,
}

fn stream_of(to: &Recipient) -> String {
    match to {
        Recipient::AgentState => "req:agent-state".to_owned(),
        Recipient::Routing => "req:rq".to_owned(),
        Recipient::Owner(owner) => format!("req:{owner}"),
    }
}

impl RedisStores {
    /// The entries after `after` that this release knows and that are `wanted`. Others are skipped: a reader that got an
    /// empty answer for them would never get past them.
    async fn known_events(
        &self,
        tenant: &TenantId,
        mut after: Position,
        max: usize,
        wanted: impl Fn(Audience) -> bool,
    ) -> Result<Vec<OutEntry>> {
        loop {
            let mut call = Call::on(&self.scripts.read_events, tenant);
            let answer = call.about(Matter::Facts).arg(after.to_string()).arg(max).send(self).await?;
            let words = reply::list(&answer)?;
            if reply::text(words.first())? == "trimmed" {
                return Err(StoreError::Trimmed { gone: at(words.get(1))? });
            }
            let entries = words.iter().skip(1).map(entry).collect::<Result<Vec<_>>>()?;
            let Some((last, ..)) = entries.last() else { return Ok(Vec::new()) };
            after = *last;
            let passed_over = entries.iter().filter(|(.., event)| event.is_none()).count();
            if passed_over > 0 {
                tracing::warn!(%tenant, before = %after, passed_over, "facts cannot be read, or are of a later release");
            }
            let known = entries.into_iter().filter(|(_, for_whom, _)| wanted(*for_whom));
            let known = known.filter_map(|(position, for_whom, event)| {
                let entry = EventEntry { position, event: event? };
                Some(OutEntry { entry, is_correction: for_whom == Audience::LogCorrection })
            });
            let known: Vec<_> = known.collect();
            if !known.is_empty() {
                return Ok(known);
            }
        }
    }

    /// Adds facts for the reporting log alone.
    pub(super) async fn tell_log(&self, tenant: &TenantId, events: &[Stamped], for_whom: Audience) -> Result<()> {
        for part in events.chunks(PART_ROWS) {
            let mut call = Call::on(&self.scripts.tell_log, tenant);
            call.arg(for_whom.field()).arg(bounds::STREAM_BYTES_HARD);
            call.about(Matter::Facts).list(envelopes(part).collect::<Vec<_>>().into_iter());
            let words = reply::texts(&call.send(self).await?)?;
            if words.first().map(String::as_str) != Some("done") {
                return Err(refused(&words));
            }
        }
        Ok(())
    }

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

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Entries that others, or a lost answer, have held unchanged for `idle`, by this process's clock alone.
    async fn take_held(
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
        let mut watched = self.steady.watched();
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

    async fn take_work(
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
    async fn readable<T>(
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

    async fn ack_work(&self, tenant: &TenantId, stream: &str, positions: &[Position]) -> Result<()> {
        if positions.is_empty() {
            return Ok(());
        }
        let key = format!("{stream}:{}", super::tag(tenant));
        let ids: Vec<String> = positions.iter().map(ToString::to_string).collect();
        let mut pipe = redis::pipe();
        pipe.atomic().cmd("XACK").arg(&key).arg("readers").arg(&ids).cmd("XDEL").arg(&key).arg(&ids);
        let mut held = self.link.connection().await?;
        let answer = pipe.query_async(&mut held.wire).await;
        let mut sent = Sent::default();
        sent.add(Matter::Work, ids.iter().map(String::len).sum());
        self.link.settled(&held, sent, answer).map(drop)?;
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
    Ok(Taken { position: at(words.first())?, deliveries, body: reply::bytes(words.get(2))? })
}

fn at(value: Option<&redis::Value>) -> Result<Position> {
    position(&reply::text(value)?)?.ok_or_else(|| reply::corrupt("a position", "it is empty"))
}

// === impl EventStream ===

impl EventStream for RedisStores {
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<EventEntry>> {
        let look = move || async move {
            let known = self.known_events(tenant, after, max, |for_whom| for_whom == Audience::All).await?;
            let found = Found::from(!known.is_empty());
            Ok((known.into_iter().map(|known| known.entry).collect(), found))
        };
        self.wait_for(tenant, "ev", wait, look).boxed()
    }

    fn read_out<'a>(&'a self, tenant: &'a TenantId, after: Position, max: usize) -> Answer<'a, Vec<OutEntry>> {
        self.known_events(tenant, after, max, |_| true).boxed()
    }

    fn end<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Position> {
        async move {
            let key = format!("evmeta:{}", super::tag(tenant));
            let end = self.link.command(redis::cmd("HGET").arg(key).arg("end")).await?;
            Ok(position(&reply::text(Some(&end))?)?.unwrap_or(Position::START))
        }
        .boxed()
    }
}

/// An entry; without its event if a later release has written it.
fn entry(value: &redis::Value) -> Result<(Position, Audience, Option<Arc<Stamped>>)> {
    let words = reply::list(value)?;
    let for_whom = reply::text(words.get(2)).ok().and_then(|field| Audience::of_field(&field));
    let event = for_whom.and_then(|_| contracts::wire::decode_stamped(reply::bytes(words.get(1)).ok()?).ok());
    Ok((at(words.first())?, for_whom.unwrap_or(Audience::All), event.map(Arc::new)))
}

fn taken_call(taken: Taken) -> Result<TakenCall> {
    let call = wire::new_call_from_wire(taken.position, taken.body)?;
    Ok(TakenCall { position: taken.position, deliveries: taken.deliveries, call })
}

fn posted(taken: Taken) -> Result<PostedEntry> {
    wire::posted_from_wire(taken.position, taken.body)
}

// === impl NewCalls ===

impl NewCalls for RedisStores {
    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a Owner,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<TakenCall>> {
        async move {
            let taken = self.take_work(tenant, NEW_CALLS, by, max, wait).await?;
            self.readable(tenant, NEW_CALLS, taken, taken_call).await
        }
        .boxed()
    }

    fn ack<'a>(&'a self, tenant: &'a TenantId, positions: &'a [Position]) -> Answer<'a, ()> {
        self.ack_work(tenant, NEW_CALLS, positions).boxed()
    }

    fn reclaim<'a>(
        &'a self,
        tenant: &'a TenantId,
        by: &'a Owner,
        idle: Duration,
        max: usize,
    ) -> Answer<'a, Vec<TakenCall>> {
        async move {
            let taken = self.take_held(tenant, NEW_CALLS, by, idle, max).await?;
            self.readable(tenant, NEW_CALLS, taken, taken_call).await
        }
        .boxed()
    }
}

// === impl RequestStream ===

impl RequestStream for RedisStores {
    fn post<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        trace: Option<CallUuid>,
        posted: Posted,
    ) -> Answer<'a, Position> {
        async move {
            let mut call = Call::on(&self.scripts.post, tenant);
            call.about(Matter::Work).arg(stream_of(to)).bytes(&wire::posted_to_wire(self.clock.now(), trace, &posted));
            call.arg(bounds::REQUESTS_MAX).arg(REQUESTS_KEPT.as_millis().to_string());
            let words = reply::texts(&call.send(self).await?)?;
            match words.first().map(String::as_str) {
                Some("done") => position(words.get(1).map_or("", String::as_str))?
                    .ok_or_else(|| reply::corrupt("a position", "it is empty")),
                _ => Err(refused(&words)),
            }
        }
        .boxed()
    }

    fn take<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        by: &'a Owner,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<PostedEntry>> {
        async move {
            let taken = self.take_work(tenant, &stream_of(to), by, max, wait).await?;
            self.readable(tenant, &stream_of(to), taken, posted).await
        }
        .boxed()
    }

    fn ack<'a>(&'a self, tenant: &'a TenantId, to: &'a Recipient, positions: &'a [Position]) -> Answer<'a, ()> {
        async move { self.ack_work(tenant, &stream_of(to), positions).await }.boxed()
    }

    fn reclaim<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        by: &'a Owner,
        idle: Duration,
        max: usize,
    ) -> Answer<'a, Vec<PostedEntry>> {
        async move {
            let taken = self.take_held(tenant, &stream_of(to), by, idle, max).await?;
            self.readable(tenant, &stream_of(to), taken, posted).await
        }
        .boxed()
    }
}
