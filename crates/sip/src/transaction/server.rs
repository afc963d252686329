//! The server machines: RFC 3261 figures 7 and 8, with the Accepted state of RFC 6026 and the limits of RFC 4320.

use model::Timestamp;

use super::client::repeat_if_due;
use super::timer::{Fired, Intervals, Repeat, Schedule, TRYING_DELAY, Timer};
use crate::{Flow, StatusCode};

/// The state of a server transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServerState {
    /// No response was sent.
    Trying,
    /// A provisional response was sent.
    Proceeding,
    /// A final response was sent (to an INVITE: a failure).
    Completed,
    /// The ACK to a failure came.
    Confirmed,
    /// A 2xx to an INVITE was sent.
    Accepted,
}

/// The treatment of a response of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnAnswer {
    /// It is sent, and sent again when the request is repeated.
    Send,
    /// It is sent and the transaction is over.
    SendAndEnd,
    /// It is too late or not allowed here, and is dropped.
    Drop,
}

/// The treatment of a repeated request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnRepeat {
    /// The last response is sent again.
    Answer,
    /// It is ignored.
    Absorb,
}

/// The treatment of an ACK.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnAck {
    /// It acknowledges a failure and is not passed on.
    Absorb,
    /// As before, and the transaction is over.
    AbsorbAndEnd,
    /// It acknowledges a 2xx and is passed to the transaction user.
    Pass,
}

/// The INVITE server transaction (figure 7; RFC 6026 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InviteServer {
    pub(crate) state: ServerState,
    pub(crate) schedule: Schedule,
}

impl InviteServer {
    /// Starts with the INVITE's arrival.
    pub fn new(now: Timestamp) -> Self {
        Self { state: ServerState::Trying, schedule: Schedule { repeat: None, end: Some(now + TRYING_DELAY) } }
    }

    /// The current state.
    pub const fn state(&self) -> ServerState {
        self.state
    }

    /// Applies a response of ours.
    pub fn answer(&mut self, status: StatusCode, flow: Flow, intervals: &Intervals, now: Timestamp) -> OnAnswer {
        use ServerState::{Accepted, Completed, Confirmed, Proceeding, Trying};
        match self.state {
            Trying | Proceeding if status.is_provisional() => {
                self.state = Proceeding;
                self.schedule = Schedule::default();
                OnAnswer::Send
            }
            Trying | Proceeding if status.is_success() => {
                self.state = Accepted;
                self.schedule = Schedule { repeat: None, end: Some(now + intervals.patience()) };
                OnAnswer::Send
            }
            Trying | Proceeding => {
                self.state = Completed;
                let repeat = (!flow.is_reliable()).then(|| Repeat::after(intervals.t1, now));
                self.schedule = Schedule { repeat, end: Some(now + intervals.patience()) };
                OnAnswer::Send
            }
            // RFC 6026: the transaction user repeats its 2xx, and a proxy forwards further ones.
            Accepted if status.is_success() => OnAnswer::Send,
            Accepted | Completed | Confirmed => OnAnswer::Drop,
        }
    }

    /// Applies a repeated INVITE.
    pub const fn repeat(&self) -> OnRepeat {
        match self.state {
            ServerState::Proceeding | ServerState::Completed => OnRepeat::Answer,
            ServerState::Trying | ServerState::Confirmed | ServerState::Accepted => OnRepeat::Absorb,
        }
    }

    /// Applies an ACK.
    pub fn acknowledge(&mut self, flow: Flow, intervals: &Intervals, now: Timestamp) -> OnAck {
        match self.state {
            ServerState::Completed => {
                self.state = ServerState::Confirmed;
                if flow.is_reliable() {
                    return OnAck::AbsorbAndEnd;
                }
                self.schedule = Schedule { repeat: None, end: Some(now + intervals.t4) };
                OnAck::Absorb
            }
            ServerState::Confirmed => OnAck::Absorb,
            ServerState::Accepted => OnAck::Pass,
            // An ACK before any final response acknowledges nothing.
            ServerState::Trying | ServerState::Proceeding => OnAck::Absorb,
        }
    }

    /// Runs the timers that are due. [`Timer::Trying`] does not end the transaction.
    pub fn expire(&mut self, intervals: &Intervals, now: Timestamp) -> Fired {
        if self.schedule.end.is_some_and(|end| end <= now) {
            return Fired::End(match self.state {
                ServerState::Trying | ServerState::Proceeding => {
                    self.schedule = Schedule::default();
                    Timer::Trying
                }
                ServerState::Completed => Timer::H,
                ServerState::Confirmed => Timer::I,
                ServerState::Accepted => Timer::L,
            });
        }
        repeat_if_due(&mut self.schedule, intervals.t2, now)
    }
}

/// Any other server transaction (figure 8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NonInviteServer {
    pub(crate) state: ServerState,
    pub(crate) schedule: Schedule,
}

impl NonInviteServer {
    /// Starts with the request's arrival.
    pub fn new(intervals: &Intervals, now: Timestamp) -> Self {
        Self { state: ServerState::Trying, schedule: Schedule { repeat: None, end: Some(now + intervals.patience()) } }
    }

    /// The current state.
    pub const fn state(&self) -> ServerState {
        self.state
    }

    /// Applies a response of ours. A 408 is never sent: it would always be too late (RFC 4320 §4.2).
    pub fn answer(&mut self, status: StatusCode, flow: Flow, intervals: &Intervals, now: Timestamp) -> OnAnswer {
        if self.state == ServerState::Completed || status == StatusCode::REQUEST_TIMEOUT {
            return OnAnswer::Drop;
        }
        if status.is_provisional() {
            self.state = ServerState::Proceeding;
            return OnAnswer::Send;
        }
        self.state = ServerState::Completed;
        if flow.is_reliable() {
            return OnAnswer::SendAndEnd;
        }
        self.schedule.end = Some(now + intervals.patience());
        OnAnswer::Send
    }

    /// Applies a repeated request.
    pub const fn repeat(&self) -> OnRepeat {
        match self.state {
            ServerState::Trying => OnRepeat::Absorb,
            _ => OnRepeat::Answer,
        }
    }

    /// Runs the timers that are due.
    pub fn expire(&mut self, now: Timestamp) -> Fired {
        if self.schedule.end.is_some_and(|end| end <= now) {
            return Fired::End(if self.state == ServerState::Completed { Timer::J } else { Timer::Unanswered });
        }
        Fired::Nothing
    }
}
