//! Hands what is below `/auth/v3` to auth (own-11), with the proofs that the caller brings and none of our own.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::any;
use net::http::FORWARDED_HOST;
use runtime::RoleContext;
use runtime::issuer::{METADATA, PUBLISHED_PAGES};

use super::hand_on::RoleBehind;
use super::routes;

/// Headers forwarded with a request; the others concern one hop, or say what ingress knows better.
static PASSED_ON: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::ORIGIN,
    header::REFERER,
    header::USER_AGENT,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-request-id"),
];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    // Browsers come by GET with states, codes and ends of sign-ins, each of which is good once.
    let auth = RoleBehind::new(ctx, runtime::issuer::PATH, &PASSED_ON)?.asked_once();
    let router = Router::new().route(&routes::all_below(runtime::issuer::PATH), any(to_auth));
    let router = METADATA.iter().chain(&PUBLISHED_PAGES).fold(router, |router, path| router.route(path, any(to_auth)));
    Ok(router.with_state(auth))
}

async fn to_auth(State(auth): State<RoleBehind>, request: Request) -> Response {
    let cookies = cookies(request.headers()).map(|cookies| (header::COOKIE, cookies));
    // A host may name the tenant.
    let host = request.headers().get(header::HOST).cloned().map(|host| (FORWARDED_HOST, host));
    auth.hand_on(request, cookies.into_iter().chain(host)).await
}

/// The cookies as one header: HTTP/2 may send one each (RFC 9113 section 8.2.3).
pub(super) fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let each: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if each.is_empty() { None } else { HeaderValue::from_bytes(&each.join(b"; ".as_slice())).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_that_come_apart_go_on_as_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookies(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(cookies(&headers).unwrap(), "a=1; b=2");
    }
}
