//! The cookies of the sign-in: what they are called, and what is in them.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::secret::Digest;
use model::TenantId;

use super::source::RequestSource;

/// The longest cookie that is looked at, in bytes.
const COOKIE_BYTES_MAX: usize = 512;

/// A cookie of auth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
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
        let name = self.name(source.is_secure);
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let value = pairs.find(|(other, _)| *other == name).map(|(_, value)| value)?;
        (!value.is_empty() && value.len() <= COOKIE_BYTES_MAX).then_some(value)
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
        let secure = if source.is_secure { "; Secure" } else { "" };
        let name = self.name(source.is_secure);
        HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{life}{secure}")).ok()
    }
}

/// What a session's cookie says: the tenant, so that its record is found, and the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SessionCookie {
    /// The tenant.
    pub tenant: TenantId,
    /// The digest of the secret.
    pub digest: Digest,
}

impl SessionCookie {
    /// The cookie's value for a session of that tenant.
    pub fn write(tenant: &TenantId, secret: &str) -> String {
        format!("{}.{secret}", URL_SAFE_NO_PAD.encode(tenant.as_str()))
    }

    /// Reads a value.
    pub fn read(value: &str) -> Option<Self> {
        let (tenant, secret) = value.split_once('.')?;
        let tenant = String::from_utf8(URL_SAFE_NO_PAD.decode(tenant).ok()?).ok()?;
        Some(Self { tenant: TenantId::parse(&tenant).ok()?, digest: Digest::of(secret) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(is_secure: bool) -> RequestSource {
        RequestSource { address: "192.0.2.1".to_owned(), is_secure }
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

    #[test]
    fn a_sessions_cookie_names_its_tenant() {
        let tenant = TenantId::parse("acme; Domain=x").unwrap();
        let value = SessionCookie::write(&tenant, "secret");
        assert!(!value.contains(';'));
        assert_eq!(SessionCookie::read(&value), Some(SessionCookie { tenant, digest: Digest::of("secret") }));
        for bad in ["", "secret", ".secret", "!.secret"] {
            assert_eq!(SessionCookie::read(bad), None, "{bad}");
        }
    }
}
