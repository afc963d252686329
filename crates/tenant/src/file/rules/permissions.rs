//! What must hold for folders, access groups and roles.

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{
    AccessGroup, FaultCode, Folder, FolderPermission, FolderRight, ObjectKind, ObjectPermission, Privilege,
};

use super::{BrokenRule, Rules};

/// Who can be named.
pub(super) struct Members<'a> {
    people: HashSet<&'a str>,
    groups: HashSet<&'a str>,
}

impl Rules<'_> {
    pub(super) fn access_groups(&mut self) {
        let objects = self.objects;
        if objects.access_groups.is_empty() {
            return;
        }
        let (members, circles) = (self.members(), circles(&objects.access_groups));
        for group in &objects.access_groups {
            let of = (ObjectKind::AccessGroup, group.name.as_str(), "access_groups");
            if AccessGroup::is_built_in(&group.name) {
                self.permission_fault(of, "name", built_in(&group.name));
            }
            self.members_of(of, &members, (&group.people, &group.groups), &[]);
            if let Some(way) = circles.get(group.name.as_str()) {
                let rule = BrokenRule::new(FaultCode::GroupCircle, format!("it leads in a circle: {way}"));
                self.permission_fault(of, "groups", rule.naming("way", way.as_str()));
            }
        }
    }

    pub(super) fn roles(&mut self) {
        let objects = self.objects;
        if objects.roles.is_empty() {
            return;
        }
        let members = self.members();
        for role in &objects.roles {
            let of = (ObjectKind::Role, role.name.as_str(), "roles");
            self.members_of(of, &members, (&role.people, &role.groups), &[AccessGroup::EVERYONE]);
            for rule in privilege_faults(&role.privileges) {
                self.permission_fault(of, "privileges", rule);
            }
        }
    }

    pub(super) fn folders(&mut self) {
        let objects = self.objects;
        if objects.folders.is_empty() {
            return;
        }
        let members = self.members();
        for folder in &objects.folders {
            let of = (ObjectKind::Folder, folder.path.as_str(), "folders");
            if !Folder::is_path(&folder.path) {
                let words = format!(
                    "it is no path: names with / between them, at most {} of them, or / alone for the root",
                    Folder::DEPTH_MAX
                );
                let rule = BrokenRule::new(FaultCode::FolderPath, words).naming("path", folder.path.as_str());
                self.permission_fault(of, "path", rule);
            }
            for (index, entry) in folder.permissions.iter().enumerate() {
                for (key, rule) in entry_faults(RuledEntry::of_folder(entry), &members) {
                    self.permission_fault(of, &format!("permissions[{index}]{key}"), rule);
                }
            }
        }
    }

    /// People and groups must be there. Of those that are built in, some may be named.
    fn members_of(
        &mut self,
        of: (ObjectKind, &str, &str),
        members: &Members<'_>,
        (people, groups): (&[String], &[String]),
        may_be_named: &[&str],
    ) {
        for name in people.iter().filter(|name| !members.people.contains(name.as_str())) {
            self.permission_fault(of, "people", BrokenRule::unknown(ObjectKind::Person, name));
        }
        for name in groups {
            if AccessGroup::is_built_in(name) {
                if !may_be_named.contains(&name.as_str()) {
                    self.permission_fault(of, "groups", built_in(name));
                }
            } else if !members.groups.contains(name.as_str()) {
                self.permission_fault(of, "groups", BrokenRule::unknown(ObjectKind::AccessGroup, name));
            }
        }
    }

    fn permission_fault(&mut self, (kind, id, section): (ObjectKind, &str, &str), key: &str, rule: BrokenRule) {
        self.fault(kind, id, format!("{section}.{id}.{key}"), rule);
    }
}

impl<'a> Rules<'a> {
    pub(super) fn members(&self) -> Members<'a> {
        let objects = self.objects;
        Members {
            people: objects.people.iter().map(|person| person.user_name.as_str()).collect(),
            groups: objects.access_groups.iter().map(|group| group.name.as_str()).collect(),
        }
    }
}

/// Privileges that need another one, which is not given beside them. Each list, a person's or a role's, has to be whole by itself: so are
/// then all of a person together, whoever leaves a role.
pub(super) fn privilege_faults(given: &[Privilege]) -> Vec<BrokenRule> {
    let fault = |one: Privilege| {
        let needed: Vec<&str> = one.needs_one_of().iter().map(|needed| needed.as_str()).collect();
        let words = format!("{} needs {} beside it", one.as_str(), needed.join(" or "));
        let rule = BrokenRule::new(FaultCode::PrivilegeNeeds, words).naming("privilege", one.as_str());
        rule.naming("needs", needed.join(", "))
    };
    Privilege::lacking(given).into_iter().map(fault).collect()
}

fn built_in(name: &str) -> BrokenRule {
    let words = format!("{name} is built in: no group is called so, and it is in no other group");
    BrokenRule::new(FaultCode::BuiltIn, words).naming("name", name)
}

/// An entry of a folder or of an object, as rules see it.
pub(super) struct RuledEntry<'a> {
    group: Option<&'a str>,
    person: Option<&'a str>,
    rights: &'a [FolderRight],
    no_access: bool,
}

impl<'a> RuledEntry<'a> {
    fn of_folder(entry: &'a FolderPermission) -> Self {
        let FolderPermission { group, person, rights, no_access, propagate: _ } = entry;
        Self { group: group.as_deref(), person: person.as_deref(), rights, no_access: *no_access }
    }

    pub(super) fn of_object(entry: &'a ObjectPermission) -> Self {
        let ObjectPermission { group, person, rights, no_access } = entry;
        Self { group: group.as_deref(), person: person.as_deref(), rights, no_access: *no_access }
    }
}

/// The faults of an entry, each with what follows the entry in its key.
pub(super) fn entry_faults(entry: RuledEntry<'_>, members: &Members<'_>) -> Vec<(&'static str, BrokenRule)> {
    let mut faults = Vec::new();
    match (entry.group, entry.person) {
        (None, None) => {
            let rule = BrokenRule::new(FaultCode::NeededOr, "it needs a group or a person");
            faults.push((".group", rule.naming("field", "person")));
        }
        (Some(_), Some(_)) => {
            let rule = BrokenRule::new(FaultCode::OnlyWithout, "it is of a group or of a person, not of both");
            faults.push((".person", rule.naming("field", "group")));
        }
        (Some(group), None) if !AccessGroup::BUILT_IN.contains(&group) && !members.groups.contains(group) => {
            faults.push((".group", BrokenRule::unknown(ObjectKind::AccessGroup, group)));
        }
        (None, Some(person)) if !members.people.contains(person) => {
            faults.push((".person", BrokenRule::unknown(ObjectKind::Person, person)));
        }
        _ => {}
    }
    if entry.no_access && !entry.rights.is_empty() {
        let rule = BrokenRule::new(FaultCode::OnlyWithout, "who has no access has no rights");
        faults.push((".rights", rule.naming("field", "no_access")));
    }
    if !entry.no_access && entry.rights.is_empty() {
        let rule = BrokenRule::new(FaultCode::NeededOr, "it needs rights, or no_access");
        faults.push((".rights", rule.naming("field", "no_access")));
    }
    faults
}

/// The groups that are in themselves by others, each with the way.
fn circles(groups: &[AccessGroup]) -> HashMap<&str, String> {
    let within: HashMap<&str, &[String]> =
        groups.iter().map(|group| (group.name.as_str(), group.groups.as_slice())).collect();
    let mut found = HashMap::new();
    for group in groups.iter().filter(|group| !group.groups.is_empty()) {
        let (start, mut seen) = (group.name.as_str(), HashSet::new());
        let mut waiting: Vec<Vec<&str>> = vec![vec![start]];
        while let Some(way) = waiting.pop() {
            let last = way.last().copied().unwrap_or_default();
            for next in within.get(last).copied().unwrap_or_default() {
                if next == start {
                    let circle = way.iter().copied().chain([start]).collect::<Vec<_>>().join(" to ");
                    found.insert(start, circle);
                    waiting.clear();
                    break;
                }
                if seen.insert(next.as_str()) {
                    waiting.push(way.iter().copied().chain([next.as_str()]).collect());
                }
            }
        }
    }
    found
}
