//! Comma lists: commas in quoted strings and angle brackets do not separate (RFC 3261 §7.3.1).

use crate::parse;

/// The elements of a comma list, trimmed; empty ones are left out.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Elements<'a> {
    /// Splits `value`.
    pub const fn new(value: &'a str) -> Self {
        Self { rest: value }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;
    fn next(&mut self) -> Option<&'a str> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let end = find_outside(self.rest, b',').unwrap_or(self.rest.len());
            let element = parse::trim(&self.rest[..end]);
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !element.is_empty() {
                return Some(element);
            }
        }
    }
}

/// The position of `wanted` (ASCII) outside quoted strings.
pub(crate) fn find_outside_quotes(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let first = memchr::memchr2(wanted, b'"', bytes)?;
    if bytes.get(first) == Some(&wanted) {
        return Some(first);
    }
    let mut at = 0;
    let mut quoted = false;
    while let Some(&b) = bytes.get(at) {
        match b {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            _ if b == wanted && !quoted => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The position of `wanted` (ASCII) outside quoted strings and angle brackets.
pub(crate) fn find_outside(text: &str, wanted: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr3(wanted, b'"', b'<', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => at += quoted_len(text.get(at..)?)?,
            b'<' => at += memchr::memchr(b'>', bytes.get(at..)?)? + 1,
            _ => return Some(at),
        }
    }
}

/// The length of the quoted string that `text` begins with, quotes included.
pub(crate) fn quoted_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}
