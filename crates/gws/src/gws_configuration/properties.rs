//! User properties of objects, as the published APIs have them: lists of `{key, type, value}`, each section a list in the list.

use serde_json::{Value, json};

/// The properties of an object's document; an empty list where it has none.
pub(super) fn of(document: &Value) -> Value {
    as_lists(document.get("user_properties").unwrap_or(&Value::Null))
}

/// Sections with texts by their keys, as lists.
pub(super) fn as_lists(sections: &Value) -> Value {
    let text = |(key, value): (&String, &Value)| json!({"key": key, "type": "str", "value": value});
    let section = |(name, values): (&String, &Value)| {
        let values: Vec<Value> = values.as_object().into_iter().flatten().map(text).collect();
        json!({"key": name, "type": "kvlist", "value": values})
    };
    sections.as_object().into_iter().flatten().map(section).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_is_a_list_and_each_value_says_its_type() {
        let document = json!({"user_properties": {"desk": {"ring": "soft"}}});
        let wanted = json!([
            {"key": "desk", "type": "kvlist", "value": [{"key": "ring", "type": "str", "value": "soft"}]}
        ]);
        assert_eq!(of(&document), wanted);
        assert_eq!(of(&json!({})), json!([]));
    }
}
