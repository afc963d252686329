//! Timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Actions by due time; actions with the same time keep the order in which they were added.
pub struct Timers<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    count: u64,
}

struct Entry<T> {
    due: Instant,
    number: u64,
    what: T,
}

impl<T> Timers<T> {
    pub const fn new() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }

    /// Schedules `what` at `after` from `now`.
    pub fn after(&mut self, now: Instant, after: Duration, what: T) {
        self.count += 1;
        self.heap.push(Reverse(Entry { due: now + after, number: self.count, what }));
    }

    /// The next due action; each is returned once.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let due = self.heap.peek().is_some_and(|Reverse(entry)| entry.due <= now);
        if due { self.heap.pop().map(|Reverse(entry)| entry.what) } else { None }
    }

    /// When the next action is due.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.number) == (other.due, other.number)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_first_comes_first() {
        let now = Instant::now();
        let mut timers = Timers::new();
        timers.after(now, Duration::from_secs(2), 'c');
        timers.after(now, Duration::from_secs(1), 'a');
        timers.after(now, Duration::from_secs(1), 'b');
        assert_eq!(timers.pop_due(now), None);
        let later = now + Duration::from_secs(1);
        assert_eq!((timers.pop_due(later), timers.pop_due(later), timers.pop_due(later)), (Some('a'), Some('b'), None));
        assert_eq!(timers.next(), Some(now + Duration::from_secs(2)));
    }
}
