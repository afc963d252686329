//! HTTP 11300: requests about calls, from frontend alone (voice-39).

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use contracts::json::read_request;
use http::StatusCode;
use model::TenantId;
use model::event::ErrorCode;
use net::http::{Caller, JsonBody, Problem};
use serde::Deserialize;

use super::inbox::Inbox;

/// What frontend sends: the frame that a client sent, and who that client is.
#[derive(Debug, Deserialize)]
struct Forwarded {
    tenant: String,
    requester: String,
    frame: serde_json::Value,
}

/// The routes.
pub fn router(inbox: Inbox) -> Router {
    Router::new().route("/requests", post(request)).with_state(inbox)
}

async fn request(
    caller: Caller,
    State(inbox): State<Inbox>,
    JsonBody(forwarded): JsonBody<Forwarded>,
) -> Result<StatusCode, Problem> {
    if caller.role() != Some("frontend") {
        return Err(Problem::forbidden("requests come from frontend alone"));
    }
    let tenant = TenantId::parse(&forwarded.tenant).map_err(|error| Problem::unprocessable(error.to_string()))?;
    let read = read_request(&forwarded.frame, &tenant, &forwarded.requester)
        .map_err(|error| Problem::unprocessable(error.to_string()).code(u32::from(error.code.0)))?;
    match inbox.request(read.request).await {
        Some(Ok(())) => Ok(StatusCode::ACCEPTED),
        Some(Err(ErrorCode::INVALID_CONN_ID)) => {
            Err(Problem::not_found("no such call here").code(u32::from(ErrorCode::INVALID_CONN_ID.0)))
        }
        Some(Err(code)) => Err(Problem::unprocessable("not a request about a call").code(u32::from(code.0))),
        None => Err(Problem::unavailable("too many requests wait")),
    }
}
