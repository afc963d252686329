//! Two user agents and the network between them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use model::entropy::Seeded;
use model::{Entropy, Timestamp};
use simnet::{Conditions, Network, Step};
use sip::agent::{AgentConfig, DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals, UserAgent};
use sip::{ConnectionId, Flow, Message, Method, Transmit};

/// Entropy whose state can be copied, so that a restored agent draws the same numbers as the first one.
#[derive(Clone)]
pub struct Dice(Arc<Mutex<Seeded>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Seeded::new(seed))))
    }

    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone())))
    }

    /// Continues with the numbers of `other`.
    pub fn follow(&self, other: &Self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = other.fork().into_inner();
    }

    fn into_inner(self) -> Seeded {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Entropy for Dice {
    fn next_u64(&mut self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }
}

pub const ALICE: u8 = 0;
pub const BOB: u8 = 1;

/// Whether the two use datagrams or a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    Udp,
    Stream,
}

impl Wire {
    pub fn flow_to(self, peer: u8) -> Flow {
        match self {
            Self::Udp => {
                Flow::Udp { listener: 0, remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, peer + 1)), 5060) }
            }
            Self::Stream => Flow::Stream { connection: ConnectionId(u64::from(peer)) },
        }
    }
}

pub struct Peer {
    pub agent: UserAgent,
    pub dice: Dice,
    pub config: AgentConfig,
    pub events: Vec<Event>,
    /// Every message that left, for tests that count.
    pub sent: Vec<(Timestamp, Message)>,
}

pub struct Pair {
    pub net: Network<u8, Bytes>,
    pub wire: Wire,
    pub peers: [Peer; 2],
}

impl Pair {
    pub fn new(seed: u64, wire: Wire, conditions: Conditions) -> Self {
        Self::with_configs(seed, wire, conditions, AgentConfig::default(), AgentConfig::default())
    }

    pub fn with_configs(seed: u64, wire: Wire, conditions: Conditions, alice: AgentConfig, bob: AgentConfig) -> Self {
        let peer = |config: AgentConfig, name: &str, seed| {
            let config = AgentConfig { sent_by: format!("{name}.example.com"), ..config };
            let dice = Dice::new(seed);
            let agent = UserAgent::new(config.clone(), Box::new(dice.clone()));
            Peer { agent, dice, config, events: Vec::new(), sent: Vec::new() }
        };
        let peers = [peer(alice, "alice", seed ^ 0xA11CE), peer(bob, "bob", seed ^ 0xB0B)];
        Self { net: Network::new(seed, conditions), wire, peers }
    }

    pub fn perfect(wire: Wire) -> Self {
        let conditions = if wire == Wire::Stream { Conditions::STREAM } else { Conditions::PERFECT };
        Self::new(1, wire, conditions)
    }

    pub fn now(&self) -> Timestamp {
        self.net.now()
    }

    pub fn agent(&mut self, who: u8) -> &mut UserAgent {
        &mut self.peers[usize::from(who)].agent
    }

    /// Takes the agents' messages and events.
    pub fn drain(&mut self) {
        for who in [ALICE, BOB] {
            let now = self.net.now();
            let peer = &mut self.peers[usize::from(who)];
            while let Some(event) = peer.agent.poll_event() {
                peer.events.push(event);
            }
            while let Some(Transmit { bytes, .. }) = peer.agent.poll_transmit() {
                peer.sent.push((now, Message::parse(bytes.clone()).expect("we send what we can read")));
                self.net.send(who, 1 - who, bytes);
            }
        }
    }

    /// One event of the network or the clock; false when nothing is left.
    pub fn step(&mut self, until: Timestamp) -> bool {
        self.drain();
        let due = self.peers.iter().filter_map(|p| p.agent.next_timeout()).min().map_or(until, |due| due.min(until));
        match self.net.step(Some(due)) {
            Step::Arrived(packet) => {
                let now = self.net.now();
                let flow = self.wire.flow_to(packet.from);
                if let Ok(message) = Message::parse(packet.payload) {
                    self.agent(packet.to).receive(message, flow, now);
                }
            }
            Step::Due(now) => {
                for peer in &mut self.peers {
                    peer.agent.handle_timeout(now);
                }
            }
            Step::Idle => return false,
        }
        self.drain();
        self.net.now() < until
    }

    /// Lets this much time pass.
    pub fn run(&mut self, duration: Duration) {
        let until = self.now() + duration;
        while self.step(until) {}
    }

    pub fn events(&self, who: u8) -> &[Event] {
        &self.peers[usize::from(who)].events
    }

    /// The number of messages sent by `who` that `wanted` selects.
    pub fn count(&self, who: u8, wanted: impl Fn(&Message) -> bool) -> usize {
        self.peers[usize::from(who)].sent.iter().filter(|(_, m)| wanted(m)).count()
    }

    pub fn requests(&self, who: u8, method: Method) -> usize {
        self.count(who, |m| m.is_request() && m.method() == method)
    }

    pub fn responses(&self, who: u8, status: u16) -> usize {
        self.count(who, |m| m.status().is_some_and(|s| s.code() == status))
    }

    /// Alice calls.
    pub fn invite(&mut self, offer: Option<&'static str>, provisionals: Provisionals) -> DialogId {
        let (now, invite) = (self.now(), invite(self.wire, offer, provisionals));
        self.agent(ALICE).invite(invite, now).expect("a fresh agent has room")
    }

    /// Bob's incoming call.
    pub fn incoming(&self) -> DialogId {
        let incoming = self.events(BOB).iter().find_map(|event| match event {
            Event::Incoming { dialog, .. } => Some(*dialog),
            _ => None,
        });
        incoming.expect("Bob was called")
    }

    /// A confirmed call; returns Alice's handle and Bob's.
    pub fn call(&mut self) -> (DialogId, DialogId) {
        let alice = self.invite(Some("offer"), Provisionals::Plain);
        self.run(Duration::from_millis(100));
        let bob = self.incoming();
        let now = self.now();
        self.agent(BOB).identify(bob, bob_identity()).expect("identified once");
        self.agent(BOB).answer(bob, sip::agent::Reply::session("answer"), now).expect("answered once");
        self.run(Duration::from_millis(100));
        (alice, bob)
    }
}

pub fn invite(wire: Wire, offer: Option<&'static str>, provisionals: Provisionals) -> Invite {
    Invite {
        flow: wire.flow_to(BOB),
        target: "sip:15550100@bob.example.com".into(),
        from: "\"Alice\" <sip:alice@example.com>".into(),
        to: "<sip:15550100@example.com>".into(),
        call_id: "call-1@alice.example.com".into(),
        local: LocalIdentity { tag: "alice-tag".into(), contact: "<sip:alice-tag@alice.example.com>".into() },
        routes: Vec::new(),
        headers: Vec::new(),
        offer: offer.map(|o| Bytes::from_static(o.as_bytes())),
        max_forwards: sip::dialog::MAX_FORWARDS,
        parts: Vec::new(),
        provisionals,
        account: None,
        terms: DialogTerms::default(),
    }
}

pub fn bob_identity() -> LocalIdentity {
    LocalIdentity { tag: "bob-tag".into(), contact: "<sip:bob-tag@bob.example.com>".into() }
}
