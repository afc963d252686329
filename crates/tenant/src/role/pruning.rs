//! Removes what is too old of the tenants' histories: one node does it at a time, in small batches with pauses, so that nobody who
//! changes a tenant waits for long. Only the log of changes goes. Snapshots have their own files, and followers begin with the objects
//! themselves. The history of a tenant that has ended goes by the same rule, and after it the record that there was such a tenant. Rows
//! that the command which ended it could not remove are removed here, too.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use infra::{Clock, Leases, ProvisioningStore, StoreError};
use model::{Owner, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use tokio::time::MissedTickBehavior;

/// How often it is looked for what is too old.
const LOOK: Duration = Duration::from_secs(3_600);
/// The most entries that are removed at once: of applications each may have a megabyte.
const BATCH_MAX: u32 = 200;
/// Pause after a batch: others write meanwhile.
const PAUSE: Duration = Duration::from_millis(100);
/// The job that one node has at a time, and for how long without renewing it. It is renewed before each batch.
const JOB: &str = "prune-history";
const JOB_FOR: Duration = Duration::from_secs(60);
/// Failures of tenants in a row after which the store counts as away until the next look.
const FAILURES_MAX: u32 = 3;
/// A day.
const DAY: Duration = Duration::from_secs(86_400);
/// For how long it is known at least that a tenant has ended: a sign-in there could go on for 30 days.
const ENDS_KNOWN: Duration = Duration::from_secs(40 * 86_400);

runtime::metrics! {
    /// The metrics of removing what is too old.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Entries of tenants' histories that were removed for their age.
        removed: Counter = "tenant_history_entries_removed";
        /// Attempts to remove entries of a tenant that failed; they are repeated within the hour.
        failures: Counter = "tenant_history_removals_failed";
    }
}

/// Removes until the role ends what is older than so many days.
pub(super) async fn run(ctx: RoleContext, days: u32) -> anyhow::Result<()> {
    let pruner = HistoryPruner {
        store: ctx.stores.provisioning.clone(),
        leases: ctx.stores.leases.clone(),
        owner: ctx.owner(),
        clock: ctx.clock.clone(),
        kept: DAY * days,
        metrics: Metrics::register(&ctx.metrics),
    };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let pruned = async {
            look.tick().await;
            pruner.prune_all().await
        };
        // A batch that is broken off is not carried out.
        let pruned = tokio::select! {
            () = ctx.drain.begun() => return Ok(()),
            pruned = pruned => pruned,
        };
        if let Err(error) = pruned {
            tracing::warn!(%error, "what is too old of the history cannot be removed now: tried again");
        }
    }
}

struct HistoryPruner {
    store: Arc<dyn ProvisioningStore>,
    leases: Arc<dyn Leases>,
    owner: Owner,
    clock: Arc<dyn Clock>,
    /// For how long entries are kept.
    kept: Duration,
    metrics: Metrics,
}

/// What has become of a tenant's old entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PrunedTenant {
    /// None is left.
    Done,
    /// Another node removes them.
    Elsewhere,
}

impl HistoryPruner {
    /// Removes what is too old of every tenant, unless another node does. A tenant that fails holds up no other.
    ///
    /// # Errors
    /// When the stores do not answer.
    async fn prune_all(&self) -> infra::Result<()> {
        let mut failures = 0;
        let mut tenants: BTreeSet<TenantId> =
            self.store.tenants().await?.into_iter().map(|(tenant, _)| tenant).collect();
        let ended = self.store.ended_tenants(Timestamp::ZERO).await?;
        for left in ended.iter().filter(|one| !one.is_removed) {
            // Whoever has ended it may still be at it, and then they take turns. One that cannot be removed holds up no other.
            if let Err(error) = crate::life::remove_rest(&*self.store, &left.tenant).await {
                let tenant = &left.tenant;
                self.metrics.failures.inc();
                tracing::warn!(%tenant, %error, "what is left of a tenant that has ended cannot be removed: tried again");
            }
        }
        tenants.extend(ended.into_iter().map(|one| one.tenant));
        for tenant in tenants {
            match self.prune(&tenant).await {
                Ok(PrunedTenant::Done) => failures = 0,
                Ok(PrunedTenant::Elsewhere) => return Ok(()),
                Err(error) => {
                    self.metrics.failures.inc();
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        return Err(error);
                    }
                    tracing::warn!(%tenant, %error, "what is too old of a tenant's history cannot be removed: tried again");
                }
            }
        }
        self.store.forget_ended(self.clock.now() - self.kept.max(ENDS_KNOWN)).await.map(drop)
    }

    async fn prune(&self, tenant: &TenantId) -> Result<PrunedTenant, StoreError> {
        loop {
            if self.leases.take_job(JOB, &self.owner, JOB_FOR).await?.is_none() {
                return Ok(PrunedTenant::Elsewhere);
            }
            let before = self.clock.now() - self.kept;
            let count = self.store.prune_history(tenant, before, BATCH_MAX).await?;
            self.metrics.removed.inc_by(count);
            if count < u64::from(BATCH_MAX) {
                if count > 0 {
                    tracing::info!(%tenant, "what was too old of the tenant's history is removed");
                }
                return Ok(PrunedTenant::Done);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;

    use infra::SystemClock;
    use infra::embedded::Embedded;

    use super::*;
    use crate::role::test_database::TestDatabase;

    fn pruner(database: &Arc<TestDatabase>, leases: &Arc<Embedded>, node: &str) -> HistoryPruner {
        HistoryPruner {
            store: database.clone(),
            leases: leases.clone(),
            owner: node.parse().unwrap(),
            clock: Arc::new(SystemClock::start()),
            kept: DAY * 400,
            metrics: Metrics::register(&runtime::Metrics::default()),
        }
    }

    fn in_memory() -> Arc<Embedded> {
        Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_too_old_is_removed_in_batches() {
        let database = TestDatabase::new(None);
        database.old_entries.store(u64::from(BATCH_MAX) * 2 + 50, SeqCst);
        let pruner = pruner(&database, &in_memory(), "tenant-1.1");
        pruner.prune_all().await.unwrap();
        assert_eq!(database.old_entries.load(SeqCst), 0);
        assert_eq!((pruner.metrics.removed.get(), pruner.metrics.failures.get()), (u64::from(BATCH_MAX) * 2 + 50, 0));
        assert_eq!(database.asked_to_prune.load(SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_node_removes_at_a_time() {
        let (database, leases) = (TestDatabase::new(None), in_memory());
        database.old_entries.store(50, SeqCst);
        let other = "tenant-2.1".parse().unwrap();
        assert!(leases.take_job(JOB, &other, JOB_FOR).await.unwrap().is_some());
        let pruner = pruner(&database, &leases, "tenant-1.1");
        pruner.prune_all().await.unwrap();
        assert_eq!((database.old_entries.load(SeqCst), database.asked_to_prune.load(SeqCst)), (50, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_tenant_that_cannot_be_removed_holds_up_no_other() {
        let database = TestDatabase::new(None);
        database.old_entries.store(50, SeqCst);
        database.has_ended_globex.store(true, SeqCst);
        database.keeps_globex.store(true, SeqCst);
        let pruner = pruner(&database, &in_memory(), "tenant-1.1");
        pruner.prune_all().await.unwrap();
        assert_eq!((pruner.metrics.removed.get(), pruner.metrics.failures.get()), (50, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_that_fails_holds_up_no_other() {
        let database = TestDatabase::new(Some(|| StoreError::Unavailable { reason: "a test".to_owned() }));
        database.old_entries.store(50, SeqCst);
        let pruner = pruner(&database, &in_memory(), "tenant-1.1");
        pruner.prune_all().await.unwrap();
        assert_eq!((pruner.metrics.removed.get(), pruner.metrics.failures.get()), (50, 1));
    }
}
