//! Ringing phones: a call is forked to every registered phone of the DN and answered by at most one.

use std::time::Duration;

use model::plan::{Caller, Contact, Forwards, Outside, OutsideLimits};
use model::request::Treatment;
use model::{AgentId, CallState, Dn, DnRole, EventName, LegId, Timestamp, UserData};

use super::ending::Ending;
use super::facts::answering;
use super::party::{LegProgress, Party, PartyNo};
use super::playing::Purpose;
use super::point::Point;
use super::state::{Offer, Stage};
use super::timer::{RECALLS_MAX, RING_MAX, RING_MIN, Timer};
use super::trunks::ByTrunk;
use super::{Call, FORK_MAX, Output};

impl Offer {
    /// Whether the call comes back to a phone that is tried once more: one that is busy, and has not rung and been refused.
    const fn is_recalled_again(&self) -> bool {
        self.recalled_from.is_some() && !self.rang && self.tries < RECALLS_MAX
    }

    /// Whether a refusal ends what others ring by, too: 6xx means that the person refuses (RFC 3261 section 21.6). Not of one of several
    /// trunks, by which only who calls for help is put through at once: a carrier may say so that has no way there.
    pub(super) const fn is_refused_for_all(&self, status: u16) -> bool {
        status >= 600 && self.trunk.is_none()
    }

    pub(super) const fn new(dn: Dn, agent: Option<AgentId>, point: Option<Point>) -> Self {
        Self {
            dn,
            trunk: None,
            agent,
            legs: Vec::new(),
            rang: false,
            point,
            refusal: None,
            answer_asked: None,
            redirect: None,
            transferred_by: None,
            recalled_from: None,
            tries: 0,
            further: Vec::new(),
            is_emergency: false,
            heard: Vec::new(),
            rings: Vec::new(),
            forwarded_by: Vec::new(),
            forwards: Forwards { busy: false, no_answer: false },
            forwarding: None,
        }
    }
}

impl Call {
    /// Calls a number outside.
    pub(super) fn offer_outside(&mut self, mut offer: Offer, outside: Outside, now: Timestamp) {
        offer.further = outside.further;
        self.ring_by(&mut offer, outside.way, now);
        self.offer_rings(offer, outside.no_answer_ms, now);
    }

    /// Rings the phones, the one that registered last first.
    pub(super) fn offer(&mut self, mut offer: Offer, contacts: Vec<Contact>, no_answer_ms: u64, now: Timestamp) {
        offer.legs = self.ring_legs(&offer.dn, contacts, None);
        self.offer_rings(offer, no_answer_ms, now);
    }

    fn offer_rings(&mut self, mut offer: Offer, no_answer_ms: u64, now: Timestamp) {
        offer.forwarded_of(&mut self.forwarded);
        let rings = Duration::from_millis(no_answer_ms).clamp(RING_MIN, RING_MAX);
        self.s.timers.arm(Timer::NoAnswer, now + rings);
        self.s.stage = Stage::Offering(offer);
        if self.s.caller_progress() != LegProgress::Offered {
            for leg in self.s.parties.iter().map(|party| party.leg).collect::<Vec<_>>() {
                self.play(leg, Treatment::RingBack, Purpose::RingBack, now);
            }
        }
    }

    /// Rings each of the contacts on a leg of its own, at most [`FORK_MAX`].
    pub(super) fn ring_legs(&mut self, dn: &Dn, contacts: Vec<Contact>, by: Option<ByTrunk<'_>>) -> Vec<LegId> {
        let shows = by.and_then(|by| by.shows.map(str::to_owned));
        let trunk = by.map(|by| by.trunk.to_owned());
        let (is_emergency, limits) =
            by.map_or((false, OutsideLimits::default()), |by| (by.is_emergency, by.limits.clone()));
        let try_ms = by.map_or(0, |by| by.try_ms);
        let mut legs = Vec::new();
        for contact in contacts.into_iter().take(FORK_MAX) {
            let leg = LegId(self.s.numbers.leg);
            self.s.numbers.leg = self.s.numbers.leg.saturating_add(1);
            legs.push(leg);
            let (shows, trunk, limits) = (shows.clone(), trunk.clone(), limits.clone());
            self.push(Output::RingLeg { leg, dn: dn.clone(), contact, shows, trunk, try_ms, is_emergency, limits });
        }
        legs
    }

    /// The leg alerts, or reports progress without saying that it `rings`.
    pub(super) fn leg_ringing(&mut self, leg: LegId, rings: bool, now: Timestamp) {
        let is_invited = self.s.invited().is_some_and(|offer| offer.legs.contains(&leg));
        let Some(offer) = self.ringing_offer().filter(|offer| offer.legs.contains(&leg)) else { return };
        let had_rung = offer.rang;
        self.trunk_is_heard(leg, rings, now);
        if is_invited {
            return self.invited_rings(now);
        }
        if had_rung {
            // By another trunk, or another phone.
            return;
        }
        self.publish_ringing(now);
        if self.s.caller_progress() == LegProgress::Offered {
            self.push(Output::AlertCaller(self.s.caller_leg()));
        }
    }

    fn publish_ringing(&mut self, now: Timestamp) {
        let Stage::Offering(offer) = &mut self.s.stage else {
            return;
        };
        offer.rang = true;
        let Stage::Offering(offer) = &self.s.stage else { return };
        if let Some(event) = self.offer_event(EventName::Ringing, offer) {
            self.fact(event, now);
        } else {
            self.tell_caller(EventName::NetworkReached, CallState::Ok, now);
        }
        self.tell_transfer(now);
    }

    pub(super) fn leg_answered(&mut self, leg: LegId, now: Timestamp) {
        match &self.s.stage {
            Stage::Offering(offer) if offer.legs.contains(&leg) => {
                if !offer.rang {
                    self.publish_ringing(now);
                }
                self.connect(leg, now);
            }
            Stage::Originating(_) if self.s.ringing_legs().contains(&leg) => self.origin_answered(leg, now),
            Stage::Talking if self.s.ringing_legs().contains(&leg) => self.invited_answers(leg, now),
            _ if self.s.party_on(leg).is_some() => {}
            // The phone answered while its cancel was on the way.
            _ => self.push(Output::ReleaseLeg(leg)),
        }
    }

    fn connect(&mut self, leg: LegId, now: Timestamp) {
        self.s.timers.disarm(Timer::NoAnswer);
        self.s.timers.disarm(Timer::Trunk);
        let asked = match &mut self.s.stage {
            Stage::Offering(offer) => offer.answer_asked.take(),
            _ => None,
        };
        self.refuse_requests(now);
        let Stage::Offering(offer) = std::mem::replace(&mut self.s.stage, Stage::Talking) else {
            return;
        };
        for other in offer.legs.iter().filter(|other| **other != leg) {
            self.outputs.push_back(Output::CancelLeg(*other));
        }
        self.stop_all(now);
        self.answer_caller();
        let transferred_by = offer.transferred_by.clone();
        let number = self.join(offer, leg);
        self.establish_caller(now);
        if let Some(established) =
            self.s.party(number).and_then(|party| self.party_event(EventName::Established, party))
        {
            let established = by_transfer(established, transferred_by.as_ref());
            let established = match &asked {
                Some(asked) => answering(established, asked),
                None => established,
            };
            self.fact(established, now);
        }
        self.wait_if_predictive(now);
        self.refresh_hold_music(now);
    }

    /// A phone that has answered becomes a party.
    pub(super) fn join(&mut self, offer: Offer, leg: LegId) -> PartyNo {
        let last = self.s.parties.last().map_or(0, |party| party.number.0);
        let number = PartyNo(last.saturating_add(1));
        let device = match offer.trunk {
            Some(trunk) => Caller::Trunk { trunk, number: offer.dn.to_string() },
            None => Caller::Phone(offer.dn),
        };
        self.s.parties.push(Party {
            number,
            device,
            role: DnRole::Destination,
            leg,
            progress: LegProgress::Answered,
            held: false,
            away: false,
            muted: false,
            deaf: false,
            observes: None,
            established: true,
            agent: offer.agent,
            point: offer.point,
        });
        number
    }

    pub(super) fn leg_failed(&mut self, leg: LegId, status: u16, now: Timestamp) {
        self.ask_no_more(leg, status);
        if self.emergency_goes_on(Some(leg), "does not put the call through", now) {
            return;
        }
        let is_invited = self.s.invited().is_some_and(|offer| offer.legs.contains(&leg));
        match &mut self.s.stage {
            Stage::Offering(offer) if offer.legs.contains(&leg) => {
                offer.legs.retain(|other| *other != leg);
                let worst = offer.refusal.map_or(status, |so_far| more_telling(so_far, status));
                offer.refusal = Some(worst);
                if offer.legs.is_empty() || offer.is_refused_for_all(status) {
                    self.offer_failed(refusal_state(worst), worst, now);
                }
            }
            _ if is_invited => self.invited_fails(leg, status, now),
            Stage::Originating(_) => self.origin_failed(leg, status, now),
            _ => self.party_lost(leg, CallState::Dropped, now),
        }
    }

    /// It has rung long enough.
    pub(super) fn offer_silent(&mut self, now: Timestamp) {
        if !self.emergency_goes_on(None, "has not put the call through", now) {
            self.offer_failed(CallState::NoAnswer, 480, now);
        }
    }

    /// No phone answered: the call returns to the route point that sent it, or the caller is refused.
    pub(super) fn offer_failed(&mut self, why: CallState, status: u16, now: Timestamp) {
        self.s.timers.disarm(Timer::NoAnswer);
        self.s.timers.disarm(Timer::Trunk);
        self.refuse_requests(now);
        let Stage::Offering(offer) = &mut self.s.stage else {
            return;
        };
        for leg in std::mem::take(&mut offer.legs) {
            self.outputs.push_back(Output::CancelLeg(leg));
        }
        if !self.ask_forward(why, status, now) {
            self.nobody_takes_it(why, status, now);
        }
    }

    /// The phone does not forward the call either.
    pub(super) fn nobody_takes_it(&mut self, why: CallState, status: u16, now: Timestamp) {
        let Stage::Offering(offer) = &mut self.s.stage else {
            return;
        };
        if offer.transferred_by.is_some() {
            return self.recall(why, now);
        }
        if self.is_predictive() {
            return self.end(Ending::system(why, status), now);
        }
        let Stage::Offering(offer) = &self.s.stage else { return };
        if why == CallState::Busy && status < 600 && offer.is_recalled_again() {
            return self.recall_later(now);
        }
        if offer.point.is_none() {
            if matches!(why, CallState::Busy) {
                self.tell_caller(EventName::DestinationBusy, why, now);
            }
            return self.end(Ending::system(why, status), now);
        }
        let Stage::Offering(mut offer) = std::mem::replace(&mut self.s.stage, Stage::Asking { ask: 0 }) else {
            return;
        };
        if let Some(mut released) = self.offer_event(EventName::Released, &offer).filter(|_| offer.rang) {
            released.call_state = Some(why);
            self.fact(released, now);
        }
        self.stop_all(now);
        if let Some(point) = offer.point.take() {
            self.wait_at_point(point, failed_target(&offer, why), now);
        }
    }
}

/// Names who transferred the call to the phone that has answered it.
fn by_transfer(mut established: model::Event, by: Option<&Dn>) -> model::Event {
    if let Some(by) = by {
        established.third_party_dn = Some(by.to_string());
        established.third_party_role = Some(DnRole::TransferredBy);
    }
    established
}

/// Tells the application about the target that did not take the call.
pub(super) fn failed_target(offer: &Offer, why: CallState) -> UserData {
    let mut told = UserData::new();
    told.push("FailedDN", offer.dn.as_str());
    if let Some(agent) = &offer.agent {
        told.push("FailedAgentID", agent.as_str());
    }
    told.push("FailedCallState", why.as_str());
    told
}

/// What a refusal says of the one who was called. A phone's 503 arrives here as 500; 503 itself is a failure of ours, such as media that
/// does not answer.
pub(super) const fn refusal_state(status: u16) -> CallState {
    match status {
        503 => CallState::SystemError,
        486 | 600 | 603 => CallState::Busy,
        404 | 604 => CallState::SitInvalidNum,
        408 | 480 => CallState::NoAnswer,
        _ => CallState::GeneralError,
    }
}

/// Of two refusals, the one that says more about the person than about a phone.
pub(super) const fn more_telling(one: u16, other: u16) -> u16 {
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
