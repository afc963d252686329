//! What a person may do with each object: by the permissions of the folder in which it is and of those around it.
//!
//! A right is what any entry gives to the person or to a group of the person; one entry that refuses all access wins over all that give. The
//! nearest folder counts no more than the others. Administrators may do everything that no such entry refuses them, and
//! change permissions even then. Where no entry says anything, others read what their scopes open, and change nothing.

mod administrators;
mod edits;
mod hidden;
mod membership;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use contracts::provisioning::{
    AccessGroup, Folder, FolderPermission, FolderRight, Object, ObjectKind, Person, Privilege, PrivilegeRole,
    folded_name,
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
        let unlisted = unlisted(person, &privileges, folders.is_empty());
        Self { user: user.to_owned(), privileges, unlisted, folders }
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

    fn entries_of(&self, path: &str) -> FolderSum {
        self.folders.get(&folded_name(path)).copied().unwrap_or_default()
    }

    /// Whether the person has that right to an object, which is a folder or not, whatever entries say: administrators read
    /// folders and change their permissions, since entries that refuse them all access could be taken away by nobody otherwise.
    fn keeps_permissions(&self, is_folder: bool, right: FolderRight) -> bool {
        let is_kept = matches!(right, FolderRight::Read | FolderRight::Permissions);
        self.is_administrator() && is_folder && is_kept
    }

    /// Whether the person may do that with an object.
    pub fn may(&self, right: FolderRight, found: HeldObject<'_>) -> bool {
        (self.folders.is_empty() && self.unlisted.contains(right))
            || self.in_folder(found.folder()).contains(right)
            || self.keeps_permissions(matches!(found.object, Object::Folder(_)), right)
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

    /// Whether the person sees every object: no folder limits anything.
    pub fn sees_everything(&self) -> bool {
        self.folders.is_empty() && self.unlisted.contains(FolderRight::Read)
    }

    fn is_administrator(&self) -> bool {
        self.privileges.contains(&Privilege::Administrator)
    }

    /// Whether the person may change what concerns the tenant as a whole, and every object of it: an administrator whom no folder refuses
    /// all access.
    pub fn is_unlimited(&self) -> bool {
        let is_shut = |sum: &FolderSum| sum.own.is_shut || sum.within.is_shut;
        self.is_administrator() && !self.folders.values().any(is_shut)
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
        let said = said(entry, user, groups);
        sum.own = sum.own.with(said);
        if entry.propagate {
            sum.within = sum.within.with(said);
        }
    }
    sum
}

fn said(entry: &FolderPermission, user: &str, groups: &HashSet<String>) -> EntrySum {
    let is_of_person = entry.person.as_deref() == Some(user);
    let is_meant = is_of_person || entry.group.as_ref().is_some_and(|group| groups.contains(&folded_name(group)));
    let given = if is_meant { RightSet::of(&entry.rights) } else { RightSet::NONE };
    EntrySum { is_listed: true, given, is_shut: is_meant && entry.no_access }
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
