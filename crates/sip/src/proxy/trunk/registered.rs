//! Connections by which nodes have registered us with carriers. A carrier calls back by the one that we have opened: it is kept open by pings
//! (RFC 5626 §4.4.1), closed if a carrier that answers them does not any more, and the nodes are told when it has closed.
//!
//! In the clear a carrier calls back by it if it knows flows; any other one connects to our address, and the nodes are told nothing. And what
//! comes by it proves nothing: whoever answers for the carrier's name may be anybody. Its calls are known by their source, as everybody's.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;

use crate::flow::{ConnectionId, Flow};
use crate::framer::PING;
use crate::grant::{EXPIRES_MAX, granted};
use crate::header::{Contact, HeaderName};
use crate::message::Message;
use crate::method::Method;
use crate::proxy::exchange::{Exchange, Origin, Stage, Target};
use crate::proxy::{Output, Proxy, headers};
use crate::status::StatusCode;
use crate::uri::are_one_contact;

/// How often such a connection is pinged: RFC 5626 §4.4.1 wants a ping each 95 to 120 s.
const PING_EACH: Duration = Duration::from_secs(100);
/// How often it is pinged at most, whatever the carrier asks for (Flow-Timer): the answer to a ping comes before the next one.
const PING_EACH_MIN: Duration = Duration::from_secs(12);
/// How long a carrier that answers pings has for it (RFC 5626 §4.4.1).
const PONG_TIME: Duration = Duration::from_secs(10);
/// Accounts of one connection that are remembered; it is kept open for these.
const ACCOUNTS_MAX: usize = 1_024;

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
    accounts: HashMap<Box<str>, KeptAccount>,
    ping_due: Timestamp,
    /// The shortest time that an answer on it has asked for.
    ping_each: Duration,
    /// Until when the last ping may be answered.
    pong_due: Option<Timestamp>,
    /// Whether a ping was ever answered, or the carrier knows flows and so has to: many a carrier skips it.
    answers_pings: bool,
}

/// The registration of an account by a connection.
#[derive(Debug)]
struct KeptAccount {
    /// The URI of its Contact, as the registrar has it.
    contact: Box<str>,
    until: Timestamp,
}

impl RegisteredConnection {
    fn new(now: Timestamp) -> Self {
        Self {
            nodes: Vec::new(),
            accounts: HashMap::new(),
            ping_due: now + PING_EACH,
            ping_each: PING_EACH,
            pong_due: None,
            answers_pings: false,
        }
    }

    fn agree(&mut self, terms: FlowTerms, now: Timestamp) {
        if terms.ping_each < self.ping_each {
            self.ping_each = terms.ping_each;
            self.ping_due = self.ping_due.min(now + terms.ping_each);
        }
        self.answers_pings |= terms.is_flow;
    }
}

/// What a registrar says of the connection in its answer.
#[derive(Clone, Copy, Debug)]
struct FlowTerms {
    /// Whether it sends requests down this connection, and answers pings (RFC 5626 §6).
    is_flow: bool,
    ping_each: Duration,
}

impl FlowTerms {
    fn of(answer: &Message) -> Self {
        let asked = answer.flow_timer().ok().flatten().map(|seconds| Duration::from_secs(seconds.into()));
        // §4.4.1: at 80 to 100 % of that time.
        let ping_each = asked.map_or(PING_EACH, |asked| (asked * 9 / 10).clamp(PING_EACH_MIN, PING_EACH));
        Self { is_flow: answer.has_token(&HeaderName::Require, "outbound"), ping_each }
    }
}

/// What is due.
#[derive(Debug, Default)]
struct DuePings {
    pings: Vec<ConnectionId>,
    /// Connections whose last ping the carrier has not answered, as it did before.
    failed: Vec<ConnectionId>,
}

impl RegisteredConnections {
    /// An account is registered by a connection; the node is told when that closes, if there is one.
    fn note(
        &mut self,
        connection: ConnectionId,
        (node, account, kept): (Option<ConnectionId>, &str, KeptAccount),
        terms: FlowTerms,
        now: Timestamp,
    ) {
        let registered = self.by_connection.entry(connection).or_insert_with(|| RegisteredConnection::new(now));
        registered.agree(terms, now);
        if registered.accounts.len() < ACCOUNTS_MAX || registered.accounts.contains_key(account) {
            registered.accounts.insert(account.into(), kept);
        }
        if let Some(node) = node.filter(|node| !registered.nodes.contains(node)) {
            registered.nodes.push(node);
        }
        self.find_next();
    }

    /// Contacts of an account were removed: if that is among them by which it is registered by this connection, it is no more.
    fn forget_account(&mut self, connection: ConnectionId, account: &str, removed: &[Box<str>]) {
        let Some(registered) = self.by_connection.get_mut(&connection) else { return };
        registered.accounts.retain(|known, kept| **known != *account || !is_among(&kept.contact, removed));
        if registered.accounts.is_empty() {
            self.remove(connection);
        }
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

    /// A carrier has sent a message, and so is there.
    pub(in crate::proxy) fn heard(&mut self, connection: ConnectionId) {
        if let Some(registered) = self.by_connection.get_mut(&connection) {
            registered.pong_due = None;
        }
    }

    /// A carrier has answered a ping. What comes without a ping is not such an answer.
    fn ponged(&mut self, connection: ConnectionId) {
        if let Some(registered) = self.by_connection.get_mut(&connection) {
            registered.answers_pings |= registered.pong_due.take().is_some();
        }
    }

    /// When the next connection must be looked at.
    pub(in crate::proxy) const fn next(&self) -> Option<Timestamp> {
        self.next
    }

    fn take_due(&mut self, now: Timestamp) -> DuePings {
        self.by_connection.retain(|_, registered| {
            registered.accounts.retain(|_, kept| kept.until > now);
            !registered.accounts.is_empty()
        });
        let mut due = DuePings::default();
        for (connection, registered) in &mut self.by_connection {
            let is_unanswered = registered.pong_due.take_if(|due| *due <= now).is_some();
            if is_unanswered && registered.answers_pings {
                due.failed.push(*connection);
            } else if registered.ping_due <= now {
                (registered.ping_due, registered.pong_due) = (now + registered.ping_each, Some(now + PONG_TIME));
                due.pings.push(*connection);
            }
        }
        self.find_next();
        due
    }

    fn find_next(&mut self) {
        let times = |registered: &RegisteredConnection| [Some(registered.ping_due), registered.pong_due];
        self.next = self.by_connection.values().flat_map(times).flatten().min();
    }
}

impl Proxy {
    /// A carrier has answered a ping.
    pub fn handle_pong(&mut self, connection: ConnectionId) {
        self.registered.ponged(connection);
    }

    /// Notes the account under which a node is registered now, and the connection of ours by which it is, which is named to that node if calls
    /// come in by it; forgets a registration that was removed, and not because a former Contact of the account was.
    pub(in crate::proxy) fn note_registered(
        &mut self,
        answer: &mut Message,
        node: ConnectionId,
        (flow, register): (Flow, &Message),
        now: Timestamp,
    ) {
        let accepted = AcceptedRegister::of(register, answer);
        if let Some(by) = self.remote_of(Origin::Edge(flow)) {
            self.accounts.note(register, by.ip(), &accepted, now);
        }
        let Flow::Stream { connection } = flow else { return };
        if !connection.is_opened_by_us() {
            return;
        }
        let Ok(account) = register.to() else { return };
        match accepted {
            AcceptedRegister::Keeps { contact, lasts } if self.connections.contains_key(&connection) => {
                let terms = FlowTerms::of(answer);
                let is_way_in = terms.is_flow || connection.transport().is_secure();
                let told = is_way_in.then_some(node);
                let kept = KeptAccount { contact, until: now + lasts };
                self.registered.note(connection, (told, account.raw_uri(), kept), terms, now);
                if is_way_in {
                    answer.set(&headers::FLOW, connection.0);
                }
            }
            AcceptedRegister::Keeps { .. } => {}
            AcceptedRegister::Removes(removed) => {
                self.registered.forget_account(connection, account.raw_uri(), &removed);
            }
        }
    }

    /// Pings the connections that are due, and closes those that have failed.
    pub(in crate::proxy) fn ping_registered(&mut self, now: Timestamp) {
        let due = self.registered.take_due(now);
        for connection in due.pings {
            self.layer.transmit(Flow::Stream { connection }, Bytes::from_static(PING));
        }
        self.outputs.extend(due.failed.into_iter().map(|connection| Output::Close { connection }));
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

/// The REGISTER of a node that is accepted now, and the flow by which it went.
pub(in crate::proxy) fn registered_by(held: &Exchange, answer: &Message) -> Option<(Flow, Message)> {
    let is_accepted = answer.status().is_some_and(StatusCode::is_success)
        && answer.cseq().is_ok_and(|cseq| cseq.method == Method::Register)
        && matches!(held.origin, Origin::Node(_));
    let Stage::Forwarded { target: Target::Edge(flow), .. } = held.stage else { return None };
    if !is_accepted {
        return None;
    }
    Some((flow, Message::parse(held.request.clone()).ok()?))
}

/// What a registrar has done that has accepted a node's REGISTER.
#[derive(Debug)]
pub(super) enum AcceptedRegister {
    /// It keeps this Contact, for as long as it grants, else as was asked.
    Keeps {
        /// Its URI, as the registrar has it.
        contact: Box<str>,
        lasts: Duration,
    },
    /// It has removed the Contacts with these URIs.
    Removes(Vec<Box<str>>),
}

impl AcceptedRegister {
    fn of(register: &Message, answer: &Message) -> Self {
        let named = register.contacts().filter_map(Result::ok).filter_map(|contact| match contact {
            Contact::Address(address) => Some(Box::<str>::from(address.raw_uri())),
            Contact::Star => None,
        });
        let named: Vec<Box<str>> = named.collect();
        let asked = register.expires().ok().flatten();
        let first = answer.header(&headers::CONTACT).map(Box::<str>::from).or_else(|| named.first().cloned());
        let Some(contact) = first.filter(|_| asked != Some(0)) else { return Self::Removes(named) };
        let lasts = granted(answer, &contact).or_else(|| asked.map(|seconds| Duration::from_secs(seconds.into())));
        match lasts.filter(|lasts| !lasts.is_zero()) {
            Some(lasts) => Self::Keeps { contact, lasts: lasts.min(EXPIRES_MAX) },
            None => Self::Removes(vec![contact]),
        }
    }
}

/// Whether a Contact is among these.
pub(super) fn is_among(contact: &str, contacts: &[Box<str>]) -> bool {
    contacts.iter().any(|other| are_one_contact(other, contact))
}
