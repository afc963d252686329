//! The clock of a simulation.

use std::time::Duration;

use model::Timestamp;

/// A clock that advances only on request, and never goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock(Timestamp);

impl Clock {
    /// A clock that shows `start`.
    pub const fn starting_at(start: Timestamp) -> Self {
        Self(start)
    }

    /// The current time.
    pub const fn now(&self) -> Timestamp {
        self.0
    }

    /// Advances to `time`; does nothing if that is past.
    pub fn advance_to(&mut self, time: Timestamp) {
        self.0 = self.0.max(time);
    }

    /// Advances by `duration`.
    pub fn advance(&mut self, duration: Duration) {
        self.0 = self.0 + duration;
    }
}

impl Default for Clock {
    /// A day in 2026, so that a time is never mistaken for a duration.
    fn default() -> Self {
        Self(Timestamp::from_millis(1_767_225_600_000))
    }
}
