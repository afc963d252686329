//! What an ID token must say before somebody is believed to be whom it names (OpenID Connect Core section 3.1.3.7).

use std::time::Duration;

use model::Timestamp;

/// By how much the provider's clock and ours may differ.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
/// How old one may be: it is made when its code is redeemed.
pub const AGE_MAX: Duration = Duration::from_secs(600);

/// The claims that are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderClaims {
    /// Who has made it.
    pub iss: String,
    /// For whom.
    pub aud: Vec<String>,
    /// Who has asked for it.
    pub azp: Option<String>,
    /// Until when it is good, in seconds since 1970.
    pub exp_s: u64,
    /// When it was made, in seconds since 1970.
    pub iat_s: u64,
    /// The nonce of the request.
    pub nonce: Option<String>,
    /// When the person has signed in there, in seconds since 1970.
    pub auth_time_s: Option<u64>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedClaims<'a> {
    /// The provider's issuer, as it is configured.
    pub issuer: &'a str,
    /// Our `client_id` there.
    pub client: &'a str,
    /// The nonce of this sign-in.
    pub nonce: &'a str,
    /// Since when the person must have signed in there, in seconds since 1970, where that was asked for (`max_age`).
    pub signed_in_since_s: Option<u64>,
}

/// Why an ID token says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// `iss` is another.
    #[error("iss is not the configured issuer")]
    Issuer,
    /// `aud` does not name us.
    #[error("aud does not name our client_id")]
    Audience,
    /// `azp` is another, or is missing where there are several audiences.
    #[error("azp is not our client_id")]
    AuthorizedParty,
    /// It is over.
    #[error("it has expired")]
    Expired,
    /// It was made in the future, or long ago.
    #[error("iat is not of now: do the clocks differ?")]
    MadeAt,
    /// It is the answer to another sign-in.
    #[error("nonce is not that of this sign-in")]
    Nonce,
    /// The person has signed in there too long ago, or in the future, or it does not say when though it was asked.
    #[error("auth_time is not as late as max_age asks for, or is missing or in the future")]
    SignedInAt,
}

impl ProviderClaims {
    /// Checks them; the signature is checked by whoever has read them.
    ///
    /// # Errors
    /// The first that is not as it must be.
    pub fn check(&self, expected: &ExpectedClaims<'_>, now: Timestamp) -> Result<(), IdTokenFault> {
        if self.iss != expected.issuer {
            return Err(IdTokenFault::Issuer);
        }
        if !self.aud.iter().any(|aud| aud == expected.client) {
            return Err(IdTokenFault::Audience);
        }
        let is_ours = match &self.azp {
            Some(azp) => azp == expected.client,
            None => self.aud.len() == 1,
        };
        if !is_ours {
            return Err(IdTokenFault::AuthorizedParty);
        }
        let (now_s, differ_s) = (now.as_secs(), CLOCKS_DIFFER.as_secs());
        if now_s >= self.exp_s.saturating_add(differ_s) {
            return Err(IdTokenFault::Expired);
        }
        let is_of_now = self.iat_s <= now_s.saturating_add(differ_s)
            && now_s <= self.iat_s.saturating_add(AGE_MAX.as_secs()).saturating_add(differ_s);
        if !is_of_now {
            return Err(IdTokenFault::MadeAt);
        }
        if self.nonce.as_deref() != Some(expected.nonce) {
            return Err(IdTokenFault::Nonce);
        }
        let is_signed_in_then = match (self.auth_time_s, expected.signed_in_since_s) {
            (Some(at_s), since_s) => {
                at_s <= now_s.saturating_add(differ_s) && at_s.saturating_add(differ_s) >= since_s.unwrap_or(0)
            }
            (None, since_s) => since_s.is_none(),
        };
        if is_signed_in_then { Ok(()) } else { Err(IdTokenFault::SignedInAt) }
    }

    /// When the person has signed in there: if it does not say so, when it was made, and never after now.
    #[must_use]
    pub fn authenticated_at(&self, now: Timestamp) -> Timestamp {
        Timestamp::ZERO + Duration::from_secs(self.auth_time_s.unwrap_or(self.iat_s).min(now.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_700_000_000;
    const EXPECTED: ExpectedClaims<'_> =
        ExpectedClaims { issuer: "https://id.example", client: "trunkline", nonce: "n", signed_in_since_s: None };

    fn claims() -> ProviderClaims {
        ProviderClaims {
            iss: "https://id.example".to_owned(),
            aud: vec!["trunkline".to_owned()],
            azp: None,
            exp_s: NOW_S + 300,
            iat_s: NOW_S,
            nonce: Some("n".to_owned()),
            auth_time_s: None,
        }
    }

    fn check(claims: &ProviderClaims) -> Result<(), IdTokenFault> {
        claims.check(&EXPECTED, Timestamp::from_millis(NOW_S * 1_000))
    }

    #[test]
    fn every_claim_has_to_be_right() {
        assert_eq!(check(&claims()), Ok(()));
        let text = |text: &str| text.to_owned();
        for (wrong, fault) in [
            (ProviderClaims { iss: text("https://id.example/"), ..claims() }, IdTokenFault::Issuer),
            (ProviderClaims { aud: vec![text("other")], ..claims() }, IdTokenFault::Audience),
            (ProviderClaims { aud: Vec::new(), ..claims() }, IdTokenFault::Audience),
            (ProviderClaims { azp: Some(text("other")), ..claims() }, IdTokenFault::AuthorizedParty),
            (ProviderClaims { aud: vec![text("trunkline"), text("other")], ..claims() }, IdTokenFault::AuthorizedParty),
            (ProviderClaims { nonce: Some(text("m")), ..claims() }, IdTokenFault::Nonce),
            (ProviderClaims { nonce: None, ..claims() }, IdTokenFault::Nonce),
        ] {
            assert_eq!(check(&wrong), Err(fault));
        }
        let both = vec![text("other"), text("trunkline")];
        assert_eq!(check(&ProviderClaims { aud: both, azp: Some(text("trunkline")), ..claims() }), Ok(()));
    }

    #[test]
    fn it_says_when_the_person_has_signed_in_where_that_was_asked_for() {
        let now = Timestamp::from_millis(NOW_S * 1_000);
        let (good, wrong) = (Ok(()), Err(IdTokenFault::SignedInAt));
        for (auth_time_s, signed_in_since_s, expected, at_s) in [
            (None, None, good, NOW_S),
            (None, Some(0), wrong, NOW_S),
            (Some(5), None, good, 5),
            (Some(NOW_S - 100), Some(NOW_S - 100), good, NOW_S - 100),
            (Some(NOW_S - 160), Some(NOW_S - 100), good, NOW_S - 160),
            (Some(NOW_S - 161), Some(NOW_S - 100), wrong, NOW_S - 161),
            (Some(NOW_S + 60), None, good, NOW_S),
            (Some(NOW_S + 61), None, wrong, NOW_S),
            (Some(u64::MAX), Some(u64::MAX), wrong, NOW_S),
        ] {
            let claims = ProviderClaims { auth_time_s, ..claims() };
            let asked = ExpectedClaims { signed_in_since_s, ..EXPECTED };
            assert_eq!(claims.check(&asked, now), expected, "{auth_time_s:?} {signed_in_since_s:?}");
            assert_eq!(claims.authenticated_at(now).as_secs(), at_s);
        }
    }

    #[test]
    fn it_is_good_in_its_time_and_clocks_may_differ_by_a_minute() {
        for (exp_s, iat_s, expected) in [
            (NOW_S - 59, NOW_S - 300, Ok(())),
            (NOW_S - 60, NOW_S - 300, Err(IdTokenFault::Expired)),
            (NOW_S + 300, NOW_S + 60, Ok(())),
            (NOW_S + 300, NOW_S + 61, Err(IdTokenFault::MadeAt)),
            (NOW_S + 300, NOW_S - 660, Ok(())),
            (NOW_S + 300, NOW_S - 661, Err(IdTokenFault::MadeAt)),
            (u64::MAX, u64::MAX, Err(IdTokenFault::MadeAt)),
            (0, 0, Err(IdTokenFault::Expired)),
        ] {
            assert_eq!(check(&ProviderClaims { exp_s, iat_s, ..claims() }), expected, "{exp_s} {iat_s}");
        }
    }
}
