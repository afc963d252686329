//! A rate limit.

use model::Timestamp;

/// A burst, then a rate per second. Not part of a snapshot: a restored session starts with the full burst.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    burst: u32,
    per_second: u32,
    left: u32,
    /// Time up to which `left` has been refilled.
    at: Timestamp,
}

impl Rate {
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second, left: burst, at: Timestamp::ZERO }
    }

    /// Whether it may happen once more.
    pub fn allows(&mut self, now: Timestamp) -> bool {
        let passed = u64::try_from(now.since(self.at).as_micros()).unwrap_or(u64::MAX);
        let more = passed.saturating_mul(u64::from(self.per_second)) / 1_000_000;
        if more > 0 {
            self.left = self.left.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)).min(self.burst);
            self.at = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}
