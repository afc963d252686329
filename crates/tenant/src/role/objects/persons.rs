//! Callers who are people: what they see and may do, as folders say. Roles and programs see everything that their scopes open.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use contracts::provisioning::{FaultCode, Folder, FolderRight, Object, ObjectAnnex, ObjectKey, ObjectKind};
use contracts::v1;
use infra::{FoundObject, HistoryEntry, HistoryPage, Revision, SHIFTS_KIND, kind_told};
use model::TenantId;
use serde_json::Value as Json;
use tonic::{Request, Status};

use super::refusals::{denied, ends, refused, unread};
use super::{ObjectServer, requester};
use crate::broken_rule::BrokenRule;
use crate::objects::{
    self, CallerRights, EditAction, HeldObject, HistoryPart, IndexedTenant, ListedPage, Listing, ObjectEdit, ObjectUse,
    PAGE_MAX,
};

/// How often a page is read on because the person sees too little of what was read.
pub(super) const PAGES_READ_MAX: usize = 20;

/// What a person sees if the folders in which it was at a revision are those that are there now.
struct InFolders<T> {
    of: T,
    at: Revision,
    /// Their paths, as they have them.
    folders: Vec<String>,
}

impl<T> InFolders<T> {
    /// Whether folders that have been there since these revisions are the same ones.
    fn are_same(&self, since: &HashMap<String, Revision>) -> bool {
        self.folders.iter().all(|path| since.get(path).is_some_and(|made| *made <= self.at))
    }
}

/// The user name of a caller who is a person, or of the person for whom a role asks.
#[allow(clippy::result_large_err, reason = "tonic's handlers return Status as it is")]
pub(super) fn person<T>(request: &Request<T>) -> Result<Option<String>, Status> {
    let named = requester::named(request)?.map(|named| named.user);
    Ok(named.or(net::grpc::caller(request)?.person().map(str::to_owned)))
}

/// The refusal to who may not change, or see, what concerns the whole tenant.
fn of_whole_tenant(what: &str) -> Status {
    let words = format!("{what} concern the whole tenant: no folder gives a right to them");
    denied(BrokenRule::new(FaultCode::NotPermitted, words).naming("right", "").naming("folder", ""))
}

impl ObjectServer {
    /// What `look` finds in the tenant with the rights of a person.
    pub(super) async fn look_as<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        user: String,
        look: impl FnOnce(&IndexedTenant, &CallerRights) -> T + Send + 'static,
    ) -> Result<T, Status> {
        let (kept, of) = (self.rights.clone(), tenant.clone());
        let look = move |held: &IndexedTenant| look(held, &kept.of(&of, held, &user));
        self.readable(tenant).await?.look(look).await.ok_or_else(ends)
    }

    /// The rights of a person.
    async fn rights(&self, tenant: &TenantId, user: String) -> Result<Arc<CallerRights>, Status> {
        let (kept, of) = (self.rights.clone(), tenant.clone());
        let rights = move |held: &IndexedTenant| kept.of(&of, held, &user);
        self.readable(tenant).await?.look(rights).await.ok_or_else(ends)
    }

    /// Refuses a person who may not change what concerns the whole tenant, or may not read it if `right` is that to read.
    pub(super) async fn needs_whole_tenant(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        (right, what): (FolderRight, &str),
    ) -> Result<(), Status> {
        let Some(user) = person else { return Ok(()) };
        let rights = self.rights(tenant, user).await?;
        let may = if right == FolderRight::Read { rights.reads_whole_tenant() } else { rights.is_of_whole_tenant() };
        // Who may do nothing in the root is refused there by name.
        let may = may && rights.in_folder(Folder::ROOT).contains(FolderRight::Read);
        if may { Ok(()) } else { Err(of_whole_tenant(what)) }
    }

    /// Refuses a person who may not change every object of the tenant: what is meant has them all.
    pub(super) async fn needs_unlimited(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        what: &str,
    ) -> Result<(), Status> {
        let Some(user) = person else { return Ok(()) };
        let is_unlimited = self.rights(tenant, user).await?.is_unlimited();
        if is_unlimited { Ok(()) } else { Err(of_whole_tenant(what)) }
    }

    /// An object by its name, if who asks sees it.
    pub(super) async fn object_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        key: ObjectKey,
    ) -> Result<Option<FoundObject>, Status> {
        let Some(user) = person else { return self.object_found(tenant, key).await };
        let seen = move |held: &IndexedTenant, rights: &CallerRights| {
            let found = held.found(&key).filter(|found| rights.may_see(*found))?;
            Some(as_found(found))
        };
        self.look_as(tenant, user, seen).await
    }

    /// An object by its name; while the database is away, as it was known last.
    async fn object_found(&self, tenant: &TenantId, key: ObjectKey) -> Result<Option<FoundObject>, Status> {
        let (asked, named) = (self.store.find_annexed(tenant, &key), key.clone());
        let known = move |held: &IndexedTenant| {
            let found = held.found(&named).filter(|found| found.object.key() == named)?;
            Some(as_found(found))
        };
        match self.held.asked_or_known(tenant, asked, known).await.map_err(unread)? {
            // SQLite knows the case of ASCII alone.
            None if !key.id.is_ascii() => {
                let spelled = move |held: &IndexedTenant| held.found(&key).map(as_found);
                self.readable(tenant).await?.look(spelled).await.ok_or_else(ends)
            }
            found => Ok(found),
        }
    }

    /// A page of the objects that who asks sees.
    pub(super) async fn page_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        asked: Listing,
    ) -> Result<ListedPage, Status> {
        let Some(user) = person else {
            let all = move |held: &IndexedTenant| objects::list(held, &asked);
            return self.readable(tenant).await?.look(all).await.ok_or_else(ends);
        };
        let seen = move |held: &IndexedTenant, rights: &CallerRights| {
            objects::list_seen(held, &asked, |found| rights.may_see(found))
        };
        self.look_as(tenant, user, seen).await
    }

    /// What refers to an object, as far as who asks sees it.
    pub(super) async fn uses_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        (key, most): (ObjectKey, usize),
    ) -> Result<Vec<ObjectUse>, Status> {
        let Some(user) = person else {
            let all = move |held: &IndexedTenant| objects::uses(held, &key, most);
            return self.readable(tenant).await?.look(all).await.ok_or_else(ends);
        };
        let seen = move |held: &IndexedTenant, rights: &CallerRights| {
            let sees = |key: &ObjectKey| held.found(key).is_some_and(|found| rights.may_see(found));
            if !sees(&key) {
                return Vec::new();
            }
            // What the person does not see is no part of so many.
            let uses = objects::uses(held, &key, usize::MAX).into_iter();
            uses.filter(|one| sees(&one.key)).take(most).collect()
        };
        self.look_as(tenant, user, seen).await
    }

    /// A page of the history, of the objects that who asks sees, as they stood in folders that the person sees now.
    pub(super) async fn history_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        asked: HistoryPage,
    ) -> Result<HistoryPart, Status> {
        let read =
            |page: HistoryPage| async move { objects::history(&*self.store, tenant, &page).await.map_err(unread) };
        let Some(user) = person else { return read(asked).await };
        // Who sees all that is there may not have seen what was in folders that are gone.
        if self.rights(tenant, user.clone()).await?.is_unlimited() {
            return read(asked).await;
        }
        let most = usize::try_from(asked.limit).ok().filter(|limit| *limit > 0).unwrap_or(PAGE_MAX).min(PAGE_MAX);
        let (mut page, mut seen) = (asked, HistoryPart::default());
        for _ in 0..PAGES_READ_MAX {
            page.limit = u32::try_from(most - seen.entries.len()).unwrap_or(u32::MAX);
            let part = read(page.clone()).await?;
            let entries = part.entries;
            let sees = move |held: &IndexedTenant, rights: &CallerRights| -> Vec<InFolders<HistoryEntry>> {
                entries.into_iter().filter_map(|entry| entry_seen(held, rights, entry)).collect()
            };
            let found = self.look_as(tenant, user.clone(), sees).await?;
            seen.entries.extend(self.in_same_folders(tenant, found).await?);
            (seen.last, seen.pruned) = (part.last, part.pruned);
            if part.last.is_none() || seen.entries.len() >= most {
                break;
            }
            page.below = part.last;
        }
        Ok(seen)
    }

    /// What was in the folders that are there now, and not in others of their paths. The history is asked after the rights were looked at,
    /// so that a folder that is made anew meanwhile is another one.
    async fn in_same_folders<T>(&self, tenant: &TenantId, found: Vec<InFolders<T>>) -> Result<Vec<T>, Status> {
        let paths: HashSet<&String> = found.iter().flat_map(|one| &one.folders).collect();
        let paths: Vec<String> = paths.into_iter().cloned().collect();
        let mut since = HashMap::new();
        if !paths.is_empty() {
            since = self.store.folders_since(tenant, &paths).await.map_err(unread)?;
        }
        Ok(found.into_iter().filter(|one| one.are_same(&since)).map(|one| one.of).collect())
    }

    /// Whether what is noted of an object is told to a person. Who reads the whole tenant may ask of one that is not there, which may have
    /// been in any folder, and is told of a hidden one that there is nothing, as of one of which nothing is noted; others are refused both
    /// as if they were not there.
    pub(super) async fn is_told_of(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        key: &ObjectKey,
    ) -> Result<bool, Status> {
        let Some(user) = person else { return Ok(true) };
        let named = key.clone();
        let told = move |held: &IndexedTenant, rights: &CallerRights| is_told_of(held, rights, &named);
        self.look_as(tenant, user, told).await?.ok_or_else(|| no_object(key))
    }

    /// The edit that puts an object back as it was at a revision. Of an object that the person does not see, or did not in the folder in
    /// which it was, the same is said as of one that has never been there.
    pub(super) async fn put_back_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        (key, at, expected): (ObjectKey, Revision, Option<Revision>),
    ) -> Result<ObjectEdit, Status> {
        let back = objects::put_back(&*self.store, tenant, key.clone(), at, expected).await;
        let Some(user) = person else { return back.map_err(refused) };
        let (named, then) = (key.clone(), back.as_ref().ok().and_then(document_then));
        let seen = move |held: &IndexedTenant, rights: &CallerRights| {
            let now = held.found(&named);
            if now.is_some_and(|found| !rights.may_see(found)) {
                return None;
            }
            let stood = then.map(|document| stood_in(&named, &document));
            // A folder that is there has not been elsewhere, but it may be another one of its path.
            let stays = named.kind == ObjectKind::Folder && now.is_some();
            if !stood.iter().all(|(path, annex)| stays || rights.may_see_in(path, Some(annex))) {
                return None;
            }
            let folders = known_folders(held, rights, &named, stood.into_iter().map(|(path, _)| path))?;
            Some(InFolders { of: (), at, folders })
        };
        let found = self.look_as(tenant, user, seen).await?;
        if !self.in_same_folders(tenant, found.into_iter().collect()).await?.is_empty() {
            return back.map_err(refused);
        }
        Err(refused(objects::never_known(&*self.store, tenant, &key, at).await))
    }

    /// Whether who asks sees a prompt that names a recording, or none names it: then it has just been uploaded, and its uploader listens to it.
    pub(super) async fn is_recording_seen(
        &self,
        tenant: &TenantId,
        person: Option<String>,
        sha256: String,
    ) -> Result<bool, Status> {
        let Some(user) = person else { return Ok(true) };
        let seen = move |held: &IndexedTenant, rights: &CallerRights| is_recording_open(held, rights, &sha256);
        self.look_as(tenant, user, seen).await
    }

    /// The people of a tenant as a table, those whom who asks sees.
    pub(super) async fn people_seen(&self, tenant: &TenantId, person: Option<String>) -> Result<String, Status> {
        let Some(user) = person else {
            let all = |held: &IndexedTenant| crate::people::export(held.people());
            return self.readable(tenant).await?.look(all).await.ok_or_else(ends);
        };
        let seen = |held: &IndexedTenant, rights: &CallerRights| {
            let sees = |user: &str| {
                let key = ObjectKey { kind: ObjectKind::Person, id: user.to_owned() };
                held.found(&key).is_some_and(|found| rights.may_see(found))
            };
            let is_everything = rights.sees_everything();
            crate::people::export(held.people().filter(|person| is_everything || sees(&person.user_name)))
        };
        self.look_as(tenant, user, seen).await
    }
}

/// The same of a tenant in memory; none for who is refused.
fn is_told_of(held: &IndexedTenant, rights: &CallerRights, key: &ObjectKey) -> Option<bool> {
    match held.found(key) {
        Some(found) if rights.may_see(found) => Some(true),
        found => rights.reads_whole_tenant().then_some(found.is_none()),
    }
}

/// The refusal for an object that is not there.
pub(super) fn no_object(key: &ObjectKey) -> Status {
    Status::not_found(format!("there is no {} {}", key.kind.as_str(), key.id))
}

/// An object as it travels, with the fields that were asked for.
pub(super) fn stored_object(found: FoundObject, fields: &[String]) -> v1::StoredObject {
    let FoundObject { revision, object, annex } = found;
    let key = object.key();
    v1::StoredObject {
        kind: key.kind.as_str().to_owned(),
        id: key.id,
        json: objects::shown(object, Some(&annex), fields),
        revision: revision.0,
    }
}

/// Whether a person gets a recording: not if prompts name it and the person sees none of them.
fn is_recording_open(held: &IndexedTenant, rights: &CallerRights, sha256: &str) -> bool {
    let mut naming = prompts_with(held, sha256).peekable();
    naming.peek().is_none() || naming.any(|found| rights.may_see(found))
}

/// The prompts that name a recording.
fn prompts_with<'a>(held: &'a IndexedTenant, sha256: &'a str) -> impl Iterator<Item = HeldObject<'a>> {
    let found = move |object: &Object| match object {
        Object::Prompt(prompt) if prompt.audio.iter().any(|audio| audio.sha256 == sha256) => held.found(&object.key()),
        _ => None,
    };
    held.of_kind(ObjectKind::Prompt).filter_map(move |(_, object)| found(object))
}

fn as_found(HeldObject { object, annex, revision }: HeldObject<'_>) -> FoundObject {
    FoundObject { revision, object: object.clone(), annex: annex.cloned().unwrap_or_default() }
}

/// What happened to an object, if a person sees it: the object, if it is there, and the folders in which it was before and after.
fn entry_seen(held: &IndexedTenant, rights: &CallerRights, entry: HistoryEntry) -> Option<InFolders<HistoryEntry>> {
    let is_hidden = held.found(&entry.key).is_some_and(|found| !rights.may_see(found));
    let is_unread = |(path, annex): (String, ObjectAnnex)| !rights.may_see_in(&path, Some(&annex));
    let is_of_shifts = kind_told(entry.key.kind.as_str(), &entry.key.id) == SHIFTS_KIND;
    let is_hidden = is_hidden || is_of_shifts && !sees_plan(held, rights, &entry);
    if is_hidden || stood_of(&entry).any(is_unread) {
        return None;
    }
    let folders = known_folders(held, rights, &entry.key, stood_of(&entry).map(|(path, _)| path))?;
    Some(InFolders { at: entry.revision, of: entry, folders })
}

/// Whether a person is told that shifts were replaced: who reads the whole tenant, and sees all whom the plan names. Who may be told of those
/// who are gone, nobody knows any more: administrators alone, where anything is hidden.
fn sees_plan(held: &IndexedTenant, rights: &CallerRights, entry: &HistoryEntry) -> bool {
    let sees = |user: String| {
        let found = held.found(&ObjectKey { kind: ObjectKind::Person, id: user });
        found.map_or(rights.is_of_whole_tenant(), |found| rights.may_see(found))
    };
    rights.sees_everything() || (rights.reads_whole_tenant() && planned_people(entry).all(sees))
}

/// The people whom an entry about shifts names.
fn planned_people(entry: &HistoryEntry) -> impl Iterator<Item = String> + use<'_> {
    let documents = [&entry.before, &entry.after].into_iter().flatten();
    let read = documents.filter_map(|document| serde_json::from_str::<Json>(document).ok());
    read.flat_map(|document| {
        let named = document["people"].as_array().cloned().unwrap_or_default();
        named.into_iter().filter_map(|name| name.as_str().map(str::to_owned))
    })
}

/// The folders that are there under the paths of those in which an object was, as far as it matters to who asks whether they are the same
/// ones; none if one of them is gone. Whom one that is gone has shut out, nobody knows any more: administrators alone see what was in it.
fn known_folders(
    held: &IndexedTenant,
    rights: &CallerRights,
    key: &ObjectKey,
    paths: impl Iterator<Item = String>,
) -> Option<Vec<String>> {
    if rights.is_of_whole_tenant() {
        return Some(Vec::new());
    }
    // What is in no folder is in the root, whether that has permissions of its own or not.
    let paths = paths.filter(|path| key.kind == ObjectKind::Folder || path != Folder::ROOT);
    let folder = |id| held.found(&ObjectKey { kind: ObjectKind::Folder, id });
    paths.map(|path| folder(path).map(|found| found.object.key().id)).collect()
}

/// The folders in which an object was before and after what happened to it, with what it had besides.
fn stood_of(entry: &HistoryEntry) -> impl Iterator<Item = (String, ObjectAnnex)> + use<'_> {
    let documents = [&entry.before, &entry.after].into_iter().flatten();
    documents.map(move |document| stood_in(&entry.key, document))
}

/// The folder in which an object was when its document was this, and what it had besides.
fn stood_in(key: &ObjectKey, document: &str) -> (String, ObjectAnnex) {
    if key.kind == ObjectKind::Folder {
        return (key.id.clone(), ObjectAnnex::default());
    }
    let annex = ObjectAnnex::from_json(document.as_bytes()).unwrap_or_default();
    (annex.folder.clone().unwrap_or_else(|| Folder::ROOT.to_owned()), annex)
}

/// The document with which an edit puts an object back.
fn document_then(back: &ObjectEdit) -> Option<String> {
    match &back.action {
        EditAction::PutBack(document) => Some(document.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use contracts::provisioning::{FolderPermission, Person, Privilege};
    use infra::{ChangeNote, ChangeOrigin, ChangeWay, HistoryPoint, VersionedObjects};
    use model::Timestamp;

    use super::super::test_hiding_tenant::hiding_tenant;
    use super::*;

    fn held(folders: &[&Folder]) -> IndexedTenant {
        let mut objects = infra::conformance::provisioning::objects("acme");
        objects.annexes.clear();
        objects.access_groups.clear();
        objects.roles.clear();
        let person = |user: &str, privilege: Privilege| Person {
            user_name: user.to_owned(),
            first_name: user.to_owned(),
            last_name: user.to_owned(),
            privileges: vec![privilege],
            ..Person::default()
        };
        objects.people = vec![
            person("dora", Privilege::Designer),
            person("fay", Privilege::FolderAdministrator),
            person("root", Privilege::Administrator),
        ];
        objects.folders = folders.iter().copied().cloned().collect();
        let point = HistoryPoint::unstamped(Revision(3));
        IndexedTenant::of(VersionedObjects { point, objects, revisions: HashMap::new() })
    }

    fn folder(path: &str, permissions: Vec<FolderPermission>) -> Folder {
        Folder { path: path.to_owned(), description: None, permissions }
    }

    /// What happened when an object was deleted.
    fn deleted(kind: ObjectKind, id: &str, document: &str) -> HistoryEntry {
        let (by, origin, at) = ("person/root".to_owned(), ChangeOrigin::default(), Timestamp::from_micros(1));
        let note = ChangeNote { by, way: ChangeWay::Grpc, origin, at, request: None };
        let key = ObjectKey { kind, id: id.to_owned() };
        let (before, revision) = (Some(document.to_owned()), Revision(2));
        HistoryEntry { number: 1, revision, note, key, before, after: None, secrets_changed: false }
    }

    fn sees(held: &IndexedTenant, user: &str, entry: &HistoryEntry, since: &HashMap<String, Revision>) -> bool {
        let seen = entry_seen(held, &CallerRights::of(held, user), entry.clone());
        seen.is_some_and(|seen| seen.are_same(since))
    }

    #[test]
    fn who_is_hidden_is_like_nobody_whoever_asks() {
        let held = hiding_tenant();
        let told = |user: &str, of: &str| {
            let key = ObjectKey { kind: ObjectKind::Person, id: of.to_owned() };
            is_told_of(&held, &CallerRights::of(&held, user), &key)
        };
        for (user, of_lea, of_root, of_nobody) in [
            ("root", Some(true), Some(true), Some(true)),
            ("dora", Some(false), Some(true), Some(true)),
            ("rita", Some(false), Some(true), Some(true)),
            ("fred", Some(true), None, None),
        ] {
            assert_eq!(
                [told(user, "lea"), told(user, "root"), told(user, "nobody")],
                [of_lea, of_root, of_nobody],
                "{user}"
            );
        }
    }

    #[test]
    fn what_was_in_a_folder_that_is_gone_is_seen_by_administrators_alone() {
        let shut = FolderPermission {
            person: Some("dora".to_owned()),
            group: None,
            rights: Vec::new(),
            no_access: true,
            propagate: true,
        };
        let (board, open) = (folder("Board", vec![shut]), folder("Open", Vec::new()));
        let hidden = [
            deleted(ObjectKind::Person, "lea", r#"{"user_name":"lea","folder":"Board"}"#),
            deleted(ObjectKind::Folder, "Board", r#"{"path":"Board","permissions":[{"person":"dora"}]}"#),
        ];
        let seen = [
            deleted(ObjectKind::Person, "bob", r#"{"user_name":"bob","folder":"open"}"#),
            deleted(ObjectKind::Skill, "Old", r#"{"name":"Old"}"#),
        ];
        for folders in [&[&board, &open][..], &[&open][..]] {
            let held = held(folders);
            let since = HashMap::from([("Board".to_owned(), Revision(0)), ("Open".to_owned(), Revision(0))]);
            let sees = |user: &str, entry: &HistoryEntry| sees(&held, user, entry, &since);
            assert!(hidden.iter().all(|entry| !sees("dora", entry)), "{} folders", folders.len());
            assert!(seen.iter().all(|entry| sees("dora", entry)), "{} folders", folders.len());
            assert!(hidden.iter().chain(&seen).all(|entry| sees("root", entry)), "{} folders", folders.len());
        }
    }

    #[test]
    fn a_recording_is_seen_by_who_sees_a_prompt_that_names_it() {
        let held = hiding_tenant();
        let is_open =
            |user: &str, digit: &str| is_recording_open(&held, &CallerRights::of(&held, user), &digit.repeat(64));
        // One of a hidden prompt alone, one of that and another one, and one that none names.
        for (user, of_hidden) in [("dora", false), ("rita", false), ("root", true), ("fred", true)] {
            assert_eq!(["a", "b", "c"].map(|digit| is_open(user, digit)), [of_hidden, true, true], "{user}");
        }
    }

    #[test]
    fn that_shifts_were_replaced_is_seen_by_who_reads_the_whole_tenant() {
        let reads = FolderPermission {
            person: Some("fay".to_owned()),
            group: None,
            rights: vec![FolderRight::Read],
            no_access: false,
            propagate: false,
        };
        let held = held(&[&folder(Folder::ROOT, vec![reads])]);
        let day = infra::ShiftSpan { from: Timestamp::ZERO, to: Timestamp::from_millis(1), people: Vec::new() };
        let replaced = deleted(ObjectKind::Tenant, &infra::key_of_shifts(&day).id, r#"{"people":["ada"]}"#);
        let snapshot = deleted(ObjectKind::Tenant, "before", r#"{"name":"before"}"#);
        let sees = |user: &str, entry: &HistoryEntry| sees(&held, user, entry, &HashMap::new());
        assert!(sees("root", &replaced) && !sees("fay", &replaced));
        assert!(sees("fay", &snapshot), "what is in the root is seen");
    }

    #[test]
    fn that_shifts_were_replaced_names_nobody_to_who_does_not_see_them() {
        let held = hiding_tenant();
        let day = infra::ShiftSpan { from: Timestamp::ZERO, to: Timestamp::from_millis(1), people: Vec::new() };
        let of = |people: &str| {
            deleted(ObjectKind::Tenant, &infra::key_of_shifts(&day).id, &format!(r#"{{"people":[{people}]}}"#))
        };
        let told = |user: &str| {
            [r#""lea""#, r#""root","lea""#, r#""root""#, "", r#""gone""#]
                .map(|people| sees(&held, user, &of(people), &HashMap::new()))
        };
        assert_eq!(told("root"), [true; 5]);
        assert_eq!(told("rita"), [false, false, true, true, true]);
        assert_eq!(told("dora"), [false, false, true, true, false]);
        assert_eq!(told("fred"), [false; 5]);
    }

    #[test]
    fn who_was_shut_out_of_an_object_by_its_own_entry_is_told_nothing_of_it_when_it_is_gone() {
        let (held, since) = (held(&[]), HashMap::new());
        let with = |entry: &str| {
            let document = format!(r#"{{"name":"Old","own_permissions":[{entry}]}}"#);
            deleted(ObjectKind::Skill, "Old", &document)
        };
        let shut = with(r#"{"group":"Everyone","no_access":true}"#);
        let of_others = with(r#"{"person":"root","rights":["read"]}"#);
        let of_dora = with(r#"{"person":"dora","rights":["read"]}"#);
        let sees = |user: &str| [&shut, &of_others, &of_dora].map(|entry| sees(&held, user, entry, &since));
        assert_eq!((sees("dora"), sees("root")), ([false, false, true], [true; 3]));
    }

    #[test]
    fn a_folder_that_is_made_again_opens_nothing_of_the_one_that_is_gone() {
        let board = folder("Board", Vec::new());
        let held = held(&[&board]);
        let gone = [
            deleted(ObjectKind::Person, "lea", r#"{"user_name":"lea","folder":"Board"}"#),
            deleted(ObjectKind::Folder, "Board", r#"{"path":"Board"}"#),
        ];
        let sees =
            |user: &str, since: &HashMap<String, Revision>| gone.iter().all(|entry| sees(&held, user, entry, since));
        let since = |revision: u64| HashMap::from([("Board".to_owned(), Revision(revision))]);
        assert!(sees("dora", &since(2)) && !sees("dora", &since(3)) && sees("root", &since(3)));
        assert!(!sees("dora", &HashMap::new()), "nothing is known of it");
        let root = CallerRights::of(&held, "root");
        let of_root = gone.map(|entry| entry_seen(&held, &root, entry).map(|seen| seen.folders));
        assert_eq!(of_root, [Some(Vec::new()), Some(Vec::new())], "an administrator asks for no folder");
    }
}
