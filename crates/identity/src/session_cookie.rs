//! What the cookie of a session says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::TenantId;

use crate::secret::Digest;

/// What a session's cookie says: the tenant, so that its record is found, and the secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionCookie {
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
}
