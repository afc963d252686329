//! Cookies that stand for a session: how they are found and set, and what is in them.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::secret::Digest;
use model::TenantId;

/// The value of a cookie in a request; none if it is empty or has more than that many bytes.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str, bytes_max: usize) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.find(|(other, _)| *other == name).map(|(_, value)| value)?;
    (!value.is_empty() && value.len() <= bytes_max).then_some(value)
}

/// The header that sets a cookie for this host alone, which no script reads; `life` is `; Max-Age=…`, or empty for as long as the browser
/// runs.
pub(crate) fn set_cookie(name: &str, value: &str, life: &str, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    HeaderValue::from_str(&format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{life}{secure}")).ok()
}

/// What a session's cookie says: the tenant, so that its record is found, and the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionCookie {
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

    #[test]
    fn a_cookie_is_found_by_its_whole_name_and_no_longer_than_expected() {
        let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("xa=1; a=23; b="))]);
        assert_eq!((find(&headers, "a", 2), find(&headers, "a", 1), find(&headers, "b", 9)), (Some("23"), None, None));
    }
}
