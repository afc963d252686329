//! Tenants as they were read last, for the pages of a list: they come one after the other, and each would read the whole tenant.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use infra::{Revision, StoreError, VersionedObjects};
use model::TenantId;
use tokio::time::Instant;

/// The most tenants that are kept: each may have hundreds of megabytes.
const KEPT_MAX: usize = 4;
/// How long one is kept.
const KEPT: Duration = Duration::from_secs(10);

/// The tenants that are kept.
#[derive(Default)]
pub(super) struct Snapshots {
    kept: Arc<Mutex<Vec<KeptTenant>>>,
}

struct KeptTenant {
    tenant: TenantId,
    objects: Arc<VersionedObjects>,
    until: Instant,
}

impl Snapshots {
    /// The tenant's objects at its present revision, or a later one: those that are kept, else those that are read.
    ///
    /// # Errors
    /// Those of the reading.
    pub async fn at(
        &self,
        tenant: &TenantId,
        present: Revision,
        reading: impl Future<Output = Result<Option<VersionedObjects>, StoreError>>,
    ) -> Result<Option<Arc<VersionedObjects>>, StoreError> {
        if let Some(kept) = self.kept(tenant, present) {
            return Ok(Some(kept));
        }
        let Some(read) = reading.await? else { return Ok(None) };
        let read = Arc::new(read);
        self.keep(tenant, read.clone());
        Ok(Some(read))
    }

    fn kept(&self, tenant: &TenantId, present: Revision) -> Option<Arc<VersionedObjects>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |one: &&KeptTenant| one.tenant == *tenant && one.objects.revision == present;
        kept.iter().find(is_it).map(|one| one.objects.clone())
    }

    /// Keeps it for a while, in place of the oldest one.
    fn keep(&self, tenant: &TenantId, objects: Arc<VersionedObjects>) {
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.retain(|one| one.tenant != *tenant);
            if kept.len() >= KEPT_MAX {
                kept.remove(0);
            }
            kept.push(KeptTenant { tenant: tenant.clone(), objects, until: Instant::now() + KEPT });
        }
        let kept = Arc::downgrade(&self.kept);
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            if let Some(kept) = kept.upgrade() {
                kept.lock().unwrap_or_else(PoisonError::into_inner).retain(|one| one.until > Instant::now());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    /// What is there at that revision, if it is read.
    async fn read(revision: u64) -> Result<Option<VersionedObjects>, StoreError> {
        let objects = infra::conformance::provisioning::objects("acme");
        Ok(Some(VersionedObjects { revision: Revision(revision), objects, revisions: HashMap::new() }))
    }

    async fn not_read() -> Result<Option<VersionedObjects>, StoreError> {
        panic!("it is kept")
    }

    #[tokio::test(start_paused = true)]
    async fn pages_of_one_revision_read_the_tenant_once() {
        let (snapshots, acme) = (Snapshots::default(), tenant("acme"));
        let first = snapshots.at(&acme, Revision(7), read(7)).await.unwrap().unwrap();
        let again = snapshots.at(&acme, Revision(7), not_read()).await.unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        let next = snapshots.at(&acme, Revision(8), read(8)).await.unwrap().unwrap();
        assert_eq!(next.revision, Revision(8), "what has changed is read again");
        assert_eq!(snapshots.kept.lock().unwrap().len(), 1);
        tokio::time::sleep(KEPT + Duration::from_millis(1)).await;
        assert!(snapshots.kept.lock().unwrap().is_empty(), "nothing is kept for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn few_tenants_are_kept() {
        let snapshots = Snapshots::default();
        for number in 0..2 * KEPT_MAX {
            snapshots.at(&tenant(&format!("tenant-{number}")), Revision(1), read(1)).await.unwrap();
        }
        assert_eq!(snapshots.kept.lock().unwrap().len(), KEPT_MAX);
        let last = tenant(&format!("tenant-{}", 2 * KEPT_MAX - 1));
        assert!(snapshots.at(&last, Revision(1), not_read()).await.unwrap().is_some());
    }
}
