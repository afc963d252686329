//! Requests about a ringing call: answer it, or redirect it.
//!
//! The switch does not answer in place of the phone. It asks the phone to answer, by a means that many phones support; a phone without it
//! refuses. A redirected call leaves its phone only when the new destination is known; until then it keeps ringing.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Caller, Destination};
use model::{CallState, Dn, DnRole, EventName, LegId, Timestamp, UserData};

use super::asked::{Asked, rings_as_asked};
use super::facts::answering;
use super::point::Point;
use super::state::{CallSnapshot, InService, Invitation, InvitationStep, Offer, Routing, Stage};
use super::timer::Timer;
use super::{Call, Output};

type Outcome = Result<(), (ErrorCode, &'static str)>;

/// How long a phone may take to answer after the request: a phone that agrees answers sooner.
const PHONE_ANSWER: Duration = Duration::from_secs(10);

impl Call {
    /// What rings at the DN of the request: the call, or a phone that is being brought into it.
    fn alerting(&mut self, asked: &Asked) -> Result<&mut Offer, (ErrorCode, &'static str)> {
        let rings = |offer: &&mut Offer| {
            offer.dn == asked.this_dn && offer.trunk.is_none() && offer.rang && offer.forwarding.is_none()
        };
        let offer = self.ringing_offer().filter(rings);
        offer.ok_or((ErrorCode::INVALID_CALL_STATE, "the call does not ring at this DN"))
    }

    pub(super) fn ringing_offer(&mut self) -> Option<&mut Offer> {
        match (&mut self.s.stage, &mut self.s.invitation) {
            (Stage::Offering(offer), _) | (_, Some(Invitation { step: InvitationStep::Ringing(offer), .. })) => {
                Some(offer)
            }
            _ => None,
        }
    }

    // ---- answer

    /// Asks the phone to answer. With several registrations, asks the newest that still rings.
    pub(super) fn ask_answer(&mut self, asked: Asked, now: Timestamp) -> Outcome {
        let offer = self.alerting(&asked)?;
        if offer.answer_asked.is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the phone is being asked already"));
        }
        let leg = offer.legs.first().copied();
        let leg = leg.ok_or((ErrorCode::INVALID_CALL_STATE, "no phone rings"))?;
        offer.answer_asked = Some(asked);
        self.s.timers.arm(Timer::PhoneAnswer, now + PHONE_ANSWER);
        self.push(Output::AskAnswer(leg));
        Ok(())
    }

    /// The phone does not support a request to answer.
    pub(super) fn answer_refused(&mut self, leg: LegId, now: Timestamp) {
        let offer = self.ringing_offer().filter(|offer| offer.legs.contains(&leg));
        if let Some(asked) = offer.and_then(|offer| offer.answer_asked.take()) {
            self.s.timers.disarm(Timer::PhoneAnswer);
            self.refuse_asked(&asked, ErrorCode::UNSUPPORTED, "the phone cannot be answered by a request", now);
        }
    }

    /// The phone has not answered in time after the request.
    pub(super) fn answer_overdue(&mut self, now: Timestamp) {
        if let Some(asked) = self.ringing_offer().and_then(|offer| offer.answer_asked.take()) {
            self.refuse_asked(&asked, ErrorCode::TIMEOUT, "the phone did not answer", now);
        }
    }

    // ---- redirect

    /// Looks up the redirection's target; the phone keeps ringing until then.
    pub(super) fn redirect(&mut self, to: Dn, asked: Asked, now: Timestamp) -> Outcome {
        let Stage::Offering(_) = &self.s.stage else {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call does not ring at this DN"));
        };
        let offer = self.alerting(&asked)?;
        if offer.redirect.is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is being redirected already"));
        }
        if offer.dn == to {
            return Err((ErrorCode::INVALID_DESTINATION, "the call rings there already"));
        }
        let ask = self.ask_dial_plan(to.to_string(), Caller::Phone(asked.this_dn.clone()), now);
        if let Stage::Offering(offer) = &mut self.s.stage {
            offer.redirect = Some(Routing { ask, dn: to, agent: None, asked: Some(asked) });
        }
        Ok(())
    }

    /// Handles the dial plan's answer about a redirection.
    pub(super) fn redirect_answered(&mut self, destination: Destination, now: Timestamp) {
        let Stage::Offering(offer) = &mut self.s.stage else {
            return;
        };
        let Some(Routing { dn, asked, .. }) = offer.redirect.take() else {
            return;
        };
        let destination = rings_as_asked(asked.as_ref(), destination);
        if let Some((code, text)) = not_a_target(&destination, &self.s) {
            if let Some(asked) = asked {
                self.refuse_asked(&asked, code, text, now);
            }
            return;
        }
        let Some(Offer { point, transferred_by, .. }) = self.leave_phone(&dn, asked.as_ref(), now) else {
            return;
        };
        match destination {
            // A redirection by an agent keeps the link to the route point: an unanswered call returns there.
            Destination::Extension { dn, contacts, no_answer_ms } => {
                // The same for one that was transferred: it still comes back.
                let offer = Offer { transferred_by, ..Offer::new(dn, None, point) };
                self.offer(offer, contacts, no_answer_ms, now);
            }
            Destination::RoutePoint { dn, application, default_dn } => {
                self.answer_at_point();
                self.wait_at_point(Point { dn, application, default_dn }, UserData::new(), now);
            }
            Destination::Outside(outside) => {
                let offer = Offer { transferred_by, ..Offer::new(outside.number.clone(), None, point) };
                self.offer_outside(offer, outside, now);
            }
            Destination::Service(service) => {
                self.serve(InService { number: dn.to_string(), service }, now);
                if let Some(by) = transferred_by {
                    self.tell_moved(dn.as_str(), &by, now);
                }
            }
            Destination::FeatureCode { .. }
            | Destination::Pickup { .. }
            | Destination::Park { .. }
            | Destination::Reject { .. } => {}
        }
    }

    /// The dial plan did not answer about a redirection in time.
    pub(super) fn redirect_unanswered(&mut self, now: Timestamp) {
        let open = match &mut self.s.stage {
            Stage::Offering(offer) => offer.redirect.take().and_then(|open| open.asked),
            _ => None,
        };
        if let Some(asked) = open {
            self.refuse_asked(&asked, ErrorCode::TIMEOUT, "the dial plan did not answer", now);
        }
    }

    /// Publishes `Released` for the phone that rang and returns the offer. The caller sets the next stage.
    fn leave_phone(&mut self, to: &Dn, asked: Option<&Asked>, now: Timestamp) -> Option<Offer> {
        self.refuse_requests(now);
        self.s.timers.disarm(Timer::NoAnswer);
        let Stage::Offering(mut offer) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else {
            return None;
        };
        for leg in std::mem::take(&mut offer.legs) {
            self.push(Output::CancelLeg(leg));
        }
        self.stop_all(now);
        let Some(mut released) = self.offer_event(EventName::Released, &offer) else { return Some(offer) };
        released.call_state = Some(CallState::Redirected);
        released.third_party_dn = Some(to.to_string());
        released.third_party_role = Some(DnRole::Destination);
        let released = match asked {
            Some(asked) => answering(released, asked),
            None => released,
        };
        self.fact(released, now);
        Some(offer)
    }

    /// Refuses the requests that wait for the phone or the dial plan: the call no longer rings.
    pub(super) fn refuse_requests(&mut self, now: Timestamp) {
        if let Stage::Waiting(waiting) = &mut self.s.stage {
            if let Some(asked) = waiting.routing.take().and_then(|routing| routing.asked) {
                self.refuse_asked(&asked, ErrorCode::INVALID_CALL_STATE, "the call waits there no more", now);
            }
            return;
        }
        let Stage::Offering(offer) = &mut self.s.stage else {
            return;
        };
        let redirect = offer.redirect.take();
        let open = [offer.answer_asked.take(), redirect.as_ref().and_then(|open| open.asked.clone())];
        self.s.timers.disarm(Timer::PhoneAnswer);
        if redirect.is_some() {
            self.s.timers.disarm(Timer::DialPlan);
        }
        for asked in open.into_iter().flatten() {
            self.refuse_asked(&asked, ErrorCode::INVALID_CALL_STATE, "the call does not ring there any more", now);
        }
    }
}

/// The reason why a call with these parties cannot be sent to this destination; `None` if it can.
pub(super) fn not_a_target(destination: &Destination, call: &CallSnapshot) -> Option<(ErrorCode, &'static str)> {
    match destination {
        // A number may lead to a phone of another number.
        Destination::Extension { dn, .. } if call.party_at(dn).is_some() => {
            Some((ErrorCode::INVALID_DESTINATION, "the destination is in the call already"))
        }
        Destination::Reject { status: 486, .. } => Some((ErrorCode::DN_BUSY, "the target takes no calls now")),
        Destination::Reject { .. }
        | Destination::FeatureCode { .. }
        | Destination::Pickup { .. }
        | Destination::Park { .. } => Some((ErrorCode::INVALID_CALLED_DN, "no such target")),
        Destination::Extension { contacts, .. } if contacts.is_empty() => {
            Some((ErrorCode::OUT_OF_SERVICE, "the target's phone is not registered"))
        }
        _ => None,
    }
}
