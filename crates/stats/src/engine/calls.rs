//! Calls: from their events to the actions of phones, agents, route points and queues.

mod observers;
mod parties;
mod visits;

use model::{CallState, CallType, ConnId, DnRole, Event, EventName, Stamped, Subject, Timestamp};

use super::{CALLS_MAX, Engine};
use crate::action::Action;
use crate::definition::ObjectType;
use crate::filter::Facts;

pub(super) use observers::Observer;

/// The engine's state of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub(super) call_type: CallType,
    pub(super) parties: Vec<Party>,
    pub(super) visits: Vec<Visit>,
    /// Supervisors who monitor it.
    pub(super) observers: Vec<Observer>,
    /// The time of its last fact.
    pub(super) changed: Timestamp,
    /// When it ended. An ended call is kept only until the last fact of its virtual queues.
    pub(super) over: Option<Timestamp>,
}

/// A phone in a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Party {
    pub(super) dn: String,
    pub(super) agent: Option<String>,
    pub(super) action: Action,
    pub(super) since: Timestamp,
    pub(super) held: Option<Timestamp>,
}

/// A call's stay on a route point or in a queue: from its entry to its end, including all attempts to have it answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Visit {
    pub(super) of: ObjectType,
    pub(super) name: String,
    pub(super) entered: Timestamp,
    pub(super) stage: Stage,
}

/// The stage of a visit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Waits; contains the start of this wait.
    Waiting(Timestamp),
    /// Left for a target that has not answered yet.
    Offered { at: Timestamp, to: String },
    /// The target has answered.
    Talking { dn: String, since: Timestamp },
}

impl Call {
    pub(super) fn new(call_type: CallType, at: Timestamp) -> Self {
        Self { call_type, parties: Vec::new(), visits: Vec::new(), observers: Vec::new(), changed: at, over: None }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_some()
    }

    /// The route points on which it waits.
    pub(super) fn waits_in(&self) -> Vec<String> {
        let waits = |visit: &&Visit| visit.of == ObjectType::RoutePoint && matches!(visit.stage, Stage::Waiting(_));
        self.visits.iter().filter(waits).map(|visit| visit.name.clone()).collect()
    }

    /// The visit that has not been answered yet.
    fn open_visit(&mut self, of: ObjectType, name: &str) -> Option<usize> {
        let open =
            |visit: &Visit| visit.of == of && visit.name == name && !matches!(visit.stage, Stage::Talking { .. });
        self.visits.iter().position(open)
    }
}

/// The talk action for a call of this type.
pub(super) const fn talk(call_type: CallType) -> Action {
    match call_type {
        CallType::Unknown => Action::CallUnknown,
        CallType::Internal => Action::CallInternal,
        CallType::Inbound => Action::CallInbound,
        CallType::Outbound => Action::CallOutbound,
        CallType::Consult => Action::CallConsult,
    }
}

/// A fact of a call, with its common attributes.
struct Fact<'a> {
    conn_id: ConnId,
    at: Timestamp,
    event: &'a Event,
    dn: &'a str,
    facts: Facts<'a>,
}

impl Engine {
    pub(super) fn fold_call(&mut self, stamped: &Stamped) {
        let event = &stamped.event;
        let Some(call_ref) = &event.call else { return };
        // Of a quarantined call only its end may be known.
        let before = self.calls.get(&call_ref.conn_id).map(|call| call.call_type);
        let call_type = before.filter(|_| call_ref.call_type == CallType::Unknown).unwrap_or(call_ref.call_type);
        let facts =
            Facts { user_data: &event.user_data, call_type: Some(call_type), this_queue: event.this_queue.as_deref() };
        let dn = event.this_dn.as_ref().map_or("", |dn| dn.as_str());
        let fact = Fact { conn_id: call_ref.conn_id, at: stamped.at, event, dn, facts };
        if !self.follow(&fact, call_type, &stamped.id.subject) {
            return;
        }
        // A supervisor who monitors a call has not taken it.
        if event.this_role == Some(DnRole::Observer) {
            return self.fold_observer(&fact);
        }
        let is_queue = matches!(stamped.id.subject, Subject::Queue(_));
        let mediation = if is_queue { ObjectType::Queue } else { ObjectType::RoutePoint };
        match event.name {
            EventName::Queued => self.queued(&fact, mediation),
            EventName::Diverted => self.diverted(&fact, mediation),
            EventName::Abandoned if is_queue || self.waits_at(&fact) => self.gave_up(&fact, mediation),
            EventName::Abandoned => self.gave_up_ringing(&fact),
            EventName::Dialing => self.enter(&fact, Action::CallDialing),
            EventName::Ringing => self.enter(&fact, Action::CallRinging),
            EventName::Established => self.established(&fact),
            EventName::PartyChanged => self.moved(&fact),
            EventName::PartyAdded => self.conferred(&fact),
            EventName::Held => self.held(&fact),
            EventName::Retrieved => self.retrieved(&fact),
            EventName::Released | EventName::DestinationBusy => self.released(&fact),
            EventName::CallDeleted => self.call_over(&fact),
            _ => {}
        }
        self.close_if_over(fact.conn_id);
    }

    /// Ensures that the call exists, if the fact begins something in it. Returns whether it exists.
    fn follow(&mut self, fact: &Fact<'_>, call_type: CallType, subject: &Subject) -> bool {
        if let Some(call) = self.calls.get_mut(&fact.conn_id) {
            call.call_type = call_type;
            call.changed = call.changed.max(fact.at);
            return true;
        }
        use EventName::{CallCreated, Dialing, Established, Queued, Ringing};
        if !matches!(fact.event.name, CallCreated | Dialing | Established | Queued | Ringing) {
            return false;
        }
        let mut call = Call::new(call_type, fact.at);
        // A virtual queue may report a call that is over already.
        if matches!(subject, Subject::Queue(_)) && self.order.knows(fact.conn_id) {
            call.over = Some(fact.at);
            self.ending.push_back((fact.at, fact.conn_id));
        }
        if self.calls.len() >= CALLS_MAX
            && let Some(silent) = self.calls.iter().min_by_key(|(_, call)| call.changed).map(|(id, _)| *id)
        {
            self.dropped_calls += 1;
            self.order.drop_call(silent);
            self.drop_call(silent, fact.at);
        }
        self.calls.insert(fact.conn_id, call);
        true
    }

    fn close_if_over(&mut self, conn_id: ConnId) {
        let done = |call: &Call| {
            call.is_over() && call.visits.is_empty() && call.parties.is_empty() && call.observers.is_empty()
        };
        if self.calls.get(&conn_id).is_some_and(done) {
            self.calls.remove(&conn_id);
        }
    }

    fn call_over(&mut self, fact: &Fact<'_>) {
        self.observers_leave(fact, |_| true);
        let parties = self.calls.get_mut(&fact.conn_id).map(|call| std::mem::take(&mut call.parties));
        for party in parties.unwrap_or_default() {
            self.party_left(&party, fact);
            self.talk_over(&party, fact);
        }
        // A virtual queue in which the call still waits reports its end itself.
        let ours = |visit: &Visit| visit.of == ObjectType::RoutePoint || !matches!(visit.stage, Stage::Waiting(_));
        for visit in self.take_visits(fact.conn_id, ours) {
            self.visit_over(&visit, fact);
        }
        if let Some(call) = self.calls.get_mut(&fact.conn_id) {
            call.over = Some(fact.at);
            if !call.visits.is_empty() {
                self.ending.push_back((fact.at, fact.conn_id));
            }
        }
    }

    /// Ends a call for which no more facts are expected.
    pub(super) fn drop_call(&mut self, conn_id: ConnId, at: Timestamp) {
        let mut event = Event::new(EventName::CallDeleted);
        event.call_state = Some(CallState::Unknown);
        let facts = Facts { user_data: &event.user_data, call_type: None, this_queue: None };
        let fact = Fact { conn_id, at, event: &event, dn: "", facts };
        self.call_over(&fact);
        for visit in self.take_visits(conn_id, |_| true) {
            self.visit_over(&visit, &fact);
        }
        self.calls.remove(&conn_id);
        self.store.settle(at);
    }
}
