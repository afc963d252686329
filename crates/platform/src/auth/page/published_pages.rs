//! What pages of the published API ask for beside its paths: its sign-in page, and files in which an installation would say what differs from
//! the usual. Nothing does here: each is an empty object, which those pages take.

use axum::http::{Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::super::{answers, page};

const SIGN_IN: &str = "/auth/sign-in.html";
const HOST_MAPPING: &str = "/auth/host-mapping";
/// An empty object, and as a script an empty block.
const NOTHING: &str = "{}";
/// An answer may be used again for an hour.
const CACHED: &str = "public, max-age=3600";

/// The routes of all of them.
pub(in crate::auth) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    runtime::issuer::PUBLISHED_PAGES.iter().fold(Router::new(), |router, path| match *path {
        SIGN_IN => router.route(path, get(to_sign_in)),
        HOST_MAPPING => router.route(path, get(host_mapping)),
        _ => router.route(path, get(script)),
    })
}

/// Leads to the sign-in page, with what the request says.
async fn to_sign_in(uri: Uri) -> Response {
    match uri.query() {
        Some(query) => answers::redirect(&format!("{}?{query}", page::SIGN_IN)),
        None => answers::redirect(page::SIGN_IN),
    }
}

async fn host_mapping() -> Response {
    ([(header::CACHE_CONTROL, CACHED)], Json(json!({}))).into_response()
}

async fn script() -> Response {
    let head = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, CACHED),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (head, NOTHING).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sign_in_page_is_found_with_what_was_asked() {
        let led = |to: &'static str| async move {
            to_sign_in(Uri::from_static(to)).await.headers()[header::LOCATION].clone()
        };
        assert_eq!(led("/auth/sign-in.html").await, "/auth/v3/sign-in");
        assert_eq!(led("/auth/sign-in.html?client_id=a%26b").await, "/auth/v3/sign-in?client_id=a%26b");
    }

    #[test]
    fn the_pages_that_differ_are_among_the_published_ones() {
        for path in [SIGN_IN, HOST_MAPPING] {
            assert!(runtime::issuer::PUBLISHED_PAGES.contains(&path), "{path}");
        }
    }
}
