//! Places of operations that are carried out at once: each may have all people of a tenant. A tenant has a part of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Those of all tenants.
const OF_ALL_MAX: usize = 32;
/// Those of one.
const OF_TENANT_MAX: usize = 8;

/// The places of a replica.
pub(super) struct OperationPlaces {
    all: Arc<Semaphore>,
    of_tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// A place. It is free again when this is dropped.
pub(super) struct OperationPlace {
    _of_tenant: Option<OwnedSemaphorePermit>,
    _of_all: Option<OwnedSemaphorePermit>,
}

impl Default for OperationPlaces {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(OF_ALL_MAX)), of_tenants: Mutex::default() }
    }
}

impl OperationPlaces {
    /// A place for an operation of a tenant, once there is one.
    pub(super) async fn place(&self, tenant: &TenantId) -> OperationPlace {
        // They are never closed. Whoever waits for a place of the tenant takes none of the others.
        let of_tenant = self.of(tenant).acquire_owned().await.ok();
        let of_all = self.all.clone().acquire_owned().await.ok();
        OperationPlace { _of_tenant: of_tenant, _of_all: of_all }
    }

    /// Those of a tenant. Tenants that nobody works for or waits for are forgotten.
    fn of(&self, tenant: &TenantId) -> Arc<Semaphore> {
        let mut of_tenants = self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner);
        of_tenants.retain(|_, places| Arc::strong_count(places) > 1);
        of_tenants.entry(tenant.clone()).or_insert_with(|| Arc::new(Semaphore::new(OF_TENANT_MAX))).clone()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_tenant_leaves_places_to_others_and_nothing_behind() {
        let tenant = |id: &str| TenantId::parse(id).unwrap();
        let places = OperationPlaces::default();
        let of = |id: &str| places.place(&tenant(id)).now_or_never();
        let of_acme: Vec<OperationPlace> = (0..100).map_while(|_| of("acme")).collect();
        assert_eq!(of_acme.len(), OF_TENANT_MAX);
        let of_others = ["globex", "initech", "umbrella"].map(|id| (0..100).map_while(|_| of(id)).count());
        assert_eq!(of_others, [100; 3], "each is free again at once");
        drop(of_acme);
        let mut held = Vec::new();
        for id in ["a", "b", "c", "d"] {
            while let Some(place) = of(id) {
                held.push(place);
            }
        }
        assert!(held.len() == OF_ALL_MAX && of("e").is_none());
        drop(held);
        assert!(of("e").is_some());
        assert_eq!(places.of_tenants.lock().unwrap().len(), 1);
    }
}
