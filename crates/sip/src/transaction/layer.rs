//! All transactions of a node: matching, timers, limits.

mod flows;
mod outcome;
mod receive;
mod requests;
mod responses;
mod restore;
mod table;
mod timeouts;

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use model::Timestamp;
use smallvec::SmallVec;

use super::answered::Answered;
use super::arena::Arena;
use super::client::{ClientState, InviteClient, NonInviteClient};
use super::key::KeyBuffer;
use super::server::{InviteServer, NonInviteServer, ServerState};
use super::timer::{Intervals, Schedule};
use super::timer_queue::TimerQueue;
use crate::{ConnectionId, Flow, Message, Method, Transmit};
pub use outcome::{NewRequest, Received, TransactionError, TransactionEvent};
pub(crate) use requests::hop_request;

/// A client transaction's handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(u64);

/// A server transaction's handle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(u64);

impl ServerId {
    /// No transaction, for a request that is answered statelessly.
    pub const NONE: Self = Self(0);
}

/// A request to be sent in a transaction of its own.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// The request, complete with our Via on top.
    pub message: &'a Message,
    /// The branch in that Via; unique, with the magic cookie.
    pub branch: &'a str,
    /// The flow to send it on.
    pub flow: Flow,
    /// Returned with every response and event; 0 if no owner needs them.
    pub owner: u64,
}

/// All transactions of one node.
#[derive(Debug)]
pub struct TransactionLayer {
    intervals: Intervals,
    clients: Arena<Client>,
    /// The client transactions on connections, by connection: its end must not cost a search of all.
    streams: BTreeSet<(ConnectionId, u64)>,
    servers: Arena<Server>,
    /// Bytes held by the server transactions.
    held: usize,
    held_max: usize,
    /// `None` in a layer whose transactions a successor may continue: there they are kept whole.
    answered: Option<Answered>,
    index: HashMap<Box<[u8]>, u64>,
    key: KeyBuffer,
    timers: TimerQueue<(Kind, u64)>,
    // Both queues are drained after every input. An input adds only a handful of entries (a timeout: two per due
    // transaction).
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
/// The most bytes of all those ACKs except the first.
const ACKS_BYTES_MAX: usize = 8_192;

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
    /// The most transactions of each side: 1,000 calls a second, four transactions each, for 32 s, plus half as many
    /// again.
    pub const TRANSACTIONS_MAX: usize = 196_608;
    /// Average bytes allowed per server transaction; with [`Self::TRANSACTIONS_MAX`] half a gigabyte together. With
    /// long requests this limit is reached before that on their number.
    const SERVER_BYTES_EACH: usize = 2_730;
    /// Bytes allowed for all server transactions of the smallest layer.
    const SERVER_BYTES_LEAST: usize = 8 << 20;

    /// Initial capacity of the index: the transactions of 1,000 calls a second. Growing it blocks all other work for
    /// milliseconds; unused capacity costs one byte per entry.
    const INDEX_ROOM: usize = 100_000;

    /// The most timers handled in one turn: 0.1 s of work, even when all are due because the process was suspended.
    pub const TIMERS_PER_TURN: usize = 4_096;

    /// An empty layer for a server without successors. Of a request answered over UDP it keeps only the response, for
    /// repeats.
    pub fn new(intervals: Intervals) -> Self {
        let answered = Answered::new(intervals.patience(), Self::TRANSACTIONS_MAX);
        let index = HashMap::with_capacity(Self::INDEX_ROOM);
        Self { answered: Some(answered), index, ..Self::restorable(Self::TRANSACTIONS_MAX, intervals) }
    }

    /// An empty layer with at most `transactions` of each side; each is kept whole to its end:
    /// [`Self::snapshot_server`].
    pub fn restorable(transactions: usize, intervals: Intervals) -> Self {
        Self {
            intervals,
            clients: Arena::new(transactions),
            streams: BTreeSet::new(),
            servers: Arena::new(transactions),
            held: 0,
            held_max: (transactions * Self::SERVER_BYTES_EACH).max(Self::SERVER_BYTES_LEAST),
            answered: None,
            index: HashMap::new(),
            key: KeyBuffer::default(),
            timers: TimerQueue::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            refused: 0,
        }
    }

    /// Whether less than an eighth of the bytes for server transactions is left.
    pub const fn is_short(&self) -> bool {
        self.held > self.held_max / 8 * 7
    }

    // === Outputs and queries ===

    /// When to call [`Self::handle_timeout`] next; there may be nothing to do then.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<TransactionEvent> {
        self.events.pop_front()
    }

    /// Whether a message belongs to an existing transaction.
    pub fn matches(&mut self, message: &Message) -> bool {
        let method = match message.method() {
            Method::Ack if message.is_request() => Method::Invite,
            method => method,
        };
        if message.is_request() {
            return self.key.server(message, &method).is_ok_and(|key| self.index.contains_key(key));
        }
        let Ok(via) = message.top_via() else { return false };
        self.index.contains_key(self.key.client(via.branch().unwrap_or_default(), &method))
    }

    /// The flow on which the request's server transaction is answered; an ACK or CANCEL belongs to its INVITE's.
    pub fn answered_by(&mut self, request: &Message) -> Option<Flow> {
        let method = match request.method() {
            Method::Ack | Method::Cancel => Method::Invite,
            method => method,
        };
        let id = *self.index.get(self.key.server(request, &method).ok()?)?;
        self.servers.get(id).map(|server| server.flow)
    }

    /// The server transaction that a response answers, by its topmost Via, and the transaction's owner.
    pub fn server_of(&mut self, response: &Message) -> Option<(ServerId, u64)> {
        let method = response.cseq().ok()?.method;
        let id = *self.index.get(self.key.server(response, &method).ok()?)?;
        Some((ServerId(id), self.servers.get(id)?.owner))
    }

    /// As [`Self::matches`]; also true for a CANCEL of an existing INVITE and for a repeat of an answered request.
    pub fn knows(&mut self, message: &Message, now: Timestamp) -> bool {
        if self.matches(message) {
            return true;
        }
        if !message.is_request() {
            return false;
        }
        let method = message.method();
        if method == Method::Cancel && self.invite_of(message).is_some() {
            return true;
        }
        let Ok(key) = self.key.server(message, &method) else { return false };
        self.answered.as_ref().is_some_and(|answered| answered.find(key, now).is_some())
    }

    /// The client transaction that a response belongs to, and its owner.
    pub fn client_of(&mut self, response: &Message) -> Option<(ClientId, u64)> {
        let (via, cseq) = (response.top_via().ok()?, response.cseq().ok()?);
        let id = *self.index.get(self.key.client(via.branch().unwrap_or_default(), &cseq.method))?;
        Some((ClientId(id), self.clients.get(id)?.owner))
    }

    /// Drops unsent messages and transactions that now belong to another node. `is_theirs` decides by the bytes that
    /// would be sent.
    pub fn disown(&mut self, is_theirs: impl Fn(&Bytes) -> bool) {
        self.transmits.retain(|transmit| !is_theirs(&transmit.bytes));
        let clients: Vec<u64> = self.clients.iter().filter(|(_, c)| is_theirs(&c.request)).map(|(id, _)| id).collect();
        let servers: Vec<u64> = self.servers.iter().filter(|(_, s)| is_theirs(&s.last)).map(|(id, _)| id).collect();
        for id in clients {
            self.remove_client(id);
        }
        for id in servers {
            self.remove_server(id);
        }
    }

    /// The number of client and server transactions.
    pub fn len(&self) -> (usize, usize) {
        (self.clients.len(), self.servers.len())
    }

    /// Whether there is no transaction.
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// The number of requests refused because the table was full.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// The intervals in use.
    pub const fn intervals(&self) -> &Intervals {
        &self.intervals
    }
}

impl Server {
    /// Bytes held by it; its key is stored in the index as well.
    fn bytes(&self) -> usize {
        2 * self.key.len() + self.last.len() + self.request.len()
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
