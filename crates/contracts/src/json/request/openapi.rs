//! The requests for their readers: the OpenAPI document of `POST .../requests`, and the table of the book. Both come from the table of
//! requests ([`RequestKind::TABLE`]).

use std::fmt::Write;

use model::request::{FrameField, RequestKind, RequestType, Shape};
use serde_json::{Map, Value as Json, json};

use crate::openapi::{info, problem, problem_schema, security_schemes};
use crate::wire::WORK_MODES;

/// The OpenAPI document (3.1) of the requests.
pub fn requests_openapi() -> Json {
    let names = || RequestKind::TABLE.iter().flat_map(|each| each.names.iter().map(move |name| (*name, each)));
    let mut schemas: Map<String, Json> = names().map(|(name, each)| (name.to_owned(), frame(name, each))).collect();
    schemas.insert("Accepted".into(), accepted());
    schemas.insert("Problem".into(), problem_schema());
    let reference = |name: &str| format!("#/components/schemas/{name}");
    let one_of: Vec<Json> = names().map(|(name, _)| json!({"$ref": reference(name)})).collect();
    let mapping: Map<String, Json> = names().map(|(name, _)| (name.to_owned(), json!(reference(name)))).collect();
    let mut info = info("Trunkline: requests about calls and agents");
    info["description"] =
        json!("The answer 202 says that the request was accepted. Its outcome is an event with its ReferenceID.");
    json!({
        "openapi": "3.1.0",
        "info": info,
        "security": [{"callerToken": []}],
        "paths": {"/api/voice/v1/{tenant}/requests": {"post": {
            "operationId": "request",
            "summary": "Make a request",
            "parameters": [
                {"name": "tenant", "in": "path", "required": true, "schema": {"type": "string"}},
                {
                    "name": "Idempotency-Key", "in": "header", "required": false,
                    "description": "A repeat with the same key within 30 seconds gets the first one's answer.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
                },
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {
                "oneOf": one_of,
                "discriminator": {"propertyName": "req", "mapping": mapping},
            }}}},
            "responses": responses(),
        }}},
        "components": {"securitySchemes": security_schemes(), "schemas": schemas},
    })
}

/// The table of requests, a part of a page of the book.
pub fn requests_markdown() -> String {
    let mut page = String::from("| request | further fields | answered by | what it does |\n|---|---|---|---|\n");
    for each in RequestKind::TABLE {
        let names: Vec<String> = each.names.iter().map(|name| format!("`{name}`")).collect();
        let fields: Vec<String> = each.fields.iter().map(|field| format!("`{}`", field.name)).collect();
        let (names, fields) = (names.join(", "), fields.join(", "));
        let _ = writeln!(page, "| {names} | {fields} | `{}` | {} |", each.answer.as_str(), each.meaning());
    }
    page
}

/// The fields of a frame: those of every request, the ConnID where it concerns a call, and its own.
fn fields_of(request: &RequestType) -> Vec<FrameField> {
    let mut fields = vec![FrameField::THIS_DN, FrameField::REFERENCE];
    fields.extend(request.concern.is_of_call().then_some(FrameField::CONN_ID));
    fields.extend(request.fields);
    fields.extend([FrameField::REASONS, FrameField::EXTENSIONS]);
    fields
}

fn frame(name: &str, request: &RequestType) -> Json {
    let fields = fields_of(request);
    let mut properties = Map::from_iter([("req".to_owned(), json!({"const": name}))]);
    properties.extend(fields.iter().map(|field| (field.name.to_owned(), schema(field))));
    let needed = fields.iter().filter(|field| field.required).map(|field| field.name);
    let required: Vec<&str> = std::iter::once("req").chain(needed).collect();
    json!({
        "type": "object",
        "description": format!("{} Answered by {}.", request.meaning(), request.answer.as_str()),
        "properties": properties,
        "required": required,
    })
}

fn schema(field: &FrameField) -> Json {
    let mut schema = match field.shape {
        Shape::Text => json!({"type": "string"}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Dn | Shape::Agent => json!({"type": "string", "minLength": 1, "maxLength": 255}),
        Shape::ConnId => json!({"type": "string", "pattern": "^[0-9a-fA-F]{16}(@.+)?$"}),
        Shape::WorkMode => {
            let names: Vec<&str> = WORK_MODES.iter().map(|(_, name)| *name).collect();
            json!({"type": "string", "enum": names})
        }
        Shape::OneOf(names) => json!({"type": "string", "enum": names}),
        Shape::Number { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Password { bytes_max } => {
            json!({"type": "string", "format": "password", "writeOnly": true, "maxLength": bytes_max})
        }
        Shape::Pairs { .. } | Shape::Parameters => json!({"type": "object"}),
    };
    schema["description"] = json!(described(field));
    schema
}

fn described(field: &FrameField) -> String {
    match field.shape {
        Shape::Pairs { pairs_max, bytes_max } => {
            format!("{}; at most {pairs_max} pairs and {bytes_max} bytes", field.meaning)
        }
        _ => field.meaning.to_owned(),
    }
}

fn accepted() -> Json {
    json!({
        "type": "object",
        "properties": {"ReferenceID": schema(&FrameField::REFERENCE)},
        "required": ["ReferenceID"],
    })
}

fn responses() -> Json {
    json!({
        "202": {
            "description": "accepted",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Accepted"}}},
        },
        "400": problem("the body is no JSON, or the idempotency key is too long"),
        "401": problem("no valid token"),
        "403": problem("another tenant, a missing scope, or a token that is tied to another DN"),
        "404": problem("no such call"),
        "413": problem("the body is too large"),
        "415": problem("the body is not JSON, or does not say so by Content-Type"),
        "422": problem("a field is absent or not valid: the detail names it"),
        "429": problem("this tenant or caller has used its share: repeat after Retry-After"),
        "503": problem("no node can be reached, or too many requests are in progress: repeat after Retry-After"),
        "504": problem("a node that may have the call does not answer"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_has_a_schema_with_its_fields() {
        let document = requests_openapi();
        let schemas = &document["components"]["schemas"];
        for each in RequestKind::TABLE {
            for name in each.names {
                let schema = &schemas[name];
                assert_eq!(schema["properties"]["req"]["const"], *name);
                assert!(each.fields.iter().all(|field| schema["properties"][field.name].is_object()), "{name}");
            }
        }
        let required = &schemas["TRedirectCall"]["required"];
        assert_eq!(*required, json!(["req", "ThisDN", "ConnID", "OtherDN"]));
        assert!(schemas["TAgentLogout"]["properties"]["ConnID"].is_null());
    }
}
