//! When people work: an agent's own shifts, and what those whom a supervisor looks after should do now. The published API has none of it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use model::Timestamp;
use net::http::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Workspace;
use super::super::request::DeskRequest;
use super::configuration::refused;
use super::targets::checked;
use super::users::check_supervisor;
use crate::sessions::answers::{self, ApiRefusal};

/// How far an agent looks back and ahead: a night behind, and the whole of the next day.
const BACK: Duration = Duration::from_secs(16 * 3_600);
const AHEAD: Duration = Duration::from_secs(40 * 3_600);
/// The most people of whom it is told what they should do: as many as tenant is asked about at once.
const PEOPLE_MAX: usize = 500;
/// What is planned where nothing else is.
const WORK: &str = "work";

/// `GET /schedule`: the shifts of the person that have a part in these days.
pub(in crate::gws_workspace) async fn own(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let person = request.session.sign_in().person;
    let now = workspace.parts.now();
    let span = (ms(now - BACK), ms(now + AHEAD));
    let told = workspace.parts.configuration.shifts(person.tenant, vec![person.user], span).await;
    let shifts = told.map_err(|fault| refused(&fault))?;
    Ok(answers::data(&json!({"now": ms(now), "shifts": shifts})))
}

/// Of which of those whom a supervisor looks after.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::gws_workspace) struct AskedSchedules {
    search_term: Option<String>,
    group_id: Option<String>,
}

/// `GET /supervisor/schedules`: what the agents of the groups that the person manages should do now; of all agents where the person manages
/// none. Of who has no shift now nothing is told.
pub(in crate::gws_workspace) async fn of_team(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(asked): Query<AskedSchedules>,
) -> Result<Response, ApiRefusal> {
    let session = request.session;
    check_supervisor(&session)?;
    let mut parameters = checked([("searchTerm", asked.search_term), ("groupId", asked.group_id)])?;
    let person = session.sign_in().person;
    parameters.extend([("manager", person.user), ("limit", PEOPLE_MAX.to_string())]);
    let configuration = &workspace.parts.configuration;
    let found = configuration.users(person.tenant.clone(), parameters).await.map_err(|fault| refused(&fault))?;
    let is_part = found.total > found.entries.len() as u64;
    let names = found.entries.iter().filter_map(|user| user["userName"].as_str().map(str::to_owned));
    let names: Vec<String> = names.take(PEOPLE_MAX).collect();
    let now = ms(workspace.parts.now());
    let mut shifts = Vec::new();
    if !names.is_empty() {
        let told = configuration.shifts(person.tenant, names, (now, now + 1)).await;
        shifts = told.map_err(|fault| refused(&fault))?;
    }
    let schedules: Vec<Value> = shifts.iter().filter_map(|shift| planned_at(shift, now)).collect();
    Ok(answers::data(&json!({"now": now, "schedules": schedules, "isPart": is_part})))
}

fn ms(at: Timestamp) -> u64 {
    at.as_millis()
}

fn is_at(planned: &Value, now: u64) -> bool {
    let at = |field: &str| planned[field].as_u64().unwrap_or_default();
    at("begin") <= now && now < at("end")
}

/// What a shift has planned for a moment; none outside of it.
fn planned_at(shift: &Value, now: u64) -> Option<Value> {
    if !is_at(shift, now) {
        return None;
    }
    let activities = shift["activities"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut told = match activities.iter().find(|activity| is_at(activity, now)) {
        Some(activity) => activity.clone(),
        None => between(shift, activities, now),
    };
    told["userName"] = shift["userName"].clone();
    Some(told)
}

/// The work between what is planned before and after.
fn between(shift: &Value, activities: &[Value], now: u64) -> Value {
    let at = |planned: &Value, field: &str| planned[field].as_u64().unwrap_or_default();
    let ended = activities.iter().map(|activity| at(activity, "end")).filter(|end| *end <= now).max();
    let begins = activities.iter().map(|activity| at(activity, "begin")).filter(|begin| *begin > now).min();
    let (begin, end) = (ended.unwrap_or_else(|| at(shift, "begin")), begins.unwrap_or_else(|| at(shift, "end")));
    json!({"type": WORK, "begin": begin, "end": end})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift() -> Value {
        json!({"userName": "ada", "begin": 100, "end": 200, "activities": [
            {"type": "break", "begin": 120, "end": 130, "reasonCode": "Tea"},
            {"type": "meeting", "begin": 180, "end": 200},
        ]})
    }

    #[test]
    fn at_each_moment_of_a_shift_one_thing_is_planned() {
        let at = |now| planned_at(&shift(), now);
        let work = |begin: u64, end: u64| json!({"type": "work", "begin": begin, "end": end, "userName": "ada"});
        let tea = json!({"type": "break", "begin": 120, "end": 130, "reasonCode": "Tea", "userName": "ada"});
        assert_eq!((at(100), at(119)), (Some(work(100, 120)), Some(work(100, 120))));
        assert_eq!((at(120), at(129)), (Some(tea.clone()), Some(tea)));
        assert_eq!(at(130), Some(work(130, 180)));
        assert_eq!(at(199).unwrap()["type"], "meeting");
        assert_eq!((at(99), at(200)), (None, None));
    }
}
