//! The end of a call: the events for each party and the release of every leg.

use model::{CallState, EventName, Timestamp};

use super::asked::Asked;
use super::facts::answering;
use super::party::{LegProgress, PartyNo};
use super::state::Stage;
use super::{Call, Output};

/// The reason for a call's end and the party that caused it.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    /// The party that left; none if a limit, a refusal or a request ended the call.
    left: Option<PartyNo>,
    /// The call state in the events of that party, or of all parties if none left.
    how: CallState,
    /// The SIP status for a caller whose call was not answered.
    status: u16,
    /// The request that ended the call. The event of the party that left answers it, or `CallDeleted`.
    asked: Option<Asked>,
}

impl Ending {
    /// The party left the call.
    pub(super) fn left(party: PartyNo, how: CallState) -> Self {
        let status = if party == PartyNo::CALLER { 487 } else { 480 };
        Self { left: Some(party), how, status, asked: None }
    }

    /// No party left: a limit, a refusal or a request to clear ended the call.
    pub(super) const fn system(why: CallState, status: u16) -> Self {
        Self { left: None, how: why, status, asked: None }
    }

    /// Makes the event of the party that left the answer to a request; without one, the call's last event.
    pub(super) fn asked(mut self, asked: Asked) -> Self {
        self.asked = Some(asked);
        self
    }

    /// Whether who waited left by itself: a waiting or ringing call then counts as abandoned, not as cleared.
    const fn is_abandoned(&self) -> bool {
        self.left.is_some()
    }

    /// The call state in the events of a party.
    fn state_of(&self, party: PartyNo) -> CallState {
        match self.left {
            Some(left) if left != party => CallState::RemoteRelease,
            _ => self.how,
        }
    }
}

impl Call {
    /// Ends the call: events for every party, then `CallDeleted`; every leg is released.
    pub(super) fn end(&mut self, ending: Ending, now: Timestamp) {
        if self.is_predictive() {
            self.predictive_failed(ending.how, now);
        }
        self.answer_not_classified(ending.how, now);
        self.refuse_requests(now);
        self.refuse_transfer(now);
        self.refuse_hold(now);
        let left = ending.left.and_then(|number| self.s.party(number)).map(|party| party.leg);
        self.refuse_treatment(left, now);
        self.refuse_open_origination(now);
        self.cancel_invitation(now);
        self.refuse_replacement(ending.status);
        self.let_go(ending.status);
        for number in self.s.parties.iter().map(|party| party.number).collect::<Vec<_>>() {
            let Some(mut released) =
                self.s.party(number).and_then(|party| self.party_event(EventName::Released, party))
            else {
                continue;
            };
            released.call_state = Some(ending.state_of(number));
            let asked = ending.asked.as_ref().filter(|_| ending.left == Some(number));
            self.last_fact(released, asked, now);
        }
        let last = std::mem::replace(&mut self.s.stage, Stage::Over);
        match &last {
            Stage::Waiting(waiting) => {
                let name = if ending.is_abandoned() { EventName::Abandoned } else { EventName::Diverted };
                let mut event = self.point_event(name, &waiting.point);
                event.call_state = Some(ending.how);
                self.fact(event, now);
            }
            Stage::Offering(offer) if offer.rang => {
                // A phone that rang without an answer was not released remotely: the caller simply left.
                let name = if ending.is_abandoned() { EventName::Abandoned } else { EventName::Released };
                if let Some(mut event) = self.offer_event(name, offer) {
                    event.call_state = Some(ending.how);
                    self.fact(event, now);
                }
            }
            _ => {}
        }
        let mut deleted = self.event(EventName::CallDeleted);
        deleted.call_state = Some(ending.how);
        let asked = ending.asked.as_ref().filter(|_| ending.left.is_none());
        self.last_fact(deleted, asked, now);
        self.s.timers.clear();
        self.s.playing.clear();
        self.s.hold_asked = None;
        self.push(Output::Over);
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
        for party in &mut self.s.parties {
            match std::mem::replace(&mut party.progress, LegProgress::Gone) {
                LegProgress::Offered | LegProgress::Answering => {
                    self.outputs.push_back(Output::RejectCaller { leg: party.leg, status });
                }
                LegProgress::Answered => self.outputs.push_back(Output::ReleaseLeg(party.leg)),
                // One of the legs that ring, below.
                LegProgress::Called | LegProgress::Gone => {}
            }
        }
        self.outputs.extend(self.s.ringing_legs().iter().map(|leg| Output::CancelLeg(*leg)));
    }
}
