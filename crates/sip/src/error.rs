//! Errors in a peer's messages: the peer is to blame for every one of them.

use thiserror::Error;

use crate::header::HeaderName;
use crate::message::Message;
use crate::status::StatusCode;

/// A rule of the grammar that was broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Rule {
    /// The header is compulsory and absent (RFC 3261 §8.1.1).
    #[error("is missing")]
    Missing,
    /// The header may occur only once, and occurs more often.
    #[error("stands more than once")]
    Repeated,
    /// The value is empty.
    #[error("is empty")]
    Empty,
    /// A token was expected (RFC 3261 §25.1).
    #[error("has no token where one must stand")]
    Token,
    /// A quoted string does not end.
    #[error("has a quoted string without an end")]
    Quote,
    /// Angle brackets do not match, or a URI with `?`, `,` or `;` is not enclosed in them (§20.10).
    #[error("has wrong angle brackets")]
    Brackets,
    /// A parameter is malformed.
    #[error("has a malformed parameter")]
    Param,
    /// A URI is malformed (§19.1).
    #[error("has a malformed URI")]
    Uri,
    /// A host is malformed.
    #[error("has a malformed host")]
    Host,
    /// A port is malformed.
    #[error("has a malformed port")]
    Port,
    /// A number is malformed or out of range.
    #[error("has a malformed number")]
    Number,
    /// The protocol name or version is not `SIP/2.0`.
    #[error("has another protocol version")]
    Version,
    /// The method differs from that of the start line (§8.1.1.5).
    #[error("names another method than the start line")]
    MethodMismatch,
    /// Something follows the end of the value.
    #[error("has something after its end")]
    Trailing,
    /// Authentication data are malformed or lack a compulsory parameter.
    #[error("has malformed authentication data")]
    Auth,
    /// More list elements or parameters than [`crate::limits::LIST_MAX`].
    #[error("has too many elements")]
    TooMany,
}

/// A header that breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("header {header} {rule}")]
pub struct HeaderError {
    /// Which header.
    pub header: HeaderName,
    /// Which rule.
    pub rule: Rule,
}

impl HeaderError {
    /// An error about `header`.
    pub const fn new(header: HeaderName, rule: Rule) -> Self {
        Self { header, rule }
    }
}

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
