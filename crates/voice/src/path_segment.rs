//! Texts in the paths of requests to other roles.

/// Encodes a text as one segment of a path or value of a query.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_signs_are_one_segment() {
        assert_eq!(segment("+1 555/*50"), "%2B1%20555%2F%2A50");
    }
}
