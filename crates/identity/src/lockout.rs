//! Wrong passwords and codes: waits that grow for one person from one source, and a limit for one source over many persons. A person is
//! never locked out everywhere, and an office behind one address is not locked out by one of its people. Codes of a second factor count
//! together for all sources but those where the person has shown a right one lately: each of these has its own count.
//!
//! Wrong tries are forgiven one by one and never all at once: whatever pauses somebody makes, in the long run one guess is taken in
//! [`FORGIVEN_EACH`].
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
/// For each such time without a try, one wrong password of a person from a source is forgiven: no sooner than the longest wait is over, or
/// pauses would give more guesses than the waits do.
pub const FORGIVEN_EACH: Duration = WAIT_MAX;
/// More wrong passwords cost no more: these cost the longest wait.
const FAILURES_MAX: u32 = TRIES_UNTIL_WAIT + 9;

/// Wrong passwords from one source, over all persons, within [`SOURCE_WINDOW`]; after these, only persons who have signed in from there
/// lately may.
pub const SOURCE_TRIES: u32 = 100;
/// The same from a network of many sources, as one customer has it (IPv6: a /48, RFC 6177).
pub const NETWORK_TRIES: u32 = 4 * SOURCE_TRIES;
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
        let forgiven = now.since(self.last).as_secs() / FORGIVEN_EACH.as_secs();
        let before = self.failures.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
        // Clocks of replicas differ: the later one counts.
        Self { failures: before.saturating_add(1).min(FAILURES_MAX), last: now.max(self.last) }
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
        self.last + FORGIVEN_EACH.saturating_mul(self.failures.min(FAILURES_MAX))
    }
}

/// The tries of one source, or of one network, over all persons.
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

    /// How long only known persons may sign in from there, which has that many tries; none if all may.
    pub fn wait(self, tries: u32, now: Timestamp) -> Option<Duration> {
        let left = (self.since + SOURCE_WINDOW).since(now);
        (self.failures >= tries && !left.is_zero()).then_some(left)
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
        assert_eq!(attempts.failures, FAILURES_MAX, "more would not make it longer");
        assert_eq!(attempts.tried(at(4 * 900)).failures, FAILURES_MAX - 4 + 1, "an hour later four are forgiven");
        let forgotten_s = u64::from(FAILURES_MAX) * FORGIVEN_EACH.as_secs();
        assert_eq!(attempts.forgotten_at(), at(forgotten_s));
        assert_eq!(attempts.tried(at(forgotten_s)).failures, 1);
    }

    #[test]
    fn a_source_is_counted_in_windows() {
        let mut source = SourceAttempts::default();
        for _ in 0..SOURCE_TRIES - 1 {
            source = source.tried(at(10));
        }
        assert_eq!(source.wait(SOURCE_TRIES, at(10)), None);
        source = source.tried(at(20));
        assert_eq!(source.wait(SOURCE_TRIES, at(20)), Some(SOURCE_WINDOW - Duration::from_secs(10)));
        assert_eq!(source.wait(NETWORK_TRIES, at(20)), None);
        assert_eq!(source.wait(SOURCE_TRIES, at(610)), None);
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
        /// In whatever rhythm somebody guesses: in a day there are at most the free tries, one for each longest wait, and a few while the
        /// waits grow.
        #[test]
        fn few_guesses_are_taken_in_a_day(
            rhythm in proptest::collection::vec((1_usize..40, 0_u64..30, 0_u64..20_000), 1..100),
            starts in 0_u64..100_000,
        ) {
            let tries = rhythm.iter().flat_map(|(burst, gap, pause)| {
                std::iter::repeat_n(*gap, *burst).chain(std::iter::once(*pause))
            });
            let (mut attempts, mut now, mut taken) = (Attempts::default(), 0, Vec::new());
            for pause in tries {
                // Who guesses waits as long as is asked of him, and then perhaps longer.
                now += pause + attempts.wait(at(now + pause)).map_or(0, |wait| wait.as_secs());
                if attempts.wait(at(now)).is_none() {
                    attempts = attempts.tried(at(now));
                    taken.push(now);
                }
            }
            let day = starts..starts + 24 * 3_600;
            let in_day = taken.iter().filter(|second| day.contains(*second)).count() as u64;
            prop_assert!(in_day <= u64::from(FAILURES_MAX) + 1 + 24 * 3_600 / WAIT_MAX.as_secs(), "{in_day} in a day");
        }

        /// Bursts until the waits are long, and a pause after each, all day.
        #[test]
        fn bursts_with_pauses_between_give_no_more(burst in 1_usize..20, pause in 900_u64..7_200) {
            let (mut attempts, mut now, mut taken) = (Attempts::default(), 0, 0_u64);
            while now < 24 * 3_600 {
                for _ in 0..burst {
                    now += attempts.wait(at(now)).map_or(0, |wait| wait.as_secs());
                    attempts = attempts.tried(at(now));
                    taken += u64::from(now < 24 * 3_600);
                }
                now += pause;
            }
            prop_assert!(taken <= u64::from(FAILURES_MAX) + 1 + 24 * 3_600 / WAIT_MAX.as_secs(), "{taken} in a day");
        }

        #[test]
        fn a_further_failure_never_shortens_a_wait(failures in 0_u32..u32::MAX, seconds in 0_u64..4_000) {
            let before = Attempts { failures, last: at(0) };
            let now = at(seconds.min(FORGIVEN_EACH.as_secs() - 1));
            let after = before.tried(now);
            prop_assert!(after.wait(now).unwrap_or_default() >= before.wait(now).unwrap_or_default());
        }
    }
}
