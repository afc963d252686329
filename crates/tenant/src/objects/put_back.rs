//! An object as it was at a revision.

use contracts::provisioning::ObjectKey;
use infra::{ProvisioningStore, Revision};
use model::TenantId;

use super::{ChangeRefusal, EditAction, ObjectEdit, shown};

/// The document of an object as it was at a revision, without secrets.
///
/// # Errors
/// When it did not exist then, or its history does not say so, or does no longer, or the store fails.
pub async fn document_at(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    key: &ObjectKey,
    at: Revision,
) -> Result<String, ChangeRefusal> {
    let (kind, id) = (key.kind.as_str(), key.id.clone());
    let document = match store.entry_at(tenant, key, at).await? {
        // Entries go from the first one on: what is kept has no gaps.
        Some(entry) if entry.revision <= at => entry.after,
        later => {
            // An object that has not changed since then is as it was, whatever is kept.
            let present = store.find_annexed(tenant, key).await?;
            if let Some(found) = present.filter(|found| found.revision <= at && found.object.key() == *key) {
                return Ok(shown(found.object, Some(&found.annex), &[]));
            }
            // After the entry was read: what goes meanwhile is noted by now.
            let pruned = store.pruned_revision(tenant).await?;
            if at < pruned {
                return Err(ChangeRefusal::NotKept { kind, id, at: at.0, pruned: pruned.0 });
            }
            later.and_then(|entry| entry.before)
        }
    };
    document.ok_or(ChangeRefusal::NotThen { kind, id, at: at.0 })
}

/// Why an object is not put back of which the history has never known: what is said of it.
pub async fn never_known(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    key: &ObjectKey,
    at: Revision,
) -> ChangeRefusal {
    let (kind, id) = (key.kind.as_str(), key.id.clone());
    match store.pruned_revision(tenant).await {
        Ok(pruned) if at < pruned => ChangeRefusal::NotKept { kind, id, at: at.0, pruned: pruned.0 },
        Ok(_) => ChangeRefusal::NotThen { kind, id, at: at.0 },
        Err(error) => error.into(),
    }
}

/// The edit that puts an object back as it was at a revision. Its secrets are those that it has now.
///
/// # Errors
/// Those of [`document_at`].
pub async fn put_back(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    key: ObjectKey,
    at: Revision,
    expected: Option<Revision>,
) -> Result<ObjectEdit, ChangeRefusal> {
    let document = document_at(store, tenant, &key, at).await?;
    Ok(ObjectEdit { key, expected, action: EditAction::PutBack(document) })
}
