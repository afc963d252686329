//! Events with their attributes (`docs/events.md`) and their numbers.

use model::event::{ErrorCode, Event, Stamped};
use model::{CallState, DnRole, EventId, EventName, Request, Seq, Subject, Timestamp, UserData};

use super::asked::Asked;
use super::party::{LegProgress, Party, PartyNo};
use super::point::Point;
use super::state::{Offer, Stage};
use super::{Call, CallSnapshot, Output};

/// Marks events of calls that came through a route point: only these make an agent busy.
pub const BUSINESS_CALL: &str = "BusinessCall";
/// In events of a phone that rings again because nobody took the call that it transferred: the destination that did not.
pub const RECALLED_FROM: &str = "RecalledFrom";

/// In events of a supervisor who monitors the call: how it does so.
pub const MONITOR_MODE: &str = "MonitorMode";

impl Call {
    /// Publishes a fact. Facts are numbered within the token, and their times never go back.
    pub(super) fn fact(&mut self, event: Event, now: Timestamp) {
        self.announce(now);
        self.s.seq += 1;
        if is_answer(&event) {
            self.s.answers += 1;
        }
        self.s.last_at = self.s.last_at.max(now);
        let id = EventId { subject: Subject::Call(self.s.conn_id), token: self.s.token, seq: Seq(self.s.seq) };
        self.push(Output::Fact(Stamped {
            id,
            tenant: self.s.tenant.clone(),
            at: self.s.last_at,
            trace: Some(self.s.uuid),
            event,
        }));
    }

    /// Publishes that the call exists, once, before anything else of it.
    pub(super) fn announce(&mut self, now: Timestamp) {
        if !std::mem::replace(&mut self.s.announced, true) {
            let created = self.event(EventName::CallCreated);
            self.fact(created, now);
            // Who consults, or calls by request, is told by the answer to the request.
            if self.s.caller_progress() == LegProgress::Offered {
                self.tell_caller(EventName::Dialing, CallState::Ok, now);
            }
        }
    }

    /// An event of this call, without a DN so far.
    pub(super) fn event(&self, name: EventName) -> Event {
        let mut event = Event::new(name);
        event.call = Some(self.s.call_ref());
        event.user_data = self.s.user_data.clone();
        event
    }

    /// An event for the route point on which the call waits.
    pub(super) fn point_event(&self, name: EventName, point: &Point) -> Event {
        let mut event = self.event(name);
        event.call_state = Some(CallState::Ok);
        event.this_dn = Some(point.dn.clone());
        event.this_role = Some(DnRole::Destination);
        event.this_queue = Some(point.dn.to_string());
        event.other_dn = Some(self.s.presented_number().to_owned());
        event.other_role = Some(self.s.parties.first().map_or(DnRole::Origination, |party| party.role));
        event
    }

    /// An event for a DN that rings; `None` for a number outside, which has no DN.
    pub(super) fn offer_event(&self, name: EventName, offer: &Offer) -> Option<Event> {
        if offer.trunk.is_some() {
            return None;
        }
        let mut event = self.event(name);
        event.call_state = Some(CallState::Ok);
        event.this_dn = Some(offer.dn.clone());
        event.this_role = Some(DnRole::Destination);
        event.other_dn = Some(self.s.presented_number().to_owned());
        event.other_role = Some(self.s.parties.first().map_or(DnRole::Origination, |party| party.role));
        event.agent = offer.agent.clone();
        if let Some(by) = &offer.transferred_by {
            event.call_state = Some(CallState::Transferred);
            event.third_party_dn = Some(by.to_string());
            event.third_party_role = Some(DnRole::TransferredBy);
        }
        if let (Some(by), None) = (offer.forwarded_by.last(), &offer.transferred_by) {
            event.call_state = Some(CallState::Forwarded);
            event.third_party_dn = Some(by.dn.to_string());
            event.third_party_role = Some(DnRole::Destination);
        }
        if let Some(from) = &offer.recalled_from {
            event.extensions.push(RECALLED_FROM, from.as_str());
        }
        delivered_by(&mut event, offer.point.as_ref());
        Some(event)
    }

    /// An event for a party; `None` for one behind a trunk, which has no DN.
    pub(super) fn party_event(&self, name: EventName, party: &Party) -> Option<Event> {
        let mut event = self.event(name);
        event.call_state = Some(CallState::Ok);
        event.this_dn = Some(party.dn()?.clone());
        event.this_role = Some(party.role);
        if let Some((address, role)) = self.s.peer_of(party) {
            event.other_dn = Some(address);
            event.other_role = Some(role);
        }
        event.agent = party.agent.clone();
        if let Some(observes) = party.observes {
            event.extensions.push(MONITOR_MODE, observes.mode.as_str());
        }
        delivered_by(&mut event, party.point.as_ref());
        Some(event)
    }

    /// Publishes `name` for a party, if it has a DN.
    pub(super) fn tell_party(&mut self, number: PartyNo, name: EventName, state: CallState, now: Timestamp) {
        if let Some(mut event) = self.s.party(number).and_then(|party| self.party_event(name, party)) {
            event.call_state = Some(state);
            self.fact(event, now);
        }
    }

    /// The answer to a request that no other event answers.
    pub(super) fn answer(&self, name: EventName, asked: &Asked) -> Event {
        let mut event = answering(self.event(name), asked);
        event.this_dn = Some(asked.this_dn.clone());
        event
    }

    /// Refuses a request with an error code that clients can test.
    pub(super) fn refuse(&mut self, request: &Request, code: ErrorCode, text: &str, now: Timestamp) {
        self.refuse_asked(&Asked::by(request), code, text, now);
    }

    /// As [`Call::refuse`], for a request of which only `asked` is left. A DN that is not in the call learns the call's ids alone.
    pub(crate) fn refuse_asked(&mut self, asked: &Asked, code: ErrorCode, text: &str, now: Timestamp) {
        let mut event = self.answer(EventName::Error, asked);
        // A client that may speak for one DN alone must not learn of other calls by requests that are refused.
        if !self.s.is_at(&asked.this_dn) {
            event.user_data = UserData::new();
            if let Some(call) = &mut event.call {
                (call.ani, call.dnis) = (None, None);
            }
        }
        event.error = Some((code, text.to_owned()));
        self.fact(event, now);
    }
}

impl CallSnapshot {
    /// Whom a party sees: the only other one, or where the call is going.
    pub fn peer_of(&self, party: &Party) -> Option<(String, DnRole)> {
        if let Some(observed) = party.observes.and_then(|observes| self.party(observes.party)) {
            return Some((observed.address().to_owned(), observed.role));
        }
        let mut others = self.talkers().filter(|other| other.number != party.number);
        match (others.next(), others.next()) {
            (Some(peer), None) => Some((peer.address().to_owned(), peer.role)),
            (Some(_), Some(_)) => None,
            (None, _) => {
                let address = match &self.stage {
                    Stage::Waiting(waiting) => waiting.point.dn.to_string(),
                    Stage::Offering(offer) => offer.dn.to_string(),
                    Stage::Parked(parked) => parked.slot.to_string(),
                    Stage::Service(served) => served.number.clone(),
                    // It was called for a route point, or whoever had called it has left.
                    _ if self.dialled == party.address() => party.point.as_ref()?.dn.to_string(),
                    _ => self.dialled.clone(),
                };
                Some((address, DnRole::Destination))
            }
        }
    }
}

/// Names the route point that delivered the call, and marks it as a business call.
fn delivered_by(event: &mut Event, point: Option<&Point>) {
    if let Some(point) = point {
        event.this_queue = Some(point.dn.to_string());
        event.extensions.push(BUSINESS_CALL, 1);
    }
}

/// Whether an event only answers a request and tells of no change.
const fn is_answer(event: &Event) -> bool {
    matches!(event.name, EventName::Error | EventName::PartyInfo | EventName::ACK)
}

/// Marks an event as the answer to a request.
pub(crate) fn answering(mut event: Event, asked: &Asked) -> Event {
    event.reference = asked.reference;
    event.requester = Some(asked.requester.clone());
    event.reasons = asked.reasons.clone();
    event
}
