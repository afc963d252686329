//! Tenants that have ended: what was signed in there has ended with them, and opens nothing of a later tenant with the same id. Tenants are
//! ended by the command line, which writes it into the database (own-08); that is looked at all the time.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use identity::grant::{ACCESS_LIFE, SIGN_IN_LIFE};
use infra::{EndedTenant, StoreError};
use model::{TenantId, Timestamp};
use tokio::time::Instant;

use super::Auth;

/// How often it is looked which tenants have ended: with what it takes until every role reads it, less than two seconds.
const LOOKED_EACH: Duration = Duration::from_millis(500);
/// For how long the roles are told: a token may live as long, and clocks differ.
const TOLD_FOR: Duration = ACCESS_LIFE.saturating_add(Duration::from_secs(120));
/// How often it is logged that the database does not answer.
const SAID_EACH: Duration = Duration::from_secs(60);

/// When the last tenant of an id has ended, of those whose sign-ins could still go on.
#[derive(Default)]
pub(super) struct TenantEnds(Mutex<HashMap<TenantId, Timestamp>>);

impl TenantEnds {
    /// Whether a sign-in of that time was one at a tenant that has ended since.
    pub fn are_after(&self, tenant: &TenantId, signed_in: Timestamp) -> bool {
        self.lock().get(tenant).is_some_and(|ended| signed_in <= *ended)
    }

    fn set(&self, ended: &[EndedTenant]) {
        let mut ends = self.lock();
        // The latest of an id stands first.
        *ends = ended.iter().rev().map(|one| (one.tenant.clone(), one.at)).collect();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks which tenants have ended, until the role ends.
pub(super) async fn run(auth: Arc<Auth>) -> Result<()> {
    let mut told = HashSet::new();
    let mut said_at: Option<Instant> = None;
    loop {
        if let Err(error) = look(&auth, &mut told).await
            && said_at.is_none_or(|at| at.elapsed() >= SAID_EACH)
        {
            said_at = Some(Instant::now());
            tracing::warn!(%error, "it cannot be seen now which tenants have ended");
        }
        tokio::select! {
            () = auth.ctx.drain.ended() => return Ok(()),
            () = tokio::time::sleep(LOOKED_EACH) => {}
        }
    }
}

async fn look(auth: &Auth, told: &mut HashSet<u64>) -> Result<(), StoreError> {
    let now = auth.now();
    let ended = auth.ctx.stores.provisioning.ended_tenants(now - SIGN_IN_LIFE).await?;
    auth.store.ends().set(&ended);
    for tenant in fresh(told, &ended, now) {
        tracing::info!(tenant = %tenant.tenant, by = tenant.by, "a tenant has ended: its tokens are refused");
        auth.store.revoke_tenant(&tenant.tenant, tenant.at, now);
    }
    Ok(())
}

/// Those whose tokens may still live and of which the roles were not told yet.
fn fresh<'e>(told: &mut HashSet<u64>, ended: &'e [EndedTenant], now: Timestamp) -> Vec<&'e EndedTenant> {
    let recent: Vec<&EndedTenant> = ended.iter().filter(|one| now.since(one.at) <= TOLD_FOR).collect();
    let numbers: HashSet<u64> = recent.iter().map(|one| one.number).collect();
    told.retain(|number| numbers.contains(number));
    recent.into_iter().filter(|one| told.insert(one.number)).collect()
}

#[cfg(test)]
mod tests {
    use infra::Revision;

    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(secs * 1_000)
    }

    fn ended(number: u64, tenant: &str, secs: u64) -> EndedTenant {
        EndedTenant {
            number,
            tenant: TenantId::parse(tenant).unwrap(),
            name: "Acme".to_owned(),
            revision: Revision(2),
            at: at(secs),
            by: "user/ann".to_owned(),
            is_removed: true,
        }
    }

    #[test]
    fn what_was_signed_in_before_the_last_end_is_over_and_nothing_else() {
        let ends = TenantEnds::default();
        ends.set(&[ended(2, "acme", 200), ended(1, "acme", 100)]);
        let acme = TenantId::parse("acme").unwrap();
        assert!(ends.are_after(&acme, at(50)) && ends.are_after(&acme, at(200)));
        assert!(!ends.are_after(&acme, at(201)));
        assert!(!ends.are_after(&TenantId::parse("bolt").unwrap(), at(50)));
        ends.set(&[]);
        assert!(!ends.are_after(&acme, at(50)), "whatever was signed in then is over by itself");
    }

    #[test]
    fn the_roles_are_told_once_of_each_end_while_tokens_may_live() {
        let mut told = HashSet::new();
        let all = [ended(3, "acme", 10_000), ended(2, "bolt", 9_900), ended(1, "acme", 100)];
        let numbers = |fresh: Vec<&EndedTenant>| fresh.into_iter().map(|one| one.number).collect::<Vec<_>>();
        assert_eq!(numbers(fresh(&mut told, &all, at(10_001))), [3, 2]);
        assert!(fresh(&mut told, &all, at(10_002)).is_empty());
        let later = [ended(4, "acme", 20_000)];
        assert_eq!(numbers(fresh(&mut told, &later, at(20_000))), [4]);
        assert_eq!(told.len(), 1, "the others are forgotten");
    }
}
