//! Caller tokens: subject, tenant and scopes. JWT (RFC 7519) signed with ES256.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use infra::Clock;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::{TenantId, Timestamp};

use crate::caller::{Caller, Tie};
use crate::claims::believed_until;
pub use crate::claims::{ANY_TENANT, Claims, ROLE_SCOPE};

/// The issuer's name in tokens of an installation.
pub const ISSUER: &str = "trunkline";
/// The audience "every role of this installation".
pub const EVERY_ROLE: &str = "trunkline";

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
    /// Our own key cannot be used.
    #[error("the signing key does not work")]
    Key,
}

/// Issues and verifies the tokens of an installation.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    encoding: EncodingKey,
    decoding: DecodingKey,
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
            clock,
            verified: Mutex::default(),
            own: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
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
        };
        let header = Header::new(Algorithm::ES256);
        jsonwebtoken::encode(&header, &claims, &self.inner.encoding).map_err(|_| TokenError::Key)
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
        Caller::from_claims(claims).ok_or(TokenError::Malformed)
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
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let read = jsonwebtoken::decode::<Claims>(token, &self.inner.decoding, &rules);
        let claims = read.map(|data| data.claims).map_err(|error| match error.kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenError::Signature,
            _ => TokenError::Malformed,
        })?;
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
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Turned(AtomicU64);
    impl Clock for Turned {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn tokens() -> (Tokens, Arc<Turned>) {
        let clock = Arc::new(Turned(AtomicU64::new(1_000_000_000)));
        (Tokens::with_key(&Tokens::new_key().unwrap(), clock.clone()).unwrap(), clock)
    }

    fn issue(tokens: &Tokens, aud: &str) -> String {
        let tenant = TenantId::parse("acme").unwrap();
        tokens.issue(Some(&tenant), "operator/ann", "calls:read", aud, Duration::from_secs(60)).unwrap()
    }

    #[test]
    fn a_token_names_tenant_subject_and_scopes() {
        let (tokens, _) = tokens();
        let caller = tokens.verify(&issue(&tokens, EVERY_ROLE), "frontend").unwrap();
        assert_eq!(caller.tenant().map(TenantId::as_str), Some("acme"));
        assert_eq!((caller.kind(), caller.name()), ("operator", "ann"));
        assert!(caller.has_scope("calls:read") && !caller.has_scope("calls"));
    }

    #[test]
    fn a_token_of_another_installation_is_refused() {
        let ((ours, _), (theirs, _)) = (tokens(), tokens());
        assert_eq!(ours.verify(&issue(&theirs, EVERY_ROLE), "rq").unwrap_err(), TokenError::Signature);
    }

    #[test]
    fn a_token_for_another_role_is_refused() {
        let (tokens, _) = tokens();
        let token = issue(&tokens, "config");
        assert!(tokens.verify(&token, "config").is_ok());
        assert_eq!(tokens.verify(&token, "rq").unwrap_err(), TokenError::Audience("config".into()));
    }

    #[test]
    fn an_expired_token_is_refused_even_when_it_was_seen_before() {
        let (tokens, clock) = tokens();
        let token = issue(&tokens, EVERY_ROLE);
        assert!(tokens.verify(&token, "rq").is_ok());
        clock.0.fetch_add(91_000, Ordering::Relaxed);
        assert_eq!(tokens.verify(&token, "rq").unwrap_err(), TokenError::Expired);
    }

    #[test]
    fn what_is_not_a_token_is_refused() {
        let (tokens, _) = tokens();
        let good = issue(&tokens, EVERY_ROLE);
        let (head, _) = good.rsplit_once('.').unwrap();
        // {"alg":"none"}: unsigned tokens are never accepted.
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", head.split_once('.').unwrap().1);
        for bad in ["", "a.b.c", head, &unsigned, &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(tokens.verify(bad, "rq").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_roles_own_token_is_kept_and_renewed() {
        let (tokens, clock) = tokens();
        let first = tokens.of_role("ors", "ors-1", "rq").unwrap();
        assert_eq!(tokens.of_role("ors", "ors-1", "rq").unwrap(), first);
        clock.0.fetch_add(301_000, Ordering::Relaxed);
        let second = tokens.of_role("ors", "ors-1", "rq").unwrap();
        assert_ne!(second, first);
        let caller = tokens.verify(&second, "rq").unwrap();
        assert_eq!((caller.role(), caller.name(), caller.tenant()), (Some("ors"), "ors-1", None));
    }
}
