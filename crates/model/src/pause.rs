//! How long somebody who fails waits before the next attempt.

use std::time::Duration;

/// The pause after so many failures in a row, from 1: `first` after one, twice as long after each further one, and `longest` at most.
pub fn doubling_pause(first: Duration, longest: Duration, failures: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pause = |failures| doubling_pause(Duration::from_secs(5), Duration::from_secs(3_600), failures).as_secs();
        assert_eq!([0, 1, 2, 5, 10].map(pause), [5, 5, 10, 80, 2_560]);
        assert_eq!([11, 33, 34, u32::MAX].map(pause), [3_600; 4]);
        let shorter = doubling_pause(Duration::from_secs(5), Duration::from_secs(1), 1);
        assert_eq!(shorter, Duration::from_secs(1), "a first one that is longer than the longest");
    }
}
