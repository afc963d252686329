//! Whether a caller already has an answer, by the tag that came with it.

use http::{HeaderMap, header};

/// Whether If-None-Match contains that tag, by the weak comparison of RFC 9110 section 13.1.2. Our tags contain no comma.
pub fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
    let mut seen = lists.flat_map(|list| list.split(',')).map(str::trim);
    seen.any(|seen| seen == "*" || seen.strip_prefix("W/").unwrap_or(seen) == etag)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn whoever_names_the_tag_in_any_form_has_the_answer_already() {
        for (seen, has) in [
            ("\"1-2\"", true),
            ("W/\"1-2\"", true),
            ("\"1-1\", W/\"1-2\" , \"1-3\"", true),
            ("*", true),
            ("\"1-1\", \"1-22\"", false),
            ("1-2", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(seen))]);
            assert_eq!(has_already(&headers, "\"1-2\""), has, "{seen}");
        }
        assert!(!has_already(&HeaderMap::new(), "\"1-2\""));
    }
}
