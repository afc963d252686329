//! The character 0 in each text of a request: SQLite takes such a text and PostgreSQL refuses it. None of these requests is left out.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::cases::{Case, parameters, path, pointers};
use super::operations::Operation;

/// What stands in a path or a query.
const PLACED: [&str; 2] = ["%00", "a%00b"];
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// Where the document of an object is in an edit.
const DOCUMENT: &str = "/object";

/// What auth is asked by anybody, with a name in it that is looked up: method, path, media type and body.
const ASKED_OF_AUTH: [(&str, &str, &str, &str); 10] = [
    ("POST", "/auth/v3/oauth/token", FORM, "grant_type=client_credentials&client_id=%00&client_secret=x"),
    ("POST", "/auth/v3/oauth/token", FORM, "grant_type=refresh_token&client_id=example/a%00b&refresh_token=%00"),
    ("POST", "/auth/v3/oauth/token", FORM, "grant_type=password&client_id=a%00b&username=%00&password=%00"),
    ("POST", "/auth/v3/token", JSON, r#"{"client_id":"\u0000","code":"\u0000"}"#),
    ("POST", "/auth/v3/oauth/revoke", FORM, "client_id=%00&token=%00"),
    ("POST", "/auth/v3/oauth/introspect", FORM, "client_id=%00&client_secret=%00&token=%00"),
    ("POST", "/auth/v3/oauth/device_authorization", FORM, "client_id=%00&scope=%00"),
    ("GET", "/auth/v3/oauth/authorize?response_type=code&client_id=a%00b&redirect_uri=https://crm.example/", "", ""),
    ("GET", "/auth/v3/device?user_code=%00", "", ""),
    (
        "POST",
        "/auth/v3/change-password",
        JSON,
        r#"{"data":{"userName":"example\\a\u0000b","oldPassword":"x","newPassword":"another one, which is long"}}"#,
    ),
];

/// Requests of an operation that are right but for one text each.
pub fn of(operation: &Operation, base: &Case, bodies: &[Value]) -> Result<Vec<Case>> {
    let with = |what: String, path: String| Case { what, path, ..base.clone() };
    let mut cases = Vec::new();
    for placed in PLACED {
        for name in parameters(operation) {
            cases.push(with(format!("0 in {name} of the path"), path(operation, Some((name, placed)))));
        }
        for name in operation.query() {
            cases.push(with(format!("0 in {name} of the query"), format!("{}?{name}={placed}", base.path)));
        }
        if operation.routed.is_some() {
            let whole = base.path.split('?').next().unwrap_or_default();
            let folder = whole.rsplit_once('/').map_or("", |(folder, _)| folder);
            cases.push(with("0 in the last part of the path".to_owned(), format!("{folder}/{placed}")));
        }
    }
    for body in bodies {
        cases.extend(in_body(base, body)?);
    }
    Ok(cases)
}

/// At the end of each text, and in documents of objects of the name of each member: others have no names that are kept.
fn in_body(base: &Case, right: &Value) -> Result<Vec<Case>> {
    let with = |what: String, body: &Value| Case { what, body: Some(body.to_string().into_bytes()), ..base.clone() };
    let mut places = Vec::new();
    pointers(right, "", &mut places);
    let mut cases = Vec::new();
    for place in places {
        let mut changed = right.clone();
        let at = changed.pointer_mut(&place).context("it is there")?;
        if let Some(text) = at.as_str().map(|text| format!("{text}\0")) {
            *at = json!(text);
            cases.push(with(format!("0 in {place}"), &changed));
        }
        let (parent, name) = place.rsplit_once('/').context("a pointer")?;
        let mut renamed = right.clone();
        if parent.contains(DOCUMENT)
            && let Some(members) = renamed.pointer_mut(parent).and_then(Value::as_object_mut)
            && let Some(member) = members.remove(name)
        {
            members.insert(format!("{name}\0"), member);
            cases.push(with(format!("0 in the name of {place}"), &renamed));
        }
    }
    Ok(cases)
}

/// Requests to auth of somebody who shows no token, each with its method.
pub fn asked_of_auth() -> impl Iterator<Item = (&'static str, Case)> {
    ASKED_OF_AUTH.into_iter().map(|(method, path, media_type, body)| {
        let is_empty = media_type.is_empty();
        let case = Case {
            what: "0 in what auth looks up".to_owned(),
            media_type: (!is_empty).then(|| media_type.to_owned()),
            body: (!is_empty).then(|| body.as_bytes().to_vec()),
            ..Case::right(path.to_owned())
        };
        (method, case)
    })
}

#[test]
fn every_text_has_it_once_and_so_has_every_name_of_a_document() -> Result<()> {
    let base = Case::right("/".to_owned());
    let cases = in_body(&base, &json!({"object": {"a": {"b": "c"}}, "d": [1, "e"]}))?;
    let read = |case: &Case| serde_json::from_slice::<Value>(case.body.as_deref().unwrap_or_default());
    let bodies: Vec<Value> = cases.iter().map(read).collect::<Result<_, _>>()?;
    for expected in [
        json!({"object": {"a": {"b": "c\0"}}, "d": [1, "e"]}),
        json!({"object": {"a": {"b\0": "c"}}, "d": [1, "e"]}),
        json!({"object": {"a\0": {"b": "c"}}, "d": [1, "e"]}),
        json!({"object": {"a": {"b": "c"}}, "d": [1, "e\0"]}),
    ] {
        assert_eq!(bodies.iter().filter(|body| **body == expected).count(), 1, "{expected}");
    }
    assert_eq!(bodies.len(), 4);
    Ok(())
}
