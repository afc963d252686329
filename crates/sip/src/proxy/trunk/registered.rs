//! Connections over TLS by which nodes have registered us with carriers. A carrier calls back by the one that we have opened: it is kept open
//! by pings (RFC 5626 §4.4.1), and the nodes are told when it has closed.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;

use crate::flow::{ConnectionId, Flow};
use crate::message::Message;
use crate::method::Method;
use crate::proxy::exchange::{Exchange, Origin, Stage, Target};
use crate::proxy::{Proxy, headers};
use crate::status::StatusCode;

/// How often such a connection is pinged: RFC 5626 §4.4.1 wants a ping each 95 to 120 s.
const PING_EACH: Duration = Duration::from_secs(100);
/// The ping of RFC 5626 §3.5.1. Whoever does not know it skips it as line ends between messages (RFC 3261 §7.5).
pub(in crate::proxy) const PING: &[u8] = b"\r\n\r\n";

/// The connections by which we are registered.
#[derive(Debug, Default)]
pub(in crate::proxy) struct RegisteredConnections {
    /// At most one for each connection that is open: it leaves with that.
    by_connection: HashMap<ConnectionId, RegisteredConnection>,
    next: Option<Timestamp>,
}

#[derive(Debug)]
struct RegisteredConnection {
    /// The connections of the nodes that have registered by it, each live.
    nodes: Vec<ConnectionId>,
    /// When the last registration by it ends.
    until: Timestamp,
    ping_due: Timestamp,
}

impl RegisteredConnections {
    fn note(&mut self, connection: ConnectionId, node: ConnectionId, until: Timestamp, now: Timestamp) {
        let new = || RegisteredConnection { nodes: Vec::new(), until, ping_due: now + PING_EACH };
        let registered = self.by_connection.entry(connection).or_insert_with(new);
        registered.until = registered.until.max(until);
        if !registered.nodes.contains(&node) {
            registered.nodes.push(node);
        }
        self.find_next();
    }

    /// Forgets a connection; returns the connections of the nodes that have registered by it.
    fn remove(&mut self, connection: ConnectionId) -> Vec<ConnectionId> {
        let Some(removed) = self.by_connection.remove(&connection) else { return Vec::new() };
        self.find_next();
        removed.nodes
    }

    /// A node has left this connection.
    pub(in crate::proxy) fn forget_node(&mut self, node: ConnectionId) {
        for registered in self.by_connection.values_mut() {
            registered.nodes.retain(|known| *known != node);
        }
    }

    /// When the next connection must be pinged.
    pub(in crate::proxy) const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<ConnectionId> {
        self.by_connection.retain(|_, registered| registered.until > now);
        let mut due = Vec::new();
        for (connection, registered) in &mut self.by_connection {
            if registered.ping_due <= now {
                registered.ping_due = now + PING_EACH;
                due.push(*connection);
            }
        }
        self.find_next();
        due
    }

    fn find_next(&mut self) {
        self.next = self.by_connection.values().map(|registered| registered.ping_due).min();
    }
}

impl Proxy {
    /// Notes the connection by which a node is registered now, and names it to that node.
    pub(in crate::proxy) fn note_registered(
        &mut self,
        answer: &mut Message,
        node: ConnectionId,
        (connection, lasts): (ConnectionId, Duration),
        now: Timestamp,
    ) {
        if self.connections.contains_key(&connection) {
            self.registered.note(connection, node, now + lasts, now);
            answer.set(&headers::FLOW, connection.0);
        }
    }

    /// Pings the connections that are due.
    pub(in crate::proxy) fn ping_registered(&mut self, now: Timestamp) {
        for connection in self.registered.take_due(now) {
            self.layer.transmit(Flow::Stream { connection }, Bytes::from_static(PING));
        }
    }

    /// A connection has closed: the nodes that have registered by it are told.
    pub(in crate::proxy) fn tell_closed(&mut self, connection: ConnectionId) {
        for node in self.registered.remove(connection) {
            let Some(node) = self.nodes.by_connection(node) else { continue };
            let mut message = self.keep_alive_for(&node.announcement, &self.nodes.list());
            message.set(&headers::FLOW_CLOSED, connection.0);
            self.layer.transmit(Flow::Stream { connection: node.connection }, message.to_bytes());
        }
    }
}

/// The connection over TLS by which a node has sent the REGISTER that is accepted now, and for how long that has asked.
pub(in crate::proxy) fn registered_by(held: &Exchange, answer: &Message) -> Option<(ConnectionId, Duration)> {
    let is_accepted = answer.status().is_some_and(StatusCode::is_success)
        && answer.cseq().is_ok_and(|cseq| cseq.method == Method::Register)
        && matches!(held.origin, Origin::Node(_));
    let Stage::Forwarded { target: Target::Edge(Flow::Stream { connection }), .. } = held.stage else { return None };
    if !is_accepted || !connection.is_opened_by_us() || !connection.transport().is_secure() {
        return None;
    }
    let request = Message::parse(held.request.clone()).ok()?;
    let seconds = request.expires().ok().flatten().filter(|seconds| *seconds > 0)?;
    Some((connection, Duration::from_secs(seconds.into())))
}
