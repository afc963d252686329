//! What differs between two documents of an object, field by field.

use std::collections::{BTreeMap, BTreeSet};

use contracts::provisioning::Object;
use serde_json::Value as Json;

/// A field that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDifference {
    /// Its path, as `agent.skills`.
    pub field: String,
    /// Its value before; null if it was not there.
    pub before: Json,
    /// Its value after.
    pub after: Json,
}

/// The fields that differ between two documents; a list is one field. A document that is none counts as empty.
pub fn differences(before: Option<&str>, after: Option<&str>) -> Vec<FieldDifference> {
    let read = |document: Option<&str>| document.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Json::Null);
    let mut found = Vec::new();
    compare("", &read(before), &read(after), &mut found);
    found
}

/// The secrets that differ, by their fields.
pub fn secret_differences(before: Option<&Object>, after: Option<&Object>) -> Vec<&'static str> {
    let secrets = |object: Option<&'_ Object>| -> BTreeMap<&'static str, String> {
        let secrets = object.map(Object::secrets).unwrap_or_default();
        secrets.into_iter().map(|(field, secret)| (field, secret.reveal().to_owned())).collect()
    };
    let (before, after) = (secrets(before), secrets(after));
    let fields: BTreeSet<&'static str> = before.keys().chain(after.keys()).copied().collect();
    fields.into_iter().filter(|field| before.get(field) != after.get(field)).collect()
}

fn compare(at: &str, before: &Json, after: &Json, found: &mut Vec<FieldDifference>) {
    let empty = serde_json::Map::new();
    let (ours, theirs) = match (before, after) {
        _ if before == after => return,
        (Json::Object(before), Json::Object(after)) => (before, after),
        (Json::Object(before), Json::Null) => (before, &empty),
        (Json::Null, Json::Object(after)) => (&empty, after),
        _ => {
            found.push(FieldDifference { field: at.to_owned(), before: before.clone(), after: after.clone() });
            return;
        }
    };
    let added = theirs.keys().filter(|key| !ours.contains_key(*key));
    for key in ours.keys().chain(added) {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        let (one, two) = (ours.get(key).unwrap_or(&Json::Null), theirs.get(key).unwrap_or(&Json::Null));
        compare(&path, one, two, found);
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{ObjectKind, Secret};
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_told() {
        let before = r#"{"a":1,"b":{"c":2,"d":[1]},"e":null}"#;
        let after = r#"{"a":1,"b":{"c":3,"d":[1,2]},"f":"x"}"#;
        let told: Vec<_> =
            differences(Some(before), Some(after)).into_iter().map(|d| (d.field, d.before, d.after)).collect();
        let expected =
            [("b.c", json!(2), json!(3)), ("b.d", json!([1]), json!([1, 2])), ("f", json!(null), json!("x"))];
        assert_eq!(told, expected.map(|(field, before, after)| (field.to_owned(), before, after)));
        assert_eq!(differences(None, Some(r#"{"a":{"b":1}}"#))[0].field, "a.b");
        assert_eq!(differences(Some(before), Some(before)), []);
    }

    #[test]
    fn secrets_are_told_by_field() {
        let person = |password: &str| {
            let json = format!(r#"{{"user_name":"a","first_name":"A","last_name":"A","password":"{password}"}}"#);
            Object::from_json(ObjectKind::Person, json.as_bytes()).unwrap()
        };
        let (one, two) = (person("x"), person("y"));
        assert_eq!(one.secrets(), [("password", &Secret("x".to_owned()))]);
        assert_eq!(secret_differences(Some(&one), Some(&two)), ["password"]);
        assert_eq!(secret_differences(None, Some(&two)), ["password"]);
        assert_eq!(secret_differences(Some(&one), Some(&one)), [""; 0]);
    }
}
