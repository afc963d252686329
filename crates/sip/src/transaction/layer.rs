//! All transactions of a node: matching, timers, bounds.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use model::Timestamp;
use smallvec::SmallVec;
use thiserror::Error;

use super::arena::Arena;
use super::client::{ClientState, InviteClient, NonInviteClient, OnResponse};
use super::key::KeyBuffer;
use super::server::{InviteServer, NonInviteServer, OnAck, OnAnswer, OnRepeat, ServerState};
use super::snapshot::{ClientSnapshot, ServerSnapshot};
use super::timer::{Fired, Intervals, Schedule, Timer};
use super::timer_queue::TimerQueue;
use crate::header::HeaderName;
use crate::{Flow, Message, Method, StatusCode, Transmit};

/// A client transaction's handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(u64);

/// A server transaction's handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(u64);

/// A request to be sent in a transaction of its own.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// The request, complete with our Via on top.
    pub message: &'a Message,
    /// The branch in that Via; unique, with the magic cookie.
    pub branch: &'a str,
    /// Where to.
    pub flow: Flow,
    /// Comes back with every response and event; 0 where nobody cares.
    pub owner: u64,
}

/// A request that began a server transaction.
#[derive(Debug)]
pub struct NewRequest {
    /// The transaction, to be answered by [`TransactionLayer::respond`].
    pub server: ServerId,
    /// The request.
    pub message: Message,
    /// Where it came from.
    pub flow: Flow,
    /// Of a CANCEL: the INVITE transaction that it means, and that one's owner.
    pub cancels: Option<(ServerId, u64)>,
}

/// What became of a message that arrived.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "moved once per message; a box would cost more")]
pub enum Received {
    /// Dealt with: a repeat, an ACK to a failure, or unusable.
    Absorbed,
    /// A new request.
    Request(NewRequest),
    /// An ACK to a 2xx. Matched to a transaction only for RFC 2543 peers.
    Ack {
        /// The ACK.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A response to a request of ours. An INVITE's 2xx may come several times, from several forks.
    Response {
        /// The transaction.
        client: ClientId,
        /// Its owner.
        owner: u64,
        /// The response.
        message: Message,
        /// Where it came from.
        flow: Flow,
    },
    /// A response to nothing that we know. RFC 6026 §7.3: it is not forwarded.
    Stray(Message),
}

/// What happened without a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransactionEvent {
    /// No final response came (timers B, C, F): the user acts as upon a 408.
    ClientTimeout {
        /// The transaction; it is over.
        client: ClientId,
        /// Its owner.
        owner: u64,
    },
    /// The flow broke before a final response came: the user acts as upon a 503 (RFC 3261 §8.1.3.1).
    ClientFlowFailed {
        /// The transaction; it is over.
        client: ClientId,
        /// Its owner.
        owner: u64,
    },
    /// The transaction is over after a final response.
    ClientEnded {
        /// The transaction.
        client: ClientId,
        /// Its owner.
        owner: u64,
    },
    /// The ACK to a failure never came (timer H), or a request was never answered (RFC 4320).
    ServerTimeout {
        /// The transaction; it is over.
        server: ServerId,
        /// Its owner.
        owner: u64,
    },
    /// The transaction is over.
    ServerEnded {
        /// The transaction.
        server: ServerId,
        /// Its owner.
        owner: u64,
    },
}

/// A transaction that cannot be had; always our own doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum TransactionError {
    /// The table is full.
    #[error("too many transactions")]
    Full,
    /// There is no such transaction, any more.
    #[error("no such transaction")]
    Gone,
    /// The branch is taken.
    #[error("branch is in use")]
    BranchTaken,
}

/// All transactions of one node.
#[derive(Debug)]
pub struct TransactionLayer {
    intervals: Intervals,
    clients: Arena<Client>,
    servers: Arena<Server>,
    index: HashMap<Box<[u8]>, u64>,
    key: KeyBuffer,
    timers: TimerQueue<(Kind, u64)>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<TransactionEvent>,
    refused: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug)]
enum ClientMachine {
    Invite(InviteClient),
    Other(NonInviteClient),
}

#[derive(Clone, Copy, Debug)]
enum ServerMachine {
    Invite(InviteServer),
    Other(NonInviteServer),
}

/// The most ACKs that one INVITE repeats: one per fork that answered.
const ACKS_MAX: usize = 8;

#[derive(Debug)]
struct Client {
    machine: ClientMachine,
    method: Method,
    branch: Box<str>,
    flow: Flow,
    request: Bytes,
    acks: SmallVec<[(Box<str>, Bytes); 1]>,
    owner: u64,
    armed: Timestamp,
}

#[derive(Debug)]
struct Server {
    machine: ServerMachine,
    method: Method,
    key: Box<[u8]>,
    flow: Flow,
    last: Bytes,
    request: Bytes,
    owner: u64,
    armed: Timestamp,
}

impl TransactionLayer {
    /// The most transactions of each side: 1,000 calls a second, four transactions each, for 32 s, and half as many again.
    pub const TRANSACTIONS_MAX: usize = 196_608;

    /// An empty layer.
    pub fn new(intervals: Intervals) -> Self {
        Self {
            intervals,
            clients: Arena::new(Self::TRANSACTIONS_MAX),
            servers: Arena::new(Self::TRANSACTIONS_MAX),
            index: HashMap::new(),
            key: KeyBuffer::default(),
            timers: TimerQueue::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            refused: 0,
        }
    }

    // === Messages ===

    /// Takes a message that arrived.
    pub fn receive(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        if let Some(fault) = message.fault() {
            if message.is_request() && message.method() != Method::Ack {
                self.refuse(&message, fault.status, flow);
            }
            return Received::Absorbed;
        }
        self.receive_sound(message, flow, now)
    }

    /// As [`Self::receive`], for a message that is known to have no [`Message::fault`].
    pub fn receive_sound(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        if message.is_request() {
            self.receive_request(message, flow, now)
        } else {
            self.receive_response(message, flow, now)
        }
    }

    fn receive_request(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        let method = message.method();
        if method == Method::Ack {
            return self.receive_ack(message, flow, now);
        }
        let Ok(key) = self.key.server(&message, &method) else { return Received::Absorbed };
        if let Some(&id) = self.index.get(key) {
            self.repeat_request(id, flow);
            return Received::Absorbed;
        }
        let key: Box<[u8]> = key.into();
        let cancels = if method == Method::Cancel { self.invite_of(&message) } else { None };
        let (machine, request) = if method == Method::Invite {
            (ServerMachine::Invite(InviteServer::new(now)), message.to_bytes())
        } else {
            (ServerMachine::Other(NonInviteServer::new(&self.intervals, now)), Bytes::new())
        };
        let server = Server {
            machine,
            method,
            key: key.clone(),
            flow,
            last: Bytes::new(),
            request,
            owner: 0,
            armed: Timestamp::MAX,
        };
        let Some(id) = self.insert_server(server) else {
            self.refused += 1;
            self.refuse(&message, StatusCode::SERVICE_UNAVAILABLE, flow);
            return Received::Absorbed;
        };
        Received::Request(NewRequest { server: ServerId(id), message, flow, cancels })
    }

    fn receive_ack(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        let Ok(key) = self.key.server(&message, &Method::Invite) else { return Received::Absorbed };
        let Some(&id) = self.index.get(key) else { return Received::Ack { message, flow } };
        let Some(server) = self.servers.get_mut(id) else { return Received::Absorbed };
        let ServerMachine::Invite(machine) = &mut server.machine else { return Received::Absorbed };
        match machine.acknowledge(server.flow.reliable(), &self.intervals, now) {
            OnAck::Pass => Received::Ack { message, flow },
            OnAck::Absorb => {
                self.arm_server(id);
                Received::Absorbed
            }
            OnAck::AbsorbAndEnd => {
                self.end_server(id);
                Received::Absorbed
            }
        }
    }

    fn repeat_request(&mut self, id: u64, flow: Flow) {
        let Some(server) = self.servers.get_mut(id) else { return };
        let action = match &server.machine {
            ServerMachine::Invite(machine) => machine.repeat(),
            ServerMachine::Other(machine) => machine.repeat(),
        };
        // A repeat may come by another connection after the first one broke: answer where it came from.
        server.flow = flow;
        if action == OnRepeat::Answer && !server.last.is_empty() {
            self.transmits.push_back(Transmit { flow, bytes: server.last.clone() });
        }
    }

    fn receive_response(&mut self, message: Message, flow: Flow, now: Timestamp) -> Received {
        let Some(status) = message.status() else { return Received::Absorbed };
        let (Ok(via), Ok(cseq)) = (message.top_via(), message.cseq()) else { return Received::Absorbed };
        let key = self.key.client(via.branch().unwrap_or_default(), &cseq.method);
        let Some(&id) = self.index.get(key) else { return Received::Stray(message) };
        let Some(client) = self.clients.get_mut(id) else { return Received::Stray(message) };
        let (reliable, owner) = (client.flow.reliable(), client.owner);
        let action = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.respond(status, reliable, &self.intervals, now),
            ClientMachine::Other(machine) => machine.respond(status, reliable, &self.intervals, now),
        };
        if status.is_success() && self.repeat_ack(id, &message) {
            return Received::Absorbed;
        }
        match action {
            OnResponse::Absorb => return Received::Absorbed,
            OnResponse::Ack => {
                self.send_stored_ack(id, 0);
                return Received::Absorbed;
            }
            OnResponse::Pass => {}
            OnResponse::PassAndAck | OnResponse::PassAckAndEnd => self.acknowledge_failure(id, &message),
            OnResponse::PassAndEnd => {}
        }
        self.forget_request(id);
        match action {
            OnResponse::PassAndEnd | OnResponse::PassAckAndEnd => self.end_client(id),
            _ => self.arm_client(id),
        }
        Received::Response { client: ClientId(id), owner, message, flow }
    }

    /// A request that will not be sent again, and of which no ACK or CANCEL will be made, needs no memory.
    fn forget_request(&mut self, id: u64) {
        if let Some(client) = self.clients.get_mut(id)
            && matches!(client.state(), ClientState::Completed)
        {
            client.request = Bytes::new();
        }
    }

    // === Requests of ours ===

    /// Sends a request and waits for its responses.
    ///
    /// # Errors
    /// When the table is full or the branch is taken.
    pub fn send(&mut self, request: ClientRequest<'_>, now: Timestamp) -> Result<ClientId, TransactionError> {
        let method = request.message.method();
        let reliable = request.flow.reliable();
        let machine = if method == Method::Invite {
            ClientMachine::Invite(InviteClient::new(reliable, &self.intervals, now))
        } else {
            ClientMachine::Other(NonInviteClient::new(reliable, &self.intervals, now))
        };
        let bytes = request.message.to_bytes();
        let client = Client {
            machine,
            method,
            branch: request.branch.into(),
            flow: request.flow,
            request: bytes.clone(),
            acks: SmallVec::new(),
            owner: request.owner,
            armed: Timestamp::MAX,
        };
        let id = self.insert_client(client)?;
        self.transmits.push_back(Transmit { flow: request.flow, bytes });
        Ok(ClientId(id))
    }

    /// Cancels an INVITE that had a provisional response (RFC 3261 §9.1) and gives up on it 64·T1 later.
    /// Answers false when there is nothing to cancel, or not yet.
    pub fn cancel(&mut self, client: ClientId, headers: &[(HeaderName, String)], now: Timestamp) -> bool {
        self.send_cancel(client, headers, now).is_some()
    }

    /// As [`Self::cancel`]; answers the CANCEL's own transaction.
    pub(crate) fn send_cancel(
        &mut self,
        client: ClientId,
        headers: &[(HeaderName, String)],
        now: Timestamp,
    ) -> Option<ClientId> {
        let patience = self.intervals.patience();
        let invite = self.clients.get_mut(client.0)?;
        let ClientMachine::Invite(machine) = &mut invite.machine else { return None };
        if machine.state() != ClientState::Proceeding {
            return None;
        }
        machine.give_up_at(now + patience);
        let (flow, branch) = (invite.flow, invite.branch.clone());
        let request = Message::parse(invite.request.clone()).ok()?;
        let mut cancel = hop_request(&request, Method::Cancel, None);
        for (name, value) in headers {
            cancel.append(name, value);
        }
        self.arm_client(client.0);
        self.send(ClientRequest { message: &cancel, branch: &branch, flow, owner: 0 }, now).ok()
    }

    /// Gives up on an INVITE at `due` unless a final response came (timer C).
    pub fn give_up_at(&mut self, client: ClientId, due: Timestamp) {
        if let Some(Client { machine: ClientMachine::Invite(machine), .. }) = self.clients.get_mut(client.0) {
            machine.give_up_at(due);
            self.arm_client(client.0);
        }
    }

    /// Sends the ACK to a 2xx, and again whenever that 2xx (by its To tag) is repeated.
    pub fn acknowledge(&mut self, client: ClientId, to_tag: &str, ack: Bytes, flow: Flow) {
        if let Some(client) = self.clients.get_mut(client.0)
            && client.acks.len() < ACKS_MAX
        {
            client.acks.push((to_tag.into(), ack.clone()));
            client.flow = flow;
            client.request = Bytes::new();
        }
        self.transmits.push_back(Transmit { flow, bytes: ack });
    }

    fn acknowledge_failure(&mut self, id: u64, response: &Message) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let Ok(request) = Message::parse(client.request.clone()) else { return };
        let ack = hop_request(&request, Method::Ack, Some(response)).to_bytes();
        client.acks.clear();
        client.acks.push(("".into(), ack));
        self.send_stored_ack(id, 0);
    }

    fn repeat_ack(&mut self, id: u64, response: &Message) -> bool {
        let Some(client) = self.clients.get(id) else { return false };
        if client.acks.is_empty() {
            return false;
        }
        let Ok(to) = response.to() else { return false };
        let Some(at) = client.acks.iter().position(|(tag, _)| Some(&**tag) == to.tag()) else { return false };
        self.send_stored_ack(id, at);
        true
    }

    fn send_stored_ack(&mut self, id: u64, at: usize) {
        if let Some(client) = self.clients.get(id)
            && let Some((_, ack)) = client.acks.get(at)
        {
            self.transmits.push_back(Transmit { flow: client.flow, bytes: ack.clone() });
        }
    }

    /// Gives a request up without a word and returns it: it is sent elsewhere, in another transaction.
    pub fn abandon(&mut self, client: ClientId) -> Option<Bytes> {
        self.remove_client(client.0).map(|client| client.request)
    }

    // === Responses of ours ===

    /// Sends a response. One that the machine forbids (after a final one, or 408 to anything but an INVITE) is dropped.
    ///
    /// # Errors
    /// When the transaction is over.
    pub fn respond(&mut self, server: ServerId, response: &Message, now: Timestamp) -> Result<(), TransactionError> {
        let entry = self.servers.get_mut(server.0).ok_or(TransactionError::Gone)?;
        let Some(status) = response.status() else { return Ok(()) };
        let reliable = entry.flow.reliable();
        let action = match &mut entry.machine {
            ServerMachine::Invite(machine) => machine.answer(status, reliable, &self.intervals, now),
            ServerMachine::Other(machine) => machine.answer(status, reliable, &self.intervals, now),
        };
        if action == OnAnswer::Drop {
            return Ok(());
        }
        let bytes = response.to_bytes();
        entry.request = Bytes::new();
        // A 2xx is repeated by the user, not by the transaction: no need to keep it.
        entry.last = if entry.state() == ServerState::Accepted { Bytes::new() } else { bytes.clone() };
        self.transmits.push_back(Transmit { flow: entry.flow, bytes });
        match action {
            OnAnswer::SendAndEnd => self.end_server(server.0),
            _ => self.arm_server(server.0),
        }
        Ok(())
    }

    /// Sends bytes outside every transaction: a repeated 2xx, a forwarded ACK.
    pub fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    /// Names the owner of a server transaction; it comes back with CANCEL and events.
    pub fn own(&mut self, server: ServerId, owner: u64) {
        if let Some(server) = self.servers.get_mut(server.0) {
            server.owner = owner;
        }
    }

    /// Where responses of that transaction go.
    pub fn server_flow(&self, server: ServerId) -> Option<Flow> {
        self.servers.get(server.0).map(|s| s.flow)
    }

    /// Where that request goes.
    pub fn client_flow(&self, client: ClientId) -> Option<Flow> {
        self.clients.get(client.0).map(|c| c.flow)
    }

    /// The request as it was sent; empty once it will not be sent again.
    pub fn request_of(&self, client: ClientId) -> Bytes {
        self.clients.get(client.0).map(|c| c.request.clone()).unwrap_or_default()
    }

    /// Where a server transaction stands.
    pub fn server_state(&self, server: ServerId) -> Option<ServerState> {
        self.servers.get(server.0).map(Server::state)
    }

    /// Where a client transaction stands.
    pub fn client_state(&self, client: ClientId) -> Option<ClientState> {
        self.clients.get(client.0).map(Client::state)
    }

    /// The INVITE server transaction that a CANCEL means (RFC 3261 §9.2), with its owner.
    fn invite_of(&mut self, cancel: &Message) -> Option<(ServerId, u64)> {
        let key = self.key.server(cancel, &Method::Invite).ok()?;
        let id = *self.index.get(key)?;
        self.servers.get(id).map(|server| (ServerId(id), server.owner))
    }

    fn refuse(&mut self, request: &Message, status: StatusCode, flow: Flow) {
        let mut response = Message::response_to(request, status).to_tag(STATELESS_TAG);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response = response.header(&HeaderName::RetryAfter, RETRY_AFTER_S);
        }
        self.transmits.push_back(Transmit { flow, bytes: response.build().to_bytes() });
    }

    // === Flows ===

    /// A flow broke: requests that wait for a final response on it fail.
    pub fn flow_failed(&mut self, flow: Flow) {
        let failed: Vec<(u64, u64)> = self
            .clients
            .iter()
            .filter(|(_, c)| c.flow == flow && !matches!(c.state(), ClientState::Completed | ClientState::Accepted))
            .map(|(id, c)| (id, c.owner))
            .collect();
        for (id, owner) in failed {
            self.remove_client(id);
            self.events.push_back(TransactionEvent::ClientFlowFailed { client: ClientId(id), owner });
        }
    }

    /// What is unanswered on `old` goes on over `new`: requests without any response are sent again there.
    pub fn move_flow(&mut self, old: Flow, new: Flow) {
        let moved: Vec<u64> = self.clients.iter().filter(|(_, c)| c.flow == old).map(|(id, _)| id).collect();
        for id in moved {
            let Some(client) = self.clients.get_mut(id) else { continue };
            client.flow = new;
            if matches!(client.state(), ClientState::Calling | ClientState::Trying) {
                self.transmits.push_back(Transmit { flow: new, bytes: client.request.clone() });
            }
        }
        let servers: Vec<u64> = self.servers.iter().filter(|(_, s)| s.flow == old).map(|(id, _)| id).collect();
        for id in servers {
            if let Some(server) = self.servers.get_mut(id) {
                server.flow = new;
            }
        }
    }

    // === Time and outputs ===

    /// When [`Self::handle_timeout`] is to be called next; perhaps for nothing.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        while let Some((due, (kind, id))) = self.timers.pop_due(now) {
            match kind {
                Kind::Client => self.expire_client(id, due, now),
                Kind::Server => self.expire_server(id, due, now),
            }
        }
    }

    /// The next message to be sent.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.events.pop_front()
    }

    /// How many client and server transactions there are.
    pub fn len(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len())
    }

    /// Whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// How many requests were refused because the table was full.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// The intervals in use.
    pub const fn intervals(&self) -> &Intervals {
        &self.intervals
    }

    fn expire_client(&mut self, id: u64, due: Timestamp, now: Timestamp) {
        let Some(client) = self.clients.get_mut(id) else { return };
        if client.armed != due {
            return;
        }
        client.armed = Timestamp::MAX;
        let fired = match &mut client.machine {
            ClientMachine::Invite(machine) => machine.expire(&self.intervals, now),
            ClientMachine::Other(machine) => machine.expire(&self.intervals, now),
        };
        let owner = client.owner;
        match fired {
            Fired::Nothing => self.arm_client(id),
            Fired::Repeat => {
                self.transmits.push_back(Transmit { flow: client.flow, bytes: client.request.clone() });
                self.arm_client(id);
            }
            Fired::End(Timer::B | Timer::C | Timer::F) => {
                self.remove_client(id);
                self.events.push_back(TransactionEvent::ClientTimeout { client: ClientId(id), owner });
            }
            Fired::End(_) => self.end_client(id),
        }
    }

    fn expire_server(&mut self, id: u64, due: Timestamp, now: Timestamp) {
        let Some(server) = self.servers.get_mut(id) else { return };
        if server.armed != due {
            return;
        }
        server.armed = Timestamp::MAX;
        let fired = match &mut server.machine {
            ServerMachine::Invite(machine) => machine.expire(&self.intervals, now),
            ServerMachine::Other(machine) => machine.expire(now),
        };
        let owner = server.owner;
        match fired {
            Fired::Nothing => self.arm_server(id),
            Fired::Repeat => {
                self.transmits.push_back(Transmit { flow: server.flow, bytes: server.last.clone() });
                self.arm_server(id);
            }
            Fired::End(Timer::Trying) => {
                self.send_trying(id, now);
                self.arm_server(id);
            }
            Fired::End(Timer::H | Timer::Unanswered) => {
                self.remove_server(id);
                self.events.push_back(TransactionEvent::ServerTimeout { server: ServerId(id), owner });
            }
            Fired::End(_) => self.end_server(id),
        }
    }

    fn send_trying(&mut self, id: u64, now: Timestamp) {
        let Some(server) = self.servers.get(id) else { return };
        if let Ok(request) = Message::parse(server.request.clone()) {
            let trying = Message::response_to(&request, StatusCode::TRYING).build();
            let _ = self.respond(ServerId(id), &trying, now);
        }
    }

    fn arm_client(&mut self, id: u64) {
        if let Some(client) = self.clients.get_mut(id)
            && let Some(due) = client.schedule().next()
        {
            self.timers.arm((Kind::Client, id), due, &mut client.armed);
        }
    }

    fn arm_server(&mut self, id: u64) {
        if let Some(server) = self.servers.get_mut(id)
            && let Some(due) = server.schedule().next()
        {
            self.timers.arm((Kind::Server, id), due, &mut server.armed);
        }
    }

    fn insert_client(&mut self, client: Client) -> Result<u64, TransactionError> {
        let key = self.key.client(&client.branch, &client.method);
        if self.index.contains_key(key) {
            return Err(TransactionError::BranchTaken);
        }
        let key: Box<[u8]> = key.into();
        let id = self.clients.insert(client).ok_or(TransactionError::Full)?;
        self.index.insert(key, id);
        self.arm_client(id);
        Ok(id)
    }

    fn insert_server(&mut self, server: Server) -> Option<u64> {
        let key = server.key.clone();
        let id = self.servers.insert(server)?;
        self.index.insert(key, id);
        self.arm_server(id);
        Some(id)
    }

    fn remove_client(&mut self, id: u64) -> Option<Client> {
        let client = self.clients.remove(id)?;
        self.index.remove(self.key.client(&client.branch, &client.method));
        Some(client)
    }

    fn remove_server(&mut self, id: u64) -> Option<Server> {
        let server = self.servers.remove(id)?;
        self.index.remove(&server.key);
        Some(server)
    }

    fn end_client(&mut self, id: u64) {
        if let Some(client) = self.remove_client(id) {
            self.events.push_back(TransactionEvent::ClientEnded { client: ClientId(id), owner: client.owner });
        }
    }

    fn end_server(&mut self, id: u64) {
        if let Some(server) = self.remove_server(id) {
            self.events.push_back(TransactionEvent::ServerEnded { server: ServerId(id), owner: server.owner });
        }
    }

    // === Snapshots ===

    /// A client transaction as plain data.
    pub fn snapshot_client(&self, client: ClientId) -> Option<ClientSnapshot> {
        let client = self.clients.get(client.0)?;
        Some(ClientSnapshot {
            branch: client.branch.clone(),
            method: client.method.clone(),
            state: client.state(),
            schedule: client.schedule(),
            flow: client.flow,
            request: client.request.clone(),
            acks: client.acks.to_vec(),
        })
    }

    /// A server transaction as plain data.
    pub fn snapshot_server(&self, server: ServerId) -> Option<ServerSnapshot> {
        let server = self.servers.get(server.0)?;
        Some(ServerSnapshot {
            key: server.key.clone(),
            method: server.method.clone(),
            state: server.state(),
            schedule: server.schedule(),
            flow: server.flow,
            last: server.last.clone(),
            request: server.request.clone(),
        })
    }

    /// Goes on with a client transaction of another layer.
    ///
    /// # Errors
    /// When the table is full or the branch is here already.
    pub fn restore_client(&mut self, snapshot: ClientSnapshot, owner: u64) -> Result<ClientId, TransactionError> {
        let (state, schedule) = (snapshot.state, snapshot.schedule);
        let machine = if snapshot.method == Method::Invite {
            ClientMachine::Invite(InviteClient { state, schedule })
        } else {
            ClientMachine::Other(NonInviteClient { state, schedule })
        };
        let client = Client {
            machine,
            method: snapshot.method,
            branch: snapshot.branch,
            flow: snapshot.flow,
            request: snapshot.request,
            acks: snapshot.acks.into_iter().take(ACKS_MAX).collect(),
            owner,
            armed: Timestamp::MAX,
        };
        self.insert_client(client).map(ClientId)
    }

    /// Goes on with a server transaction of another layer.
    ///
    /// # Errors
    /// When the table is full or the transaction is here already.
    pub fn restore_server(&mut self, snapshot: ServerSnapshot, owner: u64) -> Result<ServerId, TransactionError> {
        if self.index.contains_key(&snapshot.key) {
            return Err(TransactionError::BranchTaken);
        }
        let (state, schedule) = (snapshot.state, snapshot.schedule);
        let machine = if snapshot.method == Method::Invite {
            ServerMachine::Invite(InviteServer { state, schedule })
        } else {
            ServerMachine::Other(NonInviteServer { state, schedule })
        };
        let server = Server {
            machine,
            method: snapshot.method,
            key: snapshot.key,
            flow: snapshot.flow,
            last: snapshot.last,
            request: snapshot.request,
            owner,
            armed: Timestamp::MAX,
        };
        self.insert_server(server).map(ServerId).ok_or(TransactionError::Full)
    }

    /// Sends a request again that nobody has answered: it may have died with the node that first sent it.
    pub fn resend(&mut self, client: ClientId) {
        if let Some(client) = self.clients.get(client.0)
            && matches!(client.state(), ClientState::Calling | ClientState::Trying)
        {
            self.transmits.push_back(Transmit { flow: client.flow, bytes: client.request.clone() });
        }
    }
}

impl Client {
    const fn state(&self) -> ClientState {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.state,
            ClientMachine::Other(machine) => machine.state,
        }
    }

    const fn schedule(&self) -> Schedule {
        match &self.machine {
            ClientMachine::Invite(machine) => machine.schedule,
            ClientMachine::Other(machine) => machine.schedule,
        }
    }
}

impl Server {
    const fn state(&self) -> ServerState {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.state,
            ServerMachine::Other(machine) => machine.state,
        }
    }

    const fn schedule(&self) -> Schedule {
        match &self.machine {
            ServerMachine::Invite(machine) => machine.schedule,
            ServerMachine::Other(machine) => machine.schedule,
        }
    }
}

/// The ACK to a failure (RFC 3261 §17.1.1.3) or the CANCEL (§9.1) of an INVITE: one hop, the INVITE's own Via.
fn hop_request(invite: &Message, method: Method, response: Option<&Message>) -> Message {
    let number = invite.cseq().map_or(1, |cseq| cseq.number);
    let to = response.unwrap_or(invite).header(&HeaderName::To).unwrap_or_default();
    let mut hop = Message::request(method.clone(), invite.request_uri().unwrap_or_default())
        .header(&HeaderName::Via, invite.elements(&HeaderName::Via).next().unwrap_or_default());
    for route in invite.headers(&HeaderName::Route) {
        hop = hop.header(&HeaderName::Route, route);
    }
    hop.header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::From, invite.header(&HeaderName::From).unwrap_or_default())
        .header(&HeaderName::To, to)
        .header(&HeaderName::CallId, invite.header(&HeaderName::CallId).unwrap_or_default())
        .header(&HeaderName::CSeq, format_args!("{number} {method}"))
        .build()
}

/// The To tag of responses that nobody keeps state for.
const STATELESS_TAG: &str = "stateless";
/// What a 503 for want of room asks for.
const RETRY_AFTER_S: u32 = 5;
