//! A SIP message: the received bytes, a table of its headers, and edits as an overlay.
//!
//! Header lines without edits go out byte for byte as they were received, with compact names and folding. Edits are
//! written into `overlay`; the top bit of a [`Span`] tells which of the two texts it points into.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::header::name::OTHER;
use crate::header::{Elements, GEOLOCATION, HeaderName};
use crate::limits::{HEAD_MAX, HEAD_ROOM, HEADERS_MAX, HEADERS_ROOM, LINE_MAX, LINE_ROOM, MESSAGE_MAX, TAG_ROOM};
use crate::method::Method;
use crate::rule::Rule;
use crate::status::StatusCode;

mod capability;
mod edit;
mod error;
mod fault;
mod multipart;
mod read;
mod rescue;
mod typed;

pub use capability::{Capabilities, Refusal};
pub(crate) use edit::LineEdit;
pub use error::{ParseError, ParseErrorKind};
pub use fault::Fault;
pub(crate) use read::Framing;
pub(crate) use rescue::{read_or_rescue, rescue};

/// A request or a response. Clones share the received bytes.
#[derive(Clone)]
pub struct Message {
    raw: Bytes,
    overlay: String,
    start: StartLine,
    /// The whole start line with its line end.
    start_line: Span,
    slots: SmallVec<[Slot; 20]>,
    body: Bytes,
    /// Whether `raw` differs from the bytes to send.
    edited: bool,
}

#[derive(Clone, Debug)]
enum StartLine {
    Request { method: Method, uri: Span },
    Response { status: StatusCode, reason: Span },
}

/// A range of `raw`, or of `overlay` if the top bit of `start` is set.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    const OVERLAY: u32 = 1 << 31;

    /// Positions are bounded by the limits on messages; a longer text would be cut, never misread.
    fn raw(start: usize, end: usize) -> Self {
        let fit = |n: usize| u32::try_from(n).unwrap_or(u32::MAX) & !Self::OVERLAY;
        Self { start: fit(start), end: fit(end) }
    }

    fn overlay(start: usize, end: usize) -> Self {
        let span = Self::raw(start, end);
        Self { start: span.start | Self::OVERLAY, end: span.end }
    }

    const fn is_overlay(self) -> bool {
        self.start & Self::OVERLAY != 0
    }

    const fn range(self) -> Range<usize> {
        (self.start & !Self::OVERLAY) as usize..self.end as usize
    }
}

/// One header line.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// [`HeaderName::index`].
    name: u8,
    /// The length of the name at the beginning of the line.
    name_len: u16,
    /// The whole line, continuation lines and line end included.
    line: Span,
    /// The value, trimmed and unfolded.
    value: Span,
}

impl Slot {
    /// The greatest length of the line after its value was rewritten: as UTF-8 it is longer than received Latin-1.
    fn rewritten(&self) -> usize {
        let written = usize::from(self.name_len) + ": ".len() + self.value.range().len() + "\r\n".len();
        self.line.range().len().max(written)
    }
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
        read_or_rescue(&bytes, Framing::Datagram)
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
        let index = name.index();
        self.slots.iter().find(|slot| self.is_indexed(slot, index, name)).map(|slot| self.text(slot.value))
    }

    /// The values of every line of that header, trimmed and unfolded, not split at commas.
    pub fn headers<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
        let (index, name) = (name.index(), name.clone());
        self.slots.iter().filter(move |slot| self.is_indexed(slot, index, &name)).map(|slot| self.text(slot.value))
    }

    /// The value of a header that must occur exactly once.
    fn only_value(&self, name: &HeaderName) -> Result<&str, Rule> {
        let index = name.index();
        let mut found = None;
        for slot in &self.slots {
            if self.is_indexed(slot, index, name) && found.replace(slot.value).is_some() {
                return Err(Rule::Repeated);
            }
        }
        found.map(|value| self.text(value)).ok_or(Rule::Missing)
    }

    /// The elements of a comma list over all lines of that header.
    pub fn elements<'a>(&'a self, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers(name).flat_map(Elements::new)
    }

    /// Name and value of every header line in order.
    pub fn header_lines(&self) -> impl Iterator<Item = (HeaderName, &str)> {
        self.slots.iter().map(|slot| (HeaderName::from_name(self.name_text(slot)), self.text(slot.value)))
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body, shared with the message.
    pub const fn body_bytes(&self) -> &Bytes {
        &self.body
    }

    /// The message as it is sent. Free for a message without edits.
    pub fn to_bytes(&self) -> Bytes {
        if !self.edited {
            return self.raw.clone();
        }
        let mut out = Vec::with_capacity(self.length());
        self.write_to(&mut out);
        out.into()
    }

    /// The greatest length of its start line and headers when sent, however many of them are rewritten.
    pub(crate) fn head_length(&self) -> usize {
        let lines: usize = self.slots.iter().map(Slot::rewritten).sum();
        self.start_line.range().len() + lines + 2
    }

    /// Its length when sent.
    fn length(&self) -> usize {
        let head: usize = self.slots.iter().map(|slot| slot.line.range().len()).sum();
        self.start_line.range().len() + head + 2 + self.body.len()
    }

    /// Whether it leaves room for headers added on its way (`limits::HEADERS_ROOM` and the others).
    pub(crate) fn leaves_room(&self) -> bool {
        let (head, longest) = (self.head_length(), self.slots.iter().map(Slot::rewritten).max());
        self.slots.len() + HEADERS_ROOM <= HEADERS_MAX
            && head + self.body.len() + HEAD_ROOM <= MESSAGE_MAX
            && head + HEAD_ROOM <= HEAD_MAX
            && longest.unwrap_or_default().max(self.start_line.range().len()) + LINE_ROOM <= LINE_MAX
    }

    /// Whether it has room for so many more bytes and lines, beside what is added on its way.
    pub(crate) fn has_room_for(&self, bytes: usize, lines: usize) -> bool {
        let head = self.head_length() + bytes + HEAD_ROOM;
        self.slots.len() + lines + HEADERS_ROOM <= HEADERS_MAX
            && head <= HEAD_MAX
            && head + self.body.len() <= MESSAGE_MAX
    }

    /// Whether a response to it, with its headers and our tag, stays short enough to be parsed.
    pub(crate) fn can_be_answered(&self) -> bool {
        let longest = self.slots.iter().map(Slot::rewritten).max().unwrap_or_default();
        longest + TAG_ROOM <= LINE_MAX && self.head_length() + TAG_ROOM <= HEAD_MAX
    }

    /// Appends an edited message as it is sent.
    fn write_to(&self, out: &mut Vec<u8>) {
        // Neighbours in `raw` are copied in one piece.
        let mut pending = self.start_line;
        for slot in &self.slots {
            if slot.line.start == pending.end && !pending.is_overlay() {
                pending.end = slot.line.end;
            } else {
                out.extend_from_slice(self.bytes(pending));
                pending = slot.line;
            }
        }
        out.extend_from_slice(self.bytes(pending));
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
    }

    #[inline]
    fn is_named(&self, slot: &Slot, name: &HeaderName) -> bool {
        self.is_indexed(slot, name.index(), name)
    }

    /// As [`Self::is_named`], for loops that already have the index of `name`.
    #[inline]
    fn is_indexed(&self, slot: &Slot, index: u8, name: &HeaderName) -> bool {
        slot.name == index && (index != OTHER || self.name_text(slot).eq_ignore_ascii_case(name.as_str()))
    }

    fn name_text(&self, slot: &Slot) -> &str {
        let name = Span { start: slot.line.start, end: slot.line.range().start as u32 + u32::from(slot.name_len) };
        self.text(name)
    }

    fn bytes(&self, span: Span) -> &[u8] {
        let whole = if span.is_overlay() { self.overlay.as_bytes() } else { &self.raw };
        whole.get(span.range()).unwrap_or_default()
    }

    /// All text read through this was UTF-8 or decoded on receipt; a reason phrase that was neither reads as empty.
    fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.bytes(span)).unwrap_or_default()
    }
}

impl Message {
    /// The message as it may be shown: where somebody is, in the body or at the address that a header names (RFC 6442), is for nobody to read.
    fn without_location(&self) -> Cow<'_, Self> {
        let is_told = self.header(&GEOLOCATION).is_some();
        let kind = self.header(&HeaderName::ContentType).unwrap_or_default();
        let has_document = [kind.as_bytes(), self.body.as_ref()].into_iter().any(names_document);
        if !is_told && !has_document {
            return Cow::Borrowed(self);
        }
        let mut shown = self.clone();
        if is_told {
            shown.set(&GEOLOCATION, "***");
        }
        if has_document {
            shown.body = Bytes::from_static(b"***");
            shown.edited = true;
        }
        Cow::Owned(shown)
    }
}

/// Whether a text names the type of a location (RFC 4119).
fn names_document(text: &[u8]) -> bool {
    const TYPE: &[u8] = b"pidf+xml";
    text.windows(TYPE.len()).any(|part| part.eq_ignore_ascii_case(TYPE))
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.without_location().to_bytes();
        let text = String::from_utf8_lossy(&bytes);
        // The keys of encrypted audio (RFC 4568) and the password of who looks for it (RFC 8839) are for nobody to read.
        let mut shown = text.into_owned();
        for secret in ["inline:", "a=ice-pwd:"] {
            let mut parts = shown.split(secret);
            let mut masked = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let rest = part.find(['\r', '\n']).and_then(|end| part.get(end..));
                masked.extend([secret, "***", rest.unwrap_or_default()]);
            }
            shown = masked;
        }
        write!(f, "Message({shown:?})")
    }
}

impl PartialEq for Message {
    /// Same start line, same headers in the same order, same body; folding and compact names are ignored.
    fn eq(&self, other: &Self) -> bool {
        self.start() == other.start() && self.header_lines().eq(other.header_lines()) && self.body == other.body
    }
}

impl Eq for Message {}
