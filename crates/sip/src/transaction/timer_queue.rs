//! Thousands of timers in one queue.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use model::Timestamp;

/// Wake-up times of many owners, each of which remembers its earliest entry in `armed`.
///
/// An entry is never taken out early: an owner that has nothing to do when it comes re-arms itself. So the queue
/// holds about one entry per owner, and stopping a timer costs nothing.
///
/// Nearly all times are as far away as the one before was: those stand in a row. Only what comes between is sorted.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    row: VecDeque<(Timestamp, K)>,
    heap: BinaryHeap<Reverse<(Timestamp, K)>>,
}

/// What is further away than this from the end of the row would keep those behind it out.
const STRIDE: Duration = Duration::from_secs(5);

impl<K: Ord + Copy> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { row: VecDeque::new(), heap: BinaryHeap::new() }
    }

    /// Sees to it that `key` is woken at `due`; `armed` is the owner's earliest entry ([`Timestamp::MAX`]: none).
    pub(crate) fn arm(&mut self, key: K, due: Timestamp, armed: &mut Timestamp) {
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

    /// When somebody is to be woken next; perhaps for nothing.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.first().map(|(due, _)| due)
    }

    /// The next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, K)> {
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_order_of_arming_entries_come_in_the_order_of_time(dues in prop::collection::vec(0..50_u64, 0..60)) {
            let mut queue = TimerQueue::new();
            let mut sorted: Vec<_> = dues.iter().zip(0_u64..).map(|(due, key)| (Timestamp::from_millis(*due * 1_000), key)).collect();
            for (due, key) in &sorted {
                queue.arm(*key, *due, &mut Timestamp::MAX.clone());
            }
            sorted.sort_unstable();
            prop_assert_eq!(queue.next(), sorted.first().map(|(due, _)| *due));
            let (early, late): (Vec<_>, Vec<_>) = sorted.into_iter().partition(|(due, _)| *due <= Timestamp::from_millis(25_000));
            let mut due_by = |ms| std::iter::from_fn(|| queue.pop_due(Timestamp::from_millis(ms))).collect::<Vec<_>>();
            prop_assert_eq!(due_by(25_000), early);
            prop_assert_eq!(due_by(50_000), late);
        }
    }
}
