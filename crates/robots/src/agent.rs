//! A robot agent, and the call at its phone.

use std::time::{Duration, Instant};

use sip::agent::DialogId;

use crate::audio::LegId;
use crate::site::RobotAgent;

/// A robot agent.
pub(crate) struct Agent {
    pub who: RobotAgent,
    pub duty: Duty,
    pub line: Option<Line>,
    /// The call about which another agent is about to ring this one.
    pub awaited: Option<u32>,
    /// Whether there is work after a call.
    pub wraps: bool,
    pub rang: u32,
    pub answered: u32,
    pub talked: Duration,
    pub register_round: u32,
}

/// The call at an agent's phone.
pub(crate) struct Line {
    pub dialog: DialogId,
    /// The caller's call; none if the other party is no robot.
    pub call: Option<u32>,
    pub leg: Option<LegId>,
    /// The offer of the INVITE.
    pub offer: Option<bytes::Bytes>,
    pub answered: Option<Instant>,
    /// We made the last offer: a hold or a retrieval.
    pub changing: Option<Change>,
}

/// A change of the session that the agent has offered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Hold,
    Retrieve,
}

/// State of an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Duty {
    /// The phone is not registered yet.
    Away,
    /// The login was requested.
    LoggingIn,
    /// Readiness was requested for the first time.
    GettingReady,
    /// At work.
    Working,
    /// The logout was requested.
    LoggingOut,
    /// Logged out.
    LoggedOut,
}

impl Agent {
    pub const fn new(who: RobotAgent) -> Self {
        Self {
            who,
            duty: Duty::Away,
            line: None,
            awaited: None,
            wraps: false,
            rang: 0,
            answered: 0,
            talked: Duration::ZERO,
            register_round: 0,
        }
    }

    pub fn is_ready(&self) -> bool {
        self.duty == Duty::Working
    }
}
