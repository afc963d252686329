//! A batch of edits, all or none. Whoever changes other objects meanwhile makes it begin again, and the caller sees nothing of that.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::{Object, ObjectAnnex, ObjectKey, Person, Secret, TenantObjects, folded_name};
use infra::{ChangeNote, ChangeWay, HistoryEntry, ObjectChange, ProvisioningStore, Revision, StoreError};
use model::{TenantId, Timestamp};
use tokio::task::spawn_blocking;

use super::held::HeldTenants;
use super::indexed::IndexedTenant;
use super::plan::plan;
use super::rights::{CallerRights, keeps_administrator};
use super::{ChangeRefusal, EditAction, ObjectEdit, PASSWORDS_MAX, document};
use crate::file::{self, PinHashing};

/// How often a batch begins again because others have changed the tenant.
const ATTEMPTS_MAX: usize = 16;
/// How long a batch may be repeated under its key.
const REPEATABLE: Duration = Duration::from_secs(24 * 3600);

/// Edits of a tenant's objects that are carried out all or none.
#[derive(Clone)]
pub struct Batch {
    /// The edits; each object stands there once.
    pub edits: Vec<ObjectEdit>,
    /// Whether the batch is checked alone, and nothing is stored.
    pub is_trial: bool,
    /// The most objects with passwords, PINs or secrets in clear.
    pub passwords_max: usize,
    /// Whether the outcome has the documents of the objects that change.
    pub with_documents: bool,
    /// The user name of the person whose rights limit the batch; none for roles, programs and who runs the installation.
    pub person: Option<String>,
    /// Of a table, what makes its edits: sent again, it is compared with what it has led to then, whoever has changed its people since.
    pub table: Option<Arc<EditsOfPeople>>,
}

/// The edits that the lines of a table are if people stand so, by their folded names: those that are left out are not there.
pub type EditsOfPeople = dyn Fn(&HashMap<String, Person>) -> Vec<ObjectEdit> + Send + Sync;

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

/// Carries out a batch for a caller who changes the tenant once.
///
/// # Errors
/// As [`change_held`].
pub async fn change(
    store: &dyn ProvisioningStore,
    tenant: &TenantId,
    batch: &Batch,
    note: &ChangeNote,
) -> Result<BatchOutcome, ChangeRefusal> {
    change_held(store, &HeldTenants::default(), tenant, Arc::new(batch.clone()), note).await
}

/// Carries out a batch on a tenant that is kept in memory: of the store what has changed since is read.
///
/// # Errors
/// Why nothing has happened; only [`StoreError::Unavailable`] leaves that open.
pub async fn change_held(
    store: &dyn ProvisioningStore,
    held: &HeldTenants,
    tenant: &TenantId,
    batch: Arc<Batch>,
    note: &ChangeNote,
) -> Result<BatchOutcome, ChangeRefusal> {
    let mut known = FilledSecrets::default();
    for _ in 0..ATTEMPTS_MAX {
        if let Some(outcome) = earlier(store, held, tenant, &batch, note).await? {
            return Ok(outcome);
        }
        let shared = held.fresh(store, tenant).await?.ok_or_else(|| ChangeRefusal::NoTenant(tenant.clone()))?;
        let (asked, is_served) = (batch.clone(), is_served(&note.way));
        // It fails when the process ends: then nobody waits for the answer.
        let planned =
            shared.look(move |held| Planned::of(held, &asked, is_served)).await.ok_or(ChangeRefusal::NoTurn)??;
        let Planned { at, changes, with_secrets_before, outcome } = planned;
        if changes.is_empty() || batch.is_trial {
            return Ok(outcome.at(at));
        }
        let (filled, changes) = with_secrets(known, with_secrets_before, changes).await?;
        known = filled;
        match store.update(tenant, at, changes, note).await {
            Ok(revision) => {
                held.is_changed(tenant);
                return Ok(outcome.at(revision));
            }
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(ChangeRefusal::NoTurn)
}

/// Whether people or programs of the tenant ask, who cannot let an administrator in again as who runs the installation can.
const fn is_served(way: &ChangeWay) -> bool {
    matches!(way, ChangeWay::Page | ChangeWay::Rest | ChangeWay::Scim | ChangeWay::Grpc)
}

/// What a batch does to a tenant at a revision.
struct Planned {
    at: Revision,
    changes: Vec<ObjectChange>,
    /// Of the objects that change, those with secrets, as they are before.
    with_secrets_before: TenantObjects,
    outcome: PlannedOutcome,
}

/// The outcome, but for the revision that the batch leads to.
struct PlannedOutcome {
    objects: Vec<(ObjectKey, PlannedRevision)>,
    changed: usize,
    documents: Vec<ChangedDocuments>,
}

/// At which revision an object is after a batch.
enum PlannedRevision {
    /// It stays; none for one that is not there.
    Is(Option<Revision>),
    /// That of the batch.
    OfBatch,
}

impl Planned {
    fn of(held: &IndexedTenant, batch: &Batch, is_served: bool) -> Result<Self, ChangeRefusal> {
        let rights = batch.person.as_ref().map(|user| CallerRights::of(held, user));
        let changes = plan(held, &batch.edits, rights.as_ref())?;
        if is_served {
            keeps_administrator(held, &changes)?;
        }
        let given = changes.iter().filter(|change| has_password(change, held.get(&change.key()))).count();
        if given > batch.passwords_max {
            return Err(ChangeRefusal::ManyPasswords { given, most: batch.passwords_max });
        }
        let by_key: HashMap<ObjectKey, &ObjectChange> = changes.iter().map(|change| (change.key(), change)).collect();
        let one = |edit: &ObjectEdit| {
            let present = held.revision_of(&edit.key);
            let revision = match by_key.get(&edit.key) {
                Some(ObjectChange::Put(_) | ObjectChange::Annex(..)) if !batch.is_trial => PlannedRevision::OfBatch,
                // In a trial the object stays at the revision that it has, if it has one.
                Some(ObjectChange::Put(_) | ObjectChange::Annex(..)) | None => PlannedRevision::Is(present),
                Some(ObjectChange::Delete(_)) => PlannedRevision::Is(None),
            };
            (edit.key.clone(), revision)
        };
        let objects = batch.edits.iter().map(one).collect();
        let documents = if batch.with_documents { documents(held, &changes) } else { Vec::new() };
        let before = changes.iter().filter(|change| has_secrets(change)).filter_map(|change| held.get(&change.key()));
        let with_secrets_before = file::gathered(held.tenant().clone(), before.cloned());
        let outcome = PlannedOutcome { objects, changed: by_key.len(), documents };
        Ok(Self { at: held.revision(), changes, with_secrets_before, outcome })
    }
}

impl PlannedOutcome {
    fn at(self, revision: Revision) -> BatchOutcome {
        let one = |(key, planned)| match planned {
            PlannedRevision::Is(present) => (key, present),
            PlannedRevision::OfBatch => (key, Some(revision)),
        };
        BatchOutcome {
            revision,
            objects: self.objects.into_iter().map(one).collect(),
            changed: self.changed,
            is_repeated: false,
            documents: self.documents,
        }
    }
}

/// Since when a request counts as the same one that is sent again.
pub(crate) fn repeatable_since(note: &ChangeNote) -> Timestamp {
    let before = u64::try_from(REPEATABLE.as_micros()).unwrap_or(u64::MAX);
    Timestamp::from_micros(note.at.as_micros().saturating_sub(before))
}

/// The result of the same batch, if the caller has sent it before.
async fn earlier(
    store: &dyn ProvisioningStore,
    held: &HeldTenants,
    tenant: &TenantId,
    batch: &Arc<Batch>,
    note: &ChangeNote,
) -> Result<Option<BatchOutcome>, ChangeRefusal> {
    let Some(request) = &note.request else { return Ok(None) };
    let done = store.request(tenant, &note.by, request, repeatable_since(note)).await?;
    let Some(revision) = done.last().map(|entry| entry.revision) else { return Ok(None) };
    let named: HashSet<ObjectKey> = batch.edits.iter().map(|edit| edit.key.folded()).collect();
    if !done.iter().all(|entry| named.contains(&entry.key.folded())) {
        return Err(ChangeRefusal::RequestReused);
    }
    if hides_one(store, held, tenant, batch).await? {
        // It is refused as it would be without its key.
        return Ok(None);
    }
    let asked = batch.clone();
    let compared = spawn_blocking(move || (asks_for_the_same(&asked, &done), done));
    // It fails when the process ends: then nobody waits for the answer.
    let (is_same, done) = compared.await.map_err(|_| ChangeRefusal::NoTurn)?;
    if !is_same {
        return Err(ChangeRefusal::RequestReused);
    }
    let changed: HashSet<ObjectKey> = done.iter().map(|entry| entry.key.folded()).collect();
    let others = batch.edits.iter().filter(|edit| !changed.contains(&edit.key.folded())).cloned().collect();
    if !leave_unchanged(store, held, tenant, others).await? {
        return Err(ChangeRefusal::RequestReused);
    }
    let one = |entry: &HistoryEntry| (entry.key.clone(), entry.after.as_ref().map(|_| entry.revision));
    let objects = done.iter().map(one).collect();
    let changed = done.len();
    let told = done.into_iter().filter(|_| batch.with_documents);
    let documents = told.map(|HistoryEntry { key, before, after, .. }| ChangedDocuments { key, before, after });
    Ok(Some(BatchOutcome { revision, objects, changed, is_repeated: true, documents: documents.collect() }))
}

/// Whether a batch wants the objects of an earlier one as that one has made them. What it says of secrets is not looked at: no history has
/// those.
fn asks_for_the_same(batch: &Batch, done: &[HistoryEntry]) -> bool {
    let of_lines = batch.table.as_ref().map(|lines| lines(&people_after(done)));
    let edits = of_lines.as_ref().unwrap_or(&batch.edits);
    let edits: HashMap<ObjectKey, &ObjectEdit> = edits.iter().map(|edit| (edit.key.folded(), edit)).collect();
    done.iter().all(|entry| edits.get(&entry.key.folded()).is_some_and(|edit| leads_to(edit, entry)))
}

/// The people as they stood after entries of the history, by their folded names.
fn people_after(done: &[HistoryEntry]) -> HashMap<String, Person> {
    let one = |entry: &HistoryEntry| match noted(entry) {
        Some((Object::Person(person), _)) => Some((folded_name(&person.user_name), *person)),
        _ => None,
    };
    done.iter().filter_map(one).collect()
}

/// An object as it was after an entry of the history; none if it is gone then, or if this release does not read it.
fn noted(entry: &HistoryEntry) -> Option<(Object, ObjectAnnex)> {
    let back = EditAction::PutBack(entry.after.clone()?);
    document::edited(&entry.key, &back, None).ok().flatten()
}

/// Whether an edit leaves an object as it is after an entry of the history.
fn leads_to(edit: &ObjectEdit, entry: &HistoryEntry) -> bool {
    if entry.after.is_none() {
        return edit.action == EditAction::Delete;
    }
    // What this release does not read says nothing against it.
    let Some((object, annex)) = noted(entry) else { return true };
    match document::edited(&entry.key, &edit.action, Some((&object, Some(&annex)))) {
        Ok(Some((wanted, besides))) => besides == annex && wanted.without_secrets() == object.without_secrets(),
        Ok(None) | Err(_) => false,
    }
}

/// Whether a batch of a person names an object that the person does not see now: what is said of it would tell how that object is.
async fn hides_one(
    store: &dyn ProvisioningStore,
    held: &HeldTenants,
    tenant: &TenantId,
    batch: &Batch,
) -> Result<bool, ChangeRefusal> {
    let Some(user) = batch.person.clone() else { return Ok(false) };
    let keys: Vec<ObjectKey> = batch.edits.iter().map(|edit| edit.key.clone()).collect();
    let shared = held.fresh(store, tenant).await?.ok_or_else(|| ChangeRefusal::NoTenant(tenant.clone()))?;
    let look = move |held: &IndexedTenant| {
        let rights = CallerRights::of(held, &user);
        keys.iter().filter_map(|key| held.found(key)).any(|found| !rights.may_see(found))
    };
    shared.look(look).await.ok_or(ChangeRefusal::NoTurn)
}

/// Whether edits leave their objects as they are: such ones are not in the history of their batch.
async fn leave_unchanged(
    store: &dyn ProvisioningStore,
    held: &HeldTenants,
    tenant: &TenantId,
    edits: Vec<ObjectEdit>,
) -> Result<bool, ChangeRefusal> {
    if edits.is_empty() {
        return Ok(true);
    }
    let shared = held.fresh(store, tenant).await?.ok_or_else(|| ChangeRefusal::NoTenant(tenant.clone()))?;
    let look = move |held: &IndexedTenant| plan(held, &edits, None).is_ok_and(|changes| changes.is_empty());
    shared.look(look).await.ok_or(ChangeRefusal::NoTurn)
}

fn documents(held: &IndexedTenant, changes: &[ObjectChange]) -> Vec<ChangedDocuments> {
    let given: HashMap<ObjectKey, &ObjectAnnex> = changes.iter().filter_map(given_annex).collect();
    let mut told = HashSet::new();
    let one = |change: &ObjectChange| {
        let key = change.key();
        // An object and its annex are told together: the object comes first.
        if !told.insert(key.clone()) {
            return None;
        }
        let (present, annex) = (held.get(&key), held.annex(&key));
        let before = present.cloned().map(|object| super::shown(object, annex, &[]));
        let after = match change {
            ObjectChange::Put(object) => Some(object),
            ObjectChange::Annex(..) => present,
            ObjectChange::Delete(_) => None,
        };
        let annex = given.get(&key).copied().or(annex);
        let after = after.cloned().map(|object| super::shown(object, annex, &[]));
        Some(ChangedDocuments { key, before, after })
    };
    changes.iter().filter_map(one).collect()
}

fn given_annex(change: &ObjectChange) -> Option<(ObjectKey, &ObjectAnnex)> {
    match change {
        ObjectChange::Annex(key, annex) => Some((key.clone(), annex)),
        _ => None,
    }
}

/// Whether it has secrets that may have to be generated or hashed. That of the tenant's provider is kept as it is.
fn has_secrets(change: &ObjectChange) -> bool {
    matches!(change, ObjectChange::Put(object) if is_with_secrets(object))
}

fn is_with_secrets(object: &Object) -> bool {
    !matches!(object, Object::Tenant(_)) && !object.secrets().is_empty()
}

/// Whether a password, a PIN or the secret of a client is given in clear. A PIN that a release before has stored so is not given.
fn has_password(change: &ObjectChange, before: Option<&Object>) -> bool {
    match change {
        ObjectChange::Put(object @ (Object::Person(_) | Object::Client(_))) => {
            let kept = before.map(Object::secrets).unwrap_or_default();
            // A second factor comes sealed.
            let is_clear = |one: (&'static str, &Secret)| one.0 != "second_factor" && !one.1.is_meant_as_hash();
            object.secrets().into_iter().any(|one| is_clear(one) && !kept.contains(&one))
        }
        _ => false,
    }
}

/// Objects of a batch with generated secrets and with hashes, kept while it begins again: a hash takes a part of a second.
#[derive(Default)]
struct FilledSecrets(HashMap<ObjectKey, FilledObject>);

struct FilledObject {
    before: Option<Object>,
    planned: Object,
    filled: Object,
}

impl FilledSecrets {
    /// What the same object was filled to, if nobody has changed it meanwhile.
    fn of(&self, planned: &Object, before: Option<&Object>) -> Option<&Object> {
        let known = self.0.get(&planned.key())?;
        (known.planned == *planned && known.before.as_ref() == before).then_some(&known.filled)
    }
}

/// The changes with generated secrets, and with hashes in place of passwords: that takes a processor for a while, so it is done beside the
/// executor.
async fn with_secrets(
    mut known: FilledSecrets,
    before: TenantObjects,
    changes: Vec<ObjectChange>,
) -> Result<(FilledSecrets, Vec<ObjectChange>), ChangeRefusal> {
    let filled = move || -> Result<(FilledSecrets, Vec<ObjectChange>), ChangeRefusal> {
        let each_before: HashMap<ObjectKey, Object> = before.objects().map(|object| (object.key(), object)).collect();
        let (mut filled, mut planned) = (Vec::with_capacity(changes.len()), HashMap::new());
        for change in changes {
            match change {
                ObjectChange::Put(object) if is_with_secrets(&object) => {
                    let key = object.key();
                    match known.of(&object, each_before.get(&key)) {
                        Some(same) => filled.push(ObjectChange::Put(same.clone())),
                        None => drop(planned.insert(key, object)),
                    }
                }
                other => filled.push(other),
            }
        }
        let mut put = file::gathered(before.tenant.clone(), planned.values().cloned());
        let mut entropy = runtime::entropy::Strong::seeded_by_system();
        file::fill_within(&mut put, Some(&before), &mut entropy, &mut PinHashing::but_for(PASSWORDS_MAX))?;
        for object in file::into_single(put).filter(|object| !matches!(object, Object::Tenant(_))) {
            let key = object.key();
            if let Some(planned) = planned.remove(&key) {
                let before = each_before.get(&key).cloned();
                known.0.insert(key, FilledObject { before, planned, filled: object.clone() });
            }
            filled.push(ObjectChange::Put(object));
        }
        Ok((known, filled))
    };
    // It fails when the process ends: then nobody waits for the answer.
    spawn_blocking(filled).await.map_err(|_| ChangeRefusal::NoTurn)?
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::ObjectKind;
    use infra::{ChangeOrigin, ChangeWay};

    use super::*;
    use crate::objects::test_one_tenant::OneTenant;

    fn note() -> ChangeNote {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let (by, origin) = ("user/test".to_owned(), ChangeOrigin::default());
        ChangeNote { by, way: ChangeWay::Grpc, origin, at, request: None }
    }

    fn put(user: &str, first_name: &str) -> ObjectEdit {
        let document = format!(r#"{{"user_name":"{user}","first_name":"{first_name}","last_name":"Person"}}"#);
        let key = ObjectKey { kind: ObjectKind::Person, id: user.to_owned() };
        ObjectEdit { key, expected: None, action: EditAction::Put(document) }
    }

    fn batch(edits: Vec<ObjectEdit>, is_trial: bool) -> Arc<Batch> {
        Arc::new(Batch { edits, is_trial, passwords_max: 50, with_documents: false, person: None, table: None })
    }

    #[tokio::test]
    async fn an_edit_reads_no_tenant_that_is_kept() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        for (revision, name) in (2..).map(Revision).zip(["One", "Two", "Three"]) {
            let done = change_held(&store, &held, &store.id(), batch(vec![put("new", name)], false), &note()).await;
            let done = done.unwrap();
            assert_eq!((done.revision, done.objects[0].1), (revision, Some(revision)));
        }
        assert_eq!(store.reads(), 1);
    }

    #[tokio::test]
    async fn a_batch_of_many_people_is_tried_and_carried_out() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let edits: Vec<ObjectEdit> = (0..5_000).map(|number| put(&format!("new{number}"), "New")).collect();
        let tried = change_held(&store, &held, &store.id(), batch(edits.clone(), true), &note()).await.unwrap();
        assert_eq!((tried.changed, tried.revision, tried.objects.len()), (5_000, Revision(1), 5_000));
        assert!(tried.objects.iter().all(|(_, revision)| revision.is_none()), "none of them is there");
        let done = change_held(&store, &held, &store.id(), batch(edits.clone(), false), &note()).await.unwrap();
        assert!(done.objects.iter().all(|(_, revision)| *revision == Some(Revision(2))));
        let again = change_held(&store, &held, &store.id(), batch(edits, false), &note()).await.unwrap();
        assert_eq!((again.changed, again.revision, store.reads()), (0, Revision(2), 1));
    }

    #[tokio::test]
    async fn who_runs_the_installation_alone_leaves_a_tenant_without_an_administrator() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let of = |privileges: &str| {
            let document =
                format!(r#"{{"user_name":"boss","first_name":"B","last_name":"B","privileges":[{privileges}]}}"#);
            batch(vec![ObjectEdit { action: EditAction::Put(document), ..put("boss", "") }], false)
        };
        let by = |way: ChangeWay| ChangeNote { way, ..note() };
        let made = of(r#""administrator""#);
        change_held(&store, &held, &store.id(), made.clone(), &note()).await.unwrap();
        for way in [ChangeWay::Page, ChangeWay::Rest, ChangeWay::Scim, ChangeWay::Grpc] {
            let refused = change_held(&store, &held, &store.id(), of(""), &by(way)).await.unwrap_err();
            assert!(refused.to_string().starts_with("person boss privileges: nobody who may sign in"), "{refused}");
        }
        let noted = by(ChangeWay::CommandLine);
        assert_eq!(change_held(&store, &held, &store.id(), of(""), &noted).await.unwrap().changed, 1);
    }

    #[tokio::test]
    async fn a_request_that_is_repeated_with_another_object_is_not_taken_for_done() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let note = ChangeNote { request: Some("first".to_owned()), ..note() };
        let ann = put("new-ann", "Ann");
        change_held(&store, &held, &store.id(), batch(vec![ann.clone()], false), &note).await.unwrap();
        store.has_noted(HistoryEntry {
            number: 1,
            revision: Revision(2),
            note: note.clone(),
            key: ann.key.clone(),
            before: None,
            after: Some("{}".to_owned()),
            secrets_changed: false,
        });
        let again = change_held(&store, &held, &store.id(), batch(vec![ann.clone()], false), &note).await.unwrap();
        assert!(again.is_repeated && again.revision == Revision(2));
        let both = batch(vec![ann.clone(), put("new-bob", "Bob")], false);
        let refused = change_held(&store, &held, &store.id(), both.clone(), &note).await.unwrap_err();
        assert!(matches!(refused, ChangeRefusal::RequestReused), "{refused}");
        // An object that the batch has left as it was is not in the history.
        change_held(&store, &held, &store.id(), batch(vec![put("new-bob", "Bob")], false), &self::note())
            .await
            .unwrap();
        let done = change_held(&store, &held, &store.id(), both, &note).await.unwrap();
        assert!(done.is_repeated);
    }

    #[tokio::test]
    async fn a_request_that_is_repeated_with_another_wish_for_the_same_object_is_not_taken_for_done() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let note = ChangeNote { request: Some("first".to_owned()), ..note() };
        let ann = put("new-ann", "Ann");
        let of = |action: EditAction| batch(vec![ObjectEdit { action, ..put("new-ann", "") }], false);
        let merge = |document: &str, field: &str| {
            of(EditAction::Merge { document: document.to_owned(), fields: vec![field.to_owned()] })
        };
        let first = Batch { with_documents: true, ..(*batch(vec![ann.clone()], false)).clone() };
        let mut done = change_held(&store, &held, &store.id(), Arc::new(first), &note).await.unwrap();
        store.has_noted(HistoryEntry {
            number: 1,
            revision: Revision(2),
            note: note.clone(),
            key: ann.key.clone(),
            before: None,
            after: done.documents.remove(0).after,
            secrets_changed: false,
        });
        // A table puts who is not there, and changes fields of who is.
        for same in [batch(vec![ann], false), merge(r#"{"first_name":"Ann"}"#, "first_name")] {
            let again = change_held(&store, &held, &store.id(), same, &note).await.unwrap();
            assert!(again.is_repeated && again.revision == Revision(2));
        }
        let other = batch(vec![put("new-ann", "Anna")], false);
        let moved = merge(r#"{"user_properties":{"A":{"b":"c"}}}"#, "user_properties");
        for other in [other, merge(r#"{"last_name":"Other"}"#, "last_name"), moved, of(EditAction::Delete)] {
            let refused = change_held(&store, &held, &store.id(), other, &note).await.unwrap_err();
            assert!(matches!(refused, ChangeRefusal::RequestReused), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_person_who_repeats_a_request_learns_nothing_of_what_is_hidden() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let to = |kind: ObjectKind, id: &str, document: &str| ObjectEdit {
            key: ObjectKey { kind, id: id.to_owned() },
            expected: None,
            action: EditAction::Put(document.to_owned()),
        };
        let admin = r#"{"user_name":"ann","first_name":"A","last_name":"A","privileges":["folder_administrator"]}"#;
        let shut = r#"{"path":"/","permissions":[{"person":"ann","rights":["read"],"propagate":false}]}"#;
        let setup = vec![
            to(ObjectKind::Person, "ann", admin),
            to(ObjectKind::Folder, "/", shut),
            to(ObjectKind::Folder, "Shut", r#"{"path":"Shut"}"#),
            to(ObjectKind::Skill, "Secret", r#"{"name":"Secret","folder":"Shut"}"#),
        ];
        change_held(&store, &held, &store.id(), batch(setup, false), &note()).await.unwrap();
        let note = ChangeNote { request: Some("first".to_owned()), ..note() };
        let own = put("new", "Own");
        store.has_noted(HistoryEntry {
            number: 1,
            revision: Revision(3),
            note: note.clone(),
            key: own.key.clone(),
            before: None,
            after: Some("{}".to_owned()),
            secrets_changed: false,
        });
        let of = |document: &str| {
            let edits = vec![own.clone(), to(ObjectKind::Skill, "Secret", document)];
            let person = Some("ann".to_owned());
            Arc::new(Batch { edits, is_trial: false, passwords_max: 50, with_documents: false, person, table: None })
        };
        let same = of(r#"{"name":"Secret","folder":"Shut"}"#);
        let other = of(r#"{"name":"Secret","folder":"Shut","user_properties":{"A":{"b":"c"}}}"#);
        let same = change_held(&store, &held, &store.id(), same, &note).await.unwrap_err();
        let other = change_held(&store, &held, &store.id(), other, &note).await.unwrap_err();
        assert!(matches!(same, ChangeRefusal::NotPermitted(_)), "{same}");
        assert_eq!(same.to_string(), other.to_string());
    }

    #[tokio::test]
    async fn a_batch_that_begins_again_hashes_no_password_twice() {
        let person = |first_name: &str, password: &str| {
            let document = format!(
                r#"{{"user_name":"new","first_name":"{first_name}","last_name":"Person","password":"{password}"}}"#
            );
            Object::from_json(ObjectKind::Person, document.as_bytes()).unwrap()
        };
        let whole = OneTenant::example().load(&OneTenant::example().id()).await.unwrap().unwrap().1;
        let before = |object: Option<Object>| file::gathered(whole.tenant.clone(), object);
        let planned = || vec![ObjectChange::Put(person("New", "slow brown teapot"))];
        let (known, first) = with_secrets(FilledSecrets::default(), before(None), planned()).await.unwrap();
        assert!(!has_password(&first[0], None), "it is hashed");
        let (known, second) = with_secrets(known, before(None), planned()).await.unwrap();
        assert!(first == second, "a second hash has another salt");
        let old =
            Object::from_json(ObjectKind::Person, br#"{"user_name":"new","first_name":"Old","last_name":"Person"}"#);
        let (_, third) = with_secrets(known, before(old.ok()), planned()).await.unwrap();
        assert!(second != third, "somebody has changed the person");
    }

    fn with_pin(user: &str, first_name: &str, pin: &str) -> Object {
        let agent =
            format!(r#"{{"id":"{user}","login_code":"{user}","pin":"{pin}","default_place":null,"skills":[]}}"#);
        let document =
            format!(r#"{{"user_name":"{user}","first_name":"{first_name}","last_name":"Person","agent":{agent}}}"#);
        Object::from_json(ObjectKind::Person, document.as_bytes()).unwrap()
    }

    fn pin_of(change: &ObjectChange) -> &str {
        let ObjectChange::Put(Object::Person(person)) = change else { panic!("{change:?}") };
        person.agent.as_ref().and_then(|agent| agent.pin.as_ref()).map(Secret::reveal).unwrap_or_default()
    }

    #[tokio::test]
    async fn pins_are_hashed_and_those_that_a_release_before_has_stored_in_clear_too_if_they_are_few() {
        let whole = OneTenant::example().load(&OneTenant::example().id()).await.unwrap().unwrap().1;
        for (stored, is_hashed) in [(1, true), (PASSWORDS_MAX, true), (PASSWORDS_MAX + 1, false)] {
            let people =
                |first_name: &'static str| (0..stored).map(move |n| with_pin(&format!("u{n}"), first_name, "4711"));
            let before = file::gathered(whole.tenant.clone(), people("Old"));
            let changes: Vec<ObjectChange> = people("New").map(ObjectChange::Put).collect();
            let first = before.objects().find(|object| matches!(object, Object::Person(_)));
            assert!(!has_password(&changes[0], first.as_ref()), "it is not given");
            assert!(has_password(&changes[0], None));
            let (_, filled) = with_secrets(FilledSecrets::default(), before, changes).await.unwrap();
            assert_eq!(filled.len(), stored);
            let hashed = filled.iter().filter(|change| identity::pin::verify("4711", pin_of(change))).take(3).count();
            assert_eq!(hashed > 0, is_hashed, "{stored}");
            assert_eq!(filled.iter().any(|change| pin_of(change) == "4711"), !is_hashed, "{stored}");
        }
    }

    #[tokio::test]
    async fn a_pin_that_is_given_again_is_the_same_hash() {
        let whole = OneTenant::example().load(&OneTenant::example().id()).await.unwrap().unwrap().1;
        let before = |object: Option<Object>| file::gathered(whole.tenant.clone(), object);
        let given = || vec![ObjectChange::Put(with_pin("new", "New", "4711"))];
        let (_, first) = with_secrets(FilledSecrets::default(), before(None), given()).await.unwrap();
        assert!(pin_of(&first[0]).ends_with("#4") && !has_password(&first[0], None));
        let ObjectChange::Put(stored) = first[0].clone() else { panic!("a person") };
        let (_, again) = with_secrets(FilledSecrets::default(), before(Some(stored)), given()).await.unwrap();
        assert!(again == first, "another hash would be a change");
    }

    #[tokio::test]
    async fn too_many_passwords_are_told_with_both_numbers() {
        let (store, held) = (OneTenant::example(), HeldTenants::default());
        let with_password = |number: usize| {
            let user = format!("new{number}");
            let document = format!(
                r#"{{"user_name":"{user}","first_name":"New","last_name":"Person","password":"slow brown teapot"}}"#
            );
            ObjectEdit { action: EditAction::Put(document), ..put(&user, "") }
        };
        let edits = (0..51).map(with_password).collect();
        let refused = change_held(&store, &held, &store.id(), batch(edits, false), &note()).await.unwrap_err();
        assert!(matches!(refused, ChangeRefusal::ManyPasswords { given: 51, most: 50 }), "{refused}");
    }
}
