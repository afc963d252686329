//! The views of tenants: each starts from the ledgers' records and then follows the stream.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use infra::{EventStream, Position, StoreError};
use model::TenantId;
use tokio::sync::Mutex;

use super::metrics::Metrics;
use super::records::{self, Sources};
use super::view::View;

/// Events per read.
const BATCH: usize = 256;
/// The most tenants with a view in memory.
const VIEWS_MAX: usize = 10_000;
/// How often a view restarts from the records if the following events are removed before they are read: 32 MB of facts each time.
const BEGINNINGS_MAX: usize = 3;

/// A tenant's view and its position in the stream.
struct Folded {
    view: View,
    position: Position,
}

/// One tenant's view, once it was started. Callers wait only for their own tenant's view.
type Kept = Arc<Mutex<Option<Folded>>>;

/// The views of all requested tenants.
pub(super) struct Views {
    sources: Sources,
    metrics: Metrics,
    views: std::sync::Mutex<HashMap<TenantId, Kept>>,
}

impl Views {
    pub fn new(sources: Sources, metrics: Metrics) -> Self {
        Self { sources, metrics, views: std::sync::Mutex::default() }
    }

    /// Applies `take` to the tenant's present state: the kept view, updated to the stream's end.
    ///
    /// # Errors
    /// When a store fails, or the stream grows faster than it is read.
    pub async fn snapshot<T>(
        &self,
        tenant: &TenantId,
        take: impl FnOnce(&View, Position) -> T + Send,
    ) -> Result<T, StoreError> {
        let kept = self.kept(tenant)?;
        let mut kept = kept.lock().await;
        for _ in 0..BEGINNINGS_MAX {
            let folded = match &mut *kept {
                Some(folded) => folded,
                empty => empty.insert(self.begin(tenant).await?),
            };
            match folded.catch_up(&*self.sources.events, tenant).await {
                Ok(()) => return Ok(take(&folded.view, folded.position)),
                // The view was not requested for so long that the following events were removed; its content may be outdated, too.
                Err(StoreError::Trimmed { .. }) => *kept = None,
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable { reason: "the stream goes faster than it is read".to_owned() })
    }

    /// The slot of the tenant's view.
    fn kept(&self, tenant: &TenantId) -> Result<Kept, StoreError> {
        // The map is consistent after every step.
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if views.len() >= VIEWS_MAX && !views.contains_key(tenant) {
            return Err(StoreError::Full { what: "the table of views", bound: VIEWS_MAX as u64 });
        }
        Ok(views.entry(tenant.clone()).or_default().clone())
    }

    async fn begin(&self, tenant: &TenantId) -> Result<Folded, StoreError> {
        self.metrics.view_begun();
        let (view, position) = records::view(&self.sources, &self.metrics, tenant).await?;
        Ok(Folded { view, position })
    }
}

impl Folded {
    /// Reads up to the stream's end.
    async fn catch_up(&mut self, events: &dyn EventStream, tenant: &TenantId) -> Result<(), StoreError> {
        loop {
            let entries = events.read(tenant, self.position, BATCH, Duration::ZERO).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            self.position = last.position;
            for entry in &entries {
                self.view.fold(&entry.event);
            }
        }
    }
}

#[cfg(test)]
mod tests;
