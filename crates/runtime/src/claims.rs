//! The claims of a caller token.

use std::time::Duration;

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audience::Audience;

/// The tenant of unbound tokens: those of roles and operators.
pub const ANY_TENANT: &str = "*";
/// The scope of the installation's own roles.
pub const ROLE_SCOPE: &str = "role";
/// What the subject of a role's own token begins with: `service/<role>/<node>`. Nobody else's does.
pub const SERVICE: &str = "service/";
/// Tolerated clock difference between machines.
const LEEWAY: Duration = Duration::from_secs(30);

/// Until when a token with that `exp` (in seconds) is accepted.
pub(crate) fn believed_until(exp: u64) -> Timestamp {
    Timestamp::from_millis(exp.saturating_mul(1_000)) + LEEWAY
}

/// The claims of a caller token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer.
    pub iss: String,
    /// The tenant, or `*`.
    pub tenant: String,
    /// The caller: `service/<role>/<node>` for a role, else `<kind>/<name>` as `operator/ann`.
    pub sub: String,
    /// Scopes, separated by blanks.
    pub scope: String,
    /// For whom it is: the APIs of a person or a program, the role that a role calls.
    pub aud: Audience,
    /// When it expires, in seconds since the Unix epoch.
    pub exp: u64,
    /// The DN that it is tied to; without one, the token is valid for every DN of its tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dn: Option<String>,
    /// Only with a DN: the only agent who may be logged in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The sign-in that it came from: all its tokens are revoked together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Its own id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// When it was issued, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<u64>,
    /// The client that it was issued to (RFC 9068 section 2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Whether it is for fewer APIs than its sign-in: its bearer may be one of those alone, and has no say over the sign-in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narrowed: bool,
}
