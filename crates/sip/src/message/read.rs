//! From bytes to a [`Message`]: one pass over the head, without allocation except for folded lines and long tables.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Message, Slot, Span, StartLine};
use crate::header::HeaderName;
use crate::header::name;
use crate::limits::{HEAD_MAX, HEADERS_MAX, LINE_MAX, MESSAGE_MAX};
use crate::message::{ParseError, ParseErrorKind};
use crate::method::Method;
use crate::parse;
use crate::rule::Rule;
use crate::status::StatusCode;

/// How the end of a message is determined.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// The datagram's end.
    Datagram,
    /// Content-Length, which is compulsory.
    Stream,
}

/// Reads one message that begins at the first byte after leading line ends.
pub(crate) fn read(bytes: &Bytes, framing: Framing) -> Result<Message, ParseError> {
    let skipped = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let raw = bytes.slice(skipped..);
    if raw.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty));
    }
    if raw.len() > MESSAGE_MAX {
        return Err(ParseError::new(ParseErrorKind::MessageTooLong));
    }
    let mut reader = Reader { raw: &raw, slots: SmallVec::new(), overlay: String::new(), fault: None };
    let (start_line, body_at) = reader.head()?;
    let head = raw.get(..body_at).unwrap_or_default();
    if std::str::from_utf8(head).is_err() {
        reader.decode_latin();
    }
    let start = reader.start(head.get(start_line.range()).unwrap_or_default())?;
    let Reader { slots, overlay, mut fault, .. } = reader;
    let mut message = Message { raw, overlay, start, start_line, slots, body: Bytes::new(), edited: false };
    match body_end(&message, body_at, framing) {
        Ok(end) => {
            message.body = message.raw.slice(body_at..end);
            message.raw.truncate(end);
        }
        Err(kind) => fault = fault.or(Some(kind)),
    }
    match fault {
        None => Ok(message),
        Some(kind) => Err(ParseError { kind, partial: message.is_answerable().then(|| Box::new(message)) }),
    }
}

fn body_end(message: &Message, body_at: usize, framing: Framing) -> Result<usize, ParseErrorKind> {
    let available = message.raw.len() - body_at;
    match message.content_length() {
        Ok(Some(length)) if length <= available => Ok(body_at + length),
        Ok(None) if framing == Framing::Datagram => Ok(message.raw.len()),
        Ok(None) => Err(ParseErrorKind::NoContentLength),
        Ok(Some(_)) | Err(_) => Err(ParseErrorKind::ContentLength),
    }
}

impl Message {
    /// Content-Length: it may be repeated with the same number, not with different ones (RFC 4475 §3.3.9).
    pub(crate) fn content_length(&self) -> Result<Option<usize>, Rule> {
        let mut length = None;
        for value in self.headers(&HeaderName::ContentLength) {
            let number = parse::number(value, u64::from(u32::MAX))?;
            let number = usize::try_from(number).map_err(|_| Rule::Number)?;
            if length.is_some_and(|l| l != number) {
                return Err(Rule::Repeated);
            }
            length = Some(number);
        }
        Ok(length)
    }
}

struct Reader<'a> {
    raw: &'a [u8],
    slots: SmallVec<[Slot; 20]>,
    overlay: String,
    /// The first fault that still leaves enough for an answer.
    fault: Option<ParseErrorKind>,
}

impl Reader<'_> {
    /// Reads start line and headers; returns the start line and where the body begins.
    fn head(&mut self) -> Result<(Span, usize), ParseError> {
        let start_end = self.line_end(0)?;
        let mut at = start_end;
        loop {
            let line = at;
            at = self.line_end(line)?;
            if at == line + 2 {
                return Ok((Span::raw(0, start_end), at));
            }
            // A line that begins with a blank continues the one before (RFC 3261 §7.3.1).
            let first_end = at;
            while matches!(self.raw.get(at), Some(b' ' | b'\t')) {
                at = self.line_end(at)?;
            }
            let folded = at > first_end;
            if at - line > LINE_MAX {
                return Err(ParseError::new(ParseErrorKind::LineTooLong));
            }
            if at > HEAD_MAX {
                return Err(ParseError::new(ParseErrorKind::HeadTooLong));
            }
            self.header_line(line, at, folded)?;
        }
    }

    /// The end of the line that begins at `from`, after its CRLF. A bare CR or LF does not end a line.
    fn line_end(&self, from: usize) -> Result<usize, ParseError> {
        let rest = self.raw.get(from..).unwrap_or_default();
        let Some(at) = memchr::memchr2(b'\r', b'\n', rest) else {
            let kind = if rest.len() > LINE_MAX { ParseErrorKind::LineTooLong } else { ParseErrorKind::NoEnd };
            return Err(ParseError::new(kind));
        };
        if at > LINE_MAX {
            return Err(ParseError::new(ParseErrorKind::LineTooLong));
        }
        match (rest.get(at), rest.get(at + 1)) {
            (Some(b'\r'), Some(b'\n')) => Ok(from + at + 2),
            (Some(b'\r'), None) => Err(ParseError::new(ParseErrorKind::NoEnd)),
            _ => Err(ParseError::new(ParseErrorKind::NotText)),
        }
    }

    fn header_line(&mut self, start: usize, end: usize, folded: bool) -> Result<(), ParseError> {
        if self.slots.len() == HEADERS_MAX {
            return Err(ParseError::new(ParseErrorKind::TooManyHeaders));
        }
        let line = self.raw.get(start..end).unwrap_or_default();
        let name_len = line.iter().position(|b| !parse::is_token_byte(*b)).unwrap_or(line.len());
        let blanks = line.iter().skip(name_len).take_while(|b| matches!(b, b' ' | b'\t')).count();
        let colon = name_len + blanks;
        if name_len == 0 || line.get(colon) != Some(&b':') {
            self.fault.get_or_insert(ParseErrorKind::HeaderLine(self.slots.len() + 1));
            return Ok(());
        }
        let value = start + colon + 1;
        let value = if folded {
            // Text that is not UTF-8 is detected later for the whole head, and read again.
            let text = std::str::from_utf8(self.raw.get(value..end).unwrap_or_default()).unwrap_or_default();
            self.unfold(text)
        } else {
            self.trimmed(value, end)
        };
        self.slots.push(Slot {
            name: name::index_of(line.get(..name_len).unwrap_or_default()),
            name_len: u16::try_from(name_len).unwrap_or(u16::MAX),
            line: Span::raw(start, end),
            value,
        });
        Ok(())
    }

    /// The value between `start` and the line end at `end`.
    fn trimmed(&self, start: usize, end: usize) -> Span {
        let text = self.raw.get(start..end).unwrap_or_default();
        let (mut from, mut to) = (0, text.len().saturating_sub(2));
        while text.get(from).is_some_and(|b| matches!(b, b' ' | b'\t')) && from < to {
            from += 1;
        }
        while to > from && matches!(text.get(to - 1), Some(b' ' | b'\t')) {
            to -= 1;
        }
        Span::raw(start + from, start + to)
    }

    /// The value of a folded line, assembled in the overlay with one blank for each fold.
    fn unfold(&mut self, text: &str) -> Span {
        let begin = self.overlay.len();
        for piece in text.split("\r\n").map(parse::trim).filter(|piece| !piece.is_empty()) {
            if self.overlay.len() > begin {
                self.overlay.push(' ');
            }
            self.overlay.push_str(piece);
        }
        Span::overlay(begin, self.overlay.len())
    }

    /// Values that are not UTF-8, as RFC 3261 §25.1 demands, are read as Latin-1, which older phones and trunks write
    /// in names. Forwarded messages keep the received bytes.
    fn decode_latin(&mut self) {
        for at in 0..self.slots.len() {
            let Some(line) = self.slots.get(at).and_then(|slot| self.raw.get(slot.line.range())) else { continue };
            if std::str::from_utf8(line).is_ok() {
                continue;
            }
            let value = line.iter().position(|b| *b == b':').map_or(0, |colon| colon + 1);
            let text: String = line.iter().skip(value).map(|b| char::from(*b)).collect();
            let value = self.unfold(&text);
            if let Some(slot) = self.slots.get_mut(at) {
                slot.value = value;
            }
        }
    }

    /// Reads the start line. After an error no answer is possible.
    fn start(&mut self, line: &[u8]) -> Result<StartLine, ParseError> {
        let line = line.strip_suffix(b"\r\n").unwrap_or(line);
        let line = match std::str::from_utf8(line) {
            Ok(line) => line,
            // The reason phrase is for people; only the status matters.
            Err(error) if line.starts_with(b"SIP/2.0 ") => {
                line.get(..error.valid_up_to()).and_then(|part| std::str::from_utf8(part).ok()).unwrap_or_default()
            }
            Err(_) => return Err(ParseError::new(ParseErrorKind::NotText)),
        };
        if line.len() >= 4 && line.as_bytes()[..4].eq_ignore_ascii_case(b"SIP/") {
            return status_line(line).map_err(ParseError::new);
        }
        let (method, uri, version) = split_request_line(line).ok_or(ParseError::new(ParseErrorKind::StartLine))?;
        if !parse::is_token(method) {
            return Err(ParseError::new(ParseErrorKind::StartLine));
        }
        if !version.eq_ignore_ascii_case("SIP/2.0") {
            let named = version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case("SIP/"));
            self.fault.get_or_insert(if named { ParseErrorKind::Version } else { ParseErrorKind::StartLine });
        }
        // Blanks, brackets and quotes are not allowed in a URI; the rest is checked when the URI is parsed.
        let is_foul = |b: u8| b <= b' ' || matches!(b, b'<' | b'>' | b'"' | 0x7f);
        if !uri.contains(':') || uri.bytes().any(is_foul) {
            self.fault.get_or_insert(ParseErrorKind::RequestUri);
        }
        let uri_at = method.len() + 1;
        Ok(StartLine::Request { method: Method::from_token(method), uri: Span::raw(uri_at, uri_at + uri.len()) })
    }
}

/// Method, URI and version. Everything between the first and the last single blank is the URI. Blanks in it or after
/// the version make it invalid later, but an answer remains possible.
fn split_request_line(line: &str) -> Option<(&str, &str, &str)> {
    let (method, rest) = line.split_once(' ')?;
    let trimmed = rest.trim_end_matches(' ');
    if trimmed.len() < rest.len() {
        return Some((method, rest, "SIP/2.0"));
    }
    let (uri, version) = trimmed.rsplit_once(' ')?;
    Some((method, uri, version))
}

fn status_line(line: &str) -> Result<StartLine, ParseErrorKind> {
    let (version, rest) = line.split_once(' ').ok_or(ParseErrorKind::StartLine)?;
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(ParseErrorKind::Version);
    }
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = match code.as_bytes() {
        [b'1'..=b'6', b'0'..=b'9', b'0'..=b'9'] => parse::number(code, 699).ok().and_then(|n| u16::try_from(n).ok()),
        _ => None,
    };
    let status = StatusCode(status.ok_or(ParseErrorKind::StartLine)?);
    Ok(StartLine::Response { status, reason: Span::raw(line.len() - reason.len(), line.len()) })
}

#[cfg(test)]
mod tests;
