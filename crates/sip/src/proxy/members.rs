//! Joining, keep-alive and loss of nodes.

use model::{Owner, Timestamp};

use super::answer::Answer;
use super::branch::branch_loop_mark;
use super::exchange::{Origin, Stage, Target};
use super::nodes::{Announcement, Joined};
use super::settings::{KEEP_ALIVE, PASSES_MAX};
use super::{NodeLoss, Output, Proxy, Side, headers};
use crate::flow::{ConnectionId, Flow, Transport};
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::ServerId;

/// The branch of keep-alives. They have no transaction, since only the number of unanswered ones matters.
const KEEP_ALIVE_BRANCH: &str = "z9hG4bKkeepalive";

impl Proxy {
    pub(super) fn arrive_from_node(&mut self, message: Message, connection: ConnectionId, now: Timestamp) {
        if !message.is_request() && is_keep_alive_answer(&message) {
            let says = message.header(&headers::NODE).and_then(Announcement::parse);
            self.nodes.answered(connection, says);
            return;
        }
        if !message.is_request()
            && let Some(owner) = message.header(&headers::OWNER).and_then(|owner| owner.parse().ok())
            && self.nodes.by_connection(connection).is_some()
        {
            // This does not answer the transaction: the request still waits for its response.
            match self.layer.client_of(&message) {
                Some((client, id)) => self.hand_over(id, client, &owner, now),
                // Its request was answered and forgotten.
                None if is_to_us(&message) => self.counts.responses_stray += 1,
                None => self.pass_to_owner(message, &owner),
            }
            return self.settle(now);
        }
        if self.is_sound(&message, Flow::Stream { connection }) {
            self.receive(message, Flow::Stream { connection }, Side::Cluster, now);
        }
    }

    /// A node got a response to its request after another node had taken the call: the response goes to that one.
    fn pass_to_owner(&mut self, mut message: Message, owner: &Owner) {
        let Some(node) = self.nodes.by_owner(owner) else { return };
        let flow = Flow::Stream { connection: node.connection };
        // There is no transaction here, so only this count stops it if two nodes each consider the other one the owner.
        let passed = message.header(&headers::PASSED).map_or(0, |times| times.parse().unwrap_or(PASSES_MAX));
        if passed >= PASSES_MAX {
            self.counts.handovers_limited += 1;
            return;
        }
        message.set(&headers::PASSED, passed + 1);
        message.remove(&headers::OWNER);
        self.layer.transmit(flow, message.to_bytes());
    }

    /// Processes a node's announcement.
    pub(super) fn join(&mut self, server: ServerId, message: &Message, connection: ConnectionId, now: Timestamp) {
        let announcement = message.header(&headers::NODE).and_then(Announcement::parse);
        let token = message.header(&headers::TOKEN).unwrap_or_default();
        let accepted = announcement.filter(|a| self.authority.accepts(token, a, now));
        let full = self.nodes.len() >= self.settings.limits.nodes && self.nodes.by_connection(connection).is_none();
        let Some(announcement) = accepted.filter(|_| !full) else {
            self.counts.nodes_refused += 1;
            self.answer(server, message, &Answer::new(StatusCode::FORBIDDEN), now);
            self.outputs.push_back(Output::Close { connection });
            return;
        };
        let joined = self.nodes.join(connection, announcement.clone());
        match joined {
            Joined::Again => {}
            Joined::New => {
                self.counts.nodes_joined += 1;
                self.outputs.push_back(Output::NodeUp(announcement));
            }
            Joined::Moved { from } => {
                self.move_connection(from, connection);
                self.outputs.push_back(Output::Close { connection: from });
            }
        }
        self.keep_alive_due.get_or_insert(now + KEEP_ALIVE);
        let greeting = Answer::new(StatusCode::OK)
            .with(headers::EDGE, &self.settings.edge)
            .with(headers::SECURE_EDGE, self.settings.edge_of(Transport::Tls, self.settings.family()))
            .with(headers::PLACES, self.settings.places().join(", "))
            .with(headers::LIVE, self.nodes.list());
        // A node that has just started begins nothing by a proxy that stops.
        let greeting = if self.is_draining() { greeting.with(headers::DRAINING, 1) } else { greeting };
        self.answer(server, message, &greeting, now);
        if joined != Joined::Again {
            self.wake_waiting(now);
        }
    }

    /// A node is no longer live: its unanswered requests go elsewhere.
    pub(super) fn lose(&mut self, connection: ConnectionId, why: NodeLoss, now: Timestamp) {
        let Some(node) = self.nodes.leave(connection) else { return };
        self.counts.nodes_lost += 1;
        self.registered.forget_node(connection);
        self.moved.forget(&node.announcement.owner);
        // A node that ends as soon as it is told need not have said that it drains.
        let is_to_end = node.announcement.draining || self.is_draining();
        let why = if why == NodeLoss::Closed && is_to_end { NodeLoss::Ended } else { why };
        self.outputs.push_back(Output::NodeDown(node.announcement.owner.clone(), why));
        self.repeat_elsewhere(&node, now);
    }

    /// Moves a node to another connection.
    fn move_connection(&mut self, from: ConnectionId, to: ConnectionId) {
        self.layer.move_flow(Flow::Stream { connection: from }, Flow::Stream { connection: to });
        // It registers anew by its new connection.
        self.registered.forget_node(from);
        let held: Vec<u64> = self.exchanges.iter().map(|(id, _)| id).collect();
        for id in held {
            let Some(held) = self.exchanges.get_mut(id) else { continue };
            if held.origin == Origin::Node(from) {
                held.origin = Origin::Node(to);
            }
            if let Stage::Forwarded { target, .. } = &mut held.stage
                && *target == Target::Node(from)
            {
                *target = Target::Node(to);
            }
        }
    }

    /// Sends a keep-alive to every node; nodes with too many unanswered ones count as failed.
    pub(super) fn keep_alive(&mut self, now: Timestamp) {
        for connection in self.nodes.count_unanswered() {
            self.lose(connection, NodeLoss::Silent, now);
            self.connections.remove(&connection);
            // A node that runs again finds its connection closed, opens another and announces itself again.
            self.outputs.push_back(Output::Close { connection });
        }
        self.keep_alives = self.keep_alives % 0x7FFF_FFFE + 1;
        let live = self.nodes.list();
        let messages: Vec<(ConnectionId, Message)> =
            self.nodes.iter().map(|node| (node.connection, self.keep_alive_for(&node.announcement, &live))).collect();
        for (connection, message) in messages {
            self.layer.transmit(Flow::Stream { connection }, message.to_bytes());
        }
        self.keep_alive_due = (self.nodes.len() > 0).then(|| now + KEEP_ALIVE);
    }

    pub(super) fn keep_alive_for(&self, node: &Announcement, live: &str) -> Message {
        let (number, us) = (self.keep_alives, &self.settings.cluster);
        let to = format!("sip:{}.{}.trunkline.invalid", node.owner, node.role);
        let message = Message::request(Method::Options, &to)
            .header(&HeaderName::Via, format_args!("SIP/2.0/TCP {us};branch={KEEP_ALIVE_BRANCH}{number}"))
            .header(&HeaderName::MaxForwards, 1)
            .header(&HeaderName::From, format_args!("<sip:{us}>;tag=keepalive"))
            .header(&HeaderName::To, format_args!("<{to}>"))
            .header(&HeaderName::CallId, format_args!("keepalive@{us}"))
            .header(&HeaderName::CSeq, format_args!("{number} OPTIONS"))
            .header(&headers::LIVE, live);
        let message = if self.is_draining() { message.header(&headers::DRAINING, 1) } else { message };
        message.build()
    }
}

/// Whether a response is to a request that we have forwarded.
pub(super) fn is_to_us(response: &Message) -> bool {
    response.top_via().is_ok_and(|via| via.branch().is_some_and(|branch| branch_loop_mark(branch).is_some()))
}

fn is_keep_alive_answer(message: &Message) -> bool {
    message.top_via().is_ok_and(|via| via.branch().is_some_and(|b| b.starts_with(KEEP_ALIVE_BRANCH)))
}
