//! The agents of a tenant: logins, readiness and wrap-up (`docs/for-agents.md`). `requests` has what is asked for, `business` what calls do,
//! `wrap_up` the time after them.
//!
//! The table holds all sessions of one owner, because a phone has one agent and an agent one phone. Drive loop: [`AgentTable::handle`],
//! drain [`AgentTable::poll_output`], commit the agents of [`AgentTable::take_changed`], sleep until [`AgentTable::next_timeout`],
//! [`AgentTable::handle_due`] for those of [`AgentTable::due`].

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use model::agent::AfterBusy;
use model::event::{ErrorCode, Stamped};
use model::{
    AgentId, AgentState, ConnId, Dn, Event, EventName, Request, TenantId, Timestamp, Token, UserData, WorkMode,
};

mod business;
mod index;
pub mod outcomes;
mod requests;
mod session;
#[cfg(test)]
mod tests;
mod wrap_up;

pub use session::{
    AgentSnapshot, AutoLogout, IdleWrapUp, NoAnswerAction, OnCall, Pause, Profile, UNTIMED_WRAP_UP_S, state_name,
};
pub use wrap_up::{WRAP_UP_MAX, WRAP_UP_TIME};

/// The most agents in one table; a login beyond it is refused. Whoever has logged in once stays in it as long as there is such an agent,
/// and a while longer, so that former agents need room beside as many people as a tenant may have.
pub const AGENTS_MAX: usize = 2 * model::plan::PEOPLE_MAX;

/// The most calls counted on one agent's phone; further calls are ignored. No phone has as many lines.
pub const CALLS_MAX: usize = 64;
/// The most agents whose timers one turn handles; the others stay due for the next turn.
pub const WRAPPED_UP_PER_TURN: usize = 1_000;
/// The extension of a request that names the medium for which the agent is ready or not; without it, calls.
pub const MEDIA_TYPE: &str = "MediaType";

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
    /// Wrap-up times of route points in seconds, by their numbers: all that configuration has. A restored table has none before this.
    WrapUpTimes(BTreeMap<String, u64>),
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
    index: index::AgentIndex,
    /// Agents that the index does not know as they are now: those of the input in hand, or of one that failed.
    unindexed: Vec<AgentId>,
    outputs: VecDeque<Output>,
    /// The token of an agent who logs in for the first time.
    first_token: Token,
    // Configuration: no part of any snapshot.
    wrap_up_times: BTreeMap<String, u64>,
}

/// What has caused a change of an agent's state.
#[derive(Clone, Copy)]
enum Cause<'a> {
    /// A call, a timer, the loss of a phone.
    Itself,
    /// A request for the agent's DN.
    Asked(&'a Request),
    /// A request of a supervisor, for another DN.
    Forced(&'a Request),
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
            index: index::AgentIndex::default(),
            unindexed: Vec::new(),
            outputs: VecDeque::new(),
            first_token: Token(1),
            wrap_up_times: BTreeMap::new(),
        }
    }

    /// Continues with an agent from its snapshot.
    pub fn restore(&mut self, snapshot: AgentSnapshot) {
        if let Some(dn) = &snapshot.dn {
            self.on_dn.insert(dn.clone(), snapshot.agent.clone());
        }
        self.index.know(&snapshot);
        self.agents.insert(snapshot.agent.clone(), snapshot);
    }

    /// Who logs in for the first time from now on begins with this token: a later one than those of all who were forgotten.
    pub fn begin_with(&mut self, token: Token) {
        self.first_token = token;
    }

    /// Continues with the agent under a new owner: its events are numbered from 1 under this token.
    pub fn claim(&mut self, agent: &AgentId, token: Token) {
        if let Some(session) = self.agents.get_mut(agent) {
            session.token = token;
            session.seq = 0;
        }
    }

    /// Forgets an agent that a newer owner has claimed, or that is none any more.
    pub fn forget(&mut self, agent: &AgentId) {
        if let Some(dn) = self.agents.remove(agent).and_then(|session| session.dn) {
            self.on_dn.remove(&dn);
        }
        self.changed.remove(agent);
        self.index.forget(agent);
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

    /// The agents on whose phones a call is.
    pub fn on_call(&self, call: ConnId) -> impl Iterator<Item = &AgentSnapshot> {
        self.index.on_call(call).filter_map(|agent| self.agents.get(agent))
    }

    /// How many agents are logged in.
    pub const fn logged_in(&self) -> usize {
        self.index.logged_in()
    }

    /// The agents that have changed since the last call of this function.
    pub fn take_changed(&mut self) -> BTreeSet<AgentId> {
        std::mem::take(&mut self.changed)
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When an agent is [due](AgentTable::due) next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.index.next_due()
    }

    /// Handles an input.
    pub fn handle(&mut self, input: Input<'_>, now: Timestamp) {
        match input {
            Input::Request { request, profile } => self.request(request, profile, now),
            Input::Call(event) => self.call_event(event, now),
            Input::PhoneLost(dn) => self.phone_lost(&dn, now),
            Input::ProfileChanged(profile) => {
                self.mark(&profile.agent);
                if let Some(session) = self.agents.get_mut(&profile.agent) {
                    session.profile = profile;
                }
            }
            Input::WrapUpTimes(seconds) => self.wrap_up_times = seconds,
            Input::Free { agent, why } => self.free(&agent, &why, now),
            Input::Restate(agent) => self.restate(&agent, Cause::Itself, now),
        }
        self.index_changed();
    }

    /// The agents with a timer that is due, at most [`WRAPPED_UP_PER_TURN`].
    pub fn due(&self, now: Timestamp) -> Vec<AgentId> {
        self.index.due(now).take(WRAPPED_UP_PER_TURN).cloned().collect()
    }

    /// Ends the after-call work of an agent, or the session of one that does nothing, if it is due.
    pub fn handle_due(&mut self, agent: &AgentId, now: Timestamp) {
        let Some(session) = self.agents.get(agent) else {
            return;
        };
        let (wraps_up, logs_out) = (session.due, session.logout_due());
        self.mark(agent);
        if wraps_up.is_some_and(|due| due <= now) {
            self.wrapped_up(agent, now);
        } else if logs_out.is_some_and(|due| due <= now) {
            self.log_out(agent, because("AutoLogout"), Cause::Itself, now);
        }
        self.index_changed();
    }

    // === Changes ===

    /// An agent that is there changes with this input.
    fn mark(&mut self, agent: &AgentId) {
        if self.agents.contains_key(agent) {
            self.changed.insert(agent.clone());
            self.unindexed.push(agent.clone());
        }
    }

    /// Makes the agents of an input known as they are now.
    fn index_changed(&mut self) {
        for agent in std::mem::take(&mut self.unindexed) {
            match self.agents.get(&agent) {
                Some(session) => self.index.know(session),
                None => self.index.forget(&agent),
            }
        }
    }

    fn log_out(&mut self, agent: &AgentId, reasons: UserData, cause: Cause<'_>, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        session.enter(AgentState::LoggedOut, now);
        session.calls.clear();
        session.due = None;
        (session.login_wrap_up_s, session.asked_wrap_up_s, session.then) = (None, None, None);
        let event = Event { reasons, ..Event::new(EventName::AgentLogout) };
        self.publish(agent, event, cause, now);
        if let Some(dn) = self.agents.get_mut(agent).and_then(|session| session.dn.take()) {
            self.on_dn.remove(&dn);
        }
    }

    fn set_ready(&mut self, agent: &AgentId, mode: WorkMode, reasons: UserData, cause: Cause<'_>, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let state = match session.state {
            AgentState::Busy(_) => AgentState::Busy(AfterBusy::Ready),
            _ => AgentState::Ready,
        };
        session.stands(state, mode, &reasons, now);
        let event = Event { work_mode: Some(mode), reasons, ..Event::new(EventName::AgentReady) };
        self.publish(agent, event, cause, now);
    }

    fn set_not_ready(&mut self, agent: &AgentId, mode: WorkMode, reasons: UserData, cause: Cause<'_>, now: Timestamp) {
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        let state = match session.state {
            AgentState::Busy(_) => AgentState::Busy(AfterBusy::NotReady),
            _ => AgentState::NotReady,
        };
        session.stands(state, mode, &reasons, now);
        let event = Event { work_mode: Some(mode), reasons, ..Event::new(EventName::AgentNotReady) };
        self.publish(agent, event, cause, now);
    }

    /// Publishes the present state again.
    fn restate(&mut self, agent: &AgentId, cause: Cause<'_>, now: Timestamp) {
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
        self.publish(agent, event, cause, now);
    }

    /// Publishes an event of an agent: with its DN, numbered within its token.
    fn publish(&mut self, agent: &AgentId, mut event: Event, cause: Cause<'_>, now: Timestamp) {
        self.mark(agent);
        let Some(session) = self.agents.get_mut(agent) else {
            return;
        };
        event.agent = Some(agent.clone());
        event.this_dn = session.dn.clone();
        match cause {
            Cause::Itself => {}
            Cause::Asked(request) => event.this_dn = Some(request.this_dn.clone()),
            Cause::Forced(request) => event.third_party_dn = Some(request.this_dn.to_string()),
        }
        if let Cause::Asked(request) | Cause::Forced(request) = cause {
            event.reference = request.reference;
            event.requester = Some(request.requester.clone());
            // What the event itself says wins.
            let own = std::mem::replace(&mut event.extensions, request.extensions.clone());
            event.extensions.update(&own);
        }
        self.outputs.push_back(Output::Fact(session.stamp(event, now)));
    }
}

/// A reason that the program gives.
fn because(code: &str) -> UserData {
    [("ReasonCode", code)].into_iter().collect()
}
