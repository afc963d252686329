//! Several trunks lead to a number outside: the next one is tried while nobody there has taken the call. Once the number has
//! rung, been busy or refused, no further trunk is tried: nobody hears the phone ring twice. Who calls for help is put through all the same,
//! and by whichever trunk answers first: one that was left for its silence may do so until another one has, whatever those say before. While
//! the number rings by one of them no further one is tried for the silence of others; where too many are tried, the silent ones end first.

use std::time::Duration;

use model::plan::{OutsideLimits, Way};
use model::{LegId, Timestamp};

use crate::dial_plan::OUTSIDE_NO_ANSWER_MS;

use super::state::Offer;
use super::timer::Timer;
use super::{Call, FORK_MAX, Input, Output};

/// How long each way of an emergency may ring or announce something.
const EMERGENCY_RINGS: Duration = Duration::from_millis(OUTSIDE_NO_ANSWER_MS);

/// How long a trunk may say nothing at least before the call is tried by itself again: what is slow is not called twice.
const LAST_TRIED_FOR: Duration = Duration::from_secs(16);

/// The trunk by which a leg goes out.
#[derive(Clone, Copy)]
pub(super) struct ByTrunk<'a> {
    /// Its name.
    pub trunk: &'a str,
    /// The number that it shows, if not that of who calls.
    pub shows: Option<&'a str>,
    /// How long it may say nothing before the next one is tried, in milliseconds.
    pub try_ms: u64,
    /// Whether it is tried in any case, for an emergency.
    pub is_emergency: bool,
    /// What the call counts for.
    pub limits: &'a OutsideLimits,
}

impl Offer {
    /// Whether it is an emergency for which trunks are left.
    const fn is_emergency_with_ways(&self) -> bool {
        self.is_emergency && !self.further.is_empty()
    }

    /// Takes out those of these legs, the oldest first, that end for no more than `most` to be left: the silent ones before those by which
    /// something was heard, and these before those that ring.
    fn ended_for_room(&self, legs: &mut Vec<LegId>, most: usize) -> Vec<LegId> {
        let too_many = legs.len().saturating_sub(most);
        let mut ended = legs.clone();
        // A stable sort: of two alike the older one is the first.
        ended.sort_by_key(|leg| (self.rings.contains(leg), self.heard.contains(leg)));
        ended.truncate(too_many);
        legs.retain(|leg| !ended.contains(leg));
        ended
    }
}

/// Adds a leg to those of which something is known; returns whether that is new.
fn is_news(known: &mut Vec<LegId>, leg: LegId) -> bool {
    let is_new = !known.contains(&leg);
    known.extend(is_new.then_some(leg));
    is_new
}

impl Call {
    /// Calls a number outside by a trunk.
    pub(super) fn ring_by(&mut self, offer: &mut Offer, way: Way, now: Timestamp) {
        let Way { trunk, contact, caller_id, try_ms, is_emergency, limits } = way;
        let by = ByTrunk { trunk: &trunk, shows: caller_id.as_deref(), try_ms, is_emergency, limits: &limits };
        offer.legs = self.ring_legs(&offer.dn, vec![contact], Some(by));
        if offer.further.is_empty() {
            self.s.timers.disarm(Timer::Trunk);
        } else {
            let is_last = offer.further.iter().all(|way| way.trunk == trunk);
            let silent_max = Duration::from_millis(try_ms).max(if is_last { LAST_TRIED_FOR } else { Duration::ZERO });
            self.s.timers.arm(Timer::Trunk, now + silent_max);
        }
        offer.trunk = Some(trunk);
        offer.is_emergency = is_emergency;
        if is_emergency {
            // Each way gets the whole time: the last one may be the one that leads there.
            self.s.timers.arm(Timer::NoAnswer, now + EMERGENCY_RINGS);
        }
    }

    /// The way to a leg has failed: another trunk is tried, if there is one and nobody has heard of the call.
    pub(super) fn leg_unreachable(&mut self, leg: LegId, status: u16, now: Timestamp) {
        self.ask_no_more(leg, status);
        if !self.try_next_trunk(Some(leg), "does not put the call through", now) {
            self.take(Input::LegFailed { leg, status }, now);
        }
    }

    /// A carrier that says that who is called is busy or refuses is not asked the same once more.
    pub(super) fn ask_no_more(&mut self, leg: LegId, status: u16) {
        let Some(offer) = self.ringing_offer().filter(|offer| offer.legs.last() == Some(&leg)) else { return };
        if matches!(status, 486 | 600 | 603) {
            let Offer { trunk, further, .. } = offer;
            further.retain(|way| Some(&way.trunk) != trunk.as_ref());
        }
    }

    /// The carrier that a leg was to go to is known to be away: another trunk is tried first.
    pub(super) fn leg_put_off(&mut self, leg: LegId, way: Way, now: Timestamp) {
        if let Some(offer) = self.ringing_offer().filter(|offer| offer.legs.contains(&leg)) {
            offer.further.push(way);
        }
        if !self.try_next_trunk(Some(leg), "has not answered lately", now) {
            self.take(Input::LegFailed { leg, status: 503 }, now);
        }
    }

    /// One of our proxies has not reached the carrier: the same trunk is tried by another one, of an emergency after all others.
    pub(super) fn leg_not_reached(&mut self, leg: LegId, status: u16, way: Way, now: Timestamp) {
        if let Some(offer) = self.ringing_offer().filter(|offer| offer.legs.contains(&leg)) {
            let at = if offer.is_emergency { offer.further.len() } else { 0 };
            offer.further.insert(at, way);
        }
        if !self.try_next_trunk(Some(leg), "is not reached from one sip-proxy", now) {
            self.take(Input::LegFailed { leg, status }, now);
        }
    }

    /// A trunk has said nothing for as long as it may.
    pub(super) fn trunk_silent(&mut self, now: Timestamp) {
        // The time is that of the one that was tried last.
        if let Some(leg) = self.ringing_offer().and_then(|offer| offer.legs.last().copied()) {
            self.push(Output::LegSilent(leg));
        }
        self.try_next_trunk(None, "says nothing", now);
    }

    /// Something is heard of who is called, by the trunk of that leg: no further one is tried for the silence of any. Of an emergency that is
    /// so while it `rings`, by whichever trunk, for as long as it may. What does not say so may be an announcement that there is no way: it
    /// counts of the trunk that was tried last alone, whose announcement the caller hears.
    pub(super) fn trunk_is_heard(&mut self, leg: LegId, rings: bool, now: Timestamp) {
        let Some(offer) = self.ringing_offer() else { return };
        if !offer.is_emergency {
            return self.s.timers.disarm(Timer::Trunk);
        }
        let is_last = offer.legs.last() == Some(&leg);
        // Once each: what goes on ringing after its time holds nothing up any more.
        let (is_first, is_first_ring) = (is_news(&mut offer.heard, leg), rings && is_news(&mut offer.rings, leg));
        if is_first_ring || (is_first && is_last) {
            self.s.timers.disarm(Timer::Trunk);
        }
        if is_first_ring || is_first {
            self.s.timers.arm(Timer::NoAnswer, now + EMERGENCY_RINGS);
        }
    }

    /// Whether an emergency goes on by the next trunk after a failure of any kind, or after an announcement that nothing followed.
    pub(super) fn emergency_goes_on(&mut self, failed: Option<LegId>, why: &str, now: Timestamp) -> bool {
        let has_ways = self.ringing_offer().is_some_and(|offer| offer.is_emergency_with_ways());
        has_ways && self.try_next_trunk(failed, why, now)
    }

    /// Whether another trunk is tried; `failed` is the leg by the last one, if that has ended.
    fn try_next_trunk(&mut self, failed: Option<LegId>, why: &str, now: Timestamp) -> bool {
        let may_try = |offer: &&mut Offer| {
            // A carrier's announcement that it cannot is taken for ringing, too.
            let may_ring_again = !offer.rang || offer.is_emergency_with_ways();
            may_ring_again && !offer.further.is_empty() && failed.is_none_or(|leg| offer.legs.contains(&leg))
        };
        let Some(found) = self.ringing_offer().filter(may_try) else { return false };
        let nobody = Offer::new(found.dn.clone(), None, None);
        let mut offer = std::mem::replace(found, nobody);
        let way = offer.further.remove(0);
        let is_last = failed.is_none_or(|leg| offer.legs.last() == Some(&leg));
        let mut staying: Vec<LegId> = offer.legs.drain(..).filter(|leg| Some(*leg) != failed).collect();
        let stay_max = if way.is_emergency { FORK_MAX - 1 } else { 0 };
        self.outputs.extend(offer.ended_for_room(&mut staying, stay_max).into_iter().map(Output::CancelLeg));
        // The failure of one is no reason to hurry while the number rings by another.
        let is_held_up = failed.is_some() && self.s.timers.due(Timer::Trunk).is_none();
        let rings_on = is_held_up && staying.iter().any(|leg| offer.rings.contains(leg));
        let tried = match &offer.trunk {
            Some(last) if is_last => format!("the trunk {last}"),
            _ => "a trunk before".to_owned(),
        };
        self.push(Output::Note(format!("{tried} {why}: the trunk {} is tried", way.trunk)));
        self.ring_by(&mut offer, way, now);
        if rings_on {
            self.s.timers.disarm(Timer::Trunk);
        }
        offer.legs.splice(0..0, staying);
        if let Some(found) = self.ringing_offer() {
            *found = offer;
        }
        true
    }
}
