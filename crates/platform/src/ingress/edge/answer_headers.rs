//! Headers of every answer of the edge, where the answer has none of its own: browsers are told to take it as what it is, inside no other
//! page, to tell no other site where they were, and to come back by HTTPS alone.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// A year, as browsers' makers want it. The host's other names are its operator's matter.
const BY_HTTPS_ALONE: HeaderValue = HeaderValue::from_static("max-age=31536000");
/// What is no page loads nothing and stands in no frame.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
const AS_IT_IS: HeaderValue = HeaderValue::from_static("nosniff");
const TO_NOBODY: HeaderValue = HeaderValue::from_static("no-referrer");
const IN_NO_FRAME: HeaderValue = HeaderValue::from_static("DENY");

/// As many as are added to an answer, the id of the request included: room for all of them is made at once, or each may move the others.
const ADDED: usize = 6;

/// Adds them; a page that has a policy of its own says there who may frame it.
pub(super) fn add(headers: &mut HeaderMap, is_secure: bool) {
    headers.reserve(ADDED);
    let has_policy = headers.contains_key(header::CONTENT_SECURITY_POLICY);
    if !has_policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
        add_missing(headers, header::X_FRAME_OPTIONS, IN_NO_FRAME);
    }
    add_missing(headers, header::X_CONTENT_TYPE_OPTIONS, AS_IT_IS);
    add_missing(headers, header::REFERRER_POLICY, TO_NOBODY);
    // Without TLS anybody could have written it (RFC 6797 section 7.2).
    if is_secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, BY_HTTPS_ALONE);
    }
}

fn add_missing(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    headers.entry(name).or_insert(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gets_what_it_lacks_and_keeps_what_it_has() {
        let mut bare = HeaderMap::new();
        add(&mut bare, false);
        assert_eq!(bare[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(bare[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(!bare.contains_key(header::STRICT_TRANSPORT_SECURITY), "only TLS may promise TLS");
        let own = "default-src 'self'; frame-ancestors https://desk.example";
        let mut page = HeaderMap::from_iter([
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(own)),
            (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        ]);
        add(&mut page, true);
        assert_eq!(page[header::CONTENT_SECURITY_POLICY], own);
        assert_eq!(page[header::REFERRER_POLICY], "same-origin");
        assert!(!page.contains_key(header::X_FRAME_OPTIONS), "its policy says who may frame it");
        assert_eq!(page[header::STRICT_TRANSPORT_SECURITY], "max-age=31536000");
    }
}
