//! The routes of gws-data-collector, for gws-workspace alone, which has verified who is at the desktop.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use infra::{
    Clock, Collection, FoundPlace, FoundTarget, FoundTargets, MonitoredState, SearchStore, StoreError, TargetSearch,
};
use model::{TenantId, Timestamp};
use net::http::{Caller, JsonBody, Problem, Query, StatusCode};
use runtime::RoleContext;
use serde::Deserialize;
use serde_json::Value;

use super::metrics::{Metrics, SearchOutcome};
use super::positions::{SearchPosition, SearchPositions};
use super::tenants::CollectedTenants;
use crate::data_collector_api::{
    AskedStates, CollectedTargets, ContactState, STATES_MAX, ToldStates, monitored, state_id, statistic_of,
};
use crate::directory::DirectoryQuery;

/// The role that asks.
const ASKS: &str = "gws-workspace";
/// How long a search waits for a tenant that was not collected yet: gws-workspace asks elsewhere after a second.
const COLLECTED_WITHIN: Duration = Duration::from_millis(800);
/// How often it looks meanwhile: another replica may collect it.
const LOOKED_EACH: Duration = Duration::from_millis(200);
/// What was collected is searched for as long after nobody has compared it with the configuration any more.
const CHECKED_MAX: Duration = Duration::from_secs(60);
/// States are told for as long after it was known last that each change comes.
const HEARD_MAX: Duration = Duration::from_secs(10);

/// What the routes share.
#[derive(Clone)]
struct ServedCollector {
    tenants: CollectedTenants,
    store: Arc<dyn SearchStore>,
    positions: SearchPositions,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

pub(super) fn router(ctx: &RoleContext, tenants: CollectedTenants, metrics: Metrics) -> Router {
    let served = ServedCollector {
        tenants,
        store: ctx.stores.search.clone(),
        positions: SearchPositions::new(ctx),
        clock: ctx.clock.clone(),
        metrics,
    };
    Router::new()
        .route("/data-collector/v3/{tenant}/targets", get(targets))
        .route("/data-collector/v3/{tenant}/states", post(states))
        .with_state(served)
}

/// The tenant of a request, if it is gws-workspace that asks.
fn admitted(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(ASKS) {
        return Err(Problem::forbidden(format!("this is asked by the role {ASKS} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))
}

/// Who searches, and perhaps where the search goes on.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Searcher {
    person: String,
    /// Whether it may go on behind what is told.
    #[serde(default)]
    pages: bool,
    continue_from: Option<String>,
}

/// Whom and what a call can be given to, with their states.
async fn targets(
    State(served): State<ServedCollector>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(searcher): Query<Searcher>,
    Query(query): Query<DirectoryQuery>,
) -> Result<Json<CollectedTargets>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let asked = match &searcher.continue_from {
        Some(token) => served.gone_on(&tenant, &searcher.person, token).await?,
        None => query.read().map_err(Problem::bad_request)?,
    };
    let is_paged = searcher.pages || searcher.continue_from.is_some();
    served.answer(&tenant, asked, is_paged.then_some(searcher.person)).await.map(Json)
}

/// The states of objects.
async fn states(
    State(served): State<ServedCollector>,
    caller: Caller,
    Path(tenant): Path<String>,
    JsonBody(asked): JsonBody<AskedStates>,
) -> Result<Json<ToldStates>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    if asked.objects.len() > STATES_MAX {
        return Err(Problem::unprocessable(format!("objects: there are more than {STATES_MAX}")));
    }
    served.tenants.follow(&tenant)?;
    served.metrics.states_asked.inc();
    if asked.objects.is_empty() {
        return Ok(Json(ToldStates::default()));
    }
    let is_monitored = |kind: &str| statistic_of(kind).is_some();
    let ids = asked.objects.iter().filter(|object| is_monitored(&object.object_type));
    let ids = ids.map(|object| state_id(&object.object_type, &object.object_id)).collect();
    let collection = served.store.collection(&tenant).await.map_err(|error| away(&error))?;
    let states = served.states(&tenant, collection, ids).await.ok_or_else(not_heard)?;
    Ok(Json(ToldStates { states }))
}

fn away(error: &StoreError) -> Problem {
    tracing::debug!(%error, "the store of what is searched does not answer");
    Problem::unavailable("the store of what is searched does not answer now")
}

fn not_collected() -> Problem {
    Problem::unavailable("the tenant is being collected")
}

fn not_heard() -> Problem {
    Problem::unavailable("the states of the tenant are not followed now")
}

impl ServedCollector {
    /// A search that goes on.
    async fn gone_on(&self, tenant: &TenantId, person: &str, token: &str) -> Result<TargetSearch, Problem> {
        let found = self.positions.find(tenant, person, token).await.map_err(|error| away(&error))?;
        let gone = || Problem::new(StatusCode::GONE, "gone", "the search is too old to go on");
        let position = found.ok_or_else(gone)?;
        self.metrics.gone_on.inc();
        Ok(position.asked)
    }

    /// The answer to a search, which goes on for that person.
    async fn answer(
        &self,
        tenant: &TenantId,
        asked: TargetSearch,
        pages_for: Option<String>,
    ) -> Result<CollectedTargets, Problem> {
        let found = self.searched(tenant, &asked).await?;
        let shown = |target: &FoundTarget| serde_json::from_str::<Value>(&target.shown).ok();
        let targets: Vec<Value> = found.targets.iter().filter_map(shown).collect();
        let ids: Vec<String> = targets.iter().filter_map(|target| Some(monitored(target)?.id())).collect();
        let states = self.states(tenant, found.collection, ids).await.unwrap_or_default();
        // Of a search that goes on, nobody knows how many were told before: it ends with a page that is not full.
        let is_full = found.targets.len() == asked.limit && asked.limit > 0;
        let is_more = is_full && (asked.after.is_some() || found.total > found.targets.len() as u64);
        let last = found.targets.last().filter(|_| is_more).map(|target| target.place.clone());
        let continue_from = match (last, pages_for) {
            (Some(last), Some(person)) => self.positions.keep(tenant, &behind(person, asked, last)).await,
            _ => None,
        };
        Ok(CollectedTargets { targets, total_matches: found.total, states, continue_from })
    }

    /// Searches a tenant, for which it waits a moment where it is not collected yet.
    async fn searched(&self, tenant: &TenantId, asked: &TargetSearch) -> Result<FoundTargets, Problem> {
        let mut collected = self.tenants.follow(tenant)?;
        let until = tokio::time::Instant::now() + COLLECTED_WITHIN;
        loop {
            collected.borrow_and_update();
            match self.store.search(tenant, asked).await {
                Ok(found) if self.is_checked(found.collection) => {
                    self.metrics.searches.inc(SearchOutcome::Answered);
                    return Ok(found);
                }
                // Nobody has collected it for a while, or not yet.
                Ok(_) | Err(StoreError::Missing { .. }) => {}
                Err(error) => {
                    self.metrics.searches.inc(SearchOutcome::Failed);
                    return Err(away(&error));
                }
            }
            if tokio::time::Instant::now() >= until {
                self.metrics.searches.inc(SearchOutcome::NotCollected);
                return Err(not_collected());
            }
            tokio::select! {
                Ok(()) = collected.changed() => {}
                () = tokio::time::sleep(LOOKED_EACH) => {}
            }
        }
    }

    fn is_checked(&self, collection: Option<Collection>) -> bool {
        collection.is_some_and(|collection| self.clock.wall().since(collection.checked_at) < CHECKED_MAX)
    }

    /// The states of objects; none where not each change of them comes.
    async fn states(
        &self,
        tenant: &TenantId,
        collection: Option<Collection>,
        ids: Vec<String>,
    ) -> Option<Vec<ContactState>> {
        let heard_at = collection.map(|collection| collection.heard_at)?;
        if self.clock.wall().since(heard_at) >= HEARD_MAX {
            return None;
        }
        let told = self.store.states(tenant, &ids).await;
        let told = told.inspect_err(|error| tracing::debug!(%error, "states cannot be read")).ok()?;
        Some(told.iter().filter_map(|state| contact_state(state, heard_at)).collect())
    }
}

/// Where a search goes on behind a place.
fn behind(person: String, asked: TargetSearch, last: FoundPlace) -> SearchPosition {
    SearchPosition { person, asked: TargetSearch { after: Some(last), ..asked } }
}

/// A state as it is told. It was true when each change of it was known last, whenever it has begun.
fn contact_state(state: &MonitoredState, heard_at: Timestamp) -> Option<ContactState> {
    let (object_type, object_id) = state.id.split_once('/')?;
    Some(ContactState {
        object_type: object_type.to_owned(),
        object_id: object_id.to_owned(),
        timestamp: state.at.max(heard_at).as_millis(),
        value: serde_json::from_str(&state.value).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use infra::SystemClock;
    use runtime::RoleSpec;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};
    use serde_json::json;

    use super::*;

    static WORKSPACE_SPEC: RoleSpec = RoleSpec { opens: &["gws-15"], ..RoleSpec::bare("gws-workspace", 27) };

    #[test]
    fn the_role_of_desktops_alone_asks_here() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let workspace = ServiceIssuer::of_new_key(&WORKSPACE_SPEC, clock.clone()).unwrap();
        let verifier = TokenVerifier::of(&issuer, &[&workspace]);
        let token = workspace.token("gws-workspace-1", "gws-data-collector").unwrap();
        let workspace = verifier.verify(&token, "gws-data-collector", &[]).unwrap();
        assert_eq!(admitted(&workspace, "acme").unwrap().as_str(), "acme");
        assert_eq!(admitted(&workspace, "").unwrap_err().status, 400);
        let hour = Duration::from_secs(3_600);
        let program = issuer.issue(None, "gws-workspace/gws-workspace-1", "calls:read", hour).unwrap();
        let program = verifier.verify(&program, "gws-data-collector", &[runtime::ApiFamily::Voice]).unwrap();
        assert_eq!(admitted(&program, "acme").unwrap_err().status, 403);
    }

    #[test]
    fn a_state_is_told_with_its_object() {
        let state = MonitoredState {
            id: "GroupAgents/Day/Night".to_owned(),
            at: Timestamp::from_millis(7),
            value: "3".to_owned(),
        };
        let told = contact_state(&state, Timestamp::from_millis(5)).unwrap();
        assert_eq!((told.object_type.as_str(), told.object_id.as_str()), ("GroupAgents", "Day/Night"));
        assert_eq!((told.timestamp, told.value), (7, json!(3)));
        // It has not changed since.
        assert_eq!(contact_state(&state, Timestamp::from_millis(9)).unwrap().timestamp, 9);
    }
}
