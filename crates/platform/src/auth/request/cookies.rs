//! The cookies of the sign-in: what they are called.

use axum::http::{HeaderMap, HeaderValue};

use net::http::cookies;

pub(in crate::auth) use identity::session_cookie::SessionCookie;

use super::source::RequestSource;

/// The longest cookie that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 512;

/// A cookie of auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Cookie {
    /// Somebody is signed in.
    Session,
    /// Binds the form of the sign-in page to the browser that it was sent to.
    Form,
}

impl Cookie {
    /// Its name. Over TLS nobody but this host can set one of that prefix (RFC 6265bis section 4.1.3.2).
    const fn name(self, is_secure: bool) -> &'static str {
        match (self, is_secure) {
            (Self::Session, true) => "__Host-trunkline-session",
            (Self::Session, false) => "trunkline-session",
            (Self::Form, true) => "__Host-trunkline-form",
            (Self::Form, false) => "trunkline-form",
        }
    }

    /// Its value in a request.
    pub fn of<'a>(self, headers: &'a HeaderMap, source: &RequestSource) -> Option<&'a str> {
        cookies::find(headers, self.name(source.is_secure), COOKIE_BYTES_MAX)
    }

    /// The header that sets it for as long as the browser runs; the server ends it sooner.
    pub fn set(self, value: &str, source: &RequestSource) -> Option<HeaderValue> {
        self.header(value, "", source)
    }

    /// The header that removes it.
    pub fn remove(self, source: &RequestSource) -> Option<HeaderValue> {
        self.header("", "; Max-Age=0", source)
    }

    fn header(self, value: &str, life: &str, source: &RequestSource) -> Option<HeaderValue> {
        cookies::set_cookie(self.name(source.is_secure), value, life, source.is_secure)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn source(is_secure: bool) -> RequestSource {
        RequestSource {
            address: "192.0.2.1".to_owned(),
            sender: None,
            is_secure,
            user_agent: String::new(),
            host: String::new(),
        }
    }

    fn text(header: Option<HeaderValue>) -> String {
        header.unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_over_tls_is_for_this_host_alone_and_never_for_scripts() {
        let secure = text(Cookie::Session.set("x", &source(true)));
        assert_eq!(secure, "__Host-trunkline-session=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        let plain = text(Cookie::Session.set("x", &source(false)));
        assert_eq!(plain, "trunkline-session=x; Path=/; HttpOnly; SameSite=Lax");
        assert!(text(Cookie::Form.remove(&source(true))).contains("Max-Age=0"));
    }

    #[test]
    fn a_cookie_set_without_tls_does_not_count_with_it() {
        let headers = HeaderMap::from_iter([(header::COOKIE, "a=b; trunkline-session=plain".parse().unwrap())]);
        assert_eq!(Cookie::Session.of(&headers, &source(false)), Some("plain"));
        assert_eq!(Cookie::Session.of(&headers, &source(true)), None);
    }
}
