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
pub mod spending;

use call::call::PinAnswer;
use call::{CallSnapshot, Input};
use model::event::ErrorCode;
use model::plan::{Destination, PlanAnswer};
use model::{ConnId, Entropy, Owner, Request, RequestKind, Timestamp};
use sip::agent::{Accounts, AgentConfig, UserAgent};
use sip::{ConnectionId, Message, Seal, Transmit};

use super::limits::{CALLS_DUE_PER_TURN, Limits};
use super::metrics::Metrics;
use crate::record_cipher::RecordCipher;
use calls::call::Stored;
use calls::direct::ReadPhones;
use calls::first_data::ReadDefaults;
use calls::flows::SilentFlows;
use calls::joining_invite::Joins;
use calls::monitoring::Monitors;
use calls::pending::PendingRequests;
use calls::prompts::ReadPrompts;
use calls::table::Calls;
use calls::trunk::header_rules::{self, ReadHeaderRules};
use calls::trunk::identity::IdentityConfiguration;
use calls::trunk::limits::{CallRates, Pauses};
use calls::trunk::location::ReadLocation;
use calls::trunk::settings::{ReadReceived, ReadTrunks};
use calls::unasked::UnaskedLegs;
use calls::waiting::early_invites::EarlyInvites;
use calls::waiting::verification::Verifications;
use faults::{Doing, Faults};
use ids::Ids;
use order::{Order, Orders};
use ownership::confirm::Confirmations;
use ownership::hand_over::HandOvers;
use ownership::held::HeldMessages;
use ownership::quarantine::AsideCalls;
use ownership::search::OrphanSearch;
use ownership::takeover::Belongs;
use proxies::Proxies;
use spending::Spendings;

/// A node. The module describes its turns.
pub struct Node {
    ids: Ids,
    cipher: RecordCipher,
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
    /// Calls that are handed over to other nodes.
    hand_overs: HandOvers,
    /// The search for calls of failed nodes.
    search: OrphanSearch,
    faults: Faults,
    /// Calls whose records are being moved to quarantine.
    aside: AsideCalls,
    orders: Orders,
    draining: bool,
    /// Supervisors that monitor calls.
    monitors: Monitors,
    /// Threads whose records are too large.
    heavy: Vec<ConnId>,
    /// Where the INVITE joins that is being handled again.
    found: Option<Joins>,
    /// Whether the ledger has room for another call.
    has_room: bool,
    next_sweep: Timestamp,
    prompts: ReadPrompts,
    trunks: ReadTrunks,
    received: ReadReceived,
    header_rules: ReadHeaderRules,
    identities: Box<dyn IdentityConfiguration>,
    /// INVITEs that wait until config has told of their trunk.
    early_invites: EarlyInvites,
    /// INVITEs that wait until it is known who calls.
    verifications: Verifications,
    /// Phones that have other flows than the one by which they are called.
    silent_flows: SilentFlows,
    /// Legs that wait until they can be asked for.
    unasked: UnaskedLegs,
    phones: ReadPhones,
    locations: ReadLocation,
    defaults: ReadDefaults,
    /// Trunks whose carriers want no calls for a while.
    pauses: Pauses,
    call_rates: CallRates,
    /// What is spent in a day on calls outside.
    spendings: Spendings,
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
    /// Seals its records.
    pub cipher: RecordCipher,
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
    /// Reads what a tenant has set for a trunk.
    pub trunks: ReadTrunks,
    /// Reads what numbers of trunks mean.
    pub received: ReadReceived,
    /// Reads the rules about headers of a trunk.
    pub header_rules: ReadHeaderRules,
    /// Reads with what calls are signed.
    pub identities: Box<dyn IdentityConfiguration>,
    /// Reads what a tenant has set for a phone.
    pub phones: ReadPhones,
    /// Reads where a phone is.
    pub locations: ReadLocation,
    /// Reads the user data with which calls from outside begin.
    pub defaults: ReadDefaults,
    /// Looks up the credentials of trunks.
    pub accounts: Accounts,
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
            accounts: parts.accounts,
            invite_edits: header_rules::edits(parts.header_rules.clone(), parts.seal.clone()),
            dialogs_max: parts.limits.calls_max.saturating_mul(DIALOGS_PER_CALL),
            ..AgentConfig::default()
        };
        Self {
            ids: Ids::new(parts.owner, parts.replica, parts.seal, parts.entropy),
            cipher: parts.cipher,
            limits: parts.limits,
            metrics: parts.metrics,
            agent: UserAgent::new(config, parts.agent_entropy),
            calls: Calls::default(),
            pending: PendingRequests::default(),
            proxies: Proxies::new(parts.limits.proxy_return),
            confirmations: Confirmations::new(),
            held: HeldMessages::default(),
            hand_overs: HandOvers::default(),
            search: OrphanSearch::new(),
            faults: Faults::default(),
            aside: AsideCalls::default(),
            orders: Orders::new(),
            draining: false,
            monitors: Monitors::default(),
            heavy: Vec::new(),
            found: None,
            has_room: true,
            next_sweep: Timestamp::ZERO,
            prompts: parts.prompts,
            trunks: parts.trunks,
            received: parts.received,
            header_rules: parts.header_rules,
            identities: parts.identities,
            early_invites: EarlyInvites::default(),
            verifications: Verifications::default(),
            silent_flows: SilentFlows::default(),
            unasked: UnaskedLegs::default(),
            phones: parts.phones,
            locations: parts.locations,
            defaults: parts.defaults,
            pauses: Pauses::default(),
            call_rates: CallRates::default(),
            spendings: Spendings::default(),
            trace: parts.trace,
        }
    }

    /// How many calls there are, those included that begin once their trunk is known, or who calls.
    pub fn calls(&self) -> usize {
        self.calls.len() + self.waiting_invites()
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
    pub fn link_up(&mut self, link: ConnectionId, edge: &str, now: Timestamp) {
        self.attempt(Doing::OtherInput("a proxy"), now, |node| node.meet_proxy(link, edge, now));
    }

    /// The connection to a proxy broke. Its calls wait for its return without a limit, their requests up to `proxy_return`.
    pub fn link_down(&mut self, link: ConnectionId, now: Timestamp) {
        self.attempt(Doing::OtherInput("the loss of a proxy"), now, |node| node.lose_proxy(link, now));
    }

    /// A proxy says whether it drains: then calls go by others, where they can.
    pub fn proxy_drains(&mut self, link: ConnectionId, drains: bool) {
        self.proxies.drains(link, drains);
    }

    /// Sets whether the ledger has room for another call; without room no call begins here.
    pub const fn set_room(&mut self, has_room: bool) {
        self.has_room = has_room;
    }

    /// Handles a message from a proxy, other than a keep-alive.
    ///
    /// A message whose call is not here waits until the ledger has named the owner: [`Order::Find`] brings it back.
    pub fn receive(&mut self, message: Message, link: ConnectionId, now: Timestamp) {
        let doing = Doing::Message { bytes: message.to_bytes(), link };
        self.attempt(doing, now, |node| match node.belongs(&message, link) {
            Belongs::Here => node.take_in(message, link, now),
            Belongs::LegOver => node.take_in_late(message, link, now),
            Belongs::Lookup(sought) => node.hold_for_lookup(sought, message, link, now),
        });
    }

    /// The dial plan's answer.
    pub fn dial_plan_answered(&mut self, conn_id: ConnId, ask: u32, answer: impl Into<PlanAnswer>, now: Timestamp) {
        let mut answer: PlanAnswer = answer.into();
        self.trace_plan(conn_id, &answer, now);
        self.add_way_without_location(conn_id, &mut answer.destination);
        self.believe_days(conn_id, &mut answer.destination, now);
        self.attempt(Doing::OtherInput("the dial plan's answer"), now, |node| {
            let PlanAnswer { destination, .. } = &answer;
            node.keep_location(conn_id, ask, destination);
            let lacks_tls = node.lacks_tls(conn_id, ask, destination);
            let destination = if lacks_tls { calls::sips::refused() } else { destination.clone() };
            if let Some(destination) = node.join_found(conn_id, ask, destination, now) {
                node.warn_caller(conn_id, &destination);
                if lacks_tls {
                    node.note_tls(conn_id, true);
                }
                if !matches!(destination, Destination::Reject { .. }) {
                    node.index_invite(conn_id, ask);
                }
                let answer = PlanAnswer { destination, ..answer.clone() };
                node.feed(conn_id, Input::DialPlan { ask, answer }, now);
            }
            node.settle(now);
        });
    }

    /// Config's answer about a PIN.
    pub fn pin_answered(&mut self, conn_id: ConnId, ask: u32, answer: PinAnswer, now: Timestamp) {
        self.answer_call("an answer about a PIN", conn_id, Input::PinAnswered { ask, answer }, now);
    }

    /// The outcome of a feature code's request.
    pub fn agent_answered(&mut self, conn_id: ConnId, done: bool, now: Timestamp) {
        let thread = self.calls.thread_of(conn_id).unwrap_or(conn_id);
        self.answer_call("the outcome of a feature code", thread, Input::AgentAnswered { conn_id, done }, now);
    }

    fn answer_call(&mut self, what: &'static str, conn_id: ConnId, input: Input, now: Timestamp) {
        self.attempt(Doing::OtherInput(what), now, |node| {
            node.feed(conn_id, input, now);
            node.settle(now);
        });
    }

    fn make_call(&mut self, request: Request, now: Timestamp) -> Result<(), ErrorCode> {
        let mut outcome = Err(ErrorCode::INTERNAL);
        self.attempt(Doing::OtherInput("a request for a call"), now, |node| {
            outcome = node.originate(request.clone(), now).map(|_| ());
            node.settle(now);
        });
        outcome
    }

    /// A request about a call, or for a new one.
    ///
    /// # Errors
    /// When the call is not here (56), or a new one cannot be opened. A refusal by the call itself comes as an event.
    pub fn request(&mut self, request: Request, now: Timestamp) -> Result<(), ErrorCode> {
        let Some(conn_id) = request.kind.conn_id() else { return self.make_call(request, now) };
        let thread = self.calls.thread_of(conn_id).ok_or(ErrorCode::INVALID_CONN_ID)?;
        let entry = self.calls.get(&thread).filter(|entry| entry.tenant == request.tenant);
        if entry.and_then(|entry| entry.thread.call(conn_id)).is_none_or(CallSnapshot::is_over) {
            return Err(ErrorCode::INVALID_CONN_ID);
        }
        if let Some(other) = request.kind.other_call() {
            self.hand_overs.end_join(thread, other);
        }
        let input = match request.kind {
            RequestKind::InitiateTransfer(..) | RequestKind::MuteTransfer(..) => {
                Input::Consult { request, conn_id: self.ids.next_conn_id(now), uuid: self.ids.next_uuid() }
            }
            _ => Input::Request(request),
        };
        self.attempt(Doing::OtherInput("a request"), now, |node| {
            match &input {
                Input::Request(request) => node.ask_thread(request, now),
                input => node.feed(thread, input.clone(), now),
            }
            node.settle(now);
        });
        Ok(())
    }

    /// Advances time. Calls due beyond [`CALLS_DUE_PER_TURN`] are served in the next turn, which follows at once.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let due = self.calls.due(now, CALLS_DUE_PER_TURN);
        self.attempt(Doing::Time, now, |node| {
            for conn_id in std::mem::take(&mut node.heavy) {
                node.attempt_for(Some(conn_id), now, |node| node.end_largest_leg(conn_id, now));
            }
            for (due, conn_id) in due {
                node.calls.disarm((due, conn_id));
                node.attempt_for(Some(conn_id), now, |node| node.call_due(conn_id, now));
            }
            node.attempt_for(None, now, |node| node.agent.handle_timeout(now));
            node.look_for_trunks(now);
            node.judge_overdue(now);
            node.leave_silent_flows(now);
            node.ask_if_due(now);
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

    /// When [`Node::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let call = self.calls.next_timeout();
        let needs_sweep = !self.calls.is_empty() || self.proxies.is_one_awaited() || self.has_unstored_spending();
        let sweep = needs_sweep.then_some(self.next_sweep);
        let ownership = self.search.next_timeout();
        // Calls still in doubt are confirmed without waiting for an input.
        let doubt = self.confirmations.are_needed().then_some(Timestamp::ZERO);
        let changes = (self.calls.is_one_changed() || !self.heavy.is_empty()).then_some(Timestamp::ZERO);
        let (waiting, flow, agent) =
            (self.waiting_timeout(), self.silent_flows.next_timeout(), self.agent.next_timeout());
        let unasked = self.unasked.next_timeout();
        [call, agent, sweep, ownership, doubt, changes, waiting, flow, unasked].into_iter().flatten().min()
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
    pub fn poll_order(&mut self, now: Timestamp) -> Option<Order> {
        self.orders.pop_front().or_else(|| self.next_hand_over(now))
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

    /// What reads that which is set for trunks.
    pub const fn trunks_mut(&mut self) -> &mut ReadTrunks {
        &mut self.trunks
    }

    /// Whether what legs count for is as if all were counted now.
    pub fn counts_are_right(&mut self) -> bool {
        self.calls.counts_are_right()
    }

    /// The calls.
    pub const fn table(&self) -> &Calls {
        &self.calls
    }

    /// How many legs wait until they can be asked for.
    pub fn unasked(&self) -> usize {
        self.unasked.count()
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
