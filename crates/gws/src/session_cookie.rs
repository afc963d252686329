//! The cookies of the published APIs: one for each service, so that a browser can have sessions of several under one host.

use axum::http::{HeaderMap, HeaderValue};
use identity::session_cookie::SessionCookie;
use net::http::cookies;

/// The longest value that is looked at, in bytes.
const BYTES_MAX: usize = 512;

/// The cookie of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServiceCookie(&'static str);

/// That of the Workspace API.
pub(crate) const WORKSPACE: ServiceCookie = ServiceCookie("WORKSPACE_SESSIONID");
/// That of the Statistics API.
pub(crate) const STATISTICS: ServiceCookie = ServiceCookie("STATISTICS_SESSIONID");
/// That of the Provisioning API.
pub(crate) const PROVISIONING: ServiceCookie = ServiceCookie("PROVISIONING_SESSIONID");

impl ServiceCookie {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        self.0
    }

    /// Its value in a request, as it was set.
    pub(crate) fn value_in(self, headers: &HeaderMap) -> Option<&str> {
        cookies::find(headers, self.0, BYTES_MAX)
    }

    /// The session that a request names.
    pub(crate) fn session_in(self, headers: &HeaderMap) -> Option<SessionCookie> {
        self.value_in(headers).and_then(SessionCookie::read)
    }

    /// The header that sets it for as long as the browser runs; the session ends sooner. Programs keep a cookie with `Secure` to themselves
    /// where they ask without TLS, and take none for another host than they have asked.
    pub(crate) fn set(self, value: &str, is_secure: bool) -> Option<HeaderValue> {
        cookies::set_cookie(self.0, value, "", is_secure)
    }

    /// The header that removes it.
    pub(crate) fn removed(self, is_secure: bool) -> Option<HeaderValue> {
        cookies::set_cookie(self.0, "", "; Max-Age=0", is_secure)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header;
    use model::TenantId;

    use super::*;

    fn text(header: Option<HeaderValue>) -> String {
        header.unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_for_the_whole_host_and_bound_to_tls_only_where_it_came_by_it() {
        assert_eq!(text(WORKSPACE.set("x", false)), "WORKSPACE_SESSIONID=x; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(text(WORKSPACE.set("x", true)), "WORKSPACE_SESSIONID=x; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert!(text(WORKSPACE.removed(false)).contains("Max-Age=0"));
    }

    #[test]
    fn a_session_is_found_beside_cookies_of_others_and_attributes_that_were_sent_back() {
        let value = SessionCookie::write(&TenantId::parse("acme").unwrap(), "secret");
        let line = format!("STATISTICS_SESSIONID=other; WORKSPACE_SESSIONID={value}; Path=/; HttpOnly");
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(&line).unwrap())]);
        assert_eq!(WORKSPACE.value_in(&headers), Some(value.as_str()));
        assert_eq!(WORKSPACE.session_in(&headers), SessionCookie::read(&value));
        let other = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("STATISTICS_SESSIONID=a.b"))]);
        assert_eq!(WORKSPACE.session_in(&other), None);
    }
}
