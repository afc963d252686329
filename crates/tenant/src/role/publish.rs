//! Publishes the persistent configuration into the cache: at start what the cache has not, then changes. What was deleted is
//! withdrawn.

mod faulty;
mod lacking;
mod one_tenant;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use infra::{
    Clock, ConfigCache, ConfigVersion, HistoryPoint, HistoryStamp, ProvisioningStore, Revision, StoreError, ViewStore,
    note_life,
};
use model::{TenantId, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::PublishedTenants;
use faulty::{FaultKind, FaultyTenants};
use lacking::LackingTenants;
use one_tenant::{FinishedPublication, PublicationTurns, Publishing, TenantPublisher};

/// How often the store is queried for revisions: an import is a separate process and notifies no role.
const LOOK: Duration = Duration::from_millis(500);

runtime::metrics! {
    /// The metrics of publishing.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Tenants that cannot be published now: their objects are damaged, or too slow to read. What was published of them before stays.
        faulty: Gauge = "tenant_configuration_faulty_tenants";
    }
}

/// Publishes until the role ends.
pub(super) async fn run(ctx: RoleContext, tell: watch::Sender<PublishedTenants>) -> anyhow::Result<()> {
    let metrics = Metrics::register(&ctx.metrics);
    let (provisioning, configuration) = (ctx.stores.provisioning.clone(), ctx.stores.configuration.clone());
    let lives = ctx.stores.tenant_lives.clone();
    let mut publisher = Publisher::of(provisioning, configuration, lives, ctx.clock.clone(), tell);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let done = tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = look.tick() => publisher.look().await,
            Some(finished) = publisher.publications.join_next() => {
                let settled = publisher.settle(finished?).await;
                if settled.is_ok() && !publisher.under_way.is_empty() {
                    continue;
                }
                settled
            }
        };
        metrics.faulty.set(i64::try_from(publisher.faulty.count()).unwrap_or(i64::MAX));
        let completed = match done {
            Ok(()) => publisher.completed().await,
            Err(error) => Err(error),
        };
        match completed {
            Ok(true) => ctx.ready.holds("configuration published"),
            Ok(false) => {}
            // The next look tries again; readers keep their present state.
            Err(error) => tracing::warn!(%error, "the configuration cannot be published"),
        }
    }
}

/// The versions in the cache.
type Cached = BTreeMap<TenantId, ConfigVersion>;

/// What was published of a tenant last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PublishedVersion {
    version: ConfigVersion,
    /// Of its revision.
    stamp: HistoryStamp,
}

impl PublishedVersion {
    const fn point(self) -> HistoryPoint {
        HistoryPoint { revision: Revision(self.version.revision), stamp: self.stamp }
    }
}

struct Publisher {
    provisioning: Arc<dyn ProvisioningStore>,
    configuration: Arc<dyn ConfigCache>,
    /// Which tenant of its id each is, for roles that keep something of it.
    lives: Arc<dyn ViewStore>,
    clock: Arc<dyn Clock>,
    /// The versions that this run of the role has published.
    published: BTreeMap<TenantId, PublishedVersion>,
    /// The tenants of the database, once it has told them.
    stored: Option<BTreeSet<TenantId>>,
    /// Those of them of which the cache has not what was published last: it is not complete without them.
    awaited: BTreeSet<TenantId>,
    /// The tenants that are published now. Each is once at a time, so that its changes come in their order.
    under_way: BTreeSet<TenantId>,
    publications: JoinSet<FinishedPublication>,
    turns: PublicationTurns,
    /// The tenants that cannot be published though the stores answer.
    faulty: FaultyTenants,
    /// The tenants that are published, not in the database, and not deleted.
    lacking: LackingTenants,
    tell: watch::Sender<PublishedTenants>,
}

impl Publisher {
    /// One that has published nothing yet.
    fn of(
        provisioning: Arc<dyn ProvisioningStore>,
        configuration: Arc<dyn ConfigCache>,
        lives: Arc<dyn ViewStore>,
        clock: Arc<dyn Clock>,
        tell: watch::Sender<PublishedTenants>,
    ) -> Self {
        Self {
            provisioning,
            configuration,
            lives,
            clock,
            published: BTreeMap::new(),
            stored: None,
            awaited: BTreeSet::new(),
            under_way: BTreeSet::new(),
            publications: JoinSet::new(),
            turns: PublicationTurns::default(),
            faulty: FaultyTenants::default(),
            lacking: LackingTenants::default(),
            tell,
        }
    }

    /// Looks what has changed, and begins to publish it: tenants side by side. One that cannot be published, or takes long, delays no
    /// change of another.
    ///
    /// # Errors
    /// When a store as a whole fails.
    async fn look(&mut self) -> infra::Result<()> {
        let cached: Cached = self.configuration.tenants().await?.into_iter().collect();
        let stored = self.provisioning.points().await?;
        self.faulty.keep_those_of(&stored);
        let there: BTreeSet<TenantId> = stored.iter().map(|(tenant, _)| tenant.clone()).collect();
        let lacked = lacking::lacked(&cached, &there);
        let ended = if lacked.is_empty() { BTreeSet::new() } else { self.ended(&there).await? };
        for tenant in self.lacking.deleted(lacked, &ended) {
            // What is under way is withdrawn when it is there.
            if !self.under_way.contains(&tenant) {
                self.withdraw(&tenant).await;
            }
        }
        self.stored = Some(there);
        self.awaited.clear();
        for (tenant, point) in stored {
            if self.faulty.is_due(&tenant, point, self.clock.now()) {
                self.begin(tenant, point, &cached);
            }
        }
        Ok(())
    }

    /// Begins to publish a tenant if the cache has it otherwise, and it is not under way.
    fn begin(&mut self, tenant: TenantId, point: HistoryPoint, cached: &Cached) {
        let (published, cached) = (self.published.get(&tenant).copied(), cached.get(&tenant).copied());
        let held = published.filter(|published| cached == Some(published.version));
        if held.is_none() {
            self.awaited.insert(tenant.clone());
        }
        if self.under_way.contains(&tenant) {
            return;
        }
        if held.is_some_and(|held| held.point() == point) {
            self.succeeded(&tenant);
            return;
        }
        let agents = held.and_then(|_| self.tell.borrow().get(&tenant).map(|(_, agents)| agents.clone()));
        let publisher = TenantPublisher {
            provisioning: self.provisioning.clone(),
            configuration: self.configuration.clone(),
            lives: self.lives.clone(),
            clock: self.clock.clone(),
            turns: self.turns.clone(),
            tenant: tenant.clone(),
            published,
            agents: agents.unwrap_or_default(),
            cached,
            is_faulty: self.faulty.has(&tenant),
        };
        self.under_way.insert(tenant);
        self.publications.spawn(publisher.run(point));
    }

    /// Notes what a publication has come to.
    ///
    /// # Errors
    /// When a store as a whole fails: then none of those that wait is tried.
    async fn settle(&mut self, finished: FinishedPublication) -> infra::Result<()> {
        let FinishedPublication { tenant, point, outcome } = finished;
        self.under_way.remove(&tenant);
        match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(Publishing { version, agents })) => {
                self.succeeded(&tenant);
                self.published.insert(tenant.clone(), version);
                if let Some(agents) = agents {
                    self.tell.send_modify(|held| drop(held.insert(tenant.clone(), (version.version, agents))));
                }
            }
            Err(error) => {
                if let Err(error) = self.failed(&tenant, point, error).await {
                    std::mem::take(&mut self.turns).close();
                    return Err(error);
                }
            }
        }
        self.awaited.remove(&tenant);
        Ok(())
    }

    fn succeeded(&mut self, tenant: &TenantId) {
        if self.faulty.succeeded(tenant) {
            tracing::info!(%tenant, "the tenant can be published again");
        }
    }

    /// Whether the cache has all that is published soon, which is noted there.
    ///
    /// # Errors
    /// When a store as a whole fails.
    async fn completed(&self) -> infra::Result<bool> {
        let Some(there) = &self.stored else { return Ok(false) };
        if !self.awaited.is_empty() || self.faulty.are_waited_for() {
            return Ok(false);
        }
        if !self.configuration.is_complete().await? {
            // A cache that was emptied does not know who was withdrawn from it, and config may not have seen that yet.
            for tenant in self.ended(there).await? {
                self.configuration.withdraw(&tenant).await?;
            }
            self.configuration.complete().await?;
        }
        Ok(true)
    }

    /// The tenants that were deleted, and of whose ids there are no others.
    async fn ended(&self, there: &BTreeSet<TenantId>) -> infra::Result<BTreeSet<TenantId>> {
        let ended = self.provisioning.ended_tenants(Timestamp::from_millis(0)).await?;
        Ok(ended.into_iter().map(|ended| ended.tenant).filter(|tenant| !there.contains(tenant)).collect())
    }

    /// Takes away what is published of a tenant that was deleted. Calls that are up go on: they are not in the cache.
    async fn withdraw(&mut self, tenant: &TenantId) {
        let withdrawn = async {
            note_life(&*self.lives, tenant, None).await?;
            self.configuration.withdraw(tenant).await
        };
        if let Err(error) = withdrawn.await {
            tracing::warn!(%tenant, %error, "the configuration of a deleted tenant cannot be withdrawn yet");
            return;
        }
        tracing::info!(%tenant, "the tenant was deleted: its configuration is withdrawn");
        self.published.remove(tenant);
        self.tell.send_modify(|held| drop(held.remove(tenant)));
    }

    /// Notes that a tenant could not be published.
    ///
    /// # Errors
    /// When a store does not answer for others either: then the tenant has no fault, and no other one need be tried.
    async fn failed(&mut self, tenant: &TenantId, point: HistoryPoint, error: StoreError) -> infra::Result<()> {
        let kind = kind_of(&error);
        if kind == FaultKind::Unread {
            self.provisioning.revision(tenant).await?;
            self.configuration.tenants().await?;
        }
        if self.faulty.failed(tenant, point, kind, self.clock.now()) {
            tracing::error!(%tenant, %error, ?kind, "the tenant cannot be published: what was published of it before stays");
        }
        Ok(())
    }
}

/// What an error says of the tenant that was to be published, where the stores answer.
const fn kind_of(error: &StoreError) -> FaultKind {
    match error {
        StoreError::Corrupt { .. } | StoreError::Invalid(_) => FaultKind::Damaged,
        _ => FaultKind::Unread,
    }
}

#[cfg(test)]
mod tests;
