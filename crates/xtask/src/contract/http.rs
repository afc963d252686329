//! What the OpenAPI documents promise: each operation, each of its parameters, and each field of what is sent with it.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{Declarations, OPTIONAL, REQUIRED};

/// The documents; those without paths promise nothing here.
const DOCUMENTS: &str = "docs/openapi";

/// Reads all documents.
pub fn read(root: &Path, into: &mut Declarations) -> Result<()> {
    for entry in std::fs::read_dir(root.join(DOCUMENTS)).context(DOCUMENTS)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            read_document(&serde_json::from_str(&text).with_context(|| path.display().to_string())?, into);
        }
    }
    Ok(())
}

fn read_document(document: &Value, into: &mut Declarations) {
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let name = format!("{} {path}", method.to_uppercase());
            read_operation(document, &name, operation, into);
        }
    }
}

fn read_operation(document: &Value, name: &str, operation: &Value, into: &mut Declarations) {
    let is_deprecated = |of: &Value| of["deprecated"] == true;
    let form = |is_required: bool| String::from(if is_required { REQUIRED } else { OPTIONAL });
    let id = operation["operationId"].as_str().unwrap_or("-").to_owned();
    into.add("operation", name.to_owned(), id, is_deprecated(operation));
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let text = |key: &str| parameter[key].as_str().unwrap_or("-");
        let called = format!("{name} {} in {}", text("name"), text("in"));
        into.add("parameter", called, form(parameter["required"] == true), is_deprecated(parameter));
    }
    let body = &operation["requestBody"];
    if body.is_null() {
        return;
    }
    into.add("parameter", format!("{name} body"), form(body["required"] == true), false);
    for content in body["content"].as_object().into_iter().flatten().map(|(_, content)| content) {
        let schema = resolved(document, &content["schema"]);
        let needed: BTreeSet<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        for (field, of_field) in schema["properties"].as_object().into_iter().flatten() {
            let called = format!("{name} {field} in body");
            into.add("parameter", called, form(needed.contains(field.as_str())), is_deprecated(of_field));
        }
    }
}

/// The schema that a reference means, or the one that is there.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let meant = schema["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    meant.unwrap_or(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_parameters_and_fields_are_promised() {
        let document = serde_json::json!({
            "paths": {"/calls/{id}": {"post": {
                "operationId": "hold",
                "parameters": [
                    {"name": "id", "in": "path", "required": true},
                    {"name": "limit", "in": "query", "required": false, "deprecated": true},
                ],
                "requestBody": {"required": true, "content": {"application/json": {
                    "schema": {"$ref": "#/components/schemas/Hold"},
                }}},
            }}},
            "components": {"schemas": {"Hold": {
                "properties": {"reason": {"type": "string"}, "music": {"type": "string"}}, "required": ["reason"],
            }}},
        });
        let mut found = Declarations::default();
        read_document(&document, &mut found);
        let lines: Vec<String> = found
            .lines
            .iter()
            .map(|((what, name), (form, is_deprecated))| format!("{what} {name}: {form} {is_deprecated}"))
            .collect();
        assert_eq!(
            lines,
            [
                "operation POST /calls/{id}: hold false",
                "parameter POST /calls/{id} body: required false",
                "parameter POST /calls/{id} id in path: required false",
                "parameter POST /calls/{id} limit in query: optional true",
                "parameter POST /calls/{id} music in body: optional false",
                "parameter POST /calls/{id} reason in body: required false",
            ]
        );
    }
}
