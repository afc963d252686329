//! What is shown of a second factor, or a passkey, that is gone.

use axum::http::StatusCode;
use axum::response::Response;

use super::{PATH, html, still_open};

/// The second factor is gone; `left_open`: something is open that was to end.
pub(in crate::auth) fn removed(left_open: bool) -> Response {
    let title = "You have no second factor now";
    let body = format!(
        "<h1>{title}</h1>\n{}<p>You sign in with your password alone. <a href=\"{PATH}\">Set one up</a></p>\n",
        still_open(left_open)
    );
    html(StatusCode::OK, title, &body, None)
}

/// A passkey is gone, and something is open that was to end.
pub(in crate::auth) fn passkey_removed_alone() -> Response {
    let title = "The passkey is removed";
    let body = format!("<h1>{title}</h1>\n{}<p><a href=\"{PATH}\">Go on</a></p>\n", still_open(true));
    html(StatusCode::OK, title, &body, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_still_open_is_said() {
        for (page, says_it) in [(removed(false), false), (removed(true), true), (passkey_removed_alone(), true)] {
            let body = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
            let page = String::from_utf8(body.to_vec()).unwrap();
            assert_eq!(page.contains("href=\"/auth/v3/sessions\""), says_it, "{page}");
            assert!(page.contains("href=\"/auth/v3/second-factor\""), "{page}");
        }
    }
}
