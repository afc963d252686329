//! Calls: from their events to the actions of phones, agents, route points and queues.

use std::time::Duration;

use model::{CallState, CallType, ConnId, DnRole, Event, EventName, Stamped, Subject, Timestamp};

use super::{CALLS_MAX, Engine};
use crate::action::Action;
use crate::definition::ObjectType;
use crate::filter::Facts;

/// The engine's state of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub(super) call_type: CallType,
    pub(super) parties: Vec<Party>,
    pub(super) visits: Vec<Visit>,
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
        Self { call_type, parties: Vec::new(), visits: Vec::new(), changed: at, over: None }
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

const fn completed(talk: Action) -> Action {
    match talk {
        Action::CallInternal => Action::CallInternalCompleted,
        Action::CallInbound => Action::CallInboundCompleted,
        Action::CallOutbound => Action::CallOutboundCompleted,
        Action::CallConsult => Action::CallConsultCompleted,
        _ => Action::CallUnknownCompleted,
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
        let done = |call: &Call| call.is_over() && call.visits.is_empty() && call.parties.is_empty();
        if self.calls.get(&conn_id).is_some_and(done) {
            self.calls.remove(&conn_id);
        }
    }

    // === queues and route points ===

    fn waits_at(&self, fact: &Fact<'_>) -> bool {
        let waits = |visit: &Visit| {
            visit.of == ObjectType::RoutePoint && visit.name == fact.dn && matches!(visit.stage, Stage::Waiting(_))
        };
        self.calls.get(&fact.conn_id).is_some_and(|call| call.visits.iter().any(waits))
    }

    fn queued(&mut self, fact: &Fact<'_>, of: ObjectType) {
        if of == ObjectType::RoutePoint {
            self.passed_on(fact);
        }
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let (entered, is_new) = match call.open_visit(of, fact.dn).and_then(|place| call.visits.get_mut(place)) {
            Some(Visit { stage: Stage::Waiting(_), .. }) => return,
            // The call returns from a target that did not answer: the same visit continues with its age.
            Some(visit) => {
                visit.stage = Stage::Waiting(fact.at);
                (visit.entered, false)
            }
            None => {
                let (name, stage) = (fact.dn.to_owned(), Stage::Waiting(fact.at));
                call.visits.push(Visit { of, name, entered: fact.at, stage });
                (fact.at, true)
            }
        };
        let object = self.store.object(of, fact.dn);
        if is_new {
            self.store.fire(object, Action::CallEntered, Duration::ZERO, fact.at, &fact.facts);
        }
        self.store.begin(object, Action::CallWait, fact.conn_id.0, entered, fact.at);
    }

    /// The call has entered another route point: ends its visits to the points that had sent it on.
    fn passed_on(&mut self, fact: &Fact<'_>) {
        for visit in self.take_visits(fact.conn_id, |visit| {
            visit.of == ObjectType::RoutePoint && visit.name != fact.dn && matches!(visit.stage, Stage::Offered { .. })
        }) {
            let Stage::Offered { at, .. } = visit.stage else { continue };
            let object = self.store.object(visit.of, &visit.name);
            let wait = at.since(visit.entered);
            self.store.fire(object, Action::CallDistributedToQueue, wait, fact.at, &fact.facts);
        }
    }

    fn take_visits(&mut self, conn_id: ConnId, wanted: impl Fn(&Visit) -> bool) -> Vec<Visit> {
        let Some(call) = self.calls.get_mut(&conn_id) else { return Vec::new() };
        let (taken, kept) = std::mem::take(&mut call.visits).into_iter().partition(wanted);
        call.visits = kept;
        taken
    }

    fn diverted(&mut self, fact: &Fact<'_>, of: ObjectType) {
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let Some(place) = call.open_visit(of, fact.dn) else { return };
        let Some(visit) = call.visits.get_mut(place) else { return };
        if !matches!(visit.stage, Stage::Waiting(_)) {
            return;
        }
        let wait = fact.at.since(visit.entered);
        let elsewhere = matches!(fact.event.call_state, Some(CallState::Redirected | CallState::Cleared));
        let action = match &fact.event.third_party_dn {
            Some(to) if !elsewhere => {
                visit.stage = Stage::Offered { at: fact.at, to: to.clone() };
                Action::CallDistributed
            }
            _ => {
                call.visits.remove(place);
                Action::CallCleared
            }
        };
        let object = self.store.object(of, fact.dn);
        self.store.end(object, Action::CallWait, fact.conn_id.0, fact.at, &fact.facts);
        self.store.fire(object, action, wait, fact.at, &fact.facts);
    }

    fn gave_up(&mut self, fact: &Fact<'_>, of: ObjectType) {
        let waiting =
            |visit: &Visit| visit.of == of && visit.name == fact.dn && matches!(visit.stage, Stage::Waiting(_));
        for visit in self.take_visits(fact.conn_id, waiting) {
            let object = self.store.object(of, fact.dn);
            self.store.end(object, Action::CallWait, fact.conn_id.0, fact.at, &fact.facts);
            let wait = fact.at.since(visit.entered);
            self.store.fire(object, Action::CallAbandoned, wait, fact.at, &fact.facts);
        }
    }

    /// Whether this phone is the visit's target. Covers the queue that delivered the call, and the virtual queues with it.
    fn is_offered(visit: &Visit, fact: &Fact<'_>) -> bool {
        let Stage::Offered { to, .. } = &visit.stage else { return false };
        match visit.of {
            ObjectType::RoutePoint => fact.event.this_queue.as_deref() == Some(visit.name.as_str()),
            _ => fact.event.this_queue.is_some() && to == fact.dn,
        }
    }

    // === phones and agents ===

    /// The objects of a party: its phone, and the agent at it.
    fn objects_of(&mut self, party: &Party) -> Vec<u32> {
        let phone = self.store.object(ObjectType::RegDN, &party.dn);
        let agent = party.agent.as_ref().map(|agent| self.store.object(ObjectType::Agent, agent));
        std::iter::once(phone).chain(agent).collect()
    }

    fn enter(&mut self, fact: &Fact<'_>, action: Action) {
        let agent = fact.event.agent.as_ref().map(ToString::to_string);
        let agent = agent.or_else(|| self.agents.at(fact.dn).cloned());
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        if fact.dn.is_empty() || call.parties.iter().any(|party| party.dn == fact.dn) {
            return;
        }
        let party = Party { dn: fact.dn.to_owned(), agent, action, since: fact.at, held: None };
        call.parties.push(party.clone());
        if let Some(agent) = &party.agent {
            self.agent_takes_call(agent, fact.at);
        }
        for object in self.objects_of(&party) {
            self.store.begin(object, action, fact.conn_id.0, fact.at, fact.at);
            if action == Action::CallRinging {
                self.store.fire(object, Action::CallRingingStarted, Duration::ZERO, fact.at, &fact.facts);
            }
        }
    }

    fn established(&mut self, fact: &Fact<'_>) {
        let Some(call) = self.calls.get(&fact.conn_id) else { return };
        let action = talk(call.call_type);
        if fact.dn.is_empty() {
            return;
        }
        match call.parties.iter().find(|party| party.dn == fact.dn).cloned() {
            Some(party) if party.action.is_talk() => return,
            Some(party) => {
                let (ended, answered) = match party.action {
                    Action::CallRinging => (Action::CallRinging, Action::CallAnswered),
                    other => (other, Action::CallDialed),
                };
                for object in self.objects_of(&party) {
                    self.store.end(object, ended, fact.conn_id.0, fact.at, &fact.facts);
                    let after = fact.at.since(party.since);
                    self.store.fire(object, answered, after, fact.at, &fact.facts);
                    self.store.begin(object, action, fact.conn_id.0, fact.at, fact.at);
                }
                if let Some(party) = self.party(fact) {
                    (party.action, party.since) = (action, fact.at);
                }
            }
            None => self.enter(fact, action),
        }
        self.started(fact, action);
    }

    fn started(&mut self, fact: &Fact<'_>, action: Action) {
        let Some(party) = self.party(fact).cloned() else { return };
        if action == Action::CallInbound {
            for object in self.objects_of(&party) {
                self.store.fire(object, Action::CallInboundStarted, Duration::ZERO, fact.at, &fact.facts);
            }
        }
        if let Some(agent) = &party.agent {
            self.agent_begins_talk(agent);
        }
        if fact.event.this_role == Some(DnRole::Origination) {
            return;
        }
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let mut answered = Vec::new();
        for visit in call.visits.iter_mut().filter(|visit| Self::is_offered(visit, fact)) {
            visit.stage = Stage::Talking { dn: fact.dn.to_owned(), since: fact.at };
            answered.push((visit.of, visit.name.clone(), visit.entered));
        }
        for (of, name, entered) in answered {
            let object = self.store.object(of, &name);
            self.store.fire(object, Action::CallAnswered, fact.at.since(entered), fact.at, &fact.facts);
        }
    }

    fn party(&mut self, fact: &Fact<'_>) -> Option<&mut Party> {
        self.calls.get_mut(&fact.conn_id)?.parties.iter_mut().find(|party| party.dn == fact.dn)
    }

    fn held(&mut self, fact: &Fact<'_>) {
        let Some(party) = self.party(fact) else { return };
        if party.held.is_some() || !party.action.is_talk() {
            return;
        }
        party.held = Some(fact.at);
        let party = party.clone();
        for object in self.objects_of(&party) {
            self.store.begin(object, Action::CallOnHold, fact.conn_id.0, fact.at, fact.at);
            self.store.fire(object, Action::CallHeld, Duration::ZERO, fact.at, &fact.facts);
        }
    }

    fn retrieved(&mut self, fact: &Fact<'_>) {
        let Some(party) = self.party(fact) else { return };
        if party.held.take().is_none() {
            return;
        }
        let party = party.clone();
        for object in self.objects_of(&party) {
            self.store.end(object, Action::CallOnHold, fact.conn_id.0, fact.at, &fact.facts);
            self.store.fire(object, Action::CallRetrievedFromHold, Duration::ZERO, fact.at, &fact.facts);
        }
    }

    fn released(&mut self, fact: &Fact<'_>) {
        let Some(party) = self.take_party(fact) else { return };
        self.party_left(&party, fact);
        if party.action == Action::CallRinging {
            let Some(call) = self.calls.get(&fact.conn_id) else { return };
            let offered = call.visits.iter().filter(|visit| Self::is_offered(visit, fact));
            let missed: Vec<_> = offered.map(|visit| (visit.of, visit.name.clone(), visit.entered)).collect();
            for (of, name, entered) in missed {
                let object = self.store.object(of, &name);
                self.store.fire(object, Action::CallMissed, fact.at.since(entered), fact.at, &fact.facts);
            }
        }
        self.talk_over(&party, fact);
    }

    /// Ends the conversations of this phone for a queue.
    fn talk_over(&mut self, party: &Party, fact: &Fact<'_>) {
        let talked = |visit: &Visit| matches!(&visit.stage, Stage::Talking { dn, .. } if *dn == party.dn);
        for visit in self.take_visits(fact.conn_id, talked) {
            let Stage::Talking { since, .. } = visit.stage else { continue };
            let object = self.store.object(visit.of, &visit.name);
            self.store.fire(object, Action::CallReleased, fact.at.since(since), fact.at, &fact.facts);
            if let Some(agent) = &party.agent {
                self.agent_will_wrap_up(agent, (visit.of, visit.name));
            }
        }
        if let Some(agent) = &party.agent {
            self.agent_leaves_call(agent, fact.at);
        }
    }

    fn take_party(&mut self, fact: &Fact<'_>) -> Option<Party> {
        let call = self.calls.get_mut(&fact.conn_id)?;
        let place = call.parties.iter().position(|party| party.dn == fact.dn)?;
        Some(call.parties.swap_remove(place))
    }

    /// Ends the durable action of a party and counts how it ended.
    fn party_left(&mut self, party: &Party, fact: &Fact<'_>) {
        let of = fact.conn_id.0;
        let lasted = fact.at.since(party.since);
        let gave_up = fact.event.name == EventName::Released && fact.event.call_state == Some(CallState::Ok);
        let was = match party.action {
            Action::CallRinging => Some(Action::CallMissed),
            Action::CallDialing => gave_up.then_some(Action::CallAbandonedFromDialing),
            talk => Some(completed(talk)),
        };
        let transferred = fact.event.call_state == Some(CallState::Transferred) && party.action.is_talk();
        for object in self.objects_of(party) {
            if party.held.is_some() {
                self.store.end(object, Action::CallOnHold, of, fact.at, &fact.facts);
            }
            self.store.end(object, party.action, of, fact.at, &fact.facts);
            if let Some(was) = was {
                self.store.fire(object, was, lasted, fact.at, &fact.facts);
            }
            if transferred {
                self.store.fire(object, Action::CallTransferMade, Duration::ZERO, fact.at, &fact.facts);
            }
        }
    }

    /// The caller hung up while the phone rang.
    fn gave_up_ringing(&mut self, fact: &Fact<'_>) {
        if let Some(party) = self.take_party(fact) {
            let rang = fact.at.since(party.since);
            for object in self.objects_of(&party) {
                self.store.end(object, party.action, fact.conn_id.0, fact.at, &fact.facts);
                self.store.fire(object, Action::CallAbandonedFromRinging, rang, fact.at, &fact.facts);
            }
            if let Some(agent) = &party.agent {
                self.agent_leaves_call(agent, fact.at);
            }
        }
        for visit in self.take_visits(fact.conn_id, |visit| Self::is_offered(visit, fact)) {
            let object = self.store.object(visit.of, &visit.name);
            let wait = fact.at.since(visit.entered);
            self.store.fire(object, Action::CallAbandonedFromRinging, wait, fact.at, &fact.facts);
        }
    }

    // === the end ===

    fn call_over(&mut self, fact: &Fact<'_>) {
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

    /// The call ended during a visit.
    fn visit_over(&mut self, visit: &Visit, fact: &Fact<'_>) {
        let object = self.store.object(visit.of, &visit.name);
        let wait = fact.at.since(visit.entered);
        // The caller hung up or vanished; in every other case the call was turned away.
        let by_caller = matches!(
            fact.event.call_state,
            None | Some(CallState::Ok | CallState::RemoteRelease | CallState::Abandoned | CallState::Dropped)
        );
        match &visit.stage {
            Stage::Waiting(_) => {
                self.store.end(object, Action::CallWait, fact.conn_id.0, fact.at, &fact.facts);
                self.store.fire(object, Action::CallCleared, wait, fact.at, &fact.facts);
            }
            // The target answers automatically: the caller did not wait.
            Stage::Offered { to, .. } if self.services.contains(to) => {}
            // The phone was being called and did not ring yet.
            Stage::Offered { .. } if by_caller => {
                self.store.fire(object, Action::CallAbandoned, wait, fact.at, &fact.facts);
            }
            Stage::Offered { .. } => self.store.fire(object, Action::CallCleared, wait, fact.at, &fact.facts),
            Stage::Talking { since, .. } => {
                self.store.fire(object, Action::CallReleased, fact.at.since(*since), fact.at, &fact.facts);
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
