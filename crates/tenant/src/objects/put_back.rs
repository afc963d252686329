//! An object as it was at a revision.

use contracts::provisioning::ObjectKey;
use infra::{ProvisioningStore, Revision};
use model::TenantId;

use super::{ChangeRefusal, EditAction, ObjectEdit};

/// The document of an object as it was at a revision, without secrets.
///
/// # Errors
/// When it did not exist then, or its history does not say so, or the store fails.
pub async fn document_at(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    key: &ObjectKey,
    at: Revision,
) -> Result<String, ChangeRefusal> {
    let entry = store.entry_at(tenant, key, at).await?;
    let document = entry.and_then(|entry| if entry.revision <= at { entry.after } else { entry.before });
    document.ok_or_else(|| ChangeRefusal::NotThen { kind: key.kind.as_str(), id: key.id.clone(), at: at.0 })
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
