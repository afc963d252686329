//! The operations of the OpenAPI documents that the web edge serves, the paths without one, and whether an answer is one of theirs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use testkit::{Installation, wait};

use super::cases::{Case, WAV, recording};
use super::exchange::{self, ShownAnswer};
use super::schema;
use crate::permission_matrix::{DOCUMENTS, rows_without_document};

/// The media type of a stream of events.
pub const EVENTS: &str = "text/event-stream";
const PROBLEM: &str = "application/problem+json";
const SOON: Duration = Duration::from_secs(45);
const WEBHOOKS: &str = "/api/voice/v1/example/webhooks";
const KEYS: &str = "/agent-setup/api/v1/example/api-keys";
const CHANGES: &str = "/agent-setup/api/v1/example/changes";
const RECORDINGS: &str = "/agent-setup/api/v1/example/prompt-audio";
const TRACES: &str = "/api/operations/v1/example/traces";

/// An operation.
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    /// What the last parameter of the path is in a request that is right.
    pub known: String,
    about: Value,
    /// What `$ref` leads to.
    pub schemas: Value,
    /// What there is in the place of a document.
    pub routed: Option<RoutedPath>,
}

/// A path that no document has.
pub struct RoutedPath {
    /// A body that is right; empty where there is none.
    pub body: &'static str,
    /// The status that a request gets which is right; none where it is any that is neither a refusal nor a failure.
    due: Option<u16>,
}

/// What is there to be asked about.
pub struct KnownPlaces {
    call: String,
    key: String,
    webhook: String,
    /// One that may go.
    spare_webhook: String,
    /// A recording of a prompt.
    recording: String,
}

impl KnownPlaces {
    /// Makes them, but for the call, which was before.
    pub fn made(web: SocketAddr, token: &str) -> Result<Self> {
        let ask = |method: &str, path: &str, body: Option<Value>| -> Result<Value> {
            let body = body.map(|body| body.to_string().into_bytes());
            let case = Case { media_type: Some("application/json".to_owned()), body, ..Case::right(path.to_owned()) };
            let answer = exchange::ask(web, method, &case, token)?;
            ensure!(answer.status / 100 == 2, "{path}: {} {}", answer.status, answer.body);
            serde_json::from_str(&answer.body).with_context(|| answer.body.clone())
        };
        let text = |of: &Value| of.as_str().map(str::to_owned).with_context(|| format!("no text: {of}"));
        let webhook = || text(&ask("POST", WEBHOOKS, Some(json!({ "url": "https://crm.example/" })))?["id"]);
        let key = ask("POST", KEYS, Some(json!({ "name": "Spare", "scopes": ["config:read"] })))?;
        let called = || Ok(ask("GET", TRACES, None)?["calls"][0]["connId"].as_str().map(str::to_owned));
        Ok(Self {
            call: wait::until(SOON, called).context("no trace of the call")?,
            key: text(&key["api_key"]["id"])?,
            webhook: webhook()?,
            spare_webhook: webhook()?,
            recording: {
                let media_type = Some(WAV.to_owned());
                let case = Case { media_type, body: Some(recording()), ..Case::right(RECORDINGS.to_owned()) };
                let answer = exchange::ask(web, "POST", &case, token)?;
                ensure!(answer.status / 100 == 2, "{RECORDINGS}: {} {}", answer.status, answer.body);
                let sha256 = text(&serde_json::from_str::<Value>(&answer.body)?["sha256"])?;
                // Nobody gets one that no prompt names.
                let prompt = json!({ "name": "fuzzed", "file": "fuzzed.wav", "audio": [{ "language": "en", "sha256": sha256 }] });
                let edit = json!({ "kind": "prompt", "id": "fuzzed", "action": "put", "object": prompt });
                ask("POST", CHANGES, Some(json!({ "edits": [edit] })))?;
                sha256
            },
        })
    }

    fn of(&self, method: &str, path: &str) -> &str {
        match path {
            _ if path.contains("/webhooks/{id}") && method == "DELETE" => &self.spare_webhook,
            _ if path.contains("/webhooks/{id}") => &self.webhook,
            _ if path.contains("/api-keys/{id}") => &self.key,
            _ if path.contains("/prompt-audio/{sha256}") => &self.recording,
            _ if path.contains("{call}") => &self.call,
            _ => "Sales",
        }
    }
}

/// All that documents have.
pub fn documented(site: &Installation, known: &KnownPlaces) -> Result<Vec<Operation>> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let mut all = Vec::new();
    for place in DOCUMENTS {
        let answer = site.http(web, "GET", place, "")?;
        ensure!(answer.status == 200, "{place}: {} {}", answer.status, answer.body);
        let document: Value = serde_json::from_str(&answer.body).with_context(|| place.to_owned())?;
        let paths = document["paths"].as_object().with_context(|| format!("{place} describes nothing"))?;
        for (path, methods) in paths {
            for (method, about) in methods.as_object().into_iter().flatten() {
                let method = method.to_uppercase();
                all.push(Operation {
                    known: known.of(&method, path).to_owned(),
                    method,
                    path: path.clone(),
                    about: about.clone(),
                    schemas: document["components"]["schemas"].clone(),
                    routed: None,
                });
            }
        }
    }
    Ok(all)
}

/// Somebody who is changed by SCIM, and becomes what they are.
const PATCH: &str = r#"{
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
    "Operations": [{"op": "replace", "path": "name.familyName", "value": "Carter"}]
}"#;
/// What a page tells of itself.
const BATCH: &str = r#"{
    "app": {"name": "softphone", "version": "1", "sessionId": "s1"},
    "items": [{"type": "metric", "name": "mos", "value": 2.5, "props": {"region": "x"}}]
}"#;
/// Paths beside those of the tables: method, path, body, and the status that is due.
const FURTHER: [(&str, &str, &str, u16); 11] = [
    ("POST", "/telemetry/v1/traces", BATCH, 202),
    ("GET", "/scim/v2/example/Users/cleo.carter", "", 200),
    ("PATCH", "/scim/v2/example/Users/cleo.carter", PATCH, 200),
    ("GET", "/session", "", 200),
    ("GET", "/session/sign-in?to=/", "", 303),
    // A page of ours asks for these, and no other.
    ("POST", "/session/exchange", "{}", 403),
    ("POST", "/session/sign-out", "{}", 403),
    ("GET", "/auth/v3/ping", "", 200),
    ("GET", "/auth/v3/userinfo", "", 200),
    ("GET", "/auth/v3/openid/userinfo", "", 200),
    ("GET", "/auth/v3/jwt-userinfo", "", 200),
];

/// All paths without a document: telemetry, SCIM, auth, sessions, workforce tools, and what there is not.
pub fn routed() -> Result<Vec<Operation>> {
    let operation = |method: &str, path: String, body: &'static str, due: Option<u16>| Operation {
        method: method.to_owned(),
        path,
        known: String::new(),
        about: Value::Null,
        schemas: Value::Null,
        routed: Some(RoutedPath { body, due }),
    };
    let of_tables = rows_without_document()?.into_iter().map(|[method, path, body, answer]| {
        operation(method, path.replace("{tenant}", "example"), body, answer.parse().ok())
    });
    let further = FURTHER.map(|(method, path, body, due)| operation(method, path.to_owned(), body, Some(due)));
    // Batches of telemetry that are right come first: of many others the last ones are too often.
    Ok(further.into_iter().chain(of_tables).collect())
}

impl Operation {
    /// The names of its parameters of the query.
    pub fn query(&self) -> impl Iterator<Item = &str> {
        let parameters = self.about["parameters"].as_array().into_iter().flatten();
        parameters.filter(|one| one["in"] == "query").filter_map(|one| one["name"].as_str())
    }

    /// The media type and the schema of its body.
    pub fn body(&self) -> Option<(&str, &Value)> {
        let (media_type, content) = self.about["requestBody"]["content"].as_object()?.iter().next()?;
        Some((media_type.as_str(), &content["schema"]))
    }

    /// Whether it has several bodies that are right by its schema, of which some name what there is not.
    pub fn has_alternatives(&self) -> bool {
        self.path.ends_with("/requests")
    }

    /// Whether a request that is right gets that status.
    pub fn is_due(&self, status: u16) -> bool {
        match &self.routed {
            None => status / 100 == 2,
            Some(RoutedPath { due: Some(due), .. }) => status == *due,
            Some(RoutedPath { due: None, .. }) => status < 500 && ![401, 403].contains(&status),
        }
    }

    /// What is wrong with an answer.
    pub fn fault(&self, answer: &ShownAnswer) -> Option<String> {
        let ShownAnswer { status, media_type, body } = answer;
        if let Some(routed) = &self.routed {
            return routed.fault(answer);
        }
        if *status >= 500 {
            return Some("the fault is ours".to_owned());
        }
        let responses = &self.about["responses"];
        let exact = responses.get(status.to_string());
        let Some(documented) = exact.or_else(|| responses.get(format!("{}XX", status / 100))) else {
            return Some("the status is not documented".to_owned());
        };
        let Some(contents) = documented["content"].as_object() else {
            return (!body.is_empty()).then(|| "a body is not documented".to_owned());
        };
        let Some(content) = contents.get(media_type) else {
            return Some(format!("the media type is none of {:?}", contents.keys().collect::<Vec<_>>()));
        };
        if !media_type.ends_with("json") {
            return None;
        }
        let Ok(shown) = serde_json::from_str::<Value>(body) else { return Some("the body is no JSON".to_owned()) };
        if *status >= 400 {
            let is_problem = media_type == PROBLEM && shown["status"] == *status;
            let is_worded =
                ["type", "title"].iter().all(|field| shown[*field].as_str().is_some_and(|text| !text.is_empty()));
            if !is_problem || !is_worded {
                return Some("it is no problem of RFC 9457 with this status".to_owned());
            }
        }
        schema::differs(&content["schema"], &self.schemas, &shown)
            .map(|how| format!("the schema does not have it: {how}"))
    }
}

impl RoutedPath {
    /// What is wrong with an answer. What is not made says so for good (501).
    fn fault(&self, answer: &ShownAnswer) -> Option<String> {
        let ShownAnswer { status, media_type, body } = answer;
        if *status >= 500 && self.due != Some(*status) {
            return Some("the fault is ours".to_owned());
        }
        if !media_type.ends_with("json") {
            // Pages of the sign-in are shown to people.
            let is_page = *status < 400 || media_type == "text/html";
            return (!is_page).then(|| "a refusal is neither JSON nor a page".to_owned());
        }
        let Ok(shown) = serde_json::from_str::<Value>(body) else { return Some("the body is no JSON".to_owned()) };
        // A problem (RFC 9457), an error of SCIM (RFC 7644), of OAuth (RFC 6749), or of auth's own requests. The Workspace API has a number
        // of its own for whoever has no session.
        let is_worded = shown["status"] == *status
            || *status == 403 && shown["status"]["code"] == 603
            || shown["status"].as_str().is_some_and(|told| told.parse() == Ok(*status))
            || shown["status"]["code"] == *status
            || shown["error"].is_string()
            // What a table of shifts has for faults is told line by line.
            || shown["faults"].as_array().is_some_and(|faults| !faults.is_empty());
        (*status >= 400 && !is_worded).then(|| "the refusal does not say which it is".to_owned())
    }
}
