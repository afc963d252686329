//! Agents: from their events to the actions of agents and phones.

use std::collections::HashMap;

use model::{ConnId, Event, EventName, Timestamp, UserData, WorkMode};

use super::Engine;
use super::calls::Call;
use crate::action::Action;
use crate::definition::ObjectType;
use crate::filter::Facts;

/// The most queues whose call an agent wraps up at the same time.
const WRAPPED_MAX: usize = 8;
/// The attributes for filtering agent events, which belong to no call.
const NO_DATA: UserData = UserData::new();
const NO_FACTS: Facts<'static> = Facts { user_data: &NO_DATA, call_type: None, this_queue: None };

/// Whether an agent takes calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Accepts calls.
    Ready,
    /// Accepts no calls.
    NotReady,
    /// Wraps up.
    AfterCallWork,
}

impl Mode {
    const fn action(self) -> Action {
        match self {
            Self::Ready => Action::WaitForNextCall,
            Self::NotReady => Action::NotReadyForNextCall,
            Self::AfterCallWork => Action::AfterCallWork,
        }
    }
}

/// A login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Session {
    pub(super) dn: String,
    pub(super) login: Timestamp,
    pub(super) mode: Option<Mode>,
    /// When the mode began.
    pub(super) since: Timestamp,
    /// Since when the agent has waited for a call; `None` while a call is there.
    pub(super) waits: Option<Timestamp>,
    pub(super) reason: Option<String>,
    /// The calls that ring at the agent or are connected.
    pub(super) calls: u32,
    /// The queues whose calls are wrapped up.
    pub(super) wrapped: Vec<(ObjectType, String)>,
}

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Agents {
    pub(super) sessions: HashMap<String, Session>,
    pub(super) at: HashMap<String, String>,
}

impl Agents {
    pub(super) fn session(&self, agent: &str) -> Option<&Session> {
        self.sessions.get(agent)
    }

    /// The agent at a phone.
    pub(super) fn at(&self, dn: &str) -> Option<&String> {
        self.at.get(dn)
    }
}

impl Engine {
    pub(super) fn fold_agent(&mut self, event: &Event, at: Timestamp) {
        let Some(agent) = event.agent.as_ref().map(ToString::to_string) else { return };
        let dn = event.this_dn.as_ref().map(ToString::to_string);
        match event.name {
            EventName::AgentLogin => self.log_in(&agent, &dn.unwrap_or_default(), at),
            EventName::AgentLogout => self.log_out(&agent, at),
            _ => {
                if !self.agents.sessions.contains_key(&agent) {
                    self.log_in(&agent, &dn.unwrap_or_default(), at);
                }
                let mode = match (event.name, event.work_mode) {
                    (EventName::AgentReady, _) => Mode::Ready,
                    (_, Some(WorkMode::AfterCallWork)) => Mode::AfterCallWork,
                    _ => Mode::NotReady,
                };
                let reasons = &event.reasons;
                // The name, where the tenant has one for the code.
                let reason = reasons.text("ReasonName").or_else(|| reasons.text("ReasonCode"));
                let reason = reason.filter(|_| mode == Mode::NotReady).map(str::to_owned);
                self.set_mode(&agent, mode, reason, at);
            }
        }
    }

    /// The agent and the phone, as objects.
    fn seat(&mut self, agent: &str, dn: &str) -> [u32; 2] {
        [self.store.object(ObjectType::Agent, agent), self.store.object(ObjectType::RegDN, dn)]
    }

    fn log_in(&mut self, agent: &str, dn: &str, at: Timestamp) {
        // A second login at the same phone only repeats the state, as part of a repair.
        if self.agents.sessions.get(agent).is_some_and(|session| session.dn == dn) {
            return;
        }
        self.log_out(agent, at);
        if let Some(other) = self.agents.at(dn).cloned() {
            self.log_out(&other, at);
        }
        let seat = self.seat(agent, dn);
        self.store.logged_in(seat[0], at);
        let session = Session {
            dn: dn.to_owned(),
            login: at,
            mode: None,
            since: at,
            waits: None,
            reason: None,
            calls: 0,
            wrapped: Vec::new(),
        };
        self.agents.sessions.insert(agent.to_owned(), session);
        self.agents.at.insert(dn.to_owned(), agent.to_owned());
        for object in seat {
            self.store.begin(object, Action::LoggedIn, 0, at, at);
            self.store.fire(object, Action::AgentLogin, std::time::Duration::ZERO, at, &NO_FACTS);
        }
    }

    fn log_out(&mut self, agent: &str, at: Timestamp) {
        let Some(session) = self.agents.sessions.get(agent).cloned() else { return };
        self.leave_mode(agent, at);
        let seat = self.seat(agent, &session.dn);
        for (action, of) in self.store.lasting(seat[0]) {
            self.store.end(seat[0], action, of, at, &NO_FACTS);
            if let Some(call) = self.calls.get_mut(&ConnId(of)) {
                call.forget_agent(agent);
            }
        }
        self.store.end(seat[1], Action::LoggedIn, 0, at, &NO_FACTS);
        for object in seat {
            self.store.fire(object, Action::AgentLogout, std::time::Duration::ZERO, at, &NO_FACTS);
        }
        self.agents.sessions.remove(agent);
        self.agents.at.remove(&session.dn);
    }

    fn set_mode(&mut self, agent: &str, mode: Mode, reason: Option<String>, at: Timestamp) {
        let Some(session) = self.agents.sessions.get(agent) else { return };
        let same_mode = session.mode == Some(mode);
        if same_mode && session.reason == reason {
            return;
        }
        let wrapped = session.wrapped.clone();
        self.leave_mode(agent, at);
        let Some(session) = self.agents.sessions.get_mut(agent) else { return };
        (session.mode, session.since, session.reason) = (Some(mode), at, reason);
        // A new reason for the same state does not end a wrap-up.
        session.wrapped = if mode == Mode::AfterCallWork { wrapped } else { Vec::new() };
        let (dn, calls) = (session.dn.clone(), session.calls);
        let seat = self.seat(agent, &dn);
        if mode == Mode::Ready && calls > 0 {
            return;
        }
        self.enter_mode(agent, seat, mode, at);
        if same_mode {
            self.store.restart_status(seat[0], at);
        }
        self.store.state_changed(seat[0], at);
    }

    fn enter_mode(&mut self, agent: &str, seat: [u32; 2], mode: Mode, at: Timestamp) {
        for object in seat {
            self.store.begin(object, mode.action(), 0, at, at);
        }
        if let Some(session) = self.agents.sessions.get_mut(agent) {
            session.waits = (mode == Mode::Ready).then_some(at);
        }
    }

    fn leave_mode(&mut self, agent: &str, at: Timestamp) {
        let Some(session) = self.agents.sessions.get(agent) else { return };
        let Some(mode) = session.mode else { return };
        let (dn, since, wrapped) = (session.dn.clone(), session.since, session.wrapped.clone());
        let seat = self.seat(agent, &dn);
        for object in seat {
            self.store.end(object, mode.action(), 0, at, &NO_FACTS);
        }
        if let Some(session) = self.agents.sessions.get_mut(agent) {
            session.waits = None;
        }
        if mode != Mode::AfterCallWork {
            return;
        }
        for object in seat {
            self.store.fire(object, Action::ACWCompleted, at.since(since), at, &NO_FACTS);
        }
        for (of, name) in wrapped {
            let object = self.store.object(of, &name);
            self.store.fire(object, Action::ACWCompleted, at.since(since), at, &NO_FACTS);
        }
    }

    /// A call rings at the agent, or the agent dials: the agent no longer waits.
    pub(super) fn agent_takes_call(&mut self, agent: &str, at: Timestamp) {
        let Some(session) = self.agents.sessions.get_mut(agent) else { return };
        session.calls += 1;
        if session.waits.take().is_none() {
            return;
        }
        let dn = session.dn.clone();
        for object in self.seat(agent, &dn) {
            self.store.end(object, Action::WaitForNextCall, 0, at, &NO_FACTS);
        }
    }

    /// A call has left the agent: a ready agent without further calls waits again.
    pub(super) fn agent_leaves_call(&mut self, agent: &str, at: Timestamp) {
        let Some(session) = self.agents.sessions.get_mut(agent) else { return };
        session.calls = session.calls.saturating_sub(1);
        if session.calls > 0 || session.mode != Some(Mode::Ready) || session.waits.is_some() {
            return;
        }
        let dn = session.dn.clone();
        let seat = self.seat(agent, &dn);
        self.enter_mode(agent, seat, Mode::Ready, at);
    }

    /// The agent's next wrap-up is for a call of these queues.
    pub(super) fn agent_will_wrap_up(&mut self, agent: &str, queue: (ObjectType, String)) {
        let Some(session) = self.agents.sessions.get_mut(agent) else { return };
        if session.mode == Some(Mode::AfterCallWork) || session.calls > 1 {
            return;
        }
        if session.wrapped.len() >= WRAPPED_MAX {
            session.wrapped.remove(0);
        }
        if !session.wrapped.contains(&queue) {
            session.wrapped.push(queue);
        }
    }

    /// A new conversation clears the queues of earlier ones from the next wrap-up.
    pub(super) fn agent_begins_talk(&mut self, agent: &str) {
        if let Some(session) = self.agents.sessions.get_mut(agent)
            && session.calls <= 1
            && session.mode != Some(Mode::AfterCallWork)
        {
            session.wrapped.clear();
        }
    }
}

impl Call {
    fn forget_agent(&mut self, agent: &str) {
        for party in &mut self.parties {
            if party.agent.as_deref() == Some(agent) {
                party.agent = None;
            }
        }
    }
}
