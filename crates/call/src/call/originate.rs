//! A call made by request: the phone that calls is rung first, and the destination once it has answered (RFC 3725).
//!
//! Nothing rings for a number that does not exist or a phone that is not registered: both are looked up before. The destination is looked
//! up again after the answer, because its registrations may have changed while the first phone rang.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Contact, Destination};
use model::{CallState, EventName, LegId, Timestamp, UserData};

use crate::dial_plan::NOT_SHOWN;

use super::alerting::not_a_target;
use super::asked::Asked;
use super::ending::Ending;
use super::facts::answering;
use super::offer::{more_telling, refusal_state};
use super::party::{LegProgress, Party, PartyNo};
use super::state::{Originating, OriginatingStep, Stage};
use super::timer::{LIFETIME, RING_MAX, RING_MIN, Timer};
use super::{Call, CallSnapshot, Incoming, Output};

/// Who asked for the call has heard no more of it.
const ENDED: (ErrorCode, &str) = (ErrorCode::INVALID_CALL_STATE, "the call has ended");

impl Call {
    /// A call made by request; its first output asks the dial plan about the destination.
    pub(crate) fn originate(incoming: Incoming, asked: Asked, user_data: UserData, now: Timestamp) -> Self {
        let mut call = Self::restore(CallSnapshot::new(incoming, now));
        // Its own phone becomes a party when it rings.
        call.s.parties.clear();
        call.s.user_data = user_data;
        call.s.timers.arm(Timer::Lifetime, now + LIFETIME);
        let ask = call.ask_dial_plan(call.s.dialled.clone(), call.s.caller.clone(), now);
        call.s.stage = Stage::Originating(Originating { asked, step: OriginatingStep::Destination(ask) });
        call
    }

    /// It is to show that number outside, if the dial plan lets it.
    pub(crate) fn show(&mut self, number: String) {
        self.s.shows = Some(number);
    }

    /// The open question to the dial plan.
    pub(super) fn originating_question(&self) -> Option<(u32, String)> {
        let Stage::Originating(Originating { asked, step }) = &self.s.stage else { return None };
        match step {
            OriginatingStep::Destination(ask) => Some((*ask, self.s.dialled.clone())),
            OriginatingStep::Phone(ask) | OriginatingStep::Point(ask) => Some((*ask, asked.this_dn.to_string())),
            OriginatingStep::Number { ask, .. } => Some((*ask, self.s.dialled.clone())),
            OriginatingStep::Ringing { .. } => None,
        }
    }

    /// Whether the phone that calls is being looked up.
    pub(super) const fn originating_phone(&self) -> bool {
        matches!(&self.s.stage, Stage::Originating(Originating { step: OriginatingStep::Phone(_), .. }))
    }

    /// Handles the dial plan's answer about the destination or the phone that calls.
    pub(super) fn originating_answered(&mut self, destination: Destination, now: Timestamp) {
        let Stage::Originating(Originating { asked, step }) = &self.s.stage else { return };
        let asked = asked.clone();
        match (step, destination) {
            (OriginatingStep::Destination(_), destination) => self.destination_known(asked, &destination, now),
            (OriginatingStep::Point(_), destination) => self.predictive_point_known(asked, destination, now),
            (OriginatingStep::Number { point, .. }, destination) => {
                let point = point.clone();
                self.predictive_number_known(&asked, point, destination, now);
            }
            (OriginatingStep::Phone(_), Destination::Extension { dn, contacts, .. })
                if dn == asked.this_dn && contacts.is_empty() =>
            {
                self.originating_fails(ErrorCode::OUT_OF_SERVICE, "the phone of ThisDN is not registered", now);
            }
            (OriginatingStep::Phone(_), Destination::Extension { dn, contacts, no_answer_ms })
                if dn == asked.this_dn =>
            {
                self.ring_origin(asked, contacts, no_answer_ms, now);
            }
            _ => self.originating_fails(ErrorCode::INVALID_ATTRIBUTE, "ThisDN is not a phone", now),
        }
    }

    fn destination_known(&mut self, asked: Asked, destination: &Destination, now: Timestamp) {
        let is_itself = matches!(destination, Destination::Extension { dn, .. } if *dn == asked.this_dn);
        if is_itself {
            return self.originating_fails(ErrorCode::INVALID_DESTINATION, "a phone cannot call itself", now);
        }
        if matches!(destination, Destination::Reject { reason, .. } if reason == NOT_SHOWN) {
            let text = "CPNDigits: the tenant has no such number, and no trunk or rule shows it";
            return self.originating_fails(ErrorCode::INVALID_ATTRIBUTE, text, now);
        }
        if let Some((code, text)) = not_a_target(destination, &self.s) {
            return self.originating_fails(code, text, now);
        }
        self.s.outbound = matches!(destination, Destination::Outside(_));
        self.announce(now);
        let ask = self.look_up_phone(&asked.this_dn, now);
        self.s.stage = Stage::Originating(Originating { asked, step: OriginatingStep::Phone(ask) });
    }

    fn ring_origin(&mut self, asked: Asked, contacts: Vec<Contact>, no_answer_ms: u64, now: Timestamp) {
        let legs = self.ring_legs(&asked.this_dn, contacts, None);
        let rings = Duration::from_millis(no_answer_ms).clamp(RING_MIN, RING_MAX);
        self.s.timers.arm(Timer::NoAnswer, now + rings);
        let mut caller = Party::calling(self.s.caller.clone());
        caller.progress = LegProgress::Called;
        caller.leg = legs.first().copied().unwrap_or(caller.leg);
        self.s.parties.push(caller);
        let step = OriginatingStep::Ringing { legs, refusal: None };
        self.s.stage = Stage::Originating(Originating { asked: asked.clone(), step });
        let dialing = self.s.party(PartyNo::CALLER).and_then(|caller| self.party_event(EventName::Dialing, caller));
        if let Some(dialing) = dialing {
            self.fact(answering(dialing, &asked), now);
        }
    }

    /// The phone that calls has answered: calls the destination.
    pub(super) fn origin_answered(&mut self, leg: LegId, now: Timestamp) {
        self.s.timers.disarm(Timer::NoAnswer);
        for other in self.s.ringing_legs().to_vec() {
            if other != leg {
                self.push(Output::CancelLeg(other));
            }
        }
        for caller in &mut self.s.parties {
            (caller.leg, caller.progress) = (leg, LegProgress::Answered);
        }
        let ask = self.ask_dial_plan(self.s.dialled.clone(), self.s.caller.clone(), now);
        self.s.stage = Stage::Asking { ask };
    }

    /// A phone that calls has refused or is lost.
    pub(super) fn origin_failed(&mut self, leg: LegId, status: u16, now: Timestamp) {
        let Stage::Originating(Originating { step: OriginatingStep::Ringing { legs, refusal }, .. }) =
            &mut self.s.stage
        else {
            return;
        };
        legs.retain(|other| *other != leg);
        let worst = refusal.map_or(status, |so_far| more_telling(so_far, status));
        *refusal = Some(worst);
        let next = legs.first().copied();
        match next {
            Some(next) if status < 600 => {
                for caller in self.s.parties.iter_mut().filter(|caller| caller.leg == leg) {
                    caller.leg = next;
                }
            }
            _ => self.end(Ending::system(refusal_state(worst), worst), now),
        }
    }

    /// The dial plan has not answered in time.
    pub(super) fn originating_unanswered(&mut self, now: Timestamp) {
        self.originating_fails(ErrorCode::TIMEOUT, "the dial plan did not answer", now);
    }

    pub(super) fn originating_fails(&mut self, code: ErrorCode, text: &'static str, now: Timestamp) {
        self.refuse_origination(code, text, now);
        self.end(Ending::system(CallState::GeneralError, 480), now);
    }

    /// The call ends: whoever asked for it and has no answer yet gets one.
    pub(super) fn refuse_open_origination(&mut self, now: Timestamp) {
        self.refuse_origination(ENDED.0, ENDED.1, now);
    }

    fn refuse_origination(&mut self, code: ErrorCode, text: &'static str, now: Timestamp) {
        if self.originating_question().is_none() {
            return;
        }
        if let Stage::Originating(Originating { asked, .. }) =
            std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 })
        {
            self.refuse_asked(&asked, code, text, now);
        }
    }
}
