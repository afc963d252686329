//! In which access groups a person is, and which privileges the person has by roles: among groups and roles that were read, or in a tenant
//! in memory by what refers to the person, whatever else it has.

use std::collections::{BTreeSet, HashMap, HashSet};

use contracts::provisioning::{AccessGroup, ObjectKind, Person, Privilege, PrivilegeRole, folded_name};

use super::{access_group, role};
use crate::objects::indexed::{IndexedTenant, Slot};
use crate::objects::ties::TieMark;

/// The folded names of the groups in which a person is: those that name the person, those in which these are, and that of everyone. The one
/// of administrators depends on privileges, and is not among them.
pub fn groups_of<'a>(user: &str, groups: impl IntoIterator<Item = &'a AccessGroup>) -> HashSet<String> {
    let (mut waiting, mut around) = (Vec::new(), HashMap::<String, Vec<String>>::new());
    for group in groups {
        let name = folded_name(&group.name);
        if group.people.iter().any(|person| person == user) {
            waiting.push(name.clone());
        }
        for member in &group.groups {
            around.entry(folded_name(member)).or_default().push(name.clone());
        }
    }
    let mut found = HashSet::from([folded_name(AccessGroup::EVERYONE)]);
    while let Some(name) = waiting.pop() {
        if !found.contains(&name) {
            waiting.extend(around.get(&name).into_iter().flatten().cloned());
            found.insert(name);
        }
    }
    found
}

/// The privileges of a person of these groups: the own ones first, then those of roles, each once.
pub fn effective_privileges<'a>(
    person: &Person,
    roles: impl IntoIterator<Item = &'a PrivilegeRole>,
    groups: &HashSet<String>,
) -> Vec<Privilege> {
    let has = |role: &&PrivilegeRole| {
        role.people.contains(&person.user_name) || role.groups.iter().any(|group| groups.contains(&folded_name(group)))
    };
    with_those_of(person, roles.into_iter().filter(has))
}

/// The privileges of a person with those of the person's roles.
fn with_those_of<'a>(person: &Person, roles: impl IntoIterator<Item = &'a PrivilegeRole>) -> Vec<Privilege> {
    let mut privileges = person.privileges.clone();
    for privilege in roles.into_iter().flat_map(|role| &role.privileges) {
        if !privileges.contains(privilege) {
            privileges.push(*privilege);
        }
    }
    privileges
}

// === in memory ===

/// The same names as [`groups_of`] finds.
pub(super) fn groups_in(held: &IndexedTenant, user: &str) -> HashSet<String> {
    let named = groups_around(held, user).into_iter().map(|group| folded_name(&group.name));
    named.chain([folded_name(AccessGroup::EVERYONE)]).collect()
}

/// The privileges of a person of the tenant, those of roles too.
pub fn privileges_of(held: &IndexedTenant, person: &Person) -> Vec<Privilege> {
    let groups = groups_around(held, &person.user_name).into_iter();
    let by_groups = groups.map(|group| TieMark::refers_to(ObjectKind::AccessGroup, &group.name));
    let others = [TieMark::refers_to(ObjectKind::Person, &person.user_name), TieMark::of_everyone()];
    // Those who came first are first.
    let slots: BTreeSet<Slot> = by_groups.chain(others).flat_map(|mark| held.holders(&mark)).collect();
    with_those_of(person, slots.into_iter().filter_map(|slot| role(held.object(slot)?)))
}

/// The groups that name a person, and those in which these are.
fn groups_around<'a>(held: &'a IndexedTenant, user: &str) -> Vec<&'a AccessGroup> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    let mut waiting = vec![TieMark::refers_to(ObjectKind::Person, user)];
    while let Some(member) = waiting.pop() {
        for slot in held.holders(&member).filter(|slot| !seen.contains(slot)).collect::<Vec<_>>() {
            if let Some(group) = held.object(slot).and_then(access_group) {
                seen.insert(slot);
                found.push(group);
                waiting.push(TieMark::refers_to(ObjectKind::AccessGroup, &group.name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str, people: &[&str], groups: &[&str]) -> AccessGroup {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        AccessGroup { name: name.to_owned(), people: owned(people), groups: owned(groups) }
    }

    #[test]
    fn who_is_in_a_group_is_in_those_that_have_it_and_a_circle_ends() {
        let groups = [
            group("Berlin", &["ann"], &[]),
            group("Germany", &[], &["berlin"]),
            group("Europe", &["bob"], &["Germany", "Europe"]),
            group("Other", &[], &["Europe2"]),
        ];
        let of = |user: &str| {
            let mut found: Vec<String> = groups_of(user, &groups).into_iter().collect();
            found.sort();
            found
        };
        assert_eq!(of("ann"), ["berlin", "europe", "everyone", "germany"]);
        assert_eq!(of("bob"), ["europe", "everyone"]);
        assert_eq!(of("Ann"), ["everyone"], "another person");
    }

    #[test]
    fn privileges_of_roles_come_behind_the_own_ones() {
        let role = |people: &[&str], groups: &[&str], privileges: &[Privilege]| PrivilegeRole {
            people: people.iter().map(|name| (*name).to_owned()).collect(),
            groups: groups.iter().map(|name| (*name).to_owned()).collect(),
            privileges: privileges.to_vec(),
            ..PrivilegeRole::default()
        };
        let roles = [
            role(&["ann"], &[], &[Privilege::Agent, Privilege::Designer]),
            role(&[], &["Berlin"], &[Privilege::Supervisor]),
            role(&["bob"], &["Hamburg"], &[Privilege::Administrator]),
        ];
        let privileges = vec![Privilege::Agent];
        let ann = Person { user_name: "ann".to_owned(), privileges, ..Person::default() };
        let groups = HashSet::from(["berlin".to_owned()]);
        let found = effective_privileges(&ann, &roles, &groups);
        assert_eq!(found, [Privilege::Agent, Privilege::Designer, Privilege::Supervisor]);
    }
}
