//! The timers of a call, by name. Due times are wall-clock times, so they need no conversion in a snapshot.

use std::time::Duration;

use model::Timestamp;
use model::request::Treatment;

/// What may become due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The dial plan has not answered: the call is refused, or the route request is.
    DialPlan,
    /// No instruction came for a call that waits on a route point: it is routed by default.
    Instruction,
    /// Instructions came, but then neither treatment nor route: as [`Timer::Instruction`].
    Quiet,
    /// The phones have rung long enough.
    NoAnswer,
    /// Music has lasted as long as it was to; or a treatment that ends by itself has not been reported to end.
    Treatment,
    /// No outcome of a feature code's request.
    AgentAnswer,
    /// The phone has not answered our request to hold or retrieve.
    HoldAnswer,
    /// The phone was asked to answer, and has not.
    PhoneAnswer,
    /// The longest that any call may live.
    Lifetime,
}

impl Timer {
    /// All.
    pub const ALL: [Self; 9] = [
        Self::DialPlan,
        Self::Instruction,
        Self::Quiet,
        Self::NoAnswer,
        Self::Treatment,
        Self::AgentAnswer,
        Self::HoldAnswer,
        Self::PhoneAnswer,
        Self::Lifetime,
    ];
}

/// The dial plan answers in milliseconds; this covers a restart of its node's connection.
pub const DIAL_PLAN: Duration = Duration::from_secs(5);
/// As long as a caller bears silence before the default DN takes the call.
pub const INSTRUCTION: Duration = Duration::from_secs(10);
/// An application may think, but not forget a caller in silence.
pub const QUIET: Duration = Duration::from_secs(300);
/// Longer than every prompt, and a margin for digits.
pub const TREATMENT: Duration = Duration::from_secs(600);
/// What an earlier version has stored may be asked for no time at all.
pub const MUSIC_MIN: Duration = Duration::from_millis(Treatment::DURATION_MS_MIN);
/// The least time that phones are given to ring, whatever the plan says: an INVITE that is cancelled at once rings nowhere.
pub const RING_MIN: Duration = Duration::from_secs(1);
/// The most: a caller hears ring-back for so long and no longer.
pub const RING_MAX: Duration = Duration::from_secs(600);
/// An agent request takes one turn of the stream.
pub const AGENT_ANSWER: Duration = Duration::from_secs(5);
/// Longer than timer B of the re-INVITE (RFC 3261 section 17.1.1.2: 32 s).
pub const HOLD_ANSWER: Duration = Duration::from_secs(35);
/// No conversation lasts longer; a call that does is one whose end was lost.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The timers that are armed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Timers(Vec<(Timer, Timestamp)>);

impl Timers {
    /// Arms `timer`, or arms it anew.
    pub fn arm(&mut self, timer: Timer, due: Timestamp) {
        match self.0.iter_mut().find(|(armed, _)| *armed == timer) {
            Some((_, at)) => *at = due,
            None => self.0.push((timer, due)),
        }
    }

    /// Disarms `timer`.
    pub fn disarm(&mut self, timer: Timer) {
        self.0.retain(|(armed, _)| *armed != timer);
    }

    /// Disarms all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// When the next one is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.iter().map(|(_, due)| *due).min()
    }

    /// Takes the one that has been due for longest.
    pub fn take_due(&mut self, now: Timestamp) -> Option<Timer> {
        let (timer, _) = self.0.iter().filter(|(_, due)| *due <= now).min_by_key(|(timer, due)| (*due, *timer))?;
        let timer = *timer;
        self.disarm(timer);
        Some(timer)
    }

    /// The timers and their due times.
    pub fn iter(&self) -> impl Iterator<Item = (Timer, Timestamp)> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<(Timer, Timestamp)> for Timers {
    fn from_iter<I: IntoIterator<Item = (Timer, Timestamp)>>(timers: I) -> Self {
        let mut all = Self::default();
        for (timer, due) in timers {
            all.arm(timer, due);
        }
        all
    }
}
