//! Admin HTTP for traces: `/trace`, `/trace/{tenant}`, `/trace/{tenant}/{call}`.

use axum::Json;
use axum::extract::{Path, State};
use model::TenantId;
use serde::{Deserialize, Serialize};

use super::entry::{RoleTrace, Summary};
use super::{Key, NUMBERS_SCOPE, READ_SCOPE, Recorder, mask};
use crate::caller::Caller;
use crate::problem::Problem;
use crate::query::Query;

/// Default and maximum number of calls in a list.
const LIMIT: usize = 50;
const LIMIT_MAX: usize = 1_000;
/// Maximum number of keys of one call in a query.
const KEYS_MAX: usize = 64;

/// The memory of one replica.
#[derive(Clone)]
pub struct Remembered {
    /// The role.
    pub role: &'static str,
    /// The replica.
    pub node: String,
    /// Its memory.
    pub recorder: Recorder,
}

/// Parameters of a query for one call.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    /// Further keys of the same call, separated by spaces: other roles may know it by those only.
    #[serde(default)]
    also: String,
    /// Whether numbers are wanted in full; needs the scope.
    #[serde(default)]
    numbers: bool,
    /// Whether to include dialogs of unknown tenant. A service that queries for a user states by it that the user may
    /// see them; ignored for a token that is bound to a tenant.
    #[serde(default)]
    nobodys: bool,
}

/// Parameters of a query for a list.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    limit: Option<usize>,
    /// Only calls whose caller's number, as shown, ends so.
    from: Option<String>,
    #[serde(default)]
    numbers: bool,
    /// Instead of calls, the dialogs that were refused before they became calls.
    #[serde(default)]
    refused: bool,
    /// With `refused`, whether to include dialogs of unknown tenant; as for one call.
    #[serde(default)]
    nobodys: bool,
}

/// The tenants with calls in the memory of a replica.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tenants {
    /// Their ids.
    pub tenants: Vec<String>,
}

/// Lists the tenants; a caller bound to a tenant gets only its own.
pub async fn tenants(State(remembered): State<Remembered>, caller: Caller) -> Result<Json<Tenants>, Problem> {
    caller.needs_scope(READ_SCOPE)?;
    let tenants = match caller.tenant() {
        Some(own) => vec![own.to_string()],
        None => remembered.recorder.tenants().iter().map(ToString::to_string).collect(),
    };
    Ok(Json(Tenants { tenants }))
}

/// The latest calls of a tenant, newest first.
pub async fn list(
    State(remembered): State<Remembered>,
    Path(tenant): Path<String>,
    Query(wanted): Query<Wanted>,
    caller: Caller,
) -> Result<Json<Vec<Summary>>, Problem> {
    let tenant = allowed(&caller, &tenant, wanted.numbers)?;
    let limit = wanted.limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let from = wanted.from.as_deref().filter(|from| !from.is_empty());
    let nobodys = wanted.nobodys && caller.tenant().is_none();
    let mut calls = match wanted.refused {
        true => remembered.recorder.refused((&tenant, nobodys), from, wanted.numbers, limit),
        false => remembered.recorder.latest(&tenant, from, wanted.numbers, limit),
    };
    if !wanted.numbers {
        for call in &mut calls {
            call.from = mask::user(&call.from);
            call.to = mask::user(&call.to);
            call.answered_by = call.answered_by.as_deref().map(mask::user);
        }
    }
    Ok(Json(calls))
}

/// Everything that this replica knows of a call; without entries if it knows none.
pub async fn call(
    State(remembered): State<Remembered>,
    Path((tenant, call)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    caller: Caller,
) -> Result<Json<RoleTrace>, Problem> {
    let tenant = allowed(&caller, &tenant, asked.numbers)?;
    let names = std::iter::once(call.as_str()).chain(asked.also.split_whitespace());
    let keys: Vec<Key> = names.take(KEYS_MAX).flat_map(Key::all).collect();
    let nobodys = asked.nobodys && caller.tenant().is_none();
    let found = remembered.recorder.find(&tenant, &keys, nobodys).await;
    let mut entries = found.entries;
    if !asked.numbers {
        entries.iter_mut().for_each(mask::entry);
    }
    Ok(Json(RoleTrace {
        role: remembered.role.to_owned(),
        node: remembered.node.clone(),
        since: remembered.recorder.since().map(model::Timestamp::as_micros),
        keeps: remembered.recorder.keeps().as_secs(),
        conn_ids: found.conn_ids.iter().map(ToString::to_string).collect(),
        uuids: found.uuids.iter().map(ToString::to_string).collect(),
        call_ids: found.call_ids,
        left_out: found.left_out,
        entries,
    }))
}

fn allowed(caller: &Caller, tenant: &str, numbers: bool) -> Result<TenantId, Problem> {
    let tenant = TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(READ_SCOPE)?;
    if numbers {
        caller.needs_scope(NUMBERS_SCOPE)?;
    }
    Ok(tenant)
}
