//! The OpenAPI documents of auth, SCIM, telemetry and workforce tools, as the web edge serves them: each is whole in itself, and has every
//! route of its role and no other.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testkit::Installation;

use crate::permission_matrix::routes_of;

/// Where a document is served, and the files that have the routes of its API.
const DOCUMENTS: [(&str, &[&str]); 4] = [
    ("/auth/v3/doc", &["platform/src/auth/page/published_pages.rs", "platform/src/auth/server.rs"]),
    ("/scim/v2/openapi.json", &["platform/src/agent_setup/scim.rs"]),
    ("/telemetry/v1/openapi.json", &["platform/src/telemetry/server.rs"]),
    ("/wfm/v1/openapi.json", &["platform/src/wfm_adapter/openapi.rs", "platform/src/wfm_adapter/server.rs"]),
];
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// Where a document has what others of its parts refer to.
const REFERRED: &str = "#/components/schemas/";

/// An operation of a document.
struct DocumentedOperation<'d> {
    method: &'d str,
    path: &'d str,
    about: &'d Value,
}

fn operations(document: &Value) -> Result<Vec<DocumentedOperation<'_>>> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        for (method, about) in methods.as_object().with_context(|| format!("{path} has no methods"))? {
            ensure!(METHODS.contains(&method.as_str()), "{path}: {method} is no method");
            all.push(DocumentedOperation { method, path, about });
        }
    }
    Ok(all)
}

/// What is wrong with an operation (OpenAPI 3.1 sections 4.8.10, 4.8.12, 4.8.16, 4.8.30).
fn faults(operation: &DocumentedOperation<'_>, document: &Value) -> Vec<String> {
    let about = operation.about;
    let mut faults = Vec::new();
    let in_path: BTreeSet<&str> =
        operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    let parameters = || about["parameters"].as_array().into_iter().flatten();
    let said: BTreeSet<&str> =
        parameters().filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
    if said != in_path {
        faults.push(format!("the parameters of the path are {said:?}"));
    }
    let is_whole = |one: &Value| {
        let is_needed = one["in"] != "path" || one["required"] == true;
        one["name"].is_string() && one["schema"].is_object() && is_needed
    };
    faults.extend(parameters().filter(|one| !is_whole(one)).map(|one| format!("not whole: {one}")));
    let responses = about["responses"].as_object();
    if responses.is_none_or(serde_json::Map::is_empty) {
        faults.push("it has no answer".to_owned());
    }
    for (status, answer) in responses.into_iter().flatten() {
        let is_status = status.len() == 3 && status.starts_with(['1', '2', '3', '4', '5']);
        if !is_status || !answer["description"].is_string() {
            faults.push(format!("{status}: {answer}"));
        }
    }
    let asked = about.get("security").or_else(|| document.get("security"));
    for proof in asked.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object).flatten() {
        if document["components"]["securitySchemes"][proof.0]["type"].is_null() {
            faults.push(format!("nothing says what {} is", proof.0));
        }
    }
    faults
}

/// The names to which a document refers, wherever in it.
fn referred(part: &Value, into: &mut BTreeSet<String>) {
    match part {
        Value::Object(members) => {
            if let Some(to) = members.get("$ref").and_then(Value::as_str) {
                into.insert(to.to_owned());
            }
            members.values().for_each(|member| referred(member, into));
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, into)),
        _ => {}
    }
}

/// What is wrong with a document.
fn wrong(document: &Value) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    ensure!(document["openapi"] == "3.1.0", "{} is no version", document["openapi"]);
    for name in ["title", "version"] {
        ensure!(document["info"][name].as_str().is_some_and(|text| !text.is_empty()), "info has no {name}");
    }
    let mut ids = BTreeSet::new();
    for operation in operations(document)? {
        let (method, path) = (operation.method, operation.path);
        let id = operation.about["operationId"].as_str().unwrap_or_default();
        if id.is_empty() || !ids.insert(id.to_owned()) {
            wrong.push(format!("{method} {path}: the id {id:?} is none, or is taken"));
        }
        wrong.extend(faults(&operation, document).into_iter().map(|fault| format!("{method} {path}: {fault}")));
    }
    let mut to = BTreeSet::new();
    referred(document, &mut to);
    let is_there =
        |to: &&String| to.strip_prefix(REFERRED).is_some_and(|name| !document["components"]["schemas"][name].is_null());
    wrong.extend(to.iter().filter(|to| !is_there(to)).map(|to| format!("{to} is nowhere")));
    Ok(wrong)
}

/// What the router has and the document lacks, and the other way round.
fn differences(document: &Value, files: &[&str]) -> Result<Vec<String>> {
    let routes = routes_of(files)?;
    let described = operations(document)?;
    let has = |method: &str, path: &str| {
        described.iter().any(|one| one.path == path && (method == "ANY" || one.method.eq_ignore_ascii_case(method)))
    };
    let is_served = |one: &DocumentedOperation<'_>| {
        routes
            .iter()
            .any(|(method, path)| path == one.path && (*method == "ANY" || method.eq_ignore_ascii_case(one.method)))
    };
    let missing = routes.iter().filter(|(method, path)| !has(method, path));
    let missing = missing.map(|(method, path)| format!("the document lacks {method} {path}"));
    let further = described.iter().filter(|one| !is_served(one));
    let further = further.map(|one| format!("nothing serves {} {}", one.method, one.path));
    Ok(missing.chain(further).collect())
}

#[test]
fn each_document_is_whole_and_has_every_route_of_its_role() -> Result<()> {
    let site = Installation::start()?;
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let mut all = Vec::new();
    for (place, files) in DOCUMENTS {
        let answer = site.http(web, "GET", place, "")?;
        ensure!(answer.status == 200, "{place}: {} {}", answer.status, answer.body);
        let document: Value = serde_json::from_str(&answer.body).with_context(|| place.to_owned())?;
        let found =
            wrong(&document).with_context(|| place.to_owned())?.into_iter().chain(differences(&document, files)?);
        all.extend(found.map(|fault| format!("{place}: {fault}")));
    }
    ensure!(all.is_empty(), "{}", all.join("\n"));
    Ok(())
}

#[test]
fn a_document_that_lacks_something_is_found_out() -> Result<()> {
    let mut document: Value = serde_json::json!({
        "openapi": "3.1.0",
        "info": { "title": "Rows", "version": "1" },
        "paths": {
            "/rows/{id}": { "get": {
                "operationId": "row",
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
                "responses": { "200": { "description": "it", "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Row" },
                } } } },
                "security": [{ "token": [] }],
            } },
        },
        "components": {
            "schemas": { "Row": { "type": "object" } },
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    });
    ensure!(wrong(&document)?.is_empty(), "{:?}", wrong(&document)?);
    ensure!(!differences(&document, &["platform/src/telemetry/server.rs"])?.is_empty(), "no route is missed");
    document["components"] = Value::Null;
    let row = &mut document["paths"]["/rows/{id}"]["get"];
    row["parameters"] = serde_json::json!([]);
    let found = wrong(&document)?.join("\n");
    for part in ["parameters of the path", "what token is", "Row is nowhere"] {
        ensure!(found.contains(part), "{part}: {found}");
    }
    Ok(())
}
