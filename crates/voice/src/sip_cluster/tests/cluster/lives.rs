//! A node's lives: it begins, is killed, stands still, connects.

use std::time::Duration;

use model::{Owner, Timestamp};
use net::sip::node::live_nodes;
use sip::Message;
use sip::proxy::headers;

use super::super::bench::tenant;
use super::nodes::{Connection, Halted, ROLE, SimNode, Waiting, at_once, core_of, node_id};
use super::plan::{Fault, Moment};
use super::world::{Action, Addr, Payload, World};
use crate::sip_cluster::restore::claim_former;

/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// After so much silence a node gives a connection up.
const SILENCE_MAX: Duration = Duration::from_secs(3);

impl World {
    /// A node begins a life: it claims what its former lives have left, and connects.
    pub fn start_node(&mut self, at: usize) {
        let now = self.now();
        let epoch = at_once(self.stores.leases.next_epoch(&node_id(at))).expect("an epoch");
        let owner = Owner { node: node_id(at), epoch };
        self.say(|| format!("*** {owner} begins"));
        let life = self.nodes[at].life + 1;
        at_once(self.stores.leases.renew(&owner, ROLE, infra::bounds::LEASE)).expect("a lease");
        let former = at_once(claim_former(&*self.stores.calls, &owner, &[tenant()])).expect("former calls");
        self.seen.taken_over += former.len() as u64;
        let core = Some(core_of(&owner, at));
        self.nodes[at] = SimNode { core, owner, life, former, turned_at: now, ..SimNode::new(at) };
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
        *node = SimNode { life: node.life + 1, owner: node.owner.clone(), ..SimNode::new(at) };
        self.after(back, Action::Start(at));
        self.node_is_gone(at);
    }

    fn freeze(&mut self, at: usize, back: Duration, halted: Option<Halted>) {
        self.seen.stops += 1;
        self.say(|| format!("*** node {at} stands still for {back:?}"));
        self.nodes[at].frozen = true;
        self.nodes[at].halted = halted;
        self.after(back, Action::Thaw(at));
    }

    /// A stopped node goes on where it was.
    pub fn thaw(&mut self, at: usize) {
        self.say(|| format!("*** node {at} goes on"));
        self.nodes[at].frozen = false;
        match self.nodes[at].halted.take() {
            Some(Halted::BeforeCommit(batch)) => {
                self.commit(at, batch);
                self.let_out(at);
            }
            Some(Halted::Sending) => self.send_out(at),
            None => {}
        }
        for waiting in std::mem::take(&mut self.nodes[at].waiting) {
            match waiting {
                Waiting::Packet(payload) => self.node_takes(at, payload),
                Waiting::Letter(letter) => self.node_reads(at, letter),
            }
        }
        self.node_turns(at);
    }

    /// The moment has not come: it comes now.
    pub fn fault_now(&mut self, at: usize, life: u64) {
        if self.nodes[at].life != life || self.nodes[at].core.is_none() || self.nodes[at].frozen {
            return;
        }
        match self.nodes[at].doomed.take() {
            Some(Fault::Kill { back, .. }) => self.kill(at, back),
            Some(Fault::Stop { back, .. }) => self.freeze(at, back, None),
            _ => {}
        }
    }

    /// Whether the moment has come that a fault waits for; then the node is dead or stands still.
    pub fn meets_doom(&mut self, at: usize, here: Moment, halted: impl FnOnce() -> Halted) -> bool {
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
        let owner = self.nodes[at].owner.clone();
        at_once(self.stores.leases.renew(&owner, ROLE, infra::bounds::LEASE)).expect("a lease");
        for proxy in 0..2 {
            let silent = self.nodes[at].connections[proxy].filter(|it| now.since(it.heard_at) >= SILENCE_MAX);
            if let Some(connection) = silent {
                self.links.close(connection.number);
                self.send(Addr::Node(at), Addr::Proxy(proxy), Payload::Close(connection.number));
                self.node_takes(at, Payload::Close(connection.number));
            }
        }
        // A loop without work turns all the same.
        self.node_turns(at);
    }
}

// === its connections ===

impl SimNode {
    /// A message came from a proxy.
    pub fn takes(&mut self, proxy: usize, number: u64, message: Message, now: Timestamp) {
        let (Some(core), Some(connection)) = (&mut self.core, &mut self.connections[proxy]) else { return };
        connection.heard_at = now;
        let live = live_nodes(&message);
        if !connection.up {
            let Some(edge) = message.header(&headers::EDGE) else { return };
            connection.up = true;
            core.link_up(number, edge, now);
            core.sees_live(number, live, now);
            for record in std::mem::take(&mut self.former) {
                core.restore(&record, now);
            }
        } else if message.is_request() && message.header(&headers::LIVE).is_some() {
            core.sees_live(number, live, now);
        } else {
            core.receive(message, number, now);
        }
    }

    /// A connection is gone.
    pub fn lost(&mut self, proxy: usize, now: Timestamp) {
        let connection: Option<Connection> = self.connections[proxy].take();
        if let (Some(core), Some(connection)) = (&mut self.core, connection.filter(|it| it.up)) {
            core.link_down(connection.number, now);
        }
    }
}
