//! What becomes of API keys after they were made: their uses are noted, and what was revoked is told to every role. Keys are revoked by
//! role tenant and by the command line; both write it into the database (own-08), which is looked at all the time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use identity::grant::ACCESS_LIFE;
use infra::{ApiKey, StoreError};
use model::{TenantId, Timestamp};
use tokio::time::Instant;

use super::Auth;

/// How often it is looked which keys were revoked: with what it takes until every role reads it, less than two seconds.
const LOOKED_EACH: Duration = Duration::from_millis(500);
/// For how long a revoked key is looked at: a token of it may live as long, and clocks differ.
const LOOKED_AT_FOR: Duration = ACCESS_LIFE.saturating_add(Duration::from_secs(120));
/// The most keys that are revoked within that time and told: a quarter of what roles remember.
const REVOKED_MAX: u32 = 4_096;
/// A key that is used all the time is written at most so often.
const USE_NOTED_EACH: Duration = Duration::from_secs(60);
/// How often it is logged that the database does not answer.
const SAID_EACH: Duration = Duration::from_secs(60);

/// A key of a tenant.
type TenantKey = (TenantId, String);

/// Tells every role which keys were revoked, until the role ends.
pub(super) async fn run(auth: Arc<Auth>) -> Result<()> {
    let mut told = HashSet::new();
    let mut said_at: Option<Instant> = None;
    loop {
        if let Err(error) = tell(&auth, &mut told).await
            && said_at.is_none_or(|at| at.elapsed() >= SAID_EACH)
        {
            said_at = Some(Instant::now());
            tracing::warn!(%error, "it cannot be seen now which API keys were revoked");
        }
        tokio::select! {
            () = auth.ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(LOOKED_EACH) => {}
        }
    }
}

/// Revokes the tokens of keys that were revoked since they were looked at last.
async fn tell(auth: &Auth, told: &mut HashSet<TenantKey>) -> Result<(), StoreError> {
    let now = auth.now();
    let revoked = auth.ctx.stores.api_keys.revoked_api_keys(now - LOOKED_AT_FOR, REVOKED_MAX).await?;
    for (tenant, id) in fresh(told, revoked) {
        tracing::info!(%tenant, id, "an API key was revoked: its tokens are refused");
        auth.store.revoke(&tenant, &id, now).await?;
        told.insert((tenant, id));
    }
    Ok(())
}

/// Those that were not told yet. Of those that were, the others are forgotten: they are not looked at any more.
fn fresh(told: &mut HashSet<TenantKey>, revoked: Vec<TenantKey>) -> Vec<TenantKey> {
    let seen: HashSet<&TenantKey> = revoked.iter().collect();
    told.retain(|key| seen.contains(key));
    revoked.into_iter().filter(|key| !told.contains(key)).collect()
}

/// Notes that a key is used, if that was not noted lately. Returns whether it is its first use. What cannot be noted refuses nobody.
pub(super) async fn note_use(auth: &Auth, tenant: &TenantId, key: &ApiKey, now: Timestamp) -> bool {
    let unless_since = now - USE_NOTED_EACH;
    if key.used_at.is_some_and(|at| at >= unless_since) {
        return false;
    }
    match auth.ctx.stores.api_keys.note_api_key_use(tenant, &key.id, now, unless_since).await {
        Ok(is_first) => is_first,
        Err(error) => {
            tracing::warn!(%error, %tenant, id = key.id, "it cannot be noted now that an API key is used");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_key_is_told_once_while_it_is_looked_at() {
        let key = |id: &str| (TenantId::parse("acme").unwrap(), id.to_owned());
        let mut told = HashSet::new();
        assert_eq!(fresh(&mut told, vec![key("a"), key("b")]), [key("a"), key("b")]);
        // The store did not answer when b was told.
        told.insert(key("a"));
        assert_eq!(fresh(&mut told, vec![key("c"), key("a"), key("b")]), [key("c"), key("b")]);
        told.extend([key("b"), key("c")]);
        assert!(fresh(&mut told, vec![key("c")]).is_empty());
        assert_eq!(told.len(), 1, "what is not looked at any more is forgotten");
    }
}
