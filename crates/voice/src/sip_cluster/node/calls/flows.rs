//! What calls do when a proxy comes or goes: their dialogs move to other connections.

use std::collections::BTreeSet;

use model::Timestamp;
use sip::agent::DialogId;
use sip::{ConnectionId, Flow};

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
        self.verifications.move_links(old, new);
        for entry in self.calls.values_mut() {
            for leg in &mut entry.legs {
                if (Flow::Stream { connection: leg.link }) == old {
                    leg.link = new;
                }
            }
        }
    }
}
