//! What each tenant may have of something that all share: no tenant can use up all of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Permits for each tenant. There is one entry for each tenant served.
#[derive(Clone)]
pub(super) struct Shares {
    max: usize,
    tenants: Arc<Mutex<HashMap<TenantId, Arc<Semaphore>>>>,
}

impl Shares {
    /// So many permits for each tenant.
    pub fn of(max: usize) -> Self {
        Self { max, tenants: Arc::default() }
    }

    /// A permit of the tenant, as soon as there is one.
    pub async fn take(&self, tenant: &TenantId) -> Option<OwnedSemaphorePermit> {
        // A semaphore is never closed.
        self.permits_of(tenant).acquire_owned().await.ok()
    }

    fn permits_of(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let permits = tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.max)));
        Arc::clone(permits)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_tenant_that_has_its_share_waits_alone() {
        let (shares, tenant) = (Shares::of(2), |name| TenantId::parse(name).expect("a tenant"));
        let take = |name| shares.take(&tenant(name)).now_or_never().flatten();
        let held = (take("greedy"), take("greedy"));
        assert!(held.0.is_some() && held.1.is_some() && take("greedy").is_none());
        assert!(take("other").is_some(), "the others have their own");
        drop(held);
        assert!(take("greedy").is_some());
    }
}
