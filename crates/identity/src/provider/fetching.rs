//! When a provider's description and keys are fetched: once an hour, and when a token names a key that is not there.
//! Meanwhile those of before are used.

use std::time::Duration;

use model::Timestamp;

/// How long what was fetched is used.
pub const FRESH_FOR: Duration = Duration::from_secs(3_600);
/// How long it is used while it cannot be fetched again.
pub const USABLE_FOR: Duration = Duration::from_secs(24 * 3_600);
/// How often a key that is not there makes us fetch them: whoever makes up names of keys makes us ask no oftener.
pub const KEY_SOUGHT_EACH: Duration = Duration::from_secs(30);
/// How long a provider that did not answer is left alone.
pub const LEFT_ALONE_FOR: Duration = Duration::from_secs(5);

/// Why they are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedKeys {
    /// For a sign-in.
    Any,
    /// For a key that was not among those that were fetched.
    OtherKey,
}

/// What has to be done before they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchStep {
    /// Nothing.
    Use,
    /// Nothing; and they are fetched for those who come after.
    UseAndFetch,
    /// They are fetched.
    Fetch,
    /// Nobody is asked now: it was tried just before.
    Fail,
}

/// When they were fetched, and when that was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FetchTimes {
    fetched_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
}

impl FetchTimes {
    /// What has to be done now.
    pub fn step(&self, wanted: WantedKeys, now: Timestamp) -> FetchStep {
        let within = |at: Option<Timestamp>, time: Duration| at.is_some_and(|at| now.since(at) < time);
        let is_good = match wanted {
            WantedKeys::Any => within(self.fetched_at, FRESH_FOR),
            WantedKeys::OtherKey => within(self.fetched_at, KEY_SOUGHT_EACH),
        };
        if is_good {
            return FetchStep::Use;
        }
        // Those of before have not the key.
        let is_usable = wanted == WantedKeys::Any && within(self.fetched_at, USABLE_FOR);
        match (is_usable, within(self.failed_at, LEFT_ALONE_FOR)) {
            (true, true) => FetchStep::Use,
            (true, false) => FetchStep::UseAndFetch,
            (false, true) => FetchStep::Fail,
            (false, false) => FetchStep::Fetch,
        }
    }

    /// They were fetched.
    pub const fn fetched(&mut self, now: Timestamp) {
        *self = Self { fetched_at: Some(now), failed_at: None };
    }

    /// They could not be fetched.
    pub const fn failed(&mut self, now: Timestamp) {
        self.failed_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn they_are_fetched_once_an_hour_and_for_other_keys_twice_a_minute() {
        let mut times = FetchTimes::default();
        assert_eq!(times.step(WantedKeys::Any, at(0)), FetchStep::Fetch);
        times.fetched(at(0));
        for (wanted, seconds, step) in [
            (WantedKeys::Any, 3_599, FetchStep::Use),
            (WantedKeys::Any, 3_600, FetchStep::UseAndFetch),
            (WantedKeys::Any, 86_399, FetchStep::UseAndFetch),
            (WantedKeys::Any, 86_400, FetchStep::Fetch),
            (WantedKeys::OtherKey, 29, FetchStep::Use),
            (WantedKeys::OtherKey, 30, FetchStep::Fetch),
        ] {
            assert_eq!(times.step(wanted, at(seconds)), step, "{wanted:?} {seconds}");
        }
    }

    #[test]
    fn a_provider_that_does_not_answer_is_left_alone_for_a_moment() {
        let mut times = FetchTimes::default();
        times.failed(at(0));
        assert_eq!(times.step(WantedKeys::Any, at(4)), FetchStep::Fail);
        assert_eq!(times.step(WantedKeys::Any, at(5)), FetchStep::Fetch);
        times.fetched(at(5));
        times.failed(at(100));
        assert_eq!(times.step(WantedKeys::Any, at(101)), FetchStep::Use, "what is there is good");
        assert_eq!(times.step(WantedKeys::OtherKey, at(101)), FetchStep::Fail);
        times.failed(at(4_000));
        assert_eq!(times.step(WantedKeys::Any, at(4_001)), FetchStep::Use, "they are old, and good while it is away");
        assert_eq!(times.step(WantedKeys::Any, at(4_005)), FetchStep::UseAndFetch);
    }
}
