//! Documents of people, compared across builds: what was there stays. A later build may tell more.

use serde_json::Value;

/// The field that is edited.
pub const EDITED_FIELD: &str = "last_name";
/// What no document shows in clear, and each build shows in its own way.
const SECRETS: [&str; 3] = ["password", "pin", "second_factor"];

/// The document with another last name.
pub fn named(mut document: Value, name: &str) -> Value {
    if let Some(fields) = document.as_object_mut() {
        fields.insert(EDITED_FIELD.to_owned(), name.into());
    }
    document
}

/// The fields that are otherwise than expected, but for secrets, in the order of their names.
pub fn differences(expected: &Value, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(expected, seen, "", &mut found);
    found.sort();
    found
}

fn compare(expected: &Value, seen: &Value, at: &str, found: &mut Vec<String>) {
    match (expected, seen) {
        (Value::Object(fields), Value::Object(others)) => {
            for (key, value) in fields.iter().filter(|(key, _)| !SECRETS.contains(&key.as_str())) {
                let at = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                compare(value, others.get(key).unwrap_or(&Value::Null), &at, found);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (number, (item, other)) in items.iter().zip(others).enumerate() {
                compare(item, other, &format!("{at}[{number}]"), found);
            }
        }
        _ if expected == seen || (is_nothing(expected) && is_nothing(seen)) => {}
        _ => found.push(at.to_owned()),
    }
}

/// What a build may leave out as well.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_field_counts_but_secrets_and_what_a_build_tells_besides() {
        let skills = json!([{ "skill": "Sales", "level": 5 }]);
        let first =
            json!({ "user_name": "ann", "last_name": "A", "email": null, "agent": { "id": "7", "skills": skills } });
        let expected = named(first, "Edit 0 1");
        let more = json!({ "user_name": "ann", "last_name": "Edit 0 1", "pin": "1", "folder": "x",
            "agent": { "id": "7", "skills": skills, "rule": "y" } });
        assert!(differences(&expected, &more).is_empty());
        let lost = json!({ "user_name": "ann", "last_name": "Edit 0 10", "email": "a@b.example",
            "agent": { "id": "7", "skills": [{ "skill": "Sales", "level": 4 }] } });
        assert_eq!(differences(&expected, &lost), ["agent.skills[0].level", "email", "last_name"]);
        assert_eq!(differences(&expected, &json!({ "user_name": "ann", "last_name": "Edit 0 1" })), ["agent"]);
    }
}
