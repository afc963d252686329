//! In-memory copies of the tenants' configuration, updated from the cache.

mod tenant_copy;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use infra::{ConfigCache, ConfigVersion, StoreError};
use model::TenantId;
use runtime::{Drain, Readiness};
use tokio::sync::watch;
use tokio::time::Instant;

use super::metrics::Metrics;

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
    changed: Arc<watch::Sender<u64>>,
    metrics: Metrics,
}

impl Copies {
    pub fn new(metrics: Metrics) -> Self {
        Self { tenants: Arc::default(), unread: Arc::default(), changed: Arc::new(watch::Sender::new(0)), metrics }
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
                Err(error) => {
                    // The copies stay valid: reads continue from memory while the cache is unavailable. The role stays ready, because
                    // phones' credentials are asked for here.
                    self.metrics.read_failed();
                    let why = error.to_string();
                    if logged != why {
                        tracing::warn!(%error, "the configuration cannot be read yet");
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

    async fn refresh(&self, cache: &dyn ConfigCache) -> infra::Result<()> {
        if self.unread.read().unwrap_or_else(PoisonError::into_inner).is_none() && !cache.is_complete().await? {
            return Err(StoreError::Unavailable { reason: "not all tenants are published yet".to_owned() });
        }
        let (mut changed, mut failed, mut unread) = (false, None, Unread::new());
        for (tenant, version) in cache.tenants().await? {
            let held = self.held(&tenant);
            if held.as_ref().is_some_and(|copy| copy.version == version || is_rolled_back(version, copy.version)) {
                continue;
            }
            let reading = match cache.read(&tenant, held.as_ref().map(|copy| copy.version), Duration::ZERO).await {
                Ok(reading) => reading,
                Err(error) => {
                    // An unreadable tenant does not delay the others.
                    failed = Some(error);
                    if held.is_none() {
                        unread.insert(tenant, version);
                    }
                    continue;
                }
            };
            if held.as_ref().is_some_and(|copy| is_rolled_back(reading.version, copy.version)) {
                continue;
            }
            let copy = TenantCopy::after(held.as_deref(), reading);
            let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
            tenants.insert(tenant, Arc::new(copy));
            self.metrics.refreshed();
            self.metrics.tenants_held(tenants.len());
            changed = true;
        }
        let before = self.unread.write().unwrap_or_else(PoisonError::into_inner).replace(unread);
        if changed || before.is_none() {
            self.changed.send_modify(|count| *count += 1);
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Whether the cache has lost changes that are held here, in a crash or by a failover: it gets them again, and followers are not led back.
const fn is_rolled_back(cached: ConfigVersion, held: ConfigVersion) -> bool {
    cached.generation == held.generation && cached.revision < held.revision
}

#[cfg(test)]
mod tests;
