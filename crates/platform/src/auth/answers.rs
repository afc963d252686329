//! Answers: the errors of the token endpoint (RFC 6749 section 5.2), the envelopes of the published API, redirects, and why nothing could
//! be decided.

use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::oauth_error::ErrorCode;
use infra::StoreError;
use serde_json::{Value, json};

/// Why nobody is signed in, whoever it is.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The store, or tenant, does not answer. Nobody is let in.
    Away,
    /// Too many hashes are being computed.
    Busy,
    /// The tenant's people come from other addresses.
    Elsewhere,
}

impl Trouble {
    /// Something that is needed does not answer; the reason goes to the log alone.
    pub fn away(what: &'static str, error: &dyn Display) -> Self {
        tracing::warn!(what, %error, "nobody can be signed in: something that is needed does not answer");
        Self::Away
    }

    /// In words.
    pub const fn text(&self) -> &'static str {
        match self {
            Self::Away => "not available now, try again in a moment",
            Self::Busy => "too many sign-ins at a time, try again in a moment",
            Self::Elsewhere => "nobody signs in from this address: the tenant lists others",
        }
    }

    /// Whether the same may be possible in a moment.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Away | Self::Busy => true,
            Self::Elsewhere => false,
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::away("store", &error)
    }
}

/// The wait that an overloaded server asks for, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// An error of the token endpoint and of those beside it.
#[derive(Debug)]
pub(super) struct OAuthError {
    status: StatusCode,
    error: ErrorCode,
    description: &'static str,
    retry_after_s: Option<u64>,
    /// Whether the client tried to authenticate by `Authorization`.
    is_basic: bool,
}

impl OAuthError {
    /// An error with its own status: 401 for a client that has not proved itself, else 400.
    pub const fn new(error: ErrorCode, description: &'static str) -> Self {
        let status = match error {
            ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, error, description, retry_after_s: None, is_basic: false }
    }

    /// Too many wrong passwords or secrets.
    pub fn wait(error: ErrorCode, wait: Duration) -> Self {
        let retry_after_s = Some(wait.as_secs().max(1));
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self { status, retry_after_s, ..Self::new(error, "too many attempts, wait before the next") }
    }

    /// A token is revoked, and the other roles cannot be told yet: the client has to ask again (RFC 7009 section 2.2.1).
    pub const fn untold() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let description = "the other services cannot be told of it yet: give the token back again in a moment";
        Self { status, retry_after_s: Some(RETRY_AFTER_S), ..Self::new(ErrorCode::TemporarilyUnavailable, description) }
    }

    /// Whether nothing was decided, and the client is to try the same again.
    pub fn is_temporary(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// Says by which scheme the client authenticates (RFC 6749 section 5.2: where it has tried that).
    pub const fn of_basic(self, is_basic: bool) -> Self {
        Self { is_basic, ..self }
    }
}

impl From<Trouble> for OAuthError {
    fn from(trouble: Trouble) -> Self {
        if !trouble.is_passing() {
            return Self::new(ErrorCode::InvalidGrant, trouble.text());
        }
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let retry_after_s = Some(RETRY_AFTER_S);
        Self { status, retry_after_s, ..Self::new(ErrorCode::TemporarilyUnavailable, trouble.text()) }
    }
}

impl From<StoreError> for OAuthError {
    fn from(error: StoreError) -> Self {
        Trouble::from(error).into()
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error.as_str(), "error_description": self.description });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED && self.is_basic {
            let challenge = HeaderValue::from_static("Basic realm=\"trunkline\", charset=\"UTF-8\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        not_stored(response)
    }
}

/// An answer with tokens or about them: no cache keeps it (RFC 6749 section 5.1).
pub(super) fn not_stored(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// `{status: {code: 0}, data?}`: done.
pub(super) fn done(data: Option<Value>) -> Response {
    let mut body = json!({ "status": { "code": 0 } });
    if let Some(data) = data {
        body["data"] = data;
    }
    not_stored(Json(body).into_response())
}

/// `{status: {code, message}}` with that status: refused.
pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    let body = json!({ "status": { "code": status.as_u16(), "message": message } });
    not_stored((status, Json(body)).into_response())
}

/// The refusal of a bearer token (RFC 6750 section 3).
pub(super) fn no_token(message: &str) -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, message);
    let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        if !self.is_passing() {
            return refused(StatusCode::FORBIDDEN, self.text());
        }
        let mut response = refused(StatusCode::SERVICE_UNAVAILABLE, self.text());
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_S.into());
        response
    }
}

/// A redirect. 303 makes a browser ask by GET, whatever it has just sent (RFC 9700 section 4.12).
pub(super) fn redirect(to: &str) -> Response {
    let Ok(location) = HeaderValue::from_str(to) else {
        return refused(StatusCode::BAD_REQUEST, "the address to go on to is not one");
    };
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    not_stored(response)
}

/// The URI with these parameters added to its query.
pub(super) fn with_query(uri: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    format!("{uri}{separator}{}", with_pairs(parameters))
}

/// These parameters as a form.
pub(super) fn with_pairs(parameters: &[(&str, Option<&str>)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = value {
            form.append_pair(name, value);
        }
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_failed_by_basic_is_told_so_and_no_cache_keeps_it() {
        let error = || OAuthError::new(ErrorCode::InvalidClient, "wrong");
        let by_basic = error().of_basic(true).into_response();
        assert_eq!(
            (by_basic.status(), by_basic.headers()[header::CACHE_CONTROL].as_bytes()),
            (StatusCode::UNAUTHORIZED, &b"no-store"[..])
        );
        assert!(by_basic.headers()[header::WWW_AUTHENTICATE].as_bytes().starts_with(b"Basic "));
        assert!(!error().into_response().headers().contains_key(header::WWW_AUTHENTICATE));
        let busy = OAuthError::from(Trouble::Busy).into_response();
        assert_eq!(
            (busy.status(), busy.headers()[header::RETRY_AFTER].as_bytes()),
            (StatusCode::SERVICE_UNAVAILABLE, &b"1"[..])
        );
    }

    #[test]
    fn who_comes_from_elsewhere_is_not_told_to_try_again() {
        let program = OAuthError::from(Trouble::Elsewhere);
        assert!(!program.is_temporary());
        for response in [program.into_response(), Trouble::Elsewhere.into_response()] {
            assert!(response.status().is_client_error() && !response.headers().contains_key(header::RETRY_AFTER));
        }
    }

    #[test]
    fn parameters_are_added_to_a_query_and_cannot_leave_it() {
        let uri = with_query("https://app.example/cb?x=1", &[("code", Some("a&b=c\r\n")), ("state", None)]);
        assert_eq!(uri, "https://app.example/cb?x=1&code=a%26b%3Dc%0D%0A");
    }
}
