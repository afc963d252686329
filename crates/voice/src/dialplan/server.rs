//! HTTP 8800.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use infra::{Clock, Registration, Registrations};
use model::plan::{Caller as CallingParty, Contact, Destination};
use model::{Dn, TenantId};
use net::http::JsonBody;
use runtime::{Caller, Problem};
use serde::Deserialize;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::metrics::Metrics;
use super::plans::Plans;

/// How long unavailable registrations are queried again; sip-cluster waits a little longer for the destination.
const READ_WITHIN: Duration = Duration::from_secs(3);
/// The pause between these queries.
const READ_AGAIN: Duration = Duration::from_millis(100);

/// The inputs of a resolution.
#[derive(Clone)]
pub(super) struct Resolver {
    plans: Plans,
    registrations: Arc<dyn Registrations>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Resolver {
    pub fn new(plans: Plans, registrations: Arc<dyn Registrations>, clock: Arc<dyn Clock>, metrics: Metrics) -> Self {
        Self { plans, registrations, clock, metrics }
    }
}

pub(super) fn router(resolver: Resolver) -> Router {
    Router::new().route("/tenants/{tenant}/resolve", post(resolve)).with_state(resolver)
}

#[derive(Deserialize)]
struct Question {
    caller: Calling,
    dialled: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Calling {
    Phone { phone: String },
    Trunk { trunk: String, number: String },
}

async fn resolve(
    State(resolver): State<Resolver>,
    caller: Caller,
    Path(tenant): Path<String>,
    JsonBody(question): JsonBody<Question>,
) -> Result<axum::Json<Json>, Problem> {
    let tenant = TenantId::parse(&tenant).map_err(|e| Problem::bad_request(e.to_string()))?;
    caller.may_act_for(&tenant)?;
    caller.needs_scope(runtime::scope::DIALPLAN)?;
    let calling = match question.caller {
        Calling::Phone { phone } => {
            CallingParty::Phone(Dn::parse(&phone).map_err(|e| Problem::bad_request(e.to_string()))?)
        }
        Calling::Trunk { trunk, number } => CallingParty::Trunk { trunk, number },
    };
    let destination = resolver.resolve(&tenant, &calling, &question.dialled).await?;
    Ok(axum::Json(contracts::json::destination_to_json(&destination)))
}

impl Resolver {
    async fn resolve(&self, tenant: &TenantId, caller: &CallingParty, dialled: &str) -> Result<Destination, Problem> {
        let plan = self.plans.of(tenant)?;
        let mut destination = call::dial_plan::resolve(&plan, caller, dialled, |_| Vec::new());
        // The rules are pure; the phone's contacts are in the store.
        if let Destination::Extension { dn, contacts, .. } = &mut destination {
            *contacts = self.contacts(tenant, dn).await?;
        }
        let is_refused = matches!(destination, Destination::Reject { .. });
        let counter = if is_refused { &self.metrics.refused } else { &self.metrics.resolved };
        counter.inc();
        Ok(destination)
    }

    /// The registrations of a phone. An unavailable store is queried again: the caller then hears ringing a little later.
    async fn registration(&self, tenant: &TenantId, dn: &Dn) -> infra::Result<Registration> {
        let until = Instant::now() + READ_WITHIN;
        loop {
            match self.registrations.load(tenant, dn).await {
                Err(infra::StoreError::Unavailable { .. }) if Instant::now() + READ_AGAIN < until => {
                    tokio::time::sleep(READ_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// The contacts of a phone, newest first.
    async fn contacts(&self, tenant: &TenantId, dn: &Dn) -> Result<Vec<Contact>, Problem> {
        let registration = self.registration(tenant, dn).await.map_err(|error| {
            tracing::warn!(%tenant, %dn, %error, "the registrations cannot be read");
            Problem::unavailable("the registrations cannot be read")
        })?;
        let now = self.clock.now();
        let mut bindings = registration.bindings;
        bindings.retain(|binding| binding.expires_at > now);
        bindings.sort_by_key(|binding| std::cmp::Reverse(binding.refreshed_at));
        Ok(bindings.into_iter().map(|binding| binding.contact).collect())
    }
}
