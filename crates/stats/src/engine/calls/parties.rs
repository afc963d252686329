//! Parties: a phone in a call, and the agent at it.

use std::time::Duration;

use model::{CallState, DnRole, EventName};

use super::{Fact, Party, Stage, Visit, talk};
use crate::action::Action;
use crate::definition::ObjectType;
use crate::engine::Engine;

const fn completed(talk: Action) -> Action {
    match talk {
        Action::CallInternal => Action::CallInternalCompleted,
        Action::CallInbound => Action::CallInboundCompleted,
        Action::CallOutbound => Action::CallOutboundCompleted,
        Action::CallConsult => Action::CallConsultCompleted,
        _ => Action::CallUnknownCompleted,
    }
}

impl Engine {
    /// The objects of a party: its phone, and the agent at it.
    fn objects_of(&mut self, party: &Party) -> Vec<u32> {
        let phone = self.store.object(ObjectType::RegDN, &party.dn);
        let agent = party.agent.as_ref().map(|agent| self.store.object(ObjectType::Agent, agent));
        std::iter::once(phone).chain(agent).collect()
    }

    pub(super) fn enter(&mut self, fact: &Fact<'_>, action: Action) {
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

    pub(super) fn established(&mut self, fact: &Fact<'_>) {
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
        if fact.event.third_party_role == Some(DnRole::TransferredBy) {
            for object in self.objects_of(&party) {
                self.store.fire(object, Action::CallTransferTaken, Duration::ZERO, fact.at, &fact.facts);
            }
        }
        // Brought in while the call goes on: it comes from no consultation.
        if fact.event.name == EventName::Established && fact.event.call_state == Some(CallState::Conferenced) {
            for object in self.objects_of(&party) {
                self.store.fire(object, Action::CallConferenceJoined, Duration::ZERO, fact.at, &fact.facts);
            }
        }
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

    /// A party has come from a consultation into the call that it was about.
    pub(super) fn moved(&mut self, fact: &Fact<'_>) {
        let Some(previous) = fact.event.call.as_ref().and_then(|call| call.previous) else { return };
        // A consultation names the call that it is about in the same place.
        if self.party(fact).is_some() {
            return;
        }
        let Some(from) = self.calls.get_mut(&previous) else { return };
        let Some(place) = from.parties.iter().position(|party| party.dn == fact.dn) else { return };
        let before = from.parties.swap_remove(place);
        let Some(call) = self.calls.get_mut(&fact.conn_id) else { return };
        let action = if before.action.is_talk() { talk(call.call_type) } else { before.action };
        call.parties.push(Party { action, since: fact.at, held: None, ..before.clone() });
        for object in self.objects_of(&before) {
            if before.held.is_some() {
                self.store.end(object, Action::CallOnHold, previous.0, fact.at, &fact.facts);
            }
            self.store.end(object, before.action, previous.0, fact.at, &fact.facts);
            if before.action.is_talk() {
                let lasted = fact.at.since(before.since);
                self.store.fire(object, completed(before.action), lasted, fact.at, &fact.facts);
            }
            self.store.begin(object, action, fact.conn_id.0, fact.at, fact.at);
        }
        if fact.event.third_party_role == Some(DnRole::ConferencedBy) {
            for object in self.objects_of(&before) {
                self.store.fire(object, Action::CallConferenceJoined, Duration::ZERO, fact.at, &fact.facts);
            }
        }
        if before.action.is_talk() {
            self.started(fact, action);
        }
    }

    /// A conference has grown. Who took the party in has come back to the call without a fact of its own.
    pub(super) fn conferred(&mut self, fact: &Fact<'_>) {
        if fact.event.third_party_dn.as_deref() != Some(fact.dn) {
            return;
        }
        self.retrieved(fact);
        let Some(party) = self.party(fact).cloned() else { return };
        for object in self.objects_of(&party) {
            self.store.fire(object, Action::CallConferenceMade, Duration::ZERO, fact.at, &fact.facts);
        }
    }

    pub(super) fn held(&mut self, fact: &Fact<'_>) {
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

    pub(super) fn retrieved(&mut self, fact: &Fact<'_>) {
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

    pub(super) fn released(&mut self, fact: &Fact<'_>) {
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
    pub(super) fn talk_over(&mut self, party: &Party, fact: &Fact<'_>) {
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
    pub(super) fn party_left(&mut self, party: &Party, fact: &Fact<'_>) {
        let of = fact.conn_id.0;
        let lasted = fact.at.since(party.since);
        let gave_up = fact.event.name == EventName::Released && fact.event.call_state == Some(CallState::Ok);
        let was = match party.action {
            Action::CallRinging => Some(Action::CallMissed),
            Action::CallDialing => gave_up.then_some(Action::CallAbandonedFromDialing),
            talk => Some(completed(talk)),
        };
        // Who completes a transfer leaves two calls by it: the consultation does not count.
        let is_transferred = fact.event.call_state == Some(CallState::Transferred);
        let transferred = is_transferred && party.action.is_talk() && party.action != Action::CallConsult;
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
    pub(super) fn gave_up_ringing(&mut self, fact: &Fact<'_>) {
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
}
