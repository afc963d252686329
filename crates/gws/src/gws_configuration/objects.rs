//! Objects of a tenant as a person sees and changes them, for gws-provisioning (gws-21), which names that person in each request, and
//! what the person's token opened. What the person may by both, tenant decides, and its history names the person.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName};
use axum::routing::{get, post};
use axum::{Json, Router};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_client::ProvisioningClient;
use model::TenantId;
use net::grpc::{Channel, RequestOrigin};
use net::http::{Caller, FORWARDED_FOR, JsonBody, Problem, Query};
use net::requester::{self, REQUESTER, REQUESTER_GRANT, RequesterGrant};
use serde::Deserialize;
use serde_json::{Value, json};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Request, Status};

use crate::object_number;
use crate::tenant_reader::TenantReader;

/// The role that asks.
const ASKS: &str = "gws-provisioning";
/// By which way a change has come, as the history names it.
const WAY: &str = "rest";
/// Objects of a page, and changes of a history.
const PAGE: u32 = 500;

pub(super) fn router(reader: TenantReader) -> Router {
    Router::new()
        .route("/configuration/v3/{tenant}/objects", post(change))
        .route("/configuration/v3/{tenant}/objects/{kind}", get(page))
        .route("/configuration/v3/{tenant}/objects/{kind}/{id}", get(one))
        .route("/configuration/v3/{tenant}/object-history", get(history))
        .route("/configuration/v3/{tenant}/revision", get(revision))
        .route("/configuration/v3/{tenant}/people-table", get(export).post(import))
        .with_state(reader)
}

/// The objects of a tenant for one person.
struct PersonsObjects {
    client: ProvisioningClient<Channel>,
    tenant: TenantId,
    requester: MetadataValue<Ascii>,
    grant: MetadataValue<Ascii>,
    origin: RequestOrigin,
}

/// The tenant, if the role asks that may.
fn asked_of(caller: &Caller, tenant: &str) -> Result<TenantId, Problem> {
    if caller.role() != Some(ASKS) {
        return Err(Problem::forbidden(format!("this is asked by the role {ASKS} alone")));
    }
    TenantId::parse(tenant).map_err(|error| Problem::bad_request(error.to_string()))
}

impl PersonsObjects {
    fn of(reader: &TenantReader, caller: &Caller, tenant: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let tenant = asked_of(caller, tenant)?;
        let said = |name| headers.get(HeaderName::from_static(name)).and_then(|value| value.to_str().ok());
        let written = said(REQUESTER).and_then(requester::read).and_then(|name| requester::encoded(&name));
        let requester = written.and_then(|written| MetadataValue::try_from(written).ok());
        let rule = || Problem::bad_request(format!("{REQUESTER}: {}", requester::rule()));
        let written = said(REQUESTER_GRANT).and_then(RequesterGrant::read).and_then(|grant| grant.encoded());
        let grant = written.and_then(|written| MetadataValue::try_from(written).ok());
        let rule_of_grant = || Problem::bad_request(format!("{REQUESTER_GRANT}: it says what the token opened"));
        let grant = grant.ok_or_else(rule_of_grant)?;
        let source = headers.get(FORWARDED_FOR).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let origin = RequestOrigin { source, way: Some(WAY.to_owned()) };
        Ok(Self { client: reader.changing(), tenant, requester: requester.ok_or_else(rule)?, grant, origin })
    }

    fn asking<T>(&self, message: T) -> Request<T> {
        let mut asked = net::grpc::for_tenant(Request::new(message), &self.tenant);
        asked.metadata_mut().insert(REQUESTER, self.requester.clone());
        asked.metadata_mut().insert(REQUESTER_GRANT, self.grant.clone());
        net::grpc::coming_from(asked, &self.origin)
    }
}

fn refused(status: &Status) -> Problem {
    let words = status.message().to_owned();
    match status.code() {
        Code::NotFound => Problem::not_found(words),
        Code::InvalidArgument | Code::OutOfRange => Problem::bad_request(words),
        Code::FailedPrecondition | Code::Aborted | Code::AlreadyExists => Problem::conflict(words),
        Code::PermissionDenied => Problem::forbidden(words),
        Code::ResourceExhausted => Problem::too_many(words),
        _ => {
            tracing::warn!(%status, "tenant does not give or change its objects");
            Problem::unavailable("the configuration cannot be read or changed now")
        }
    }
}

fn shown(object: &v1::StoredObject) -> Result<Value, Problem> {
    let document: Value = serde_json::from_str(&object.json).map_err(|error| {
        tracing::error!(kind = object.kind, id = object.id, %error, "an object cannot be read");
        Problem::unavailable(format!("the {} {} cannot be read", object.kind, object.id))
    })?;
    let number = object_number::of(&object.kind, &object.id);
    Ok(json!({
        "kind": object.kind, "id": object.id, "dbid": number, "revision": object.revision, "document": document,
    }))
}

/// Which page of objects, and which fields of them: names with commas between them, or all.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedPage {
    #[serde(default)]
    page_token: String,
    #[serde(default)]
    fields: String,
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A page of the objects of a kind.
async fn page(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path((tenant, kind)): Path<(String, String)>,
    Query(wanted): Query<WantedPage>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let mut objects = PersonsObjects::of(&reader, &caller, &tenant, &headers)?;
    let asked = objects.asking(v1::ListObjectsRequest {
        kinds: vec![kind],
        fields: names(&wanted.fields),
        page_size: PAGE,
        page_token: wanted.page_token,
        ..Default::default()
    });
    let page = objects.client.list(asked).await.map_err(|status| refused(&status))?.into_inner();
    let found = page.objects.iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({"objects": found, "nextPageToken": page.next_page_token, "revision": page.revision})))
}

/// One object.
async fn one(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path((tenant, kind, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let mut objects = PersonsObjects::of(&reader, &caller, &tenant, &headers)?;
    let asked = objects.asking(v1::GetObjectRequest { kind, id, fields: Vec::new() });
    let found = objects.client.get(asked).await.map_err(|status| refused(&status))?;
    Ok(Json(shown(&found.into_inner())?))
}

/// Changes that are made all or none.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WantedChanges {
    #[serde(default)]
    request_id: String,
    changes: Vec<WantedChange>,
}

/// A change of an object: `put`, of the whole document or of these fields of it, or `delete`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WantedChange {
    kind: String,
    id: String,
    #[serde(default)]
    expected_revision: Option<u64>,
    #[serde(default)]
    put: Option<Value>,
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    delete: bool,
}

impl WantedChange {
    fn on_wire(self) -> Result<v1::ChangeObject, Problem> {
        let action = match (self.put, self.delete) {
            (Some(document), false) => Action::Put(v1::PutObject { json: document.to_string(), fields: self.fields }),
            (None, true) => Action::Delete(v1::DeleteObject {}),
            _ => return Err(Problem::bad_request("changes: each has put or delete")),
        };
        let (kind, id, expected_revision) = (self.kind, self.id, self.expected_revision);
        Ok(v1::ChangeObject { kind, id, expected_revision, action: Some(action) })
    }
}

async fn change(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<WantedChanges>,
) -> Result<Json<Value>, Problem> {
    let mut objects = PersonsObjects::of(&reader, &caller, &tenant, &headers)?;
    let asked = objects.asking(v1::ChangeObjectsRequest {
        changes: wanted.changes.into_iter().map(WantedChange::on_wire).collect::<Result<_, _>>()?,
        request_id: wanted.request_id,
        validate_only: false,
        with_documents: false,
    });
    let done = objects.client.change(asked).await.map_err(|status| refused(&status))?.into_inner();
    let changed = |object: &v1::ChangedObject| {
        let number = object_number::of(&object.kind, &object.id);
        json!({"kind": object.kind, "id": object.id, "dbid": number, "revision": object.revision})
    };
    let objects: Vec<Value> = done.objects.iter().map(changed).collect();
    Ok(Json(json!({"revision": done.revision, "changed": done.changed, "objects": objects})))
}

/// The revision of the tenant, by which it is seen whether anything has changed. It says nothing of what did.
async fn revision(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Problem> {
    let revision = reader.revision(&asked_of(&caller, &tenant)?).await?;
    Ok(Json(json!({ "revision": revision })))
}

/// Which page of the history, and how many changes it has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WantedHistory {
    #[serde(default)]
    page_token: String,
    limit: Option<u32>,
}

/// What happened to objects that the person sees, the latest first.
async fn history(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path(tenant): Path<String>,
    Query(wanted): Query<WantedHistory>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let mut objects = PersonsObjects::of(&reader, &caller, &tenant, &headers)?;
    let asked = objects.asking(v1::ObjectHistoryRequest {
        page_size: wanted.limit.unwrap_or(PAGE).clamp(1, PAGE),
        page_token: wanted.page_token,
        ..Default::default()
    });
    let page = objects.client.history(asked).await.map_err(|status| refused(&status))?.into_inner();
    let entry = |entry: &v1::ObjectHistoryEntry| {
        json!({
            "number": entry.number, "kind": entry.kind, "id": entry.id, "dbid": object_number::of(&entry.kind, &entry.id),
            "revision": entry.revision, "wasThere": !entry.before.is_empty(), "isThere": !entry.after.is_empty(),
        })
    };
    let entries: Vec<Value> = page.entries.iter().map(entry).collect();
    Ok(Json(json!({"entries": entries, "nextPageToken": page.next_page_token})))
}

/// A table of people.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WantedTable {
    table: String,
    #[serde(default)]
    validate_only: bool,
    #[serde(default)]
    request_id: String,
}

async fn import(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<WantedTable>,
) -> Result<Json<Value>, Problem> {
    let mut objects = PersonsObjects::of(&reader, &caller, &tenant, &headers)?;
    let asked = objects.asking(v1::ImportPeopleRequest {
        table: wanted.table,
        validate_only: wanted.validate_only,
        request_id: wanted.request_id,
        ..Default::default()
    });
    let taken = objects.client.import_people(asked).await.map_err(|status| refused(&status))?.into_inner();
    let fault = |fault: &v1::PeopleTableFault| json!({"line": fault.line, "column": fault.column, "rule": fault.rule});
    let faults: Vec<Value> = taken.faults.iter().map(fault).collect();
    Ok(Json(json!({
        "rows": taken.rows, "changed": taken.changed, "faults": faults, "moreFaults": taken.more_faults,
    })))
}

async fn export(
    State(reader): State<TenantReader>,
    caller: Caller,
    Path(tenant): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    let mut objects = PersonsObjects::of(&reader, &caller, &tenant, &headers)?;
    let asked = objects.asking(v1::ExportPeopleRequest {});
    let table = objects.client.export_people(asked).await.map_err(|status| refused(&status))?.into_inner().table;
    Ok(Json(json!({ "table": table })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_puts_or_deletes_and_never_both() {
        let wanted = |text: &str| serde_json::from_str::<WantedChange>(text).unwrap().on_wire();
        let put = wanted(r#"{"kind":"skill","id":"French","put":{"name":"French"},"expectedRevision":0}"#).unwrap();
        assert_eq!(put.expected_revision, Some(0));
        assert!(matches!(put.action, Some(Action::Put(put)) if put.json == r#"{"name":"French"}"#));
        let deleted = wanted(r#"{"kind":"skill","id":"French","delete":true}"#).unwrap();
        assert!(matches!(deleted.action, Some(Action::Delete(_))));
        for wrong in [r#"{"kind":"skill","id":"x"}"#, r#"{"kind":"skill","id":"x","put":{},"delete":true}"#] {
            assert_eq!(wanted(wrong).unwrap_err().status, 400);
        }
    }

    #[test]
    fn a_refusal_keeps_its_words_and_what_is_ours_does_not_get_out() {
        for (code, status) in [
            (Code::NotFound, 404),
            (Code::InvalidArgument, 400),
            (Code::PermissionDenied, 403),
            (Code::FailedPrecondition, 409),
            (Code::Aborted, 409),
            (Code::ResourceExhausted, 429),
        ] {
            let problem = refused(&Status::new(code, "person ann: x"));
            assert_eq!((problem.status, problem.detail.as_deref()), (status, Some("person ann: x")), "{code:?}");
        }
        let away = refused(&Status::new(Code::Unavailable, "tcp connect error"));
        assert_eq!((away.status, away.detail.unwrap().contains("tcp")), (503, false));
    }
}
