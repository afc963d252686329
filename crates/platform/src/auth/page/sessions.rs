//! The page with what a person has open.

use std::fmt::Write as _;

use axum::http::StatusCode;
use axum::response::Response;

use super::{error_line, escaped, form_begin, html};

/// The path of the page, below the issuer and below the host.
pub(in crate::auth) const BELOW_ISSUER: &str = "/sessions";
pub(in crate::auth) const PATH: &str = "/auth/v3/sessions";

/// A session or a sign-in.
pub(in crate::auth) struct SessionRow {
    /// Its id.
    pub id: String,
    /// What it is, in words.
    pub what: String,
    /// Since when, and until when without being used: dates.
    pub since: String,
    pub until: String,
    /// Whether it is this browser's.
    pub is_this: bool,
}

/// The rows, each with a button that ends it.
pub(in crate::auth) fn list(
    status: StatusCode,
    token: &str,
    person: &str,
    rows: &[SessionRow],
    error: Option<&str>,
) -> Response {
    let mut body =
        format!("<h1>Where you are signed in</h1>\n{}<p>as {}.</p>\n<ul>\n", error_line(error), escaped(person));
    for row in rows {
        let this = if row.is_this { " (this browser)" } else { "" };
        let _ = writeln!(
            body,
            "<li><strong>{}</strong>{this}, since {}, until {} at the latest\n{}\
             <input type=\"hidden\" name=\"id\" value=\"{}\">\n<button type=\"submit\">Sign out {}</button>\n</form></li>",
            escaped(&row.what),
            escaped(&row.since),
            escaped(&row.until),
            form_begin(PATH, token),
            escaped(&row.id),
            escaped(&row.what)
        );
    }
    body.push_str("</ul>\n");
    html(status, "Where you are signed in", &body, None)
}
