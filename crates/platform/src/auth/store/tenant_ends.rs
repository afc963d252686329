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

use super::super::Auth;

/// How often it is looked which tenants have ended: with what it takes until every role reads it, less than two seconds.
const LOOKED_EACH: Duration = Duration::from_millis(500);
/// For how long the roles are told: a token may live as long, and clocks differ.
const TOLD_FOR: Duration = ACCESS_LIFE.saturating_add(Duration::from_secs(120));
/// How often it is logged that the database does not answer.
const SAID_EACH: Duration = Duration::from_secs(60);

/// When the last tenant of an id has ended, of those whose sign-ins could still go on.
#[derive(Default)]
pub(in crate::auth) struct TenantEnds(Mutex<SeenEnds>);

#[derive(Default)]
struct SeenEnds {
    at: HashMap<TenantId, Timestamp>,
    /// The times by the numbers of the ends; none before the first look.
    by_number: Option<HashMap<u64, Timestamp>>,
}

impl TenantEnds {
    /// Whether what began here at that time began at a tenant that has ended since.
    pub fn are_after(&self, tenant: &TenantId, begun: Timestamp) -> bool {
        self.lock().at.get(tenant).is_some_and(|ended| begun <= *ended)
    }

    /// That tenant has ended then.
    #[cfg(test)]
    pub fn are_seen(&self, tenant: &TenantId, ended: Timestamp) {
        self.lock().at.insert(tenant.clone(), ended);
    }

    /// Notes the ends, the latest of an id first, and returns them with the times that count, by the clock that sign-ins have too: an end
    /// that was not there at the look before has come since, however late or early the clock is of the machine from which the tenant was
    /// ended. Of those that are there at the first look that clock alone tells, but none is to come: else nobody could sign in until then at
    /// a tenant that is restored under the id.
    fn set(&self, mut ended: Vec<EndedTenant>, now: Timestamp) -> Vec<EndedTenant> {
        let mut ends = self.lock();
        for one in &mut ended {
            one.at = match &ends.by_number {
                Some(known) => known.get(&one.number).copied().unwrap_or(now),
                None => one.at.min(now),
            };
        }
        ends.by_number = Some(ended.iter().map(|one| (one.number, one.at)).collect());
        ends.at.clear();
        for one in &ended {
            let at = ends.at.entry(one.tenant.clone()).or_insert(one.at);
            *at = one.at.max(*at);
        }
        ended
    }

    fn lock(&self) -> MutexGuard<'_, SeenEnds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks which tenants have ended, until the role ends.
pub(in crate::auth) async fn run(auth: Arc<Auth>) -> Result<()> {
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
    let ended = auth.ctx.stores.provisioning.ended_tenants(auth.now() - SIGN_IN_LIFE).await?;
    // What is signed in while the database is asked is signed in before the end, too.
    let now = auth.now();
    let ended = auth.store.ends().set(ended, now);
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
        ends.set(vec![ended(2, "acme", 200), ended(1, "acme", 100)], at(1_000));
        let acme = TenantId::parse("acme").unwrap();
        assert!(ends.are_after(&acme, at(50)) && ends.are_after(&acme, at(200)));
        assert!(!ends.are_after(&acme, at(201)));
        assert!(!ends.are_after(&TenantId::parse("bolt").unwrap(), at(50)));
        ends.set(Vec::new(), at(1_001));
        assert!(!ends.are_after(&acme, at(50)), "whatever was signed in then is over by itself");
    }

    #[test]
    fn an_end_by_a_clock_that_is_late_counts_from_when_it_is_seen() {
        let (ends, acme) = (TenantEnds::default(), TenantId::parse("acme").unwrap());
        ends.set(Vec::new(), at(10_000));
        let late = || vec![ended(1, "acme", 100)];
        let seen = ends.set(late(), at(10_001));
        assert_eq!(seen[0].at, at(10_001));
        assert!(ends.are_after(&acme, at(10_000)) && !ends.are_after(&acme, at(10_002)));
        assert_eq!(fresh(&mut HashSet::new(), &seen, at(10_001)).len(), 1, "the roles are told");
        // It was seen once; who signs in at a later tenant of the id may stay.
        ends.set(late(), at(10_500));
        assert!(!ends.are_after(&acme, at(10_002)));
        // Of ends from before the process the clock by which they were written is believed.
        let (begun, bolt) = (TenantEnds::default(), TenantId::parse("bolt").unwrap());
        begun.set(vec![ended(1, "bolt", 100)], at(10_000));
        assert!(begun.are_after(&bolt, at(100)) && !begun.are_after(&bolt, at(101)));
    }

    #[test]
    fn an_end_by_a_clock_that_is_early_keeps_nobody_out_of_a_tenant_that_is_restored_under_the_id() {
        let (ends, acme) = (TenantEnds::default(), TenantId::parse("acme").unwrap());
        ends.set(Vec::new(), at(10_000));
        let early = || vec![ended(1, "acme", 20_000)];
        assert_eq!(ends.set(early(), at(10_001))[0].at, at(10_001));
        ends.set(early(), at(10_500));
        assert!(ends.are_after(&acme, at(10_001)) && !ends.are_after(&acme, at(10_002)));
        // Another process sees it first a while later: who has signed in since does so once more.
        let begun = TenantEnds::default();
        begun.set(early(), at(10_600));
        begun.set(early(), at(10_700));
        assert!(begun.are_after(&acme, at(10_600)) && !begun.are_after(&acme, at(10_601)));
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
