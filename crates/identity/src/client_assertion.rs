//! Assertions: tokens that a client signs with a key of its own. By one it proves itself (RFC 7523 section 2.2, OpenID Connect Core
//! section 9: `private_key_jwt`), by another it says for whom it asks (RFC 7523 section 2.1). Each is good once and for a short time. The
//! signature is checked by whoever has read the claims.

use std::time::Duration;

use model::Timestamp;

/// How far ahead `exp` may be.
pub const LIFE_MAX: Duration = Duration::from_secs(300);
/// By how much the client's clock and ours may differ.
pub const CLOCKS_DIFFER: Duration = Duration::from_secs(60);
/// The longest `jti`, in bytes.
pub const ID_BYTES_MAX: usize = 256;
/// The most assertions of a client that are taken in [`RATE_WINDOW`]: each is remembered until it is over.
pub const RATE_MAX: u32 = 1_200;
/// The time in which they are counted.
pub const RATE_WINDOW: Duration = Duration::from_secs(60);

/// What a client shows an assertion for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssertionUse {
    /// To prove itself: it is about the client.
    ClientProof,
    /// To get a token for a person, whom it is about.
    Grant,
}

impl AssertionUse {
    /// Whether an assertion that says that it is of that kind (`typ`) is for this, or says nothing of it. Other tokens of the same key are
    /// none (RFC 8725 section 3.11).
    pub fn is_of_type(self, typ: Option<&str>) -> bool {
        let own = match self {
            Self::ClientProof => "client-authentication+jwt",
            Self::Grant => "authorization-grant+jwt",
        };
        typ.is_none_or(|typ| {
            let typ = typ.to_ascii_lowercase();
            // RFC 7515 section 4.1.9: the beginning may be left out.
            ["jwt", own].contains(&typ.strip_prefix("application/").unwrap_or(&typ))
        })
    }
}

/// The claims that are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionClaims {
    /// Who has made it.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// For whom it was made.
    pub aud: Vec<String>,
    /// Until when it is good, in seconds since 1970.
    pub exp_s: u64,
    /// From when on it is good, in seconds since 1970.
    pub nbf_s: Option<u64>,
    /// When it was made, in seconds since 1970.
    pub iat_s: Option<u64>,
    /// Its own name, by which it is good once.
    pub jti: String,
}

/// What an assertion must say.
#[derive(Clone, Copy, Debug)]
pub struct ExpectedAssertion<'a> {
    /// What it is for.
    pub purpose: AssertionUse,
    /// The names of the client. `iss` must be one of them.
    pub client: &'a [&'a str],
    /// Our names. `aud` must have one at least, and no other: what is for others too could be shown by them.
    pub audiences: &'a [&'a str],
}

/// Why an assertion proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionFault {
    /// `iss` is another.
    #[error("iss is not the client")]
    Issuer,
    /// `sub` is not the client, though it is to prove itself.
    #[error("sub is not iss")]
    Subject,
    /// `sub` is the client, though it asks for a person: whoever saw how it has proved itself could ask so.
    #[error("sub is iss: it says that the client proves itself, not for whom it asks")]
    AboutItself,
    /// `aud` is another, or names others too.
    #[error("aud is neither the issuer nor the token endpoint, or names others too")]
    Audience,
    /// It is over.
    #[error("it has expired")]
    Expired,
    /// It is good for too long.
    #[error("exp is more than 5 minutes ahead")]
    TooLong,
    /// It is of the future.
    #[error("nbf or iat is in the future: do the clocks differ?")]
    TooEarly,
    /// `jti` is empty or too long.
    #[error("jti has not 1 to {ID_BYTES_MAX} bytes")]
    Id,
}

impl AssertionClaims {
    /// Checks them. Returns until when `jti` has to be remembered: from then on the assertion is over by any clock.
    ///
    /// # Errors
    /// The first that is not as it must be.
    pub fn check(&self, expected: &ExpectedAssertion<'_>, now: Timestamp) -> Result<Timestamp, AssertionFault> {
        if !expected.client.contains(&self.iss.as_str()) {
            return Err(AssertionFault::Issuer);
        }
        match (expected.purpose, self.sub == self.iss) {
            (AssertionUse::ClientProof, false) => return Err(AssertionFault::Subject),
            (AssertionUse::Grant, true) => return Err(AssertionFault::AboutItself),
            (AssertionUse::ClientProof, true) | (AssertionUse::Grant, false) => {}
        }
        let is_ours = |aud: &String| expected.audiences.contains(&aud.as_str());
        if self.aud.is_empty() || !self.aud.iter().all(is_ours) {
            return Err(AssertionFault::Audience);
        }
        let (now_s, differ_s) = (now.as_secs(), CLOCKS_DIFFER.as_secs());
        if now_s >= self.exp_s.saturating_add(differ_s) {
            return Err(AssertionFault::Expired);
        }
        if self.exp_s > now_s.saturating_add(LIFE_MAX.as_secs()).saturating_add(differ_s) {
            return Err(AssertionFault::TooLong);
        }
        let is_of_future = |at_s: &u64| *at_s > now_s.saturating_add(differ_s);
        if self.nbf_s.iter().chain(&self.iat_s).any(is_of_future) {
            return Err(AssertionFault::TooEarly);
        }
        if !(1..=ID_BYTES_MAX).contains(&self.jti.len()) {
            return Err(AssertionFault::Id);
        }
        Ok(Timestamp::ZERO + Duration::from_secs(self.exp_s.saturating_add(differ_s)))
    }
}

/// How many assertions of a client were taken lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AssertionRate {
    taken: u32,
    since: Timestamp,
}

impl AssertionRate {
    /// One more.
    ///
    /// # Errors
    /// How long none is taken.
    pub fn take(self, now: Timestamp) -> Result<Self, Duration> {
        if self.is_over(now) {
            return Ok(Self { taken: 1, since: now });
        }
        if self.taken >= RATE_MAX {
            return Err((self.since + RATE_WINDOW).since(now));
        }
        Ok(Self { taken: self.taken + 1, since: self.since })
    }

    /// Whether it says nothing any more.
    pub fn is_over(self, now: Timestamp) -> bool {
        self.taken == 0 || now.since(self.since) >= RATE_WINDOW
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: u64 = 1_700_000_000;
    const EXPECTED: ExpectedAssertion<'_> = ExpectedAssertion {
        purpose: AssertionUse::ClientProof,
        client: &["acme/desk", "desk"],
        audiences: &["https://centre.example/auth/v3", "https://centre.example/auth/v3/oauth/token"],
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn claims() -> AssertionClaims {
        AssertionClaims {
            iss: "desk".to_owned(),
            sub: "desk".to_owned(),
            aud: vec!["https://centre.example/auth/v3".to_owned()],
            exp_s: NOW_S + 60,
            nbf_s: None,
            iat_s: None,
            jti: "j".to_owned(),
        }
    }

    fn check(claims: &AssertionClaims) -> Result<Timestamp, AssertionFault> {
        claims.check(&EXPECTED, at(NOW_S))
    }

    #[test]
    fn every_claim_has_to_be_right() {
        assert_eq!(check(&claims()), Ok(at(NOW_S + 120)));
        let text = |text: &str| text.to_owned();
        let own = || text("https://centre.example/auth/v3/oauth/token");
        let named = AssertionClaims { iss: text("acme/desk"), sub: text("acme/desk"), aud: vec![own()], ..claims() };
        assert!(check(&named).is_ok());
        for (wrong, fault) in [
            (AssertionClaims { iss: text("other"), sub: text("other"), ..claims() }, AssertionFault::Issuer),
            (AssertionClaims { iss: text("Desk"), sub: text("Desk"), ..claims() }, AssertionFault::Issuer),
            (AssertionClaims { sub: text("acme/desk"), ..claims() }, AssertionFault::Subject),
            (AssertionClaims { aud: Vec::new(), ..claims() }, AssertionFault::Audience),
            (AssertionClaims { aud: vec![text("https://centre.example")], ..claims() }, AssertionFault::Audience),
            (AssertionClaims { aud: vec![own(), text("https://other.example")], ..claims() }, AssertionFault::Audience),
            (AssertionClaims { jti: String::new(), ..claims() }, AssertionFault::Id),
            (AssertionClaims { jti: "j".repeat(ID_BYTES_MAX + 1), ..claims() }, AssertionFault::Id),
        ] {
            assert_eq!(check(&wrong), Err(fault), "{wrong:?}");
        }
    }

    #[test]
    fn a_client_asks_for_others_and_proves_itself() {
        let of_grant = ExpectedAssertion { purpose: AssertionUse::Grant, ..EXPECTED };
        let about = |sub: &str| AssertionClaims { sub: sub.to_owned(), ..claims() };
        assert!(about("ann").check(&of_grant, at(NOW_S)).is_ok());
        assert_eq!(about("desk").check(&of_grant, at(NOW_S)), Err(AssertionFault::AboutItself));
        assert_eq!(about("ann").check(&EXPECTED, at(NOW_S)), Err(AssertionFault::Subject));
        for (typ, of_proof, of_grant) in [
            (None, true, true),
            (Some("JWT"), true, true),
            (Some("application/jwt"), true, true),
            (Some("client-authentication+jwt"), true, false),
            (Some("application/authorization-grant+JWT"), false, true),
            (Some("at+jwt"), false, false),
            (Some("application/application/jwt"), false, false),
            (Some(""), false, false),
        ] {
            assert_eq!(AssertionUse::ClientProof.is_of_type(typ), of_proof, "{typ:?}");
            assert_eq!(AssertionUse::Grant.is_of_type(typ), of_grant, "{typ:?}");
        }
    }

    #[test]
    fn it_is_good_in_its_time_which_is_short_and_clocks_may_differ_by_a_minute() {
        for (exp_s, nbf_s, iat_s, expected) in [
            (NOW_S - 59, None, None, Ok(())),
            (NOW_S - 60, None, None, Err(AssertionFault::Expired)),
            (NOW_S + 360, None, None, Ok(())),
            (NOW_S + 361, None, None, Err(AssertionFault::TooLong)),
            (u64::MAX, None, None, Err(AssertionFault::TooLong)),
            (0, None, None, Err(AssertionFault::Expired)),
            (NOW_S + 60, Some(NOW_S + 60), Some(NOW_S + 60), Ok(())),
            (NOW_S + 60, Some(NOW_S + 61), None, Err(AssertionFault::TooEarly)),
            (NOW_S + 60, None, Some(u64::MAX), Err(AssertionFault::TooEarly)),
        ] {
            let claims = AssertionClaims { exp_s, nbf_s, iat_s, ..claims() };
            assert_eq!(check(&claims).map(drop), expected, "{exp_s} {nbf_s:?} {iat_s:?}");
        }
    }

    #[test]
    fn a_client_shows_so_many_in_a_minute() {
        let mut rate = AssertionRate::default();
        for _ in 0..RATE_MAX {
            rate = rate.take(at(NOW_S)).unwrap();
        }
        assert_eq!(rate.take(at(NOW_S + 20)), Err(Duration::from_secs(40)));
        assert!(!rate.is_over(at(NOW_S + 59)) && rate.is_over(at(NOW_S + 60)));
        assert!(rate.take(at(NOW_S + 60)).is_ok());
    }

    proptest! {
        /// Whoever remembers `jti` for as long as it says takes no assertion twice.
        #[test]
        fn an_assertion_is_over_when_it_is_forgotten(ahead_s in 0_u64..500, later_s in 0_u64..1_000) {
            let claims = AssertionClaims { exp_s: NOW_S + ahead_s, ..claims() };
            if let Ok(until) = check(&claims) {
                prop_assert!(until <= at(NOW_S) + LIFE_MAX + CLOCKS_DIFFER + CLOCKS_DIFFER);
                let later = claims.check(&EXPECTED, at(NOW_S + later_s));
                prop_assert!(later.is_err() || at(NOW_S + later_s) < until);
            }
        }

        #[test]
        fn nobody_shows_more_than_two_windows_hold(pauses in proptest::collection::vec(0_u64..200, 1..6_000)) {
            let (mut rate, mut now_ms, mut taken) = (AssertionRate::default(), NOW_S * 1_000, 0_u64);
            for pause in pauses {
                now_ms += pause;
                if let Ok(next) = rate.take(Timestamp::from_millis(now_ms)) {
                    (rate, taken) = (next, taken + 1);
                }
            }
            let windows = (now_ms - NOW_S * 1_000) / 60_000 + 1;
            prop_assert!(taken <= windows * u64::from(RATE_MAX));
        }
    }
}
