//! What every request of a listener passes, whichever route it takes.

use std::convert::Infallible;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};

/// A router behind a function that each request passes. Unlike `Router::layer`, it does not put the function before each route: a request
/// copies all layers of its route, and each layer those below it, so that ten of them cost more than the request.
pub fn around<F, Answer>(router: Router, pass: F) -> Router
where
    F: Fn(Request, Next) -> Answer + Clone + Send + Sync + 'static,
    Answer: Future<Output = Response> + Send + 'static,
{
    within_layer(router, &from_fn(pass))
}

/// A router within a layer that each request passes.
pub fn within_layer<L>(router: Router, layer: &L) -> Router
where
    L: Layer<Router>,
    L::Service: Service<Request, Error = Infallible, Response: IntoResponse, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static,
{
    Router::new().fallback_service(layer.layer(router))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Path;
    use axum::http::{HeaderValue, Method, StatusCode};
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    async fn mark(request: Request, next: Next) -> Response {
        let mut response = next.run(request).await;
        response.headers_mut().append("passed", HeaderValue::from_static("yes"));
        response
    }

    #[tokio::test]
    async fn all_requests_pass_those_without_a_route_too_and_routes_are_found_as_before() {
        let router = Router::new().route("/of/{name}", get(async |Path(name): Path<String>| name));
        let router = around(around(router, mark), mark);
        for (method, path, status, body) in [
            (Method::GET, "/of/ann", StatusCode::OK, "ann"),
            (Method::HEAD, "/of/ann", StatusCode::OK, ""),
            (Method::POST, "/of/ann", StatusCode::METHOD_NOT_ALLOWED, ""),
            (Method::GET, "/else", StatusCode::NOT_FOUND, ""),
        ] {
            let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{method} {path}");
            assert_eq!(response.headers().get_all("passed").iter().count(), 2, "{method} {path}");
            assert_eq!(response.headers().contains_key("allow"), status == StatusCode::METHOD_NOT_ALLOWED);
            let read = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(read, body.as_bytes(), "{method} {path}");
        }
    }
}
