//! Brings a tenant in memory up to date by what has changed since.

use contracts::provisioning::ObjectKey;
use infra::{HistoryPoint, ObjectChanges, ProvisioningStore, Revision, StoreError, ToldChange};
use model::TenantId;

use super::SharedTenant;

/// Up to so many changes of several revisions each object's own is asked for; of more the whole tenant is read.
const ASKED_EACH_MAX: usize = 256;
/// How often that is begun again because others change the tenant.
const ATTEMPTS_MAX: usize = 3;

/// Brings a tenant from the point at which it is held to the present one of its history, or a later one; `false` if it has to be read.
pub(super) async fn brought_up(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    shared: &SharedTenant,
    since: HistoryPoint,
    present: HistoryPoint,
) -> Result<bool, StoreError> {
    // After a change that was broken off nothing is known of it.
    if since.revision > present.revision || shared.0.is_poisoned() {
        return Ok(false);
    }
    if since == present {
        return Ok(true);
    }
    for _ in 0..ATTEMPTS_MAX {
        let ObjectChanges { point, is_whole, changes, annexes } = store.changes(tenant, since).await?;
        if is_whole {
            // It was restored, or made anew: what is held is of another history.
            return Ok(false);
        }
        let revision = point.revision;
        let changes = if revision.0 == since.revision.0 + 1 {
            Some(changes.into_iter().map(|change| (change, revision)).collect())
        } else if changes.len() <= ASKED_EACH_MAX {
            each_at(store, tenant, changes, revision).await?
        } else {
            return Ok(false);
        };
        if let Some(changes) = changes {
            return Ok(shared.apply(changes, annexes, point).await);
        }
    }
    Ok(false)
}

/// Each change with the revision of its object; none if an object has changed again meanwhile.
async fn each_at(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    changes: Vec<ToldChange>,
    at: Revision,
) -> Result<Option<Vec<(ToldChange, Revision)>>, StoreError> {
    let mut each = Vec::with_capacity(changes.len());
    for change in changes {
        let ToldChange::Put(object) = &change else {
            each.push((change, at));
            continue;
        };
        let key: ObjectKey = object.key();
        match store.find_versioned(tenant, &key).await? {
            Some((revision, found)) if revision <= at && found.key() == key => each.push((change, revision)),
            _ => return Ok(None),
        }
    }
    Ok(Some(each))
}
