//! HTTP 9101: `POST /api/voice/v1/{tenant}/requests`.

use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use model::TenantId;
use net::http::{Caller, JsonBody, Problem};
use runtime::spans::TraceParent;
use serde_json::{Value, json};

use super::door::{Door, Incoming};

/// The scope for requests about calls.
const CALLS: &str = "calls:control";
/// The scope for requests about agents.
const AGENTS: &str = "agents:control";
/// By which a role names who asked it.
const REQUESTER: &str = "trunkline-requester";
/// The longest name of who asked, in bytes.
const REQUESTER_BYTES_MAX: usize = 200;
/// The longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 200;

pub(super) fn router(door: Door) -> Router {
    Router::new().route("/api/voice/v1/{tenant}/requests", post(request)).with_state(door)
}

async fn request(
    caller: Caller,
    State(door): State<Door>,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    served: Option<Extension<TraceParent>>,
    JsonBody(frame): JsonBody<Value>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::not_found(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(if frame.get("ConnID").is_some() { CALLS } else { AGENTS })?;
    let idempotency_key = idempotency_key(&headers)?;
    let requester = requester(&caller, &headers)?;
    let within = served.map(|Extension(own)| own);
    let incoming = Incoming { tenant, requester, idempotency_key, within, frame };
    let reference = door.enter(incoming).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"ReferenceID": reference}))))
}

/// Who asks: the token's subject or, for a role that hands on what it was asked, whom it names.
fn requester(caller: &Caller, headers: &HeaderMap) -> Result<String, Problem> {
    match headers.get(REQUESTER).filter(|_| caller.role().is_some()) {
        None => Ok(caller.subject().to_owned()),
        Some(named) => {
            let named = named.to_str().ok().filter(|named| (1..=REQUESTER_BYTES_MAX).contains(&named.len()));
            let rule = || format!("{REQUESTER}: it must be text of 1 to {REQUESTER_BYTES_MAX} bytes");
            named.map(str::to_owned).ok_or_else(|| Problem::bad_request(rule()))
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
