//! Publishes the persistent configuration into the cache: at start what the cache has not, then changes. What was deleted is
//! withdrawn.

mod faulty;
mod lacking;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use infra::{
    Clock, ConfigCache, ConfigVersion, Document, HistoryPoint, HistoryStamp, ProvisioningStore, Publication, Revision,
    StoreError, ToldChange, ViewStore, note_life,
};
use model::{TenantId, Timestamp};
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use tokio::sync::watch;

use super::PublishedTenants;
use super::agents::AgentObjects;
use faulty::{FaultKind, FaultyTenants};
use lacking::LackingTenants;

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
    let mut publisher = Publisher {
        provisioning: ctx.stores.provisioning.clone(),
        configuration: ctx.stores.configuration.clone(),
        lives: ctx.stores.tenant_lives.clone(),
        clock: ctx.clock.clone(),
        published: BTreeMap::new(),
        faulty: FaultyTenants::default(),
        lacking: LackingTenants::default(),
        tell,
    };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = ctx.drain.ended() => return Ok(()),
            _ = look.tick() => {}
        }
        let turned = publisher.turn().await;
        metrics.faulty.set(i64::try_from(publisher.faulty.count()).unwrap_or(i64::MAX));
        match turned {
            Ok(true) => ctx.ready.holds("configuration published"),
            Ok(false) => {}
            // The next round tries again; readers keep their present state.
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
    /// The tenants that cannot be published though the stores answer.
    faulty: FaultyTenants,
    /// The tenants that are published, not in the database, and not deleted.
    lacking: LackingTenants,
    tell: watch::Sender<PublishedTenants>,
}

impl Publisher {
    /// Publishes what has changed. A tenant that cannot be published delays no other. Returns whether the cache has all that is published
    /// soon.
    ///
    /// # Errors
    /// When a store as a whole fails.
    async fn turn(&mut self) -> infra::Result<bool> {
        let cached: Cached = self.configuration.tenants().await?.into_iter().collect();
        let stored = self.provisioning.points().await?;
        self.faulty.keep_those_of(&stored);
        let there: BTreeSet<TenantId> = stored.iter().map(|(tenant, _)| tenant.clone()).collect();
        let lacked = lacking::lacked(&cached, &there);
        let ended = if lacked.is_empty() { BTreeSet::new() } else { self.ended(&there).await? };
        for tenant in self.lacking.deleted(lacked, &ended) {
            self.withdraw(&tenant).await;
        }
        for (tenant, point) in stored {
            if !self.faulty.is_due(&tenant, point, self.clock.now()) {
                continue;
            }
            match self.publish(&tenant, point, &cached).await {
                Ok(()) => {
                    if self.faulty.succeeded(&tenant) {
                        tracing::info!(%tenant, "the tenant can be published again");
                    }
                }
                Err(error) => self.failed(&tenant, point, error).await?,
            }
        }
        if self.faulty.are_waited_for() {
            return Ok(false);
        }
        if !self.configuration.is_complete().await? {
            // A cache that was emptied does not know who was withdrawn from it, and config may not have seen that yet.
            for tenant in self.ended(&there).await? {
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

    async fn publish(&mut self, tenant: &TenantId, point: HistoryPoint, cached: &Cached) -> infra::Result<()> {
        match self.published.get(tenant).copied() {
            Some(published) if cached.get(tenant) == Some(&published.version) => {
                if published.point() == point {
                    Ok(())
                } else {
                    self.publish_changes(tenant, published, cached).await
                }
            }
            Some(_) => {
                tracing::warn!(%tenant, "the cache has lost the configuration, or has another one: it is published again");
                self.publish_whole(tenant, cached).await
            }
            None => self.publish_whole(tenant, cached).await,
        }
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

    /// Publishes a tenant of which the cache has not what this run has published last: what differs from the cache, or everything.
    async fn publish_whole(&mut self, tenant: &TenantId, cached: &Cached) -> infra::Result<()> {
        // First the point: if the tenant changes before it is read, the next turn finds another one.
        let Some(point) = self.provisioning.point(tenant).await? else { return Ok(()) };
        let Some(life) = self.provisioning.life(tenant).await? else { return Ok(()) };
        let Some((revision, objects)) = self.provisioning.load(tenant).await? else { return Ok(()) };
        // Before it is served: what is kept of one before it with its id is not this one's.
        note_life(&*self.lives, tenant, Some(life)).await?;
        let stamp = if point.revision == revision { point.stamp } else { HistoryStamp::UNKNOWN };
        let documents = objects.objects().map(|object| {
            let key = object.key();
            Document {
                kind: key.kind.as_str().to_owned(),
                id: key.id,
                revision: revision.0,
                body: Some(object.without_hashes().to_json().into()),
            }
        });
        let documents: Vec<Document> = documents.collect();
        let held = cached.get(tenant).copied();
        if let Some(held) = held.filter(|held| held.revision <= revision.0)
            && self.goes_on(tenant, held, revision, &documents).await?
        {
            let version = ConfigVersion { generation: held.generation, revision: revision.0 };
            self.done(tenant, PublishedVersion { version, stamp }, AgentObjects::of(&objects));
            return Ok(());
        }
        let generation = self.next_generation(tenant, held.unwrap_or_default().generation).await;
        let version = ConfigVersion { generation, revision: revision.0 };
        let publication = Publication { tenant: tenant.clone(), version, base: None, documents };
        self.configuration.publish(publication).await?;
        tracing::info!(%tenant, generation = version.generation, revision = revision.0, "configuration published");
        self.done(tenant, PublishedVersion { version, stamp }, AgentObjects::of(&objects));
        Ok(())
    }

    /// Goes on with the generation that the cache has, so that a restart of this role has nobody read everything again; returns whether
    /// that is possible. At one revision there is one state: if the cache has another one, it is of another database or another release.
    /// And a cache that is back at an earlier generation is not gone on with: readers take that for an older state and never read again.
    async fn goes_on(
        &self,
        tenant: &TenantId,
        held: ConfigVersion,
        revision: Revision,
        documents: &[Document],
    ) -> infra::Result<bool> {
        let version = ConfigVersion { generation: held.generation, revision: revision.0 };
        let is_earlier = self.published.get(tenant).is_some_and(|published| version < published.version);
        if is_earlier || held.generation < self.provisioning.generation(tenant).await? {
            return Ok(false);
        }
        let reading = match self.configuration.read(tenant, None, Duration::ZERO).await {
            Ok(reading) if reading.version == held => reading,
            Ok(_) | Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => return Ok(false),
            // The cache may not have answered for a moment only, and a new generation has everybody read everything.
            Err(error) if !self.faulty.has(tenant) => return Err(error),
            Err(error) => {
                tracing::warn!(%tenant, %error, "the cache cannot be read: the tenant is published again");
                return Ok(false);
            }
        };
        if held.revision == revision.0 {
            return Ok(differences(reading.documents, documents, HashSet::new(), revision).is_empty());
        }
        let Some(touched) = self.touched_since(tenant, held).await? else { return Ok(false) };
        let changes = differences(reading.documents, documents, touched, revision);
        let publication = Publication { tenant: tenant.clone(), version, base: Some(held), documents: changes };
        if !publication.fits_one_write() {
            return Ok(false);
        }
        match self.configuration.publish(publication).await {
            Ok(()) => {
                tracing::info!(%tenant, revision = revision.0, "configuration changes published");
                Ok(true)
            }
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The documents that were changed since, also if they are again what they were. The cache may have lost what its readers have read:
    /// they ask for what is later than their own version, so they get no document that is left out. None if that is not known.
    async fn touched_since(
        &self,
        tenant: &TenantId,
        held: ConfigVersion,
    ) -> infra::Result<Option<HashSet<DocumentName>>> {
        let since = HistoryPoint::unstamped(Revision(held.revision));
        let changes = self.provisioning.changes(tenant, since).await?;
        let name = |change: ToldChange| {
            let key = change.key();
            (key.kind.as_str().to_owned(), key.id)
        };
        Ok((!changes.is_whole).then(|| changes.changes.into_iter().map(name).collect()))
    }

    /// Later than any generation of a cache that was emptied in between: a reader of that one then takes the new one whole.
    async fn next_generation(&self, tenant: &TenantId, before: u64) -> u64 {
        let at_least = (before + 1).max(self.clock.now().as_millis());
        match self.provisioning.next_generation(tenant, at_least).await {
            Ok(generation) => generation,
            Err(error) => {
                // A database that is full or takes no writes keeps nobody from being served.
                tracing::warn!(%tenant, %error, "the generation of the configuration is not noted: it goes by the clock");
                at_least
            }
        }
    }

    /// Publishes what has changed since; everything if the tenant was restored or made anew.
    async fn publish_changes(
        &mut self,
        tenant: &TenantId,
        since: PublishedVersion,
        cached: &Cached,
    ) -> infra::Result<()> {
        let changes = self.provisioning.changes(tenant, since.point()).await?;
        if changes.is_whole || changes.point.revision < since.point().revision {
            tracing::warn!(%tenant, revision = changes.point.revision.0, "the tenant was restored: it is published again");
            return self.publish_whole(tenant, cached).await;
        }
        let HistoryPoint { revision, stamp } = changes.point;
        if revision == since.point().revision && changes.changes.is_empty() {
            // It was read before its stamp was known.
            self.published.insert(tenant.clone(), PublishedVersion { stamp, ..since });
            return Ok(());
        }
        let version = ConfigVersion { generation: since.version.generation, revision: revision.0 };
        let mut objects = self.tell.borrow().get(tenant).map(|(_, objects)| objects.clone()).unwrap_or_default();
        let documents = changes.changes.into_iter().map(|change| {
            // What an object has besides the fields of its kind is not in the cache: no role asks for it.
            let (key, object) = match change {
                ToldChange::Put(object) => (object.key(), Some(object)),
                ToldChange::Delete(key) => (key, None),
            };
            objects.change(&key, object.as_ref());
            let body = object.map(|object| object.without_hashes().to_json().into());
            Document { kind: key.kind.as_str().to_owned(), id: key.id, revision: version.revision, body }
        });
        let documents = documents.collect();
        let publication = Publication { tenant: tenant.clone(), version, base: Some(since.version), documents };
        if !publication.fits_one_write() {
            tracing::info!(%tenant, changes = publication.documents.len(), "many objects have changed: all are published");
            return self.publish_whole(tenant, cached).await;
        }
        match self.configuration.publish(publication).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                // The cache has changed since this turn looked at it: it gets what it lacks, or everything.
                let cached = self.configuration.tenants().await?.into_iter().collect();
                return self.publish_whole(tenant, &cached).await;
            }
            Err(error) => return Err(error),
        }
        tracing::info!(%tenant, revision = version.revision, "configuration changes published");
        self.done(tenant, PublishedVersion { version, stamp }, objects);
        Ok(())
    }

    fn done(&mut self, tenant: &TenantId, published: PublishedVersion, objects: AgentObjects) {
        self.published.insert(tenant.clone(), published);
        self.tell.send_modify(|held| drop(held.insert(tenant.clone(), (published.version, objects))));
    }
}

/// Kind and id of a document.
type DocumentName = (String, String);

/// What makes the documents of the cache those of the database, and the touched ones whether they differ or not.
fn differences(
    held: Vec<Document>,
    now: &[Document],
    mut touched: HashSet<DocumentName>,
    revision: Revision,
) -> Vec<Document> {
    let mut held: HashMap<DocumentName, _> = held.into_iter().map(|held| ((held.kind, held.id), held.body)).collect();
    let mut changes = Vec::new();
    for document in now {
        let name = (document.kind.clone(), document.id.clone());
        let (before, is_touched) = (held.remove(&name), touched.remove(&name));
        if is_touched || before.as_ref() != Some(&document.body) {
            changes.push(document.clone());
        }
    }
    touched.extend(held.into_keys());
    changes.extend(touched.into_iter().map(|(kind, id)| Document { kind, id, revision: revision.0, body: None }));
    changes
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
