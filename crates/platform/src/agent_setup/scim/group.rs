//! Privileges as groups: who is a member has the privilege. What a request changes of them, without I/O.

use std::collections::{BTreeMap, HashSet};

use contracts::provisioning::Privilege;
use serde_json::{Map, Value, json};

use super::patch::{PatchOperation, PatchVerb};
use super::syntax::{AttributePath, FilterComparison, Operator, Test, filter};
use crate::scim_error::{ScimError, ScimType};

/// The most members that a request changes.
pub(super) const CHANGES_MAX: usize = 500;
/// The most that it names.
const NAMED_MAX: usize = 10_000;
/// Attributes that have no counterpart.
const WITHOUT_COUNTERPART: [&str; 2] = ["externalid", "schemas"];

/// What people call a privilege.
pub(super) const fn display_name(privilege: Privilege) -> &'static str {
    match privilege {
        Privilege::Agent => "Agent",
        Privilege::Supervisor => "Supervisor",
        Privilege::Administrator => "Administrator",
        Privilege::Designer => "Designer",
        Privilege::Integrator => "Integrator",
        Privilege::FolderAdministrator => "Folder administrator",
        Privilege::ViewDashboard => "View dashboard",
        Privilege::ViewDashboardRestricted => "View dashboard restricted",
        Privilege::ManageTabs => "Manage tabs",
        Privilege::EditWidgetDisplay => "Edit widget display",
        Privilege::ManageWidgets => "Manage widgets",
        Privilege::ManageSharedDashboards => "Manage shared dashboards",
        Privilege::ManageTemplates => "Manage templates",
        Privilege::AddDashboardsWithoutLimit => "Add dashboards without limit",
        Privilege::AddWidgetsWithoutLimit => "Add widgets without limit",
        Privilege::ManageUsers => "Manage users",
    }
}

/// What must hold for a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GroupFilter(Vec<FilterComparison>);

impl GroupFilter {
    /// Reads it.
    ///
    /// # Errors
    /// What cannot be read, or is not supported.
    pub fn parse(text: &str) -> Result<Self, ScimError> {
        let faulty = |reason: String| ScimError::bad(ScimType::InvalidFilter, format!("filter: {reason}"));
        let comparisons = filter(text).map_err(faulty)?;
        let is_known = |one: &FilterComparison| {
            let is_plain = one.path.selects.is_none() && one.path.sub.is_none();
            is_plain && matches!(one.path.name.as_str(), "id" | "displayname") && !matches!(one.test, Test::Flag(_))
        };
        if !comparisons.iter().all(is_known) {
            return Err(faulty("groups are compared by id and displayName".to_owned()));
        }
        Ok(Self(comparisons))
    }

    /// Whether a group is meant.
    pub fn takes(&self, privilege: Privilege) -> bool {
        self.0.iter().all(|one| {
            let text = if one.path.name == "id" { privilege.as_str() } else { display_name(privilege) };
            match &one.test {
                Test::Text(operator, wanted) => operator.holds(text, wanted),
                Test::Present | Test::Flag(_) => true,
            }
        })
    }
}

/// Who is to be a member after a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    /// Whether those who are not named are to be none.
    pub is_whole: bool,
    /// Of each user who is named: whether it is to be a member.
    pub named: BTreeMap<String, bool>,
}

impl Membership {
    /// As the body of a PUT says. One that does not speak of members leaves them: nobody loses a privilege by silence.
    ///
    /// # Errors
    /// What cannot be done.
    pub fn put(body: &Map<String, Value>, of: Privilege) -> Result<Self, ScimError> {
        let mut membership = Self::default();
        membership.set_all(body, PatchVerb::Replace, of)?;
        membership.bounded()
    }

    /// As the operations of a PATCH say.
    ///
    /// # Errors
    /// The first one that cannot be carried out.
    pub fn patched(operations: &[PatchOperation], of: Privilege) -> Result<Self, ScimError> {
        let mut membership = Self::default();
        for PatchOperation { verb, path, value } in operations {
            match path {
                Some(path) => membership.apply(*verb, path, value, of)?,
                None => {
                    let Value::Object(object) = value else {
                        return Err(ScimError::value("value", "without a path an object is needed"));
                    };
                    membership.set_all(object, *verb, of)?;
                }
            }
        }
        membership.bounded()
    }

    fn set_all(&mut self, object: &Map<String, Value>, verb: PatchVerb, of: Privilege) -> Result<(), ScimError> {
        for (key, value) in object {
            match key.to_ascii_lowercase().as_str() {
                "members" => self.change(verb, members(value)?),
                "displayname" => keeps_name(value, of)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, verb: PatchVerb, path: &AttributePath, value: &Value, of: Privilege) -> Result<(), ScimError> {
        match (path.name.as_str(), &path.selects) {
            ("members", Some(comparisons)) if verb == PatchVerb::Remove => {
                let user = one_value(comparisons).ok_or_else(|| {
                    ScimError::bad(ScimType::InvalidPath, "members: one is selected by value eq \"…\"")
                })?;
                self.named.insert(user.to_owned(), false);
                Ok(())
            }
            ("members", None) if path.sub.is_none() => {
                if verb == PatchVerb::Remove && value.is_null() {
                    *self = Self { is_whole: true, named: BTreeMap::new() };
                } else {
                    self.change(verb, members(value)?);
                }
                Ok(())
            }
            ("displayname", None) if verb != PatchVerb::Remove => keeps_name(value, of),
            ("id" | "meta" | "displayname", _) => {
                Err(ScimError::bad(ScimType::Mutability, format!("{}: it cannot be changed", path.name)))
            }
            (name, _) if path.is_extension || WITHOUT_COUNTERPART.contains(&name) => Ok(()),
            _ => Err(ScimError::bad(ScimType::InvalidPath, "there is no such attribute to change")),
        }
    }

    fn change(&mut self, verb: PatchVerb, users: Vec<String>) {
        if verb == PatchVerb::Replace {
            *self = Self { is_whole: true, named: BTreeMap::new() };
        }
        self.named.extend(users.into_iter().map(|user| (user, verb != PatchVerb::Remove)));
    }

    fn bounded(self) -> Result<Self, ScimError> {
        if self.named.len() > NAMED_MAX {
            return Err(ScimError::bad(ScimType::TooMany, format!("members: a request names at most {NAMED_MAX}")));
        }
        Ok(self)
    }

    /// Whether all members have to be read to know who changes.
    pub fn is_about_many(&self) -> bool {
        self.is_whole || self.named.len() > CHANGES_MAX
    }

    /// The users who have to be asked for one by one: all who are named, but where the members among them are known, those who join.
    pub fn sought(&self, members: Option<&HashSet<String>>) -> Vec<&str> {
        let all = self
            .named
            .iter()
            .filter(|(user, is_wanted)| members.is_none_or(|members| **is_wanted && !members.contains(user.as_str())));
        all.map(|(user, _)| user.as_str()).collect()
    }

    /// Whether a user is to be a member, who is one now or is none.
    pub fn wants(&self, user: &str, is_member: bool) -> bool {
        self.named.get(user).copied().unwrap_or(is_member && !self.is_whole)
    }
}

/// 400 for a request that changes more members than one may.
pub(super) fn too_many() -> ScimError {
    ScimError::bad(ScimType::TooMany, format!("members: a request changes at most {CHANGES_MAX}"))
}

fn keeps_name(value: &Value, of: Privilege) -> Result<(), ScimError> {
    if value.as_str().is_some_and(|name| name.eq_ignore_ascii_case(display_name(of))) {
        return Ok(());
    }
    Err(ScimError::bad(ScimType::Mutability, "displayName: it cannot be changed"))
}

/// The users of a list of members.
fn members(value: &Value) -> Result<Vec<String>, ScimError> {
    let all = match value {
        Value::Array(all) => all.as_slice(),
        Value::Null => &[],
        one => std::slice::from_ref(one),
    };
    let user = |member: &Value| {
        let mut parts = member.as_object().into_iter().flatten();
        let value = parts.find(|(key, _)| key.eq_ignore_ascii_case("value")).and_then(|(_, value)| value.as_str());
        value.map(str::to_owned).ok_or_else(|| ScimError::value("members", "objects with a value are needed"))
    };
    all.iter().map(user).collect()
}

/// The value that brackets select by.
fn one_value(comparisons: &[FilterComparison]) -> Option<&str> {
    match comparisons {
        [FilterComparison { path, test: Test::Text(Operator::Equal, value) }] if path.name == "value" => {
            Some(value.as_str())
        }
        _ => None,
    }
}

/// The privileges of a person who gets one, or loses it.
pub(super) fn privileges_after(present: &[Privilege], of: Privilege, is_member: bool) -> Vec<Privilege> {
    let others = present.iter().copied().filter(|one| *one != of);
    let mut after: Vec<Privilege> = others.chain(is_member.then_some(of)).collect();
    after.sort();
    after
}

/// A member, as a group shows it.
pub(super) fn member(id: &str, display: &str, location: &str) -> Value {
    json!({ "value": id, "$ref": location, "type": "User", "display": display })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::patch::operations;
    use super::*;

    fn patched(all: Value) -> Result<Membership, ScimError> {
        let Value::Object(body) = json!({ "Operations": all }) else { panic!("no object") };
        Membership::patched(&operations(&body)?, Privilege::Agent)
    }

    fn named(membership: &Membership) -> Vec<(&str, bool)> {
        membership.named.iter().map(|(user, is)| (user.as_str(), *is)).collect()
    }

    #[test]
    fn members_are_added_and_removed_as_agents_ask_for_it() {
        let all = patched(json!([
            { "op": "Add", "path": "members", "value": [{ "value": "ann" }, { "value": "eve" }] },
            { "op": "Remove", "path": "members", "value": [{ "value": "eve" }] },
            { "op": "remove", "path": "members[value eq \"bob\"]" },
            { "op": "replace", "value": { "id": "agent", "displayName": "Agent" } },
            { "op": "Add", "path": "externalId", "value": "x" },
        ]));
        let all = all.unwrap();
        assert_eq!((named(&all), all.is_whole), (vec![("ann", true), ("bob", false), ("eve", false)], false));
        assert!(all.wants("carl", true) && !all.wants("carl", false));
    }

    #[test]
    fn a_replacement_is_about_everybody() {
        let all = patched(json!([
            { "op": "add", "path": "members", "value": [{ "value": "ann" }] },
            { "op": "replace", "path": "members", "value": [{ "value": "eve" }] },
        ]));
        let all = all.unwrap();
        assert_eq!((named(&all), all.is_whole), (vec![("eve", true)], true));
        assert!(!all.wants("ann", true) && all.wants("eve", false));
        let none = patched(json!([{ "op": "remove", "path": "members" }])).unwrap();
        assert!(none.is_whole && none.named.is_empty());
        let Value::Object(body) = json!({ "displayName": "agent", "members": [{ "value": "ann" }] }) else { panic!() };
        let put = Membership::put(&body, Privilege::Agent).unwrap();
        assert_eq!((named(&put), put.is_whole), (vec![("ann", true)], true));
        let Value::Object(silent) = json!({ "displayName": "Agent" }) else { panic!() };
        assert_eq!(Membership::put(&silent, Privilege::Agent).unwrap(), Membership::default());
    }

    #[test]
    fn what_cannot_be_done_is_refused() {
        let many: Vec<Value> = (0..=NAMED_MAX).map(|n| json!({ "value": n.to_string() })).collect();
        for (all, expected) in [
            (json!([{ "op": "replace", "path": "displayName", "value": "Boss" }]), "mutability"),
            (json!([{ "op": "replace", "value": { "displayName": "Boss" } }]), "mutability"),
            (json!([{ "op": "remove", "path": "displayName" }]), "mutability"),
            (json!([{ "op": "add", "path": "members", "value": ["ann"] }]), "invalidValue"),
            (json!([{ "op": "remove", "path": "members[display eq \"Ann\"]" }]), "invalidPath"),
            (json!([{ "op": "add", "path": "owners", "value": [] }]), "invalidPath"),
            (json!([{ "op": "add", "path": "members", "value": many }]), "tooMany"),
        ] {
            assert_eq!(patched(all.clone()).unwrap_err().document()["scimType"], expected, "{all}");
        }
    }

    #[test]
    fn those_who_are_members_already_are_not_asked_for_one_by_one() {
        let many: Vec<Value> = (0..=CHANGES_MAX).map(|n| json!({ "value": n.to_string() })).collect();
        let all = patched(json!([{ "op": "replace", "path": "members", "value": many }])).unwrap();
        let members: HashSet<String> = (1..=CHANGES_MAX).map(|n| n.to_string()).collect();
        assert!(all.is_about_many());
        assert_eq!(all.sought(Some(&members)), ["0"]);
        let few = json!([{ "op": "add", "path": "members", "value": [{ "value": "ann" }] },
            { "op": "remove", "path": "members", "value": [{ "value": "eve" }] }]);
        let few = patched(few).unwrap();
        assert!(!few.is_about_many());
        assert_eq!((few.sought(None), few.sought(Some(&HashSet::new()))), (vec!["ann", "eve"], vec!["ann"]));
    }

    #[test]
    fn groups_are_found_by_name_and_id() {
        let found = |text: &str| {
            let filter = GroupFilter::parse(text).unwrap();
            Privilege::ALL.into_iter().filter(|one| filter.takes(*one)).collect::<Vec<_>>()
        };
        assert_eq!(found(r#"displayName eq "agent""#), [Privilege::Agent]);
        assert_eq!(found(r#"id eq "designer""#), [Privilege::Designer]);
        assert!(found(r#"displayName eq "Sales""#).is_empty());
        assert!(GroupFilter::parse(r#"members.value eq "ann""#).is_err());
        for one in Privilege::ALL {
            assert!(display_name(one).replace(' ', "_").eq_ignore_ascii_case(one.as_str()));
        }
    }

    fn some() -> impl Strategy<Value = Vec<Privilege>> {
        proptest::sample::subsequence(Privilege::ALL.to_vec(), 0..=Privilege::ALL.len())
    }

    proptest! {
        #[test]
        fn a_privilege_comes_and_goes_and_the_others_stay(present in some(), of in proptest::sample::select(Privilege::ALL.to_vec())) {
            let with = privileges_after(&present, of, true);
            prop_assert!(with.contains(&of) && present.iter().all(|one| with.contains(one)));
            prop_assert_eq!(&privileges_after(&with, of, true), &with);
            let without = privileges_after(&with, of, false);
            prop_assert!(!without.contains(&of) && without.len() + 1 == with.len());
        }

        #[test]
        fn the_last_operation_about_a_user_counts(adds in proptest::collection::vec(any::<bool>(), 1..8)) {
            let one = |add: &bool| {
                json!({ "op": if *add { "add" } else { "remove" }, "path": "members", "value": [{ "value": "ann" }] })
            };
            let all = patched(Value::Array(adds.iter().map(one).collect())).unwrap();
            prop_assert_eq!(all.named.get("ann"), adds.last());
        }
    }
}
