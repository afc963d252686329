//! What the person at a desktop keeps: favourites, recents, settings. gws-setting has them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use model::Timestamp;
use net::http::{Query, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::super::Workspace;
use super::super::behind::{SettingFault, SettingQuestion};
use super::super::request::DeskRequest;
use crate::sessions::answers::{self, ApiRefusal, read_body};
use crate::setting_api::{
    Acknowledged, FavouriteEntry, FavouriteList, KeptTarget, RecentEntry, RecentList, SavedFavourite, SettingValue,
    setting_name_fault,
};
use crate::stable_hash;

/// How many entries are told where the request does not say it.
const TOLD: usize = 50;
/// The type of a target whose type is not told.
pub(super) const UNTYPED: &str = "custom-contact";
/// The types that published clients in Java do not know: they read no list with one of them.
const UNREAD: [&str; 2] = ["contact", "interaction-queue"];
/// The greatest number of a target: published clients in Java read an `Integer`.
const NUMBER_MAX: u64 = (1 << 31) - 1;

impl From<SettingFault> for ApiRefusal {
    fn from(fault: SettingFault) -> Self {
        match fault {
            SettingFault::Refused(problem) if problem.status_code() == StatusCode::UNPROCESSABLE_ENTITY => {
                Self::bad_request(problem.detail.unwrap_or(problem.title))
            }
            SettingFault::Refused(problem) => problem.into(),
            SettingFault::Away => Self::unavailable(fault.to_string()),
        }
    }
}

pub(super) async fn ask(
    workspace: &Workspace,
    request: &DeskRequest,
    question: SettingQuestion,
) -> Result<Value, ApiRefusal> {
    let sign_in = request.session.sign_in();
    Ok(workspace.parts.setting.ask(sign_in.person.tenant, sign_in.person.user, question).await?)
}

/// What gws-setting has told.
pub(super) fn read<T: DeserializeOwned>(told: Value) -> Result<T, ApiRefusal> {
    serde_json::from_value(told).map_err(|error| {
        tracing::warn!(%error, "what gws-setting tells cannot be read");
        ApiRefusal::internal()
    })
}

/// Which entries are wanted, and how many.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::gws_workspace) struct WantedEntries {
    limit: Option<usize>,
    types: Option<String>,
}

impl WantedEntries {
    /// Whether those of a type are: without a word about it, those that published clients can read.
    fn has_type(&self, target_type: &str) -> bool {
        match self.types.as_deref().filter(|types| !types.trim().is_empty()) {
            Some(types) => types.split(',').any(|wanted| plain_type(wanted.trim()) == target_type),
            None => !UNREAD.contains(&target_type),
        }
    }
}

fn told_targets(mut all: Vec<Value>, wanted: &WantedEntries) -> Response {
    all.retain(|target| target["type"].as_str().is_some_and(|target_type| wanted.has_type(target_type)));
    let total = all.len();
    let targets: Vec<Value> = all.into_iter().take(wanted.limit.unwrap_or(TOLD)).collect();
    answers::data(&json!({"targets": targets, "totalMatches": total}))
}

// === favourites ===

async fn all_favourites(workspace: &Workspace, request: &DeskRequest) -> Result<Vec<FavouriteEntry>, ApiRefusal> {
    let told = ask(workspace, request, SettingQuestion::Favourites).await?;
    read::<FavouriteList>(told).map(|list| list.favourites)
}

/// `GET /targets/personal-favorites`: the one that was saved last first.
pub(in crate::gws_workspace) async fn favourites(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(wanted): Query<WantedEntries>,
) -> Result<Response, ApiRefusal> {
    let favourites = all_favourites(&workspace, &request).await?;
    let shown = |entry: &FavouriteEntry| {
        let mut target = shown(&entry.target);
        target.insert("category".to_owned(), entry.category.as_str().into());
        Value::Object(target)
    };
    Ok(told_targets(favourites.iter().map(shown).collect(), &wanted))
}

/// `POST /targets/personal-favorites/save`.
pub(in crate::gws_workspace) async fn save_favourite(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let saved = saved_favourite(&read_body(&body)?, workspace.parts.now())?;
    ask(&workspace, &request, SettingQuestion::SaveFavourite(Box::new(saved))).await?;
    Ok(answers::done())
}

fn saved_favourite(body: &Value, now: Timestamp) -> Result<SavedFavourite, ApiRefusal> {
    let data = part(body, "data")?;
    let target = read_target(part(data, "target")?)?;
    let category = text(data, "category", "category")?.unwrap_or_default();
    let replaces = match data.get("ignoreDuplication") {
        None | Some(Value::Null) => false,
        Some(flag) => {
            flag.as_bool().ok_or_else(|| ApiRefusal::bad_request("ignoreDuplication: it is neither true nor false"))?
        }
    };
    let favourite = FavouriteEntry { target, category, at: now.as_millis() };
    faultless(favourite.fault())?;
    Ok(SavedFavourite { favourite, replaces })
}

/// `POST /targets/personal-favorites/delete/{type}/{id}`; by the `DBID` that answers tell, too.
pub(in crate::gws_workspace) async fn remove_favourite(
    State(workspace): State<Arc<Workspace>>,
    Path((target_type, id)): Path<(String, String)>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let favourites = all_favourites(&workspace, &request).await?;
    let target_type = plain_type(&target_type);
    let meant = meant(&favourites, &target_type, &id).cloned();
    let no_such = || ApiRefusal::not_found(format!("there is no favourite {target_type:.64} {id:.64}"));
    let KeptTarget { target_type: of_type, id: own, .. } = meant.ok_or_else(no_such)?;
    let question = SettingQuestion::RemoveFavourite { target_type: of_type, id: own };
    match ask(&workspace, &request, question).await {
        // Somebody else has removed it just now, or the answer to that was lost.
        Err(refusal) if refusal.status() == StatusCode::NOT_FOUND => Ok(answers::done()),
        done => done.map(|_| answers::done()),
    }
}

fn meant<'a>(favourites: &'a [FavouriteEntry], target_type: &str, id: &str) -> Option<&'a KeptTarget> {
    let of_type = || favourites.iter().map(|entry| &entry.target).filter(|target| target.target_type == target_type);
    of_type().find(|target| target.id == id).or_else(|| of_type().find(|target| number_of(target).to_string() == id))
}

// === recents ===

/// `GET /targets/recents`: the latest first.
pub(in crate::gws_workspace) async fn recents(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    Query(wanted): Query<WantedEntries>,
) -> Result<Response, ApiRefusal> {
    let told = ask(&workspace, &request, SettingQuestion::Recents).await?;
    let recents = read::<RecentList>(told)?.recents;
    Ok(told_targets(recents.iter().map(shown_recent).collect(), &wanted))
}

fn shown_recent(entry: &RecentEntry) -> Value {
    let mut information = json!({"media": entry.media, "timeStamp": entry.at, "isMissed": entry.is_missed});
    if let (Some(call_type), Value::Object(fields)) = (&entry.call_type, &mut information) {
        fields.insert("callType".to_owned(), call_type.as_str().into());
    }
    let mut target = shown(&entry.target);
    target.insert("recentInformation".to_owned(), information);
    Value::Object(target)
}

/// `POST /targets/recents/add`.
pub(in crate::gws_workspace) async fn add_recent(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    let recent = added_recent(&read_body(&body)?, workspace.parts.now())?;
    ask(&workspace, &request, SettingQuestion::NoteRecent(Box::new(recent))).await?;
    Ok(answers::done())
}

fn added_recent(body: &Value, now: Timestamp) -> Result<RecentEntry, ApiRefusal> {
    let data = part(body, "data")?;
    let target = read_target(part(data, "target")?)?;
    let none = json!({});
    let information = data.get("recentInformation").filter(|it| !it.is_null()).unwrap_or(&none);
    let at = match information.get("timeStamp") {
        None | Some(Value::Null) => now.as_millis(),
        Some(time) => {
            let time = time.as_u64();
            let time = time.ok_or_else(|| ApiRefusal::bad_request("timeStamp: it is no count of milliseconds"))?;
            // What is to come is not recent.
            time.min(now.as_millis())
        }
    };
    let media = text(information, "media", "media")?.unwrap_or_default();
    let recent = RecentEntry { target, media, call_type: None, at, is_missed: false };
    faultless(recent.fault())?;
    Ok(recent)
}

/// `POST /targets/recents/ack-missed-calls`.
pub(in crate::gws_workspace) async fn acknowledge(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let known = Acknowledged { until: workspace.parts.now().as_millis() };
    ask(&workspace, &request, SettingQuestion::Acknowledge(known)).await?;
    Ok(answers::done())
}

// === settings ===

/// `GET /settings`: all of the person, by name.
pub(in crate::gws_workspace) async fn settings(
    State(workspace): State<Arc<Workspace>>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    Ok(answers::data(&ask(&workspace, &request, SettingQuestion::Settings).await?))
}

/// `GET /settings/{name}`.
pub(in crate::gws_workspace) async fn setting(
    State(workspace): State<Arc<Workspace>>,
    Path(name): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    let told = ask(&workspace, &request, SettingQuestion::Settings).await?;
    let value = told.get("settings").and_then(|all| all.get(&name));
    let value = value.ok_or_else(|| ApiRefusal::not_found(format!("there is no setting {name:.64}")))?;
    Ok(answers::data(&json!({"name": name, "value": value})))
}

/// `POST /settings/{name}`.
pub(in crate::gws_workspace) async fn save_setting(
    State(workspace): State<Arc<Workspace>>,
    Path(name): Path<String>,
    request: DeskRequest,
    body: Bytes,
) -> Result<Response, ApiRefusal> {
    faultless(setting_name_fault(&name))?;
    let body = read_body(&body)?;
    let value = part(&body, "data")?.get("value");
    let value = value.ok_or_else(|| ApiRefusal::bad_request("value: it is missing"))?.clone();
    ask(&workspace, &request, SettingQuestion::SaveSetting { name, value: SettingValue { value } }).await?;
    Ok(answers::done())
}

/// `DELETE /settings/{name}`.
pub(in crate::gws_workspace) async fn remove_setting(
    State(workspace): State<Arc<Workspace>>,
    Path(name): Path<String>,
    request: DeskRequest,
) -> Result<Response, ApiRefusal> {
    faultless(setting_name_fault(&name))?;
    ask(&workspace, &request, SettingQuestion::RemoveSetting { name }).await?;
    Ok(answers::done())
}

// === targets ===

pub(super) fn faultless(fault: Option<String>) -> Result<(), ApiRefusal> {
    fault.map_or(Ok(()), |fault| Err(ApiRefusal::bad_request(fault)))
}

/// A part of a body that has to be there.
pub(super) fn part<'a>(of: &'a Value, name: &str) -> Result<&'a Value, ApiRefusal> {
    let found = of.get(name).filter(|found| found.is_object());
    found.ok_or_else(|| ApiRefusal::bad_request(format!("{name}: it is missing, or no object")))
}

/// A text, if it is there and not empty.
pub(super) fn text(of: &Value, name: &str, shown: &str) -> Result<Option<String>, ApiRefusal> {
    match of.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Some(_) => Err(ApiRefusal::bad_request(format!("{shown}: it is no text"))),
    }
}

/// A list of texts. Published clients write one null where they have none.
fn texts(of: &Value, name: &str) -> Result<Vec<String>, ApiRefusal> {
    let wrong = || ApiRefusal::bad_request(format!("{name}: it is no list of texts"));
    match of.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => {
            let list = list.as_array().ok_or_else(wrong)?;
            let texts = list.iter().filter(|text| !text.is_null());
            texts.map(|text| text.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
    }
}

/// Types are written in capitals with underscores, too.
fn plain_type(written: &str) -> String {
    written.to_lowercase().replace('_', "-")
}

/// A target of a body. One without an id goes by its first number, or else its first e-mail address, or else by what it is called.
fn read_target(target: &Value) -> Result<KeptTarget, ApiRefusal> {
    let given_id = match (target.get("id"), target.get("DBID")) {
        (Some(Value::Number(number)), _) | (None | Some(Value::Null), Some(Value::Number(number))) => {
            Some(number.to_string())
        }
        _ => text(target, "id", "id")?,
    };
    let own = |name: &str| text(target, name, name);
    let (number, numbers, emails) = (own("number")?, texts(target, "numbers")?, texts(target, "emailAddresses")?);
    let name = own("name")?;
    let by_reach = || {
        let mut known = number.iter().chain(&numbers).chain(&emails).chain(&name);
        known.find(|text| !text.is_empty()).cloned()
    };
    Ok(KeptTarget {
        target_type: plain_type(&own("type")?.unwrap_or_else(|| UNTYPED.to_owned())),
        id: given_id.or_else(by_reach).unwrap_or_default(),
        name,
        first_name: own("firstName")?,
        last_name: own("lastName")?,
        user_name: own("userName")?,
        employee_id: own("employeeId")?,
        switch_name: own("switchName")?,
        number,
        email_addresses: emails,
        numbers,
    })
}

/// The number (`DBID`) of a target: its id where that is one, else one that stays the same.
fn number_of(target: &KeptTarget) -> u64 {
    let own = target.id.parse::<u64>().ok().filter(|number| {
        // Telephone numbers begin with zeros, and are no numbers of objects.
        (1..=NUMBER_MAX).contains(number) && number.to_string() == target.id && target.target_type != UNTYPED
    });
    let derived = || stable_hash::of(&[target.target_type.as_bytes(), target.id.as_bytes()]) % NUMBER_MAX + 1;
    own.unwrap_or_else(derived)
}

/// A target as published clients read it: none is without `DBID` and type. Whether it is available is not told here.
pub(super) fn shown(target: &KeptTarget) -> Map<String, Value> {
    let mut shown = match serde_json::to_value(target) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    shown.insert("DBID".to_owned(), number_of(target).into());
    let whole_name =
        [&target.first_name, &target.last_name].into_iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let called = [whole_name, target.user_name.clone().unwrap_or_default(), target.id.clone()];
    let name = called.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    shown.entry("name").or_insert_with(|| name.into());
    if let Some(number) = target.numbers.first() {
        shown.entry("number").or_insert_with(|| number.as_str().into());
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn saved(data: &Value) -> Result<SavedFavourite, String> {
        let shown = |refusal: ApiRefusal| format!("{refusal:?}");
        saved_favourite(&json!({ "data": data }), NOW).map_err(shown)
    }

    fn target(target_type: &str, id: &str) -> KeptTarget {
        KeptTarget { target_type: target_type.to_owned(), id: id.to_owned(), ..KeptTarget::default() }
    }

    #[test]
    fn a_target_is_read_as_published_clients_write_it() {
        let body = json!({
            "target": {"type": "AGENT_GROUP", "id": 17, "firstName": " Ann ", "numbers": ["7101"], "later": {}},
            "category": "team",
        });
        let SavedFavourite { favourite, replaces } = saved(&body).unwrap();
        assert_eq!((favourite.category.as_str(), favourite.at, replaces), ("team", NOW.as_millis(), false));
        let read = &favourite.target;
        assert_eq!((read.target_type.as_str(), read.id.as_str()), ("agent-group", "17"));
        assert_eq!((read.first_name.as_deref(), read.numbers.as_slice()), (Some("Ann"), &["7101".to_owned()][..]));
        let bare = saved(&json!({"target": {"emailAddresses": ["a@b"]}, "ignoreDuplication": true})).unwrap();
        assert!(bare.replaces);
        assert_eq!((bare.favourite.target.target_type.as_str(), bare.favourite.target.id.as_str()), (UNTYPED, "a@b"));
        let by_number = saved(&json!({"target": {"type": "skill", "DBID": 3}})).unwrap();
        assert_eq!(by_number.favourite.target.id, "3");
    }

    #[test]
    fn a_target_of_the_published_client_has_lists_of_nothing_and_may_have_a_name_alone() {
        let read = read_target(&json!({"emailAddresses": [null], "numbers": [null, "0301"], "name": "Ann"})).unwrap();
        assert_eq!((read.id.as_str(), read.numbers.as_slice()), ("0301", &["0301".to_owned()][..]));
        assert!(read.email_addresses.is_empty());
        let queue = read_target(&json!({"type": "SKILL", "numbers": [null], "name": "French"})).unwrap();
        assert_eq!((queue.id.as_str(), queue.name.as_deref()), ("French", Some("French")));
    }

    #[test]
    fn types_that_published_clients_do_not_know_are_told_to_who_asks_for_them() {
        let wanted = |types: Option<&str>| WantedEntries { limit: None, types: types.map(str::to_owned) };
        for none in [None, Some(""), Some(" ")] {
            assert!(wanted(none).has_type("agent") && wanted(none).has_type(UNTYPED));
            assert!(!wanted(none).has_type("contact") && !wanted(none).has_type("interaction-queue"));
        }
        let asked = wanted(Some("AGENT, INTERACTION_QUEUE"));
        assert!(asked.has_type("agent") && asked.has_type("interaction-queue") && !asked.has_type("skill"));
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named() {
        for (data, field) in [
            (json!({}), "target"),
            (json!({"target": []}), "target"),
            (json!({"target": {}}), "id"),
            (json!({"target": {"type": "phone", "id": "1"}}), "type"),
            (json!({"target": {"type": "agent", "id": []}}), "id"),
            (json!({"target": {"id": "1", "lastName": 7}}), "lastName"),
            (json!({"target": {"id": "1", "numbers": "7101"}}), "numbers"),
            (json!({"target": {"id": "1", "numbers": [7101]}}), "numbers"),
            (json!({"target": {"id": "1"}, "category": 1}), "category"),
            (json!({"target": {"id": "1"}, "ignoreDuplication": "yes"}), "ignoreDuplication"),
        ] {
            let refused = saved(&data).unwrap_err();
            assert!(refused.contains(&format!("code: 400, message: \"{field}: ")), "{data}: {refused}");
        }
        assert!(saved_favourite(&Value::Null, NOW).is_err());
    }

    #[test]
    fn a_recent_is_of_now_unless_it_was_before() {
        let at = |time: Value| {
            let information = json!({"media": "voice", "timeStamp": time});
            added_recent(&json!({"data": {"target": {"id": "1"}, "recentInformation": information}}), NOW)
                .map(|recent| recent.at)
        };
        let now = NOW.as_millis();
        for (time, due) in [(json!(null), now), (json!(7), 7), (json!(now + 1), now)] {
            assert_eq!(at(time).unwrap(), due);
        }
        assert!(at(json!("yesterday")).is_err() && at(json!(-1)).is_err());
        let bare = added_recent(&json!({"data": {"target": {"id": "1"}}}), NOW).unwrap();
        assert_eq!((bare.at, bare.media.as_str(), bare.is_missed), (now, "", false));
    }

    #[test]
    fn what_is_told_has_what_published_clients_take_for_granted() {
        let agent =
            KeptTarget { first_name: Some("Ann".to_owned()), last_name: Some("A".to_owned()), ..target("agent", "17") };
        let entry = RecentEntry { target: agent, media: "voice".to_owned(), at: 7, is_missed: true, call_type: None };
        let told = shown_recent(&entry);
        assert_eq!((&told["DBID"], &told["type"], &told["name"]), (&json!(17), &json!("agent"), &json!("Ann A")));
        assert_eq!(told["recentInformation"], json!({"media": "voice", "timeStamp": 7, "isMissed": true}));
        let caller = KeptTarget { numbers: vec!["0301".to_owned()], ..target(UNTYPED, "0301") };
        let told = Value::Object(shown(&caller));
        assert_eq!((&told["number"], &told["name"]), (&json!("0301"), &json!("0301")));
        assert!(told["DBID"].as_u64().is_some_and(|number| (1..=NUMBER_MAX).contains(&number)));
        assert!(told.get("availability").is_none());
    }

    #[test]
    fn a_favourite_is_found_by_its_id_and_by_the_number_that_was_told() {
        let of = |target| FavouriteEntry { target, ..FavouriteEntry::default() };
        let all = [of(target("agent", "17")), of(target(UNTYPED, "0301")), of(target("skill", "17"))];
        let told = number_of(&all[1].target).to_string();
        for (target_type, id, due) in [
            ("agent", "17", Some(0)),
            ("skill", "17", Some(2)),
            (UNTYPED, "0301", Some(1)),
            (UNTYPED, told.as_str(), Some(1)),
            ("agent", "18", None),
        ] {
            assert_eq!(meant(&all, target_type, id), due.map(|at: usize| &all[at].target), "{target_type} {id}");
        }
    }
}
