//! The routes of gws-setting, for gws-workspace alone.

use axum::extract::{Path, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use infra::bounds::{FAVOURITES_MAX, PERSONAL_SETTINGS_BYTES, PERSONAL_SETTINGS_MAX};
use infra::{FavouriteAgain, FavouriteKept, PersonalSetting, SettingKept, TargetName};
use model::Timestamp;
use net::http::{Caller, JsonBody, Problem, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::served::{PersonPath, ServedSettings, admitted};
use super::{contacts, entries};
use crate::setting_api::{
    Acknowledged, FavouriteList, RecentEntry, RecentList, SavedFavourite, SettingValue, setting_name_fault,
};

pub(super) fn router(served: ServedSettings) -> Router {
    Router::new()
        .route("/setting/v3/{tenant}/people/{person}/favourites", get(favourites).post(save_favourite))
        .route("/setting/v3/{tenant}/people/{person}/favourites/{type}/{id}", delete(remove_favourite))
        .route("/setting/v3/{tenant}/people/{person}/recents", get(recents).post(note_recent))
        .route("/setting/v3/{tenant}/people/{person}/recents/acknowledged", post(acknowledge))
        .route("/setting/v3/{tenant}/people/{person}/settings", get(settings))
        .route("/setting/v3/{tenant}/people/{person}/settings/{name}", put(save_setting).delete(remove_setting))
        .merge(contacts::routes())
        .with_state(served)
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
