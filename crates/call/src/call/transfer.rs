//! Transfer: a party hands the call to another number and leaves. Who stays hears ring-back; if nobody answers, the call goes back to
//! who transferred it.

use model::event::ErrorCode;
use model::plan::Destination;
use model::{CallState, Dn, DnRole, EventName, LegId, Timestamp, UserData};

use super::alerting::not_a_target;
use super::asked::{Asked, rings_as_asked};
use super::ending::Ending;
use super::facts::answering;
use super::in_thread::NewConsultation;
use super::offer::failed_target;
use super::party::{LegProgress, Party, PartyNo};
use super::point::Point;
use super::state::{InService, Offer, Recall, Stage, Transfer};
use super::timer::{RECALL_AGAIN, Timer};
use super::{Call, Output};

type Outcome = Result<(), (ErrorCode, &'static str)>;

/// Who stays would hear ring-back in the middle of another conversation.
const HELD_FROM_AFAR: (ErrorCode, &str) =
    (ErrorCode::INVALID_CALL_STATE, "the other party holds the call and consults somebody else");

const NOT_OF_TWO: (ErrorCode, &str) =
    (ErrorCode::CANNOT_INITIATE_TRANSFER, "only a call of two parties can be transferred");

impl Call {
    /// A request to transfer the call. Who transfers stays connected until the destination is known.
    pub(super) fn transfer(&mut self, to: Dn, asked: Asked, now: Timestamp) -> Outcome {
        let party = self.s.party_at(&asked.this_dn).map(|party| party.number);
        self.look_up_transfer(party, to, Some(asked), None, now)
    }

    /// A phone transfers the call by itself.
    pub(super) fn leg_transfers(&mut self, leg: LegId, to: Dn, now: Timestamp) {
        let party = self.s.party_on(leg).filter(|party| party.dn().is_some()).map(|party| party.number);
        if self.look_up_transfer(party, to, None, None, now).is_err() {
            self.push(Output::TransferOutcome { leg, status: 603 });
        }
    }

    /// Looks the destination up. `consultation` is the call to it, if the party does not transfer in a single step.
    pub(super) fn look_up_transfer(
        &mut self,
        party: Option<PartyNo>,
        to: Dn,
        asked: Option<Asked>,
        consultation: Option<NewConsultation>,
        now: Timestamp,
    ) -> Outcome {
        let is_connected = |party: &&Party| party.progress == LegProgress::Answered && party.observes.is_none();
        let party = party.and_then(|party| self.s.party(party)).filter(is_connected).map(|party| party.number);
        let (Stage::Talking, Some(party)) = (&self.s.stage, party) else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        };
        self.check_classified()?;
        self.check_legs_left()?;
        if self.s.transfer.is_some() || self.invitation_question().is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is being transferred already"));
        }
        if consultation.is_none() && self.s.talkers().count() != 2 {
            return Err(NOT_OF_TWO);
        }
        if consultation.is_none() && self.s.is_one_away(party) {
            return Err(HELD_FROM_AFAR);
        }
        if self.s.party_at(&to).is_some() {
            return Err((ErrorCode::INVALID_DESTINATION, "the destination is in the call already"));
        }
        let by = self.s.party(party).map_or_else(|| self.s.caller.clone(), |party| party.device.clone());
        let ask = self.ask_dial_plan(to.to_string(), by, now);
        self.s.transfer = Some(Transfer { party, ask, to, asked, consultation });
        Ok(())
    }

    /// Handles the dial plan's answer about a transfer.
    pub(super) fn transfer_answered(&mut self, destination: Destination, now: Timestamp) {
        let Some(transfer) = self.s.transfer.take() else { return };
        let destination = rings_as_asked(transfer.asked.as_ref(), destination);
        let parks = matches!(destination, Destination::Park { .. }) && transfer.consultation.is_none();
        if let Some((code, text)) = not_a_target(&destination, &self.s).filter(|_| !parks) {
            return self.transfer_fails(transfer, code, text, now);
        }
        if transfer.consultation.is_some() {
            return self.begin_consultation(transfer, destination, now);
        }
        if self.s.is_one_away(transfer.party) {
            return self.transfer_fails(transfer, HELD_FROM_AFAR.0, HELD_FROM_AFAR.1, now);
        }
        if self.s.talkers().count() != 2 {
            return self.transfer_fails(transfer, NOT_OF_TWO.0, NOT_OF_TWO.1, now);
        }
        self.stop_all(now);
        let Some((by, point)) = self.leave_by_transfer(&transfer, now) else { return };
        match destination {
            Destination::Extension { dn, contacts, no_answer_ms } => {
                let offer = Offer { transferred_by: Some(by), ..Offer::new(dn, None, point) };
                self.offer(offer, contacts, no_answer_ms, now);
            }
            Destination::RoutePoint { dn, application, default_dn } => {
                self.wait_at_point(Point { dn, application, default_dn }, UserData::new(), now);
                self.tell_moved(transfer.to.as_str(), &by, now);
            }
            Destination::Outside(outside) => {
                let offer = Offer { transferred_by: Some(by), ..Offer::new(outside.number.clone(), None, point) };
                self.offer_outside(offer, outside, now);
            }
            Destination::Service(service) => {
                self.serve(InService { number: transfer.to.to_string(), service }, now);
                self.tell_moved(transfer.to.as_str(), &by, now);
            }
            Destination::Park { slot } => self.park_at(slot, by, point, now),
            Destination::FeatureCode { .. } | Destination::Pickup { .. } | Destination::Reject { .. } => {}
        }
    }

    /// Who transfers leaves, and its leg is released. Returns its DN, and the route point that had delivered the call.
    fn leave_by_transfer(&mut self, transfer: &Transfer, now: Timestamp) -> Option<(Dn, Option<Point>)> {
        let party =
            self.depart(transfer.party, CallState::Transferred, transfer.to.as_str(), transfer.asked.as_ref(), now)?;
        if transfer.asked.is_none() {
            self.push(Output::TransferOutcome { leg: party.leg, status: 200 });
        }
        self.push(Output::ReleaseLeg(party.leg));
        Some((party.dn()?.clone(), party.point))
    }

    /// Publishes `Released` for a party that hands the call to another number, and removes it.
    pub(crate) fn depart(
        &mut self,
        number: PartyNo,
        how: CallState,
        to: &str,
        asked: Option<&Asked>,
        now: Timestamp,
    ) -> Option<Party> {
        self.cancel_invitation(now);
        self.refuse_transfer(now);
        self.refuse_replacement(480);
        self.observers_leave(None, CallState::RemoteRelease, now);
        let leg = self.s.party(number).map(|party| party.leg);
        leg.into_iter().for_each(|leg| self.stop_playing(leg, now));
        let at = self.s.parties.iter().position(|party| party.number == number)?;
        let mut released = self.s.parties.get(at).and_then(|party| self.party_event(EventName::Released, party))?;
        released.call_state = Some(how);
        released.third_party_dn = Some(to.to_owned());
        released.third_party_role = Some(DnRole::NewParty);
        let released = match asked {
            Some(asked) => answering(released, asked),
            None => released,
        };
        self.fact(released, now);
        let party = self.s.parties.remove(at);
        self.drop_hold_request(party.leg, now);
        Some(party)
    }

    /// The dial plan did not answer about a transfer in time.
    pub(super) fn transfer_unanswered(&mut self, now: Timestamp) {
        if let Some(transfer) = self.s.transfer.take() {
            self.transfer_fails(transfer, ErrorCode::TIMEOUT, "the dial plan did not answer", now);
        }
    }

    /// Refuses a transfer under way: the call ends.
    pub(super) fn refuse_transfer(&mut self, now: Timestamp) {
        if let Some(transfer) = self.s.transfer.take() {
            self.s.timers.disarm(Timer::DialPlan);
            self.transfer_fails(transfer, ErrorCode::INVALID_CALL_STATE, "the call has changed or ended", now);
        }
    }

    pub(super) fn transfer_fails(&mut self, transfer: Transfer, code: ErrorCode, text: &'static str, now: Timestamp) {
        match (transfer.asked, self.s.party(transfer.party)) {
            (Some(asked), _) => self.refuse_asked(&asked, code, text, now),
            (None, Some(party)) => {
                let status = match code {
                    ErrorCode::INVALID_CALLED_DN => 404,
                    ErrorCode::OUT_OF_SERVICE => 480,
                    ErrorCode::TIMEOUT => 503,
                    _ => 487,
                };
                self.push(Output::TransferOutcome { leg: party.leg, status });
            }
            (None, None) => {}
        }
    }

    /// The transferred call rings: tells who stays with whom it will talk.
    pub(super) fn tell_transfer(&mut self, now: Timestamp) {
        let Stage::Offering(Offer { dn, transferred_by: Some(by), .. }) = &self.s.stage else { return };
        let (dn, by) = (dn.clone(), by.clone());
        self.tell_moved(dn.as_str(), &by, now);
    }

    pub(super) fn tell_moved(&mut self, to: &str, by: &Dn, now: Timestamp) {
        self.tell_moved_except(PartyNo(0), to, by, now);
    }

    /// The same without the party that has come.
    pub(super) fn tell_moved_except(&mut self, new: PartyNo, to: &str, by: &Dn, now: Timestamp) {
        let told = |party: &&Party| party.number != new;
        if self.is_over() {
            return;
        }
        for number in self.s.parties.iter().filter(told).map(|party| party.number).collect::<Vec<_>>() {
            let event = self.s.party(number).and_then(|party| self.party_event(EventName::PartyChanged, party));
            let Some(mut event) = event else { continue };
            event.call_state = Some(CallState::Transferred);
            event.other_dn = Some(to.to_owned());
            event.third_party_dn = Some(by.to_string());
            event.third_party_role = Some(DnRole::TransferredBy);
            self.fact(event, now);
        }
    }

    // ---- nobody answers

    /// Nobody took the transferred call: looks up the phones of who transferred it.
    pub(super) fn recall(&mut self, why: CallState, now: Timestamp) {
        let Stage::Offering(offer) = std::mem::replace(&mut self.s.stage, Stage::Talking) else { return };
        let Offer { dn: from, transferred_by: Some(to), rang, .. } = &offer else { return };
        if let Some(mut released) = self.offer_event(EventName::Released, &offer).filter(|_| *rang) {
            released.call_state = Some(why);
            self.fact(released, now);
        }
        let (from, to) = (from.clone(), to.clone());
        let ask = self.look_up_phone(&to, now);
        self.s.stage = Stage::Recalling(Recall { ask: Some(ask), to, from, point: offer.point, tries: 0 });
    }

    /// Handles the dial plan's answer about who transferred the call.
    pub(super) fn recall_answered(&mut self, destination: Destination, now: Timestamp) {
        match (&self.s.stage, destination) {
            (Stage::Recalling(recall), Destination::Extension { dn, contacts, no_answer_ms })
                if !contacts.is_empty() && self.s.party_at(&dn).is_none() =>
            {
                let (from, point, tries) = (recall.from.clone(), recall.point.clone(), recall.tries);
                self.stop_all(now);
                let offer = Offer { recalled_from: Some(from), tries, ..Offer::new(dn, None, point) };
                self.offer(offer, contacts, no_answer_ms, now);
            }
            _ => self.recall_failed(now),
        }
    }

    /// The phone of who transferred the call is busy, perhaps because the BYE for the call that it had is late: it is rung again.
    pub(super) fn recall_later(&mut self, now: Timestamp) {
        let Stage::Offering(offer) = std::mem::replace(&mut self.s.stage, Stage::Talking) else { return };
        let Offer { dn: to, recalled_from, point, tries, .. } = offer;
        let from = recalled_from.unwrap_or_else(|| to.clone());
        self.s.timers.arm(Timer::Recall, now + RECALL_AGAIN);
        self.s.stage = Stage::Recalling(Recall { ask: None, to, from, point, tries: tries + 1 });
    }

    pub(super) fn recall_again(&mut self, now: Timestamp) {
        let Stage::Recalling(recall) = &self.s.stage else { return };
        let to = recall.to.clone();
        let ask = self.look_up_phone(&to, now);
        if let Stage::Recalling(recall) = &mut self.s.stage {
            recall.ask = Some(ask);
        }
    }

    /// Who transferred the call cannot be rung: the call returns to the route point that delivered it, or ends.
    pub(super) fn recall_failed(&mut self, now: Timestamp) {
        let Stage::Recalling(recall) = &self.s.stage else { return };
        let Recall { to, point, .. } = recall.clone();
        self.stop_all(now);
        match point {
            Some(point) => {
                let told = failed_target(&Offer::new(to, None, None), CallState::GeneralError);
                self.wait_at_point(point, told, now);
            }
            None => self.end(Ending::system(CallState::NoAnswer, 480), now),
        }
    }
}
