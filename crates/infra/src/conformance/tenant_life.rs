//! The life of a whole tenant: it ends, and another one gets its id. `store` has none of these tenants.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, TenantObjects};
use contracts::sign_in_audit::{SignInEvent, SignInRecord};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects};
use crate::{
    ApiKey, ApiKeys, ArchiveBegin, ArchivedPart, AuditOutbox, AuditPage, Audited, AuditedDocument, ChangeNote,
    ChangeOrigin, EndedTenant, HistoryEntry, HistoryPage, HistoryPoint, NewApiKey, ObjectChange, PasskeyKept, Passkeys,
    Revision, SignInAudit, StoreError, StoredPasskey, TenantArchive, TenantLife, TenantOverview,
};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);
/// When all that happens here is older.
const AFTER: Timestamp = Timestamp::from_millis(1_700_000_010_000);
const YEAR: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);
/// Everything at once.
const ALL: u32 = 100_000;

/// All that the tables of tenants are asked for.
pub trait LifeStore: ApiKeys + AuditOutbox + Passkeys + SignInAudit + TenantArchive {}

impl<S: ApiKeys + AuditOutbox + Passkeys + SignInAudit + TenantArchive> LifeStore for S {}

/// Runs the cases.
pub async fn run<S: LifeStore>(store: &S) {
    a_tenant_that_has_ended_is_as_if_it_were_not_there(store).await;
    a_later_tenant_of_the_id_has_nothing_of_the_one_before(store).await;
    each_tenant_of_an_id_has_a_life_of_its_own(store).await;
    that_a_tenant_has_ended_is_in_its_history_and_waits_for_the_audit(store).await;
    the_history_goes_for_its_age_and_is_no_loss_of_a_later_tenant(store).await;
    a_tenant_comes_back_from_its_archive(store).await;
}

async fn made<S: LifeStore>(store: &S, name: &str) -> TenantId {
    let id = tenant(name);
    let all = objects(name).objects().map(ObjectChange::Put).collect();
    store.update(&id, Revision(0), all, note()).await.unwrap();
    id
}

/// Ends a tenant and removes what is left of it; about so many rows at once.
async fn ended<S: LifeStore>(store: &S, id: &TenantId, at_once: u32) -> EndedTenant {
    let at = store.revision(id).await.unwrap().unwrap();
    let ended = store.end_tenant(id, at, note()).await.unwrap().unwrap();
    while store.remove_ended(id, at_once).await.unwrap() > 0 {}
    ended
}

async fn history<S: LifeStore>(store: &S, id: &TenantId) -> Vec<HistoryEntry> {
    store.history(id, &HistoryPage { limit: ALL, ..HistoryPage::default() }).await.unwrap()
}

async fn known<S: LifeStore>(store: &S, id: &TenantId) -> EndedTenant {
    let all = store.ended_tenants(Timestamp::ZERO).await.unwrap();
    all.into_iter().find(|ended| ended.tenant == *id).unwrap()
}

async fn archived<S: LifeStore>(store: &S, id: &TenantId) -> Option<Vec<ArchivedPart>> {
    let mut parts = Vec::new();
    let mut take = |part| {
        parts.push(part);
        Ok(())
    };
    let is_there = store.archive(id, &mut take).await.unwrap();
    is_there.then_some(parts)
}

async fn restored<S: LifeStore>(store: &S, id: &TenantId, parts: Vec<ArchivedPart>) -> Result<Revision, StoreError> {
    let mut parts = parts.into_iter();
    let mut give = || Ok(parts.next());
    store.restore_archive(id, &mut give, note()).await
}

fn person_of(objects: &TenantObjects) -> ObjectKey {
    ObjectKey { kind: ObjectKind::Person, id: objects.people[0].user_name.clone() }
}

async fn a_tenant_that_has_ended_is_as_if_it_were_not_there<S: LifeStore>(store: &S) {
    let (acme, other) = (made(store, "life-ended").await, made(store, "life-stays").await);
    let parts = archived(store, &acme).await.unwrap();
    assert_eq!(store.end_tenant(&tenant("life-nobody"), Revision(1), note()).await.unwrap(), None);
    let stale = store.end_tenant(&acme, Revision(7), note()).await;
    assert!(matches!(stale, Err(StoreError::Conflict { actual: 1, .. })), "{stale:?}");
    assert_eq!(store.remove_ended(&acme, ALL).await.unwrap(), 0, "it has not ended");
    let (own, count) = (objects("life-ended"), |number: usize| number as u64);
    let overview = TenantOverview {
        tenant: acme.clone(),
        name: "Acme".to_owned(),
        revision: Revision(1),
        people: count(own.people.len()),
        dns: count(own.dns.len()),
    };
    assert!(store.overviews().await.unwrap().contains(&overview));
    let ended = store.end_tenant(&acme, Revision(1), note()).await.unwrap().unwrap();
    assert_eq!((&ended.tenant, ended.name.as_str(), ended.revision), (&acme, "Acme", Revision(2)));
    assert_eq!((ended.by.as_str(), ended.at, ended.is_removed), ("tester", note().at, false));

    let key = person_of(&objects("life-ended"));
    assert_eq!(store.revision(&acme).await.unwrap(), None);
    assert_eq!(store.point(&acme).await.unwrap(), None);
    assert_eq!(store.load(&acme).await.unwrap(), None);
    assert_eq!(store.versioned(&acme).await.unwrap(), None);
    assert_eq!(store.find(&acme, &key).await.unwrap(), None);
    assert_eq!(store.find_versioned(&acme, &key).await.unwrap(), None);
    assert_eq!(store.end_tenant(&acme, Revision(2), note()).await.unwrap(), None);
    assert_eq!(archived(store, &acme).await, None);
    assert!(!store.tenants().await.unwrap().iter().any(|(id, _)| *id == acme));
    assert!(!store.overviews().await.unwrap().iter().any(|one| one.tenant == acme));
    assert!(!store.points().await.unwrap().iter().any(|(id, _)| *id == acme));
    let early = store.update(&acme, Revision(0), Vec::new(), note()).await;
    assert!(matches!(early, Err(StoreError::Invalid(_))), "{early:?}");
    let early = restored(store, &acme, parts).await;
    assert!(matches!(early, Err(StoreError::Invalid(_))), "{early:?}");

    let mut rounds = 0;
    while store.remove_ended(&acme, 1).await.unwrap() > 0 {
        rounds += 1;
    }
    assert!(rounds > 20, "in parts: {rounds}");
    assert!(known(store, &acme).await.is_removed);
    let others = objects("life-stays");
    assert_eq!(store.load(&other).await.unwrap(), Some((Revision(1), others)));
}

fn api_key(id: &str) -> NewApiKey {
    let key = ApiKey {
        id: id.to_owned(),
        name: "Board".to_owned(),
        client: None,
        scopes: vec!["calls:read".to_owned()],
        made_by: "person/ann".to_owned(),
        made_at: AT,
        ends_at: AT + YEAR,
        used_at: None,
        used_from: None,
        revoked_at: None,
    };
    NewApiKey {
        key,
        digest: format!("digest of {id}"),
        request: Some("r1".to_owned()),
        request_since: AT,
        origin: ChangeOrigin::default(),
    }
}

async fn each_tenant_of_an_id_has_a_life_of_its_own<S: LifeStore>(store: &S) {
    let acme = made(store, "life-number").await;
    let first = store.life(&acme).await.unwrap().unwrap();
    assert_ne!(first, TenantLife(0));
    let own = ObjectChange::Put(Object::Tenant(Box::new(objects("life-number").tenant)));
    store.update(&acme, Revision(1), vec![own], note()).await.unwrap();
    assert_eq!(store.life(&acme).await.unwrap(), Some(first), "an edit changes nothing of it");
    let parts = archived(store, &acme).await.unwrap();
    ended(store, &acme, ALL).await;
    assert_eq!(store.life(&acme).await.unwrap(), None);
    restored(store, &acme, parts).await.unwrap();
    let second = store.life(&acme).await.unwrap().unwrap();
    ended(store, &acme, ALL).await;
    made(store, "life-number").await;
    let third = store.life(&acme).await.unwrap().unwrap();
    assert!(first != second && second != third && third != first);
}

async fn a_later_tenant_of_the_id_has_nothing_of_the_one_before<S: LifeStore>(store: &S) {
    let acme = tenant("life-again");
    let all = || objects("life-again").objects().map(ObjectChange::Put).collect::<Vec<_>>();
    let key = person_of(&objects("life-again"));
    let by_request = ChangeNote { request: Some("batch".to_owned()), ..note().clone() };
    store.update(&acme, Revision(0), all(), &by_request).await.unwrap();
    let before = store.point(&acme).await.unwrap().unwrap();
    let generation = store.next_generation(&acme, 5).await.unwrap();
    assert_eq!(store.keep_api_key(&acme, &api_key("life1")).await.unwrap(), None);
    let signed_in = SignInRecord { at: AT, ..SignInRecord::of(SignInEvent::SignedIn) };
    SignInAudit::note(store, &[(acme.clone(), signed_in)]).await.unwrap();
    let passkey = StoredPasskey {
        id: "life-passkey".to_owned(),
        user: key.id.clone(),
        handle: "handle".to_owned(),
        public_key: "key".to_owned(),
        counter: 0,
        name: "Phone".to_owned(),
        created: AT,
        last_used: None,
    };
    assert_eq!(Passkeys::keep(store, &acme, &passkey, 5).await.unwrap(), PasskeyKept::Kept);
    ended(store, &acme, ALL).await;
    assert!(store.find_api_key("life1").await.unwrap().unwrap().key.revoked_at.is_some(), "it opens nothing");
    let told = store.revoked_api_keys(note().at, ALL).await.unwrap();
    assert!(told.contains(&(acme.clone(), "life1".to_owned())), "{told:?}");

    store.update(&acme, Revision(0), all(), note()).await.unwrap();
    let entries = history(store, &acme).await;
    assert_eq!(entries.len(), all().len());
    assert!(entries.iter().all(|entry| entry.before.is_none() && entry.revision == Revision(1)), "{entries:?}");
    assert!(store.request(&acme, "tester", "batch", Timestamp::ZERO).await.unwrap().is_empty());
    let gone = ObjectKey { kind: ObjectKind::Tenant, id: String::new() };
    let at_the_end = store.entry_at(&acme, &gone, Revision(2)).await.unwrap().unwrap();
    assert!(at_the_end.after.is_some(), "the end of the one before is none of this one");
    let point = store.point(&acme).await.unwrap().unwrap();
    assert_eq!(point.revision, before.revision);
    assert_ne!(point.stamp, before.stamp);
    assert!(store.changes(&acme, before).await.unwrap().is_whole, "who knows the one before gets all anew");
    assert!(!store.changes(&acme, HistoryPoint::unstamped(point.revision)).await.unwrap().is_whole);
    assert!(store.next_generation(&acme, 1).await.unwrap() > generation);
    assert!(store.api_keys(&acme).await.unwrap().is_empty());
    assert!(!store.revoke_api_key(&acme, "life1", note()).await.unwrap(), "it has no such key");
    assert_eq!(store.keep_api_key(&acme, &api_key("life2")).await.unwrap(), None, "the request was another's");
    let noted = store.noted(&acme, &AuditPage { limit: 100, ..AuditPage::default() }).await.unwrap();
    let events: Vec<SignInEvent> = noted.records.iter().map(|(_, record)| record.event).collect();
    assert_eq!(events, [SignInEvent::ApiKeyCreated]);
    assert_eq!(store.of_person(&acme, &key.id).await.unwrap(), []);
    assert_eq!(store.find_passkey("life-passkey").await.unwrap(), None);
}

async fn that_a_tenant_has_ended_is_in_its_history_and_waits_for_the_audit<S: LifeStore>(store: &S) {
    let acme = made(store, "life-noted").await;
    ended(store, &acme, ALL).await;
    let entries = history(store, &acme).await;
    let last = &entries[0];
    assert_eq!((last.key.kind, last.revision, last.note.by.as_str()), (ObjectKind::Tenant, Revision(2), "tester"));
    assert!(last.before.as_deref().is_some_and(|before| before.contains("acme.invalid")) && last.after.is_none());
    assert!(!last.before.as_deref().is_some_and(|before| before.contains("hush")), "without secrets");
    assert_eq!(entries.len(), objects("life-noted").objects().count() + 1);
    let waiting = store.waiting(ALL, "").await.unwrap().entries;
    let of_end = waiting.into_iter().rfind(|entry| entry.tenant == acme.as_str()).unwrap();
    let Audited::Change(change) = of_end.what else { panic!("no change") };
    assert_eq!((change.kind.as_str(), change.after), ("tenant", AuditedDocument::None));
}

async fn the_history_goes_for_its_age_and_is_no_loss_of_a_later_tenant<S: LifeStore>(store: &S) {
    let (acme, count) = (made(store, "life-pruned").await, objects("life-pruned").objects().count() as u64);
    ended(store, &acme, ALL).await;
    made(store, "life-pruned").await;
    let forgotten = store.forget_ended(AFTER).await.unwrap();
    assert_eq!((forgotten, known(store, &acme).await.tenant), (0, acme.clone()), "there is history of each");
    let of_the_one_before = u32::try_from(count).unwrap() + 1;
    assert_eq!(store.prune_history(&acme, AFTER, of_the_one_before).await.unwrap(), count + 1);
    assert_eq!(store.pruned_revision(&acme).await.unwrap(), Revision(0));
    assert_eq!(history(store, &acme).await.len() as u64, count);
    assert_eq!(store.forget_ended(note().at).await.unwrap(), 0, "it has not ended before that time");
    assert_eq!(store.forget_ended(AFTER).await.unwrap(), 1);
    assert_eq!(store.prune_history(&acme, AFTER, ALL).await.unwrap(), count);
    assert_eq!(store.pruned_revision(&acme).await.unwrap(), Revision(1));
    // Of a tenant that is not there it goes as well.
    let gone = made(store, "life-gone").await;
    ended(store, &gone, ALL).await;
    assert!(store.prune_history(&gone, AFTER, ALL).await.unwrap() > 0);
    assert!(history(store, &gone).await.is_empty());
}

async fn a_tenant_comes_back_from_its_archive<S: LifeStore>(store: &S) {
    let acme = made(store, "life-back").await;
    let parts = archived(store, &acme).await.unwrap();
    let stamp = store.point(&acme).await.unwrap().unwrap().stamp;
    ended(store, &acme, 3).await;
    assert_eq!(restored(store, &acme, parts.clone()).await.unwrap(), Revision(1));
    assert_eq!(store.load(&acme).await.unwrap(), Some((Revision(1), objects("life-back"))));
    assert_ne!(store.point(&acme).await.unwrap().unwrap().stamp, stamp);
    let unnumbered = |part: ArchivedPart| match part {
        ArchivedPart::Begin(begin) => ArchivedPart::Begin(ArchiveBegin { life: TenantLife(0), ..begin }),
        ArchivedPart::Entry(entry) => ArchivedPart::Entry(HistoryEntry { number: 0, ..entry }),
        other => other,
    };
    let is_of_restore = |part: &ArchivedPart| matches!(part, ArchivedPart::Entry(entry) if entry.key.kind == ObjectKind::Tenant && entry.before.is_some());
    let (restore, again): (Vec<ArchivedPart>, Vec<ArchivedPart>) =
        archived(store, &acme).await.unwrap().into_iter().map(unnumbered).partition(is_of_restore);
    assert_eq!(restore.len(), 1);
    assert_eq!(again, parts.into_iter().map(unnumbered).collect::<Vec<_>>(), "its history, and nothing of the end");
    // What is restored does not wait for the audit once more; the end still does, and so does the restore.
    let waiting = store.waiting(ALL, "").await.unwrap().entries;
    let of_acme = waiting.iter().filter(|entry| entry.tenant == acme.as_str()).count();
    assert_eq!(of_acme, objects("life-back").objects().count() + 2);
}
