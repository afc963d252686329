//! The page that an org frames, and its files. What it does stands in `web/src/apps/salesforce`.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use net::http::Problem;
use pages::PageFile;

const SCRIPT: &str = "softphone.js";
/// Where the built files have it. A program built without its pages has no script to serve.
const BUILT_SCRIPT: &str = "salesforce/softphone.js";
const STYLE: &str = "softphone.css";
const STYLE_TEXT: &str = include_str!("softphone.css");

/// What stands in a page.
pub(super) struct SoftphonePage<'a> {
    /// The origins of the orgs that may frame it.
    pub orgs: &'a [String],
    /// The version of their Open CTI.
    pub open_cti_version: &'a str,
    /// How high the softphone is, in pixels.
    pub height: u32,
}

impl SoftphonePage<'_> {
    /// The answer.
    pub fn answer(&self) -> Response {
        let Ok(policy) = HeaderValue::try_from(self.policy()) else { return Problem::internal().into_response() };
        let mut response = served("text/html; charset=utf-8", "no-store", self.document());
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
        response
    }

    /// What the page may load, and who may frame it (CSP 3 section 6.4.2). Of an org it loads the one library.
    fn policy(&self) -> String {
        let mut scripts = "'self'".to_owned();
        for org in self.orgs {
            scripts.push(' ');
            scripts.push_str(&self.library(org));
        }
        let ancestors = if self.orgs.is_empty() { "'none'".to_owned() } else { self.orgs.join(" ") };
        format!(
            "default-src 'none'; script-src {scripts}; style-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; \
             frame-ancestors {ancestors}"
        )
    }

    /// Where an org has the library.
    fn library(&self, org: &str) -> String {
        format!("{org}/support/api/{}/lightning/opencti_min.js", self.open_cti_version)
    }

    /// Origins and versions have no sign that means something in HTML.
    fn document(&self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"salesforce-orgs\" content=\"{}\">\n\
             <meta name=\"open-cti-version\" content=\"{}\">\n\
             <meta name=\"softphone-height\" content=\"{}\">\n\
             <title>Softphone · Trunkline</title>\n\
             <link rel=\"stylesheet\" href=\"/salesforce/softphone/files/{STYLE}\">\n\
             <script type=\"module\" src=\"/salesforce/softphone/files/{SCRIPT}\"></script>\n\
             <main>\n<h1>Softphone</h1>\n\
             <p id=\"told\" role=\"status\"></p>\n<button id=\"opens\" type=\"button\" hidden></button>\n</main>\n</html>\n",
            self.orgs.join(" "),
            self.open_cti_version,
            self.height,
        )
    }
}

/// A file of the page.
pub(super) fn file(name: &str, asked: &HeaderMap) -> Response {
    match name {
        STYLE => served("text/css; charset=utf-8", "no-cache", STYLE_TEXT),
        SCRIPT => script(asked),
        _ => Problem::not_found("no such file").into_response(),
    }
}

fn script(asked: &HeaderMap) -> Response {
    let Some(file) = PageFile::find(BUILT_SCRIPT) else {
        let detail = "this program was built without its web pages: script/web build, then build it again";
        return Problem::unavailable(detail).into_response();
    };
    (secured("no-cache"), file.answer(asked)).into_response()
}

fn served(media_type: &'static str, keep: &'static str, text: impl IntoResponse) -> Response {
    (secured(keep), [(header::CONTENT_TYPE, media_type)], text).into_response()
}

/// The headers of everything that is served here, beside its type.
fn secured(keep: &'static str) -> [(header::HeaderName, &'static str); 3] {
    [
        (header::CACHE_CONTROL, keep),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ]
}

/// Checks the setting: a release of Salesforce's API, as `62.0`.
pub(super) fn check_version(version: &str) -> Result<(), String> {
    let is_number = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match version.split_once('.') {
        Some((release, part)) if is_number(release) && is_number(part) => Ok(()),
        _ => Err(format!("{version:?} is no version of Salesforce's API, as 62.0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(orgs: &[&str]) -> (HeaderMap, String) {
        let orgs: Vec<String> = orgs.iter().map(|org| (*org).to_owned()).collect();
        let page = SoftphonePage { orgs: &orgs, open_cti_version: "62.0", height: 600 };
        (page.answer().headers().clone(), page.document())
    }

    fn policy(orgs: &[&str]) -> String {
        page(orgs).0[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
    }

    #[test]
    fn the_orgs_alone_may_frame_it_and_it_runs_their_library_and_nothing_else_of_them() {
        let of_two = policy(&["https://a.lightning.force.com", "https://b.lightning.force.com"]);
        let ends = "frame-ancestors https://a.lightning.force.com https://b.lightning.force.com";
        assert!(of_two.ends_with(ends), "{of_two}");
        let scripts = "script-src 'self' https://a.lightning.force.com/support/api/62.0/lightning/opencti_min.js \
                       https://b.lightning.force.com/support/api/62.0/lightning/opencti_min.js;";
        assert!(of_two.contains(scripts), "{of_two}");
        let of_none = policy(&[]);
        assert!(of_none.contains("script-src 'self';") && of_none.ends_with("frame-ancestors 'none'"), "{of_none}");
    }

    #[test]
    fn the_page_is_told_its_orgs_and_is_never_kept() {
        let (head, document) = page(&["https://a.lightning.force.com"]);
        assert!(document.contains("name=\"salesforce-orgs\" content=\"https://a.lightning.force.com\""), "{document}");
        assert!(document.contains("content=\"62.0\"") && document.contains("content=\"600\""), "{document}");
        assert_eq!(head[header::CACHE_CONTROL], "no-store");
        assert!(!document.contains("<script>") && !document.contains("style="), "nothing stands inline: {document}");
    }

    #[test]
    fn a_script_that_a_browser_has_is_not_sent_again() {
        let first = file(SCRIPT, &HeaderMap::new());
        if !pages::has(BUILT_SCRIPT) {
            assert_eq!(first.status(), 503);
            return;
        }
        assert_eq!(first.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        let has = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(file(SCRIPT, &has).status(), 304);
    }

    #[test]
    fn other_files_are_not_there() {
        assert_eq!(file(STYLE, &HeaderMap::new()).status(), 200);
        for other in ["", "index.html", "../index.html", "softphone.js.map"] {
            assert_eq!(file(other, &HeaderMap::new()).status(), 404, "{other}");
        }
    }

    #[test]
    fn a_version_is_two_numbers() {
        assert!(check_version("62.0").is_ok() && check_version("58.0").is_ok());
        for wrong in ["", "62", "62.", "v62.0", "62.0.1", "62.0/../x", "6200.0"] {
            assert!(check_version(wrong).is_err(), "{wrong}");
        }
    }
}
