//! Percent escapes (RFC 3261 §19.1.2).

use std::borrow::Cow;

/// `text` with its escapes resolved. Bytes that are not UTF-8 afterwards are replaced; a broken escape stays.
pub fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let pair = bytes.get(at + 1..at + 3).and_then(|p| std::str::from_utf8(p).ok());
        // A sign before the digit would be accepted by the number parser.
        let pair = pair.filter(|p| b == b'%' && p.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match pair.and_then(|p| u8::from_str_radix(p, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(b);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

/// `text` as a user part: characters that the grammar does not allow there are escaped.
pub fn escape_user(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// Whether every percent sign is followed by two hexadecimal digits.
pub(super) fn is_well_escaped(text: &str) -> bool {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return true;
    }
    let mut parts = text.split('%');
    parts.next();
    parts.all(|part| matches!(part.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_once_and_broken_ones_stay() {
        for (text, resolved) in [
            ("%2a50", "*50"),
            ("%252a", "%2a"),
            ("7101%", "7101%"),
            ("%+5", "%+5"),
            ("%g0", "%g0"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(unescape(text), resolved, "{text}");
        }
        assert_eq!(unescape(&escape_user("a b%\u{e4}")), "a b%\u{e4}");
    }
}
