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
