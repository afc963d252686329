//! Hands what is below `/agent-setup/api` to agent-setup (own-27), with the caller's own token. The pages themselves come with the others.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, header};
use axum::response::Response;
use axum::routing::any;
use runtime::RoleContext;

use super::hand_on::RoleBehind;
use super::routes;
use crate::people_table;

/// Time for an answer: tenant has 10 s for a batch.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
static PASSED_ON: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_NONE_MATCH,
    HeaderName::from_static("x-request-id"),
];

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let role = RoleBehind::new(ctx, routes::AGENT_SETUP, &PASSED_ON)?.answering_within(ANSWER_WITHIN);
    Ok(Router::new().route(&routes::all_below(routes::AGENT_SETUP), any(to_agent_setup)).with_state(role))
}

async fn to_agent_setup(State(role): State<RoleBehind>, request: Request) -> Response {
    let table = people_table::limits(request.method(), request.uri().path(), 2);
    let role = match table {
        Some(table) => role.answering_within(table.answer_within),
        None => role,
    };
    role.hand_on(request, []).await
}
