//! Listeners and connections of one role, over TCP, TLS and WebSocket: limits, reuse (RFC 5923), and one event channel.

mod accepting;
mod forwarders;
mod trust;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use runtime::PeerMeter;
use sip::{ConnectionId, Message, ParseError, Transport};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use forwarders::Forwards;

use super::connection::{self, Carriage, Closed, Happened, MessageForm, Origin, Writer};
use super::places::{Peers, PlaceTable, ProvenOwner};
use super::{Counters, Limits};
use crate::tls::handshake_rates::HandshakeRates;
use crate::tls::{ShownCertificate, Tls, TlsSession};

/// An event on the connections of a [`TcpTable`].
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is a message; a box would cost an allocation each")]
pub enum TcpEvent {
    /// A peer has connected, or a connection that we opened is established.
    Opened {
        /// Which connection.
        connection: ConnectionId,
        /// The peer.
        remote: SocketAddr,
        /// The listener that accepted it; `None` if we opened it.
        listener: Option<ListenerId>,
        /// What stands behind the path in the opening of a WebSocket; empty without it. It may be a secret.
        query: Box<str>,
        /// The certificate that a peer has shown who has connected; an empty one without.
        shown: ShownCertificate,
    },
    /// A whole message came in.
    Message {
        /// By which connection.
        connection: ConnectionId,
        /// The message.
        message: Message,
        /// When it was read from the socket.
        came: Instant,
    },
    /// The peer of this connection, which we opened, has answered a ping of ours (RFC 5626 §4.4.1).
    Pong(ConnectionId),
    /// The input is not a message. If its end is not known, `Closed` follows; messages sent before that is taken still
    /// go out.
    Malformed {
        /// By which connection.
        connection: ConnectionId,
        /// What is wrong, with the part of the message needed for an answer.
        error: ParseError,
    },
    /// The connection closed; nothing follows from it.
    Closed {
        /// Which connection.
        connection: ConnectionId,
        /// Why.
        why: Closed,
    },
}

/// Gives the meter that counts a connection, by the peer's address and the listener that accepted it (`None`: we open
/// it).
pub type MeterOf = Box<dyn Fn(SocketAddr, Option<ListenerId>) -> Option<PeerMeter> + Send>;

/// A listener of a [`TcpTable`], numbered from 0 in the order of `listen`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ListenerId(pub usize);

/// The TCP connections of one role, owned by its loop.
pub struct TcpTable {
    limits: Limits,
    counters: Arc<Counters>,
    open: HashMap<ConnectionId, Open>,
    /// How many of these there are by each transport.
    counts: HashMap<Transport, usize>,
    /// The places of each listener; `None`: those of connections that we opened. A crowd on one listener must not keep
    /// others out.
    places: HashMap<Option<ListenerId>, PlaceTable>,
    listeners: Vec<Listener>,
    last_id: u64,
    meter_of: MeterOf,
    forwards: Forwards,
    /// None until it is given: then there is no TLS.
    tls: Option<Tls>,
    handshakes: HandshakeRates,
    sender: mpsc::Sender<Raw>,
    events: mpsc::Receiver<Raw>,
    /// Connections with messages to write at the end of the turn.
    to_flush: Vec<ConnectionId>,
    /// Connections that we have closed; the loop has yet to be notified.
    ended: VecDeque<(ConnectionId, Closed)>,
}

#[derive(Debug)]
struct Open {
    writer: Writer,
    remote: SocketAddr,
    listener: Option<ListenerId>,
}

#[derive(Debug)]
struct Listener {
    local: SocketAddr,
    transport: Transport,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An event from a task to the table.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is a message; a box would cost an allocation each")]
enum Raw {
    Accepted(ListenerId, TcpStream, SocketAddr),
    From(ConnectionId, Happened),
}

// Pending connections in the kernel, for a burst of reconnecting phones.
const BACKLOG: i32 = 1_024;

/// A message could not be handed to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such connection (any more).
    #[error("the connection is gone")]
    Gone,
    /// The peer does not read; the connection has been closed.
    #[error("the peer does not read, the connection has been closed")]
    Unread,
    /// There is no room for another connection.
    #[error("there are too many connections")]
    TooMany,
    /// The peer's name is none that a certificate could have, or there is no TLS.
    #[error("there is no name that the peer could prove")]
    NoName,
}

// === impl TcpTable ===

impl TcpTable {
    /// An empty table.
    pub fn new(limits: Limits, counters: Arc<Counters>, meter_of: MeterOf) -> Self {
        let (sender, events) = mpsc::channel(limits.event_queue);
        Self {
            limits,
            counters,
            open: HashMap::new(),
            counts: HashMap::new(),
            places: HashMap::from([(None, PlaceTable::new(&limits, Peers::Called))]),
            listeners: Vec::new(),
            last_id: 0,
            meter_of,
            forwards: Box::new(|_, _| false),
            tls: None,
            handshakes: HandshakeRates::new(limits.connections_per_source, limits.handshakes_per_second),
            sender,
            events,
            to_flush: Vec::new(),
            ended: VecDeque::new(),
        }
    }

    /// Numbers connections from `first` on. An owner that writes numbers down, as a proxy does in its routes, begins
    /// each run beyond the numbers of the previous one: an old number must not name a new connection. It has at most
    /// [`ConnectionId::COUNT_BITS`] bits.
    pub fn number_from(&mut self, first: u64) {
        self.last_id = self.last_id.max(ConnectionId(first).count());
    }

    /// Binds a listener over TCP and starts accepting. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The kernel's error, usually that the address is in use or not ours.
    pub fn listen(&mut self, local: SocketAddr, peers: Peers) -> io::Result<(ListenerId, SocketAddr)> {
        self.listen_for(Transport::Tcp, local, peers)
    }

    /// As [`Self::listen`], for connections by another transport. Those under TLS are refused without [`Self::use_tls`] before.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub fn listen_for(
        &mut self,
        transport: Transport,
        local: SocketAddr,
        peers: Peers,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Otherwise a restarted role would wait for the TIME_WAITs of its predecessor.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&local.into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let local = listener.local_addr()?;
        let id = ListenerId(self.listeners.len());
        self.places.insert(Some(id), PlaceTable::new(&self.limits, peers));
        let task = tokio::spawn(accepting::accept(listener, id, self.sender.clone()));
        self.listeners.push(Listener { local, transport, task });
        Ok((id, local))
    }

    /// Closes the listeners: whoever connects from now on is refused, and may try another replica. Connections stay.
    pub fn stop_accepting(&self) {
        // What the tasks own closes with them.
        self.listeners.iter().for_each(|listener| listener.task.abort());
    }

    /// The address of a listener.
    pub fn local(&self, listener: ListenerId) -> Option<SocketAddr> {
        self.listeners.get(listener.0).map(|l| l.local)
    }

    /// Writes pending messages and waits for the next event. Cancel-safe.
    pub async fn next(&mut self) -> TcpEvent {
        loop {
            self.flush();
            if let Some(event) = self.next_ended() {
                return event;
            }
            // The table holds a sender itself, so the channel never closes.
            if let Some(raw) = self.events.recv().await
                && let Some(event) = self.take(raw)
            {
                return event;
            }
        }
    }

    /// Takes one thing that has already happened; `None` without any. Of some there is no event, as of a ping: the table has seen to them.
    /// The caller limits how many it takes in one turn.
    pub fn try_take(&mut self) -> Option<Option<TcpEvent>> {
        if let Some(event) = self.next_ended() {
            return Some(Some(event));
        }
        let raw = self.events.try_recv().ok()?;
        Some(self.take(raw))
    }

    /// Sends to a connection with the next [`Self::flush`], which [`Self::next`] begins with: all messages of a turn go
    /// out in one write per connection. A connection whose peer does not read is closed.
    ///
    /// # Errors
    /// [`SendError::Gone`] and [`SendError::Unread`].
    pub fn send(&mut self, connection: ConnectionId, bytes: Bytes) -> Result<(), SendError> {
        let open = self.open.get(&connection).ok_or(SendError::Gone)?;
        if open.writer.gather(bytes).is_err() {
            self.counters.closed_unread.one();
            self.close(connection);
            return Err(SendError::Unread);
        }
        if self.to_flush.last() != Some(&connection) {
            self.to_flush.push(connection);
        }
        Ok(())
    }

    /// Writes the messages of this turn.
    pub fn flush(&mut self) {
        while let Some(connection) = self.to_flush.pop() {
            let Some(open) = self.open.get(&connection) else { continue };
            if open.writer.flush().is_err() {
                self.counters.closed_unread.one();
                self.end(connection, Closed::Unread);
            }
        }
    }

    fn next_ended(&mut self) -> Option<TcpEvent> {
        self.ended.pop_front().map(|(connection, why)| TcpEvent::Closed { connection, why })
    }

    /// Opens a connection to `remote` from the local address. Messages sent before it is established wait in its queue.
    ///
    /// # Errors
    /// [`SendError::TooMany`].
    pub fn open(&mut self, remote: SocketAddr, local: IpAddr) -> Result<ConnectionId, SendError> {
        self.last_id += 1;
        let id = ConnectionId::accepted(self.last_id, Transport::Tcp);
        self.open_as(id, remote, local, "").map(|()| id)
    }

    /// As [`Self::open`], with a number chosen by the caller, which tells the transport: it must be new and that of a connection that we
    /// open, so that it cannot equal a number of the table's own. Under TLS the peer has to prove `name`, a host name or an address.
    ///
    /// # Errors
    /// [`SendError::TooMany`], [`SendError::NoName`].
    pub fn open_as(&mut self, id: ConnectionId, remote: SocketAddr, from: IpAddr, name: &str) -> Result<(), SendError> {
        let session = match id.transport() {
            Transport::Tls => Some(self.tls.as_ref().and_then(|tls| tls.connect(name).ok()).ok_or(SendError::NoName)?),
            Transport::Tcp | Transport::Udp | Transport::Ws | Transport::Wss => None,
        };
        let origin = Origin::Connect { local: from, remote, within: self.limits.connect_time, is_trial: false };
        self.admit(id, origin, session, remote, None).then_some(()).ok_or(SendError::TooMany)
    }

    /// As [`Self::open_as`], for a connection in the clear which another way replaces if it does not open within [`Limits::trial_time`].
    ///
    /// # Errors
    /// [`SendError::TooMany`].
    pub fn try_as(&mut self, id: ConnectionId, remote: SocketAddr, from: IpAddr) -> Result<(), SendError> {
        let origin = Origin::Connect { local: from, remote, within: self.limits.trial_time, is_trial: true };
        self.admit(id, origin, None, remote, None).then_some(()).ok_or(SendError::TooMany)
    }

    /// Closes a connection; messages sent before still go out, as far as the kernel takes them at once. No
    /// [`TcpEvent::Closed`] follows.
    pub fn close(&mut self, connection: ConnectionId) {
        self.forget(connection);
    }

    /// Records whose a connection is: it keeps its place, and stays open as long as [`Limits::idle`] allows.
    pub fn prove(&mut self, connection: ConnectionId, proof: ProvenOwner) {
        if let Some(places) = self.places_of(connection) {
            places.prove(connection, proof, Instant::now());
        }
    }

    /// Closes the connections of strangers whose time is over. To be called about once a second.
    pub fn close_overdue(&mut self) {
        let now = Instant::now();
        for listener in (0..self.listeners.len()).map(ListenerId) {
            while let Some(connection) = self.places.get(&Some(listener)).and_then(|places| places.overdue(now)) {
                self.counters.closed_idle.one();
                self.end(connection, Closed::Idle);
            }
        }
    }

    /// The number of messages and other events that wait for [`Self::next`].
    pub fn backlog(&self) -> usize {
        self.events.len()
    }

    /// The number of connections by this transport that are up or being opened.
    pub fn count_of(&self, transport: Transport) -> usize {
        self.counts.get(&transport).copied().unwrap_or_default()
    }

    /// The number of connections.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// True when there is no connection.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Writes all pending messages; true when the kernel has taken all of them.
    pub fn flush_all(&self) -> bool {
        self.open.values().all(|o| o.writer.flush().is_ok() && o.writer.is_flushed())
    }

    /// The peer of a connection.
    pub fn remote(&self, connection: ConnectionId) -> Option<SocketAddr> {
        self.open.get(&connection).map(|o| o.remote)
    }

    fn take(&mut self, raw: Raw) -> Option<TcpEvent> {
        match raw {
            Raw::Accepted(listener, stream, remote) => {
                self.accept(listener, stream, remote);
                None
            }
            // Events still in the channel when the loop closed the connection.
            Raw::From(connection, _) if !self.open.contains_key(&connection) => None,
            Raw::From(connection, Happened::Message(message, came)) => {
                let places = self.places_of(connection)?;
                places.heard(connection, Instant::now());
                Some(TcpEvent::Message { connection, message, came })
            }
            Raw::From(connection, Happened::Malformed(error)) => Some(TcpEvent::Malformed { connection, error }),
            Raw::From(connection, Happened::Ping) => {
                let unread = self.open.get(&connection)?.writer.pong().is_err();
                if unread {
                    self.counters.closed_unread.one();
                    self.end(connection, Closed::Unread);
                }
                None
            }
            Raw::From(connection, Happened::Pong) => Some(TcpEvent::Pong(connection)),
            Raw::From(connection, Happened::Opened { forwarded_for, query, shown }) => {
                self.note_forwarded(connection, &forwarded_for);
                let open = self.open.get(&connection)?;
                let (remote, listener) = (open.remote, open.listener);
                Some(TcpEvent::Opened { connection, remote, listener, query, shown })
            }
            Raw::From(connection, Happened::Closed(why)) => {
                self.forget(connection);
                Some(TcpEvent::Closed { connection, why })
            }
        }
    }

    fn accept(&mut self, listener: ListenerId, stream: TcpStream, remote: SocketAddr) {
        let Some(transport) = self.listeners.get(listener.0).map(|listener| listener.transport) else { return };
        let session = match transport.is_secure() {
            true if !self.is_forwarder(Some(listener), remote.ip())
                && !self.handshakes.may_begin(remote.ip(), Instant::now()) =>
            {
                return self.counters.tls_refused_rate.one();
            }
            true => match self.tls.as_ref().map(Tls::accept) {
                Some(Ok(session)) => Some(session),
                _ => return self.counters.connections_refused.one(),
            },
            false => None,
        };
        self.last_id += 1;
        let id = ConnectionId::accepted(self.last_id, transport);
        self.admit(id, Origin::Accepted(stream), session, remote, Some(listener));
    }

    fn admit(
        &mut self,
        id: ConnectionId,
        origin: Origin,
        session: Option<TlsSession>,
        remote: SocketAddr,
        listener: Option<ListenerId>,
    ) -> bool {
        let (peer, now) = (remote.ip(), Instant::now());
        let is_passed_on = self.is_forwarder(listener, peer);
        let take = |places: &mut PlaceTable| match is_passed_on {
            true => places.take_passed_on(id, peer, now),
            false => places.take(id, peer, now),
        };
        let Some(Ok(given_up)) = self.places.get_mut(&listener).map(take) else {
            self.counters.connections_refused.one();
            return false;
        };
        if let Some(given_up) = given_up {
            self.counters.connections_displaced.one();
            self.end(given_up, Closed::Displaced);
        }
        let (counters, meter) = (self.counters.clone(), (self.meter_of)(remote, listener));
        let deliver = move |happened| Raw::From(id, happened);
        let form = if id.transport().is_web_socket() { MessageForm::WebSocket } else { MessageForm::Stream };
        let carriage = Carriage { session, form };
        let writer = connection::spawn(origin, carriage, self.limits, counters, meter, self.sender.clone(), deliver);
        if self.open.insert(id, Open { writer, remote, listener }).is_none() {
            *self.counts.entry(id.transport()).or_default() += 1;
        }
        true
    }

    fn forget(&mut self, connection: ConnectionId) {
        let Some(open) = self.open.remove(&connection) else { return };
        if let Some(count) = self.counts.get_mut(&connection.transport()) {
            *count = count.saturating_sub(1);
        }
        if let Some(places) = self.places.get_mut(&open.listener) {
            places.leave(connection);
        }
    }

    /// Closes a connection; [`TcpEvent::Closed`] follows.
    fn end(&mut self, connection: ConnectionId, why: Closed) {
        self.forget(connection);
        self.ended.push_back((connection, why));
    }

    fn places_of(&mut self, connection: ConnectionId) -> Option<&mut PlaceTable> {
        let listener = self.open.get(&connection)?.listener;
        self.places.get_mut(&listener)
    }
}
