//! Whether the proxy can take what is new: what it cannot finish in time it refuses early, so that what it has let in is finished.
//!
//! The measure is how long messages wait for their turn: not how long the process stood still, after which a backlog is worked off
//! quickly, but how far the work is behind what comes. Beyond [`LATE`] everything that begins something is refused with a few
//! microseconds' work, until the wait is shorter than [`IN_TIME`]. A caller repeats after 500 ms (T1, RFC 3261 §17.1.1.2), and each
//! repetition is work that helps nobody: the wait stays well below that.

use std::time::Duration;

/// A message that has waited so long says that more comes than can be done.
pub const LATE: Duration = Duration::from_millis(50);
/// As late as this again, and there is room.
pub const IN_TIME: Duration = Duration::from_millis(10);
/// Messages of connections that wait, which have no time of arrival: about as many as are dealt with in [`LATE`].
pub const BACKLOG_LATE: usize = 1_024;
/// As few as this again, and there is room.
pub const BACKLOG_IN_TIME: usize = 128;

/// The state: it knows nothing but what it was told last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Overload {
    refusing: bool,
}

impl Overload {
    /// A message that is dealt with now has waited for `waited`, and behind it `backlog` messages of connections wait. Says
    /// whether that began an overload.
    pub(super) fn observe(&mut self, waited: Duration, backlog: usize) -> bool {
        let before = self.refusing;
        if waited >= LATE || backlog >= BACKLOG_LATE {
            self.refusing = true;
        } else if waited <= IN_TIME && backlog <= BACKLOG_IN_TIME {
            self.refusing = false;
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
    fn what_is_new_is_refused_from_late_until_in_time_again() {
        let ms = Duration::from_millis;
        let mut overload = Overload::default();
        for (waited, backlog, refuses) in [
            (0, 0, false),
            (49, 0, false),
            (50, 0, true),
            (30, 0, true),
            (11, 0, true),
            (10, 0, false),
            (30, 0, false),
            (0, 1_023, false),
            (0, 1_024, true),
            (0, 500, true),
            (11, 100, true),
            (0, 128, false),
        ] {
            let before = overload.refuses();
            let began = overload.observe(ms(waited), backlog);
            assert_eq!((overload.refuses(), began), (refuses, refuses && !before), "{waited} ms, {backlog}");
        }
    }
}
