//! The page of somebody who has signed out. It loads pages of the programs that end with the session, unseen, and may then go on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;

use super::{PageReach, SIGN_IN, escaped, html_reaching};

/// A page of a program that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct LogoutFrame {
    /// Where it is.
    pub address: String,
    /// Its origin, as a source of the policy (CSP).
    pub source: String,
}

/// The page; `on` is where the browser goes on to.
pub(in crate::auth) fn page(frames: &[LogoutFrame], on: Option<&str>) -> Response {
    let mut body = String::from("<h1>You are signed out</h1>\n");
    let _ = match on {
        Some(on) => writeln!(body, "<p><a class=\"way\" href=\"{}\">Continue</a></p>", escaped(on)),
        None => writeln!(body, "<p><a href=\"{SIGN_IN}\">Sign in again</a></p>"),
    };
    for frame in frames {
        // In its frame a program has its own cookies, and leads the browser nowhere.
        let _ = writeln!(
            body,
            "<iframe hidden title=\"Sign-out of a program\" sandbox=\"allow-scripts allow-same-origin\" \
             referrerpolicy=\"no-referrer\" src=\"{}\"></iframe>",
            escaped(&frame.address)
        );
    }
    let sources: BTreeSet<&str> = frames.iter().map(|frame| frame.source.as_str()).collect();
    let sources: Vec<&str> = sources.into_iter().collect();
    let reach = PageReach { frames: &sources, goes_on_to: on, ..PageReach::default() };
    html_reaching(StatusCode::OK, "Signed out", &body, reach)
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn frame(address: &str, source: &str) -> LogoutFrame {
        LogoutFrame { address: address.to_owned(), source: source.to_owned() }
    }

    async fn shown(frames: &[LogoutFrame], on: Option<&str>) -> (String, String) {
        let response = page(frames, on);
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (policy, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_lets_in_the_pages_of_the_programs_and_no_other() {
        let frames = [
            frame("https://b.example/out?iss=i&sid=1", "https://b.example"),
            frame("https://a.example/\"><script>", "https://a.example"),
            frame("https://b.example/out?iss=i&sid=2", "https://b.example"),
        ];
        let (policy, body) = shown(&frames, None).await;
        assert!(policy.ends_with("; frame-src https://a.example https://b.example"), "{policy}");
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(body.matches("<iframe hidden ").count(), 3);
        assert!(body.contains("src=\"https://b.example/out?iss=i&amp;sid=2\"") && !body.contains("<script"), "{body}");
        assert!(body.contains("Sign in again") && !body.contains("http-equiv"), "{body}");
        let (policy, body) = shown(&[], None).await;
        assert!(!policy.contains("frame-src") && !body.contains("<iframe"), "{policy} {body}");
    }

    #[tokio::test]
    async fn the_page_goes_on_by_itself_and_by_a_link() {
        let frames = [frame("https://a.example/out", "https://a.example")];
        let (_, body) = shown(&frames, Some("https://a.example/bye?state=1&x=%22")).await;
        let refresh = "<meta http-equiv=\"refresh\" content=\"3; url=https://a.example/bye?state=1&amp;x=%22\">";
        assert!(body.contains(refresh), "{body}");
        assert!(
            body.contains("<a class=\"way\" href=\"https://a.example/bye?state=1&amp;x=%22\">Continue</a>"),
            "{body}"
        );
    }
}
