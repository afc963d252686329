//! A tenant that is made equal to a snapshot of it, in one change; or what that would change.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, TenantObjects};
use infra::{
    ChangeNote, ChangeWay, HistoryEntry, HistoryPoint, NamedSnapshot, ObjectChange, ObjectChanges, Revision,
    SNAPSHOT_KIND, StoreError, TenantArchive, kind_told,
};
use model::TenantId;
use tokio::task::spawn_blocking;

use super::{SnapshotRefusal, find, objects};
use crate::file::{Faults, PinHashing};
use crate::import::{CHANGED_MAX, ImportPlan, changes_since, filled, planned};
use crate::objects::{ChangedDocuments, repeatable_since, shown};

/// The most objects of which a restore tells that they change.
pub const RESTORED_SHOWN_MAX: usize = 1_000;

/// How a snapshot is restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreTerms {
    /// The revision of the tenant that it is meant for; none if that does not matter.
    pub expected: Option<Revision>,
    /// Whether it is checked alone, and nothing is stored.
    pub is_trial: bool,
}

/// What a restore has led to, or would lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredSnapshot {
    /// The revision of the tenant.
    pub revision: Revision,
    /// The number of objects that were not as they are now.
    pub changed: usize,
    /// The first [`RESTORED_SHOWN_MAX`] of them, without secrets.
    pub documents: Vec<ChangedDocuments>,
    /// Whether it is the result of an earlier restore with the same key.
    pub is_repeated: bool,
}

/// Why a snapshot was not restored. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum RestoreRefusal {
    /// It was not found, or the store failed.
    #[error(transparent)]
    Snapshot(#[from] SnapshotRefusal),
    /// The rules of this release refuse it.
    #[error("the snapshot has {0}")]
    Faults(#[from] Faults),
    /// The tenant is at another revision.
    #[error("the tenant is at revision {}, not {}", present.0, expected.0)]
    Stale {
        /// That for which the restore is meant.
        expected: Revision,
        /// That of the tenant.
        present: Revision,
    },
    /// Others have changed the tenant again and again, or the process ends.
    #[error("others change the tenant all the time, or the process ends: try again")]
    NoTurn,
    /// A password could not be hashed.
    #[error("nothing is restored")]
    Hash(#[from] identity::password::HashError),
}

impl From<StoreError> for RestoreRefusal {
    fn from(error: StoreError) -> Self {
        Self::Snapshot(error.into())
    }
}

/// Makes the tenant equal to its snapshot of that name. A tenant that is equal does not change. Second factors that people have got since
/// stay, as with an import. The same request sent again within a day, by its key in the note, changes nothing more; a
/// restore that has changed nothing is not remembered, since the history has no entry of it.
///
/// # Errors
/// Why nothing has happened; only an unavailable store leaves that open.
pub async fn restore(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    name: &str,
    terms: RestoreTerms,
    note: &ChangeNote,
) -> Result<RestoredSnapshot, RestoreRefusal> {
    // First: of a restore that is done the snapshot may be gone.
    if !terms.is_trial
        && let Some(outcome) = earlier(store, tenant, name, note).await?
    {
        return Ok(outcome);
    }
    let snapshot = find(store, tenant, name).await?;
    // PINs of a snapshot of before hashes: what is the same stays as it is stored.
    let mut hashing = if terms.is_trial { PinHashing::of_none() } else { PinHashing::but_for(0) };
    let head = snapshot.head.clone();
    let mut stale = None;
    for _ in 0..=CHANGED_MAX {
        let read = PresentTenant::read(store, tenant, stale.take()).await?;
        if let Some(expected) = terms.expected.filter(|expected| *expected != read.revision()) {
            return Err(RestoreRefusal::Stale { expected, present: read.revision() });
        }
        let point = read.point();
        let snapshot = snapshot.clone();
        // Beside the executor: the file of a large tenant takes a while.
        let work = spawn_blocking(move || {
            let planned = PlannedRestore::to(&snapshot, read, &mut hashing);
            (hashing, planned)
        });
        let (hashed, planned) = work.await.map_err(|_| RestoreRefusal::NoTurn)?;
        hashing = hashed;
        let Some(planned) = planned? else { continue };
        if planned.plan.changes.is_empty() || terms.is_trial {
            return Ok(planned.outcome);
        }
        match store.restore_snapshot(tenant, planned.plan.at, planned.plan.changes.clone(), &head, note).await {
            Ok(revision) => return Ok(RestoredSnapshot { revision, ..planned.outcome }),
            Err(StoreError::Conflict { .. }) => stale = Some((Box::new(planned), point)),
            Err(error) => return Err(error.into()),
        }
        // The same request may have been under way twice.
        if let Some(outcome) = earlier(store, tenant, name, note).await? {
            return Ok(outcome);
        }
    }
    Err(RestoreRefusal::NoTurn)
}

/// How a tenant is now.
enum PresentTenant {
    Whole {
        revision: Revision,
        objects: Box<TenantObjects>,
        point: HistoryPoint,
    },
    /// What others have changed since that was planned, which was not carried out.
    Since(Box<PlannedRestore>, ObjectChanges),
}

impl PresentTenant {
    async fn read(
        store: &dyn TenantArchive,
        tenant: &TenantId,
        stale: Option<(Box<PlannedRestore>, HistoryPoint)>,
    ) -> Result<Self, RestoreRefusal> {
        if let Some((planned, since)) = stale
            && let Some(told) = changes_since(store, tenant, since).await?
        {
            return Ok(Self::Since(planned, told));
        }
        // First the point: it is that of the objects if nobody has changed the tenant since.
        let point = store.point(tenant).await?;
        let (revision, objects) = store.load(tenant).await?.ok_or_else(|| SnapshotRefusal::NoTenant(tenant.clone()))?;
        let point = point.filter(|point| point.revision == revision);
        let point = point.unwrap_or_else(|| HistoryPoint::unstamped(revision));
        Ok(Self::Whole { revision, objects: Box::new(objects), point })
    }

    const fn revision(&self) -> Revision {
        self.point().revision
    }

    const fn point(&self) -> HistoryPoint {
        match self {
            Self::Whole { point, .. } => *point,
            Self::Since(_, told) => told.point,
        }
    }
}

/// The result of the same restore, if the caller has asked for it before.
async fn earlier(
    store: &dyn TenantArchive,
    tenant: &TenantId,
    name: &str,
    note: &ChangeNote,
) -> Result<Option<RestoredSnapshot>, RestoreRefusal> {
    let Some(request) = &note.request else { return Ok(None) };
    let done = store.request(tenant, &note.by, request, repeatable_since(note)).await?;
    let Some(revision) = done.last().map(|entry| entry.revision) else { return Ok(None) };
    let is_of_snapshot = |entry: &HistoryEntry| kind_told(entry.key.kind.as_str(), &entry.key.id) == SNAPSHOT_KIND;
    // A release before has noted no name with a restore.
    let (named, done): (Vec<HistoryEntry>, Vec<HistoryEntry>) = done.into_iter().partition(is_of_snapshot);
    let is_that = |entry: &HistoryEntry| entry.key.id == name && entry.before.is_some() && entry.after.is_some();
    if !named.iter().all(is_that) || done.iter().any(|entry| entry.note.way != ChangeWay::Snapshot) {
        return Err(SnapshotRefusal::RequestReused.into());
    }
    let changed = done.len();
    let told = done.into_iter().take(RESTORED_SHOWN_MAX);
    let documents =
        told.map(|HistoryEntry { key, before, after, .. }| ChangedDocuments { key, before, after }).collect();
    Ok(Some(RestoredSnapshot { revision, changed, documents, is_repeated: true }))
}

/// What a restore does to a tenant at a revision.
struct PlannedRestore {
    plan: ImportPlan,
    /// The objects of the snapshot.
    target: TenantObjects,
    outcome: RestoredSnapshot,
}

impl PlannedRestore {
    /// None if the tenant is to be read as a whole.
    fn to(
        snapshot: &NamedSnapshot,
        present: PresentTenant,
        hashing: &mut PinHashing,
    ) -> Result<Option<Self>, RestoreRefusal> {
        match present {
            PresentTenant::Whole { revision, objects, .. } => {
                Self::of(snapshot, (revision, *objects), hashing).map(Some)
            }
            PresentTenant::Since(before, told) => {
                let Self { plan, target, .. } = *before;
                let fill = |given: &mut TenantObjects, held: &TenantObjects| filled(given, Some(held), hashing);
                Ok(plan.caught_up(told, &target, fill)?.map(|plan| Self::told(plan, target)))
            }
        }
    }

    fn of(
        snapshot: &NamedSnapshot,
        stored: (Revision, TenantObjects),
        hashing: &mut PinHashing,
    ) -> Result<Self, RestoreRefusal> {
        let target = objects(snapshot)?;
        let plan = planned(Some(stored), target.clone(), hashing)?;
        Ok(Self::told(plan, target))
    }

    fn told(plan: ImportPlan, target: TenantObjects) -> Self {
        let ImportPlan { at, held, changes } = &plan;
        let changed = changes.iter().map(ObjectChange::key).collect::<HashSet<_>>().len();
        let documents = held.as_ref().map(|held| documents(held, changes)).unwrap_or_default();
        let outcome = RestoredSnapshot { revision: *at, changed, documents, is_repeated: false };
        Self { plan, target, outcome }
    }
}

/// The first objects that change, as they were and as they will be.
fn documents(held: &TenantObjects, changes: &[ObjectChange]) -> Vec<ChangedDocuments> {
    let before: HashMap<ObjectKey, Object> = held.objects().map(|object| (object.key(), object)).collect();
    let given: HashMap<&ObjectKey, &ObjectAnnex> = changes.iter().filter_map(given_annex).collect();
    let mut told = HashSet::new();
    // An object and its annex are told together: the object comes first.
    let firsts = changes.iter().filter(|change| told.insert(change.key())).take(RESTORED_SHOWN_MAX);
    let one = |change: &ObjectChange| {
        let key = change.key();
        let (present, annex) = (before.get(&key), held.annexes.get(&key));
        let after = match change {
            ObjectChange::Put(object) => Some(object),
            ObjectChange::Annex(..) => present,
            ObjectChange::Delete(_) => None,
        };
        let later = given.get(&key).copied().or(annex);
        ChangedDocuments {
            before: present.cloned().map(|object| shown(object, annex, &[])),
            after: after.cloned().map(|object| shown(object, later, &[])),
            key,
        }
    };
    firsts.map(one).collect()
}

fn given_annex(change: &ObjectChange) -> Option<(&ObjectKey, &ObjectAnnex)> {
    match change {
        ObjectChange::Annex(key, annex) => Some((key, annex)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{ObjectKind, Secret, Skill};
    use infra::{SnapshotHead, TenantFileText, ToldChange};
    use model::Timestamp;

    use super::*;

    fn example() -> TenantObjects {
        let text = include_str!("../../../../data/example-tenant.yaml");
        crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example")
    }

    fn snapshot(of: &TenantObjects) -> NamedSnapshot {
        let crate::file::Exported { yaml, documents } = crate::file::write(of);
        let at = Timestamp::from_millis(1);
        NamedSnapshot {
            head: SnapshotHead { name: "before".to_owned(), at, by: "tester".to_owned(), revision: Revision(1) },
            file: TenantFileText(yaml),
            documents: documents.into_iter().map(|(path, text)| (path.to_string_lossy().into_owned(), text)).collect(),
        }
    }

    /// What a restore of it does to a tenant at revision 7.
    fn restored(snapshot: &NamedSnapshot, stored: TenantObjects) -> Result<PlannedRestore, RestoreRefusal> {
        PlannedRestore::of(snapshot, (Revision(7), stored), &mut PinHashing::but_for(0))
    }

    #[test]
    fn a_restore_tells_what_comes_what_goes_and_what_changes() {
        let mut before = example();
        // Generated secrets get values once.
        crate::file::fill(&mut before, None, &mut runtime::entropy::Strong::seeded_by_system()).unwrap();
        let kept = snapshot(&before);
        let same = restored(&kept, before.clone()).unwrap();
        assert_eq!((same.plan.at, same.plan.changes.len(), same.outcome.changed), (Revision(7), 0, 0));

        let mut now = before;
        now.skills.push(Skill { name: "Patience".to_owned() });
        "Another".clone_into(&mut now.people[0].last_name);
        let planned = restored(&kept, now).unwrap();
        assert_eq!((planned.outcome.changed, planned.outcome.documents.len()), (2, 2));
        let of = |kind: ObjectKind| planned.outcome.documents.iter().find(|one| one.key.kind == kind).unwrap();
        let (person, skill) = (of(ObjectKind::Person), of(ObjectKind::Skill));
        assert!(person.before.as_ref().is_some_and(|text| text.contains("Another")), "{person:?}");
        assert!(person.after.as_ref().is_some_and(|text| !text.contains("Another")), "{person:?}");
        assert!(!person.after.as_ref().is_some_and(|text| text.contains("argon2")), "no secret");
        assert!(skill.before.is_some() && skill.after.is_none(), "{skill:?}");
    }

    #[test]
    fn what_others_change_before_it_is_carried_out_is_restored_too() {
        let mut before = example();
        crate::file::fill(&mut before, None, &mut runtime::entropy::Strong::seeded_by_system()).unwrap();
        let kept = snapshot(&before);
        let mut now = before.clone();
        now.skills.push(Skill { name: "Patience".to_owned() });
        let planned = restored(&kept, now).unwrap();
        let mut other = before.people[0].clone();
        "Another".clone_into(&mut other.last_name);
        let told = ObjectChanges {
            point: HistoryPoint::unstamped(Revision(8)),
            is_whole: false,
            changes: vec![ToldChange::Put(Object::Person(Box::new(other)))],
            annexes: Vec::new(),
        };
        let present = PresentTenant::Since(Box::new(planned), told);
        let again = PlannedRestore::to(&kept, present, &mut PinHashing::but_for(0)).unwrap().unwrap();
        assert_eq!((again.outcome.changed, again.outcome.revision), (2, Revision(8)));
        let mut kinds: Vec<ObjectKind> = again.outcome.documents.iter().map(|one| one.key.kind).collect();
        kinds.sort();
        assert_eq!(kinds, [ObjectKind::Skill, ObjectKind::Person]);
        let person = ObjectChange::Put(Object::Person(Box::new(before.people[0].clone())));
        assert!(again.plan.changes.contains(&person));
    }

    /// The tenant with that PIN of its first agents in clear, and none of others.
    fn with_pins(tenant: &TenantObjects, pin: &str) -> TenantObjects {
        let mut tenant = tenant.clone();
        let agents = tenant.people.iter_mut().filter_map(|person| person.agent.as_mut());
        for (at, agent) in agents.enumerate() {
            agent.pin = (at < 2).then(|| Secret(pin.to_owned()));
        }
        tenant
    }

    #[test]
    fn of_a_snapshot_of_before_hashes_only_other_pins_are_changes_and_a_trial_makes_no_hash() {
        let mut hashed = with_pins(&example(), "4711");
        crate::file::fill(&mut hashed, None, &mut runtime::entropy::Strong::seeded_by_system()).unwrap();
        let in_clear = with_pins(&hashed, "4711");
        let kept = snapshot(&in_clear);
        let at = |stored: &TenantObjects| (Revision(7), stored.clone());
        for stored in [&in_clear, &hashed] {
            for mut hashing in [PinHashing::of_none(), PinHashing::but_for(0)] {
                assert_eq!(PlannedRestore::of(&kept, at(stored), &mut hashing).unwrap().outcome.changed, 0);
            }
        }
        let others = with_pins(&hashed, "8150");
        let pins_put = |planned: &PlannedRestore| -> Vec<Secret> {
            let pins = planned.plan.changes.iter().filter_map(|change| match change {
                ObjectChange::Put(Object::Person(person)) => person.agent.as_ref()?.pin.clone(),
                _ => None,
            });
            pins.collect()
        };
        let tried = PlannedRestore::of(&kept, at(&others), &mut PinHashing::of_none()).unwrap();
        assert_eq!((tried.outcome.changed, pins_put(&tried)), (2, vec![Secret("4711".to_owned()); 2]));
        let mut hashing = PinHashing::but_for(0);
        let first = PlannedRestore::of(&kept, at(&others), &mut hashing).unwrap();
        let stored = pins_put(&first);
        assert!(stored.len() == 2 && stored.iter().all(|pin| identity::pin::verify("4711", pin.reveal())));
        let again = PlannedRestore::of(&kept, at(&others), &mut hashing).unwrap();
        assert!(pins_put(&again) == stored, "a second hash has another salt");
    }

    #[test]
    fn a_snapshot_that_breaks_a_rule_of_this_release_is_refused() {
        let mut broken = snapshot(&example());
        broken.file.0.push_str("nothing_we_know: 1\n");
        assert!(matches!(restored(&broken, example()), Err(RestoreRefusal::Faults(_))));
    }
}
