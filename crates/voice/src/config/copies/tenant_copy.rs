//! One tenant's configuration. Each change makes a new copy, which shares with the one before what is the same in them, and readers are told
//! what has changed without a look at the rest.

mod agents;

use std::ops::Bound;
use std::sync::Arc;

use contracts::provisioning::{Object, ObjectKey, ObjectKind};
use infra::{ConfigVersion, Extent, Reading};
use model::{SharedMap, SharedSet};

use agents::KeyedAgents;

/// An object, and the revision that wrote it.
type WrittenObject = (u64, Arc<Object>);

/// One tenant's configuration.
#[derive(Clone, Default)]
pub(in crate::config) struct TenantCopy {
    pub version: ConfigVersion,
    objects: SharedMap<ObjectKey, WrittenObject>,
    /// Removed objects, with the revision that removed them; reset with each generation.
    gone: SharedMap<ObjectKey, u64>,
    /// The revision of the first reading of this generation. It does not say what was removed before.
    read_whole_at: u64,
    /// What has changed since, by the revision of its last change.
    changed: SharedSet<(u64, ObjectKey)>,
    agents: KeyedAgents,
}

impl TenantCopy {
    /// The object of that name.
    pub fn get(&self, kind: ObjectKind, id: &str) -> Option<&Object> {
        self.written(&ObjectKey { kind, id: id.to_owned() }).map(|(_, object)| object)
    }

    /// The object of that key, with the revision that wrote it.
    pub fn written(&self, key: &ObjectKey) -> Option<(u64, &Object)> {
        self.objects.get(key).map(|(revision, object)| (*revision, &**object))
    }

    /// The objects of a kind.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Object> {
        let first = ObjectKey { kind, id: String::new() };
        let objects = self.objects.range_from(Bound::Included(&first));
        objects.take_while(move |(key, _)| key.kind == kind).map(|(_, (_, object))| &**object)
    }

    /// The person who is the agent of that id.
    pub fn person_with_agent_id(&self, id: &str) -> Option<&Object> {
        self.get(ObjectKind::Person, self.agents.with_id(id)?)
    }

    /// The person who has that login code in the own settings: of several the first by user name.
    pub fn person_with_login_code(&self, code: &str) -> Option<&Object> {
        self.get(ObjectKind::Person, self.agents.with_code(code)?)
    }

    /// The person whose default place as an agent has the DN: of several the one with the first id.
    pub fn person_at(&self, dn: &str) -> Option<&Object> {
        self.get(ObjectKind::Person, self.agents.at(dn)?)
    }

    /// The objects behind a key, in the order of their keys.
    pub fn behind(&self, behind: Bound<&ObjectKey>) -> impl Iterator<Item = (&ObjectKey, &Object)> {
        self.objects.range_from(behind).map(|(key, (_, object))| (key, &**object))
    }

    /// What has changed after a version, in the order of keys, without the object if it was removed. `None` if that is not known: the version
    /// is of another generation, or from before this copy was begun.
    pub fn changed_after(&self, version: ConfigVersion) -> Option<Vec<(&ObjectKey, Option<&Object>)>> {
        let is_known = (self.read_whole_at..=self.version.revision).contains(&version.revision);
        if !is_known || version.generation != self.version.generation {
            return None;
        }
        let later = (version.revision.saturating_add(1), FIRST_KEY);
        let changed = self.changed.range_from(Bound::Included(&later)).map(|((_, key), ())| key);
        let mut changed: Vec<_> = changed.map(|key| (key, self.written(key).map(|(_, object)| object))).collect();
        changed.sort_unstable_by_key(|(key, _)| *key);
        Some(changed)
    }

    /// The copy after a reading of the cache.
    pub fn after(before: Option<&Self>, reading: Reading) -> Self {
        let mut copy = match (reading.extent, before) {
            (Extent::Changes, Some(before)) => before.clone(),
            _ => Self { read_whole_at: reading.version.revision, ..Self::default() },
        };
        copy.version = reading.version;
        for document in reading.documents {
            let Some(kind) = ObjectKind::parse(&document.kind) else { continue };
            let key = ObjectKey { kind, id: document.id };
            match document.body.map(|body| Object::from_json(kind, &body)) {
                Some(Ok(object)) => copy.put(key, (document.revision, Arc::new(object))),
                // Of a later version of this program, perhaps: what is held stays valid, and no role forgets it.
                Some(Err(error)) => {
                    tracing::error!(?key, %error, "a configuration document cannot be read");
                    if let Some(held) = before.and_then(|before| before.objects.get(&key)) {
                        copy.put(key, held.clone());
                    }
                }
                None => copy.remove(key, document.revision),
            }
        }
        copy
    }

    fn put(&mut self, key: ObjectKey, written: WrittenObject) {
        self.note_change(&key, written.0);
        self.gone.remove(&key);
        if let Some((_, before)) = self.objects.get(&key) {
            self.agents.forget(&key.id, before);
        }
        self.agents.note(&key.id, &written.1);
        self.objects.insert(key, written);
    }

    fn remove(&mut self, key: ObjectKey, revision: u64) {
        self.note_change(&key, revision);
        if let Some((_, before)) = self.objects.remove(&key) {
            self.agents.forget(&key.id, &before);
        }
        self.gone.insert(key, revision);
    }

    fn note_change(&mut self, key: &ObjectKey, revision: u64) {
        let before = self.objects.get(key).map(|(at, _)| *at).or_else(|| self.gone.get(key).copied());
        if let Some(before) = before.filter(|before| *before > self.read_whole_at) {
            self.changed.remove(&(before, key.clone()));
        }
        if revision > self.read_whole_at {
            self.changed.insert((revision, key.clone()), ());
        }
    }
}

/// Comes before every other key.
const FIRST_KEY: ObjectKey = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };

#[cfg(test)]
impl TenantCopy {
    /// A copy of this version with these objects and removed ones, followed from the beginning.
    pub fn of(
        version: ConfigVersion,
        objects: impl IntoIterator<Item = (u64, Object)>,
        gone: impl IntoIterator<Item = (u64, ObjectKey)>,
    ) -> Self {
        let mut copy = Self { version, ..Self::default() };
        for (revision, object) in objects {
            copy.put(object.key(), (revision, Arc::new(object)));
        }
        for (revision, key) in gone {
            copy.remove(key, revision);
        }
        copy
    }

    /// The keys of all objects.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }
}

#[cfg(test)]
mod tests;
