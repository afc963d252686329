//! Bounded memory of a trace recorder: calls and dialogs; the oldest are removed first.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use model::{CallUuid, ConnId, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

mod kept;
mod key;
mod refusal;

pub(super) use kept::Kept;
pub use key::Key;

use super::entry::{Entry, Summary, What};
use super::{TaggedLeg, mask};
use crate::directory::Directory;

/// Entries per call or dialog. A call of an hour with a session refresh each 15 minutes has some hundred.
const ENTRIES_MAX: usize = 4_096;
/// One call or dialog may take at most 1/`SHARE` of the memory.
const SHARE: usize = 8;
/// Approximate memory of a bucket beside its entries.
const BUCKET_BYTES: usize = 400;
/// The same of a further call's id, in its bucket and in the index.
const FURTHER_BYTES: usize = 32;
/// Buckets that one query examines.
const FOUND_MAX: usize = 256;

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory in bytes.
    pub bytes: usize,
    /// Calls and dialogs.
    pub calls: usize,
    /// Counted from the last entry of a call.
    pub age: Duration,
}

/// Everything recorded about the calls of one query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The calls.
    pub conn_ids: Vec<ConnId>,
    /// Their global ids.
    pub uuids: Vec<CallUuid>,
    /// The Call-IDs of their dialogs.
    pub call_ids: Vec<String>,
    /// Entries that were left out.
    pub left_out: u64,
    /// The recorded entries, in order of time.
    pub entries: Vec<Entry>,
}

crate::metrics! {
    /// Counters of a recorder; they survive restarts of its role.
    #[derive(Clone, Debug, Default)]
    pub struct Counts {
        /// Calls and dialogs kept in the trace memory of this role.
        pub calls: Gauge = "trace_calls";
        /// Bytes used by the trace memory.
        pub bytes: Gauge = "trace_bytes";
        /// Trace entries that were left out, or removed before their age, because a limit was reached.
        pub dropped: Counter = "trace_dropped";
    }
}

/// A call, or a dialog of which only the Call-ID is known.
struct Bucket {
    conn_id: Option<ConnId>,
    uuid: Option<CallUuid>,
    tenant: Option<TenantId>,
    /// Claimed by two tenants: shown only to operators of the installation.
    mixed: bool,
    /// The dialog of a bucket of messages; all dialogs of a call's own bucket.
    call_ids: Vec<Box<str>>,
    /// Of a bucket of messages, the leg whose dialog it is.
    leg: Option<u16>,
    /// Further calls of its thread, beside the call that names it.
    further: Vec<ConnId>,
    /// Whether it belongs to a call; otherwise it has the messages of one dialog.
    is_call: bool,
    entries: Vec<Kept>,
    bytes: usize,
    left_out: u64,
    last: u64,
}

type Number = u64;

pub(super) struct Store {
    limits: Limits,
    counts: Counts,
    buckets: HashMap<Number, Bucket>,
    by_call: HashMap<ConnId, Number>,
    by_dialog: HashMap<Box<str>, Number>,
    /// Dialogs by their call.
    dialogs_of: HashMap<ConnId, Vec<Number>>,
    /// Threads by the ids of their further calls, which have no bucket of their own.
    thread_of: HashMap<ConnId, ConnId>,
    /// Calls by the Call-ID of a dialog that was linked to them.
    call_of: HashMap<Box<str>, ConnId>,
    /// Oldest first, each with the time of its last entry when it was queued; checked again before removal.
    queue: VecDeque<(Number, u64)>,
    next: Number,
    bytes: usize,
}

impl Store {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            counts: Counts::default(),
            buckets: HashMap::new(),
            by_call: HashMap::new(),
            by_dialog: HashMap::new(),
            dialogs_of: HashMap::new(),
            thread_of: HashMap::new(),
            call_of: HashMap::new(),
            queue: VecDeque::new(),
            next: 0,
            bytes: 0,
        }
    }

    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    // ---- input

    pub fn note(&mut self, tenant: &TenantId, conn_id: ConnId, kept: Kept) {
        let at = kept.at();
        let number = self.call(tenant, conn_id, at);
        self.append(number, kept);
    }

    pub fn name(&mut self, tenant: &TenantId, conn_id: ConnId, call_id: &str, at: Timestamp) {
        let number = self.call(tenant, conn_id, at.as_micros());
        let Some(bucket) = self.buckets.get_mut(&number) else { return };
        if bucket.call_ids.len() >= ENTRIES_MAX || bucket.call_ids.iter().any(|known| **known == *call_id) {
            return;
        }
        bucket.call_ids.push(call_id.into());
        bucket.bytes += call_id.len();
        self.bytes += call_id.len();
        self.call_of.insert(call_id.into(), conn_id);
    }

    pub fn lead(&mut self, tenant: &TenantId, further: ConnId, thread: ConnId, at: Timestamp) {
        let number = self.call(tenant, thread, at.as_micros());
        let Some(bucket) = self.buckets.get_mut(&number) else { return };
        if bucket.further.len() < ENTRIES_MAX && self.thread_of.insert(further, thread).is_none() {
            bucket.further.push(further);
            bucket.bytes += FURTHER_BYTES;
            self.bytes += FURTHER_BYTES;
        }
    }

    pub fn identify(&mut self, tenant: &TenantId, conn_id: ConnId, uuid: CallUuid, at: Timestamp) {
        let number = self.call(tenant, conn_id, at.as_micros());
        if let Some(bucket) = self.buckets.get_mut(&number) {
            bucket.uuid = Some(uuid);
        }
    }

    /// Whether the call of that dialog is known.
    pub fn knows_call_of(&self, call_id: &str) -> bool {
        let bucket = self.by_dialog.get(call_id).and_then(|number| self.buckets.get(number));
        bucket.is_some_and(|bucket| bucket.conn_id.is_some())
    }

    pub fn message(&mut self, call_id: &str, tagged: Option<TaggedLeg>, tenant: Option<&TenantId>, kept: Kept) {
        let number = match self.by_dialog.get(call_id) {
            Some(number) => *number,
            None => {
                let bucket = Bucket { call_ids: vec![call_id.into()], ..Bucket::new(kept.at()) };
                let number = self.insert(bucket, kept.at());
                self.by_dialog.insert(call_id.into(), number);
                number
            }
        };
        if let Some(bucket) = self.buckets.get_mut(&number) {
            match (&bucket.tenant, tenant) {
                (None, Some(tenant)) => bucket.tenant = Some(tenant.clone()),
                (Some(known), Some(tenant)) if known != tenant => bucket.mixed = true,
                _ => {}
            }
            if let (None, Some(TaggedLeg { conn_id, leg })) = (bucket.conn_id, tagged) {
                (bucket.conn_id, bucket.leg) = (Some(conn_id), Some(leg));
                self.dialogs_of.entry(conn_id).or_default().push(number);
            }
        }
        self.append(number, kept);
    }

    fn call(&mut self, tenant: &TenantId, conn_id: ConnId, at: u64) -> Number {
        if let Some(number) = self.by_call.get(&conn_id) {
            return *number;
        }
        let bucket = Bucket { conn_id: Some(conn_id), tenant: Some(tenant.clone()), is_call: true, ..Bucket::new(at) };
        let number = self.insert(bucket, at);
        self.by_call.insert(conn_id, number);
        number
    }

    fn insert(&mut self, bucket: Bucket, at: u64) -> Number {
        self.expire(at);
        self.next += 1;
        self.bytes += bucket.bytes;
        self.queue.push_back((self.next, at));
        self.buckets.insert(self.next, bucket);
        self.make_room();
        self.next
    }

    fn append(&mut self, number: Number, kept: Kept) {
        let share = self.limits.bytes / SHARE;
        let Some(bucket) = self.buckets.get_mut(&number) else { return };
        bucket.last = bucket.last.max(kept.at());
        let bytes = kept.bytes();
        if bucket.entries.len() >= ENTRIES_MAX || bucket.bytes + bytes > share {
            bucket.left_out += 1;
            self.counts.dropped.inc();
            return;
        }
        bucket.bytes += bytes;
        bucket.entries.push(kept);
        self.bytes += bytes;
        self.make_room();
    }

    // ---- removal by limits and age

    fn make_room(&mut self) {
        while self.bytes > self.limits.bytes || self.buckets.len() > self.limits.calls {
            let Some((number, seen)) = self.queue.pop_front() else { break };
            let Some(bucket) = self.buckets.get(&number) else { continue };
            if bucket.last > seen {
                // It has newer entries: requeue it.
                self.queue.push_back((number, bucket.last));
                continue;
            }
            self.counts.dropped.inc();
            self.remove(number);
        }
        self.show();
    }

    /// Removes entries older than the maximum age. The queue is ordered by time except for buckets with newer entries.
    fn expire(&mut self, now: u64) {
        let age = u64::try_from(self.limits.age.as_micros()).unwrap_or(u64::MAX);
        while let Some((number, seen)) = self.queue.front().copied() {
            if seen.saturating_add(age) > now {
                break;
            }
            self.queue.pop_front();
            match self.buckets.get(&number) {
                Some(bucket) if bucket.last > seen => self.queue.push_back((number, bucket.last)),
                Some(_) => self.remove(number),
                None => {}
            }
        }
        self.show();
    }

    fn remove(&mut self, number: Number) {
        let Some(bucket) = self.buckets.remove(&number) else { return };
        self.bytes = self.bytes.saturating_sub(bucket.bytes);
        for call_id in &bucket.call_ids {
            if bucket.is_call {
                self.call_of.remove(call_id);
            } else {
                self.by_dialog.remove(call_id);
            }
        }
        for further in &bucket.further {
            self.thread_of.remove(further);
        }
        let Some(conn_id) = bucket.conn_id else { return };
        if bucket.is_call {
            self.by_call.remove(&conn_id);
        } else if let Some(dialogs) = self.dialogs_of.get_mut(&conn_id) {
            dialogs.retain(|other| *other != number);
            if dialogs.is_empty() {
                self.dialogs_of.remove(&conn_id);
            }
        }
    }

    fn show(&self) {
        self.counts.calls.set(i64::try_from(self.buckets.len()).unwrap_or(i64::MAX));
        self.counts.bytes.set(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }

    // ---- queries

    pub fn find(
        &mut self,
        tenant: &TenantId,
        keys: &[Key],
        nobodys: bool,
        now: Timestamp,
        directory: &Directory,
    ) -> Found {
        self.expire(now.as_micros());
        let (calls, numbers) = self.of(keys);
        let is_of = |bucket: &Bucket| bucket.tenant.as_ref() == Some(tenant) && !bucket.mixed;
        let known: BTreeSet<ConnId> =
            calls.iter().copied().filter(|conn_id| self.tenant_of(*conn_id, &numbers) == Some(tenant)).collect();
        let mut found = Found::default();
        for bucket in numbers.iter().filter_map(|number| self.buckets.get(number)) {
            let by_call = bucket.conn_id.is_some_and(|conn_id| known.contains(&conn_id));
            let is_nobodys = bucket.tenant.is_none() && !bucket.mixed;
            if is_of(bucket) || (is_nobodys && (by_call || nobodys)) {
                bucket.tell(&mut found, directory);
            }
        }
        // The ConnID alone is enough to query the role's present state of the call.
        found.conn_ids = known.into_iter().collect();
        found.entries.sort_by_key(|entry| entry.at);
        found.call_ids.sort();
        found.call_ids.dedup();
        found
    }

    /// The call belongs to the first tenant that was named for it. An attacker who learns its tags later can add
    /// dialogs to it, but not take it over.
    fn tenant_of(&self, conn_id: ConnId, numbers: &BTreeSet<Number>) -> Option<&TenantId> {
        let buckets = numbers.iter().filter_map(|number| self.buckets.get(number));
        buckets
            .filter(|bucket| bucket.conn_id == Some(conn_id) && !bucket.mixed)
            .find_map(|bucket| bucket.tenant.as_ref())
    }

    /// The calls that match the keys, and all their buckets.
    fn of(&self, keys: &[Key]) -> (BTreeSet<ConnId>, BTreeSet<Number>) {
        let mut calls = BTreeSet::new();
        let mut numbers = BTreeSet::new();
        for key in keys {
            match key {
                Key::Conn(conn_id) => {
                    let thread = self.thread_of.get(conn_id).filter(|_| !self.by_call.contains_key(conn_id));
                    calls.insert(*thread.unwrap_or(conn_id));
                }
                Key::Uuid(uuid) => {
                    let of_uuid = self.buckets.values().filter(|bucket| bucket.uuid == Some(*uuid));
                    calls.extend(of_uuid.filter_map(|bucket| bucket.conn_id));
                }
                Key::CallId(call_id) => {
                    calls.extend(self.call_of.get(call_id.as_str()));
                    if let Some(number) = self.by_dialog.get(call_id.as_str()) {
                        numbers.insert(*number);
                        calls.extend(self.buckets.get(number).and_then(|bucket| bucket.conn_id));
                    }
                }
            }
        }
        for conn_id in &calls {
            numbers.extend(self.dialogs_of.get(conn_id).into_iter().flatten());
            let Some(call) = self.by_call.get(conn_id) else { continue };
            numbers.insert(*call);
            let named = self.buckets.get(call).map(|bucket| bucket.call_ids.as_slice()).unwrap_or_default();
            numbers.extend(named.iter().filter_map(|call_id| self.by_dialog.get(call_id)));
        }
        (calls, numbers.into_iter().take(FOUND_MAX).collect())
    }

    /// `from` is compared with the masked number, so that a reader without the right to numbers cannot guess one digit
    /// by digit.
    pub fn latest(
        &mut self,
        tenant: &TenantId,
        from: Option<&str>,
        numbers: bool,
        limit: usize,
        now: Timestamp,
    ) -> Vec<Summary> {
        self.expire(now.as_micros());
        let mut calls: Vec<&Bucket> = self
            .by_call
            .values()
            .filter_map(|number| self.buckets.get(number))
            .filter(|bucket| bucket.tenant.as_ref() == Some(tenant))
            .collect();
        // The upper bits of a ConnID are its time.
        calls.sort_by_key(|bucket| std::cmp::Reverse(bucket.conn_id));
        let fits = |summary: &Summary| is_from(summary, from, numbers);
        calls.into_iter().filter_map(Bucket::summary).filter(fits).take(limit).collect()
    }

    pub fn tenants(&self) -> Vec<TenantId> {
        let all: BTreeSet<&TenantId> = self.buckets.values().filter_map(|bucket| bucket.tenant.as_ref()).collect();
        all.into_iter().cloned().collect()
    }
}

/// Whether the number of who calls, as it is shown, ends with `from`.
fn is_from(summary: &Summary, from: Option<&str>, numbers: bool) -> bool {
    let shown = || if numbers { summary.from.clone() } else { mask::user(&summary.from) };
    from.is_none_or(|from| shown().ends_with(from))
}

impl Bucket {
    fn new(at: u64) -> Self {
        Self {
            conn_id: None,
            uuid: None,
            tenant: None,
            mixed: false,
            call_ids: Vec::new(),
            leg: None,
            further: Vec::new(),
            is_call: false,
            entries: Vec::new(),
            bytes: BUCKET_BYTES,
            left_out: 0,
            last: at,
        }
    }

    fn tell(&self, found: &mut Found, directory: &Directory) {
        found.uuids.extend(self.uuid);
        found.call_ids.extend(self.call_ids.iter().map(ToString::to_string));
        found.left_out += self.left_out;
        found.entries.extend(self.entries.iter().map(|kept| kept.entry(directory, self.leg)));
    }

    fn summary(&self) -> Option<Summary> {
        let entries = || {
            self.entries.iter().filter_map(|kept| match kept {
                Kept::What(entry) => Some(entry),
                Kept::Message { .. } => None,
            })
        };
        let call = entries().find_map(|entry| match &entry.what {
            What::Call(call) => Some(call),
            _ => None,
        })?;
        let event = |entry: &Entry| match &entry.what {
            What::Event(event) => Some((entry.at, (**event).clone())),
            _ => None,
        };
        let events: Vec<(u64, super::entry::Event)> = entries().filter_map(event).collect();
        let outside: Vec<&str> = entries().filter_map(|entry| entry.what.party_outside()).collect();
        let answered = |(_, event): &(u64, super::entry::Event)| event.answered_by(&outside).map(str::to_owned);
        Some(Summary {
            conn_id: self.conn_id?.to_string(),
            uuid: call.uuid.clone(),
            began: call.began,
            ended: events.iter().find(|(_, event)| event.name == "EventCallDeleted").map(|(at, _)| *at),
            from: call.caller.clone(),
            to: call.dialled.clone(),
            answered_by: events.iter().rev().find_map(answered),
            last_event: events.last().map(|(_, event)| event.name.clone()),
        })
    }
}

#[cfg(test)]
mod tests;
