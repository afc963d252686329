//! The operations of the OpenAPI documents that the web edge serves, and whether an answer is one of theirs.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use testkit::Installation;

use super::exchange::ShownAnswer;
use super::schema;
use crate::permission_matrix::DOCUMENTS;

/// The media type of a stream of events.
pub const EVENTS: &str = "text/event-stream";
const PROBLEM: &str = "application/problem+json";
/// What may be said where a role or a place is missing for a moment; all else from 500 on is a fault of ours.
const OF_MOMENTS: [u16; 2] = [503, 504];

/// An operation.
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// With its parameters in braces.
    pub path: String,
    about: Value,
    /// What `$ref` leads to.
    pub schemas: Value,
}

/// All of them.
pub fn all(site: &Installation) -> Result<Vec<Operation>> {
    let web: SocketAddr = site.demo.web.trim_start_matches("http://").parse()?;
    let mut all = Vec::new();
    for place in DOCUMENTS {
        let answer = site.http(web, "GET", place, "")?;
        ensure!(answer.status == 200, "{place}: {} {}", answer.status, answer.body);
        let document: Value = serde_json::from_str(&answer.body).with_context(|| place.to_owned())?;
        let paths = document["paths"].as_object().with_context(|| format!("{place} describes nothing"))?;
        for (path, methods) in paths {
            for (method, about) in methods.as_object().into_iter().flatten() {
                all.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    about: about.clone(),
                    schemas: document["components"]["schemas"].clone(),
                });
            }
        }
    }
    Ok(all)
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

    /// What is wrong with an answer.
    pub fn fault(&self, answer: &ShownAnswer) -> Option<String> {
        let ShownAnswer { status, media_type, body } = answer;
        if *status >= 500 && !OF_MOMENTS.contains(status) {
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
        if *status < 400 {
            return None;
        }
        let is_problem = media_type == PROBLEM && shown["status"] == *status;
        let is_worded =
            ["type", "title"].iter().all(|field| shown[*field].as_str().is_some_and(|text| !text.is_empty()));
        if !is_problem || !is_worded {
            return Some("it is no problem of RFC 9457 with this status".to_owned());
        }
        schema::differs(&content["schema"], &self.schemas, &shown)
            .map(|how| format!("the schema does not have it: {how}"))
    }
}
