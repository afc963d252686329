//! Which headers pass between a caller and frontend or pulse; the others concern one hop, or only the edge. Every header of a refusal is
//! among those that come back. What passes to the roles that `hand_on` asks stands with the API of each.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of a request that frontend gets.
pub(super) static TO_FRONTEND: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-request-id"),
];
/// Headers of its answer that the caller gets.
pub(super) static FROM_FRONTEND: [HeaderName; 4] =
    [header::CONTENT_TYPE, header::ALLOW, header::RETRY_AFTER, header::WWW_AUTHENTICATE];

/// Headers of a request that pulse gets.
pub(super) static TO_PULSE: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::ACCEPT,
    header::IF_NONE_MATCH,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-request-id"),
];
/// Headers of its answer that the caller gets.
pub(super) static FROM_PULSE: [HeaderName; 11] = [
    header::ALLOW,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::ETAG,
    header::CONTENT_SECURITY_POLICY,
    header::X_CONTENT_TYPE_OPTIONS,
    header::REFERRER_POLICY,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("x-accel-buffering"),
];

/// The headers of these names, each once.
pub(super) fn passed(
    headers: &HeaderMap,
    names: &'static [HeaderName],
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    names.iter().filter_map(move |name| Some((name.clone(), headers.get(name)?.clone())))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use net::http::Problem;

    use super::*;

    #[test]
    fn a_refusal_comes_back_with_all_that_it_says() {
        for refusal in [Problem::too_many("x"), Problem::unavailable("x"), Problem::unauthorized("x")] {
            let (what, answer) = (refusal.to_string(), refusal.into_response());
            for names in [&FROM_FRONTEND[..], &FROM_PULSE[..]] {
                let back: HeaderMap = passed(answer.headers(), names).collect();
                assert_eq!(&back, answer.headers(), "{what}");
            }
        }
    }
}
