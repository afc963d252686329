//! Cookies that stand for a session: how they are found and set, and what is in them.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::secret::Digest;
use model::TenantId;

/// The cookies of a request, each with its name and its value. One that is not ASCII is none (RFC 6265 section 4.1.1), and hides no other:
/// other programs of the same host set theirs as they like, and a browser sends all in one line.
pub(crate) fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes);
    let pairs = lines.flat_map(|line| line.split(|byte| *byte == b';')).filter(|pair| pair.is_ascii());
    pairs.filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
}

/// The value of a cookie in a request; none if it is empty or has more than that many bytes.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str, bytes_max: usize) -> Option<&'a str> {
    let value = all(headers).find(|(other, _)| *other == name).map(|(_, value)| value)?;
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

    #[test]
    fn a_cookie_that_another_program_has_set_hides_none_of_ours() {
        for line in [&b"theme=gr\xc3\xbcn; a=1"[..], b"theme=gr\xfcn;a=1", b"\xff=x; =; a=1; b=\xe4"] {
            let headers = HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_bytes(line).unwrap())]);
            assert_eq!((find(&headers, "a", 9), find(&headers, "b", 9)), (Some("1"), None), "{line:?}");
        }
    }
}
