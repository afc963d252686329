//! Whether a page of ours has made a browser ask. A cookie comes with requests of other pages too: those may change nothing, and open no
//! stream (Fetch Metadata, RFC 6454 section 7).

use axum::http::{HeaderMap, Method, header};

/// Whether a request by cookie needs the browser's word that a page of ours asks: it may change something, or opens a stream.
pub(super) fn needs_own_page(method: &Method, path: &str, headers: &HeaderMap) -> bool {
    let is_stream = path.ends_with("/stream")
        || path.ends_with("/events")
        || headers.contains_key(header::UPGRADE)
        || headers.get_all(header::ACCEPT).iter().any(|types| contains(types.as_bytes(), b"text/event-stream"))
        || path.ends_with("/ws");
    is_stream || !matches!(*method, Method::GET | Method::HEAD)
}

/// Whether the browser says so, by its origin or by the relation of the sites. Both may be there, and then both must say it.
pub(super) fn is_of_own_page(headers: &HeaderMap, is_secure: bool) -> bool {
    let relation = headers.get("sec-fetch-site").map(|site| site == "same-origin");
    let origin = headers.get(header::ORIGIN).map(|_| !is_of_other_origin(headers, is_secure));
    relation != Some(false) && origin != Some(false) && (relation.is_some() || origin.is_some())
}

/// Whether the request names another origin than that which it was sent to.
pub(super) fn is_of_other_origin(headers: &HeaderMap, is_secure: bool) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = format!("{}://{host}", if is_secure { "https" } else { "http" });
    host.is_empty() || !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(said: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        said.iter().map(pair).chain([(header::HOST, HeaderValue::from_static("edge.example:8443"))]).collect()
    }

    #[test]
    fn a_page_of_ours_is_told_by_the_browser_and_nobody_is_believed_who_says_nothing() {
        for own in [
            &[("origin", "https://edge.example:8443")][..],
            &[("sec-fetch-site", "same-origin")],
            &[("origin", "https://Edge.example:8443"), ("sec-fetch-site", "same-origin")],
        ] {
            assert!(is_of_own_page(&headers(own), true), "{own:?}");
        }
        for foreign in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "http://edge.example:8443")],
            &[("origin", "https://edge.example")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://edge.example:8443"), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site")],
        ] {
            assert!(!is_of_own_page(&headers(foreign), true), "{foreign:?}");
        }
    }

    #[test]
    fn what_changes_something_and_streams_need_a_page_of_ours() {
        let needs = |method: Method, path: &str, said: &[(&'static str, &'static str)]| {
            needs_own_page(&method, path, &headers(said))
        };
        assert!(!needs(Method::GET, "/api/operations/v1/topology", &[("accept", "application/json")]));
        assert!(needs(Method::POST, "/api/operations/v1/topology", &[]));
        assert!(needs(Method::DELETE, "/api/voice/v1/acme/webhooks/1", &[]));
        assert!(needs(Method::GET, "/x", &[("accept", "text/html, Text/Event-Stream")]));
        assert!(needs(Method::GET, "/x", &[("upgrade", "websocket")]));
        for stream in
            ["/api/voice/v1/acme/events", "/api/voice/v1/acme/events/ws", "/pulse/api/v1/acme/wallboard/stream"]
        {
            assert!(needs(Method::GET, stream, &[]), "{stream}");
        }
    }
}
