//! Messages of calls that are not here, and calls of failed nodes.
//!
//! The ledger knows the owner of each call. A call whose owner has failed is claimed before its messages are handled. Messages of
//! a call that another node owns go to that node. All others are answered as those of a call that is over. Proxies and nodes
//! choose a call's successor by the same rendezvous hash, so messages reach the node that claims the call.

use infra::{CallIndex, DialogKey, Record};
use model::{ConnId, Owner, TenantId, Timestamp};
use sip::agent::Reply;
use sip::header::HeaderName;
use sip::proxy::headers;
use sip::{ConnectionId, Flow, LocalTag, Message, Method, StatusCode};

use crate::quarantine::was_suspect_before_claim;
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::faults::Doing;
use crate::sip_cluster::node::lookup::{FailureReport, Found, Lookup, ROLE, SeenLive};
use crate::sip_cluster::node::order::Order;

/// Status for a caller whose call is over and to whom the refusal may not have come.
const OVER: StatusCode = StatusCode::TEMPORARILY_UNAVAILABLE;
/// Retry-After of a request whose call could not be looked up, in seconds.
const RETRY_AFTER_S: &str = "5";

/// Where a message belongs.
pub enum Belongs {
    /// To a dialog that is here, or to no call of any node.
    Here,
    /// To a leg that is over; its call is here.
    LegOver,
    /// To a call that is not here: the ledger may know its owner.
    Lookup(Lookup),
}

fn is_success_of_invite(message: &Message) -> bool {
    message.status().is_some_and(StatusCode::is_success) && message.cseq().is_ok_and(|c| c.method == Method::Invite)
}

impl Node {
    /// Where a message belongs, as far as this node knows.
    pub(in crate::sip_cluster::node) fn belongs(&mut self, message: &Message, link: ConnectionId) -> Belongs {
        let gone = message.header(&headers::UNREACHABLE).and_then(|owner| owner.parse().ok());
        let gone = gone.map(|owner| FailureReport::Owner { owner, by: link });
        let Ok(ours) = (if message.is_request() { message.to() } else { message.from() }) else { return Belongs::Here };
        let Some(tag) = ours.tag() else {
            let sought = self.sought_by_replaces(message, &gone).or_else(|| self.sought_by_invite(message, gone));
            return sought.map_or(Belongs::Here, Belongs::Lookup);
        };
        if let Some(sought) = self.sought_before(message, tag).or_else(|| self.sought_by_refer(message)) {
            return Belongs::Lookup(sought);
        }
        let knows = self.agent.knows(message);
        let Some(LocalTag { call, tenant, .. }) = self.ids.open(tag) else { return Belongs::Here };
        // A late 2xx may belong to a call that has moved since its INVITE was sent from here.
        let may_have_moved = is_success_of_invite(message)
            && self.agent.dialog_by_tag(tag).is_none()
            && self.calls.thread_of(call).is_none();
        if knows && !may_have_moved {
            return Belongs::Here;
        }
        if self.calls.thread_of(call).is_some() {
            return Belongs::LegOver;
        }
        Belongs::Lookup(Lookup::of_call(tenant, call, gone))
    }

    /// A proxy repeats an INVITE because its node failed, or another node has found that we own its call. The call may be in the
    /// ledger already.
    fn sought_by_invite(&self, message: &Message, gone: Option<FailureReport>) -> Option<Lookup> {
        let is_said_to_be_ours = || message.header(&headers::OWNER).is_some() && !self.agent.has_begun(message);
        if message.method() != Method::Invite || (gone.is_none() && !is_said_to_be_ours()) {
            return None;
        }
        let tenant = TenantId::parse(message.header(&headers::TENANT)?).ok()?;
        let from_tag = message.from().ok()?.tag().unwrap_or_default().to_owned();
        let key = DialogKey { call_id: message.call_id().ok()?.to_owned(), from_tag };
        Some(Lookup { tenant, named: CallIndex::Invite(key), gone, joins: false })
    }

    /// A REFER of the same dialog waits for another call: a request that came before it would make it late (RFC 3261 section 12.2.2).
    fn sought_before(&self, message: &Message, tag: &str) -> Option<Lookup> {
        if !message.is_request() || message.method() == Method::Ack {
            return None;
        }
        let named = self.held.refer_in(tag)?.clone();
        Some(Lookup { tenant: self.ids.open(tag)?.tenant, named, gone: None, joins: true })
    }

    /// An INVITE is to take the place of a dialog whose call is not here.
    fn sought_by_replaces(&self, message: &Message, gone: &Option<FailureReport>) -> Option<Lookup> {
        if message.method() != Method::Invite || !message.is_request() {
            return None;
        }
        let LocalTag { call, tenant, .. } = self.tag_of_replaced(message)?;
        let is_here = self.calls.thread_of(call).is_some();
        (!is_here).then(|| Lookup::of_call(tenant, call, gone.clone()))
    }

    /// Holds a message until the ledger has named the owner of its call.
    pub(in crate::sip_cluster::node) fn hold_for_lookup(
        &mut self,
        sought: Lookup,
        message: Message,
        link: ConnectionId,
        now: Timestamp,
    ) {
        if !self.held.have_room(&sought.tenant, &sought.named) {
            // The proxy absorbs retransmissions: without an answer the sender would hear nothing for half a minute.
            self.metrics.call_overloaded();
            return self.turn_away(&message, StatusCode::SERVER_INTERNAL_ERROR, Flow::Stream { connection: link });
        }
        if sought.joins
            && let (Some(thread), CallIndex::Call(other)) = (self.thread_of_dialog(&message), &sought.named)
        {
            self.hand_overs.await_join(&sought.tenant, thread, *other, now);
        }
        let concerns_hand_over = self.hand_overs.concern(&sought.named);
        if self.held.hold(&sought.tenant, &sought.named, message, link) && !concerns_hand_over {
            self.orders.push_back(Order::Find(sought));
        }
    }

    /// The thread of the dialog that a request names.
    fn thread_of_dialog(&self, request: &Message) -> Option<ConnId> {
        let dialog = self.agent.dialog_by_tag(request.to().ok()?.tag()?)?;
        self.calls.place_of(dialog).map(|place| place.conn_id)
    }

    /// A lookup is done: handles the messages that waited for it.
    pub fn found(&mut self, named: &CallIndex, found: &Found, now: Timestamp) {
        match found {
            // Read before it was given away: who has it is asked again.
            Found::Ours(record) if self.hand_overs.has(record.key) => {
                if self.held.has(named) {
                    let (tenant, named) = (record.tenant.clone(), named.clone());
                    self.orders.push_back(Order::Find(Lookup { tenant, named, gone: None, joins: false }));
                }
                return;
            }
            Found::Ours(record) => self.take_over(record, now),
            _ => {}
        }
        self.keep_looking(named, found);
        let waited = self.held.take(named);
        let concerns_join = !waited.is_empty();
        for (message, link) in waited {
            let doing = Doing::Message { bytes: message.to_bytes(), link };
            self.attempt(doing, now, |node| match node.waits_for_another(named, &message) {
                true => node.go_on_within(named, message, link, now),
                false => node.go_on_with_message(named, found, message, link, now),
            });
        }
        if let (true, CallIndex::Call(other)) = (concerns_join, named) {
            self.hand_overs.end_wait_for(*other);
        }
    }

    /// Whether a request has waited for another call than that of its dialog: a REFER, or what has followed one.
    fn waits_for_another(&self, named: &CallIndex, message: &Message) -> bool {
        let to = message.is_request().then(|| message.to().ok()).flatten();
        let own = to.as_ref().and_then(|to| to.tag()).and_then(|tag| self.ids.open(tag));
        own.is_some_and(|own| *named != CallIndex::Call(own.call))
    }

    /// The call that a message has waited for is here; or it is the other one of a REFER and does not come, which the REFER tells its phone.
    fn go_on_within(&mut self, named: &CallIndex, message: Message, link: ConnectionId, now: Timestamp) {
        match self.belongs(&message, link) {
            Belongs::LegOver => self.take_in_late(message, link, now),
            // A REFER has its own call now and lacks the other one, or its own has gone elsewhere while it waited for the other.
            Belongs::Lookup(sought) if sought.named != *named && !is_new(&message) => {
                self.hold_for_lookup(sought, message, link, now);
            }
            Belongs::Here | Belongs::Lookup(_) => self.take_in(message, link, now),
        }
    }

    fn go_on_with_message(
        &mut self,
        named: &CallIndex,
        found: &Found,
        message: Message,
        link: ConnectionId,
        now: Timestamp,
    ) {
        let flow = Flow::Stream { connection: link };
        let found = match found {
            Found::Ours(record) if self.is_aside(record.key) => &Found::Ended,
            found => found,
        };
        match found {
            // The refusal was lost with the previous owner.
            Found::Ours(_) if is_new(&message) && !self.agent.has_begun(&message) && !replaces(&message) => {
                self.turn_away(&message, OVER, flow);
            }
            Found::Ours(_) => self.go_on_within(named, message, link, now),
            Found::Elsewhere(owner) => self.hand_over(message, owner, flow),
            Found::Ended if !is_new(&message) => self.take_in_late(message, link, now),
            // An INVITE of which nothing is stored begins a new call.
            Found::Unknown => self.take_in(message, link, now),
            // One that is to replace a dialog which is over is answered by 481.
            Found::Ended if replaces(&message) => self.take_in(message, link, now),
            Found::Ended => self.turn_away(&message, OVER, flow),
            Found::Unanswered => self.turn_away(&message, StatusCode::SERVER_INTERNAL_ERROR, flow),
        }
    }

    /// Marks the call of a message for the commit, so that the ledger confirms us as the owner before anything is sent within the
    /// call. This happens also when nothing changes, and when no such leg is here: a successor may have begun it, or it is over.
    /// For a response of a leg that is here, the user agent itself reports the changes.
    fn confirm_owner_of(&mut self, message: &Message, link: ConnectionId) {
        let ours = if message.is_request() { message.to() } else { message.from() };
        let Ok(ours) = ours else { return };
        let Some(tag) = ours.tag() else { return };
        match self.agent.dialog_by_tag(tag) {
            Some(dialog) if message.is_request() => self.mark_of(dialog),
            Some(_) => {}
            None => {
                if let Some(LocalTag { call, .. }) = self.ids.open(tag) {
                    self.mark(self.calls.thread_of(call).unwrap_or(call));
                }
            }
        }
        if message.is_request() {
            self.confirmations.received(message.clone(), link);
        }
    }

    /// Handles a message whose call is here, or that belongs to no call.
    pub(in crate::sip_cluster::node) fn take_in(&mut self, message: Message, link: ConnectionId, now: Timestamp) {
        self.confirm_owner_of(&message, link);
        let again = [&headers::OWNER, &headers::UNREACHABLE].iter().any(|mark| message.header(mark).is_some());
        if message.is_request() && again {
            // An INVITE that another node sent back because we own its call, or that the proxy repeats since our connection
            // broke.
            self.agent.expect_again(&message);
        }
        self.agent.receive(message, Flow::Stream { connection: link }, now);
        self.settle(now);
    }

    /// Handles a message of a leg that is over: an answer sent before may have been lost with the previous owner.
    pub(in crate::sip_cluster::node) fn take_in_late(&mut self, message: Message, link: ConnectionId, now: Timestamp) {
        self.confirm_owner_of(&message, link);
        self.agent.receive_after_end(message, Flow::Stream { connection: link }, now);
        self.settle(now);
    }

    /// Takes over calls claimed from a failed node.
    pub fn orphans_claimed(&mut self, records: &[Record<ConnId>], now: Timestamp) {
        self.search.done();
        if records.iter().any(was_suspect_before_claim) {
            // More suspect records may follow; they are claimed one by one.
            self.search.again(now);
        }
        for record in records {
            self.take_over(record, now);
        }
    }

    /// Takes a claimed call over. It may be here already: another message has brought it, or this node had lost it without
    /// knowing.
    fn take_over(&mut self, record: &Record<ConnId>, now: Timestamp) {
        let held = self.calls.get_mut(&record.key).map(|entry| &mut entry.thread);
        match held.map(|call| (record.token.0.saturating_sub(call.token().0), call)) {
            Some((0, _)) => return,
            // No other node owned it in between: the state here is complete.
            Some((1, call)) => {
                call.claim(record.token);
                return self.mark(record.key);
            }
            // Another node owned it in between: the state here is outdated.
            Some(_) => self.drop_outdated(record.key),
            None => {}
        }
        self.restore(record, now);
    }

    /// Drops a call that this node has lost, with the messages of this turn.
    pub(super) fn drop_outdated(&mut self, conn_id: ConnId) {
        let names = self.calls.names_of(conn_id);
        self.forget(conn_id);
        self.calls.unmark(conn_id);
        self.take_back(&names);
    }

    /// Answers a request of a call that this node took for its own: another node owns the call, or it is over.
    pub(in crate::sip_cluster::node) fn answer_elsewhere(
        &mut self,
        message: Message,
        link: ConnectionId,
        owner: Option<&Owner>,
    ) {
        let flow = Flow::Stream { connection: link };
        match (owner, message.method()) {
            (Some(owner), Method::Invite) if is_new(&message) && *owner == *self.ids.owner() => {
                self.turn_away(&message, OVER, flow)
            }
            (None, Method::Invite) if is_new(&message) => self.turn_away(&message, OVER, flow),
            (Some(owner), _) => self.hand_over(message, owner, flow),
            (None, Method::Ack) => {}
            // Every node would give the same answer.
            (None, Method::Bye) => self.agent.answer_once(&message, Reply::new(StatusCode::OK), flow),
            (None, _) => self.agent.answer_once(&message, Reply::new(StatusCode::CALL_DOES_NOT_EXIST), flow),
        }
    }

    /// Redirects a request to the call's owner. An ACK or a response has no answer, so it is passed on.
    fn hand_over(&mut self, mut message: Message, owner: &Owner, flow: Flow) {
        self.metrics.message_handed_over();
        if message.method() == Method::Ack {
            let route = format!("<sip:{owner}.{ROLE}.trunkline.invalid;lr>");
            message.remove(&headers::UNREACHABLE);
            message.push_front(&HeaderName::Route, route);
            return self.agent.pass_on(&message, flow);
        }
        if !message.is_request() {
            // The request left this node before another node took the call: its response must not be lost.
            message.remove(&headers::UNREACHABLE);
            message.set(&headers::OWNER, owner);
            self.agent.pass_on(&message, flow);
        } else {
            let reply = Reply::new(StatusCode::MOVED_TEMPORARILY).header(headers::OWNER, owner.to_string());
            self.agent.answer_once(&message, reply, flow);
        }
    }

    pub(in crate::sip_cluster::node) fn turn_away(&mut self, message: &Message, status: StatusCode, flow: Flow) {
        if message.is_request() && message.method() != Method::Ack {
            let mut reply = Reply::new(status);
            if status != OVER {
                reply = reply.header(HeaderName::RetryAfter, RETRY_AFTER_S);
            }
            self.agent.answer_once(message, reply, flow);
        }
    }

    /// Stores which nodes a proxy sees live; returns whether that is news.
    pub fn sees_live(&mut self, link: ConnectionId, live: Vec<Owner>, now: Timestamp) -> bool {
        self.search.sees_live(link, live, now)
    }

    /// The nodes that proxies see live.
    pub const fn live(&self) -> &SeenLive {
        self.search.live()
    }

    /// Searches for calls whose owner has failed: a call in a queue has no message that would trigger its takeover.
    pub(in crate::sip_cluster::node) fn look_for_inheritance(&mut self, now: Timestamp) {
        if let Some(live) = self.search.begin(self.ids.owner(), self.draining, now) {
            self.orders.push_back(Order::Inherit { live });
        }
    }
}

/// Whether a message is to take the place of a dialog.
fn replaces(message: &Message) -> bool {
    message.header(&HeaderName::Replaces).is_some()
}

/// Whether a message begins a call.
fn is_new(message: &Message) -> bool {
    message.is_request() && message.to().is_ok_and(|to| to.tag().is_none())
}
