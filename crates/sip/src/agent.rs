//! The user agent: all dialogs and transactions of one node, without I/O.
//!
//! Drive loop: pass in messages ([`UserAgent::receive`]), the application's commands (the verbs) and time
//! ([`UserAgent::handle_timeout`]); then drain [`UserAgent::poll_event`] and [`UserAgent::poll_transmit`], and return
//! at [`UserAgent::next_timeout`]. Nothing leaves before it is drained, so that an application can commit first: drain
//! the events, act on them, [`UserAgent::snapshot`], commit, then drain the transmissions.

mod acknowledge;
mod authorize;
mod bounds;
mod command;
mod compose;
mod early;
mod event;
mod farewell;
mod fork;
mod invite_client;
mod invite_failure;
mod invite_server;
mod leg;
mod outside;
mod reason;
mod reinvite_server;
mod session_timer;
mod snapshot;
mod state;
mod turn;
mod unwanted;
mod within_client;
mod within_server;

pub use bounds::{BoundsReached, DIALOG_BYTES_MAX};
pub use command::{
    Accounts, AgentConfig, AgentCredentials, Body, CommandError, DialogId, DialogTerms, ExtraHeaders, IncomingId,
    Invite, InviteEdits, LocalIdentity, OutgoingRequest, Provisionals, Reliability, Reply, RequestId,
};
pub use compose::{ALLOW, SDP, SUPPORTED};
pub use event::{Event, Release, Session};
pub use reason::{COMPLETED_ELSEWHERE, reasons_of};
pub use snapshot::Restore;
pub use state::{
    AnsweredRequest, DialogSnapshot, EarlyDialog, Glare, IncomingInvite, InvitePurpose, LegPhase, LegState, NonceUse,
    OutgoingInvite, OutgoingStage, PendingAnswer, PendingRequest, QueuedReply, RequestPurpose, SessionTimer,
    Unacknowledged, Unpracked,
};

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use model::{Entropy, Timestamp};

use crate::header::HeaderName;
use crate::location::Geolocation;
use crate::transaction::{
    Arena, ClientId, NewRequest, Received, ServerId, TimerQueue, TransactionEvent, TransactionLayer,
};
use crate::{Flow, Message, Method, StatusCode, Transmit};
use leg::Leg;
use outside::Outside;
use state::Shared;

/// The owner of transactions whose outcome is ignored.
const NOBODY: u64 = 0;
/// The owner of transactions outside dialogs. No dialog has this id: every dialog id carries a generation above 0.
const OUTSIDE: u64 = 1;

/// All dialogs and transactions of one node.
pub struct UserAgent {
    config: AgentConfig,
    entropy: Box<dyn Entropy>,
    layer: TransactionLayer,
    dialogs: Arena<Leg>,
    by_tag: HashMap<Arc<str>, DialogId>,
    /// Dialogs begun by the peer, by Call-ID and the peer's tag: an INVITE may come again by another path.
    initial: HashMap<Box<str>, DialogId>,
    outside: HashMap<ClientId, Outside>,
    waiting: HashMap<u64, Waiting>,
    timers: TimerQueue<DialogId>,
    in_hand: Option<DialogId>,
    changed: BTreeSet<DialogId>,
    /// Drained after every input. An input adds only a handful of entries.
    events: VecDeque<Event>,
    /// Grows with every input; the steps of each dialog are counted per turn.
    turn: u64,
    bounds_reached: BoundsReached,
}

/// A request that waits for the application.
#[derive(Clone, Debug)]
enum Waiting {
    Within(DialogId),
    Outside(ServerId, Shared),
}

impl UserAgent {
    /// An agent without dialogs.
    pub fn new(config: AgentConfig, entropy: Box<dyn Entropy>) -> Self {
        let layer = TransactionLayer::restorable(config.transactions_max, config.intervals);
        let dialogs = Arena::new(config.dialogs_max);
        Self {
            config,
            entropy,
            layer,
            dialogs,
            by_tag: HashMap::new(),
            initial: HashMap::new(),
            outside: HashMap::new(),
            waiting: HashMap::new(),
            timers: TimerQueue::new(),
            in_hand: None,
            changed: BTreeSet::new(),
            events: VecDeque::new(),
            turn: 0,
            bounds_reached: BoundsReached::default(),
        }
    }

    // === Inputs ===

    /// Processes a received message. A message whose response would be too long to parse is dropped; none that long
    /// comes from the edge.
    pub fn receive(&mut self, message: Message, flow: Flow, now: Timestamp) {
        self.turn += 1;
        if !message.can_be_answered() {
            return self.count_oversized();
        }
        let location = Geolocation::read(&message);
        match self.layer.receive(message.unpacked(), flow, now) {
            Received::Absorbed => {}
            Received::Stray(response) => self.acknowledge_late(&response),
            Received::Request(new) => self.receive_request(new, location, now),
            Received::Ack { message, .. } => self.incoming_ack(&message, now),
            Received::Response { client, owner, message, .. } => {
                let Some(status) = message.status() else { return };
                if owner == OUTSIDE {
                    self.response_outside(client, status, Some(message), now);
                } else if message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite) {
                    self.invite_response(owner, client, message, now);
                } else {
                    self.response_within(owner, client, status, Some(message), now);
                }
                self.arm(DialogId(owner));
            }
        }
        self.follow_transactions(now);
    }

    /// Processes a message of a dialog that its owner knows to have ended: the answer to its BYE may have been lost
    /// with an earlier process. A repeated BYE gets 200 again; a phone that answers too late gets ACK and BYE again;
    /// everything else takes the usual path.
    pub fn receive_after_end(&mut self, message: Message, flow: Flow, now: Timestamp) {
        let invited = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        if invited && message.fault().is_none() && message.status().is_some_and(StatusCode::is_success) {
            return self.decline_stray(&message, flow, now);
        }
        if !message.is_request() || message.method() != Method::Bye || message.fault().is_some() {
            return self.receive(message, flow, now);
        }
        self.answer_once(&message, Reply::new(StatusCode::OK), flow);
    }

    /// Whether the INVITE began a dialog that exists here.
    pub fn has_begun(&self, invite: &Message) -> bool {
        self.initial.contains_key(&invite_server::initial_key(invite))
    }

    /// Expects the INVITE of a dialog again by another path, since the first one leads nowhere any more. It will be
    /// answered there.
    pub fn expect_again(&mut self, invite: &Message) {
        let known = self.initial.get(&invite_server::initial_key(invite)).copied();
        if let Some(leg) = known.and_then(|id| self.dialogs.get_mut(id.0)) {
            leg.restored = true;
        }
    }

    /// Answers a request that belongs to nothing here, without keeping state.
    pub fn answer_once(&mut self, request: &Message, reply: Reply, flow: Flow) {
        let tag = request.to().ok().and_then(|to| to.tag().map(str::to_owned)).unwrap_or_default();
        let response = compose::with_reply(self.plain_response(request, reply.status, &tag), &reply).build();
        self.layer.transmit(flow, response.to_bytes());
    }

    /// Forwards a message that is not for this agent.
    pub fn pass_on(&mut self, message: &Message, flow: Flow) {
        self.layer.transmit(flow, message.to_bytes());
    }

    /// A flow broke: requests that wait for a final response on it fail with 503. Dialogs stay, since the flow may come
    /// back ([`Self::move_flow`]). A BYE or CANCEL waits for that until it times out.
    pub fn flow_failed(&mut self, flow: Flow, now: Timestamp) {
        self.turn += 1;
        self.layer.flow_away(flow, now);
        self.follow_transactions(now);
    }

    /// Moves everything on `old` to `new`. Unanswered requests are sent again there. The peer's INVITEs may also come
    /// again, since the other end of `old` may have lost its state.
    pub fn move_flow(&mut self, old: Flow, new: Flow) {
        self.layer.move_flow(old, new);
        let moved: Vec<u64> =
            self.dialogs.iter().filter(|(_, leg)| leg.state.dialog.flow == old).map(|(id, _)| id).collect();
        for id in moved {
            if let Some(leg) = self.dialogs.get_mut(id) {
                leg.state.dialog.flow = new;
                leg.restored = true;
                if let Some(unacked) = &mut leg.state.unacked {
                    unacked.flow = new;
                }
            }
        }
    }

    /// As [`Self::move_flow`], for one dialog whose peer can also be reached by `new`.
    pub fn move_dialog(&mut self, dialog: DialogId, new: Flow) {
        if self.set_flow(dialog, new).is_err() {
            return;
        }
        let Some(leg) = self.dialogs.get(dialog.0) else { return };
        let clients = [leg.invite_client, leg.cancel_client].into_iter().flatten();
        let clients = clients.chain(leg.clients.iter().copied()).chain(leg.recent_clients.iter().copied());
        for client in clients.collect::<Vec<_>>() {
            self.layer.move_client(client, new);
        }
    }

    /// Changes the flow for the requests of a dialog.
    ///
    /// # Errors
    /// When the dialog does not exist.
    pub fn set_flow(&mut self, dialog: DialogId, flow: Flow) -> Result<(), CommandError> {
        let state = &mut self.dialogs.get_mut(dialog.0).ok_or(CommandError::Gone)?.state;
        let old = std::mem::replace(&mut state.dialog.flow, flow);
        if let Some(unacked) = state.unacked.as_mut().filter(|unacked| unacked.flow == old) {
            unacked.flow = flow;
        }
        Ok(())
    }

    // === Outputs ===

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The dialogs in which a request was begun since the last call, also by the agent's own timers. Their CSeq has
    /// advanced, so an application that keeps records writes them before the message leaves. Includes dialogs that sent
    /// something without an event: the CANCEL released by a 100, or the ACK and BYE for an unwanted fork.
    pub fn take_changed(&mut self) -> BTreeSet<DialogId> {
        std::mem::take(&mut self.changed)
    }

    /// Marks a dialog as changed, if it still exists, so that its record is written.
    fn has_changed(&mut self, id: DialogId) {
        if self.dialogs.get(id.0).is_some() {
            self.changed.insert(id);
        }
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.layer.poll_transmit()
    }

    /// When to call [`Self::handle_timeout`] next; there may be nothing to do then.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        match (self.layer.next_timeout(), self.timers.next()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    // === Queries ===

    /// The dialog with this local tag.
    pub fn dialog_by_tag(&self, local_tag: &str) -> Option<DialogId> {
        self.by_tag.get(local_tag).copied()
    }

    /// Whether a message belongs to a dialog or transaction of this agent. If not, the dialog's snapshot may have to be
    /// restored first; our tag in the message names it.
    pub fn knows(&mut self, message: &Message) -> bool {
        let ours = if message.is_request() { message.to() } else { message.from() };
        let dialog = ours.ok().and_then(|address| address.tag()).is_some_and(|tag| self.by_tag.contains_key(tag));
        dialog || self.layer.matches(message)
    }

    /// The state of a dialog.
    pub fn leg(&self, dialog: DialogId) -> Option<&LegState> {
        self.dialogs.get(dialog.0).map(|leg| &leg.state)
    }

    /// The number of dialogs.
    pub fn dialogs(&self) -> usize {
        self.dialogs.len()
    }

    /// The number of client and server transactions, lingering ones included.
    pub fn transactions(&self) -> (usize, usize) {
        self.layer.len()
    }

    /// The number of requests refused for lack of room.
    pub const fn refused(&self) -> u64 {
        self.layer.refused()
    }

    // === Dispatch ===

    /// `location` is that of an INVITE, whose other parts beside the session are gone.
    fn receive_request(&mut self, new: NewRequest, location: Option<Geolocation>, now: Timestamp) {
        let method = new.message.method();
        if method == Method::Cancel {
            self.incoming_cancel(new, now);
            return;
        }
        match self.dialog_of(&new.message) {
            Some(id) => {
                self.request_within(id, new, now);
                self.arm(id);
            }
            None if method == Method::Invite && !has_to_tag(&new.message) => self.incoming_invite(new, location, now),
            None => self.request_outside(new, now),
        }
    }

    /// The dialog of the peer's request. While our INVITE is unanswered, a fork's request matches by our tag and the
    /// Call-ID.
    fn dialog_of(&self, request: &Message) -> Option<DialogId> {
        let to = request.to().ok()?;
        let id = *self.by_tag.get(to.tag()?)?;
        let leg = self.dialogs.get(id.0)?;
        if leg.state.phase == LegPhase::Inviting {
            // Also before any response: the peer's node or ours may have failed in between, and a 481 would end a
            // dialog whose first response is still to come.
            return (request.call_id() == Ok(&*leg.state.dialog.call_id)).then_some(id);
        }
        leg.state.dialog.matches_request(request).then_some(id)
    }

    fn follow_transactions(&mut self, now: Timestamp) {
        while let Some(event) = self.layer.poll_event() {
            match event {
                TransactionEvent::ClientTimeout { client, owner } => {
                    self.client_failed(client, owner, StatusCode::REQUEST_TIMEOUT, now);
                }
                TransactionEvent::ClientFlowFailed { client, owner } => {
                    self.client_failed(client, owner, StatusCode::SERVICE_UNAVAILABLE, now);
                }
                TransactionEvent::ServerTimeout { server, owner: OUTSIDE } => self.outside_unanswered(server),
                TransactionEvent::ServerTimeout { server, owner } => self.server_timed_out(server, owner),
                TransactionEvent::ClientEnded { .. } | TransactionEvent::ServerEnded { .. } => {}
            }
        }
    }

    fn client_failed(&mut self, client: ClientId, owner: u64, status: StatusCode, now: Timestamp) {
        self.in_hand = Some(DialogId(owner));
        if owner == OUTSIDE {
            self.response_outside(client, status, None, now);
        } else if !self.spend_step(DialogId(owner), now) {
        } else if self.dialogs.get(owner).is_some_and(|l| l.invite_client == Some(client) && l.invite_pending()) {
            self.invite_failure(DialogId(owner), status, None, now);
        } else {
            self.response_within(owner, client, status, None, now);
        }
        self.arm(DialogId(owner));
    }

    /// The application left a request unanswered for too long (RFC 4320).
    fn server_timed_out(&mut self, server: ServerId, owner: u64) {
        let Some(leg) = self.dialogs.get_mut(owner) else { return };
        let Some(at) = leg.servers.iter().position(|s| *s == server) else { return };
        leg.servers.remove(at);
        let pending = leg.state.incoming.remove(at);
        if pending.is_offer {
            leg.state.offer_answer.abandon();
        }
        self.waiting.remove(&pending.id);
    }

    // === The table of dialogs ===

    fn insert_leg(&mut self, leg: Leg) -> Option<DialogId> {
        let tag = leg.state.dialog.local_tag.clone();
        let key = leg.initial_key();
        let id = DialogId(self.dialogs.insert(leg)?);
        if !tag.is_empty() {
            self.by_tag.insert(tag, id);
        }
        if let Some(key) = key {
            self.initial.insert(key, id);
        }
        Some(id)
    }

    fn remove_leg(&mut self, id: DialogId) -> Option<Leg> {
        let leg = self.dialogs.remove(id.0)?;
        self.changed.remove(&id);
        self.by_tag.remove(&leg.state.dialog.local_tag);
        if let Some(key) = leg.initial_key() {
            self.initial.remove(&key);
        }
        Some(leg)
    }

    /// Removes a dialog with all its pending requests.
    fn close(&mut self, id: DialogId, now: Timestamp) {
        let Some(leg) = self.remove_leg(id) else { return };
        if leg.invite_pending()
            && let Some(client) = leg.invite_client
        {
            // Its final response may never come; a late 2xx is declined.
            self.layer.give_up_at(client, now + self.layer.intervals().patience());
        }
        let tag = &leg.state.dialog.local_tag;
        for (pending, server) in leg.state.incoming.iter().zip(&leg.servers) {
            self.waiting.remove(&pending.id);
            if let Ok(request) = Message::parse(pending.request.clone()) {
                // RFC 3261 §15.1.2: pending requests must still be answered.
                self.respond_plain(*server, &request, StatusCode::REQUEST_TERMINATED, tag, now);
            }
        }
    }

    /// Forgets a dialog that another node owns now. [`Self::disown`] handles its unsent messages.
    pub fn forget(&mut self, dialog: DialogId) {
        let Some(leg) = self.remove_leg(dialog) else { return };
        let clients = [leg.invite_client, leg.cancel_client].into_iter().flatten();
        for client in clients.chain(leg.clients).chain(leg.recent_clients) {
            self.layer.abandon(client);
        }
        for server in leg.invite_server.into_iter().chain(leg.servers).chain(leg.recent) {
            self.layer.drop_server(server);
        }
        for pending in &leg.state.incoming {
            self.waiting.remove(&pending.id);
        }
    }

    /// Drops everything that another node owns now, also outside dialogs: unsent messages are not sent, and nothing is
    /// repeated. Calls `is_theirs` once for each message.
    pub fn disown(&mut self, is_theirs: impl Fn(&Message) -> bool) {
        self.layer.disown(|bytes| Message::parse(bytes.clone()).is_ok_and(|message| is_theirs(&message)));
    }

    /// Ends a dialog and reports it.
    fn release(&mut self, id: DialogId, reason: Release, now: Timestamp) {
        self.close(id, now);
        self.events.push_back(Event::Released { dialog: id, reason });
    }

    /// Ends a dialog from our side: a BYE goes out, whatever its outcome.
    fn leave(&mut self, id: DialogId, reason: Release, now: Timestamp) {
        self.refuse_invite(id, &Reply::new(StatusCode::REQUEST_TERMINATED), now);
        if let Some(leg) = self.dialogs.get(id.0) {
            match (leg.state.phase, leg.invite_client) {
                (LegPhase::Confirmed, _) => self.send_orphan_bye(leg.state.dialog.clone(), &Vec::new(), now),
                // An INVITE without any response yet is cancelled when the first one comes.
                (LegPhase::Inviting, Some(client)) => drop(self.layer.cancel(client, &[], now)),
                _ => {}
            }
        }
        self.release(id, reason, now);
    }

    fn respond_plain(&mut self, server: ServerId, request: &Message, status: StatusCode, tag: &str, now: Timestamp) {
        let response = self.plain_response(request, status, tag).build();
        // A transaction that has ended needs no response.
        let _ = self.layer.respond(server, &response, now);
    }

    /// 405 with the methods that we understand (RFC 3261 §8.2.1).
    fn respond_not_allowed(&mut self, server: ServerId, request: &Message, tag: &str, now: Timestamp) {
        let response =
            self.plain_response(request, StatusCode::METHOD_NOT_ALLOWED, tag).header(&HeaderName::Allow, ALLOW).build();
        let _ = self.layer.respond(server, &response, now);
    }
}

fn has_to_tag(request: &Message) -> bool {
    request.to().is_ok_and(|to| to.tag().is_some())
}
