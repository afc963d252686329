//! What a person is told of objects that the person does not see: nothing by which they could be found.

use std::collections::HashSet;

use contracts::provisioning::{FaultCode, FolderRight, ObjectAnnex, ObjectKey, ObjectKind};
use infra::ObjectChange;

use super::CallerRights;
use crate::objects::indexed::{HeldObject, IndexedTenant};
use crate::objects::ties::{TieMark, annex_marks, marks};
use crate::objects::{BrokenRule, ChangeRefusal, ObjectFault};

impl CallerRights {
    /// Whether the person may make objects refer to this one: unless entries of folders hide it. What no entry is about, as skills that
    /// are in no folder, is there for all.
    fn may_refer_to(&self, found: HeldObject<'_>) -> bool {
        let sum = self.sum_of_object(found);
        let is_given = !sum.is_listed || self.is_administrator() || sum.given.contains(FolderRight::Read);
        !sum.is_shut && is_given
    }
}

/// The objects to which the changes would refer and did not before, and which are hidden from the person, as if they went: then the same
/// is said as of those that do not exist.
pub(in crate::objects) fn hidden_references(
    rights: &CallerRights,
    held: &IndexedTenant,
    changes: &[ObjectChange],
) -> Vec<ObjectChange> {
    let changed: HashSet<ObjectKey> = changes.iter().map(ObjectChange::key).collect();
    let mut hidden = HashSet::new();
    for change in changes {
        let key = change.key();
        let (before, after) = match change {
            ObjectChange::Put(after) => (held.get(&key).map(marks), marks(after)),
            // In which folder it is, was looked at by the rights to that.
            ObjectChange::Annex(_, after) => (held.annex(&key).map(entry_marks), entry_marks(after)),
            ObjectChange::Delete(_) => continue,
        };
        let before: HashSet<ObjectKey> = before.into_iter().flatten().filter_map(|mark| mark.named()).collect();
        let named = after.into_iter().filter_map(|mark| TieMark::named(&mark));
        // A code lets somebody log in: nobody gets one from who does not see them, whichever folders there are.
        let is_code = key.kind == ObjectKind::AgentLogin;
        let is_reached = |found: HeldObject<'_>| rights.may_refer_to(found) && (!is_code || rights.may_see(found));
        let is_hidden = |key: &ObjectKey| {
            let is_there = held.get(key).is_some() && !changed.contains(key) && !before.contains(key);
            is_there && held.found(key).is_some_and(|found| !is_reached(found))
        };
        hidden.extend(named.filter(is_hidden));
    }
    hidden.into_iter().map(ObjectChange::Delete).collect()
}

/// The ties of the entries of an object itself.
fn entry_marks(annex: &ObjectAnnex) -> Vec<TieMark> {
    let is_folder = |mark: &TieMark| mark.named().is_some_and(|named| named.kind == ObjectKind::Folder);
    annex_marks(annex).into_iter().filter(|mark| !is_folder(mark)).collect()
}

/// A refusal without the names of objects that the person does not see.
pub(in crate::objects) fn without_hidden(
    rights: &CallerRights,
    held: &IndexedTenant,
    changes: &[ObjectChange],
    refusal: ChangeRefusal,
) -> ChangeRefusal {
    let changed = changes.iter().map(ObjectChange::key).collect();
    let is_all_seen = rights.sees_everything() || rights.is_unlimited();
    let told = RefusedChanges { rights, held, changes, changed, is_all_seen };
    match refusal {
        ChangeRefusal::Faults(faults) => ChangeRefusal::Faults(told.all(faults)),
        ChangeRefusal::Referred(faults) => ChangeRefusal::Referred(told.all(faults)),
        other => other,
    }
}

struct RefusedChanges<'a> {
    rights: &'a CallerRights,
    held: &'a IndexedTenant,
    changes: &'a [ObjectChange],
    /// The objects of the changes: each of many faults asks for some.
    changed: HashSet<ObjectKey>,
    /// Whether nothing is hidden from the person.
    is_all_seen: bool,
}

impl RefusedChanges<'_> {
    fn all(&self, faults: Vec<ObjectFault>) -> Vec<ObjectFault> {
        let mut told: Vec<ObjectFault> = faults.into_iter().map(|fault| self.one(fault)).collect();
        told.sort();
        told.dedup();
        told
    }

    fn one(&self, fault: ObjectFault) -> ObjectFault {
        let is_hidden = self.is_hidden(&fault.key);
        let named = |name: &str| value(&fault.rule, name);
        match fault.rule.code {
            FaultCode::Held => {
                let by = key_of(named("kind"), named("by"));
                let is_by_hidden = by.as_ref().is_some_and(|by| self.is_hidden(by));
                if !is_hidden && !is_by_hidden {
                    return fault;
                }
                let words = format!("another object has {} already", named("value").unwrap_or("it"));
                let key = if is_hidden { by.filter(|by| !self.is_hidden(by)) } else { Some(fault.key.clone()) };
                let key = key.unwrap_or_else(|| self.first(&fault));
                ObjectFault { key, field: fault.field.clone(), rule: BrokenRule::other(words) }
            }
            _ if is_hidden => {
                // Who refers to an object that would be gone names it.
                let gone = key_of(named("kind"), named("id"));
                let key = gone.filter(|key| self.changed.contains(key)).unwrap_or_else(|| self.first(&fault));
                let words = "an object that you may not see refers to it, or would break a rule by this";
                ObjectFault { key, field: String::new(), rule: BrokenRule::other(words) }
            }
            FaultCode::Circle if !self.rights.sees_everything() => {
                ObjectFault { rule: BrokenRule::other("it leads in a circle"), ..fault }
            }
            _ => fault,
        }
    }

    /// An object that changes is seen: others were refused before.
    fn is_hidden(&self, key: &ObjectKey) -> bool {
        !self.is_all_seen
            && !self.changed.contains(key)
            && self.held.found(key).is_some_and(|found| !self.rights.may_see(found))
    }

    /// The object that stands for one that may not be named.
    fn first(&self, fault: &ObjectFault) -> ObjectKey {
        let nothing = || ObjectKey { kind: fault.key.kind, id: String::new() };
        self.changes.first().map_or_else(nothing, ObjectChange::key)
    }
}

fn value<'a>(rule: &'a BrokenRule, name: &str) -> Option<&'a str> {
    rule.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn key_of(kind: Option<&str>, id: Option<&str>) -> Option<ObjectKey> {
    Some(ObjectKey { kind: ObjectKind::parse(kind?)?, id: id?.to_owned() })
}
