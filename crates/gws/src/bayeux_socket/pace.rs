//! How fast messages of the sockets of a session are taken. Those that come faster wait in the network, and what was to be told goes
//! together meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// A client that reads connects once for each time that it was told something: 50 times a second are more than anybody sees.
const EACH: Duration = Duration::from_millis(20);
/// So far ahead a client may be: 100 messages at once.
const AHEAD_MAX: Duration = Duration::from_secs(2);

/// The pace of a session (generic cell rate algorithm, ITU-T I.371).
pub(super) struct MessagePace {
    /// When what has come would have come at the pace.
    due: Instant,
}

impl MessagePace {
    pub fn begun(now: Instant) -> Self {
        Self { due: now }
    }

    /// From when on the next message is taken.
    pub fn opens_at(&self) -> Instant {
        self.due.checked_sub(AHEAD_MAX).unwrap_or(self.due)
    }

    /// Notes a message.
    pub fn note(&mut self, now: Instant) {
        self.due = self.due.max(now) + EACH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_come_at_once_and_then_fifty_a_second() {
        let begun = Instant::now() + Duration::from_secs(3_600);
        let mut pace = MessagePace::begun(begun);
        let taken = (0..1_000).take_while(|_| {
            let is_open = pace.opens_at() <= begun;
            pace.note(begun);
            is_open
        });
        assert_eq!(taken.count(), 101, "the last one just in time");
        let mut pace = MessagePace::begun(begun);
        (0..100).for_each(|_| pace.note(begun));
        let later = begun + Duration::from_secs(1);
        let mut count = 0;
        while pace.opens_at() <= later {
            pace.note(later);
            count += 1;
        }
        assert_eq!(count, 51);
        let mut slow = MessagePace::begun(begun);
        for n in 0..1_000 {
            let now = begun + EACH * n;
            assert!(slow.opens_at() <= now);
            slow.note(now);
        }
    }
}
