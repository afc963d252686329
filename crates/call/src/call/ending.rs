//! The end of a call: the events for each party and the release of every leg.

use model::{CallState, EventName, Timestamp};

use super::facts::answering;
use super::state::{Asked, CallerLeg, Party, Stage};
use super::{CALLER_LEG, Call, Output};

/// The reason for a call's end and the side that caused it.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// The call state in the caller's events.
    caller: CallState,
    /// The call state in the called side's events.
    party: CallState,
    /// The call state in the route point's event.
    point: CallState,
    /// The SIP status for a caller whose call was not answered.
    status: u16,
    /// The request that ended the call, and the side whose event answers it.
    asked: Option<(Side, Asked)>,
    /// Whether the caller left by itself: a waiting call then counts as abandoned, not as cleared.
    abandoned: bool,
}

/// A side of the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// The one that called.
    Caller,
    /// The one that was called.
    Party,
    /// Neither: the route point, or the call as a whole.
    Call,
}

impl Ending {
    /// The caller left the call.
    pub(super) const fn caller(how: CallState) -> Self {
        let party = CallState::RemoteRelease;
        Self { caller: how, party, point: how, status: 487, asked: None, abandoned: true }
    }

    /// The called side left the call.
    pub(super) const fn party(how: CallState) -> Self {
        let caller = CallState::RemoteRelease;
        Self { caller, party: how, point: how, status: 480, asked: None, abandoned: false }
    }

    /// Neither side left: a limit, a refusal or a request to clear ended the call.
    pub(super) const fn system(why: CallState, status: u16) -> Self {
        Self { caller: why, party: why, point: why, status, asked: None, abandoned: false }
    }

    /// Makes the event of this side the answer to a request.
    pub(super) fn asked(mut self, side: Side, asked: Asked) -> Self {
        self.asked = Some((side, asked));
        self
    }

    fn answer(&self, side: Side) -> Option<&Asked> {
        self.asked.as_ref().filter(|(asking, _)| *asking == side).map(|(_, asked)| asked)
    }
}

impl Call {
    /// Ends the call: events for every party, then `CallDeleted`; every leg is released.
    pub(super) fn end(&mut self, ending: Ending, now: Timestamp) {
        self.refuse_requests(now);
        self.let_go(ending.status);
        if let Some(mut released) = self.caller_event(EventName::Released) {
            released.call_state = Some(ending.caller);
            self.last_fact(released, ending.answer(Side::Caller), now);
        }
        let last = std::mem::replace(&mut self.s.stage, Stage::Over);
        match &last {
            Stage::Waiting(waiting) => {
                let name = if ending.abandoned { EventName::Abandoned } else { EventName::Diverted };
                let mut event = self.point_event(name, &waiting.point);
                event.call_state = Some(ending.point);
                self.fact(event, now);
            }
            Stage::Offering(party) if party.rang => {
                let name = if ending.abandoned { EventName::Abandoned } else { EventName::Released };
                // A party that rang without an answer was not released remotely: the caller simply left.
                let state = if ending.abandoned { ending.caller } else { ending.party };
                self.party_left(name, state, party, &ending, now);
            }
            Stage::Talking(party) => self.party_left(EventName::Released, ending.party, party, &ending, now),
            _ => {}
        }
        let mut deleted = self.event(EventName::CallDeleted);
        deleted.call_state = Some(if ending.abandoned { ending.caller } else { ending.party });
        self.last_fact(deleted, ending.answer(Side::Call), now);
        self.s.timers.clear();
        self.s.playing.clear();
        self.s.hold_asked = None;
        self.push(Output::Over);
    }

    fn party_left(&mut self, name: EventName, state: CallState, party: &Party, ending: &Ending, now: Timestamp) {
        let mut event = self.party_event(name, party);
        event.call_state = Some(state);
        self.last_fact(event, ending.answer(Side::Party), now);
    }

    fn last_fact(&mut self, event: model::Event, asked: Option<&Asked>, now: Timestamp) {
        let event = match asked {
            Some(asked) => answering(event, asked),
            None => event,
        };
        self.fact(event, now);
    }

    /// Hangs up, cancels or refuses every remaining leg.
    fn let_go(&mut self, status: u16) {
        match self.s.caller_leg {
            CallerLeg::Offered | CallerLeg::Answering => self.push(Output::RejectCaller(status)),
            CallerLeg::Answered => self.push(Output::ReleaseLeg(CALLER_LEG)),
            CallerLeg::Gone => {}
        }
        self.s.caller_leg = CallerLeg::Gone;
        match &self.s.stage {
            Stage::Offering(party) => {
                self.outputs.extend(party.legs.iter().map(|leg| Output::CancelLeg(*leg)));
            }
            Stage::Talking(party) => {
                self.outputs.extend(party.legs.iter().map(|leg| Output::ReleaseLeg(*leg)));
            }
            _ => {}
        }
    }
}
