//! What calls do when a proxy comes or goes: their dialogs move to other connections, and phones that have a flow by another proxy ring
//! by that one (RFC 5626).

use std::collections::BTreeSet;

use call::Input;
use model::{ConnId, LegId, Timestamp};
use sip::agent::DialogId;
use sip::{ConnectionId, Flow, Message, StatusCode};

use super::leg::Leg;
use crate::sip_cluster::node::Node;

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
        self.settle(now);
    }

    pub(in crate::sip_cluster::node) fn lose_proxy(&mut self, link: ConnectionId, now: Timestamp) {
        self.search.link_down(link);
        if self.proxies.broke(link, now) {
            self.move_media(link);
            self.ring_by_other_flows(link, now);
        }
    }

    /// The phones that ring by a proxy that is away ring by their next flow at once. That proxy may be gone for good; if it comes back, the
    /// phone is told there that it need not ring any more.
    fn ring_by_other_flows(&mut self, lost: ConnectionId, now: Timestamp) {
        let has_other = |leg: &&Leg| leg.link == lost && leg.by_next_flow().is_some();
        let legs = self
            .calls
            .iter()
            .flat_map(|(conn_id, entry)| entry.legs.iter().filter(has_other).map(|leg| (*conn_id, leg.id)));
        let mut waiting: Vec<(ConnId, LegId)> = legs.collect();
        waiting.sort_unstable();
        for (conn_id, id) in waiting {
            self.attempt_for(Some(conn_id), now, |node| {
                let Some(next) = node.leg(conn_id, id).and_then(Leg::by_next_flow) else { return };
                node.mark(conn_id);
                node.hang_up(conn_id, id, StatusCode::TEMPORARILY_UNAVAILABLE.0, now);
                node.feed(conn_id, Input::FlowFailed { leg: id, next }, now);
            });
        }
        self.settle(now);
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
        for entry in self.calls.values_mut() {
            for leg in &mut entry.legs {
                if (Flow::Stream { connection: leg.link }) == old {
                    leg.link = new;
                }
            }
        }
    }
}
