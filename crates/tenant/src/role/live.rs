//! Who gets a fact of a tenant: the subscriptions by what they asked for. A fact costs work for those who get it alone.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contracts::{v1, wire};
use infra::{EventEntry, Position, StoreError};
use model::Stamped;
use prost::Message as _;
use smallvec::SmallVec;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tonic::Status;

use super::filter::{Key, SubscriptionFilter, keys_of};
use super::metrics::Metrics;

/// The most facts that wait for one subscription: a second of a busy tenant. One more, and it is dropped as too slow.
pub(super) const WAITING_MAX: usize = 1_024;
/// The most bytes of them: a few dozen facts with the most user data of a call.
const WAITING_BYTES_MAX: usize = 8 << 20;
/// Pause before a look whether a reader has made room.
const ROOM_AGAIN: Duration = Duration::from_millis(20);
/// The latest facts that are kept for subscriptions that come back: several seconds of a busy tenant.
const RECENT_MAX: usize = 4_096;
/// The most bytes of them.
const RECENT_BYTES_MAX: usize = 8 << 20;

/// A fact on its way to subscriptions, encoded once for all of them.
pub(super) struct LiveFact {
    pub(super) position: Position,
    pub(super) envelope: v1::Envelope,
    stamped: Arc<Stamped>,
    keys: SmallVec<[Key; 8]>,
    bytes: usize,
}

impl LiveFact {
    pub fn of(entry: EventEntry) -> Self {
        let envelope = wire::told_to_wire(&entry.event);
        let (keys, bytes) = (keys_of(&entry.event), envelope.encoded_len());
        Self { position: entry.position, envelope, stamped: entry.event, keys, bytes }
    }

    pub fn is_wanted(&self, filter: &SubscriptionFilter) -> bool {
        filter.wants(&self.stamped, &self.keys)
    }
}

/// What waits for one subscription, and why it ends.
#[derive(Default)]
pub(super) struct ReaderQueue {
    bytes: AtomicUsize,
    end: OnceLock<Status>,
}

impl ReaderQueue {
    /// The fact has left the queue.
    pub fn taken(&self, fact: &LiveFact) {
        self.bytes.fetch_sub(fact.bytes, Ordering::Relaxed);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) == 0
    }

    /// Ends the subscription behind what waits for it already; the first reason counts.
    pub fn ends(&self, why: Status) {
        let _ = self.end.set(why);
    }

    pub fn end(&self) -> Option<Status> {
        self.end.get().cloned()
    }
}

/// The end of a subscription's queue at which facts come in.
#[derive(Clone)]
pub(super) struct Inlet {
    pub(super) filter: Arc<SubscriptionFilter>,
    pub(super) queue: mpsc::Sender<Arc<LiveFact>>,
    pub(super) waiting: Arc<ReaderQueue>,
}

/// Why a fact was not taken.
enum NotTaken {
    Slow,
    Gone,
}

impl Inlet {
    fn offer(&self, fact: &Arc<LiveFact>) -> Result<(), NotTaken> {
        let before = self.waiting.bytes.fetch_add(fact.bytes, Ordering::Relaxed);
        let offered = if before > 0 && before + fact.bytes > WAITING_BYTES_MAX {
            Err(NotTaken::Slow)
        } else {
            self.queue.try_send(fact.clone()).map_err(|error| match error {
                TrySendError::Full(_) => NotTaken::Slow,
                TrySendError::Closed(_) => NotTaken::Gone,
            })
        };
        offered.inspect_err(|_| self.waiting.taken(fact))
    }

    /// Waits for room. False: nobody reads any more.
    pub async fn give(&self, fact: Arc<LiveFact>) -> bool {
        while self.waiting.bytes.load(Ordering::Relaxed) >= WAITING_BYTES_MAX {
            if self.queue.is_closed() {
                return false;
            }
            tokio::time::sleep(ROOM_AGAIN).await;
        }
        self.waiting.bytes.fetch_add(fact.bytes, Ordering::Relaxed);
        self.queue.send(fact).await.is_ok()
    }
}

/// The number of a subscription.
pub(super) type Id = u64;

/// The subscriptions of one tenant that have reached the end of its stream.
#[derive(Default)]
pub(super) struct LiveReaders {
    /// Everything up to here was given to the subscriptions.
    position: Position,
    last: Id,
    inlets: HashMap<Id, Inlet>,
    of_all: BTreeSet<Id>,
    by_key: HashMap<Key, HashSet<Id>>,
    recent: VecDeque<Arc<LiveFact>>,
    recent_bytes: usize,
    /// The recent facts have no gap after this position.
    recent_after: Position,
    /// Whether somebody reads the stream for the subscriptions.
    pub(super) is_read: bool,
}

impl LiveReaders {
    pub fn position(&self) -> Position {
        self.position
    }

    pub fn is_empty(&self) -> bool {
        self.inlets.is_empty()
    }

    /// Begins anew at this position, without subscriptions.
    pub fn begin(&mut self, position: Position) {
        (self.position, self.recent_after) = (position, position);
        self.recent.clear();
        self.recent_bytes = 0;
    }

    /// Gives the next facts of the stream to those who want them.
    pub fn give(&mut self, entries: Vec<EventEntry>, metrics: &Metrics) {
        for entry in entries {
            let fact = Arc::new(LiveFact::of(entry));
            for id in self.readers(&fact.keys) {
                self.give_one(id, &fact, metrics);
            }
            self.position = fact.position;
            self.keep(fact);
        }
    }

    /// Whom a fact may concern, each once.
    fn readers(&self, keys: &[Key]) -> Vec<Id> {
        let mut readers: Vec<Id> = self.of_all.iter().copied().collect();
        readers.extend(keys.iter().filter_map(|key| self.by_key.get(key)).flatten());
        readers.sort_unstable();
        readers.dedup();
        readers
    }

    fn give_one(&mut self, id: Id, fact: &Arc<LiveFact>, metrics: &Metrics) {
        let Some(inlet) = self.inlets.get(&id).filter(|inlet| fact.is_wanted(&inlet.filter)) else { return };
        match inlet.offer(fact) {
            Ok(()) => return,
            Err(NotTaken::Gone) => {}
            Err(NotTaken::Slow) => {
                metrics.subscriber_slow();
                inlet.waiting.ends(too_slow());
            }
        }
        self.leave(id);
    }

    fn keep(&mut self, fact: Arc<LiveFact>) {
        self.recent_bytes += fact.bytes;
        self.recent.push_back(fact);
        while self.recent.len() > RECENT_MAX || self.recent_bytes > RECENT_BYTES_MAX {
            let Some(gone) = self.recent.pop_front() else { return };
            self.recent_bytes -= gone.bytes;
            self.recent_after = gone.position;
        }
    }

    /// Adds a subscription that has everything up to `after`, and gives it what came later. None: that is more than is kept, or than its
    /// queue takes now.
    pub fn join(&mut self, inlet: &Inlet, after: Position) -> Option<Id> {
        if after < self.recent_after {
            return None;
        }
        let from = self.recent.partition_point(|fact| fact.position <= after);
        let missed: Vec<&Arc<LiveFact>> =
            self.recent.range(from..).filter(|fact| fact.is_wanted(&inlet.filter)).collect();
        let bytes: usize = missed.iter().map(|fact| fact.bytes).sum();
        let waiting = inlet.waiting.bytes.load(Ordering::Relaxed);
        if missed.len() > inlet.queue.capacity() || (bytes > 0 && waiting + bytes > WAITING_BYTES_MAX) {
            return None;
        }
        // Nobody else gives to this queue, so there is still room.
        if missed.into_iter().any(|fact| inlet.offer(fact).is_err()) {
            return None;
        }
        self.last += 1;
        let id = self.last;
        match inlet.filter.index_keys() {
            None => {
                self.of_all.insert(id);
            }
            Some(keys) => {
                for key in keys {
                    self.by_key.entry(key).or_default().insert(id);
                }
            }
        }
        self.inlets.insert(id, inlet.clone());
        Some(id)
    }

    /// Removes a subscription; its queue ends behind what it holds.
    pub fn leave(&mut self, id: Id) {
        let Some(inlet) = self.inlets.remove(&id) else { return };
        self.of_all.remove(&id);
        for key in inlet.filter.index_keys().unwrap_or_default() {
            if let Some(ids) = self.by_key.get_mut(&key) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }

    /// Ends every subscription.
    pub fn end_all(&mut self, why: &Status) {
        for inlet in std::mem::take(&mut self.inlets).into_values() {
            inlet.waiting.ends(why.clone());
        }
        self.of_all.clear();
        self.by_key.clear();
    }
}

fn too_slow() -> Status {
    Status::resource_exhausted(format!(
        "the reader is too slow: more than {WAITING_MAX} facts or {WAITING_BYTES_MAX} bytes wait for it; continue after the last position"
    ))
}

/// The status of a store's error.
pub(super) fn status(error: StoreError) -> Status {
    match error {
        StoreError::Trimmed { gone } => net::grpc::trimmed(gone, error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
