//! Requests that concern two calls of a phone: consult, alternate, reconnect, complete; and hold and retrieve for a leg that two calls have.

use model::CallUuid;

use super::*;
use crate::call::PARTIES_MAX;
use crate::call::consultation::{CONSULTS_IN_TURN, Consultation, Rest};
use crate::call::{Departure, HoldWay};

impl Thread {
    pub(super) fn request(&mut self, request: Request, now: Timestamp) {
        let asked = Asked::by(&request);
        let Some(at) = request.kind.conn_id().and_then(|conn_id| self.at(conn_id)) else {
            return self.give(None, Input::Request(request), now);
        };
        let outcome = match &request.kind {
            _ if self.calls.get(at).is_some_and(Call::is_over) => None,
            RequestKind::CompleteTransfer(_, consultation) => Some(self.complete(at, *consultation, &asked, now)),
            RequestKind::CompleteConference(_, consultation) => Some(self.confer(at, *consultation, &asked, now)),
            RequestKind::MergeCalls(_, held) => Some(self.merge(at, *held, &asked, now)),
            RequestKind::AlternateCall(_, held) => Some(self.alternate(at, *held, &asked, now)),
            RequestKind::ReconnectCall(_, held) => Some(self.reconnect(at, *held, &asked, now)),
            RequestKind::HoldCall(_) => self.hold(at, &asked, now),
            RequestKind::RetrieveCall(_) => self.retrieve(at, &asked, now),
            RequestKind::SingleStepTransfer(..) if self.is_shared_by(at, &asked) => {
                Some(Err((ErrorCode::INVALID_CALL_STATE, "a consultation is under way: complete it or reconnect")))
            }
            _ => None,
        };
        match outcome {
            None => self.give(Some(at), Input::Request(request), now),
            Some(Ok(())) => {}
            Some(Err((code, text))) => self.act(at, |call| call.refuse_asked(&asked, code, text, now)),
        }
    }

    /// A request to consult: one consultation of a phone at a time.
    pub(super) fn consult(&mut self, request: Request, conn_id: ConnId, uuid: CallUuid, now: Timestamp) {
        let asked = Asked::by(&request);
        // One about a call that is over concerns the first one, as any request.
        let at = request.kind.conn_id().and_then(|conn_id| self.at(conn_id)).unwrap_or_default();
        let leg = self.calls.get(at).and_then(|call| party_of(&call.s, &asked).ok()).map(|(_, leg)| leg);
        let calls = leg.map_or(0, |leg| (0..self.calls.len()).filter(|at| self.has(*at, leg)).count());
        let refusal = match calls {
            2.. => Some("this DN has a consultation already"),
            _ if !self.first().numbers.has_calls_left() => {
                Some("this call has had as many consultations as it may have")
            }
            _ => None,
        };
        if let Some(text) = refusal {
            let refuse = |call: &mut Call| call.refuse_asked(&asked, ErrorCode::CANNOT_INITIATE_TRANSFER, text, now);
            return self.act(at, refuse);
        }
        self.give(Some(at), Input::Consult { request, conn_id, uuid }, now);
    }

    /// Begins a consultation whose destination is known.
    pub(super) fn begin(&mut self, consultation: Consultation) {
        let mut numbers = self.first().numbers;
        let number = numbers.call;
        numbers.call = number.saturating_add(1);
        self.set_numbers(numbers);
        let Consultation { call, asked, destination, forwarded, mute } = consultation;
        let (now, conn_id, about) = (call.created_at, call.conn_id, call.consults_for.as_ref().map(|of| of.conn_id));
        self.calls.push(Call::of(call, number));
        // The end of a transfer answers its request.
        let answered = asked.as_ref().filter(|_| !mute);
        self.act(self.calls.len() - 1, |call| call.begin_consulting(answered, destination, forwarded, now));
        if let (true, Some(asked), Some(at)) = (mute, asked, about.and_then(|about| self.at(about)))
            && let Err((code, text)) = self.complete(at, conn_id, &asked, now)
        {
            self.act(at, |call| call.refuse_asked(&asked, code, text, now));
        }
    }

    // ---- hold and retrieve

    fn is_shared_by(&self, at: usize, asked: &Asked) -> bool {
        let party = self.calls.get(at).and_then(|call| party_of(&call.s, asked).ok());
        party.is_some_and(|(_, leg)| self.is_shared(leg))
    }

    /// Holds a call whose phone has another one, or is away: the phone itself is asked nothing. None if the phone is to hold.
    fn hold(&mut self, at: usize, asked: &Asked, now: Timestamp) -> Option<Outcome> {
        let (number, leg) = party_of(&self.calls.get(at)?.s, asked).ok()?;
        if !self.is_shared(leg) {
            return None;
        }
        Some(self.may_leave(at, number).map(|()| self.act(at, |call| call.send_away(leg, Some(asked), now))))
    }

    /// Takes a call back that the phone is away from; another one that it is in is held.
    fn retrieve(&mut self, at: usize, asked: &Asked, now: Timestamp) -> Option<Outcome> {
        let (number, leg) = party_of(&self.calls.get(at)?.s, asked).ok()?;
        let party = self.calls.get(at)?.s.party(number)?;
        if !party.away {
            return None;
        }
        Some(self.swap(leg, at, asked, now))
    }

    fn alternate(&mut self, at: usize, held: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        if let Some((from, to)) = self.two_dialogs(at, held, asked) {
            return self.turn_to(from, to, Departure::Holds, asked, now);
        }
        let (from, to) = self.pair(at, held, asked)?;
        if from.away || !to.away {
            return Err((ErrorCode::INVALID_CALL_STATE, "ConnID is not in progress, or HeldConnID is not held"));
        }
        self.swap(from.leg, to.at, asked, now)
    }

    fn reconnect(&mut self, at: usize, held: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        if let Some((from, to)) = self.two_dialogs(at, held, asked) {
            return self.turn_to(from, to, Departure::Leaves, asked, now);
        }
        let (from, to) = self.pair(at, held, asked)?;
        if !to.away {
            return Err((ErrorCode::INVALID_CALL_STATE, "HeldConnID is not held"));
        }
        self.act(at, |call| call.party_leaves(from.party, CallState::Ok, None, now));
        self.act(to.at, |call| call.bring_back(to.leg, Some(asked), now));
        Ok(())
    }

    /// The requester in two calls, if it has a dialog of its own in each.
    fn two_dialogs(&self, at: usize, other: ConnId, asked: &Asked) -> Option<(PartyIn, PartyIn)> {
        let (one, two) = (self.place(at, asked).ok()?, self.place(self.at(other)?, asked).ok()?);
        (one.leg != two.leg && !self.is_shared(one.leg) && !self.is_shared(two.leg)).then_some((one, two))
    }

    /// A phone with two dialogs goes on in the call at `to`: it is asked to retrieve that one.
    fn turn_to(&mut self, from: PartyIn, to: PartyIn, departure: Departure, asked: &Asked, now: Timestamp) -> Outcome {
        let is_held = |call: &Call| call.s.party(to.party).is_some_and(|party| party.held);
        if !self.calls.get(to.at).is_some_and(is_held) {
            return Err((ErrorCode::INVALID_CALL_STATE, "HeldConnID is not held"));
        }
        let mut outcome = Ok(());
        self.act(to.at, |call| outcome = call.ask_hold(HoldWay::Retrieve, asked.clone(), now));
        if outcome.is_ok() {
            self.act(from.at, |call| call.phone_turns(from.party, departure, now));
        }
        outcome
    }

    /// The phone at a DN goes on in a call of another thread, by another dialog.
    pub fn phone_turns(&mut self, conn_id: ConnId, dn: &Dn, departure: Departure, now: Timestamp) {
        let party = |call: &CallSnapshot| call.party_at(dn).map(|party| party.number);
        if let Some((at, party)) = self.at(conn_id).and_then(|at| Some((at, party(&self.calls.get(at)?.s)?))) {
            self.act(at, |call| call.phone_turns(party, departure, now));
        }
    }

    /// The leg goes to the call at `to`; a call that it is in is held.
    fn swap(&mut self, leg: LegId, to: usize, asked: &Asked, now: Timestamp) -> Outcome {
        let present = self.calls.iter().position(|call| is_present(&call.s, leg));
        if let Some(from) = present.filter(|from| *from != to) {
            let number = self.calls.get(from).and_then(|call| call.s.live_party_on(leg)).map(|party| party.number);
            self.may_leave(from, number.unwrap_or(PartyNo::CALLER))?;
            self.act(from, |call| call.send_away(leg, None, now));
        }
        self.act(to, |call| call.bring_back(leg, Some(asked), now));
        Ok(())
    }

    /// Whether a party's leg may leave a call, which it then holds.
    fn may_leave(&self, at: usize, number: PartyNo) -> Outcome {
        let Some(call) = self.calls.get(at).map(|call| &call.s) else { return Ok(()) };
        if call.stage != Stage::Talking {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call has not been answered: complete it or reconnect"));
        }
        match call.party(number) {
            Some(party) if party.away => Err((ErrorCode::INVALID_CALL_STATE, "the call is in that state already")),
            Some(party) if party.held => {
                Err((ErrorCode::INVALID_CALL_STATE, "the phone itself holds this call: it must retrieve it first"))
            }
            _ => Ok(()),
        }
    }

    /// The requester in two calls, which share its leg.
    fn pair(&self, at: usize, other: ConnId, asked: &Asked) -> Result<(PartyIn, PartyIn), (ErrorCode, &'static str)> {
        let no_call =
            (ErrorCode::INVALID_CONN_ID, "the other call is not one of this DN, or is busy with another request");
        let (one, two) = (self.place(at, asked)?, self.place(self.at(other).ok_or(no_call)?, asked)?);
        if at == two.at || one.leg != two.leg { Err(no_call) } else { Ok((one, two)) }
    }

    /// The same, also if it has a leg of its own in each of them.
    fn pair_of(
        &self,
        at: usize,
        other: ConnId,
        asked: &Asked,
    ) -> Result<(PartyIn, PartyIn), (ErrorCode, &'static str)> {
        if let (Ok(one), Some(Ok(two))) = (self.place(at, asked), self.at(other).map(|at| self.place(at, asked)))
            && one.leg != two.leg
        {
            return self.two_of_phone(one.leg, two.leg);
        }
        self.pair(at, other, asked)
    }

    fn place(&self, at: usize, asked: &Asked) -> Result<PartyIn, (ErrorCode, &'static str)> {
        let call = self.calls.get(at).ok_or((ErrorCode::INVALID_CONN_ID, "no such call"))?;
        let (party, leg) = party_of(&call.s, asked)?;
        Ok(PartyIn { at, party, leg, away: call.s.party(party).is_some_and(|party| party.away) })
    }

    // ---- complete

    /// The party that consults leaves both calls; who was consulted goes on in the call at `at`.
    fn complete(&mut self, at: usize, consultation: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        let (main, consulting) = self.pair_of(at, consultation, asked)?;
        self.can_complete(main, consulting)?;
        self.hand_over(main, consulting, Some(asked), now);
        Ok(())
    }

    /// A phone that has two dialogs, each in a call of its own, joins the others of both: they go on in the earlier call.
    pub(super) fn leg_transfers_to(&mut self, leg: LegId, other: LegId, now: Timestamp) {
        let outcome = self.two_of_phone(leg, other).and_then(|(main, consulting)| {
            self.can_complete(main, consulting)?;
            Ok((main, consulting))
        });
        let status = if outcome.is_ok() { 200 } else { 603 };
        self.give_output(self.place_of(leg), Output::TransferOutcome { leg, status });
        if let Ok((main, consulting)) = outcome {
            self.hand_over(main, consulting, None, now);
        }
    }

    /// The places of a phone in the calls of two legs that are both its own, the earlier call first.
    fn two_of_phone(&self, one: LegId, two: LegId) -> Result<(PartyIn, PartyIn), (ErrorCode, &'static str)> {
        let place = |leg| {
            let at = self.calls.iter().position(|call| call.s.live_party_on(leg).is_some())?;
            let party = self.calls.get(at)?.s.live_party_on(leg)?;
            // Or it still waits for the answer to its INVITE.
            let is_connected = party.observes.is_none() && party.progress != LegProgress::Called;
            let found = PartyIn { at, party: party.number, leg, away: party.away };
            is_connected.then(|| (found, party.dn().cloned()))
        };
        let no_call = (ErrorCode::INVALID_CALL_STATE, "the phone is not connected in two calls");
        let ((one, dn), (two, of)) = place(one).zip(place(two)).ok_or(no_call)?;
        if one.at == two.at || dn.is_none() || dn != of || self.is_shared(one.leg) || self.is_shared(two.leg) {
            return Err(no_call);
        }
        Ok(if one.at < two.at { (one, two) } else { (two, one) })
    }

    fn can_complete(&self, main: PartyIn, consulting: PartyIn) -> Outcome {
        let (Some(call), Some(other)) = (self.calls.get(main.at), self.calls.get(consulting.at)) else {
            return Err((ErrorCode::INVALID_CONN_ID, "no such call"));
        };
        let is_about = other.s.consults_for.as_ref().map(|of| of.conn_id) == Some(call.s.conn_id);
        if main.leg == consulting.leg && !is_about {
            return Err((ErrorCode::CANNOT_COMPLETE_TRANSFER, "TransferConnID is not a consultation about ConnID"));
        }
        let waiting = call.s.talkers().count().saturating_sub(1);
        let one_waits = waiting == 1 && !call.s.is_one_away(main.party);
        if call.s.stage != Stage::Talking || waiting == 0 || (!one_waits && other.s.stage != Stage::Talking) {
            let text = "nobody waits in the call, or not for a phone that rings";
            return Err((ErrorCode::CANNOT_COMPLETE_TRANSFER, text));
        }
        other.can_merge(consulting.party)?;
        may_join(call, main.party, other, consulting.party, ErrorCode::CANNOT_COMPLETE_TRANSFER)
    }

    /// The party leaves both calls; who is in the second one goes on in the first.
    fn hand_over(&mut self, main: PartyIn, consulting: PartyIn, asked: Option<&Asked>, now: Timestamp) {
        let Some(call) = self.calls.get(main.at) else { return };
        let stays = call.s.talkers().find(|party| party.number != main.party);
        let stays = stays.map(|party| party.address().to_owned()).unwrap_or_default();
        let (mut rest, mut by) = (None, None);
        self.act(consulting.at, |call| {
            call.depart(consulting.party, CallState::Transferred, &stays, None, now);
            // It is released unless it is in the other call too.
            call.push(Output::ReleaseLeg(consulting.leg));
            rest = call.dissolve(now);
        });
        let Some((rest, of)) = rest.zip(self.calls.get(consulting.at).map(|call| call.s.clone())) else { return };
        self.act(main.at, |call| {
            by = call.depart(main.party, CallState::Transferred, &rest.address(), asked, now);
        });
        if let Some(by) = by {
            self.act(main.at, |call| {
                call.push(Output::ReleaseLeg(by.leg));
                call.take_rest(rest, &of, by, now);
            });
        }
        self.act(consulting.at, |call| call.deleted(CallState::Transferred, now));
    }

    /// As a conference, whichever of the two calls is the consultation. Of two that came separately the earlier one goes on.
    fn merge(&mut self, at: usize, held: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        let held_at = self.at(held).and_then(|at| self.place(at, asked).ok());
        let is_held =
            |held: PartyIn| self.calls.get(held.at).and_then(|call| call.s.party(held.party)).map(|it| it.held);
        if held_at.and_then(is_held) == Some(false) {
            return Err((ErrorCode::INVALID_CALL_STATE, "HeldConnID is not held"));
        }
        if let Ok((main, other)) = self.pair_of(at, held, asked)
            && main.leg != other.leg
        {
            return self.confer_two(main, other, asked, now);
        }
        let (one, two) = self.pair(at, held, asked)?;
        if !two.away {
            return Err((ErrorCode::INVALID_CALL_STATE, "HeldConnID is not held"));
        }
        let about = |at: usize| self.calls.get(at).and_then(|call| call.s.consults_for.as_ref()).map(|of| of.conn_id);
        match self.calls.get(one.at).map(|call| call.s.conn_id) {
            Some(conn_id) if about(two.at) == Some(conn_id) => self.confer(one.at, held, asked, now),
            Some(conn_id) if about(one.at) == Some(held) => self.confer(two.at, conn_id, asked, now),
            _ => Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "neither call is a consultation about the other")),
        }
    }

    /// The party that consults, the call that it is about and who was consulted become one call.
    fn confer(&mut self, at: usize, consultation: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        let (main, consulting) = self.pair_of(at, consultation, asked)?;
        self.confer_two(main, consulting, asked, now)
    }

    fn confer_two(&mut self, main: PartyIn, consulting: PartyIn, asked: &Asked, now: Timestamp) -> Outcome {
        let (Some(call), Some(other)) = (self.calls.get(main.at), self.calls.get(consulting.at)) else {
            return Err((ErrorCode::INVALID_CONN_ID, "no such call"));
        };
        let has_two_dialogs = main.leg != consulting.leg;
        if !has_two_dialogs && other.s.consults_for.as_ref().map(|of| of.conn_id) != Some(call.s.conn_id) {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "TransferConnID is not a consultation about ConnID"));
        }
        if call.s.stage != Stage::Talking || other.s.stage != Stage::Talking || other.s.talkers().count() != 2 {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the consultation has not been answered by a phone"));
        }
        if other.s.is_one_away(consulting.party) {
            return Err(CONSULTS_IN_TURN);
        }
        if call.s.parties.len() >= PARTIES_MAX {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the call has as many parties as it may have"));
        }
        may_join(call, main.party, other, consulting.party, ErrorCode::CANNOT_COMPLETE_CONFERENCE)?;
        let leg = if has_two_dialogs { leg_that_talks(&call.s, main, &other.s, consulting)? } else { main.leg };
        let stays = call.s.talkers().find(|party| party.number != main.party);
        let stays = stays.map(|party| party.address().to_owned()).unwrap_or_default();
        let mut rest = None;
        self.act(consulting.at, |call| {
            call.depart(consulting.party, CallState::Conferenced, &stays, None, now);
            rest = call.dissolve(now);
        });
        let of = self.calls.get(consulting.at).map(|call| (call.s.conn_id, call.s.user_data.clone()));
        if let (Some(Rest::Party(new)), Some((from, data))) = (rest, of) {
            self.act(main.at, |call| {
                call.speak_by(main.leg, leg, now);
                call.confer(leg, (new, from, &data), asked, now);
                if has_two_dialogs {
                    call.push(Output::ReleaseLeg(if leg == main.leg { consulting.leg } else { main.leg }));
                }
            });
        }
        self.act(consulting.at, |call| call.deleted(CallState::Conferenced, now));
        Ok(())
    }
}

/// Whether none of those to whom `other` leads is in `call` already: a DN is in a call once.
fn may_join(call: &Call, by: PartyNo, other: &Call, consulting: PartyNo, code: ErrorCode) -> Outcome {
    let ringing = match &other.s.stage {
        Stage::Offering(offer) if offer.trunk.is_none() => Some(&offer.dn),
        _ => None,
    };
    let joined = other.s.parties.iter().filter(|party| party.number != consulting).filter_map(Party::dn);
    let is_there = |dn: &Dn| call.s.parties.iter().any(|party| party.number != by && party.dn() == Some(dn));
    if joined.chain(ringing).any(is_there) { Err((code, "the destination is in the call already")) } else { Ok(()) }
}

/// Of the two dialogs of a phone the one on which it does not hold: we cannot take a call back from hold for it.
fn leg_that_talks(
    call: &CallSnapshot,
    main: PartyIn,
    other: &CallSnapshot,
    consulting: PartyIn,
) -> Result<LegId, (ErrorCode, &'static str)> {
    let holds = |call: &CallSnapshot, place: PartyIn| call.party(place.party).is_none_or(|party| party.held);
    match (holds(call, main), holds(other, consulting)) {
        (false, _) => Ok(main.leg),
        (true, false) => Ok(consulting.leg),
        (true, true) => Err((ErrorCode::INVALID_CALL_STATE, "the phone holds both calls: it must retrieve one first")),
    }
}

/// A party of a request in one of the calls.
#[derive(Clone, Copy)]
struct PartyIn {
    at: usize,
    party: PartyNo,
    leg: LegId,
    away: bool,
}
