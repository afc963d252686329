//! Facts about calls, agents and phones, and their effect on routing.

use model::request::ForwardMode;
use model::{CallState, ConnId, Dn, Event, EventName, Timestamp};

use super::{RINGING_EXPIRY, Router};
use crate::agents::{Agents, Index, Presence, Session};
use crate::request::{EndReason, RequestId, Stage};

/// The extension of `RouteRequest` that names the phone from which the call returned.
const FAILED_DN: &str = "FailedDN";

/// The extension of `ForwardSet` that says which calls are forwarded.
const FORWARD_MODE: &str = "ForwardMode";

/// Whether all calls to a phone are forwarded from now on.
fn forwards_all(event: &Event) -> bool {
    let mode = event.extensions.text(FORWARD_MODE).and_then(ForwardMode::parse);
    matches!(mode, Some(ForwardMode::Unconditional | ForwardMode::SendAllCalls))
}

impl Router {
    /// Takes a fact from the tenant's event stream. Facts may be repeated.
    pub fn observe(&mut self, event: &Event, at: Timestamp, now: Timestamp) {
        match event.name {
            EventName::AgentLogin | EventName::AgentNotReady => self.session(event, Session::NotReady, at, now),
            EventName::AgentReady => self.session(event, Session::Ready, at, now),
            EventName::AgentLogout => self.session(event, Session::LoggedOut, at, now),
            EventName::DNOutOfService => self.phone_service(event, Agents::phone_lost, now),
            EventName::DNBackInService => self.phone_service(event, Agents::phone_back, now),
            EventName::DNDOn => self.phone_service(event, Agents::disturb_no_more, now),
            EventName::DNDOff => self.phone_service(event, Agents::disturb_again, now),
            EventName::ForwardSet if forwards_all(event) => self.phone_service(event, Agents::forward_all, now),
            EventName::ForwardCancel => self.phone_service(event, Agents::forward_no_more, now),
            EventName::CallDeleted => self.call_ended(event, at, now),
            EventName::Dialing | EventName::Ringing | EventName::Established => self.on_phone(event, at, now),
            EventName::Released | EventName::Abandoned => self.off_phone(event, at, now),
            EventName::PartyChanged => self.moved(event, at, now),
            EventName::RouteUsed => self.routed(event, now),
            EventName::RouteRequest => self.came_back(event, now),
            _ => {}
        }
    }

    fn session(&mut self, event: &Event, session: Session, at: Timestamp, now: Timestamp) {
        let index = event.agent.as_ref().and_then(|agent| match session {
            // Nothing is to be known of somebody of whom nothing is.
            Session::LoggedOut => self.agents.index_of(agent),
            Session::NotReady | Session::Ready => self.agents.intern(agent),
        });
        let Some(index) = index else { return };
        self.agents.set_session(index, session, event.this_dn.as_ref(), at);
        if session == Session::Ready {
            self.forgive(index);
        }
        self.find_request(index, now);
    }

    /// An agent that becomes ready may be offered the calls again that it has declined.
    fn forgive(&mut self, index: crate::agents::Index) {
        let Some(agent) = self.agents.row(index).map(|row| row.id.clone()) else { return };
        for id in self.declined_by(&agent) {
            if let Some(waiting) = self.requests.get_mut(&id) {
                waiting.declined.retain(|declined| declined.agent != agent);
            }
            self.set_timer(&id);
        }
    }

    fn phone_service(&mut self, event: &Event, note: fn(&mut Agents, &Dn) -> Option<Index>, now: Timestamp) {
        let Some(dn) = &event.this_dn else { return };
        self.phones_touched = true;
        if let Some(index) = note(&mut self.agents, dn) {
            self.find_request(index, now);
        }
    }

    fn on_phone(&mut self, event: &Event, at: Timestamp, now: Timestamp) {
        let (Some(dn), Some(call)) = (&event.this_dn, &event.call) else { return };
        self.agents.set_call(dn, call.conn_id, Presence::On, at);
        let Some(request) = self.promised_on(dn, call.conn_id) else { return };
        if event.name == EventName::Established {
            self.end(&request, EndReason::Answered, now);
        } else if let Some(agent) = self.promised_to(&request) {
            self.set_stage(&request, Stage::Ringing { agent, expires_at: now + RINGING_EXPIRY });
        }
    }

    /// The agent's phone is being called: from now on the ring time applies, although no ringing may be reported.
    fn routed(&mut self, event: &Event, now: Timestamp) {
        let (Some(call), Some(to)) = (&event.call, &event.third_party_dn) else { return };
        let Some(request) = Dn::parse(to).ok().and_then(|dn| self.promised_on(&dn, call.conn_id)) else { return };
        if let Some(agent) = self.promised_to(&request) {
            self.set_stage(&request, Stage::Ringing { agent, expires_at: now + RINGING_EXPIRY });
        }
    }

    /// The call is back at its route point: the phone that the event names did not take it.
    fn came_back(&mut self, event: &Event, now: Timestamp) {
        let (Some(call), Some(failed)) = (&event.call, event.extensions.text(FAILED_DN)) else { return };
        if let Some(request) = Dn::parse(failed).ok().and_then(|dn| self.promised_on(&dn, call.conn_id)) {
            self.give_back(&request, now);
        }
    }

    fn off_phone(&mut self, event: &Event, at: Timestamp, now: Timestamp) {
        let (Some(dn), Some(call)) = (&event.this_dn, &event.call) else { return };
        let was_on_it = self.agents.is_on_call(dn, call.conn_id);
        let freed = self.agents.set_call(dn, call.conn_id, Presence::Off, at);
        let was_offered_here = event.agent.is_some() && event.this_queue.is_some();
        let mut waits = was_on_it && was_offered_here && event.name == EventName::Released;
        if let Some(request) = self.promised_on(dn, call.conn_id) {
            waits = false;
            if caller_left(event) {
                self.end(&request, EndReason::Abandoned, now);
            } else if event.call_state == Some(CallState::Redirected) {
                // The agent has redirected the call, which thereby has left the queue.
                self.end(&request, EndReason::Answered, now);
            } else {
                waits = true;
                self.give_back(&request, now);
            }
        }
        // With another call that goes on, the agent's session says first what follows: after-call work, or not ready where it was not taken.
        let Some(index) = freed.filter(|index| !(waits && self.agents.has_calls(*index))) else { return };
        self.find_request(index, now);
    }

    /// A phone has come from a consultation into the call that it was about.
    fn moved(&mut self, event: &Event, at: Timestamp, now: Timestamp) {
        let (Some(dn), Some(call)) = (&event.this_dn, &event.call) else { return };
        let Some(previous) = call.previous else { return };
        // A consultation names the call that it is about in the same place.
        if self.agents.is_on_call(dn, call.conn_id) {
            return;
        }
        self.agents.set_call(dn, call.conn_id, Presence::On, at);
        self.agents.set_call(dn, previous, Presence::Off, at);
        if let Some(request) = self.promised_on(dn, previous) {
            self.end(&request, EndReason::Answered, now);
        }
    }

    fn call_ended(&mut self, event: &Event, at: Timestamp, now: Timestamp) {
        let Some(call) = &event.call else { return };
        let freed = self.agents.end_call(call.conn_id, at);
        self.abandon(call.conn_id, now);
        for index in freed {
            self.find_request(index, now);
        }
    }

    /// The request of this call for which the agent on this phone is reserved.
    fn promised_on(&self, dn: &Dn, call: ConnId) -> Option<RequestId> {
        let agent = &self.agents.row(self.agents.on_dn(dn)?)?.id;
        self.of_call(call).find(|id| self.promised_to(id).as_ref() == Some(agent)).cloned()
    }
}

fn caller_left(event: &Event) -> bool {
    event.name == EventName::Abandoned || event.call_state == Some(CallState::Abandoned)
}
