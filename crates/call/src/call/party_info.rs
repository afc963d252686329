//! The answer to a query about a call: every party, those outside included, with state, flags and role.

use model::plan::Caller;
use model::{EventName, Timestamp, UserData, Value};

use super::Call;
use super::asked::Asked;
use super::facts::answering;
use super::party::{LegProgress, Party};
use super::state::{Offer, Stage};
use crate::address::{Flags, PartyOn, PartyState};

impl Call {
    pub(super) fn party_info(&mut self, asked: &Asked, now: Timestamp) {
        let mut event = answering(self.event(EventName::PartyInfo), asked);
        event.this_dn = Some(asked.this_dn.clone());
        let peer = self.s.party_at(&asked.this_dn).and_then(|party| self.s.peer_of(party)).map(|(address, _)| address);
        let is_caller = self.s.caller_number() == asked.this_dn.as_str();
        event.other_dn = peer.or_else(|| (!is_caller).then(|| self.s.caller_number().to_owned()));
        event.extensions.push("CallProgress", self.stage_name());
        let parties: UserData = self.s.parties.iter().map(|party| self.joined(party)).chain(self.target()).collect();
        event.extensions.push("Parties", Value::List(parties));
        self.fact(event, now);
    }

    /// A party that called or has answered.
    fn joined(&self, party: &Party) -> (String, Value) {
        let state = if party.held {
            PartyState::Held
        } else if party.established || party.progress == LegProgress::Answered {
            PartyState::Connected
        } else {
            PartyState::Dialing
        };
        let flags =
            Flags { no_listen: party.deaf, no_talk: party.muted, audit: party.observes.is_some(), ..Flags::default() };
        let mut told = self.told(state, flags);
        told.push("ThisDNRole", party.role.as_str());
        if let Caller::Trunk { .. } = party.device {
            told.push("External", 1);
        }
        if let Some(agent) = &party.agent {
            told.push("AgentID", agent.as_str());
        }
        (party.address().to_owned(), Value::List(told))
    }

    /// The route point where the call waits, or the number that rings.
    fn target(&self) -> Option<(String, Value)> {
        let offered = |offer: &Offer| {
            let mut told = self.told(PartyState::Alerting, Flags::default());
            told.push("ThisDNRole", model::DnRole::Destination.as_str());
            if offer.trunk.is_some() {
                told.push("External", 1);
            }
            (offer.dn.to_string(), Value::List(told))
        };
        match &self.s.stage {
            Stage::Waiting(waiting) => {
                let treatment = !self.s.playing.is_empty();
                let flags = Flags { treatment, routing: waiting.routing.is_none(), ..Flags::default() };
                let mut told = self.told(PartyState::Queued, flags);
                told.push("ThisDNRole", model::DnRole::Destination.as_str());
                Some((waiting.point.dn.to_string(), Value::List(told)))
            }
            Stage::Offering(offer) => Some(offered(offer)),
            _ => self.s.invited().map(offered),
        }
    }

    fn told(&self, state: PartyState, flags: Flags) -> UserData {
        let party = PartyOn {
            call_type: self.s.call_type(),
            state,
            since: self.s.last_at,
            flags,
            role: None,
            other_dn: None,
            this_queue: None,
        };
        let mut told = UserData::new();
        told.push("PartyState", state.as_str());
        told.push("PartyStateNumber", i64::from(party.number()));
        let names: Vec<&str> = flags.names().collect();
        if !names.is_empty() {
            told.push("PartyFlags", names.join(" "));
        }
        told
    }

    const fn stage_name(&self) -> &'static str {
        match &self.s.stage {
            Stage::Asking { .. } | Stage::Originating(_) | Stage::Recalling(_) => "Dialing",
            Stage::Waiting(_) => "Queued",
            Stage::Offering(_) => "Ringing",
            Stage::Talking | Stage::Service(_) | Stage::Feature(_) | Stage::Parked(_) => "Established",
            Stage::Over => "Null",
        }
    }
}
