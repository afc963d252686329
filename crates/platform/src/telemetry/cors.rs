//! Pages of other origins (WHATWG Fetch, section 3.3): those that their tenant lets in may send and read the answers. Before a request a
//! browser shows no token; then those that any tenant lets in are let in.

use std::sync::Arc;

use ::telemetry::cors::TenantOrigins;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use model::TenantId;
use net::http::{Caller, FORWARDED_HOST, Method, Problem, StatusCode};
use runtime::around::{Answering, Entrance, around};

use super::Telemetry;

/// The methods of our paths.
const METHODS: &str = "GET, POST, PUT";
/// The headers of a request that a page may set besides those that it always may.
const HEADERS: &str = "authorization, content-type, content-encoding";
/// The headers of an answer that a page may read besides those that it always may.
const EXPOSED: &str = "retry-after";
/// For how many seconds a browser may keep what it was told.
const KEPT_S: &str = "600";

/// The middleware.
pub(super) async fn of_pages(State(telemetry): State<Arc<Telemetry>>, request: Request, next: Next) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else { return next.run(request).await };
    let tenant = request.extensions().get::<Caller>().and_then(Caller::tenant);
    if !is_let_in(&telemetry.origins, request.headers(), &origin, tenant, is_preflight) {
        let problem = Problem::forbidden("origin: it is not among those of the tenant, see the setting telemetry.cors");
        return problem.into_response();
    }
    let mut response = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let head = response.headers_mut();
    let_read(head, origin);
    if is_preflight {
        head.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
        head.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        head.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEPT_S));
    }
    response
}

/// What is behind the gate, with the gate. What the gate or its limits refuse says nothing of any tenant: pages of every origin that one lets
/// in may read it.
pub(super) fn around_gate(gated: impl Into<Entrance>, origins: TenantOrigins) -> Entrance {
    around(gated, move |request: Request, behind: &Entrance| of_refusals(&origins, request, behind))
}

fn of_refusals(origins: &TenantOrigins, request: Request, behind: &Entrance) -> Answering {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let origin = origin.filter(|origin| is_let_in(origins, request.headers(), origin, None, true));
    let answer = behind.enter(request);
    let Some(origin) = origin else { return answer };
    Box::pin(async move {
        let mut response = answer.await;
        let is_decided = response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
        // 403 is what the tenant's own list says.
        if !is_decided && response.status() != StatusCode::FORBIDDEN {
            let_read(response.headers_mut(), origin);
        }
        response
    })
}

fn let_read(head: &mut HeaderMap, origin: HeaderValue) {
    head.append(header::VARY, HeaderValue::from_static("origin"));
    head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    head.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

fn is_let_in(
    origins: &TenantOrigins,
    headers: &HeaderMap,
    origin: &HeaderValue,
    tenant: Option<&TenantId>,
    is_preflight: bool,
) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    // Pages of the edge itself; ingress says by which name it was asked.
    let host = headers.get(FORWARDED_HOST).or_else(|| headers.get(header::HOST));
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_own = origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
    let is_same = headers.get("sec-fetch-site").is_some_and(|site| site == "same-origin");
    is_own
        || is_same
        || match tenant {
            Some(tenant) => origins.lets_in(tenant, origin),
            None => is_preflight && origins.lets_in_for_any(origin),
        }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn a_page_reads_why_the_gate_refuses_it() {
        let origins = || TenantOrigins::read(r#"{"acme": {"urls": ["https://desk.example"]}}"#).unwrap();
        for (origin, status, may_read) in [
            ("https://desk.example", StatusCode::UNAUTHORIZED, true),
            ("https://desk.example", StatusCode::PAYLOAD_TOO_LARGE, true),
            ("https://desk.example", StatusCode::FORBIDDEN, false),
            ("https://evil.example", StatusCode::UNAUTHORIZED, false),
        ] {
            let gated = Router::new().fallback(move || async move { status });
            let request = Request::post("/telemetry/v1/traces").header(header::ORIGIN, origin);
            let answer = around_gate(gated, origins()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let told = answer.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN);
            assert_eq!(told.is_some_and(|told| told == origin), may_read, "{origin} {status}");
        }
    }

    #[test]
    fn a_page_is_let_in_by_its_tenant_or_comes_from_the_edge() {
        let origins = TenantOrigins::read(r#"{"acme": {"urls": ["https://desk.example"]}}"#).unwrap();
        let (acme, other) = (TenantId::parse("acme").unwrap(), TenantId::parse("other").unwrap());
        let asks = |origin: &'static str, tenant: Option<&TenantId>, is_preflight| {
            let headers = HeaderMap::from_iter([(FORWARDED_HOST, "edge.example".parse().unwrap())]);
            is_let_in(&origins, &headers, &HeaderValue::from_static(origin), tenant, is_preflight)
        };
        assert!(asks("https://desk.example", Some(&acme), false) && asks("https://desk.example", None, true));
        assert!(asks("https://edge.example", Some(&other), false));
        assert!(!asks("https://desk.example", Some(&other), false));
        assert!(!asks("https://evil.example", None, true) && !asks("null", Some(&acme), false));
    }
}
