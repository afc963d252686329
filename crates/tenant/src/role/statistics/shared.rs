//! The statistics of all tenants, shared by those who count and those who serve.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::TenantId;
use tokio::sync::watch;

use super::counts::{KeptCounts, StreamId, TenantCounts};
use super::metrics::Metrics;

/// One tenant's statistics. Locks are held for a fact, a request or a message, never across a wait.
pub(super) struct SharedCounts {
    counts: Mutex<TenantCounts>,
    /// Tells that there may be something for the streams.
    news: watch::Sender<()>,
    /// Tells that a client has asked for something: timers may be due earlier.
    asked: watch::Sender<()>,
    /// Whether all facts up to the present have been counted once.
    present: watch::Sender<bool>,
    next_stream: AtomicU64,
    metrics: Metrics,
}

/// Those of all tenants. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::role) struct CountedTenants {
    tenants: Arc<Mutex<HashMap<TenantId, Arc<SharedCounts>>>>,
}

impl SharedCounts {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            counts: Mutex::new(TenantCounts::restore(KeptCounts::default(), String::new())),
            news: watch::Sender::new(()),
            asked: watch::Sender::new(()),
            present: watch::Sender::new(false),
            next_stream: AtomicU64::new(1),
            metrics,
        }
    }

    /// Does something with the statistics, and then counts how many there are. After a panic in it they are used on as it has left them:
    /// by the tenant's loop they are replaced by what was kept when it begins again, after one of a request nothing replaces them.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut TenantCounts) -> T) -> T {
        let mut counts = self.lock();
        let before = counts.statistics();
        let done = work(&mut counts);
        self.count_held(before, counts.statistics());
        done
    }

    /// Begins again with what was kept. Streams of before end: they are known no more.
    pub(super) fn replace(&self, counts: TenantCounts) {
        self.present.send_replace(false);
        self.with(|held| *held = counts);
        self.news.send_replace(());
    }

    /// A number for a stream that none had before.
    pub(super) fn new_stream(&self) -> StreamId {
        StreamId(self.next_stream.fetch_add(1, Ordering::Relaxed))
    }

    /// Tells the streams that there may be something for them, and those who wait for the present whether it is reached.
    pub(super) fn tell(&self) {
        let is_present = self.lock().is_present();
        self.present.send_if_modified(|told| std::mem::replace(told, is_present) != is_present);
        self.news.send_replace(());
    }

    /// A client has opened or closed statistics.
    pub(super) fn is_asked(&self) {
        self.asked.send_replace(());
    }

    pub(super) fn asked(&self) -> watch::Receiver<()> {
        self.asked.subscribe()
    }

    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    pub(super) fn present(&self) -> watch::Receiver<bool> {
        self.present.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, TenantCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_held(&self, before: usize, now: usize) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.held.inc_by(count(now) - count(before));
    }
}

impl Drop for SharedCounts {
    fn drop(&mut self) {
        let held = self.lock().statistics();
        self.count_held(held, 0);
    }
}

impl CountedTenants {
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<SharedCounts>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a tenant.
    pub(super) fn begin(&self, tenant: &TenantId, metrics: &Metrics) -> Arc<SharedCounts> {
        let shared = Arc::new(SharedCounts::new(metrics.clone()));
        self.lock().insert(tenant.clone(), shared.clone());
        shared
    }

    /// Lets a tenant go that is no more: its streams end.
    pub(super) fn forget(&self, tenant: &TenantId) {
        if let Some(shared) = self.lock().remove(tenant) {
            shared.replace(TenantCounts::restore(KeptCounts::default(), String::new()));
        }
    }

    pub(super) fn find(&self, tenant: &TenantId) -> Option<Arc<SharedCounts>> {
        self.lock().get(tenant).cloned()
    }
}
