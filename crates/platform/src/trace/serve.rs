//! Explained calls over HTTP, for the operator's pages: `/api/operations/v1/{tenant}/traces` and `.../traces/{call}`.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use infra::Clock;
use model::TenantId;
use net::admin::AdminClient;
use net::http::{Caller, Problem, Query};
use runtime::trace::{NUMBERS_SCOPE, READ_SCOPE};
use serde::Deserialize;
use std::sync::Arc;

use super::ask::Sight;
use super::document::{Trace, Traces};
use super::{ask, explain};

/// Default and maximum number of calls in a list.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1_000;

/// State of the routes.
#[derive(Clone)]
pub struct Traced {
    /// Queries the roles.
    pub admin: AdminClient,
    /// The present time.
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    limit: Option<usize>,
    from: Option<String>,
}

impl Traced {
    /// Queries as the role that serves the pages, over `own-21`.
    ///
    /// # Errors
    /// If the role does not declare the connection.
    pub fn of_role(ctx: &runtime::RoleContext) -> anyhow::Result<Self> {
        Ok(Self { admin: AdminClient::of_role(ctx, "own-21")?, clock: ctx.clock.clone() })
    }
}

/// The routes; the caller's token decides what they show.
pub fn router(traced: Traced) -> Router {
    Router::new()
        .route("/api/operations/v1/{tenant}/traces", get(list))
        .route("/api/operations/v1/{tenant}/traces/{call}", get(call))
        .with_state(traced)
}

async fn list(
    State(traced): State<Traced>,
    Path(tenant): Path<String>,
    Query(wanted): Query<Wanted>,
    caller: Caller,
) -> Result<Json<Traces>, Problem> {
    let numbers = allowed(&caller, &tenant)?;
    let limit = wanted.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MAX);
    let sight = Sight { numbers, nobodys: caller.tenant().is_none() };
    Ok(Json(ask::list(&traced.admin, &tenant, wanted.from.as_deref(), limit, sight).await))
}

async fn call(
    State(traced): State<Traced>,
    Path((tenant, call)): Path<(String, String)>,
    caller: Caller,
) -> Result<Json<Trace>, Problem> {
    let numbers = allowed(&caller, &tenant)?;
    let sight = Sight { numbers, nobodys: caller.tenant().is_none() };
    let answers = ask::call(&traced.admin, &tenant, &call, sight).await;
    let now = traced.clock.now().as_micros() as f64 / 1_000.0;
    explain(&tenant, &answers, !numbers, now)
        .map(Json)
        .ok_or_else(|| Problem::not_found("no role remembers such a call: it never was, or it is too old"))
}

/// Whether the caller may see numbers in full; refuses a caller that may see nothing.
fn allowed(caller: &Caller, tenant: &str) -> Result<bool, Problem> {
    let tenant = TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(READ_SCOPE)?;
    Ok(caller.has_scope(NUMBERS_SCOPE))
}
