//! Overload control: initial requests that cannot be finished in time are refused early, so that admitted ones are finished.
//!
//! The measure is how long messages wait for their turn, whatever they came by. A long wait alone is no overload: after a moment in which
//! the process was not scheduled everything is late, but the queue shrinks. The load exceeds the capacity if each turn of [`PERSISTS`] has
//! taken what had waited for [`LATE`], and after [`SETTLES`] about as much has come as was taken. Then every initial request is refused,
//! at a cost of a few microseconds, until the wait falls to [`IN_TIME`]. A caller repeats after 500 ms (T1, RFC 3261 §17.1.1.2), and each
//! repeat is useless work: where the load exceeds the capacity, the wait stays below that.

use std::time::Duration;

use model::Timestamp;

/// A wait that indicates overload.
pub const LATE: Duration = Duration::from_millis(50);
/// At or below this wait, the overload has ended.
pub const IN_TIME: Duration = Duration::from_millis(10);
/// How long every turn must be late before any request is refused.
pub const PERSISTS: Duration = Duration::from_millis(200);
/// After this time what has come during a stall is read, and so are the answers to it: what comes from then on tells of the load.
pub const SETTLES: Duration = Duration::from_millis(100);
/// A queue to which at most so many messages come for each hundred that are taken is being worked off.
pub const WORKED_OFF_AT: usize = 90;

/// What a turn of the loop had to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TurnLoad {
    /// The longest wait among the messages that it has taken; zero without any.
    pub waited: Duration,
    /// How many it has taken.
    pub taken: usize,
    /// How many wait after it.
    pub left: usize,
}

/// The state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Overload {
    late: Option<Lateness>,
    refusing: bool,
}

/// A time in which every turn was late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Lateness {
    since: Timestamp,
    queue: Option<SettledQueue>,
}

/// The queue once it has settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct SettledQueue {
    /// How many waited then.
    length: usize,
    /// How many have been taken since.
    taken: usize,
}

impl Overload {
    /// Takes note of a turn that has just ended. Returns whether an overload began.
    pub(super) fn observe(&mut self, turn: TurnLoad, now: Timestamp) -> bool {
        // What comes after a turn that has left nothing does not wait, however long the last ones have.
        if turn.waited < LATE || turn.left == 0 {
            self.late = None;
            self.refusing &= turn.waited > IN_TIME && turn.left > 0;
            return false;
        }
        let late = self.late.get_or_insert(Lateness { since: now, queue: None });
        let lasts = now.since(late.since);
        let Some(queue) = &mut late.queue else {
            late.queue = (lasts >= SETTLES).then_some(SettledQueue { length: turn.left, taken: 0 });
            return false;
        };
        queue.taken += turn.taken;
        let begins = !self.refusing && lasts >= PERSISTS && !queue.is_worked_off(turn.left);
        self.refusing |= begins;
        begins
    }

    /// Whether initial requests are refused.
    pub(super) const fn refuses(self) -> bool {
        self.refusing
    }
}

impl SettledQueue {
    /// Whether clearly less has come than was taken, now that so many wait.
    const fn is_worked_off(self, left: usize) -> bool {
        let came = (left + self.taken).saturating_sub(self.length);
        came * 100 <= self.taken * WORKED_OFF_AT
    }
}

#[cfg(test)]
mod tests;
