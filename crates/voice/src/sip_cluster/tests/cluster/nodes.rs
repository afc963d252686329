//! A sip-cluster node, with the work of its loop and its clients: turns as in `turn`, orders as in `clients`.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use infra::{CallIndex, CallLedger as _, CallWrite, Change, Record};
use model::event::{ErrorCode, EventName, Stamped};
use model::plan::Destination;
use model::{ConnId, Epoch, NodeId, Owner, Request, Timestamp};
use sip::{ConnectionId, Flow, Message};

use super::super::bench::seal;
use super::hostiles::Counted;
use super::ledger::{TRY_WITHIN, Way};
use super::plan::{Fault, Moment};
use super::world::{Action, Addr, Payload, World};
use crate::sip_cluster::ledger::claim::FailedOwners;
use crate::sip_cluster::limits::{GAP_MAX, Limits};
use crate::sip_cluster::metrics::Metrics;
use crate::sip_cluster::node::calls::direct::PhoneRules;
use crate::sip_cluster::node::calls::trunk::settings::TrunkRules;
use crate::sip_cluster::node::lookup::Found;
use crate::sip_cluster::node::{Node, Parts};
use crate::test_stores::cipher;

/// The role of nodes.
pub const ROLE: &str = "sip-cluster";
/// Inputs of a node's loop beside SIP.
#[derive(Clone, Debug)]
pub enum InboxMessage {
    Plan { conn_id: ConnId, ask: u32, destination: Destination },
    Found(CallIndex, Found),
    Inherited(Vec<Record<ConnId>>),
    HandOver(ConnId, Owner, Timestamp),
    HandedOver(ConnId, bool),
    Request { number: u64, request: Request, unreachable: Option<NodeId>, search: Search },
}

/// State of the search for a request's call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Search {
    NotYet,
    Until(Timestamp),
    /// For the other call of a request about two.
    Bringing(Timestamp),
    Found,
}

/// Inputs that wait while a node stands still.
#[allow(clippy::large_enum_variant, reason = "a few wait, in a test")]
pub enum Waiting {
    Packet(Payload),
    InboxMessage(InboxMessage),
}

#[derive(Clone, Copy)]
pub struct Connection {
    pub number: ConnectionId,
    pub up: bool,
    pub heard_at: Timestamp,
}

/// Where a node was stopped within its turn.
pub enum Halted {
    BeforeCommit(Vec<CallWrite>),
    Sending,
}

pub struct SimNode {
    pub core: Option<Node>,
    pub owner: Owner,
    pub life: u64,
    pub frozen: bool,
    /// Whether it stands still until the ledger has answered.
    pub awaits_ledger: bool,
    pub way: Arc<Way>,
    pub doomed: Option<Fault>,
    pub connections: [Option<Connection>; 2],
    pub waiting: Vec<Waiting>,
    pub halted: Option<Halted>,
    pub told: Vec<(u64, ConnId, Result<(), ErrorCode>)>,
    pub former: Vec<Record<ConnId>>,
    pub turned_at: Timestamp,
    pub began_at: Timestamp,
    pub dead: FailedOwners,
}

impl SimNode {
    pub fn new(at: usize, way: Arc<Way>) -> Self {
        Self {
            core: None,
            owner: Owner { node: node_id(at), epoch: Epoch(0) },
            life: 0,
            frozen: false,
            awaits_ledger: false,
            way,
            doomed: None,
            connections: [None; 2],
            waiting: Vec::new(),
            halted: None,
            told: Vec::new(),
            former: Vec::new(),
            turned_at: Timestamp::ZERO,
            began_at: Timestamp::ZERO,
            dead: FailedOwners::default(),
        }
    }

    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.core.as_ref().filter(|_| !self.frozen)?.next_timeout()
    }

    pub fn connection(&self, proxy: usize) -> Option<ConnectionId> {
        self.connections[proxy].map(|connection| connection.number)
    }

    pub fn connected(&mut self, proxy: usize, number: ConnectionId, now: Timestamp) {
        self.connections[proxy] = Some(Connection { number, up: false, heard_at: now });
    }

    fn proxy_of(&self, number: ConnectionId) -> Option<usize> {
        self.connections.iter().position(|connection| connection.is_some_and(|it| it.number == number))
    }
}

pub fn node_id(at: usize) -> NodeId {
    NodeId::parse(&format!("{ROLE}-{}", at + 1)).expect("a node")
}

/// Facts in a line.
fn in_words(facts: &[Stamped]) -> String {
    let words = facts.iter().map(|fact| {
        let dn = fact.event.this_dn.as_ref().map(|dn| format!(" {dn}")).unwrap_or_default();
        let error = fact.event.error.as_ref().map(|(_, text)| format!(": {text}")).unwrap_or_default();
        format!("{}{dn}{error}", fact.event.name)
    });
    words.collect::<Vec<_>>().join(", ")
}

/// The node that has made a call.
pub const fn maker_of(conn_id: ConnId) -> usize {
    (conn_id.0 >> 15 & 0xFF) as usize - 1
}

pub fn core_of(owner: &Owner, at: usize, direct_media: bool) -> Node {
    Node::new(Parts {
        trace: runtime::Recorder::off(),
        owner: owner.clone(),
        replica: at as u8 + 1,
        seal: seal(),
        cipher: cipher(),
        limits: Limits { session_expires_s: 90, ..Limits::default() },
        metrics: Metrics::default(),
        sent_by: format!("127.0.2.{}", at + 1),
        entropy: Counted::new(owner.epoch.0 ^ (at as u64 + 1) << 48),
        agent_entropy: Counted::new(owner.epoch.0 ^ (at as u64 + 1) << 56),
        accounts: sip::agent::Accounts::default(),
        trunks: Box::new(move |_, _| TrunkRules { is_known: true, direct_media, ..TrunkRules::default() }),
        header_rules: Arc::new(|_, _| None),
        identities: Box::new(crate::sip_cluster::tests::identity::Keys),
        received: Box::new(|_, _, _| None),
        locations: Box::new(|_, _| None),
        defaults: Box::new(|_| model::UserData::new()),
        phones: Box::new(move |_, _| PhoneRules { direct_media, ..PhoneRules::default() }),
        prompts: Box::new(|_| crate::sip_cluster::node::calls::prompts::SwitchPrompts::default()),
    })
}

/// How long a fact takes to an application.
const STREAM_TAKES: Duration = Duration::from_millis(6);

/// Delay of a fact after which the rest of a call's time may be too short for an application, if the node stands still as well.
const LATE: Duration = Duration::from_millis(1_500);

fn asks_for_a_route(write: &CallWrite) -> bool {
    write.events.iter().any(|fact| fact.event.name == EventName::RouteRequest)
}

/// The stores in memory answer at once.
pub fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("a store in memory answers at once")
}

// === its turns ===

impl World {
    pub fn node_receives(&mut self, at: usize, payload: Payload) {
        let node = &mut self.nodes[at];
        if node.core.is_none() {
            return;
        }
        if node.frozen {
            return node.waiting.push(Waiting::Packet(payload));
        }
        self.node_takes(at, payload);
        self.node_turns(at);
    }

    pub fn node_takes(&mut self, at: usize, payload: Payload) {
        let now = self.now();
        match payload {
            Payload::Stream(number, message) => {
                let Some(proxy) = self.nodes[at].proxy_of(number) else { return };
                if let Some(answer) = super::proxies::keep_alive_answer(ROLE, &self.nodes[at].owner, &message) {
                    self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Stream(number, answer));
                }
                self.nodes[at].takes(proxy, number, message, now);
            }
            Payload::Close(number) => {
                let Some(proxy) = self.nodes[at].proxy_of(number) else { return };
                self.nodes[at].lost(proxy, now);
                self.connect_again(at, proxy);
            }
            Payload::Open(_) | Payload::Datagram(_) | Payload::Raw(_) => {}
        }
    }

    pub fn inbox_message(&mut self, at: usize, life: u64, message: InboxMessage) {
        let node = &mut self.nodes[at];
        if node.life != life || node.core.is_none() {
            return;
        }
        if node.frozen {
            return node.waiting.push(Waiting::InboxMessage(message));
        }
        self.node_reads(at, message);
        self.node_turns(at);
    }

    pub fn node_reads(&mut self, at: usize, message: InboxMessage) {
        let now = self.now();
        let life = self.nodes[at].life;
        let Some(core) = &mut self.nodes[at].core else { return };
        match message {
            InboxMessage::Plan { conn_id, ask, destination } => core.dial_plan_answered(conn_id, ask, destination, now),
            InboxMessage::Found(named, found) => core.found(&named, &found, now),
            InboxMessage::Inherited(records) => core.orphans_claimed(&records, now),
            InboxMessage::HandOver(conn_id, to, until) => core.hand_over_call(conn_id, to, until),
            InboxMessage::HandedOver(thread, is_given) => {
                core.handed_over(&super::super::bench::tenant(), thread, is_given)
            }
            InboxMessage::Request { number, request, unreachable, search } => {
                if let Some(other) = core.lacks(&request, now).filter(|_| search != Search::Found) {
                    return self.bring((at, life), other, (number, request, unreachable), search);
                }
                let search = if matches!(search, Search::Bringing(_)) { Search::NotYet } else { search };
                let outcome = core.request(request.clone(), now);
                if outcome == Err(ErrorCode::INVALID_CONN_ID) && search != Search::Found {
                    return self.take_over(at, life, number, request, unreachable, search);
                }
                let Some(conn_id) = request.kind.conn_id() else { return };
                self.nodes[at].told.push((number, conn_id, outcome));
            }
        }
    }

    /// A turn, as in the role's loop.
    pub fn node_turns(&mut self, at: usize) {
        let now = self.now();
        let node = &mut self.nodes[at];
        let Some(core) = &mut node.core else { return };
        assert!(core.counts_are_right(), "trunks and phones have other numbers of legs");
        if now.since(node.turned_at) >= GAP_MAX {
            core.doubt();
        }
        node.began_at = now;
        core.handle_timeout(now);
        let batch = core.batch();
        if !batch.is_empty() {
            let mut kept = Some(batch.clone());
            if self.meets_doom(at, Moment::BeforeCommit, || Halted::BeforeCommit(kept.take().unwrap_or_default())) {
                return;
            }
            if !self.commit(at, batch) {
                return;
            }
        }
        self.let_out(at);
    }

    /// Stores a turn. The turn and the node stand still while the ledger must answer and does not.
    pub fn commit(&mut self, at: usize, batch: Vec<CallWrite>) -> bool {
        self.restore_equals_continue(at, &batch);
        for write in &batch {
            if let Change::Create { state, .. } | Change::Save { state, .. } = &write.change {
                self.meter_record(write.conn_id, state.len());
            }
        }
        self.rules.begin(&batch);
        let in_doubt = self.nodes[at].core.as_ref().is_some_and(Node::is_in_doubt);
        let way = self.nodes[at].way.clone();
        if in_doubt && !way.is_open() {
            self.say(|| format!("node {at} waits for the ledger"));
            // Proxies see it as failed: the successor of its calls does not know the commits that wait here.
            way.kept().into_iter().for_each(|conn_id| self.rules.may_end(Some(conn_id)));
            self.stand(at, None, batch);
            return false;
        }
        if !in_doubt && way.stands_trying(&batch) {
            // The ledger may have carried it out, and only its answer is lost.
            self.ledger_wrote(at);
            self.stand(at, Some(TRY_WITHIN), batch);
            return false;
        }
        let answers = at_once(if in_doubt { way.confirm(batch.clone()) } else { way.commit(batch.clone()) });
        let answers = answers.expect("a ledger, or room to wait for it");
        self.ledger_wrote(at);
        for write in batch.iter().filter(|write| asks_for_a_route(write) && way.kept().contains(&write.conn_id)) {
            self.after(LATE, Action::IsLate(at, write.conn_id));
        }
        self.seen.fenced += answers.iter().filter(|it| matches!(it, infra::Written::Fenced { .. })).count() as u64;
        self.seen.meetings += batch.iter().filter(|write| write.absorbs.is_some()).count() as u64;
        let node = &mut self.nodes[at];
        if let Some(core) = &mut node.core {
            let lost = core.committed(batch.iter().map(|write| write.conn_id).zip(answers));
            for (_, conn_id, outcome) in &mut node.told {
                if outcome.is_ok() && lost.contains(conn_id) {
                    *outcome = Err(ErrorCode::INVALID_CONN_ID);
                }
            }
        }
        true
    }

    /// The commits that the ledger has taken become known.
    pub fn ledger_wrote(&mut self, at: usize) {
        self.seen.add_way(self.nodes[at].way.seen());
        for conn_id in self.nodes[at].way.limbo() {
            self.after(LATE, Action::IsLate(at, conn_id));
        }
        let (batch, answers): (Vec<_>, Vec<_>) = self.nodes[at].way.written().into_iter().unzip();
        let heard = self.rules.committed(&batch, &answers);
        for (write, answer) in batch.iter().zip(&answers) {
            let (owner, conn_id, token) = (&write.owner, write.conn_id, write.token.0);
            self.say(|| format!("{owner} writes {conn_id} token {token} [{}]: {answer:?}", in_words(&write.events)));
        }
        for heard in heard {
            self.after(STREAM_TAKES, Action::Fact(Box::new(heard)));
        }
    }

    /// The application may still not know of a call after [`LATE`], or its owner not of its claim: the call's time may run out.
    pub fn is_late(&mut self, at: usize, conn_id: ConnId) {
        let SimNode { way, core, .. } = &self.nodes[at];
        let is_here = core.as_ref().is_some_and(|core| core.table().contains_key(&conn_id));
        if !is_here || way.kept().contains(&conn_id) {
            self.say(|| format!("{conn_id} may be ended by default"));
            self.rules.may_end(Some(conn_id));
        }
    }

    /// The turn is stored: its messages leave.
    pub fn let_out(&mut self, at: usize) {
        let now = self.now();
        let node = &mut self.nodes[at];
        node.turned_at = now;
        if now.since(node.began_at) >= GAP_MAX
            && let Some(core) = &mut node.core
        {
            core.doubt();
            let batch = core.batch();
            if !self.commit(at, batch) {
                return;
            }
        }
        self.send_out(at);
    }

    pub fn send_out(&mut self, at: usize) {
        let mut sent = 0;
        loop {
            if self.meets_doom(at, Moment::Sent(sent), || Halted::Sending) {
                return;
            }
            let Some(core) = &mut self.nodes[at].core else { return };
            let Some(transmit) = core.poll_transmit() else { break };
            sent += 1;
            let Flow::Stream { connection } = transmit.flow else { continue };
            let bytes = transmit.bytes.clone();
            let message = Message::parse(transmit.bytes).expect("a node speaks SIP");
            self.rules.node_says(&message);
            let up = |it: &Connection| it.number == connection && it.up;
            let proxy = self.nodes[at].connections.iter().position(|it| it.as_ref().is_some_and(up));
            if let Some(proxy) = proxy.filter(|_| self.links.is_open(connection)) {
                if self.rules.says(&bytes) {
                    self.one_owner_per_call(at, &message);
                }
                self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Stream(connection, message));
            }
        }
        self.meter_turn(at, sent);
        let now = self.now();
        while let Some(order) = self.nodes[at].core.as_mut().and_then(|core| core.poll_order(now)) {
            self.carry_out(at, order);
        }
        for (number, _, outcome) in std::mem::take(&mut self.nodes[at].told) {
            self.desk_answered(number, outcome);
        }
    }
}
