//! The OpenAPI documents of what the edge answers itself: operations, events and webhooks.

use axum::{Json, Router, routing::get};
use contracts::json::snapshot::{EventsGap, ReachedPosition, StreamEnd, TenantSnapshot};
use contracts::openapi::{EventSchema, Get, OpenApi};
use net::http::Caller;
use runtime::topology::Topology;
use runtime::{scope, trace};
use serde_json::{Map, Value};

use crate::trace::document::{Trace, Traces};

pub(super) const TOPOLOGY: Get = Get {
    path: "/api/operations/v1/topology",
    id: "topology",
    summary: "Every connection of the instance",
    scope: scope::TOPOLOGY_READ,
    query: &[],
};
const TRACES: Get = Get {
    path: "/api/operations/v1/{tenant}/traces",
    id: "traces",
    summary: "The latest calls",
    scope: trace::READ_SCOPE,
    query: &[("limit", "integer", "at most so many; 50 without it"), ("from", "string", "only calls from this number")],
};
const TRACE: Get = Get {
    path: "/api/operations/v1/{tenant}/traces/{call}",
    id: "trace",
    summary: "A call, explained",
    scope: trace::READ_SCOPE,
    query: &[],
};

/// The OpenAPI document of the operations API.
pub fn openapi() -> Value {
    OpenApi::new("Trunkline: operations")
        .document::<Topology>(&TOPOLOGY)
        .document::<Traces>(&TRACES)
        .document::<Trace>(&TRACE)
        .into_json()
}

const EVENTS: Get = Get {
    path: "/api/voice/v1/{tenant}/events",
    id: "events",
    summary: "The events of calls, agents and queues, after a snapshot or a position",
    scope: scope::CALLS_READ,
    query: &[
        (
            "dn",
            "string",
            "events of this DN; each of dn, agent, queue and call may be repeated, and all events come without them",
        ),
        ("agent", "string", "events of this agent"),
        ("queue", "string", "events at this route point or virtual queue, and of parties that it has delivered"),
        ("call", "string", "events of this call: its ConnID"),
        ("event", "string", "of all these, only events of this name; may be repeated"),
        ("after", "string", "continue after this position; the header Last-Event-ID goes before it"),
    ],
};

/// The OpenAPI document of events and webhooks.
pub fn events_openapi() -> Value {
    let events: [EventSchema; 5] = [
        ("snapshot", |schemas| schemas.subschema_for::<TenantSnapshot>()),
        ("event", |schemas| schemas.subschema_for::<Map<String, Value>>()),
        ("reached", |schemas| schemas.subschema_for::<ReachedPosition>()),
        ("gap", |schemas| schemas.subschema_for::<EventsGap>()),
        ("end", |schemas| schemas.subschema_for::<StreamEnd>()),
    ];
    let followed = OpenApi::new("Trunkline: events and webhooks")
        .stream(&EVENTS, &events)
        .refusal((EVENTS.path, "get"), "422", "the snapshot is too large: ask for fewer DNs, agents, queues or calls")
        .refusal((EVENTS.path, "get"), "504", "the events cannot be read now");
    super::webhooks::openapi(followed).into_json()
}

/// The routes of the documents; any caller may read them.
pub(super) fn router() -> Router {
    Router::new()
        .route("/api/operations/v1/openapi.json", get(async |_: Caller| Json(openapi())))
        .route("/api/voice/v1/openapi-events.json", get(async |_: Caller| Json(events_openapi())))
        .route("/api/voice/v1/asyncapi.json", get(async |_: Caller| Json(contracts::reporting::asyncapi())))
}
