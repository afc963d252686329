//! The agents of a tenant: logins, readiness and wrap-up (`docs/for-agents.md`).
//!
//! The table holds all sessions of one owner, because a phone has one agent and an agent one phone. Drive loop: [`AgentTable::handle`],
//! drain [`AgentTable::poll_output`], commit the agents of [`AgentTable::take_changed`], sleep until [`AgentTable::next_timeout`].

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use model::agent::AfterBusy;
use model::event::{ErrorCode, Stamped};
use model::request::RequestKind;
use model::{AgentId, AgentState, Dn, Event, EventName, Request, TenantId, Timestamp, Token, UserData, WorkMode};

pub mod business;
mod session;
#[cfg(test)]
mod tests;

pub use session::{AgentSnapshot, NoAnswerAction, OnCall, Profile, state_name};

/// The most agents in one table; a login beyond it is refused. Ten times the largest tenant that the design allows for.
pub const AGENTS_MAX: usize = 100_000;

/// The most calls counted on one agent's phone; further calls are ignored. No phone has as many lines.
pub const CALLS_MAX: usize = 64;
/// The most agents whose after-call work one turn ends; the others stay due for the next turn.
pub const WRAPPED_UP_PER_TURN: usize = 1_000;

/// An input of the agent table.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A request about an agent. `profile` is the agent that the login names, else the agent whose default place has the DN; `None` if
    /// there is no such agent.
    Request {
        /// The request.
        request: Request,
        /// The agent that it concerns, if configuration knows one.
        profile: Option<Profile>,
    },
    /// A fact about a call.
    Call(&'a Event),
    /// A phone's registration has expired or was removed.
    PhoneLost(Dn),
    /// An agent's configuration has changed.
    ProfileChanged(Profile),
    /// A repair by the auditor: the agent is on no call, whatever the table contains.
    Free {
        /// The agent.
        agent: AgentId,
        /// The auditor's finding.
        why: String,
    },
    /// A repair by the auditor: publish the present state again.
    Restate(AgentId),
}

/// An output of the agent table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all outputs are facts; a box would cost an allocation for each")]
pub enum Output {
    /// A fact, to be published with the commit of its agent.
    Fact(Stamped),
    /// A refused request: no agent is on its DN.
    Refused {
        /// The request.
        request: Request,
        /// The error's published number.
        code: ErrorCode,
        /// The reason, for a human reader.
        text: &'static str,
    },
}

/// The agents of one tenant.
#[derive(Clone, Debug)]
pub struct AgentTable {
    tenant: TenantId,
    // Ordered, so that equal inputs give equal outputs.
    agents: BTreeMap<AgentId, AgentSnapshot>,
    on_dn: HashMap<Dn, AgentId>,
    changed: BTreeSet<AgentId>,
    outputs: VecDeque<Output>,
}

type Outcome = Result<(), (ErrorCode, &'static str)>;

impl AgentTable {
    /// A table without agents.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            agents: BTreeMap::new(),
            on_dn: HashMap::new(),
            changed: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Continues with an agent from its snapshot.
    pub fn restore(&mut self, snapshot: AgentSnapshot) {
        if let Some(dn) = &snapshot.dn {
            self.on_dn.insert(dn.clone(), snapshot.agent.clone());
        }
        self.agents.insert(snapshot.agent.clone(), snapshot);
    }

    /// Continues with the agent under a new owner: its events are numbered from 1 under this token.
    pub fn claim(&mut self, agent: &AgentId, token: Token) {
        if let Some(session) = self.agents.get_mut(agent) {
            session.token = token;
            session.seq = 0;
        }
    }

    /// Forgets an agent that a newer owner has claimed.
    pub fn forget(&mut self, agent: &AgentId) {
        if let Some(dn) = self.agents.remove(agent).and_then(|session| session.dn) {
            self.on_dn.remove(&dn);
        }
        self.changed.remove(agent);
    }

    /// An agent's current state.
    pub fn agent(&self, agent: &AgentId) -> Option<&AgentSnapshot> {
        self.agents.get(agent)
    }

    /// A snapshot of an agent.
    pub fn snapshot(&self, agent: &AgentId) -> Option<AgentSnapshot> {
        self.agents.get(agent).cloned()
    }

    /// The agent that is logged in on a DN.
    pub fn on_dn(&self, dn: &Dn) -> Option<&AgentSnapshot> {
        self.agents.get(self.on_dn.get(dn)?)
    }

    /// All agents that have logged in at least once.
    pub fn iter(&self) -> impl Iterator<Item = &AgentSnapshot> {
        self.agents.values()
    }

    /// The agents that have changed since the last call of this function.
    pub fn take_changed(&mut self) -> BTreeSet<AgentId> {
        std::mem::take(&mut self.changed)
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`AgentTable::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.agents.values().filter_map(|session| session.due).min()
    }

    /// Handles an input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        match input {
            Input::Request { request, profile } => self.request(request, profile, now),
            Input::Call(event) => self.call_event(event, now),
            Input::PhoneLost(dn) => self.phone_lost(&dn, now),
            Input::ProfileChanged(profile) => {
                if let Some(session) = self.agents.get_mut(&profile.agent) {
                    self.changed.insert(profile.agent.clone());
                    session.profile = profile;
                }
            }
            Input::Free { agent, why } => self.free(&agent, &why, now),
            Input::Restate(agent) => self.restate(&agent, None, now),
        }
    }

    /// Ends after-call work that is due, for at most [`WRAPPED_UP_PER_TURN`] agents.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let due: Vec<AgentId> = self
            .agents
            .values()
            .filter(|session| session.due.is_some_and(|due| due <= now))
            .map(|session| session.agent.clone())
            .take(WRAPPED_UP_PER_TURN)
            .collect();
        for agent in due {
            self.wrapped_up(&agent, now);
        }
    }

    // ---- requests

    fn request(&mut self, request: Request, profile: Option<Profile>, now: Timestamp) {
        let agent = match &request.kind {
            RequestKind::AgentLogin(..) => profile.as_ref().map(|profile| profile.agent.clone()),
            _ => self
                .on_dn
                .get(&request.this_dn)
                .cloned()
                .or_else(|| profile.as_ref().map(|profile| profile.agent.clone())),
        };
        let Some(agent) = agent else {
            let code = ErrorCode::INVALID_ATTRIBUTE;
            return self.outputs.push_back(Output::Refused { request, code, text: "no agent belongs to this DN" });
        };
        if let Some(profile) = profile.filter(|profile| profile.agent == agent) {
            if !self.agents.contains_key(&agent) && self.agents.len() >= AGENTS_MAX {
                let code = ErrorCode::OUT_OF_SERVICE;
                return self.outputs.push_back(Output::Refused { request, code, text: "too many agents" });
            }
            match self.agents.get_mut(&agent) {
                Some(session) => session.profile = profile,
                None => {
                    let session = AgentSnapshot::logged_out(self.tenant.clone(), profile, now);
                    self.agents.insert(agent.clone(), session);
                }
            }
        }
        if let Err((code, text)) = self.carry_out(&agent, &request, now) {
            let mut event = Event::new(EventName::Error);
            event.error = Some((code, text.to_owned()));
            self.publish(&agent, event, Some(&request), now);
        }
    }

    fn carry_out(&mut self, agent: &AgentId, request: &Request, now: Timestamp) -> Outcome {
        match &request.kind {
            RequestKind::AgentLogin(_, work_mode) => self.log_in(agent, *work_mode, request, now),
            RequestKind::QueryAddress => {
                self.address_info(agent, request, now);
                Ok(())
            }
            kind => {
                let here = self.agents.get(agent).is_some_and(|session| session.dn.as_ref() == Some(&request.this_dn));
                if !here {
                    return Err((ErrorCode::INVALID_CALL_STATE, "no agent is logged in on this DN"));
                }
                match kind {
                    RequestKind::AgentLogout => self.log_out(agent, Some(request), now),
                    RequestKind::AgentReady(mode) => self.set_ready(agent, *mode, Some(request), now),
                    RequestKind::AgentNotReady(mode) => {
                        self.set_not_ready(agent, *mode, request.reasons.clone(), Some(request), now);
                    }
                    _ => return Err((ErrorCode::UNSUPPORTED, "not a request about an agent")),
                }
                Ok(())
            }
        }
    }

    fn log_in(&mut self, agent: &AgentId, mode: WorkMode, request: &Request, now: Timestamp) -> Outcome {
        let dn = &request.this_dn;
        if self.on_dn.get(dn).is_some_and(|other| other != agent) {
            return Err((ErrorCode::DN_BUSY, "another agent is logged in on this DN"));
        }
        let Some(session) = self.agents.get_mut(agent) else {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "no such agent"));
        };
        if session.dn.as_ref().is_some_and(|elsewhere| elsewhere != dn) {
            return Err((ErrorCode::AGENT_IN_USE, "the agent is logged in elsewhere"));
        }
        if session.state != AgentState::LoggedOut {
            // The same agent on the same phone repeats its login: answer with the present state.
            self.restate(agent, Some(request), now);
            return Ok(());
        }
        session.dn = Some(dn.clone());
        session.calls.clear();
        session.state = AgentState::NotReady;
        self.on_dn.insert(dn.clone(), agent.clone());
        let mut event = Event::new(EventName::AgentLogin);
        event.work_mode = Some(mode);
        self.publish(agent, event, Some(request), now);
        if mode == WorkMode::AutoIn {
            self.set_ready(agent, mode, None, now);
        } else {
            self.set_not_ready(agent, mode, request.reasons.clone(), None, now);
        }
        Ok(())
    }

    fn log_out(&mut self, agent: &AgentId, request: Option<&Request>, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        session.enter(AgentState::LoggedOut, now);
        session.calls.clear();
        session.due = None;
        let event = Event::new(EventName::AgentLogout);
        self.publish(agent, event, request, now);
        if let Some(dn) = self.agents.get_mut(agent).and_then(|session| session.dn.take()) {
            self.on_dn.remove(&dn);
        }
    }

    fn set_ready(&mut self, agent: &AgentId, mode: WorkMode, request: Option<&Request>, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let state = match session.state {
            AgentState::Busy(_) => AgentState::Busy(AfterBusy::Ready),
            _ => AgentState::Ready,
        };
        session.enter(state, now);
        session.due = None;
        session.mode = mode;
        session.reasons = UserData::new();
        let mut event = Event::new(EventName::AgentReady);
        event.work_mode = Some(mode);
        self.publish(agent, event, request, now);
    }

    fn set_not_ready(
        &mut self,
        agent: &AgentId,
        mode: WorkMode,
        reasons: UserData,
        request: Option<&Request>,
        now: Timestamp,
    ) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let wraps_up = mode == WorkMode::AfterCallWork;
        let state = match (session.state, wraps_up) {
            (AgentState::Busy(_), false) => AgentState::Busy(AfterBusy::NotReady),
            (AgentState::Busy(_), true) => AgentState::Busy(AfterBusy::AfterCallWork),
            (_, false) => AgentState::NotReady,
            (_, true) => AgentState::AfterCallWork,
        };
        session.enter(state, now);
        session.due = None;
        session.mode = mode;
        session.reasons = reasons.clone();
        let mut event = Event::new(EventName::AgentNotReady);
        event.work_mode = Some(mode);
        event.reasons = reasons;
        self.publish(agent, event, request, now);
    }

    fn address_info(&mut self, agent: &AgentId, request: &Request, now: Timestamp) {
        let mut event = Event::new(EventName::AddressInfo);
        if let Some(session) = self.agents.get(agent) {
            event.work_mode = Some(session.mode);
            event.extensions.push("AgentState", session::state_name(session.state));
            event.extensions.push("CallsOnDN", i64::try_from(session.calls.len()).unwrap_or(i64::MAX));
        }
        self.publish(agent, event, Some(request), now);
    }

    /// Publishes the present state again.
    fn restate(&mut self, agent: &AgentId, request: Option<&Request>, now: Timestamp) {
        let Some(session) = self.agents.get(agent) else {
            return;
        };
        let name = match session.state {
            AgentState::LoggedOut => EventName::AgentLogout,
            AgentState::Ready | AgentState::Busy(AfterBusy::Ready) => EventName::AgentReady,
            AgentState::NotReady
            | AgentState::AfterCallWork
            | AgentState::Busy(AfterBusy::NotReady | AfterBusy::AfterCallWork) => EventName::AgentNotReady,
        };
        let mut event = Event::new(name);
        event.work_mode = Some(session.mode);
        event.reasons = session.reasons.clone();
        self.publish(agent, event, request, now);
    }

    /// Publishes an event of an agent: with its DN, numbered within its token.
    fn publish(&mut self, agent: &AgentId, mut event: Event, request: Option<&Request>, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        event.agent = Some(agent.clone());
        event.this_dn = session.dn.clone();
        if let Some(request) = request {
            event.this_dn = Some(request.this_dn.clone());
            event.reference = request.reference;
            event.requester = Some(request.requester.clone());
            event.extensions.update(&request.extensions);
        }
        self.changed.insert(agent.clone());
        self.outputs.push_back(Output::Fact(session.stamp(event, now)));
    }
}
