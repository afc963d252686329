//! Which headers pass between a caller and a service; the others concern one hop, or say what is known better here.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use net::http::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};

/// Headers of a request that a service gets.
static INWARD: [HeaderName; 19] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::IF_NONE_MATCH,
    header::ORIGIN,
    header::USER_AGENT,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-b3-traceid"),
    HeaderName::from_static("x-b3-spanid"),
    HeaderName::from_static("x-b3-parentspanid"),
    HeaderName::from_static("x-b3-sampled"),
    HeaderName::from_static("x-b3-flags"),
    // As published clients spell the id of a span.
    HeaderName::from_static("x-b3-snapid"),
    HeaderName::from_static("x-gws-unstable"),
    HeaderName::from_static("x-request-id"),
    // For whom a page of ours asks.
    HeaderName::from_static("x-trunkline-subject"),
    HeaderName::from_static("traceparent"),
];
/// What ingress says besides: from whom a request is, by which scheme, and which host was asked.
static OF_INGRESS: [HeaderName; 3] = [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST];
/// Headers of an answer that its caller gets.
static OUTWARD: [HeaderName; 14] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::CONTENT_LANGUAGE,
    header::CACHE_CONTROL,
    header::ETAG,
    header::LOCATION,
    header::ALLOW,
    header::RETRY_AFTER,
    header::VARY,
    header::WWW_AUTHENTICATE,
    // What a page says of itself.
    header::CONTENT_SECURITY_POLICY,
    header::X_CONTENT_TYPE_OPTIONS,
    header::REFERRER_POLICY,
    // A service may set several cookies.
    header::SET_COOKIE,
];

/// Those of a request, each once.
pub(super) fn inward(headers: &HeaderMap, is_of_ingress: bool) -> Vec<(HeaderName, HeaderValue)> {
    let of_ingress = OF_INGRESS.iter().filter(|_| is_of_ingress);
    let names = INWARD.iter().chain(of_ingress);
    names.filter_map(|name| Some((name.clone(), headers.get(name)?.clone()))).collect()
}

/// Those of an answer, each as often as it is there.
pub(super) fn outward(headers: &HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    OUTWARD.iter().flat_map(move |name| headers.get_all(name).iter().map(move |value| (name.clone(), value.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(passed: &[(HeaderName, HeaderValue)]) -> Vec<&str> {
        passed.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn ingress_alone_says_from_whom_a_request_is() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("cookie", "WORKSPACE_SESSIONID=a"),
            ("x-forwarded-for", "203.0.113.7"),
            ("x-forwarded-proto", "https"),
            ("host", "127.0.20.1:8080"),
            ("connection", "keep-alive"),
            ("x-b3-snapid", "1"),
            ("x-trunkline-subject", "ann"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert_eq!(names(&inward(&headers, false)), ["cookie", "x-b3-snapid", "x-trunkline-subject"]);
        let told = inward(&headers, true);
        let all = ["cookie", "x-b3-snapid", "x-trunkline-subject", "x-forwarded-for", "x-forwarded-proto"];
        assert_eq!(names(&told), all);
    }
}
