//! The timers of RFC 3261 table 4 and RFC 6026, by name.

use std::time::Duration;

use model::Timestamp;

/// A timer of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// INVITE client, unreliable: repeats the INVITE; starts at T1, doubles.
    A,
    /// INVITE client: times out if no response at all came; 64·T1.
    B,
    /// INVITE client of a proxy or after CANCEL: stops waiting for the final response; set by the transaction user.
    C,
    /// INVITE client: stays for repeated failure responses; 32 s unreliable, none reliable.
    D,
    /// Other client, unreliable: repeats the request; starts at T1, doubles up to T2.
    E,
    /// Other client: times out; 64·T1.
    F,
    /// INVITE server, unreliable: repeats the failure response; starts at T1, doubles up to T2.
    G,
    /// INVITE server: stops waiting for the ACK; 64·T1.
    H,
    /// INVITE server: stays for repeated ACKs; T4 unreliable, none reliable.
    I,
    /// Other server: stays for repeated requests; 64·T1 unreliable, none reliable.
    J,
    /// Other client: stays for repeated responses; T4 unreliable, none reliable.
    K,
    /// INVITE server after a 2xx: stays for repeated INVITEs; 64·T1 (RFC 6026 §7.1).
    L,
    /// INVITE client after a 2xx: stays for repeated and other 2xx; 64·T1 (RFC 6026 §7.2).
    M,
    /// INVITE server: 200 ms, after which it sends 100 by itself (RFC 3261 §17.2.1).
    Trying,
    /// Other server: 64·T1, after which a response would be too late (RFC 4320 §4.2).
    Unanswered,
}

/// The three intervals that all timers derive from (RFC 3261 §17.1.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Intervals {
    /// Estimate of the round trip.
    pub t1: Duration,
    /// The longest interval between repeats, except of an INVITE.
    pub t2: Duration,
    /// How long a message stays in the network.
    pub t4: Duration,
}

impl Default for Intervals {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Intervals {
    /// 64·T1: the longest wait for any response or ACK.
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// Timer D: at least 32 s.
    pub fn failure_linger(&self) -> Duration {
        self.patience().max(Duration::from_secs(32))
    }
}

/// How long an INVITE server waits for its user before it sends 100 itself.
pub(crate) const TRYING_DELAY: Duration = Duration::from_millis(200);

/// The time of the next repetition, and the interval before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repeat {
    /// When the message is sent again.
    pub due: Timestamp,
    /// The interval that led to `due`.
    pub interval: Duration,
}

impl Repeat {
    /// The first repetition, `interval` from now.
    pub fn after(interval: Duration, now: Timestamp) -> Self {
        Self { due: now + interval, interval }
    }

    /// The next repetition: the interval doubles, up to `max`. It counts from the due time, not from now, so that a late shell
    /// or a restored transaction keeps the intervals; it is never in the past.
    pub fn next(self, max: Duration, now: Timestamp) -> Self {
        let interval = self.interval.saturating_mul(2).max(REPEAT_MIN).min(max);
        Self { due: (self.due + interval).max(now + Duration::from_micros(1)), interval }
    }

    /// Corrects values of a record that is damaged, or written by a machine whose clock is ahead: the repetition comes within
    /// `max`.
    pub(crate) fn restored(self, max: Duration, now: Timestamp) -> Self {
        Self { due: self.due.min(now + max), interval: self.interval.min(max) }
    }
}

/// The shortest interval of a repetition; an interval of 0 would never grow.
const REPEAT_MIN: Duration = Duration::from_millis(1);

/// The timers of a transaction: at most a repetition and an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    /// Timers A, E, G.
    pub repeat: Option<Repeat>,
    /// The other timers.
    pub end: Option<Timestamp>,
}

impl Schedule {
    /// Corrects values of a record that is damaged, or written by a machine whose clock is ahead. `waits` tells whether the
    /// transaction may wait without an end.
    pub(crate) fn restored(self, waits: bool, intervals: &Intervals, now: Timestamp) -> Self {
        let latest = now + intervals.failure_linger();
        let end = self.end.map(|end| end.min(latest));
        Self {
            repeat: self.repeat.map(|repeat| repeat.restored(intervals.patience(), now)),
            end: if waits { end } else { end.or(Some(latest)) },
        }
    }

    /// The earlier of both times.
    pub fn next(&self) -> Option<Timestamp> {
        match (self.repeat, self.end) {
            (Some(repeat), Some(end)) => Some(repeat.due.min(end)),
            (Some(repeat), None) => Some(repeat.due),
            (None, end) => end,
        }
    }
}

/// The action that a machine requests when a timer fires.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fired {
    /// Nothing is due.
    Nothing,
    /// The last message is to be sent again.
    Repeat,
    /// This timer ended the transaction.
    End(Timer),
}
