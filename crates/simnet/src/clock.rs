//! The clock of a simulation.

use std::time::Duration;

use model::Timestamp;

/// A clock that moves when it is told to, and never back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock(Timestamp);

impl Clock {
    /// A clock that shows `start`.
    pub const fn starting_at(start: Timestamp) -> Self {
        Self(start)
    }

    /// What it shows.
    pub const fn now(&self) -> Timestamp {
        self.0
    }

    /// Moves on to `time`; stays where it is when that is past.
    pub fn advance_to(&mut self, time: Timestamp) {
        self.0 = self.0.max(time);
    }

    /// Moves on by `duration`.
    pub fn advance(&mut self, duration: Duration) {
        self.0 = self.0 + duration;
    }
}

impl Default for Clock {
    /// A day in 2026, so that a due time is never mistaken for a duration.
    fn default() -> Self {
        Self(Timestamp::from_millis(1_767_225_600_000))
    }
}
