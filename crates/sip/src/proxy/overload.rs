//! Overload control: initial requests that cannot be finished in time are refused early, so that admitted ones are finished.
//!
//! The measure is how long messages wait for their turn. A process that was suspended briefly works its backlog off within
//! milliseconds and refuses nothing. Only if the wait exceeds [`LATE`] for all of [`PERSISTS`], the load exceeds the capacity.
//! Then every initial request is refused, at a cost of a few microseconds, until the wait falls below [`IN_TIME`]. A caller
//! repeats after 500 ms (T1, RFC 3261 §17.1.1.2), and each repeat is useless work: the wait stays below that.

use std::time::Duration;

use model::Timestamp;

/// A wait that indicates overload.
pub const LATE: Duration = Duration::from_millis(50);
/// At or below this wait, the overload has ended.
pub const IN_TIME: Duration = Duration::from_millis(10);
/// Messages that wait on connections, which have no arrival time: about as many as are processed in [`LATE`].
pub const BACKLOG_LATE: usize = 1_024;
/// At or below this number, the overload has ended.
pub const BACKLOG_IN_TIME: usize = 128;

/// How long the wait must exceed its limit before any request is refused.
pub const PERSISTS: Duration = Duration::from_millis(100);

/// The state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Overload {
    late_since: Option<Timestamp>,
    refusing: bool,
}

impl Overload {
    /// The current message has waited for `waited`, with `backlog` messages of connections behind it. Returns whether an
    /// overload began.
    pub(super) fn observe(&mut self, waited: Duration, backlog: usize, now: Timestamp) -> bool {
        let before = self.refusing;
        if waited >= LATE || backlog >= BACKLOG_LATE {
            let since = *self.late_since.get_or_insert(now);
            self.refusing |= now.since(since) >= PERSISTS;
        } else {
            self.late_since = None;
            self.refusing &= waited > IN_TIME || backlog > BACKLOG_IN_TIME;
        }
        self.refusing && !before
    }

    /// Whether initial requests are refused.
    pub(super) const fn refuses(self) -> bool {
        self.refusing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_refused_when_it_has_been_late_for_a_while_and_until_it_is_in_time() {
        let ms = Duration::from_millis;
        let mut overload = Overload::default();
        for (at, waited, backlog, refuses) in [
            (0, 0, 0, false),
            (10, 60, 0, false),
            (100, 49, 0, false),
            (110, 50, 0, false),
            (209, 90, 0, false),
            (210, 50, 0, true),
            (220, 30, 0, true),
            (230, 11, 0, true),
            (240, 10, 0, false),
            (250, 500, 0, false),
            (340, 40, 0, false),
            (400, 0, 1_024, false),
            (500, 0, 1_024, true),
            (510, 0, 500, true),
            (520, 11, 100, true),
            (530, 0, 128, false),
        ] {
            let before = overload.refuses();
            let began = overload.observe(ms(waited), backlog, Timestamp::from_millis(1_000 + at));
            assert_eq!((overload.refuses(), began), (refuses, refuses && !before), "{at}: {waited} ms, {backlog}");
        }
    }
}
