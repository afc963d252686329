//! Ringing phones: a call is forked to every registration of the DN and answered by at most one.

use std::time::Duration;

use model::plan::Contact;
use model::request::Treatment;
use model::{AgentId, CallState, Dn, EventName, LegId, Timestamp, UserData};

use super::ending::Ending;
use super::facts::answering;
use super::state::{CallerLeg, Party, Point, Purpose, Stage};
use super::timer::{RING_MAX, RING_MIN, Timer};
use super::{CALLER_LEG, Call, FORK_MAX, Output};

impl Party {
    pub(super) const fn new(dn: Dn, agent: Option<AgentId>, point: Option<Point>) -> Self {
        Self {
            dn,
            agent,
            legs: Vec::new(),
            rang: false,
            held: false,
            point,
            refusal: None,
            answer_asked: None,
            redirect: None,
        }
    }
}

impl Call {
    /// Rings the phones, newest registration first.
    pub(super) fn offer(&mut self, mut party: Party, contacts: Vec<Contact>, no_answer_ms: u64, now: Timestamp) {
        for contact in contacts.into_iter().take(FORK_MAX) {
            let leg = LegId(self.s.next_leg);
            self.s.next_leg = self.s.next_leg.saturating_add(1);
            party.legs.push(leg);
            self.push(Output::RingLeg { leg, dn: party.dn.clone(), contact });
        }
        let rings = Duration::from_millis(no_answer_ms).clamp(RING_MIN, RING_MAX);
        self.s.timers.arm(Timer::NoAnswer, now + rings);
        self.s.stage = Stage::Offering(party);
        if self.s.caller_leg != CallerLeg::Offered {
            self.play(CALLER_LEG, Treatment::RingBack, Purpose::RingBack, now);
        }
    }

    pub(super) fn leg_ringing(&mut self, leg: LegId, now: Timestamp) {
        let Stage::Offering(party) = &mut self.s.stage else {
            return;
        };
        if party.rang || !party.legs.contains(&leg) {
            return;
        }
        self.publish_ringing(now);
        if self.s.caller_leg == CallerLeg::Offered {
            self.push(Output::AlertCaller);
        }
    }

    fn publish_ringing(&mut self, now: Timestamp) {
        let Stage::Offering(party) = &mut self.s.stage else {
            return;
        };
        party.rang = true;
        if let Stage::Offering(party) = &self.s.stage {
            let event = self.party_event(EventName::Ringing, party);
            self.fact(event, now);
        }
    }

    pub(super) fn leg_answered(&mut self, leg: LegId, now: Timestamp) {
        match &self.s.stage {
            Stage::Offering(party) if party.legs.contains(&leg) => {
                if !party.rang {
                    self.publish_ringing(now);
                }
                self.connect(leg, now);
            }
            Stage::Talking(party) if party.legs.contains(&leg) => {}
            // The phone answered while its cancel was on the way.
            _ => self.push(Output::ReleaseLeg(leg)),
        }
    }

    fn connect(&mut self, leg: LegId, now: Timestamp) {
        self.s.timers.disarm(Timer::NoAnswer);
        let asked = match &mut self.s.stage {
            Stage::Offering(party) => party.answer_asked.take(),
            _ => None,
        };
        self.refuse_requests(now);
        let Stage::Offering(mut party) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else {
            return;
        };
        for other in party.legs.drain(..).filter(|other| *other != leg) {
            self.outputs.push_back(Output::CancelLeg(other));
        }
        party.legs.push(leg);
        self.stop_playing(CALLER_LEG, now);
        self.answer_caller();
        let established = self.party_event(EventName::Established, &party);
        let established = match &asked {
            Some(asked) => answering(established, asked),
            None => established,
        };
        self.s.stage = Stage::Talking(party);
        if !self.s.caller_established {
            self.s.caller_established = true;
            self.tell_caller(EventName::Established, CallState::Ok, now);
        }
        self.fact(established, now);
        self.refresh_hold_music(now);
    }

    pub(super) fn leg_failed(&mut self, leg: LegId, status: u16, now: Timestamp) {
        match &mut self.s.stage {
            Stage::Offering(party) if party.legs.contains(&leg) => {
                party.legs.retain(|other| *other != leg);
                let worst = party.refusal.map_or(status, |so_far| more_telling(so_far, status));
                party.refusal = Some(worst);
                // 6xx means that the person refuses, even if other phones still ring (RFC 3261 section 21.6).
                if party.legs.is_empty() || status >= 600 {
                    self.offer_failed(refusal_state(worst), worst, now);
                }
            }
            Stage::Talking(party) if party.legs.contains(&leg) => self.end_by_party_leg(CallState::Dropped, now),
            _ => {}
        }
    }

    fn end_by_party_leg(&mut self, how: CallState, now: Timestamp) {
        if let Stage::Talking(party) = &mut self.s.stage {
            party.legs.clear();
        }
        self.end(Ending::party(how), now);
    }

    /// No phone answered: the call returns to the route point that sent it, or the caller is refused.
    pub(super) fn offer_failed(&mut self, why: CallState, status: u16, now: Timestamp) {
        self.s.timers.disarm(Timer::NoAnswer);
        self.refuse_requests(now);
        let Stage::Offering(party) = &mut self.s.stage else {
            return;
        };
        for leg in std::mem::take(&mut party.legs) {
            self.outputs.push_back(Output::CancelLeg(leg));
        }
        if party.point.is_none() {
            if matches!(why, CallState::Busy) {
                self.tell_caller(EventName::DestinationBusy, why, now);
            }
            return self.end(Ending::system(why, status), now);
        }
        let Stage::Offering(mut party) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else {
            return;
        };
        if party.rang {
            let mut released = self.party_event(EventName::Released, &party);
            released.call_state = Some(why);
            self.fact(released, now);
        }
        self.stop_playing(CALLER_LEG, now);
        if let Some(point) = party.point.take() {
            self.park(point, failed_target(&party, why), now);
        }
    }
}

/// Tells the application about the target that did not take the call.
fn failed_target(party: &Party, why: CallState) -> UserData {
    let mut told = UserData::new();
    told.push("FailedDN", party.dn.as_str());
    if let Some(agent) = &party.agent {
        told.push("FailedAgentID", agent.as_str());
    }
    told.push("FailedCallState", why.as_str());
    told
}

const fn refusal_state(status: u16) -> CallState {
    match status {
        486 | 600 | 603 => CallState::Busy,
        404 | 604 => CallState::SitInvalidNum,
        408 | 480 => CallState::NoAnswer,
        _ => CallState::GeneralError,
    }
}

/// Of two refusals, the one that says more about the person than about a phone.
const fn more_telling(one: u16, other: u16) -> u16 {
    const fn rank(status: u16) -> u8 {
        match status {
            600..=699 => 3,
            486 => 2,
            480 => 1,
            _ => 0,
        }
    }
    if rank(other) > rank(one) { other } else { one }
}
