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
///
/// Nothing is ever armed at or before the time that was last served: a timer that is due again at once comes in the next
/// turn, so that no owner, whatever its peer has told it, can keep a turn from ending. Nor is anything armed for long after
/// it: who waits for longer is woken for nothing, and what nobody waits for any more does not stay.
#[derive(Debug)]
pub(crate) struct TimerQueue<K> {
    row: VecDeque<(Timestamp, K)>,
    heap: BinaryHeap<Reverse<(Timestamp, K)>>,
    /// The time of the turn that is served, or was served last.
    served: Option<Timestamp>,
}

/// How much later than the turn that is served a timer comes at least.
const NEXT_TURN: Duration = Duration::from_micros(1);
/// How much later a timer comes at most: as long as anybody waits for an answer, and for what comes after it.
const HORIZON: Duration = Duration::from_secs(64);
/// What is further away than this from the end of the row would keep those behind it out.
const STRIDE: Duration = Duration::from_secs(5);

impl<K: Ord + Copy> TimerQueue<K> {
    pub(crate) const fn new() -> Self {
        Self { row: VecDeque::new(), heap: BinaryHeap::new(), served: None }
    }

    /// Sees to it that `key` is woken at `due`; `armed` is the owner's earliest entry ([`Timestamp::MAX`]: none).
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

    /// When somebody is to be woken next; perhaps for nothing.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.first().map(|(due, _)| due)
    }

    /// The next entry that is due.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Timestamp, K)> {
        // Not the latest of all: a clock that was set back must not put everything off.
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_due_at_once_comes_in_the_next_turn() {
        let mut queue = TimerQueue::new();
        let now = Timestamp::from_millis(1_000);
        queue.arm('a', now, &mut Timestamp::MAX.clone());
        let mut served = 0;
        while let Some((_, key)) = queue.pop_due(now) {
            served += 1;
            assert!(served < 2, "the turn does not end");
            let mut armed = Timestamp::MAX;
            queue.arm(key, now - Duration::from_secs(5), &mut armed);
            assert_eq!(armed, now + NEXT_TURN);
        }
        assert_eq!((served, queue.next()), (1, Some(now + NEXT_TURN)));
    }

    #[test]
    fn a_long_wait_among_many_short_ones_leaves_few_entries() {
        let mut queue = TimerQueue::new();
        let mut armed = Timestamp::MAX;
        let mut now = Timestamp::from_millis(1_000);
        let end = now + Duration::from_secs(86_400);
        for _ in 0..10_000 {
            queue.arm('a', now + Duration::from_millis(500), &mut armed);
            now = now + Duration::from_millis(600);
            while let Some((due, _)) = queue.pop_due(now) {
                if due == armed {
                    armed = Timestamp::MAX;
                    queue.arm('a', end, &mut armed);
                }
            }
            assert!(queue.row.len() + queue.heap.len() <= 200, "{} entries", queue.row.len() + queue.heap.len());
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_timers_off() {
        let mut queue = TimerQueue::new();
        let (before, after) = (Timestamp::from_millis(9_000_000), Timestamp::from_millis(1_000));
        assert_eq!(queue.pop_due(before), None::<(Timestamp, char)>);
        assert_eq!(queue.pop_due(after), None);
        let mut armed = Timestamp::MAX;
        queue.arm('a', after + Duration::from_secs(1), &mut armed);
        assert_eq!(armed, after + Duration::from_secs(1));
    }

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
