//! Requests about a call: carried out, or refused with an error code that clients can test.

use model::event::ErrorCode;
use model::request::{RequestKind, RouteTo, Treatment};
use model::{CallState, Dn, Event, EventName, ReferenceId, Request, Timestamp, UserData};

use super::Call;
use super::asked::{Asked, no_answer_ms};
use super::ending::Ending;
use super::facts::answering;
use super::mute::Sense;
use super::playing::{Playing, Purpose};
use super::recorded::RecordingState::{Paused, Recording, Stopped};
use super::state::{HoldWay, Routing, Stage};
use super::to_party;

type Outcome = Result<(), (ErrorCode, &'static str)>;

impl Call {
    pub(super) fn request(&mut self, mut request: Request, now: Timestamp) {
        let asked = Asked::by(&request);
        if let RequestKind::ApplyTreatment(id, treatment, to) = request.kind {
            request.kind = RequestKind::ApplyTreatment(id, treatment.clamped(), to);
        }
        if let Err((code, text)) = self.carry_out(request, asked.clone(), now) {
            self.refuse_asked(&asked, code, text, now);
        }
    }

    /// Whether this very request is being carried out already. A client repeats it when the answer was lost with the call's failed node.
    fn is_under_way(&self, kind: &RequestKind, asked: &Asked) -> bool {
        if asked.reference == ReferenceId(0) {
            return false;
        }
        match kind {
            RequestKind::ApplyTreatment(_, treatment, _) => {
                let by_it = |of: &Purpose| matches!(of, Purpose::Applied(by) | Purpose::ToParty(by) if by == asked);
                self.s.playing.iter().any(|playing| by_it(&playing.purpose) && playing.treatment == *treatment)
            }
            RequestKind::CollectDigits(..) => {
                let by_it = |playing: &Playing| matches!(&playing.purpose, Purpose::Collecting(by) if by == asked);
                self.s.playing.iter().any(by_it)
            }
            RequestKind::RouteCall(_, RouteTo::Dn { dn, agent }) => {
                let Stage::Waiting(waiting) = &self.s.stage else { return false };
                let is_it = |to: &Routing| to.asked.as_ref() == Some(asked) && (&to.dn, &to.agent) == (dn, agent);
                waiting.routing.as_ref().is_some_and(is_it)
            }
            RequestKind::SingleStepConference(..) | RequestKind::MonitorCall(..) => {
                self.s.invitation.as_ref().is_some_and(|open| open.asked == *asked)
            }
            _ => false,
        }
    }

    fn carry_out(&mut self, request: Request, asked: Asked, now: Timestamp) -> Outcome {
        if request.kind.conn_id() != Some(self.s.conn_id) {
            return Err((ErrorCode::INVALID_CONN_ID, "the request names another call"));
        }
        if request.tenant != self.s.tenant {
            return Err((ErrorCode::INVALID_CONN_ID, "no such call"));
        }
        no_answer_ms(&request)?;
        if self.is_under_way(&request.kind, &asked) {
            return Ok(());
        }
        match request.kind {
            RequestKind::RouteCall(_, to) => {
                self.on_point(&asked)?;
                self.route(to, asked, now)
            }
            RequestKind::ApplyTreatment(_, treatment, to) => self.apply(treatment, to.as_ref(), asked, now),
            RequestKind::CollectDigits(_, digits, from) => {
                let treatment = Treatment::from(digits).clamped();
                self.treat_party(treatment, from.as_ref(), Purpose::Collecting(asked), now)
            }
            RequestKind::StopTreatment(_) => self.stop_treatment(&asked, now),
            RequestKind::ReleaseCall(_) => self.release(asked, now),
            RequestKind::ClearCall(_) => {
                self.end(Ending::system(CallState::Cleared, 480).asked(asked), now);
                Ok(())
            }
            RequestKind::HoldCall(_) => self.ask_hold(HoldWay::Hold, asked, now),
            RequestKind::RetrieveCall(_) => self.ask_hold(HoldWay::Retrieve, asked, now),
            RequestKind::UpdateUserData(_, pairs) => self.change_data(&asked, now, |data| data.update(&pairs)),
            RequestKind::DeletePair(_, key) => self.change_data(&asked, now, |data| {
                data.remove(&key);
            }),
            RequestKind::DeleteUserData(_) => self.change_data(&asked, now, |data| *data = UserData::new()),
            RequestKind::QueryCall(_) => {
                self.party_info(&asked, now);
                Ok(())
            }
            RequestKind::AnswerCall(_) => self.ask_answer(asked, now),
            RequestKind::RedirectCall(_, to) => self.redirect(to, asked, now),
            RequestKind::SingleStepTransfer(_, to) => self.transfer(to, asked, now),
            RequestKind::SingleStepConference(_, to) => self.invite(to, asked, now),
            RequestKind::SendDtmf(_, digits) => self.send_dtmf(digits, &asked, now),
            RequestKind::SetMuteOn(_, of) => self.set_sense((Sense::Voice, true), of.as_ref(), &asked, now),
            RequestKind::SetMuteOff(_, of) => self.set_sense((Sense::Voice, false), of.as_ref(), &asked, now),
            RequestKind::ListenDisconnect(_, of) => self.set_sense((Sense::Hearing, true), of.as_ref(), &asked, now),
            RequestKind::ListenReconnect(_, of) => self.set_sense((Sense::Hearing, false), of.as_ref(), &asked, now),
            RequestKind::StartRecording(_, beep) => self.start_recording(beep, &asked, now),
            RequestKind::StopRecording(_) => self.change_recording((&[Recording, Paused], Stopped), &asked, now),
            RequestKind::PauseRecording(_) => self.change_recording((&[Recording], Paused), &asked, now),
            RequestKind::ResumeRecording(_) => self.change_recording((&[Paused], Recording), &asked, now),
            RequestKind::MonitorCall(_, of, mode) => self.monitor(&of, mode, asked, now),
            RequestKind::DeleteFromConference(_, other) => self.remove_party(other.as_str(), asked, now),
            // The thread carries them out, for they concern two calls.
            RequestKind::InitiateTransfer(..)
            | RequestKind::MuteTransfer(..)
            | RequestKind::CompleteTransfer(..)
            | RequestKind::CompleteConference(..)
            | RequestKind::AlternateCall(..)
            | RequestKind::MergeCalls(..)
            | RequestKind::ReconnectCall(..) => Err((ErrorCode::INTERNAL, "a request of a thread")),
            _ => Err((ErrorCode::UNSUPPORTED, "not a request about a call")),
        }
    }

    /// Checks that the request names the route point on which the call waits: only there are routes and treatments possible.
    fn on_point(&self, asked: &Asked) -> Outcome {
        match &self.s.stage {
            Stage::Waiting(waiting) if waiting.point.dn == asked.this_dn => Ok(()),
            Stage::Waiting(_) => Err((ErrorCode::INVALID_ATTRIBUTE, "the call waits on another route point")),
            _ => Err((ErrorCode::INVALID_CALL_STATE, "the call does not wait on a route point")),
        }
    }

    fn apply(&mut self, treatment: Treatment, to: Option<&Dn>, asked: Asked, now: Timestamp) -> Outcome {
        if self.s.stage == Stage::Talking {
            return self.treat_party(treatment, to, Purpose::ToParty(asked), now);
        }
        self.on_point(&asked)?;
        if matches!(&self.s.stage, Stage::Waiting(waiting) if waiting.routing.is_some()) {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is being routed already"));
        }
        to_party::check(&treatment)?;
        self.apply_valid(treatment, asked, now)
    }

    fn apply_valid(&mut self, treatment: Treatment, asked: Asked, now: Timestamp) -> Outcome {
        self.instructed(now);
        // No quiet timer while a treatment plays: the caller must not be routed to the default DN in the middle of it.
        self.s.timers.disarm(super::Timer::Quiet);
        self.play(self.front(), treatment, Purpose::Applied(asked), now);
        Ok(())
    }

    fn stop_treatment(&mut self, asked: &Asked, now: Timestamp) -> Outcome {
        if self.s.stage == Stage::Talking {
            return self.stop_treating(asked, now);
        }
        self.on_point(asked)?;
        let leg = self.front();
        if !self.s.playing.iter().any(|playing| playing.leg == leg) {
            return Err((ErrorCode::INVALID_CALL_STATE, "no treatment is in progress"));
        }
        self.stop_playing(leg, now);
        // The treatment's end names the request that began it.
        self.acknowledge(asked, now);
        self.instructed(now);
        Ok(())
    }

    /// One party leaves; unless the call is a conference, that ends it.
    fn release(&mut self, asked: Asked, now: Timestamp) -> Outcome {
        let is_offered =
            matches!(&self.s.stage, Stage::Offering(offer) if offer.dn == asked.this_dn && offer.trunk.is_none());
        let is_invited = self.s.invited().is_some_and(|offer| offer.dn == asked.this_dn && offer.trunk.is_none());
        let is_point = matches!(&self.s.stage, Stage::Waiting(waiting) if waiting.point.dn == asked.this_dn);
        if is_offered {
            // Handled as a refusal by the phone: the call returns to its route point.
            self.acknowledge(&asked, now);
            self.offer_failed(CallState::Busy, 486, now);
        } else if is_invited {
            self.acknowledge(&asked, now);
            self.end_invitation(CallState::Busy, (ErrorCode::DN_BUSY, "the number is busy, or refuses"), now);
        } else if let Some(party) = self.s.party_at(&asked.this_dn).map(|party| party.number) {
            self.party_leaves(party, CallState::Ok, Some(asked), now);
        } else if is_point || self.predicts_for(&asked.this_dn) {
            self.end(Ending::system(CallState::Cleared, 480).asked(asked), now);
        } else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not a party of the call"));
        }
        Ok(())
    }

    fn change_data(&mut self, asked: &Asked, now: Timestamp, change: impl FnOnce(&mut UserData)) -> Outcome {
        let mut data = self.s.user_data.clone();
        change(&mut data);
        // Data stored by an earlier version may exceed the limits: changes may then only shrink it.
        let grows = data.pairs() > self.s.user_data.pairs() || data.bytes() > self.s.user_data.bytes();
        if grows && (data.pairs() > UserData::PAIRS_MAX || data.bytes() > UserData::BYTES_MAX) {
            return Err((ErrorCode::INVALID_ATTRIBUTE, "too much user data"));
        }
        self.set_data(data, asked, now);
        Ok(())
    }

    /// Changes the user data, and tells every DN of it.
    pub(super) fn set_data(&mut self, data: UserData, asked: &Asked, now: Timestamp) {
        self.s.user_data = data;
        let mut answered = false;
        for mut event in self.event_for_each_dn(EventName::AttachedDataChanged) {
            event.third_party_dn = Some(asked.this_dn.to_string());
            let event = if event.this_dn.as_ref() == Some(&asked.this_dn) {
                answered = true;
                answering(event, asked)
            } else {
                event
            };
            self.fact(event, now);
        }
        if !answered {
            // Made for a DN that is in the call no more, or is none of it.
            self.acknowledge(asked, now);
        }
    }

    /// Answers a request that no other event answers.
    pub(super) fn acknowledge(&mut self, asked: &Asked, now: Timestamp) {
        self.fact(self.answer(EventName::ACK, asked), now);
    }

    /// The event for every DN that is a party at present.
    pub(super) fn event_for_each_dn(&self, name: EventName) -> Vec<Event> {
        let called = match &self.s.stage {
            Stage::Waiting(waiting) => Some(self.point_event(name, &waiting.point)),
            Stage::Offering(offer) => self.offer_event(name, offer),
            _ => self.invited_event_if_rang(name),
        };
        let parties = self.s.parties.iter().rev();
        called.into_iter().chain(parties.filter_map(|party| self.party_event(name, party))).collect()
    }
}
