//! Authorization requests (RFC 6749 section 4.1.1, OAuth 2.1, OpenID Connect Core section 3.1.2.1): which may go on, and which of their
//! errors may be sent on.

use crate::client::{ClientRules, GrantType};
use crate::oauth_error::ErrorCode;
use crate::pkce::{self, Challenge};
use crate::redirect_uri;

/// The longest `state`, in bytes: it is carried through the sign-in in URLs.
const STATE_BYTES_MAX: usize = 4_096;
/// The longest `nonce`, in bytes: it is carried in records.
const NONCE_BYTES_MAX: usize = 1_024;

/// The parameters of a request, each at most once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parameters<'a> {
    /// `response_type`
    pub response_type: Option<&'a str>,
    /// `response_mode`
    pub response_mode: Option<&'a str>,
    /// `redirect_uri`
    pub redirect_uri: Option<&'a str>,
    /// `scope`
    pub scope: Option<&'a str>,
    /// `state`
    pub state: Option<&'a str>,
    /// `nonce`
    pub nonce: Option<&'a str>,
    /// `code_challenge`
    pub code_challenge: Option<&'a str>,
    /// `code_challenge_method`
    pub code_challenge_method: Option<&'a str>,
    /// `prompt`
    pub prompt: Option<&'a str>,
    /// `request`
    pub request: Option<&'a str>,
    /// `request_uri`
    pub request_uri: Option<&'a str>,
}

/// A request that may go on once somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// Where the code goes.
    pub redirect_uri: String,
    /// Whether the request named it: then the redemption must, too (RFC 6749 section 4.1.3).
    pub names_redirect_uri: bool,
    /// The requested scope; none asks for all.
    pub scope: Option<String>,
    /// Handed back with the answer.
    pub state: Option<String>,
    /// Goes into the ID token.
    pub nonce: Option<String>,
    /// The challenge of PKCE.
    pub challenge: Option<Challenge>,
    /// Whether somebody who is signed in has to sign in again (`prompt=login`).
    pub signs_in_again: bool,
    /// Whether nobody may be asked anything (`prompt=none`).
    pub is_silent: bool,
}

/// Why a request does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationRefusal {
    /// It is shown to the person and sent nowhere: client or redirect URI are not known to be right (RFC 6749 section 4.1.2.1).
    Shown(&'static str),
    /// It is sent to the redirect URI.
    SentOn(SentOn),
}

/// An error for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentOn {
    /// Where to.
    pub redirect_uri: String,
    /// Its name.
    pub error: ErrorCode,
    /// What is wrong, for the client's developer.
    pub description: &'static str,
    /// The request's `state`.
    pub state: Option<String>,
}

/// Checks a request of that client; `None` if no client has the requested id.
///
/// # Errors
/// The first fault. Client and redirect URI are checked first: before both are right, nothing is sent anywhere.
pub fn check(
    client: Option<&ClientRules>,
    asked: &Parameters<'_>,
) -> Result<AuthorizationRequest, AuthorizationRefusal> {
    let Some(client) = client else {
        return Err(AuthorizationRefusal::Shown("no program is registered under that client_id"));
    };
    let redirect_uri = redirect_uri_of(client, asked.redirect_uri).map_err(AuthorizationRefusal::Shown)?;
    // Without its `state` a client could not tell for which of its requests the error is.
    if asked.state.is_some_and(|state| state.len() > STATE_BYTES_MAX) {
        return Err(AuthorizationRefusal::Shown("the state is longer than 4096 bytes"));
    }
    let state = asked.state.map(str::to_owned);
    let refuse = |error: ErrorCode, description: &'static str| {
        let (redirect_uri, state) = (redirect_uri.to_owned(), state.clone());
        Err(AuthorizationRefusal::SentOn(SentOn { redirect_uri, error, description, state }))
    };
    // What is in there might say otherwise than the parameters, and would be left out silently.
    if asked.request.is_some() {
        return refuse(ErrorCode::RequestNotSupported, "request objects are not supported");
    }
    if asked.request_uri.is_some() {
        return refuse(ErrorCode::RequestUriNotSupported, "request_uri is not supported");
    }
    match asked.response_type {
        Some("code") => {}
        Some(_) => return refuse(ErrorCode::UnsupportedResponseType, "only response_type=code is supported"),
        None => return refuse(ErrorCode::InvalidRequest, "response_type is missing"),
    }
    // The answer comes as a query: nobody waits in vain for it elsewhere.
    if asked.response_mode.is_some_and(|mode| mode != "query") {
        return refuse(ErrorCode::InvalidRequest, "only response_mode=query is supported");
    }
    if !client.may_use(GrantType::AuthorizationCode) {
        return refuse(ErrorCode::UnauthorizedClient, "the client may not use codes");
    }
    if asked.nonce.is_some_and(|nonce| nonce.len() > NONCE_BYTES_MAX) {
        return refuse(ErrorCode::InvalidRequest, "the nonce is longer than 1024 bytes");
    }
    let challenge = match challenge_of(client, asked) {
        Ok(challenge) => challenge,
        Err(description) => return refuse(ErrorCode::InvalidRequest, description),
    };
    let prompts: Vec<&str> = asked.prompt.unwrap_or_default().split_whitespace().collect();
    let is_silent = prompts.contains(&"none");
    if is_silent && prompts.len() > 1 {
        return refuse(ErrorCode::InvalidRequest, "prompt=none stands alone");
    }
    Ok(AuthorizationRequest {
        redirect_uri: redirect_uri.to_owned(),
        names_redirect_uri: asked.redirect_uri.is_some(),
        scope: asked.scope.map(str::to_owned),
        state,
        nonce: asked.nonce.map(str::to_owned),
        challenge,
        signs_in_again: prompts.contains(&"login"),
        is_silent,
    })
}

/// The redirect URI, as requested: it may differ from the registered one by a loopback's port.
fn redirect_uri_of<'a>(client: &'a ClientRules, asked: Option<&'a str>) -> Result<&'a str, &'static str> {
    match (asked, client.redirect_uris.as_slice()) {
        (Some(asked), registered) => match redirect_uri::find(registered, asked) {
            Some(_) if redirect_uri::fault(asked).is_none() => Ok(asked),
            _ => Err("the redirect_uri is not one that is registered for that program"),
        },
        (None, [only]) => Ok(only),
        (None, _) => Err("the redirect_uri is missing"),
    }
}

/// The challenge. Public clients must have one; those with a secret may (OAuth 2.1 section 7.5.2 lets their `nonce` do instead).
fn challenge_of(client: &ClientRules, asked: &Parameters<'_>) -> Result<Option<Challenge>, &'static str> {
    match (asked.code_challenge, asked.code_challenge_method) {
        (Some(challenge), Some(pkce::METHOD)) => {
            let challenge = Challenge::parse(challenge);
            challenge.map(Some).ok_or("code_challenge is not a SHA-256 in base64url without padding")
        }
        // Without a method, `plain` would be meant (RFC 7636 section 4.3).
        (Some(_), _) => Err("code_challenge_method must be S256"),
        (None, Some(_)) => Err("code_challenge is missing"),
        (None, None) if client.is_confidential => Ok(None),
        (None, None) => Err("a client without a secret needs a code_challenge (PKCE, S256)"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALLBACK: &str = "https://app.example/cb";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn client(is_confidential: bool) -> ClientRules {
        ClientRules {
            id: "app".to_owned(),
            is_confidential,
            grants: vec![GrantType::AuthorizationCode],
            redirect_uris: vec![CALLBACK.to_owned()],
            scopes: Vec::new(),
            bounds_people: false,
        }
    }

    fn good() -> Parameters<'static> {
        Parameters {
            response_type: Some("code"),
            redirect_uri: Some(CALLBACK),
            state: Some("af0if"),
            nonce: Some("n-0S6"),
            code_challenge: Some(CHALLENGE),
            code_challenge_method: Some("S256"),
            ..Parameters::default()
        }
    }

    fn error(client: &ClientRules, asked: &Parameters<'_>) -> ErrorCode {
        match check(Some(client), asked) {
            Err(AuthorizationRefusal::SentOn(sent)) => {
                assert_eq!((sent.redirect_uri.as_str(), sent.state.as_deref()), (CALLBACK, asked.state));
                sent.error
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_good_request_carries_state_nonce_and_challenge() {
        let request = check(Some(&client(false)), &good()).unwrap();
        assert_eq!((request.state.as_deref(), request.nonce.as_deref()), (Some("af0if"), Some("n-0S6")));
        assert_eq!(request.challenge, Challenge::parse(CHALLENGE));
        assert!(request.names_redirect_uri && !request.signs_in_again && !request.is_silent);
    }

    #[test]
    fn nothing_is_sent_on_before_client_and_redirect_uri_are_right() {
        let elsewhere = Parameters { redirect_uri: Some("https://evil.example/cb"), response_type: None, ..good() };
        assert!(matches!(check(Some(&client(true)), &elsewhere), Err(AuthorizationRefusal::Shown(_))));
        assert!(matches!(check(None, &good()), Err(AuthorizationRefusal::Shown(_))));
        let mut two = client(true);
        two.redirect_uris.push("https://app.example/other".to_owned());
        let unnamed = Parameters { redirect_uri: None, ..good() };
        assert!(matches!(check(Some(&two), &unnamed), Err(AuthorizationRefusal::Shown(_))));
        let only = check(Some(&client(true)), &unnamed).unwrap();
        assert_eq!((only.redirect_uri.as_str(), only.names_redirect_uri), (CALLBACK, false));
    }

    #[test]
    fn other_faults_are_sent_to_the_client() {
        let app = client(false);
        let token = Parameters { response_type: Some("token"), ..good() };
        assert_eq!(error(&app, &token), ErrorCode::UnsupportedResponseType);
        assert_eq!(error(&app, &Parameters { response_type: None, ..good() }), ErrorCode::InvalidRequest);
        assert_eq!(error(&app, &Parameters { prompt: Some("none login"), ..good() }), ErrorCode::InvalidRequest);
        assert_eq!(error(&app, &Parameters { request: Some("e.y.J"), ..good() }), ErrorCode::RequestNotSupported);
        let elsewhere = Parameters { request_uri: Some("https://app.example/r"), ..good() };
        assert_eq!(error(&app, &elsewhere), ErrorCode::RequestUriNotSupported);
        let form_post = Parameters { response_mode: Some("form_post"), ..good() };
        assert_eq!(error(&app, &form_post), ErrorCode::InvalidRequest);
        assert!(check(Some(&app), &Parameters { response_mode: Some("query"), ..good() }).is_ok());
        let long = "n".repeat(NONCE_BYTES_MAX + 1);
        assert_eq!(error(&app, &Parameters { nonce: Some(&long), ..good() }), ErrorCode::InvalidRequest);
        let mut robot = client(true);
        robot.grants = vec![GrantType::ClientCredentials];
        assert_eq!(error(&robot, &good()), ErrorCode::UnauthorizedClient);
    }

    #[test]
    fn an_error_goes_to_the_client_with_its_state_or_not_at_all() {
        let long = "s".repeat(STATE_BYTES_MAX + 1);
        for response_type in ["code", "token"] {
            let asked = Parameters { state: Some(&long), response_type: Some(response_type), ..good() };
            assert!(
                matches!(check(Some(&client(false)), &asked), Err(AuthorizationRefusal::Shown(_))),
                "{response_type}"
            );
        }
        let longest = &long[1..];
        let request = check(Some(&client(false)), &Parameters { state: Some(longest), ..good() }).unwrap();
        assert_eq!(request.state.as_deref(), Some(longest));
    }

    #[test]
    fn a_public_client_needs_pkce_with_s256_and_a_confidential_one_may_do_without() {
        let bare = Parameters { code_challenge: None, code_challenge_method: None, ..good() };
        assert_eq!(error(&client(false), &bare), ErrorCode::InvalidRequest);
        assert_eq!(check(Some(&client(true)), &bare).unwrap().challenge, None);
        for method in [None, Some("plain"), Some("s256")] {
            let plain = Parameters { code_challenge_method: method, ..good() };
            assert_eq!(error(&client(true), &plain), ErrorCode::InvalidRequest, "{method:?}");
        }
        let short = Parameters { code_challenge: Some("abc"), ..good() };
        assert_eq!(error(&client(true), &short), ErrorCode::InvalidRequest);
    }

    proptest! {
        #[test]
        fn whatever_is_asked_is_sent_to_a_registered_uri_alone(
            uri in proptest::option::of("(https?://)?[a-z.:/@]{0,24}"),
            response_type in proptest::option::of("(code|token)"),
            prompt in proptest::option::of("(none|login| ){0,3}"),
        ) {
            let asked = Parameters {
                redirect_uri: uri.as_deref(), response_type: response_type.as_deref(), prompt: prompt.as_deref(), ..good()
            };
            match check(Some(&client(true)), &asked) {
                Ok(request) => prop_assert_eq!(request.redirect_uri, CALLBACK),
                Err(AuthorizationRefusal::SentOn(sent)) => prop_assert_eq!(sent.redirect_uri, CALLBACK),
                Err(AuthorizationRefusal::Shown(_)) => prop_assert!(uri.is_some_and(|uri| uri != CALLBACK)),
            }
        }
    }
}
