//! Forwards what is below `/auth/v3` to auth, with the proofs that the caller brings and none of our own.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, OriginalUri, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use net::http::{CallError, Client, Problem, WebClient};
use runtime::RoleContext;

/// Where clients look for the description of a server that has no path.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// Headers forwarded with a request; the others concern one hop, or say what ingress knows better.
const PASSED_ON: [HeaderName; 9] = [
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
/// Headers of an answer that concern our own hop to auth.
const OF_THE_HOP: [HeaderName; 5] =
    [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH, header::DATE, header::UPGRADE];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let auth = Client::new(ctx, "own-11")?;
    let below = format!("{}/{{*rest}}", runtime::issuer::PATH);
    Ok(Router::new().route(&below, any(to_auth)).route(WELL_KNOWN, any(to_auth)).with_state(auth))
}

/// Whether auth, and not ingress, asks for what a request needs.
pub(super) fn is_open(path: &str) -> bool {
    path == WELL_KNOWN || path.strip_prefix(runtime::issuer::PATH).is_some_and(|rest| rest.starts_with('/'))
}

async fn to_auth(
    State(auth): State<Client>,
    Extension(client): Extension<WebClient>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut call = auth.call(method, path).without_token().raw_body(body);
    for name in PASSED_ON {
        if let Some(value) = headers.get(&name) {
            call = call.header(name, value.clone());
        }
    }
    if let Some(cookies) = cookies(&headers) {
        call = call.header(header::COOKIE, cookies);
    }
    if let Ok(from) = HeaderValue::from_str(&client.address.to_string()) {
        call = call.header(FORWARDED_FOR, from);
    }
    let scheme = HeaderValue::from_static(if client.is_secure { "https" } else { "http" });
    match call.header(FORWARDED_PROTO, scheme).send_any().await {
        Ok(answer) => {
            let mut response = (answer.status, answer.body).into_response();
            response.headers_mut().remove(header::CONTENT_TYPE);
            for (name, value) in answer.headers.iter().filter(|(name, _)| !OF_THE_HOP.contains(name)) {
                // There may be several cookies.
                response.headers_mut().append(name.clone(), value.clone());
            }
            response
        }
        Err(CallError::Deadline(_)) => problem(StatusCode::GATEWAY_TIMEOUT, "auth does not answer"),
        Err(error) => {
            tracing::warn!(%error, "auth cannot be reached");
            problem(StatusCode::BAD_GATEWAY, "auth cannot be reached")
        }
    }
}

/// The cookies as one header: HTTP/2 may send one each (RFC 9113 section 8.2.3).
fn cookies(headers: &HeaderMap) -> Option<HeaderValue> {
    let each: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if each.is_empty() { None } else { HeaderValue::from_bytes(&each.join(b"; ".as_slice())).ok() }
}

fn problem(status: StatusCode, detail: &str) -> Response {
    Problem::new(status, "auth-away", "The request was not handed on").detail(detail).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_auth_asks_for_its_own_proof() {
        for open in ["/auth/v3/oauth/token", "/auth/v3/sign-in", WELL_KNOWN] {
            assert!(is_open(open), "{open}");
        }
        for closed in ["/auth/v3", "/auth/v33/x", "/api/voice/v1/x", "/auth", "/x/auth/v3/y"] {
            assert!(!is_open(closed), "{closed}");
        }
    }

    #[test]
    fn cookies_that_come_apart_go_on_as_one() {
        let mut headers = HeaderMap::new();
        assert_eq!(cookies(&headers), None);
        headers.append(header::COOKIE, HeaderValue::from_static("a=1"));
        headers.append(header::COOKIE, HeaderValue::from_static("b=2"));
        assert_eq!(cookies(&headers).unwrap(), "a=1; b=2");
    }
}
