//! Hold and retrieve, from either side: the held side hears music.

use model::event::ErrorCode;
use model::request::Treatment;
use model::{EventName, LegId, Timestamp};

use super::facts::answering;
use super::state::{Asked, CallerLeg, HoldAsked, HoldWay, Playing, Purpose, Stage};
use super::timer::{HOLD_ANSWER, Timer};
use super::{CALLER_LEG, Call, HOLD_MUSIC, Output};

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
        let event = if leg == CALLER_LEG {
            if self.s.caller_held == held || self.s.caller_leg != CallerLeg::Answered {
                return;
            }
            self.s.caller_held = held;
            self.caller_event(name)
        } else {
            match &mut self.s.stage {
                Stage::Talking(party) if party.legs.contains(&leg) && party.held != held => party.held = held,
                _ => return,
            }
            match &self.s.stage {
                Stage::Talking(party) => Some(self.party_event(name, party)),
                _ => None,
            }
        };
        if let Some(event) = event {
            let event = match &asked {
                Some(asked) => answering(event, asked),
                None => event,
            };
            self.fact(event, now);
        }
        self.refresh_hold_music(now);
    }

    /// Each side hears music exactly while the other side holds the call and it does not hold the call itself.
    pub(super) fn refresh_hold_music(&mut self, now: Timestamp) {
        let Stage::Talking(party) = &self.s.stage else {
            return;
        };
        let (caller, called) = (self.s.caller_held, party.held);
        let Some(party_leg) = party.legs.first().copied() else {
            return;
        };
        for (leg, wanted) in [(CALLER_LEG, called && !caller), (party_leg, caller && !called)] {
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

    /// A client requests that a phone hold or retrieve the call.
    pub(super) fn ask_hold(
        &mut self,
        way: HoldWay,
        asked: Asked,
        now: Timestamp,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let Some((leg, held)) = self.leg_of(asked.this_dn.as_str()) else {
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

    /// The connected leg of a DN, and whether it holds the call.
    pub(super) fn leg_of(&self, dn: &str) -> Option<(LegId, bool)> {
        let Stage::Talking(party) = &self.s.stage else {
            return None;
        };
        if party.dn.as_str() == dn {
            return party.legs.first().map(|leg| (*leg, party.held));
        }
        let calls = matches!(&self.s.caller, model::plan::Caller::Phone(phone) if phone.as_str() == dn);
        (calls && self.s.caller_leg == CallerLeg::Answered).then_some((CALLER_LEG, self.s.caller_held))
    }

    pub(super) fn hold_refused(&mut self, leg: LegId, now: Timestamp) {
        if self.s.hold_asked.as_ref().is_some_and(|open| open.leg == leg) {
            self.hold_fails(ErrorCode::INVALID_CALL_STATE, "the phone refused", now);
        }
    }

    pub(super) fn hold_overdue(&mut self, now: Timestamp) {
        self.hold_fails(ErrorCode::TIMEOUT, "the phone did not answer", now);
    }

    fn hold_fails(&mut self, code: ErrorCode, text: &str, now: Timestamp) {
        self.s.timers.disarm(Timer::HoldAnswer);
        if let Some(open) = self.s.hold_asked.take() {
            self.refuse_asked(&open.asked, code, text, now);
        }
    }
}
