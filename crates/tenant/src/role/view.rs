//! A tenant's state, folded from its events: the snapshot at the start of a subscription on 8000.

use std::collections::{BTreeMap, BTreeSet};

use contracts::v1::{self, PartyState};
use contracts::wire;
use infra::Position;
use model::{AgentId, ConnId, Dn, Event, EventName, Stamped, Subject, Timestamp, UserData, WorkMode};

use super::filter::SubscriptionFilter;

/// The most calls kept, as many as the ledger holds: a call whose end was lost must not stay for ever.
const CALLS_MAX: usize = infra::bounds::CALLS_MAX;

/// The folded state of one tenant.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    calls: BTreeMap<ConnId, Call>,
    agents: BTreeMap<AgentId, Agent>,
    in_service: BTreeSet<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) call: v1::CallRef,
    pub(super) parties: BTreeMap<String, v1::PartyStatus>,
    pub(super) user_data: UserData,
    pub(super) changed: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub(super) dn: String,
    pub(super) ready: bool,
    pub(super) work_mode: Option<WorkMode>,
    pub(super) since: Timestamp,
}

impl View {
    /// Takes over the state from an agent's record; `None` if the agent is logged out.
    pub fn agent_stands(&mut self, id: AgentId, agent: Option<Agent>) {
        self.agents.extend(agent.map(|agent| (id, agent)));
    }

    /// Takes over the state from a call's record; `None` if the call is over.
    pub fn call_stands(&mut self, id: ConnId, call: Option<Call>) {
        if self.calls.len() < CALLS_MAX {
            self.calls.extend(call.map(|call| (id, call)));
        }
    }

    /// Takes over a virtual queue where a call waits, with the time since when. One that is over already is not brought back.
    pub fn stay_stands(&mut self, id: ConnId, queue: v1::PartyStatus) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let since_us = queue.since_us;
        let party = call.parties.entry(queue.dn.clone()).or_insert(queue);
        // Two requests of a call in one queue: it has waited since the first.
        party.since_us = party.since_us.min(since_us);
    }

    /// Takes over a registered phone.
    pub fn phone_stands(&mut self, dn: &Dn) {
        self.in_service.insert(dn.to_string());
    }

    /// Folds a fact in. A repeated fact changes only values that later facts set again.
    pub fn fold(&mut self, stamped: &Stamped) {
        let event = &stamped.event;
        if matches!(stamped.id.subject, Subject::Session(_)) {
            return;
        }
        match event.name {
            EventName::AgentLogin | EventName::AgentReady | EventName::AgentNotReady | EventName::AgentLogout => {
                self.fold_agent(event, stamped.at);
            }
            EventName::DNBackInService => {
                self.in_service.extend(event.this_dn.as_ref().map(ToString::to_string));
            }
            EventName::DNOutOfService => {
                if let Some(dn) = &event.this_dn {
                    self.in_service.remove(dn.as_str());
                }
            }
            _ => self.fold_call(stamped),
        }
    }

    fn fold_agent(&mut self, event: &Event, at: Timestamp) {
        let Some(id) = &event.agent else { return };
        if event.name == EventName::AgentLogout {
            self.agents.remove(id);
            return;
        }
        let known = self.agents.get(id).map(|agent| agent.dn.clone()).unwrap_or_default();
        let dn = event.this_dn.as_ref().map_or(known, ToString::to_string);
        let ready = event.name == EventName::AgentReady;
        self.agents.insert(id.clone(), Agent { dn, ready, work_mode: event.work_mode, since: at });
    }

    fn fold_call(&mut self, stamped: &Stamped) {
        let (event, at) = (&stamped.event, stamped.at);
        let Some(call_ref) = &event.call else { return };
        let id = call_ref.conn_id;
        // Others tell of a call too, such as rq of its virtual queues, and may do so after its end.
        let is_of_owner = matches!(stamped.id.subject, Subject::Call(_));
        if event.name == EventName::CallDeleted {
            self.calls.remove(&id);
            return;
        }
        if !self.calls.contains_key(&id) {
            if ends_party(event.name) || !is_of_owner {
                return;
            }
            self.make_room();
        }
        let call = self.calls.entry(id).or_insert_with(|| Call {
            call: wire::call_ref_to_wire(call_ref),
            parties: BTreeMap::new(),
            user_data: UserData::new(),
            changed: at,
        });
        call.changed = at;
        // A refusal may go to a DN that is not in the call, and tells it nothing of the call.
        if is_of_owner && event.name != EventName::Error {
            call.call = wire::call_ref_to_wire(call_ref);
            call.user_data = event.user_data.clone();
        }
        let Some(dn) = &event.this_dn else { return };
        if event.name == EventName::PartyChanged {
            return self.fold_move(id, event, dn, at);
        }
        if ends_party(event.name) {
            call.parties.remove(dn.as_str());
        } else if let Some(state) = party_state(event) {
            // A waiting caller may hear several treatments; it has waited since the first.
            let before = call.parties.get(dn.as_str()).filter(|party| party.state == i32::from(state));
            let since_us = before.map_or(at.as_micros(), |party| party.since_us);
            call.parties.insert(
                dn.to_string(),
                v1::PartyStatus {
                    dn: dn.to_string(),
                    state: state.into(),
                    role: event.this_role.map(wire::dn_role_to_wire),
                    other_dn: event.other_dn.clone(),
                    this_queue: event.this_queue.clone(),
                    since_us,
                },
            );
        }
    }

    /// A party of a transferred call sees another one. It may itself have come from a consultation.
    fn fold_move(&mut self, id: ConnId, event: &Event, dn: &Dn, at: Timestamp) {
        let is_here =
            |calls: &BTreeMap<ConnId, Call>| calls.get(&id).is_some_and(|call| call.parties.contains_key(dn.as_str()));
        let previous = event.call.as_ref().and_then(|call| call.previous).filter(|_| !is_here(&self.calls));
        let moved = previous.and_then(|previous| self.calls.get_mut(&previous)?.parties.remove(dn.as_str()));
        let Some(call) = self.calls.get_mut(&id) else { return };
        if let Some(party) = moved {
            let party = v1::PartyStatus { since_us: at.as_micros(), this_queue: event.this_queue.clone(), ..party };
            call.parties.insert(dn.to_string(), party);
        }
        if let Some(party) = call.parties.get_mut(dn.as_str()) {
            party.role = event.this_role.map(wire::dn_role_to_wire).or(party.role);
            party.other_dn = event.other_dn.clone();
        }
    }

    /// Drops the call that has been silent for longest if there are too many.
    fn make_room(&mut self) {
        if self.calls.len() >= CALLS_MAX
            && let Some(oldest) = self.calls.iter().min_by_key(|(_, call)| call.changed).map(|(id, _)| *id)
        {
            self.calls.remove(&oldest);
        }
    }

    /// The state at `position`, as far as the subscription gets it.
    pub fn snapshot(&self, position: Position, filter: &SubscriptionFilter) -> v1::Snapshot {
        let asked_agents = self.agents.iter().filter(|(id, _)| filter.names_agent(id));
        let dns_of_agents: BTreeSet<&str> = asked_agents.map(|(_, agent)| agent.dn.as_str()).collect();
        let calls = self.calls.iter().filter(|(id, call)| {
            let parties = call.parties.values().map(|party| (party.dn.as_str(), party.this_queue.as_deref()));
            filter.shows_call(**id, parties, &dns_of_agents)
        });
        let calls = calls.map(|(_, call)| v1::CallStatus {
            call: Some(call.call.clone()),
            parties: call.parties.values().filter(|party| filter.shows_party(&party.dn)).cloned().collect(),
            user_data: Some(wire::user_data_to_wire(&call.user_data)),
            changed_at_us: call.changed.as_micros(),
        });
        let agents = self.agents.iter().filter(|(id, agent)| filter.shows_agent(id, &agent.dn));
        let agents = agents.map(|(id, agent)| v1::AgentStatus {
            agent: id.to_string(),
            dn: agent.dn.clone(),
            ready: agent.ready,
            work_mode: agent.work_mode.map(wire::work_mode_to_wire),
            since_us: agent.since.as_micros(),
        });
        v1::Snapshot {
            position: position.to_string(),
            calls: calls.collect(),
            agents: agents.collect(),
            dns_in_service: self.in_service.iter().filter(|dn| filter.shows_phone(dn)).cloned().collect(),
            known: Vec::new(),
        }
    }
}

const fn ends_party(name: EventName) -> bool {
    matches!(name, EventName::Released | EventName::Abandoned | EventName::Diverted)
}

fn party_state(event: &Event) -> Option<PartyState> {
    match event.name {
        // Who took a party in has come back to the call without a fact of its own.
        EventName::PartyAdded if event.third_party_dn.as_deref() == event.this_dn.as_ref().map(|dn| dn.as_str()) => {
            Some(PartyState::Connected)
        }
        EventName::Dialing | EventName::NetworkReached => Some(PartyState::Dialing),
        EventName::Ringing => Some(PartyState::Alerting),
        EventName::Established | EventName::Retrieved => Some(PartyState::Connected),
        EventName::Held => Some(PartyState::Held),
        EventName::Queued | EventName::RouteRequest => Some(PartyState::Queued),
        EventName::DestinationBusy => Some(PartyState::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
