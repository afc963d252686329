//! All participants, the network between them, and the agenda.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use infra::conformance::SetClock;
use infra::{Clock as _, Stores};
use model::entropy::Seeded;
use model::{ConnId, Entropy as _, Timestamp};
use simnet::{Network, Packet, Step};
use sip::agent::DialogId;
use sip::{ConnectionId, Message};

use super::absences::Absences;
use super::audio::Audio;
use super::carrier::Carrier;
use super::desk::{Ask, Desk};
use super::hostiles::{Hostile, Meter};
use super::invariants::Rules;
use super::ledger::Way;
use super::links::Links;
use super::media::Media;
use super::nodes::{InboxMessage, SimNode};
use super::orders::Given;
use super::outcome::{Outcome, Seen, in_short};
use super::phones::Phone;
use super::plan::{Fault, Script};
use super::programs::{Heard, Programs};
use super::proxies::SimProxy;
use crate::sip_cluster::node::lookup::Lookup;
use crate::test_stores::set_clock;

/// A sender or receiver.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Addr {
    Proxy(usize),
    Node(usize),
    Media,
    Carrier,
    Phone(usize),
    Hostile(usize),
}

/// A packet between two of them.
#[derive(Clone, Debug)]
pub enum Payload {
    Datagram(Message),
    /// Any bytes, a message or not.
    Raw(bytes::Bytes),
    Stream(ConnectionId, Message),
    Open(ConnectionId),
    Close(ConnectionId),
}

/// An event at a time of its own.
#[derive(Clone, Debug)]
pub enum Action {
    Dial(usize),
    GiveUp(usize),
    HangUp(usize),
    CallerHolds(usize, bool),
    PhoneRings(usize, DialogId),
    PhoneAnswers(usize, DialogId),
    PhoneRefuses(usize, DialogId),
    PhoneRangLong(usize, DialogId),
    PhoneHangsUp(usize, DialogId),
    PhoneHolds(usize, DialogId, bool),
    Heard(Addr, ConnId),
    /// Listens to a call; since that time, a party that should be heard is not.
    Listen(usize, Timestamp),
    StartMedia,
    ConnectMedia(u64, usize),
    MediaFaultNow(u64),
    MendMedia,
    CallData(u64, DialogId),
    StartProxy(usize),
    Renew(usize, u64),
    InboxMessage(usize, u64, Box<InboxMessage>),
    Find(usize, u64, Box<Lookup>, Timestamp),
    Inherit(usize, u64, Vec<model::Owner>),
    Give(usize, u64, Given),
    Connect(usize, u64, usize),
    Start(usize),
    Thaw(usize, u64),
    MendWay(usize),
    KnowsItsCalls(usize, u64, Vec<ConnId>),
    IsLate(usize, ConnId),
    Fault(Fault),
    /// The moment that a fault waits for did not come.
    FaultNow(usize, u64),
    Unstall(usize, usize),
    Instruct(ConnId),
    Ask(Box<Ask>),
    AskTimedOut(u64),
    Fact(Box<Heard>),
    Program(ConnId),
    SharedHangUp,
    EverybodyHangsUp,
    HostilesFallSilent,
    JudgeCalls,
    Judge {
        last: bool,
    },
}

/// All participants.
pub struct World {
    pub seed: u64,
    pub net: Network<Addr, Payload>,
    pub clock: Arc<SetClock>,
    pub stores: Stores,
    pub chance: Seeded,
    pub agenda: BTreeMap<(Timestamp, u64), Action>,
    noted: u64,
    pub links: Links,
    pub proxies: Vec<SimProxy>,
    pub nodes: Vec<SimNode>,
    pub media: Media,
    pub audio: Audio,
    pub absences: Absences,
    pub carrier: Carrier,
    pub phones: Vec<Phone>,
    pub hostiles: Vec<Hostile>,
    /// Whether it is judged once more after Timer C what a proxy holds.
    pub waits_for_timer_c: bool,
    pub desk: Desk,
    pub programs: Programs,
    pub rules: Rules,
    pub meter: Meter,
    pub scripts: Vec<Script>,
    pub seen: Seen,
    pub loud: bool,
    digest: u64,
    began: Timestamp,
    over: bool,
}

/// More steps than any seed needs.
const STEPS_MAX: u64 = 400_000;

impl World {
    /// Whether the audio of this seed's parties may go directly.
    pub const fn goes_directly(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    pub fn new(seed: u64, loud: bool) -> Self {
        let mut chance = Seeded::new(seed.wrapping_mul(0x9E37_79B9).wrapping_add(7));
        let net = Network::new(chance.next_u64(), super::plan::edge_conditions(&mut chance));
        let clock = set_clock();
        clock.advance(net.now().since(clock.now()));
        let stores = crate::test_stores::stores(clock.clone());
        let phones = super::phones::DIRECT + 1 + chance.below(4) as usize;
        let mut world = Self {
            seed,
            began: net.now(),
            net,
            clock,
            nodes: (0..2).map(|at| SimNode::new(at, Way::new(stores.clone()))).collect(),
            stores,
            agenda: BTreeMap::new(),
            noted: 0,
            links: Links::default(),
            proxies: (0..2).map(|at| SimProxy::new(at, seed)).collect(),
            media: Media::new(seed),
            audio: Audio::default(),
            absences: Absences::default(),
            carrier: Carrier::new(seed),
            phones: (0..phones).map(|at| Phone::new(at, seed)).collect(),
            hostiles: Vec::new(),
            waits_for_timer_c: false,
            desk: Desk::new(seed),
            programs: Programs::new(seed),
            rules: Rules::default(),
            meter: Meter::default(),
            scripts: Vec::new(),
            seen: Seen::default(),
            loud,
            chance,
            digest: seed,
            over: false,
        };
        world.wire();
        world.start_media();
        world.start_node(0);
        world.start_node(1);
        world.make_plan();
        world
    }

    /// Plays the seed to its end.
    pub fn play(mut self) -> Outcome {
        let mut steps = 0;
        while !self.over && self.rules.broken.is_empty() {
            let due = self.next_due();
            let step = self.net.step(Some(due));
            self.meter_step();
            match step {
                Step::Arrived(packet) => {
                    self.show_time();
                    self.arrive(packet);
                }
                Step::Due(_) => {
                    self.show_time();
                    self.everybody_due();
                }
                Step::Idle => break,
            }
            steps += 1;
            if steps >= STEPS_MAX {
                self.rules.break_rule("the simulation comes to its end", format!("{steps} steps"));
            }
        }
        self.seen.steps = steps;
        Outcome { broken: self.rules.broken, digest: self.digest, seen: self.seen }
    }

    pub fn now(&self) -> Timestamp {
        self.net.now()
    }

    /// Since the beginning of the seed.
    pub fn elapsed(&self) -> Duration {
        self.now().since(self.began)
    }

    fn show_time(&self) {
        self.clock.advance(self.net.now().since(self.clock.now()));
    }

    /// Puts something on the agenda.
    pub fn after(&mut self, time: Duration, action: Action) {
        self.noted += 1;
        self.agenda.insert((self.now() + time, self.noted), action);
    }

    /// A duration between both, in milliseconds.
    pub fn between(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(least * 1_000 + self.chance.below((most - least) * 1_000 + 1))
    }

    /// True in `of` of a hundred cases.
    pub fn percent(&mut self, of: u64) -> bool {
        self.chance.below(100) < of
    }

    pub fn send(&mut self, from: Addr, to: Addr, payload: Payload) {
        let text: &[u8] = match &payload {
            Payload::Datagram(message) | Payload::Stream(_, message) => &message.to_bytes(),
            Payload::Raw(bytes) => bytes,
            Payload::Open(_) => b"open",
            Payload::Close(_) => b"close",
        };
        let seed = self.digest ^ self.now().as_micros();
        let words = text.chunks(8).map(|word| word.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        self.digest = words.fold(seed, |h, word| (h ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29));
        self.net.send(from, to, payload);
    }

    /// Prints a line if the seed is played loudly.
    pub fn say(&self, line: impl FnOnce() -> String) {
        if self.loud {
            let at = self.elapsed();
            eprintln!("{:9.3} {}", at.as_secs_f64(), line());
        }
    }

    fn next_due(&self) -> Timestamp {
        let agenda = self.agenda.keys().next().map(|(at, _)| *at);
        let nodes = self.nodes.iter().filter_map(SimNode::next_timeout);
        let proxies = self.proxies.iter().filter_map(|proxy| proxy.core.next_timeout());
        let phones = self.phones.iter().filter_map(|phone| phone.agent.next_timeout());
        let hostiles = self.hostiles.iter().filter_map(|hostile| hostile.party.next_timeout());
        let others = [agenda, self.media.next_timeout(), self.carrier.agent.next_timeout()];
        let all = nodes.chain(proxies).chain(phones).chain(hostiles).chain(others.into_iter().flatten());
        all.min().unwrap_or(Timestamp::MAX).max(self.now())
    }

    pub fn arrive(&mut self, packet: Packet<Addr, Payload>) {
        if let Payload::Datagram(message) | Payload::Stream(_, message) = &packet.payload {
            let quiet = message.method() == sip::Method::Options && packet.to != Addr::Carrier;
            if self.loud && !quiet {
                self.say(|| format!("{:?} > {:?}: {}", packet.from, packet.to, in_short(message)));
            }
        } else if !matches!(packet.payload, Payload::Raw(_)) {
            self.say(|| format!("{:?} > {:?}: {:?}", packet.from, packet.to, packet.payload));
        }
        let Some(packet) = self.links.pass(packet) else { return };
        match packet.to {
            Addr::Proxy(at) => self.proxy_receives(at, packet.from, packet.payload),
            Addr::Node(at) => self.node_receives(at, packet.payload),
            Addr::Media => self.media_receives(packet.payload),
            Addr::Carrier => self.carrier_receives(packet.from, packet.payload),
            Addr::Phone(at) => self.phone_receives(at, packet.from, packet.payload),
            Addr::Hostile(at) => self.hostile_receives(at, packet.payload),
        }
    }

    fn everybody_due(&mut self) {
        let now = self.now();
        let is_due = |due: Option<Timestamp>| due.is_some_and(|due| due <= now);
        while let Some(first) = self.agenda.first_entry().filter(|first| first.key().0 <= now) {
            let action = first.remove();
            self.act(action);
        }
        for at in 0..self.proxies.len() {
            if is_due(self.proxies[at].core.next_timeout()) {
                self.proxies[at].core.handle_timeout(now);
                self.drain_proxy(at);
            }
        }
        for at in 0..self.nodes.len() {
            if is_due(self.nodes[at].next_timeout()) {
                self.node_turns(at);
            }
        }
        if is_due(self.media.next_timeout()) {
            self.media_turns();
        }
        if is_due(self.carrier.agent.next_timeout()) {
            self.drain_carrier();
        }
        for at in 0..self.phones.len() {
            if is_due(self.phones[at].agent.next_timeout()) {
                self.drain_phone(at);
            }
        }
        for at in 0..self.hostiles.len() {
            if is_due(self.hostiles[at].party.next_timeout()) {
                self.hostile_due(at);
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial(call) => self.dial(call),
            Action::GiveUp(call) => self.give_up(call),
            Action::HangUp(call) => self.caller_hangs_up(call),
            Action::CallerHolds(call, hold) => self.caller_holds(call, hold),
            Action::PhoneRings(at, dialog) => self.phone_rings(at, dialog),
            Action::PhoneAnswers(at, dialog) => self.phone_answers(at, dialog),
            Action::PhoneRefuses(at, dialog) => self.phone_refuses(at, dialog),
            Action::PhoneRangLong(at, dialog) => self.phone_rang_long(at, dialog),
            Action::PhoneHangsUp(at, dialog) => self.phone_hangs_up(at, dialog),
            Action::PhoneHolds(at, dialog, hold) => self.phone_holds(at, dialog, hold),
            Action::Heard(who, conn_id) => self.other_side_has_heard(who, conn_id),
            Action::Listen(call, silent) => self.listen(call, silent),
            Action::StartMedia => self.start_media(),
            Action::ConnectMedia(life, proxy) => self.connect_media(life, proxy),
            Action::MediaFaultNow(life) => self.media_fault_now(life),
            Action::MendMedia => self.mend_media(),
            Action::CallData(life, dialog) => self.call_data_comes(life, dialog),
            Action::StartProxy(at) => self.start_proxy(at),
            Action::Renew(at, life) => self.renew(at, life),
            Action::InboxMessage(at, life, message) => self.inbox_message(at, life, *message),
            Action::Find(at, life, sought, until) => self.find(at, life, *sought, until),
            Action::Give(at, life, given) => self.give(at, life, given),
            Action::Inherit(at, life, live) => self.claim_orphans(at, life, &live),
            Action::Connect(at, life, proxy) => self.connect(at, life, proxy),
            Action::Start(at) => self.start_node(at),
            Action::Thaw(at, life) => self.thaw(at, life),
            Action::MendWay(at) => self.mend_way(at),
            Action::KnowsItsCalls(at, life, unknown) => self.knows_its_calls(at, life, &unknown),
            Action::IsLate(at, conn_id) => self.is_late(at, conn_id),
            Action::Fault(fault) => self.fault(fault),
            Action::FaultNow(at, life) => self.fault_now(at, life),
            Action::Unstall(at, proxy) => self.unstall(at, proxy),
            Action::Instruct(conn_id) => self.instruct(conn_id),
            Action::Ask(ask) => self.ask(*ask),
            Action::AskTimedOut(number) => self.ask_timed_out(number),
            Action::Fact(heard) => {
                self.desk_hears(heard.conn_id(), heard.event.name);
                self.programs_hear(&heard);
            }
            Action::Program(conn_id) => self.program_asks(conn_id),
            Action::SharedHangUp => self.shared_hang_up(),
            Action::EverybodyHangsUp => self.everybody_hangs_up(),
            Action::HostilesFallSilent => self.hostiles_fall_silent(),
            Action::JudgeCalls => self.judge_calls(),
            Action::Judge { last } => self.over = self.nothing_is_left(last),
        }
    }

    fn everybody_hangs_up(&mut self) {
        self.say(|| "everybody hangs up".to_owned());
        for call in 0..self.scripts.len() {
            self.give_up(call);
            // A caller whose phone has hung up must get the BYE.
            if !self.rules.was_hung_up_on(self.conn_id_of(call)) {
                self.caller_hangs_up(call);
            }
        }
    }
}
