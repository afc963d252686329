//! Edits: new lines are written into the overlay, old ones stay in place.

use std::fmt::{self, Display, Write};

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Message, Slot, Span, StartLine};
use crate::header::HeaderName;
use crate::header::name::OTHER;
use crate::list;
use crate::method::Method;
use crate::parse;
use crate::status::StatusCode;

/// Overlay bytes that the edits of a message usually need.
const OVERLAY_BYTES: usize = 512;

/// What becomes of a header line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LineEdit {
    /// It stays.
    Keep,
    /// It gets this value.
    Replace(String),
    /// It is removed.
    Remove,
}

impl Message {
    /// Puts a header line in front of the first line of that name (or of all headers, if there is none).
    pub fn push_front(&mut self, name: &HeaderName, value: impl Display) {
        let at = self.position(name).unwrap_or(0);
        let slot = self.line(name, value);
        self.slots.insert(at, slot);
    }

    /// Appends a header line after the last line of that name (or of all headers, if there is none).
    pub fn append(&mut self, name: &HeaderName, value: impl Display) {
        let at = self.slots.iter().rposition(|slot| self.is_named(slot, name)).map_or(self.slots.len(), |at| at + 1);
        let slot = self.line(name, value);
        self.slots.insert(at, slot);
    }

    /// Replaces all lines of that header by one, in the place of the first, or appends it.
    pub fn set(&mut self, name: &HeaderName, value: impl Display) {
        let at = self.position(name).unwrap_or(self.slots.len());
        self.remove(name);
        let slot = self.line(name, value);
        self.slots.insert(at, slot);
    }

    /// Removes all lines of that header; returns whether there was one.
    pub fn remove(&mut self, name: &HeaderName) -> bool {
        self.retain(|message, slot| !message.is_named(slot, name))
    }

    /// Changes the lines of that header one by one, in their order; those without an edit stay.
    pub(crate) fn edit_lines(&mut self, name: &HeaderName, edits: impl IntoIterator<Item = LineEdit>) {
        let mut edits = edits.into_iter();
        let slots = std::mem::take(&mut self.slots);
        for slot in slots {
            let edit = if self.is_named(&slot, name) { edits.next() } else { None };
            match edit {
                None | Some(LineEdit::Keep) => self.slots.push(slot),
                Some(LineEdit::Remove) => self.edited = true,
                Some(LineEdit::Replace(value)) => {
                    let slot = self.line(name, value);
                    self.slots.push(slot);
                }
            }
        }
    }

    /// Removes every header whose name `unwanted` selects; returns whether there was one.
    pub fn remove_where(&mut self, unwanted: impl Fn(&str) -> bool) -> bool {
        self.retain(|message, slot| !unwanted(message.name_text(slot)))
    }

    /// Removes the first list element of that header (the line, if it was the only one); returns whether there was one.
    pub fn remove_first_value(&mut self, name: &HeaderName) -> bool {
        while let Some(at) = self.position(name) {
            let value = self.text(self.slots[at].value);
            let end = list::find_outside(value, b',');
            let had_element = !parse::trim(value.get(..end.unwrap_or(value.len())).unwrap_or_default()).is_empty();
            let rest = end.and_then(|end| value.get(end + 1..)).map(parse::trim).unwrap_or_default().to_owned();
            if rest.is_empty() {
                self.slots.remove(at);
                self.edited = true;
            } else {
                self.slots[at] = self.line(name, rest);
            }
            if had_element {
                return true;
            }
        }
        false
    }

    /// Replaces the Request-URI; no effect on a response.
    pub fn set_request_uri(&mut self, uri: impl Display) {
        if let StartLine::Request { method, .. } = &self.start {
            self.write_request_line(method.clone(), uri);
        }
    }

    /// Replaces body, Content-Type and Content-Length. An empty type removes Content-Type.
    pub fn set_body(&mut self, content_type: &str, body: impl Into<Bytes>) {
        self.body = body.into();
        if content_type.is_empty() {
            self.remove(&HeaderName::ContentType);
        } else {
            self.set(&HeaderName::ContentType, content_type);
        }
        self.set(&HeaderName::ContentLength, self.body.len());
    }

    /// Adds a Content-Length if there is none: a datagram may omit it, a stream may not.
    pub fn ensure_content_length(&mut self) {
        if self.header(&HeaderName::ContentLength).is_none() {
            self.set(&HeaderName::ContentLength, self.body.len());
        }
    }

    /// Sets the reason phrase; no effect on a request.
    pub fn set_reason(&mut self, reason: &str) {
        if let StartLine::Response { status, .. } = self.start {
            self.write_status_line(status, reason);
        }
    }

    /// Adds a tag to To, if it has none (RFC 3261 §8.2.6.2).
    pub fn add_to_tag(&mut self, tag: &str) {
        let Ok(to) = self.to() else { return };
        if to.tag().is_none() {
            let value = format!("{to};tag={tag}");
            self.set(&HeaderName::To, value);
        }
    }

    /// A request line and nothing else.
    pub(crate) fn new_request(method: Method, uri: impl Display) -> Self {
        let mut message = Self::blank();
        message.write_request_line(method, uri);
        message
    }

    /// A status line and nothing else.
    pub(crate) fn new_response(status: StatusCode, reason: &str) -> Self {
        let mut message = Self::blank();
        message.write_status_line(status, reason);
        message
    }

    /// Copies the headers that RFC 3261 §8.2.6.2 demands from `request`. The received bytes are shared, not copied.
    pub(crate) fn copy_for_response(&mut self, request: &Self, status: StatusCode) {
        self.raw = request.raw.clone();
        let makes_dialog = matches!(request.start, StartLine::Request { ref method, .. }
            if matches!(method, Method::Invite | Method::Subscribe | Method::Refer | Method::Notify));
        for slot in &request.slots {
            let wanted = [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
                .iter()
                .any(|name| request.is_named(slot, name))
                || (makes_dialog && (101..300).contains(&status.0) && request.is_named(slot, &HeaderName::RecordRoute))
                || (status == StatusCode::TRYING && request.is_named(slot, &HeaderName::Timestamp));
            if wanted {
                let slot =
                    Slot { line: self.adopt(request, slot.line), value: self.adopt(request, slot.value), ..*slot };
                self.slots.push(slot);
            }
        }
    }

    /// Writes the message into one buffer, so that clones are cheap and sending it again needs no work.
    pub(crate) fn consolidate(&mut self) {
        let raw = self.to_bytes();
        let mut at = self.start_line.range().len();
        let start_line = Span::raw(0, at);
        let within = |old: Span, line: Span, new: usize| {
            let offset = old.range().start - line.range().start + new;
            Span::raw(offset, offset + old.range().len())
        };
        let in_line = |part: Span, line: Span| {
            part.is_overlay() == line.is_overlay()
                && line.range().start <= part.range().start
                && part.range().end <= line.range().end
        };
        let mut overlay = String::new();
        for index in 0..self.slots.len() {
            let slot = self.slots[index];
            let value = if in_line(slot.value, slot.line) {
                within(slot.value, slot.line, at)
            } else {
                let begin = overlay.len();
                overlay.push_str(self.text(slot.value));
                Span::overlay(begin, overlay.len())
            };
            let line = Span::raw(at, at + slot.line.range().len());
            at = line.range().end;
            self.slots[index] = Slot { line, value, ..slot };
        }
        match &mut self.start {
            StartLine::Request { uri: part, .. } | StartLine::Response { reason: part, .. } => {
                *part = within(*part, self.start_line, 0);
            }
        }
        self.start_line = start_line;
        self.body = raw.slice((at + 2).min(raw.len())..);
        self.raw = raw;
        self.overlay = overlay;
        self.edited = false;
    }

    fn blank() -> Self {
        let start = StartLine::Response { status: StatusCode::OK, reason: Span::default() };
        Self {
            raw: Bytes::new(),
            overlay: String::new(),
            start,
            start_line: Span::default(),
            slots: SmallVec::new(),
            body: Bytes::new(),
            edited: true,
        }
    }

    fn position(&self, name: &HeaderName) -> Option<usize> {
        self.slots.iter().position(|slot| self.is_named(slot, name))
    }

    fn retain(&mut self, wanted: impl Fn(&Self, &Slot) -> bool) -> bool {
        let before = self.slots.len();
        let mut slots = std::mem::take(&mut self.slots);
        slots.retain(|slot| wanted(self, slot));
        self.slots = slots;
        self.edited |= self.slots.len() != before;
        self.slots.len() != before
    }

    /// Writes a header line into the overlay.
    fn line(&mut self, name: &HeaderName, value: impl Display) -> Slot {
        self.make_room();
        let begin = self.overlay.len();
        // Our own names are tokens; any other character would break the line.
        match name.as_str() {
            token if parse::is_token(token) => self.overlay.push_str(token),
            other => self.overlay.extend(other.chars().filter(|c| parse::is_token_char(*c))),
        }
        let name_len = self.overlay.len() - begin;
        self.overlay.push_str(": ");
        let value = self.write_clean(value);
        self.overlay.push_str("\r\n");
        self.edited = true;
        Slot {
            name: if matches!(name, HeaderName::Other(_)) { OTHER } else { name.index() },
            name_len: u16::try_from(name_len).unwrap_or(u16::MAX),
            line: Span::overlay(begin, self.overlay.len()),
            value,
        }
    }

    /// Writes a value into the overlay. Line ends become blanks, so that no value can inject a header.
    fn write_clean(&mut self, value: impl Display) -> Span {
        let begin = self.overlay.len();
        // Writing into a String cannot fail.
        let _ = write!(OneLine(&mut self.overlay), "{value}");
        let text = self.overlay.get(begin..).unwrap_or_default();
        let kept = text.trim_end_matches([' ', '\t']).len();
        let leading = text.len() - text.trim_start_matches([' ', '\t']).len();
        self.overlay.truncate(begin + kept);
        Span::overlay(begin + leading.min(kept), begin + kept)
    }

    fn write_request_line(&mut self, method: Method, uri: impl Display) {
        self.make_room();
        let begin = self.overlay.len();
        self.overlay.push_str(method.as_str());
        self.overlay.push(' ');
        let uri = self.write_clean(uri);
        self.overlay.push_str(" SIP/2.0\r\n");
        self.start_line = Span::overlay(begin, self.overlay.len());
        self.start = StartLine::Request { method, uri };
        self.edited = true;
    }

    /// Reserves space for several edits before the first one.
    fn make_room(&mut self) {
        if self.overlay.capacity() == 0 {
            self.overlay.reserve(OVERLAY_BYTES);
        }
    }

    fn write_status_line(&mut self, status: StatusCode, reason: &str) {
        self.make_room();
        let begin = self.overlay.len();
        // Writing into a String cannot fail.
        let _ = write!(self.overlay, "SIP/2.0 {status} ");
        let reason = self.write_clean(reason);
        self.overlay.push_str("\r\n");
        self.start_line = Span::overlay(begin, self.overlay.len());
        self.start = StartLine::Response { status, reason };
        self.edited = true;
    }

    /// A span of `other` that is valid here; `raw` must be shared.
    fn adopt(&mut self, other: &Self, span: Span) -> Span {
        if !span.is_overlay() {
            return span;
        }
        let begin = self.overlay.len();
        self.overlay.push_str(other.text(span));
        Span::overlay(begin, self.overlay.len())
    }
}

/// Writes everything on one line.
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none() {
            self.0.push_str(text);
        } else {
            self.0.extend(text.chars().map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
