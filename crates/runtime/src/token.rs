//! Caller tokens: subject, tenant and scopes. JWT (RFC 7519) signed with ES256.
//!
//! A [`TokenIssuer`] signs for people and programs, a [`ServiceIssuer`] for the replicas of one role; every role verifies with a
//! [`TokenVerifier`], which holds public keys alone.

mod assertion;
mod issuer;
mod key;
mod key_set;
mod revoked;
mod ring;
mod service;
mod signing_key;
mod statement;
mod verifier;

pub use crate::audience::Audience;
pub use crate::claims::{ANY_TENANT, Claims, ROLE_SCOPE, SERVICE};
pub use assertion::{ASSERTION_TYPE, ShownAssertions};
pub use issuer::TokenIssuer;
pub use key::PublicJwk;
pub use key_set::{KeyOwner, KeySet};
pub use revoked::{Revocation, RevokedSet, WHOLE_TENANT};
pub use ring::KeyRing;
pub use service::ServiceIssuer;
pub use signing_key::SigningKey;
pub use statement::{KeyStatement, KeyStatements, ReadStatement, StatementFault, StatementReader};
pub use verifier::{Believed, TokenVerifier};

/// The issuer's name in tokens of an installation.
pub const ISSUER: &str = "trunkline";

/// `typ` of an access token of people and programs (RFC 9068 section 2.1), whoever issues it.
pub const ACCESS_TOKEN: &str = "at+jwt";
/// `typ` of an ID token, which libraries of clients expect so. It says who somebody is and gives no right: whoever is no role is believed
/// by an access token alone.
pub const ID_TOKEN: &str = "JWT";
/// `typ` of the tokens of roles. Their keys sign nothing else.
const SERVICE_TOKEN: &str = "JWT";

/// Why a token was refused, or none was issued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not signed by a key of this installation.
    #[error("the token is not signed by this installation")]
    Signature,
    /// It cannot be parsed.
    #[error("the token cannot be read")]
    Malformed,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is for another role, or for other APIs.
    #[error("the token is for {0:?}")]
    Audience(String),
    /// It was revoked, or its sign-in, or all that its subject had.
    #[error("the token was revoked")]
    Revoked,
    /// It is a token of this installation, but not one that gives access.
    #[error("the token is no access token")]
    Type,
    /// Its key is one of this installation, but not one for such a bearer.
    #[error("the token's key is not for its bearer")]
    Bearer,
    /// It is an assertion, and somebody has shown it before.
    #[error("the assertion was shown before")]
    ShownBefore,
    /// A role calls only where it has a connection.
    #[error("the role {0} has no connection to {1:?}")]
    NoConnection(&'static str, String),
    /// Our own key cannot be used.
    #[error("the signing key does not work")]
    Key,
}

#[cfg(test)]
mod tests;
