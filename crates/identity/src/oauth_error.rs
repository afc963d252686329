//! The errors of OAuth, by their names on the wire.

/// An error (RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core section 3.1.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// A parameter is missing, repeated or cannot be used.
    InvalidRequest,
    /// The client is unknown or has not proved itself.
    InvalidClient,
    /// The code, token or password is wrong, spent or someone else's.
    InvalidGrant,
    /// The client may not use this grant.
    UnauthorizedClient,
    /// The grant is not supported.
    UnsupportedGrantType,
    /// The response type is not supported.
    UnsupportedResponseType,
    /// No requested scope may be granted.
    InvalidScope,
    /// The requested resource is none, or nothing of the scope is for it (RFC 8707 section 2).
    InvalidTarget,
    /// The person has not yet said whether the device may (RFC 8628 section 3.5).
    AuthorizationPending,
    /// The same, and the device asks too often.
    SlowDown,
    /// Nobody has said in time whether the device may.
    ExpiredToken,
    /// The person has said that it may not.
    AccessDenied,
    /// `prompt=none`, and nobody is signed in.
    LoginRequired,
    /// The request comes as a signed object (OpenID Connect Core section 6.1).
    RequestNotSupported,
    /// The request is at another place (OpenID Connect Core section 6.2).
    RequestUriNotSupported,
    /// The server has too much to do.
    TemporarilyUnavailable,
}

impl ErrorCode {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::ExpiredToken => "expired_token",
            Self::AccessDenied => "access_denied",
            Self::LoginRequired => "login_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}
