//! For whom a page of ours asks. A browser has one session: once somebody else has signed in in another tab, what is open still is the page
//! of the person of before, and nothing of it is to be done as the other's.

use http::{HeaderMap, HeaderName};

/// The user name of the person of the page, as `encodeURIComponent` writes it (ECMA-262 section 19.2.6.4).
const HEADER: HeaderName = HeaderName::from_static("x-trunkline-subject");

/// Whether a request is meant for that user. One that names nobody is of whoever has signed in.
#[must_use]
pub fn is_meant_for(headers: &HeaderMap, user: &str) -> bool {
    headers.get(HEADER).is_none_or(|named| named.as_bytes() == encoded(user).as_bytes())
}

fn encoded(user: &str) -> String {
    let mut text = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_name_is_compared_as_browsers_write_it() {
        let named = |name: &'static str| HeaderMap::from_iter([(HEADER, HeaderValue::from_static(name))]);
        for (name, user) in [("ann", "ann"), ("zo%C3%AB", "zoë"), ("a%20(b)%25.c", "a (b)%.c")] {
            assert!(is_meant_for(&named(name), user), "{name}");
            assert!(!is_meant_for(&named(name), "bob"), "{name}");
        }
        assert!(is_meant_for(&HeaderMap::new(), "bob"));
        assert!(!is_meant_for(&named(""), "bob"));
    }
}
