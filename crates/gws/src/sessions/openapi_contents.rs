//! What operations take and tell, as tables of OpenAPI documents write it: `destination, location?, userData?:Pair[]` are three fields, of
//! which the last two may be absent. Behind a colon stands the type, text where none does, with `[]` for a list. A type in capitals is a
//! shape that the document has.

use serde_json::{Map, Value, json};

use super::openapi_frame::{content, text};

/// The contents of an operation: its published name, its parameters in the query, the fields of `data` in its body, and those in its answer.
pub(crate) type OperationContents = (&'static str, &'static str, &'static str, &'static str);

/// A field as it is written.
struct WrittenField<'a> {
    name: &'a str,
    is_needed: bool,
    kind: &'a str,
}

/// The fields of a text.
fn fields(written: &str) -> impl Iterator<Item = WrittenField<'_>> {
    let all = written.split(',').map(str::trim).filter(|field| !field.is_empty());
    all.map(|field| {
        let (name, kind) = field.split_once(':').unwrap_or((field, "str"));
        let is_needed = !name.ends_with('?');
        WrittenField { name: name.trim_end_matches('?'), is_needed, kind }
    })
}

/// The schema of a type.
fn schema(kind: &str) -> Value {
    if let Some(item) = kind.strip_suffix("[]") {
        return json!({"type": "array", "items": schema(item)});
    }
    match kind {
        "int" => json!({"type": "integer"}),
        "num" => json!({"type": "number"}),
        "bool" => json!({"type": "boolean"}),
        "obj" => json!({"type": "object"}),
        "any" => json!({}),
        shape if shape.starts_with(|first: char| first.is_ascii_uppercase()) => {
            json!({"$ref": format!("#/components/schemas/{shape}")})
        }
        _ => text(),
    }
}

/// The schema of an object with these fields.
pub(crate) fn object(written: &str) -> Value {
    let properties: Map<String, Value> =
        fields(written).map(|field| (field.name.to_owned(), schema(field.kind))).collect();
    let needed: Vec<&str> = fields(written).filter(|field| field.is_needed).map(|field| field.name).collect();
    let mut object = json!({"type": "object", "properties": properties});
    if !needed.is_empty() {
        object["required"] = needed.into();
    }
    object
}

/// Whether an object with these fields may be absent.
fn is_optional(written: &str) -> bool {
    fields(written).all(|field| !field.is_needed)
}

/// Adds parameters of the query to an operation.
pub(crate) fn add_query(operation: &mut Value, written: &str) {
    let queried = fields(written).map(
        |field| json!({"name": field.name, "in": "query", "required": field.is_needed, "schema": schema(field.kind)}),
    );
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        parameters.extend(queried);
    }
}

/// Adds a body whose `data` has these fields.
pub(crate) fn add_body(operation: &mut Value, written: &str) {
    let is_needed = !is_optional(written);
    let mut body = json!({"type": "object", "properties": {"operationId": text(), "data": object(written)}});
    if is_needed {
        body["required"] = json!(["data"]);
    }
    operation["requestBody"] = json!({"required": is_needed, "content": content(&body)});
}

/// Says what `data` of the answer has.
pub(crate) fn add_data(operation: &mut Value, written: &str) {
    let told = json!({"type": "object", "required": ["data"], "properties": {"data": object(written)}});
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/Answer"}, told]});
    operation["responses"]["200"]["content"] = content(&schema);
}

/// Adds answers, each by HTTP status with its meaning.
pub(crate) fn add_answers(operation: &mut Value, answers: &[(&str, &str)]) {
    for (status, meaning) in answers {
        operation["responses"][*status] = super::openapi_frame::answered(meaning);
    }
}

/// The fields that cannot be absent.
#[cfg(test)]
pub(crate) fn needed(written: &'static str) -> Vec<&'static str> {
    fields(written).filter(|field| field.is_needed).map(|field| field.name).collect()
}

/// Shapes to which a document refers and that it does not have, and types that there are not.
#[cfg(test)]
pub(crate) fn unknown_types(tables: &[OperationContents], document: &Value) -> Vec<String> {
    const KINDS: [&str; 6] = ["str", "int", "num", "bool", "obj", "any"];
    let written = tables.iter().flat_map(|(_, query, body, data)| [*query, *body, *data]);
    let kinds = written.flat_map(|written| fields(written).map(|field| field.kind).collect::<Vec<_>>());
    let schemas = &document["components"]["schemas"];
    let is_unknown = |kind: &str| !KINDS.contains(&kind) && schemas[kind].is_null();
    kinds.map(|kind| kind.trim_end_matches("[]")).filter(|kind| is_unknown(kind)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_a_schema() {
        let wanted = json!({
            "type": "object",
            "required": ["destination"],
            "properties": {
                "destination": {"type": "string"},
                "limit": {"type": "integer"},
                "userData": {"type": "array", "items": {"$ref": "#/components/schemas/Pair"}},
            },
        });
        assert_eq!(object("destination, limit?:int, userData?:Pair[]"), wanted);
        assert!(object("location?").get("required").is_none() && is_optional("location?") && !is_optional("a, b?"));
    }

    #[test]
    fn an_operation_gets_parameters_a_body_and_what_it_tells() {
        let mut operation = super::super::openapi_frame::operation("/x/{id}", "x", "X", &[("200", "done")]);
        add_query(&mut operation, "ids, limit?:int");
        add_body(&mut operation, "key");
        add_data(&mut operation, "calls:obj[]");
        add_answers(&mut operation, &[("404", "there is none")]);
        let named = |at: usize| operation["parameters"][at]["name"].as_str().unwrap_or_default().to_owned();
        assert_eq!([named(0), named(1), named(2)], ["id", "ids", "limit"]);
        assert_eq!(operation["parameters"][2]["required"], false);
        assert_eq!(operation["requestBody"]["required"], true);
        let told = &operation["responses"]["200"]["content"]["application/json"]["schema"]["allOf"][1];
        assert_eq!(told["properties"]["data"]["required"], json!(["calls"]));
        assert_eq!(operation["responses"]["404"]["description"], "there is none");
    }
}
