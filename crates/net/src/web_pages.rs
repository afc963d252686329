//! The web pages: the built files of `web/`, embedded in the program, and how they are answered.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::http::{Problem, has_already};

/// The files built by `npm run build`. A program built without them explains how to build them.
#[derive(RustEmbed)]
#[folder = "../../web/dist"]
#[allow_missing = true]
struct Files;

/// The page for all routes of the web client.
pub const INDEX: &str = "index.html";
/// Files below this path have the hash of their content in their names.
const HASHED: &str = "assets/";
/// The content security policy: no foreign content, and nothing inline in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The answer of a program without pages.
const NO_PAGES: &str = "This program was built without its web pages.\n\nWith Node.js: script/web build, then build the program again.\n\
                        Everything else works; the numbers are at /pulse/api/v1/<tenant>/wallboard.\n";

/// Whether there is a file of that name, as `assets/x.js`.
pub fn has(name: &str) -> bool {
    Files::get(name).is_some()
}

/// The file of that name; 404 if there is none, and 503 in a program without pages where it is [`INDEX`].
pub fn file(name: &str, asked: &HeaderMap) -> Response<Body> {
    match Files::get(name) {
        Some(file) => answer(name, file, asked),
        None => missing(name),
    }
}

/// [`INDEX`] for who has the pages below another path, as `/ui`: what it loads at first comes from there, too.
pub fn index_below(path: &str, asked: &HeaderMap) -> Response<Body> {
    let Some(mut file) = Files::get(INDEX) else { return missing(INDEX) };
    file.data = loading_below(path, &String::from_utf8_lossy(&file.data)).into_bytes().into();
    answer(INDEX, file, asked)
}

/// A page whose hashed files are loaded from below that path.
fn loading_below(path: &str, page: &str) -> String {
    page.replace(&format!("\"/{HASHED}"), &format!("\"{path}/{HASHED}"))
}

fn missing(name: &str) -> Response<Body> {
    if name != INDEX {
        return Problem::not_found("no such page").into_response();
    }
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SERVICE_UNAVAILABLE, text, NO_PAGES).into_response()
}

fn answer(name: &str, file: EmbeddedFile, asked: &HeaderMap) -> Response<Body> {
    let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let etag = format!("\"{hash}\"");
    let keep = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if has_already(asked, &etag) {
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

    #[test]
    fn a_file_is_kept_by_the_hash_of_its_content() {
        let Some(name) = Files::iter().find(|name| name.starts_with(HASHED)) else { return };
        let first = file(&name, &HeaderMap::new());
        assert_eq!(first.status(), 200);
        assert!(first.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert!(first.headers().contains_key(header::CONTENT_SECURITY_POLICY));
        let asked = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(file(&name, &asked).status(), 304);
        assert_eq!(file("assets/nothing.js", &asked).status(), 404);
    }

    #[test]
    fn a_page_below_another_path_loads_its_hashed_files_from_there_and_nothing_else() {
        let page = r#"<link href="/icon.svg"/><link href="/assets/a.css"/><script src="/assets/b.js"></script>"#;
        let below = r#"<link href="/icon.svg"/><link href="/ui/assets/a.css"/><script src="/ui/assets/b.js"></script>"#;
        assert_eq!(loading_below("/ui", page), below);
    }
}
