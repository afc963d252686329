//! A tenant in memory: each object by its name in the order of lists, and by what ties it to others. Changes keep it up to date, so that an
//! edit costs what it touches and not the tenant.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, ObjectKind, Person, Tenant, folded_name};
use infra::{HistoryPoint, Revision, ToldChange, VersionedObjects};

use super::ties::{TieMark, annex_marks, marks};
use crate::file;

/// Bytes of an object in memory with its names and ties, about.
const OBJECT_BYTES: usize = 1_024;
/// Bytes of an entry of its lists, about.
const ENTRY_BYTES: usize = 160;

/// The number of an object: one that came later has a higher one.
pub(super) type Slot = u64;

/// A tenant's objects with their revisions.
pub struct IndexedTenant {
    point: HistoryPoint,
    tenant: Tenant,
    held: BTreeMap<Slot, IndexedObject>,
    by_name: BTreeMap<NameOrder, Slot>,
    holders: HashMap<TieMark, BTreeSet<Slot>>,
    /// Of few objects: none of them is empty.
    annexes: BTreeMap<Slot, ObjectAnnex>,
    /// Those of which some say who may do what with the object alone.
    with_entries: BTreeSet<Slot>,
    next: Slot,
    bytes: usize,
    /// Objects by what they count as ([`file::counted`]).
    counts: HashMap<&'static str, usize>,
}

struct IndexedObject {
    /// Who reads many objects shares them.
    object: Arc<Object>,
    revision: Revision,
}

/// An object of a tenant in memory.
#[derive(Clone, Copy)]
pub struct HeldObject<'a> {
    /// The object.
    pub object: &'a Object,
    /// What it has besides the fields of its kind.
    pub annex: Option<&'a ObjectAnnex>,
    /// The revision that has changed it last.
    pub revision: Revision,
}

impl<'a> HeldObject<'a> {
    /// The path of the folder in which it is.
    pub fn folder(self) -> &'a str {
        self.object.folder(self.annex)
    }
}

/// The order of lists: kinds in their order, and names without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct NameOrder {
    kind: ObjectKind,
    folded: String,
    id: String,
}

impl NameOrder {
    fn of(key: &ObjectKey) -> Self {
        Self { kind: key.kind, folded: folded_name(&key.id), id: key.id.clone() }
    }

    /// Before every name of the kind.
    const fn begin(kind: ObjectKind) -> Self {
        Self { kind, folded: String::new(), id: String::new() }
    }
}

impl IndexedTenant {
    /// The tenant as it was read.
    pub fn of(read: VersionedObjects) -> Self {
        let VersionedObjects { point, mut objects, mut revisions } = read;
        let annexes = std::mem::take(&mut objects.annexes);
        let mut indexed = Self {
            point,
            tenant: objects.tenant.clone(),
            held: BTreeMap::new(),
            by_name: BTreeMap::new(),
            holders: HashMap::new(),
            annexes: BTreeMap::new(),
            with_entries: BTreeSet::new(),
            next: 0,
            bytes: 0,
            counts: HashMap::new(),
        };
        for object in file::into_single(objects) {
            let of_object = revisions.remove(&object.key()).unwrap_or(point.revision);
            indexed.put(object, of_object);
        }
        for (key, annex) in annexes {
            indexed.put_annex(&key, annex);
        }
        indexed
    }

    /// The tenant's revision.
    pub const fn revision(&self) -> Revision {
        self.point.revision
    }

    /// The point of the tenant's history.
    pub const fn point(&self) -> HistoryPoint {
        self.point
    }

    /// Bytes in memory, about.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of objects that count as this.
    pub(super) fn count(&self, counted: &str) -> usize {
        self.counts.get(counted).copied().unwrap_or_default()
    }

    /// The tenant itself.
    pub(super) const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The object of exactly that name.
    pub fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.object(self.slot(key)?)
    }

    /// The object of that name, else one whose folded name is the same.
    pub fn spelled(&self, key: &ObjectKey) -> Option<&Object> {
        self.object(self.slot(key).or_else(|| self.spellings(key).last())?)
    }

    /// What the object of exactly that name has besides the fields of its kind.
    pub fn annex(&self, key: &ObjectKey) -> Option<&ObjectAnnex> {
        // Most tenants have none: nobody looks for a name then.
        if self.annexes.is_empty() {
            return None;
        }
        self.annexes.get(&self.slot(key)?)
    }

    /// All that is known of the object of that name, or of one whose folded name is the same.
    pub fn found(&self, key: &ObjectKey) -> Option<HeldObject<'_>> {
        let slot = self.slot(key).or_else(|| self.spellings(key).last())?;
        self.held_at(slot)
    }

    fn held_at(&self, slot: Slot) -> Option<HeldObject<'_>> {
        let IndexedObject { object, revision } = self.held.get(&slot)?;
        Some(HeldObject { object, annex: self.annex_at(slot), revision: *revision })
    }

    /// The person of that name, in whatever case.
    pub fn person(&self, user_name: &str) -> Option<&Person> {
        match self.spelled(&ObjectKey { kind: ObjectKind::Person, id: user_name.to_owned() }) {
            Some(Object::Person(person)) => Some(person),
            _ => None,
        }
    }

    /// The people, those first who came first.
    pub fn people(&self) -> impl Iterator<Item = &Person> {
        self.held.values().filter_map(|held| match &*held.object {
            Object::Person(person) => Some(&**person),
            _ => None,
        })
    }

    /// The objects of a kind with their names, in the order of lists.
    pub fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = (&str, &Arc<Object>)> {
        self.names(kind).filter_map(|(name, slot)| Some((name, &self.held.get(&slot)?.object)))
    }

    /// The revision that has changed an object last; none if there is no such object.
    pub fn revision_of(&self, key: &ObjectKey) -> Option<Revision> {
        self.held.get(&self.slot(key)?).map(|held| held.revision)
    }

    /// The objects of a kind in the order of lists, those behind `after`; of them those whose folded names begin so.
    pub(super) fn behind<'a>(
        &'a self,
        kind: ObjectKind,
        after: Option<&ObjectKey>,
        beginning: &str,
    ) -> impl Iterator<Item = HeldObject<'a>> + use<'a> {
        let beginning = beginning.to_owned();
        let first = NameOrder { folded: beginning.clone(), ..NameOrder::begin(kind) };
        let begin = match after.filter(|after| after.kind == kind).map(NameOrder::of) {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let names = self.by_name.range((begin, Bound::Unbounded));
        let names = names.take_while(move |(name, _)| name.kind == kind && name.folded.starts_with(&beginning));
        names.filter_map(move |(_, slot)| self.held_at(*slot))
    }

    /// Brings it to a point of its history by what has changed until then, each object with its own revision, and with the annex that is
    /// among these if it has one.
    pub(super) fn apply(
        &mut self,
        changes: Vec<(ToldChange, Revision)>,
        annexes: Vec<(ObjectKey, ObjectAnnex)>,
        at: HistoryPoint,
    ) {
        for (change, revision) in changes {
            match change {
                ToldChange::Put(object) => self.put(object, revision),
                ToldChange::Delete(key) => {
                    if let Some(slot) = self.by_name.remove(&NameOrder::of(&key)) {
                        self.let_go(slot);
                    }
                }
            }
        }
        for (key, annex) in annexes {
            self.put_annex(&key, annex);
        }
        self.point = at;
    }

    /// What an object has besides the fields of its kind becomes this.
    fn put_annex(&mut self, key: &ObjectKey, annex: ObjectAnnex) {
        let Some(slot) = self.slot(key) else { return };
        self.let_annex_go(slot);
        if annex.is_empty() {
            return;
        }
        for mark in annex_marks(&annex) {
            self.holders.entry(mark).or_default().insert(slot);
        }
        self.bytes += annex_weight(&annex);
        if !annex.own_permissions.is_empty() {
            self.with_entries.insert(slot);
        }
        self.annexes.insert(slot, annex);
    }

    fn let_annex_go(&mut self, slot: Slot) {
        let Some(annex) = self.annexes.remove(&slot) else { return };
        self.bytes = self.bytes.saturating_sub(annex_weight(&annex));
        // The object may name the same people and groups itself.
        let stays = self.with_entries.remove(&slot).then(|| self.held.get(&slot).map(|held| marks(&held.object)));
        let stay = stays.flatten().unwrap_or_default();
        self.let_marks_go(annex_marks(&annex).into_iter().filter(|mark| !stay.contains(mark)), slot);
    }

    fn let_marks_go(&mut self, marks: impl IntoIterator<Item = TieMark>, slot: Slot) {
        for mark in marks {
            if let Some(holders) = self.holders.get_mut(&mark) {
                holders.remove(&slot);
                if holders.is_empty() {
                    self.holders.remove(&mark);
                }
            }
        }
    }

    /// An object that is replaced keeps its number.
    fn put(&mut self, object: Object, revision: Revision) {
        if let Object::Tenant(tenant) = &object {
            self.tenant = (**tenant).clone();
        }
        let next = self.next;
        let slot = *self.by_name.entry(NameOrder::of(&object.key())).or_insert(next);
        self.next += u64::from(slot == next);
        self.let_go(slot);
        for mark in marks(&object) {
            self.holders.entry(mark).or_default().insert(slot);
        }
        self.bytes += weight(&object);
        for counted in file::counted(&object) {
            *self.counts.entry(counted).or_default() += 1;
        }
        self.held.insert(slot, IndexedObject { object: Arc::new(object), revision });
    }

    fn let_go(&mut self, slot: Slot) {
        let Some(IndexedObject { object, .. }) = self.held.remove(&slot) else { return };
        self.bytes = self.bytes.saturating_sub(weight(&object));
        for counted in file::counted(&object) {
            if let Some(count) = self.counts.get_mut(counted) {
                *count = count.saturating_sub(1);
            }
        }
        self.let_annex_go(slot);
        self.let_marks_go(marks(&object), slot);
    }
}

// === by numbers ===

impl IndexedTenant {
    /// The number that the next new object gets.
    pub(super) const fn next_slot(&self) -> Slot {
        self.next
    }

    /// The number of an object.
    pub(super) fn slot(&self, key: &ObjectKey) -> Option<Slot> {
        self.by_name.get(&NameOrder::of(key)).copied()
    }

    /// The object of a number.
    pub(super) fn object(&self, slot: Slot) -> Option<&Object> {
        self.held.get(&slot).map(|held| &*held.object)
    }

    /// What the object of a number has besides the fields of its kind.
    pub(super) fn annex_at(&self, slot: Slot) -> Option<&ObjectAnnex> {
        self.annexes.get(&slot)
    }

    /// The annexes of objects of which some say who may do what with them alone.
    pub(super) fn annexes_with_entries(&self) -> impl Iterator<Item = &ObjectAnnex> {
        self.with_entries.iter().filter_map(|slot| self.annexes.get(slot))
    }

    /// The objects with that tie, the earliest first.
    pub(super) fn holders<'a>(&'a self, mark: &TieMark) -> impl Iterator<Item = Slot> + use<'a> {
        self.holders.get(mark).into_iter().flatten().copied()
    }

    /// The names of a kind with their numbers.
    pub(super) fn names(&self, kind: ObjectKind) -> impl Iterator<Item = (&str, Slot)> {
        let names = self.by_name.range(NameOrder::begin(kind)..).take_while(move |(name, _)| name.kind == kind);
        names.map(|(name, slot)| (name.id.as_str(), *slot))
    }

    /// The objects whose names are this one but for upper and lower case, which DNs tell apart.
    pub(super) fn spellings<'a>(&'a self, key: &ObjectKey) -> impl Iterator<Item = Slot> + use<'a> {
        let of = NameOrder::of(key);
        let begin = NameOrder { id: String::new(), ..of.clone() };
        let is_same = move |name: &NameOrder| name.kind != ObjectKind::Dn || name.id == of.id;
        let (kind, folded) = (key.kind, folded_name(&key.id));
        let alike = self.by_name.range(begin..).take_while(move |(name, _)| name.kind == kind && name.folded == folded);
        alike.filter(move |(name, _)| is_same(name)).map(|(_, slot)| *slot)
    }
}

fn weight(object: &Object) -> usize {
    let more = match object {
        Object::Application(application) => {
            let keys = application.options.values().map(|values| values.len() + 1).sum::<usize>();
            application.document.len() + application.option_bytes() + keys * ENTRY_BYTES
        }
        Object::Switch(switch) => switch.access_codes.len() * ENTRY_BYTES,
        Object::Person(person) => person.agent.as_ref().map_or(0, |agent| agent.skills.len() * ENTRY_BYTES),
        Object::Place(place) => place.dns.len() * ENTRY_BYTES,
        Object::Schedule(schedule) => (schedule.open.len() + schedule.exceptions.len()) * ENTRY_BYTES,
        Object::AgentGroup(group) => (group.agents.len() + group.managers.len()) * ENTRY_BYTES,
        Object::PlaceGroup(group) => group.places.len() * ENTRY_BYTES,
        Object::BusinessAttribute(attribute) => attribute.values.len() * ENTRY_BYTES,
        // Each key and each value is an allocation of its own.
        Object::List(list) => {
            list.bytes() + list.sections.values().map(|values| values.len() + 1).sum::<usize>() * ENTRY_BYTES
        }
        Object::Transaction(transaction) => {
            let keys = transaction.sections.values().map(|values| values.len() + 1).sum::<usize>();
            transaction.bytes() + keys * ENTRY_BYTES
        }
        Object::DnGroup(group) => group.members.len() * ENTRY_BYTES,
        Object::TrunkGroup(group) => group.members.len() * ENTRY_BYTES,
        Object::CallingList(list) => (list.fields.len() + list.treatments.len()) * ENTRY_BYTES,
        Object::Campaign(campaign) => campaign.calling_lists.len() * ENTRY_BYTES,
        Object::StatisticDefinition(statistic) => {
            (statistic.objects.len() + statistic.main.len() + statistic.relative.len()) * ENTRY_BYTES
        }
        Object::Trunk(trunk) => (trunk.allow.len() + trunk.headers.len()) * ENTRY_BYTES,
        Object::AccessGroup(group) => (group.people.len() + group.groups.len()) * ENTRY_BYTES,
        Object::Role(role) => (role.people.len() + role.groups.len()) * ENTRY_BYTES,
        Object::Folder(folder) => folder.permissions.len() * ENTRY_BYTES,
        _ => 0,
    };
    OBJECT_BYTES + more
}

fn annex_weight(annex: &ObjectAnnex) -> usize {
    annex.property_bytes() + (annex.names().count() + annex.own_permissions.len() + 2) * ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{AgentGroup, ObjectPermission, Skill};

    use super::*;

    fn example() -> VersionedObjects {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let objects = file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let revisions = objects.objects().map(|object| (object.key(), Revision(3))).collect();
        VersionedObjects { point: HistoryPoint::unstamped(Revision(7)), objects, revisions }
    }

    fn skill(name: &str) -> Object {
        Object::Skill(Skill { name: name.to_owned() })
    }

    #[test]
    fn an_object_is_found_by_its_name_and_by_its_spelling() {
        let tenant = IndexedTenant::of(example());
        let key = |kind, id: &str| ObjectKey { kind, id: id.to_owned() };
        assert!(tenant.get(&key(ObjectKind::Person, "ADA.adler")).is_none());
        assert_eq!(tenant.person("ADA.adler").map(|person| person.user_name.as_str()), Some("ada.adler"));
        assert!(tenant.spelled(&key(ObjectKind::Dn, "7101")).is_some());
        assert_eq!(tenant.revision_of(&key(ObjectKind::Person, "ada.adler")), Some(Revision(3)));
        assert_eq!(tenant.people().count(), example().objects.people.len());
    }

    #[test]
    fn changes_lead_to_what_is_read_anew() {
        let mut tenant = IndexedTenant::of(example());
        let (bytes, ties) = (tenant.bytes(), tenant.holders.len());
        let person = tenant.person("ada.adler").cloned().expect("she is there");
        let gone = ToldChange::Delete(Object::Person(Box::new(person.clone())).key());
        let new = ToldChange::Put(skill("Patience"));
        tenant.apply(vec![(gone, Revision(8)), (new, Revision(9))], Vec::new(), HistoryPoint::unstamped(Revision(9)));
        assert_eq!(tenant.revision(), Revision(9));
        assert!(tenant.person("ada.adler").is_none() && tenant.get(&skill("Patience").key()).is_some());
        let back = ToldChange::Put(Object::Person(Box::new(person.clone())));
        let away = ToldChange::Delete(skill("Patience").key());
        tenant.apply(
            vec![(back, Revision(10)), (away, Revision(10))],
            Vec::new(),
            HistoryPoint::unstamped(Revision(10)),
        );
        assert_eq!((tenant.bytes(), tenant.holders.len()), (bytes, ties), "nothing is left behind");
        assert_eq!(tenant.person("ada.adler"), Some(&person));
    }

    #[test]
    fn an_annex_comes_goes_and_is_gone_with_its_object() {
        let mut tenant = IndexedTenant::of(example());
        let (bytes, ties) = (tenant.bytes(), tenant.holders.len());
        let key = skill("Sales").key();
        let annex = ObjectAnnex { folder: Some("Berlin".to_owned()), ..ObjectAnnex::default() };
        let put = || (ToldChange::Put(skill("Sales")), Revision(8));
        tenant.apply(vec![put()], vec![(key.clone(), annex.clone())], HistoryPoint::unstamped(Revision(8)));
        assert_eq!((tenant.annex(&key), tenant.found(&key).map(HeldObject::folder)), (Some(&annex), Some("Berlin")));
        assert_eq!(tenant.holders(&TieMark::refers_to(ObjectKind::Folder, "Berlin")).count(), 1);
        tenant.apply(vec![put()], Vec::new(), HistoryPoint::unstamped(Revision(9)));
        assert_eq!((tenant.annex(&key), tenant.found(&key).map(HeldObject::folder)), (None, Some("/")));
        assert_eq!((tenant.bytes(), tenant.holders.len()), (bytes, ties), "nothing is left behind");
        tenant.apply(vec![put()], vec![(key.clone(), annex)], HistoryPoint::unstamped(Revision(10)));
        tenant.apply(vec![(ToldChange::Delete(key), Revision(11))], Vec::new(), HistoryPoint::unstamped(Revision(11)));
        assert!(tenant.annexes.is_empty() && tenant.bytes() < bytes);
    }

    #[test]
    fn an_entry_that_goes_takes_no_tie_of_its_object_with_it() {
        let mut tenant = IndexedTenant::of(example());
        let group = Object::AgentGroup(Box::new(AgentGroup {
            name: "Day".to_owned(),
            agents: vec!["ada.adler".to_owned()],
            ..AgentGroup::default()
        }));
        let key = group.key();
        let entry = |person: &str| ObjectPermission { person: Some(person.to_owned()), ..ObjectPermission::default() };
        let entries = vec![entry("ada.adler"), entry("ben.brook")];
        let annex = ObjectAnnex { own_permissions: entries, ..ObjectAnnex::default() };
        let named = |tenant: &IndexedTenant, person: &str| {
            let slot = tenant.slot(&key);
            tenant.holders(&TieMark::refers_to(ObjectKind::Person, person)).any(|holder| Some(holder) == slot)
        };
        let put = (ToldChange::Put(group), Revision(8));
        tenant.apply(vec![put], vec![(key.clone(), annex)], HistoryPoint::unstamped(Revision(8)));
        assert!(named(&tenant, "ada.adler") && named(&tenant, "ben.brook"));
        assert_eq!(tenant.annexes_with_entries().count(), 1);
        tenant.put_annex(&key, ObjectAnnex::default());
        assert!(named(&tenant, "ada.adler") && !named(&tenant, "ben.brook"));
        assert_eq!(tenant.annexes_with_entries().count(), 0);
    }
}
