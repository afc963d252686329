//! People as auth sees them: with the privileges of their roles.

use contracts::provisioning::{AccessGroup, Object, ObjectKind, PrivilegeRole};
use infra::{ProvisioningStore, StoreError};
use model::TenantId;

use crate::objects::{IndexedTenant, effective_privileges, groups_of, privileges_of};

/// An object that was found; a person with the privileges of the person's roles. Most tenants have no role: then nothing else is read.
pub(super) async fn with_roles(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    found: Option<Object>,
) -> Result<Option<Object>, StoreError> {
    let mut person = match found {
        Some(Object::Person(person)) => person,
        other => return Ok(other),
    };
    let roles = store.of_kind(tenant, ObjectKind::Role).await?;
    let roles: Vec<&PrivilegeRole> = roles.iter().filter_map(role).collect();
    if !roles.is_empty() {
        let groups = store.of_kind(tenant, ObjectKind::AccessGroup).await?;
        let groups = groups_of(&person.user_name, groups.iter().filter_map(access_group));
        person.privileges = effective_privileges(&person, roles, &groups);
    }
    Ok(Some(Object::Person(person)))
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
