//! One TCP connection: a task reads and frames; the role's loop writes directly while the peer keeps up.

mod handshake;
mod reading;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use runtime::PeerMeter;
use sip::framer::{PING, PONG};
use sip::{Message, ParseError, Unreached};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::outlet::{NotSecured, Outlet, QueueFull};
use super::{Counters, Limits, web_socket};
use crate::tls::{Failure, ShownCertificate, Tls, TlsSession};
use handshake::NotUpgraded;
pub(super) use reading::MessageForm;
use reading::{ReadSide, read};

/// Why a connection closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// The peer closed or reset it.
    ByPeer,
    /// It could not be opened: also if the peer has not proved its name.
    NotOpened(Unreached),
    /// A peer opened it, and they did not agree on TLS.
    NotSecured,
    /// It was silent for too long.
    Idle,
    /// The peer did not read what it was sent.
    Unread,
    /// The input was not SIP, too long, or too slow.
    BadInput,
    /// It had proved nothing, and another one needed its place.
    Displaced,
    /// We closed it.
    ByUs,
}

// Entries of the write queue; the bound in bytes is `Limits::write_queue_bytes`.
const WRITE_QUEUE_ENTRIES: usize = 4_096;

// How long what we have sent on a connection that we opened may stay without the acknowledgement of the peer's kernel: a firewall on the way
// that has forgotten the connection says nothing, and by itself the kernel would try for a quarter of an hour.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

// Gathered messages go out in one write; from this many bytes they are written at once.
const GATHERED_BYTES: usize = 64 * 1024;

/// The writing half, owned by the role's loop. Dropping it closes the connection.
pub struct Writer {
    /// Messages that go out with the next flush. Both the loop and the connection's keeper write, but never at the same
    /// time.
    gathered: Mutex<Gathered>,
    outlet: Arc<Outlet>,
    form: MessageForm,
    task: JoinHandle<()>,
    counters: Arc<Counters>,
    meter: Option<PeerMeter>,
}

/// Messages held until the end of the loop's turn.
#[derive(Default)]
struct Gathered {
    messages: Vec<Bytes>,
    bytes: usize,
}

impl Writer {
    /// Answers a ping (RFC 5626 §4.4.1).
    ///
    /// # Errors
    /// As [`Self::send`].
    pub(super) fn pong(&self) -> Result<(), QueueFull> {
        self.send(Bytes::from_static(PONG))
    }

    /// Sends one message at once, behind what was gathered.
    ///
    /// # Errors
    /// [`QueueFull`] when the peer does not read; the caller closes the connection then.
    pub fn send(&self, bytes: Bytes) -> Result<(), QueueFull> {
        self.gather(bytes)?;
        self.flush()
    }

    /// Keeps one message for the next [`Self::flush`]: a write per message would cost more than all other work on it.
    ///
    /// # Errors
    /// [`QueueFull`] when the peer does not read; the caller closes the connection then.
    pub fn gather(&self, bytes: Bytes) -> Result<(), QueueFull> {
        self.counters.messages_out.one();
        self.counters.bytes_out.more(bytes.len() as u64);
        if let Some(meter) = &self.meter {
            meter.request();
            meter.bytes_out(bytes.len());
        }
        if *bytes == *PING {
            self.outlet.note_ping();
        }
        let bytes = match self.form {
            MessageForm::Stream => bytes,
            MessageForm::WebSocket if self.outlet.has_web_socket() => web_socket::framed(&bytes),
            // The end of the connection is on its way to the loop.
            MessageForm::WebSocket => return Ok(()),
        };
        let mut gathered = self.gathered();
        gathered.bytes += bytes.len();
        gathered.messages.push(bytes);
        if gathered.bytes < GATHERED_BYTES {
            return Ok(());
        }
        let bytes = gathered.take();
        self.outlet.send(bytes)
    }

    /// Sends what was gathered. Order is kept: bytes go to the socket directly only when none wait.
    ///
    /// # Errors
    /// [`QueueFull`] when the peer does not read; the caller closes the connection then.
    pub fn flush(&self) -> Result<(), QueueFull> {
        // Keep the lock during the write, so that no other bytes come in between.
        let mut gathered = self.gathered();
        if gathered.messages.is_empty() {
            return Ok(());
        }
        let bytes = gathered.take();
        self.outlet.send(bytes)
    }

    /// Judges the peer's certificate by these authorities from now on; whether it was believed and is not any more.
    pub(super) fn is_distrusted_by(&self, tls: &Tls) -> bool {
        self.outlet.is_distrusted_by(tls)
    }

    fn gathered(&self) -> std::sync::MutexGuard<'_, Gathered> {
        // A poisoned lock is safe: the content is consistent after every step.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when everything that was sent has reached the kernel.
    pub fn is_flushed(&self) -> bool {
        self.outlet.is_empty() && self.gathered().messages.is_empty()
    }
}

impl Gathered {
    /// All messages as one piece.
    fn take(&mut self) -> Bytes {
        let bytes = std::mem::take(&mut self.bytes);
        if self.messages.len() == 1
            && let Some(only) = self.messages.pop()
        {
            return only;
        }
        let mut all = Vec::with_capacity(bytes);
        self.messages.drain(..).for_each(|message| all.extend_from_slice(&message));
        all.into()
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("outlet", &self.outlet).finish_non_exhaustive()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The last message on a connection that is being closed (the answer to a malformed message) goes out here.
        let _ = self.flush();
        if self.outlet.has_web_socket() {
            let _ = self.outlet.send(web_socket::farewell());
        }
        self.outlet.close();
        self.task.abort();
    }
}

/// How the stream is obtained.
#[derive(Debug)]
pub(super) enum Origin {
    /// It was accepted.
    Accepted(TcpStream),
    /// It is to be opened, from the given local address.
    Connect {
        /// Our own address, as source.
        local: IpAddr,
        /// The peer.
        remote: SocketAddr,
        /// How long that may take.
        within: Duration,
        /// Whether another way replaces it: then it is no failure of the peer's that it does not open.
        is_trial: bool,
    },
}

/// An event from a connection's task to the loop, through the `deliver` function.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly every one is a message; a box would cost an allocation each")]
pub(super) enum Happened {
    /// It is open.
    Opened {
        /// From whom the peer says that it has got the opening of its WebSocket, the nearest first.
        forwarded_for: Vec<IpAddr>,
        /// The query of the opening of its WebSocket.
        query: Box<str>,
        /// The peer's certificate.
        shown: ShownCertificate,
    },
    /// A whole message, and when its end was read.
    Message(Message, Instant),
    /// The peer checks whether we are alive; it gets a pong.
    Ping,
    /// The peer of a connection that we opened has answered a ping of ours.
    Pong,
    /// The input is not a message. `Closed` follows if its end is not known.
    Malformed(ParseError),
    /// It closed; nothing follows.
    Closed(Closed),
}

/// How a connection travels: in the clear or under a TLS session, as a stream or as WebSocket messages.
#[derive(Debug)]
pub(super) struct Carriage {
    pub(super) session: Option<TlsSession>,
    pub(super) form: MessageForm,
}

/// Starts the task of a connection. `deliver` wraps each event for the loop's channel.
pub(super) fn spawn<E: Send + 'static>(
    origin: Origin,
    Carriage { session, form }: Carriage,
    limits: Limits,
    counters: Arc<Counters>,
    meter: Option<PeerMeter>,
    events: mpsc::Sender<E>,
    deliver: impl Fn(Happened) -> E + Send + Sync + 'static,
) -> Writer {
    let (queue, pending) = mpsc::channel(WRITE_QUEUE_ENTRIES);
    let outlet = Arc::new(Outlet::new(queue, limits.write_queue_bytes, session));
    let task = {
        let outlet = outlet.clone();
        let counted = Counted { counters: counters.clone(), meter: meter.clone() };
        tokio::spawn(async move {
            let why = run((origin, form), limits, counted, &events, &deliver, pending, &outlet).await;
            // Ignored: the loop has ended and nothing listens.
            let _ = events.send(deliver(Happened::Closed(why))).await;
        })
    };
    Writer { gathered: Mutex::default(), outlet, form, task, counters, meter }
}

/// The counts of one connection. An opened connection counts as closed when this is dropped, also when its task is
/// aborted.
struct Counted {
    counters: Arc<Counters>,
    meter: Option<PeerMeter>,
}

impl Counted {
    fn attempted(&self) {
        self.meter.iter().for_each(PeerMeter::attempted);
    }

    fn failed(&self, is_trial: bool) {
        self.meter.iter().filter(|_| !is_trial).for_each(PeerMeter::error);
        self.counters.connects_failed.one();
    }

    /// A TLS connection did not come about. Whose name was not proved, and why, is for whoever wants to reach it.
    fn not_secured(&self, error: &NotSecured, name: Option<&str>) {
        let failed = match error {
            NotSecured::Tls(error) => match error.failure() {
                Failure::NotTls => &self.counters.tls_failed_not_tls,
                Failure::Incompatible => &self.counters.tls_failed_incompatible,
                Failure::Certificate => &self.counters.tls_failed_certificate,
                Failure::Other => &self.counters.tls_failed_other,
            },
            NotSecured::Late => &self.counters.tls_failed_late,
            NotSecured::Closed | NotSecured::Unread => &self.counters.tls_failed_other,
        };
        failed.one();
        match name {
            Some(name) => tracing::warn!(name, %error, "no TLS connection to a peer"),
            None => tracing::debug!(%error, "no TLS connection with a peer"),
        }
    }

    fn opened(&self) -> Standing<'_> {
        self.counters.connections_opened.one();
        self.meter.iter().for_each(PeerMeter::opened);
        Standing(self)
    }

    fn received(&self, bytes: usize) {
        self.counters.bytes_in.more(bytes as u64);
        if let Some(meter) = &self.meter {
            meter.bytes_in(bytes);
        }
    }

    fn message(&self) {
        self.counters.messages_in.one();
        self.meter.iter().for_each(PeerMeter::request);
    }

    fn closed(&self, why: Closed) {
        match why {
            Closed::Idle => self.counters.closed_idle.one(),
            Closed::Unread => self.counters.closed_unread.one(),
            Closed::BadInput => self.counters.closed_bad_input.one(),
            Closed::NotOpened(_) | Closed::NotSecured | Closed::ByPeer | Closed::Displaced | Closed::ByUs => {}
        }
    }
}

struct Standing<'a>(&'a Counted);

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.meter.iter().for_each(PeerMeter::closed);
    }
}

async fn run<E>(
    (origin, form): (Origin, MessageForm),
    limits: Limits,
    counted: Counted,
    events: &mpsc::Sender<E>,
    deliver: &(impl Fn(Happened) -> E + Sync),
    pending: mpsc::Receiver<Bytes>,
    outlet: &Arc<Outlet>,
) -> Closed {
    let is_ours = matches!(origin, Origin::Connect { .. });
    let stream = match origin {
        Origin::Accepted(stream) => stream,
        Origin::Connect { local, remote, within, is_trial } => {
            counted.attempted();
            let opened = tokio::time::timeout(within, connect(local, remote)).await;
            match opened.map_err(|_| Unreached::Late).and_then(|stream| stream.map_err(|error| unreached(&error))) {
                Ok(stream) => stream,
                Err(why) => {
                    counted.failed(is_trial);
                    return Closed::NotOpened(why);
                }
            }
        }
    };
    // Signalling messages are small and urgent (RFC 3261 is silent on this; Nagle costs 40 ms).
    let _ = stream.set_nodelay(true);
    let (mut reader, writer) = stream.into_split();
    let writer = Arc::new(writer);
    outlet.connected(writer.clone());
    let exchange = async {
        let mut incoming = ReadSide::new(form, is_ours);
        // Who calls waits for a handshake of ours, and then for the next address.
        let within = if is_ours { limits.connect_time } else { limits.handshake_time };
        if let Err(error) = handshake::complete(&mut reader, &mut incoming, within, &counted, outlet).await {
            counted.not_secured(&error, outlet.name());
            if is_ours {
                // A trial is made in the clear.
                counted.failed(false);
                return Closed::NotOpened(error.unreached());
            }
            return Closed::NotSecured;
        }
        match handshake::upgrade(&mut reader, &mut incoming, limits.handshake_time, &counted, outlet).await {
            Ok(()) => {}
            Err(NotUpgraded::Over) => return Closed::ByPeer,
            Err(NotUpgraded::Refused) => {
                counted.counters.web_sockets_refused.one();
                return Closed::BadInput;
            }
        }
        let _standing = counted.opened();
        let (forwarded_for, query) = (incoming.take_forwarded_for(), incoming.take_query());
        let opened = Happened::Opened { forwarded_for, query, shown: outlet.shown() };
        if events.send(deliver(opened)).await.is_err() {
            return Closed::ByUs;
        }
        read(reader, incoming, &limits, &counted, events, deliver, outlet).await
    };
    let why = tokio::select! {
        why = exchange => why,
        why = write(&writer, limits.write_stall, pending, outlet) => why,
    };
    counted.closed(why);
    why
}

async fn connect(local: IpAddr, remote: SocketAddr) -> io::Result<TcpStream> {
    let socket = if remote.is_ipv4() { tokio::net::TcpSocket::new_v4()? } else { tokio::net::TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(local, 0))?;
    let stream = socket.connect(remote).await?;
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
    Ok(stream)
}

/// Why a peer is not reached, by the error of the kernel.
fn unreached(error: &io::Error) -> Unreached {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Unreached::Refused,
        io::ErrorKind::TimedOut => Unreached::Late,
        _ => Unreached::NoWay,
    }
}

async fn write(
    stream: &OwnedWriteHalf,
    stall: Duration,
    mut pending: mpsc::Receiver<Bytes>,
    outlet: &Outlet,
) -> Closed {
    while let Some(bytes) = pending.recv().await {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match tokio::time::timeout(stall, stream.writable()).await {
                Err(_) => return Closed::Unread,
                Ok(Err(_)) => return Closed::ByPeer,
                Ok(Ok(())) => {}
            }
            match stream.try_write(rest) {
                Ok(n) => rest = rest.get(n..).unwrap_or_default(),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Closed::ByPeer,
            }
        }
        outlet.written(bytes.len());
    }
    // The loop has dropped its writer.
    Closed::ByUs
}
