//! The timers of a call, by name. Due times are wall-clock times, so they need no conversion in a snapshot.

use std::time::Duration;

use model::Timestamp;
use model::request::Treatment;

/// The kinds of timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The dial plan has not answered: the call or the route request is refused.
    DialPlan,
    /// A call on a route point got no instruction: it is routed by default.
    Instruction,
    /// Instructions came, but neither a treatment nor a route followed: handled as [`Timer::Instruction`].
    Quiet,
    /// The phones have rung long enough.
    NoAnswer,
    /// Music has reached its duration, or the end of another treatment was never reported.
    Treatment,
    /// The outcome of a feature code's request is missing.
    AgentAnswer,
    /// The phone has not answered our request to hold or retrieve.
    HoldAnswer,
    /// The phone has not answered the call after our request.
    PhoneAnswer,
    /// Who transferred the call was busy: its phone is rung again.
    Recall,
    /// A trunk has said nothing for as long as it may.
    Trunk,
    /// The call has reached the longest duration of any call.
    Lifetime,
}

impl Timer {
    /// All timers.
    pub const ALL: [Self; 11] = [
        Self::DialPlan,
        Self::Instruction,
        Self::Quiet,
        Self::NoAnswer,
        Self::Treatment,
        Self::AgentAnswer,
        Self::HoldAnswer,
        Self::PhoneAnswer,
        Self::Recall,
        Self::Trunk,
        Self::Lifetime,
    ];
}

/// For the dial plan's answer, which takes milliseconds; covers a reconnect to its node.
pub const DIAL_PLAN: Duration = Duration::from_secs(5);
/// The longest silence for a caller before the default DN takes the call.
pub const INSTRUCTION: Duration = Duration::from_secs(10);
/// The longest pause between instructions of an application: it must not leave a caller in silence.
pub const QUIET: Duration = Duration::from_secs(300);
/// Longer than every prompt, with a margin for digits.
pub const TREATMENT: Duration = Duration::from_secs(600);
/// How long media may take to say who has answered: it listens for 4 s at most.
pub const CLASSIFIED_WITHIN: Duration = Duration::from_secs(6);
/// The least duration of music; records of an earlier version may contain 0.
pub const MUSIC_MIN: Duration = Duration::from_millis(Treatment::DURATION_MS_MIN);
/// The shortest ring time, whatever the plan says: an INVITE that is cancelled at once rings nowhere.
pub const RING_MIN: Duration = Duration::from_secs(1);
/// The longest ring time: a caller hears ring-back no longer than this.
pub const RING_MAX: Duration = Duration::from_secs(600);
/// An agent request needs one turn of the stream.
pub const AGENT_ANSWER: Duration = Duration::from_secs(5);
/// Longer than timer B of the re-INVITE (RFC 3261 section 17.1.1.2: 32 s).
pub const HOLD_ANSWER: Duration = Duration::from_secs(35);
/// The pause before a busy phone is rung again for a call that comes back: longer than a BYE and its first repeats take.
pub const RECALL_AGAIN: Duration = Duration::from_secs(3);
/// How often that is tried.
pub const RECALLS_MAX: u8 = 5;
/// No conversation lasts longer; a longer call has lost its end.
pub const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The armed timers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Timers(Vec<(Timer, Timestamp)>);

impl Timers {
    /// Arms `timer`, or moves its due time.
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

    /// Disarms all timers.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// When `timer` is due.
    pub fn due(&self, timer: Timer) -> Option<Timestamp> {
        self.0.iter().find(|(armed, _)| *armed == timer).map(|(_, due)| *due)
    }

    /// When the next timer is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.0.iter().map(|(_, due)| *due).min()
    }

    /// Takes the timer that has been due for longest.
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
