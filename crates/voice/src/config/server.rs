//! HTTP 9100.

mod agents;
mod trunk_secrets;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contracts::configuration::{
    CREDENTIALS_MAX, Changes, Credentials, CredentialsQuestion, Listed, LoginQuestion, PinQuestion, RoutePoint,
    Versions,
};
use contracts::provisioning::{DnKind, Object, ObjectKey, ObjectKind};
use infra::ConfigVersion;
use model::TenantId;
use net::http::{JsonBody, Place, Turn};
use runtime::{Caller, Problem, Query, scope};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use sip::digest::{Algorithm, ha1};

use super::copies::{Copies, NoCopy, TenantCopy};
use super::pins::Pins;
use agents::{agent, agent_login};
use trunk_secrets::{digests_of_trunks, secrets_of_trunks};

/// The longest wait for a change: the answer must begin before the listener's own limit of 30 s.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// Bytes of the digest of all versions. Equal digests of different states would hide a change, so it must not be short.
const ETAG_BYTES: usize = 16;

/// A page of objects ends with the object that reaches this size. Even with the largest object at its end (an application of 512 KiB, all
/// of it escaped) it stays far below the 16 MiB that a client reads.
const PAGE_BYTES: usize = 4 << 20;

/// The most bytes of framing around an object in a list.
const LISTED_BYTES: usize = 64;

type Answer = Result<Response, Problem>;

pub(super) fn router(copies: Copies, pins: Pins) -> Router {
    let asking = Router::new()
        .route("/tenants/{tenant}/pins/{dn}", post(pin))
        .route("/tenants/{tenant}/logins", post(login))
        .with_state((copies.clone(), pins));
    Router::new()
        .route("/keep-alive", get(async || axum::Json(json!({ "status": "ok" }))))
        .route("/versions", get(versions))
        .route("/tenants", get(tenants))
        .route("/tenants/{tenant}", get(tenant))
        .route("/tenants/{tenant}/objects", get(objects))
        .route("/tenants/{tenant}/credentials", post(credentials_of_several))
        .route("/tenants/{tenant}/credentials/{dn}", get(credentials))
        .route("/tenants/{tenant}/trunk-credentials", get(trunk_credentials))
        .route("/tenants/{tenant}/trunk-digests", get(trunk_digests))
        .route("/tenants/{tenant}/agents/{id}", get(agent))
        .route("/tenants/{tenant}/agent-logins/{code}", get(agent_login))
        .route("/tenants/{tenant}/route-points/{dn}", get(route_point))
        .route("/tenants/{tenant}/{kind}", get(list))
        .route("/tenants/{tenant}/{kind}/{id}", get(one))
        .with_state(copies)
        .merge(asking)
}

// === permissions ===

/// Refuses who may not read the configuration, and people: folders say what they see, of which nothing is known here.
fn may_read(caller: &Caller) -> Result<(), Problem> {
    caller.needs_scope(scope::CONFIG_READ)?;
    if caller.person().is_some() {
        return Err(Problem::forbidden("people read this in Agent Setup or at port 8888, as folders let them"));
    }
    Ok(())
}

/// The copy of a tenant, if the caller may read it.
fn copy_for(copies: &Copies, caller: &Caller, tenant: &str) -> Result<Arc<TenantCopy>, Problem> {
    let tenant = TenantId::parse(tenant).map_err(|e| Problem::bad_request(e.to_string()))?;
    caller.may_act_for(&tenant)?;
    may_read(caller)?;
    copies.tenant(&tenant).map_err(|why| match why {
        NoCopy::Unknown => Problem::not_found(format!("there is no tenant {tenant}")),
        NoCopy::Unread => Problem::unavailable(format!("tenant {tenant} cannot be read yet")),
    })
}

/// The answer with its version, or 304 if the caller has that version.
fn versioned(headers: &HeaderMap, version: ConfigVersion, body: &impl serde::Serialize) -> Answer {
    let etag = format!("\"{}\"", tag(version));
    let response = match net::http::has_already(headers, &etag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => axum::Json(body).into_response(),
    };
    Ok(with_version(response, version))
}

fn with_version(mut response: Response, version: ConfigVersion) -> Response {
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", tag(version))) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

fn tag(version: ConfigVersion) -> String {
    format!("{}-{}", version.generation, version.revision)
}

fn version(text: &str) -> Option<ConfigVersion> {
    let (generation, revision) = text.split_once('-')?;
    Some(ConfigVersion { generation: generation.parse().ok()?, revision: revision.parse().ok()? })
}

// === versions ===

#[derive(Deserialize)]
struct VersionsQuery {
    etag: Option<String>,
    wait_s: Option<u64>,
}

async fn versions(
    State(copies): State<Copies>,
    caller: Caller,
    turn: Option<Extension<Turn>>,
    Query(query): Query<VersionsQuery>,
) -> Answer {
    may_read(&caller)?;
    let wait = Duration::from_secs(query.wait_s.unwrap_or_default()).min(WAIT_MAX);
    let mut changes = copies.changes();
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    let mut waits = None;
    loop {
        let now = versions_now(&copies, &caller)?;
        if query.etag.as_ref() != Some(&now.etag) {
            return Ok(axum::Json(now).into_response());
        }
        if waits.is_none() {
            waits = turn.as_ref().map(|turn| turn.waits()).transpose()?;
        }
        tokio::select! {
            () = &mut deadline => return Ok(axum::Json(now).into_response()),
            ended = changes.changed() => ended.map_err(|_| Problem::unavailable("stopping"))?,
        }
    }
}

/// The versions that the caller may read. Equal states have equal etags on every replica.
fn versions_now(copies: &Copies, caller: &Caller) -> Result<Versions, Problem> {
    let all = copies.versions().ok_or_else(|| Problem::unavailable("the configuration has not been read yet"))?;
    let seen = all.iter().filter(|(tenant, _)| caller.may_act_for(tenant).is_ok());
    let tenants: BTreeMap<_, _> = seen.map(|(tenant, version)| (tenant.to_string(), tag(*version))).collect();
    Ok(Versions { etag: etag(&tenants), tenants })
}

/// The digest keeps its length for thousands of tenants, since it returns in a query.
fn etag(versions: &BTreeMap<String, String>) -> String {
    let mut digest = Sha256::new();
    for (tenant, version) in versions {
        digest.update(format!("{tenant}={version},"));
    }
    digest.finalize().iter().take(ETAG_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

async fn tenants(State(copies): State<Copies>, caller: Caller) -> Answer {
    may_read(&caller)?;
    let names: Vec<String> = versions_now(&copies, &caller)?.tenants.into_keys().collect();
    Ok(axum::Json(names).into_response())
}

// === objects ===

async fn tenant(
    State(copies): State<Copies>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    let object = copy.get(ObjectKind::Tenant, "").ok_or_else(|| Problem::not_found("the tenant has no record"))?;
    versioned(&headers, copy.version, &json_of(object))
}

#[derive(Deserialize)]
struct ObjectsQuery {
    after: Option<String>,
    /// Kinds separated by commas; all kinds if absent.
    kinds: Option<String>,
    /// Requests a page: the objects after this one, or from the first one if empty.
    from: Option<String>,
}

async fn objects(
    State(copies): State<Copies>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(query): Query<ObjectsQuery>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    versioned(&headers, copy.version, &changes(&copy, &Wanted::of(&query)?))
}

/// The selection of a tenant's objects.
struct Wanted {
    after: Option<ConfigVersion>,
    kinds: Option<Vec<ObjectKind>>,
    behind: Bound<ObjectKey>,
    bytes_max: usize,
}

impl Wanted {
    fn of(query: &ObjectsQuery) -> Result<Self, Problem> {
        let kind =
            |name| ObjectKind::parse(name).ok_or_else(|| Problem::bad_request("query: kinds: there is no such kind"));
        let kinds = query.kinds.as_ref().map(|kinds| kinds.split(',').map(kind).collect()).transpose()?;
        let behind = match query.from.as_deref().filter(|from| !from.is_empty()) {
            None => Bound::Unbounded,
            Some(from) => {
                Bound::Excluded(key_of(from).ok_or_else(|| Problem::bad_request("query: from: it is no object"))?)
            }
        };
        let bytes_max = if query.from.is_some() { PAGE_BYTES } else { usize::MAX };
        Ok(Self { after: query.after.as_deref().and_then(version), kinds, behind, bytes_max })
    }
}

/// An object's name in a query.
fn name_of(key: &ObjectKey) -> String {
    format!("{}/{}", key.kind.as_str(), key.id)
}

fn key_of(name: &str) -> Option<ObjectKey> {
    let (kind, id) = name.split_once('/')?;
    Some(ObjectKey { kind: ObjectKind::parse(kind)?, id: id.to_owned() })
}

/// The selected objects in the order of their keys: as many as fit a page, at least one.
fn changes(copy: &TenantCopy, wanted: &Wanted) -> Changes {
    let is_wanted = |key: &ObjectKey| wanted.kinds.as_ref().is_none_or(|kinds| kinds.contains(&key.kind));
    let is_behind = |key: &ObjectKey| match &wanted.behind {
        Bound::Unbounded => true,
        Bound::Included(from) => key >= from,
        Bound::Excluded(from) => key > from,
    };
    let changed = wanted.after.and_then(|after| copy.changed_after(after));
    let (whole, version) = (changed.is_none(), tag(copy.version));
    let all: Box<dyn Iterator<Item = (&ObjectKey, Option<&Object>)> + '_> = match changed {
        Some(changed) => Box::new(changed.into_iter().filter(|(key, _)| is_behind(key))),
        None => Box::new(copy.behind(wanted.behind.as_ref()).map(|(key, object)| (key, Some(object)))),
    };
    let mut page = Changes { version, whole, objects: Vec::new(), gone: Vec::new(), next: None };
    let (mut bytes, mut last) = (0, None);
    for (key, object) in all.filter(|(key, _)| is_wanted(key)) {
        if bytes >= wanted.bytes_max {
            page.next = last.map(name_of);
            break;
        }
        let text = object.map(|object| object.clone().without_secrets().to_json());
        bytes += LISTED_BYTES + key.id.len() + text.as_ref().map_or(0, Vec::len);
        let json = text.as_ref().map(|text| serde_json::from_slice(text).unwrap_or_default());
        let into = if json.is_some() { &mut page.objects } else { &mut page.gone };
        into.push(Listed { kind: key.kind, id: key.id.clone(), object: json.unwrap_or_default() });
        last = Some(key);
    }
    page
}

async fn list(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, kind)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    let all: Vec<Json> = copy.of_kind(kind_of(&kind)?).map(json_of).collect();
    versioned(&headers, copy.version, &all)
}

async fn one(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, kind, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    let written = copy.written(&ObjectKey { kind: kind_of(&kind)?, id: id.clone() });
    let (revision, object) = written.ok_or_else(|| Problem::not_found(format!("there is no {id} among the {kind}")))?;
    // Its own version: a change elsewhere in the tenant has nobody read it again.
    versioned(&headers, ConfigVersion { revision, ..copy.version }, &json_of(object))
}

fn kind_of(segment: &str) -> Result<ObjectKind, Problem> {
    match segment {
        "dns" => Ok(ObjectKind::Dn),
        "skills" => Ok(ObjectKind::Skill),
        "prompts" => Ok(ObjectKind::Prompt),
        "places" => Ok(ObjectKind::Place),
        "people" => Ok(ObjectKind::Person),
        "numbers" => Ok(ObjectKind::Number),
        "trunks" => Ok(ObjectKind::Trunk),
        "feature-codes" => Ok(ObjectKind::FeatureCode),
        "schedules" => Ok(ObjectKind::Schedule),
        "dial-rules" => Ok(ObjectKind::DialRule),
        "agent-groups" => Ok(ObjectKind::AgentGroup),
        "action-codes" => Ok(ObjectKind::ActionCode),
        "lists" => Ok(ObjectKind::List),
        "business-attributes" => Ok(ObjectKind::BusinessAttribute),
        "place-groups" => Ok(ObjectKind::PlaceGroup),
        "capacity-rules" => Ok(ObjectKind::CapacityRule),
        "dn-groups" => Ok(ObjectKind::DnGroup),
        "trunk-groups" => Ok(ObjectKind::TrunkGroup),
        "calling-lists" => Ok(ObjectKind::CallingList),
        "campaigns" => Ok(ObjectKind::Campaign),
        "campaign-groups" => Ok(ObjectKind::CampaignGroup),
        "ivr-profiles" => Ok(ObjectKind::IvrProfile),
        "switches" => Ok(ObjectKind::Switch),
        "agent-logins" => Ok(ObjectKind::AgentLogin),
        "statistic-definitions" => Ok(ObjectKind::StatisticDefinition),
        "transactions" => Ok(ObjectKind::Transaction),
        "access-groups" => Ok(ObjectKind::AccessGroup),
        "roles" => Ok(ObjectKind::Role),
        "folders" => Ok(ObjectKind::Folder),
        "applications" => Ok(ObjectKind::Application),
        other => Err(Problem::not_found(format!("there are no objects called {other}"))),
    }
}

fn json_of(object: &Object) -> Json {
    serde_json::from_slice(&object.clone().without_secrets().to_json()).unwrap_or_default()
}

// === views ===

async fn route_point(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    let Some(Object::Dn(dn)) = copy.get(ObjectKind::Dn, &number) else {
        return Err(Problem::not_found(format!("there is no DN {number}")));
    };
    let DnKind::RoutePoint { application, default_dn, .. } = &dn.kind else {
        return Err(Problem::not_found(format!("{number} is not a route point")));
    };
    let Some(Object::Application(held)) = copy.get(ObjectKind::Application, application) else {
        return Err(Problem::not_found(format!("there is no application {application}")));
    };
    let body = RoutePoint {
        dn: number,
        application: application.clone(),
        default_dn: default_dn.clone(),
        document: held.document.clone(),
    };
    versioned(&headers, copy.version, &body)
}

async fn credentials(
    State(copies): State<Copies>,
    caller: Caller,
    Path((tenant, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    caller.needs_scope(scope::CONFIG_SECRETS)?;
    let body = credentials_of(&copy, realm_of(&copy)?, &number)?;
    versioned(&headers, copy.version, &body)
}

/// After a restart all phones of a site register; sip-proxy queries those that arrive together at once.
async fn credentials_of_several(
    State(copies): State<Copies>,
    caller: Caller,
    Path(tenant): Path<String>,
    JsonBody(question): JsonBody<CredentialsQuestion>,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    caller.needs_scope(scope::CONFIG_SECRETS)?;
    if question.of.len() > CREDENTIALS_MAX {
        return Err(Problem::bad_request(format!("at most {CREDENTIALS_MAX} phones at once")));
    }
    let realm = realm_of(&copy)?;
    let known = question.of.iter().filter_map(|number| credentials_of(&copy, realm, number).ok());
    let answer = axum::Json(known.collect::<Vec<_>>()).into_response();
    Ok(with_version(answer, copy.version))
}

fn realm_of(copy: &TenantCopy) -> Result<&str, Problem> {
    match copy.get(ObjectKind::Tenant, "") {
        Some(Object::Tenant(tenant)) => Ok(&tenant.realm),
        _ => Err(Problem::not_found("the tenant has no record")),
    }
}

fn credentials_of(copy: &TenantCopy, realm: &str, number: &str) -> Result<Credentials, Problem> {
    let Some(Object::Dn(dn)) = copy.get(ObjectKind::Dn, number) else {
        return Err(Problem::not_found(format!("there is no DN {number}")));
    };
    let DnKind::Extension { password, .. } = &dn.kind else {
        return Err(Problem::not_found(format!("{number} is not a phone")));
    };
    // Else anybody would register with an empty one.
    let password = Some(password.reveal()).filter(|password| !password.is_empty());
    let password = password.ok_or_else(|| Problem::not_found(format!("{number} has no password")))?;
    let [md5, sha256] = [Algorithm::Md5, Algorithm::Sha256].map(|algorithm| ha1(algorithm, number, realm, password));
    Ok(Credentials { dn: number.to_owned(), md5, sha256, realm: realm.to_owned() })
}

/// sip-cluster answers carriers' challenges itself: a challenge may name any realm, so it needs the passwords and not hashes of them.
async fn trunk_credentials(
    State(copies): State<Copies>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    caller.needs_scope(scope::CONFIG_SECRETS)?;
    let signs = match caller.role() {
        Some("sip-cluster") => true,
        // It speaks with carriers too, and signs nothing.
        Some("registrar") => false,
        _ => return Err(Problem::forbidden("passwords of trunks are for sip-cluster and registrar alone")),
    };
    versioned(&headers, copy.version, &secrets_of_trunks(&copy, signs))
}

/// sip-proxy challenges who calls by a trunk itself, and needs no password for that.
async fn trunk_digests(
    State(copies): State<Copies>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    caller.needs_scope(scope::CONFIG_SECRETS)?;
    versioned(&headers, copy.version, &digests_of_trunks(&copy, realm_of(&copy)?))
}

/// The place of a question about a PIN, which may wait for its turn: a burst of logins must keep no phone's credentials from being served.
fn waiting_for_turn(turn: Option<&Extension<Turn>>) -> Result<Option<Place>, Problem> {
    turn.map(|turn| turn.waits()).transpose()
}

async fn pin(
    State((copies, pins)): State<(Copies, Pins)>,
    caller: Caller,
    turn: Option<Extension<Turn>>,
    Path((tenant, number)): Path<(String, String)>,
    JsonBody(question): JsonBody<PinQuestion>,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    caller.needs_scope(scope::CONFIG_SECRETS)?;
    let tenant = TenantId::parse(&tenant).map_err(|e| Problem::bad_request(e.to_string()))?;
    let _waits = waiting_for_turn(turn.as_ref())?;
    Ok(axum::Json(pins.ask(&tenant, &copy, &number, question.typed.as_ref()).await?).into_response())
}

async fn login(
    State((copies, pins)): State<(Copies, Pins)>,
    caller: Caller,
    turn: Option<Extension<Turn>>,
    Path(tenant): Path<String>,
    JsonBody(question): JsonBody<LoginQuestion>,
) -> Answer {
    let copy = copy_for(&copies, &caller, &tenant)?;
    caller.needs_scope(scope::CONFIG_SECRETS)?;
    let tenant = TenantId::parse(&tenant).map_err(|e| Problem::bad_request(e.to_string()))?;
    let _waits = waiting_for_turn(turn.as_ref())?;
    Ok(axum::Json(pins.ask_login(&tenant, &copy, &question).await?).into_response())
}

#[cfg(test)]
mod tests;
