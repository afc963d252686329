//! Whether the proxy can take what is new: what it cannot finish in time it refuses early, so that what it has let in is finished.
//!
//! The measure is how long messages wait for their turn. A process that stood still for a moment works its backlog off within
//! milliseconds and refuses nobody; only when the wait has been longer than [`LATE`] for all of [`PERSISTS`], more comes than can be
//! done. Then everything that begins something is refused, with a few microseconds' work, until the wait is shorter than [`IN_TIME`].
//! A caller repeats after 500 ms (T1, RFC 3261 §17.1.1.2), and each repetition is work that helps nobody: the wait stays below that.

use std::time::Duration;

use model::Timestamp;

/// A message that has waited so long says that more comes than can be done.
pub const LATE: Duration = Duration::from_millis(50);
/// As late as this again, and there is room.
pub const IN_TIME: Duration = Duration::from_millis(10);
/// Messages of connections that wait, which have no time of arrival: about as many as are dealt with in [`LATE`].
pub const BACKLOG_LATE: usize = 1_024;
/// As few as this again, and there is room.
pub const BACKLOG_IN_TIME: usize = 128;

/// So long it has to be late before anything is refused.
pub const PERSISTS: Duration = Duration::from_millis(100);

/// The state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Overload {
    late_since: Option<Timestamp>,
    refusing: bool,
}

impl Overload {
    /// A message that is dealt with now has waited for `waited`, and behind it `backlog` messages of connections wait. Says
    /// whether that began an overload.
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

    /// Whether what begins something is refused.
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
