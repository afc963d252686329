//! Folders, access groups and roles, and who may do what with a single object: their declaration, reading and writing.

use contracts::provisioning::{
    AccessGroup, Folder, FolderPermission, FolderRight, Object, ObjectPermission, Privilege, PrivilegeRole,
};

use super::scalar::{flow, optional, text as scalar};
use super::shape::Need::{Optional, Required};
use super::shape::{Field, NAME, Shape, USER_PROPERTIES, field};
use super::tree::{Node, flag, list, text, texts};

/// The most folders of a tenant.
const FOLDERS_MAX: usize = 2_000;
/// The most entries of a folder's permissions.
const PERMISSIONS_MAX: usize = 100;
/// The most access groups of a tenant.
const ACCESS_GROUPS_MAX: usize = 1_000;
/// The most roles of a tenant.
const ROLES_MAX: usize = 200;
/// The most people, and the most groups, that a group or a role names.
const MEMBERS_MAX: usize = 10_000;

// === declaration ===

static MEMBERS: Shape = Shape::Choice { of: &NAME, max: MEMBERS_MAX };
static RIGHT: Shape = Shape::OneOf(&FolderRight::NAMES);
static RIGHTS: Shape = Shape::Choice { of: &RIGHT, max: FolderRight::ALL.len() };
static PRIVILEGE: Shape = Shape::OneOf(&Privilege::NAMES);
static PRIVILEGES: Shape = Shape::Choice { of: &PRIVILEGE, max: Privilege::ALL.len() };
static DESCRIPTION: Shape = Shape::Text { max: 1_024 };

static ACCESS_GROUPS_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name. Everyone and Administrators are built in."),
        field("people", Optional, &MEMBERS, "Its people, by `user`."),
        field("groups", Optional, &MEMBERS, "Access groups whose people are in it, too."),
    ]),
    max: ACCESS_GROUPS_MAX,
};

pub(super) const ACCESS_GROUPS: Field =
    field("access_groups", Optional, &ACCESS_GROUPS_LIST, "People who have permissions of folders together.");

static ROLES_LIST: Shape = Shape::List {
    of: &Shape::Object(&[
        field("name", Required, &NAME, "Its name."),
        field("people", Optional, &MEMBERS, "Its people, by `user`."),
        field("groups", Optional, &MEMBERS, "Access groups whose people have it; Everyone is built in."),
        field("privileges", Optional, &PRIVILEGES, "What its people may do, besides what they may do without it."),
    ]),
    max: ROLES_MAX,
};

pub(super) const ROLES: Field = field("roles", Optional, &ROLES_LIST, "Privileges that people have together.");

static PERMISSION_LIST: Shape = Shape::List {
    of: &Shape::Record(&[
        field(
            "group",
            Optional,
            &NAME,
            "An access group, Everyone or Administrators. One of `group` and `person` is there.",
        ),
        field("person", Optional, &NAME, "A person, by `user`."),
        field("rights", Optional, &RIGHTS, "What they may do with the objects of the folder."),
        field(
            "no_access",
            Optional,
            &Shape::Flag,
            "They may do nothing, whatever other entries give; without it false.",
        ),
        field("propagate", Optional, &Shape::Flag, "Whether that holds for the folders within, too; without it true."),
    ]),
    max: PERMISSIONS_MAX,
};

static FOLDERS_LIST: Shape = Shape::List {
    of: &Shape::Record(&[
        field("path", Required, &NAME, "Its path, as Berlin/Sales; \"/\" is the root."),
        field("description", Optional, &DESCRIPTION, "What people read of it."),
        field("permissions", Optional, &PERMISSION_LIST, "Who may do what with the objects in it."),
        USER_PROPERTIES,
    ]),
    max: FOLDERS_MAX,
};

pub(super) const FOLDERS: Field =
    field("folders", Optional, &FOLDERS_LIST, "Folders of objects, with permissions. Objects name theirs by `folder`.");

// === reading ===

pub(super) fn access_group(item: &Node) -> Option<Object> {
    let (people, groups) = (texts(item, "people"), texts(item, "groups"));
    Some(Object::AccessGroup(Box::new(AccessGroup { name: text(item, "name")?, people, groups })))
}

pub(super) fn role(item: &Node) -> Option<Object> {
    Some(Object::Role(Box::new(PrivilegeRole {
        name: text(item, "name")?,
        people: texts(item, "people"),
        groups: texts(item, "groups"),
        privileges: texts(item, "privileges").iter().filter_map(|name| Privilege::parse(name)).collect(),
    })))
}

pub(super) fn folder(item: &Node) -> Option<Object> {
    let permission = |item: &Node| FolderPermission {
        group: text(item, "group"),
        person: text(item, "person"),
        rights: texts(item, "rights").iter().filter_map(|name| FolderRight::parse(name)).collect(),
        no_access: flag(item, "no_access").unwrap_or_default(),
        propagate: flag(item, "propagate").unwrap_or(true),
    };
    Some(Object::Folder(Box::new(Folder {
        path: text(item, "path")?,
        description: text(item, "description"),
        permissions: list(item, "permissions").iter().map(permission).collect(),
    })))
}

pub(super) fn own_permissions(item: &Node) -> Vec<ObjectPermission> {
    let permission = |item: &Node| ObjectPermission {
        group: text(item, "group"),
        person: text(item, "person"),
        rights: texts(item, "rights").iter().filter_map(|name| FolderRight::parse(name)).collect(),
        no_access: flag(item, "no_access").unwrap_or_default(),
    };
    list(item, "own_permissions").iter().map(permission).collect()
}

// === writing ===

pub(super) fn access_group_line(group: &AccessGroup) -> String {
    let AccessGroup { name, people, groups } = group;
    format!("- {{name: {}{}{}}}", scalar(name), listed("people", people), listed("groups", groups))
}

pub(super) fn role_line(role: &PrivilegeRole) -> String {
    let PrivilegeRole { name, people, groups, privileges } = role;
    let privileges: Vec<String> = privileges.iter().map(|one| one.as_str().to_owned()).collect();
    let members = listed("people", people) + &listed("groups", groups);
    format!("- {{name: {}{members}{}}}", scalar(name), listed("privileges", &privileges))
}

pub(super) fn folder_line(folder: &Folder) -> String {
    let Folder { path, description, permissions } = folder;
    let permissions: Vec<String> = permissions.iter().map(permission).collect();
    let permissions = match permissions.as_slice() {
        [] => String::new(),
        entries => format!(", permissions: [{}]", entries.join(", ")),
    };
    format!("- {{path: {}{}{permissions}}}", scalar(path), optional("description", description.as_deref()))
}

fn permission(entry: &FolderPermission) -> String {
    let FolderPermission { group, person, rights, no_access, propagate } = entry;
    let mut keys = entry_keys((group.as_deref(), person.as_deref()), rights, *no_access);
    keys += if *propagate { "" } else { ", propagate: false" };
    format!("{{{}}}", keys.trim_start_matches(", "))
}

/// The keys of an entry, each behind a comma.
fn entry_keys((group, person): (Option<&str>, Option<&str>), rights: &[FolderRight], no_access: bool) -> String {
    let rights: Vec<String> = rights.iter().map(|one| one.as_str().to_owned()).collect();
    let no_access = if no_access { ", no_access: true" } else { "" };
    optional("group", group) + &optional("person", person) + &listed("rights", &rights) + no_access
}

/// The key of an object's own entries behind others; nothing where it has none.
pub(super) fn own_permissions_key(entries: &[ObjectPermission]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let record = |entry: &ObjectPermission| {
        let ObjectPermission { group, person, rights, no_access } = entry;
        let keys = entry_keys((group.as_deref(), person.as_deref()), rights, *no_access);
        format!("{{{}}}", keys.trim_start_matches(", "))
    };
    format!(", own_permissions: [{}]", entries.iter().map(record).collect::<Vec<_>>().join(", "))
}

/// Nothing for an empty list.
fn listed(key: &str, names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(", {key}: {}", flow(names.iter().map(String::as_str))),
    }
}

#[cfg(test)]
mod tests;
