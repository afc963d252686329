//! A conference in one step: a number is called while the call goes on, and joins it when it answers.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Caller, Destination};
use model::{CallState, Dn, DnRole, EventName, LegId, Timestamp};

use super::alerting::not_a_target;
use super::asked::{Asked, rings_as_asked};
use super::facts::answering;
use super::offer::{more_telling, refusal_state};
use super::party::{LegProgress, PartyNo};
use super::state::{Invitation, InvitationStep, Offer, Stage};
use super::timer::{RING_MAX, RING_MIN, Timer};
use super::{Call, Output, PARTIES_MAX};

type Outcome = Result<(), (ErrorCode, &'static str)>;

impl Call {
    /// A request to bring a number into the call.
    pub(super) fn invite(&mut self, to: Dn, asked: Asked, now: Timestamp) -> Outcome {
        let is_present =
            |party: &&super::Party| party.progress == LegProgress::Answered && !party.away && !party.is_silent();
        let by = self.s.party_at(&asked.this_dn).filter(is_present).map(|party| (party.number, party.device.clone()));
        let (Stage::Talking, Some((by, device))) = (&self.s.stage, by) else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        };
        self.check_classified()?;
        self.check_legs_left()?;
        if self.s.invitation.is_some() || self.s.transfer.is_some() {
            let text = "the call is being transferred, or another number is being brought into it";
            return Err((ErrorCode::INVALID_CALL_STATE, text));
        }
        if self.s.parties.len() >= PARTIES_MAX {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the call has as many parties as it may have"));
        }
        if self.s.party_at(&to).is_some() {
            return Err((ErrorCode::INVALID_DESTINATION, "the destination is in the call already"));
        }
        let ask = self.ask_dial_plan(to.to_string(), device, now);
        let step = InvitationStep::LookingUp { ask, to };
        self.s.invitation = Some(Invitation { by, asked, step, monitors: None });
        Ok(())
    }

    /// The open question to the dial plan, and in whose name.
    pub(super) fn invitation_question(&self) -> Option<(u32, String, Caller)> {
        match &self.s.invitation {
            Some(Invitation { by, asked, step: InvitationStep::LookingUp { ask, to }, monitors }) => {
                let device = match monitors {
                    Some(_) => Caller::Phone(asked.this_dn.clone()),
                    None => self.s.party(*by)?.device.clone(),
                };
                Some((*ask, to.to_string(), device))
            }
            _ => None,
        }
    }

    /// Handles the dial plan's answer about the number.
    pub(super) fn invitation_looked_up(&mut self, destination: Destination, now: Timestamp) {
        if let Some((code, text)) = not_a_target(&destination, &self.s) {
            return self.refuse_invitation(code, text, now);
        }
        let asked = self.s.invitation.as_ref().map(|open| &open.asked);
        let destination = rings_as_asked(asked, destination);
        let own = self.s.invitation.as_ref().filter(|open| open.monitors.is_some()).map(|open| &open.asked.this_dn);
        let (offer, rings) = match destination {
            Destination::Extension { dn, contacts, no_answer_ms } if own.is_none_or(|own| *own == dn) => {
                let legs = self.ring_legs(&dn, contacts, None);
                (Offer { legs, ..Offer::new(dn, None, None) }, no_answer_ms)
            }
            Destination::Outside(outside) if self.s.is_to_monitor().is_none() => {
                let further = outside.further;
                let mut offer = Offer { further, ..Offer::new(outside.number, None, None) };
                self.ring_by(&mut offer, outside.way, now);
                (offer, outside.no_answer_ms)
            }
            Destination::Extension { .. }
            | Destination::RoutePoint { .. }
            | Destination::Service(_)
            | Destination::FeatureCode { .. }
            | Destination::Pickup { .. }
            | Destination::Park { .. }
            | Destination::Outside(_)
            | Destination::Reject { .. } => {
                let text = "only a phone can monitor a call, and only a phone or a number outside be brought into it";
                return self.refuse_invitation(ErrorCode::INVALID_CALLED_DN, text, now);
            }
        };
        let mut offer = offer;
        offer.forwarded_of(&mut self.forwarded);
        let rings = Duration::from_millis(rings).clamp(RING_MIN, RING_MAX);
        self.s.timers.arm(Timer::NoAnswer, now + rings);
        if let Some(invitation) = &mut self.s.invitation {
            invitation.step = InvitationStep::Ringing(offer);
        }
    }

    /// An event for the DN that rings.
    fn invited_event(&self, name: EventName) -> Option<model::Event> {
        let Some(Invitation { by, step: InvitationStep::Ringing(offer), .. }) = &self.s.invitation else { return None };
        let mut event = self.offer_event(name, offer)?;
        if self.s.is_to_monitor().is_some() {
            event.this_role = Some(DnRole::Observer);
            event.other_dn = self.s.party(*by).map(|by| by.address().to_owned());
            return Some(event);
        }
        event.call_state = Some(CallState::Conferenced);
        event.third_party_dn = self.s.party(*by).map(|by| by.address().to_owned());
        event.third_party_role = event.third_party_dn.as_ref().map(|_| DnRole::AddedBy);
        Some(event)
    }

    /// The event for the DN that rings, if it was told so.
    pub(super) fn invited_event_if_rang(&self, name: EventName) -> Option<model::Event> {
        self.s.invited().filter(|offer| offer.rang).and_then(|_| self.invited_event(name))
    }

    /// One of the phones rings.
    pub(super) fn invited_rings(&mut self, now: Timestamp) {
        let Some(Invitation { by, step: InvitationStep::Ringing(offer), .. }) = &mut self.s.invitation else { return };
        if std::mem::replace(&mut offer.rang, true) {
            return;
        }
        let by = *by;
        match self.invited_event(EventName::Ringing) {
            Some(ringing) => self.fact(ringing, now),
            None => self.tell_party(by, EventName::NetworkReached, CallState::Ok, now),
        }
    }

    /// One of the phones has answered: it joins.
    pub(super) fn invited_answers(&mut self, leg: LegId, now: Timestamp) {
        self.invited_rings(now);
        self.s.timers.disarm(Timer::NoAnswer);
        self.s.timers.disarm(Timer::Trunk);
        let observes = self.s.is_to_monitor();
        let Some(Invitation { by, asked, step: InvitationStep::Ringing(mut offer), .. }) = self.s.invitation.take()
        else {
            return;
        };
        let answer_asked = offer.answer_asked.take();
        self.s.timers.disarm(Timer::PhoneAnswer);
        for other in offer.legs.iter().filter(|other| **other != leg) {
            self.push(Output::CancelLeg(*other));
        }
        let number = self.join(offer, leg);
        if let Some(asked) = answer_asked
            && let Some(done) = self.s.party(number).and_then(|party| self.party_event(EventName::ACK, party))
        {
            self.fact(answering(done, &asked), now);
        }
        if let Some(observes) = observes {
            return self.observer_joins(number, observes, &asked, now);
        }
        if let Some(mut established) =
            self.s.party(number).and_then(|party| self.party_event(EventName::Established, party))
        {
            established.call_state = Some(CallState::Conferenced);
            self.fact(established, now);
        }
        self.tell_added(number, by, &asked, now);
        self.refresh_hold_music(now);
    }

    /// One of the phones has refused or is lost.
    pub(super) fn invited_fails(&mut self, leg: LegId, status: u16, now: Timestamp) {
        let Some(Invitation { step: InvitationStep::Ringing(offer), .. }) = &mut self.s.invitation else { return };
        offer.legs.retain(|other| *other != leg);
        let worst = offer.refusal.map_or(status, |so_far| more_telling(so_far, status));
        offer.refusal = Some(worst);
        if offer.legs.is_empty() || offer.is_refused_for_all(status) {
            let (code, text) = match refusal_state(worst) {
                CallState::Busy => (ErrorCode::DN_BUSY, "the number is busy, or refuses"),
                CallState::NoAnswer => (ErrorCode::NO_ANSWER, "the number does not answer"),
                _ => (ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the number cannot be reached"),
            };
            self.end_invitation(refusal_state(worst), (code, text), now);
        }
    }

    /// It has rung long enough.
    pub(super) fn invited_silent(&mut self, now: Timestamp) {
        if self.emergency_goes_on(None, "has not put the call through", now) {
            return;
        }
        self.end_invitation(CallState::NoAnswer, (ErrorCode::NO_ANSWER, "the number does not answer"), now);
    }

    /// The call does not wait for the number any more: its phones stop ringing, and the request is refused.
    pub(super) fn end_invitation(&mut self, why: CallState, refusal: (ErrorCode, &'static str), now: Timestamp) {
        for leg in self.s.invited().map(|offer| offer.legs.clone()).unwrap_or_default() {
            self.push(Output::CancelLeg(leg));
        }
        if let Some(Invitation { step: InvitationStep::Ringing(offer), .. }) = &mut self.s.invitation
            && let Some(asked) = offer.answer_asked.take()
        {
            self.s.timers.disarm(Timer::PhoneAnswer);
            let text = "the call does not ring there any more";
            self.refuse_asked(&asked, ErrorCode::INVALID_CALL_STATE, text, now);
        }
        if let Some(mut released) = self.invited_event_if_rang(EventName::Released) {
            released.call_state = Some(why);
            self.fact(released, now);
        }
        self.refuse_invitation(refusal.0, refusal.1, now);
    }

    /// The call ends, or changes so that nobody can join it.
    pub(super) fn cancel_invitation(&mut self, now: Timestamp) {
        let refusal = (ErrorCode::INVALID_CALL_STATE, "the call has changed or ended");
        self.end_invitation(CallState::Redirected, refusal, now);
    }

    /// The dial plan did not answer in time.
    pub(super) fn invitation_unanswered(&mut self, now: Timestamp) {
        self.refuse_invitation(ErrorCode::TIMEOUT, "the dial plan did not answer", now);
    }

    fn refuse_invitation(&mut self, code: ErrorCode, text: &'static str, now: Timestamp) {
        let Some(Invitation { asked, step, .. }) = self.s.invitation.take() else { return };
        self.s.timers.disarm(match step {
            InvitationStep::LookingUp { .. } => Timer::DialPlan,
            InvitationStep::Ringing(_) => Timer::NoAnswer,
        });
        self.refuse_asked(&asked, code, text, now);
    }

    /// Tells the others of a party that has joined; the event of who has brought it in answers the request.
    pub(super) fn tell_added(&mut self, new: PartyNo, by: PartyNo, asked: &Asked, now: Timestamp) {
        let address = self.s.party(new).map(|party| party.address().to_owned());
        let adder = self.s.party(by).map(|party| party.address().to_owned());
        for other in self.s.parties.clone().iter().filter(|other| other.number != new) {
            let Some(mut added) = self.party_event(EventName::PartyAdded, other) else { continue };
            added.call_state = Some(CallState::Conferenced);
            added.other_dn.clone_from(&address);
            added.other_role = Some(DnRole::NewParty);
            added.third_party_dn.clone_from(&adder);
            added.third_party_role = Some(DnRole::AddedBy);
            self.fact(if other.number == by { answering(added, asked) } else { added }, now);
        }
    }
}
