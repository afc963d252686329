//! Messages out of a byte stream (RFC 3261 §18.3, RFC 5626 §3.5.1).

use bytes::BytesMut;

use crate::error::ParseError;
use crate::message::Message;

/// What a stream delivers.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A message.
    Message(Message),
    /// A ping (two line ends between messages): answer with [`PONG`].
    KeepAlive,
}

/// The answer to a [`Frame::KeepAlive`].
pub const PONG: &[u8] = b"\r\n";

/// Why a stream cannot go on: after it the connection is closed.
pub type FrameError = ParseError;

/// Cuts a stream into frames. Holds at most [`crate::limits::MESSAGE_MAX`] bytes of an unfinished message.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
}

impl Framer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes from the stream. Call [`Self::next`] until it returns `None` before the next `push`.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, if it is complete. After an error the stream is out of step and must be closed.
    #[allow(clippy::should_implement_trait, reason = "not an iterator: more may come after None")]
    pub fn next(&mut self) -> Option<Result<Frame, FrameError>> {
        None
    }
}
