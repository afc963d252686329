//! A node's runs: start, kill, standstill, connections.

use std::time::Duration;

use infra::{CallWrite, Leases as _};
use model::{Owner, Timestamp};
use net::sip::node::live_nodes;
use sip::proxy::headers;
use sip::{ConnectionId, Message};

use super::super::bench::tenant;
use super::nodes::{Connection, Halted, ROLE, SimNode, Waiting, at_once, core_of, node_id};
use super::plan::{Fault, Moment};
use super::world::{Action, Addr, Payload, World};
use crate::sip_cluster::ledger::former::claim_former;

/// How soon an owner knows all of its calls when it reaches the ledger again: claims wait a little, and it searches its own calls
/// every 5 s.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
/// Pause before a start that has not reached the ledger is tried again.
const START_AGAIN: Duration = Duration::from_millis(250);
/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// Silence after which a node gives a connection up.
const SILENCE_MAX: Duration = Duration::from_secs(3);

impl World {
    /// A node starts a run: it claims the calls of its previous runs, and connects.
    pub fn start_node(&mut self, at: usize) {
        let now = self.now();
        let way = self.nodes[at].way.clone();
        if !way.is_open() {
            return self.after(START_AGAIN, Action::Start(at));
        }
        let stores = way.stores();
        let epoch = at_once(stores.leases.next_epoch(&node_id(at))).expect("an epoch");
        let owner = Owner { node: node_id(at), epoch };
        self.say(|| format!("*** {owner} begins"));
        let life = self.nodes[at].life + 1;
        at_once(stores.leases.renew(&owner, ROLE, infra::bounds::LEASE)).expect("a lease");
        let claimed = at_once(claim_former(&*stores.calls, &owner, &[tenant()]));
        self.ledger_wrote(at);
        let Ok(former) = claimed else { return self.after(START_AGAIN, Action::Start(at)) };
        self.seen.taken_over += former.len() as u64;
        let core = Some(core_of(&owner, at, self.goes_directly()));
        self.nodes[at] = SimNode { core, owner, life, former, turned_at: now, ..SimNode::new(at, way) };
        self.after(RENEW_EVERY, Action::Renew(at, life));
        self.connect(at, life, 0);
        self.connect(at, life, 1);
    }

    fn kill(&mut self, at: usize, back: Duration) {
        self.seen.kills += 1;
        self.say(|| format!("*** node {at} is killed"));
        let lost = self.percent(50);
        for proxy in 0..2 {
            if let Some(connection) = self.nodes[at].connection(proxy) {
                if lost {
                    self.links.lose(connection);
                }
                self.links.close(connection);
                self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Close(connection));
            }
        }
        let node = &mut self.nodes[at];
        node.way.dies();
        *node = SimNode { life: node.life + 1, owner: node.owner.clone(), ..SimNode::new(at, node.way.clone()) };
        self.after(back, Action::Start(at));
        self.node_is_gone(at);
    }

    fn freeze(&mut self, at: usize, back: Duration, halted: Option<Halted>) {
        self.seen.stops += 1;
        self.say(|| format!("*** node {at} stands still for {back:?}"));
        self.nodes[at].frozen = true;
        self.nodes[at].halted = halted;
        self.after(back, Action::Thaw(at, self.nodes[at].life));
    }

    /// A turn waits for the ledger, for a given time or until it answers.
    pub fn stand(&mut self, at: usize, until: Option<Duration>, batch: Vec<CallWrite>) {
        let node = &mut self.nodes[at];
        (node.frozen, node.awaits_ledger) = (true, until.is_none());
        node.halted = Some(Halted::BeforeCommit(batch));
        let life = node.life;
        if let Some(until) = until {
            self.after(until, Action::Thaw(at, life));
        }
    }

    /// The ledger answers again.
    pub fn mend_way(&mut self, at: usize) {
        self.say(|| format!("*** node {at} reaches the ledger"));
        self.nodes[at].way.mend();
        self.after(KNOWN_WITHIN, Action::KnowsItsCalls(at, self.nodes[at].life, Vec::new()));
        if self.nodes[at].awaits_ledger {
            self.thaw(at, self.nodes[at].life);
        }
    }

    /// A stopped node continues where it was.
    pub fn thaw(&mut self, at: usize, life: u64) {
        if self.nodes[at].life != life {
            return;
        }
        self.say(|| format!("*** node {at} goes on"));
        (self.nodes[at].frozen, self.nodes[at].awaits_ledger) = (false, false);
        // The lease was due in that time, beside the loop.
        self.renew_lease(at);
        match self.nodes[at].halted.take() {
            Some(Halted::BeforeCommit(batch)) => {
                if !self.commit(at, batch) {
                    return;
                }
                self.let_out(at);
            }
            Some(Halted::Sending) => self.send_out(at),
            None => {}
        }
        if self.nodes[at].frozen {
            return;
        }
        for waiting in std::mem::take(&mut self.nodes[at].waiting) {
            match waiting {
                Waiting::Packet(payload) => self.node_takes(at, payload),
                Waiting::InboxMessage(message) => self.node_reads(at, message),
            }
        }
        self.node_turns(at);
    }

    /// The fault's moment has not come: it happens now.
    pub fn fault_now(&mut self, at: usize, life: u64) {
        let node = &mut self.nodes[at];
        if node.life != life || node.core.is_none() || node.frozen {
            return;
        }
        if !node.way.kept().is_empty() {
            // A successor continues from the ledger: a call whose commits wait here would be lost.
            node.doomed = None;
            return;
        }
        match self.nodes[at].doomed.take() {
            Some(Fault::Kill { back, .. }) => self.kill(at, back),
            Some(Fault::Stop { back, .. }) => self.freeze(at, back, None),
            _ => {}
        }
    }

    /// Whether a fault's moment has come; then the node is down or stands still.
    pub fn meets_doom(&mut self, at: usize, here: Moment, halted: impl FnOnce() -> Halted) -> bool {
        if !self.nodes[at].way.kept().is_empty() {
            return false;
        }
        match self.nodes[at].doomed {
            Some(Fault::Kill { moment, back, .. }) if moment == here => {
                self.nodes[at].doomed = None;
                self.kill(at, back);
                true
            }
            Some(Fault::Stop { moment, back, .. }) if moment == here => {
                self.nodes[at].doomed = None;
                self.freeze(at, back, Some(halted()));
                true
            }
            _ => false,
        }
    }

    pub fn renew(&mut self, at: usize, life: u64) {
        let now = self.now();
        if self.nodes[at].life != life {
            return;
        }
        self.after(RENEW_EVERY, Action::Renew(at, life));
        if self.nodes[at].frozen {
            return;
        }
        self.renew_lease(at);
        for proxy in 0..2 {
            let silent = self.nodes[at].connections[proxy].filter(|it| now.since(it.heard_at) >= SILENCE_MAX);
            if let Some(connection) = silent {
                self.links.close(connection.number);
                self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Close(connection.number));
                self.node_takes(at, Payload::Close(connection.number));
            }
        }
        // A loop without work turns too.
        self.node_turns(at);
    }

    /// Without the ledger, the lease expires.
    fn renew_lease(&mut self, at: usize) {
        let owner = self.nodes[at].owner.clone();
        let way = self.nodes[at].way.clone();
        if at_once(way.renew(&owner, ROLE, infra::bounds::LEASE)).is_ok() {
            way.hand_in();
            self.ledger_wrote(at);
        }
    }
}

// === its connections ===

impl SimNode {
    /// A message came from a proxy.
    pub fn takes(&mut self, proxy: usize, number: ConnectionId, message: Message, now: Timestamp) {
        let (Some(core), Some(connection)) = (&mut self.core, &mut self.connections[proxy]) else { return };
        connection.heard_at = now;
        let live = live_nodes(&message);
        if !connection.up {
            let Some(edge) = message.header(&headers::EDGE) else { return };
            connection.up = true;
            core.link_up(number, edge, now);
            core.sees_live(number, live, now);
            for record in std::mem::take(&mut self.former) {
                core.restore_absent(&record, now);
            }
        } else if message.is_request() && message.header(&headers::LIVE).is_some() {
            core.sees_live(number, live, now);
        } else {
            core.receive(message, number, now);
        }
    }

    /// A connection has closed.
    pub fn lost(&mut self, proxy: usize, now: Timestamp) {
        let connection: Option<Connection> = self.connections[proxy].take();
        if let (Some(core), Some(connection)) = (&mut self.core, connection.filter(|it| it.up)) {
            core.link_down(connection.number, now);
        }
    }
}
