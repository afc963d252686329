//! In-memory copies of the tenants' configuration, updated from the cache.

mod failed_reads;
mod reads;
mod tenant_copy;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use infra::{ConfigCache, ConfigVersion, StoreError};
use model::TenantId;
use runtime::{Drain, Readiness};
use tokio::sync::watch;
use tokio::time::Instant;

use super::metrics::Metrics;
use failed_reads::FailedReads;
use reads::{DueRead, EndedRead, Reads};

pub(super) use tenant_copy::TenantCopy;

/// How often the versions in the cache are read: a change becomes visible here within this time.
const LOOK: Duration = Duration::from_millis(250);
/// How often it is looked whether the tenants are published, which every role waits for.
const FIRST_LOOK: Duration = Duration::from_millis(25);

/// Tenants that are in the cache, but could not be read yet, with their versions there.
type Unread = BTreeMap<TenantId, ConfigVersion>;

/// Why there is no copy of a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoCopy {
    /// There is no such tenant.
    Unknown,
    /// It could not be read yet.
    Unread,
}

/// All copies.
#[derive(Clone)]
pub(super) struct Copies {
    tenants: Arc<RwLock<HashMap<TenantId, Arc<TenantCopy>>>>,
    /// `None` until the tenants have been listed once: which there are is not known then.
    unread: Arc<RwLock<Option<Unread>>>,
    failed: Arc<Mutex<FailedReads>>,
    changed: Arc<watch::Sender<u64>>,
    metrics: Metrics,
}

impl Copies {
    pub fn new(metrics: Metrics) -> Self {
        let changed = Arc::new(watch::Sender::new(0));
        Self { tenants: Arc::default(), unread: Arc::default(), failed: Arc::default(), changed, metrics }
    }

    /// A tenant's copy.
    pub fn tenant(&self, tenant: &TenantId) -> Result<Arc<TenantCopy>, NoCopy> {
        if let Some(copy) = self.held(tenant) {
            return Ok(copy);
        }
        let unread = self.unread.read().unwrap_or_else(PoisonError::into_inner);
        let may_exist = unread.as_ref().is_none_or(|unread| unread.contains_key(tenant));
        Err(if may_exist { NoCopy::Unread } else { NoCopy::Unknown })
    }

    fn held(&self, tenant: &TenantId) -> Option<Arc<TenantCopy>> {
        self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
    }

    /// Every tenant's version, also of those that could not be read yet: whoever leaves out what is not listed must not lose them. `None`
    /// until the tenants have been listed once.
    pub fn versions(&self) -> Option<BTreeMap<TenantId, ConfigVersion>> {
        let mut versions = self.unread.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        versions.extend(tenants.iter().map(|(tenant, copy)| (tenant.clone(), copy.version)));
        Some(versions)
    }

    /// A receiver that is notified of every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Follows the cache until the role ends.
    pub async fn follow(self, cache: Arc<dyn ConfigCache>, drain: Drain, ready: Readiness) -> anyhow::Result<()> {
        let mut followed = FollowedCache::new(cache);
        let mut logged = String::new();
        let mut read_at = Instant::now();
        loop {
            let looked = self.look(&mut followed).await.and_then(|()| self.failed().why().map_or(Ok(()), Err));
            if looked.is_ok() {
                read_at = Instant::now();
            }
            self.metrics.cache_read_before(read_at.elapsed());
            match looked {
                Ok(()) => {
                    logged.clear();
                    if self.versions().is_some() {
                        ready.holds("configuration");
                    }
                }
                Err(why) => {
                    // The copies stay valid: reads continue from memory while the cache is unavailable. The role stays ready, because
                    // phones' credentials are asked for here.
                    if logged != why {
                        tracing::warn!(error = %why, "the configuration cannot be read yet");
                        logged = why;
                    }
                }
            }
            let look_again = tokio::time::sleep(if self.versions().is_some() { LOOK } else { FIRST_LOOK });
            tokio::pin!(look_again);
            loop {
                tokio::select! {
                    () = drain.ended() => return Ok(()),
                    () = &mut look_again => break,
                    Some(ended) = followed.reads.next() => self.settle(ended),
                }
            }
        }
    }

    /// Looks at what the cache has, and begins to read what differs: several tenants at a time, and none waits for a large one.
    ///
    /// # Errors
    /// Why the tenants cannot be listed.
    async fn look(&self, followed: &mut FollowedCache) -> Result<(), String> {
        let told = |error: StoreError| {
            self.metrics.read_failed();
            error.to_string()
        };
        let listed = self.listed(&*followed.cache).await.map_err(told)?;
        let mut due = Vec::new();
        for (tenant, version) in &listed {
            if followed.reads.has(tenant) {
                continue;
            }
            let (tenant, version, held) = (tenant.clone(), *version, self.held(tenant));
            let mut failed = self.failed();
            if held.as_ref().is_some_and(|copy| copy.version == version || is_rolled_back(version, copy.version)) {
                failed.has_succeeded(&tenant);
            } else if failed.is_due(&tenant, version, Instant::now()) {
                let has_failed = failed.has(&tenant);
                due.push(DueRead { tenant, version, held, has_failed });
            }
        }
        followed.reads.begin(due);
        self.note_unread(&listed, followed);
        self.forget_withdrawn(&listed, &*followed.cache).await.map_err(told)
    }

    /// Takes over what has become of a reading.
    fn settle(&self, EndedRead { tenant, version, copy }: EndedRead) {
        match copy {
            Ok(copy) => {
                self.failed().has_succeeded(&tenant);
                if let Some(copy) = copy {
                    self.take(tenant, copy);
                }
            }
            Err(error) => {
                self.metrics.read_failed();
                self.failed().has_failed(&tenant, version, &error, Instant::now());
            }
        }
    }

    /// Notes which tenants could not be read. Which there are is known once each of the first ones was read, or could not be.
    fn note_unread(&self, listed: &[(TenantId, ConfigVersion)], followed: &FollowedCache) {
        let mut known = self.unread.write().unwrap_or_else(PoisonError::into_inner);
        if known.is_none() && !followed.reads.first_are_over() {
            return;
        }
        let failed = self.failed();
        let unread = listed.iter().filter(|(tenant, _)| failed.has(tenant) && self.held(tenant).is_none());
        let before = known.replace(unread.cloned().collect());
        drop((failed, known));
        if before.is_none() {
            self.tell();
        }
    }

    /// Forgets tenants that were withdrawn. One that the cache merely lacks stays: it may be lost and published again, or be one that nobody
    /// can publish now.
    async fn forget_withdrawn(
        &self,
        listed: &[(TenantId, ConfigVersion)],
        cache: &dyn ConfigCache,
    ) -> infra::Result<()> {
        let listed: BTreeSet<&TenantId> = listed.iter().map(|(tenant, _)| tenant).collect();
        let lacked: Vec<TenantId> = {
            let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
            tenants.keys().filter(|tenant| !listed.contains(*tenant)).cloned().collect()
        };
        // While the cache is being filled, all may be lacked: none is asked for by itself then.
        if lacked.is_empty() || !cache.is_complete().await? {
            return Ok(());
        }
        for tenant in lacked {
            if !cache.is_withdrawn(&tenant).await? {
                continue;
            }
            let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
            tenants.remove(&tenant);
            self.metrics.tenants_held(tenants.len());
            drop(tenants);
            tracing::info!(%tenant, "the tenant is gone: its configuration is not served any more");
            self.tell();
        }
        Ok(())
    }

    /// The tenants with their versions in the cache; last those that could not be read: each may take a minute to fail again.
    async fn listed(&self, cache: &dyn ConfigCache) -> infra::Result<Vec<(TenantId, ConfigVersion)>> {
        let is_first = self.unread.read().unwrap_or_else(PoisonError::into_inner).is_none();
        if is_first && !cache.is_complete().await? {
            return Err(StoreError::Unavailable { reason: "not all tenants are published yet".to_owned() });
        }
        let mut listed = cache.tenants().await?;
        let mut failed = self.failed();
        failed.keep_those_of(&listed);
        listed.sort_by_key(|(tenant, _)| failed.has(tenant));
        Ok(listed)
    }

    /// Takes over what was read, and tells it at once: others may still be read for long.
    fn take(&self, tenant: TenantId, copy: TenantCopy) {
        let generation = copy.version.generation;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let before = tenants.insert(tenant, Arc::new(copy));
        self.metrics.refreshed();
        self.metrics.tenants_held(tenants.len());
        drop(tenants);
        self.tell();
        // The next copy shares nothing with one of another generation, and that may take long to drop.
        if let Some(before) = before.filter(|before| before.version.generation != generation) {
            drop(tokio::task::spawn_blocking(move || drop(before)));
        }
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn failed(&self) -> MutexGuard<'_, FailedReads> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cache as it is followed.
struct FollowedCache {
    cache: Arc<dyn ConfigCache>,
    reads: Reads,
}

impl FollowedCache {
    fn new(cache: Arc<dyn ConfigCache>) -> Self {
        Self { reads: Reads::new(cache.clone()), cache }
    }
}

/// Whether the cache has lost changes that are held here, in a crash or by a failover: it gets them again, and followers are not led back.
const fn is_rolled_back(cached: ConfigVersion, held: ConfigVersion) -> bool {
    cached.generation == held.generation && cached.revision < held.revision
}

#[cfg(test)]
mod tests;
