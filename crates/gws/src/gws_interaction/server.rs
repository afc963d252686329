//! The routes of gws-interaction, for gws-workspace alone.

use axum::extract::{Path, State};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use infra::StoreError;
use model::TenantId;
use net::http::{Caller, JsonBody, Problem, StatusCode};
use serde::Deserialize;

use super::metrics::Metrics;
use super::open_interactions::{NoteFault, OpenInteractions};
use crate::interaction_api::{InteractionList, InteractionOperation, OpenInteraction};

/// The role that asks.
const ASKS: &str = "gws-workspace";

/// What the routes share.
#[derive(Clone)]
struct ServedInteractions {
    open: OpenInteractions,
    metrics: Metrics,
}

pub(super) fn router(open: OpenInteractions, metrics: Metrics) -> Router {
    Router::new()
        .route("/interaction/v3/{tenant}/people/{person}/interactions", get(all).post(note))
        .route("/interaction/v3/{tenant}/people/{person}/interactions/{media}/{id}", delete(forget))
        .route("/interaction/v3/{tenant}/people/{person}/operations", post(operate))
        .with_state(ServedInteractions { open, metrics })
}

/// Whose it is.
#[derive(Deserialize)]
struct PersonPath {
    tenant: String,
    person: String,
}

#[derive(Deserialize)]
struct InteractionPath {
    tenant: String,
    person: String,
    media: String,
    id: String,
}

/// The tenant of a request, if it is gws-workspace that asks.
fn admitted(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(ASKS) {
        return Err(Problem::forbidden(format!("this is asked by the role {ASKS} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))
}

impl ServedInteractions {
    fn away(&self, error: &StoreError) -> Problem {
        tracing::warn!(%error, "what people have open cannot be read or written");
        self.metrics.failed.inc();
        Problem::unavailable("what people have open cannot be read or written now")
    }

    fn unnoted(&self, fault: &NoteFault) -> Problem {
        match fault {
            NoteFault::TooMany => Problem::conflict(fault.to_string()),
            NoteFault::Store(error) => self.away(error),
        }
    }
}

/// What a person has open.
async fn all(
    State(served): State<ServedInteractions>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
) -> Result<Json<InteractionList>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    served.metrics.read.inc();
    let interactions = served.open.of(&tenant, &person).await.map_err(|error| served.away(&error))?;
    Ok(Json(InteractionList { interactions }))
}

/// A person has opened an interaction.
async fn note(
    State(served): State<ServedInteractions>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
    JsonBody(opened): JsonBody<OpenInteraction>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    if let Some(fault) = opened.fault() {
        return Err(Problem::unprocessable(fault));
    }
    served.metrics.written.inc();
    let noted = served.open.note(&tenant, &person, &opened).await;
    noted.map(|()| StatusCode::NO_CONTENT).map_err(|fault| served.unnoted(&fault))
}

/// A person has closed an interaction, which may not have been open.
async fn forget(
    State(served): State<ServedInteractions>,
    caller: Caller,
    Path(path): Path<InteractionPath>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &path.tenant)?;
    served.metrics.written.inc();
    let forgotten = served.open.forget(&tenant, &path.person, &path.media, &path.id).await;
    forgotten.map(|()| StatusCode::NO_CONTENT).map_err(|fault| served.unnoted(&fault))
}

/// What Interaction Server would carry out, which there is not.
async fn operate(
    State(served): State<ServedInteractions>,
    caller: Caller,
    Path(PersonPath { tenant, .. }): Path<PersonPath>,
    JsonBody(asked): JsonBody<InteractionOperation>,
) -> Result<StatusCode, Problem> {
    admitted(&caller, &tenant)?;
    served.metrics.refused.inc();
    Err(refused(&asked.operation))
}

fn refused(operation: &str) -> Problem {
    Problem::unavailable(format!(
        "interaction-server: there is no such service yet, which carries {operation:.128} out"
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use infra::SystemClock;
    use runtime::RoleSpec;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};

    use super::*;

    static WORKSPACE_SPEC: RoleSpec = RoleSpec { opens: &["own-36"], ..RoleSpec::bare("gws-workspace", 27) };

    #[test]
    fn the_role_of_desktops_alone_asks_here() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let workspace = ServiceIssuer::of_new_key(&WORKSPACE_SPEC, clock.clone()).unwrap();
        let verifier = TokenVerifier::of(&issuer, &[&workspace]);
        let token = workspace.token("gws-workspace-1", "gws-interaction").unwrap();
        let workspace = verifier.verify(&token, "gws-interaction", &[]).unwrap();
        assert_eq!(admitted(&workspace, "acme").unwrap().as_str(), "acme");
        assert_eq!(admitted(&workspace, "").unwrap_err().status, 400);
    }

    #[test]
    fn a_refusal_names_the_service_that_is_missing_and_the_operation() {
        let told = refused("media/chat/ready");
        let words = told.detail.clone().unwrap_or_default();
        assert!(told.status == 503 && words.starts_with("interaction-server: "), "{told}");
        assert!(words.contains("media/chat/ready"), "{words}");
    }
}
