//! The web pages: the built files of `web/`, embedded in the program.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use net::http::Problem;
use rust_embed::RustEmbed;

/// The files built by `npm run build`. A program built without them explains how to build them.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// The page for all routes of the web client.
const INDEX: &str = "index.html";
/// Files below this path have the hash of their content in their names.
const HASHED: &str = "assets/";
/// The content security policy: no foreign content, and nothing inline in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The answer of a program without pages.
const NO_PAGES: &str = "This program was built without its web pages.\n\nWith Node.js: script/web build, then build the program again.\n\
                        Everything else works; the numbers are at /pulse/api/v1/<tenant>/wallboard.\n";

/// Answers a path of the pages: with a file, or with the index page for a route of the client.
pub(super) async fn page(request: Request) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/');
    let name = if is_route(path) { INDEX } else { path };
    match Files::get(name) {
        Some(file) => answer(name, file, request.headers()),
        None if name == INDEX => {
            let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
            (StatusCode::SERVICE_UNAVAILABLE, text, NO_PAGES).into_response()
        }
        None => Problem::not_found("no such page").into_response(),
    }
}

/// Whether a page exists at that path.
pub(super) fn is_page(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    is_route(path) || Files::get(path).is_some()
}

/// Whether the path is a route of the web client.
fn is_route(path: &str) -> bool {
    matches!(path, "" | "index.html" | "topology" | "trace" | "agent-setup")
        || path.starts_with("trace/")
        || path.strip_prefix("agent-setup/").is_some_and(|rest| !rest.starts_with("api/"))
}

fn answer(name: &str, file: rust_embed::EmbeddedFile, asked: &HeaderMap) -> Response<Body> {
    let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let keep = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if net::http::has_already(asked, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, media_type(name))], file.data.into_owned()).into_response()
    };
    let head = response.headers_mut();
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    head.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    head.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        head.insert(header::ETAG, etag);
    }
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "map" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(path: &str) -> Response<Body> {
        page(Request::get(path).body(Body::empty()).unwrap()).await
    }

    #[tokio::test]
    async fn routes_of_the_client_are_the_page_and_other_paths_are_not() {
        for path in ["/", "/topology", "/trace", "/trace/0123456789abcdef", "/agent-setup/", "/agent-setup/people/ann"]
        {
            let answer = ask(path).await;
            let wanted = if Files::get(INDEX).is_some() { 200 } else { 503 };
            assert_eq!(answer.status(), wanted, "{path}");
        }
        for path in [
            "/nothing",
            "/assets/nothing.js",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "/tracery",
            "/agent-setup/api/v1/x",
        ] {
            assert_eq!(ask(path).await.status(), 404, "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_is_kept_by_the_hash_of_its_content() {
        let Some(name) = Files::iter().find(|name| name.starts_with(HASHED)) else { return };
        let first = ask(&format!("/{name}")).await;
        assert_eq!(first.status(), 200);
        assert!(first.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert!(first.headers().contains_key(header::CONTENT_SECURITY_POLICY));
        let etag = first.headers()[header::ETAG].clone();
        let again = Request::get(format!("/{name}")).header(header::IF_NONE_MATCH, etag).body(Body::empty()).unwrap();
        assert_eq!(page(again).await.status(), 304);
    }
}
