//! Orders of a node and their results: the dial plan's answers, the ledger's, requests that find their call.

use infra::CallIndex;
use std::time::Duration;

use model::event::ErrorCode;
use model::plan::{Contact, Destination};
use model::{ConnId, Dn, NodeId, Owner, Request, Timestamp, Token};

use super::super::bench::tenant;
use super::nodes::{InboxMessage, Search, SimNode, at_once};
use super::proxies::phone_address;
use super::world::{Action, World};
use crate::sip_cluster::ledger::claim::{self, OrphanScan};
use crate::sip_cluster::ledger::find::{FIND_AGAIN, FIND_WITHIN, HANDED_AGAIN, WANTED_WITHIN, find_once};
use crate::sip_cluster::node::lookup::{FailureReport, Found, Lookup, SeenLive};
use crate::sip_cluster::node::order::Order;

/// How long a request waits until its call's owner is known, as in `server`.
const REQUEST_WITHIN: Duration = Duration::from_millis(1_500);

/// A call that is to be handed over.
#[derive(Clone, Debug)]
pub struct Given {
    thread: ConnId,
    token: Token,
    to: Owner,
}

/// A request: its number, itself, and the node that frontend cannot reach.
type Asked = (u64, Request, Option<NodeId>);

impl World {
    pub fn carry_out(&mut self, at: usize, order: Order) {
        let life = self.nodes[at].life;
        match order {
            Order::AskDialPlan { conn_id, ask, number, .. } => {
                let message = InboxMessage::Plan { conn_id, ask, destination: destination(&number.dialled) };
                let pause = self.between(1, 30);
                self.after(pause, Action::InboxMessage(at, life, Box::new(message)));
            }
            Order::Find(sought) => {
                let pause = self.between(1, 5);
                let until = self.now() + FIND_WITHIN;
                self.after(pause, Action::Find(at, life, Box::new(sought), until));
            }
            Order::HandOver { thread, token, to, .. } => {
                let pause = self.between(1, 5);
                self.after(pause, Action::Give(at, life, Given { thread, token, to }));
            }
            Order::Inherit { live } => {
                let pause = self.between(1, 10);
                self.after(pause, Action::Inherit(at, life, live));
            }
            _ => {}
        }
    }
}

// === ledger lookups, beside the loop ===

impl World {
    /// Whether the node that gave an order is still in that run; a node that stands still carries it out later.
    fn orderer(&mut self, at: usize, life: u64, action: impl FnOnce() -> Action) -> bool {
        let node = &self.nodes[at];
        if node.life != life || node.core.is_none() {
            return false;
        }
        if node.frozen {
            self.after(Duration::from_millis(100), action());
            return false;
        }
        true
    }

    /// Owners that the proxies of that node see live.
    fn live_for(&self, at: usize) -> SeenLive {
        self.nodes[at].core.as_ref().map(|core| core.live().clone()).unwrap_or_default()
    }

    /// Looks up the owner of a call; the node claims it if that owner has failed.
    pub fn find(&mut self, at: usize, life: u64, sought: Lookup, until: Timestamp) {
        if !self.orderer(at, life, || Action::Find(at, life, Box::new(sought.clone()), until)) {
            return;
        }
        let (owner, live) = (self.nodes[at].owner.clone(), self.live_for(at));
        let stores = self.nodes[at].way.stores();
        let waited = self.now().since(until - FIND_WITHIN);
        let answer = at_once(find_once(&stores, &owner, &live, &sought.after(waited, &live)));
        self.ledger_wrote(at);
        let found = match answer {
            Ok(Some(found)) => found,
            _ if self.now() >= until => Found::Unanswered,
            _ => return self.after(FIND_AGAIN, Action::Find(at, life, Box::new(sought), until)),
        };
        self.seen.taken_over += u64::from(matches!(found, Found::Ours(_)));
        self.say(|| format!("{owner} asked for {:?}: {}", sought.named, in_a_word(&found)));
        let pause = self.between(0, 3);
        self.after(pause, Action::InboxMessage(at, life, Box::new(InboxMessage::Found(sought.named, found))));
    }

    /// Claims the calls of failed nodes.
    pub fn claim_orphans(&mut self, at: usize, life: u64, live: &[Owner]) {
        if !self.orderer(at, life, || Action::Inherit(at, life, live.to_vec())) {
            return;
        }
        let mut claimed = Vec::new();
        let stores = self.nodes[at].way.stores();
        let SimNode { dead, owner, .. } = &mut self.nodes[at];
        let look = OrphanScan { stores: &stores, us: owner, live, tenants: &[tenant()] };
        // Calls that cannot be claimed now are left to the next scan.
        drop(at_once(dead.claim_orphans(look, &mut claimed)));
        self.ledger_wrote(at);
        self.seen.taken_over += claimed.len() as u64;
        for record in &claimed {
            self.say(|| format!("node {at} inherits {}", record.key));
        }
        let pause = self.between(0, 3);
        self.after(pause, Action::InboxMessage(at, life, Box::new(InboxMessage::Inherited(claimed))));
    }

    /// A request about a call of another node, too, as in `server`: it goes on once that call is here, or is not to be had.
    pub fn bring(&mut self, (at, life): (usize, u64), other: ConnId, asked: Asked, search: Search) {
        let now = self.now();
        let (owner, live) = (self.nodes[at].owner.clone(), self.live_for(at));
        let stores = self.nodes[at].way.stores();
        let sought = Lookup::to_join(tenant(), other);
        let found = at_once(find_once(&stores, &owner, &live, &sought));
        self.ledger_wrote(at);
        let until = if let Search::Bringing(until) = search { until } else { now + REQUEST_WITHIN };
        let (number, request, unreachable) = asked;
        let mut asks = |search, pause| {
            let (request, unreachable) = (request.clone(), unreachable.clone());
            let message = InboxMessage::Request { number, request, unreachable, search };
            self.after(pause, Action::InboxMessage(at, life, Box::new(message)));
        };
        match found {
            Ok(Some(Found::Elsewhere(former))) if now < until => {
                asks(Search::Bringing(until), HANDED_AGAIN);
                if search == Search::NotYet {
                    self.ask_to_hand_over(at, other, &former);
                }
            }
            Ok(Some(found @ Found::Ours(_))) => {
                asks(Search::Found, Duration::from_millis(2));
                self.seen.brought += 1;
                self.say(|| format!("{owner} has got {other}, to be joined with a call that it has"));
                let message = InboxMessage::Found(sought.named, found);
                self.after(Duration::from_millis(1), Action::InboxMessage(at, life, Box::new(message)));
            }
            _ => asks(Search::Found, Duration::from_millis(2)),
        }
    }

    /// Asks a call's owner to hand it over, by way of the stores.
    fn ask_to_hand_over(&mut self, by: usize, conn_id: ConnId, owner: &Owner) {
        let Some(of) = self.nodes.iter().position(|node| node.owner == *owner) else { return };
        if self.nodes[by].way.is_open() && self.nodes[of].way.is_open() {
            let (pause, life, to) = (self.between(1, 20), self.nodes[of].life, self.nodes[by].owner.clone());
            let wanted = InboxMessage::HandOver(conn_id, to, self.now() + WANTED_WITHIN);
            self.after(pause, Action::InboxMessage(of, life, Box::new(wanted)));
        }
    }

    /// Gives a call away, which is not at the node any more.
    pub fn give(&mut self, at: usize, life: u64, given: Given) {
        if !self.orderer(at, life, || Action::Give(at, life, given.clone())) {
            return;
        }
        let stores = self.nodes[at].way.stores();
        let is_given = at_once(claim::give(&stores, (&tenant(), given.thread, given.token), &given.to));
        self.ledger_wrote(at);
        self.say(|| format!("node {at} gives {} to {}: {is_given}", given.thread, given.to));
        let pause = self.between(0, 3);
        let message = InboxMessage::HandedOver(given.thread, is_given);
        self.after(pause, Action::InboxMessage(at, life, Box::new(message)));
    }

    /// A request of a call that is not here, as in `server`.
    pub fn take_over(
        &mut self,
        at: usize,
        life: u64,
        number: u64,
        request: Request,
        unreachable: Option<NodeId>,
        search: Search,
    ) {
        let Some(conn_id) = request.kind.conn_id() else { return };
        let now = self.now();
        let named = CallIndex::Call(conn_id);
        let sought = Lookup::of_call(tenant(), conn_id, unreachable.clone().map(FailureReport::Node));
        let (owner, live) = (self.nodes[at].owner.clone(), self.live_for(at));
        let stores = self.nodes[at].way.stores();
        let waited = match search {
            Search::Until(until) => REQUEST_WITHIN.saturating_sub(until.since(now)),
            Search::NotYet | Search::Bringing(_) | Search::Found => Duration::ZERO,
        };
        let found = at_once(find_once(&stores, &owner, &live, &sought.after(waited, &live))).unwrap_or_else(|_| {
            // Its owner has failed, and the lookup has no answer: the call's time may run out before it is routed.
            self.rules.may_end(Some(conn_id));
            None
        });
        self.ledger_wrote(at);
        match found {
            None if waited >= REQUEST_WITHIN => {
                // No answer in time. The search continues: a call that was claimed must come here.
                self.nodes[at].told.push((number, conn_id, Err(ErrorCode::TIMEOUT)));
                self.after(FIND_AGAIN, Action::Find(at, life, Box::new(sought), now + (FIND_WITHIN - waited)));
            }
            None => {
                let search = if search == Search::NotYet { Search::Until(now + REQUEST_WITHIN) } else { search };
                let message = InboxMessage::Request { number, request, unreachable, search };
                self.after(FIND_AGAIN, Action::InboxMessage(at, life, Box::new(message)));
            }
            Some(found @ Found::Ours(_)) => {
                self.seen.taken_over += 1;
                self.say(|| format!("{owner} takes {conn_id} over for a request"));
                self.after(
                    Duration::from_millis(1),
                    Action::InboxMessage(at, life, Box::new(InboxMessage::Found(named, found))),
                );
                let message = InboxMessage::Request { number, request, unreachable: None, search: Search::Found };
                self.after(Duration::from_millis(2), Action::InboxMessage(at, life, Box::new(message)));
            }
            _ => self.nodes[at].told.push((number, conn_id, Err(ErrorCode::INVALID_CONN_ID))),
        }
    }
}

fn in_a_word(found: &Found) -> String {
    match found {
        Found::Ours(record) => format!("ours by token {}", record.token.0),
        other => format!("{other:?}"),
    }
}

/// The dial plan's answer.
fn destination(dialled: &str) -> Destination {
    let Ok(dn) = Dn::parse(dialled) else { return Destination::Reject { status: 404, reason: String::new() } };
    if let Some(hostile) = super::hostiles::destination(dialled, &dn) {
        return hostile;
    }
    match dialled.strip_prefix("710").and_then(|at| at.parse::<usize>().ok()) {
        Some(at) => {
            let contact = Contact::new(format!("sip:{dialled}@{}", phone_address(at)), Vec::new());
            Destination::Extension { dn, contacts: vec![contact], no_answer_ms: 8_000 }
        }
        None => Destination::RoutePoint { dn, application: "sales".to_owned(), default_dn: None },
    }
}
