//! What one tenant may take of what all tenants share, so that the tools of one keep no other from being served.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Places for all tenants, of which each may have some.
pub(super) struct TenantShares {
    all: Semaphore,
    of_one_max: usize,
    /// Those of which a place is taken or waited for.
    of_one: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// A place; dropping it gives it back.
pub(super) struct SharedPlace<'a> {
    _own: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'a>,
}

impl TenantShares {
    /// So many places for all tenants, and so many of them for one.
    pub fn new(all: usize, of_one_max: usize) -> Self {
        Self { all: Semaphore::new(all), of_one_max, of_one: Mutex::default() }
    }

    /// A place, if there is one.
    pub fn take_now(&self, tenant: &TenantId) -> Option<SharedPlace<'_>> {
        let own = self.of(tenant).try_acquire_owned().ok()?;
        Some(SharedPlace { _own: own, _of_all: self.all.try_acquire().ok()? })
    }

    /// Waits for a place: first for one of the tenant's own, which takes nothing from others. `None` never, as they are not closed.
    pub async fn take(&self, tenant: &TenantId) -> Option<SharedPlace<'_>> {
        let own = self.of(tenant).acquire_owned().await.ok()?;
        Some(SharedPlace { _own: own, _of_all: self.all.acquire().await.ok()? })
    }

    fn of(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut of_one = self.of_one.lock().unwrap_or_else(PoisonError::into_inner);
        of_one.retain(|_, own| Arc::strong_count(own) > 1);
        of_one.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(self.of_one_max))).clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    #[test]
    fn a_tenant_that_takes_its_share_leaves_others_theirs() {
        let shares = TenantShares::new(3, 2);
        let (acme, globex) = (tenant("acme"), tenant("globex"));
        let (first, _second) = (shares.take_now(&acme).unwrap(), shares.take_now(&acme).unwrap());
        assert!(shares.take_now(&acme).is_none(), "it has its share");
        let other = shares.take_now(&globex);
        assert!(other.is_some() && shares.take_now(&globex).is_none(), "all places are taken");
        drop(first);
        assert!(shares.take_now(&acme).is_some());
    }

    #[test]
    fn who_waits_for_the_own_tenant_holds_up_no_other() {
        let shares = TenantShares::new(2, 1);
        let (acme, globex) = (tenant("acme"), tenant("globex"));
        let first = shares.take(&acme).now_or_never().flatten();
        let mut second = Box::pin(shares.take(&acme));
        assert!(first.is_some() && second.as_mut().now_or_never().is_none(), "one after the other");
        assert!(shares.take(&globex).now_or_never().flatten().is_some());
        drop(first);
        assert!(second.now_or_never().flatten().is_some());
        assert!(shares.take(&globex).now_or_never().flatten().is_some());
        assert_eq!(shares.of_one.lock().unwrap().len(), 1, "who has no place is forgotten");
    }
}
