//! Lexical elements of the grammar (RFC 3261 §25.1) that all headers share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::rule::Rule;

/// The bytes allowed in a `token`; a table, because every byte of every header name is checked.
static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

#[inline]
pub(crate) fn is_token_byte(b: u8) -> bool {
    TOKEN[usize::from(b)]
}

/// Whether `text` is a `token`.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Whether `c` is allowed in a `token`.
pub(crate) fn is_token_char(c: char) -> bool {
    c.is_ascii() && is_token_byte(c as u8)
}

/// The position of the first `byte` (ASCII).
#[inline]
pub(crate) fn find(text: &str, byte: u8) -> Option<usize> {
    memchr::memchr(byte, text.as_bytes())
}

/// The text before and after the first `byte` (ASCII).
#[inline]
pub(crate) fn split(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = find(text, byte)?;
    Some((&text[..at], &text[at + 1..]))
}

/// `text` without blanks at both ends.
pub(crate) fn trim(text: &str) -> &str {
    let bytes = text.as_bytes();
    let is_blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    let (mut from, mut to) = (0, bytes.len());
    while from < to && is_blank(bytes.get(from)) {
        from += 1;
    }
    while from < to && is_blank(bytes.get(to - 1)) {
        to -= 1;
    }
    &text[from..to]
}

/// A decimal number of at most `max`; leading zeros are allowed (RFC 4475 §3.1.1.1).
pub(crate) fn number(text: &str, max: u64) -> Result<u64, Rule> {
    if text.is_empty() {
        return Err(Rule::Number);
    }
    let mut value: u64 = 0;
    for b in text.bytes() {
        if !b.is_ascii_digit() {
            return Err(Rule::Number);
        }
        value = value.checked_mul(10).and_then(|v| v.checked_add(u64::from(b - b'0'))).ok_or(Rule::Number)?;
        if value > max {
            return Err(Rule::Number);
        }
    }
    Ok(value)
}

/// A port, 0 to 65535.
pub(crate) fn port(text: &str) -> Result<u16, Rule> {
    number(text, 65_535).ok().and_then(|n| u16::try_from(n).ok()).ok_or(Rule::Port)
}

/// An address, IPv6 with or without brackets.
pub(crate) fn ip(text: &str) -> Option<IpAddr> {
    match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inner) => ipv6(inner).map(IpAddr::V6),
        None => text.parse().ok(),
    }
}

/// RFC 3261's grammar puts three colons before an embedded IPv4 address, and only there; RFC 5118 §4.10 requires support for
/// both forms.
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| {
        let (front, v4) = text.split_once(":::")?;
        v4.parse::<Ipv4Addr>().ok()?;
        format!("{front}::{v4}").parse().ok()
    })
}

/// A q-value in thousandths: `0` to `1` with up to three decimals.
pub(crate) fn q_value(text: &str) -> Option<u16> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    if part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut value = match whole {
        "0" | "" if !(whole.is_empty() && part.is_empty()) => 0,
        "1" => 1_000,
        _ => return None,
    };
    let mut weight = 100;
    for b in part.bytes() {
        value += u16::from(b - b'0') * weight;
        weight /= 10;
    }
    (value <= 1_000).then_some(value)
}
