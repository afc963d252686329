//! The routes of gws-configuration: those for gws-workspace here, those for gws-provisioning in `objects.rs`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::v1;
use futures::FutureExt as _;
use model::TenantId;
use net::http::{Caller, JsonBody, Problem, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::browser_phone::is_browser_phone;
use super::desktop_configuration::{self, ShownObjects};
use super::places::PlacesOfDns;
use super::remembered::RememberedByTenant;
use super::shifts::{self, WantedShifts};
use super::{Metrics, objects, user};
use crate::directory::{Directory, DirectoryQuery, TargetType, UserQuery, UserSearch};
use crate::object_number;
use crate::tenant_reader::TenantReader;

/// The role that asks.
const ASKS: &str = "gws-workspace";
/// For how long a directory is answered from memory: that of a large tenant is read by a hundred pages.
const DIRECTORY_REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// What the routes share.
#[derive(Clone)]
struct ServedConfiguration {
    reader: TenantReader,
    shown: Arc<RememberedByTenant<ShownObjects>>,
    places: Arc<RememberedByTenant<PlacesOfDns>>,
    directories: Arc<RememberedByTenant<Directory>>,
    metrics: Metrics,
}

pub(super) fn router(reader: TenantReader, metrics: Metrics) -> Router {
    let directories = Arc::new(RememberedByTenant::remembered_for(DIRECTORY_REMEMBERED_FOR));
    let (shown, places) = (Arc::default(), Arc::default());
    let objects = objects::router(reader.clone());
    Router::new()
        .route("/configuration/v3/{tenant}/users/{person}", get(person))
        .route("/configuration/v3/{tenant}/workspace", get(workspace))
        .route("/configuration/v3/{tenant}/places/{name}", get(place))
        .route("/configuration/v3/{tenant}/dns/{number}", get(dn))
        .route("/configuration/v3/{tenant}/targets", get(targets))
        .route("/configuration/v3/{tenant}/targets/{type}/{id}", get(target))
        .route("/configuration/v3/{tenant}/users", get(users))
        .route("/configuration/v3/{tenant}/browser-phones/{number}", get(browser_phone))
        .route("/configuration/v3/{tenant}/shifts", post(shifts_of))
        .with_state(ServedConfiguration { reader, shown, places, directories, metrics })
        .merge(objects)
}

/// The tenant of a request, if it is gws-workspace that asks.
fn admitted(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(ASKS) {
        return Err(Problem::forbidden(format!("this is asked by the role {ASKS} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))
}

fn no(kind: &str, id: &str) -> Problem {
    Problem::not_found(format!("there is no {kind} {id}"))
}

async fn person(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path((tenant, id)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let found = served.reader.find(&tenant, "person", &id).await?.ok_or_else(|| no("person", &id))?;
    Ok(Json(user::answer(&found)))
}

#[derive(Deserialize)]
struct ForPerson {
    person: String,
}

async fn workspace(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(asked): Query<ForPerson>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let found = served.reader.find(&tenant, "person", &asked.person).await?;
    let person = found.ok_or_else(|| no("person", &asked.person))?;
    let objects = served.shown(&tenant).await?;
    Ok(Json(desktop_configuration::answer(&objects, &person)))
}

/// Whom and what a call can be given to, where gws-data-collector is not there to say it.
async fn targets(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(query): Query<DirectoryQuery>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let asked = query.read().map_err(Problem::bad_request)?;
    Ok(Json(served.directory(&tenant).await?.search(&asked).answer("targets")))
}

/// One of them, by its number or its name.
async fn target(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path((tenant, kind, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let target_type = TargetType::parse(&kind).ok_or_else(|| no("type", &kind))?;
    let found = served.directory(&tenant).await?.targets(target_type, &id);
    if found.total == 0 {
        return Err(no(target_type.as_str(), &id));
    }
    Ok(Json(found.answer("targets")))
}

/// The agents whom somebody looks after.
async fn users(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(query): Query<UserQuery>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let asked = UserSearch::read(&query).map_err(Problem::bad_request)?;
    Ok(Json(served.directory(&tenant).await?.users(&asked).answer("users")))
}

async fn place(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path((tenant, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let place = served.reader.find(&tenant, "place", &name).await?.ok_or_else(|| no("place", &name))?;
    let mut dns = Vec::new();
    for number in place.get("dns").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
        if let Some(dn) = served.reader.find(&tenant, "dn", number).await? {
            dns.push(served.shown_dn(&tenant, &dn).await?);
        }
    }
    let name = place.get("name").cloned().unwrap_or_else(|| name.clone().into());
    Ok(Json(json!({"name": name, "dns": dns})))
}

async fn dn(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path((tenant, number)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let found = served.reader.find(&tenant, "dn", &number).await?.ok_or_else(|| no("DN", &number))?;
    let mut shown = served.shown_dn(&tenant, &found).await?;
    let places = served.places_of_dns(&tenant).await?;
    // Published clients take no null.
    if let (Some(place), Some(shown)) = (places.of(&number), shown.as_object_mut()) {
        shown.insert("place".to_owned(), place.into());
    }
    Ok(Json(shown))
}

/// The number of a phone in a browser, and the realm in which it registers; 409 if the DN is a phone of another kind.
async fn browser_phone(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path((tenant, number)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let dn = served.reader.find(&tenant, "dn", &number).await?.ok_or_else(|| no("DN", &number))?;
    if !is_browser_phone(&dn) {
        return Err(Problem::conflict(format!("the DN {number} is no phone in a browser: its encryption is not dtls")));
    }
    let own = served.reader.find(&tenant, "tenant", "").await?;
    let realm = own.as_ref().and_then(|document| document.get("realm")?.as_str());
    let realm = realm.ok_or_else(|| no("realm of the tenant", tenant.as_str()))?;
    Ok(Json(json!({"number": dn.get("number"), "realm": realm})))
}

/// When some people work. It changes nothing: the names of many do not fit into a path.
async fn shifts_of(
    State(served): State<ServedConfiguration>,
    caller: Caller,
    Path(tenant): Path<String>,
    JsonBody(wanted): JsonBody<WantedShifts>,
) -> Result<Json<Value>, Problem> {
    let tenant = admitted(&caller, &tenant)?;
    let WantedShifts { people, from, to } = wanted;
    let asked = v1::ReadShiftsRequest { people, from_ms: from, to_ms: to };
    Ok(Json(shifts::answer(served.reader.shifts(&tenant, asked).await?)))
}

impl ServedConfiguration {
    /// What desktops of the tenant show, as it was read just now, or a moment ago.
    async fn shown(&self, tenant: &TenantId) -> Result<Arc<ShownObjects>, Problem> {
        let mut is_read = false;
        let begin = || {
            is_read = true;
            desktop_configuration::read(self.reader.clone(), tenant.clone()).boxed()
        };
        let objects = self.shown.of(tenant, &*self.reader.clock, begin).await;
        let counted = if is_read { &self.metrics.read } else { &self.metrics.remembered };
        counted.inc();
        objects
    }

    async fn directory(&self, tenant: &TenantId) -> Result<Arc<Directory>, Problem> {
        let (reader, of) = (self.reader.clone(), tenant.clone());
        let begin = || async move { Directory::read(&reader, &of).await.map(Arc::new) }.boxed();
        self.directories.of(tenant, &*self.reader.clock, begin).await
    }

    async fn places_of_dns(&self, tenant: &TenantId) -> Result<Arc<PlacesOfDns>, Problem> {
        let begin = || PlacesOfDns::read(self.reader.clone(), tenant.clone()).boxed();
        self.places.of(tenant, &*self.reader.clock, begin).await
    }

    /// A DN with its switch: the one that it names, or the tenant's default.
    async fn shown_dn(&self, tenant: &TenantId, dn: &Value) -> Result<Value, Problem> {
        let number = dn.get("number").and_then(Value::as_str).unwrap_or_default();
        let switch = match dn.get("switch").and_then(Value::as_str) {
            Some(named) => named.to_owned(),
            None => desktop_configuration::default_switch(&*self.shown(tenant).await?, tenant).to_owned(),
        };
        Ok(json!({
            "DBID": object_number::of("dn", number), "number": number, "type": dn.get("type"), "switchName": switch,
            "browserPhone": is_browser_phone(dn),
        }))
    }
}
