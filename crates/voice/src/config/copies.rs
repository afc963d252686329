//! In-memory copies of the tenants' configuration, updated from the cache.

mod failed_reads;
mod tenant_copy;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use infra::{ConfigCache, ConfigVersion, StoreError};
use model::TenantId;
use runtime::{Drain, Readiness};
use tokio::sync::watch;
use tokio::time::Instant;

use super::metrics::Metrics;
use failed_reads::FailedReads;

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
        let mut logged = String::new();
        let mut read_at = Instant::now();
        loop {
            let refreshed = self.refresh(&*cache).await;
            if refreshed.is_ok() {
                read_at = Instant::now();
            }
            self.metrics.cache_read_before(read_at.elapsed());
            match refreshed {
                Ok(()) => {
                    logged.clear();
                    ready.holds("configuration");
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
            let pause = if self.versions().is_some() { LOOK } else { FIRST_LOOK };
            tokio::select! {
                () = drain.ended() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes over what has changed in the cache.
    ///
    /// # Errors
    /// Why something cannot be read, or could not at the last attempt.
    async fn refresh(&self, cache: &dyn ConfigCache) -> Result<(), String> {
        let mut unread = Unread::new();
        let listed = self.listed(cache).await.map_err(|error| {
            self.metrics.read_failed();
            error.to_string()
        })?;
        for (tenant, version) in listed {
            let held = self.held(&tenant);
            if held.as_ref().is_some_and(|copy| copy.version == version || is_rolled_back(version, copy.version)) {
                self.failed().has_succeeded(&tenant);
                continue;
            }
            if !self.failed().is_due(&tenant, version, Instant::now()) {
                if held.is_none() {
                    unread.insert(tenant, version);
                }
                continue;
            }
            let reading = match cache.read(&tenant, held.as_ref().map(|copy| copy.version), Duration::ZERO).await {
                Ok(reading) => reading,
                Err(error) => {
                    self.metrics.read_failed();
                    self.failed().has_failed(&tenant, version, &error, Instant::now());
                    if held.is_none() {
                        unread.insert(tenant, version);
                    }
                    continue;
                }
            };
            self.failed().has_succeeded(&tenant);
            if held.as_ref().is_some_and(|copy| is_rolled_back(reading.version, copy.version)) {
                continue;
            }
            self.take(tenant, TenantCopy::after(held.as_deref(), reading));
        }
        let before = self.unread.write().unwrap_or_else(PoisonError::into_inner).replace(unread);
        if before.is_none() {
            self.tell();
        }
        self.failed().why().map_or(Ok(()), Err)
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
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        tenants.insert(tenant, Arc::new(copy));
        self.metrics.refreshed();
        self.metrics.tenants_held(tenants.len());
        drop(tenants);
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    fn failed(&self) -> MutexGuard<'_, FailedReads> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the cache has lost changes that are held here, in a crash or by a failover: it gets them again, and followers are not led back.
const fn is_rolled_back(cached: ConfigVersion, held: ConfigVersion) -> bool {
    cached.generation == held.generation && cached.revision < held.revision
}

#[cfg(test)]
mod tests;
