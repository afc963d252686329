//! Hold and retrieve, from either side: the held side hears music.

use model::event::ErrorCode;
use model::request::Treatment;
use model::{CallState, EventName, LegId, Timestamp};

use super::asked::Asked;
use super::facts::answering;
use super::party::{LegProgress, Party, PartyNo};
use super::playing::{Playing, Purpose};
use super::state::{HoldAsked, HoldWay, Stage};
use super::timer::{HOLD_ANSWER, Timer};
use super::{Call, HOLD_MUSIC, Output};

/// What a phone does with a call when it turns to another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Departure {
    /// It holds it.
    Holds,
    /// It leaves it.
    Leaves,
}

impl Call {
    /// A leg has put the call on hold or has retrieved it.
    pub(super) fn leg_hold(&mut self, leg: LegId, way: HoldWay, now: Timestamp) {
        let asked = match &self.s.hold_asked {
            Some(open) if open.leg == leg && open.way == way => {
                self.s.timers.disarm(Timer::HoldAnswer);
                self.s.hold_asked.take().map(|open| open.asked)
            }
            _ => None,
        };
        let held = way == HoldWay::Hold;
        let name = if held { EventName::Held } else { EventName::Retrieved };
        match self.s.party_on_mut(leg) {
            Some(party) if party.progress == LegProgress::Answered && party.held != held => party.held = held,
            _ => return,
        }
        if let Some(event) = self.s.party_on(leg).and_then(|party| self.party_event(name, party)) {
            let event = match &asked {
                Some(asked) => answering(event, asked),
                None => event,
            };
            self.fact(event, now);
        }
        self.refresh_hold_music(now);
    }

    /// A party hears music exactly while all the others hold the call and it does not hold the call itself.
    pub(crate) fn refresh_hold_music(&mut self, now: Timestamp) {
        if self.s.stage != Stage::Talking || self.is_classifying() {
            return;
        }
        let is_left_alone = |party: &Party| {
            !party.held
                && !party.is_silent()
                && self.s.talkers().all(|other| other.number == party.number || other.held)
        };
        let parties: Vec<_> = self.s.parties.iter().map(|party| (party.leg, is_left_alone(party))).collect();
        for (leg, wanted) in parties {
            let is_on = |playing: &Playing| playing.leg == leg && playing.purpose == Purpose::HoldMusic;
            let playing = self.s.playing.iter().any(is_on);
            if wanted && !playing {
                let music = Treatment::Music { resource: HOLD_MUSIC.to_owned(), duration_ms: None };
                self.play(leg, music, Purpose::HoldMusic, now);
            } else if playing && !wanted {
                self.stop_playing(leg, now);
            }
        }
    }

    /// A party's leg leaves for another call, or for none: the party holds this one.
    pub(crate) fn send_away(&mut self, leg: LegId, asked: Option<&Asked>, now: Timestamp) {
        self.drop_hold_request(leg, now);
        let Some(party) = self.s.party_on_mut(leg) else { return };
        party.away = true;
        let held = std::mem::replace(&mut party.held, true);
        if let Some(event) = self.s.party_on(leg).and_then(|party| self.party_event(EventName::Held, party))
            && !held
        {
            let event = match asked {
                Some(asked) => answering(event, asked),
                None => event,
            };
            self.fact(event, now);
        }
        self.refresh_hold_music(now);
    }

    /// A party's leg comes back to this call, which the party takes from hold.
    pub(crate) fn bring_back(&mut self, leg: LegId, asked: Option<&Asked>, now: Timestamp) {
        let Some(party) = self.s.party_on_mut(leg) else { return };
        (party.away, party.held) = (false, false);
        if let Some(event) = self.s.party_on(leg).and_then(|party| self.party_event(EventName::Retrieved, party)) {
            let event = match asked {
                Some(asked) => answering(event, asked),
                None => event,
            };
            self.fact(event, now);
        }
        self.refresh_hold_music(now);
    }

    /// A client requests that a phone hold or retrieve the call.
    pub(crate) fn ask_hold(
        &mut self,
        way: HoldWay,
        asked: Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        if way == HoldWay::Retrieve && self.fetch_parked(&asked, now) {
            return Ok(());
        }
        let Some((leg, held)) = self.connected_at(&asked.this_dn).map(|party| (party.leg, party.held)) else {
            return Err((ErrorCode::INVALID_CALL_STATE, "this DN is not connected in the call"));
        };
        if held == (way == HoldWay::Hold) {
            return Err((ErrorCode::INVALID_CALL_STATE, "the call is in that state already"));
        }
        if self.s.hold_asked.is_some() {
            return Err((ErrorCode::INVALID_CALL_STATE, "the phone is being asked already"));
        }
        self.s.timers.arm(Timer::HoldAnswer, now + HOLD_ANSWER);
        self.s.hold_asked = Some(HoldAsked { leg, way, asked });
        self.push(match way {
            HoldWay::Hold => Output::HoldLeg(leg),
            HoldWay::Retrieve => Output::RetrieveLeg(leg),
        });
        Ok(())
    }

    /// A party's phone goes on in another call, by another dialog: it is asked to hold this one, or leaves it.
    pub(crate) fn phone_turns(&mut self, number: PartyNo, departure: Departure, now: Timestamp) {
        match (departure, self.s.party(number)) {
            (Departure::Holds, Some(party)) if !party.held => self.push(Output::HoldLeg(party.leg)),
            (Departure::Holds, _) => {}
            (Departure::Leaves, _) => self.party_leaves(number, CallState::Ok, None, now),
        }
    }

    /// The party at a DN that talks with another one.
    fn connected_at(&self, dn: &model::Dn) -> Option<&Party> {
        let party = self.s.party_at(dn).filter(|_| self.s.stage == Stage::Talking)?;
        (party.progress == LegProgress::Answered).then_some(party)
    }

    pub(super) fn hold_refused(&mut self, leg: LegId, now: Timestamp) {
        if self.s.hold_asked.as_ref().is_some_and(|open| open.leg == leg) {
            self.hold_fails(ErrorCode::INVALID_CALL_STATE, "the phone refused", now);
        }
    }

    pub(super) fn hold_overdue(&mut self, now: Timestamp) {
        if let Some(leg) = self.s.hold_asked.as_ref().map(|open| open.leg) {
            self.push(Output::StopAsking(leg));
        }
        self.hold_fails(ErrorCode::TIMEOUT, "the phone did not answer", now);
    }

    /// The leg leaves the call while its phone is asked to hold or retrieve.
    pub(super) fn drop_hold_request(&mut self, leg: LegId, now: Timestamp) {
        if self.s.hold_asked.as_ref().is_some_and(|open| open.leg == leg) {
            self.hold_fails(ErrorCode::INVALID_CALL_STATE, "the party has left the call", now);
        }
    }

    /// The call ends while a phone is asked to hold or retrieve it.
    pub(super) fn refuse_hold(&mut self, now: Timestamp) {
        self.hold_fails(ErrorCode::INVALID_CALL_STATE, "the call has ended", now);
    }

    fn hold_fails(&mut self, code: ErrorCode, text: &str, now: Timestamp) {
        self.s.timers.disarm(Timer::HoldAnswer);
        if let Some(open) = self.s.hold_asked.take() {
            self.refuse_asked(&open.asked, code, text, now);
        }
    }
}
