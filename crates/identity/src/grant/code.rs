//! Authorization codes: bound to the client, the redirect URI and the challenge that they were asked for with, and good for once.

use std::time::Duration;

use model::Timestamp;

use crate::pkce::Challenge;
use crate::secret::Digest;

/// How long a code may be redeemed (RFC 6749 section 4.1.2: ten minutes at most).
pub const LIFE: Duration = Duration::from_secs(60);

/// How long a spent code is remembered: whoever shows it again ends what it gave.
pub const SPENT_KEPT: Duration = Duration::from_secs(600);

/// A code as it is kept; its key is the digest of what was handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The client that asked for it.
    pub client: String,
    /// Where it was sent.
    pub redirect_uri: String,
    /// Whether the request named that.
    pub names_redirect_uri: bool,
    /// The challenge of the request.
    pub challenge: Option<Challenge>,
    /// The person: the user name.
    pub user: String,
    /// The digest of the hash of the person's password at the sign-in: with another one, it gives nothing.
    pub credential: Digest,
    /// The granted scope, blanks between.
    pub scope: String,
    /// Goes into the ID token.
    pub nonce: Option<String>,
    /// When the person showed the password.
    pub authenticated_at: Timestamp,
    /// Whether the person showed a second factor too.
    pub by_two_factors: bool,
    /// Whether a provider or a passkey has said who the person is, in the place of the password.
    pub by_provider_or_passkey: bool,
    /// The browser's session that it came from.
    pub session: String,
    /// The id of the sign-in: `sid` of all tokens that come of it.
    pub sign_in: String,
    /// Until when it may be redeemed.
    pub until: Timestamp,
}

/// What the client shows besides the code.
#[derive(Clone, Copy, Debug)]
pub struct Redemption<'a> {
    /// The client, which has proved itself where it has a secret.
    pub client: &'a str,
    /// `redirect_uri`
    pub redirect_uri: Option<&'a str>,
    /// `code_verifier`
    pub verifier: Option<&'a str>,
}

/// Why a code gives nothing. The client hears `invalid_grant` for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeFault {
    /// It is too old.
    #[error("the code has expired")]
    Expired,
    /// It was given to another client.
    #[error("the code was given to another client")]
    OtherClient,
    /// `redirect_uri` is not that of the request.
    #[error("redirect_uri is not that of the authorization request")]
    OtherRedirectUri,
    /// `code_verifier` is missing, wrong, or there was no challenge that it could meet.
    #[error("code_verifier does not belong to the code_challenge of the authorization request")]
    Verifier,
}

impl Code {
    /// When it was handed out: its person may have been authenticated long before.
    pub fn begun_at(&self) -> Timestamp {
        self.until - LIFE
    }

    /// Checks a redemption. That it is the first one is checked by whoever keeps the code.
    ///
    /// # Errors
    /// Why the code gives nothing.
    pub fn check(&self, shown: &Redemption<'_>, now: Timestamp) -> Result<(), CodeFault> {
        if self.client != shown.client {
            return Err(CodeFault::OtherClient);
        }
        if now >= self.until {
            return Err(CodeFault::Expired);
        }
        let is_that_uri = match shown.redirect_uri {
            Some(uri) => uri == self.redirect_uri,
            None => !self.names_redirect_uri,
        };
        if !is_that_uri {
            return Err(CodeFault::OtherRedirectUri);
        }
        match (&self.challenge, shown.verifier) {
            (Some(challenge), Some(verifier)) if challenge.is_met_by(verifier) => Ok(()),
            (None, None) => Ok(()),
            // A verifier without a challenge: the request was made by somebody else (RFC 9700 section 2.1.1).
            _ => Err(CodeFault::Verifier),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const URI: &str = "https://app.example/cb";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn code(has_challenge: bool, names_redirect_uri: bool) -> Code {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        Code {
            client: "app".to_owned(),
            redirect_uri: URI.to_owned(),
            names_redirect_uri,
            challenge: challenge.filter(|_| has_challenge),
            user: "ann".to_owned(),
            credential: Digest::of("hash"),
            scope: "openid".to_owned(),
            nonce: None,
            authenticated_at: at(90),
            by_two_factors: false,
            by_provider_or_passkey: false,
            session: "s".to_owned(),
            sign_in: "i".to_owned(),
            until: at(100) + LIFE,
        }
    }

    fn shown() -> Redemption<'static> {
        Redemption { client: "app", redirect_uri: Some(URI), verifier: Some(VERIFIER) }
    }

    #[test]
    fn a_code_is_bound_to_client_redirect_uri_and_challenge() {
        let code = code(true, true);
        assert_eq!(code.check(&shown(), at(120)), Ok(()));
        for (shown, fault) in [
            (Redemption { client: "other", ..shown() }, CodeFault::OtherClient),
            (Redemption { redirect_uri: None, ..shown() }, CodeFault::OtherRedirectUri),
            (Redemption { redirect_uri: Some("https://app.example/cb2"), ..shown() }, CodeFault::OtherRedirectUri),
            (Redemption { verifier: None, ..shown() }, CodeFault::Verifier),
            (
                Redemption { verifier: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), ..shown() },
                CodeFault::Verifier,
            ),
        ] {
            assert_eq!(code.check(&shown, at(120)), Err(fault));
        }
        assert_eq!(code.check(&shown(), at(160)), Err(CodeFault::Expired));
    }

    #[test]
    fn a_verifier_for_a_request_without_a_challenge_is_refused() {
        let bare = code(false, false);
        assert_eq!(bare.check(&shown(), at(101)), Err(CodeFault::Verifier));
        let without = Redemption { redirect_uri: None, verifier: None, ..shown() };
        assert_eq!(bare.check(&without, at(101)), Ok(()));
    }

    proptest! {
        #[test]
        fn nothing_but_what_was_asked_with_redeems(
            client in "(app|other|)", uri in proptest::option::of("https://app.example/cb.?"),
            verifier in proptest::option::of("(dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk|[a-z]{43})"),
            has_challenge: bool, names: bool, later in 0_u64..200,
        ) {
            let shown = Redemption { client: &client, redirect_uri: uri.as_deref(), verifier: verifier.as_deref() };
            let is_right = client == "app"
                && uri.as_deref().map_or(!names, |uri| uri == URI)
                && verifier.as_deref() == has_challenge.then_some(VERIFIER)
                && later < LIFE.as_secs();
            prop_assert_eq!(code(has_challenge, names).check(&shown, at(100 + later)).is_ok(), is_right);
        }
    }
}
