//! Hands what is below `/telemetry` to telemetry (telemetry-03), with the caller's own token.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use axum::routing::any;
use net::http::{FORWARDED_HOST, Method};
use runtime::RoleContext;

use super::hand_on::RoleBehind;
use super::routes::{self, RouteFamily};

static PASSED_ON: [HeaderName; 10] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::ACCEPT,
    header::ORIGIN,
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderName::from_static("sec-fetch-site"),
    header::USER_AGENT,
    HeaderName::from_static("x-request-id"),
];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let telemetry = RoleBehind::new(ctx, routes::TELEMETRY, &PASSED_ON)?;
    Ok(Router::new().route(&routes::all_below(routes::TELEMETRY), any(to_telemetry)).with_state(telemetry))
}

/// What a browser asks before a page of another origin sends something: it has no token.
pub(super) fn is_preflight(method: &Method, path: &str) -> bool {
    method == Method::OPTIONS && RouteFamily::of(path) == RouteFamily::Telemetry
}

async fn to_telemetry(State(telemetry): State<RoleBehind>, request: Request) -> Response {
    // By it telemetry tells our own pages from those of other origins.
    let host = request.headers().get(header::HOST).cloned();
    let host: Option<(HeaderName, HeaderValue)> = host.map(|host| (FORWARDED_HOST, host));
    telemetry.hand_on(request, host).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_question_beforehand_needs_no_token() {
        assert!(is_preflight(&Method::OPTIONS, "/telemetry/v1/traces"));
        assert!(!is_preflight(&Method::POST, "/telemetry/v1/traces"));
        assert!(!is_preflight(&Method::OPTIONS, "/telemetryx/v1/traces"));
    }
}
