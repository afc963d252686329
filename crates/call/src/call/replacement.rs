//! Replacement: a phone that calls takes the place of another one, or joins who is parked.
//!
//! The phone of a ringing call (pickup), or that of a party (INVITE with Replaces, RFC 3891), is released once the new one has its
//! answer: until then it goes on as if nothing had happened.

use std::time::Duration;

use model::request::Treatment;
use model::{CallState, Dn, DnRole, EventName, LegId, Timestamp};

use super::asked::Asked;
use super::ending::Ending;
use super::party::{LegProgress, Party};
use super::place::{Parked, Replaced, Replacement};
use super::playing::Purpose;
use super::state::{CallSnapshot, Offer, Recall, Stage};
use super::timer::Timer;
use super::{Call, HOLD_MUSIC, Output};
use crate::call::point::Point;

/// How long a call stays parked before it goes back to who parked it.
pub const PARKED_MAX: Duration = Duration::from_secs(120);

impl CallSnapshot {
    /// Whether a phone of this number can do that.
    pub fn can_be_replaced(&self, of: Replaced, by: &Dn) -> bool {
        let is_elsewhere = self.party_at(by).is_some_and(|party| Replaced::Leg(party.leg) != of);
        self.replacement.is_none() && self.numbers.has_legs_left() && !is_elsewhere && self.holds(of, by)
    }

    /// The slot at which the call is parked.
    pub fn parked_slot(&self) -> Option<&Dn> {
        match &self.stage {
            Stage::Parked(parked) => Some(&parked.slot),
            _ => None,
        }
    }

    fn holds(&self, of: Replaced, by: &Dn) -> bool {
        match (&self.stage, of) {
            (Stage::Offering(offer), Replaced::Ringing(leg) | Replaced::Leg(leg)) => {
                offer.legs.contains(&leg) && offer.trunk.is_none()
            }
            (Stage::Talking, Replaced::Leg(leg)) => self.live_party_on(leg).is_some_and(|party| {
                let is_open = party.progress == LegProgress::Answered && party.observes.is_none() && !party.away;
                // Who takes over a conference from another number would have to be told to everybody: that is a transfer.
                is_open && (party.dn() == Some(by) || (party.dn().is_some() && self.talkers().count() == 2))
            }),
            (Stage::Parked(_), Replaced::Parked) => true,
            _ => false,
        }
    }
}

impl Call {
    /// A phone calls to take the place of another one: it is answered first. [`CallSnapshot::can_be_replaced`] has said that it can.
    /// Returns its leg.
    pub(crate) fn replace(&mut self, of: Replaced, dn: Dn) -> LegId {
        let leg = LegId(self.s.numbers.leg);
        self.s.numbers.leg = self.s.numbers.leg.saturating_add(1);
        self.push(Output::AnswerCaller(leg));
        self.s.replacement = Some(Replacement { leg, dn, of });
        leg
    }

    /// Whether that is the leg of a phone that waits to take another one's place.
    pub(super) fn replaces_on(&self, leg: LegId) -> bool {
        self.s.replacement.as_ref().is_some_and(|open| open.leg == leg)
    }

    /// Its answer is on the way. If there is nothing any more whose place it could take, it is hung up.
    pub(super) fn replaces(&mut self, now: Timestamp) {
        let Some(Replacement { leg, dn, of }) = self.s.replacement.take() else { return };
        if !self.s.holds(of, &dn) {
            return self.push(Output::ReleaseLeg(leg));
        }
        match (of, &self.s.stage) {
            (_, Stage::Offering(_)) => self.pick_up(leg, dn, now),
            (Replaced::Leg(of), Stage::Talking) => match self.s.party_on(of).cloned() {
                Some(party) if party.dn() == Some(&dn) => self.move_to(leg, &party, now),
                Some(party) => self.take_place(leg, dn, &party, now),
                None => self.push(Output::ReleaseLeg(leg)),
            },
            (_, Stage::Parked(parked)) => {
                let Parked { by, point, .. } = parked.clone();
                self.connect_phone(leg, Offer { transferred_by: by, ..Offer::new(dn, None, point) }, now);
            }
            _ => self.push(Output::ReleaseLeg(leg)),
        }
    }

    /// Another phone takes the call that rings.
    fn pick_up(&mut self, leg: LegId, dn: Dn, now: Timestamp) {
        self.refuse_requests(now);
        let Stage::Offering(offer) = &mut self.s.stage else { return };
        for other in std::mem::take(&mut offer.legs) {
            self.outputs.push_back(Output::CancelLeg(other));
        }
        let offer = offer.clone();
        if offer.rang
            && offer.dn != dn
            && let Some(mut released) = self.offer_event(EventName::Released, &offer)
        {
            released.call_state = Some(CallState::PickedUp);
            released.third_party_dn = Some(dn.to_string());
            released.third_party_role = Some(DnRole::NewParty);
            self.fact(released, now);
        }
        let (agent, rang) = if offer.dn == dn { (offer.agent.clone(), offer.rang) } else { (None, false) };
        self.connect_phone(leg, Offer { dn, agent, rang, ..offer }, now);
    }

    /// The same number goes on at another phone.
    fn move_to(&mut self, leg: LegId, from: &Party, now: Timestamp) {
        self.drop_hold_request(from.leg, now);
        self.stop_playing(from.leg, now);
        self.push(Output::ReleaseLeg(from.leg));
        let Some(party) = self.s.party_on_mut(from.leg) else { return };
        party.leg = leg;
        let number = party.number;
        if std::mem::replace(&mut party.held, false) {
            self.tell_party(number, EventName::Retrieved, CallState::Ok, now);
        }
        self.refresh_hold_music(now);
    }

    /// A phone of another number takes a party's place.
    fn take_place(&mut self, leg: LegId, dn: Dn, party: &Party, now: Timestamp) {
        let Some(by) = party.dn().cloned() else { return };
        if self.depart(party.number, CallState::Transferred, dn.as_str(), None, now).is_none() {
            return self.push(Output::ReleaseLeg(leg));
        }
        self.push(Output::ReleaseLeg(party.leg));
        let offer = Offer { transferred_by: Some(by), ..Offer::new(dn, None, party.point.clone()) };
        self.connect_phone(leg, offer, now);
    }

    /// A phone that has called is connected as if it had rung.
    fn connect_phone(&mut self, leg: LegId, offer: Offer, now: Timestamp) {
        self.s.stage = Stage::Offering(Offer { legs: vec![leg], ..offer });
        self.leg_answered(leg, now);
    }

    /// Nobody's place can be taken, since the call has changed or that phone has no audio: the phone that waits for that is refused.
    pub(super) fn refuse_replacement(&mut self, status: u16) {
        if let Some(Replacement { leg, .. }) = self.s.replacement.take() {
            self.push(Output::RejectCaller { leg, status });
        }
    }

    // ---- parking

    /// Who is left in the call waits at a park slot until somebody fetches it.
    pub(super) fn park_at(&mut self, slot: Dn, by: Dn, point: Option<Point>, now: Timestamp) {
        self.tell_moved(slot.as_str(), &by, now);
        self.s.timers.arm(Timer::NoAnswer, now + PARKED_MAX);
        self.s.stage = Stage::Parked(Parked { slot, by: Some(by), point });
        let music = Treatment::Music { resource: HOLD_MUSIC.to_owned(), duration_ms: None };
        self.play(self.front(), music, Purpose::HoldMusic, now);
    }

    /// Who has parked the call wants it back: it rings there at once. Returns whether it was that.
    pub(super) fn fetch_parked(&mut self, asked: &Asked, now: Timestamp) -> bool {
        let Stage::Parked(Parked { by: Some(by), .. }) = &self.s.stage else { return false };
        let is_own = *by == asked.this_dn;
        if is_own {
            self.s.timers.disarm(Timer::NoAnswer);
            self.acknowledge(asked, now);
            self.parked_too_long(now);
        }
        is_own
    }

    /// Nobody has fetched it: it rings at who parked it.
    pub(super) fn parked_too_long(&mut self, now: Timestamp) {
        let Stage::Parked(Parked { slot, by, point }) = self.s.stage.clone() else { return };
        let Some(to) = by else { return self.end(Ending::system(CallState::NoAnswer, 480), now) };
        let ask = self.look_up_phone(&to, now);
        self.s.stage = Stage::Recalling(Recall { ask: Some(ask), to, from: slot, point, tries: 0 });
    }
}
