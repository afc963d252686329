//! Wrong passwords: waits that grow for one person from one source, and a limit for one source over many persons. A person is never
//! locked out everywhere, and an office behind one address is not locked out by one of its people.
//!
//! A try counts as wrong before the password is looked at, and is given back when it was right: of many at a time no more are taken
//! than one after the other.

use std::time::Duration;

use model::Timestamp;

/// So many wrong passwords of a person from a source cost the first wait; fewer are mistyping.
pub const TRIES_UNTIL_WAIT: u32 = 5;
/// The first wait; each further wrong password doubles it.
pub const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
pub const WAIT_MAX: Duration = Duration::from_secs(900);
/// Wrong passwords of a person from a source are forgotten after this time without another.
pub const FORGOTTEN_AFTER: Duration = Duration::from_secs(3_600);

/// Wrong passwords from one source, over all persons, within [`SOURCE_WINDOW`]; after these, only persons who have signed in from there
/// lately may.
pub const SOURCE_TRIES: u32 = 100;
/// The time in which they are counted.
pub const SOURCE_WINDOW: Duration = Duration::from_secs(600);
/// How long it is known that a person has signed in from a source.
pub const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The tries of one person from one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many that were not right, or are being looked at, since the last right one.
    pub failures: u32,
    /// When the last one was.
    pub last: Timestamp,
}

impl Attempts {
    /// One more, which counts as wrong from now on.
    #[must_use]
    pub fn tried(self, now: Timestamp) -> Self {
        let before = if now.since(self.last) > FORGOTTEN_AFTER { 0 } else { self.failures };
        // Clocks of replicas differ: the later one counts.
        Self { failures: before.saturating_add(1), last: now.max(self.last) }
    }

    /// One fewer: it was not looked at.
    #[must_use]
    pub fn given_back(self) -> Self {
        Self { failures: self.failures.saturating_sub(1), ..self }
    }

    /// How long no password of this person is taken from this source; none if one is taken now.
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        let over = self.failures.checked_sub(TRIES_UNTIL_WAIT)?;
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(over)).min(WAIT_MAX);
        let left = (self.last + wait).since(now);
        (!left.is_zero()).then_some(left)
    }

    /// When it is forgotten.
    pub fn forgotten_at(self) -> Timestamp {
        self.last + FORGOTTEN_AFTER
    }
}

/// The tries of one source over all persons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceAttempts {
    /// How many that were not right, or are being looked at, since `since`.
    pub failures: u32,
    /// The first of them.
    pub since: Timestamp,
}

impl SourceAttempts {
    /// One more, which counts as wrong from now on.
    #[must_use]
    pub fn tried(self, now: Timestamp) -> Self {
        if self.failures == 0 || now.since(self.since) >= SOURCE_WINDOW {
            return Self { failures: 1, since: now };
        }
        Self { failures: self.failures.saturating_add(1), since: self.since }
    }

    /// One fewer of those that were counted at `at`: it was right, or was not looked at.
    #[must_use]
    pub fn given_back(self, at: Timestamp) -> Self {
        // What an earlier window has counted is forgotten already.
        if at < self.since { self } else { Self { failures: self.failures.saturating_sub(1), ..self } }
    }

    /// How long only known persons may sign in from there; none if all may.
    pub fn wait(self, now: Timestamp) -> Option<Duration> {
        let left = (self.since + SOURCE_WINDOW).since(now);
        (self.failures >= SOURCE_TRIES && !left.is_zero()).then_some(left)
    }

    /// When it is forgotten.
    pub fn forgotten_at(self) -> Timestamp {
        self.since + SOURCE_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    #[test]
    fn mistyping_costs_nothing_and_guessing_ever_more() {
        let mut attempts = Attempts::default();
        let mut waits = Vec::new();
        for _ in 0..18 {
            attempts = attempts.tried(at(0));
            waits.push(attempts.wait(at(0)).map_or(0, |wait| wait.as_secs()));
        }
        assert_eq!(waits[..8], [0, 0, 0, 0, 2, 4, 8, 16]);
        assert_eq!(waits.last(), Some(&WAIT_MAX.as_secs()));
        assert_eq!(attempts.wait(at(WAIT_MAX.as_secs())), None);
        assert_eq!(attempts.tried(at(3_601)).failures, 1, "an hour later it is forgotten");
    }

    #[test]
    fn a_source_is_counted_in_windows() {
        let mut source = SourceAttempts::default();
        for _ in 0..SOURCE_TRIES - 1 {
            source = source.tried(at(10));
        }
        assert_eq!(source.wait(at(10)), None);
        source = source.tried(at(20));
        assert_eq!(source.wait(at(20)), Some(SOURCE_WINDOW - Duration::from_secs(10)));
        assert_eq!(source.wait(at(610)), None);
        assert_eq!(source.tried(at(610)), SourceAttempts { failures: 1, since: at(610) });
    }

    #[test]
    fn what_was_right_or_not_looked_at_does_not_count() {
        let attempts = Attempts::default().tried(at(0)).tried(at(1));
        assert_eq!(attempts.given_back().failures, 1);
        assert_eq!(Attempts::default().given_back(), Attempts::default());
        let source = SourceAttempts::default().tried(at(10)).tried(at(11));
        assert_eq!(source.given_back(at(11)), SourceAttempts { failures: 1, since: at(10) });
        let later = source.tried(at(700));
        assert_eq!(later.given_back(at(11)), later, "that one is forgotten");
    }

    proptest! {
        /// However fast somebody guesses: in a day there are at most the free tries and one for each longest wait, and a few while it grows.
        #[test]
        fn few_guesses_are_taken_in_a_day(pauses in proptest::collection::vec(0_u64..2_000, 1..400)) {
            let (mut attempts, mut now, mut taken) = (Attempts::default(), 0, 0_u64);
            for pause in pauses {
                now += pause;
                if now > 24 * 3_600 {
                    break;
                }
                if attempts.wait(at(now)).is_none() {
                    attempts = attempts.tried(at(now));
                    taken += 1;
                }
            }
            prop_assert!(taken <= u64::from(TRIES_UNTIL_WAIT) + 10 + now / WAIT_MAX.as_secs() , "{taken} in {now} s");
        }

        #[test]
        fn a_further_failure_never_shortens_a_wait(failures in 0_u32..u32::MAX, seconds in 0_u64..4_000) {
            let before = Attempts { failures, last: at(0) };
            let after = before.tried(at(seconds.min(3_600)));
            let now = at(seconds.min(3_600));
            prop_assert!(after.wait(now).unwrap_or_default() >= before.wait(now).unwrap_or_default());
        }
    }
}
