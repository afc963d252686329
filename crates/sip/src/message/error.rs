//! Why bytes are no message; the peer is to blame.

use thiserror::Error;

use super::Message;
use crate::status::StatusCode;

/// Why a message cannot be used at all.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ParseErrorKind {
    /// Longer than [`crate::limits::MESSAGE_MAX`].
    #[error("message is longer than the limit")]
    MessageTooLong,
    /// The head is longer than [`crate::limits::HEAD_MAX`].
    #[error("head is longer than the limit")]
    HeadTooLong,
    /// A line is longer than [`crate::limits::LINE_MAX`].
    #[error("line is longer than the limit")]
    LineTooLong,
    /// More headers than [`crate::limits::HEADERS_MAX`].
    #[error("more headers than the limit")]
    TooManyHeaders,
    /// Nothing but line ends.
    #[error("message is empty")]
    Empty,
    /// The start line is neither a request line nor a status line (RFC 3261 §7.1, §7.2).
    #[error("start line is malformed")]
    StartLine,
    /// The Request-URI breaks the grammar.
    #[error("request URI is malformed")]
    RequestUri,
    /// The protocol version is not `SIP/2.0`.
    #[error("protocol version is not SIP/2.0")]
    Version,
    /// A header line has no name or no colon.
    #[error("header line {0} is malformed")]
    HeaderLine(usize),
    /// The head is not UTF-8 or has a bare control character where none is allowed.
    #[error("head is not valid text")]
    NotText,
    /// The empty line after the headers is missing.
    #[error("head has no end")]
    NoEnd,
    /// Content-Length is malformed, repeated with different values, or longer than the data received.
    #[error("content length is wrong")]
    ContentLength,
    /// Content-Length is absent on a stream (RFC 3261 §20.14).
    #[error("content length is missing")]
    NoContentLength,
}

/// A message that cannot be used, with the part needed for an answer.
#[derive(Clone, Debug, Error)]
#[error("{kind}")]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// The readable part of the request, if that is enough for a response (Via, From, To, Call-ID, CSeq).
    pub partial: Option<Box<Message>>,
}

impl ParseError {
    /// An error that cannot be answered.
    pub const fn new(kind: ParseErrorKind) -> Self {
        Self { kind, partial: None }
    }

    /// The status of the response to it.
    pub const fn status(&self) -> StatusCode {
        match self.kind {
            ParseErrorKind::Version => StatusCode::VERSION_NOT_SUPPORTED,
            ParseErrorKind::MessageTooLong | ParseErrorKind::HeadTooLong => StatusCode::MESSAGE_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The response to it, if one can be made: never to an ACK or to a response.
    pub fn response(&self) -> Option<Message> {
        let request = self.partial.as_deref()?;
        Some(Message::response_to(request, self.status()).build())
    }
}
