//! Texts within URIs.

use std::fmt::Write as _;

/// A text as one segment of a URI: all but unreserved characters are percent-encoded (RFC 3986 section 2.3).
#[must_use]
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_segment() {
        assert_eq!(encoded("acme-1.x_y~z"), "acme-1.x_y~z");
        assert_eq!(encoded("a b/ö?%"), "a%20b%2F%C3%B6%3F%25");
    }
}
