//! Who may see and change which objects: folders with permissions, groups of people who have them, roles with privileges.

use serde::{Deserialize, Serialize};

use super::Privilege;

/// A folder of a tenant's configuration. Objects say by its path that they are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Its path, as `Berlin/Sales`: the folder is in `Berlin`, whether that has an object of its own or not. `/` is the root.
    pub path: String,
    /// What people read of it.
    #[serde(default)]
    pub description: Option<String>,
    /// Who may do what with the objects in it. None: as the folders say in which it is.
    #[serde(default)]
    pub permissions: Vec<FolderPermission>,
}

/// What a group or a person may do with the objects of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderPermission {
    /// The group: an access group, or one of those that are built in.
    #[serde(default)]
    pub group: Option<String>,
    /// The person, by the name by which the person signs in. One of both is there.
    #[serde(default)]
    pub person: Option<String>,
    /// What they may do.
    #[serde(default)]
    pub rights: Vec<FolderRight>,
    /// Whether they may do nothing, whatever other entries give them.
    #[serde(default)]
    pub no_access: bool,
    /// Whether that holds for the folders in it, too.
    #[serde(default = "propagates")]
    pub propagate: bool,
}

const fn propagates() -> bool {
    true
}

/// What a group or a person may do with one object, together with what the folders say in which it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPermission {
    /// The group: an access group, or one of those that are built in.
    #[serde(default)]
    pub group: Option<String>,
    /// The person, by the name by which the person signs in. One of both is there.
    #[serde(default)]
    pub person: Option<String>,
    /// What they may do: those of [`FolderRight::OF_OBJECTS`].
    #[serde(default)]
    pub rights: Vec<FolderRight>,
    /// Whether they may do nothing with it, whatever other entries give them.
    #[serde(default)]
    pub no_access: bool,
}

/// What one may do with the objects of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderRight {
    /// See them.
    Read,
    /// Make new ones, or bring them into the folder.
    Create,
    /// Change them.
    Change,
    /// Delete them, or take them out of the folder.
    Delete,
    /// Change the permissions of the folder.
    Permissions,
}

impl FolderRight {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Read, Self::Create, Self::Change, Self::Delete, Self::Permissions];

    /// Those that single objects give: nothing is made in an object.
    pub const OF_OBJECTS: [Self; 4] = [Self::Read, Self::Change, Self::Delete, Self::Permissions];

    /// Their names.
    pub const NAMES_OF_OBJECTS: [&'static str; 4] =
        [Self::Read.as_str(), Self::Change.as_str(), Self::Delete.as_str(), Self::Permissions.as_str()];

    /// Their names in the tenant's file and in the store.
    pub const NAMES: [&'static str; 5] = [
        Self::Read.as_str(),
        Self::Create.as_str(),
        Self::Change.as_str(),
        Self::Delete.as_str(),
        Self::Permissions.as_str(),
    ];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Permissions => "permissions",
        }
    }

    /// Finds it by its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }
}

impl Folder {
    /// The path of the root, in which all folders are, and every object that is in no other folder.
    pub const ROOT: &'static str = "/";
    /// The most bytes of a path.
    pub const PATH_BYTES_MAX: usize = 255;
    /// The most names of a path.
    pub const DEPTH_MAX: usize = 16;

    /// Whether a folder may have that path: the root's, or names with slashes between them.
    pub fn is_path(path: &str) -> bool {
        let is_name = |name: &str| {
            !name.is_empty()
                && name.trim() == name
                && name != "."
                && name != ".."
                && !name.chars().any(char::is_control)
        };
        path == Self::ROOT
            || (path.len() <= Self::PATH_BYTES_MAX
                && path.split('/').count() <= Self::DEPTH_MAX
                && path.split('/').all(is_name))
    }

    /// The folders in which a folder is, the nearest first and the root last; the root is in none.
    pub fn around(path: &str) -> impl Iterator<Item = &str> {
        Ancestors(Some(path))
    }
}

/// The folders around a path.
struct Ancestors<'a>(Option<&'a str>);

impl<'a> Iterator for Ancestors<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let parent = match self.0? {
            Folder::ROOT => None,
            path => Some(path.rsplit_once('/').map_or(Folder::ROOT, |(parent, _)| parent)),
        };
        self.0 = parent;
        parent
    }
}

/// People who have permissions together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessGroup {
    /// Its name.
    pub name: String,
    /// Its people, by the names by which they sign in.
    #[serde(default)]
    pub people: Vec<String>,
    /// Groups whose people are in it, too; none leads back to it.
    #[serde(default)]
    pub groups: Vec<String>,
}

impl AccessGroup {
    /// The group in which every person of the tenant is.
    pub const EVERYONE: &'static str = "Everyone";
    /// The group of those who have the privilege administrator.
    pub const ADMINISTRATORS: &'static str = "Administrators";
    /// The groups that are built in: no object has one of these names.
    pub const BUILT_IN: [&'static str; 2] = [Self::EVERYONE, Self::ADMINISTRATORS];

    /// Whether that name is of a group that is built in, in whatever case.
    pub fn is_built_in(name: &str) -> bool {
        Self::BUILT_IN.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

/// Privileges that people have together, besides their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegeRole {
    /// Its name.
    pub name: String,
    /// Its people, by the names by which they sign in.
    #[serde(default)]
    pub people: Vec<String>,
    /// Access groups whose people have it.
    #[serde(default)]
    pub groups: Vec<String>,
    /// What they may do.
    #[serde(default)]
    pub privileges: Vec<Privilege>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_with_slashes_between_them() {
        for path in ["/", "Berlin", "Berlin/Sales", "Köln/Team 1/A.B"] {
            assert!(Folder::is_path(path), "{path}");
        }
        let deep = vec!["a"; Folder::DEPTH_MAX + 1].join("/");
        let long = "a".repeat(Folder::PATH_BYTES_MAX + 1);
        for path in ["", "/Berlin", "Berlin/", "Berlin//Sales", "..", "a/../b", " a", "a/ b", "a\u{7}", &deep, &long] {
            assert!(!Folder::is_path(path), "{path}");
        }
    }

    #[test]
    fn a_folder_is_in_those_of_its_path_and_in_the_root() {
        let around = |path| Folder::around(path).collect::<Vec<_>>();
        assert_eq!(around("Berlin/Sales/Day"), ["Berlin/Sales", "Berlin", "/"]);
        assert_eq!((around("Berlin"), around("/")), (vec!["/"], Vec::new()));
    }

    #[test]
    fn what_an_entry_leaves_out_holds_for_the_folders_within() {
        let read: FolderPermission = serde_json::from_str(r#"{"group":"Everyone","rights":["read"]}"#).unwrap();
        assert!(read.propagate && !read.no_access);
        assert_eq!(FolderRight::NAMES.map(FolderRight::parse), FolderRight::ALL.map(Some));
        assert!(AccessGroup::is_built_in("everyone") && !AccessGroup::is_built_in("Night"));
    }
}
