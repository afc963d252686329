//! For tests: a store with one tenant in memory and its history, which counts how often it was read as a whole.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

use contracts::provisioning::{Object, ObjectKey, TenantObjects};
use infra::conformance::tenant_objects;
use infra::{
    Answer, ChangeNote, FoundObject, HistoryEntry, HistoryPage, HistoryPoint, HistoryStamp, ObjectChange,
    ObjectChanges, ProvisioningStore, Revision, StoreError, ToldChange, VersionedObjects,
};
use model::{TenantId, Timestamp};

pub(crate) struct OneTenant(Mutex<StoredTenant>);

struct StoredTenant {
    objects: TenantObjects,
    revision: Revision,
    /// How often its history has begun again.
    begins: u64,
    is_away: bool,
    changed: BTreeMap<ObjectKey, Revision>,
    reads: usize,
    points_asked: usize,
    noted: Vec<HistoryEntry>,
    history: Vec<HistoryEntry>,
    /// What others change before each of the next updates.
    others: VecDeque<Vec<ObjectChange>>,
}

impl StoredTenant {
    /// A point of the present history.
    const fn point_at(&self, revision: Revision) -> HistoryPoint {
        HistoryPoint { revision, stamp: HistoryStamp(self.begins * 1_000 + revision.0) }
    }
}

fn example() -> TenantObjects {
    let text = include_str!("../../../../data/example-tenant.yaml");
    crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example")
}

impl OneTenant {
    pub fn example() -> Self {
        let stored = StoredTenant {
            objects: example(),
            revision: Revision(1),
            begins: 0,
            is_away: false,
            changed: BTreeMap::new(),
            reads: 0,
            points_asked: 0,
            noted: Vec::new(),
            history: Vec::new(),
            others: VecDeque::new(),
        };
        Self(Mutex::new(stored))
    }

    pub fn id(&self) -> TenantId {
        TenantId::parse(&self.stored().objects.tenant.id).unwrap()
    }

    /// How often the whole tenant was read.
    pub fn reads(&self) -> usize {
        self.stored().reads
    }

    /// How often it was asked at which point the tenant is.
    pub fn points_asked(&self) -> usize {
        self.stored().points_asked
    }

    /// Whether the database is away from now on, as far as a point of its history is asked for.
    pub fn is_away(&self, is_away: bool) {
        self.stored().is_away = is_away;
    }

    /// Others change this before the next updates, one before each.
    pub fn others_change_before_updates(&self, changes: Vec<Vec<ObjectChange>>) {
        self.stored().others.extend(changes);
    }

    /// Such an entry is found for every repeatable batch.
    pub fn has_noted(&self, entry: HistoryEntry) {
        self.stored().noted.push(entry);
    }

    pub fn change(&self, changes: Vec<ObjectChange>) -> Revision {
        let mut stored = self.stored();
        stored.revision = Revision(stored.revision.0 + 1);
        let revision = stored.revision;
        for change in changes {
            match change {
                ObjectChange::Put(object) => {
                    stored.changed.insert(object.key(), revision);
                    tenant_objects::put(&mut stored.objects, object);
                }
                ObjectChange::Annex(key, annex) => {
                    stored.changed.insert(key.clone(), revision);
                    stored.objects.put_annex(key, annex);
                }
                ObjectChange::Delete(key) => {
                    tenant_objects::remove(&mut stored.objects, &key);
                    stored.changed.insert(key, revision);
                }
            }
        }
        revision
    }

    /// The tenant as it was at first, at its first revision.
    pub fn begin_again(&self) {
        let mut stored = self.stored();
        (stored.objects, stored.revision, stored.changed) = (example(), Revision(1), BTreeMap::new());
        stored.history.clear();
        stored.begins += 1;
    }

    /// Notes what the changes of the next revision do to objects, as the tables do.
    fn notes(&self, changes: &[ObjectChange], note: &ChangeNote) {
        let mut stored = self.stored();
        let revision = Revision(stored.revision.0 + 1);
        let mut present: HashMap<ObjectKey, Object> =
            stored.objects.objects().map(|object| (object.key(), object)).collect();
        let annex_of = |key: &ObjectKey| {
            let given = changes.iter().rev().find_map(|change| match change {
                ObjectChange::Annex(of, annex) if of == key => Some(annex.clone()),
                _ => None,
            });
            given.or_else(|| stored.objects.annexes.get(key).cloned())
        };
        let put: Vec<ObjectKey> = changes.iter().filter(|change| !is_annex(change)).map(ObjectChange::key).collect();
        let mut entries = Vec::new();
        for change in changes.iter().filter(|change| !is_annex(change) || !put.contains(&change.key())) {
            let key = change.key();
            let before = present.remove(&key);
            let annex = annex_of(&key);
            let after = match change {
                ObjectChange::Put(object) => Some(object.clone()),
                ObjectChange::Annex(..) => before.clone(),
                ObjectChange::Delete(_) => None,
            };
            let after = after.map(|object| super::shown(object, annex.as_ref(), &[]));
            let before = before.map(|object| super::shown(object, stored.objects.annexes.get(&key), &[]));
            entries.push((key, before, after));
        }
        for (key, before, after) in entries {
            let number = stored.history.len() as u64 + 1;
            let note = note.clone();
            stored.history.push(HistoryEntry { number, revision, note, key, before, after, secrets_changed: false });
        }
    }

    fn stored(&self) -> MutexGuard<'_, StoredTenant> {
        self.0.lock().unwrap()
    }

    fn found(&self, key: &ObjectKey) -> Option<(Revision, Object)> {
        let stored = self.stored();
        let object = stored.objects.objects().find(|object| object.key() == *key)?;
        Some((stored.changed.get(key).copied().unwrap_or(Revision(1)), object))
    }
}

fn is_annex(change: &ObjectChange) -> bool {
    matches!(change, ObjectChange::Annex(..))
}

fn nobody_asks<T: Send + 'static>() -> Answer<'static, T> {
    Box::pin(async { Err(StoreError::Invalid("nobody asks".to_owned())) })
}

impl ProvisioningStore for OneTenant {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        Box::pin(async { Ok(vec![(self.id(), self.stored().revision)]) })
    }

    fn point<'a>(&'a self, of: &'a TenantId) -> Answer<'a, Option<HistoryPoint>> {
        Box::pin(async move {
            let is_there = *of == self.id();
            let mut stored = self.stored();
            stored.points_asked += 1;
            if stored.is_away {
                return Err(StoreError::Unavailable { reason: "a test".to_owned() });
            }
            Ok(is_there.then(|| stored.point_at(stored.revision)))
        })
    }

    fn load<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
        Box::pin(async {
            let mut stored = self.stored();
            stored.reads += 1;
            Ok(Some((stored.revision, stored.objects.clone())))
        })
    }

    fn versioned<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<VersionedObjects>> {
        Box::pin(async {
            let mut stored = self.stored();
            stored.reads += 1;
            let revisions: HashMap<ObjectKey, Revision> =
                stored.changed.iter().map(|(key, revision)| (key.clone(), *revision)).collect();
            let point = stored.point_at(stored.revision);
            Ok(Some(VersionedObjects { point, objects: stored.objects.clone(), revisions }))
        })
    }

    fn find_versioned<'a>(&'a self, _: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<(Revision, Object)>> {
        Box::pin(async move { Ok(self.found(key)) })
    }

    fn find_annexed<'a>(&'a self, _: &'a TenantId, key: &'a ObjectKey) -> Answer<'a, Option<FoundObject>> {
        Box::pin(async move {
            let Some((revision, object)) = self.found(key) else { return Ok(None) };
            let annex = self.stored().objects.annexes.get(key).cloned().unwrap_or_default();
            Ok(Some(FoundObject { revision, object, annex }))
        })
    }

    fn update<'a>(
        &'a self,
        tenant: &'a TenantId,
        at: Revision,
        changes: Vec<ObjectChange>,
        note: &'a ChangeNote,
    ) -> Answer<'a, Revision> {
        Box::pin(async move {
            let others = self.stored().others.pop_front();
            if let Some(others) = others {
                self.change(others);
            }
            let actual = self.stored().revision;
            if actual != at {
                return Err(StoreError::Conflict { key: tenant.to_string(), expected: at.0, actual: actual.0 });
            }
            self.notes(&changes, note);
            Ok(self.change(changes))
        })
    }

    fn changes<'a>(&'a self, _: &'a TenantId, since: HistoryPoint) -> Answer<'a, ObjectChanges> {
        Box::pin(async move {
            let (point, keys): (HistoryPoint, Vec<ObjectKey>) = {
                let stored = self.stored();
                let point = stored.point_at(stored.revision);
                if since != stored.point_at(since.revision) || since.revision > stored.revision {
                    let changes = stored.objects.objects().map(ToldChange::Put).collect();
                    let annexes = stored.objects.annexes.clone().into_iter().collect();
                    return Ok(ObjectChanges { point, is_whole: true, changes, annexes });
                }
                let changed = stored.changed.iter().filter(|(_, at)| **at > since.revision);
                (point, changed.map(|(key, _)| key.clone()).collect())
            };
            let change = |key: ObjectKey| match self.found(&key) {
                Some((_, object)) => ToldChange::Put(object),
                None => ToldChange::Delete(key),
            };
            let annexes = self.stored().objects.annexes.clone();
            let annexes = annexes.into_iter().filter(|(key, _)| keys.contains(key)).collect();
            let changes = keys.into_iter().map(change).collect();
            Ok(ObjectChanges { point, is_whole: false, changes, annexes })
        })
    }

    fn next_generation<'a>(&'a self, _: &'a TenantId, at_least: u64) -> Answer<'a, u64> {
        Box::pin(async move { Ok(at_least) })
    }

    fn generation<'a>(&'a self, _: &'a TenantId) -> Answer<'a, u64> {
        nobody_asks()
    }

    fn history<'a>(&'a self, _: &'a TenantId, _: &'a HistoryPage) -> Answer<'a, Vec<HistoryEntry>> {
        nobody_asks()
    }

    fn entry_at<'a>(&'a self, _: &'a TenantId, key: &'a ObjectKey, at: Revision) -> Answer<'a, Option<HistoryEntry>> {
        Box::pin(async move {
            let stored = self.stored();
            let mut of_object = stored.history.iter().filter(|entry| entry.key == *key);
            let last = of_object.clone().rfind(|entry| entry.revision <= at);
            Ok(last.or_else(|| of_object.next()).cloned())
        })
    }

    fn request<'a>(&'a self, _: &'a TenantId, _: &'a str, _: &'a str, _: Timestamp) -> Answer<'a, Vec<HistoryEntry>> {
        Box::pin(async { Ok(self.stored().noted.clone()) })
    }
}
