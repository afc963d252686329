//! HTTP 11200: call data for the IVR sessions of media (voice-21).

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use model::{ConnId, TenantId};
use runtime::{Caller, Problem};
use serde_json::Value;
use tokio::sync::oneshot;

use super::Workers;
use super::worker::Work;

/// The scope required to read calls.
const SCOPE: &str = "calls:read";

/// The routes.
pub(super) fn router(workers: Workers) -> Router {
    Router::new().route("/tenants/{tenant}/calls/{conn_id}", get(call)).with_state(workers)
}

/// The session's data of a call. Not found if another replica has the session.
async fn call(
    caller: Caller,
    State(workers): State<Workers>,
    Path((tenant, conn_id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(SCOPE)?;
    let conn_id: ConnId =
        conn_id.parse().map_err(|error: model::id::InvalidId| Problem::bad_request(error.to_string()))?;
    let (reply, answer) = oneshot::channel();
    if !workers.try_send(conn_id, Work::Describe { tenant, conn_id, reply }) {
        return Err(Problem::unavailable("too much waits for the sessions"));
    }
    match answer.await {
        Ok(Some(described)) => Ok(Json(described)),
        _ => Err(Problem::not_found("no session of this call is here")),
    }
}
