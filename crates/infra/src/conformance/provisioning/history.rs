//! What happened to objects, and the revision of each.

use std::collections::HashMap;

use contracts::provisioning::{Folder, Object, ObjectKey, ObjectKind, Secret, Skill};
use model::{TenantId, Timestamp};

use super::{objects, put_all, tenant};
use crate::{
    ChangeNote, ChangeOrigin, ChangeWay, HistoryEntry, HistoryPage, ObjectChange, ProvisioningStore, Revision,
    StoreError,
};

const AT_MS: u64 = 1_700_000_000_123;

fn note(by: &str, request: Option<&str>) -> ChangeNote {
    ChangeNote {
        by: by.to_owned(),
        way: ChangeWay::Grpc,
        origin: ChangeOrigin {
            client: Some("app".to_owned()),
            session: Some("s1".to_owned()),
            source: Some("192.0.2.1".to_owned()),
        },
        at: Timestamp::from_millis(AT_MS),
        request: request.map(str::to_owned),
    }
}

fn key(kind: ObjectKind, id: &str) -> ObjectKey {
    ObjectKey { kind, id: id.into() }
}

fn skill(name: &str) -> ObjectChange {
    ObjectChange::Put(Object::Skill(Skill { name: name.into() }))
}

fn ann(first_name: &str, password: &str) -> ObjectChange {
    let mut person = objects("x").people.remove(0);
    person.first_name = first_name.into();
    person.password = Some(Secret(password.into()));
    ObjectChange::Put(Object::Person(Box::new(person)))
}

/// Everything that happened to one object, the latest first.
async fn of_object(store: &dyn ProvisioningStore, acme: &TenantId, key: &ObjectKey) -> Vec<HistoryEntry> {
    let page = HistoryPage { kind: Some(key.kind), id: Some(key.id.clone()), below: None, limit: 100 };
    store.history(acme, &page).await.unwrap()
}

pub(super) async fn run(store: &dyn ProvisioningStore) {
    each_object_has_the_revision_of_its_last_change(store).await;
    history_says_who_did_what_and_shows_no_secret(store).await;
    history_is_read_in_pages_from_the_latest_on(store).await;
    how_an_object_stood_is_found_by_revision(store).await;
    a_repeated_request_is_found_for_its_caller_alone(store).await;
    what_is_refused_leaves_no_entry(store).await;
    what_is_too_old_goes_the_oldest_first(store).await;
    what_is_too_old_goes_whatever_stands_before_it(store).await;
    what_is_too_old_goes_from_between_stamps_that_time_has_passed(store).await;
    folders_are_there_since_they_were_made_last(store).await;
}

async fn each_object_has_the_revision_of_its_last_change(store: &dyn ProvisioningStore) {
    let acme = tenant("versions");
    assert_eq!(store.versioned(&acme).await.unwrap(), None);
    store.update(&acme, Revision(0), put_all(&objects("versions")), &note("a", None)).await.unwrap();
    store.update(&acme, Revision(1), vec![skill("German")], &note("a", None)).await.unwrap();
    let held = store.versioned(&acme).await.unwrap().unwrap();
    assert_eq!((held.point.revision, held.objects.skills.len()), (Revision(2), 3));
    assert_eq!(held.revisions.get(&key(ObjectKind::Skill, "German")), Some(&Revision(2)));
    assert_eq!(held.revisions.get(&key(ObjectKind::Skill, "Sales")), Some(&Revision(1)));
    assert_eq!(held.revisions.len(), held.objects.objects().count());
    let found = store.find_versioned(&acme, &key(ObjectKind::Skill, "German")).await.unwrap();
    assert_eq!(found, Some((Revision(2), Object::Skill(Skill { name: "German".into() }))));
    let found = store.find_versioned(&acme, &key(ObjectKind::Person, "ANN")).await.unwrap();
    assert_eq!(found.map(|(revision, _)| revision), Some(Revision(1)));
    assert_eq!(store.find_versioned(&acme, &key(ObjectKind::Person, "nobody")).await.unwrap(), None);
    let gone = ObjectChange::Delete(key(ObjectKind::Skill, "German"));
    store.update(&acme, Revision(2), vec![gone], &note("a", None)).await.unwrap();
    let held = store.versioned(&acme).await.unwrap().unwrap();
    assert_eq!(held.revisions.get(&key(ObjectKind::Skill, "German")), None);
}

async fn history_says_who_did_what_and_shows_no_secret(store: &dyn ProvisioningStore) {
    let acme = tenant("history");
    store.update(&acme, Revision(0), put_all(&objects("history")), &note("person/boss", None)).await.unwrap();
    let changes = vec![ann("Anna", "$argon2id$of-ann"), skill("German")];
    store.update(&acme, Revision(1), changes, &note("person/eve", Some("k"))).await.unwrap();
    store.update(&acme, Revision(2), vec![ann("Anna", "$argon2id$of-anna")], &note("person/eve", None)).await.unwrap();
    // It is as it was: nothing happened to it.
    store.update(&acme, Revision(3), vec![skill("German")], &note("person/eve", None)).await.unwrap();
    let told = of_object(store, &acme, &key(ObjectKind::Person, "ann")).await;
    let [secret, renamed, made] = told.as_slice() else { panic!("{told:?}") };
    assert!(secret.secrets_changed && secret.before == secret.after && secret.revision == Revision(3), "{secret:?}");
    assert!(!renamed.secrets_changed && renamed.before == made.after && renamed.revision == Revision(2), "{renamed:?}");
    assert_eq!(renamed.note, note("person/eve", Some("k")));
    let after: Object = Object::from_json(ObjectKind::Person, renamed.after.as_ref().unwrap().as_bytes()).unwrap();
    let Object::Person(person) = after else { panic!("a person") };
    assert_eq!((person.first_name.as_str(), person.password), ("Anna", None));
    assert!(made.before.is_none() && made.note.by == "person/boss" && made.secrets_changed, "{made:?}");
    assert_eq!(of_object(store, &acme, &key(ObjectKind::Skill, "German")).await.len(), 1);
    let all = store.history(&acme, &HistoryPage { limit: 1_000, ..HistoryPage::default() }).await.unwrap();
    assert!(!format!("{all:?}").contains("argon2"), "no secret is in the history");
    assert!(all.iter().all(|entry| !format!("{entry:?}").contains("hush")), "no key either");
}

async fn history_is_read_in_pages_from_the_latest_on(store: &dyn ProvisioningStore) {
    let acme = tenant("pages");
    store.update(&acme, Revision(0), put_all(&objects("pages")), &note("a", None)).await.unwrap();
    let whole = store.history(&acme, &HistoryPage { limit: 1_000, ..HistoryPage::default() }).await.unwrap();
    assert_eq!(whole.len(), objects("pages").objects().count());
    assert!(whole.is_sorted_by(|one, two| one.number > two.number));
    let mut read = Vec::new();
    let mut page = HistoryPage { limit: 4, ..HistoryPage::default() };
    loop {
        let part = store.history(&acme, &page).await.unwrap();
        page.below = part.last().map(|entry| entry.number);
        if part.is_empty() {
            break;
        }
        assert!(part.len() <= 4);
        read.extend(part);
    }
    assert_eq!(read, whole);
    let skills = HistoryPage { kind: Some(ObjectKind::Skill), limit: 10, ..HistoryPage::default() };
    assert_eq!(store.history(&acme, &skills).await.unwrap().len(), 2);
    assert_eq!(store.history(&tenant("pages-not"), &skills).await.unwrap(), []);
}

async fn how_an_object_stood_is_found_by_revision(store: &dyn ProvisioningStore) {
    let acme = tenant("stood");
    store.update(&acme, Revision(0), put_all(&objects("stood")), &note("a", None)).await.unwrap();
    let german = key(ObjectKind::Skill, "German");
    for (revision, change) in
        [(1, skill("German")), (2, skill("French")), (3, ObjectChange::Delete(german.clone())), (4, skill("German"))]
    {
        store.update(&acme, Revision(revision), vec![change], &note("a", None)).await.unwrap();
    }
    for (at, entry, is_there_after) in [(1, 2, true), (2, 2, true), (3, 2, true), (4, 4, false), (5, 5, true)] {
        let found = store.entry_at(&acme, &german, Revision(at)).await.unwrap().unwrap();
        assert_eq!((found.revision, found.after.is_some()), (Revision(entry), is_there_after), "at {at}");
    }
    assert_eq!(store.entry_at(&acme, &key(ObjectKind::Skill, "Dutch"), Revision(5)).await.unwrap(), None);
}

async fn a_repeated_request_is_found_for_its_caller_alone(store: &dyn ProvisioningStore) {
    let acme = tenant("request");
    store.update(&acme, Revision(0), put_all(&objects("request")), &note("a", None)).await.unwrap();
    let both = vec![skill("German"), skill("French")];
    store.update(&acme, Revision(1), both, &note("a", Some("once"))).await.unwrap();
    let since = |ms| Timestamp::from_millis(ms);
    let found = store.request(&acme, "a", "once", since(AT_MS)).await.unwrap();
    assert_eq!(found.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [Revision(2); 2]);
    assert_eq!(store.request(&acme, "a", "once", since(AT_MS + 1)).await.unwrap(), []);
    assert_eq!(store.request(&acme, "b", "once", since(0)).await.unwrap(), []);
    assert_eq!(store.request(&acme, "a", "twice", since(0)).await.unwrap(), []);
}

async fn what_is_refused_leaves_no_entry(store: &dyn ProvisioningStore) {
    let acme = tenant("refused");
    store.update(&acme, Revision(0), put_all(&objects("refused")), &note("a", None)).await.unwrap();
    let sales = key(ObjectKind::Skill, "Sales");
    let used = vec![ObjectChange::Delete(sales.clone())];
    let refused = store.update(&acme, Revision(1), used, &note("a", Some("r"))).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let stale = store.update(&acme, Revision(0), vec![skill("German")], &note("a", Some("r"))).await;
    assert!(matches!(stale, Err(StoreError::Conflict { .. })), "{stale:?}");
    assert_eq!(store.request(&acme, "a", "r", Timestamp::ZERO).await.unwrap(), []);
    assert_eq!(of_object(store, &acme, &sales).await.len(), 1);
}

async fn what_is_too_old_goes_the_oldest_first(store: &dyn ProvisioningStore) {
    let (acme, other) = (tenant("pruned"), tenant("pruned-not"));
    let at = |ms| ChangeNote { at: Timestamp::from_millis(ms), ..note("a", None) };
    for of in [&acme, &other] {
        let own = ObjectChange::Put(Object::Tenant(Box::new(objects(of.as_str()).tenant)));
        store.update(of, Revision(0), vec![own], &at(10)).await.unwrap();
        // The clock was set back before the third skill: its entry is behind a later one.
        for (revision, name, ms) in [(1, "One", 20), (2, "Two", 40), (3, "Three", 30), (4, "Four", 50)] {
            store.update(of, Revision(revision), vec![skill(name)], &at(ms)).await.unwrap();
        }
    }
    let page = HistoryPage { limit: 100, ..HistoryPage::default() };
    // What is removed, the first entry that is left, and up to which revision entries are gone.
    let prune = async |before_ms, at_most| {
        let removed = store.prune_history(&acme, Timestamp::from_millis(before_ms), at_most).await.unwrap();
        let first = store.history(&acme, &page).await.unwrap().pop().map(|entry| entry.key.id);
        (removed, first, store.pruned_revision(&acme).await.unwrap().0)
    };
    let first = |id: &str| Some(id.to_owned());
    assert_eq!(prune(10, 100).await, (0, first(""), 0));
    assert_eq!(prune(35, 1).await, (1, first("One"), 1), "a batch has a bound");
    assert_eq!(prune(35, 100).await, (2, first("Two"), 4), "what is behind a younger one goes, too");
    assert_eq!(prune(35, 100).await, (0, first("Two"), 4));
    let two = key(ObjectKind::Skill, "Two");
    let found = store.entry_at(&acme, &two, Revision(2)).await.unwrap().unwrap();
    assert_eq!((found.revision, found.before), (Revision(3), None), "from there on it is known how things stood");
    // What is left from before says how things stood then, and no more.
    let at_its_own = store.entry_at(&acme, &two, Revision(3)).await.unwrap().unwrap();
    assert!(at_its_own.revision == Revision(3) && at_its_own.after.is_some());
    assert_eq!(store.entry_at(&acme, &two, Revision(4)).await.unwrap(), None);
    assert_eq!(prune(1_000, 100).await, (2, None, 5));
    let kept = store.history(&other, &page).await.unwrap().len();
    assert_eq!((kept, store.pruned_revision(&other).await.unwrap()), (5, Revision(0)), "another tenant's stays");
    // Readers need none of it.
    assert_eq!(store.versioned(&acme).await.unwrap().unwrap().objects.skills.len(), 4);
    let point = store.point(&acme).await.unwrap().unwrap();
    assert!(!store.changes(&acme, point).await.unwrap().is_whole);
    assert_eq!(store.pruned_revision(&tenant("nobody")).await.unwrap(), Revision(0));
}

/// Many entries in a row have the time of a clock that was years ahead.
async fn what_is_too_old_goes_whatever_stands_before_it(store: &dyn ProvisioningStore) {
    let acme = tenant("pruned-ahead");
    let at = |ms| ChangeNote { at: Timestamp::from_millis(ms), ..note("a", None) };
    let own = ObjectChange::Put(Object::Tenant(Box::new(objects("pruned-ahead").tenant)));
    store.update(&acme, Revision(0), vec![own], &at(10)).await.unwrap();
    let ahead: Vec<ObjectChange> = (0..30).map(|number| skill(&format!("ahead{number}"))).collect();
    store.update(&acme, Revision(1), ahead, &at(4_000_000_000_000)).await.unwrap();
    for (revision, ms) in [(2, 20), (3, 30), (4, 90)] {
        store.update(&acme, Revision(revision), vec![skill(&format!("at{ms}"))], &at(ms)).await.unwrap();
    }
    let before = Timestamp::from_millis(50);
    assert_eq!(store.prune_history(&acme, before, 2).await.unwrap(), 2);
    assert_eq!(store.prune_history(&acme, before, 2).await.unwrap(), 1);
    assert_eq!(store.prune_history(&acme, before, 2).await.unwrap(), 0);
    let page = HistoryPage { limit: 100, ..HistoryPage::default() };
    assert_eq!(store.history(&acme, &page).await.unwrap().len(), 31);
    assert_eq!(store.pruned_revision(&acme).await.unwrap(), Revision(4));
}

/// Time has passed the stamps of a clock that was ahead for a while, and these are not due yet. Each is behind one that is.
async fn what_is_too_old_goes_from_between_stamps_that_time_has_passed(store: &dyn ProvisioningStore) {
    let acme = tenant("pruned-between");
    let at = |ms| ChangeNote { at: Timestamp::from_millis(ms), ..note("a", None) };
    let own = ObjectChange::Put(Object::Tenant(Box::new(objects("pruned-between").tenant)));
    store.update(&acme, Revision(0), vec![own], &at(60)).await.unwrap();
    let ahead: Vec<ObjectChange> = (0..30).map(|number| skill(&format!("ahead{number}"))).collect();
    store.update(&acme, Revision(1), ahead, &at(70)).await.unwrap();
    for (revision, ms) in [(2, 20), (3, 70), (4, 30), (5, 70), (6, 40), (7, 90)] {
        store.update(&acme, Revision(revision), vec![skill(&format!("{revision}"))], &at(ms)).await.unwrap();
    }
    let before = Timestamp::from_millis(50);
    assert_eq!(store.prune_history(&acme, before, 2).await.unwrap(), 2);
    assert_eq!(store.pruned_revision(&acme).await.unwrap(), Revision(5));
    assert_eq!(store.prune_history(&acme, before, 2).await.unwrap(), 1);
    assert_eq!(store.prune_history(&acme, before, 2).await.unwrap(), 0);
    let page = HistoryPage { limit: 100, ..HistoryPage::default() };
    let left = store.history(&acme, &page).await.unwrap();
    assert_eq!(left.len(), 34);
    assert!(left.iter().all(|entry| entry.note.at >= before), "{left:?}");
    assert_eq!(store.pruned_revision(&acme).await.unwrap(), Revision(7));
}

async fn folders_are_there_since_they_were_made_last(store: &dyn ProvisioningStore) {
    let (acme, other) = (tenant("folders-made"), tenant("folders-made-not"));
    let folder = |path: &str, words: &str| {
        let (path, description) = (path.to_owned(), Some(words.to_owned()));
        ObjectChange::Put(Object::Folder(Box::new(Folder { path, description, permissions: Vec::new() })))
    };
    let board = key(ObjectKind::Folder, "Board");
    for of in [&other, &acme] {
        let at = |ms| ChangeNote { at: Timestamp::from_millis(ms), ..note("a", None) };
        let own = ObjectChange::Put(Object::Tenant(Box::new(objects(of.as_str()).tenant)));
        store.update(of, Revision(0), vec![own], &at(10)).await.unwrap();
        let made =
            [folder("Board", "1"), folder("Open", "1"), ObjectChange::Delete(board.clone()), folder("Board", "2")];
        // A folder may change often.
        let changed = (0..60).map(|number| folder("Board", &format!("more {number}")));
        for (revision, change) in (1..).zip(made.into_iter().chain([folder("Open", "2")]).chain(changed)) {
            store.update(of, Revision(revision), vec![change], &at(10 + revision)).await.unwrap();
        }
    }
    let asked = ["Board", "Open", "board"].map(str::to_owned);
    let since = async |of: &TenantId| {
        let since = store.folders_since(of, &asked).await.unwrap();
        ["Board", "Open", "board"].map(|path| since.get(path).map(|revision| revision.0))
    };
    assert_eq!(since(&acme).await, [Some(5), Some(3), Some(0)]);
    // Of the revisions 1 to 4, then of that which has made the folder.
    for (before_ms, expected) in [(14, [5, 4, 4]), (15, [5, 5, 5]), (30, [20, 20, 20])] {
        store.prune_history(&acme, Timestamp::from_millis(before_ms), 100).await.unwrap();
        assert_eq!(since(&acme).await, expected.map(Some), "before {before_ms}");
    }
    assert_eq!(since(&other).await, [Some(5), Some(3), Some(0)], "another tenant's");
    assert_eq!(store.folders_since(&acme, &[]).await.unwrap(), HashMap::new());
    assert_eq!(since(&tenant("nobody")).await, [None; 3]);
}
