//! Responses kept for repeated requests (RFC 3261 §17.2.2, timer J), grouped by age and discarded a table at a time.
//!
//! A request over UDP may be repeated for 32 s after its final response. Only the response is needed for that: it is stored
//! under the hash of its transaction's key in the current table, without a timer, and a table that is old enough is dropped
//! whole. The last responses of a burst stay until another request is answered.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use model::Timestamp;

/// Tables per lifetime: a response is kept longer by this fraction of a lifetime at most.
const TABLES: u32 = 4;
/// Average bytes allowed per response before the oldest are dropped.
const ANSWER_BYTES: usize = 1_024;

/// Final responses by age.
#[derive(Debug)]
pub(super) struct Answered {
    lifetime: Duration,
    /// The most that are kept; beyond it, the oldest are dropped.
    max: usize,
    /// Seeded, so that nobody can construct colliding keys.
    seed: RandomState,
    /// The youngest first.
    tables: VecDeque<Table>,
}

#[derive(Debug)]
struct Table {
    since: Timestamp,
    /// The range of each response in `bytes`.
    places: HashMap<u64, (usize, usize), Hashed>,
    bytes: Vec<u8>,
}

/// A hasher for keys that are hashes already.
#[derive(Clone, Copy, Default, Debug)]
struct Hashed;

struct AsItIs(u64);

impl BuildHasher for Hashed {
    type Hasher = AsItIs;

    fn build_hasher(&self) -> AsItIs {
        AsItIs(0)
    }
}

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |hash, byte| hash << 8 | u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Answered {
    /// Creates it empty.
    pub(super) fn new(lifetime: Duration, max: usize) -> Self {
        Self { lifetime, max, seed: RandomState::new(), tables: VecDeque::new() }
    }

    /// Remembers the answer to the request with that key.
    pub(super) fn remember(&mut self, key: &[u8], answer: &[u8], now: Timestamp) {
        self.forget_old(now);
        let hash = self.seed.hash_one(key);
        if self.tables.front().is_none_or(|youngest| now.since(youngest.since) >= self.lifetime / TABLES) {
            // About as many entries as the table before had.
            let (places, bytes) = self.tables.front().map_or((0, 0), |last| (last.places.len(), last.bytes.len()));
            let places = HashMap::with_capacity_and_hasher(places, Hashed);
            self.tables.push_front(Table { since: now, places, bytes: Vec::with_capacity(bytes) });
        }
        if let Some(youngest) = self.tables.front_mut() {
            let begin = youngest.bytes.len();
            youngest.bytes.extend_from_slice(answer);
            youngest.places.insert(hash, (begin, youngest.bytes.len()));
        }
    }

    /// The response to the request with that key.
    pub(super) fn find(&self, key: &[u8], now: Timestamp) -> Option<&[u8]> {
        if self.tables.is_empty() {
            return None;
        }
        let hash = self.seed.hash_one(key);
        self.tables.iter().take_while(|table| !self.is_old(table, now)).find_map(|table| {
            let (begin, end) = *table.places.get(&hash)?;
            table.bytes.get(begin..end)
        })
    }

    fn len(&self) -> usize {
        self.tables.iter().map(|table| table.places.len()).sum()
    }

    fn forget_old(&mut self, now: Timestamp) {
        while self.is_full() || self.tables.back().is_some_and(|oldest| self.is_old(oldest, now)) {
            self.tables.pop_back();
        }
    }

    fn is_old(&self, table: &Table, now: Timestamp) -> bool {
        now.since(table.since) >= self.lifetime + self.lifetime / TABLES
    }

    fn is_full(&self) -> bool {
        let bytes: usize = self.tables.iter().map(|table| table.bytes.len()).sum();
        self.len() >= self.max || bytes >= self.max * ANSWER_BYTES
    }
}

#[cfg(test)]
mod tests;
