//! Legs waiting for local resources: a media node or a sip-proxy. A media node without room sends a leg to another one; an emergency waits
//! for room, or for a sip-proxy, rather than lose a way to a carrier that was not asked.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use model::{ConnId, LegId, Owner, Timestamp};
use runtime::trace::What;

use super::leg::{Leg, LegStage};
use crate::sip_cluster::node::Node;

/// How often an emergency asks again. It ends with its leg: once the call has no time left for it, or too many were tried since.
const AGAIN: Duration = Duration::from_secs(1);
/// The most media nodes that a leg asks by name after the one that the proxy has chosen.
const MEDIA_NODES_MAX: usize = 4;
/// The role of media nodes.
const MEDIA: &str = "media";
/// Why an emergency waits that cannot be sent.
pub(super) const NOT_SENT: &str = "no sip-proxy is there, or there is no room for another dialog";

/// The legs that wait until they can be asked for.
#[derive(Debug, Default)]
pub struct UnaskedLegs {
    /// When they are asked for again; none if none waits.
    due: Option<Timestamp>,
    /// Those that were told to wait, and may be over by now.
    legs: BTreeSet<(ConnId, LegId)>,
}

impl UnaskedLegs {
    /// When they are asked for again.
    pub const fn next_timeout(&self) -> Option<Timestamp> {
        self.due
    }

    /// A leg waits; all are asked for at that time, if they are not sooner.
    fn wait(&mut self, conn_id: ConnId, id: LegId, until: Timestamp) {
        self.legs.insert((conn_id, id));
        self.due.get_or_insert(until);
    }

    /// All that wait.
    fn take(&mut self) -> BTreeSet<(ConnId, LegId)> {
        std::mem::take(self).legs
    }

    /// The legs of a thread have become those of another one, by numbers that are greater by so much.
    pub fn moved(&mut self, from: ConnId, into: ConnId, by: u16) {
        let ids: Vec<LegId> = self.legs.iter().filter(|(of, _)| *of == from).map(|(_, id)| *id).collect();
        for id in ids {
            self.legs.remove(&(from, id));
            self.legs.insert((into, LegId(id.0.saturating_add(by))));
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.legs.len()
    }
}

impl Leg {
    /// Whether it is an emergency for which media is still to be asked.
    fn is_unasked(&self) -> bool {
        let is_emergency = self.target.as_ref().is_some_and(|target| target.is_emergency);
        is_emergency && self.stage == LegStage::Preparing && self.media.is_none()
    }
}

impl Node {
    /// Media has no room for a leg: another media node is asked, unless other legs of the call are at this one, or an emergency waits. Returns
    /// whether there is hope.
    pub(super) fn goes_on_without_room(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) -> bool {
        let Some(leg) = self.leg_mut(conn_id, id) else { return false };
        if !matches!(leg.stage, LegStage::Preparing | LegStage::PreparingEarly) {
            return false;
        }
        leg.media_refusals = leg.media_refusals.saturating_add(1);
        if self.media_by_name(conn_id, id).is_some() {
            let offer = self.offer_to_media(conn_id, id);
            if self.invite_media(conn_id, id, offer, now).is_ok() {
                return true;
            }
        }
        self.waits_to_ask(conn_id, id, "media has no room for it", now)
    }

    /// The media node that a leg asks by its name: one of those that have not refused it yet. None for the first attempt, where the proxy
    /// chooses, and where no other is left.
    pub(super) fn media_by_name(&self, conn_id: ConnId, id: LegId) -> Option<Owner> {
        let entry = self.calls.get(&conn_id).filter(|entry| entry.media_owner.is_none())?;
        let refusals = usize::from(entry.leg(id)?.media_refusals);
        let nodes = self.search.live().of_role(MEDIA);
        let nth = refusals.checked_sub(1).filter(|nth| nodes.len() > 1 && *nth < nodes.len().min(MEDIA_NODES_MAX))?;
        // All legs of a call in the same order, since they are to meet there, and those of other calls in another.
        let count = u64::try_from(nodes.len()).ok()?;
        let first = usize::try_from(conn_id.0 % count).ok()?;
        nodes.get((first + nth) % nodes.len()).cloned()
    }

    /// The offer of a caller that has not been answered; none for whom we ring.
    fn offer_to_media(&self, conn_id: ConnId, id: LegId) -> Option<Bytes> {
        let phone = self.leg(conn_id, id).filter(|leg| leg.is_callers())?.phone?;
        self.agent.leg(phone)?.offer_answer.open().cloned()
    }

    /// Whether a leg waits until it can be asked for: that of an emergency does.
    pub(super) fn waits_to_ask(&mut self, conn_id: ConnId, id: LegId, why: &str, now: Timestamp) -> bool {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return false };
        let Some(leg) = entry.leg_mut(id).filter(|leg| leg.is_unasked()) else { return false };
        leg.media_refusals = 0;
        if !std::mem::replace(&mut leg.waits, true) {
            let trunk = leg.target.as_ref().and_then(|target| target.trunk.as_deref()).unwrap_or_default();
            let text = format!("leg {id} waits, and the trunk {trunk} is asked as soon as it can: {why}");
            tracing::warn!(%conn_id, leg = %id, trunk, why, "an emergency call waits");
            self.trace.note_with(&entry.tenant, conn_id, now, || What::Note { text });
        }
        self.unasked.wait(conn_id, id, now + AGAIN);
        true
    }

    /// A call that was taken over: its legs that wait are asked for here.
    pub(in crate::sip_cluster::node) fn go_on_asking(&mut self, conn_id: ConnId, now: Timestamp) {
        let legs = self.calls.get(&conn_id).into_iter().flat_map(|entry| &entry.legs);
        for leg in legs.filter(|leg| leg.is_unasked()) {
            self.unasked.wait(conn_id, leg.id, now);
        }
    }

    /// Asks again for the legs that wait, once they have waited long enough.
    pub(in crate::sip_cluster::node) fn ask_if_due(&mut self, now: Timestamp) {
        if self.unasked.next_timeout().is_some_and(|due| due <= now) {
            self.ask_for_unasked(now);
        }
    }

    /// Asks again for all legs that wait; something may have changed.
    pub(in crate::sip_cluster::node) fn ask_for_unasked(&mut self, now: Timestamp) {
        for (conn_id, id) in self.unasked.take() {
            self.attempt_for(Some(conn_id), now, |node| node.ask_again_for(conn_id, id, now));
        }
    }

    fn ask_again_for(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let Some(leg) = self.leg(conn_id, id).filter(|leg| leg.is_unasked()) else { return };
        let (link, target) = (leg.link, leg.target.clone());
        let is_there = self.proxies.is_up(link);
        let other = target.filter(|_| !is_there).and_then(|target| self.link_outward(conn_id, &target));
        if let (Some(other), Some(leg)) = (other, self.leg_mut(conn_id, id)) {
            leg.link = other;
        }
        self.mark(conn_id);
        let can_ask = is_there || other.is_some();
        if !can_ask || self.invite_media(conn_id, id, None, now).is_err() {
            self.waits_to_ask(conn_id, id, NOT_SENT, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legs_that_wait_are_known_in_the_thread_that_has_taken_theirs_in() {
        let (mut unasked, now) = (UnaskedLegs::default(), Timestamp::from_millis(1_000_000));
        let [first, other] = [ConnId(1), ConnId(2)];
        unasked.wait(first, LegId(1), now);
        unasked.wait(first, LegId(1), now + AGAIN);
        unasked.wait(other, LegId(2), now + AGAIN);
        assert_eq!((unasked.count(), unasked.next_timeout()), (2, Some(now)));
        unasked.moved(other, first, 3);
        assert_eq!(unasked.take(), BTreeSet::from([(first, LegId(1)), (first, LegId(5))]));
        assert_eq!((unasked.count(), unasked.next_timeout()), (0, None));
    }
}
