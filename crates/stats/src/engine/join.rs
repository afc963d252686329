//! Joining midway: the state at the start of a subscription, in place of the facts that led to it.

use model::{CallType, ConnId, Timestamp};

use super::Engine;
use super::agents::{Mode, Session};
use super::calls::{Call, Observer, Party, Stage, Visit, talk};
use super::store::Status;
use crate::action::Action;
use crate::definition::ObjectType;

/// The state at the time of joining.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Joined {
    /// Calls.
    pub calls: Vec<JoinedCall>,
    /// Agents who are logged in.
    pub agents: Vec<JoinedAgent>,
}

/// A call in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedCall {
    /// The call.
    pub conn_id: ConnId,
    /// Its type.
    pub call_type: CallType,
    /// The time of its last fact, the best known start of its states.
    pub changed_at: Timestamp,
    /// Its parties.
    pub parties: Vec<JoinedParty>,
}

/// A party of a call in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedParty {
    /// Its DN.
    pub dn: String,
    /// Its state.
    pub state: PartyState,
    /// The route point that delivered the call.
    pub this_queue: Option<String>,
}

/// The state of a party.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the published names say it")]
pub enum PartyState {
    Dialing,
    Alerting,
    Connected,
    Held,
    /// On a route point.
    Queued,
    /// In a virtual queue.
    QueuedVirtually,
}

/// An agent who is logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JoinedAgent {
    /// The agent.
    pub agent: String,
    /// The agent's phone.
    pub dn: String,
    /// Whether the agent accepts calls.
    pub ready: bool,
    /// Whether the agent wraps up.
    pub after_call_work: bool,
    /// When this state began.
    pub since: Timestamp,
}

impl Engine {
    /// Takes in the state as it is between two facts; facts that led to it and were not handed in are not counted. Agents and calls of which
    /// facts have told stay as these have told.
    pub fn join(&mut self, joined: Joined, at: Timestamp) {
        for agent in joined.agents {
            if !self.agents.sessions.contains_key(&agent.agent) {
                self.join_agent(agent);
            }
        }
        // Facts of calls that still wait for one before them wait for what this state stands for.
        for stamped in self.order.all_held(at) {
            self.fold(&stamped);
        }
        for call in joined.calls {
            if !self.calls.contains_key(&call.conn_id) {
                self.join_call(call);
            }
        }
        self.store.settle(at);
    }

    fn join_agent(&mut self, joined: JoinedAgent) {
        let mode = match (joined.after_call_work, joined.ready) {
            (true, _) => Mode::AfterCallWork,
            (false, true) => Mode::Ready,
            (false, false) => Mode::NotReady,
        };
        let session = Session {
            dn: joined.dn.clone(),
            login: joined.since,
            mode: Some(mode),
            since: joined.since,
            waits: (mode == Mode::Ready).then_some(joined.since),
            reason: None,
            calls: 0,
            wrapped: Vec::new(),
        };
        let agent = self.store.object(ObjectType::Agent, &joined.agent);
        self.store.logged_in(agent, joined.since);
        self.agents.at.insert(joined.dn, joined.agent.clone());
        self.resume_session(&joined.agent, session);
        self.store.settle(joined.since);
    }

    fn join_call(&mut self, joined: JoinedCall) {
        let at = joined.changed_at;
        let mut call = Call::new(joined.call_type, at);
        for party in joined.parties {
            let agent = self.agents.at(&party.dn).cloned();
            let of = match party.state {
                PartyState::Queued => ObjectType::RoutePoint,
                PartyState::QueuedVirtually => ObjectType::Queue,
                PartyState::Dialing | PartyState::Alerting | PartyState::Connected | PartyState::Held => {
                    let (action, held) = match party.state {
                        PartyState::Dialing => (Action::CallDialing, None),
                        PartyState::Alerting => (Action::CallRinging, None),
                        PartyState::Held => (talk(joined.call_type), Some(at)),
                        _ => (talk(joined.call_type), None),
                    };
                    if let Some(queue) = party.this_queue {
                        let stage = match party.state {
                            PartyState::Alerting => Stage::Offered { at, to: party.dn.clone() },
                            _ => Stage::Talking { dn: party.dn.clone(), since: at },
                        };
                        call.visits.push(Visit { of: ObjectType::RoutePoint, name: queue, entered: at, stage });
                    }
                    call.parties.push(Party { dn: party.dn, agent, action, since: at, held });
                    continue;
                }
            };
            call.visits.push(Visit { of, name: party.dn, entered: at, stage: Stage::Waiting(at) });
        }
        for agent in call.parties.iter().filter_map(|party| party.agent.clone()) {
            self.agent_takes_call(&agent, at);
        }
        self.resume_call(joined.conn_id, call);
        self.store.settle(at);
    }

    /// Resumes a session and its durable actions.
    pub(super) fn resume_session(&mut self, agent: &str, session: Session) {
        let seat = [self.store.object(ObjectType::Agent, agent), self.store.object(ObjectType::RegDN, &session.dn)];
        for object in seat {
            self.store.begin(object, Action::LoggedIn, 0, session.login, session.login);
            match (session.mode, session.waits) {
                (Some(Mode::Ready), Some(since)) => {
                    self.store.begin(object, Action::WaitForNextCall, 0, since, since);
                }
                (Some(Mode::NotReady), _) => {
                    self.store.begin(object, Action::NotReadyForNextCall, 0, session.since, session.since);
                }
                (Some(Mode::AfterCallWork), _) => {
                    self.store.begin(object, Action::AfterCallWork, 0, session.since, session.since);
                }
                _ => {}
            }
        }
        self.agents.sessions.insert(agent.to_owned(), session);
    }

    /// Resumes a call and its durable actions.
    pub(super) fn resume_call(&mut self, conn_id: ConnId, call: Call) {
        for party in &call.parties {
            let phone = self.store.object(ObjectType::RegDN, &party.dn);
            let agent = party.agent.as_ref().map(|agent| self.store.object(ObjectType::Agent, agent));
            for object in std::iter::once(phone).chain(agent) {
                self.store.begin(object, party.action, conn_id.0, party.since, party.since);
                if let Some(held) = party.held {
                    self.store.begin(object, Action::CallOnHold, conn_id.0, held, held);
                }
            }
        }
        for visit in &call.visits {
            if let Stage::Waiting(from) = visit.stage {
                let object = self.store.object(visit.of, &visit.name);
                self.store.begin(object, Action::CallWait, conn_id.0, visit.entered, from);
            }
        }
        for (place, observer) in call.observers.iter().enumerate() {
            let same = |other: &Observer| (&other.of_dn, other.coaches) == (&observer.of_dn, observer.coaches);
            self.observer_begins(conn_id.0, observer, !call.observers[..place].iter().any(same));
        }
        self.calls.insert(conn_id, call);
    }

    pub(super) fn resume_status(&mut self, agent: &str, status: Status) {
        let object = self.store.object(ObjectType::Agent, agent);
        self.store.restore_status(object, status);
    }
}
