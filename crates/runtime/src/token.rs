//! Caller tokens: subject, tenant and scopes. JWT (RFC 7519) signed with ES256.

mod key;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use infra::Clock;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{TenantId, Timestamp};
use serde::Serialize;

use crate::caller::{Caller, Tie};
use crate::claims::believed_until;
pub use crate::claims::{ANY_TENANT, Claims, ROLE_SCOPE};
pub use key::PublicJwk;

/// The issuer's name in tokens of an installation.
pub const ISSUER: &str = "trunkline";
/// The audience "every role of this installation".
pub const EVERY_ROLE: &str = "trunkline";

/// `typ` of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN: &str = "at+jwt";
/// `typ` of an ID token: it says who somebody is and gives no right, so that nobody takes it for an access token.
pub const ID_TOKEN: &str = "id+jwt";
/// `typ` of the tokens that `trunkline token` and the roles issue.
const ANY_JWT: &str = "JWT";

/// Lifetime of a role's own token; it is renewed after half of it.
const ROLE_TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Longer tokens are refused before anything is parsed: ours have about 400 bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

/// Maximum of cached verified tokens, so that a busy caller costs one signature check; about 1 MB.
const VERIFIED_MAX: usize = 2_048;

/// Why a token was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not signed by this installation.
    #[error("the token is not signed by this installation")]
    Signature,
    /// It cannot be parsed.
    #[error("the token cannot be read")]
    Malformed,
    /// It has expired.
    #[error("the token has expired")]
    Expired,
    /// It is for another role.
    #[error("the token is for {0:?}")]
    Audience(String),
    /// It is a token of this installation, but not one that gives access.
    #[error("the token is no access token")]
    Type,
    /// Our own key cannot be used.
    #[error("the signing key does not work")]
    Key,
}

/// Issues and verifies the tokens of an installation.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
    /// The public issuer, where one is known.
    issuer: Option<Arc<str>>,
}

struct Inner {
    encoding: EncodingKey,
    decoding: DecodingKey,
    jwk: PublicJwk,
    clock: Arc<dyn Clock>,
    verified: Mutex<HashMap<String, Claims>>,
    own: Mutex<HashMap<Route, OwnToken>>,
}

/// Role, node and audience.
type Route = (String, String, String);
/// A token and the time of its renewal.
type OwnToken = (String, Timestamp);

impl Tokens {
    /// A new signing key, as PKCS#8.
    pub fn new_key() -> Result<Vec<u8>, TokenError> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        key.map(|key| key.as_ref().to_vec()).map_err(|_| TokenError::Key)
    }

    /// Uses that key (PKCS#8).
    pub fn with_key(pkcs8: &[u8], clock: Arc<dyn Clock>) -> Result<Self, TokenError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| TokenError::Key)?;
        let inner = Inner {
            encoding: EncodingKey::from_ec_der(pkcs8),
            decoding: DecodingKey::from_ec_der(pair.public_key().as_ref()),
            jwk: PublicJwk::of(pair.public_key().as_ref()).ok_or(TokenError::Key)?,
            clock,
            verified: Mutex::default(),
            own: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner), issuer: None })
    }

    /// The same under a public issuer: tokens that name it in `iss` are accepted too.
    #[must_use]
    pub fn of_issuer(self, issuer: &str) -> Self {
        Self { issuer: Some(issuer.into()), ..self }
    }

    /// The issuer that tokens of people and programs name: the public one, if one is configured.
    pub fn issuer(&self) -> &str {
        self.issuer.as_deref().unwrap_or(ISSUER)
    }

    /// The key that verifies, for those outside.
    pub fn public_jwk(&self) -> &PublicJwk {
        &self.inner.jwk
    }

    /// Signs claims as a token of that type, [`ACCESS_TOKEN`] or [`ID_TOKEN`].
    pub fn sign<T: Serialize>(&self, claims: &T, typ: &str) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.inner.jwk.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.inner.encoding).map_err(|_| TokenError::Key)
    }

    /// Issues a token with that lifetime. `tenant` `None` means any.
    pub fn issue(
        &self,
        tenant: Option<&TenantId>,
        sub: &str,
        scope: &str,
        aud: &str,
        life: Duration,
    ) -> Result<String, TokenError> {
        self.issue_tied(tenant, None, sub, scope, aud, life)
    }

    /// As [`Self::issue`], tied to a DN where one is given.
    pub fn issue_tied(
        &self,
        tenant: Option<&TenantId>,
        tie: Option<&Tie>,
        sub: &str,
        scope: &str,
        aud: &str,
        life: Duration,
    ) -> Result<String, TokenError> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            tenant: tenant.map_or(ANY_TENANT, TenantId::as_str).to_owned(),
            sub: sub.to_owned(),
            scope: scope.to_owned(),
            aud: aud.to_owned(),
            exp: (self.inner.clock.now() + life).as_secs(),
            dn: tie.map(|tie| tie.dn.to_string()),
            agent: tie.and_then(|tie| Some(tie.agent.as_ref()?.to_string())),
            ..Claims::default()
        };
        self.sign(&claims, ANY_JWT)
    }

    /// The token with which `node` of `role` calls the role `aud`; cached and renewed.
    pub fn of_role(&self, role: &str, node: &str, aud: &str) -> Result<String, TokenError> {
        let now = self.inner.clock.now();
        let key = (role.to_owned(), node.to_owned(), aud.to_owned());
        let mut own = self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, renew)) = own.get(&key)
            && now < *renew
        {
            return Ok(token.clone());
        }
        let token = self.issue(None, &format!("{role}/{node}"), ROLE_SCOPE, aud, ROLE_TOKEN_LIFE)?;
        // Bounded by the table of roles: role, node and audience are all our own.
        own.insert(key, (token.clone(), now + ROLE_TOKEN_LIFE / 2));
        Ok(token)
    }

    /// Verifies a token that was presented to the role `aud`.
    pub fn verify(&self, token: &str, aud: &str) -> Result<Caller, TokenError> {
        Caller::from_claims(self.verified_claims(token, aud)?).ok_or(TokenError::Malformed)
    }

    /// The claims of a token that was presented to the role `aud`.
    pub fn verified_claims(&self, token: &str, aud: &str) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let claims = self.signed_claims(token)?;
        if self.inner.clock.now() > believed_until(claims.exp) {
            return Err(TokenError::Expired);
        }
        if claims.aud != aud && claims.aud != EVERY_ROLE {
            return Err(TokenError::Audience(claims.aud));
        }
        Ok(claims)
    }

    fn signed_claims(&self, token: &str) -> Result<Claims, TokenError> {
        let remembered = self.lock_verified().get(token).cloned();
        if let Some(claims) = remembered {
            return Ok(claims);
        }
        let mut rules = Validation::new(Algorithm::ES256);
        // We check expiry ourselves with the injected clock, and accept two audiences.
        rules.validate_exp = false;
        rules.validate_aud = false;
        let issuers: Vec<&str> = [ISSUER].into_iter().chain(self.issuer.as_deref()).collect();
        rules.set_issuer(&issuers);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let read = jsonwebtoken::decode::<serde_json::Value>(token, &self.inner.decoding, &rules);
        let (header, claims) = read.map(|data| (data.header, data.claims)).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        })?;
        if header.kid.is_some_and(|kid| kid != self.inner.jwk.kid) {
            return Err(TokenError::Signature);
        }
        // RFC 9068 section 4, RFC 8725 section 3.11. Before the claims are read: those of an ID token are others.
        if !header.typ.as_deref().is_none_or(|typ| [ACCESS_TOKEN, ANY_JWT].contains(&typ)) {
            return Err(TokenError::Type);
        }
        let claims: Claims = serde_json::from_value(claims).map_err(|_| TokenError::Malformed)?;
        let mut verified = self.lock_verified();
        if verified.len() >= VERIFIED_MAX {
            // Rare; the cost is one signature check per active caller.
            verified.clear();
        }
        verified.insert(token.to_owned(), claims.clone());
        Ok(claims)
    }

    fn lock_verified(&self) -> std::sync::MutexGuard<'_, HashMap<String, Claims>> {
        self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
