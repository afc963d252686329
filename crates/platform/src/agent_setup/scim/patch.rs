//! Operations of a PATCH (RFC 7644 section 3.5.2), and what they make of a user.

use serde_json::{Map, Value};

use super::syntax::{AttributePath, path};
use super::user::{Manner, UserDraft};
use crate::scim_error::{ScimError, ScimType};

/// The most operations of a request.
const OPERATIONS_MAX: usize = 100;

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PatchOperation {
    /// What is done.
    pub verb: PatchVerb,
    /// Where; nowhere in particular means the attributes of the value.
    pub path: Option<AttributePath>,
    /// With what; null for none.
    pub value: Value,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchVerb {
    /// Values are added, or attributes set.
    Add,
    /// Values are replaced.
    Replace,
    /// They are taken away.
    Remove,
}

/// The operations of a body. Some agents write their names with a capital.
///
/// # Errors
/// What cannot be read.
pub(super) fn operations(body: &Map<String, Value>) -> Result<Vec<PatchOperation>, ScimError> {
    let faulty = |detail: &str| ScimError::bad(ScimType::InvalidSyntax, detail);
    let Some(Value::Array(all)) = member(body, "operations") else {
        return Err(faulty("Operations: a list is needed"));
    };
    if all.is_empty() {
        return Err(faulty("Operations: one is needed"));
    }
    if all.len() > OPERATIONS_MAX {
        return Err(ScimError::bad(ScimType::TooMany, format!("Operations: there are more than {OPERATIONS_MAX}")));
    }
    all.iter().map(|one| operation(one.as_object().ok_or_else(|| faulty("Operations: objects are needed"))?)).collect()
}

fn operation(one: &Map<String, Value>) -> Result<PatchOperation, ScimError> {
    let verb = member(one, "op").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let verb = match verb.as_str() {
        "add" => PatchVerb::Add,
        "replace" => PatchVerb::Replace,
        "remove" => PatchVerb::Remove,
        _ => return Err(ScimError::bad(ScimType::InvalidSyntax, "op: add, replace or remove is needed")),
    };
    let path = match member(one, "path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let faulty = |reason| ScimError::bad(ScimType::InvalidPath, format!("path: {reason}"));
            Some(path(text).map_err(faulty)?)
        }
        Some(_) => return Err(ScimError::bad(ScimType::InvalidPath, "path: a text is needed")),
    };
    let value = member(one, "value").cloned().unwrap_or_default();
    match verb {
        PatchVerb::Remove if path.is_none() => Err(ScimError::bad(ScimType::NoTarget, "path: it is needed to remove")),
        PatchVerb::Add if value.is_null() => Err(ScimError::value("value", "it is needed to add")),
        PatchVerb::Add | PatchVerb::Replace | PatchVerb::Remove => Ok(PatchOperation { verb, path, value }),
    }
}

fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A user after all operations, or none of them.
///
/// # Errors
/// The first one that cannot be carried out.
pub(super) fn patched(mut draft: UserDraft, operations: &[PatchOperation]) -> Result<UserDraft, ScimError> {
    for PatchOperation { verb, path, value } in operations {
        let manner = match verb {
            PatchVerb::Add => Manner::Add,
            PatchVerb::Replace => Manner::Replace,
            PatchVerb::Remove => {
                if let Some(at) = path {
                    draft.remove(at)?;
                }
                continue;
            }
        };
        match (path, value) {
            (Some(at), value) => draft.set(at, value, manner)?,
            (None, Value::Object(object)) => draft.set_all(object, manner)?,
            (None, _) => return Err(ScimError::value("value", "without a path an object is needed")),
        }
    }
    draft.complete()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::user::{ScimPerson, ann};
    use super::*;

    fn read(all: Value) -> Result<Vec<PatchOperation>, ScimError> {
        let Value::Object(body) = json!({ "schemas": ["x"], "Operations": all }) else { panic!("no object") };
        operations(&body)
    }

    /// What operations change of Ann.
    fn changes(person: &ScimPerson, all: Value) -> Result<Value, ScimError> {
        Ok(Value::Object(patched(UserDraft::of(person), &read(all)?)?.changes_of(person)))
    }

    fn kind(result: Result<Value, ScimError>) -> String {
        result.unwrap_err().document()["scimType"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_okta_and_entra_send_is_understood() {
        for (all, expected) in [
            (json!([{ "op": "replace", "value": { "active": false } }]), json!({ "disabled": true })),
            (json!([{ "op": "Replace", "path": "active", "value": "False" }]), json!({ "disabled": true })),
            (json!([{ "op": "Add", "path": "name.givenName", "value": "Anna" }]), json!({ "first_name": "Anna" })),
            (
                json!([{ "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a@d.example" }]),
                json!({ "email": "a@d.example" }),
            ),
            (
                json!([{ "op": "add", "value": { "name.familyName": "Archer", "emails[type eq \"work\"].value": "b" } }]),
                json!({ "last_name": "Archer", "email": "b" }),
            ),
            (
                json!([{ "op": "replace", "path": "name", "value": { "familyName": "Archer" } }]),
                json!({ "last_name": "Archer" }),
            ),
            (json!([{ "op": "Remove", "path": "emails[type eq \"work\"]" }]), json!({ "email": null })),
            (
                json!([{ "op": "replace", "value": { "password": "correct horse" } }]),
                json!({ "password": "correct horse" }),
            ),
            // What has no counterpart.
            (json!([{ "op": "Add", "path": "externalId", "value": "x" }]), json!({ "external_id": "x" })),
            (json!([{ "op": "remove", "path": "externalId" }]), json!({})),
            (json!([{ "op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "x" }]), json!({})),
            (json!([{ "op": "replace", "value": { "id": "other", "title": "x", "unknown": 1 } }]), json!({})),
            (
                json!([{ "op": "Add", "value": "x",
                    "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department" }]),
                json!({}),
            ),
            (json!([{ "op": "add", "path": "urn:okta:centre_app:1.0:user:custom:badge", "value": "x" }]), json!({})),
        ] {
            assert_eq!(changes(&ann(), all.clone()).unwrap(), expected, "{all}");
        }
    }

    #[test]
    fn an_address_is_made_where_the_selection_has_room_for_it() {
        let without = ScimPerson { email: None, ..ann() };
        let work = json!([{ "op": "Replace", "path": "emails[type eq \"work\"].value", "value": "a" }]);
        assert_eq!(changes(&without, work).unwrap(), json!({ "email": "a" }));
        let other = json!([{ "op": "Add", "path": "emails[type eq \"other\"].value", "value": "a" }]);
        assert_eq!(changes(&without, other).unwrap(), json!({}));
        let by_value = json!([{ "op": "replace", "path": "emails[value eq \"z\"].value", "value": "a" }]);
        assert_eq!(kind(changes(&without, by_value)), "noTarget");
        assert_eq!(
            kind(changes(&without, json!([{ "op": "remove", "path": "emails[type eq \"work\"]" }]))),
            "noTarget"
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_its_kind() {
        for (all, expected) in [
            (json!([]), "invalidSyntax"),
            (json!("x"), "invalidSyntax"),
            (json!(["x"]), "invalidSyntax"),
            (json!([{ "op": "move", "path": "active" }]), "invalidSyntax"),
            (json!([{ "op": "remove" }]), "noTarget"),
            (json!([{ "op": "add", "path": "active" }]), "invalidValue"),
            (json!([{ "op": "replace", "value": "x" }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "active", "value": 1 }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "name.givenName", "value": "" }]), "invalidValue"),
            (json!([{ "op": "replace", "path": "a b", "value": "x" }]), "invalidPath"),
            (json!([{ "op": "replace", "path": 7, "value": "x" }]), "invalidPath"),
            (json!([{ "op": "replace", "path": "shoeSize", "value": "x" }]), "invalidPath"),
            (json!([{ "op": "replace", "path": "id", "value": "x" }]), "mutability"),
            (json!([{ "op": "replace", "path": "userName", "value": "eve" }]), "mutability"),
            (json!([{ "op": "remove", "path": "active" }]), "mutability"),
            (json!([{ "op": "remove", "path": "name.familyName" }]), "mutability"),
            (Value::Array(vec![json!({ "op": "remove", "path": "emails" }); OPERATIONS_MAX + 1]), "tooMany"),
        ] {
            assert_eq!(kind(changes(&ann(), all.clone())), expected, "{all}");
        }
    }

    fn value_at(at: &'static str) -> BoxedStrategy<Value> {
        match at {
            "active" => any::<bool>().prop_map(Value::from).boxed(),
            _ => "[a-z]{1,8}".prop_map(Value::from).boxed(),
        }
    }

    fn target() -> impl Strategy<Value = (&'static str, Value)> {
        let paths = ["active", "name.givenName", "name.familyName", "emails.value", "emails[type eq \"work\"].value"];
        proptest::sample::select(paths.to_vec()).prop_flat_map(|at| value_at(at).prop_map(move |value| (at, value)))
    }

    fn set(verb: &str, (at, value): (&str, &Value)) -> Value {
        json!({ "op": verb, "path": at, "value": value })
    }

    proptest! {
        #[test]
        fn an_operation_twice_is_the_same_as_once((at, value) in target(), verb in "add|replace|Replace|Add") {
            let once = changes(&ann(), json!([set(&verb, (at, &value))])).unwrap();
            let twice = changes(&ann(), json!([set(&verb, (at, &value)), set(&verb, (at, &value))])).unwrap();
            prop_assert_eq!(once, twice);
        }

        #[test]
        fn the_last_of_two_at_one_path_counts((at, first) in target(), last in "[a-z]{1,8}", flag in any::<bool>()) {
            let last = if at == "active" { json!(flag) } else { json!(last) };
            let both = changes(&ann(), json!([set("add", (at, &first)), set("replace", (at, &last))])).unwrap();
            prop_assert_eq!(both, changes(&ann(), json!([set("replace", (at, &last))])).unwrap());
        }

        #[test]
        fn with_a_path_and_as_an_attribute_of_an_object_are_the_same((at, value) in target(), verb in "add|replace") {
            let mut object = Map::new();
            object.insert(at.to_owned(), value.clone());
            let without_path = changes(&ann(), json!([{ "op": verb, "value": object }])).unwrap();
            prop_assert_eq!(changes(&ann(), json!([set(&verb, (at, &value))])).unwrap(), without_path);
        }

        #[test]
        fn what_is_added_and_removed_is_gone(value in "[a-z]{1,8}") {
            let all = json!([set("add", ("emails.value", &json!(value))), { "op": "remove", "path": "emails" }]);
            prop_assert_eq!(changes(&ann(), all).unwrap(), json!({ "email": null }));
        }

        #[test]
        fn what_is_set_as_it_is_changes_nothing(verb in "add|replace") {
            let all = json!([{ "op": verb, "value": { "userName": "Ann@D.example", "active": true,
                "name": { "givenName": "Ann", "familyName": "Adams" }, "emails": super::super::user::emails("ann@d.example") } }]);
            prop_assert_eq!(changes(&ann(), all).unwrap(), json!({}));
        }

        #[test]
        fn one_operation_that_fails_leaves_no_change((at, value) in target()) {
            let all = json!([set("replace", (at, &value)), { "op": "replace", "path": "shoeSize", "value": 1 }]);
            prop_assert!(changes(&ann(), all).is_err());
        }
    }
}
