//! In which access groups a person is, and which privileges the person has by roles.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{AccessGroup, Person, Privilege, PrivilegeRole, folded_name};

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
    let mut privileges = person.privileges.clone();
    for role in roles {
        let has_role = role.people.contains(&person.user_name)
            || role.groups.iter().any(|group| groups.contains(&folded_name(group)));
        for privilege in role.privileges.iter().filter(|_| has_role) {
            if !privileges.contains(privilege) {
                privileges.push(*privilege);
            }
        }
    }
    privileges
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
