//! Bodies of several parts (RFC 2046 §5.1, RFC 5621): those of others are taken apart, ours are put together.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::memmem;

use crate::header::content::MediaType;
use crate::params::unquote;
use crate::parse;

/// The most parts that are read; no sender uses more.
pub const PARTS_MAX: usize = 16;
/// The longest boundary (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;

/// A part that was read. One that has parts itself is not looked into.
#[derive(Clone)]
pub struct Part {
    /// Without folded lines.
    head: Bytes,
    /// What it holds, as it came.
    pub content: Bytes,
}

impl fmt::Debug for Part {
    /// Without what it holds, which may be where somebody is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} bytes)", self.content.len())
    }
}

impl Part {
    /// The first value of a header of the part, by its long or compact name.
    pub fn header(&self, name: &str, compact: &str) -> Option<&str> {
        let text = std::str::from_utf8(&self.head).unwrap_or_default();
        let mut lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
        let is_meant = |found: &str| found.eq_ignore_ascii_case(name) || found.eq_ignore_ascii_case(compact);
        lines.find(|(found, _)| is_meant(parse::trim(found))).map(|(_, value)| parse::trim(value))
    }

    /// Whether its type is `kind/subtype`.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        let media = self.header("Content-Type", "c").and_then(|value| MediaType::parse(value).ok());
        media.is_some_and(|media| media.is(kind, subtype))
    }

    /// Whether it says where somebody is (RFC 4119).
    pub(crate) fn is_location(&self) -> bool {
        self.is("application", "pidf+xml")
    }
}

/// The boundary of a multipart type, if it has a good one.
pub fn boundary(kind: &MediaType<'_>) -> Option<String> {
    let boundary = kind.kind.eq_ignore_ascii_case("multipart").then(|| kind.params.get("boundary")).flatten()?;
    let boundary = unquote(boundary).into_owned();
    (1..=BOUNDARY_MAX).contains(&boundary.len()).then_some(boundary)
}

/// The parts between the delimiters (RFC 2046 §5.1.1). Text before the first and after the last one is ignored, and so is a part whose end
/// has not come.
pub fn parts(body: &Bytes, boundary: &str) -> Vec<Part> {
    let delimiter = format!("--{boundary}");
    let marks = marks(body, delimiter.as_bytes());
    marks
        .windows(2)
        .filter_map(|pair| {
            let [from, to] = *pair else { return None };
            let start = from + delimiter.len();
            let line = memchr::memchr(b'\n', body.get(start..to)?)?;
            let part = body.slice(start + line + 1..to);
            // The line end before a delimiter is part of it.
            let end = part.strip_suffix(b"\r\n").or_else(|| part.strip_suffix(b"\n")).unwrap_or(&part).len();
            Some(read(&part.slice(..end)))
        })
        .collect()
}

/// Where the delimiters begin, up to the one that closes the body.
fn marks(body: &[u8], delimiter: &[u8]) -> Vec<usize> {
    let mut marks = Vec::new();
    for at in memmem::find_iter(body, delimiter) {
        let begins_line = at == 0 || body.get(at - 1) == Some(&b'\n');
        let behind = body.get(at + delimiter.len()..).unwrap_or_default();
        let is_last = behind.starts_with(b"--");
        // Another boundary may begin with the same characters.
        let ends_there = is_last || matches!(behind.first(), None | Some(b'\r' | b'\n' | b' ' | b'\t'));
        if begins_line && ends_there {
            marks.push(at);
            if is_last || marks.len() > PARTS_MAX {
                break;
            }
        }
    }
    marks
}

fn read(part: &Bytes) -> Part {
    if part.starts_with(b"\r\n") {
        return Part { head: Bytes::new(), content: part.slice(2..) };
    }
    match memmem::find(part, b"\r\n\r\n") {
        Some(at) => Part { head: unfolded(&part.slice(..at)), content: part.slice(at + 4..) },
        None => Part { head: unfolded(part), content: Bytes::new() },
    }
}

/// A head in which each header is one line: a line that begins with white space goes on with the one before (RFC 5322 §2.2.3).
fn unfolded(head: &Bytes) -> Bytes {
    let is_folded = |pair: &[u8]| matches!(pair, [b'\n', b' ' | b'\t']);
    let Ok(text) = std::str::from_utf8(head) else { return head.clone() };
    if !head.windows(2).any(is_folded) {
        return head.clone();
    }
    text.replace("\r\n ", " ").replace("\r\n\t", " ").into()
}

/// A part to be written.
#[derive(Clone, PartialEq, Eq)]
pub struct BodyPart {
    /// As `application/sdp`.
    pub content_type: Cow<'static, str>,
    /// The id by which a header refers to it (RFC 2392), without angle brackets.
    pub content_id: Option<String>,
    /// What it holds.
    pub content: Bytes,
}

impl fmt::Debug for BodyPart {
    /// Without what it holds, which may be where somebody is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyPart({}, {} bytes)", self.content_type, self.content.len())
    }
}

/// A body of these parts, with its Content-Type.
pub fn mixed(parts: &[BodyPart]) -> (String, Bytes) {
    let boundary = unused_boundary(parts);
    let mut body = Vec::new();
    for part in parts {
        let id = part.content_id.as_ref().map(|id| format!("Content-ID: <{id}>\r\n")).unwrap_or_default();
        let head = format!("--{boundary}\r\nContent-Type: {}\r\n{id}\r\n", part.content_type);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/mixed;boundary={boundary}"), body.into())
}

/// A boundary that is in none of the parts, which others may have written.
fn unused_boundary(parts: &[BodyPart]) -> String {
    let is_in = |text: &str| parts.iter().any(|part| memmem::find(&part.content, text.as_bytes()).is_some());
    let mut numbered = (1_u32..).map(|number| format!("trunkline-part-{number}-end"));
    numbered.find(|boundary| !is_in(boundary)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
