//! Secrets of a tenant that cannot be opened, since the key that has sealed them is lost or they are damaged: which there are, and how the
//! tenant goes on without them.

use contracts::provisioning::{Object, ObjectKey, Person};
use infra::{ChangeNote, ObjectChange, Revision, StoreError, TenantArchive};
use model::TenantId;

/// The field of a person's second factor, which role auth seals.
const SECOND_FACTOR: &str = "second_factor";

/// A secret that cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostSecret {
    /// The object that has it.
    pub key: ObjectKey,
    /// The field, as `agent.pin`.
    pub field: &'static str,
}

/// All secrets of a tenant that cannot be opened.
#[derive(Clone, Debug)]
pub struct LostSecrets {
    /// The revision of the tenant at which that was so.
    pub revision: Revision,
    /// Those of its objects, in the order of their kinds.
    pub secrets: Vec<LostSecret>,
    /// Its snapshots that cannot be read: they are sealed as a whole.
    pub snapshots: Vec<String>,
    /// The same objects without these secrets.
    changes: Vec<ObjectChange>,
}

impl LostSecrets {
    /// Whether everything can be opened.
    pub const fn is_empty(&self) -> bool {
        self.secrets.is_empty() && self.snapshots.is_empty()
    }
}

/// Looks which secrets of a tenant cannot be opened; none if there is no such tenant. `opens` says of a person who has a second factor
/// whether that can be opened.
///
/// # Errors
/// Errors of the store.
pub async fn find(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    opens: &dyn Fn(&Person) -> bool,
) -> Result<Option<LostSecrets>, StoreError> {
    let Some((revision, objects)) = store.load(tenant).await? else { return Ok(None) };
    let mut lost = LostSecrets { revision, secrets: Vec::new(), snapshots: Vec::new(), changes: Vec::new() };
    for object in objects.objects() {
        lost.look_at(object, opens);
    }
    for head in store.snapshots(tenant).await? {
        match store.snapshot(tenant, &head.name).await {
            Ok(_) => {}
            Err(StoreError::Corrupt { .. }) => lost.snapshots.push(head.name),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(lost))
}

impl LostSecrets {
    fn look_at(&mut self, mut object: Object, opens: &dyn Fn(&Person) -> bool) {
        // What the store could not open has stayed sealed.
        let sealed = object.readable_secrets().into_iter().filter(|(_, secret)| secret.is_sealed());
        let mut fields: Vec<&'static str> = sealed.map(|(field, _)| field).collect();
        if let Object::Person(person) = &mut object
            && person.second_factor.is_some()
            && !opens(person)
        {
            person.second_factor = None;
            fields.push(SECOND_FACTOR);
        }
        if fields.is_empty() {
            return;
        }
        let key = object.key();
        self.secrets.extend(fields.into_iter().map(|field| LostSecret { key: key.clone(), field }));
        self.changes.push(ObjectChange::Put(object.without_sealed()));
    }
}

/// Empties what was found, in one change that the history notes, and removes the snapshots. Returns the revision of the tenant.
///
/// # Errors
/// [`StoreError::Conflict`] when the tenant has changed since, and is left as it is; else errors of the store.
pub async fn forget(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    lost: LostSecrets,
    note: &ChangeNote,
) -> Result<Revision, StoreError> {
    let LostSecrets { revision, snapshots, changes, .. } = lost;
    let revision = if changes.is_empty() { revision } else { store.update(tenant, revision, changes, note).await? };
    for name in &snapshots {
        store.remove_snapshot(tenant, name, note).await?;
    }
    Ok(revision)
}
