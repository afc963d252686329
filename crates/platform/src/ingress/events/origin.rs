//! Which pages of other origins may open streams here (RFC 6454). A program that is no browser sends no `Origin`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use net::http::{Method, Problem, StatusCode};

/// The headers of a request that a page may set besides those that it always may.
const HEADERS: &str = "authorization, last-event-id";
/// For how many seconds a browser may keep what it was told.
const KEPT_S: &str = "600";

/// The origins that are let in besides that of the edge itself.
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().map(|origin| origin.to_ascii_lowercase()).collect())
    }

    /// Refuses (403) a page of an origin that is not let in.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_own = origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host));
        if is_own || self.0.contains(&origin) {
            return Ok(());
        }
        Err(Problem::forbidden("pages of this origin are not let in: see the setting ingress.origins"))
    }
}

/// Refuses pages of origins that are not let in. Of those that are, it answers the browser's question beforehand, and lets the page read what
/// is answered (WHATWG Fetch, section 3.3).
pub(super) async fn of_pages(State(origins): State<Arc<Origins>>, request: Request, next: Next) -> Response {
    if let Err(problem) = origins.check(request.headers()) {
        return problem.into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_preflight = origin.is_some() && request.method() == Method::OPTIONS;
    let mut response = match is_preflight {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let head = response.headers_mut();
    head.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        head.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    if is_preflight {
        head.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
        head.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
        head.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(KEPT_S));
    }
    response
}

/// Checks an origin of the settings: scheme and host, and a port if it is not the scheme's own.
pub(in crate::ingress) fn check(origins: &[String]) -> Result<(), String> {
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']))
    };
    match origins.iter().find(|origin| !is_origin(origin)) {
        Some(other) => Err(format!("{other:?} is not scheme and host, as https://desk.example")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn a_page_of_another_origin_needs_the_setting() {
        let origins = Origins::new(&["https://Desk.example".to_owned()]);
        let check = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "edge.example:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            origins.check(&headers).is_ok()
        };
        for (origin, is_let_in) in [
            (None, true),
            (Some("http://edge.example:8080"), true),
            (Some("https://desk.example"), true),
            (Some("http://desk.example"), false),
            (Some("http://edge.example"), false),
            (Some("null"), false),
            (Some("https://evil.example"), false),
        ] {
            assert_eq!(check(origin), is_let_in, "{origin:?}");
        }
    }

    #[tokio::test]
    async fn a_page_that_is_let_in_is_told_so_and_may_read_the_answer() {
        let origins = Arc::new(Origins::new(&["https://desk.example".to_owned()]));
        let route = get(async || "data").layer(from_fn_with_state(origins, of_pages));
        let router = Router::new().route("/events", route);
        let ask = async |method: Method, origin: Option<&str>| {
            let mut request = Request::builder().method(method).uri("/events").header(header::HOST, "edge.example");
            if let Some(origin) = origin {
                request = request.header(header::ORIGIN, origin);
            }
            let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            (
                answer.status().as_u16(),
                text(header::ACCESS_CONTROL_ALLOW_ORIGIN),
                text(header::ACCESS_CONTROL_ALLOW_HEADERS),
            )
        };
        let desk = || Some("https://desk.example".to_owned());
        assert_eq!(ask(Method::GET, Some("https://desk.example")).await, (200, desk(), None));
        let beforehand = ask(Method::OPTIONS, Some("https://desk.example")).await;
        assert_eq!(beforehand, (204, desk(), Some(HEADERS.to_owned())));
        for method in [Method::GET, Method::OPTIONS] {
            assert_eq!(ask(method, Some("https://evil.example")).await, (403, None, None));
        }
        assert_eq!(ask(Method::GET, None).await, (200, None, None));
        assert_eq!(ask(Method::OPTIONS, None).await.0, 405);
    }

    #[test]
    fn an_origin_is_scheme_and_host() {
        let check = |origin: &str| super::check(&[origin.to_owned()]).is_ok();
        assert!(check("https://desk.example") && check("http://127.0.0.1:5173"));
        for wrong in ["desk.example", "https://", "https://desk.example/", "*", "ws://desk.example"] {
            assert!(!check(wrong), "{wrong}");
        }
    }
}
