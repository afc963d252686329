//! The desktop of agents in the browser, at its own address and at the one that GWS has for such a page: the files that other pages of
//! ours are made of, too. They need no token, as static files do not; whatever they ask for does, and is no path of these.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::response::IntoResponse as _;
use net::http::Problem;

/// What their paths are, or begin with.
pub(super) const PATHS: [&str; 2] = ["/desktop", "/ui/wwe"];
/// What begins the names of files beside the page.
const FILES: &str = "assets/";

/// The path of the page that a path is of, and what is below it, without the slash.
fn below(path: &str) -> Option<(&'static str, &str)> {
    PATHS.into_iter().find_map(|page| {
        let rest = path.strip_prefix(page)?;
        if rest.is_empty() { Some((page, "")) } else { Some((page, rest.strip_prefix('/')?)) }
    })
}

/// Whether a request for that path needs no token.
pub(super) fn is_open(path: &str) -> bool {
    below(path).is_some()
}

/// Answers with a file, or with the page, which knows by its address what to show.
pub(super) async fn page(request: Request) -> Response<Body> {
    match below(request.uri().path()) {
        Some((_, rest)) if rest.starts_with(FILES) => pages::file(rest, request.headers()),
        Some((page, _)) => pages::index_below(page, request.headers()),
        None => Problem::not_found("no such path").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(path: &str) -> u16 {
        page(Request::builder().uri(path).body(Body::empty()).unwrap()).await.status().as_u16()
    }

    #[tokio::test]
    async fn every_path_below_is_the_page_or_a_file_and_nothing_beside_is_open() {
        let wanted = if pages::has(pages::INDEX) { 200 } else { 503 };
        for path in ["/desktop", "/desktop/", "/desktop/x", "/ui/wwe", "/ui/wwe/", "/ui/wwe/index.html"] {
            assert!(is_open(path), "{path}");
            assert_eq!(asked(path).await, wanted, "{path}");
        }
        for file in ["/desktop/assets/nothing.js", "/ui/wwe/assets/nothing.js", "/ui/wwe/assets/../index.html"] {
            assert_eq!(asked(file).await, 404, "{file}");
        }
        for beside in ["/", "/ui", "/desktops", "/ui/wwes", "/ui/provisioning", "/workspace/v3/settings"] {
            assert!(!is_open(beside), "{beside}");
            assert_eq!(asked(beside).await, 404, "{beside}");
        }
    }
}
