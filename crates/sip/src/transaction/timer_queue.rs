//! One queue for thousands of timers.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use model::Timestamp;

/// Wake-up times of many owners. Each owner stores its earliest entry in `armed`.
///
/// An entry is never removed early: an owner that is woken without work re-arms itself. So the queue holds about one entry per
/// owner, and stopping a timer costs nothing.
///
/// Nearly all timers have the same distance as the one before. Those form a plain row; only timers in between are sorted.
///
/// Nothing is ever armed at or before the time served last: a timer that is due again at once comes in the next turn, so that
/// no owner, whatever its peer sends, can prolong a turn for ever. Nor is anything armed far ahead: an owner that waits longer
/// is woken without work, and an entry that is no longer needed does not stay.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    row: VecDeque<(Timestamp, K)>,
    heap: BinaryHeap<Reverse<(Timestamp, K)>>,
    /// The time of the current or last turn.
    served: Option<Timestamp>,
}

/// The shortest distance of a timer from the current turn.
const NEXT_TURN: Duration = Duration::from_micros(1);
/// The longest distance: as long as anything waits for an answer, including what follows it.
const HORIZON: Duration = Duration::from_secs(64);
/// An entry further than this beyond the end of the row would keep later ones out of the row.
const STRIDE: Duration = Duration::from_secs(5);

impl<K: Ord + Copy> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { row: VecDeque::new(), heap: BinaryHeap::new(), served: None }
    }

    /// Ensures that `key` is woken at `due`; `armed` is the owner's earliest entry ([`Timestamp::MAX`]: none).
    pub(crate) fn arm(&mut self, key: K, due: Timestamp, armed: &mut Timestamp) {
        let due = self.served.map_or(due, |served| due.clamp(served + NEXT_TURN, served + HORIZON));
        if due >= *armed {
            return;
        }
        *armed = due;
        let entry = (due, key);
        match self.row.back().copied() {
            Some(last) if last > entry && self.row.len() == 1 => {
                self.row.clear();
                self.row.push_back(entry);
                self.heap.push(Reverse(last));
            }
            Some(last) if last > entry || due.since(last.0) > STRIDE => self.heap.push(Reverse(entry)),
            _ => self.row.push_back(entry),
        }
    }

    /// When the next owner is to be woken; it may have no work.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.first().map(|(due, _)| due)
    }

    /// The next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, K)> {
        // Not the maximum of all turns: a clock that was set back must not delay all timers.
        self.served = Some(now);
        let first = self.first().filter(|(due, _)| *due <= now)?;
        if self.row.front() == Some(&first) {
            return self.row.pop_front();
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    fn first(&self) -> Option<(Timestamp, K)> {
        let sorted = self.heap.peek().map(|Reverse(entry)| *entry);
        self.row.front().copied().into_iter().chain(sorted).min()
    }
}

#[cfg(test)]
mod tests;
