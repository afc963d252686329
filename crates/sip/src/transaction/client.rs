//! The client machines: RFC 3261 figures 5 and 6, with the Accepted state of RFC 6026.

use std::time::Duration;

use model::Timestamp;

use super::timer::{Fired, Intervals, Repeat, Schedule, Timer};
use crate::{Flow, StatusCode};

/// The state of a client transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClientState {
    /// INVITE sent, no response yet.
    Calling,
    /// Another request sent, no response yet.
    Trying,
    /// A provisional response came.
    Proceeding,
    /// A final response came (to an INVITE: a failure); repeats are absorbed.
    Completed,
    /// A 2xx to an INVITE came; further ones are passed up.
    Accepted,
}

/// The treatment of a response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnResponse {
    /// It is passed up.
    Pass,
    /// It is passed up and the transaction is over.
    PassAndEnd,
    /// It is passed up and acknowledged.
    PassAndAck,
    /// It is passed up and acknowledged, and the transaction is over.
    PassAckAndEnd,
    /// It is acknowledged again and not passed up.
    Ack,
    /// It is not passed up.
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
    pub fn new(flow: Flow, intervals: &Intervals, now: Timestamp) -> Self {
        let repeat = (!flow.is_reliable()).then(|| Repeat::after(intervals.t1, now));
        Self { state: ClientState::Calling, schedule: Schedule { repeat, end: Some(now + intervals.patience()) } }
    }

    /// The current state.
    pub const fn state(&self) -> ClientState {
        self.state
    }

    /// Applies a response.
    pub fn respond(&mut self, status: StatusCode, flow: Flow, intervals: &Intervals, now: Timestamp) -> OnResponse {
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
                if flow.is_reliable() {
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

    /// Times out at `due` if no final response came by then: timer C of a proxy, or 64·T1 after a CANCEL (RFC 3261 §9.1). An
    /// earlier end stays: provisional responses may come for ever.
    pub fn give_up_at(&mut self, due: Timestamp) {
        match self.state {
            ClientState::Calling => {}
            ClientState::Proceeding => self.schedule.end = Some(self.schedule.end.map_or(due, |end| end.min(due))),
            _ => {}
        }
    }

    /// Runs the timers that are due.
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
    pub fn new(flow: Flow, intervals: &Intervals, now: Timestamp) -> Self {
        let repeat = (!flow.is_reliable()).then(|| Repeat::after(intervals.t1, now));
        Self { state: ClientState::Trying, schedule: Schedule { repeat, end: Some(now + intervals.patience()) } }
    }

    /// The current state.
    pub const fn state(&self) -> ClientState {
        self.state
    }

    /// Applies a response.
    pub fn respond(&mut self, status: StatusCode, flow: Flow, intervals: &Intervals, now: Timestamp) -> OnResponse {
        if self.state == ClientState::Completed {
            return OnResponse::Absorb;
        }
        if status.is_provisional() {
            self.state = ClientState::Proceeding;
            return OnResponse::Pass;
        }
        self.state = ClientState::Completed;
        if flow.is_reliable() {
            self.schedule = Schedule::default();
            return OnResponse::PassAndEnd;
        }
        self.schedule = Schedule { repeat: None, end: Some(now + intervals.t4) };
        OnResponse::Pass
    }

    /// Runs the timers that are due.
    pub fn expire(&mut self, intervals: &Intervals, now: Timestamp) -> Fired {
        if self.schedule.end.is_some_and(|end| end <= now) {
            return Fired::End(if self.state == ClientState::Completed { Timer::K } else { Timer::F });
        }
        if self.state == ClientState::Proceeding
            && let Some(repeat) = &mut self.schedule.repeat
        {
            // In Proceeding the interval is T2 from the start (§17.1.2.2).
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
