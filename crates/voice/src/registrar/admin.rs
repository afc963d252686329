//! What operators are told about registrations with carriers: `/carriers/{tenant}` on the admin port.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use contracts::carrier_registration::CarrierRegistration;
use model::TenantId;
use net::http::{Caller, Problem};
use runtime::scope;
use tokio::sync::watch;

type Rows = BTreeMap<TenantId, Vec<CarrierRegistration>>;

/// The registrations, as the loop last knew them.
#[derive(Clone, Default)]
pub(super) struct ToldRegistrations(Arc<watch::Sender<Rows>>);

impl ToldRegistrations {
    /// Takes these rows in place of what was told of their tenants.
    pub fn publish(&self, changed: Rows) {
        self.0.send_modify(|told| {
            for (tenant, rows) in changed {
                if rows.is_empty() {
                    told.remove(&tenant);
                } else {
                    told.insert(tenant, rows);
                }
            }
        });
    }

    /// The registrations of a tenant.
    pub fn rows(&self, tenant: &TenantId) -> Vec<CarrierRegistration> {
        self.0.borrow().get(tenant).cloned().unwrap_or_default()
    }
}

/// The routes.
pub(super) fn router(told: ToldRegistrations) -> Router {
    Router::new().route("/carriers/{tenant}", get(list)).with_state(told)
}

async fn list(
    State(told): State<ToldRegistrations>,
    Path(tenant): Path<String>,
    caller: Caller,
) -> Result<Json<Vec<CarrierRegistration>>, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|error| Problem::bad_request(error.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(scope::OPERATE)?;
    Ok(Json(told.rows(&tenant)))
}
