//! What a connection's input means.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use sip::framer::PONG;
use sip::{Frame, Framer, ParseError};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::{Closed, Counted, Happened};
use crate::sip::Limits;
use crate::sip::outlet::{More, NotSecured, Outlet};
use crate::sip::web_socket::{self, WebSocketSession, WholeInput};

// One read takes the usual content of a TCP window.
const READ_BYTES: usize = 16 * 1024;
// The same under TLS, whose session keeps what is no whole record yet: some messages, and little for each of many idle phones.
pub(super) const SECURE_READ_BYTES: usize = 4 * 1024;
// How often the peer of a silent WebSocket is asked whether it lives: home routers forget a connection within a minute or two.
const PING_EACH: Duration = Duration::from_secs(30);
// The pings without an answer after which it does not.
const PINGS_UNANSWERED: u32 = 3;

/// How messages are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sip) enum MessageForm {
    /// By Content-Length (RFC 3261 §18.3).
    Stream,
    /// By WebSocket (RFC 7118).
    WebSocket,
}

/// The input of one connection.
pub(super) enum ReadSide {
    Stream {
        framer: Framer,
        /// Whether a message has begun since this was last asked. Line ends between messages do not begin one.
        begins: bool,
        /// Whether we have opened the connection, and so may have pinged.
        is_ours: bool,
        /// Whether the peer has answered a ping of ours since this was last asked.
        ponged: bool,
    },
    WebSocket {
        session: Box<WebSocketSession>,
        begins: bool,
        /// Whether an opening or a message was whole since this was last asked. A ping is none: whoever sends some between the parts of a
        /// message has not sent it sooner.
        whole: bool,
    },
}

impl ReadSide {
    pub(super) fn new(form: MessageForm, is_ours: bool) -> Self {
        match form {
            MessageForm::Stream => Self::Stream { framer: Framer::new(), begins: false, is_ours, ponged: false },
            MessageForm::WebSocket => {
                Self::WebSocket { session: Box::new(WebSocketSession::new()), begins: false, whole: false }
            }
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            // In the buffer two of them would be taken for a ping.
            Self::Stream { framer, is_ours: true, ponged, .. } if bytes == PONG && framer.is_empty() => *ponged = true,
            Self::Stream { framer, begins, .. } => {
                *begins |= bytes.iter().any(|b| !matches!(b, b'\r' | b'\n'));
                framer.push(bytes);
            }
            Self::WebSocket { session, begins, whole } => {
                let found = session.receive(bytes);
                *begins |= found == WholeInput::Nothing;
                *whole |= found == WholeInput::Message;
            }
        }
    }

    /// The next frame, if it is complete.
    fn next(&mut self) -> Option<Result<Frame, ParseError>> {
        match self {
            Self::Stream { framer, .. } => framer.next(),
            Self::WebSocket { session, .. } => {
                std::iter::from_fn(|| session.next()).find_map(|message| Frame::of_whole(&message))
            }
        }
    }

    /// Whether the end of a message can no longer be determined.
    fn is_broken(&self) -> bool {
        matches!(self, Self::Stream { framer, .. } if framer.is_broken())
    }

    /// Whether the far side may send more, as far as these bytes say.
    pub(super) fn more(&self) -> More {
        match self {
            Self::Stream { .. } => More::MayCome,
            Self::WebSocket { session, .. } => session.more(),
        }
    }

    /// Whether the far side has yet to open its WebSocket.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self, Self::WebSocket { session, .. } if session.is_opening())
    }

    /// From whom the peer says that it has got the opening of its WebSocket, the nearest first.
    pub(super) fn take_forwarded_for(&mut self) -> Vec<IpAddr> {
        match self {
            Self::Stream { .. } => Vec::new(),
            Self::WebSocket { session, .. } => session.take_forwarded_for(),
        }
    }

    /// The query of the opening of its WebSocket; empty without one.
    pub(super) fn take_query(&mut self) -> Box<str> {
        match self {
            Self::Stream { .. } => Box::default(),
            Self::WebSocket { session, .. } => session.take_query(),
        }
    }

    /// What the input asks us to say at once.
    pub(super) fn take_output(&mut self) -> Option<Bytes> {
        match self {
            Self::Stream { .. } => None,
            Self::WebSocket { session, .. } => session.take_output(),
        }
    }

    /// Whether something has begun and whether something was whole, since this was last asked.
    fn take_progress(&mut self) -> (bool, bool) {
        match self {
            Self::Stream { begins, .. } => (std::mem::take(begins), false),
            Self::WebSocket { begins, whole, .. } => (std::mem::take(begins), std::mem::take(whole)),
        }
    }

    /// Whether the peer has answered a ping of ours since this was last asked.
    fn take_pong(&mut self) -> bool {
        match self {
            Self::Stream { ponged, .. } => std::mem::take(ponged),
            Self::WebSocket { .. } => false,
        }
    }

    pub(super) const fn form(&self) -> MessageForm {
        match self {
            Self::Stream { .. } => MessageForm::Stream,
            Self::WebSocket { .. } => MessageForm::WebSocket,
        }
    }
}

pub(super) async fn read<E>(
    mut stream: OwnedReadHalf,
    mut incoming: ReadSide,
    limits: &Limits,
    counted: &Counted,
    events: &mpsc::Sender<E>,
    deliver: &(impl Fn(Happened) -> E + Sync),
    outlet: &Outlet,
) -> Closed {
    // A TLS session and a WebSocket have buffers of their own.
    let has_buffers = outlet.is_secure() || incoming.form() == MessageForm::WebSocket;
    let mut chunk = vec![0; if has_buffers { SECURE_READ_BYTES } else { READ_BYTES }];
    let mut whole_by: Option<Instant> = None;
    let mut more = incoming.more();
    let idle = match incoming.form() {
        MessageForm::Stream => limits.idle,
        MessageForm::WebSocket => PING_EACH * PINGS_UNANSWERED,
    };
    // Of a connection that we have opened: a server that refuses our certificate says so after the handshake (TLS 1.3).
    let mut is_silent = true;
    let mut came = Instant::now();
    loop {
        // The first time these have come with the end of the handshake.
        let complete = match deliver_whole(&mut incoming, came, counted, events, deliver).await {
            Ok(complete) => complete,
            Err(why) => return why,
        };
        is_silent &= !complete;
        match more {
            More::MayCome => {}
            More::No => return Closed::ByPeer,
            More::Broken => return Closed::BadInput,
        }
        let now = Instant::now();
        let (begins, whole) = incoming.take_progress();
        if complete || whole {
            whole_by = None;
        } else if begins {
            whole_by.get_or_insert(now + limits.message_time);
        }
        // A read that does not fill the chunk has emptied the socket; no second read is tried in vain.
        let due = whole_by.unwrap_or(now + idle);
        let heard = match incoming.form() {
            MessageForm::Stream => timeout_at(due, stream.read(&mut chunk)).await.ok(),
            MessageForm::WebSocket => read_or_ping(&mut stream, &mut chunk, due, outlet).await,
        };
        let length = match heard {
            Some(Ok(0) | Err(_)) => return Closed::ByPeer,
            Some(Ok(length)) => length,
            // The peer need not answer our pings: it keeps the connection for requests of its own.
            None if whole_by.is_none() && outlet.take_ping() => continue,
            None => return if whole_by.is_some() { Closed::BadInput } else { Closed::Idle },
        };
        came = Instant::now();
        counted.received(length);
        more = match take(chunk.get(..length).unwrap_or_default(), &mut incoming, (outlet, counted), is_silent) {
            Ok(more) => more,
            Err(why) => return why,
        };
    }
}

/// Delivers what is whole, since `came`; returns whether anything was.
async fn deliver_whole<E>(
    incoming: &mut ReadSide,
    came: Instant,
    counted: &Counted,
    events: &mpsc::Sender<E>,
    deliver: &(impl Fn(Happened) -> E + Sync),
) -> Result<bool, Closed> {
    let (mut complete, mut pinged) = (incoming.take_pong(), false);
    if complete {
        events.send(deliver(Happened::Pong)).await.map_err(|_| Closed::ByUs)?;
    }
    while let Some(frame) = incoming.next() {
        complete = true;
        let happened = sort(frame, came, counted);
        // One pong answers all pings of a chunk: a peer's four bytes must not cost us a write each.
        if matches!(happened, Happened::Ping) && std::mem::replace(&mut pinged, true) {
            continue;
        }
        events.send(deliver(happened)).await.map_err(|_| Closed::ByUs)?;
        // A malformed message whose end is known harms nothing else on the connection.
        if incoming.is_broken() {
            return Err(Closed::BadInput);
        }
    }
    Ok(complete)
}

/// Takes input, and says what it asks us to say at once; returns whether more may come.
fn take(
    chunk: &[u8],
    incoming: &mut ReadSide,
    (outlet, counted): (&Outlet, &Counted),
    is_silent: bool,
) -> Result<More, Closed> {
    let mut more = match outlet.receive(chunk, |plain| incoming.push(plain)) {
        Ok(more) => more,
        Err(NotSecured::Unread) => return Err(Closed::Unread),
        Err(error) => {
            match outlet.name().filter(|_| is_silent) {
                Some(name) => counted.not_secured(&error, Some(name)),
                None => tracing::debug!(%error, "a TLS connection has broken"),
            }
            // What came before is still delivered.
            More::Broken
        }
    };
    if let Some(output) = incoming.take_output() {
        outlet.send(output).map_err(|_| Closed::Unread)?;
    }
    if more == More::MayCome {
        more = incoming.more();
    }
    if more != More::MayCome {
        outlet.set_web_socket(false);
    }
    Ok(more)
}

/// Reads until `due`, and asks a peer that is silent whether it lives.
async fn read_or_ping(
    stream: &mut OwnedReadHalf,
    chunk: &mut [u8],
    due: Instant,
    outlet: &Outlet,
) -> Option<io::Result<usize>> {
    loop {
        let ping_at = Instant::now() + PING_EACH;
        match timeout_at(due.min(ping_at), stream.read(chunk)).await {
            Ok(read) => return Some(read),
            Err(_) if due <= ping_at => return None,
            Err(_) if outlet.send(web_socket::ping()).is_ok() => {}
            // It does not read either.
            Err(_) => return None,
        }
    }
}

fn sort(frame: Result<Frame, ParseError>, came: Instant, counted: &Counted) -> Happened {
    match frame {
        Ok(Frame::Message(message)) => {
            counted.message();
            Happened::Message(message, came)
        }
        Ok(Frame::KeepAlive) => {
            counted.counters.keep_alives_in.one();
            Happened::Ping
        }
        Err(error) => Happened::Malformed(error),
    }
}
