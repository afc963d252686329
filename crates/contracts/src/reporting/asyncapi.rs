//! The AsyncAPI document (3.0) of events: the same table of facts as the book's page, for generated clients.

use model::{CallState, CallType, DnRole, EventName};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value as Json, json};

use super::Attribute;
use super::facts::{FRAME, reporting_row};
use crate::json::snapshot::{EventsGap, ReachedPosition, StreamEnd, TenantSnapshot};
use crate::openapi::{info, security_schemes};
use crate::wire::WORK_MODES;

/// The channels' messages besides facts: name, what it says, schema.
type OtherMessage = (&'static str, &'static str, fn(&mut SchemaGenerator) -> Json);

const OTHERS: [OtherMessage; 4] = [
    ("snapshot", "the state at the beginning, if no position was given, and after a gap", schema::<TenantSnapshot>),
    ("reached", "nothing has happened up to a position; comes at least every 5 s", schema::<ReachedPosition>),
    ("gap", "events are lost; a snapshot follows", schema::<EventsGap>),
    ("end", "the stream is over", schema::<StreamEnd>),
];

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Json {
    schemas.subschema_for::<T>().to_value()
}

/// The document.
pub fn asyncapi() -> Json {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.meta_schema = None;
        settings.definitions_path = "/components/schemas".into();
    });
    let mut schemas = settings.into_generator();
    let mut messages = Map::new();
    for (name, says, schema) in OTHERS {
        messages.insert(name.to_owned(), json!({"name": name, "summary": says, "payload": schema(&mut schemas)}));
    }
    let facts: Vec<&str> =
        EventName::ALL.iter().filter(|name| reporting_row(**name).is_some()).map(|n| n.as_str()).collect();
    for name in EventName::ALL {
        let Some((subject, when)) = reporting_row(*name) else { continue };
        messages.insert(name.as_str().to_owned(), fact(name.as_str(), subject, when));
        messages.insert(format!("{name}.cloudevent"), cloud_event(name.as_str(), when));
    }
    messages.insert("EventsLost.cloudevent".to_owned(), lost());
    let mut all = schemas.take_definitions(true);
    all.insert("EventFrame".to_owned(), frame());
    let stream: Vec<&str> = OTHERS.iter().map(|(name, ..)| *name).chain(facts.iter().copied()).collect();
    let delivered: Vec<String> =
        facts.iter().copied().chain(["EventsLost"]).map(|name| format!("{name}.cloudevent")).collect();
    let mut info = info("Trunkline: events of calls, agents and queues");
    info["description"] = json!(
        "As server-sent events the name of a fact's event is `event` and its id the position; in a WebSocket each message is \
         `{\"type\", \"position\", \"data\"}` with the payload below as `data`; a webhook gets CloudEvents, signed as Standard Webhooks lays it out."
    );
    json!({
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "channels": {
            "events": channel("/api/voice/v1/{tenant}/events", &stream),
            "socket": channel("/api/voice/v1/{tenant}/events/ws", &stream),
            "webhook": {
                "address": Json::Null,
                "description": "The address of each webhook. A delivery that is not answered with 2xx is repeated.",
                "messages": references(&delivered),
            },
        },
        "operations": {
            "follow": operation("events", "Server-sent events"),
            "followBySocket": operation("socket", "The same by WebSocket"),
            "deliver": operation("webhook", "Deliveries to a webhook"),
        },
        "components": {
            "securitySchemes": security_schemes(),
            "messages": messages,
            "schemas": all,
        },
    })
}

fn channel(address: &str, messages: &[&str]) -> Json {
    json!({
        "address": address,
        "parameters": {"tenant": {"description": "the tenant"}},
        "messages": references(messages),
    })
}

fn references(messages: &[impl AsRef<str>]) -> Map<String, Json> {
    let reference = |name: &str| (name.to_owned(), json!({"$ref": format!("#/components/messages/{name}")}));
    messages.iter().map(|name| reference(name.as_ref())).collect()
}

fn operation(channel: &str, summary: &str) -> Json {
    let mut operation = json!({
        "action": "send",
        "channel": {"$ref": format!("#/channels/{channel}")},
        "summary": summary,
    });
    if channel != "webhook" {
        operation["security"] = json!([{"$ref": "#/components/securitySchemes/callerToken"}]);
    }
    operation
}

fn fact(name: &str, subject: &str, when: &str) -> Json {
    json!({
        "name": name,
        "summary": when,
        "description": format!("Its subject: {subject}."),
        "payload": {"allOf": [
            {"$ref": "#/components/schemas/EventFrame"},
            {"type": "object", "properties": {"id": {"const": name}}},
        ]},
    })
}

fn cloud_event(name: &str, when: &str) -> Json {
    let data = json!({"$ref": format!("#/components/messages/{name}/payload")});
    delivery(name, when, &data)
}

fn lost() -> Json {
    delivery(
        "EventsLost",
        "events could not be delivered: the stream did not keep them",
        &json!({"$ref": "#/components/schemas/EventsGap"}),
    )
}

fn delivery(name: &str, when: &str, data: &Json) -> Json {
    let text = json!({"type": "string"});
    json!({
        "name": name,
        "summary": when,
        "contentType": "application/cloudevents+json",
        "headers": {"type": "object", "required": ["webhook-id", "webhook-timestamp", "webhook-signature"], "properties": {
            "webhook-id": {"type": "string", "description": "the same in every attempt"},
            "webhook-timestamp": {"type": "string", "description": "of the attempt, in seconds since 1970"},
            "webhook-signature": {"type": "string", "description": "`v1,` and base64 of the HMAC-SHA256 of `<id>.<timestamp>.<body>`"},
        }},
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "time", "data"],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": text,
                "source": text,
                "type": {"const": name},
                "subject": text,
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": text,
                "traceid": text,
                "data": data,
            },
        },
    })
}

/// The schema of a fact's frame.
fn frame() -> Json {
    let properties: Map<String, Json> = FRAME.iter().map(|each| (each.name.to_owned(), property(each))).collect();
    json!({
        "type": "object",
        "required": ["id", "tenant", "subject", "token", "seq", "time", "ReferenceID"],
        "properties": properties,
    })
}

fn property(attribute: &Attribute) -> Json {
    let names = |names: Vec<&str>| json!({"type": "string", "enum": names});
    let mut schema = match attribute.name {
        "id" => names(EventName::ALL.iter().map(|name| name.as_str()).collect()),
        "CallType" | "PropagatedCallType" => names(CallType::ALL.iter().map(|name| name.as_str()).collect()),
        "CallState" => names(CallState::ALL.iter().map(|name| name.as_str()).collect()),
        "ThisDNRole" | "OtherDNRole" | "ThirdPartyDNRole" => {
            names(DnRole::ALL.iter().map(|name| name.as_str()).collect())
        }
        "AgentWorkMode" => names(WORK_MODES.iter().map(|(_, name)| *name).collect()),
        _ => json!({"type": if attribute.json == "number" { "integer" } else { attribute.json }}),
    };
    schema["description"] = json!(attribute.meaning);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` of a document.
    fn references_of(json: &Json, found: &mut Vec<String>) {
        match json {
            Json::Object(object) => {
                found.extend(object.get("$ref").and_then(Json::as_str).map(str::to_owned));
                object.values().for_each(|value| references_of(value, found));
            }
            Json::Array(values) => values.iter().for_each(|value| references_of(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_fact_is_a_message_and_every_reference_leads_somewhere() {
        let document = asyncapi();
        for name in EventName::ALL.iter().filter(|name| reporting_row(**name).is_some()) {
            assert_eq!(document["components"]["messages"][name.as_str()]["name"], name.as_str());
            assert!(document["channels"]["events"]["messages"][name.as_str()].is_object(), "{name}");
            assert!(document["channels"]["webhook"]["messages"][format!("{name}.cloudevent")].is_object(), "{name}");
        }
        let mut references = Vec::new();
        references_of(&document, &mut references);
        assert!(references.len() > 100);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference}"));
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}
