//! When the node searches the ledger for calls of failed nodes, and which nodes proxies see live.

use model::{Owner, Timestamp};

use crate::sip_cluster::limits::{TAKEOVER_SCAN_EVERY, TAKEOVER_SCAN_FAST_FOR};
use crate::sip_cluster::node::lookup::SeenLive;
use sip::ConnectionId;

/// The search for calls whose owner has failed: a call in a queue has no message that would trigger its takeover.
pub struct OrphanSearch {
    /// Nodes seen live, by connection to a proxy.
    live: SeenLive,
    /// Until when calls of failed nodes are searched more often.
    hurry_until: Timestamp,
    /// When the next search is due.
    next: Timestamp,
    /// Whether a search is under way.
    is_under_way: bool,
}

impl OrphanSearch {
    /// Begins with the first report of live nodes.
    pub fn new() -> Self {
        Self {
            live: SeenLive::default(),
            hurry_until: Timestamp::ZERO,
            // Set by the first report of live nodes.
            next: Timestamp::MAX,
            is_under_way: false,
        }
    }

    /// The nodes that proxies see live.
    pub const fn live(&self) -> &SeenLive {
        &self.live
    }

    /// Stores which nodes a proxy sees live; returns whether that is news.
    pub fn sees_live(&mut self, link: ConnectionId, live: Vec<Owner>, now: Timestamp) -> bool {
        let before = self.live.0.insert(link, live);
        let is_news = before.as_ref() != self.live.0.get(&link);
        if is_news {
            // A node may have failed.
            self.hurry_until = now + TAKEOVER_SCAN_FAST_FOR;
            self.next = self.next.min(now + TAKEOVER_SCAN_EVERY);
        }
        is_news
    }

    /// A connection to a proxy broke: what that proxy sees is not known any more.
    pub fn link_down(&mut self, link: ConnectionId) {
        self.live.0.remove(&link);
    }

    /// When a search is due.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        (self.next < Timestamp::MAX).then_some(self.next)
    }

    /// Whether a search is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next <= now
    }

    /// Begins a search that is due, if `us` may search; returns the nodes seen live.
    pub fn begin(&mut self, us: &Owner, is_draining: bool, now: Timestamp) -> Option<Vec<Owner>> {
        let every = if now < self.hurry_until { TAKEOVER_SCAN_EVERY } else { TAKEOVER_SCAN_EVERY * 10 };
        self.next = now + every;
        let live = self.live.owners();
        // A node that no proxy sees live cannot judge which nodes have failed.
        if self.is_under_way || is_draining || !live.contains(us) {
            return None;
        }
        self.is_under_way = true;
        Some(live)
    }

    /// A search is done.
    pub const fn done(&mut self) {
        self.is_under_way = false;
    }

    /// The next search is due at once.
    pub const fn again(&mut self, now: Timestamp) {
        self.next = now;
    }
}
