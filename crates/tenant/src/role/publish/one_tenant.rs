//! One tenant's objects into the cache, beside the publications of other tenants.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::TenantObjects;
use infra::{
    Clock, ConfigCache, ConfigVersion, Document, HistoryPoint, HistoryStamp, ProvisioningStore, Publication, Revision,
    StoreError, ToldChange, ViewStore, note_life,
};
use model::TenantId;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::super::agents::AgentObjects;
use super::PublishedVersion;

/// Tenants whose changes are published side by side.
const CHANGED_AT_ONCE: usize = 2;
/// Tenants that are published whole side by side: a large one fills the memory of this role for a while.
const WHOLE_AT_ONCE: usize = 1;

/// The turns of publications. A tenant that is published whole delays none whose changes are.
#[derive(Clone)]
pub(super) struct PublicationTurns {
    changed: Arc<Semaphore>,
    whole: Arc<Semaphore>,
}

impl Default for PublicationTurns {
    fn default() -> Self {
        Self { changed: Arc::new(Semaphore::new(CHANGED_AT_ONCE)), whole: Arc::new(Semaphore::new(WHOLE_AT_ONCE)) }
    }
}

impl PublicationTurns {
    /// Those that wait have their turn no more; those that are under way go on to their ends.
    pub fn close(&self) {
        self.changed.close();
        self.whole.close();
    }
}

/// What is there now of a tenant.
pub(super) struct Publishing {
    pub version: PublishedVersion,
    /// None if they are as before.
    pub agents: Option<AgentObjects>,
}

/// A publication that is over.
pub(super) struct FinishedPublication {
    pub tenant: TenantId,
    /// That of the database when it was begun.
    pub point: HistoryPoint,
    /// None if there is no such tenant any more, or its turn has not come.
    pub outcome: infra::Result<Option<Publishing>>,
}

/// What publishes one tenant once.
pub(super) struct TenantPublisher {
    pub provisioning: Arc<dyn ProvisioningStore>,
    pub configuration: Arc<dyn ConfigCache>,
    pub lives: Arc<dyn ViewStore>,
    pub clock: Arc<dyn Clock>,
    pub turns: PublicationTurns,
    pub tenant: TenantId,
    /// What this run of the role has published last.
    pub published: Option<PublishedVersion>,
    /// The agent objects of that, where the cache has it.
    pub agents: AgentObjects,
    /// What the cache has.
    pub cached: Option<ConfigVersion>,
    /// Whether the last attempt has failed.
    pub is_faulty: bool,
}

impl TenantPublisher {
    /// Publishes the tenant as it is.
    pub async fn run(mut self, point: HistoryPoint) -> FinishedPublication {
        let outcome = self.publish().await;
        FinishedPublication { tenant: self.tenant, point, outcome }
    }

    async fn publish(&mut self) -> infra::Result<Option<Publishing>> {
        let tenant = &self.tenant;
        match self.published {
            Some(published) if self.cached == Some(published.version) => return self.publish_changes(published).await,
            Some(_) => {
                tracing::warn!(%tenant, "the cache has lost the configuration, or has another one: it is published again");
            }
            None => {}
        }
        self.publish_whole(self.cached).await
    }

    /// Publishes a tenant of which the cache has not what this run has published last: what differs from the cache, or everything.
    async fn publish_whole(&self, held: Option<ConfigVersion>) -> infra::Result<Option<Publishing>> {
        let Ok(_turn) = self.turns.whole.acquire().await else { return Ok(None) };
        let tenant = &self.tenant;
        // First the point: if the tenant changes before it is read, the next turn finds another one.
        let Some(point) = self.provisioning.point(tenant).await? else { return Ok(None) };
        let Some(life) = self.provisioning.life(tenant).await? else { return Ok(None) };
        let Some((revision, objects)) = self.provisioning.load(tenant).await? else { return Ok(None) };
        // Before it is served: what is kept of one before it with its id is not this one's.
        note_life(&*self.lives, tenant, Some(life)).await?;
        let stamp = if point.revision == revision { point.stamp } else { HistoryStamp::UNKNOWN };
        // Beside the executor: a large tenant takes a while.
        let listed = spawn_blocking(move || (Arc::new(documents(&objects, revision)), AgentObjects::of(&objects)));
        let (documents, agents) = listed.await.map_err(|_| ends())?;
        let agents = Some(agents);
        if let Some(held) = held.filter(|held| held.revision <= revision.0)
            && self.goes_on(held, revision, documents.clone()).await?
        {
            let version = ConfigVersion { generation: held.generation, revision: revision.0 };
            return Ok(Some(Publishing { version: PublishedVersion { version, stamp }, agents }));
        }
        let generation = self.next_generation(held.unwrap_or_default().generation).await;
        let version = ConfigVersion { generation, revision: revision.0 };
        let documents = Arc::unwrap_or_clone(documents);
        let publication = Publication { tenant: tenant.clone(), version, base: None, documents };
        self.configuration.publish(publication).await?;
        tracing::info!(%tenant, generation = version.generation, revision = revision.0, "configuration published");
        Ok(Some(Publishing { version: PublishedVersion { version, stamp }, agents }))
    }

    /// Goes on with the generation that the cache has, so that a restart of this role has nobody read everything again; returns whether
    /// that is possible. At one revision there is one state: if the cache has another one, it is of another database or another release.
    /// And a cache that is back at an earlier generation is not gone on with: readers take that for an older state and never read again.
    async fn goes_on(
        &self,
        held: ConfigVersion,
        revision: Revision,
        documents: Arc<Vec<Document>>,
    ) -> infra::Result<bool> {
        let tenant = &self.tenant;
        let version = ConfigVersion { generation: held.generation, revision: revision.0 };
        let is_earlier = self.published.is_some_and(|published| version < published.version);
        if is_earlier || held.generation < self.provisioning.generation(tenant).await? {
            return Ok(false);
        }
        let reading = match self.configuration.read(tenant, None, Duration::ZERO).await {
            Ok(reading) if reading.version == held => reading,
            Ok(_) | Err(StoreError::Corrupt { .. } | StoreError::Missing { .. }) => return Ok(false),
            // The cache may not have answered for a moment only, and a new generation has everybody read everything.
            Err(error) if !self.is_faulty => return Err(error),
            Err(error) => {
                tracing::warn!(%tenant, %error, "the cache cannot be read: the tenant is published again");
                return Ok(false);
            }
        };
        if held.revision == revision.0 {
            let compared = move || differences(reading.documents, &documents, HashSet::new(), revision).is_empty();
            return spawn_blocking(compared).await.map_err(|_| ends());
        }
        let Some(touched) = self.touched_since(held).await? else { return Ok(false) };
        let compared = move || differences(reading.documents, &documents, touched, revision);
        let changes = spawn_blocking(compared).await.map_err(|_| ends())?;
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
    async fn touched_since(&self, held: ConfigVersion) -> infra::Result<Option<HashSet<DocumentName>>> {
        let since = HistoryPoint::unstamped(Revision(held.revision));
        let changes = self.provisioning.changes(&self.tenant, since).await?;
        let name = |change: ToldChange| {
            let key = change.key();
            (key.kind.as_str().to_owned(), key.id)
        };
        Ok((!changes.is_whole).then(|| changes.changes.into_iter().map(name).collect()))
    }

    /// Later than any generation of a cache that was emptied in between: a reader of that one then takes the new one whole.
    async fn next_generation(&self, before: u64) -> u64 {
        let tenant = &self.tenant;
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
    async fn publish_changes(&mut self, since: PublishedVersion) -> infra::Result<Option<Publishing>> {
        let turns = self.turns.clone();
        let Ok(turn) = turns.changed.acquire().await else { return Ok(None) };
        let tenant = self.tenant.clone();
        let changes = self.provisioning.changes(&tenant, since.point()).await?;
        if changes.is_whole || changes.point.revision < since.point().revision {
            tracing::warn!(%tenant, revision = changes.point.revision.0, "the tenant was restored: it is published again");
            drop((turn, changes));
            return self.publish_whole(self.cached).await;
        }
        let HistoryPoint { revision, stamp } = changes.point;
        if revision == since.point().revision && changes.changes.is_empty() {
            // It was read before its stamp was known.
            return Ok(Some(Publishing { version: PublishedVersion { stamp, ..since }, agents: None }));
        }
        let version = ConfigVersion { generation: since.version.generation, revision: revision.0 };
        let (mut agents, changed) = (std::mem::take(&mut self.agents), changes.changes);
        // Beside the executor: an import may have changed most of a large tenant.
        let listed = spawn_blocking(move || {
            let document = |change: ToldChange| {
                // What an object has besides the fields of its kind is not in the cache: no role asks for it.
                let (key, object) = match change {
                    ToldChange::Put(object) => (object.key(), Some(object)),
                    ToldChange::Delete(key) => (key, None),
                };
                agents.change(&key, object.as_ref());
                let body = object.map(|object| object.without_hashes().to_json().into());
                Document { kind: key.kind.as_str().to_owned(), id: key.id, revision: version.revision, body }
            };
            let documents: Vec<Document> = changed.into_iter().map(document).collect();
            (documents, agents)
        });
        let (documents, agents) = listed.await.map_err(|_| ends())?;
        let publication = Publication { tenant: tenant.clone(), version, base: Some(since.version), documents };
        if !publication.fits_one_write() {
            tracing::info!(%tenant, changes = publication.documents.len(), "many objects have changed: all are published");
            drop((turn, publication));
            return self.publish_whole(self.cached).await;
        }
        match self.configuration.publish(publication).await {
            Ok(()) => {}
            Err(StoreError::Conflict { .. }) => {
                // The cache has changed since this turn looked at it: it gets what it lacks, or everything.
                drop(turn);
                let cached = self.configuration.tenants().await?;
                let cached = cached.into_iter().find(|(held, _)| *held == tenant).map(|(_, version)| version);
                return self.publish_whole(cached).await;
            }
            Err(error) => return Err(error),
        }
        tracing::info!(%tenant, revision = version.revision, "configuration changes published");
        Ok(Some(Publishing { version: PublishedVersion { version, stamp }, agents: Some(agents) }))
    }
}

/// What the cache has of all objects.
fn documents(objects: &TenantObjects, revision: Revision) -> Vec<Document> {
    let document = |object: contracts::provisioning::Object| {
        let key = object.key();
        let body = Some(object.without_hashes().to_json().into());
        Document { kind: key.kind.as_str().to_owned(), id: key.id, revision: revision.0, body }
    };
    objects.objects().map(document).collect()
}

fn ends() -> StoreError {
    StoreError::Unavailable { reason: "the process ends".to_owned() }
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
