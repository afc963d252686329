//! Who may sign in beside people: the programs that ask in their names or in their own.

use serde::{Deserialize, Serialize};

use super::Secret;

/// A way by which a client gets tokens (RFC 6749).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person signs in at our page, and the client exchanges the code that it gets (section 4.1), with PKCE (RFC 7636).
    AuthorizationCode,
    /// The client renews a token without the person (section 6).
    RefreshToken,
    /// The client acts in its own name (section 4.4).
    ClientCredentials,
    /// The client knows the person's password (section 4.3): for programs of the published interfaces that cannot do otherwise.
    Password,
    /// A device without a keyboard shows a code, which a person who is signed in elsewhere enters (RFC 8628).
    DeviceCode,
    /// The client says by an assertion for which person it asks (RFC 7523 section 2.1): the tenant believes it whomever it names.
    JwtBearer,
}

impl Grant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AuthorizationCode,
        Self::RefreshToken,
        Self::ClientCredentials,
        Self::Password,
        Self::DeviceCode,
        Self::JwtBearer,
    ];

    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 6] = [
        Self::AuthorizationCode.as_str(),
        Self::RefreshToken.as_str(),
        Self::ClientCredentials.as_str(),
        Self::Password.as_str(),
        Self::DeviceCode.as_str(),
        Self::JwtBearer.as_str(),
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
            Self::DeviceCode => "device_code",
            Self::JwtBearer => "jwt_bearer",
        }
    }

    /// Finds it by its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

/// The public keys of a client (RFC 7517 section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientKeySet {
    /// The keys.
    #[serde(default)]
    pub keys: Vec<ClientKey>,
}

/// A public key of a client (RFC 7517 section 4), which verifies its assertions. There is no place for the private parts of a key. Numbers
/// are in base64url without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientKey {
    /// Its kind: `EC`, `OKP` or `RSA`.
    pub kty: String,
    /// The curve: `P-256` of `EC`, `Ed25519` of `OKP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The first coordinate of `EC`, the key of `OKP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The second coordinate of `EC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The modulus of `RSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// The exponent of `RSA`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Its name, which assertions say in their heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The only algorithm by which it signs; without it each of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    /// What it is for: `sig`.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
}

/// A program that gets tokens: a page, a desktop, an integration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthClient {
    /// Its `client_id`; unique in the tenant, without regard to case.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Its secret as an Argon2id hash in PHC form; none for a client with keys, and for a public one, which cannot keep one.
    #[serde(default)]
    pub secret: Option<Secret>,
    /// The keys that verify its assertions, in the place of a secret (RFC 7523 section 2.2).
    #[serde(default)]
    pub jwks: Option<ClientKeySet>,
    /// How it may get tokens.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Where people who have signed in are sent back to; compared as they are (RFC 9700 section 2.1).
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The scopes that it may ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where it is told that a sign-in has ended (OpenID Connect Back-Channel Logout 1.0).
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// Its page that a browser loads when somebody signs out there (OpenID Connect Front-Channel Logout 1.0).
    #[serde(default)]
    pub frontchannel_logout_uri: Option<String>,
    /// Whether that page is told whose session has ended (`iss`, `sid`); none: it is.
    #[serde(default)]
    pub frontchannel_logout_session_required: Option<bool>,
}

impl OAuthClient {
    /// Whether it has nothing to prove itself with.
    pub const fn is_public(&self) -> bool {
        self.secret.is_none() && self.jwks.is_none()
    }
}
