//! Hands what is below `/agent-setup/api` to agent-setup (own-27), with the caller's own token. The pages themselves come with the others.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use futures::StreamExt as _;
use net::http::{AnswerPlaces, Call, CallError, Capacity, Client, Place, Problem, WebClient};
use runtime::RoleContext;

use super::hand_on::RoleBehind;
use super::passed_headers::passed;
use super::routes;
use crate::{people_table, prompt_upload};

/// Time for an answer: tenant has 10 s for a batch.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Tables of people that go out at once: agent-setup has each in memory until it is taken.
const TABLES_OUT: Capacity = Capacity { all: 8 };
static PASSED_ON: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::IF_NONE_MATCH,
    HeaderName::from_static("x-request-id"),
];
/// Headers of a table, or of its refusal.
static OF_TABLE: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_DISPOSITION,
    header::CACHE_CONTROL,
    header::RETRY_AFTER,
    header::WWW_AUTHENTICATE,
];

/// agent-setup, as requests at the edge reach it.
#[derive(Clone)]
struct SetupBehind {
    role: RoleBehind,
    /// For tables of people that go out.
    client: Client,
    tables_out: AnswerPlaces,
}

pub(super) fn router(ctx: &RoleContext) -> anyhow::Result<Router> {
    let behind = SetupBehind {
        role: RoleBehind::new(ctx, routes::AGENT_SETUP, &PASSED_ON)?.answering_within(ANSWER_WITHIN),
        client: Client::new(ctx, routes::leads_to(routes::AGENT_SETUP)?.connection)?,
        tables_out: AnswerPlaces::new(TABLES_OUT),
    };
    Ok(Router::new().route(&routes::all_below(routes::AGENT_SETUP), any(to_agent_setup)).with_state(behind))
}

async fn to_agent_setup(State(behind): State<SetupBehind>, request: Request) -> Response {
    if let Some(recording) = prompt_upload::limits(request.method(), request.uri().path(), 2) {
        return behind.role.answering_within(recording.answer_within).hand_on(request, []).await;
    }
    let Some(table) = people_table::limits(request.method(), request.uri().path(), 2) else {
        return behind.role.hand_on(request, []).await;
    };
    if request.method() != Method::GET {
        return behind.role.answering_within(table.answer_within).hand_on(request, []).await;
    }
    let place = match behind.tables_out.take(request.extensions()) {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let call = for_table(&behind.client, &request).deadline(table.answer_within);
    table_out(call, place).await
}

/// The request for a table.
fn for_table(client: &Client, request: &Request) -> Call {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let call = client.get(path).without_token().idempotent();
    let call = passed(request.headers(), &PASSED_ON).fold(call, |call, (name, value)| call.header(name, value));
    match request.extensions().get::<WebClient>() {
        Some(client) => call.relayed_for(client),
        None => call,
    }
}

/// A table as it comes, since it may be larger than an answer that is held. It has its place until it is taken.
async fn table_out(call: Call, place: Place) -> Response {
    let (head, body) = match call.stream().await {
        Ok(answer) => answer.into_parts(),
        Err(CallError::Deadline(_)) => return away(StatusCode::GATEWAY_TIMEOUT, "agent-setup does not answer"),
        Err(error) => {
            tracing::warn!(%error, "agent-setup cannot be reached for a table of people");
            return away(StatusCode::BAD_GATEWAY, "agent-setup cannot be reached");
        }
    };
    let parts = body.into_data_stream().inspect(move |_| {
        let _place = &place;
    });
    let mut response = Response::new(Body::from_stream(parts));
    *response.status_mut() = head.status;
    response.headers_mut().extend(passed(&head.headers, &OF_TABLE));
    response
}

fn away(status: StatusCode, detail: &str) -> Response {
    Problem::new(status, "agent-setup-away", "The request was not handed on").detail(detail).into_response()
}
