//! A batch of edits, all or none. Whoever changes other objects meanwhile makes it begin again, and the caller sees nothing of that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::{Object, ObjectKey, Secret, TenantObjects};
use infra::{ChangeNote, HistoryEntry, ObjectChange, ProvisioningStore, Revision, StoreError, VersionedObjects};
use model::TenantId;
use tokio::task::spawn_blocking;

use super::plan::{plan, revision_of};
use super::{ChangeRefusal, ObjectEdit, folded};
use crate::file;

/// How often a batch begins again because others have changed the tenant.
const ATTEMPTS_MAX: usize = 16;
/// How long a batch may be repeated under its key.
const REPEATABLE: Duration = Duration::from_secs(24 * 3600);

/// Edits of a tenant's objects that are carried out all or none.
pub struct Batch {
    /// The edits; each object stands there once.
    pub edits: Vec<ObjectEdit>,
    /// Whether the batch is checked alone, and nothing is stored.
    pub is_trial: bool,
    /// The most passwords and secrets in clear.
    pub passwords_max: usize,
    /// Whether the outcome has the documents of the objects that change.
    pub with_documents: bool,
}

/// An object that a batch changes, as it was and as it is, or would be in a trial: documents without secrets, none where it does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedDocuments {
    /// The object.
    pub key: ObjectKey,
    /// Before the batch.
    pub before: Option<String>,
    /// After it.
    pub after: Option<String>,
}

/// What a batch has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchOutcome {
    /// The tenant's revision.
    pub revision: Revision,
    /// The objects of the batch with their revisions; none for one that is gone.
    pub objects: Vec<(ObjectKey, Option<Revision>)>,
    /// The number of objects that have changed, or would in a trial.
    pub changed: usize,
    /// Whether it is the result of an earlier batch with the same key.
    pub is_repeated: bool,
    /// The documents of the objects that change, if they were asked for.
    pub documents: Vec<ChangedDocuments>,
}

/// Carries out a batch.
///
/// # Errors
/// Why nothing has happened; only [`StoreError::Unavailable`] leaves that open.
pub async fn change(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    batch: &Batch,
    note: &ChangeNote,
) -> Result<BatchOutcome, ChangeRefusal> {
    for _ in 0..ATTEMPTS_MAX {
        if let Some(outcome) = earlier(store, tenant, batch, note).await? {
            return Ok(outcome);
        }
        let held = store.versioned(tenant).await?.ok_or_else(|| ChangeRefusal::NoTenant(tenant.clone()))?;
        let held = Arc::new(held);
        let changes = planned(&held, &batch.edits).await?;
        if changes.iter().filter(|change| has_password(change)).count() > batch.passwords_max {
            return Err(ChangeRefusal::ManyPasswords(batch.passwords_max));
        }
        if changes.is_empty() || batch.is_trial {
            return Ok(outcome(&held, batch, &changes, held.revision));
        }
        let changes = with_secrets(&held, changes).await?;
        match store.update(tenant, held.revision, changes.clone(), note).await {
            Ok(revision) => return Ok(outcome(&held, batch, &changes, revision)),
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ChangeRefusal::NoTurn)
}

/// All rules are passed over the whole tenant: that is done beside the executor.
async fn planned(held: &Arc<VersionedObjects>, edits: &[ObjectEdit]) -> Result<Vec<ObjectChange>, ChangeRefusal> {
    let (held, edits) = (held.clone(), edits.to_vec());
    // It fails when the process ends: then nobody waits for the answer.
    spawn_blocking(move || plan(&held, &edits)).await.map_err(|_| ChangeRefusal::NoTurn)?
}

/// The result of the same batch, if the caller has sent it before.
async fn earlier(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    batch: &Batch,
    note: &ChangeNote,
) -> Result<Option<BatchOutcome>, ChangeRefusal> {
    let Some(request) = &note.request else { return Ok(None) };
    let since = model::Timestamp::from_micros(
        note.at.as_micros().saturating_sub(u64::try_from(REPEATABLE.as_micros()).unwrap_or(u64::MAX)),
    );
    let done = store.request(tenant, &note.by, request, since).await?;
    let Some(revision) = done.last().map(|entry| entry.revision) else { return Ok(None) };
    let named: HashSet<ObjectKey> = batch.edits.iter().map(|edit| folded(&edit.key)).collect();
    if !done.iter().all(|entry| named.contains(&folded(&entry.key))) {
        return Err(ChangeRefusal::RequestReused);
    }
    let one = |entry: &HistoryEntry| (entry.key.clone(), entry.after.as_ref().map(|_| entry.revision));
    let objects = done.iter().map(one).collect();
    let changed = done.len();
    let told = done.into_iter().filter(|_| batch.with_documents);
    let documents = told.map(|HistoryEntry { key, before, after, .. }| ChangedDocuments { key, before, after });
    Ok(Some(BatchOutcome { revision, objects, changed, is_repeated: true, documents: documents.collect() }))
}

fn outcome(held: &VersionedObjects, batch: &Batch, changes: &[ObjectChange], revision: Revision) -> BatchOutcome {
    // By key: a table has tens of thousands of them.
    let by_key = changes.iter().map(|change| match change {
        ObjectChange::Put(object) => (object.key(), true),
        ObjectChange::Delete(key) => (key.clone(), false),
    });
    let is_put: HashMap<ObjectKey, bool> = by_key.collect();
    let now = |edit: &ObjectEdit| {
        let at = match is_put.get(&edit.key) {
            // In a trial the object stays at the revision that it has, if it has one.
            Some(true) if batch.is_trial => held.revisions.get(&edit.key).copied(),
            Some(true) => Some(revision),
            Some(false) => None,
            None => Some(revision_of(held, &edit.key)),
        };
        (edit.key.clone(), at)
    };
    BatchOutcome {
        revision,
        objects: batch.edits.iter().map(now).collect(),
        changed: changes.len(),
        is_repeated: false,
        documents: if batch.with_documents { documents(held, changes) } else { Vec::new() },
    }
}

fn documents(held: &VersionedObjects, changes: &[ObjectChange]) -> Vec<ChangedDocuments> {
    let one = |change: &ObjectChange| match change {
        ObjectChange::Put(object) => (object.key(), Some(super::shown(object.clone(), &[]))),
        ObjectChange::Delete(key) => (key.clone(), None),
    };
    let after: Vec<(ObjectKey, Option<String>)> = changes.iter().map(one).collect();
    let named: HashSet<ObjectKey> = after.iter().map(|(key, _)| key.clone()).collect();
    let present = held.objects.objects().filter(|object| named.contains(&object.key()));
    let mut before: HashMap<ObjectKey, String> =
        present.map(|object| (object.key(), super::shown(object, &[]))).collect();
    let pair = |(key, after): (ObjectKey, Option<String>)| {
        let before = before.remove(&key);
        ChangedDocuments { key, before, after }
    };
    after.into_iter().map(pair).collect()
}

/// Whether a password, or the secret of a client, is there in clear.
fn has_password(change: &ObjectChange) -> bool {
    match change {
        ObjectChange::Put(object @ (Object::Person(_) | Object::Client(_))) => {
            // A PIN is kept as it is, and a second factor comes sealed.
            let is_hashed = |field: &str| !matches!(field, "agent.pin" | "second_factor");
            let is_clear = |(field, secret): (&str, &Secret)| is_hashed(field) && !file::is_meant_as_hash(secret);
            object.secrets().into_iter().any(is_clear)
        }
        _ => false,
    }
}

/// The changes with generated secrets, and with hashes in place of passwords: that takes a processor for a while, so it is done beside the
/// executor.
async fn with_secrets(held: &VersionedObjects, changes: Vec<ObjectChange>) -> Result<Vec<ObjectChange>, ChangeRefusal> {
    let mut put = TenantObjects::new(held.objects.tenant.clone());
    let mut others = Vec::new();
    for change in changes {
        match change {
            ObjectChange::Put(object) if !object.secrets().is_empty() => put.put(object),
            other => others.push(other),
        }
    }
    let keys: HashSet<ObjectKey> = put.objects().map(|object| object.key()).collect();
    let mut before = TenantObjects::new(held.objects.tenant.clone());
    for object in held.objects.objects().filter(|object| keys.contains(&object.key())) {
        before.put(object);
    }
    let filled = spawn_blocking(move || {
        let mut entropy = runtime::entropy::Strong::seeded_by_system();
        file::fill(&mut put, Some(&before), &mut entropy).map(|()| put)
    });
    // It fails when the process ends: then nobody waits for the answer.
    let filled = filled.await.map_err(|_| ChangeRefusal::NoTurn)??;
    let secret = filled.objects().filter(|object| !matches!(object, Object::Tenant(_))).map(ObjectChange::Put);
    others.extend(secret);
    Ok(others)
}
