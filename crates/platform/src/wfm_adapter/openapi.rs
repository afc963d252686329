//! The OpenAPI document of what workforce tools read.

use axum::routing::get;
use axum::{Json, Router};
use contracts::openapi::{Get, OpenApi};
use net::http::Caller;
use runtime::scope::STATISTICS_READ;
use serde_json::{Value, json};

use super::pages::RowPage;
use super::server::{AgentStateRow, QueueIntervalRow, WorkforceAgentRow, WorkforceQueueRow};
use crate::described_operation::{DescribedOperation, described};

/// Where it is served.
const PATH: &str = "/wfm/v1/openapi.json";
const CSV: &str = "text/csv";

/// A parameter of the query: name, JSON type and meaning.
type Asked = (&'static str, &'static str, &'static str);
const FORMAT: Asked = ("format", "string", "`json` or `csv`");
const SIZE: Asked = ("page_size", "integer", "at most so many, and at most 1000; 500 without it");
const TOKEN: Asked = ("page_token", "string", "next_page_token of the page before; in CSV it is in X-Next-Page-Token");
const FROM: Asked = ("from", "string", "from this time on (RFC 3339)");
const TO: Asked = ("to", "string", "up to this time (RFC 3339)");

const AGENTS: Get = Get {
    path: "/wfm/v1/{tenant}/agents",
    id: "workforceAgents",
    summary: "Agents with their skills and states; needs config:read too, and is for programs alone",
    scope: STATISTICS_READ,
    query: &[SIZE, TOKEN, FORMAT],
};
const AGENT_STATES: Get = Get {
    path: "/wfm/v1/{tenant}/agent-states",
    id: "workforceAgentStates",
    summary: "In which states agents were, and when",
    query: &[FROM, TO, ("agent", "string", "of this agent alone"), SIZE, TOKEN, FORMAT],
    ..AGENTS
};
const QUEUES: Get = Get {
    path: "/wfm/v1/{tenant}/queues",
    id: "workforceQueues",
    summary: "Route points and virtual queues",
    ..AGENTS
};
const QUEUE_INTERVALS: Get = Get {
    path: "/wfm/v1/{tenant}/queues/{queue}/intervals",
    id: "workforceQueueIntervals",
    summary: "What has happened in a queue, interval by interval",
    query: &[FROM, TO, ("step", "string", "how long an interval is, as 15m"), FORMAT],
    ..AGENTS
};
const DOCUMENT: DescribedOperation = DescribedOperation::get(
    PATH,
    "workforceDocument",
    "This document; any caller may read it",
    &[
        ("200", "it", Some(("application/json", "Document"))),
        ("401", "no valid token", Some(("application/problem+json", "Problem"))),
    ],
)
.proved_by(&["callerToken"]);
const REFUSALS: &[(&str, &str)] = &[("502", "wfm-adapter cannot be reached"), ("504", "no answer in time")];

/// The OpenAPI document of what workforce tools read.
pub fn openapi() -> Value {
    let api = OpenApi::new("Trunkline: workforce")
        .refusing(REFUSALS)
        .document::<RowPage<WorkforceAgentRow>>(&AGENTS)
        .also_text(&AGENTS, CSV)
        .document::<RowPage<AgentStateRow>>(&AGENT_STATES)
        .also_text(&AGENT_STATES, CSV)
        .document::<RowPage<WorkforceQueueRow>>(&QUEUES)
        .also_text(&QUEUES, CSV)
        .document::<RowPage<QueueIntervalRow>>(&QUEUE_INTERVALS)
        .also_text(&QUEUE_INTERVALS, CSV);
    described(api, &[DOCUMENT], &[]).shape("Document", json!({ "type": "object" })).into_json()
}

/// The route of the document.
pub(super) fn router() -> Router {
    Router::new().route(PATH, get(async |_: Caller| Json(openapi())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::pages::WorkforceRow;
    use super::*;
    use crate::described_operation::faults;

    /// The rows of an answer, as the document has them.
    fn row<'d>(document: &'d Value, of: &Get) -> &'d Value {
        let schemas = &document["components"]["schemas"];
        let named = |schema: &Value| {
            let name = schema["$ref"].as_str().and_then(|at| at.rsplit('/').next()).unwrap_or_default();
            name.to_owned()
        };
        let answer = &document["paths"][of.path]["get"]["responses"]["200"]["content"];
        let page = &schemas[named(&answer["application/json"]["schema"])];
        assert!(page["properties"]["next_page_token"].is_object() && answer[CSV].is_object(), "{page}");
        &schemas[named(&page["properties"]["items"]["items"])]
    }

    #[test]
    fn rows_have_the_columns_of_their_table() {
        let document = openapi();
        assert_eq!(faults(&document), Vec::<String>::new());
        for (of, columns) in [
            (&AGENTS, WorkforceAgentRow::COLUMNS),
            (&AGENT_STATES, AgentStateRow::COLUMNS),
            (&QUEUES, WorkforceQueueRow::COLUMNS),
            (&QUEUE_INTERVALS, QueueIntervalRow::COLUMNS),
        ] {
            let members = row(&document, of)["properties"].as_object().unwrap();
            let members: BTreeSet<&str> = members.keys().map(String::as_str).collect();
            assert_eq!(members, columns.iter().copied().collect::<BTreeSet<&str>>(), "{}", of.path);
        }
    }
}
