//! The client machines: RFC 3261 figures 5 and 6, with the Accepted state of RFC 6026.

use std::time::Duration;

use model::Timestamp;

use super::timer::{Fired, Intervals, Repeat, Schedule, Timer};
use crate::StatusCode;

/// Where a client transaction stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClientState {
    /// INVITE sent, nothing came.
    Calling,
    /// Another request sent, nothing came.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came (to an INVITE: a failure); repeats are absorbed.
    Completed,
    /// A 2xx to an INVITE came; further ones are passed up.
    Accepted,
}

/// What is to be done with a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnResponse {
    /// It goes up.
    Pass,
    /// It goes up and the transaction is over.
    PassAndEnd,
    /// It goes up and is acknowledged.
    PassAndAck,
    /// It goes up, is acknowledged, and the transaction is over.
    PassAckAndEnd,
    /// It is acknowledged again and goes no further.
    Ack,
    /// It goes no further.
    Absorb,
}

/// The INVITE client transaction (figure 5; RFC 6026 §7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InviteClient {
    pub(crate) state: ClientState,
    pub(crate) schedule: Schedule,
}

impl InviteClient {
    /// Starts with the first transmission.
    pub fn new(reliable: bool, intervals: &Intervals, now: Timestamp) -> Self {
        let repeat = (!reliable).then(|| Repeat::after(intervals.t1, now));
        Self { state: ClientState::Calling, schedule: Schedule { repeat, end: Some(now + intervals.patience()) } }
    }

    /// Where it stands.
    pub const fn state(&self) -> ClientState {
        self.state
    }

    /// Takes a response.
    pub fn respond(&mut self, status: StatusCode, reliable: bool, intervals: &Intervals, now: Timestamp) -> OnResponse {
        use ClientState::{Accepted, Calling, Completed, Proceeding, Trying};
        match self.state {
            Calling | Proceeding | Trying if status.is_provisional() => {
                if self.state == Calling {
                    self.schedule = Schedule::default();
                }
                self.state = Proceeding;
                OnResponse::Pass
            }
            Calling | Proceeding | Trying if status.is_success() => {
                self.state = Accepted;
                self.schedule = Schedule { repeat: None, end: Some(now + intervals.patience()) };
                OnResponse::Pass
            }
            Calling | Proceeding | Trying => {
                self.state = Completed;
                if reliable {
                    self.schedule = Schedule::default();
                    return OnResponse::PassAckAndEnd;
                }
                self.schedule = Schedule { repeat: None, end: Some(now + intervals.failure_linger()) };
                OnResponse::PassAndAck
            }
            Completed if status.is_final() && !status.is_success() => OnResponse::Ack,
            Accepted if status.is_success() => OnResponse::Pass,
            Completed | Accepted => OnResponse::Absorb,
        }
    }

    /// Gives up at `due` if no final response came by then: timer C of a proxy, or 64·T1 after a CANCEL (RFC 3261 §9.1). Who has
    /// given up already does so no later: provisional responses may come for ever.
    pub fn give_up_at(&mut self, due: Timestamp) {
        match self.state {
            ClientState::Calling => {}
            ClientState::Proceeding => self.schedule.end = Some(self.schedule.end.map_or(due, |end| end.min(due))),
            _ => {}
        }
    }

    /// Lets time pass.
    pub fn expire(&mut self, _: &Intervals, now: Timestamp) -> Fired {
        if self.schedule.end.is_some_and(|end| end <= now) {
            return Fired::End(match self.state {
                ClientState::Calling | ClientState::Trying => Timer::B,
                ClientState::Proceeding => Timer::C,
                ClientState::Completed => Timer::D,
                ClientState::Accepted => Timer::M,
            });
        }
        repeat_if_due(&mut self.schedule, Duration::MAX, now)
    }
}

/// Any other client transaction (figure 6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NonInviteClient {
    pub(crate) state: ClientState,
    pub(crate) schedule: Schedule,
}

impl NonInviteClient {
    /// Starts with the first transmission.
    pub fn new(reliable: bool, intervals: &Intervals, now: Timestamp) -> Self {
        let repeat = (!reliable).then(|| Repeat::after(intervals.t1, now));
        Self { state: ClientState::Trying, schedule: Schedule { repeat, end: Some(now + intervals.patience()) } }
    }

    /// Where it stands.
    pub const fn state(&self) -> ClientState {
        self.state
    }

    /// Takes a response.
    pub fn respond(&mut self, status: StatusCode, reliable: bool, intervals: &Intervals, now: Timestamp) -> OnResponse {
        if self.state == ClientState::Completed {
            return OnResponse::Absorb;
        }
        if status.is_provisional() {
            self.state = ClientState::Proceeding;
            return OnResponse::Pass;
        }
        self.state = ClientState::Completed;
        if reliable {
            self.schedule = Schedule::default();
            return OnResponse::PassAndEnd;
        }
        self.schedule = Schedule { repeat: None, end: Some(now + intervals.t4) };
        OnResponse::Pass
    }

    /// Lets time pass.
    pub fn expire(&mut self, intervals: &Intervals, now: Timestamp) -> Fired {
        if self.schedule.end.is_some_and(|end| end <= now) {
            return Fired::End(if self.state == ClientState::Completed { Timer::K } else { Timer::F });
        }
        if self.state == ClientState::Proceeding
            && let Some(repeat) = &mut self.schedule.repeat
        {
            // In Proceeding the interval is T2 at once (§17.1.2.2).
            repeat.interval = repeat.interval.max(intervals.t2);
        }
        repeat_if_due(&mut self.schedule, intervals.t2, now)
    }
}

/// Advances a repetition that is due.
pub(super) fn repeat_if_due(schedule: &mut Schedule, max: Duration, now: Timestamp) -> Fired {
    match schedule.repeat {
        Some(repeat) if repeat.due <= now => {
            schedule.repeat = Some(repeat.next(max, now));
            Fired::Repeat
        }
        _ => Fired::Nothing,
    }
}
