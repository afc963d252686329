//! The tokens with which a role calls others: signed with a key of that role, which is good for nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use infra::Clock;
use model::Timestamp;
use serde::Serialize;

use super::key::PublicJwk;
use super::signing_key::SigningKey;
use super::{ISSUER, SERVICE_TOKEN, TokenError};
use crate::audience::Audience;
use crate::claims::{ANY_TENANT, Claims, ROLE_SCOPE, SERVICE, believed_until};
use crate::connections;
use crate::spec::RoleSpec;

/// Lifetime of a role's own token; it is renewed after half of it.
const LIFE: Duration = Duration::from_secs(600);

/// Issues the tokens with which the replicas of one role call the roles that it has connections to.
#[derive(Clone)]
pub struct ServiceIssuer {
    inner: Arc<ServiceState>,
}

struct ServiceState {
    spec: &'static RoleSpec,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    own: Mutex<HashMap<Route, OwnToken>>,
}

/// Node and audience.
type Route = (String, String);
/// A token and the time of its renewal.
type OwnToken = (String, Timestamp);

impl ServiceIssuer {
    /// Signs for that role with its key.
    pub fn new(spec: &'static RoleSpec, key: SigningKey, clock: Arc<dyn Clock>) -> Self {
        Self { inner: Arc::new(ServiceState { spec, key, clock, own: Mutex::default() }) }
    }

    /// Signs with a new key: for tests of roles.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn of_new_key(spec: &'static RoleSpec, clock: Arc<dyn Clock>) -> Result<Self, TokenError> {
        Ok(Self::new(spec, SigningKey::made()?, clock))
    }

    /// The role.
    pub fn spec(&self) -> &'static RoleSpec {
        self.inner.spec
    }

    /// The key that verifies.
    pub fn jwk(&self) -> &PublicJwk {
        self.inner.key.jwk()
    }

    /// Signs something else than a token: of another type, so that nobody takes it for one.
    pub(super) fn sign_other<T: Serialize>(&self, claims: &T, typ: &str) -> Result<String, TokenError> {
        self.inner.key.sign(claims, typ)
    }

    /// The present time.
    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// The token with which `node` calls the role `aud`; cached and renewed.
    ///
    /// # Errors
    /// If the role has no connection to that one, or its key does not work.
    pub fn token(&self, node: &str, aud: &str) -> Result<String, TokenError> {
        let now = self.inner.clock.now();
        let route = (node.to_owned(), aud.to_owned());
        let mut own = self.inner.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((token, renew)) = own.get(&route)
            && now < *renew
        {
            return Ok(token.clone());
        }
        let token = self.inner.key.sign(&claims(self.inner.spec, node, aud, now)?, SERVICE_TOKEN)?;
        // Bounded by the table of roles: node and audience are our own.
        own.insert(route, (token.clone(), now + LIFE / 2));
        Ok(token)
    }
}

fn claims(spec: &'static RoleSpec, node: &str, aud: &str, now: Timestamp) -> Result<Claims, TokenError> {
    if !connections::calls(spec, aud) {
        return Err(TokenError::NoConnection(spec.name, aud.to_owned()));
    }
    Ok(Claims {
        iss: ISSUER.to_owned(),
        tenant: ANY_TENANT.to_owned(),
        sub: format!("{SERVICE}{}/{node}", spec.name),
        scope: ROLE_SCOPE.to_owned(),
        aud: Audience::of_names([aud]),
        exp: (now + LIFE).as_secs(),
        iat: Some(now.as_secs()),
        ..Claims::default()
    })
}

/// Refuses claims that a key of that role may not sign.
pub(super) fn check(claims: &Claims, spec: &RoleSpec, now: Timestamp) -> Result<(), TokenError> {
    let node = claims.sub.strip_prefix(SERVICE).and_then(|rest| rest.strip_prefix(spec.name)?.strip_prefix('/'));
    let replica = node.and_then(|node| node.strip_prefix(spec.name)?.strip_prefix('-'));
    let is_replica = replica.is_some_and(|number| number.parse::<u8>().is_ok());
    // Whoever has the key could sign more: it counts for this, and for no longer, than we sign.
    let is_usual = claims.iss == ISSUER
        && claims.tenant == ANY_TENANT
        && claims.scope == ROLE_SCOPE
        && claims.dn.is_none()
        && claims.agent.is_none()
        && believed_until(claims.exp) <= believed_until((now + LIFE).as_secs()) + LIFE / 2;
    // One role, to which it has a connection.
    let may_call = claims.aud.only().is_some_and(|role| connections::calls(spec, role));
    match is_replica && is_usual && may_call {
        true => Ok(()),
        false => Err(TokenError::Bearer),
    }
}
