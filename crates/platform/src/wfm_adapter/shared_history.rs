//! A tenant's history in the hands of two tasks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::TenantId;

use super::Metrics;
use super::history::TenantHistory;

/// A tenant's history, shared by the task that folds and those who read.
#[derive(Clone)]
pub(super) struct SharedHistory(Arc<Mutex<TenantHistory>>);

impl SharedHistory {
    pub fn new(tenant: &TenantId, metrics: Metrics) -> Self {
        Self(Arc::new(Mutex::new(TenantHistory::new(tenant, metrics))))
    }

    /// A fault may have left it half changed: whoever meets one begins a new history in its place.
    pub fn lock(&self) -> MutexGuard<'_, TenantHistory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
