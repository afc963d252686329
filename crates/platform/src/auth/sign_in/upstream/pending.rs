//! A sign-in that has begun at a provider and not ended: what the browser keeps of it, sealed, in a cookie.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use net::http::cookies;
use runtime::installation_key::InstallationKey;
use runtime::sealed;
use serde::{Deserialize, Serialize};

use crate::auth::request::source::RequestSource;

/// How long somebody may take at the provider.
pub(in crate::auth) const LIFE: Duration = Duration::from_secs(600);
/// What the sealed text is bound to.
const BOUND_TO: &[u8] = b"sign-in at a provider";
/// The longest query of the sign-in page that goes along: the cookie has to have room for it.
pub(in crate::auth) const QUERY_BYTES_MAX: usize = 2_048;
/// The longest cookie that is looked at, in bytes: browsers keep none that is longer.
const COOKIE_BYTES_MAX: usize = 4_096;

/// What is needed when the browser comes back.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::auth) struct PendingUpstream {
    /// Comes back with the code (RFC 6749 section 10.12).
    pub state: String,
    /// Comes back in the ID token.
    pub nonce: String,
    /// Proves that who redeems the code has asked for it (RFC 7636).
    pub verifier: String,
    /// The tenant whose provider it is.
    pub tenant: String,
    /// The provider's issuer: another one that is configured meanwhile is another provider.
    pub issuer: String,
    /// The query of the sign-in page.
    pub query: String,
    /// Until when, in microseconds since 1970.
    pub until_us: u64,
    /// How long ago the person may have signed in there, in seconds, where that was asked for.
    #[serde(default)]
    pub max_age_s: Option<u64>,
}

impl PendingUpstream {
    /// As a cookie's value.
    pub fn seal(&self, key: &InstallationKey) -> Option<String> {
        let plain = serde_json::to_vec(self).ok()?;
        sealed::seal(key, BOUND_TO, plain).map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
    }

    fn unsealed(key: &InstallationKey, value: &str) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
        serde_json::from_slice(&sealed::open(key, BOUND_TO, &sealed)?).ok()
    }

    /// From a cookie's value; none if it is not ours, is too old, or the browser has not come back to the place of its tenant.
    pub fn open(key: &InstallationKey, value: &str, tenant: &str, now: Timestamp) -> Option<Self> {
        Self::unsealed(key, value).filter(|pending| now < pending.until() && pending.tenant == tenant)
    }

    /// Whether a browser that has come back with this state needs the cookie of that value no more: it was for this answer, whatever has
    /// come of it, is too old, or is not ours. Else it belongs to a sign-in that another tab has begun.
    pub fn is_over(key: &InstallationKey, value: &str, state: Option<&str>, now: Timestamp) -> bool {
        Self::unsealed(key, value).is_none_or(|pending| now >= pending.until() || state == Some(pending.state.as_str()))
    }

    /// Until when the browser may come back.
    pub const fn until(&self) -> Timestamp {
        Timestamp::from_micros(self.until_us)
    }

    /// Since when the person must have signed in there, in seconds since 1970, where that was asked for: so long before this has begun.
    pub fn signed_in_since_s(&self) -> Option<u64> {
        let begun_s = self.until().as_secs().saturating_sub(LIFE.as_secs());
        self.max_age_s.map(|max_age_s| begun_s.saturating_sub(max_age_s))
    }
}

const fn name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-trunkline-provider" } else { "trunkline-provider" }
}

/// The cookie's value in a request.
pub(in crate::auth) fn of<'a>(headers: &'a HeaderMap, source: &RequestSource) -> Option<&'a str> {
    cookies::find(headers, name(source.is_secure), COOKIE_BYTES_MAX)
}

/// The header that sets the cookie.
pub(in crate::auth) fn set(value: &str, source: &RequestSource) -> Option<HeaderValue> {
    cookies::set_cookie(name(source.is_secure), value, &format!("; Max-Age={}", LIFE.as_secs()), source.is_secure)
}

/// The header that removes it.
pub(in crate::auth) fn remove(source: &RequestSource) -> Option<HeaderValue> {
    cookies::set_cookie(name(source.is_secure), "", "; Max-Age=0", source.is_secure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_that_at_which_the_sign_in_has_begun() {
        let pending = |max_age_s| PendingUpstream {
            state: String::new(),
            nonce: String::new(),
            verifier: String::new(),
            tenant: String::new(),
            issuer: String::new(),
            query: String::new(),
            until_us: (Timestamp::from_millis(1_000_000) + LIFE).as_micros(),
            max_age_s,
        };
        for (max_age_s, since_s) in
            [(None, None), (Some(0), Some(1_000)), (Some(60), Some(940)), (Some(u64::MAX), Some(0))]
        {
            assert_eq!(pending(max_age_s).signed_in_since_s(), since_s);
        }
    }

    #[test]
    fn what_the_browser_keeps_is_ours_ends_and_has_room() {
        let key = InstallationKey::from_bytes([7; 32]);
        let pending = PendingUpstream {
            state: "s".repeat(43),
            nonce: "n".repeat(43),
            verifier: "v".repeat(43),
            tenant: "t".repeat(63),
            issuer: "i".repeat(256),
            query: "q".repeat(QUERY_BYTES_MAX),
            until_us: 10,
            max_age_s: Some(u64::MAX),
        };
        let value = pending.seal(&key).unwrap();
        assert!(value.len() < COOKIE_BYTES_MAX - 200, "{}", value.len());
        let tenant = pending.tenant.clone();
        let open = |value: &str, now: u64| PendingUpstream::open(&key, value, &tenant, Timestamp::from_micros(now));
        assert!(open(&value, 9) == Some(pending));
        let elsewhere = PendingUpstream::open(&key, &value, "acme", Timestamp::from_micros(9));
        assert!(elsewhere.is_none(), "it came back to the place of another tenant");
        let is_over =
            |value: &str, state, now| PendingUpstream::is_over(&key, value, state, Timestamp::from_micros(now));
        let own = "s".repeat(43);
        assert!(is_over(&value, Some(&own), 9) && is_over(&value, None, 10) && is_over("x", None, 9));
        assert!(!is_over(&value, Some("another tab's"), 9) && !is_over(&value, None, 9));
        for (other, now) in [(value.as_str(), 10), ("x", 0), (&value[1..], 0)] {
            assert!(open(other, now).is_none(), "{other} {now}");
        }
    }
}
