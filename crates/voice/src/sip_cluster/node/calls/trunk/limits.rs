//! What keeps calls by trunks within bounds: how many a trunk takes, how many calls outside a phone may have, and carriers that want no
//! calls for a while.
//!
//! A node counts its own legs. Of a trunk's limit each node has a part, so that the parts of all nodes that proxies see live are the limit, but
//! at least one call: a phone's calls all come to one node, and would be refused there for ever. A phone's limit holds at each node, and sip-proxy leads all calls that a phone makes to one node. What a carrier has asked for is known to
//! the node that has heard it, and is forgotten when that ends.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use call::{CallSnapshot, Input};
use model::plan::{OutgoingLimit, OutsideLimits, Way};
use model::{ConnId, LegId, NodeId, TenantId, Timestamp};
use runtime::trace::What;
use sip::proxy::headers::{ELSEWHERE, NOT_REACHED};
use sip::{Message, StatusCode};

use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::call::Entry;
use crate::sip_cluster::node::calls::leg::{Place, Side, Target};
use crate::sip_cluster::node::calls::leg_counts::LegPurpose;
use crate::sip_cluster::node::calls::sips;

/// The longest time for which a carrier is left out because it has asked for it.
pub const PAUSE_MAX: Duration = Duration::from_secs(300);
/// The most carriers that are left out at a time; further ones are tried as before.
const PAUSES_MAX: usize = 1_000;

/// Calls that went out by trunks in the present second.
#[derive(Default)]
pub struct CallRates {
    second: u64,
    begun: HashMap<(TenantId, String), u32>,
}

impl CallRates {
    /// Whether a trunk has had as many calls in this second as it takes; else one more is counted.
    fn is_reached(&mut self, tenant: &TenantId, trunk: &str, most: u32, now: Timestamp) -> bool {
        let second = now.as_millis() / 1_000;
        if std::mem::replace(&mut self.second, second) != second {
            self.begun.clear();
        }
        let begun = self.begun.entry((tenant.clone(), trunk.to_owned())).or_default();
        *begun = begun.saturating_add(1);
        *begun > most
    }
}

/// Until when trunks are left out.
#[derive(Default)]
pub struct Pauses(HashMap<(TenantId, String), Timestamp>);

impl Pauses {
    fn is_left_out(&self, tenant: &TenantId, trunk: &str, now: Timestamp) -> bool {
        self.0.get(&(tenant.clone(), trunk.to_owned())).is_some_and(|until| now < *until)
    }

    /// Returns whether there was room.
    fn leave_out(&mut self, tenant: &TenantId, trunk: &str, until: Timestamp, now: Timestamp) -> bool {
        self.0.retain(|_, until| now < *until);
        let key = (tenant.clone(), trunk.to_owned());
        let has_room = self.0.len() < PAUSES_MAX || self.0.contains_key(&key);
        if has_room {
            self.0.insert(key, until);
        }
        has_room
    }
}

/// Why a call does not go out by a trunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sip_cluster::node::calls) enum Barrier {
    /// The phone has as many calls outside as it may.
    PhoneFull,
    /// What may be spent today on such calls is spent.
    DaySpent,
    /// The trunk has as many calls as it takes.
    TrunkFull,
    /// Its carrier wants no calls for a while.
    TrunkPaused,
    /// It has had as many calls in this second as it takes.
    TrunkFast,
    /// It is set to take no further calls.
    TrunkDrains,
    /// The call has been diverted too often.
    Looped,
    /// The call came to `sips:`, and the trunk has another transport than TLS.
    NoTls,
}

impl Barrier {
    /// How the leg fails. A phone that has as many calls as it may would be refused at the next trunk too.
    pub(in crate::sip_cluster::node::calls) const fn failure(self, leg: LegId) -> Input {
        match self {
            Self::PhoneFull | Self::DaySpent => Input::LegFailed { leg, status: 403 },
            Self::Looped => Input::LegFailed { leg, status: 482 },
            Self::NoTls | Self::TrunkFull | Self::TrunkPaused | Self::TrunkFast | Self::TrunkDrains => {
                Input::LegUnreachable { leg, status: 503 }
            }
        }
    }

    /// In words, with the limit that is reached; `spent` is the rule that leaves nothing for today.
    fn explained(self, limits: &OutsideLimits, spent: Option<&str>) -> String {
        match (self, spent, &limits.at_once) {
            (Self::DaySpent, Some(rule), _) => format!("what the rule {rule} allows for a day is used up"),
            (Self::PhoneFull, _, Some(limit)) => {
                format!("the phone {} has as many calls outside as it may, which is {}", limit.phone, limit.most)
            }
            _ => self.in_words().to_owned(),
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::PhoneFull => "the phone has as many calls outside as it may",
            Self::DaySpent => "what may be spent on such calls today is spent",
            Self::TrunkFull => "the trunk has as many calls as it takes",
            Self::TrunkPaused => "its carrier wants no calls for a while",
            Self::TrunkFast => "it has had as many calls in this second as it takes",
            Self::TrunkDrains => "it is set to take no further calls",
            Self::Looped => "the call has been diverted too often",
            Self::NoTls => "it is not called by TLS, and the call came to sips:",
        }
    }
}

impl Node {
    /// Whether a trunk's carrier is asked by OPTIONS whether it is there.
    pub(in crate::sip_cluster::node::calls) fn asks_by_options(&self, conn_id: ConnId, trunk: Option<&str>) -> bool {
        let tenant = self.calls.get(&conn_id).map(|entry| &entry.tenant);
        tenant.zip(trunk).is_none_or(|(tenant, trunk)| (self.trunks)(tenant, trunk).options)
    }

    /// What keeps a leg from being rung; noted in the trace, and counted. A call that may go out is counted for the day.
    pub(in crate::sip_cluster::node::calls) fn barrier(
        &mut self,
        conn_id: ConnId,
        leg: LegId,
        target: &Target,
        now: Timestamp,
    ) -> Option<Barrier> {
        let tenant = self.calls.get(&conn_id)?.tenant.clone();
        let tenant = &tenant;
        let trunk = target.trunk.as_deref()?;
        let mut spent = None;
        let barrier = if target.limits.at_once.as_ref().is_some_and(|limit| self.has_enough_outside(tenant, limit)) {
            Barrier::PhoneFull
        } else if let Some(rule) = self.rule_used_up(tenant, &target.limits) {
            spent = Some(rule);
            Barrier::DaySpent
        } else if self.is_diverted_too_often(conn_id, leg, target) {
            Barrier::Looped
        } else if self.needs_tls(conn_id) && sips::is_in_the_clear(target) {
            Barrier::NoTls
        } else if self.pauses.is_left_out(tenant, trunk, now) {
            Barrier::TrunkPaused
        } else if self.is_full(tenant, trunk) {
            Barrier::TrunkFull
        } else if (self.trunks)(tenant, trunk).drains {
            Barrier::TrunkDrains
        } else if self.is_too_fast(tenant, trunk, now) {
            Barrier::TrunkFast
        } else {
            self.count_call(conn_id, tenant, target, true);
            return None;
        };
        self.count_call(conn_id, tenant, target, false);
        match barrier {
            Barrier::PhoneFull => self.metrics.phone_full(),
            Barrier::DaySpent => self.metrics.day_limit_refused(),
            Barrier::TrunkFull => self.metrics.trunk_full(),
            Barrier::TrunkPaused | Barrier::TrunkDrains | Barrier::NoTls => self.metrics.trunk_passed_over(),
            Barrier::TrunkFast => self.metrics.trunk_fast(),
            Barrier::Looped => self.metrics.diverted_too_often(),
        }
        let why = || barrier.explained(&target.limits, spent.as_deref());
        let what = || What::Note { text: format!("the trunk {trunk} was not asked: {}", why()) };
        self.trace.note_with(tenant, conn_id, now, what);
        Some(barrier)
    }

    fn has_enough_outside(&mut self, tenant: &TenantId, limit: &OutgoingLimit) -> bool {
        self.calls.count(&LegPurpose::Outside(tenant.clone(), limit.phone.clone())) >= limit.most
    }

    /// Whether a trunk has as many calls as this node's part of its limit.
    pub(in crate::sip_cluster::node::calls) fn is_full(&mut self, tenant: &TenantId, trunk: &str) -> bool {
        let Some(most) = (self.trunks)(tenant, trunk).calls_max else { return false };
        self.calls.count(&LegPurpose::Trunk(tenant.clone(), trunk.to_owned())) >= self.part_of(most)
    }

    /// Whether a trunk has had this node's part of the calls of a second. Every node has at least one, whatever the limit.
    fn is_too_fast(&mut self, tenant: &TenantId, trunk: &str, now: Timestamp) -> bool {
        let Some(most) = (self.trunks)(tenant, trunk).calls_per_second else { return false };
        let part = self.part_of(most).max(1);
        self.call_rates.is_reached(tenant, trunk, part, now)
    }

    /// This node's part of a limit of the whole installation.
    fn part_of(&self, most: u32) -> u32 {
        let us = &self.ids.owner().node;
        let mut nodes: BTreeSet<NodeId> = self.search.live().owners().into_iter().map(|owner| owner.node).collect();
        nodes.insert(us.clone());
        let (count, before) = (nodes.len(), nodes.iter().position(|node| node == us).unwrap_or_default());
        let [count, before] = [count, before].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        part(most, count, before)
    }

    /// A carrier has refused a call: one that says for how long is left out for that long. What the proxy itself has
    /// answered is no wish of a carrier.
    pub(in crate::sip_cluster::node::calls) fn note_pause(
        &mut self,
        place: Place,
        status: StatusCode,
        response: Option<&Message>,
        now: Timestamp,
    ) {
        let is_carriers =
            |response: &&Message| [NOT_REACHED, ELSEWHERE].iter().all(|of_proxy| response.header(of_proxy).is_none());
        let wants = response
            .filter(|_| status == StatusCode::SERVICE_UNAVAILABLE)
            .filter(is_carriers)
            .and_then(|response| response.retry_after().ok().flatten());
        let Some(seconds) = wants.filter(|seconds| *seconds > 0) else { return };
        let Some(entry) = self.calls.get(&place.conn_id) else { return };
        let target = entry.leg(place.leg).and_then(|leg| leg.target.as_ref());
        let Some(trunk) = target.and_then(|target| target.trunk.clone()) else { return };
        let tenant = entry.tenant.clone();
        let pause = Duration::from_secs(seconds.into()).min(PAUSE_MAX);
        if self.pauses.leave_out(&tenant, &trunk, now + pause, now) {
            tracing::warn!(%tenant, trunk, seconds = pause.as_secs(), "a carrier wants no calls for a while: its trunk is left out");
            self.metrics.trunk_paused();
        }
    }

    /// The way of an emergency that a proxy has put off because its carrier is known to be away.
    pub(in crate::sip_cluster::node::calls) fn take_put_off(
        &mut self,
        Place { conn_id, leg, side }: Place,
        response: Option<&Message>,
    ) -> Option<Way> {
        response.filter(|_| side == Side::Phone)?.header(&ELSEWHERE)?;
        let entry = self.calls.get_mut(&conn_id)?;
        let way = entry.leg(leg)?.target.as_ref()?.way()?;
        entry.put_off.push(way.contact.clone());
        Some(way)
    }
}

/// The part of a limit that a node has among so many, with so many of them before it. Where there are fewer calls than nodes, each has one: the
/// installation has at most as many more as it has further nodes.
fn part(most: u32, count: u32, before: u32) -> u32 {
    (most / count + u32::from(before < most % count)).max(most.min(1))
}

/// Whether the INVITE of an emergency may be put off while its carrier is known to be away: another trunk is left, and it has not been before.
pub(in crate::sip_cluster::node::calls) fn may_be_put_off(
    entry: &Entry,
    state: &CallSnapshot,
    target: &Target,
) -> bool {
    let is_one_left = target.trunk.as_deref().is_some_and(|trunk| state.has_another_trunk_than(trunk));
    target.is_emergency && is_one_left && !entry.put_off.contains(&target.contact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_keeps_a_call_in_is_named() {
        let phone = model::Dn::parse("7101").expect("a DN");
        let limits = OutsideLimits { at_once: Some(OutgoingLimit { phone, most: 0 }), ..OutsideLimits::default() };
        let explained = Barrier::PhoneFull.explained(&limits, None);
        assert_eq!(explained, "the phone 7101 has as many calls outside as it may, which is 0");
        let explained = Barrier::DaySpent.explained(&limits, Some("premium"));
        assert_eq!(explained, "what the rule premium allows for a day is used up");
    }

    #[test]
    fn each_node_has_its_part_of_a_limit_and_at_least_one_call() {
        let parts = |most| [0, 1, 2].map(|before| part(most, 3, before));
        for (most, of_each) in [(0, [0; 3]), (1, [1; 3]), (2, [1; 3]), (3, [1; 3]), (4, [2, 1, 1]), (30, [10; 3])] {
            assert_eq!(parts(most), of_each, "{most}");
        }
    }

    #[test]
    fn no_further_trunk_is_tried_for_a_phone_that_has_as_many_calls_as_it_may() {
        let leg = LegId(2);
        for barrier in [Barrier::PhoneFull, Barrier::DaySpent] {
            assert!(matches!(barrier.failure(leg), Input::LegFailed { status: 403, .. }));
        }
        assert!(matches!(Barrier::Looped.failure(leg), Input::LegFailed { status: 482, .. }));
        for barrier in [Barrier::TrunkFull, Barrier::TrunkPaused, Barrier::TrunkFast, Barrier::TrunkDrains] {
            assert!(matches!(barrier.failure(leg), Input::LegUnreachable { status: 503, .. }));
        }
    }
}
