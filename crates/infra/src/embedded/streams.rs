//! Facts by position; new calls and requests by consumer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use contracts::v1::effect::Effect;
use futures::FutureExt;
use model::{CallUuid, Owner, TenantId, Timestamp};

use super::reader_wakeups::Topic;
use super::state::position_of;
use super::tenant::{Hold, WorkEntry, WorkStream};
use super::{Embedded, Found};
use crate::stream::{EventEntry, EventStream, NewCalls, Posted, PostedEntry, Recipient, RequestStream, TakenCall};
use crate::{Answer, Position, Result, StoreError, bounds, wire};

/// The name of the stream of new calls.
pub(super) const NEW_CALLS: &str = "newcalls";

/// An entry that a consumer has received.
struct Taken {
    position: Position,
    deliveries: u32,
    body: Bytes,
}

impl WorkStream {
    pub(super) fn add(&mut self, position: u64, body: Bytes) {
        self.entries.insert(position, WorkEntry { body, held: None, deliveries: 0 });
    }

    fn hand_back(&mut self, by: &Owner) {
        let held_by = |held: &&mut Option<Hold>| held.as_ref().is_some_and(|hold| hold.by == *by);
        self.entries.values_mut().map(|entry| &mut entry.held).filter(held_by).for_each(|held| *held = None);
    }

    /// Assigns entries to `by`: those that nobody holds or, with `idle_since`, those that others have held since before it.
    fn give(&mut self, by: &Owner, now: Timestamp, idle_since: Option<Timestamp>, max: usize) -> Vec<Taken> {
        let due = |held: &Option<Hold>| match (held, idle_since) {
            (None, None) => true,
            (Some(hold), Some(idle_since)) => hold.by != *by && hold.since <= idle_since,
            _ => false,
        };
        let given = self.entries.iter_mut().filter(|(_, entry)| due(&entry.held)).take(max);
        given
            .map(|(position, entry)| {
                entry.held = Some(Hold { by: by.clone(), since: now });
                entry.deliveries += 1;
                Taken { position: position_of(*position), deliveries: entry.deliveries, body: entry.body.clone() }
            })
            .collect()
    }
}

impl Embedded {
    async fn take_work(
        &self,
        tenant: &TenantId,
        stream: &str,
        by: &Owner,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Taken>> {
        self.wait_for(Topic::work(tenant, stream), wait, |inner| {
            let now = self.clock.now();
            let work = inner.state.tenant(tenant).work.get_mut(stream);
            let taken = work.map(|work| work.give(by, now, None, max)).unwrap_or_default();
            let found = Found::from(!taken.is_empty());
            Ok((taken, found))
        })
        .await
    }

    fn reclaim_work(&self, tenant: &TenantId, stream: &str, by: &Owner, idle: Duration, max: usize) -> Vec<Taken> {
        let now = self.clock.now();
        let mut inner = self.lock();
        let work = inner.state.tenant(tenant).work.get_mut(stream);
        work.map(|work| work.give(by, now, Some(now - idle), max)).unwrap_or_default()
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
        self.write(|inner| {
            let gone = positions.iter().map(|position| {
                Effect::WorkGone(v1::WorkGone {
                    tenant: tenant.to_string(),
                    stream: stream.to_owned(),
                    position: position.minor,
                })
            });
            inner.commit_or_go_on(gone.collect())
        })
        .await
    }
}

// === impl EventStream ===

impl EventStream for Embedded {
    fn read<'a>(
        &'a self,
        tenant: &'a TenantId,
        after: Position,
        max: usize,
        wait: Duration,
    ) -> Answer<'a, Vec<EventEntry>> {
        self.wait_for(Topic::facts(tenant), wait, move |inner| {
            let Some(state) = inner.state.find(tenant) else { return Ok((Vec::new(), Found::Nothing)) };
            let log = &state.events;
            if after.minor < log.trimmed {
                return Err(StoreError::Trimmed { gone: position_of(log.trimmed) });
            }
            let from = log.entries.partition_point(|slot| slot.position <= after.minor);
            let entries: Vec<_> = log
                .entries
                .range(from..)
                .take(max)
                .map(|slot| EventEntry {
                    position: position_of(slot.position),
                    event: Arc::clone(&slot.event),
                    owner: slot.owner.clone(),
                })
                .collect();
            let found = Found::from(!entries.is_empty());
            Ok((entries, found))
        })
        .boxed()
    }

    fn end<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Position> {
        async move { Ok(self.lock().state.find(tenant).map_or(Position::START, |s| position_of(s.events.end))) }.boxed()
    }
}

// === impl NewCalls ===

impl NewCalls for Embedded {
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
            let taken = self.reclaim_work(tenant, NEW_CALLS, by, idle, max);
            self.readable(tenant, NEW_CALLS, taken, taken_call).await
        }
        .boxed()
    }
}

fn taken_call(taken: Taken) -> Result<TakenCall> {
    let call = wire::new_call_from_wire(taken.position, taken.body)?;
    Ok(TakenCall { position: taken.position, deliveries: taken.deliveries, call })
}

fn posted(taken: Taken) -> Result<PostedEntry> {
    wire::posted_from_wire(taken.position, taken.body)
}

// === impl RequestStream ===

fn stream_of(to: &Recipient) -> String {
    match to {
        Recipient::AgentState => "req:agent-state".to_owned(),
        Recipient::Routing => "req:rq".to_owned(),
        Recipient::Owner(owner) => format!("req:{owner}"),
    }
}

impl RequestStream for Embedded {
    fn post<'a>(
        &'a self,
        tenant: &'a TenantId,
        to: &'a Recipient,
        trace: Option<CallUuid>,
        posted: Posted,
    ) -> Answer<'a, Position> {
        let at = self.clock.now();
        self.write(move |inner| {
            let stream = stream_of(to);
            let waiting = inner.state.tenant(tenant).work.get(&stream).map_or(0, |w| w.entries.len());
            if waiting >= bounds::REQUESTS_MAX {
                return Err(StoreError::Full { what: "the request stream", bound: bounds::REQUESTS_MAX as u64 });
            }
            let position = inner.state.next_position();
            let body = wire::posted_to_wire(at, trace, &posted);
            let tenant = tenant.to_string();
            inner.commit(vec![Effect::WorkAdded(v1::WorkAdded { tenant, stream, position, body })])?;
            Ok(position_of(position))
        })
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

    fn hand_back(&self, tenant: &TenantId, to: &Recipient, by: &Owner) {
        if let Some(work) = self.lock().state.tenant(tenant).work.get_mut(&stream_of(to)) {
            work.hand_back(by);
        }
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
            let taken = self.reclaim_work(tenant, &stream_of(to), by, idle, max);
            self.readable(tenant, &stream_of(to), taken, posted).await
        }
        .boxed()
    }
}
