//! Splits a byte stream into messages (RFC 3261 §18.3, RFC 5626 §3.5.1).

use bytes::{Buf, Bytes, BytesMut};

use crate::header::name::{self, HeaderName};
use crate::limits::{HEAD_MAX, MESSAGE_MAX};
use crate::message::{Framing, Message, read_or_rescue, rescue};
use crate::message::{ParseError, ParseErrorKind};
use crate::parse;

/// An item of a stream.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every frame is a message, and none is kept as a frame")]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A ping (two line ends between messages): answer with [`PONG`].
    KeepAlive,
}

/// The ping of RFC 5626 §3.5.1. Whoever does not know it skips it as line ends between messages (RFC 3261 §7.5).
pub const PING: &[u8] = b"\r\n\r\n";
/// The answer to a [`Frame::KeepAlive`].
pub const PONG: &[u8] = b"\r\n";

impl Frame {
    /// What a message of WebSocket holds: its end is the end of the SIP message, whether or not a Content-Length says so (RFC 7118
    /// §5). `None` for a line end, the answer to a ping of ours.
    pub fn of_whole(bytes: &Bytes) -> Option<Result<Self, ParseError>> {
        match &bytes[..] {
            b"" | b"\r\n" => None,
            b"\r\n\r\n" => Some(Ok(Self::KeepAlive)),
            _ => Some(read_or_rescue(bytes, Framing::Datagram).map(Self::Message)),
        }
    }
}

/// Why a frame cannot be used. [`Framer::is_broken`] tells whether the stream can go on.
pub type FrameError = ParseError;

/// Splits a stream into frames. It buffers at most [`MESSAGE_MAX`] bytes and the piece pushed last.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// No head ends before this position.
    scanned: usize,
    /// The length of the message at the front, once its head is complete.
    wanted: Option<usize>,
    broken: bool,
}

impl Framer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the stream. Call [`Self::next`] until it returns `None` before the next `push`.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.broken {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether the end of a message can no longer be determined: the connection must be closed. An error without this concerns
    /// only one message.
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the buffer is empty.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next frame, if it is complete.
    #[allow(clippy::should_implement_trait, reason = "not an iterator: more may come after None")]
    pub fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        if self.wanted.is_none() {
            while self.buffer.starts_with(b"\r\n") {
                match self.buffer.get(2..4) {
                    Some(b"\r\n") => {
                        self.buffer.advance(4);
                        return Some(Ok(Frame::KeepAlive));
                    }
                    // A single line end: an answer to a ping, or a careless peer's line end after a body. It may also be the
                    // first half of a ping.
                    Some([b'\r', _]) | None if self.buffer.get(2).is_none_or(|b| *b == b'\r') => return None,
                    _ => self.buffer.advance(2),
                }
            }
            match self.measure()? {
                Ok(length) => self.wanted = Some(length),
                Err(error) => return Some(Err(self.close(error))),
            }
        }
        let length = self.wanted.filter(|length| *length <= self.buffer.len())?;
        self.wanted = None;
        // A copy: a call may keep the message for hours, and must not keep the whole buffer with it.
        let bytes = Bytes::copy_from_slice(self.buffer.get(..length)?);
        self.buffer.advance(length);
        Some(read_or_rescue(&bytes, Framing::Stream).map(Frame::Message))
    }

    /// The length of the message at the front, when its head is complete.
    fn measure(&mut self) -> Option<Result<usize, ParseError>> {
        let Some(at) = memchr::memmem::find(self.buffer.get(self.scanned..)?, b"\r\n\r\n") else {
            if self.buffer.len() > HEAD_MAX {
                let partial = rescue(&self.buffer);
                return Some(Err(ParseError { kind: ParseErrorKind::HeadTooLong, partial }));
            }
            self.scanned = self.buffer.len().saturating_sub(3);
            return None;
        };
        let head = self.scanned + at + 4;
        self.scanned = 0;
        let length = content_length(self.buffer.get(..head)?).and_then(|body| head.checked_add(body));
        Some(match length {
            Some(length) if length <= MESSAGE_MAX => Ok(length),
            Some(_) => {
                let partial = self.buffer.get(..head).and_then(rescue);
                Err(ParseError { kind: ParseErrorKind::MessageTooLong, partial })
            }
            // Read to find its fault, and the part needed for an answer.
            None => match read_or_rescue(&self.buffer.split_to(head).freeze(), Framing::Stream) {
                Err(error) => Err(error),
                Ok(_) => Err(ParseError::new(ParseErrorKind::ContentLength)),
            },
        })
    }

    fn close(&mut self, error: ParseError) -> ParseError {
        self.broken = true;
        self.buffer.clear();
        error
    }
}

/// The Content-Length in a head; none if it is missing, malformed or ambiguous.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut length = None;
    let mut rest = head;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (mut line, mut after) = rest.split_at(end + 1);
        if matches!(line.first(), Some(b'c' | b'C' | b'l' | b'L')) {
            while matches!(after.first(), Some(b' ' | b'\t')) {
                let more = memchr::memchr(b'\n', after)? + 1;
                line = rest.get(..line.len() + more)?;
                after = after.get(more..)?;
            }
            if let Some(value) = content_length_value(line) {
                let number = usize::try_from(parse::number(value, MESSAGE_MAX as u64 * 2).ok()?).ok()?;
                if length.is_some_and(|l| l != number) {
                    return None;
                }
                length = Some(number);
            }
        }
        rest = after;
    }
    length
}

/// The trimmed value, if the line is a Content-Length.
fn content_length_value(line: &[u8]) -> Option<&str> {
    let colon = memchr::memchr(b':', line)?;
    let name = std::str::from_utf8(line.get(..colon)?).ok()?;
    if name::index_of(parse::trim(name).as_bytes()) != HeaderName::ContentLength.index() {
        return None;
    }
    std::str::from_utf8(line.get(colon + 1..)?).ok().map(|v| v.trim_matches([' ', '\t', '\r', '\n']))
}

#[cfg(test)]
mod tests;
