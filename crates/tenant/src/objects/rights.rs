//! What a person may do with each object: by the permissions of the folder in which it is and of those around it.
//!
//! A right is what any entry gives to the person or to a group of the person; one entry that refuses all access wins over all that give. The
//! nearest folder counts no more than the others, and the entries of an object itself count with them. Administrators may do everything that
//! no such entry refuses them, and change permissions even then. Where no entry says anything, others read what their scopes open, and
//! change nothing.

mod administrators;
mod edits;
mod hidden;
mod membership;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{
    AccessGroup, Folder, FolderPermission, FolderRight, Object, ObjectAnnex, ObjectKind, ObjectPermission, Person,
    Privilege, PrivilegeRole, folded_name,
};

use super::indexed::{HeldObject, IndexedTenant};
pub(super) use administrators::keeps_administrator;
pub(super) use edits::{concealed, permitted};
pub(super) use hidden::{hidden_references, without_hidden};
use membership::groups_in;
pub use membership::{effective_privileges, groups_of, privileges_of};

/// Some of the rights that folders give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RightSet(u8);

impl RightSet {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self((1 << FolderRight::ALL.len()) - 1);

    /// These.
    pub fn of(rights: &[FolderRight]) -> Self {
        rights.iter().fold(Self::NONE, |set, right| Self(set.0 | bit(*right)))
    }

    /// Whether a right is among them.
    pub fn contains(self, right: FolderRight) -> bool {
        self.0 & bit(right) != 0
    }

    const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const fn bit(right: FolderRight) -> u8 {
    match right {
        FolderRight::Read => 1,
        FolderRight::Create => 2,
        FolderRight::Change => 4,
        FolderRight::Delete => 8,
        FolderRight::Permissions => 16,
    }
}

/// What entries together say to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct EntrySum {
    /// Whether there is one, of whomever.
    is_listed: bool,
    /// What they give to the person.
    given: RightSet,
    /// Whether one refuses the person all access.
    is_shut: bool,
}

impl EntrySum {
    const fn with(self, other: Self) -> Self {
        Self {
            is_listed: self.is_listed || other.is_listed,
            given: self.given.with(other.given),
            is_shut: self.is_shut || other.is_shut,
        }
    }
}

/// What the entries of one folder say to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FolderSum {
    /// Of the objects in it.
    own: EntrySum,
    /// Of those in the folders within.
    within: EntrySum,
}

/// What a person may do with the objects of a tenant, at a revision of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerRights {
    /// The user name, as it is written.
    user: String,
    privileges: HashSet<Privilege>,
    /// What the person may do where no entry says anything to anybody.
    unlisted: RightSet,
    /// The folders with entries, by their folded paths.
    folders: HashMap<String, FolderSum>,
    /// The person's groups, by their folded names: objects have entries, too.
    groups: HashSet<String>,
    /// Whether any object has entries, and whether some of these refuse the person all access to one.
    own: OwnEntries,
}

/// What the entries of all objects together mean for a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct OwnEntries {
    are_there: bool,
    shut_one: bool,
}

impl CallerRights {
    /// Those of the person of that user name.
    pub fn of(held: &IndexedTenant, user: &str) -> Self {
        let person = held.person(user);
        let user = person.map_or(user, |person| person.user_name.as_str());
        let mut groups = groups_in(held, user);
        let given = person.map(|person| privileges_of(held, person)).unwrap_or_default();
        let privileges: HashSet<Privilege> = Privilege::with_implied(&given).into_iter().collect();
        if privileges.contains(&Privilege::Administrator) {
            groups.insert(folded_name(AccessGroup::ADMINISTRATORS));
        }
        let mut folders = HashMap::new();
        let all = held.of_kind(ObjectKind::Folder).filter_map(|(_, object)| folder(object));
        for folder in all.filter(|folder| !folder.permissions.is_empty()) {
            folders.insert(folded_name(&folder.path), sum(folder, user, &groups));
        }
        let own = own_entries(held, user, &groups);
        let unlisted = unlisted(person, &privileges, folders.is_empty() && !own.are_there);
        Self { user: user.to_owned(), privileges, unlisted, folders, groups, own }
    }

    /// What the person may do with the objects of a folder.
    pub fn in_folder(&self, path: &str) -> RightSet {
        self.by(self.sum_of(path))
    }

    /// What the person may do with the objects of all folders within a folder, as far as its own entries and those around it say.
    fn within_folder(&self, path: &str) -> RightSet {
        self.by(self.sum_around(path, self.entries_of(path).within))
    }

    /// What the person may do where entries say that.
    fn by(&self, sum: EntrySum) -> RightSet {
        if sum.is_shut {
            RightSet::NONE
        } else if self.is_administrator() {
            RightSet::ALL
        } else if sum.is_listed {
            sum.given
        } else {
            self.unlisted
        }
    }

    /// What all entries together say of the objects of a folder.
    fn sum_of(&self, path: &str) -> EntrySum {
        self.sum_around(path, self.entries_of(path).own)
    }

    /// The same of what its own entries say and those of the folders around it.
    fn sum_around(&self, path: &str, own: EntrySum) -> EntrySum {
        Folder::around(path).fold(own, |sum, around| sum.with(self.entries_of(around).within))
    }

    /// What all entries together say of an object: of its folder, of those around it, and its own.
    fn sum_of_object(&self, found: HeldObject<'_>) -> EntrySum {
        self.sum_of(found.folder()).with(self.own_sum(found.annex))
    }

    /// What the entries of an object itself say.
    fn own_sum(&self, annex: Option<&ObjectAnnex>) -> EntrySum {
        let entries = annex.into_iter().flat_map(|annex| &annex.own_permissions);
        entries.fold(EntrySum::default(), |sum, entry| sum.with(own_said(entry, &self.user, &self.groups)))
    }

    fn entries_of(&self, path: &str) -> FolderSum {
        self.folders.get(&folded_name(path)).copied().unwrap_or_default()
    }

    /// Whether the person has that right to a folder, or to an object that no folder hides, whatever its own entries say: administrators read
    /// such and change their permissions, since entries that refuse them all access could be taken away by nobody otherwise.
    fn keeps_permissions(&self, has_own_alone: bool, right: FolderRight) -> bool {
        let is_kept = matches!(right, FolderRight::Read | FolderRight::Permissions);
        self.is_administrator() && has_own_alone && is_kept
    }

    /// Whether entries of folders leave it to an object's own ones what an administrator may do with it.
    fn has_own_alone(&self, found: HeldObject<'_>) -> bool {
        matches!(found.object, Object::Folder(_)) || !self.sum_of(found.folder()).is_shut
    }

    /// Whether the person may do that with an object.
    pub fn may(&self, right: FolderRight, found: HeldObject<'_>) -> bool {
        (self.is_without_entries() && self.unlisted.contains(right))
            || self.by(self.sum_of_object(found)).contains(right)
            || self.keeps_permissions(self.has_own_alone(found), right)
    }

    /// Whether the person may see what was in that folder with those entries of its own.
    pub fn may_see_in(&self, path: &str, annex: Option<&ObjectAnnex>) -> bool {
        let around = self.sum_of(path);
        self.by(around.with(self.own_sum(annex))).contains(FolderRight::Read)
            || self.keeps_permissions(!around.is_shut, FolderRight::Read)
    }

    fn is_without_entries(&self) -> bool {
        self.folders.is_empty() && !self.own.are_there
    }

    /// Whether the person may see an object.
    pub fn may_see(&self, found: HeldObject<'_>) -> bool {
        self.may(FolderRight::Read, found)
    }

    /// Whether the person may change what concerns the tenant as a whole: its settings, who has permissions and privileges, and which
    /// programs act for it.
    pub fn is_of_whole_tenant(&self) -> bool {
        self.is_administrator()
    }

    /// Whether the person may read what concerns the tenant as a whole: administrators, and who reads by scopes that are not of folders.
    pub fn reads_whole_tenant(&self) -> bool {
        let is_by_folders = self.privileges.contains(&Privilege::FolderAdministrator);
        self.is_administrator() || (self.unlisted.contains(FolderRight::Read) && !is_by_folders)
    }

    /// Whether the person sees every object: no entry limits anything.
    pub fn sees_everything(&self) -> bool {
        self.is_without_entries() && self.unlisted.contains(FolderRight::Read)
    }

    fn is_administrator(&self) -> bool {
        self.privileges.contains(&Privilege::Administrator)
    }

    /// Whether the person may change what concerns the tenant as a whole, and every object of it: an administrator whom no folder, and no
    /// object, refuses all access.
    pub fn is_unlimited(&self) -> bool {
        let is_shut = |sum: &FolderSum| sum.own.is_shut || sum.within.is_shut;
        self.is_administrator() && !self.own.shut_one && !self.folders.values().any(is_shut)
    }
}

/// What a person may do where no folder says anything. Administrators may do everything. Others read what their scopes open and change
/// nothing: a token says for minutes what a person may, and privileges that have been taken away count no more at once. Who has the
/// scopes of the configuration because of folders alone has no more than folders give; who is not in the tenant any more, where folders
/// give rights, neither.
fn unlisted(person: Option<&Person>, privileges: &HashSet<Privilege>, is_without_folders: bool) -> RightSet {
    let has = |privilege| privileges.contains(&privilege);
    let reads = RightSet::of(&[FolderRight::Read]);
    match person {
        None if is_without_folders => reads,
        None => RightSet::NONE,
        Some(_) if has(Privilege::Administrator) => RightSet::ALL,
        // They read it all without that privilege, too.
        Some(_) if has(Privilege::Designer) || has(Privilege::Integrator) => reads,
        Some(_) if has(Privilege::FolderAdministrator) => RightSet::NONE,
        Some(_) => reads,
    }
}

/// What the entries of a folder say to a person of these groups.
fn sum(folder: &Folder, user: &str, groups: &HashSet<String>) -> FolderSum {
    let mut sum = FolderSum::default();
    for entry in &folder.permissions {
        let FolderPermission { group, person, rights, no_access, .. } = entry;
        let said = said((group.as_deref(), person.as_deref()), (rights.as_slice(), *no_access), (user, groups));
        sum.own = sum.own.with(said);
        if entry.propagate {
            sum.within = sum.within.with(said);
        }
    }
    sum
}

/// What the entries of all objects say to a person of these groups.
fn own_entries(held: &IndexedTenant, user: &str, groups: &HashSet<String>) -> OwnEntries {
    let mut own = OwnEntries::default();
    for entry in held.annexes_with_entries().flat_map(|annex| &annex.own_permissions) {
        own.are_there = true;
        // There may be many, and most refuse nobody anything.
        own.shut_one = own.shut_one || (entry.no_access && own_said(entry, user, groups).is_shut);
    }
    own
}

fn own_said(entry: &ObjectPermission, user: &str, groups: &HashSet<String>) -> EntrySum {
    let ObjectPermission { group, person, rights, no_access } = entry;
    said((group.as_deref(), person.as_deref()), (rights.as_slice(), *no_access), (user, groups))
}

/// What an entry about a group or a person says to a person of these groups.
fn said(
    (group, person): (Option<&str>, Option<&str>),
    (rights, no_access): (&[FolderRight], bool),
    (user, groups): (&str, &HashSet<String>),
) -> EntrySum {
    let is_meant = person == Some(user) || group.is_some_and(|group| groups.contains(&folded_name(group)));
    let given = if is_meant { RightSet::of(rights) } else { RightSet::NONE };
    EntrySum { is_listed: true, given, is_shut: is_meant && no_access }
}

// === objects by kind ===

fn access_group(object: &Object) -> Option<&AccessGroup> {
    match object {
        Object::AccessGroup(group) => Some(group),
        _ => None,
    }
}

fn role(object: &Object) -> Option<&PrivilegeRole> {
    match object {
        Object::Role(role) => Some(role),
        _ => None,
    }
}

fn folder(object: &Object) -> Option<&Folder> {
    match object {
        Object::Folder(folder) => Some(folder),
        _ => None,
    }
}
