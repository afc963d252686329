//! Escapes names in the paths of requests to config, so that each is one segment.

/// The name as a segment of a path (RFC 3986 section 2.1).
pub(super) fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            // A point too: a segment of one or two points means another path.
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_segment_and_no_other_path() {
        for (name, expected) in [
            ("sales", "sales"),
            ("sales en", "sales%20en"),
            ("#31", "%2331"),
            ("a/b?c", "a%2Fb%3Fc"),
            ("..", "%2E%2E"),
            ("größe", "gr%C3%B6%C3%9Fe"),
        ] {
            assert_eq!(segment(name), expected);
            let uri: http::Uri = format!("http://config/tenants/t/dns/{}", segment(name)).parse().expect("a URI");
            assert_eq!((uri.path().split('/').count(), uri.query()), (5, None), "{name}");
        }
    }
}
