//! What is known of each tenant at the end of its stream: the view for snapshots, and the subscriptions. A view starts from the ledgers'
//! records and then follows the stream. One reader reads it for the view and for every subscription.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use infra::{EventEntry, EventStream, Position, StoreError};
use model::TenantId;
use tokio::sync::Mutex;
use tonic::Status;

use super::live::{Id, Inlet, LiveReaders, status};
use super::metrics::{InGauge, Metrics};
use super::records::{self, Sources};
use super::view::View;

/// Events per read.
const BATCH: usize = 256;
/// The longest wait of one read.
const WAIT: Duration = Duration::from_secs(5);
/// The pause after a read that the store did not answer.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// The most tenants with a view in memory.
const VIEWS_MAX: usize = 10_000;
/// How often a view restarts from the records if the following events are removed before they are read: 32 MB of facts each time.
const BEGINNINGS_MAX: usize = 3;

/// A tenant's view and its position in the stream.
pub(super) struct Folded {
    view: View,
    position: Position,
}

/// What is kept of one tenant. Callers wait only for their own tenant's view.
#[derive(Default)]
pub(super) struct TenantView {
    /// The view, once it was started. Whoever holds it may move it and the subscriptions on, both at once.
    folded: Mutex<Option<Folded>>,
    live: std::sync::Mutex<LiveReaders>,
}

/// The outcome of an attempt to join the subscriptions at the stream's end.
pub(super) enum Joining {
    /// It gets what comes from now on.
    Joined(Id),
    /// It must read more by itself.
    Behind,
}

/// The views of all requested tenants. Cheap to clone.
#[derive(Clone)]
pub(super) struct Views {
    inner: Arc<ViewsInner>,
}

struct ViewsInner {
    sources: Sources,
    metrics: Metrics,
    views: std::sync::Mutex<HashMap<TenantId, Arc<TenantView>>>,
}

impl TenantView {
    /// The subscriptions. The lock is never held across a wait.
    pub fn live(&self) -> MutexGuard<'_, LiveReaders> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Views {
    pub fn new(sources: Sources, metrics: Metrics) -> Self {
        Self { inner: Arc::new(ViewsInner { sources, metrics, views: std::sync::Mutex::default() }) }
    }

    /// The tenants' streams.
    pub fn events(&self) -> &dyn EventStream {
        &*self.inner.sources.events
    }

    /// What is kept of the tenant.
    pub fn kept(&self, tenant: &TenantId) -> Result<Arc<TenantView>, StoreError> {
        // The map is consistent after every step.
        let mut views = self.inner.views.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= VIEWS_MAX && !views.contains_key(tenant) {
            return Err(StoreError::Full { what: "the table of views", bound: VIEWS_MAX as u64 });
        }
        Ok(views.entry(tenant.clone()).or_default().clone())
    }

    /// Applies `take` to the tenant's present state: the kept view, updated to the stream's end.
    ///
    /// # Errors
    /// When a store fails, or the stream grows faster than it is read.
    #[cfg(test)]
    pub async fn snapshot<T>(
        &self,
        tenant: &TenantId,
        take: impl FnOnce(&View, Position) -> T + Send,
    ) -> Result<T, StoreError> {
        self.at_end(&*self.kept(tenant)?, tenant, |view, position, _| take(view, position)).await
    }

    /// Applies `take` to the view and the subscriptions at the stream's end.
    pub async fn at_end<T>(
        &self,
        kept: &TenantView,
        tenant: &TenantId,
        take: impl FnOnce(&View, Position, &mut LiveReaders) -> T + Send,
    ) -> Result<T, StoreError> {
        let mut folded = kept.folded.lock().await;
        for _ in 0..BEGINNINGS_MAX {
            let present = match &mut *folded {
                Some(present) => present,
                empty => empty.insert(self.begin(kept, tenant).await?),
            };
            match self.catch_up(present, kept, tenant).await {
                Ok(()) => return Ok(take(&present.view, present.position, &mut kept.live())),
                // The view was not requested for so long that the following events were removed; its content may be outdated, too.
                Err(StoreError::Trimmed { gone }) => {
                    kept.live().end_all(&status(StoreError::Trimmed { gone }));
                    *folded = None;
                }
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable { reason: "the stream goes faster than it is read".to_owned() })
    }

    /// Adds a subscription that has read up to `after`, if what is missing is still in memory.
    pub async fn join(
        &self,
        kept: &Arc<TenantView>,
        tenant: &TenantId,
        inlet: &Inlet,
        after: Position,
    ) -> Result<Joining, StoreError> {
        let joined = self.at_end(kept, tenant, |_, _, live| live.join(inlet, after)).await?;
        let Some(id) = joined else { return Ok(Joining::Behind) };
        self.keeps_reading(kept, tenant);
        Ok(Joining::Joined(id))
    }

    /// Reads the tenant's stream from now on, as long as there are subscriptions.
    pub fn keeps_reading(&self, kept: &Arc<TenantView>, tenant: &TenantId) {
        if !std::mem::replace(&mut kept.live().is_read, true) {
            tokio::spawn(self.clone().read(kept.clone(), tenant.clone()));
        }
    }

    /// Counts one more reader of a stream until the returned value is dropped.
    pub fn stream_reader(&self) -> InGauge {
        self.inner.metrics.stream_reader()
    }

    /// Counts a subscription whose reader has taken nothing for so long, and says so.
    pub fn reader_stuck(&self, time: Duration) -> Status {
        self.inner.metrics.subscriber_slow();
        Status::resource_exhausted(format!("the reader took nothing for {time:?}: continue after the last position"))
    }

    async fn read(self, kept: Arc<TenantView>, tenant: TenantId) {
        let _counted = self.stream_reader();
        let mut is_away = false;
        while let Some(from) = next_position(&kept) {
            let read = self.events().read(&tenant, from, BATCH, WAIT).await;
            let was_away = std::mem::replace(&mut is_away, read.as_ref().is_err_and(StoreError::passes));
            match read {
                Ok(entries) if entries.is_empty() => {}
                Ok(entries) => {
                    let mut folded = kept.folded.lock().await;
                    // Otherwise somebody who took a snapshot has read these already.
                    if let Some(present) = folded.as_mut().filter(|present| present.position == from) {
                        present.take_in(entries, &kept, &self.inner.metrics);
                    }
                }
                // Its subscriptions lose nothing: they go on from here.
                Err(error) if is_away => {
                    if !was_away {
                        tracing::warn!(%tenant, %error, "the events of a tenant cannot be read now: its subscriptions wait");
                    }
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
                Err(error) => {
                    tracing::info!(%tenant, %error, "the events of a tenant cannot be read: its subscriptions end");
                    let mut folded = kept.folded.lock().await;
                    if matches!(error, StoreError::Trimmed { .. }) {
                        *folded = None;
                    }
                    let mut live = kept.live();
                    live.end_all(&status(error));
                    live.is_read = false;
                    return;
                }
            }
        }
    }

    async fn begin(&self, kept: &TenantView, tenant: &TenantId) -> Result<Folded, StoreError> {
        self.inner.metrics.view_begun();
        let (view, position) = records::view(&self.inner.sources, &self.inner.metrics, tenant).await?;
        kept.live().begin(position);
        Ok(Folded { view, position })
    }

    /// Reads up to the stream's end.
    async fn catch_up(&self, present: &mut Folded, kept: &TenantView, tenant: &TenantId) -> Result<(), StoreError> {
        loop {
            let entries = self.events().read(tenant, present.position, BATCH, Duration::ZERO).await?;
            if entries.is_empty() {
                return Ok(());
            }
            present.take_in(entries, kept, &self.inner.metrics);
        }
    }
}

/// Where the reader goes on; none if nobody is left who wants to know.
fn next_position(kept: &TenantView) -> Option<Position> {
    let mut live = kept.live();
    if live.is_empty() {
        live.is_read = false;
        return None;
    }
    Some(live.position())
}

impl Folded {
    /// Folds what comes next in the stream into the view, and gives it to the subscriptions.
    fn take_in(&mut self, entries: Vec<EventEntry>, kept: &TenantView, metrics: &Metrics) {
        for entry in &entries {
            self.position = entry.position;
            self.view.fold(&entry.event);
        }
        kept.live().give(entries, metrics);
    }
}

#[cfg(test)]
mod tests;
