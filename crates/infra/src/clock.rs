//! Time for the shells: the one place that reads the system's clocks.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Timestamp;
use rustix::time::{ClockId, clock_gettime};

/// A source of the present time.
pub trait Clock: Send + Sync + 'static {
    /// The present: wall-clock time that never goes back within a process.
    fn now(&self) -> Timestamp;

    /// The wall clock as it is set now, which may go back: only to find out that it has been set since this process began.
    fn wall(&self) -> Timestamp {
        self.now()
    }
}

/// The machine's clock: the wall clock as it was at start, carried on by `CLOCK_BOOTTIME`.
///
/// So a step of the wall clock moves no timer, and a machine that slept sees the gap.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    at_start: Timestamp,
    boot_at_start: Duration,
}

impl SystemClock {
    /// A clock that starts from the present wall clock.
    pub fn start() -> Self {
        Self { at_start: wall_clock(), boot_at_start: since_boot() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        self.at_start + since_boot().saturating_sub(self.boot_at_start)
    }

    fn wall(&self) -> Timestamp {
        wall_clock()
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn wall_clock() -> Timestamp {
    Timestamp::ZERO + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Time since the machine booted, sleep included.
fn since_boot() -> Duration {
    let t = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or_default(), u32::try_from(t.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let clock = SystemClock::start();
        let first = clock.now();
        assert!(first > Timestamp::from_millis(1_600_000_000_000));
        assert!(clock.now() >= first);
        assert!(clock.wall() >= first, "nobody has set it back meanwhile");
    }
}
