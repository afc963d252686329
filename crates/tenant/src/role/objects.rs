//! gRPC 8888: single objects, to read, to list, to change, to put back.

mod shares;
mod snapshots;
mod token;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use contracts::provisioning::{ObjectKey, ObjectKind};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_server::Provisioning;
use infra::{ChangeNote, ChangeWay, Clock, HistoryEntry, HistoryPage, ProvisioningStore, Revision, StoreError};
use model::TenantId;
use prost::Message as _;
use tokio::task::spawn_blocking;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Response, Status};

use crate::objects::{
    self, Batch, BatchOutcome, ChangeRefusal, ChangedDocuments, EDITS_MAX, EditAction, Listing, ObjectEdit,
    ObjectFault, PASSWORDS_MAX, REQUEST_BYTES_MAX,
};
use crate::people::{self, ImportTerms, TableRefusal};
use shares::{SharedPlace, TenantShares};
use snapshots::Snapshots;

/// The most requests that are answered or wait at once: each may hold a whole tenant.
const REQUESTS_MAX: usize = 64;
/// Of them, the most of one tenant.
const REQUESTS_OF_TENANT_MAX: usize = 16;
/// Batches that are carried out at once.
const BATCHES_AT_ONCE: usize = 4;
/// Of them, the most of one tenant: more would only make each other begin again.
const BATCHES_OF_TENANT_AT_ONCE: usize = 1;
/// The most bytes of faults in a refusal: they travel in headers, of which clients accept 16 KiB, twice and encoded.
const TOLD_BYTES_MAX: usize = 2_048;
/// The metadata of a refusal that has its faults.
const FAULTS_METADATA: &str = "trunkline-faults-bin";
/// The most bytes of documents in the answer to a batch: what a reader by gRPC accepts is 4 MiB.
const DOCUMENTS_BYTES_MAX: usize = 1 << 20;
/// The most uses of an object, and faults of a table, in an answer.
const LINES_MAX: usize = 1_000;
/// The longest id of an object, in bytes.
const ID_BYTES_MAX: usize = 255;
/// The most entries of a filter, and of a list of fields or kinds.
const ENTRIES_MAX: usize = 64;

/// The gRPC service.
pub(super) struct ObjectServer {
    store: Arc<dyn ProvisioningStore>,
    clock: Arc<dyn Clock>,
    requests: TenantShares,
    batches: TenantShares,
    snapshots: Snapshots,
}

impl ObjectServer {
    pub fn new(store: Arc<dyn ProvisioningStore>, clock: Arc<dyn Clock>) -> Self {
        let requests = TenantShares::new(REQUESTS_MAX, REQUESTS_OF_TENANT_MAX);
        let batches = TenantShares::new(BATCHES_AT_ONCE, BATCHES_OF_TENANT_AT_ONCE);
        Self { store, clock, requests, batches, snapshots: Snapshots::default() }
    }

    /// The tenant of a caller with that scope, and the right to an answer.
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn admit<T>(&self, request: &Request<T>, scope: &str) -> Result<(TenantId, SharedPlace<'_>), Status> {
        let caller = net::grpc::caller(request)?;
        caller.needs_scope(scope).map_err(|problem| Status::permission_denied(problem.to_string()))?;
        let tenant = net::grpc::tenant(request)?;
        let place = self.requests.take_now(&tenant).ok_or_else(|| {
            let text = "requests are being answered already";
            Status::resource_exhausted(format!("{REQUESTS_MAX} {text}, or {REQUESTS_OF_TENANT_MAX} of the tenant"))
        })?;
        Ok((tenant, place))
    }

    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn note<T>(&self, request: &Request<T>, request_id: &str) -> Result<ChangeNote, Status> {
        if request_id.len() > REQUEST_BYTES_MAX || request_id.chars().any(char::is_control) {
            return Err(Status::invalid_argument(format!(
                "request_id: it has more than {REQUEST_BYTES_MAX} bytes, or control characters"
            )));
        }
        Ok(ChangeNote {
            by: net::grpc::caller(request)?.subject().to_owned(),
            way: ChangeWay::Grpc,
            at: self.clock.now(),
            request: Some(request_id.to_owned()).filter(|id| !id.is_empty()),
        })
    }

    async fn carry_out(
        &self,
        tenant: &TenantId,
        batch: &Batch,
        note: &ChangeNote,
    ) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
        let _turn = self.batches.take(tenant).await.ok_or_else(ends)?;
        let outcome = objects::change(&*self.store, tenant, batch, note).await.map_err(refused)?;
        if !batch.is_trial && !outcome.is_repeated {
            let (by, revision, changed) = (note.by.as_str(), outcome.revision.0, outcome.changed);
            tracing::info!(%tenant, by, revision, changed, "objects of the configuration changed");
        }
        Ok(Response::new(answer(outcome)))
    }
}

#[tonic::async_trait]
impl Provisioning for ObjectServer {
    async fn get(&self, request: Request<v1::GetObjectRequest>) -> Result<Response<v1::StoredObject>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ)?;
        let asked = request.into_inner();
        at_most("fields", asked.fields.len())?;
        let key = key(&asked.kind, &asked.id)?;
        let found = self.store.find_versioned(&tenant, &key).await.map_err(unread)?;
        let (revision, object) =
            found.ok_or_else(|| Status::not_found(format!("there is no {} {}", key.kind.as_str(), key.id)))?;
        let key = object.key();
        Ok(Response::new(v1::StoredObject {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
            json: objects::shown(object, &asked.fields),
            revision: revision.0,
        }))
    }

    async fn list(
        &self,
        request: Request<v1::ListObjectsRequest>,
    ) -> Result<Response<v1::ListObjectsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ)?;
        let asked = listing(request.into_inner())?;
        let present = self.store.revision(&tenant).await.map_err(unread)?.ok_or_else(|| no_tenant(&tenant))?;
        let held = self.snapshots.at(&tenant, present, self.store.versioned(&tenant)).await.map_err(unread)?;
        let held = held.ok_or_else(|| no_tenant(&tenant))?;
        // It looks at every object of the tenant.
        let page = spawn_blocking(move || objects::list(&held, &asked)).await.map_err(|_| ends())?;
        let shown = page.objects.into_iter().map(|object| v1::StoredObject {
            kind: object.key.kind.as_str().to_owned(),
            id: object.key.id,
            json: object.json,
            revision: object.revision.0,
        });
        Ok(Response::new(v1::ListObjectsResponse {
            objects: shown.collect(),
            next_page_token: page.last.as_ref().map(token::of_key).unwrap_or_default(),
            revision: page.revision.0,
        }))
    }

    async fn change(
        &self,
        request: Request<v1::ChangeObjectsRequest>,
    ) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE)?;
        let note = self.note(&request, &request.get_ref().request_id)?;
        let asked = request.into_inner();
        if asked.changes.is_empty() || asked.changes.len() > EDITS_MAX {
            return Err(Status::invalid_argument(format!("changes: there must be 1 to {EDITS_MAX}")));
        }
        let edits = (0..).zip(asked.changes).map(|(index, change)| edit(index, change)).collect::<Result<_, _>>()?;
        let (is_trial, with_documents) = (asked.validate_only, asked.with_documents);
        self.carry_out(&tenant, &Batch { edits, is_trial, passwords_max: PASSWORDS_MAX, with_documents }, &note).await
    }

    async fn history(
        &self,
        request: Request<v1::ObjectHistoryRequest>,
    ) -> Result<Response<v1::ObjectHistoryResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ)?;
        let asked = request.into_inner();
        let kind = Some(asked.kind.as_str()).filter(|kind| !kind.is_empty()).map(kind_of).transpose()?;
        let is_id_meant = !asked.id.is_empty() || kind == Some(ObjectKind::Tenant);
        let page = HistoryPage {
            kind,
            id: is_id_meant.then_some(asked.id),
            below: token::number(&asked.page_token).map_err(wrong_token)?,
            limit: asked.page_size,
        };
        let part = objects::history(&*self.store, &tenant, &page).await.map_err(unread)?;
        Ok(Response::new(v1::ObjectHistoryResponse {
            next_page_token: part.last.map(|last| last.to_string()).unwrap_or_default(),
            entries: part.entries.into_iter().map(history_entry).collect(),
        }))
    }

    async fn restore(
        &self,
        request: Request<v1::RestoreObjectRequest>,
    ) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE)?;
        let note = self.note(&request, "")?;
        let asked = request.into_inner();
        let (key, expected) = (key(&asked.kind, &asked.id)?, asked.expected_revision.map(Revision));
        let edit = objects::put_back(&*self.store, &tenant, key, Revision(asked.revision), expected).await;
        let edits = vec![edit.map_err(refused)?];
        let with_documents = asked.with_documents;
        let batch = Batch { edits, is_trial: false, passwords_max: PASSWORDS_MAX, with_documents };
        self.carry_out(&tenant, &batch, &note).await
    }

    async fn uses(&self, request: Request<v1::ObjectUsesRequest>) -> Result<Response<v1::ObjectUsesResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ)?;
        let asked = request.into_inner();
        let key = key(&asked.kind, &asked.id)?;
        let held = self.store.load(&tenant).await.map_err(unread)?;
        let (_, held) = held.ok_or_else(|| no_tenant(&tenant))?;
        let uses = objects::uses(&held, &key).into_iter().take(LINES_MAX).map(|one| v1::ObjectUse {
            kind: one.key.kind.as_str().to_owned(),
            id: one.key.id,
            field: one.field,
        });
        Ok(Response::new(v1::ObjectUsesResponse { uses: uses.collect() }))
    }

    async fn import_people(
        &self,
        request: Request<v1::ImportPeopleRequest>,
    ) -> Result<Response<v1::ImportPeopleResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE)?;
        let note = self.note(&request, &request.get_ref().request_id)?;
        let asked = request.into_inner();
        let _turn = self.batches.take(&tenant).await.ok_or_else(ends)?;
        let terms = ImportTerms {
            is_trial: asked.validate_only,
            passwords_max: PASSWORDS_MAX,
            with_documents: asked.with_documents,
        };
        let rows = u32::try_from(people::rows(&asked.table)).unwrap_or(u32::MAX);
        let mut answer = v1::ImportPeopleResponse { rows, ..v1::ImportPeopleResponse::default() };
        match people::import(&*self.store, &tenant, &asked.table, &note, terms).await {
            Ok(outcome) => {
                let (by, revision, changed) = (note.by.as_str(), outcome.revision.0, outcome.changed);
                if !terms.is_trial && !outcome.is_repeated {
                    tracing::info!(%tenant, by, revision, changed, "a table of people was imported");
                }
                answer.changed = u32::try_from(changed).unwrap_or(u32::MAX);
                answer.revision = revision;
                answer.objects = self::answer(people::first_changed(outcome)).objects;
            }
            Err(TableRefusal::Faults(faults)) => {
                let wire = faults.into_iter().take(LINES_MAX).map(|fault| v1::PeopleTableFault {
                    line: fault.line.and_then(|line| u32::try_from(line).ok()).unwrap_or_default(),
                    column: fault.column,
                    rule: fault.rule,
                });
                answer.faults = wire.collect();
            }
            Err(TableRefusal::Change(refusal)) => return Err(refused(refusal)),
        }
        Ok(Response::new(answer))
    }

    async fn export_people(
        &self,
        request: Request<v1::ExportPeopleRequest>,
    ) -> Result<Response<v1::ExportPeopleResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ)?;
        let held = self.store.load(&tenant).await.map_err(unread)?;
        let (_, held) = held.ok_or_else(|| no_tenant(&tenant))?;
        Ok(Response::new(v1::ExportPeopleResponse { table: people::export(&held.people) }))
    }
}

// === requests ===

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn kind_of(name: &str) -> Result<ObjectKind, Status> {
    ObjectKind::parse(name).ok_or_else(|| {
        let all = ObjectKind::ALL.map(ObjectKind::as_str).join(", ");
        Status::invalid_argument(format!("kind: it is none of {all}"))
    })
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn key(kind: &str, id: &str) -> Result<ObjectKey, Status> {
    let kind = kind_of(kind)?;
    if id.len() > ID_BYTES_MAX {
        return Err(Status::invalid_argument(format!("id: it has more than {ID_BYTES_MAX} bytes")));
    }
    if id.is_empty() != (kind == ObjectKind::Tenant) {
        return Err(Status::invalid_argument("id: every object has one but the tenant itself"));
    }
    Ok(ObjectKey { kind, id: id.to_owned() })
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn at_most(what: &str, count: usize) -> Result<(), Status> {
    if count > ENTRIES_MAX {
        return Err(Status::invalid_argument(format!("{what}: there are more than {ENTRIES_MAX}")));
    }
    Ok(())
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn listing(asked: v1::ListObjectsRequest) -> Result<Listing, Status> {
    at_most("kinds", asked.kinds.len())?;
    at_most("filter", asked.filter.len())?;
    at_most("fields", asked.fields.len())?;
    // Sorted, so that what is cheap and what is not does not depend on chance.
    let filter: BTreeMap<String, String> = asked.filter.into_iter().collect();
    Ok(Listing {
        kinds: asked.kinds.iter().map(|kind| kind_of(kind)).collect::<Result<_, _>>()?,
        filter: filter.into_iter().collect(),
        fields: asked.fields,
        size: usize::try_from(asked.page_size).unwrap_or_default(),
        after: token::key(&asked.page_token).map_err(wrong_token)?,
    })
}

fn wrong_token(_: token::NotOurs) -> Status {
    Status::invalid_argument("page_token: it is none of ours")
}

#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
fn edit(index: usize, change: v1::ChangeObject) -> Result<ObjectEdit, Status> {
    let at = |status: Status| Status::invalid_argument(format!("changes[{index}].{}", status.message()));
    let key = key(&change.kind, &change.id).map_err(at)?;
    let action = match change.action {
        Some(Action::Put(put)) if put.fields.is_empty() => EditAction::Put(put.json),
        Some(Action::Put(put)) => EditAction::Merge { document: put.json, fields: put.fields },
        Some(Action::Delete(v1::DeleteObject {})) => EditAction::Delete,
        None => return Err(Status::invalid_argument(format!("changes[{index}].action: neither put nor delete"))),
    };
    Ok(ObjectEdit { key, expected: change.expected_revision.map(Revision), action })
}

// === answers ===

fn answer(outcome: BatchOutcome) -> v1::ChangeObjectsResponse {
    let mut documents: HashMap<ObjectKey, ChangedDocuments> =
        outcome.documents.into_iter().map(|documents| (documents.key.clone(), documents)).collect();
    let mut bytes = 0;
    let one = |(key, revision): (ObjectKey, Option<Revision>)| {
        let documents = documents.remove(&key);
        let changed = documents.is_some();
        let (before, after) = documents.map_or((None, None), |documents| (documents.before, documents.after));
        bytes += [&before, &after].into_iter().flatten().map(String::len).sum::<usize>();
        let told = |document: Option<String>| document.filter(|_| bytes <= DOCUMENTS_BYTES_MAX).unwrap_or_default();
        v1::ChangedObject {
            kind: key.kind.as_str().to_owned(),
            id: key.id,
            revision: revision.unwrap_or_default().0,
            before: told(before),
            after: told(after),
            changed,
        }
    };
    v1::ChangeObjectsResponse {
        revision: outcome.revision.0,
        objects: outcome.objects.into_iter().map(one).collect(),
        changed: u32::try_from(outcome.changed).unwrap_or(u32::MAX),
        repeated_request: outcome.is_repeated,
    }
}

fn history_entry(entry: HistoryEntry) -> v1::ObjectHistoryEntry {
    v1::ObjectHistoryEntry {
        kind: entry.key.kind.as_str().to_owned(),
        id: entry.key.id,
        revision: entry.revision.0,
        changed_ms: entry.note.at.as_millis(),
        changed_by: entry.note.by,
        way: entry.note.way.to_string(),
        before: entry.before.unwrap_or_default(),
        after: entry.after.unwrap_or_default(),
        secrets_changed: entry.secrets_changed,
        request_id: entry.note.request.unwrap_or_default(),
        number: entry.number,
    }
}

fn ends() -> Status {
    Status::unavailable("the role ends")
}

fn no_tenant(tenant: &TenantId) -> Status {
    Status::not_found(format!("no tenant {tenant}"))
}

fn unread(error: StoreError) -> Status {
    match error {
        StoreError::Missing { .. } => Status::not_found(error.to_string()),
        _ => Status::unavailable(error.to_string()),
    }
}

/// A refusal as gRPC says it.
fn refused(refusal: ChangeRefusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        ChangeRefusal::Stale(stale) => with_faults(
            Code::Aborted,
            stale.into_iter().map(|stale| {
                let line = stale.to_string();
                let rule = line.split_once(": ").map_or_else(|| line.clone(), |(_, rule)| rule.to_owned());
                let present = stale.present.0;
                (
                    line,
                    v1::ObjectFault { present_revision: Some(present), ..wire_fault(stale.key, String::new(), rule) },
                )
            }),
        ),
        ChangeRefusal::Faults(faults) => with_faults(Code::InvalidArgument, faults.into_iter().map(told)),
        ChangeRefusal::Referred(faults) => with_faults(Code::FailedPrecondition, faults.into_iter().map(told)),
        ChangeRefusal::RequestReused | ChangeRefusal::ManyPasswords(_) => Status::invalid_argument(message),
        ChangeRefusal::NoTenant(tenant) => no_tenant(&tenant),
        ChangeRefusal::NotThen { .. } => Status::not_found(message),
        ChangeRefusal::NoTurn => Status::unavailable(message),
        ChangeRefusal::Hash(_) => Status::resource_exhausted(message),
        ChangeRefusal::Store(StoreError::Invalid(reason)) => Status::invalid_argument(reason),
        ChangeRefusal::Store(error) => unread(error),
    }
}

fn told(fault: ObjectFault) -> (String, v1::ObjectFault) {
    (fault.to_string(), wire_fault(fault.key, fault.field, fault.rule))
}

fn wire_fault(key: ObjectKey, field: String, rule: String) -> v1::ObjectFault {
    v1::ObjectFault { kind: key.kind.as_str().to_owned(), id: key.id, field, rule, present_revision: None }
}

/// The faults, as many as fit into the headers.
fn with_faults(code: Code, faults: impl ExactSizeIterator<Item = (String, v1::ObjectFault)>) -> Status {
    let all = faults.len();
    let (mut lines, mut wire, mut bytes) = (Vec::new(), v1::ObjectFaults::default(), 0);
    for (line, fault) in faults {
        bytes += line.len() + 1;
        if bytes > TOLD_BYTES_MAX && !lines.is_empty() {
            wire.more = u32::try_from(all - wire.faults.len()).unwrap_or(u32::MAX);
            lines.push(format!("and {} more", wire.more));
            break;
        }
        lines.push(line.chars().take(TOLD_BYTES_MAX).collect::<String>());
        wire.faults.push(fault);
    }
    let mut status = Status::new(code, lines.join("\n"));
    let encoded = wire.encode_to_vec();
    // One fault that is too long for a header is in the message alone.
    if encoded.len() <= 2 * TOLD_BYTES_MAX {
        status.metadata_mut().insert_bin(FAULTS_METADATA, MetadataValue::from_bytes(&encoded));
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(number: usize) -> ObjectFault {
        ObjectFault {
            key: ObjectKey { kind: ObjectKind::Person, id: format!("person-{number}") },
            field: "agent.skills".to_owned(),
            rule: "there is no skill Patience".to_owned(),
        }
    }

    fn faults_of(status: &Status) -> v1::ObjectFaults {
        let bytes = status.metadata().get_bin(FAULTS_METADATA).unwrap().to_bytes().unwrap();
        v1::ObjectFaults::decode(bytes).unwrap()
    }

    #[test]
    fn a_refusal_names_object_field_and_rule_in_words_and_as_a_message() {
        let status = refused(ChangeRefusal::Faults(vec![fault(1)]));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "person person-1 agent.skills: there is no skill Patience");
        let told = faults_of(&status).faults.remove(0);
        assert_eq!((told.id.as_str(), told.field.as_str(), told.present_revision), ("person-1", "agent.skills", None));
    }

    #[test]
    fn a_stale_object_is_told_with_its_present_revision() {
        let stale = crate::objects::StaleObject { key: fault(1).key, expected: Revision(5), present: Revision(7) };
        let status = refused(ChangeRefusal::Stale(vec![stale]));
        assert_eq!((status.code(), status.message()), (Code::Aborted, "person person-1: it is at revision 7, not 5"));
        assert_eq!(faults_of(&status).faults[0].present_revision, Some(7));
    }

    #[test]
    fn many_faults_fit_into_headers() {
        let status = refused(ChangeRefusal::Referred((0..1_000).map(fault).collect()));
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert!(status.message().len() < 3_000 && status.message().ends_with(" more"), "{}", status.message());
        let told = faults_of(&status);
        assert!(told.encoded_len() <= 2 * TOLD_BYTES_MAX && told.faults.len() + told.more as usize == 1_000);
    }

    #[test]
    fn every_object_has_an_id_but_the_tenant() {
        assert!(key("tenant", "").is_ok() && key("person", "ann").is_ok());
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for (kind, id) in [("tenant", "x"), ("person", ""), ("agent", "x"), ("person", long.as_str())] {
            assert_eq!(key(kind, id).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
