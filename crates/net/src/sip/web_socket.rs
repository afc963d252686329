//! The WebSocket of a phone that connects to us (RFC 6455), with one SIP message in each of its messages (RFC 7118). No I/O.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::IpAddr;

use bytes::{Buf as _, Bytes};
use sip::limits::MESSAGE_MAX;
use tungstenite::handshake::machine::TryParse as _;
use tungstenite::handshake::server::{Request, Response, create_response, write_response};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame, FrameHeader};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::outlet::More;
use crate::forwarded_for::forwarded_for;

/// The subprotocol that a client asks for (RFC 7118 §4).
const SUBPROTOCOL: &str = "sip";
const SUBPROTOCOLS: &str = "Sec-WebSocket-Protocol";
/// The longest opening request: a browser's has a kilobyte, with cookies of the same host some more.
const OPENING_MAX: usize = 16 * 1024;
/// Where it is looked, as with HTTP elsewhere, whether anybody is here.
const LOOK: &str = "/live";
/// What it reads at once, and little for each of many idle phones.
const READ_BYTES: usize = 4 * 1024;

/// The far side's input, and what we say to it.
pub(super) struct WebSocketSession {
    state: State,
    /// Whole messages that nobody has taken.
    found: VecDeque<Bytes>,
    /// Bytes that go to the peer: the answer to its opening, pongs, a close.
    output: Vec<u8>,
    /// From whom the peer says that it has got the opening, the nearest first.
    forwarded_for: Vec<IpAddr>,
    /// What the opening has asked for, behind the path.
    query: Box<str>,
}

enum State {
    /// The request is not yet whole.
    Opening(Vec<u8>),
    Open(Box<WebSocketContext>),
    /// The peer has said that nothing more comes.
    Over,
    /// What came was no WebSocket for SIP.
    Broken,
}

/// What was whole in some input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum WholeInput {
    Nothing,
    /// A ping, its answer, or a close.
    Control,
    /// A message, or the opening.
    Message,
}

/// An opening that is accepted.
struct Opening {
    response: Response,
    /// Of the request.
    length: usize,
    forwarded_for: Vec<IpAddr>,
    query: Box<str>,
}

/// Why no WebSocket is opened.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
enum NotOpened {
    #[error("This is the port for SIP over WebSocket (RFC 7118): {0}.")]
    NoUpgrade(String),
    #[error("Ask for the subprotocol sip (Sec-WebSocket-Protocol, RFC 7118).")]
    NoSip,
    #[error("The request is too long.")]
    TooLong,
    /// It is none: whoever stands before us looks whether we are there.
    #[error("There is somebody.")]
    Look,
}

/// The connection's ends in memory: there is what came, and what goes is kept.
struct MemoryStream<'a> {
    input: &'a [u8],
    output: &'a mut Vec<u8>,
}

impl Read for MemoryStream<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.input.read(into) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            read => read,
        }
    }
}

impl Write for MemoryStream<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl WebSocketSession ===

impl WebSocketSession {
    /// Waits for the opening request.
    pub(super) fn new() -> Self {
        Self {
            state: State::Opening(Vec::new()),
            found: VecDeque::new(),
            output: Vec::new(),
            forwarded_for: Vec::new(),
            query: Box::default(),
        }
    }

    pub(super) const fn is_opening(&self) -> bool {
        matches!(self.state, State::Opening(_))
    }

    /// From whom the peer says that it has got the opening, the nearest first. Anybody can say so: it counts if the peer is believed.
    pub(super) fn take_forwarded_for(&mut self) -> Vec<IpAddr> {
        std::mem::take(&mut self.forwarded_for)
    }

    /// The query of the opening; empty without one. It may be a secret: it is written nowhere.
    pub(super) fn take_query(&mut self) -> Box<str> {
        std::mem::take(&mut self.query)
    }

    /// Whether the peer may send more.
    pub(super) const fn more(&self) -> More {
        match self.state {
            State::Opening(_) | State::Open(_) => More::MayCome,
            State::Over => More::No,
            State::Broken => More::Broken,
        }
    }

    /// Takes input; returns what was whole in it.
    pub(super) fn receive(&mut self, input: &[u8]) -> WholeInput {
        match std::mem::replace(&mut self.state, State::Over) {
            State::Opening(mut begun) => {
                begun.extend_from_slice(input);
                self.open(begun)
            }
            State::Open(context) => self.read(context, input),
            over => {
                self.state = over;
                WholeInput::Nothing
            }
        }
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        self.found.pop_front()
    }

    /// What goes to the peer now.
    pub(super) fn take_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output).into())
    }

    fn open(&mut self, begun: Vec<u8>) -> WholeInput {
        if memchr::memmem::find(&begun, b"\r\n\r\n").is_none() {
            let is_too_long = begun.len() > OPENING_MAX;
            self.state = if is_too_long { self.refuse(&NotOpened::TooLong) } else { State::Opening(begun) };
            return WholeInput::Nothing;
        }
        match Self::answer(&begun) {
            Ok(Opening { response, length, forwarded_for, query }) => {
                (self.forwarded_for, self.query) = (forwarded_for, query);
                // Writing to memory does not fail.
                let _ = write_response(&mut self.output, &response);
                let config = WebSocketConfig::default()
                    .read_buffer_size(READ_BYTES)
                    .write_buffer_size(0)
                    .max_write_buffer_size(usize::MAX)
                    .max_message_size(Some(MESSAGE_MAX))
                    .max_frame_size(Some(MESSAGE_MAX));
                let rest = begun.get(length..).unwrap_or_default();
                self.read(Box::new(WebSocketContext::new(Role::Server, Some(config))), rest);
            }
            Err(why) => self.state = self.refuse(&why),
        }
        WholeInput::Message
    }

    fn answer(begun: &[u8]) -> Result<Opening, NotOpened> {
        let no_upgrade = |why: Error| NotOpened::NoUpgrade(why.to_string());
        let parsed = Request::try_parse(begun).map_err(no_upgrade)?;
        let (length, request) = parsed.ok_or_else(|| NotOpened::NoUpgrade("the request is not whole".to_owned()))?;
        if request.uri().path() == LOOK && !request.headers().contains_key(http::header::UPGRADE) {
            return Err(NotOpened::Look);
        }
        let mut response = create_response(&request).map_err(no_upgrade)?;
        let offered = request.headers().get_all(SUBPROTOCOLS).into_iter();
        let mut offered = offered.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        // As it is written: a browser compares our answer with what it has offered.
        if !offered.any(|name| name.trim() == SUBPROTOCOL) {
            return Err(NotOpened::NoSip);
        }
        response.headers_mut().insert(SUBPROTOCOLS, http::HeaderValue::from_static(SUBPROTOCOL));
        let (forwarded_for, query) =
            (forwarded_for(request.headers()), request.uri().query().unwrap_or_default().into());
        Ok(Opening { response, length, forwarded_for, query })
    }

    /// Whoever opens the port in a browser reads why. A look is over with its answer.
    fn refuse(&mut self, why: &NotOpened) -> State {
        let status = match why {
            NotOpened::NoUpgrade(_) => "426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13",
            NotOpened::NoSip => "400 Bad Request",
            NotOpened::TooLong => "431 Request Header Fields Too Large",
            NotOpened::Look => "200 OK",
        };
        let (text, length) = (why.to_string(), why.to_string().len() + 1);
        let head =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {length}");
        self.output.extend_from_slice(format!("{head}\r\n\r\n{text}\n").as_bytes());
        if *why == NotOpened::Look { State::Over } else { State::Broken }
    }

    fn read(&mut self, mut context: Box<WebSocketContext>, input: &[u8]) -> WholeInput {
        let mut wire = MemoryStream { input, output: &mut self.output };
        let mut any = WholeInput::Nothing;
        loop {
            let message = match context.read(&mut wire) {
                // Copies: a call may keep the message for hours, and must not keep the whole buffer with it.
                Ok(Message::Text(text)) => Bytes::copy_from_slice(text.as_str().as_bytes()),
                Ok(Message::Binary(bytes)) => Bytes::copy_from_slice(&bytes),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_)) => {
                    any = any.max(WholeInput::Control);
                    continue;
                }
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return any.max(WholeInput::Control),
                Err(error) => {
                    let code = match error {
                        Error::Capacity(_) => CloseCode::Size,
                        Error::Utf8(_) => CloseCode::Invalid,
                        _ => CloseCode::Protocol,
                    };
                    let why =
                        CloseFrame { code, reason: error.to_string().chars().take(100).collect::<String>().into() };
                    // Writing to memory does not fail.
                    let _ = Frame::close(Some(why)).format(&mut self.output);
                    self.state = State::Broken;
                    return any.max(WholeInput::Control);
                }
            };
            self.found.push_back(message);
            any = WholeInput::Message;
        }
        self.state = State::Open(context);
        any
    }
}

/// A SIP message as it goes to the peer: as text, unless it is none (RFC 7118 §5).
pub(super) fn framed(message: &Bytes) -> Bytes {
    let is_text = std::str::from_utf8(message).is_ok();
    let opcode = OpCode::Data(if is_text { Data::Text } else { Data::Binary });
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask: None };
    let length = message.remaining() as u64;
    let mut frame = Vec::with_capacity(header.len(length) + message.len());
    // Writing to memory does not fail.
    let _ = header.format(length, &mut frame);
    frame.extend_from_slice(message);
    frame.into()
}

/// Asks the peer whether it lives; a browser cannot ask us.
pub(super) fn ping() -> Bytes {
    let mut frame = Vec::new();
    let _ = Frame::ping(Bytes::new()).format(&mut frame);
    frame.into()
}

/// Says that nothing more comes from us.
pub(super) fn farewell() -> Bytes {
    let mut frame = Vec::new();
    let _ = Frame::close(Some(CloseFrame { code: CloseCode::Away, reason: "".into() })).format(&mut frame);
    frame.into()
}

impl std::fmt::Debug for WebSocketSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocketSession").field("more", &self.more()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
