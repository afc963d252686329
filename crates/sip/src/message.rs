//! A SIP message: the bytes as they came, a table of its headers, and edits as an overlay.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use crate::error::{HeaderError, ParseError, ParseErrorKind};
use crate::header::auth::AuthValue;
use crate::header::content::MediaType;
use crate::header::cseq::RAck;
use crate::header::{CSeq, Contact, Elements, HeaderName, NameAddr, Via};
use crate::method::Method;
use crate::status::StatusCode;

mod fault;
mod typed;

pub use fault::Fault;

/// A request or a response. Clones share the received bytes.
#[derive(Clone, Debug)]
pub struct Message {
    raw: Bytes,
    overlay: String,
    start: StartLine,
    slots: SmallVec<[Slot; 20]>,
    body: Bytes,
}

#[derive(Clone, Debug)]
enum StartLine {
    Request { method: Method, uri: Span },
    Response { status: StatusCode, reason: Span },
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    name: u8,
    line: Span,
    value: Span,
}

/// The start line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    /// A request line.
    Request {
        /// The method.
        method: &'a Method,
        /// The Request-URI as it came.
        uri: &'a str,
    },
    /// A status line.
    Response {
        /// The status code.
        status: StatusCode,
        /// The reason phrase, possibly empty.
        reason: &'a str,
    },
}
impl Message {
    /// Parses a datagram (RFC 3261 §18.3): bytes beyond Content-Length are ignored, fewer are an error, and
    /// without Content-Length the rest is the body.
    pub fn parse(bytes: Bytes) -> Result<Self, ParseError> {
        let _ = bytes;
        Err(ParseError::new(ParseErrorKind::Empty))
    }

    /// Whether it is a request.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, StartLine::Request { .. })
    }

    /// The start line.
    pub fn start(&self) -> Start<'_> {
        match &self.start {
            StartLine::Request { method, uri } => Start::Request { method, uri: self.text(*uri) },
            StartLine::Response { status, reason } => Start::Response { status: *status, reason: self.text(*reason) },
        }
    }

    /// The method: a response's is that of its CSeq (an empty `Other` if it has no valid one).
    pub fn method(&self) -> Method {
        match &self.start {
            StartLine::Request { method, .. } => method.clone(),
            StartLine::Response { .. } => self.cseq().map_or_else(|_| Method::Other("".into()), |c| c.method),
        }
    }

    /// The Request-URI.
    pub fn request_uri(&self) -> Option<&str> {
        match &self.start {
            StartLine::Request { uri, .. } => Some(self.text(*uri)),
            StartLine::Response { .. } => None,
        }
    }

    /// The status code.
    pub const fn status(&self) -> Option<StatusCode> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The first value of that header, trimmed and unfolded.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers(name).next()
    }

    /// The values of every line of that header, trimmed and unfolded, not split at commas.
    pub fn headers<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
        let _ = name;
        std::iter::empty()
    }

    /// The elements of a comma list over all lines of that header.
    pub fn elements<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers(name).flat_map(Elements::new)
    }

    /// Name and value of every header line in order.
    pub fn header_lines(&self) -> impl Iterator<Item = (HeaderName, &str)> {
        std::iter::empty()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Puts a header line in front of the first line of that name (or of all headers, if there is none).
    pub fn push_front(&mut self, name: &HeaderName, value: impl Display) {
        let _ = (name, value.to_string());
    }

    /// Appends a header line after the last line of that name (or of all headers, if there is none).
    pub fn append(&mut self, name: &HeaderName, value: impl Display) {
        let _ = (name, value.to_string());
    }

    /// Replaces all lines of that header by one, in the place of the first, or appends it.
    pub fn set(&mut self, name: &HeaderName, value: impl Display) {
        let _ = (name, value.to_string());
    }

    /// Removes all lines of that header; says whether there was one.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        let _ = name;
        false
    }

    /// Removes the first list element of that header (the line, if it was the only one); says whether there was one.
    pub fn remove_first_value(&mut self, name: &HeaderName) -> bool {
        let _ = name;
        false
    }

    /// Removes every header for whose name `unwanted` says so.
    pub fn remove_where(&mut self, unwanted: impl Fn(&str) -> bool) {
        let _ = unwanted("");
    }

    /// Replaces the Request-URI; nothing happens to a response.
    pub fn set_request_uri(&mut self, uri: impl Display) {
        let _ = uri.to_string();
    }

    /// Replaces body, Content-Type and Content-Length. An empty type with an empty body removes both.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        let _ = content_type;
        self.body = body.into();
    }

    /// The message as it goes out.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        self.write_to(&mut out);
        out.freeze()
    }

    /// Appends the message as it goes out.
    pub fn write_to(&self, out: &mut BytesMut) {
        out.extend_from_slice(&self.raw);
    }

    pub(crate) fn new_request(method: Method, uri: impl Display) -> Self {
        let _ = uri.to_string();
        Self::empty(StartLine::Request { method, uri: Span::default() })
    }

    pub(crate) fn new_response(status: StatusCode, reason: &str) -> Self {
        let _ = reason;
        Self::empty(StartLine::Response { status, reason: Span::default() })
    }

    fn empty(start: StartLine) -> Self {
        Self { raw: Bytes::new(), overlay: String::new(), start, slots: SmallVec::new(), body: Bytes::new() }
    }

    pub(crate) fn set_reason(&mut self, reason: &str) {
        let _ = reason;
    }

    pub(crate) fn add_to_tag(&mut self, tag: &str) {
        let _ = tag;
    }

    pub(crate) fn ensure_content_length(&mut self) {}

    pub(crate) fn copy_for_response(&mut self, request: &Message, status: StatusCode) {
        let _ = (request, status);
    }

    fn text(&self, span: Span) -> &str {
        let _ = span;
        ""
    }
}
