//! A tenant's state, folded from its events: the open threads, and the position up to which they contain the stream.

use bytes::Bytes;
use infra::{EventEntry, LogRecord, Position, bounds};
use model::{CallUuid, TenantId, Timestamp};
use tracing::error;

use super::log_records::log_records;
use super::metrics::Metrics;
use super::records;
use super::snapshot::Told;
use super::thread::{CallThread, Folded};
use super::threads::{Closing, Threads};

/// A thread as it is to be stored; `None` removes it.
pub(super) type ThreadChange = (CallUuid, Option<Bytes>);

/// What is to be stored, in parts of which each is one write.
pub(super) struct ThreadChanges {
    /// The threads that have changed; at least one part. The position goes with the last: a thread knows which events it contains.
    pub puts: Vec<Vec<ThreadChange>>,
    /// The threads that are gone. They follow the position: a thread that is gone would begin again with an event that is read twice.
    pub removals: Vec<Vec<ThreadChange>>,
}

/// A tenant's state.
pub(super) struct View {
    pub threads: Threads,
    pub told: Told,
    position: Position,
    /// The position that is stored with the threads.
    stored: Position,
    counted: i64,
    metrics: Metrics,
}

impl View {
    /// Continues from what is stored: a damaged thread costs only that thread.
    pub fn restore(tenant: &TenantId, position: Position, stored: Vec<(CallUuid, Bytes)>, metrics: Metrics) -> Self {
        let mut threads = Threads::default();
        for (id, bytes) in stored {
            match records::decode(&bytes) {
                Ok(thread) if thread.id == id => threads.restore(thread),
                Ok(thread) => damaged(tenant, id, &metrics, &mut threads, &format!("it is thread {}", thread.id)),
                Err(error) => damaged(tenant, id, &metrics, &mut threads, &error.to_string()),
            }
        }
        let mut view = Self { threads, told: Told::default(), position, stored: position, counted: 0, metrics };
        view.count();
        view
    }

    /// Folds entries of the tenant's event stream.
    pub fn fold(&mut self, entries: &[EventEntry]) {
        for entry in entries {
            if self.threads.fold(&entry.event, entry.position) == Folded::NoRoom {
                self.metrics.dropped(1);
            }
            self.told.fold(&entry.event);
            self.position = entry.position;
        }
        self.count();
    }

    /// Takes note of entries before the position: they are folded into the threads, and not into what was told of agents.
    pub fn recall(&mut self, entries: &[EventEntry]) {
        entries.iter().for_each(|entry| self.told.fold(&entry.event));
    }

    /// The position up to which the stream is folded.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The stream does not have the events up to `gone` any more.
    pub fn lacks_events(&mut self, gone: Position) {
        self.threads.lack_events();
        self.position = gone;
    }

    /// The records of the threads that close now.
    pub fn close(&mut self, tenant: &TenantId, now: Timestamp, which: Closing) -> Vec<LogRecord> {
        let closed = self.threads.close(now, which, self.position);
        self.metrics.closed(closed.len());
        self.count();
        closed.iter().flat_map(|thread| log_records(tenant, thread)).collect()
    }

    fn count(&mut self) {
        let open = i64::try_from(self.threads.len()).unwrap_or(i64::MAX);
        self.metrics.threads(open - std::mem::replace(&mut self.counted, open));
    }

    // === what is stored ===

    /// How many threads are not stored as they are.
    pub fn unstored(&self) -> usize {
        self.threads.changed().len()
    }

    /// Whether something is not stored yet.
    pub fn has_news(&self) -> bool {
        self.position != self.stored || self.unstored() > 0
    }

    /// What is to be stored.
    pub fn changes(&self) -> ThreadChanges {
        let encoded = self.threads.changed().map(|(id, thread)| (id, thread.and_then(|thread| self.encoded(thread))));
        let (puts, removals): (Vec<ThreadChange>, Vec<ThreadChange>) = encoded.partition(|(_, body)| body.is_some());
        ThreadChanges { puts: in_parts(puts), removals: in_parts(removals) }
    }

    fn encoded(&self, thread: &CallThread) -> Option<Bytes> {
        let body = records::encode(thread);
        if body.len() <= bounds::STATE_MAX {
            return Some(body);
        }
        self.metrics.too_large();
        error!(thread = %thread.id, bytes = body.len(), "a call thread is too large to be stored: it ends with this process");
        None
    }

    /// All parts are stored.
    pub fn stored(&mut self) {
        self.stored = self.position;
        self.threads.stored();
    }
}

fn damaged(tenant: &TenantId, id: CallUuid, metrics: &Metrics, threads: &mut Threads, reason: &str) {
    error!(%tenant, thread = %id, reason, "a stored call thread cannot be read: it gets no record");
    metrics.damaged();
    threads.forget(id);
}

impl Drop for View {
    fn drop(&mut self) {
        self.metrics.threads(-self.counted);
    }
}

/// Each part is one write.
fn in_parts(changes: Vec<ThreadChange>) -> Vec<Vec<ThreadChange>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for change in changes {
        let more = change.1.as_ref().map_or(0, Bytes::len);
        if part.len() >= PART_THREADS || (bytes + more > PART_BYTES && !part.is_empty()) {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += more;
        part.push(change);
    }
    parts.push(part);
    parts
}

/// The most threads of one write, and their bytes where it has several: a script of Redis blocks its other clients.
const PART_THREADS: usize = 200;
const PART_BYTES: usize = 1 << 20;
