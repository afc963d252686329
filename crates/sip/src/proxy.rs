//! The proxy core: stateful and record-routing (RFC 3261 §16), with nodes that come and go behind it.
//!
//! It has two sides. At the *edge* are phones and carriers, which must prove every claim. At the *cluster* are nodes,
//! which have connected and identified themselves; the proxy sends on their connections and opens none itself. One
//! [`Proxy`] is owned by one loop. It processes everything in order of arrival and so keeps the order within every
//! dialog.
//!
//! Drive loop: `handle_*(input, now)`, then [`Proxy::poll_output`] until it is `None`, then wait until
//! [`Proxy::next_timeout`] or the next input. Timers: [`settings::KEEP_ALIVE`], [`settings::SUCCESSOR_WAIT`],
//! [`settings::TIMER_C`] and those of [`crate::transaction`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use model::{Entropy, Timestamp};

use crate::digest::{NonceSource, NonceUses};
use crate::flow::{ConnectionId, Flow};
use crate::message::Message;
use crate::message::ParseError;
use crate::next_hop::Hop;
use crate::seal::{Purpose, Seal};
use crate::transaction::{Arena, Intervals, Received, TimerQueue, TransactionEvent, TransactionLayer};
use crate::unreached::Unreached;

mod admission;
mod allowance;
mod answer;
mod arrival;
mod attempt;
mod branch;
mod connections;
mod counts;
mod digest_uri;
mod emergency;
mod exchange;
mod flow_token;
mod forward;
mod gateways;
mod generations;
pub mod headers;
mod hops;
mod inbound_password;
mod left_behind;
mod lockout;
mod lookups;
mod members;
mod moved;
mod nodes;
mod output;
pub mod overload;
mod own_routes;
mod recent;
mod record_route;
mod rendezvous;
mod request;
mod response;
mod return_path;
pub mod settings;
mod sips;
pub mod sources;
mod target;
#[cfg(test)]
mod tests;
mod tries;
mod trunk;
mod waiting;

pub use attempt::{Attempt, AttemptCaller};
pub use counts::Counts;
pub use nodes::Announcement;
pub use output::{NodeLoss, Output};
pub use overload::TurnLoad;
pub use own_routes::family_of_path;
pub use rendezvous::{holder, successor};
pub use settings::{
    Credentials, Hashes, InboundAccount, InboundPassword, Limits, Network, OtherEdge, Phone, Settings, Trunk,
};
pub use trunk::account::Contest;
pub use trunk::sender::{Lacking, Trunks};

use allowance::Allowance;
use connections::{Certified, Peer, PeerKey};
use exchange::{Exchange, Origin};
use flow_token::PhoneMark;
use gateways::HeardGateways;
use generations::Generations;
use hops::Shunned;
use lockout::Lockout;
use lookups::WaitingForCredentials;
use moved::ReportedOwners;
use nodes::Nodes;
use overload::Overload;
use sources::{RateVerdict, Sources};
use trunk::carriers::{self, Carriers};
use trunk::contest::NumbersOfTenants;
use trunk::registered::RegisteredConnections;
use trunk::registered_accounts::RegisteredAccounts;

/// Decides whether a peer on the nodes' port is a node.
pub trait NodeAuthority: Send {
    /// Whether `token` entitles its bearer to send `announcement`.
    fn accepts(&self, token: &str, announcement: &Announcement, now: Timestamp) -> bool;
}

/// The side on which a connection was accepted or opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Phones and carriers.
    Edge,
    /// Nodes.
    Cluster,
}

/// The proxy.
pub struct Proxy {
    settings: Settings,
    // Host and port of every address that is ours.
    us: Vec<(Box<str>, u16)>,
    seal: Seal,
    nonces: NonceSource,
    nonce_uses: NonceUses,
    lockout: Lockout,
    authority: Box<dyn NodeAuthority>,
    entropy: Box<dyn Entropy>,
    layer: TransactionLayer,
    exchanges: Arena<Exchange>,
    timers: TimerQueue<u64>,
    connections: HashMap<ConnectionId, Peer>,
    /// The connections of the edge by their peers, but for those over TLS that the peer has opened.
    by_peer: HashMap<PeerKey, ConnectionId>,
    /// The certificates of peers that have connected to us over TLS.
    certified: HashMap<ConnectionId, Certified>,
    /// The names that peers to which we have connected over TLS prove.
    proved_names: HashMap<ConnectionId, Box<str>>,
    nodes: Nodes,
    moved: ReportedOwners,
    gateways: HeardGateways,
    /// The node that has the call in which a phone, by its flow and name, has last changed its session.
    near: Generations<u64, Option<ConnectionId>>,
    sources: Sources,
    allowance: Allowance,
    overload: Overload,
    trunks: Arc<Trunks>,
    /// Those with certificates, by the numbers of their marks.
    trunks_by_mark: HashMap<u64, Arc<Trunk>>,
    /// What phones dial for help, of all tenants.
    emergency_numbers: HashSet<Box<str>>,
    numbers: NumbersOfTenants,
    /// When the next sender that is refused for what it lacks may be reported.
    lacking_told: Timestamp,
    /// When the next sender that nobody knows may be reported.
    unknown_told: Timestamp,
    /// When the next call that may be for several tenants may be reported.
    contest_told: Timestamp,
    waiting_for_credentials: WaitingForCredentials,
    /// Requests that wait for the name of the place that they go to.
    resolving: usize,
    shunned: Shunned,
    carriers: Carriers,
    registered: RegisteredConnections,
    accounts: RegisteredAccounts,
    /// Requests that wait for their owner's restart, in order of arrival.
    waiting: VecDeque<u64>,
    /// The connection that could not be opened, while those are told who wait for it.
    unopened: Option<(ConnectionId, Unreached)>,
    keep_alive_due: Option<Timestamp>,
    keep_alives: u32,
    opened: u64,
    // When new calls began to be refused.
    draining: Option<Timestamp>,
    outputs: VecDeque<Output>,
    counts: Counts,
}

// === impl Proxy: lifecycle ===

impl Proxy {
    /// A proxy without nodes, trunks and connections.
    pub fn new(
        settings: Settings,
        seal: Seal,
        authority: Box<dyn NodeAuthority>,
        mut entropy: Box<dyn Entropy>,
    ) -> Self {
        let listeners = settings.udp_listeners.iter().map(ToString::to_string);
        let names = listeners
            .chain(settings.aliases.iter().cloned())
            .chain([settings.edge.clone()])
            .chain(settings.other_edges.iter().map(|edge| edge.address.clone()));
        let us = names.filter_map(|name| own_routes::host_and_port(&name)).collect();
        let sources = Sources::new(settings.limits);
        let lockout = Lockout::new(&settings.limits);
        let nonces = NonceSource::new(nonce_key(&seal), entropy.next_u64(), settings::NONCE_LIFETIME);
        let opened = entropy.next_u64() >> (u64::BITS + 1 - ConnectionId::COUNT_BITS);
        Self {
            settings,
            us,
            seal,
            nonces,
            nonce_uses: NonceUses::new(settings::NONCE_LIFETIME),
            lockout,
            authority,
            entropy,
            layer: TransactionLayer::new(Intervals::default()),
            exchanges: Arena::new(TransactionLayer::TRANSACTIONS_MAX),
            timers: TimerQueue::new(),
            connections: HashMap::new(),
            by_peer: HashMap::new(),
            certified: HashMap::new(),
            proved_names: HashMap::new(),
            nodes: Nodes::default(),
            moved: ReportedOwners::default(),
            gateways: HeardGateways::default(),
            near: Generations::new(settings::PHONES_MAX),
            sources,
            allowance: Allowance::new(),
            overload: Overload::default(),
            trunks: Arc::default(),
            trunks_by_mark: HashMap::new(),
            emergency_numbers: HashSet::new(),
            numbers: NumbersOfTenants::default(),
            lacking_told: Timestamp::from_millis(0),
            unknown_told: Timestamp::from_millis(0),
            contest_told: Timestamp::from_millis(0),
            waiting_for_credentials: WaitingForCredentials::default(),
            resolving: 0,
            shunned: Shunned::default(),
            carriers: Carriers::default(),
            registered: RegisteredConnections::default(),
            accounts: RegisteredAccounts::default(),
            waiting: VecDeque::new(),
            unopened: None,
            keep_alive_due: None,
            keep_alives: 0,
            // Not from 1: numbers of a previous run remain in the routes of phones and carriers.
            opened,
            draining: None,
            outputs: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Replaces the trunks. A sender is the trunk that its certificate names; without such, the one with the narrowest network that
    /// contains its address.
    pub fn set_trunks(&mut self, trunks: impl IntoIterator<Item = impl Into<Arc<Trunk>>>, now: Timestamp) {
        self.share_trunks(Arc::new(trunks.into_iter().collect()), now);
    }

    /// As [`Self::set_trunks`], with those that others use too.
    pub fn share_trunks(&mut self, trunks: Arc<Trunks>, now: Timestamp) {
        if Arc::ptr_eq(&trunks, &self.trunks) {
            return;
        }
        self.carriers.set(carriers::asked_in_turn(trunks.all()), now);
        let certified = trunks.all().iter().filter(|trunk| !trunk.certificate_names.is_empty());
        let mark = |trunk: &Trunk| PhoneMark::of_trunk(&trunk.tenant, &trunk.name, &self.seal).number();
        self.trunks_by_mark = certified.map(|trunk| (mark(trunk), trunk.clone())).collect();
        self.trunks = trunks;
    }

    /// From now on every initial request from the edge is refused with 503; existing requests and dialogs go on.
    pub fn drain(&mut self, now: Timestamp) {
        self.draining.get_or_insert(now);
        self.carriers.stop();
    }

    /// Whether initial requests are refused because the proxy drains.
    pub const fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    /// Whether a draining proxy is no longer needed: no request waits, and no draining node still has calls to end
    /// through it. A draining node closes its connection after its last call. If nodes are live and none of them has
    /// begun to drain after [`settings::DRAIN_ALONE_AFTER`], only the proxy is being restarted: the nodes keep their
    /// calls until it is back.
    pub fn has_drained(&self, now: Timestamp) -> bool {
        let Some(since) = self.draining else { return false };
        let alone = now.since(since) >= settings::DRAIN_ALONE_AFTER && !self.live().any(|n| n.draining);
        self.is_idle() && (self.nodes.len() == 0 || alone)
    }

    /// Whether calls of trunks are routed to a fixed address instead of nodes.
    pub const fn has_static_route(&self) -> bool {
        self.settings.static_route.is_some()
    }

    /// Whether no request waits for a final response.
    pub fn is_idle(&self) -> bool {
        use exchange::Stage::{Answered, Asked, Locating};
        let is_over = |held: &Exchange| matches!(held.stage, Answered { .. } | Asked { .. } | Locating { .. });
        self.exchanges.iter().all(|(_, held)| is_over(held) || self.is_forsaken(held))
    }

    /// Whether it is the REGISTER of a node that is gone: that has given the carrier its time, and nobody is left to be told.
    fn is_forsaken(&self, held: &Exchange) -> bool {
        let is_gone = |node: ConnectionId| !self.connections.contains_key(&node);
        held.request.starts_with(b"REGISTER ") && matches!(held.origin, Origin::Node(node) if is_gone(node))
    }

    /// The counters.
    pub const fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The nodes that are live.
    pub fn live(&self) -> impl Iterator<Item = &Announcement> {
        self.nodes.iter().map(|n| &n.announcement)
    }

    /// The number of carriers' addresses that do not answer.
    pub fn carriers_down(&self) -> usize {
        self.carriers.down()
    }

    /// The number of held requests and of remembered sources.
    pub fn sizes(&self) -> (usize, usize) {
        (self.exchanges.len(), self.sources.len())
    }
}

// === impl Proxy: inputs ===

impl Proxy {
    /// Reports what a turn of the loop, which ends now, had to do. This decides whether initial requests are refused ([`overload`]).
    pub fn note_turn(&mut self, turn: TurnLoad, now: Timestamp) {
        self.counts.overloads_begun += u64::from(self.overload.observe(turn, now));
    }

    /// Whether initial requests are refused because of overload.
    pub const fn is_overloaded(&self) -> bool {
        self.overload.refuses()
    }

    /// Processes a datagram from a UDP listener of the edge.
    pub fn handle_datagram(&mut self, listener: u16, remote: SocketAddr, bytes: Bytes, now: Timestamp) {
        let flow = Flow::Udp { listener, remote };
        let admission = self.admit(flow, remote.ip(), now);
        if admission == RateVerdict::Dropped && !allowance::may_be_known(&bytes) {
            self.counts.rate_dropped += 1;
            return;
        }
        match Message::parse(bytes) {
            Ok(message) => self.arrive_within_rate(message, flow, remote, admission, now),
            Err(_) if admission == RateVerdict::Dropped => self.counts.rate_dropped += 1,
            Err(error) => self.malformed(&error, flow),
        }
        self.settle(now);
    }

    /// Processes a datagram of a gateway of ours, which says whose message it passes on ([`headers::CLIENT`]): that one's rate, nonces and
    /// wrong passwords count.
    pub fn handle_passed_on(&mut self, gateway: SocketAddr, bytes: Bytes, now: Timestamp) {
        self.gateways.note(gateway, now);
        let flow = Flow::Udp { listener: Flow::GATEWAYS, remote: gateway };
        match Message::parse(bytes) {
            Ok(message) => {
                let client = message.header(&headers::CLIENT).and_then(|address| address.parse().ok());
                let client = SocketAddr::new(client.unwrap_or(gateway.ip()), gateway.port());
                let admission = self.admit(flow, client.ip(), now);
                self.arrive_within_rate(message, flow, client, admission, now);
            }
            Err(error) => self.malformed(&error, flow),
        }
        self.settle(now);
    }

    /// Processes a message from a connection.
    pub fn handle_message(&mut self, connection: ConnectionId, message: Message, now: Timestamp) {
        let Some(peer) = self.connections.get(&connection).copied() else { return };
        match peer.side {
            Side::Cluster => self.arrive_from_node(message, connection, now),
            Side::Edge => {
                self.forget_expired(connection, now);
                self.registered.heard(connection);
                let admission = self.admit(Flow::Stream { connection }, peer.remote.ip(), now);
                self.arrive_within_rate(message, Flow::Stream { connection }, peer.remote, admission, now);
            }
        }
        self.settle(now);
    }

    /// Processes malformed input of a connection. If its end is known, the connection goes on.
    pub fn handle_malformed(&mut self, connection: ConnectionId, error: &ParseError, now: Timestamp) {
        let Some(peer) = self.connections.get(&connection).copied() else { return };
        if peer.side == Side::Edge
            && self.admit(Flow::Stream { connection }, peer.remote.ip(), now) == RateVerdict::Dropped
        {
            self.counts.rate_dropped += 1;
            return;
        }
        self.malformed(error, Flow::Stream { connection });
        self.settle(now);
    }

    /// The answer to [`Output::NeedCredentials`].
    pub fn handle_credentials(&mut self, lookup: u64, credentials: Credentials, now: Timestamp) {
        self.resume(lookup, credentials, now);
        self.settle(now);
    }

    /// The answer to [`Output::NeedHops`]: the places to try, best first; `None` if nobody knows.
    pub fn handle_hops(&mut self, lookup: u64, hops: Option<Vec<Hop>>, now: Timestamp) {
        match self.exchanges.get(lookup).map(|held| &held.stage) {
            Some(exchange::Stage::Locating { .. }) => self.located(lookup, hops, now),
            _ => self.resolved(lookup, hops, now),
        }
        self.settle(now);
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.layer.handle_timeout(now);
        self.settle(now);
        if self.carriers.next().is_some_and(|due| due <= now) {
            self.ask_carriers(now);
        }
        if self.registered.next().is_some_and(|due| due <= now) {
            self.ping_registered(now);
        }
        if self.keep_alive_due.is_some_and(|due| due <= now) {
            self.keep_alive(now);
        }
        for _ in 0..settings::TIMERS_PER_TURN {
            let Some((due, id)) = self.timers.pop_due(now) else { break };
            self.expire(id, due, now);
        }
        self.settle(now);
        self.counts.turns_cut += u64::from(self.next_timeout().is_some_and(|due| due <= now));
    }

    /// When to call [`Self::handle_timeout`] next; there may be nothing to do then. Not later than now if a turn was
    /// cut short.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let own = [self.keep_alive_due, self.carriers.next(), self.registered.next()];
        own.into_iter().chain([self.layer.next_timeout(), self.timers.next()]).flatten().min()
    }

    /// The next action.
    pub fn poll_output(&mut self) -> Option<Output> {
        // Before the messages for it: sent to a connection not yet opened, they would be lost.
        if matches!(self.outputs.front(), Some(Output::Connect { .. })) {
            return self.outputs.pop_front();
        }
        while let Some(transmit) = self.layer.poll_transmit() {
            match transmit.flow {
                // A transaction's repeat for a closed connection.
                Flow::Stream { connection } if !self.connections.contains_key(&connection) => {}
                _ => return Some(Output::Transmit(transmit)),
            }
        }
        self.outputs.pop_front()
    }

    fn settle(&mut self, now: Timestamp) {
        while let Some(event) = self.layer.poll_event() {
            match event {
                TransactionEvent::ClientTimeout { client, owner } => {
                    self.client_failed(owner, (client, Failure::Timeout), now);
                }
                TransactionEvent::ClientFlowFailed { client, owner } => {
                    self.client_failed(owner, (client, Failure::Flow), now);
                }
                TransactionEvent::ClientEnded { client, owner } => self.client_ended(owner, client, now),
                TransactionEvent::ServerTimeout { server, owner } | TransactionEvent::ServerEnded { server, owner } => {
                    self.server_ended(owner, server);
                }
            }
        }
    }

    /// Passes a message to the transaction layer and handles what is new.
    fn receive(&mut self, message: Message, flow: Flow, side: Side, now: Timestamp) {
        match self.layer.receive_sound(message, flow, now) {
            Received::Absorbed => {}
            Received::Request(new) => self.request(new, side, now),
            Received::Ack { message, flow } => self.ack(message, flow, side, now),
            Received::Response { client, owner, message, flow } => self.response(client, owner, message, flow, now),
            Received::Stray(message) => self.stray_response(message, flow, now),
        }
    }
}

/// Why a client transaction has no final response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    Timeout,
    Flow,
}

/// A key for nonces, derived from the installation's key.
fn nonce_key(seal: &Seal) -> [u8; 32] {
    let mut key = [0; 32];
    for (i, part) in key.chunks_exact_mut(crate::seal::SEAL_BYTES).enumerate() {
        part.copy_from_slice(&seal.sign(Purpose::Nonce, &i.to_be_bytes()));
    }
    key
}
