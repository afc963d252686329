//! The persistent objects of a tenant: SQLite or PostgreSQL, one table per kind.

use contracts::provisioning::{Object, ObjectKey, TenantObjects};
use model::TenantId;

use crate::Answer;

/// The revision of a tenant's configuration: grows by one with each update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Revision(pub u64);

/// One object's change.
#[allow(clippy::large_enum_variant, reason = "deletions are few; a box would cost each put an allocation")]
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectChange {
    /// It is new or replaced.
    Put(Object),
    /// It is deleted.
    Delete(ObjectKey),
}

/// The changes since a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectChanges {
    /// The revision after them.
    pub revision: Revision,
    /// The objects as they are now, each once.
    pub changes: Vec<ObjectChange>,
}

/// The persistent configuration of tenants.
pub trait ProvisioningStore: Send + Sync {
    /// The tenants and their revisions.
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>>;

    /// All objects of a tenant; none if it does not exist.
    fn load<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>>;

    /// One object; none if it, or the tenant, does not exist. People, places and clients are found without regard to case. They and DNs
    /// are found without reading the whole tenant: somebody who signs in waits for it.
    fn find<'a>(&'a self, tenant: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<Object>> {
        Box::pin(async move {
            let loaded = self.load(tenant).await?;
            let is_meant = |object: &Object| {
                let own = object.key();
                own.kind == key.kind && own.id.eq_ignore_ascii_case(&key.id)
            };
            Ok(loaded.and_then(|(_, objects)| objects.objects().find(is_meant)))
        })
    }

    /// Changes objects, all or none. For a tenant that does not exist yet, `expected` is 0.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] when the tenant is at another revision; [`crate::StoreError::Invalid`] when a constraint of
    /// the tables is violated (a name that is taken, a reference to nothing).
    fn update<'a>(
        &'a self,
        tenant: &'a TenantId,
        expected: Revision,
        changes: Vec<ObjectChange>,
    ) -> Answer<'a, Revision>;

    /// The changes after `since`.
    fn changes<'a>(&'a self, tenant: &'a TenantId, since: Revision) -> Answer<'a, ObjectChanges>;
}
