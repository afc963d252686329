//! Writes the directory of a tenant to where it is searched: whole the first time, and then what is otherwise than it was written.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use infra::search::accepted;
use infra::{Collection, Result, SearchStore, Swept, TargetDocument, bounds};
use model::{TenantId, Timestamp};
use serde_json::Value;

use super::metrics::Metrics;
use crate::data_collector_api::{MonitoredObject, monitored};
use crate::directory::Directory;

/// What was written of a tenant.
pub(super) struct DirectoryWriter {
    store: Arc<dyn SearchStore>,
    tenant: TenantId,
    metrics: Metrics,
    /// What each target was when it was written.
    written: HashMap<String, u64>,
    /// What is known of the collection; none before the first one is whole.
    collection: Option<Collection>,
}

fn hash(target: &TargetDocument) -> u64 {
    let mut hasher = DefaultHasher::new();
    target.hash(&mut hasher);
    hasher.finish()
}

fn object_of(target: &TargetDocument) -> Option<MonitoredObject> {
    let shown: Value = serde_json::from_str(&target.shown).ok()?;
    monitored(&shown).filter(|object| object.id().len() <= bounds::SEARCH_ID_MAX)
}

impl DirectoryWriter {
    pub fn new(store: Arc<dyn SearchStore>, tenant: TenantId, metrics: Metrics) -> Self {
        Self { store, tenant, metrics, written: HashMap::new(), collection: None }
    }

    /// What is known of the collection; none before the first one is whole.
    pub const fn collection(&self) -> Option<&Collection> {
        self.collection.as_ref()
    }

    /// Writes a directory, of which this is the revision. Returns the objects whose states say how available its targets are.
    ///
    /// # Errors
    /// Those of the store: some of it may have been written.
    pub async fn write(
        &mut self,
        directory: &Directory,
        revision: u64,
        now: Timestamp,
    ) -> Result<Vec<MonitoredObject>> {
        let is_whole = self.collection.is_none();
        let build = match self.collection {
            Some(collection) => collection.build,
            // Whoever has collected before may have a clock that is ahead.
            None => {
                let before = self.store.collection(&self.tenant).await?.map_or(0, |noted| noted.build);
                now.as_millis().max(before + 1)
            }
        };
        let (mut hashes, mut objects) = (HashMap::with_capacity(directory.count()), Vec::new());
        let mut left_out = 0;
        for from in (0..directory.count()).step_by(bounds::SEARCH_BATCH_MAX) {
            let mut batch = directory.documents(from, bounds::SEARCH_BATCH_MAX);
            let all = batch.len();
            batch.retain(|target| accepted(std::slice::from_ref(target)).is_ok());
            left_out += all - batch.len();
            objects.extend(batch.iter().filter_map(object_of));
            let mut changed = Vec::new();
            for target in batch {
                let hash = hash(&target);
                if is_whole || self.written.get(&target.key) != Some(&hash) {
                    changed.push(target.clone());
                }
                hashes.insert(target.key, hash);
            }
            self.write_batch(build, &changed).await?;
            // A large directory keeps no search of another tenant waiting.
            tokio::task::yield_now().await;
        }
        if is_whole {
            self.store.sweep(&self.tenant, build, Swept::Targets).await?;
        } else {
            let gone = self.written.keys().filter(|key| !hashes.contains_key(*key)).cloned();
            self.remove(&gone.collect::<Vec<String>>()).await?;
        }
        let heard_at = self.collection.map_or(Timestamp::ZERO, |collection| collection.heard_at);
        let targets = hashes.len() as u64;
        let collection = Collection { build, revision, targets, checked_at: now, heard_at };
        self.store.note(&self.tenant, collection, true).await?;
        (self.written, self.collection) = (hashes, Some(collection));
        self.metrics.left_out.inc_by(left_out as u64);
        Ok(objects)
    }

    async fn write_batch(&self, build: u64, targets: &[TargetDocument]) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        self.store.write(&self.tenant, build, targets).await?;
        self.metrics.targets_written.inc_by(targets.len() as u64);
        Ok(())
    }

    async fn remove(&self, keys: &[String]) -> Result<()> {
        for batch in keys.chunks(bounds::SEARCH_BATCH_MAX) {
            self.store.remove(&self.tenant, batch).await?;
            self.metrics.targets_written.inc_by(batch.len() as u64);
        }
        Ok(())
    }

    /// Notes that the collection is as the configuration is, and perhaps that each change of a state comes.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn note(&mut self, checked_at: Timestamp, heard_at: Option<Timestamp>) -> Result<()> {
        let Some(collection) = &mut self.collection else { return Ok(()) };
        collection.checked_at = checked_at;
        collection.heard_at = heard_at.unwrap_or(collection.heard_at);
        self.store.note(&self.tenant, *collection, false).await
    }
}

#[cfg(test)]
mod tests {
    use infra::{MemorySearch, TargetSearch};
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn directory(skills: &[&str]) -> Directory {
        let skill = |name: &&str| ("skill".to_owned(), json!({"name": name}));
        let queue = ("dn".to_owned(), json!({"number": "sales", "type": "virtual_queue"}));
        let objects: Vec<(String, Value)> = skills.iter().map(skill).chain([queue]).collect();
        Directory::of_documents(&acme(), objects.iter())
    }

    fn writer(store: &Arc<MemorySearch>) -> DirectoryWriter {
        DirectoryWriter::new(store.clone(), acme(), Metrics::register(&runtime::Metrics::default()))
    }

    async fn total(store: &MemorySearch, text: &str) -> u64 {
        let terms = TargetSearch::terms_of(text).unwrap();
        let asked = TargetSearch { terms, limit: 10, ..TargetSearch::default() };
        store.search(&acme(), &asked).await.unwrap().total
    }

    #[tokio::test]
    async fn what_is_otherwise_is_written_and_what_is_gone_is_removed() {
        let store = Arc::new(MemorySearch::default());
        let mut writer = writer(&store);
        let objects = writer.write(&directory(&["English", "French"]), 7, NOW).await.unwrap();
        assert_eq!((objects.len(), objects[0].id().as_str()), (1, "Queue/sales"));
        assert_eq!((writer.metrics.targets_written.get(), total(&store, "*").await), (3, 3));
        writer.write(&directory(&["English", "German"]), 8, NOW).await.unwrap();
        assert_eq!(writer.metrics.targets_written.get(), 5, "one came and one went");
        assert_eq!((total(&store, "french").await, total(&store, "german").await), (0, 1));
        assert_eq!(writer.collection().unwrap().revision, 8);
        writer.note(NOW + std::time::Duration::from_secs(4), Some(NOW)).await.unwrap();
        let noted = store.collection(&acme()).await.unwrap().unwrap();
        assert_eq!((noted.targets, noted.heard_at, noted.checked_at.as_millis() - NOW.as_millis()), (3, NOW, 4_000));
    }

    /// Another replica, or this one after a restart, does not know what is there.
    #[tokio::test]
    async fn whoever_begins_writes_all_and_sweeps_what_others_have_left() {
        let store = Arc::new(MemorySearch::default());
        writer(&store).write(&directory(&["English", "French"]), 7, NOW).await.unwrap();
        let mut later = writer(&store);
        later.write(&directory(&["English"]), 8, NOW + std::time::Duration::from_secs(1)).await.unwrap();
        assert_eq!((total(&store, "*").await, total(&store, "french").await), (2, 0));
        let mut with_a_clock_behind = writer(&store);
        with_a_clock_behind.write(&directory(&["German"]), 9, NOW).await.unwrap();
        assert_eq!((total(&store, "english").await, total(&store, "german").await), (0, 1));
    }
}
