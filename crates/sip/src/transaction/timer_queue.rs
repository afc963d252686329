//! Thousands of timers in one heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use model::Timestamp;

/// Wake-up times of many owners, each of which remembers its earliest entry in `armed`.
///
/// An entry is never taken out early: an owner that has nothing to do when it comes re-arms itself. So the heap
/// holds about one entry per owner, and stopping a timer costs nothing.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    heap: BinaryHeap<Reverse<(Timestamp, K)>>,
}

impl<K: Ord + Copy> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    /// Sees to it that `key` is woken at `due`; `armed` is the owner's earliest entry ([`Timestamp::MAX`]: none).
    pub(crate) fn arm(&mut self, key: K, due: Timestamp, armed: &mut Timestamp) {
        if due < *armed {
            *armed = due;
            self.heap.push(Reverse((due, key)));
        }
    }

    /// When somebody is to be woken next; perhaps for nothing.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// The next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, K)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
