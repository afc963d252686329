//! HTTP 9101: `POST /api/voice/v1/{tenant}/requests`, and its OpenAPI document.

use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::json::{RequestFrame, read_request, requests_openapi};
use http::StatusCode;
use model::request::NOTE_OF_CALL;
use model::{Request, TenantId};
use net::http::{Caller, JsonBody, Problem};
use net::requester::{self, REQUESTER};
use runtime::spans::TraceParent;
use serde_json::{Value, json};

use super::forwarder::{Incoming, RequestForwarder};

/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;
/// The role that passes on what desktops ask, and lets nobody else set what they alone may.
const FOR_DESKTOPS: &str = "tenant";

pub(super) fn router(forwarder: RequestForwarder) -> Router {
    Router::new()
        .route("/api/voice/v1/{tenant}/requests", post(request))
        .route("/api/voice/v1/openapi.json", get(openapi))
        .with_state(forwarder)
}

/// The OpenAPI document, for every caller.
async fn openapi(_: Caller) -> Json<Value> {
    Json(requests_openapi())
}

async fn request(
    caller: Caller,
    State(forwarder): State<RequestForwarder>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    served: Option<Extension<TraceParent>>,
    JsonBody(frame): JsonBody<Value>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::not_found(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    // Refuse clients without any permission before checking the request, so that they learn nothing about it.
    caller.may_ask_at_all()?;
    let idempotency_key = idempotency_key(&headers)?;
    let requester = requester(&caller, &headers)?;
    let within = served.map(|Extension(own)| own);
    let read = let_in(&caller, &frame, &tenant, &requester).inspect_err(|problem| forwarder.turned_away(problem))?;
    let incoming = Incoming { tenant, requester, idempotency_key, within, frame };
    let reference = forwarder.enter(incoming, read).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"ReferenceID": reference}))))
}

/// Reads a request and checks its permissions, by its action and its subject, never by other fields of the frame.
fn let_in(caller: &Caller, frame: &Value, tenant: &TenantId, requester: &str) -> Result<RequestFrame, Problem> {
    let read = read_request(frame, tenant, requester)
        .map_err(|error| Problem::unprocessable(error.to_string()).code(u32::from(error.code.0)))?;
    caller.may_ask(&read.request)?;
    check_note(caller, &read.request)?;
    Ok(read)
}

/// Refuses what is marked as a note of a released call, except from the role that passes on what desktops ask.
fn check_note(caller: &Caller, request: &Request) -> Result<(), Problem> {
    if request.is_note_of_call() && caller.role() != Some(FOR_DESKTOPS) {
        return Err(Problem::forbidden(format!("Extensions: {NOTE_OF_CALL} is set by desktops alone")));
    }
    Ok(())
}

/// The requester: the token's subject or, for a role that forwards a request, the name in its header.
fn requester(caller: &Caller, headers: &HeaderMap) -> Result<String, Problem> {
    match headers.get(REQUESTER).filter(|_| caller.role().is_some()) {
        None => Ok(caller.subject().to_owned()),
        Some(named) => {
            let rule = || Problem::bad_request(format!("{REQUESTER}: {}", requester::rule()));
            named.to_str().ok().and_then(requester::read).ok_or_else(rule)
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Problem::bad_request(format!("Idempotency-Key: it must be text of 1 to {KEY_BYTES_MAX} bytes"))),
    }
}

#[cfg(test)]
mod tests;
