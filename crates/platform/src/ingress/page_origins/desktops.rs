//! Pages of other origins at the API of desktops. A session there is a cookie, which a browser sends for whichever page asks: so a page
//! that is let in may use it, and its answers allow credentials; of any other page what may change something is refused before it goes on,
//! and WebSockets, whose messages no browser keeps from the page that has opened one.
//!
//! Whose session it is stands in the cookie. It counts with the secret beside it alone, so a page that names another tenant there has no
//! session. Where there is no cookie yet, a page brings what begins a session, and whoever any tenant lets in is let in: its next request
//! has the cookie. The API that changes the configuration shares its sessions with no page of another origin, whoever is let in elsewhere.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse as _;
use net::http::{Problem, WebClient, opens_socket};
use runtime::around::{Answering, Entrance, answered};

use super::{EXPOSED, NOT_LET_IN, PageOrigins, allowed_to_ask, is_own, is_preflight, vary};
use crate::ingress::{desktop, routes};

/// The headers of a request that a page may set besides those that it always may: those that published desktops send are among them.
const HEADERS: &str = "authorization, content-type, origin, x-requested-with, accept, x-api-key, x-b3-spanid, x-b3-traceid, \
                       x-gws-unstable, x-request-id, traceparent";
const CREDENTIALS: HeaderValue = HeaderValue::from_static("true");

pub(super) fn share(origins: &Arc<PageOrigins>, mut request: Request, behind: &Entrance) -> Answering {
    let said = request.headers().get(header::ORIGIN);
    let Some(origin) = said.filter(|origin| !is_of_edge(&request, origin)).cloned() else {
        return passed(request, behind, None);
    };
    let is_shared = routes::shares_sessions(request.uri().path());
    if is_preflight(&request) {
        return match is_shared && origins.lets_in_for_any(&origin) {
            true => answered({
                let mut allowed = allowed_to_ask(origin, HEADERS);
                allowed.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, CREDENTIALS);
                allowed
            }),
            false => answered(Problem::forbidden(NOT_LET_IN).into_response()),
        };
    }
    let is_let_in = || match desktop::session(request.uri().path(), request.headers()) {
        Some(session) => origins.lets_in(Some(&session.tenant), &origin),
        None => origins.lets_in_for_any(&origin),
    };
    match is_shared && is_let_in() {
        true => {
            // The role behind refuses pages of other origins, and does not know which ones are let in.
            request.headers_mut().remove(header::ORIGIN);
            passed(request, behind, Some(origin))
        }
        // Nobody reads what it is answered.
        false if request.method().is_safe() && !opens_socket(&request) => passed(request, behind, None),
        false => answered(Problem::forbidden(NOT_LET_IN).into_response()),
    }
}

/// Whether the page is one of the edge itself, by its scheme too: a page that comes without TLS may have been written on its way.
fn is_of_edge(request: &Request, origin: &HeaderValue) -> bool {
    let is_secure = request.extensions().get::<WebClient>().is_some_and(|client| client.is_secure);
    let scheme = if is_secure { "https://" } else { "http://" };
    is_own(request.headers(), origin) && origin.as_bytes().starts_with(scheme.as_bytes())
}

/// The answer, which pages of that origin may read.
fn passed(request: Request, behind: &Entrance, readers: Option<HeaderValue>) -> Answering {
    let answer = behind.enter(request);
    Box::pin(async move {
        let mut response = answer.await;
        let head = response.headers_mut();
        vary(head);
        if let Some(origin) = readers {
            may_read(head, origin);
        }
        response
    })
}

fn may_read(head: &mut HeaderMap, origin: HeaderValue) {
    head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    head.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, CREDENTIALS);
    head.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
}

#[cfg(test)]
mod tests {
    use ::telemetry::cors::TenantOrigins;
    use axum::Router;
    use axum::body::Body;
    use axum::http::Method;
    use axum::response::Response;
    use axum::routing::any;
    use identity::session_cookie::SessionCookie;
    use model::TenantId;
    use net::http::StatusCode;

    use super::*;

    const READY: &str = "/workspace/v3/voice/ready";
    const DESK: &str = "https://desk.example";
    const CRM: &str = "https://crm.example";
    const EVIL: &str = "https://evil.example";
    const OWN: &str = "https://edge.example:8443";

    /// What a page of that origin is answered that asks with a session of that tenant, by TLS. Everybody's desk is let in, and the CRM of
    /// acme.
    async fn ask(method: Method, origin: Option<&str>, session_of: Option<&str>) -> Response {
        ask_at(READY, method, origin, session_of).await
    }

    async fn ask_at(path: &str, method: Method, origin: Option<&str>, session_of: Option<&str>) -> Response {
        answered(asked(path, method, origin, session_of)).await
    }

    async fn answered(request: Request) -> Response {
        let of_tenants = TenantOrigins::read(r#"{"acme": {"urls": ["https://crm.example"]}}"#).unwrap();
        let origins = PageOrigins::new(&[DESK.to_owned()], of_tenants);
        let entrance = origins.around(Router::new().route("/{*path}", any(async || "done")));
        entrance.enter(request).await
    }

    fn asked(path: &str, method: Method, origin: Option<&str>, session_of: Option<&str>) -> Request {
        let client = WebClient { address: [203, 0, 113, 7].into(), is_secure: true, is_passed_on: false };
        let mut request =
            Request::builder().method(&method).uri(path).header(header::HOST, "edge.example:8443").extension(client);
        if method == Method::OPTIONS {
            request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
        }
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        if let Some(tenant) = session_of {
            let cookie = SessionCookie::write(&TenantId::parse(tenant).unwrap(), "secret");
            let cookies = format!("WORKSPACE_SESSIONID={cookie}; PROVISIONING_SESSIONID={cookie}");
            request = request.header(header::COOKIE, cookies);
        }
        request.body(Body::empty()).unwrap()
    }

    fn said(response: &Response, name: header::HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn no_page_of_another_origin_uses_a_session_that_changes_the_configuration() {
        const USERS: &str = "/provisioning/v3/users";
        for session_of in [Some("acme"), None] {
            for method in [Method::POST, Method::OPTIONS] {
                let refused = ask_at(USERS, method, Some(DESK), session_of).await;
                assert_eq!(refused.status(), StatusCode::FORBIDDEN);
                assert_eq!(said(&refused, header::ACCESS_CONTROL_ALLOW_CREDENTIALS), None);
            }
            let read = ask_at(USERS, Method::GET, Some(DESK), session_of).await;
            assert_eq!(said(&read, header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
            let own = ask_at(USERS, Method::POST, Some(OWN), session_of).await;
            assert_eq!(own.status(), StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn a_session_is_used_by_pages_of_the_edge_and_by_those_that_its_tenant_lets_in() {
        for (origin, session_of, is_done, may_read) in [
            (None, Some("acme"), true, false),
            (Some(OWN), Some("acme"), true, false),
            (Some(DESK), Some("acme"), true, true),
            (Some(DESK), Some("other"), true, true),
            (Some(CRM), Some("acme"), true, true),
            (Some(CRM), Some("other"), false, false),
            (Some(CRM), None, true, true),
            (Some(EVIL), Some("acme"), false, false),
            (Some(EVIL), None, false, false),
            (Some("null"), Some("acme"), false, false),
            (Some("http://edge.example:8443"), Some("acme"), false, false),
        ] {
            let answer = ask(Method::POST, origin, session_of).await;
            let of = format!("{origin:?} {session_of:?}");
            assert_eq!(answer.status() == StatusCode::OK, is_done, "{of}");
            assert_eq!(said(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), origin.filter(|_| may_read), "{of}");
            let allows_credentials = said(&answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS);
            assert_eq!(allows_credentials, may_read.then_some("true"), "{of}");
        }
    }

    #[tokio::test]
    async fn what_changes_nothing_is_answered_to_every_page_and_read_by_those_that_are_let_in() {
        for (origin, may_read) in [(CRM, true), (EVIL, false)] {
            let answer = ask(Method::GET, Some(origin), Some("acme")).await;
            assert_eq!(answer.status(), StatusCode::OK, "{origin}");
            assert_eq!(said(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), may_read.then_some(origin));
            assert_eq!(said(&answer, header::VARY), Some("origin"), "{origin}");
        }
    }

    #[tokio::test]
    async fn a_web_socket_is_opened_by_pages_alone_that_may_change_something() {
        for (path, origin, is_done) in [
            ("/workspace/v3/notifications", None, true),
            ("/workspace/v3/notifications", Some(OWN), true),
            ("/workspace/v3/notifications", Some(CRM), true),
            ("/workspace/v3/notifications", Some(EVIL), false),
            ("/workspace/v3/notifications", Some("null"), false),
            ("/provisioning/v3/notifications", Some(OWN), true),
            ("/provisioning/v3/notifications", Some(DESK), false),
        ] {
            let mut opening = asked(path, Method::GET, origin, Some("acme"));
            opening.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            let answer = answered(opening).await;
            assert_eq!(answer.status() == StatusCode::OK, is_done, "{path} {origin:?}");
        }
    }

    #[tokio::test]
    async fn a_browser_is_told_beforehand_which_headers_a_desktop_may_set() {
        for origin in [DESK, CRM] {
            let told = ask(Method::OPTIONS, Some(origin), None).await;
            assert_eq!(told.status(), StatusCode::NO_CONTENT, "{origin}");
            assert_eq!(said(&told, header::ACCESS_CONTROL_ALLOW_CREDENTIALS), Some("true"));
            let headers = said(&told, header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap();
            assert!(headers.contains("x-api-key") && headers.contains("x-gws-unstable"), "{headers}");
        }
        assert_eq!(ask(Method::OPTIONS, Some(EVIL), None).await.status(), StatusCode::FORBIDDEN);
    }
}
