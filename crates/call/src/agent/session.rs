//! One agent's session: plain public data that also serves as its snapshot.

use std::time::Duration;

use model::agent::AfterBusy;
use model::event::Stamped;
use model::{
    AgentId, AgentState, ConnId, Dn, Event, EventId, Seq, Subject, TenantId, Timestamp, Token, UserData, WorkMode,
};

/// Without another setting, a wrap-up of at least this number of seconds has no end.
pub const UNTIMED_WRAP_UP_S: u64 = 1_000;

/// An agent's settings from configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// The agent.
    pub agent: AgentId,
    /// The wrap-up time after a business call, in milliseconds; 0 means no wrap-up.
    pub wrap_up_ms: u64,
    /// A wrap-up of at least this number of seconds lasts until the agent ends it.
    pub untimed_wrap_up_s: u64,
    /// Wrap-up that an agent begins without a call.
    pub idle_wrap_up: IdleWrapUp,
    /// The rest between a business call, or its wrap-up, and the next one, in milliseconds; 0 means none.
    pub legal_guard_ms: u64,
    /// The action after an unanswered call.
    pub no_answer: NoAnswerAction,
    /// Whether the agent is logged out when its phone's registration is lost; otherwise it is made not ready.
    pub logout_on_out_of_service: bool,
    /// When an agent that does nothing is logged out.
    pub auto_logout: AutoLogout,
    /// Whether it logs in by its password alone.
    pub login_needs_password: bool,
}

impl Profile {
    /// An agent for whom nothing is set.
    pub fn new(agent: AgentId) -> Self {
        Self {
            agent,
            wrap_up_ms: 0,
            untimed_wrap_up_s: UNTIMED_WRAP_UP_S,
            idle_wrap_up: IdleWrapUp::default(),
            legal_guard_ms: 0,
            no_answer: NoAnswerAction::default(),
            logout_on_out_of_service: false,
            auto_logout: AutoLogout::default(),
            login_needs_password: false,
        }
    }
}

/// The wrap-up that an agent begins without a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IdleWrapUp {
    /// Whether it lasts until the agent ends it, even if the agent has a wrap-up time.
    pub untimed: bool,
    /// Whether it leads back to the state before it, and not to ready.
    pub leads_back: bool,
}

/// When an agent that does nothing is logged out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AutoLogout {
    /// After this time, in milliseconds; 0 means never.
    pub after_ms: u64,
    /// Whether an agent that is ready is logged out, too.
    pub ready_too: bool,
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

/// A state of not ready, to which an agent returns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pause {
    /// Its work mode.
    pub mode: WorkMode,
    /// Its reasons.
    pub reasons: UserData,
}

/// The whole state of an agent's session. Its state, mode, reasons, calls and times are those of [`model::agent::Channel::Voice`].
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
    /// When the agent or its phone last did something.
    pub active_at: Timestamp,
    /// The work mode last published.
    pub mode: WorkMode,
    /// The reasons last published.
    pub reasons: UserData,
    /// The calls on its phone.
    pub calls: Vec<OnCall>,
    /// When after-call work, or the rest after it, ends.
    pub due: Option<Timestamp>,
    /// The wrap-up time of this login, in seconds, if it named one.
    pub login_wrap_up_s: Option<u64>,
    /// The wrap-up time that the agent has asked for during its call, in seconds.
    pub asked_wrap_up_s: Option<u64>,
    /// What follows the present after-call work, if not ready.
    pub then: Option<Pause>,
}

impl AgentSnapshot {
    /// An agent that has never logged in.
    pub fn logged_out(tenant: TenantId, profile: Profile, now: Timestamp) -> Self {
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
            active_at: now,
            mode: WorkMode::Unknown,
            reasons: UserData::new(),
            calls: Vec::new(),
            due: None,
            login_wrap_up_s: None,
            asked_wrap_up_s: None,
            then: None,
        }
    }

    /// Whether a business call may be offered: the agent is ready and no call is on its phone.
    pub fn is_available(&self) -> bool {
        self.state == AgentState::Ready && self.calls.is_empty()
    }

    /// Whether it has the rest that must follow a business call.
    pub fn is_guarded(&self) -> bool {
        self.state == AgentState::NotReady && self.mode == WorkMode::LegalGuard
    }

    /// When its next timer is due: the end of after-call work or of the rest after it, or the automatic logout.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.into_iter().chain(self.logout_due()).min()
    }

    /// When it is logged out if nothing happens.
    pub(super) fn logout_due(&self) -> Option<Timestamp> {
        let AutoLogout { after_ms, ready_too } = self.profile.auto_logout;
        let idle = match self.state {
            AgentState::NotReady => !self.is_guarded(),
            AgentState::Ready => ready_too,
            AgentState::LoggedOut | AgentState::AfterCallWork | AgentState::Busy(_) => false,
        };
        let due = self.active_at.max(self.since) + Duration::from_millis(after_ms);
        (after_ms > 0 && idle && self.calls.is_empty()).then_some(due)
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
