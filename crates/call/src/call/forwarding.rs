//! A phone that is busy, or that nobody answers, may forward the call. Whether it does, the dial plan says; who calls waits meanwhile.
//!
//! Calls that an application has routed return to their route point instead, and a call that comes back to who transferred it goes nowhere
//! else.

use model::plan::{Caller, Destination, ForwardedBy, Occasion};
use model::{CallState, Dn, DnRole, EventName, Timestamp, UserData};

use super::party::Forwarding;
use super::point::Point;
use super::state::{InService, Offer, Stage};
use super::{Call, Forwarded, Output};

/// A question to the dial plan: its number, what is looked up, in whose name and why.
type OpenQuestion = (u32, String, Caller, Occasion);

impl Offer {
    /// The open question whether the phone forwards the call.
    pub(super) fn forward_question(&self) -> Option<OpenQuestion> {
        let open = self.forwarding?;
        let occasion = if open.busy { Occasion::Busy } else { Occasion::NoAnswer };
        Some((open.ask, self.dn.to_string(), Caller::Phone(self.dn.clone()), occasion))
    }

    /// Notes who forwarded the call here.
    pub(super) fn forwarded_of(&mut self, forwarded: &mut Forwarded) {
        let Forwarded { by, next } = std::mem::take(forwarded);
        (self.forwarded_by, self.forwards) = (by, next);
    }

    /// Whether the phone's forwarding applies to the call.
    const fn may_be_forwarded(&self) -> bool {
        let is_routed = self.agent.is_some() || (self.point.is_some() && self.transferred_by.is_none());
        self.trunk.is_none() && !is_routed && self.recalled_from.is_none()
    }
}

impl Call {
    /// The phones that have forwarded the call to where it rings.
    pub(super) fn forwarded_so_far(&self) -> Vec<ForwardedBy> {
        match &self.s.stage {
            Stage::Offering(offer) => offer.forwarded_by.clone(),
            _ => Vec::new(),
        }
    }

    /// Nobody took the call at a phone: asks the dial plan whether the phone forwards it. Returns whether it asks.
    pub(super) fn ask_forward(&mut self, why: CallState, status: u16, now: Timestamp) -> bool {
        let busy = match why {
            CallState::Busy if status < 600 => true,
            CallState::NoAnswer => false,
            // The person refuses, or the phone is broken.
            _ => return false,
        };
        let Stage::Offering(offer) = &self.s.stage else { return false };
        let forwards = if busy { offer.forwards.busy } else { offer.forwards.no_answer };
        if !forwards || !offer.may_be_forwarded() {
            return false;
        }
        let (dn, occasion) = (offer.dn.clone(), if busy { Occasion::Busy } else { Occasion::NoAnswer });
        let ask = self.look_up(dn.to_string(), Caller::Phone(dn), occasion, now);
        if let Stage::Offering(offer) = &mut self.s.stage {
            offer.forwarding = Some(Forwarding { ask, busy, status });
        }
        true
    }

    /// Handles the dial plan's answer.
    pub(super) fn forward_answered(&mut self, destination: Destination, now: Timestamp) {
        let is_refused = match &destination {
            Destination::Extension { dn, contacts, .. } => contacts.is_empty() || self.s.party_at(dn).is_some(),
            Destination::FeatureCode { .. }
            | Destination::Pickup { .. }
            | Destination::Park { .. }
            | Destination::Reject { .. } => true,
            Destination::RoutePoint { .. } | Destination::Outside(_) | Destination::Service(_) => false,
        };
        if is_refused {
            return self.not_forwarded(now);
        }
        let Stage::Offering(offer) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else { return };
        self.stop_all(now);
        if let Some(mut released) = self.offer_event(EventName::Released, &offer).filter(|_| offer.rang) {
            released.call_state = Some(CallState::Forwarded);
            released.third_party_dn = Some(address(&destination, &offer.dn));
            released.third_party_role = Some(DnRole::Destination);
            self.fact(released, now);
        }
        self.push(Output::Note(format!("{} forwards the call", offer.dn)));
        self.forward(offer, destination, now);
    }

    fn forward(&mut self, from: Offer, destination: Destination, now: Timestamp) {
        let Offer { dn, transferred_by, point, .. } = from;
        match destination {
            Destination::Extension { dn, contacts, no_answer_ms } => {
                let offer = Offer { transferred_by, ..Offer::new(dn, None, point) };
                self.offer(offer, contacts, no_answer_ms, now);
            }
            Destination::Outside(outside) => {
                let offer = Offer { transferred_by, ..Offer::new(outside.number.clone(), None, point) };
                self.offer_outside(offer, outside, now);
            }
            Destination::RoutePoint { dn, application, default_dn } => {
                self.answer_at_point();
                self.wait_at_point(Point { dn, application, default_dn }, UserData::new(), now);
            }
            Destination::Service(service) => self.serve(InService { number: dn.to_string(), service }, now),
            Destination::FeatureCode { .. }
            | Destination::Pickup { .. }
            | Destination::Park { .. }
            | Destination::Reject { .. } => {}
        }
    }

    /// The phone does not forward the call, or nobody says where.
    pub(super) fn not_forwarded(&mut self, now: Timestamp) {
        let Stage::Offering(offer) = &mut self.s.stage else { return };
        if let Some(open) = offer.forwarding.take() {
            let why = if open.busy { CallState::Busy } else { CallState::NoAnswer };
            self.nobody_takes_it(why, open.status, now);
        }
    }
}

/// Where a forwarded call goes.
fn address(destination: &Destination, from: &Dn) -> String {
    match destination {
        Destination::Extension { dn, .. } | Destination::RoutePoint { dn, .. } => dn.to_string(),
        Destination::Outside(outside) => outside.number.to_string(),
        _ => from.to_string(),
    }
}
