//! The web pages: the built files of `web/`, embedded in the program, and how they are answered.
//!
//! A crate by itself, which those alone use that serve pages: with other pages nothing else is compiled again.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use net::http::{Problem, has_already};
use rust_embed::RustEmbed;

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
    match PageFile::find(name) {
        Some(file) => with_policy(name, file.answer(asked)),
        None => missing(name),
    }
}

/// [`INDEX`] for who has the pages below another path, as `/ui`: what it loads at first comes from there, too.
pub fn index_below(path: &str, asked: &HeaderMap) -> Response<Body> {
    let Some(mut file) = PageFile::find(INDEX) else { return missing(INDEX) };
    file.content = loading_below(path, &String::from_utf8_lossy(&file.content)).into_bytes();
    with_policy(INDEX, file.answer(asked))
}

/// One of the built files, for who answers it with other headers than those of the pages.
pub struct PageFile {
    content: Vec<u8>,
    media_type: &'static str,
    /// Of the hash of its content.
    etag: String,
}

impl PageFile {
    /// The file of that name, as `assets/x.js`.
    pub fn find(name: &str) -> Option<Self> {
        let file = Files::get(name)?;
        let hash: String = file.metadata.sha256_hash().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Some(Self { content: file.data.into_owned(), media_type: media_type(name), etag: format!("\"{hash}\"") })
    }

    /// The file with its type and tag; 304 to who has it already.
    pub fn answer(self, asked: &HeaderMap) -> Response<Body> {
        let etag = HeaderValue::try_from(&self.etag).ok().map(|etag| (header::ETAG, etag));
        let mut response = if has_already(asked, &self.etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            ([(header::CONTENT_TYPE, self.media_type)], self.content).into_response()
        };
        response.headers_mut().extend(etag);
        response
    }
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

fn with_policy(name: &str, response: Response<Body>) -> Response<Body> {
    let keep = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let head = [
        (header::CACHE_CONTROL, keep),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (head, response).into_response()
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
