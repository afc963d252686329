//! Verifies tokens with public keys alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra::Clock;
use jsonwebtoken::{Algorithm, Validation};
use model::Timestamp;
use serde_json::Value;
use tokio::sync::watch;

use super::issuer::TokenIssuer;
use super::key_set::{KeyOwner, KeySet};
use super::revoked::RevokedSet;
use super::service::{self, ServiceIssuer};
use super::{ACCESS_TOKEN, ID_TOKEN, ISSUER, SERVICE_TOKEN, TokenError};
use crate::api_family::ApiFamily;
use crate::caller::Caller;
use crate::claims::{Claims, ROLE_SCOPE, SERVICE, believed_until};
use crate::spec::RoleSpec;

/// Longer tokens are refused before anything is parsed: ours have about 400 bytes.
const TOKEN_BYTES_MAX: usize = 4_096;
/// The same of ID tokens, which have what the person has told of itself.
const ID_TOKEN_BYTES_MAX: usize = 8_192;
/// Maximum of cached verified tokens, so that a busy caller costs one signature check; about 1 MB.
const VERIFIED_MAX: usize = 2_048;

/// By what an installation's verifiers judge; it changes while they run.
#[derive(Clone, Default)]
pub struct Believed {
    /// The keys.
    pub keys: KeySet,
    /// What was revoked.
    pub revoked: RevokedSet,
}

/// Verifies the tokens of an installation. Cheap to clone.
#[derive(Clone)]
pub struct TokenVerifier {
    inner: Arc<VerifierState>,
    /// The public issuer, where one is known.
    issuer: Option<Arc<str>>,
}

struct VerifierState {
    believed: watch::Receiver<Believed>,
    table: Vec<&'static RoleSpec>,
    clock: Arc<dyn Clock>,
    verified: Mutex<HashMap<String, Verified>>,
}

/// What somebody has signed whose key is known.
pub(super) struct SignedClaims {
    pub claims: Value,
    pub kid: String,
    pub typ: Option<String>,
    pub owner: KeyOwner,
}

/// A token whose signature is right and whose claims are those of its key's owner.
#[derive(Clone)]
struct Verified {
    claims: Claims,
    kid: String,
}

impl TokenVerifier {
    /// Verifies for the roles of that table by what is believed at the time.
    pub fn new(believed: watch::Receiver<Believed>, table: &[&'static RoleSpec], clock: Arc<dyn Clock>) -> Self {
        let inner = VerifierState { believed, table: table.to_vec(), clock, verified: Mutex::default() };
        Self { inner: Arc::new(inner), issuer: None }
    }

    /// Believes those alone: for tests of roles.
    pub fn of(issuer: &TokenIssuer, services: &[&ServiceIssuer]) -> Self {
        let mut keys = KeySet::default();
        for (jwk, until) in issuer.public_keys() {
            keys.add(&jwk, KeyOwner::Issuer, until);
        }
        for service in services {
            keys.add(service.jwk(), KeyOwner::Role(service.spec().name.to_owned()), None);
        }
        let table: Vec<&'static RoleSpec> = services.iter().map(|service| service.spec()).collect();
        // What it believes does not change: the sender may be dropped.
        let (_, believed) = watch::channel(Believed { keys, ..Believed::default() });
        Self::new(believed, &table, issuer.clock())
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

    /// Verifies a token that was presented to that role, at an interface that takes tokens of these families.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn verify(&self, token: &str, role: &str, families: &[ApiFamily]) -> Result<Caller, TokenError> {
        Caller::from_claims(self.verified_claims(token, role, families)?).ok_or(TokenError::Malformed)
    }

    /// The claims of a token that was presented to that role, at an interface that takes tokens of these families.
    ///
    /// # Errors
    /// The reason for which it is refused.
    pub fn verified_claims(&self, token: &str, role: &str, families: &[ApiFamily]) -> Result<Claims, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let now = self.inner.clock.now();
        let believed = self.inner.believed.borrow();
        let claims = self.signed_claims(token, &believed.keys, now)?;
        if now > believed_until(claims.exp) {
            return Err(TokenError::Expired);
        }
        // Roles have names that families have too: what a role shows at another one opens no API.
        let is_for_us = match claims.sub.starts_with(SERVICE) {
            true => claims.aud.only() == Some(role),
            false => claims.aud.is_for(role, families),
        };
        if !is_for_us {
            return Err(TokenError::Audience(claims.aud.to_string()));
        }
        if believed.revoked.contains(&claims) {
            return Err(TokenError::Revoked);
        }
        Ok(claims)
    }

    /// What tells whether something else is believed now than when that was looked at last.
    pub fn believed(&self) -> watch::Receiver<Believed> {
        self.inner.believed.clone()
    }

    /// Whether a token with these claims was revoked by now: it, its sign-in, all that its subject had, or its whole tenant. Of one that is over
    /// too: what has begun by it may last longer. A revocation is known for as long as any token that it concerns lives, and no longer.
    pub fn is_revoked(&self, claims: &Claims) -> bool {
        self.inner.believed.borrow().revoked.contains(claims)
    }

    /// The claims of an ID token that a client shows as a hint about who is meant. It may be over: what it hints at may be long past
    /// (OpenID Connect RP-Initiated Logout section 2). It gives no right.
    ///
    /// # Errors
    /// It is no ID token of this installation, or its key verifies no longer.
    pub fn hinted_claims(&self, id_token: &str) -> Result<Value, TokenError> {
        if id_token.len() > ID_TOKEN_BYTES_MAX {
            return Err(TokenError::Malformed);
        }
        let believed = self.inner.believed.borrow();
        let SignedClaims { claims, typ, owner, .. } = self.signed(id_token, &believed.keys, self.inner.clock.now())?;
        if owner != KeyOwner::Issuer || typ.as_deref() != Some(ID_TOKEN) {
            return Err(TokenError::Type);
        }
        Ok(claims)
    }

    fn signed_claims(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<Claims, TokenError> {
        let remembered = self.lock_verified().get(token).cloned();
        if let Some(Verified { claims, kid }) = remembered {
            // Keys end.
            return keys.find(&kid, now).map(|_| claims).ok_or(TokenError::Signature);
        }
        let SignedClaims { claims, kid, typ, owner } = self.signed(token, keys, now)?;
        // RFC 9068 section 4, RFC 8725 section 3.11. Before the claims are read: those of an ID token are others.
        let expected = match &owner {
            KeyOwner::Issuer => ACCESS_TOKEN,
            KeyOwner::Role(_) => SERVICE_TOKEN,
        };
        if typ.as_deref() != Some(expected) {
            return Err(TokenError::Type);
        }
        let claims: Claims = serde_json::from_value(claims).map_err(|_| TokenError::Malformed)?;
        self.check_owner(&claims, &owner, now)?;
        let mut verified = self.lock_verified();
        if verified.len() >= VERIFIED_MAX {
            // Rare; the cost is one signature check per active caller.
            verified.clear();
        }
        verified.insert(token.to_owned(), Verified { claims: claims.clone(), kid });
        Ok(claims)
    }

    /// What a token says that one of these keys has signed for one of our issuers, whatever kind of token it is.
    fn signed(&self, token: &str, keys: &KeySet, now: Timestamp) -> Result<SignedClaims, TokenError> {
        let mut rules = rules();
        let issuers: Vec<&str> = [ISSUER].into_iter().chain(self.issuer.as_deref()).collect();
        rules.set_issuer(&issuers);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        decoded(token, keys, now, &rules)
    }

    /// Whether there is that role.
    pub(super) fn knows_role(&self, role: &str) -> bool {
        self.inner.table.iter().any(|spec| spec.name == role)
    }

    /// The present time.
    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Refuses claims that are not for the owner of the key: a role's key makes nobody else, and no other key makes a role.
    fn check_owner(&self, claims: &Claims, owner: &KeyOwner, now: Timestamp) -> Result<(), TokenError> {
        match owner {
            KeyOwner::Issuer => {
                let is_role = claims.scope.split_whitespace().any(|scope| scope == ROLE_SCOPE);
                if is_role || claims.sub.starts_with(SERVICE) { Err(TokenError::Bearer) } else { Ok(()) }
            }
            KeyOwner::Role(role) => {
                let spec = self.inner.table.iter().find(|spec| spec.name == role).ok_or(TokenError::Bearer)?;
                service::check(claims, spec, now)
            }
        }
    }

    fn lock_verified(&self) -> MutexGuard<'_, HashMap<String, Verified>> {
        self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What holds for whatever is verified here.
pub(super) fn rules() -> Validation {
    let mut rules = Validation::new(Algorithm::ES256);
    // We check expiry ourselves with the injected clock, and for whom it is by who shows it where.
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules
}

/// What one of these keys has signed, by those rules.
pub(super) fn decoded(
    signed: &str,
    keys: &KeySet,
    now: Timestamp,
    rules: &Validation,
) -> Result<SignedClaims, TokenError> {
    let header = jsonwebtoken::decode_header(signed).map_err(|_| TokenError::Malformed)?;
    let kid = header.kid.ok_or(TokenError::Signature)?;
    let key = keys.find(&kid, now).ok_or(TokenError::Signature)?;
    let read = jsonwebtoken::decode::<Value>(signed, &key.decoding, rules);
    let claims = read.map(|data| data.claims).map_err(|error| match error.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
        _ => TokenError::Malformed,
    })?;
    Ok(SignedClaims { claims, kid, typ: header.typ, owner: key.owner.clone() })
}
