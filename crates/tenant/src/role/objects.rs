//! gRPC 8888: single objects, to read, to list, to change, to put back.

mod answers;
mod api_keys;
mod own_host;
mod persons;
mod prompt_audio;
mod refusals;
mod requester;
mod shares;
mod shifts;
mod sign_ins;
mod snapshots;
mod tables;
#[cfg(test)]
mod test_hiding_tenant;
mod token;
mod whole_tenant;

use std::collections::BTreeMap;
use std::sync::Arc;

use contracts::provisioning::{FaultCode, FolderRight, Object, ObjectKey, ObjectKind};
use contracts::v1;
use contracts::v1::change_object::Action;
use contracts::v1::provisioning_server::Provisioning;
use infra::{
    ApiKeys, AuditPart, ChangeNote, ChangeOrigin, ChangeWay, Clock, HistoryPage, ProvisioningStore, Revision, Shifts,
    SignInAudit, Stores, TenantArchive,
};
use model::TenantId;
use net::grpc::RequestOrigin;
use runtime::Directory;
use tonic::{Request, Response, Status};

use crate::api_keys::{ApiKeyMaker, make, mint, revoke};
use crate::broken_rule::BrokenRule;
use crate::objects::{
    self, Batch, EDITS_MAX, EditAction, HeldTenants, IndexedTenant, Listing, ObjectEdit, PASSWORDS_MAX,
    REQUEST_BYTES_MAX, SharedTenant,
};
use crate::people::{self, CheckedTable, ImportTerms, TableOutcome};
use crate::role::caller_rights::KeptRights;
use answers::{answer, history_entry};
use persons::{no_object, person, stored_object};
use refusals::{ends, no_tenant, of_request, refused, unread};
use shares::TenantShares;

/// The most requests that are answered or wait at once: each may hold a whole tenant.
const REQUESTS_MAX: usize = 64;
/// Of them, the most of one tenant.
const REQUESTS_OF_TENANT_MAX: usize = 16;
/// Batches that are carried out at once.
const BATCHES_AT_ONCE: usize = 4;
/// Of them, the most of one tenant: more would only make each other begin again.
const BATCHES_OF_TENANT_AT_ONCE: usize = 1;
/// The most uses of an object, and faults of a table, in an answer.
const LINES_MAX: usize = 1_000;
/// The longest id of an object, in bytes.
const ID_BYTES_MAX: usize = 255;
/// The most entries of a filter, and of a list of fields or kinds.
const ENTRIES_MAX: usize = 64;

/// The roles that are believed where a request came from: they pass on what others ask them.
const BELIEVED: [&str; 2] = ["agent-setup", "gws-configuration"];

/// The gRPC service.
pub(super) struct ObjectServer {
    store: Arc<dyn ProvisioningStore>,
    /// The same, for snapshots.
    archive: Arc<dyn TenantArchive>,
    /// What auth has noted.
    sign_in_audit: Arc<dyn SignInAudit>,
    keys: Arc<dyn ApiKeys>,
    /// When people work.
    shifts: Arc<dyn Shifts>,
    clock: Arc<dyn Clock>,
    /// Tells by its address which role has sent a request.
    directory: Directory,
    /// The host of the issuer.
    own_host: String,
    requests: TenantShares,
    batches: TenantShares,
    held: Arc<HeldTenants>,
    rights: Arc<KeptRights>,
}

impl ObjectServer {
    /// Serves what those stores have.
    pub fn new(
        stores: &Stores,
        held: Arc<HeldTenants>,
        rights: Arc<KeptRights>,
        clock: Arc<dyn Clock>,
        directory: Directory,
        issuer: &str,
    ) -> Self {
        let requests = TenantShares::new(REQUESTS_MAX, REQUESTS_OF_TENANT_MAX);
        let batches = TenantShares::new(BATCHES_AT_ONCE, BATCHES_OF_TENANT_AT_ONCE);
        Self {
            store: stores.provisioning.clone(),
            archive: stores.archive.clone(),
            sign_in_audit: stores.sign_in_audit.clone(),
            keys: stores.api_keys.clone(),
            shifts: stores.shifts.clone(),
            clock,
            directory,
            own_host: runtime::issuer::host(issuer),
            requests,
            batches,
            held,
            rights,
        }
    }

    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn note<T>(&self, request: &Request<T>, request_id: &str) -> Result<ChangeNote, Status> {
        if request_id.len() > REQUEST_BYTES_MAX || request_id.chars().any(char::is_control) {
            return Err(Status::invalid_argument(format!(
                "request_id: it has more than {REQUEST_BYTES_MAX} bytes, or control characters"
            )));
        }
        let (by, author) = requester::author(request)?;
        let RequestOrigin { source, way } = net::grpc::origin(request, &self.directory, &BELIEVED);
        let mut told = [ChangeWay::Page, ChangeWay::Rest, ChangeWay::Scim].into_iter();
        let way = told.find(|told| way.as_deref() == Some(told.as_str())).unwrap_or(ChangeWay::Grpc);
        Ok(ChangeNote {
            by,
            way,
            origin: ChangeOrigin { source: source.map(|source| source.to_string()), ..author },
            at: self.clock.now(),
            request: Some(request_id.to_owned()).filter(|id| !id.is_empty()),
        })
    }

    /// The tenant as it is now; while the database is away, as it was known last.
    async fn readable(&self, tenant: &TenantId) -> Result<SharedTenant, Status> {
        self.held.readable(&*self.store, tenant).await.map_err(unread)?.ok_or_else(|| no_tenant(tenant))
    }

    /// The object whose folded name is the same, with its revision.
    async fn spelled(&self, tenant: &TenantId, key: ObjectKey) -> Result<Option<(Revision, Object)>, Status> {
        let found = move |held: &IndexedTenant| {
            let object = held.spelled(&key)?;
            Some((held.revision_of(&object.key())?, object.clone()))
        };
        self.readable(tenant).await?.look(found).await.ok_or_else(ends)
    }

    async fn carry_out(
        &self,
        tenant: &TenantId,
        batch: Batch,
        note: &ChangeNote,
    ) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
        if let Some(refusal) = own_host::refusal(&batch.edits, &self.own_host) {
            return Err(refused(refusal));
        }
        let _turn = self.batches.take(tenant).await.ok_or_else(ends)?;
        let is_trial = batch.is_trial;
        let outcome = objects::change_held(&*self.store, &self.held, tenant, Arc::new(batch), note).await;
        let outcome = outcome.map_err(refused)?;
        if !is_trial && !outcome.is_repeated {
            let (by, revision, changed) = (note.by.as_str(), outcome.revision.0, outcome.changed);
            tracing::info!(%tenant, by, revision, changed, "objects of the configuration changed");
        }
        Ok(Response::new(answer(outcome)))
    }
}

#[tonic::async_trait]
impl Provisioning for ObjectServer {
    async fn get(&self, request: Request<v1::GetObjectRequest>) -> Result<Response<v1::StoredObject>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let person = person(&request)?;
        let asked = request.into_inner();
        at_most("fields", asked.fields.len())?;
        let key = key(&asked.kind, &asked.id)?;
        let found = self.object_seen(&tenant, person, key.clone()).await?;
        Ok(Response::new(stored_object(found.ok_or_else(|| no_object(&key))?, &asked.fields)))
    }

    async fn list(
        &self,
        request: Request<v1::ListObjectsRequest>,
    ) -> Result<Response<v1::ListObjectsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let person = person(&request)?;
        let asked = listing(request.into_inner())?;
        let page = self.page_seen(&tenant, person, asked).await?;
        let shown = page.objects.into_iter().map(|object| v1::StoredObject {
            kind: object.key.kind.as_str().to_owned(),
            id: object.key.id,
            json: object.json,
            revision: object.revision.0,
        });
        Ok(Response::new(v1::ListObjectsResponse {
            objects: shown.collect(),
            next_page_token: page.last.as_ref().map(token::of_end).unwrap_or_default(),
            revision: page.revision.0,
        }))
    }

    async fn change(
        &self,
        request: Request<v1::ChangeObjectsRequest>,
    ) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, &request.get_ref().request_id)?;
        let person = person(&request)?;
        if whole_tenant::is_deleted_by(&request)? {
            return whole_tenant::delete(&self.store, &tenant, request.into_inner(), &note).await;
        }
        let asked = request.into_inner();
        let count = asked.changes.len();
        if count == 0 || count > EDITS_MAX {
            let words = format!("{count} are in one request, 1 to {EDITS_MAX} must be: send more in several");
            let rule = BrokenRule::new(FaultCode::OutOfRange, words).naming("least", "1");
            return Err(of_request("changes", rule.naming("most", EDITS_MAX.to_string())));
        }
        let edits = (0..).zip(asked.changes).map(|(index, change)| edit(index, change));
        let edits = edits.collect::<Result<Vec<ObjectEdit>, _>>()?;
        api_keys::may_change(&note.by, edits.iter().map(|edit| edit.key.kind))?;
        let (is_trial, with_documents) = (asked.validate_only, asked.with_documents);
        let batch = Batch { edits, is_trial, passwords_max: PASSWORDS_MAX, with_documents, person, table: None };
        self.carry_out(&tenant, batch, &note).await
    }

    async fn history(
        &self,
        request: Request<v1::ObjectHistoryRequest>,
    ) -> Result<Response<v1::ObjectHistoryResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let person = person(&request)?;
        let asked = request.into_inner();
        let kind = Some(asked.kind.as_str()).filter(|kind| !kind.is_empty()).map(kind_of).transpose()?;
        let is_id_meant = !asked.id.is_empty() || kind == Some(ObjectKind::Tenant);
        let page = HistoryPage {
            kind,
            id: is_id_meant.then_some(asked.id),
            below: token::number(&asked.page_token).map_err(token::wrong)?,
            limit: asked.page_size,
        };
        let part = self.history_seen(&tenant, person, page).await?;
        Ok(Response::new(v1::ObjectHistoryResponse {
            next_page_token: part.last.map(|last| last.to_string()).unwrap_or_default(),
            pruned_revision: part.pruned.0,
            entries: part.entries.into_iter().map(history_entry).collect(),
        }))
    }

    async fn sign_ins(
        &self,
        request: Request<v1::SignInAuditRequest>,
    ) -> Result<Response<v1::SignInAuditResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let caller = person(&request)?;
        let mut page = sign_ins::page(request.into_inner())?;
        if let Some(typed) = sign_ins::to_be_spelled(&page)
            && let Some((_, spelled)) = self.spelled(&tenant, typed).await?
        {
            page.subject = Some(sign_ins::about_person(&spelled.key().id));
        }
        let part = match sign_ins::asked_person(&page) {
            Some(about) => {
                let is_told = self.is_told_of(&tenant, caller, &about).await?;
                if is_told { self.sign_ins_seen(&tenant, None, page).await? } else { AuditPart::default() }
            }
            None => {
                let what = (FolderRight::Read, "sign-ins of everybody");
                self.needs_whole_tenant(&tenant, caller.clone(), what).await?;
                self.sign_ins_seen(&tenant, caller, page).await?
            }
        };
        Ok(Response::new(sign_ins::answer(part)))
    }

    async fn create_api_key(
        &self,
        request: Request<v1::CreateApiKeyRequest>,
    ) -> Result<Response<v1::CreateApiKeyResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, &request.get_ref().request_id)?;
        let person = person(&request)?;
        self.needs_whole_tenant(&tenant, person.clone(), (FolderRight::Change, "API keys")).await?;
        let caller = net::grpc::caller(&request)?.clone();
        let may = |scope: &str| caller.has_scope(scope);
        let wanted = api_keys::wanted(request.into_inner());
        self.needs_seen_client(&tenant, person, wanted.client.as_deref()).await?;
        at_most("scopes", wanted.scopes.len())?;
        let maker = ApiKeyMaker { by: &note.by, may: &may, now: note.at, origin: &note.origin };
        let made = make(&*self.store, &*self.keys, &tenant, wanted, &maker, mint()).await;
        let made = made.map_err(api_keys::refused)?;
        let (by, id, is_repeated) = (note.by.as_str(), made.key.id.as_str(), made.text.is_none());
        tracing::info!(%tenant, by, id, is_repeated, "an API key was made");
        Ok(Response::new(api_keys::answer(made)))
    }

    async fn api_keys(&self, request: Request<v1::ApiKeysRequest>) -> Result<Response<v1::ApiKeysResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let person = person(&request)?;
        self.needs_whole_tenant(&tenant, person.clone(), (FolderRight::Read, "API keys")).await?;
        let keys = self.api_keys_seen(&tenant, person).await?;
        Ok(Response::new(v1::ApiKeysResponse { records: keys.into_iter().map(api_keys::record).collect() }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<v1::RevokeApiKeyRequest>,
    ) -> Result<Response<v1::RevokeApiKeyResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, "")?;
        let person = person(&request)?;
        self.needs_whole_tenant(&tenant, person.clone(), (FolderRight::Change, "API keys")).await?;
        let id = request.into_inner().id;
        self.needs_seen_key(&tenant, person, &id).await?;
        revoke(&*self.keys, &tenant, &id, &note).await.map_err(api_keys::refused)?;
        tracing::info!(%tenant, by = note.by, id, "an API key was revoked");
        Ok(Response::new(v1::RevokeApiKeyResponse {}))
    }

    async fn restore(
        &self,
        request: Request<v1::RestoreObjectRequest>,
    ) -> Result<Response<v1::ChangeObjectsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, &request.get_ref().request_id)?;
        let person = person(&request)?;
        let asked = request.into_inner();
        let (key, expected) = (key(&asked.kind, &asked.id)?, asked.expected_revision.map(Revision));
        api_keys::may_change(&note.by, std::iter::once(key.kind))?;
        let back = (key, Revision(asked.revision), expected);
        let edits = vec![self.put_back_seen(&tenant, person.clone(), back).await?];
        let with_documents = asked.with_documents;
        let batch = Batch { edits, is_trial: false, passwords_max: PASSWORDS_MAX, with_documents, person, table: None };
        self.carry_out(&tenant, batch, &note).await
    }

    async fn uses(&self, request: Request<v1::ObjectUsesRequest>) -> Result<Response<v1::ObjectUsesResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let person = person(&request)?;
        let asked = request.into_inner();
        let key = key(&asked.kind, &asked.id)?;
        let uses = self.uses_seen(&tenant, person, (key, LINES_MAX)).await?;
        let uses = uses.into_iter().take(LINES_MAX).map(|one| v1::ObjectUse {
            kind: one.key.kind.as_str().to_owned(),
            id: one.key.id,
            field: one.field,
            is_named: one.is_named,
        });
        Ok(Response::new(v1::ObjectUsesResponse { uses: uses.collect() }))
    }

    async fn import_people(
        &self,
        request: Request<v1::ImportPeopleRequest>,
    ) -> Result<Response<v1::ImportPeopleResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.note(&request, &request.get_ref().request_id)?;
        let person = person(&request)?;
        let asked = request.into_inner();
        let not_ours = || Status::invalid_argument("checked: it is none of ours");
        let checked = Some(asked.checked.as_str()).filter(|checked| !checked.is_empty());
        let checked = checked.map(|checked| CheckedTable::parse(checked).ok_or_else(not_ours)).transpose()?;
        let _turn = self.batches.take(&tenant).await.ok_or_else(ends)?;
        let terms = ImportTerms {
            is_trial: asked.validate_only,
            passwords_max: PASSWORDS_MAX,
            with_documents: asked.with_documents,
            person,
            checked,
        };
        let is_trial = terms.is_trial;
        let taken = people::import(&*self.store, &self.held, &tenant, asked.table, &note, terms).await;
        if let Ok(TableOutcome { batch, .. }) = &taken
            && !is_trial
            && !batch.is_repeated
        {
            let (by, revision, changed) = (note.by.as_str(), batch.revision.0, batch.changed);
            tracing::info!(%tenant, by, revision, changed, "a table of people was imported");
        }
        Ok(Response::new(tables::answer(taken)?))
    }

    async fn export_people(
        &self,
        request: Request<v1::ExportPeopleRequest>,
    ) -> Result<Response<v1::ExportPeopleResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        let table = self.people_seen(&tenant, person(&request)?).await?;
        Ok(Response::new(v1::ExportPeopleResponse { table }))
    }

    async fn create_snapshot(
        &self,
        request: Request<v1::CreateSnapshotRequest>,
    ) -> Result<Response<v1::SnapshotRecord>, Status> {
        self.snapshot_made(request).await
    }

    async fn list_snapshots(
        &self,
        request: Request<v1::ListSnapshotsRequest>,
    ) -> Result<Response<v1::ListSnapshotsResponse>, Status> {
        self.snapshots_listed(request).await
    }

    async fn delete_snapshot(
        &self,
        request: Request<v1::DeleteSnapshotRequest>,
    ) -> Result<Response<v1::DeleteSnapshotResponse>, Status> {
        self.snapshot_deleted(request).await
    }

    async fn restore_snapshot(
        &self,
        request: Request<v1::RestoreSnapshotRequest>,
    ) -> Result<Response<v1::RestoreSnapshotResponse>, Status> {
        self.snapshot_restored(request).await
    }

    async fn keep_prompt_audio(
        &self,
        request: Request<v1::KeepPromptAudioRequest>,
    ) -> Result<Response<v1::KeepPromptAudioResponse>, Status> {
        self.audio_kept(request).await
    }

    async fn prompt_audio(
        &self,
        request: Request<v1::PromptAudioRequest>,
    ) -> Result<Response<v1::PromptAudioResponse>, Status> {
        self.audio_given(request).await
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
        after: token::end(&asked.page_token).map_err(token::wrong)?,
    })
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

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn every_object_has_an_id_but_the_tenant() {
        assert!(key("tenant", "").is_ok() && key("person", "ann").is_ok());
        let long = "x".repeat(ID_BYTES_MAX + 1);
        for (kind, id) in [("tenant", "x"), ("person", ""), ("agent", "x"), ("person", long.as_str())] {
            assert_eq!(key(kind, id).unwrap_err().code(), Code::InvalidArgument);
        }
    }
}
