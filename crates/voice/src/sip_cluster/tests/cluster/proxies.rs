//! A proxy, with the work of its shell.

use std::net::SocketAddr;
use std::time::Duration;

use model::entropy::Seeded;
use model::{Owner, Timestamp};
use sip::proxy::{
    Announcement, Credentials, InboundPassword, Limits, Network, NodeAuthority, Output, Proxy, Settings, Side, Trunk,
    headers,
};
use sip::{ConnectionId, Flow, HeaderName, Message, Method, Transmit};

use super::super::bench::{seal, tenant};
use super::world::{Action, Addr, Payload, World};

/// The edges of the proxies.
pub const EDGES: [&str; 2] = ["192.0.2.1:5060", "192.0.2.2:5060"];
/// The carrier's address.
pub const CARRIER: &str = "198.51.100.10:5060";
const TOKEN: &str = "a-token";

pub struct SimProxy {
    pub core: Proxy,
    /// It is down; its next run is ready, and gets nothing yet.
    pub is_down: bool,
    lives: u64,
}

struct Authority;

impl NodeAuthority for Authority {
    fn accepts(&self, token: &str, _: &Announcement, _: Timestamp) -> bool {
        token == TOKEN
    }
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// The flow to a proxy's edge, as its peers see it.
pub fn edge_flow(proxy: usize) -> Flow {
    Flow::Udp { listener: 0, remote: addr(EDGES[proxy]) }
}

/// The address of a phone.
pub fn phone_address(at: usize) -> String {
    format!("203.0.113.{}:5060", 10 + at)
}

impl SimProxy {
    pub fn new(at: usize, seed: u64) -> Self {
        Self { core: core_of(at, seed, 0), is_down: false, lives: 0 }
    }
}

fn core_of(at: usize, seed: u64, life: u64) -> Proxy {
    let settings = Settings {
        edge: EDGES[at].to_owned(),
        udp_listeners: vec![addr(EDGES[at])],
        other_edges: vec![],
        aliases: Vec::new(),
        cluster: format!("127.0.1.{}:5080", at + 1),
        static_route: None,
        algorithms: Vec::new(),
        limits: Limits::default(),
    };
    let entropy = Box::new(Seeded::new(seed ^ (0xA11C_E000 + at as u64) ^ life << 56));
    let mut core = Proxy::new(settings, seal(), Box::new(Authority), entropy);
    core.set_trunks(
        vec![Trunk {
            asked: None,
            user: None,
            tenant: tenant(),
            name: "carrier".to_owned(),
            allow: vec![Network::parse("198.51.100.0/24").expect("a network")],
            certificate_names: Vec::new(),
            registrar: None,
            inbound: InboundPassword::NotAsked,
        }],
        Timestamp::from_millis(0),
    );
    core
}

/// The first message of a node.
pub fn announcement(role: &str, owner: &Owner, connection: ConnectionId) -> Message {
    let id = format!("hello-{}", connection.0);
    Message::request(Method::Options, "sip:sip-proxy.trunkline.invalid")
        .header(&HeaderName::Via, format_args!("SIP/2.0/TCP 127.0.2.1;branch=z9hG4bK{id}"))
        .header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::From, format_args!("<sip:{}@trunkline.invalid>;tag=1", owner.node))
        .header(&HeaderName::To, "<sip:sip-proxy.trunkline.invalid>")
        .header(&HeaderName::CallId, &id)
        .header(&HeaderName::CSeq, "1 OPTIONS")
        .header(&headers::TOKEN, TOKEN)
        .header(&headers::NODE, format_args!("{role};node={};epoch={}", owner.node, owner.epoch.0))
        .build()
}

/// The answer to a proxy's keep-alive, if the message is one.
pub fn keep_alive_answer(role: &str, owner: &Owner, message: &Message) -> Option<Message> {
    if !message.is_request() || message.method() != Method::Options || message.header(&headers::LIVE).is_none() {
        return None;
    }
    let says = format!("{role};node={};epoch={}", owner.node, owner.epoch.0);
    Some(Message::response_to(message, sip::StatusCode::OK).header(&headers::NODE, says).to_tag("node").build())
}

// === its runs ===

impl World {
    /// A proxy fails with its state of requests: its connections break, and nothing listens at its edge.
    pub fn kill_proxy(&mut self, at: usize, back: Duration) {
        let now = self.now();
        self.seen.proxy_kills += 1;
        self.say(|| format!("*** proxy {at} is killed"));
        self.absences.proxy_goes(at, now);
        self.callers_lose(at);
        self.phones_lose(at);
        let lost = self.percent(50);
        let nodes = self.nodes.iter().enumerate().map(|(node, it)| (Addr::Node(node), it.connection(at)));
        let all = nodes.chain([(Addr::Media, self.media.connection(at))]);
        let all: Vec<(Addr, ConnectionId)> = all.filter_map(|(peer, connection)| Some((peer, connection?))).collect();
        for (peer, connection) in all {
            if lost {
                self.links.lose(connection);
            }
            self.links.close(connection);
            self.send(Addr::Proxy(at), peer, Payload::Close(connection));
        }
        let SimProxy { core, is_down, lives } = &mut self.proxies[at];
        (*lives, *is_down) = (*lives + 1, true);
        *core = core_of(at, self.seed, *lives);
        self.after(back, Action::StartProxy(at));
    }

    pub fn start_proxy(&mut self, at: usize) {
        self.say(|| format!("*** proxy {at} begins"));
        self.proxies[at].is_down = false;
    }
}

impl World {
    pub fn proxy_receives(&mut self, at: usize, from: Addr, payload: Payload) {
        let now = self.now();
        let SimProxy { core, is_down, .. } = &mut self.proxies[at];
        if *is_down {
            return;
        }
        match payload {
            Payload::Datagram(message) => {
                let remote = match from {
                    Addr::Phone(phone) => {
                        self.rules.phone_is_heard(&message);
                        addr(&phone_address(phone))
                    }
                    _ => addr(CARRIER),
                };
                core.handle_datagram(0, remote, message.to_bytes(), now);
            }
            Payload::Raw(bytes) => {
                if let Addr::Hostile(hostile) = from {
                    core.handle_datagram(0, Self::hostile_address(hostile), bytes, now);
                }
            }
            Payload::Open(connection) => core.handle_opened(connection, addr("127.0.2.1:40000"), Side::Cluster),
            Payload::Stream(connection, message) => core.handle_message(connection, message, now),
            Payload::Close(connection) => {
                core.handle_closed(connection, now);
                self.links.close(connection);
            }
        }
        self.drain_proxy(at);
    }

    pub fn drain_proxy(&mut self, at: usize) {
        let now = self.now();
        while let Some(output) = self.proxies[at].core.poll_output() {
            match output {
                Output::Transmit(transmit) => self.proxy_sends(at, transmit),
                Output::NeedCredentials { lookup, .. } => {
                    self.proxies[at].core.handle_credentials(lookup, Credentials::Unknown { realm: None }, now);
                }
                Output::Close { connection } => {
                    self.links.close(connection);
                    if let Some(node) = self.whose(at, connection) {
                        self.send(Addr::Proxy(at), node, Payload::Close(connection));
                    }
                }
                Output::NodeDown(owner, why) => self.say(|| format!("proxy {at}: {owner} is gone ({why:?})")),
                Output::NodeUp(node) => {
                    self.say(|| format!("proxy {at}: {} is live", node.owner));
                    let has = |role: &str| self.proxies[at].core.live().any(|live| *live.role == *role);
                    if has(super::nodes::ROLE) && has(super::media::ROLE) {
                        self.absences.proxy_is_back(at, now);
                    }
                }
                // Nothing listens there.
                Output::Connect { connection, .. } if !self.hostiles.is_empty() => {
                    self.proxies[at].core.handle_closed(connection, now);
                }
                Output::Connect { .. } => self.rules.break_rule("nobody is connected to", String::new()),
                // No name leads anywhere.
                Output::NeedHops { lookup, .. } => self.proxies[at].core.handle_hops(lookup, None, now),
                Output::Attempted { .. }
                | Output::WrongPassword { .. }
                | Output::WrongTrunkPassword { .. }
                | Output::TrunkUnproved { .. }
                | Output::UnknownSource { .. }
                | Output::CallContested { .. }
                | Output::TrunkProved { .. }
                | Output::Proved { .. }
                | Output::Carrier { .. } => {}
            }
        }
    }

    fn proxy_sends(&mut self, at: usize, transmit: Transmit) {
        if let Flow::Udp { remote, .. } = transmit.flow
            && self.goes_to_strangers(at, remote, &transmit.bytes)
        {
            return;
        }
        let message = Message::parse(transmit.bytes).expect("a proxy speaks SIP");
        match transmit.flow {
            Flow::Udp { remote, .. } => {
                let phone = (0..self.phones.len()).find(|phone| addr(&phone_address(*phone)) == remote);
                let to = match phone {
                    Some(phone) => Addr::Phone(phone),
                    None if remote == addr(CARRIER) => Addr::Carrier,
                    None => {
                        let text = format!("proxy {at} to {remote}: {}", super::outcome::in_short(&message));
                        return self.rules.break_rule("a request leaves by the proxy that has its flow", text);
                    }
                };
                self.send(Addr::Proxy(at), to, Payload::Datagram(message));
            }
            Flow::Stream { connection } => {
                if let Some(node) = self.whose(at, connection) {
                    self.send(Addr::Proxy(at), node, Payload::Stream(connection, message));
                }
            }
        }
    }

    /// The peer of a connection.
    fn whose(&self, proxy: usize, connection: ConnectionId) -> Option<Addr> {
        if self.media.connection(proxy) == Some(connection) {
            return Some(Addr::Media);
        }
        let at = self.nodes.iter().position(|node| node.connection(proxy) == Some(connection))?;
        Some(Addr::Node(at))
    }
}
