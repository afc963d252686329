//! What calls do when a proxy comes or goes: their dialogs move to other connections, and phones that have a flow by another proxy ring
//! by that one (RFC 5626).

use std::collections::BTreeSet;
use std::time::Duration;

use call::Input;
use model::plan::{Contact, PhoneFlow};
use model::{ConnId, LegId, Timestamp};
use sip::agent::DialogId;
use sip::{ConnectionId, Flow, Message, StatusCode};

use super::call::Entry;
use super::leg::{Leg, LegStage, Target};
use crate::sip_cluster::node::Node;

/// How long a flow may be silent before the phone's next one is tried: longer than networks take, and so short that the phone still rings for
/// most of the time that is given to it.
const SILENT_MAX: Duration = Duration::from_secs(4);
/// How long a phone that is busy by one flow may be silent by those before it. A phone with one line that rings by one of them has got that
/// INVITE before the other, and its 180 is on the way.
const BUSY_SILENT_MAX: Duration = Duration::from_secs(2);
/// How a Path ends by which the proxy has promised to reach the phone by this flow alone (RFC 5626 section 5.1).
const KEPT: &str = ";ob>";

/// A leg that has failed.
pub(super) struct FailedBeside {
    /// Its call.
    pub conn_id: ConnId,
    /// The leg.
    pub id: LegId,
    /// The others by which its phone or emergency number is called.
    pub rivals: Vec<LegId>,
    /// What was said.
    pub status: StatusCode,
    /// Whether it is an emergency.
    pub is_emergency: bool,
    /// Whether that is about the way to its phone alone.
    pub is_lost: bool,
}

/// Legs, each with the time until which it may be silent.
type Silent = BTreeSet<(Timestamp, ConnId, LegId)>;

/// The legs whose phones have other flows.
#[derive(Default)]
pub struct SilentFlows {
    /// Those whose phones are called by the next one after that time.
    watched: Silent,
    /// Those whose phones are busy by a later one: they are after that time. Not stored: a successor calls the phone by that one again.
    busy: Silent,
}

impl SilentFlows {
    /// When the first one has been silent for long enough.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let firsts = [self.watched.first(), self.busy.first()];
        firsts.into_iter().flatten().map(|(until, ..)| *until).min()
    }
}

fn take_due(flows: &mut Silent, now: Timestamp) -> Option<(ConnId, LegId)> {
    flows.first().filter(|(until, ..)| *until <= now)?;
    flows.pop_first().map(|(_, conn_id, id)| (conn_id, id))
}

impl Node {
    pub(in crate::sip_cluster::node) fn meet_proxy(&mut self, link: ConnectionId, edge: &str, now: Timestamp) {
        if let Some(old) = self.proxies.came_up(link, edge) {
            let (old, new) = (Flow::Stream { connection: old }, Flow::Stream { connection: link });
            self.agent.move_flow(old, new);
            self.move_legs(old, link);
            // While disconnected, that proxy took this node for failed and sent messages of its calls to other nodes.
            self.doubt();
        }
        for link in self.proxies.awaited() {
            self.move_media(link);
        }
        self.ask_for_unasked(now);
        self.settle(now);
    }

    pub(in crate::sip_cluster::node) fn lose_proxy(&mut self, link: ConnectionId, now: Timestamp) {
        self.search.link_down(link);
        if self.proxies.broke(link, now) {
            self.move_media(link);
            self.ring_by_other_flows(link, now);
        }
    }

    /// The phones that are called by a proxy that is away, and have said nothing yet, are called by their next flow at once. One that rings
    /// already goes on: it would refuse a second call while it does, and the proxy may soon be back. If it is not, its next flow is tried then.
    fn ring_by_other_flows(&mut self, lost: ConnectionId, now: Timestamp) {
        let mut waiting: Vec<(ConnId, LegId)> = Vec::new();
        for (conn_id, entry) in self.calls.iter() {
            let has_other = |leg: &&Leg| {
                let goes_on = self.is_left(*conn_id, leg.id) || self.is_busy_by_another(*conn_id, leg.id);
                leg.link == lost && !leg.alerted && self.next_flow(leg).is_some() && !goes_on
            };
            waiting.extend(entry.legs.iter().filter(has_other).map(|leg| (*conn_id, leg.id)));
        }
        waiting.sort_unstable();
        for (conn_id, id) in waiting {
            self.leave_flow(conn_id, id, now);
        }
        self.settle(now);
    }

    /// The phones that have another flow, and have said nothing for as long as one may be silent, are called by that. Those that are busy by
    /// another one are busy.
    pub(in crate::sip_cluster::node) fn leave_silent_flows(&mut self, now: Timestamp) {
        while let Some((conn_id, id)) = take_due(&mut self.silent_flows.busy, now) {
            self.attempt_for(Some(conn_id), now, |node| node.end_busy(conn_id, id, now));
        }
        while let Some((conn_id, id)) = take_due(&mut self.silent_flows.watched, now) {
            let goes_on = self.is_left(conn_id, id) || self.is_busy_by_another(conn_id, id);
            let Some(leg) = self.leg(conn_id, id).filter(|leg| !leg.alerted && !goes_on) else { continue };
            if self.next_flow(leg).is_some() {
                self.leave_flow(conn_id, id, now);
            } else {
                // The proxy of its next flow is away, and may be back soon.
                self.watch_flow(conn_id, id, now);
            }
        }
    }

    /// A call that was taken over: its phones that have said nothing yet are watched from now on.
    pub(in crate::sip_cluster::node) fn watch_flows(&mut self, conn_id: ConnId, now: Timestamp) {
        let legs = self.calls.get(&conn_id).map(|entry| entry.legs.iter()).into_iter().flatten();
        let waiting: Vec<LegId> =
            legs.filter(|leg| leg.stage == LegStage::Ringing && !leg.alerted).map(|leg| leg.id).collect();
        for id in waiting {
            self.watch_flow(conn_id, id, now);
        }
    }

    /// A phone that has other flows is called by one of them.
    pub(super) fn watch_flow(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        if self.leg(conn_id, id).is_some_and(|leg| leg.by_next_flow().is_some()) {
            self.silent_flows.watched.insert((now + SILENT_MAX, conn_id, id));
        }
    }

    /// A phone that has got its INVITE by a flow that is silent may ring all the same: if it has one line, it refuses the next INVITE, and
    /// answers the first. That one goes on until one of the two says something.
    fn leave_flow(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        self.attempt_for(Some(conn_id), now, |node| {
            let Some(leg) = node.leg(conn_id, id) else { return };
            let (is_called, next) = (leg.stage == LegStage::Ringing, node.next_flow(leg));
            let Some(next) = next else { return };
            node.mark(conn_id);
            if is_called {
                return node.feed(conn_id, Input::FlowSilent { leg: id, next }, now);
            }
            node.hang_up(conn_id, id, StatusCode::TEMPORARILY_UNAVAILABLE.0, now);
            node.feed(conn_id, Input::FlowFailed { leg: id, next }, now);
        });
    }

    /// A phone is busy by a later flow. It may be so because it rings by one of these, if it has one line: then it says so soon.
    fn await_busy(&mut self, conn_id: ConnId, before: &[LegId], now: Timestamp) {
        let until = now + BUSY_SILENT_MAX;
        self.silent_flows.busy.extend(before.iter().map(|id| (until, conn_id, *id)));
    }

    /// Whether the phone of a leg is busy by a later flow, and has said nothing by this one.
    pub(super) fn is_busy_by_another(&self, conn_id: ConnId, id: LegId) -> bool {
        let is_silent = |leg: &Leg| leg.stage == LegStage::Ringing && !leg.alerted;
        let is_busy = || self.silent_flows.busy.iter().any(|(_, call, leg)| (*call, *leg) == (conn_id, id));
        self.leg(conn_id, id).is_some_and(is_silent) && is_busy()
    }

    /// A phone is busy by a later flow, and does not ring by this one.
    fn end_busy(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        if self.leg(conn_id, id).is_none_or(|leg| leg.stage != LegStage::Ringing || leg.alerted) {
            return;
        }
        self.mark(conn_id);
        self.hang_up(conn_id, id, StatusCode::TEMPORARILY_UNAVAILABLE.0, now);
        self.feed(conn_id, Input::LegFailed { leg: id, status: StatusCode::BUSY_HERE.0 }, now);
    }

    /// The other legs by which the phone of a leg is called, or its number if that is an emergency.
    pub(super) fn rivals(&self, conn_id: ConnId, id: LegId) -> Vec<LegId> {
        let Some(entry) = self.calls.get(&conn_id) else { return Vec::new() };
        let (Some(call), Some(leg)) = (entry.thread.call_with(id), entry.leg(id)) else { return Vec::new() };
        let is_rival =
            |other: &&LegId| **other != id && entry.leg(**other).is_some_and(|other| leg.calls_same_as(other));
        call.ringing_legs().iter().filter(is_rival).copied().collect()
    }

    /// Whether a leg was left for its silence: its phone is called by its next flow, too.
    fn is_left(&self, conn_id: ConnId, id: LegId) -> bool {
        self.rivals(conn_id, id).iter().any(|other| *other > id)
    }

    /// A phone says something by a leg, or an emergency is answered: the others by which it is called end.
    pub(super) fn prevails(&mut self, conn_id: ConnId, id: LegId, now: Timestamp) {
        let rivals = self.rivals(conn_id, id);
        let target = self.leg(conn_id, id).and_then(|leg| leg.target.as_ref());
        // Others may have been tried after it, and have failed.
        let trunk = target.filter(|target| target.is_emergency).and_then(|target| target.trunk.clone());
        if !rivals.is_empty() || trunk.is_some() {
            self.feed(conn_id, Input::LegPrevails { leg: id, rivals, trunk }, now);
        }
    }

    /// A leg has failed beside others by which its phone or emergency number is called.
    pub(super) fn fails_beside(&mut self, failed: FailedBeside, failure: Input, now: Timestamp) {
        let FailedBeside { conn_id, id, rivals, status, is_emergency, is_lost } = failed;
        let last = rivals.iter().max().copied();
        match last {
            None => self.feed(conn_id, failure, now),
            // Another carrier may still answer, and a further one be tried, whatever this one says.
            Some(_) if is_emergency => self.feed(conn_id, failure, now),
            // It was left, and the next one goes on.
            Some(last) if is_lost && last > id => {
                self.feed(conn_id, Input::LegPrevails { leg: last, rivals: vec![id], trunk: None }, now);
            }
            Some(_) if is_lost => self.feed(conn_id, failure, now),
            // A phone with one line says so while it rings by a flow before, too.
            Some(last) if status == StatusCode::BUSY_HERE && last < id => {
                self.feed(conn_id, Input::LegPrevails { leg: last, rivals: vec![id], trunk: None }, now);
                self.await_busy(conn_id, &rivals, now);
            }
            Some(_) => {
                self.feed(conn_id, Input::LegPrevails { leg: id, rivals, trunk: None }, now);
                self.feed(conn_id, failure, now);
            }
        }
    }

    /// The phone of a leg by the next of its flows whose proxy is there.
    fn next_flow(&self, leg: &Leg) -> Option<Contact> {
        self.first_there(leg.by_next_flow()?)
    }

    /// The phone by the first of these flows whose proxy is there.
    fn first_there(&self, phone: Contact) -> Option<Contact> {
        let mut flows = std::iter::successors(Some(phone), Contact::by_next_flow);
        flows.find(|flow| self.proxies.link_of(flow).is_some())
    }

    /// The phone by the same flows, those last whose proxies drain: such a proxy may be gone before the call is over.
    pub(super) fn draining_last(&self, phone: Contact) -> Contact {
        let Contact { uri, path, further } = phone;
        let flows = std::iter::once(PhoneFlow { uri, path }).chain(further);
        let drains = |flow: &PhoneFlow| self.proxies.is_by_draining(&flow.path);
        let (last, mut flows): (Vec<PhoneFlow>, Vec<PhoneFlow>) = flows.partition(drains);
        flows.extend(last);
        let PhoneFlow { uri, path } = flows.remove(0);
        Contact { uri, path, further: flows }
    }

    /// The Routes to whom a leg of a thread rings. Where a phone has no further flow to be tried, its proxy need not keep to this one, but
    /// may reach it in another way that it knows, as a phone without flows. That may be another phone of the number: not where one is meant.
    pub(super) fn routes_to(&self, target: &Target, entry: &Entry) -> Vec<String> {
        let mut routes = target.contact.path.clone();
        let is_meant = entry.legs.iter().any(|leg| leg.instance.is_some());
        let is_last = target.contact.by_next_flow().and_then(|next| self.first_there(next)).is_none();
        if let Some(first) = routes.first_mut()
            && target.trunk.is_none()
            && is_last
            && !is_meant
            && let Some(rest) = first.strip_suffix(KEPT)
        {
            *first = format!("{rest}>");
        }
        routes
    }

    /// Whether a phone's failure is one of its flow alone: the flow has ended, or nothing has come back by it (RFC 5626 section 5.3).
    pub(super) fn is_lost_flow(
        &self,
        conn_id: ConnId,
        id: LegId,
        status: StatusCode,
        response: Option<&Message>,
    ) -> bool {
        match status {
            StatusCode::FLOW_FAILED => true,
            StatusCode::REQUEST_TIMEOUT => self.leg(conn_id, id).is_some_and(|leg| !leg.alerted),
            // Without a response it is ours: the proxy did not come back in time.
            status => response.is_none() && status == StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Moves media dialogs to another proxy. Any proxy reaches media, so requests to it do not wait for the proxy that is away.
    fn move_media(&mut self, from: ConnectionId) {
        let Some(other) = self.proxies.any() else { return };
        let from = Flow::Stream { connection: from };
        let legs = self.calls.values().flat_map(|entry| &entry.legs);
        let goes_by = |dialog: &DialogId| self.agent.leg(*dialog).is_some_and(|leg| leg.dialog.flow == from);
        let moved: BTreeSet<DialogId> = legs.filter_map(|leg| leg.media).filter(goes_by).collect();
        for dialog in moved {
            self.agent.move_dialog(dialog, Flow::Stream { connection: other });
        }
    }

    fn move_legs(&mut self, old: Flow, new: ConnectionId) {
        self.move_waiting(old, new);
        let goes_by = |leg: &Leg| Flow::Stream { connection: leg.link } == old;
        let has_one = |entry: &Entry| entry.legs.iter().any(goes_by);
        // The others have not changed: what their legs count for is not counted anew.
        let moved: Vec<ConnId> =
            self.calls.iter().filter(|(_, entry)| has_one(entry)).map(|(conn_id, _)| *conn_id).collect();
        for conn_id in moved {
            let Some(entry) = self.calls.get_mut(&conn_id) else { continue };
            for leg in entry.legs.iter_mut().filter(|leg| goes_by(leg)) {
                leg.link = new;
            }
        }
    }
}
