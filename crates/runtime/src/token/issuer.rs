//! Who issues the tokens of people and programs.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use infra::Clock;
use model::{TenantId, Timestamp};
use serde::Serialize;

use super::key::PublicJwk;
use super::ring::KeyRing;
use super::signing_key::SigningKey;
use super::{ACCESS_TOKEN, ISSUER, TokenError};
use crate::audience::Audience;
use crate::caller::Tie;
use crate::claims::{ANY_TENANT, Claims};

impl KeyRing<SigningKey> {
    /// The keys that verify now, each until when it does; `None`: for now without end.
    pub(crate) fn public_keys(&self, now: Timestamp) -> Vec<(PublicJwk, Option<Timestamp>)> {
        self.verifying(now).map(|(key, until)| (key.jwk().clone(), until)).collect()
    }
}

/// Issues tokens of people and programs. Role auth has one, and commands that are given the data directory; other roles have none.
#[derive(Clone)]
pub struct TokenIssuer {
    ring: Arc<RwLock<KeyRing<SigningKey>>>,
    clock: Arc<dyn Clock>,
}

impl TokenIssuer {
    /// Signs with the keys of that ring.
    pub fn new(ring: KeyRing<SigningKey>, clock: Arc<dyn Clock>) -> Self {
        Self { ring: Arc::new(RwLock::new(ring)), clock }
    }

    /// Signs with a new key: for tests of roles.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn of_new_key(clock: Arc<dyn Clock>) -> Result<Self, TokenError> {
        let ring = KeyRing::beginning(SigningKey::made()?, clock.now());
        Ok(Self::new(ring, clock))
    }

    /// The keys that verify now, each until when it does; `None`: for now without end.
    pub fn public_keys(&self) -> Vec<(PublicJwk, Option<Timestamp>)> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.public_keys(self.clock.now())
    }

    /// Signs with the keys of that ring from now on.
    pub(crate) fn replace(&self, ring: KeyRing<SigningKey>) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }

    /// Its clock.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// Signs claims as a token of that type, [`ACCESS_TOKEN`] or [`super::ID_TOKEN`].
    ///
    /// # Errors
    /// If there is no key that works.
    pub fn sign<T: Serialize>(&self, claims: &T, typ: &str) -> Result<String, TokenError> {
        let ring = self.ring.read().unwrap_or_else(PoisonError::into_inner);
        ring.signing(self.clock.now()).ok_or(TokenError::Key)?.sign(claims, typ)
    }

    /// Issues a token with that lifetime, for the APIs that its scopes open. `tenant` `None` means any.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn issue(
        &self,
        tenant: Option<&TenantId>,
        sub: &str,
        scope: &str,
        life: Duration,
    ) -> Result<String, TokenError> {
        self.issue_tied(tenant, None, sub, scope, life)
    }

    /// As [`Self::issue`], tied to a DN where one is given.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn issue_tied(
        &self,
        tenant: Option<&TenantId>,
        tie: Option<&Tie>,
        sub: &str,
        scope: &str,
        life: Duration,
    ) -> Result<String, TokenError> {
        self.issue_for(Audience::of_scope(scope), tenant, tie, sub, scope, life)
    }

    /// As [`Self::issue_tied`], for others than the scopes say.
    ///
    /// # Errors
    /// As [`Self::sign`].
    pub fn issue_for(
        &self,
        aud: Audience,
        tenant: Option<&TenantId>,
        tie: Option<&Tie>,
        sub: &str,
        scope: &str,
        life: Duration,
    ) -> Result<String, TokenError> {
        let now = self.clock.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            tenant: tenant.map_or(ANY_TENANT, TenantId::as_str).to_owned(),
            sub: sub.to_owned(),
            scope: scope.to_owned(),
            aud,
            exp: (now + life).as_secs(),
            iat: Some(now.as_secs()),
            dn: tie.map(|tie| tie.dn.to_string()),
            agent: tie.and_then(|tie| Some(tie.agent.as_ref()?.to_string())),
            ..Claims::default()
        };
        self.sign(&claims, ACCESS_TOKEN)
    }
}
