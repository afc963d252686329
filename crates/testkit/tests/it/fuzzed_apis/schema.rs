//! As much of JSON Schema as the documents use: a value that fits, and whether a value does.

use serde_json::{Map, Value, json};

/// How deep a value is made; what is deeper is left empty.
const DEPTH_MAX: usize = 8;

/// Follows a reference.
fn resolved<'s>(schema: &'s Value, schemas: &'s Value) -> &'s Value {
    let named = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    named.map_or(schema, |name| &schemas[name])
}

/// The alternatives of a schema; itself, if it has none.
pub fn alternatives<'s>(schema: &'s Value, schemas: &'s Value) -> Vec<&'s Value> {
    let schema = resolved(schema, schemas);
    let several = ["oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array());
    several.map_or_else(|| vec![schema], |several| several.iter().collect())
}

/// The types that a schema allows.
fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// A value that fits, as small as it may be. Its texts name nothing that there is.
pub fn fitting(schema: &Value, schemas: &Value) -> Value {
    made(schema, schemas, 0)
}

fn made(schema: &Value, schemas: &Value, depth: usize) -> Value {
    let given = ["const", "default"].iter().find_map(|key| schema.get(*key));
    if let Some(given) = given.or_else(|| schema["enum"].get(0)) {
        return given.clone();
    }
    let Some(schema) = alternatives(schema, schemas).first().copied().map(|first| resolved(first, schemas)) else {
        return Value::Null;
    };
    if let Some(given) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return given.clone();
    }
    match types(schema).first().copied() {
        Some("object") if depth < DEPTH_MAX => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let member = |name: &str| (name.to_owned(), made(&schema["properties"][name], schemas, depth + 1));
            Value::Object(required.map(member).collect())
        }
        Some("array") if depth < DEPTH_MAX && schema.get("items").is_some() => {
            json!([made(&schema["items"], schemas, depth + 1)])
        }
        Some("array") => json!([]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(true),
        // The one pattern of the documents is that of a call.
        Some("string") if schema.get("pattern").is_some() => json!("0000000000000001"),
        Some("string") => json!("none"),
        Some("null") => Value::Null,
        _ => Value::Object(Map::new()),
    }
}

/// The first place at which a value does not fit. A member that is not described does not, unless others are allowed in so many words.
pub fn differs(schema: &Value, schemas: &Value, value: &Value) -> Option<String> {
    let schema = resolved(schema, schemas);
    let shown = || value.to_string().chars().take(80).collect::<String>();
    if let Some(several) = ["oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array()) {
        let fits = several.iter().any(|one| differs(one, schemas, value).is_none());
        return (!fits).then(|| format!("{} fits none of the alternatives", shown()));
    }
    if schema.get("const").is_some_and(|known| known != value) {
        return Some(format!("{} is not {}", shown(), schema["const"]));
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Some(format!("{} is none of {known:?}", shown()));
    }
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(|name| is_of(name, value)) {
        return Some(format!("{} is none of {types:?}", shown()));
    }
    if let Some(members) = value.as_object() {
        let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        if let Some(missing) = required.find(|name| !members.contains_key(*name)) {
            return Some(format!("{missing} is missing"));
        }
        return members.iter().find_map(|(name, member)| {
            let how = match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(described), _) => differs(described, schemas, member),
                (None, Value::Bool(false)) => Some("it is not described".to_owned()),
                (None, Value::Null) if schema["properties"].is_object() => Some("it is not described".to_owned()),
                (None, others) => differs(others, schemas, member),
            };
            how.map(|how| format!("{name}: {how}"))
        });
    }
    value.as_array()?.iter().find_map(|item| differs(&schema["items"], schemas, item))
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => true,
    }
}

#[test]
fn what_is_made_fits_and_what_is_wrong_does_not() {
    let schemas = json!({"Fault": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}});
    let schema = json!({
        "type": "object",
        "properties": {"status": {"type": "integer"}, "faults": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}},
        "required": ["status", "faults"],
    });
    let fits = fitting(&schema, &schemas);
    assert_eq!(fits, json!({"status": 1, "faults": [{"id": "none"}]}));
    assert_eq!(differs(&schema, &schemas, &fits), None);
    for (wrong, how) in [
        (json!({"status": 1}), "faults is missing"),
        (json!({"status": "1", "faults": []}), "status: "),
        (json!({"status": 1, "faults": [{}]}), "faults: id is missing"),
        (json!({"status": 1, "faults": [], "more": 1}), "more: it is not described"),
    ] {
        assert!(differs(&schema, &schemas, &wrong).is_some_and(|told| told.starts_with(how)), "{wrong}");
    }
}

#[test]
fn alternatives_constants_and_further_members_are_looked_at() {
    let schemas = json!({"Row": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}});
    let row = json!({"anyOf": [{"$ref": "#/components/schemas/Row"}, {"type": "null"}]});
    let end = json!({"oneOf": [{"type": "string", "const": "slow"}, {"type": "string", "const": "token"}]});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let open = json!({"type": "object", "properties": {}, "additionalProperties": true});
    for (schema, fits) in [
        (&row, json!({"id": "a"})),
        (&row, Value::Null),
        (&end, json!("token")),
        (&texts, json!({"a": "b"})),
        (&open, json!({"a": [{"b": 1}]})),
    ] {
        assert_eq!(differs(schema, &schemas, &fits), None);
    }
    for (schema, wrong) in [(&row, json!({})), (&end, json!("late")), (&texts, json!({"a": 1}))] {
        assert!(differs(schema, &schemas, &wrong).is_some(), "{wrong}");
    }
}
