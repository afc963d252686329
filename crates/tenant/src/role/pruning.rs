//! Removes what is too old of the tenants' histories: one node does it at a time, in small batches with pauses, so that nobody who
//! changes a tenant waits for long. Only the log of changes goes. Snapshots have their own files, and followers begin with the objects
//! themselves. The history of a tenant that has ended goes by the same rule, and after it the record that there was such a tenant. Rows
//! that the command which ended it could not remove are removed here, too. Once a day, recordings of prompts go that nothing names any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use infra::{Clock, Leases, PromptAudioStore, ProvisioningStore, StoreError};
use model::{Owner, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use runtime::RoleContext;
use tokio::time::MissedTickBehavior;

/// How often it is looked for what is too old.
const LOOK: Duration = Duration::from_secs(3_600);
/// It is looked for recordings that nothing names once in so many looks: all snapshots may be read for it.
const LOOKS_A_DAY: u32 = 24;
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
        recordings: ctx.stores.archive.clone(),
        leases: ctx.stores.leases.clone(),
        owner: ctx.owner(),
        clock: ctx.clock.clone(),
        kept: DAY * days,
        metrics: Metrics::register(&ctx.metrics),
    };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut look_of_day = 0;
    loop {
        let pruned = async {
            look.tick().await;
            pruner.prune_all().await?;
            if look_of_day == 0 { pruner.forget_recordings().await } else { Ok(()) }
        };
        // A batch that is broken off is not carried out.
        let pruned = tokio::select! {
            () = ctx.drain.begun() => return Ok(()),
            pruned = pruned => pruned,
        };
        if let Err(error) = pruned {
            tracing::warn!(%error, "what is too old of the history cannot be removed now: tried again");
        }
        look_of_day = (look_of_day + 1) % LOOKS_A_DAY;
    }
}

struct HistoryPruner {
    store: Arc<dyn ProvisioningStore>,
    recordings: Arc<dyn PromptAudioStore>,
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

    /// Removes recordings that nothing names any more, of every tenant, unless another node is at it. A tenant that fails holds up no other.
    ///
    /// # Errors
    /// When the stores do not answer.
    async fn forget_recordings(&self) -> infra::Result<()> {
        let mut failures = 0;
        for (tenant, _) in self.store.tenants().await? {
            if self.leases.take_job(JOB, &self.owner, JOB_FOR).await?.is_none() {
                return Ok(());
            }
            match self.recordings.forget_audio(&tenant, self.clock.now()).await {
                Ok(removed) => {
                    failures = 0;
                    if removed > 0 {
                        tracing::info!(%tenant, removed, "recordings that nothing names any more are removed");
                    }
                }
                Err(error) => {
                    failures += 1;
                    if failures >= FAILURES_MAX {
                        return Err(error);
                    }
                    tracing::warn!(%tenant, %error, "recordings that nothing names any more cannot be removed: tried again");
                }
            }
        }
        Ok(())
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
    use std::sync::Mutex;
    use std::sync::atomic::Ordering::SeqCst;

    use infra::embedded::Embedded;
    use infra::{Answer, KeptAudio, SystemClock};

    use super::*;
    use crate::role::test_database::{TestDatabase, tenant};

    /// The tenants whose recordings were looked at. Those of acme cannot be.
    #[derive(Default)]
    struct LookedAt(Mutex<Vec<TenantId>>);

    impl PromptAudioStore for LookedAt {
        fn keep_audio<'a>(&'a self, _: &'a TenantId, _: &'a KeptAudio, _: Timestamp) -> Answer<'a, ()> {
            Box::pin(async { Ok(()) })
        }

        fn forget_audio<'a>(&'a self, tenant: &'a TenantId, _: Timestamp) -> Answer<'a, u64> {
            self.0.lock().unwrap().push(tenant.clone());
            let is_there = tenant.as_str() != "acme";
            let failed = || StoreError::Unavailable { reason: "a test".to_owned() };
            Box::pin(async move { if is_there { Ok(1) } else { Err(failed()) } })
        }

        fn audio<'a>(&'a self, _: &'a TenantId, _: &'a str) -> Answer<'a, Option<KeptAudio>> {
            Box::pin(async { Ok(None) })
        }
    }

    fn pruner(database: &Arc<TestDatabase>, leases: &Arc<Embedded>, node: &str) -> HistoryPruner {
        HistoryPruner {
            store: database.clone(),
            recordings: Arc::new(LookedAt::default()),
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
    async fn recordings_of_every_tenant_are_looked_at_by_one_node_and_one_that_fails_holds_up_no_other() {
        let (database, leases) = (TestDatabase::new(Some(|| StoreError::Invalid("a test".to_owned()))), in_memory());
        let looked_at = Arc::new(LookedAt::default());
        let pruner = HistoryPruner { recordings: looked_at.clone(), ..pruner(&database, &leases, "tenant-1.1") };
        pruner.forget_recordings().await.unwrap();
        let mut tenants = looked_at.0.lock().unwrap().clone();
        tenants.sort();
        assert_eq!(tenants, [tenant("acme"), tenant("globex")]);
        let other = HistoryPruner { recordings: looked_at.clone(), ..self::pruner(&database, &leases, "tenant-2.1") };
        other.forget_recordings().await.unwrap();
        assert_eq!(looked_at.0.lock().unwrap().len(), 2, "the first one has the job");
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
