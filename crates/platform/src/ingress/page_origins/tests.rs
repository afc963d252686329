use axum::Router;
use axum::body::Body;
use axum::routing::any;

use super::*;

const VOICE: &str = "/api/voice/v1/acme/requests";
const TELEMETRY: &str = "/telemetry/v1/traces";
const DESK: &str = "https://desk.example";
const CRM: &str = "https://crm.example";
const EVIL: &str = "https://evil.example";

/// Everybody's desk, and the CRM of acme.
fn origins() -> Arc<PageOrigins> {
    let of_tenants = r#"{"acme": {"urls": ["https://crm.example", "http://127.0.0.1:5173", "http://plain.example"]}}"#;
    PageOrigins::new(&["https://Desk.example".to_owned()], TenantOrigins::read(of_tenants).unwrap())
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// What a page of that origin is answered behind a gate that knows that tenant's token. The body is the origin that the API has seen.
async fn ask(method: Method, path: &str, origin: Option<&str>, of_token: Option<&str>) -> Response {
    let seen = async |headers: HeaderMap| {
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
        origin.unwrap_or_default().to_owned()
    };
    let of_token = of_token.map(tenant);
    let gate = move |request: Request, behind: &Entrance| -> Answering {
        let (of_token, answer) = (of_token.clone(), behind.enter(request));
        Box::pin(async move {
            let mut response = answer.await;
            if let Some(tenant) = of_token {
                response.extensions_mut().insert(TenantOfToken(tenant));
            }
            response
        })
    };
    let router = Router::new().route("/{*path}", any(seen));
    let entrance = origins().around(around(router, gate));
    let mut request = Request::builder().method(&method).uri(path).header(header::HOST, "edge.example:8080");
    if method == Method::OPTIONS {
        request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    }
    if let Some(origin) = origin {
        request = request.header(header::ORIGIN, origin);
    }
    entrance.enter(request.body(Body::empty()).unwrap()).await
}

fn said(response: &Response, name: header::HeaderName) -> Option<&str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn an_answer_is_read_by_pages_that_the_tokens_tenant_lets_in() {
    for (origin, of_token, may_read) in [
        (DESK, Some("acme"), true),
        (DESK, Some("other"), true),
        (DESK, None, true),
        (CRM, Some("acme"), true),
        (CRM, Some("other"), false),
        (CRM, None, false),
        ("http://127.0.0.1:5173", Some("acme"), true),
        ("http://plain.example", Some("acme"), false),
        (EVIL, Some("acme"), false),
        ("null", Some("acme"), false),
        ("http://edge.example:8080", Some("acme"), false),
    ] {
        let answer = ask(Method::POST, VOICE, Some(origin), of_token).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let told = said(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(told, may_read.then_some(origin), "{origin} {of_token:?}");
        assert_eq!(said(&answer, header::VARY), Some("origin"), "{origin}");
        assert_eq!(said(&answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS), None, "no cookie counts");
    }
    let of_program = ask(Method::POST, VOICE, None, Some("acme")).await;
    assert_eq!(said(&of_program, header::ACCESS_CONTROL_ALLOW_ORIGIN), None);
    assert_eq!(said(&of_program, header::VARY), Some("origin"));
}

#[tokio::test]
async fn a_refusal_at_the_door_is_read_by_pages_that_any_tenant_lets_in() {
    for (origin, status, may_read) in [
        (CRM, StatusCode::UNAUTHORIZED, true),
        (CRM, StatusCode::PAYLOAD_TOO_LARGE, true),
        (CRM, StatusCode::FORBIDDEN, false),
        (CRM, StatusCode::NOT_FOUND, false),
        (DESK, StatusCode::UNAUTHORIZED, true),
        (EVIL, StatusCode::UNAUTHORIZED, false),
    ] {
        let answer = refused(VOICE, origin, status).await;
        assert_eq!(said(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN), may_read.then_some(origin), "{origin} {status}");
    }
}

/// What a page of that origin is answered where whoever is behind refuses it so, before it is known whose token it shows.
async fn refused(path: &str, origin: &str, status: StatusCode) -> Response {
    let entrance = origins().around(Router::new().fallback(move || async move { status }));
    let request = Request::post(path).header(header::HOST, "edge.example").header(header::ORIGIN, origin);
    entrance.enter(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_refusal_at_the_door_to_telemetry_is_read_by_every_page_and_nothing_else_is() {
    const OF_TELEMETRY_ALONE: &str = "https://page.example";
    for (status, may_read) in [
        (StatusCode::UNAUTHORIZED, true),
        (StatusCode::REQUEST_TIMEOUT, true),
        (StatusCode::PAYLOAD_TOO_LARGE, true),
        (StatusCode::TOO_MANY_REQUESTS, true),
        (StatusCode::FORBIDDEN, false),
        (StatusCode::NOT_FOUND, false),
        (StatusCode::OK, false),
    ] {
        let answer = refused(TELEMETRY, OF_TELEMETRY_ALONE, status).await;
        let told = said(&answer, header::ACCESS_CONTROL_ALLOW_ORIGIN);
        assert_eq!(told, may_read.then_some(OF_TELEMETRY_ALONE), "{status}");
        let exposed = said(&answer, header::ACCESS_CONTROL_EXPOSE_HEADERS).unwrap_or_default();
        assert_eq!(exposed.contains("retry-after"), may_read, "{status}");
        assert_eq!(said(&answer, header::ACCESS_CONTROL_ALLOW_CREDENTIALS), None, "no cookie counts");
    }
}

#[tokio::test]
async fn a_browser_asks_beforehand_without_a_token_for_any_tenant() {
    for path in
        [VOICE, "/pulse/api/v1/acme/wallboard", "/agent-setup/api/v1/acme/changes", "/wfm/v1/acme/agents", TELEMETRY]
    {
        for origin in [DESK, CRM] {
            let told = ask(Method::OPTIONS, path, Some(origin), None).await;
            assert_eq!(told.status(), StatusCode::NO_CONTENT, "{path} {origin}");
            assert_eq!(said(&told, header::ACCESS_CONTROL_ALLOW_ORIGIN), Some(origin));
            let headers = said(&told, header::ACCESS_CONTROL_ALLOW_HEADERS).unwrap();
            assert!(headers.starts_with("authorization, ") && !headers.contains("trunkline-link"), "{headers}");
        }
    }
    assert_eq!(ask(Method::OPTIONS, VOICE, Some(EVIL), None).await.status(), StatusCode::FORBIDDEN);
    let by_telemetry = ask(Method::OPTIONS, TELEMETRY, Some(EVIL), None).await;
    assert_eq!(by_telemetry.status(), StatusCode::OK, "telemetry says it");
}

#[tokio::test]
async fn what_is_no_api_is_left_alone() {
    for path in ["/auth/v3/oauth/token", "/session", "/trace", "/assets/x.js"] {
        let answer = ask(Method::OPTIONS, path, Some(DESK), None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(said(&answer, header::VARY), None, "{path}");
    }
}

#[tokio::test]
async fn telemetry_looks_up_those_alone_whom_the_edge_does_not_let_in() {
    let seen = any(async |headers: HeaderMap| headers.contains_key(header::ORIGIN).to_string());
    let entrance = origins().within_gate(Router::new().route("/{*path}", seen));
    for (path, origin, is_seen) in [(TELEMETRY, DESK, "false"), (TELEMETRY, EVIL, "true"), (VOICE, DESK, "true")] {
        let request = Request::post(path).header(header::ORIGIN, origin).body(Body::empty()).unwrap();
        let answer = entrance.enter(request).await;
        let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
        assert_eq!(body, is_seen.as_bytes(), "{path} {origin}");
    }
}

#[test]
fn a_stream_opens_for_pages_that_its_tenant_lets_in() {
    let opens = |origin: Option<&'static str>, of: &str| {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("edge.example:8080"))]);
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        }
        origins().check(&headers, &tenant(of)).is_ok()
    };
    for own in [None, Some("http://edge.example:8080"), Some(DESK), Some(CRM)] {
        assert!(opens(own, "acme"), "{own:?}");
    }
    assert!(opens(Some(DESK), "other") && !opens(Some(CRM), "other"));
    for foreign in ["http://desk.example", "http://edge.example", "null", EVIL] {
        assert!(!opens(Some(foreign), "acme"), "{foreign}");
    }
}

#[test]
fn an_origin_is_scheme_and_host() {
    let check = |origin: &str| super::check(&[origin.to_owned()]).is_ok();
    assert!(check("https://desk.example") && check("http://127.0.0.1:5173"));
    for wrong in ["desk.example", "https://", "https://desk.example/", "*", "ws://desk.example"] {
        assert!(!check(wrong), "{wrong}");
    }
}

#[test]
fn each_origin_is_named_whole() {
    let checked = |origin: &str| check_named(&[origin.to_owned()]).is_ok();
    assert!(checked("https://crm.example") && checked("http://[::1]:5173"));
    for wrong in ["crm.example", "https://*.example", "https://a;script-src", "https://a, https://b", "*", ""] {
        assert!(!checked(wrong), "{wrong}");
    }
}
