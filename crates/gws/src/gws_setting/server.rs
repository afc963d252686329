//! The routes of gws-setting, for gws-workspace alone.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use infra::bounds::{FAVOURITES_MAX, PERSONAL_SETTINGS_BYTES, PERSONAL_SETTINGS_MAX};
use infra::{FavouriteAgain, FavouriteKept, PersonalRecords, PersonalSetting, SettingKept, StoreError, TargetName};
use model::{TenantId, Timestamp};
use net::http::{Caller, JsonBody, Problem, StatusCode};
use prometheus_client::metrics::counter::Counter;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Metrics, entries};
use crate::setting_api::{
    Acknowledged, FavouriteList, RecentEntry, RecentList, SavedFavourite, SettingValue, setting_name_fault,
};

/// The role that asks.
const ASKS: &str = "gws-workspace";

/// What the routes share.
#[derive(Clone)]
struct ServedSettings {
    records: Arc<dyn PersonalRecords>,
    metrics: Metrics,
}

pub(super) fn router(records: Arc<dyn PersonalRecords>, metrics: Metrics) -> Router {
    Router::new()
        .route("/setting/v3/{tenant}/people/{person}/favourites", get(favourites).post(save_favourite))
        .route("/setting/v3/{tenant}/people/{person}/favourites/{type}/{id}", delete(remove_favourite))
        .route("/setting/v3/{tenant}/people/{person}/recents", get(recents).post(note_recent))
        .route("/setting/v3/{tenant}/people/{person}/recents/acknowledged", post(acknowledge))
        .route("/setting/v3/{tenant}/people/{person}/settings", get(settings))
        .route("/setting/v3/{tenant}/people/{person}/settings/{name}", put(save_setting).delete(remove_setting))
        .with_state(ServedSettings { records, metrics })
}

/// Whose it is.
#[derive(Deserialize)]
struct PersonPath {
    tenant: String,
    person: String,
}

#[derive(Deserialize)]
struct FavouritePath {
    tenant: String,
    person: String,
    #[serde(rename = "type")]
    target_type: String,
    id: String,
}

#[derive(Deserialize)]
struct SettingPath {
    tenant: String,
    person: String,
    name: String,
}

/// The tenant of a request, if it is gws-workspace that asks.
fn admitted(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(ASKS) {
        return Err(Problem::forbidden(format!("this is asked by the role {ASKS} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))
}

/// What the caller is told where the store has refused or failed.
fn told(error: &StoreError, person: &str) -> Problem {
    match error {
        // The rows are bound to their persons; nothing else of them can be wrong.
        StoreError::Invalid(_) => Problem::not_found(format!("there is no person {person}")),
        StoreError::NulInText => Problem::unprocessable("a text has the character 0"),
        _ => {
            tracing::warn!(%error, "what people keep cannot be read or written");
            Problem::unavailable("what people keep cannot be read or written now")
        }
    }
}

impl ServedSettings {
    /// Counts a question or a change, and what has become of it.
    fn settled<T>(&self, counted: &Counter, outcome: Result<T, StoreError>, person: &str) -> Result<T, Problem> {
        counted.inc();
        outcome.map_err(|error| {
            let problem = told(&error, person);
            if problem.status_code() == StatusCode::SERVICE_UNAVAILABLE {
                self.metrics.failed.inc();
            }
            problem
        })
    }

    /// Those that can be read.
    fn readable<K, E>(&self, kept: &[K], read: fn(&K) -> Option<E>) -> Vec<E> {
        let entries: Vec<E> = kept.iter().filter_map(read).collect();
        let unreadable = kept.len() - entries.len();
        if unreadable > 0 {
            tracing::error!(unreadable, "some of what a person keeps cannot be read");
            self.metrics.unreadable.inc_by(unreadable as u64);
        }
        entries
    }
}

// === favourites ===

async fn favourites(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
) -> Result<Json<FavouriteList>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let kept = served.records.favourites(&tenant, &person).await;
    let kept = served.settled(&served.metrics.read, kept, &person)?;
    Ok(Json(FavouriteList { favourites: served.readable(&kept, entries::favourite_entry) }))
}

async fn save_favourite(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
    JsonBody(saved): JsonBody<SavedFavourite>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let favourite = entries::favourite(&saved.favourite)?;
    let again = if saved.replaces { FavouriteAgain::Replaces } else { FavouriteAgain::Refused };
    let kept = served.records.keep_favourite(&tenant, &person, &favourite, again).await;
    match served.settled(&served.metrics.written, kept, &person)? {
        FavouriteKept::Kept => Ok(StatusCode::NO_CONTENT),
        FavouriteKept::AlreadyThere => Err(Problem::conflict("target: it is among the favourites already")),
        FavouriteKept::TooMany => {
            Err(Problem::conflict(format!("target: there are {FAVOURITES_MAX} favourites, as many as there may be")))
        }
    }
}

async fn remove_favourite(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(path): Path<FavouritePath>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &path.tenant)?;
    let target = TargetName { target_type: path.target_type, id: path.id };
    let removed = served.records.remove_favourite(&tenant, &path.person, &target).await;
    if served.settled(&served.metrics.written, removed, &path.person)? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!("there is no favourite {} {}", target.target_type, target.id)))
}

// === recents ===

async fn recents(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
) -> Result<Json<RecentList>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let kept = served.records.recents(&tenant, &person).await;
    let kept = served.settled(&served.metrics.read, kept, &person)?;
    Ok(Json(RecentList { recents: served.readable(&kept, entries::recent_entry) }))
}

async fn note_recent(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
    JsonBody(entry): JsonBody<RecentEntry>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let recent = entries::recent(&entry)?;
    let noted = served.records.note_recent(&tenant, &person, &recent).await;
    // One that is known to be later stays, and nothing is wrong with that.
    served.settled(&served.metrics.written, noted, &person).map(|_| StatusCode::NO_CONTENT)
}

async fn acknowledge(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
    JsonBody(known): JsonBody<Acknowledged>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let until = Timestamp::from_millis(known.until);
    let count = served.records.acknowledge_missed(&tenant, &person, until).await;
    let count = served.settled(&served.metrics.written, count, &person)?;
    Ok(Json(json!({"acknowledged": count})))
}

// === settings ===

async fn settings(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(PersonPath { tenant, person }): Path<PersonPath>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let kept = served.records.settings(&tenant, &person).await;
    let kept = served.settled(&served.metrics.read, kept, &person)?;
    let named: Map<String, Value> = served.readable(&kept, value_of).into_iter().collect();
    Ok(Json(json!({ "settings": named })))
}

fn value_of(setting: &PersonalSetting) -> Option<(String, Value)> {
    Some((setting.name.clone(), serde_json::from_str(&setting.value).ok()?))
}

async fn save_setting(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(SettingPath { tenant, person, name }): Path<SettingPath>,
    JsonBody(SettingValue { value }): JsonBody<SettingValue>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    if let Some(fault) = setting_name_fault(&name) {
        return Err(Problem::unprocessable(fault));
    }
    let setting = PersonalSetting { name, value: value.to_string() };
    let kept = served.records.keep_setting(&tenant, &person, &setting).await;
    match served.settled(&served.metrics.written, kept, &person)? {
        SettingKept::Kept => Ok(StatusCode::NO_CONTENT),
        SettingKept::TooMuch => Err(Problem::conflict(format!(
            "value: a person has up to {PERSONAL_SETTINGS_MAX} settings with {PERSONAL_SETTINGS_BYTES} bytes together"
        ))),
    }
}

async fn remove_setting(
    State(served): State<ServedSettings>,
    caller: Caller,
    Path(SettingPath { tenant, person, name }): Path<SettingPath>,
) -> Result<StatusCode, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let removed = served.records.remove_setting(&tenant, &person, &name).await;
    if served.settled(&served.metrics.written, removed, &person)? {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Problem::not_found(format!("there is no setting {name}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use infra::SystemClock;
    use infra::conformance::NoProvisioning;
    use runtime::RoleSpec;
    use runtime::token::{ServiceIssuer, TokenIssuer, TokenVerifier};

    use super::*;

    static WORKSPACE: RoleSpec = RoleSpec { opens: &["gws-31"], ..RoleSpec::bare("gws-workspace", 27) };

    fn served() -> ServedSettings {
        let metrics = Metrics::register(&runtime::Metrics::default());
        ServedSettings { records: Arc::new(NoProvisioning), metrics }
    }

    #[test]
    fn the_role_of_desktops_alone_asks_here() {
        let clock = Arc::new(SystemClock::start());
        let issuer = TokenIssuer::of_new_key(clock.clone()).unwrap();
        let workspace = ServiceIssuer::of_new_key(&WORKSPACE, clock.clone()).unwrap();
        let verifier = TokenVerifier::of(&issuer, &[&workspace]);
        let hour = Duration::from_secs(3_600);
        let program = issuer.issue(None, "gws-workspace/gws-workspace-1", "workspace:use", hour).unwrap();
        assert!(verifier.verify(&program, "gws-setting", &[]).is_err(), "the listener takes tokens of roles alone");
        let program = verifier.verify(&program, "gws-setting", &[runtime::ApiFamily::Gws]).unwrap();
        assert_eq!(admitted(&program, "acme").unwrap_err().status, 403);
        let token = workspace.token("gws-workspace-1", "gws-setting").unwrap();
        let workspace = verifier.verify(&token, "gws-setting", &[]).unwrap();
        assert_eq!(admitted(&workspace, "acme").unwrap().as_str(), "acme");
        assert_eq!(admitted(&workspace, "").unwrap_err().status, 400);
    }

    #[test]
    fn a_person_who_is_not_there_is_told_from_a_store_that_is_away() {
        let served = served();
        let settled = |error| served.settled::<()>(&served.metrics.read, Err(error), "ann").unwrap_err().status;
        assert_eq!(settled(StoreError::Invalid("foreign key".to_owned())), 404);
        assert_eq!(settled(StoreError::NulInText), 422);
        assert_eq!(served.metrics.failed.get(), 0);
        assert_eq!(settled(StoreError::Unavailable { reason: "away".to_owned() }), 503);
        assert_eq!((served.metrics.read.get(), served.metrics.failed.get()), (3, 1));
    }

    #[test]
    fn what_cannot_be_read_takes_nothing_else_along() {
        let served = served();
        let setting = |name: &str, value: &str| PersonalSetting { name: name.to_owned(), value: value.to_owned() };
        let read = served.readable(&[setting("a", "{"), setting("b", "[1]")], value_of);
        assert_eq!(read, [("b".to_owned(), json!([1]))]);
        assert_eq!(served.metrics.unreadable.get(), 1);
    }
}
