//! The last administrator: nobody makes a change after which nobody of the tenant gets into Agent Setup any more, by mistake or not. Who
//! runs the installation may, and can give the privilege to somebody again.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{
    AccessGroup, FaultCode, Object, ObjectKey, ObjectKind, Person, Privilege, PrivilegeRole, folded_name,
};
use infra::ObjectChange;

use super::{access_group, role};
use crate::objects::indexed::IndexedTenant;
use crate::objects::{BrokenRule, ChangeRefusal, ObjectFault};

/// Refuses changes after which nobody who is not disabled has the privilege `administrator`, by themselves or by a role, while somebody has
/// it now. The faults name the changes that take it away. Changes that cannot do so cost nothing; the others look at people until an
/// administrator is found.
pub(in crate::objects) fn keeps_administrator(
    held: &IndexedTenant,
    changes: &[ObjectChange],
) -> Result<(), ChangeRefusal> {
    let keys: Vec<ObjectKey> = changes.iter().map(ObjectChange::key).collect();
    let after = TenantSide::after(held, changes, &keys);
    if !after.changed.iter().any(|((kind, id), object)| may_take(of_name(held, *kind, id), *object)) {
        return Ok(());
    }
    let now = TenantSide { held, changed: HashMap::new() };
    let by_roles = ByRoles::of(&now);
    if after.has_administrator(&ByRoles::of(&after)) || !now.has_administrator(&by_roles) {
        return Ok(());
    }
    let taken = keys.iter().filter_map(|key| {
        let object = after.changed.get(&(key.kind, key.id.as_str()))?;
        Some(fault(key, taken_by(held.get(key)?, *object, &by_roles)?))
    });
    let mut taken: Vec<ObjectFault> = taken.collect();
    // An object and its annex change by one edit.
    taken.dedup();
    Err(ChangeRefusal::Faults(taken))
}

/// A tenant now, or with the objects of changes in place of its own.
struct TenantSide<'a> {
    held: &'a IndexedTenant,
    /// By kind and name; none for an object that goes.
    changed: HashMap<(ObjectKind, &'a str), Option<&'a Object>>,
}

impl<'a> TenantSide<'a> {
    fn after(held: &'a IndexedTenant, changes: &'a [ObjectChange], keys: &'a [ObjectKey]) -> Self {
        let one = |(key, change): (&'a ObjectKey, &'a ObjectChange)| match change {
            ObjectChange::Put(object) => Some(((key.kind, key.id.as_str()), Some(object))),
            ObjectChange::Delete(_) => Some(((key.kind, key.id.as_str()), None)),
            ObjectChange::Annex(..) => None,
        };
        Self { held, changed: keys.iter().zip(changes).filter_map(one).collect() }
    }

    fn of_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &'a Object> {
        let kept = self.held.of_kind(kind).filter(move |(id, _)| !self.changed.contains_key(&(kind, *id)));
        let put = self.changed.iter().filter(move |((of, _), _)| *of == kind).filter_map(|(_, object)| *object);
        kept.map(|(_, object)| &**object).chain(put)
    }

    fn has_administrator(&self, by_roles: &ByRoles<'_>) -> bool {
        let mut people = self.of_kind(ObjectKind::Person).filter_map(person);
        people.any(|person| by_roles.makes_administrator(person))
    }
}

/// Whom roles make administrators.
#[derive(Default)]
struct ByRoles<'a> {
    people: HashSet<&'a str>,
    is_everybody: bool,
    /// The folded names of the groups that have such a role, or are in one that has.
    groups: HashSet<String>,
}

impl<'a> ByRoles<'a> {
    fn of(tenant: &TenantSide<'a>) -> Self {
        let (mut all, mut waiting) = (Self::default(), Vec::new());
        for role in tenant.of_kind(ObjectKind::Role).filter_map(role).filter(|role| is_of_administrators(role)) {
            all.people.extend(role.people.iter().map(String::as_str));
            waiting.extend(role.groups.iter().map(|group| folded_name(group)));
        }
        if waiting.is_empty() {
            return all;
        }
        let groups: HashMap<String, &'a AccessGroup> = tenant
            .of_kind(ObjectKind::AccessGroup)
            .filter_map(access_group)
            .map(|group| (folded_name(&group.name), group))
            .collect();
        while let Some(name) = waiting.pop() {
            let group = groups.get(&name).copied();
            all.is_everybody |= name == folded_name(AccessGroup::EVERYONE);
            if !all.groups.insert(name) {
                continue;
            }
            if let Some(group) = group {
                all.people.extend(group.people.iter().map(String::as_str));
                waiting.extend(group.groups.iter().map(|member| folded_name(member)));
            }
        }
        all
    }

    /// Whether the person is an administrator, by a role or without one, and may sign in.
    fn makes_administrator(&self, person: &Person) -> bool {
        let has = has_privilege(person) || self.is_everybody || self.people.contains(person.user_name.as_str());
        has && !person.disabled
    }
}

fn has_privilege(person: &Person) -> bool {
    person.privileges.contains(&Privilege::Administrator)
}

fn is_of_administrators(role: &PrivilegeRole) -> bool {
    role.privileges.contains(&Privilege::Administrator)
}

fn person(object: &Object) -> Option<&Person> {
    match object {
        Object::Person(person) => Some(person),
        _ => None,
    }
}

fn of_name<'a>(held: &'a IndexedTenant, kind: ObjectKind, id: &str) -> Option<&'a Object> {
    held.get(&ObjectKey { kind, id: id.to_owned() })
}

/// Whether a change can take the privilege from somebody: most cannot.
fn may_take(before: Option<&Object>, after: Option<&Object>) -> bool {
    match (before, after) {
        (Some(Object::Person(before)), Some(Object::Person(after))) => {
            !before.disabled && (after.disabled || has_privilege(before) && !has_privilege(after))
        }
        (Some(Object::Person(gone)), None) => !gone.disabled,
        (Some(Object::Role(before)), after) => {
            is_of_administrators(before) && !matches!(after, Some(Object::Role(after)) if after == before)
        }
        (Some(Object::AccessGroup(before)), after) => {
            !matches!(after, Some(Object::AccessGroup(after)) if after == before)
        }
        _ => false,
    }
}

/// The field by which a change takes the privilege from somebody who has it; empty for an object that goes.
fn taken_by(before: &Object, after: Option<&Object>, by_roles: &ByRoles<'_>) -> Option<&'static str> {
    match (before, after) {
        (Object::Person(before), _) if !by_roles.makes_administrator(before) => None,
        (Object::Person(before), Some(Object::Person(after))) => {
            let is_taken = has_privilege(before) && !has_privilege(after);
            if after.disabled { Some("disabled") } else { is_taken.then_some("privileges") }
        }
        (Object::Role(before), _) if !is_of_administrators(before) => None,
        (Object::Role(_), Some(Object::Role(after))) if !is_of_administrators(after) => Some("privileges"),
        (Object::Role(before), Some(Object::Role(after))) => {
            changed_members((&before.people, &before.groups), (&after.people, &after.groups))
        }
        (Object::AccessGroup(before), _) if !by_roles.groups.contains(&folded_name(&before.name)) => None,
        (Object::AccessGroup(before), Some(Object::AccessGroup(after))) => {
            changed_members((&before.people, &before.groups), (&after.people, &after.groups))
        }
        (Object::Person(_) | Object::Role(_) | Object::AccessGroup(_), None) => Some(""),
        _ => None,
    }
}

/// Which of its people and its groups are others.
fn changed_members(before: (&[String], &[String]), after: (&[String], &[String])) -> Option<&'static str> {
    if before.0 != after.0 { Some("people") } else { (before.1 != after.1).then_some("groups") }
}

fn fault(key: &ObjectKey, field: &str) -> ObjectFault {
    let words = "nobody who may sign in would be an administrator any more: give somebody else the privilege first";
    let rule = BrokenRule::new(FaultCode::LastAdministrator, words);
    ObjectFault { key: key.clone(), field: field.to_owned(), rule }
}
