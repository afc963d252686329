//! One agent's session: plain public data that also serves as its snapshot.

use model::agent::AfterBusy;
use model::event::Stamped;
use model::{
    AgentId, AgentState, ConnId, Dn, Event, EventId, Seq, Subject, TenantId, Timestamp, Token, UserData, WorkMode,
};

/// An agent's settings from configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// The agent.
    pub agent: AgentId,
    /// The wrap-up time after a business call, in milliseconds; 0 means no wrap-up.
    pub wrap_up_ms: u64,
    /// The action after an unanswered call.
    pub no_answer: NoAnswerAction,
    /// Whether the agent is logged out when its phone's registration is lost; otherwise it is made not ready.
    pub logout_on_out_of_service: bool,
}

/// The action on an agent that did not answer an offered call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NoAnswerAction {
    /// No change: the agent gets the next call.
    None,
    /// It is made not ready, with a reason.
    #[default]
    NotReady,
    /// It is logged out.
    Logout,
}

/// A call on the agent's phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OnCall {
    /// The call.
    pub conn_id: ConnId,
    /// Whether it came through a route point.
    pub business: bool,
    /// Whether it was answered.
    pub established: bool,
}

/// The whole state of an agent's session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentSnapshot {
    /// The tenant.
    pub tenant: TenantId,
    /// The agent.
    pub agent: AgentId,
    /// The owner's fencing token.
    pub token: Token,
    /// The number of the last event under this token.
    pub seq: u64,
    /// The time of the last event.
    pub last_at: Timestamp,
    /// The agent's settings from configuration.
    pub profile: Profile,
    /// The phone on which it is logged in.
    pub dn: Option<Dn>,
    /// Its state.
    pub state: AgentState,
    /// When it entered this state.
    pub since: Timestamp,
    /// The work mode last published.
    pub mode: WorkMode,
    /// The reasons last published.
    pub reasons: UserData,
    /// The calls on its phone.
    pub calls: Vec<OnCall>,
    /// When after-call work ends.
    pub due: Option<Timestamp>,
}

impl AgentSnapshot {
    /// An agent that has never logged in.
    pub(super) fn logged_out(tenant: TenantId, profile: Profile, now: Timestamp) -> Self {
        Self {
            tenant,
            agent: profile.agent.clone(),
            token: Token(1),
            seq: 0,
            last_at: now,
            profile,
            dn: None,
            state: AgentState::LoggedOut,
            since: now,
            mode: WorkMode::Unknown,
            reasons: UserData::new(),
            calls: Vec::new(),
            due: None,
        }
    }

    /// Whether a business call may be offered: the agent is ready and no call is on its phone.
    pub fn is_available(&self) -> bool {
        self.state == AgentState::Ready && self.calls.is_empty()
    }

    pub(super) fn enter(&mut self, state: AgentState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }

    pub(super) fn stamp(&mut self, event: Event, now: Timestamp) -> Stamped {
        self.seq += 1;
        self.last_at = self.last_at.max(now);
        Stamped {
            id: EventId { subject: Subject::Agent(self.agent.clone()), token: self.token, seq: Seq(self.seq) },
            tenant: self.tenant.clone(),
            at: self.last_at,
            trace: event.call.as_ref().map(|call| call.uuid),
            event,
        }
    }
}

/// A state's published name.
pub const fn state_name(state: AgentState) -> &'static str {
    match state {
        AgentState::LoggedOut => "LoggedOut",
        AgentState::NotReady => "NotReady",
        AgentState::Ready => "Ready",
        AgentState::AfterCallWork => "AfterCallWork",
        AgentState::Busy(AfterBusy::Ready) => "BusyReady",
        AgentState::Busy(AfterBusy::NotReady) => "BusyNotReady",
        AgentState::Busy(AfterBusy::AfterCallWork) => "BusyAfterCallWork",
    }
}
