//! The OpenAPI document of the operations API.

use axum::{Json, Router, routing::get};
use contracts::openapi::{Get, OpenApi};
use net::http::Caller;
use runtime::topology::Topology;
use runtime::{scope, trace};
use serde_json::Value;

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

/// The route of the document; any caller may read it.
pub(super) fn router() -> Router {
    Router::new().route("/api/operations/v1/openapi.json", get(async |_: Caller| Json(openapi())))
}
