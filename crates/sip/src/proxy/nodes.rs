//! The announced nodes: which are live, which drain, and which is chosen for a key.

use std::fmt::Write as _;

use model::{Epoch, NodeId, Owner};

use super::rendezvous;
use super::settings::MISSED_MAX;
use crate::ConnectionId;

/// The role that owns calls.
pub(super) const OWNERS: &str = "sip-cluster";

/// A node's announcement: `<role>;node=<node>;epoch=<epoch>[;draining]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announcement {
    /// The role, as `sip-cluster`.
    pub role: Box<str>,
    /// Node and epoch.
    pub owner: Owner,
    /// Whether it takes no new calls any more.
    pub draining: bool,
}

impl Announcement {
    /// Parses the value of a `Trunkline-Node` header.
    pub fn parse(value: &str) -> Option<Self> {
        let mut parts = value.split(';').map(str::trim);
        let role = parts.next().filter(|r| crate::parse::is_token(r))?;
        let (mut node, mut epoch, mut draining) = (None, None, false);
        for part in parts {
            match part.split_once('=') {
                Some(("node", text)) => node = NodeId::parse(text).ok(),
                Some(("epoch", text)) => epoch = text.parse().ok(),
                None if part == "draining" => draining = true,
                _ => {}
            }
        }
        Some(Self { role: role.into(), owner: Owner { node: node?, epoch: Epoch(epoch?) }, draining })
    }
}

/// A node that is live.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) announcement: Announcement,
    /// Its connection, also its key.
    pub(super) connection: ConnectionId,
    unanswered: u8,
    hash: u64,
}

impl Node {
    /// Whether it takes initial requests of this role.
    pub(super) fn takes_new(&self, role: &str) -> bool {
        *self.announcement.role == *role && !self.announcement.draining
    }
}

/// All live nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    live: Vec<Node>,
}

/// The effect of an announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Joined {
    /// It is new.
    New,
    /// It was there; it announced itself again.
    Again,
    /// It was there on another connection, which it no longer uses.
    Moved {
        /// The former connection.
        from: ConnectionId,
    },
}

impl Nodes {
    pub(super) fn join(&mut self, connection: ConnectionId, announcement: Announcement) -> Joined {
        if let Some(node) = self.live.iter_mut().find(|n| n.connection == connection) {
            node.announcement.draining = announcement.draining;
            return Joined::Again;
        }
        if let Some(node) = self.live.iter_mut().find(|n| n.announcement.owner == announcement.owner) {
            let from = std::mem::replace(&mut node.connection, connection);
            node.announcement = announcement;
            node.unanswered = 0;
            return Joined::Moved { from };
        }
        let hash = rendezvous::hash(announcement.owner.node.as_str().as_bytes());
        self.live.push(Node { announcement, connection, unanswered: 0, hash });
        Joined::New
    }

    pub(super) fn leave(&mut self, connection: ConnectionId) -> Option<Node> {
        let at = self.live.iter().position(|n| n.connection == connection)?;
        Some(self.live.swap_remove(at))
    }

    pub(super) fn by_connection(&self, connection: ConnectionId) -> Option<&Node> {
        self.live.iter().find(|n| n.connection == connection)
    }

    pub(super) fn by_owner(&self, owner: &Owner) -> Option<&Node> {
        self.live.iter().find(|n| n.announcement.owner == *owner)
    }

    /// The node of this role that takes over a key without an owner: by rendezvous hash among all live ones.
    pub(super) fn successor(&self, role: &str, key: u64) -> Option<&Node> {
        self.choose(role, key, |_| true)
    }

    /// The successor of `owner`, which is not live: for a call any node of the role; for anything else a later run of the same
    /// node, since no other node has its ports and records.
    pub(super) fn successor_of(&self, owner: &Owner, key: u64) -> Option<&Node> {
        if owns_calls(owner) { self.successor(OWNERS, key) } else { self.later_run(owner) }
    }

    /// The node of `owner`, restarted.
    pub(super) fn later_run(&self, owner: &Owner) -> Option<&Node> {
        let lives = self.live.iter().filter(|n| n.announcement.owner.node == owner.node);
        lives.filter(|n| n.announcement.owner.epoch > owner.epoch).max_by_key(|n| n.announcement.owner.epoch)
    }

    /// The node of this role for a new key: a draining one only if all drain.
    pub(super) fn for_new(&self, role: &str, key: u64) -> Option<&Node> {
        self.choose(role, key, |n| !n.announcement.draining).or_else(|| self.successor(role, key))
    }

    fn choose(&self, role: &str, key: u64, fits: impl Fn(&Node) -> bool) -> Option<&Node> {
        let of_role = self.live.iter().filter(|n| *n.announcement.role == *role && fits(n));
        of_role.max_by_key(|n| (rendezvous::weight(key, n.hash), n.announcement.owner.epoch))
    }

    /// Counts one more unanswered keep-alive for each node; returns the connections of those with too many.
    pub(super) fn count_unanswered(&mut self) -> Vec<ConnectionId> {
        let mut lost = Vec::new();
        for node in &mut self.live {
            if node.unanswered >= MISSED_MAX {
                lost.push(node.connection);
            }
            node.unanswered = node.unanswered.saturating_add(1);
        }
        lost
    }

    /// The node has answered a keep-alive.
    pub(super) fn answered(&mut self, connection: ConnectionId, says: Option<Announcement>) {
        if let Some(node) = self.live.iter_mut().find(|n| n.connection == connection) {
            node.unanswered = 0;
            if let Some(says) = says.filter(|s| s.owner == node.announcement.owner) {
                node.announcement.draining = says.draining;
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Node> {
        self.live.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// The value of `Trunkline-Live`.
    pub(super) fn list(&self) -> String {
        let mut list = String::new();
        for node in &self.live {
            let comma = if list.is_empty() { "" } else { ", " };
            // Writing to a String cannot fail.
            let _ = write!(list, "{comma}{}", node.announcement.owner);
        }
        list
    }
}

/// Whether this owner owns calls: a node's name is its role and the number of its replica.
pub(super) fn owns_calls(owner: &Owner) -> bool {
    owner.node.as_str().rsplit_once('-').is_none_or(|(role, _)| role == OWNERS)
}

#[cfg(test)]
mod tests;
