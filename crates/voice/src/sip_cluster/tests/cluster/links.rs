//! Connections between nodes and proxies: opened by the node, broken by either side or by a fault, stalled for a while.

use sip::ConnectionId;
use std::collections::BTreeSet;
use std::time::Duration;

use simnet::{Conditions, Packet};

use super::world::{Action, Addr, Payload, World};

/// Connections by their numbers.
#[derive(Default)]
pub struct Links {
    opened: u64,
    /// Those that neither side has closed.
    open: BTreeSet<ConnectionId>,
    /// Those on which nothing arrives any more.
    lost: BTreeSet<ConnectionId>,
    stalled: Option<(usize, usize)>,
    held: Vec<Packet<Addr, Payload>>,
}

impl Links {
    pub fn next_number(&mut self) -> ConnectionId {
        self.opened += 1;
        let number = ConnectionId(self.opened);
        self.open.insert(number);
        number
    }

    pub fn is_open(&self, connection: ConnectionId) -> bool {
        self.open.contains(&connection)
    }

    pub fn close(&mut self, connection: ConnectionId) {
        self.open.remove(&connection);
    }

    pub const fn is_stalled(&self) -> bool {
        self.stalled.is_some()
    }

    /// Packets under way on it are lost.
    pub fn lose(&mut self, connection: ConnectionId) {
        self.lost.insert(connection);
    }

    pub const fn stall(&mut self, node: usize, proxy: usize) {
        self.stalled = Some((node, proxy));
    }

    /// Lets a packet through, or keeps it.
    pub fn pass(&mut self, packet: Packet<Addr, Payload>) -> Option<Packet<Addr, Payload>> {
        if let Payload::Stream(connection, _) = &packet.payload
            && self.lost.contains(connection)
        {
            return None;
        }
        let pair = match (packet.from, packet.to) {
            (Addr::Node(node), Addr::Proxy(proxy)) | (Addr::Proxy(proxy), Addr::Node(node)) => Some((node, proxy)),
            _ => None,
        };
        if pair.is_some() && pair == self.stalled {
            self.held.push(packet);
            return None;
        }
        Some(packet)
    }
}

impl World {
    /// Inside the cluster no packet is lost or overtaken.
    pub fn wire(&mut self) {
        for proxy in (0..2).map(Addr::Proxy) {
            for node in [Addr::Node(0), Addr::Node(1), Addr::Media] {
                self.net.set_link(node, proxy, Conditions::STREAM);
                self.net.set_link(proxy, node, Conditions::STREAM);
            }
        }
    }

    /// A node opens a connection to a proxy and announces itself.
    pub fn connect(&mut self, at: usize, life: u64, proxy: usize) {
        let now = self.now();
        if self.nodes[at].life != life || self.nodes[at].core.is_none() {
            return;
        }
        if self.nodes[at].frozen {
            return self.after(Duration::from_millis(100), Action::Connect(at, life, proxy));
        }
        if self.proxies[proxy].is_down {
            return self.connect_again(at, proxy);
        }
        let connection = self.links.next_number();
        self.nodes[at].connected(proxy, connection, now);
        let announcement = super::proxies::announcement("sip-cluster", &self.nodes[at].owner, connection);
        self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Open(connection));
        self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Stream(connection, announcement));
    }

    /// A node opens its next connection to that proxy after a while.
    pub fn connect_again(&mut self, at: usize, proxy: usize) {
        let life = self.nodes[at].life;
        let pause = self.between(50, 300);
        self.after(pause, Action::Connect(at, life, proxy));
    }

    /// A connection breaks: both sides notice, and packets under way are lost.
    pub fn break_link(&mut self, at: usize, proxy: usize) {
        let Some(connection) = self.nodes[at].connection(proxy) else { return };
        self.links.lose(connection);
        self.links.close(connection);
        self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Close(connection));
        self.send(Addr::Proxy(proxy), Addr::Node(at), Payload::Close(connection));
    }

    /// Delayed packets arrive.
    pub fn unstall(&mut self, node: usize, proxy: usize) {
        self.say(|| format!("*** the connection of node {node} to proxy {proxy} goes on"));
        self.links.stalled = None;
        for packet in std::mem::take(&mut self.links.held) {
            self.arrive(packet);
        }
    }
}
