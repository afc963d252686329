//! People as auth sees them: with the privileges of their roles.

use std::sync::Arc;

use contracts::provisioning::{AccessGroup, Object, ObjectKind, Person, Privilege, PrivilegeRole};
use infra::{ProvisioningStore, StoreError};
use model::TenantId;

use crate::objects::{HeldTenants, IndexedTenant, effective_privileges, groups_of, privileges_of};

/// So many bytes of roles and access groups are read for one person; where there are more the tenant is brought into memory, where they are
/// found by the person, and stays there for whoever signs in next.
const READ_BYTES_MAX: u64 = 256 * 1_024;

/// An object that was found; a person with the privileges of the person's roles. Most tenants have no role: then nothing else is read.
pub(super) async fn with_roles(
    store: &Arc<dyn ProvisioningStore>,
    held: &Arc<HeldTenants>,
    tenant: &TenantId,
    found: Option<Object>,
) -> Result<Option<Object>, StoreError> {
    let mut person = match found {
        Some(Object::Person(person)) => person,
        other => return Ok(other),
    };
    let bytes = store.document_bytes(tenant, ObjectKind::Role).await?;
    if bytes == 0 {
        return Ok(Some(Object::Person(person)));
    }
    let bytes = bytes.saturating_add(store.document_bytes(tenant, ObjectKind::AccessGroup).await?);
    if bytes <= READ_BYTES_MAX {
        person.privileges = read(&**store, tenant, &person).await?;
        return Ok(Some(Object::Person(person)));
    }
    // It is read to its end even if the caller leaves: whoever asks next finds it.
    let (store, held, of) = (store.clone(), held.clone(), tenant.clone());
    let reading = tokio::spawn(async move { held.readable(&*store, &of).await });
    let ends = || StoreError::Unavailable { reason: "the process ends".to_owned() };
    let Some(shared) = reading.await.map_err(|_| ends())?? else { return Ok(None) };
    shared.look(move |held| with_roles_of(held, Some(Object::Person(person)))).await.ok_or_else(ends)
}

/// The privileges of a person by all roles and access groups, which are few.
async fn read(store: &dyn ProvisioningStore, tenant: &TenantId, person: &Person) -> Result<Vec<Privilege>, StoreError> {
    let roles = store.of_kind(tenant, ObjectKind::Role).await?;
    let groups = store.of_kind(tenant, ObjectKind::AccessGroup).await?;
    let groups = groups_of(&person.user_name, groups.iter().filter_map(access_group));
    Ok(effective_privileges(person, roles.iter().filter_map(role), &groups))
}

/// The same of a tenant in memory.
pub(super) fn with_roles_of(held: &IndexedTenant, found: Option<Object>) -> Option<Object> {
    match found {
        Some(Object::Person(mut person)) => {
            person.privileges = privileges_of(held, &person);
            Some(Object::Person(person))
        }
        other => other,
    }
}

fn role(object: &Object) -> Option<&PrivilegeRole> {
    match object {
        Object::Role(role) => Some(role),
        _ => None,
    }
}

fn access_group(object: &Object) -> Option<&AccessGroup> {
    match object {
        Object::AccessGroup(group) => Some(group),
        _ => None,
    }
}
