//! Which rules a change would break, judged by a part of the tenant: the objects that change, those whose rules depend on them, and what
//! these refer to. The rules are those of the whole tenant, and so are the faults that they find.

mod access_groups;
mod circles;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use call::dial_plan::Pattern;
use contracts::provisioning::{Application, DialAction, Object, ObjectAnnex, ObjectKey, ObjectKind, TenantObjects};
use infra::ObjectChange;

use super::ObjectFault;
use super::indexed::{IndexedTenant, Slot};
use super::ties::{TieMark, annex_marks, marks};
use crate::file::{self, object_faults};

/// The kinds of which no object may have a number that an emergency call has.
const NUMBERED: [ObjectKind; 3] = [ObjectKind::Dn, ObjectKind::Number, ObjectKind::FeatureCode];

/// The rules that changes would break and that are kept now, and all that objects of `put` would break. Of those who refer to an object
/// that comes or goes at most so many are looked at.
pub(super) fn broken(
    held: &IndexedTenant,
    changes: &[ObjectChange],
    put: &HashSet<ObjectKey>,
    referrers_max: usize,
) -> Vec<ObjectFault> {
    let changed = ChangedTenant::of(held, changes);
    let looked = changed.looked_at(referrers_max);
    let beside = changed.beside(&looked);
    let keys: HashSet<ObjectKey> = looked.iter().flat_map(|slot| changed.both(*slot)).map(Object::key).collect();
    let slots: BTreeSet<Slot> = looked.union(&beside).copied().collect();
    let mut faults = object_faults(&changed.part(&slots, ChangeSide::After), |key| put.contains(key));
    faults.retain(|fault| keys.contains(&fault.key));
    if !faults.is_empty() {
        // What was wrong before, as rules grow with releases, keeps nobody from changing something else.
        let before = object_faults(&changed.part(&slots, ChangeSide::Before), |_| false);
        let before: HashSet<ObjectFault> = before.into_iter().collect();
        faults.retain(|fault| put.contains(&fault.key) || !before.contains(fault));
    }
    faults
}

/// The tenant before and after changes.
struct ChangedTenant<'a> {
    held: &'a IndexedTenant,
    /// New objects have the numbers that they would get.
    changed: BTreeMap<Slot, Sides<'a>>,
    /// The annexes that changes give, of objects that are there after them.
    annexes: BTreeMap<Slot, &'a ObjectAnnex>,
    /// The DNs that come, by their numbers.
    new_dns: HashMap<&'a str, &'a Object>,
}

/// An object before and after; none where it is not there.
struct Sides<'a> {
    before: Option<&'a Object>,
    after: Option<&'a Object>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ChangeSide {
    Before,
    After,
}

impl<'a> Sides<'a> {
    const fn at(&self, side: ChangeSide) -> Option<&'a Object> {
        match side {
            ChangeSide::Before => self.before,
            ChangeSide::After => self.after,
        }
    }

    fn both(&self) -> impl Iterator<Item = &'a Object> + use<'a> {
        [self.before, self.after].into_iter().flatten()
    }

    /// Whether it comes or goes.
    const fn comes_or_goes(&self) -> bool {
        self.before.is_some() != self.after.is_some()
    }

    /// Whether it is a DN, and of another type than before.
    fn has_another_type(&self) -> bool {
        match (self.before, self.after) {
            (Some(Object::Dn(before)), Some(Object::Dn(after))) => before.kind.as_str() != after.kind.as_str(),
            _ => false,
        }
    }
}

impl<'a> ChangedTenant<'a> {
    fn of(held: &'a IndexedTenant, changes: &'a [ObjectChange]) -> Self {
        let (mut changed, mut annexes) = (BTreeMap::new(), BTreeMap::new());
        let mut slots: HashMap<ObjectKey, Slot> = HashMap::new();
        for (next, change) in (held.next_slot()..).zip(changes) {
            let key = change.key();
            let slot = slots.get(&key).copied().or_else(|| held.slot(&key)).unwrap_or(next);
            let before = held.object(slot);
            let after = match change {
                ObjectChange::Put(object) => Some(object),
                ObjectChange::Annex(_, annex) => {
                    annexes.insert(slot, annex);
                    changed.get(&slot).and_then(|sides: &Sides<'a>| sides.after).or(before)
                }
                ObjectChange::Delete(_) => None,
            };
            slots.insert(key, slot);
            changed.insert(slot, Sides { before, after });
        }
        let new = changed.values().filter(|sides| sides.before.is_none()).filter_map(|sides| sides.after);
        let new_dns = new.filter_map(|object| match object {
            Object::Dn(dn) => Some((dn.number.as_str(), object)),
            _ => None,
        });
        Self { held, new_dns: new_dns.collect(), changed, annexes }
    }

    /// The object of a number on a side.
    fn object(&self, slot: Slot, side: ChangeSide) -> Option<&'a Object> {
        match self.changed.get(&slot) {
            Some(sides) => sides.at(side),
            None => self.held.object(slot),
        }
    }

    /// What the object of a number has besides the fields of its kind, on a side.
    fn annex(&self, slot: Slot, side: ChangeSide) -> Option<&'a ObjectAnnex> {
        let given = self.annexes.get(&slot).copied().filter(|_| side == ChangeSide::After);
        given.or_else(|| self.held.annex_at(slot))
    }

    /// The object of a number, twice if it changes.
    fn both(&self, slot: Slot) -> impl Iterator<Item = &'a Object> + use<'a> {
        let (before, after) = match self.changed.get(&slot) {
            Some(sides) => (sides.before, sides.after),
            None => (self.held.object(slot), None),
        };
        [before, after].into_iter().flatten()
    }

    /// These objects of a side. Rules do not read the documents of applications.
    fn part(&self, slots: &BTreeSet<Slot>, side: ChangeSide) -> TenantObjects {
        let light = |object: &Object| match object {
            Object::Application(application) => {
                let (name, options) = (application.name.clone(), application.options.clone());
                Object::Application(Application { name, document: String::new(), options })
            }
            other => other.clone(),
        };
        let objects = slots.iter().filter_map(|slot| self.object(*slot, side));
        let mut part = file::gathered(self.held.tenant().clone(), objects.map(light));
        for slot in slots {
            if let (Some(object), Some(annex)) = (self.object(*slot, side), self.annex(*slot, side)) {
                part.put_annex(object.key(), annex.clone());
            }
        }
        part
    }
}

// === whose rules depend on the changes ===

impl ChangedTenant<'_> {
    /// The objects of which a rule may be broken, or kept again, after the changes.
    fn looked_at(&self, referrers_max: usize) -> BTreeSet<Slot> {
        let mut looked: BTreeSet<Slot> = self.changed.keys().copied().collect();
        looked.extend(self.held.slot(&ObjectKey { kind: ObjectKind::Tenant, id: String::new() }));
        for sides in self.changed.values() {
            for object in sides.both() {
                looked.extend(self.rivals(object));
            }
            looked.extend(self.referrers(sides).into_iter().take(referrers_max));
        }
        looked.extend(self.emergency_rules());
        looked.extend(self.people_with_pins());
        looked.extend(self.switches_with_codes());
        looked.extend(self.around_circles());
        looked.extend(self.around_access_groups());
        let objects = looked.iter().flat_map(|slot| self.both(*slot));
        let spellings: Vec<Slot> = objects.flat_map(|object| self.held.spellings(&object.key())).collect();
        looked.extend(spellings);
        looked
    }

    /// Those who have something that one alone may have, which this object has too.
    fn rivals(&self, object: &Object) -> Vec<Slot> {
        let is_place = matches!(object, Object::Place(_));
        let is_rival = |slot: &Slot| !is_place || matches!(self.held.object(*slot), Some(Object::Place(_)));
        // A DN is in one place alone; others may refer to it too.
        let is_of_place = |mark: &TieMark| is_place && mark.named().is_some_and(|named| named.kind == ObjectKind::Dn);
        let marks = marks(object).into_iter().filter(|mark| mark.is_for_one() || is_of_place(mark));
        marks.flat_map(|mark| self.held.holders(&mark)).filter(is_rival).collect()
    }

    /// Those who refer to an object that comes or goes, or to one of which they need more than that it is there: a trunk, or a DN that
    /// gets another type.
    fn referrers(&self, sides: &Sides<'_>) -> Vec<Slot> {
        let Some(key) = sides.both().next().map(Object::key) else { return Vec::new() };
        if !sides.comes_or_goes() && key.kind != ObjectKind::Trunk && !sides.has_another_type() {
            return Vec::new();
        }
        self.held.holders(&TieMark::refers_to(key.kind, &key.id)).collect()
    }

    /// The rules about emergency calls that are about a number that comes or goes, and all of them if there are other trunks.
    fn emergency_rules(&self) -> Vec<Slot> {
        let rules = self.held.holders(&TieMark::emergency());
        if self.changed.values().any(|sides| sides.both().any(|object| matches!(object, Object::Trunk(_)))) {
            return rules.collect();
        }
        let moving = self.changed.values().filter(|sides| sides.comes_or_goes());
        let numbers: Vec<&str> = moving.flat_map(Sides::both).filter_map(own_number).collect();
        if numbers.is_empty() {
            return Vec::new();
        }
        let is_about = |slot: &Slot| {
            let pattern = self.held.object(*slot).and_then(emergency_pattern);
            pattern.is_some_and(|pattern| numbers.iter().any(|number| pattern.matches(number)))
        };
        rules.filter(is_about).collect()
    }

    /// Once a feature code asks for PINs, each must be one that can be typed.
    fn people_with_pins(&self) -> Vec<Slot> {
        if self.asks_pin(ChangeSide::Before) == self.asks_pin(ChangeSide::After) {
            return Vec::new();
        }
        let has_pin = |slot: &Slot| match self.held.object(*slot) {
            Some(Object::Person(person)) => person.agent.as_ref().is_some_and(|agent| agent.pin.is_some()),
            _ => false,
        };
        self.held.names(ObjectKind::Person).map(|(_, slot)| slot).filter(has_pin).collect()
    }

    /// The switches with access codes, where a feature code changes behind which a number is dialled: no two of both begin alike.
    fn switches_with_codes(&self) -> Vec<Slot> {
        let takes_number = |object: &Object| matches!(object, Object::FeatureCode(code) if code.action.takes_number());
        if !self.changed.values().any(|sides| sides.both().any(takes_number)) {
            return Vec::new();
        }
        self.held.holders(&TieMark::access_codes()).collect()
    }

    fn asks_pin(&self, side: ChangeSide) -> bool {
        let asks = |object: &Object| matches!(object, Object::FeatureCode(code) if code.ask_pin);
        let mut held = self.held.holders(&TieMark::asks_pin());
        held.any(|slot| !self.changed.contains_key(&slot))
            || self.changed.values().any(|sides| sides.at(side).is_some_and(asks))
    }
}

// === what their rules need besides ===

impl ChangedTenant<'_> {
    /// What has to be there so that the rules of these objects find what they would find in the whole tenant: all that they refer to. So
    /// whoever is deleted and is named by a group brings everybody whom that group names.
    fn beside(&self, looked: &BTreeSet<Slot>) -> BTreeSet<Slot> {
        let mut beside = BTreeSet::new();
        for slot in looked {
            let annexes =
                [ChangeSide::Before, ChangeSide::After].into_iter().filter_map(|side| self.annex(*slot, side));
            for named in annexes.flat_map(annex_marks).filter_map(|mark| mark.named()) {
                beside.extend(self.held.slot(&named));
            }
        }
        let mut emergencies = Vec::new();
        let (mut has_people, mut has_emergencies, mut has_access_codes) = (false, false, false);
        for object in looked.iter().flat_map(|slot| self.both(*slot)) {
            for named in marks(object).iter().filter_map(TieMark::named) {
                beside.extend(self.held.slot(&named));
            }
            beside.extend(self.rivals(object));
            emergencies.extend(emergency_pattern(object));
            has_people |= matches!(object, Object::Person(_));
            has_emergencies |= is_emergency(object);
            has_access_codes |= matches!(object, Object::Switch(switch) if !switch.access_codes.is_empty());
        }
        if has_access_codes {
            beside.extend(self.held.names(ObjectKind::FeatureCode).map(|(_, slot)| slot));
        }
        if has_emergencies {
            beside.extend(self.held.names(ObjectKind::Trunk).map(|(_, slot)| slot));
        }
        if has_people {
            beside.extend(self.held.holders(&TieMark::asks_pin()));
        }
        for pattern in &emergencies {
            beside.extend(NUMBERED.into_iter().filter_map(|kind| self.first_match(kind, pattern)));
        }
        beside
    }

    /// The first object of a kind that stays and whose number a pattern is about: that is the one that a fault names.
    fn first_match(&self, kind: ObjectKind, pattern: &Pattern) -> Option<Slot> {
        let is_meant = |(id, slot): &(&str, Slot)| !self.changed.contains_key(slot) && pattern.matches(id);
        self.held.names(kind).filter(is_meant).map(|(_, slot)| slot).min()
    }
}

/// The number under which an object is called.
fn own_number(object: &Object) -> Option<&str> {
    match object {
        Object::Dn(dn) => Some(&dn.number),
        Object::Number(number) => Some(&number.number),
        Object::FeatureCode(code) => Some(&code.code),
        _ => None,
    }
}

fn is_emergency(object: &Object) -> bool {
    matches!(object, Object::DialRule(rule) if matches!(rule.action, DialAction::Emergency { .. }))
}

/// The numbers that a rule about emergency calls is about.
fn emergency_pattern(object: &Object) -> Option<Pattern> {
    match object {
        Object::DialRule(rule) if is_emergency(object) => Pattern::parse(&rule.pattern).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
