//! What people keep for themselves. `store` has none of these tenants.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects, objects_with_free_people};
use crate::bounds::{FAVOURITES_MAX, PERSONAL_SETTINGS_BYTES, PERSONAL_SETTINGS_MAX, RECENTS_MAX};
use crate::{
    Favourite, FavouriteAgain, FavouriteKept, ObjectChange, PersonalRecords, PersonalSetting, ProvisioningStore,
    RecentTarget, Revision, SettingKept, StoreError, TargetName,
};

/// No person has that name.
const NOBODY: &str = "nobody";

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123 + ms)
}

fn target(id: &str) -> TargetName {
    TargetName { target_type: "agent".to_owned(), id: id.to_owned() }
}

fn favourite(id: &str, ms: u64) -> Favourite {
    Favourite { target: target(id), at: at(ms), document: format!("{{\"of\":\"Grüße {id}\"}}") }
}

fn recent(id: &str, ms: u64, is_missed: bool) -> RecentTarget {
    RecentTarget { target: target(id), at: at(ms), is_missed, document: format!("{{\"of\":\"{id} {ms}\"}}") }
}

fn setting(name: &str, value: &str) -> PersonalSetting {
    PersonalSetting { name: name.to_owned(), value: value.to_owned() }
}

/// A tenant with people, and the name of one of them.
async fn peopled(store: &dyn ProvisioningStore, name: &str) -> (TenantId, String) {
    let (acme, held) = (tenant(name), objects_with_free_people(name));
    let user = held.people.first().unwrap().user_name.clone();
    let all = held.objects().map(ObjectChange::Put).collect();
    store.update(&acme, Revision(0), all, note()).await.unwrap();
    (acme, user)
}

/// One of each for a person.
async fn keep_some(store: &dyn PersonalRecords, acme: &TenantId, user: &str) {
    let kept = store.keep_favourite(acme, user, &favourite("7", 0), FavouriteAgain::Refused).await.unwrap();
    assert_eq!(kept, FavouriteKept::Kept);
    assert!(store.note_recent(acme, user, &recent("7", 0, true)).await.unwrap());
    assert_eq!(store.keep_setting(acme, user, &setting("theme", "1")).await.unwrap(), SettingKept::Kept);
}

/// How many of each a person has.
async fn counts(store: &dyn PersonalRecords, acme: &TenantId, user: &str) -> [usize; 3] {
    let favourites = store.favourites(acme, user).await.unwrap().len();
    let recents = store.recents(acme, user).await.unwrap().len();
    [favourites, recents, store.settings(acme, user).await.unwrap().len()]
}

/// Runs the cases.
pub async fn run<S: PersonalRecords + ProvisioningStore>(store: &S) {
    favourites_are_kept_replaced_and_removed(store).await;
    favourites_are_bounded(store).await;
    of_a_recent_the_latest_counts(store).await;
    recents_are_bounded_and_the_earliest_go(store).await;
    missed_calls_are_acknowledged_up_to_a_time(store).await;
    settings_are_kept_replaced_and_removed(store).await;
    settings_are_bounded(store).await;
    records_belong_to_a_person_who_is_there(store).await;
    records_go_with_their_person_and_their_tenant(store).await;
    a_name_in_another_spelling_keeps_its_records(store).await;
}

async fn favourites_are_kept_replaced_and_removed<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-favourites").await;
    assert!(store.favourites(&acme, &user).await.unwrap().is_empty());
    for (one, again, kept) in [
        (favourite("1", 0), FavouriteAgain::Refused, FavouriteKept::Kept),
        (favourite("2", 1), FavouriteAgain::Replaces, FavouriteKept::Kept),
        (favourite("1", 2), FavouriteAgain::Refused, FavouriteKept::AlreadyThere),
        (favourite("1", 0), FavouriteAgain::Refused, FavouriteKept::Kept),
    ] {
        assert_eq!(store.keep_favourite(&acme, &user, &one, again).await.unwrap(), kept, "{one:?}");
    }
    let held = store.favourites(&acme, &user.to_uppercase()).await.unwrap();
    assert_eq!(held, [favourite("2", 1), favourite("1", 0)]);
    let later = favourite("1", 3);
    store.keep_favourite(&acme, &user, &later, FavouriteAgain::Replaces).await.unwrap();
    assert_eq!(store.favourites(&acme, &user).await.unwrap(), [later, favourite("2", 1)]);
    let of_other_type = TargetName { target_type: "skill".to_owned(), ..target("1") };
    assert!(!store.remove_favourite(&acme, &user, &of_other_type).await.unwrap());
    assert!(!store.remove_favourite(&acme, NOBODY, &target("1")).await.unwrap());
    assert!(store.remove_favourite(&acme, &user, &target("1")).await.unwrap());
    assert!(!store.remove_favourite(&acme, &user, &target("1")).await.unwrap());
    assert_eq!(store.favourites(&acme, &user).await.unwrap(), [favourite("2", 1)]);
}

async fn favourites_are_bounded<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-many").await;
    for number in 0..=FAVOURITES_MAX {
        let one = favourite(&number.to_string(), 0);
        let kept = store.keep_favourite(&acme, &user, &one, FavouriteAgain::Refused).await.unwrap();
        let due = if number < FAVOURITES_MAX { FavouriteKept::Kept } else { FavouriteKept::TooMany };
        assert_eq!(kept, due, "{number}");
    }
    let again = store.keep_favourite(&acme, &user, &favourite("0", 9), FavouriteAgain::Replaces).await.unwrap();
    assert_eq!(again, FavouriteKept::Kept, "it takes no place");
}

async fn of_a_recent_the_latest_counts<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-recents").await;
    for (one, is_noted) in [
        (recent("1", 5, false), true),
        (recent("2", 6, false), true),
        (recent("1", 5, true), false),
        (recent("1", 4, true), false),
        (recent("1", 7, true), true),
    ] {
        assert_eq!(store.note_recent(&acme, &user, &one).await.unwrap(), is_noted, "{one:?}");
    }
    assert_eq!(store.recents(&acme, &user).await.unwrap(), [recent("1", 7, true), recent("2", 6, false)]);
}

async fn recents_are_bounded_and_the_earliest_go<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-latest").await;
    for number in 0..RECENTS_MAX as u64 + 3 {
        store.note_recent(&acme, &user, &recent(&number.to_string(), number, false)).await.unwrap();
    }
    let held = store.recents(&acme, &user).await.unwrap();
    assert_eq!(held.len(), RECENTS_MAX);
    assert_eq!(held.last().map(|one| one.target.id.as_str()), Some("3"));
    store.note_recent(&acme, &user, &recent("early", 1, false)).await.unwrap();
    assert!(!store.recents(&acme, &user).await.unwrap().iter().any(|one| one.target.id == "early"));
}

async fn missed_calls_are_acknowledged_up_to_a_time<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-missed").await;
    for one in [recent("1", 1, true), recent("2", 2, false), recent("3", 3, true)] {
        store.note_recent(&acme, &user, &one).await.unwrap();
    }
    assert_eq!(store.acknowledge_missed(&acme, NOBODY, at(9)).await.unwrap(), 0);
    assert_eq!(store.acknowledge_missed(&acme, &user, at(2)).await.unwrap(), 1);
    let missed = |held: Vec<RecentTarget>| held.iter().map(|one| one.is_missed).collect::<Vec<_>>();
    assert_eq!(missed(store.recents(&acme, &user).await.unwrap()), [true, false, false]);
    assert!(!store.note_recent(&acme, &user, &recent("1", 1, true)).await.unwrap(), "what is known is not missed anew");
    assert_eq!(store.acknowledge_missed(&acme, &user, at(3)).await.unwrap(), 1);
    assert_eq!(missed(store.recents(&acme, &user).await.unwrap()), [false; 3]);
}

async fn settings_are_kept_replaced_and_removed<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-settings").await;
    for one in [setting("b", "{}"), setting("a", "\"Grüße\""), setting("b", "[1]")] {
        assert_eq!(store.keep_setting(&acme, &user, &one).await.unwrap(), SettingKept::Kept);
    }
    let held = store.settings(&acme, &user.to_uppercase()).await.unwrap();
    assert_eq!(held, [setting("a", "\"Grüße\""), setting("b", "[1]")]);
    assert!(!store.remove_setting(&acme, NOBODY, "a").await.unwrap());
    assert!(store.remove_setting(&acme, &user, "a").await.unwrap());
    assert!(!store.remove_setting(&acme, &user, "a").await.unwrap());
    assert_eq!(store.settings(&acme, &user).await.unwrap(), [setting("b", "[1]")]);
}

async fn settings_are_bounded<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-bytes").await;
    let large = "x".repeat(PERSONAL_SETTINGS_BYTES / 2 - 1);
    for (name, value, kept) in [
        ("a", large.as_str(), SettingKept::Kept),
        ("b", large.as_str(), SettingKept::Kept),
        ("c", "", SettingKept::TooMuch),
        ("b", "1", SettingKept::Kept),
        ("c", "", SettingKept::Kept),
    ] {
        assert_eq!(store.keep_setting(&acme, &user, &setting(name, value)).await.unwrap(), kept, "{name}");
    }
    let (acme, user) = peopled(store, "personal-names").await;
    for number in 0..=PERSONAL_SETTINGS_MAX {
        let kept = store.keep_setting(&acme, &user, &setting(&number.to_string(), "1")).await.unwrap();
        let due = if number < PERSONAL_SETTINGS_MAX { SettingKept::Kept } else { SettingKept::TooMuch };
        assert_eq!(kept, due, "{number}");
    }
}

async fn records_belong_to_a_person_who_is_there<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-owner").await;
    let (globex, _) = peopled(store, "personal-other").await;
    keep_some(store, &acme, &user).await;
    assert_eq!(counts(store, &acme, &user).await, [1; 3]);
    assert_eq!(counts(store, &globex, &user).await, [0; 3]);
    assert_eq!(counts(store, &acme, NOBODY).await, [0; 3]);
    let favourite = store.keep_favourite(&acme, NOBODY, &favourite("1", 0), FavouriteAgain::Refused).await;
    assert!(matches!(favourite, Err(StoreError::Invalid(_))), "{favourite:?}");
    let recent = store.note_recent(&acme, NOBODY, &recent("1", 0, false)).await;
    assert!(matches!(recent, Err(StoreError::Invalid(_))), "{recent:?}");
    let kept = store.keep_setting(&acme, NOBODY, &setting("a", "1")).await;
    assert!(matches!(kept, Err(StoreError::Invalid(_))), "{kept:?}");
}

async fn records_go_with_their_person_and_their_tenant<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "personal-gone").await;
    keep_some(store, &acme, &user).await;
    let person = objects("personal-gone").people.swap_remove(0);
    let put = |person: &Person| vec![ObjectChange::Put(Object::Person(Box::new(person.clone())))];
    let renamed = Person { last_name: "Other".to_owned(), ..person.clone() };
    store.update(&acme, Revision(1), put(&renamed), note()).await.unwrap();
    assert_eq!(counts(store, &acme, &user).await, [1; 3], "a change takes it away");
    let key = ObjectKey { kind: ObjectKind::Person, id: user.clone() };
    store.update(&acme, Revision(2), vec![ObjectChange::Delete(key)], note()).await.unwrap();
    store.update(&acme, Revision(3), put(&person), note()).await.unwrap();
    assert_eq!(counts(store, &acme, &user).await, [0; 3], "who comes later has nothing of it");

    keep_some(store, &acme, &user).await;
    store.end_tenant(&acme, Revision(4), note()).await.unwrap().unwrap();
    while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
    assert_eq!(counts(store, &acme, &user).await, [0; 3]);
}

async fn a_name_in_another_spelling_keeps_its_records<S: PersonalRecords + ProvisioningStore>(store: &S) {
    let (acme, _) = peopled(store, "personal-spelled").await;
    let named = |name: &str| Person { user_name: name.to_owned(), ..Person::default() };
    let put = |name: &str| ObjectChange::Put(Object::Person(Box::new(named(name))));
    store.update(&acme, Revision(1), vec![put("änne")], note()).await.unwrap();
    keep_some(store, &acme, "änne").await;
    let gone = ObjectKey { kind: ObjectKind::Person, id: "änne".to_owned() };
    store.update(&acme, Revision(2), vec![put("ÄNNE"), ObjectChange::Delete(gone)], note()).await.unwrap();
    assert_eq!(counts(store, &acme, "ÄNNE").await, [1; 3]);
}
