//! Snapshots of the whole tenant, for callers whom no folder limits.

use contracts::provisioning::{FaultCode, FolderRight};
use contracts::v1;
use infra::{ChangeNote, ChangeWay, Revision, SnapshotHead, StoreError};
use tonic::{Request, Response, Status};

use super::answers::changed_objects;
use super::persons::person;
use super::refusals::{ends, no_tenant, of_request, of_stored, unread};
use super::{ObjectServer, api_keys};
use crate::broken_rule::BrokenRule;
use crate::snapshots::{self, NAME_BYTES_MAX, RestoreRefusal, RestoreTerms, SnapshotRefusal};

/// What is refused by name to who may not.
const WHAT: &str = "snapshots";
/// The most bytes of what the rules say against a snapshot: they travel in a header.
const FAULTS_BYTES_MAX: usize = 1_024;

impl ObjectServer {
    pub(super) async fn snapshot_made(
        &self,
        request: Request<v1::CreateSnapshotRequest>,
    ) -> Result<Response<v1::SnapshotRecord>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.snapshot_note(&request, &request.get_ref().request_id)?;
        self.needs_unlimited(&tenant, person(&request)?, WHAT).await?;
        let _turn = self.batches.take(&tenant).await.ok_or_else(ends)?;
        let name = request.into_inner().name;
        let head = snapshots::create(&*self.archive, &tenant, &name, &note).await.map_err(refused)?;
        tracing::info!(%tenant, by = note.by, name, "a snapshot was made");
        Ok(Response::new(record(head)))
    }

    pub(super) async fn snapshots_listed(
        &self,
        request: Request<v1::ListSnapshotsRequest>,
    ) -> Result<Response<v1::ListSnapshotsResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_READ).await?;
        self.needs_whole_tenant(&tenant, person(&request)?, (FolderRight::Read, WHAT)).await?;
        let heads = self.archive.snapshots(&tenant).await.map_err(unread)?;
        Ok(Response::new(v1::ListSnapshotsResponse { records: heads.into_iter().map(record).collect() }))
    }

    pub(super) async fn snapshot_deleted(
        &self,
        request: Request<v1::DeleteSnapshotRequest>,
    ) -> Result<Response<v1::DeleteSnapshotResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.snapshot_note(&request, &request.get_ref().request_id)?;
        self.needs_unlimited(&tenant, person(&request)?, WHAT).await?;
        let name = request.into_inner().name;
        snapshots::delete(&*self.archive, &tenant, &name, &note).await.map_err(refused)?;
        tracing::info!(%tenant, by = note.by, name, "a snapshot was removed");
        Ok(Response::new(v1::DeleteSnapshotResponse {}))
    }

    pub(super) async fn snapshot_restored(
        &self,
        request: Request<v1::RestoreSnapshotRequest>,
    ) -> Result<Response<v1::RestoreSnapshotResponse>, Status> {
        let (tenant, _permit) = self.admit(&request, runtime::scope::CONFIG_WRITE).await?;
        let note = self.snapshot_note(&request, &request.get_ref().request_id)?;
        api_keys::may_restore_all(&note.by)?;
        self.needs_unlimited(&tenant, person(&request)?, WHAT).await?;
        let asked = request.into_inner();
        let terms = RestoreTerms { expected: asked.expected_revision.map(Revision), is_trial: asked.validate_only };
        let _turn = self.batches.take(&tenant).await.ok_or_else(ends)?;
        let restored = snapshots::restore(&*self.archive, &tenant, &asked.name, terms, &note).await;
        let restored = restored.map_err(not_restored)?;
        let (revision, changed) = (restored.revision.0, restored.changed);
        if !terms.is_trial && !restored.is_repeated {
            tracing::info!(%tenant, by = note.by, name = asked.name, revision, changed, "a snapshot was restored");
        }
        let at = if terms.is_trial { 0 } else { revision };
        Ok(Response::new(v1::RestoreSnapshotResponse {
            revision,
            objects: changed_objects(restored.documents, at, asked.with_documents),
            changed: u32::try_from(changed).unwrap_or(u32::MAX),
            repeated_request: restored.is_repeated,
        }))
    }

    /// Who does it; the history calls the way `snapshot`, whatever the request came by.
    #[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
    fn snapshot_note<T>(&self, request: &Request<T>, request_id: &str) -> Result<ChangeNote, Status> {
        Ok(ChangeNote { way: ChangeWay::Snapshot, ..self.note(request, request_id)? })
    }
}

fn record(head: SnapshotHead) -> v1::SnapshotRecord {
    v1::SnapshotRecord { name: head.name, made_ms: head.at.as_millis(), made_by: head.by, revision: head.revision.0 }
}

/// A refusal as gRPC says it.
fn refused(refusal: SnapshotRefusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        SnapshotRefusal::Name(_) => of_request(
            "name",
            BrokenRule::other(format!("it has 1 to {NAME_BYTES_MAX} letters, digits, dashes, underscores and dots")),
        ),
        SnapshotRefusal::Taken(_) => Status::already_exists(message),
        SnapshotRefusal::Missing { .. } => Status::not_found(message),
        SnapshotRefusal::NoTenant(tenant) => no_tenant(&tenant),
        SnapshotRefusal::RequestReused => {
            let words = message.split_once(": ").map_or(message.as_str(), |(_, rule)| rule);
            of_request("request_id", BrokenRule::other(words))
        }
        SnapshotRefusal::Faults(faults) => of_stored(faults),
        // It does not pass by itself: the rule is about what the tenant has.
        SnapshotRefusal::Store(StoreError::Full { what, bound }) => {
            let words = format!("{what} is full: at most {bound}; delete a snapshot first");
            of_request("", BrokenRule::new(FaultCode::TooMany, words).naming("most", bound.to_string()))
        }
        SnapshotRefusal::Store(StoreError::Invalid(reason)) => Status::invalid_argument(reason),
        SnapshotRefusal::Store(error) => unread(error),
    }
}

/// The same for a restore.
fn not_restored(refusal: RestoreRefusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        RestoreRefusal::Snapshot(refusal) => refused(refusal),
        RestoreRefusal::Faults(_) => {
            let words = message.char_indices().take_while(|(at, _)| *at < FAULTS_BYTES_MAX).map(|(_, letter)| letter);
            of_request("name", BrokenRule::other(words.collect::<String>()))
        }
        RestoreRefusal::Stale { .. } => Status::aborted(message),
        RestoreRefusal::NoTurn => Status::unavailable(message),
        RestoreRefusal::Hash(_) => Status::resource_exhausted(message),
    }
}

#[cfg(test)]
mod tests {
    use model::{TenantId, Timestamp};
    use tonic::Code;

    use super::*;

    #[test]
    fn a_refusal_has_the_code_of_its_reason() {
        let acme = TenantId::parse("acme").unwrap();
        let name = "before".to_owned();
        for (refusal, code) in [
            (SnapshotRefusal::Name("a b".to_owned()), Code::InvalidArgument),
            (SnapshotRefusal::Taken(name.clone()), Code::AlreadyExists),
            (SnapshotRefusal::Missing { tenant: acme.clone(), name }, Code::NotFound),
            (SnapshotRefusal::NoTenant(acme), Code::NotFound),
            (SnapshotRefusal::Faults(Vec::new()), Code::FailedPrecondition),
            (SnapshotRefusal::Store(StoreError::Full { what: "the list", bound: 3 }), Code::InvalidArgument),
            (SnapshotRefusal::Store(StoreError::Unavailable { reason: "x".to_owned() }), Code::Unavailable),
        ] {
            let said = refusal.to_string();
            assert_eq!(not_restored(refusal.into()).code(), code, "{said}");
        }
        let stale = RestoreRefusal::Stale { expected: Revision(5), present: Revision(7) };
        let status = not_restored(stale);
        assert_eq!((status.code(), status.message()), (Code::Aborted, "the tenant is at revision 7, not 5"));
    }

    #[test]
    fn a_record_says_who_and_when() {
        let head = SnapshotHead {
            name: "before".to_owned(),
            at: Timestamp::from_millis(7),
            by: "person/ann".to_owned(),
            revision: Revision(3),
        };
        let told = record(head);
        assert_eq!((told.name.as_str(), told.made_ms, told.made_by.as_str()), ("before", 7, "person/ann"));
        assert_eq!(told.revision, 3);
    }
}
