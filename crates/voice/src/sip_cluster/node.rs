//! The node: all calls that it owns and their dialogs, processed turn by turn. No I/O.
//!
//! A turn: inputs ([`Node::receive`] and the others), [`Node::batch`] to the ledger, [`Node::committed`] with its answers, and
//! only then [`Node::poll_transmit`] and [`Node::poll_order`]. Nothing is sent before it is stored.

mod attempt;
pub mod calls;
mod commit;
pub mod faults;
mod ids;
pub mod lookup;
pub mod order;
pub mod ownership;
mod proxies;

use std::collections::BTreeSet;

use call::Input;
use call::call::PinAnswer;
use model::event::ErrorCode;
use model::plan::Destination;
use model::{ConnId, Entropy, LegId, Owner, Request, TenantId, Timestamp};
use sip::agent::{AgentConfig, DialogId, LocalIdentity, UserAgent};
use sip::proxy::headers;
use sip::{Flow, LocalTag, Message, Seal, Transmit};

use super::limits::{CALLS_DUE_PER_TURN, EVENTS_PER_DIALOG, Limits, STEPS_MAX};
use super::metrics::Metrics;
use calls::call::Stored;
use calls::leg::{MEDIA_TAG, Place, Side};
use calls::pending::PendingRequests;
use calls::prompts::ReadPrompts;
use calls::table::Calls;
use faults::{Doing, Faults};
use ids::ConnIds;
use order::{Order, Orders};
use ownership::confirm::Confirmations;
use ownership::held::HeldMessages;
use ownership::quarantine::AsideCalls;
use ownership::search::OrphanSearch;
use ownership::takeover::Belongs;
use proxies::Proxies;

/// A node. The module describes its turns.
pub struct Node {
    owner: Owner,
    seal: Seal,
    limits: Limits,
    metrics: Metrics,
    agent: UserAgent,
    calls: Calls,
    pending: PendingRequests,
    proxies: Proxies,
    /// Calls in doubt, and what a turn must leave to other owners.
    confirmations: Confirmations,
    /// Messages that wait until the owner of their call is known.
    held: HeldMessages,
    /// The search for calls of failed nodes.
    search: OrphanSearch,
    faults: Faults,
    /// Calls whose records are being moved to quarantine.
    aside: AsideCalls,
    orders: Orders,
    draining: bool,
    /// Whether the ledger has room for another call.
    has_room: bool,
    next_sweep: Timestamp,
    conn_ids: ConnIds,
    entropy: Box<dyn Entropy>,
    prompts: ReadPrompts,
    trace: runtime::Recorder,
}

/// What a [`Node`] is built from.
pub struct Parts {
    /// Its name and epoch.
    pub owner: Owner,
    /// The number of the replica.
    pub replica: u8,
    /// Seals its tags.
    pub seal: Seal,
    /// Its limits.
    pub limits: Limits,
    /// Its metrics.
    pub metrics: Metrics,
    /// Host and port of its Via.
    pub sent_by: String,
    /// Randomness for ids.
    pub entropy: Box<dyn Entropy>,
    /// Randomness for the user agent.
    pub agent_entropy: Box<dyn Entropy>,
    /// Reads the prompts that a tenant has chosen for what the switch itself plays.
    pub prompts: ReadPrompts,
    /// Recorder of call traces.
    pub trace: runtime::Recorder,
}

impl Node {
    /// A node without calls.
    pub fn new(parts: Parts) -> Self {
        let config = AgentConfig {
            sent_by: parts.sent_by,
            product: Some("Trunkline".to_owned()),
            session_expires_s: Some(parts.limits.session_expires_s),
            dialogs_max: parts.limits.calls_max.saturating_mul(DIALOGS_PER_CALL),
            ..AgentConfig::default()
        };
        Self {
            owner: parts.owner,
            seal: parts.seal,
            limits: parts.limits,
            metrics: parts.metrics,
            agent: UserAgent::new(config, parts.agent_entropy),
            calls: Calls::default(),
            pending: PendingRequests::default(),
            proxies: Proxies::new(parts.limits.proxy_return),
            confirmations: Confirmations::new(),
            held: HeldMessages::default(),
            search: OrphanSearch::new(),
            faults: Faults::default(),
            aside: AsideCalls::default(),
            orders: Orders::new(),
            draining: false,
            has_room: true,
            next_sweep: Timestamp::ZERO,
            conn_ids: ConnIds::new(parts.replica),
            entropy: parts.entropy,
            prompts: parts.prompts,
            trace: parts.trace,
        }
    }

    /// How many calls there are.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// Stops taking new calls; returns whether that is new.
    pub const fn drain(&mut self) -> bool {
        !std::mem::replace(&mut self.draining, true)
    }

    /// Whether no proxy has accepted it.
    pub fn is_alone(&self) -> bool {
        self.proxies.none_is_up()
    }

    /// Its metrics.
    pub const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    // ---- inputs

    /// A proxy has accepted this node; it may be one whose connection had broken.
    pub fn link_up(&mut self, link: u64, edge: &str, now: Timestamp) {
        self.attempt(Doing::OtherInput("a proxy"), now, |node| node.meet_proxy(link, edge, now));
    }

    fn meet_proxy(&mut self, link: u64, edge: &str, now: Timestamp) {
        if let Some(old) = self.proxies.came_up(link, edge) {
            let (old, new) = (Flow::Stream { connection: old }, Flow::Stream { connection: link });
            self.agent.move_flow(old, new);
            self.move_legs(old, link);
            // While disconnected, that proxy took this node for failed and sent messages of its calls to other nodes.
            self.doubt();
        }
        for link in self.proxies.awaited() {
            self.move_media(link);
        }
        self.settle(now);
    }

    /// The connection to a proxy broke. Its calls wait for its return without a limit, their requests up to `proxy_return`.
    pub fn link_down(&mut self, link: u64, now: Timestamp) {
        self.attempt(Doing::OtherInput("the loss of a proxy"), now, |node| node.lose_proxy(link, now));
    }

    fn lose_proxy(&mut self, link: u64, now: Timestamp) {
        self.search.link_down(link);
        if self.proxies.broke(link, now) {
            self.move_media(link);
        }
    }

    /// Moves media dialogs to another proxy. Any proxy reaches media, so requests to it do not wait for the proxy that is away.
    fn move_media(&mut self, from: u64) {
        let Some(other) = self.proxies.any() else { return };
        let from = Flow::Stream { connection: from };
        let legs = self.calls.values().flat_map(|entry| &entry.legs);
        let goes_by = |dialog: &DialogId| self.agent.leg(*dialog).is_some_and(|leg| leg.dialog.flow == from);
        let moved: BTreeSet<DialogId> = legs.filter_map(|leg| leg.media).filter(goes_by).collect();
        for dialog in moved {
            self.agent.move_dialog(dialog, Flow::Stream { connection: other });
        }
    }

    /// Sets whether the ledger has room for another call; without room no call begins here.
    pub const fn set_room(&mut self, has_room: bool) {
        self.has_room = has_room;
    }

    /// Handles a message from a proxy, other than a keep-alive.
    ///
    /// A message whose call is not here waits until the ledger has named the owner: [`Order::Find`] brings it back.
    pub fn receive(&mut self, message: Message, link: u64, now: Timestamp) {
        let doing = Doing::Message { bytes: message.to_bytes(), link };
        self.attempt(doing, now, |node| match node.belongs(&message, link) {
            Belongs::Here => node.take_in(message, link, now),
            Belongs::LegOver => node.take_in_late(message, link, now),
            Belongs::Lookup(sought) => node.hold_for_lookup(sought, message, link),
        });
    }

    /// Marks the call of a message for the commit, so that the ledger confirms us as the owner before anything is sent within the
    /// call. This happens also when nothing changes, and when no such leg is here: a successor may have begun it, or it is over.
    /// For a response of a leg that is here, the user agent itself reports the changes.
    pub(super) fn confirm_owner_of(&mut self, message: &Message, link: u64) {
        let ours = if message.is_request() { message.to() } else { message.from() };
        let Ok(ours) = ours else { return };
        let Some(tag) = ours.tag() else { return };
        match self.agent.dialog_by_tag(tag) {
            Some(dialog) if message.is_request() => self.mark_of(dialog),
            Some(_) => {}
            None => {
                if let Some(LocalTag { call, .. }) = LocalTag::open(tag, &self.seal) {
                    self.mark(call);
                }
            }
        }
        if message.is_request() {
            self.confirmations.received(message.clone(), link);
        }
    }

    /// Handles a message whose call is here, or that belongs to no call.
    pub(super) fn take_in(&mut self, message: Message, link: u64, now: Timestamp) {
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

    /// The dial plan's answer.
    pub fn dial_plan_answered(&mut self, conn_id: ConnId, ask: u32, destination: Destination, now: Timestamp) {
        self.trace_plan(conn_id, &destination, now);
        self.answer_call("the dial plan's answer", conn_id, Input::DialPlan { ask, destination }, now);
    }

    /// Config's answer about a PIN.
    pub fn pin_answered(&mut self, conn_id: ConnId, ask: u32, answer: PinAnswer, now: Timestamp) {
        self.answer_call("an answer about a PIN", conn_id, Input::PinAnswered { ask, answer }, now);
    }

    /// The outcome of a feature code's request.
    pub fn agent_answered(&mut self, conn_id: ConnId, done: bool, now: Timestamp) {
        self.answer_call("the outcome of a feature code", conn_id, Input::AgentAnswered { done }, now);
    }

    fn answer_call(&mut self, what: &'static str, conn_id: ConnId, input: Input, now: Timestamp) {
        self.attempt(Doing::OtherInput(what), now, |node| {
            node.feed(conn_id, input, now);
            node.settle(now);
        });
    }

    /// A request about a call.
    ///
    /// # Errors
    /// When the call is not here (56). A refusal by the call itself comes as an event.
    pub fn request(&mut self, request: Request, now: Timestamp) -> Result<(), ErrorCode> {
        let conn_id = request.kind.conn_id().ok_or(ErrorCode::UNSUPPORTED)?;
        let entry = self.calls.get(&conn_id).ok_or(ErrorCode::INVALID_CONN_ID)?;
        if entry.tenant != request.tenant || entry.call.is_over() {
            return Err(ErrorCode::INVALID_CONN_ID);
        }
        self.answer_call("a request", conn_id, Input::Request(request), now);
        Ok(())
    }

    /// Advances time. Calls due beyond [`CALLS_DUE_PER_TURN`] are served in the next turn, which follows at once.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let due = self.calls.due(now, CALLS_DUE_PER_TURN);
        self.attempt(Doing::Time, now, |node| {
            for (due, conn_id) in due {
                node.calls.disarm((due, conn_id));
                node.attempt_for(Some(conn_id), now, |node| node.call_due(conn_id, now));
            }
            node.attempt_for(None, now, |node| node.agent.handle_timeout(now));
            node.settle(now);
            if node.next_sweep <= now {
                node.sweep(now);
            }
            if node.search.is_due(now) {
                node.look_for_inheritance(now);
            }
            node.settle(now);
        });
    }

    fn call_due(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        entry.armed = None;
        entry.call.handle_timeout(now);
        self.call_changed(conn_id, now);
        if self.calls.get(&conn_id).is_some_and(|entry| entry.armed.is_some_and(|next| next <= now)) {
            self.exceed("a timer that is due again at once");
        }
    }

    /// When [`Node::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let call = self.calls.next_timeout();
        let sweep = (!self.calls.is_empty() || self.proxies.is_one_awaited()).then_some(self.next_sweep);
        let ownership = self.search.next_timeout();
        // Calls still in doubt are confirmed without waiting for an input.
        let doubt = self.confirmations.are_needed().then_some(Timestamp::ZERO);
        [call, self.agent.next_timeout(), sweep, ownership, doubt].into_iter().flatten().min()
    }

    // ---- outputs, after the commit

    /// The next message to send.
    ///
    /// None while calls are in doubt: messages queued for unconfirmed calls must not leave.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let in_doubt = self.confirmations.are_needed() || self.confirmations.is_in_batch();
        if in_doubt { None } else { self.agent.poll_transmit() }
    }

    /// The next order for the shell.
    pub fn poll_order(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    // ---- inside

    /// Gives an input to a call and carries out the result.
    pub(super) fn feed(&mut self, conn_id: ConnId, input: Input, now: Timestamp) {
        self.set_current(conn_id);
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.call.handle(input, now);
            self.call_changed(conn_id, now);
        }
    }

    /// Handles the user agent's events until none is left. Each event is an attempt of its own, because it concerns one dialog.
    pub(super) fn settle(&mut self, now: Timestamp) {
        let most = STEPS_MAX as usize + self.agent.dialogs().saturating_mul(EVENTS_PER_DIALOG);
        for _ in 0..most {
            let Some(event) = self.agent.poll_event() else { break };
            self.attempt_for(None, now, |node| node.dialog_event(event, now));
        }
        if let Some(event) = self.agent.poll_event() {
            self.attempt_for(None, now, |node| {
                node.dialog_event(event, now);
                node.exceed("events of a dialog");
            });
        }
        for dialog in self.agent.take_changed() {
            self.mark_of(dialog);
        }
    }

    /// Carries out a call's outputs and arms its timer.
    pub(super) fn call_changed(&mut self, conn_id: ConnId, now: Timestamp) {
        self.mark(conn_id);
        while let Some(output) = self.calls.get_mut(&conn_id).and_then(|entry| entry.call.poll_output()) {
            self.carry_out(conn_id, output, now);
            if !self.may_step("outputs of a call") {
                break;
            }
        }
        let Some(entry) = self.calls.get_mut(&conn_id) else {
            return;
        };
        if let Some(limit) = entry.call.take_limit() {
            self.metrics.call_limited();
            tracing::warn!(%conn_id, limit = limit.as_str(), "a call has reached a limit of work: it ends");
        }
        self.calls.arm(conn_id);
    }

    /// Puts all stored calls in doubt: a node may have taken this one for failed, so the ledger must confirm each call's owner.
    /// Until then, messages within a call leave only in a turn that confirms that call.
    pub fn doubt(&mut self) {
        let stored = self.calls.iter().filter(|(_, entry)| entry.stored == Stored::Live);
        let written = self.confirmations.doubt(stored.map(|(conn_id, _)| *conn_id));
        // Messages of the last batch may not have left yet: they wait for the first answers.
        for conn_id in written {
            self.mark(conn_id);
        }
    }

    /// Whether the ledger must confirm the batch before anything leaves. A commit that still waits for the ledger proves nothing.
    pub const fn is_in_doubt(&self) -> bool {
        self.confirmations.is_in_batch()
    }

    fn mark_of(&mut self, dialog: DialogId) {
        if let Some(place) = self.calls.place_of(dialog) {
            self.mark(place.conn_id);
        }
    }

    /// Adds the call to the next commit.
    pub fn mark(&mut self, conn_id: ConnId) {
        self.calls.mark(conn_id);
    }

    /// Our tag and Contact in a dialog. Both name call, leg and owner; the Contact is reached at the proxy's edge.
    pub(super) fn identity(&self, tenant: TenantId, place: Place, link: u64) -> LocalIdentity {
        let leg = match place.side {
            Side::Phone => place.leg,
            Side::Media => LegId(place.leg.0 | MEDIA_TAG),
        };
        let tag = LocalTag { call: place.conn_id, leg, tenant, owner: self.owner.clone() }.seal(&self.seal);
        let contact = format!("<sip:{tag}@{}>", self.proxies.edge(link));
        LocalIdentity { tag, contact }
    }

    fn move_legs(&mut self, old: Flow, new: u64) {
        for entry in self.calls.values_mut() {
            for leg in &mut entry.legs {
                if (Flow::Stream { connection: leg.link }) == old {
                    leg.link = new;
                }
            }
        }
    }
}

/// Two legs with a media dialog each, and as much again for phones that ring beside the one that answers.
const DIALOGS_PER_CALL: usize = 8;

/// What tests look into.
#[cfg(test)]
impl Node {
    /// The user agent.
    pub const fn agent(&self) -> &UserAgent {
        &self.agent
    }

    /// The user agent.
    pub const fn agent_mut(&mut self) -> &mut UserAgent {
        &mut self.agent
    }

    /// The calls.
    pub const fn table(&self) -> &Calls {
        &self.calls
    }

    /// Requests without an answer.
    pub const fn pending(&self) -> &PendingRequests {
        &self.pending
    }

    /// The proxies.
    pub const fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Messages that wait for the owner of their call.
    pub const fn held(&self) -> &HeldMessages {
        &self.held
    }

    /// The calls in doubt.
    pub const fn confirmations(&self) -> &Confirmations {
        &self.confirmations
    }

    /// Chooses other prompts.
    pub fn choose_prompts(&mut self, prompts: ReadPrompts) {
        self.prompts = prompts;
    }
}
