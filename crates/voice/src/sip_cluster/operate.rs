//! HTTP access to the quarantine for operators: `/quarantine/{tenant}` and below.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contracts::quarantine::{AsideRecord, AsideRow};
use http::StatusCode;
use infra::{Quarantine, QuarantineId, QuarantinedRecord, StoreError};
use model::TenantId;
use net::http::{Caller, Problem};
use runtime::scope;

type Store = Arc<dyn Quarantine>;

/// The routes.
pub fn router(store: Store) -> Router {
    Router::new()
        .route("/quarantine/{tenant}", get(list))
        .route("/quarantine/{tenant}/{id}", get(show).delete(discard))
        .route("/quarantine/{tenant}/{id}/release", post(release))
        .with_state(store)
}

async fn list(
    State(store): State<Store>,
    Path(tenant): Path<String>,
    caller: Caller,
) -> Result<Json<Vec<AsideRow>>, Problem> {
    let tenant = allowed(&caller, &tenant)?;
    let rows = store.list(&tenant).await.map_err(unavailable)?;
    Ok(Json(rows.iter().map(row).collect()))
}

async fn show(
    State(store): State<Store>,
    Path((tenant, id)): Path<(String, u64)>,
    caller: Caller,
) -> Result<Json<AsideRecord>, Problem> {
    let (tenant, id) = (allowed(&caller, &tenant)?, QuarantineId(id));
    let found = store.read(&tenant, id).await.map_err(unavailable)?.ok_or_else(missing)?;
    Ok(Json(AsideRecord { row: row(&found.aside), state: STANDARD.encode(&found.state) }))
}

async fn release(
    State(store): State<Store>,
    Path((tenant, id)): Path<(String, u64)>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let (tenant, id) = (allowed(&caller, &tenant)?, QuarantineId(id));
    if store.release(&tenant, id, caller.subject()).await.map_err(unavailable)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
}

async fn discard(
    State(store): State<Store>,
    Path((tenant, id)): Path<(String, u64)>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    let (tenant, id) = (allowed(&caller, &tenant)?, QuarantineId(id));
    if store.discard(&tenant, id, caller.subject()).await.map_err(unavailable)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing())
    }
}

fn allowed(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    let tenant = TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(scope::OPERATE)?;
    Ok(tenant)
}

fn row(aside: &QuarantinedRecord) -> AsideRow {
    AsideRow {
        id: aside.id.0,
        ledger: aside.ledger.to_string(),
        key: aside.key.clone(),
        owner: aside.owner.to_string(),
        token: aside.token.0,
        why: aside.why.clone(),
        since: aside.at.as_millis(),
        until: aside.expires_at.as_millis(),
        bytes: aside.bytes,
    }
}

fn missing() -> Problem {
    Problem::not_found("no such record in quarantine")
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn unavailable(error: StoreError) -> Problem {
    tracing::warn!(%error, "the quarantine cannot be read now");
    Problem::unavailable("the quarantine cannot be read now")
}
