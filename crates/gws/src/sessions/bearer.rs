//! The token of a request.

use axum::http::{HeaderMap, header};

/// The token of a request; the name of its scheme is in letters of any case.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_scheme_of_a_token_is_written_as_anybody_likes() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer(&headers).map(str::to_owned)
        };
        for right in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(of(right).as_deref(), Some("a.b.c"), "{right:?}");
        }
        for none in ["Basic a.b.c", "Bearer", "Bearer ", "a.b.c"] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}
