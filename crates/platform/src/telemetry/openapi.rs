//! The OpenAPI document of telemetry.

use contracts::openapi::OpenApi;
use serde_json::{Value, json};

use crate::described_operation::{Answered, Content, DescribedOperation, described, object_of_texts};

/// Where it is served.
pub(super) const PATH: &str = "/telemetry/v1/openapi.json";

const BATCH: Content = ("application/json", "Batch");
const PROTOBUF: Content = ("application/x-protobuf", "Bytes");
const OTLP: Content = ("application/json", "OpenTelemetry");
const PROBLEM: Option<Content> = Some(("application/problem+json", "Problem"));
const TOKEN: &[&str] = &["callerToken"];

/// How a batch is answered.
const TAKEN: &[Answered] = &[
    ("200", "a batch of OpenTelemetry is on its way to the collector", Some(OTLP)),
    ("200", "the same", Some(PROTOBUF)),
    ("202", "a batch of ours is taken; items that break a rule are left out", Some(("application/json", "Taken"))),
    ("404", "OpenTelemetry is not taken here: no collector is set", PROBLEM),
    ("408", "the body did not come in time", PROBLEM),
    ("413", "the batch is too large", PROBLEM),
    ("415", "the body is packed in another way than by gzip", PROBLEM),
    ("422", "a field has a fault, which the problem names", PROBLEM),
];
/// What every operation may answer too.
const COMMON: &[Answered] = &[
    ("400", "the request cannot be read: its query or its body", PROBLEM),
    ("401", "no valid token", PROBLEM),
    ("403", "what the token, or a page of that origin, may not", PROBLEM),
    ("429", "this client, person, tenant or caller has used its share: repeat after Retry-After", PROBLEM),
    ("502", "telemetry cannot be reached", PROBLEM),
    ("503", "not ready yet, or too many requests are in progress: repeat after Retry-After", PROBLEM),
    ("504", "no answer in time", PROBLEM),
];

const OPERATIONS: [DescribedOperation; 6] = [
    DescribedOperation::get("/telemetry/v1/traces", "takeTraces", "Items of a page, or spans of OpenTelemetry", TAKEN)
        .by("post")
        .taking(BATCH)
        .proved_by(TOKEN),
    DescribedOperation::get("/telemetry/v1/logs", "takeLogs", "Log records of OpenTelemetry", TAKEN)
        .by("post")
        .taking(OTLP)
        .proved_by(TOKEN),
    DescribedOperation::get("/telemetry/v1/metrics", "takeMetrics", "Metrics of OpenTelemetry", TAKEN)
        .by("post")
        .taking(OTLP)
        .proved_by(TOKEN),
    DescribedOperation::get(
        "/telemetry/v1/config",
        "configuration",
        "What a client of an application is told to send, and how often",
        &[
            ("200", "what it is told", Some(("application/json", "Configuration"))),
            ("404", "no contract is configured for the application", PROBLEM),
        ],
    )
    .asking(&[("app", "the application; needed")])
    .proved_by(TOKEN),
    DescribedOperation::get(
        "/telemetry/v1/switch",
        "switchApplication",
        "Have the clients of an application send nothing, or something again; needs the scope `operate` of a token for every tenant",
        &[
            ("204", "it is so, until it is switched again", None),
            ("413", "the body is too large", PROBLEM),
            ("415", "the body is not JSON", PROBLEM),
            ("422", "there is no such application", PROBLEM),
        ],
    )
    .by("put")
    .taking(("application/json", "Switch"))
    .proved_by(TOKEN),
    DescribedOperation::get(PATH, "document", "This document", &[("200", "it", Some(("application/json", "Document")))])
        .proved_by(TOKEN),
];

/// The OpenAPI document of telemetry.
pub fn openapi() -> Value {
    let api = described(OpenApi::new("Trunkline: telemetry"), &OPERATIONS, COMMON);
    let shapes = [
        ("Batch", batch()),
        ("Bytes", json!({ "type": "string", "description": "Protocol Buffers of OTLP" })),
        ("OpenTelemetry", json!({ "type": "object", "description": "OTLP in JSON" })),
        ("Taken", taken()),
        ("Configuration", configuration()),
        ("Switch", switch()),
        ("Document", json!({ "type": "object" })),
    ];
    shapes.into_iter().fold(api, |api, (name, shape)| api.shape(name, shape)).into_json()
}

/// A batch of our own form; one of OpenTelemetry has another one at the same path.
fn batch() -> Value {
    let app = object_of_texts(
        &[("name", "the application, as its contract names it"), ("version", ""), ("sessionId", "")],
        &["name"],
    );
    json!({
        "type": "object",
        "properties": {
            "app": app,
            "attributes": { "type": "object", "description": "what all items have" },
            "items": { "type": "array", "items": { "type": "object" } },
            "resourceSpans": { "type": "array", "items": { "type": "object" }, "description": "of OpenTelemetry" },
        },
    })
}

fn taken() -> Value {
    json!({
        "type": "object",
        "properties": {
            "accepted": { "type": "integer" },
            "dropped": { "type": "integer" },
            "off": { "type": "boolean", "description": "an operator has switched the application off" },
            "faults": { "type": "array", "items": { "type": "string" }, "description": "the rules that items broke" },
        },
        "required": ["accepted", "dropped"],
    })
}

fn configuration() -> Value {
    let number = json!({ "type": "number" });
    json!({
        "type": "object",
        "properties": {
            "app": { "type": "string" },
            "off": { "type": "boolean", "description": "nothing is to be sent" },
            "samplingRate": number,
            "flushIntervalMs": number,
            "batchItemsMax": number,
            "batchBytesMax": number,
            "openTelemetry": { "type": "boolean", "description": "whether batches of OpenTelemetry are taken" },
            "contract": { "type": "object" },
        },
        "required": ["app", "off", "samplingRate", "flushIntervalMs", "batchItemsMax", "batchBytesMax"],
    })
}

fn switch() -> Value {
    json!({
        "type": "object",
        "properties": {
            "app": { "type": "string", "description": "an application, or `*` for all" },
            "off": { "type": "boolean" },
        },
        "required": ["app", "off"],
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::described_operation::faults;

    #[test]
    fn the_document_has_all_that_it_refers_to() {
        let document = openapi();
        assert_eq!(faults(&document), Vec::<String>::new());
        let answers = &document["paths"]["/telemetry/v1/traces"]["post"]["responses"];
        assert_eq!(answers["200"]["content"].as_object().map(|contents| contents.len()), Some(2));
        assert_eq!(document["paths"].as_object().map(|paths| paths.len()), Some(OPERATIONS.len()));
    }
}
