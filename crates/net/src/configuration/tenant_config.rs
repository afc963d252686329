//! One tenant's objects, and what has changed of them.

use std::ops::Bound;
use std::sync::Arc;

use contracts::configuration::{Changes, Listed};
use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};
use model::SharedMap;
use model::shared_map::Difference;

/// One tenant's objects, without secrets. A change makes another one, which shares with the one before what is the same in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TenantConfig {
    /// `generation-revision`: the version at which objects of the followed kinds changed last.
    pub version: String,
    objects: SharedMap<ObjectKey, Arc<Object>>,
}

/// An object that was put or removed.
pub type ObjectDifference<'a> = Difference<'a, ObjectKey, Arc<Object>>;

impl TenantConfig {
    /// The configuration that consists of these objects, without secrets.
    pub fn of(objects: &TenantObjects) -> Self {
        let all = objects.objects().map(|object| (object.key(), Arc::new(object.without_secrets())));
        Self { version: String::new(), objects: all.collect() }
    }

    /// The object of this kind and name.
    pub fn get(&self, kind: ObjectKind, id: &str) -> Option<&Object> {
        self.objects.get(&ObjectKey { kind, id: id.to_owned() }).map(|object| &**object)
    }

    /// The objects of a kind.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Object> {
        let first = ObjectKey { kind, id: String::new() };
        let objects = self.objects.range_from(Bound::Included(&first));
        objects.take_while(move |(key, _)| key.kind == kind).map(|(_, object)| &**object)
    }

    /// The tenant's own record.
    pub fn tenant(&self) -> Option<&contracts::provisioning::Tenant> {
        match self.get(ObjectKind::Tenant, "") {
            Some(Object::Tenant(tenant)) => Some(&**tenant),
            _ => None,
        }
    }

    /// What was put or removed since an earlier state, in the order of keys; also an object that reads the same, since a secret of it may
    /// have changed. What that costs depends on how much has changed.
    pub fn differences<'a>(&'a self, before: &'a Self) -> Vec<ObjectDifference<'a>> {
        self.objects.differences(&before.objects, Arc::ptr_eq)
    }

    /// The configuration after these changes; the same one if none of them concerns it.
    pub fn after(before: Option<&Arc<Self>>, changes: Changes) -> Arc<Self> {
        let before = before.filter(|_| !changes.whole);
        if let Some(before) = before
            && changes.objects.is_empty()
            && changes.gone.is_empty()
        {
            return before.clone();
        }
        let mut objects = before.map(|before| before.objects.clone()).unwrap_or_default();
        for Listed { kind, id, .. } in changes.gone {
            objects.remove(&ObjectKey { kind, id });
        }
        for Listed { kind, id, object } in changes.objects {
            match Object::from_json(kind, object.to_string().as_bytes()) {
                Ok(object) => {
                    objects.insert(ObjectKey { kind, id }, Arc::new(object));
                }
                Err(error) => tracing::error!(?kind, %id, %error, "an object cannot be read"),
            }
        }
        Arc::new(Self { version: changes.version, objects })
    }
}

/// Whether what was read at one version has all that changed up to another one.
pub fn is_up_to(read_at: &str, version: &str) -> bool {
    let numbers = |text: &str| {
        let (generation, revision) = text.split_once('-')?;
        Some((generation.parse::<u64>().ok()?, revision.parse::<u64>().ok()?))
    };
    match (numbers(read_at), numbers(version)) {
        (Some(read_at), Some(version)) => read_at >= version,
        _ => read_at == version,
    }
}

#[cfg(test)]
mod tests;
