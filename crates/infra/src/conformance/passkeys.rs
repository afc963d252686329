//! The passkeys of people. `store` has none of these tenants.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person, Secret};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects, objects_with_free_people};
use crate::{
    HistoryPoint, ObjectChange, PasskeyKept, PasskeyRemoved, Passkeys, ProvisioningStore, Revision, StoreError,
    StoredPasskey, ToldChange,
};

const AT_MS: u64 = 1_700_000_000_123;
/// The most of a person.
const MOST: usize = 3;
/// No person has that name.
const NOBODY: &str = "nobody";

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(AT_MS + ms)
}

fn passkey(id: &str, user: &str, created: u64) -> StoredPasskey {
    StoredPasskey {
        id: id.to_owned(),
        user: user.to_owned(),
        handle: "handle".to_owned(),
        public_key: "key".to_owned(),
        counter: 0,
        name: "Phone \"of\" Grüße".to_owned(),
        created: at(created),
        last_used: None,
    }
}

/// A tenant with people, and the name of one of them.
async fn peopled(store: &dyn ProvisioningStore, name: &str) -> (TenantId, String) {
    let (acme, held) = (tenant(name), objects_with_free_people(name));
    let user = held.people.first().unwrap().user_name.clone();
    let all = held.objects().map(ObjectChange::Put).collect();
    store.update(&acme, Revision(0), all, note()).await.unwrap();
    (acme, user)
}

/// Runs the cases.
pub async fn run<S: Passkeys + ProvisioningStore>(store: &S) {
    what_is_kept_is_found_by_person_and_by_id(store).await;
    a_counter_only_rises(store).await;
    a_person_removes_its_own(store).await;
    passkeys_go_with_their_person(store).await;
    passkeys_go_with_the_second_factor(store).await;
    a_name_in_another_spelling_keeps_its_passkeys(store).await;
}

async fn what_is_kept_is_found_by_person_and_by_id<S: Passkeys + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "passkeys-kept").await;
    assert!(store.of_person(&acme, &user).await.unwrap().is_empty());
    let (one, two) = (passkey("kept-1", &user, 1), passkey("kept-2", &user, 0));
    for new in [&one, &two] {
        assert_eq!(store.keep(&acme, new, MOST).await.unwrap(), PasskeyKept::Kept);
    }
    let held = store.of_person(&acme, &user.to_uppercase()).await.unwrap();
    assert!(held == [two, one.clone()], "{held:?}");
    let found = store.find_passkey("kept-1").await.unwrap();
    assert!(found == Some((acme.clone(), one.clone())), "{found:?}");
    assert_eq!(store.find_passkey("kept-none").await.unwrap(), None);
    assert_eq!(store.keep(&acme, &one, MOST).await.unwrap(), PasskeyKept::IdTaken);
    assert_eq!(store.keep(&acme, &passkey("kept-3", &user, 2), MOST).await.unwrap(), PasskeyKept::Kept);
    assert_eq!(store.keep(&acme, &passkey("kept-4", &user, 3), MOST).await.unwrap(), PasskeyKept::TooMany);
    let elsewhere = store.keep(&acme, &passkey("kept-5", NOBODY, 0), MOST).await;
    assert!(matches!(elsewhere, Err(StoreError::Invalid(_))), "{elsewhere:?}");
    let (globex, other) = peopled(store, "passkeys-other").await;
    assert!(store.of_person(&globex, &other).await.unwrap().is_empty());
    assert_eq!(store.keep(&globex, &StoredPasskey { user: other, ..one }, MOST).await.unwrap(), PasskeyKept::IdTaken);
}

async fn a_counter_only_rises<S: Passkeys + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "passkeys-counter").await;
    store.keep(&acme, &passkey("counter", &user, 0), MOST).await.unwrap();
    for (counter, is_noted) in [(0, true), (0, true), (7, true), (7, false), (6, false), (0, false), (u32::MAX, true)] {
        assert_eq!(store.note_use(&acme, "counter", counter, at(9)).await.unwrap(), is_noted, "{counter}");
    }
    assert!(!store.note_use(&tenant("passkeys-none"), "counter", 9, at(9)).await.unwrap());
    let (_, held) = store.find_passkey("counter").await.unwrap().unwrap();
    assert_eq!((held.counter, held.last_used), (u32::MAX, Some(at(9))));
}

async fn a_person_removes_its_own<S: Passkeys + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "passkeys-remove").await;
    let old = StoredPasskey { handle: "old".to_owned(), ..passkey("remove-1", &user, 0) };
    for new in [&old, &passkey("remove-2", &user, 1), &passkey("remove-3", &user, 2)] {
        store.keep(&acme, new, MOST).await.unwrap();
    }
    for (of, id, outcome) in [
        (NOBODY, "remove-2", PasskeyRemoved::Missing),
        (user.as_str(), "remove-none", PasskeyRemoved::Missing),
        (user.as_str(), "remove-1", PasskeyRemoved::Last),
        (user.as_str(), "remove-2", PasskeyRemoved::Removed),
        (user.as_str(), "remove-3", PasskeyRemoved::Last),
    ] {
        assert_eq!(store.remove_but_last(&acme, of, id).await.unwrap(), outcome, "{id}");
    }
    store.keep(&acme, &passkey("remove-2", &user, 1), MOST).await.unwrap();
    assert!(!store.remove(&acme, NOBODY, "remove-2").await.unwrap());
    assert!(store.remove(&acme, &user, "remove-2").await.unwrap());
    assert!(!store.remove(&acme, &user, "remove-2").await.unwrap());
    assert_eq!(store.remove_others(&acme, &user, Some("handle")).await.unwrap(), 1);
    let held = store.of_person(&acme, &user).await.unwrap();
    assert!(held == [passkey("remove-3", &user, 2)], "{held:?}");
    assert_eq!(store.remove_others(&acme, &user, None).await.unwrap(), 1);
    assert!(store.of_person(&acme, &user).await.unwrap().is_empty());
}

async fn passkeys_go_with_their_person<S: Passkeys + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "passkeys-person").await;
    store.keep(&acme, &passkey("person", &user, 0), MOST).await.unwrap();
    let mut person = objects("passkeys-person").people.swap_remove(0);
    person.last_name = "Other".to_owned();
    let changed = vec![ObjectChange::Put(Object::Person(Box::new(person)))];
    store.update(&acme, Revision(1), changed, note()).await.unwrap();
    assert!(store.find_passkey("person").await.unwrap().is_some(), "a change takes it away");
    let key = ObjectKey { kind: ObjectKind::Person, id: user };
    store.update(&acme, Revision(2), vec![ObjectChange::Delete(key)], note()).await.unwrap();
    assert_eq!(store.find_passkey("person").await.unwrap(), None);
}

async fn passkeys_go_with_the_second_factor<S: Passkeys + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "passkeys-factor").await;
    let factor_is = |factor: Option<&str>| {
        let mut person = objects("passkeys-factor").people.swap_remove(0);
        person.second_factor = factor.map(|factor| Secret(factor.to_owned()));
        vec![ObjectChange::Put(Object::Person(Box::new(person)))]
    };
    store.update(&acme, Revision(1), factor_is(None), note()).await.unwrap();
    store.keep(&acme, &passkey("factor", &user, 0), MOST).await.unwrap();
    for (at, factor, is_there) in [
        (2, None, true),
        (3, Some("sealed:one"), true),
        (4, Some("sealed:two"), true),
        (5, None, false),
        // One of before comes back.
        (6, Some("sealed:two"), false),
    ] {
        store.update(&acme, Revision(at), factor_is(factor), note()).await.unwrap();
        assert_eq!(store.find_passkey("factor").await.unwrap().is_some(), is_there, "{at}");
    }
}

async fn a_name_in_another_spelling_keeps_its_passkeys<S: Passkeys + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "passkeys-spelled").await;
    let person = objects("passkeys-spelled").people.swap_remove(0);
    let put = |person: Person| ObjectChange::Put(Object::Person(Box::new(person)));
    let other = Person { user_name: "änne".to_owned(), ..Person::default() };
    store.update(&acme, Revision(1), vec![put(other.clone())], note()).await.unwrap();
    for (at, person, from, to) in
        [(2, person, user.as_str(), user.to_uppercase()), (3, other, "änne", "ÄNNE".to_owned())]
    {
        store.keep(&acme, &passkey(from, from, 0), MOST).await.unwrap();
        let gone = ObjectKey { kind: ObjectKind::Person, id: from.to_owned() };
        let changes = vec![put(Person { user_name: to.clone(), ..person }), ObjectChange::Delete(gone.clone())];
        store.update(&acme, Revision(at), changes, note()).await.unwrap();
        let (_, kept) = store.find_passkey(from).await.unwrap().expect("it went with the old spelling");
        assert_eq!(kept.user, to);
        let people = store.load(&acme).await.unwrap().unwrap().1.people;
        assert!(people.iter().any(|person| person.user_name == to), "{people:?}");
        assert!(people.iter().all(|person| person.user_name != from), "{people:?}");
        let told = store.changes(&acme, HistoryPoint::unstamped(Revision(at))).await.unwrap();
        assert!(told.changes.contains(&ToldChange::Delete(gone)), "followers keep the old spelling: {told:?}");
    }
}
