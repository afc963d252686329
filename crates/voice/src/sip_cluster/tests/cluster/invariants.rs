//! The rules that must hold, and who may end a call.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use infra::{CallIndex, CallWrite, Change, Loaded, Written};
use model::{ConnId, Event, EventName, Timestamp};
use sip::proxy::headers;
use sip::{HeaderName, LocalTag, Message, Method, StatusCode};

use super::super::bench::{seal, tenant};
use super::hostiles::CALL_IDS;
use super::nodes::{SimNode, at_once};
use super::programs::Heard;
use super::stories::Story;
use super::world::{Action, Addr, World};

/// Timer C of sip-proxy, and how often it looks.
const TIMER_C: Duration = Duration::from_secs(660 + 64);

#[derive(Default)]
pub struct Rules {
    /// Broken rules, in order.
    pub broken: Vec<String>,
    stories: BTreeMap<ConnId, Story>,
    /// Calls of hostile callers, which may end at any time.
    hostile: BTreeSet<ConnId>,
    /// Threads in which programs act.
    shared: BTreeSet<ConnId>,
    /// Calls that a party or the application has ended.
    ended: BTreeSet<ConnId>,
    /// Calls that a phone has ended.
    hung_up_on: BTreeSet<ConnId>,
    /// DNs to which calls are routed, by their facts.
    routed: BTreeMap<ConnId, String>,
    /// Call-IDs of the INVITEs that have made calls, and of those that were cancelled.
    invites: BTreeMap<ConnId, String>,
    cancelled: BTreeSet<String>,
    /// Call-IDs of dialogs that a node has ended or is ending, and of those that it has cancelled while they rang.
    withdrawn: BTreeSet<String>,
    unrung: BTreeSet<String>,
    /// Call-IDs of offers to phones, by call; those that their calls have dropped; and those to which a phone has responded.
    offers: BTreeMap<ConnId, Vec<String>>,
    given_up: BTreeSet<String>,
    rung: BTreeSet<String>,
    /// Messages that nodes have sent.
    said: HashSet<bytes::Bytes>,
    /// BYEs and CANCELs of parties without an answer.
    unanswered: BTreeMap<(Addr, String), Timestamp>,
}

impl Rules {
    pub fn break_rule(&mut self, rule: &str, how: String) {
        self.broken.push(format!("{rule}: {how}"));
    }

    /// A party that may end the call has ended it.
    pub fn may_end(&mut self, conn_id: Option<ConnId>) {
        self.ended.extend(conn_id);
    }

    /// A phone that talks in the call has hung up.
    pub fn hangs_up(&mut self, conn_id: ConnId) {
        self.hung_up_on.insert(conn_id);
    }

    pub fn was_hung_up_on(&self, conn_id: Option<ConnId>) -> bool {
        conn_id.is_some_and(|conn_id| self.hung_up_on.contains(&conn_id))
    }

    /// The same for a caller that has not learnt its call's id.
    pub fn may_be_refused(&self, call_id: &str) -> bool {
        self.invites.iter().any(|(conn_id, invite)| invite == call_id && self.ended.contains(conn_id))
    }

    pub fn is_hostile(&self, conn_id: ConnId) -> bool {
        self.hostile.contains(&conn_id)
    }

    pub fn is_meant_to_end(&self, conn_id: Option<ConnId>) -> bool {
        conn_id.is_some_and(|conn_id| {
            let invite = self.invites.get(&conn_id);
            self.ended.contains(&conn_id) || invite.is_some_and(|invite| self.cancelled.contains(invite))
        })
    }

    /// A caller has cancelled, perhaps before it got any response.
    pub fn gives_up(&mut self, call_id: String) {
        self.cancelled.insert(call_id);
    }

    /// Calls begin, whether or not the ledger has them yet.
    pub fn begin(&mut self, batch: &[CallWrite]) {
        for write in batch.iter().filter(|write| matches!(write.change, Change::Create { .. })) {
            if call_id(write).is_none() {
                // A program has made the call; it has no caller.
                self.shared.insert(write.conn_id);
                self.ended.insert(write.conn_id);
            }
        }
        let invite = |write: &CallWrite| Some((write.conn_id, call_id(write)?.to_owned()));
        self.invites.extend(batch.iter().filter_map(invite));
        let is_hostile = |write: &&CallWrite| call_id(write).is_some_and(|id| id.starts_with(CALL_IDS));
        for write in batch.iter().filter(is_hostile) {
            self.hostile.insert(write.conn_id);
            self.ended.insert(write.conn_id);
        }
    }

    /// Facts of a call must come once, in order, and without gaps within a token. Returns the facts for the application.
    pub fn committed(&mut self, batch: &[CallWrite], answers: &[Written]) -> Vec<Heard> {
        let mut heard = Vec::new();
        let done = |answer: &Written| matches!(answer, Written::Done { .. });
        for write in batch.iter().zip(answers).filter(|(_, answer)| done(answer)).map(|(write, _)| write) {
            for fact in &write.events {
                let fact_of = Heard::new(write, &fact.event);
                let conn_id = fact_of.conn_id();
                let is_shared = self.shares(write.conn_id);
                let told = self.stories.entry(conn_id).or_default().tell(fact, is_shared);
                if let Err(how) = told {
                    self.break_rule("a call's facts make sense", format!("{conn_id} {how}"));
                }
                self.follow(conn_id, &fact.event);
                heard.push(fact_of);
            }
        }
        heard
    }

    /// A program acts on a thread: it may have several phones from now on.
    pub fn is_shared(&mut self, thread: ConnId) {
        self.shared.insert(thread);
    }

    pub fn shares(&self, thread: ConnId) -> bool {
        self.shared.contains(&thread)
    }

    fn follow(&mut self, conn_id: ConnId, event: &Event) {
        match (event.name, &event.third_party_dn) {
            (EventName::RouteUsed, Some(dn)) => drop(self.routed.insert(conn_id, dn.clone())),
            (EventName::RouteRequest, _) => {
                self.routed.remove(&conn_id);
                self.given_up.extend(self.offers.remove(&conn_id).unwrap_or_default());
            }
            (EventName::CallDeleted, _) => drop(self.routed.remove(&conn_id)),
            _ => {}
        }
    }

    /// Whether the call's facts say that it is with that DN.
    pub fn is_routed_to(&self, conn_id: Option<ConnId>, dn: &str) -> bool {
        conn_id.and_then(|conn_id| self.routed.get(&conn_id)).is_some_and(|at| at == dn)
    }

    /// A party's change of the session must work, unless another change is under way or the call ends.
    pub fn change_refused(&mut self, who: &str, conn_id: Option<ConnId>, status: StatusCode) {
        if !matches!(status.0, 481 | 487 | 491) && !self.is_meant_to_end(conn_id) {
            self.break_rule("a re-INVITE works", format!("{who} got {}", status.0));
        }
    }

    /// Whether no node has sent it before: a repeat was checked when it was sent first.
    pub fn says(&mut self, bytes: &bytes::Bytes) -> bool {
        self.said.insert(bytes.clone())
    }

    /// A node sends a message: its BYE or CANCEL withdraws an offer.
    pub fn node_says(&mut self, message: &Message) {
        if message.is_request() && matches!(message.method(), Method::Bye | Method::Cancel) {
            self.withdrawn.extend(message.call_id().map(str::to_owned));
            let cancelled = message.call_id().ok().filter(|_| message.method() == Method::Cancel);
            self.unrung.extend(cancelled.map(str::to_owned));
        }
    }

    /// A phone is offered a call.
    pub fn is_offered(&mut self, conn_id: Option<ConnId>, call_id: &str) {
        if let Some(conn_id) = conn_id {
            self.offers.entry(conn_id).or_default().push(call_id.to_owned());
        }
    }

    pub fn is_withdrawn(&self, call_id: &str) -> bool {
        self.withdrawn.contains(call_id)
    }

    /// Whether its call has left the phone: an INVITE without any response cannot be cancelled (RFC 3261 section 9.1).
    pub fn is_given_up(&self, call_id: &str) -> bool {
        self.given_up.contains(call_id)
    }

    /// A message of a phone arrives.
    pub fn phone_is_heard(&mut self, message: &Message) {
        self.rung.extend(message.call_id().ok().filter(|_| !message.is_request()).map(str::to_owned));
    }

    /// Whether any response to the offer has come: then its phone gets a CANCEL.
    pub fn has_rung(&self, call_id: &str) -> bool {
        self.rung.contains(call_id)
    }

    /// Whether a phone got a CANCEL: if it has answered at the same time, it gets a BYE.
    pub fn is_cancelled(&self, call_id: &str) -> bool {
        self.unrung.contains(call_id)
    }

    /// A party sends a message: BYE and CANCEL need an answer.
    pub fn party_says(&mut self, who: Addr, message: &Message, now: Timestamp) {
        if let Some(key) = ending(message).filter(|_| message.is_request()) {
            self.unanswered.entry((who, key)).or_insert(now);
        }
    }

    pub fn party_hears(&mut self, who: Addr, message: &Message) {
        let Some(status) = message.status().filter(|status| status.is_final()) else { return };
        let Some(key) = ending(message) else { return };
        let first = self.unanswered.remove(&(who, key)).is_some();
        if first && !matches!(status.0, 200 | 481) {
            let call = message.call_id().unwrap_or_default();
            self.break_rule("every BYE and CANCEL is answered", format!("{who:?} got {} for {call}", status.0));
        }
    }
}

/// Key that a BYE or CANCEL shares with its response.
fn ending(message: &Message) -> Option<String> {
    let method = message.cseq().ok()?.method;
    if !matches!(method, Method::Bye | Method::Cancel) {
        return None;
    }
    let via = message.top_via().ok()?;
    Some(format!("{method} {}", via.branch()?))
}

impl World {
    /// A node sends messages within a call only as its owner, or after the call's end.
    pub fn one_owner_per_call(&mut self, at: usize, message: &Message) {
        let ours = if message.is_request() { message.from() } else { message.to() };
        let Some(tag) = ours.ok().and_then(|address| LocalTag::decode(address.tag()?, &seal())) else { return };
        // The message says that the node does not have the call.
        let says_so = message.header(&headers::OWNER).is_some() || message.header(&HeaderName::RetryAfter).is_some();
        if says_so || !tag.owner.node.as_str().starts_with(super::nodes::ROLE) {
            return;
        }
        let us = self.nodes[at].owner.clone();
        if let Ok(Loaded::Live(record)) = at_once(self.stores.calls.load(&tenant(), tag.call))
            && record.owner != us
        {
            let (said, owner) = (super::outcome::in_short(message), record.owner);
            self.rules.break_rule("one owner per call", format!("{us} says {said} in {} of {owner}", tag.call));
        }
    }

    /// An owner knows its calls. A call just claimed is still on its way to its owner, so a second check follows.
    pub fn knows_its_calls(&mut self, at: usize, life: u64, before: &[ConnId]) {
        let node = &self.nodes[at];
        if node.life != life || node.frozen || !node.way.is_open() {
            return;
        }
        let Some(core) = &node.core else { return };
        let records = at_once(self.stores.calls.list(&tenant(), None, 100)).expect("a ledger");
        let ours = records.iter().filter(|record| record.owner == node.owner).map(|record| record.key);
        let unknown: Vec<ConnId> = ours.filter(|key| !core.table().contains_key(key)).collect();
        if let Some(forgotten) = unknown.iter().find(|key| before.contains(key)) {
            let how = format!("{} does not know {forgotten}", node.owner);
            self.rules.break_rule("an owner knows its calls", how);
        } else if !unknown.is_empty() && before.is_empty() {
            self.after(Duration::from_millis(500), Action::KnowsItsCalls(at, life, unknown));
        }
    }

    /// Some time after all have hung up, nothing is left of any call. Returns whether nothing more is to be judged.
    pub fn nothing_is_left(&mut self, last: bool) -> bool {
        let (left, held) = (self.what_is_left(), self.held_by_proxies());
        if left.is_empty() && held.is_empty() {
            return true;
        }
        // A hostile party that has said 180 to a re-INVITE, whose node has failed since, says nothing more: Timer C ends that.
        if last && left.is_empty() && !self.hostiles.is_empty() && !std::mem::replace(&mut self.waits_for_timer_c, true)
        {
            self.after(TIMER_C, Action::Judge { last: true });
            return false;
        }
        if last {
            self.rules.break_rule("nothing is left", [left, held].concat().join("; "));
        }
        last
    }

    fn held_by_proxies(&self) -> Vec<String> {
        let sizes = self.proxies.iter().map(|proxy| proxy.core.sizes().0).enumerate();
        sizes.filter(|(_, requests)| *requests > 0).map(|(at, held)| format!("{held} requests in proxy {at}")).collect()
    }

    fn what_is_left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for node in &self.nodes {
            left.extend(left_in(node));
        }
        let records = at_once(self.stores.calls.list(&tenant(), None, 100)).expect("a ledger");
        left.extend(records.iter().map(|record| format!("the record of {} of {}", record.key, record.owner)));
        let owners = at_once(self.stores.calls.owners(&tenant())).expect("a ledger");
        left.extend(owners.iter().map(|holding| format!("{} records of {}", holding.records, holding.owner)));
        left.extend((self.media.legs() > 0).then(|| format!("{} legs in media", self.media.legs())));
        let owners = at_once(self.stores.media.owners(&tenant())).expect("a ledger");
        left.extend(owners.iter().map(|holding| format!("{} legs of {}", holding.records, holding.owner)));
        let carrier = self.carrier.agent.dialogs();
        left.extend((carrier > 0).then(|| format!("{carrier} calls of the carrier")));
        for (at, phone) in self.phones.iter().enumerate() {
            left.extend((phone.agent.dialogs() > 0).then(|| format!("{:?} of phone {at}", phone.lines)));
        }
        left.extend(
            self.rules.stories.iter().filter_map(|(conn_id, story)| Some(format!("{conn_id} {}", story.lacks()?))),
        );
        left.extend(self.rules.unanswered.keys().map(|key| format!("no answer to {key:?}")));
        left
    }
}

fn left_in(node: &SimNode) -> Vec<String> {
    let Some(core) = &node.core else { return vec!["a node is dead".to_owned()] };
    let (clients, servers) = core.agent().transactions();
    let kept =
        core.table().iter().map(|(conn_id, entry)| format!("{conn_id} {:?} with {:?}", entry.stored, entry.legs));
    let (places, timers) = core.table().dialogs_and_timers();
    let sizes = [
        ("calls", core.calls()),
        ("places", places),
        ("timers", timers),
        ("treatments", core.pending().treatments()),
        ("probes", core.pending().probes()),
        ("searches", core.held().lookups()),
        ("dialogs", core.agent().dialogs()),
        ("transactions", clients + servers),
    ];
    let sizes = sizes.iter().filter(|(_, size)| *size > 0);
    kept.chain(sizes.map(|(what, size)| format!("{size} {what} in {}", node.owner))).collect()
}

/// The Call-ID of the INVITE that began a call, in the write that stores it first.
fn call_id(write: &CallWrite) -> Option<&str> {
    write.index.iter().find_map(|key| match key {
        CallIndex::Invite(dialog) => Some(dialog.call_id.as_str()),
        CallIndex::Call(_) => None,
    })
}
