//! Events with the attributes of the domain's section 1.3, and their numbers.

use model::event::{ErrorCode, Event, Stamped};
use model::plan::Caller;
use model::{CallState, DnRole, EventId, EventName, Request, Seq, Subject, Timestamp};

use super::state::{Asked, Party, Point, Stage};
use super::{Call, Output};

/// Marks events of calls that came through a route point: only these make an agent busy.
pub const BUSINESS_CALL: &str = "BusinessCall";

impl Call {
    /// Publishes a fact. Facts are numbered within the token, and their times never go back.
    pub(super) fn fact(&mut self, event: Event, now: Timestamp) {
        self.s.seq += 1;
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
        event.other_dn = Some(self.s.caller_number().to_owned());
        event.other_role = Some(DnRole::Origination);
        event
    }

    /// An event for the called side.
    pub(super) fn party_event(&self, name: EventName, party: &Party) -> Event {
        let mut event = self.event(name);
        event.call_state = Some(CallState::Ok);
        event.this_dn = Some(party.dn.clone());
        event.this_role = Some(DnRole::Destination);
        event.other_dn = Some(self.s.caller_number().to_owned());
        event.other_role = Some(DnRole::Origination);
        event.agent = party.agent.clone();
        if let Some(point) = &party.point {
            event.this_queue = Some(point.dn.to_string());
            event.extensions.push(BUSINESS_CALL, 1);
        }
        event
    }

    /// An event for the caller's phone; `None` for a caller behind a trunk.
    pub(super) fn caller_event(&self, name: EventName) -> Option<Event> {
        let Caller::Phone(dn) = &self.s.caller else {
            return None;
        };
        let mut event = self.event(name);
        event.call_state = Some(CallState::Ok);
        event.this_dn = Some(dn.clone());
        event.this_role = Some(DnRole::Origination);
        event.other_dn = Some(match &self.s.stage {
            Stage::Waiting(waiting) => waiting.point.dn.to_string(),
            Stage::Offering(party) | Stage::Talking(party) => party.dn.to_string(),
            _ => self.s.dialled.clone(),
        });
        event.other_role = Some(DnRole::Destination);
        Some(event)
    }

    /// Refuses a request with an error code that clients can test.
    pub(super) fn refuse(&mut self, request: &Request, code: ErrorCode, text: &str, now: Timestamp) {
        self.refuse_asked(&Asked::by(request), code, text, now);
    }

    /// As [`Call::refuse`], for a request of which only `asked` is left.
    pub(super) fn refuse_asked(&mut self, asked: &Asked, code: ErrorCode, text: &str, now: Timestamp) {
        let mut event = answering(self.event(EventName::Error), asked);
        event.this_dn = Some(asked.this_dn.clone());
        event.error = Some((code, text.to_owned()));
        self.fact(event, now);
    }
}

/// Marks an event as the answer to a request.
pub(super) fn answering(mut event: Event, asked: &Asked) -> Event {
    event.reference = asked.reference;
    event.requester = Some(asked.requester.clone());
    event
}

impl Asked {
    /// The origin of this request.
    pub(super) fn by(request: &Request) -> Self {
        Self { this_dn: request.this_dn.clone(), requester: request.requester.clone(), reference: request.reference }
    }
}
