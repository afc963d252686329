//! Forms in the browser of a request: each goes out with a cookie, and comes back with it.

use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::super::Auth;
use super::super::request::cookies::Cookie;
use super::super::request::origin;
use super::super::request::parameters::Parameters;
use super::super::request::source::RequestSource;

/// The browser of a request.
#[derive(Clone, Copy)]
pub(in crate::auth) struct RequestBrowser<'a> {
    pub headers: &'a HeaderMap,
    pub source: &'a RequestSource,
}

impl RequestBrowser<'_> {
    /// A page with that form, of which it gets the token.
    pub fn with_form(self, auth: &Auth, form: &str, page: impl FnOnce(&str) -> Response) -> Response {
        let cookie = Cookie::Form.of(self.headers, self.source);
        let issued = auth.forms.issue(form, cookie, || auth.secret(), auth.now());
        let mut response = page(&issued.token);
        if let Some(cookie) = Cookie::Form.set(&issued.nonce, self.source) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }

    /// Whether that form was sent to it, and none but a page of this host has sent it back.
    pub fn has_sent(self, auth: &Auth, form: &str, typed: &Parameters) -> bool {
        let cookie = Cookie::Form.of(self.headers, self.source);
        let token = typed.get("form_token").unwrap_or_default();
        !origin::is_foreign(self.headers, auth.issuer()) && auth.forms.accepts(form, cookie, token, auth.now())
    }
}
