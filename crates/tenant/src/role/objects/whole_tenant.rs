//! A batch that deletes the tenant itself: it ends. Only who runs the installation may; for anybody else the tenant is not deleted.

use std::sync::Arc;

use contracts::provisioning::{ObjectKey, ObjectKind};
use contracts::v1;
use contracts::v1::change_object::Action;
use infra::{ChangeNote, ProvisioningStore, Revision, StoreError};
use model::TenantId;
use tonic::{Request, Response, Status};

use super::refusals::{no_tenant, refused, unread};
use crate::life;
use crate::objects::{ChangeRefusal, StaleObject};

/// Whether a batch deletes its tenant, and its caller runs the installation: neither a role nor somebody of one tenant, with the scope for
/// that.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn is_deleted_by(request: &Request<v1::ChangeObjectsRequest>) -> Result<bool, Status> {
    let caller = net::grpc::caller(request)?;
    let is_operator = caller.role().is_none() && caller.tenant().is_none() && caller.has_scope(runtime::scope::OPERATE);
    Ok(is_operator && request.get_ref().changes.iter().any(deletes_tenant))
}

fn deletes_tenant(change: &v1::ChangeObject) -> bool {
    change.kind == ObjectKind::Tenant.as_str() && matches!(change.action, Some(Action::Delete(_)))
}

/// Ends the tenant. What is left of it goes while nobody waits for it.
pub(super) async fn delete(
    store: &Arc<dyn ProvisioningStore>,
    tenant: &TenantId,
    asked: v1::ChangeObjectsRequest,
    note: &ChangeNote,
) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
    let [change] = asked.changes.as_slice() else {
        return Err(Status::invalid_argument("changes: what deletes the tenant itself is the only one of its batch"));
    };
    let key = super::key(&change.kind, &change.id)?;
    let at = store.revision(tenant).await.map_err(unread)?.ok_or_else(|| no_tenant(tenant))?;
    expect(&**store, tenant, &key, change.expected_revision).await?;
    if asked.validate_only {
        return Ok(answer(&key, at, 1));
    }
    let ended = match store.end_tenant(tenant, at, note).await {
        Ok(ended) => ended.ok_or_else(|| no_tenant(tenant))?,
        Err(StoreError::Conflict { .. }) => return Err(refused(ChangeRefusal::NoTurn)),
        Err(error) => return Err(refused(error.into())),
    };
    tracing::warn!(%tenant, by = note.by, revision = ended.revision.0, "the tenant was deleted");
    let (store, tenant) = (store.clone(), tenant.clone());
    tokio::spawn(async move {
        if let Err(error) = life::remove_rest(&*store, &tenant).await {
            tracing::warn!(%tenant, %error, "what is left of a deleted tenant cannot be removed now: tried again within the hour");
        }
    });
    Ok(answer(&key, ended.revision, 1))
}

/// Refuses a tenant whose own record is at another revision than was expected.
async fn expect(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    key: &ObjectKey,
    expected: Option<u64>,
) -> Result<(), Status> {
    let Some(expected) = expected.map(Revision) else { return Ok(()) };
    let found = store.find_versioned(tenant, key).await.map_err(unread)?;
    let present = found.map(|(revision, _)| revision).unwrap_or_default();
    if present == expected {
        return Ok(());
    }
    Err(refused(ChangeRefusal::Stale(vec![StaleObject { key: key.clone(), expected, present }])))
}

fn answer(key: &ObjectKey, revision: Revision, changed: u32) -> Response<v1::ChangeObjectsResponse> {
    let object = v1::ChangedObject {
        kind: key.kind.as_str().to_owned(),
        id: key.id.clone(),
        changed: true,
        ..v1::ChangedObject::default()
    };
    Response::new(v1::ChangeObjectsResponse {
        revision: revision.0,
        objects: vec![object],
        changed,
        repeated_request: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_deletes_the_tenant_by_its_own_record_alone() {
        let change = |kind: &str, action: Option<Action>| v1::ChangeObject {
            kind: kind.to_owned(),
            action,
            ..v1::ChangeObject::default()
        };
        let delete = || Some(Action::Delete(v1::DeleteObject {}));
        assert!(deletes_tenant(&change("tenant", delete())));
        assert!(!deletes_tenant(&change("person", delete())));
        assert!(!deletes_tenant(&change("tenant", Some(Action::Put(v1::PutObject::default())))));
        assert!(!deletes_tenant(&change("tenant", None)));
    }
}
