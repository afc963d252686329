//! Pages of other origins at the APIs (CORS, WHATWG Fetch section 3.3): whose answers they may read. One layer for all APIs of the edge.
//!
//! A page shows a token of its own, never a cookie: no answer allows credentials, but for the API of desktops, whose sessions are cookies
//! (`desktops`). Before a request a browser shows no token; then whoever any tenant lets in is let in. The answer itself may be read by a
//! page that the token's tenant lets in, a refusal before it is known whose token it is by one that any tenant does; on the paths of
//! telemetry, which knows further origins, by every page. A program that is no browser sends no `Origin`.

mod desktops;

use std::sync::Arc;

use ::telemetry::cors::TenantOrigins;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use model::TenantId;
use net::http::{Caller, Method, Problem, StatusCode};
use runtime::around::{Answering, Entrance, answered, around};

use super::routes::{self, RouteFamily};
use crate::pages_client::is_this_machine;

/// The methods of the APIs.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// The headers of a request that a page may set besides those that it always may.
const HEADERS: &str = "authorization, content-type, content-encoding, idempotency-key, if-match, if-none-match, last-event-id, \
                       traceparent, x-request-id";
/// The headers of an answer that a page may read besides those that it always may.
const EXPOSED: &str = "etag, location, retry-after, www-authenticate, x-request-id";
/// For how many seconds a browser may keep what it was told.
const KEPT_S: &str = "600";
const NOT_LET_IN: &str = "pages of this origin are not let in: see the settings ingress.origins and ingress.cors";

/// The origins that are let in besides that of the edge itself.
pub(super) struct PageOrigins {
    /// For every tenant, in small letters.
    for_all: Vec<String>,
    of_tenants: TenantOrigins,
}

/// The tenant of the token by which a request was let in, on its answer.
#[derive(Clone)]
struct TenantOfToken(TenantId);

impl PageOrigins {
    /// Those of the settings.
    pub fn new(for_all: &[String], of_tenants: TenantOrigins) -> Arc<Self> {
        let for_all = for_all.iter().map(|origin| origin.to_ascii_lowercase()).collect();
        Arc::new(Self { for_all, of_tenants })
    }

    /// What pages of other origins pass, outside the gate.
    pub fn around(self: &Arc<Self>, behind: impl Into<Entrance>) -> Entrance {
        let origins = self.clone();
        around(behind, move |request: Request, behind: &Entrance| share(&origins, request, behind))
    }

    /// What they pass within the gate, where it is known whose token was shown.
    pub fn within_gate(self: &Arc<Self>, behind: impl Into<Entrance>) -> Entrance {
        let origins = self.clone();
        around(behind, move |request: Request, behind: &Entrance| tell_tenant(&origins, request, behind))
    }

    /// Refuses (403) a page of an origin that is not let in for that tenant.
    pub fn check(&self, headers: &HeaderMap, tenant: &TenantId) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        if is_own(headers, origin) || self.lets_in(Some(tenant), origin) {
            return Ok(());
        }
        Err(Problem::forbidden(NOT_LET_IN))
    }

    /// Whether a page of that origin may read what is answered to a token of that tenant; none: to one for every tenant, or to nobody.
    fn lets_in(&self, tenant: Option<&TenantId>, origin: &HeaderValue) -> bool {
        self.is_let_in(origin, |origin| tenant.is_some_and(|tenant| self.of_tenants.lets_in(tenant, origin)))
    }

    /// Whether any tenant lets a page of that origin in.
    fn lets_in_for_any(&self, origin: &HeaderValue) -> bool {
        self.is_let_in(origin, |origin| self.of_tenants.lets_in_for_any(origin))
    }

    fn is_let_in(&self, origin: &HeaderValue, by_tenant: impl FnOnce(&str) -> bool) -> bool {
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        self.for_all.contains(&origin) || is_protected(&origin) && by_tenant(&origin)
    }
}

/// Whether nobody on the way can write the pages of that origin: they come by TLS, or from the browser's own machine.
fn is_protected(origin: &str) -> bool {
    origin.starts_with("https://") || origin.strip_prefix("http://").is_some_and(is_this_machine)
}

/// Whether that is the origin of the edge, as it was asked.
fn is_own(headers: &HeaderMap, origin: &HeaderValue) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let of = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    of.is_some_and(|(_, of)| of.eq_ignore_ascii_case(host))
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn is_of_desktop(request: &Request) -> bool {
    RouteFamily::of(request.uri().path()) == RouteFamily::Desktop
}

fn is_of_telemetry(request: &Request) -> bool {
    RouteFamily::of(request.uri().path()) == RouteFamily::Telemetry
}

/// The answer depends on who asks, for caches too.
fn vary(head: &mut HeaderMap) {
    head.append(header::VARY, HeaderValue::from_static("origin"));
}

fn share(origins: &Arc<PageOrigins>, request: Request, behind: &Entrance) -> Answering {
    if is_of_desktop(&request) {
        return desktops::share(origins, request, behind);
    }
    if !routes::is_of_api(request.uri().path()) {
        return behind.enter(request);
    }
    let foreign = request.headers().get(header::ORIGIN).filter(|origin| !is_own(request.headers(), origin)).cloned();
    let Some(origin) = foreign else {
        let answer = behind.enter(request);
        return Box::pin(async move {
            let mut response = answer.await;
            vary(response.headers_mut());
            response
        });
    };
    if is_preflight(&request) {
        return match origins.lets_in_for_any(&origin) {
            true => answered(allowed_to_ask(origin, HEADERS)),
            // telemetry has a list of its own besides.
            false if is_of_telemetry(&request) => behind.enter(request),
            false => answered(Problem::forbidden(NOT_LET_IN).into_response()),
        };
    }
    let is_of_telemetry = is_of_telemetry(&request);
    let (origins, answer) = (origins.clone(), behind.enter(request));
    Box::pin(async move {
        let mut response = answer.await;
        let tenant = response.extensions_mut().remove::<TenantOfToken>();
        let may_read = match &tenant {
            Some(TenantOfToken(tenant)) => origins.lets_in(Some(tenant), &origin),
            // Whose pages telemetry lets in besides, it alone knows. A page that shows a token has asked it beforehand.
            None if is_refused_at_door(response.status()) => is_of_telemetry || origins.lets_in_for_any(&origin),
            None => origins.lets_in(None, &origin),
        };
        let head = response.headers_mut();
        vary(head);
        if may_read {
            head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            head.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        response
    })
}

/// Whether nobody was asked for an answer: the token was refused, the body, or one more request. That says nothing of any tenant.
fn is_refused_at_door(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 408 | 413 | 429)
}

/// The answer to a browser that asks what a page may do: what the page then asks for needs a proof.
fn allowed_to_ask(origin: HeaderValue, headers: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let head = response.headers_mut();
    head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    head.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    head.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(headers));
    head.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEPT_S));
    vary(head);
    response
}

fn tell_tenant(origins: &PageOrigins, mut request: Request, behind: &Entrance) -> Answering {
    let tenant = request.extensions().get::<Caller>().and_then(Caller::tenant).cloned();
    let is_let_in = |origin: &HeaderValue| origins.lets_in(tenant.as_ref(), origin);
    if request.headers().get(header::ORIGIN).is_some_and(is_let_in) && is_of_telemetry(&request) {
        // Whom the edge lets in telemetry need not look up in its own list.
        request.headers_mut().remove(header::ORIGIN);
    }
    let answer = behind.enter(request);
    let Some(tenant) = tenant else { return answer };
    Box::pin(async move {
        let mut response = answer.await;
        response.extensions_mut().insert(TenantOfToken(tenant));
        response
    })
}

/// Checks origins of the settings: scheme and host, and a port if it is not the scheme's own.
pub(super) fn check(origins: &[String]) -> Result<(), String> {
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
    };
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(other) => Err(format!("{other:?} is not scheme and host, as https://desk.example")),
        None => Ok(()),
    }
}

/// Checks origins that a policy is to name: as [`check`] does, and none stands for several.
pub(super) fn check_named(origins: &[String]) -> Result<(), String> {
    check(origins)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'/' | b'[' | b']');
    match origins.iter().find(|origin| !origin.bytes().all(is_plain)) {
        Some(other) => Err(format!("{other:?} is not the origin of one page, as https://crm.example")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
