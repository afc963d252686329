//! Requests about a call that rings: answer it, or send it elsewhere.
//!
//! A phone is not answered for its owner: it is asked to answer, by the means that many phones know, and a phone that does not know it says
//! so. A call is sent elsewhere only once it is known that there is somewhere: until then it rings on.

use std::time::Duration;

use model::event::ErrorCode;
use model::plan::Destination;
use model::{CallState, Dn, DnRole, EventName, LegId, Timestamp, UserData};

use super::facts::answering;
use super::state::{Asked, Party, Point, Routing, Stage};
use super::timer::Timer;
use super::{CALLER_LEG, Call, Output};

type Outcome = Result<(), (ErrorCode, &'static str)>;

/// How long a phone may take to answer after it was asked to: it has said yes by then, or it will not.
const PHONE_ANSWER: Duration = Duration::from_secs(10);

impl Call {
    /// The party that rings at the DN for which it is asked.
    fn alerting(&mut self, asked: &Asked) -> Result<&mut Party, (ErrorCode, &'static str)> {
        match &mut self.s.stage {
            Stage::Offering(party) if party.dn == asked.this_dn && party.rang => Ok(party),
            _ => Err((ErrorCode::INVALID_CALL_STATE, "the call does not ring at this DN")),
        }
    }

    // ---- answer

    /// Asks the phone to answer; with several registrations the newest that still rings.
    pub(super) fn ask_answer(&mut self, asked: Asked, now: Timestamp) -> Outcome {
        let party = self.alerting(&asked)?;
        if party.answer_asked.is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the phone is being asked already"));
        }
        let leg = party.legs.first().copied();
        let leg = leg.ok_or((ErrorCode::INVALID_CALL_STATE, "no phone rings"))?;
        party.answer_asked = Some(asked);
        self.s.timers.arm(Timer::PhoneAnswer, now + PHONE_ANSWER);
        self.push(Output::AskAnswer(leg));
        Ok(())
    }

    /// The phone does not let itself be asked.
    pub(super) fn answer_refused(&mut self, leg: LegId, now: Timestamp) {
        let asked = match &mut self.s.stage {
            Stage::Offering(party) if party.legs.contains(&leg) => party.answer_asked.take(),
            _ => None,
        };
        if let Some(asked) = asked {
            self.s.timers.disarm(Timer::PhoneAnswer);
            self.refuse_asked(&asked, ErrorCode::UNSUPPORTED, "the phone cannot be answered by a request", now);
        }
    }

    /// It has not answered although it was asked.
    pub(super) fn answer_overdue(&mut self, now: Timestamp) {
        let asked = match &mut self.s.stage {
            Stage::Offering(party) => party.answer_asked.take(),
            _ => None,
        };
        if let Some(asked) = asked {
            self.refuse_asked(&asked, ErrorCode::TIMEOUT, "the phone did not answer", now);
        }
    }

    // ---- redirect

    /// Asks where the call may go; it rings on meanwhile.
    pub(super) fn redirect(&mut self, to: Dn, asked: Asked, now: Timestamp) -> Outcome {
        let party = self.alerting(&asked)?;
        if party.redirect.is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is being redirected already"));
        }
        if party.dn == to {
            return Err((ErrorCode::INVALID_DESTINATION, "the call rings there already"));
        }
        let ask = self.ask_dial_plan(to.to_string(), now);
        if let Stage::Offering(party) = &mut self.s.stage {
            party.redirect = Some(Routing { ask, dn: to, agent: None, asked: Some(asked) });
        }
        Ok(())
    }

    /// The dial plan has said where the redirection leads.
    pub(super) fn redirect_answered(&mut self, destination: Destination, now: Timestamp) {
        let Stage::Offering(party) = &mut self.s.stage else {
            return;
        };
        let Some(Routing { dn, asked, .. }) = party.redirect.take() else {
            return;
        };
        if let Some((code, text)) = not_a_target(&destination) {
            if let Some(asked) = asked {
                self.refuse_asked(&asked, code, text, now);
            }
            return;
        }
        let Some(Party { point, .. }) = self.leave_phone(&dn, asked.as_ref(), now) else {
            return;
        };
        match destination {
            // An agent who sends the call on does not take it from the route point: where nobody answers, it goes back there.
            Destination::Extension { dn, contacts, no_answer_ms } => {
                self.offer(Party::new(dn, None, point), contacts, no_answer_ms, now);
            }
            Destination::RoutePoint { dn, application, default_dn } => {
                self.answer_caller();
                self.park(Point { dn, application, default_dn }, UserData::new(), now);
            }
            Destination::Service(service) => self.serve(service, now),
            Destination::FeatureCode { .. } | Destination::Reject { .. } => {}
        }
    }

    /// The dial plan did not answer in time.
    pub(super) fn redirect_unanswered(&mut self, now: Timestamp) {
        let open = match &mut self.s.stage {
            Stage::Offering(party) => party.redirect.take().and_then(|open| open.asked),
            _ => None,
        };
        if let Some(asked) = open {
            self.refuse_asked(&asked, ErrorCode::TIMEOUT, "the dial plan did not answer", now);
        }
    }

    /// `Released` for the phone that rang; gives the party that was left. The stage is the next step's.
    fn leave_phone(&mut self, to: &Dn, asked: Option<&Asked>, now: Timestamp) -> Option<Party> {
        self.refuse_requests(now);
        self.s.timers.disarm(Timer::NoAnswer);
        let Stage::Offering(mut party) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else {
            return None;
        };
        for leg in std::mem::take(&mut party.legs) {
            self.push(Output::CancelLeg(leg));
        }
        let mut released = self.party_event(EventName::Released, &party);
        released.call_state = Some(CallState::Redirected);
        released.third_party_dn = Some(to.to_string());
        released.third_party_role = Some(DnRole::Destination);
        let released = match asked {
            Some(asked) => answering(released, asked),
            None => released,
        };
        self.fact(released, now);
        self.stop_playing(CALLER_LEG, now);
        Some(party)
    }

    /// The call rings no more: requests that wait for the phone or for the dial plan cannot be carried out.
    pub(super) fn refuse_requests(&mut self, now: Timestamp) {
        let Stage::Offering(party) = &mut self.s.stage else {
            return;
        };
        let redirect = party.redirect.take();
        let open = [party.answer_asked.take(), redirect.as_ref().and_then(|open| open.asked.clone())];
        self.s.timers.disarm(Timer::PhoneAnswer);
        if redirect.is_some() {
            self.s.timers.disarm(Timer::DialPlan);
        }
        for asked in open.into_iter().flatten() {
            self.refuse_asked(&asked, ErrorCode::INVALID_CALL_STATE, "the call does not ring there any more", now);
        }
    }
}

/// Why a number is no target of a call that rings or waits.
pub(super) fn not_a_target(destination: &Destination) -> Option<(ErrorCode, &'static str)> {
    match destination {
        Destination::Reject { .. } | Destination::FeatureCode { .. } => {
            Some((ErrorCode::INVALID_CALLED_DN, "no such target"))
        }
        Destination::Extension { contacts, .. } if contacts.is_empty() => {
            Some((ErrorCode::OUT_OF_SERVICE, "the target's phone is not registered"))
        }
        _ => None,
    }
}
