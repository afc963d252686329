//! The pages of Agent Setup at the address that GWS has for them, `/ui/provisioning`: the same files as below `/agent-setup`, by
//! gws-proxy (gws-05). They need no token, as static files do not; whatever they ask for does, and is no path of these.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use net::http::Problem;

/// What their paths are, or begin with.
const PATH: &str = "/ui/provisioning";
/// What begins the names of files beside the page.
const FILES: &str = "assets/";

/// What of a path is below that of the pages, without the slash.
fn below(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(PATH)?;
    if rest.is_empty() { Some("") } else { rest.strip_prefix('/') }
}

/// Whether a request for that path needs no token.
pub(super) fn is_open(path: &str) -> bool {
    below(path).is_some()
}

/// Answers a path that is no other one's: with a file, or with the page, which knows by its address what to show.
pub(super) async fn page(request: Request) -> Response<Body> {
    let Some(rest) = below(request.uri().path()) else {
        return Problem::not_found("no such path").into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET,HEAD")]).into_response();
    }
    let mut response = match rest.starts_with(FILES) {
        true => pages::file(rest, request.headers()),
        false => pages::index_below(PATH, request.headers()),
    };
    if request.method() == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(method: Method, path: &str) -> Response<Body> {
        page(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn every_path_below_is_the_page_or_a_file_and_nothing_beside_is_open() {
        let wanted = if pages::has(pages::INDEX) { 200 } else { 503 };
        for path in ["/ui/provisioning", "/ui/provisioning/", "/ui/provisioning/people/ann"] {
            assert!(is_open(path), "{path}");
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(ask(method, path).await.status(), wanted, "{path}");
            }
            assert_eq!(ask(Method::POST, path).await.status(), 405, "{path}");
        }
        for file in ["/ui/provisioning/assets/nothing.js", "/ui/provisioning/assets/../index.html"] {
            assert_eq!(ask(Method::GET, file).await.status(), 404, "{file}");
        }
        for beside in ["/ui", "/ui/provisionings", "/agent-setup/api/v1/acme/history", "/anything", "/ui/wwe"] {
            assert!(!is_open(beside), "{beside}");
            assert_eq!(ask(Method::GET, beside).await.status(), 404, "{beside}");
        }
    }
}
