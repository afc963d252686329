use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use model::entropy::Seeded;

use super::*;

/// An edge that believes 192.0.2.80.
fn edge(is_logged: bool) -> Edge {
    Edge {
        trusted: TrustedProxies::parse(&["192.0.2.80".to_owned()]).unwrap(),
        plain: PlainOffLoopback::Redirect,
        https_port: 8443,
        is_logged,
        ids: Arc::new(RequestIds::new(&mut Seeded::new(1))),
        metrics: Metrics::register(&runtime::Metrics::default()),
    }
}

/// What a request of this peer is answered, by a page that tells who asks.
async fn ask(edge: &Edge, peer: &str, is_secure: bool, headers: &[(&str, &str)]) -> (StatusCode, Response) {
    let tells = get(async |Extension(client): Extension<WebClient>, headers: axum::http::HeaderMap| {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        format!("{} {} {host}", client.address, client.is_secure)
    });
    let entrance = edge.around(Router::new().route("/", tells), peer.parse().unwrap());
    let accepted = Accepted::new(format!("{peer}:40000").parse().unwrap());
    let accepted = if is_secure { accepted.over_tls() } else { accepted };
    let mut request = Request::builder().uri("https://edge.example:8443/").extension(accepted);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = entrance.enter(request.body(Body::empty()).unwrap()).await;
    (response.status(), response)
}

async fn text(response: Response) -> String {
    String::from_utf8(axum::body::to_bytes(response.into_body(), 1_000).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn handlers_learn_who_asks_and_at_which_host() {
    let forwarded = [("x-forwarded-for", "203.0.113.7"), ("x-forwarded-proto", "https")];
    for is_logged in [false, true] {
        let edge = edge(is_logged);
        let (_, told) = ask(&edge, "192.0.2.80", false, &forwarded).await;
        assert_eq!(text(told).await, "203.0.113.7 true edge.example:8443");
        let (_, told) = ask(&edge, "192.0.2.81", true, &forwarded).await;
        assert_eq!(text(told).await, "192.0.2.81 true edge.example:8443", "a stranger's word does not count");
        let (_, told) = ask(&edge, "127.0.0.1", false, &[("host", "localhost:8080")]).await;
        assert_eq!(text(told).await, "127.0.0.1 false localhost:8080");
    }
}

#[tokio::test]
async fn every_answer_has_its_id_and_its_headers_and_is_counted() {
    let edge = edge(false);
    let (_, answer) = ask(&edge, "127.0.0.1", true, &[("x-request-id", "order-7")]).await;
    assert_eq!(answer.headers()[request_id::HEADER], "order-7");
    assert!(answer.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
    let (status, answer) = ask(&edge, "192.0.2.1", false, &[("x-request-id", "not one id")]).await;
    assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
    assert_eq!(answer.headers()[header::LOCATION], "https://edge.example:8443/");
    assert_ne!(answer.headers()[request_id::HEADER], "not one id");
    assert!(answer.headers().contains_key(header::X_CONTENT_TYPE_OPTIONS));
    assert!(!answer.headers().contains_key(header::STRICT_TRANSPORT_SECURITY));
    assert_eq!(edge.metrics.requests.get(RouteFamily::Pages, StatusClass::Success), 1);
    assert_eq!(edge.metrics.requests.get(RouteFamily::Pages, StatusClass::Redirection), 1);
}

#[tokio::test]
async fn a_web_server_that_is_believed_has_a_connection_of_many_and_whom_it_lets_in_is_its_matter() {
    let forwarded = [("x-forwarded-for", "203.0.113.7")];
    for (headers, is_of_many) in [(&forwarded[..0], false), (&forwarded[..], true)] {
        let edge = edge(false);
        let (peer, accepted) = ("192.0.2.80", Accepted::new("192.0.2.80:40000".parse().unwrap()));
        let mut request = Request::builder().uri("/").extension(accepted.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let _ = edge.client(&request.body(Body::empty()).unwrap());
        assert_eq!((accepted.is_authenticated(), accepted.has_place()), (is_of_many, is_of_many), "{headers:?}");
        let (status, _) = ask(&edge, peer, false, headers).await;
        assert_eq!(status, StatusCode::OK, "{headers:?}");
    }
}
