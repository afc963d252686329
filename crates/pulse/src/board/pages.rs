//! The paths of the web pages.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use pages::INDEX;

/// Answers a path of the pages: with a file, or with the index page for a route of the client.
pub(super) async fn page(request: Request) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/');
    let name = if is_route(path) { INDEX } else { path };
    pages::file(name, request.headers())
}

/// Whether a page exists at that path.
pub(super) fn is_page(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    is_route(path) || pages::has(path)
}

/// Whether the path is a route of the web client.
fn is_route(path: &str) -> bool {
    matches!(path, "" | "index.html" | "topology" | "trace" | "agent-setup" | "desktop" | "desktop/")
        || path.starts_with("trace/")
        || path.strip_prefix("agent-setup/").is_some_and(|rest| !rest.starts_with("api/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(path: &str) -> Response<Body> {
        page(Request::get(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn routes_of_the_client_are_the_page_and_other_paths_are_not() {
        for path in [
            "/",
            "/topology",
            "/trace",
            "/trace/0123456789abcdef",
            "/agent-setup/",
            "/agent-setup/people/ann",
            "/desktop",
            "/desktop/",
        ] {
            let answer = ask(path).await;
            let wanted = if pages::has(INDEX) { 200 } else { 503 };
            assert_eq!(answer.status(), wanted, "{path}");
        }
        for path in [
            "/nothing",
            "/assets/nothing.js",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "/tracery",
            "/desktop/x",
            "/agent-setup/api/v1/x",
        ] {
            assert_eq!(ask(path).await.status(), 404, "{path}");
        }
    }
}
