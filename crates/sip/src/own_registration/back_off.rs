//! How long to wait after a failure, so that a registrar that is in trouble gets no more of it (RFC 5626 §4.5).

use std::time::Duration;

use model::Entropy;

use super::status::State;

/// How long after its last answer a registrar is asked again at the earliest because a connection has closed: one that closes each of them
/// would be asked without end.
pub const AGAIN_MIN: Duration = Duration::from_secs(60);
/// How long a registrar that has not answered lately has for each request once its registration is to end: whoever stops us waits for it.
pub const END_WITHIN: Duration = Duration::from_secs(3);
/// Requests that are due at once are spread over this time at least: a proxy that comes back must not send those of all trunks together.
pub(super) const AT_ONCE: Duration = Duration::from_millis(500);
/// So much of that time is for each of them where there are many: 50 a second, each with the request that answers its challenge.
const AT_ONCE_EACH: Duration = Duration::from_millis(20);
/// The longest time over which they are spread.
const AT_ONCE_LONGEST: Duration = Duration::from_secs(30);
/// The pauses after a registrar that does not answer or has no time: the first one, and the longest.
const UNREACHABLE: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(300));
/// The pauses after a refusal that time may change.
const REFUSED: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1_800));
/// The first pause after a wrong password: many carriers lock out who tries more often.
pub const WRONG_PASSWORD_PAUSE: Duration = Duration::from_secs(900);
/// The longest pause.
pub const LAST_PAUSE: Duration = Duration::from_secs(3_600);

/// Over how long the requests of so many registrations are spread that have lost their way together.
pub fn spread(registrations: usize) -> Duration {
    let each = u32::try_from(registrations).map_or(AT_ONCE_LONGEST, |count| AT_ONCE_EACH.saturating_mul(count));
    each.clamp(AT_ONCE, AT_ONCE_LONGEST)
}

/// Counts failures of one kind in a row: after a long outage a single refusal is the first one.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct BackOff {
    failures: u32,
    kind: Option<State>,
}

impl BackOff {
    /// The pause after one more failure: it doubles with each, and half of it is random.
    pub(super) fn next(&mut self, state: State, entropy: &mut dyn Entropy) -> Duration {
        let (first, longest) = match state {
            State::WrongPassword => (WRONG_PASSWORD_PAUSE, LAST_PAUSE),
            State::Refused => REFUSED,
            State::Unreachable | State::Trying | State::Registered => UNREACHABLE,
        };
        if self.kind.replace(state) != Some(state) {
            self.failures = 0;
        }
        let doubled = first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let whole = u64::try_from(doubled.min(longest).as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(whole / 2 + entropy.below(whole / 2 + 1))
    }
}
