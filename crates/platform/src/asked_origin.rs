//! The origin that a client has asked, as ingress tells it to the roles behind it.

use axum::http::{HeaderMap, HeaderName};
use net::http::{FORWARDED_HOST, FORWARDED_PROTO};

/// Scheme and host, as `https://centre.example`; none if ingress does not tell them, or the host is none.
pub(crate) fn asked_origin(headers: &HeaderMap) -> Option<String> {
    let told = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_host = |sign: char| sign.is_ascii_alphanumeric() || "-.:[]_".contains(sign);
    let host = told(FORWARDED_HOST).filter(|host| !host.is_empty() && host.chars().all(is_host))?;
    let scheme = if told(FORWARDED_PROTO) == Some("https") { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn it_is_the_host_that_was_asked_by_the_scheme_that_was_used() {
        let of = |host: &'static str, proto: &'static str| {
            asked_origin(&HeaderMap::from_iter([
                (FORWARDED_HOST, HeaderValue::from_static(host)),
                (FORWARDED_PROTO, HeaderValue::from_static(proto)),
            ]))
        };
        assert_eq!(of("centre.example:8443", "https").as_deref(), Some("https://centre.example:8443"));
        assert_eq!(of("[::1]:8080", "http").as_deref(), Some("http://[::1]:8080"));
        assert_eq!((of("a/b", "https"), asked_origin(&HeaderMap::new())), (None, None));
    }
}
