//! Requests that concern two calls of a phone: consult, alternate, reconnect, complete; and hold and retrieve for a leg that two calls have.

use model::CallUuid;

use super::*;
use crate::call::PARTIES_MAX;
use crate::call::Stage;
use crate::call::consultation::{Consultation, Rest};

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
        let at = request.kind.conn_id().and_then(|conn_id| self.at(conn_id));
        let leg = at.and_then(|at| party_of(&self.calls.get(at)?.s, &asked).ok()).map(|(_, leg)| leg);
        let calls = leg.map_or(0, |leg| (0..self.calls.len()).filter(|at| self.has(*at, leg)).count());
        if calls > 1 {
            let text = "this DN has a consultation already";
            let refuse = |call: &mut Call| call.refuse_asked(&asked, ErrorCode::CANNOT_INITIATE_TRANSFER, text, now);
            return self.act(at.unwrap_or_default(), refuse);
        }
        self.give(at, Input::Consult { request, conn_id, uuid }, now);
    }

    /// Begins a consultation whose destination is known.
    pub(super) fn begin(&mut self, consultation: Consultation) {
        let mut numbers = self.first().numbers;
        let number = numbers.call;
        numbers.call = number.saturating_add(1);
        self.set_numbers(numbers);
        let Consultation { call, asked, destination, mute } = consultation;
        let (now, conn_id, about) = (call.created_at, call.conn_id, call.consults_for.as_ref().map(|of| of.conn_id));
        self.calls.push(Call::of(call, number));
        // The end of a transfer answers its request.
        let answered = asked.as_ref().filter(|_| !mute);
        self.act(self.calls.len() - 1, |call| call.begin_consulting(answered, destination, now));
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
        let (from, to) = self.pair(at, held, asked)?;
        if from.away || !to.away {
            return Err((ErrorCode::INVALID_CALL_STATE, "ConnID is not in progress, or HeldConnID is not held"));
        }
        self.swap(from.leg, to.at, asked, now)
    }

    fn reconnect(&mut self, at: usize, held: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        let (from, to) = self.pair(at, held, asked)?;
        if !to.away {
            return Err((ErrorCode::INVALID_CALL_STATE, "HeldConnID is not held"));
        }
        self.act(at, |call| call.party_leaves(from.party, CallState::Ok, None, now));
        self.act(to.at, |call| call.bring_back(to.leg, Some(asked), now));
        Ok(())
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
        let no_call = (ErrorCode::INVALID_CONN_ID, "the other call is not one of this DN and of this thread");
        let (one, two) = (self.place(at, asked)?, self.place(self.at(other).ok_or(no_call)?, asked)?);
        if at == two.at || one.leg != two.leg { Err(no_call) } else { Ok((one, two)) }
    }

    fn place(&self, at: usize, asked: &Asked) -> Result<PartyIn, (ErrorCode, &'static str)> {
        let call = self.calls.get(at).ok_or((ErrorCode::INVALID_CONN_ID, "no such call"))?;
        let (party, leg) = party_of(&call.s, asked)?;
        Ok(PartyIn { at, party, leg, away: call.s.party(party).is_some_and(|party| party.away) })
    }

    // ---- complete

    /// The party that consults leaves both calls; who was consulted goes on in the call at `at`.
    fn complete(&mut self, at: usize, consultation: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
        let (main, consulting) = self.pair(at, consultation, asked)?;
        let (Some(call), Some(other)) = (self.calls.get(main.at), self.calls.get(consulting.at)) else {
            return Err((ErrorCode::INVALID_CONN_ID, "no such call"));
        };
        if other.s.consults_for.as_ref().map(|of| of.conn_id) != Some(call.s.conn_id) {
            return Err((ErrorCode::CANNOT_COMPLETE_TRANSFER, "TransferConnID is not a consultation about ConnID"));
        }
        let waiting = call.s.talkers().count().saturating_sub(1);
        let one_waits = waiting == 1 && !call.s.is_one_away(main.party);
        if call.s.stage != Stage::Talking || waiting == 0 || (!one_waits && other.s.stage != Stage::Talking) {
            let text = "nobody waits in the call, or not for a phone that rings";
            return Err((ErrorCode::CANNOT_COMPLETE_TRANSFER, text));
        }
        other.can_merge(consulting.party)?;
        let stays = call.s.talkers().find(|party| party.number != main.party);
        let stays = stays.map(|party| party.address().to_owned()).unwrap_or_default();
        let (mut rest, mut by) = (None, None);
        self.act(consulting.at, |call| {
            call.depart(consulting.party, CallState::Transferred, &stays, None, now);
            rest = call.dissolve(now);
        });
        let Some((rest, of)) = rest.zip(self.calls.get(consulting.at).map(|call| call.s.clone())) else {
            return Err((ErrorCode::CANNOT_COMPLETE_TRANSFER, "the consultation leads to nobody"));
        };
        self.act(main.at, |call| {
            by = call.depart(main.party, CallState::Transferred, &rest.address(), Some(asked), now);
        });
        if let Some(by) = by {
            self.act(main.at, |call| {
                call.push(Output::ReleaseLeg(by.leg));
                call.take_rest(rest, &of, by, now);
            });
        }
        self.act(consulting.at, |call| call.deleted(CallState::Transferred, now));
        Ok(())
    }

    /// As a conference, whichever of the two calls is the consultation.
    fn merge(&mut self, at: usize, held: ConnId, asked: &Asked, now: Timestamp) -> Outcome {
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
        let (main, consulting) = self.pair(at, consultation, asked)?;
        let (Some(call), Some(other)) = (self.calls.get(main.at), self.calls.get(consulting.at)) else {
            return Err((ErrorCode::INVALID_CONN_ID, "no such call"));
        };
        if other.s.consults_for.as_ref().map(|of| of.conn_id) != Some(call.s.conn_id) {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "TransferConnID is not a consultation about ConnID"));
        }
        if call.s.stage != Stage::Talking || other.s.stage != Stage::Talking || other.s.talkers().count() != 2 {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the consultation has not been answered by a phone"));
        }
        if call.s.parties.len() >= PARTIES_MAX {
            return Err((ErrorCode::CANNOT_COMPLETE_CONFERENCE, "the call has as many parties as it may have"));
        }
        let stays = call.s.talkers().find(|party| party.number != main.party);
        let stays = stays.map(|party| party.address().to_owned()).unwrap_or_default();
        let mut rest = None;
        self.act(consulting.at, |call| {
            call.depart(consulting.party, CallState::Conferenced, &stays, None, now);
            rest = call.dissolve(now);
        });
        let of = self.calls.get(consulting.at).map(|call| (call.s.conn_id, call.s.user_data.clone()));
        if let (Some(Rest::Party(new)), Some((from, data))) = (rest, of) {
            self.act(main.at, |call| call.confer(main.leg, (new, from, &data), asked, now));
        }
        self.act(consulting.at, |call| call.deleted(CallState::Conferenced, now));
        Ok(())
    }
}

/// A party of a request in one of the calls.
struct PartyIn {
    at: usize,
    party: PartyNo,
    leg: LegId,
    away: bool,
}
