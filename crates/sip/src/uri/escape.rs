//! Percent escapes (RFC 3261 §19.1.2).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a user part may not contain: all but letters, digits, `mark` and `user-unreserved` (RFC 3261 §25.1).
const NOT_IN_USER: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'&')
    .remove(b'=')
    .remove(b'+')
    .remove(b'$')
    .remove(b',')
    .remove(b';')
    .remove(b'?')
    .remove(b'/');

/// `text` with its escapes resolved. Bytes that are not UTF-8 afterwards are replaced; a broken escape stays.
pub fn unescape(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// `text` as a user part: characters that the grammar does not allow there are escaped.
pub fn escape_user(text: &str) -> String {
    utf8_percent_encode(text, &NOT_IN_USER).to_string()
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
