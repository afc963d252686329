//! Several trunks lead to a number outside: the next one is tried while nobody there has taken the call. Once the number has
//! rung, been busy or refused, no further trunk is tried: nobody hears the phone ring twice. Who calls for help is put through all the same,
//! and by whichever trunk answers first: one that was left for its silence may do so until another one has, whatever those say before.

use std::time::Duration;

use model::plan::{OutsideLimits, Way};
use model::{LegId, Timestamp};

use crate::dial_plan::OUTSIDE_NO_ANSWER_MS;

use super::state::Offer;
use super::timer::Timer;
use super::{Call, FORK_MAX, Input, Output};

/// How long a trunk may say nothing at least before the call is tried by itself again: what is slow is not called twice.
const LAST_TRIED_FOR: Duration = Duration::from_secs(16);

/// The trunk by which a leg goes out.
#[derive(Clone, Copy)]
pub(super) struct ByTrunk<'a> {
    /// Its name.
    pub trunk: &'a str,
    /// The number that it shows, if not that of who calls.
    pub shows: Option<&'a str>,
    /// Whether it is tried in any case.
    pub always: bool,
    /// What the call counts for.
    pub limits: &'a OutsideLimits,
}

impl Offer {
    /// Whether it is an emergency for which trunks are left.
    fn is_emergency_with_ways(&self) -> bool {
        self.further.first().is_some_and(|way| way.always)
    }
}

impl Call {
    /// Calls a number outside by a trunk.
    pub(super) fn ring_by(&mut self, offer: &mut Offer, way: Way, now: Timestamp) {
        let Way { trunk, contact, caller_id, try_ms, always, limits } = way;
        let by = ByTrunk { trunk: &trunk, shows: caller_id.as_deref(), always, limits: &limits };
        offer.legs = self.ring_legs(&offer.dn, vec![contact], Some(by));
        if offer.further.is_empty() {
            self.s.timers.disarm(Timer::Trunk);
        } else {
            let is_last = offer.further.iter().all(|way| way.trunk == trunk);
            let silent_max = Duration::from_millis(try_ms).max(if is_last { LAST_TRIED_FOR } else { Duration::ZERO });
            self.s.timers.arm(Timer::Trunk, now + silent_max);
        }
        offer.trunk = Some(trunk);
        if always {
            // Each way gets the whole time: the last one may be the one that leads there.
            self.s.timers.arm(Timer::NoAnswer, now + Duration::from_millis(OUTSIDE_NO_ANSWER_MS));
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

    /// A trunk has said nothing for as long as it may.
    pub(super) fn trunk_silent(&mut self, now: Timestamp) {
        // The time is that of the one that was tried last.
        if let Some(leg) = self.ringing_offer().and_then(|offer| offer.legs.last().copied()) {
            self.push(Output::LegSilent(leg));
        }
        self.try_next_trunk(None, "says nothing", now);
    }

    /// Something is heard of who is called, by the trunk of that leg: no further one is tried for its silence. Of an emergency the one that
    /// was tried last has to be heard, since the time is that one's.
    pub(super) fn trunk_is_heard(&mut self, leg: LegId) {
        let goes_on = |offer: &mut Offer| offer.is_emergency_with_ways() && offer.legs.last() != Some(&leg);
        if !self.ringing_offer().is_some_and(goes_on) {
            self.s.timers.disarm(Timer::Trunk);
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
        let mut silent: Vec<LegId> = offer.legs.drain(..).filter(|leg| Some(*leg) != failed).collect();
        let stay_max = if way.always { FORK_MAX - 1 } else { 0 };
        let ended = silent.len().saturating_sub(stay_max);
        self.outputs.extend(silent.drain(..ended).map(Output::CancelLeg));
        let tried = match &offer.trunk {
            Some(last) if is_last => format!("the trunk {last}"),
            _ => "a trunk before".to_owned(),
        };
        self.push(Output::Note(format!("{tried} {why}: the trunk {} is tried", way.trunk)));
        self.ring_by(&mut offer, way, now);
        offer.legs.splice(0..0, silent);
        if let Some(found) = self.ringing_offer() {
            *found = offer;
        }
        true
    }
}
