//! When people work. `store` has none of these tenants.

use std::time::Duration;

use contracts::json::rfc3339;
use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person};
use model::{TenantId, Timestamp};
use serde_json::{Value, json};

use super::fixtures::tenant;
use super::provisioning::{note, objects, objects_with_free_people};
use crate::{
    HistoryPage, ObjectChange, ProvisioningStore, Revision, SHIFTS_KIND, ShiftCounts, ShiftSpan, ShiftTerms, Shifts,
    ShiftsReplaced, StoreError, StoredShift, key_of_shifts, kind_told,
};

const HOUR: u64 = 3_600_000;
/// For reads that are meant to find everything.
const ALL: usize = 1_000;
const KEPT: ShiftTerms = ShiftTerms { is_trial: false, forget_before: Timestamp::ZERO };

fn at(hour: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + hour * HOUR)
}

/// A tenant with people, and the names of two of them.
async fn peopled(store: &dyn ProvisioningStore, name: &str) -> (TenantId, [String; 2]) {
    let (acme, held) = (tenant(name), objects_with_free_people(name));
    let ann = held.people.first().unwrap().user_name.clone();
    let bob = Person { user_name: "bob.second".to_owned(), ..Person::default() };
    let two = [ann, bob.user_name.clone()];
    let all = held.objects().map(ObjectChange::Put).chain([ObjectChange::Put(Object::Person(Box::new(bob)))]);
    store.update(&acme, Revision(0), all.collect(), note()).await.unwrap();
    (acme, two)
}

fn shift(id: &str, user: &str, begin: u64, hours: u64) -> StoredShift {
    let document = format!("{{\"of\":\"Früh {id}\"}}");
    StoredShift { id: id.to_owned(), user: user.to_owned(), begin: at(begin), end: at(begin + hours), document }
}

fn span(from: u64, to: u64, people: &[&str]) -> ShiftSpan {
    let people = people.iter().map(|user| (*user).to_owned()).collect();
    ShiftSpan { from: at(from), to: at(to), people }
}

fn replaced(added: u64, changed: u64, removed: u64, unchanged: u64) -> ShiftsReplaced {
    ShiftsReplaced::Replaced(ShiftCounts { added, changed, removed, unchanged })
}

/// The ids of all shifts of these people between two hours.
async fn ids(store: &dyn Shifts, acme: &TenantId, people: &[String], (from, to): (u64, u64)) -> Vec<String> {
    let found = store.shifts_of(acme, people, (at(from), at(to)), ALL).await.unwrap();
    found.into_iter().map(|shift| shift.id).collect()
}

/// Runs the cases.
pub async fn run<S: Shifts + ProvisioningStore>(store: &S) {
    a_span_is_replaced_as_often_as_it_comes(store).await;
    nothing_is_replaced_where_a_shift_that_stays_is_in_the_way(store).await;
    a_trial_changes_nothing(store).await;
    what_is_replaced_is_noted_with_its_span_and_by_whom(store).await;
    of_some_people_the_others_keep_theirs(store).await;
    what_reaches_into_a_span_is_found(store).await;
    old_shifts_go(store).await;
    shifts_go_with_their_person_and_their_tenant(store).await;
}

async fn a_span_is_replaced_as_often_as_it_comes<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-again").await;
    let two = [shift("1", &ann, 0, 8), shift("2", &bob, 2, 8)];
    let day = span(0, 24, &[]);
    assert_eq!(store.replace_shifts(&acme, &day, &two, KEPT, note()).await.unwrap(), replaced(2, 0, 0, 0));
    assert_eq!(store.replace_shifts(&acme, &day, &two, KEPT, note()).await.unwrap(), replaced(0, 0, 0, 2));
    let found = store.shifts_of(&acme, std::slice::from_ref(&ann), (at(0), at(24)), ALL).await.unwrap();
    assert_eq!(found, [two[0].clone()]);
    let later = [shift("2", &bob, 3, 8), shift("3", &ann, 10, 4)];
    assert_eq!(store.replace_shifts(&acme, &day, &later, KEPT, note()).await.unwrap(), replaced(1, 1, 1, 0));
    assert_eq!(ids(store, &acme, &[ann, bob], (0, 24)).await, ["3", "2"]);
}

async fn nothing_is_replaced_where_a_shift_that_stays_is_in_the_way<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-overlap").await;
    store.replace_shifts(&acme, &span(0, 24, &[]), &[shift("night", &ann, 20, 8)], KEPT, note()).await.unwrap();
    // The night ends at 28.
    let early = [shift("b", &bob, 25, 8), shift("a", &ann, 27, 8)];
    let outcome = store.replace_shifts(&acme, &span(24, 48, &[]), &early, KEPT, note()).await.unwrap();
    assert_eq!(outcome, ShiftsReplaced::Overlap { id: "a".to_owned(), other: "night".to_owned() });
    assert_eq!(ids(store, &acme, &[ann.clone(), bob], (0, 48)).await, ["night"], "all or none");
    let after =
        store.replace_shifts(&acme, &span(24, 48, &[]), &[shift("a", &ann, 28, 8)], KEPT, note()).await.unwrap();
    assert_eq!(after, replaced(1, 0, 0, 0));
}

async fn a_trial_changes_nothing<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, _]) = peopled(store, "shifts-trial").await;
    let trial = ShiftTerms { is_trial: true, ..KEPT };
    let outcome =
        store.replace_shifts(&acme, &span(0, 24, &[]), &[shift("1", &ann, 0, 8)], trial, note()).await.unwrap();
    assert_eq!(outcome, replaced(1, 0, 0, 0));
    assert!(ids(store, &acme, std::slice::from_ref(&ann), (0, 24)).await.is_empty());
    store.replace_shifts(&acme, &span(0, 24, &[]), &[shift("1", &ann, 0, 8)], KEPT, note()).await.unwrap();
    let forgetful = ShiftTerms { forget_before: at(9), ..trial };
    // It is as if what is forgotten were not there any more; and it is.
    let outcome =
        store.replace_shifts(&acme, &span(0, 24, &[]), &[shift("2", &ann, 0, 8)], forgetful, note()).await.unwrap();
    assert_eq!(outcome, replaced(1, 0, 0, 0));
    assert_eq!(ids(store, &acme, &[ann], (0, 24)).await, ["1"]);
}

async fn what_is_replaced_is_noted_with_its_span_and_by_whom<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-noted").await;
    let day = span(0, 24, &[ann.as_str(), bob.as_str()]);
    let two = [shift("1", &ann, 0, 8), shift("2", &bob, 2, 8)];
    // A trial changes nothing, nor does the same plan again.
    for terms in [ShiftTerms { is_trial: true, ..KEPT }, KEPT, KEPT] {
        store.replace_shifts(&acme, &day, &two, terms, note()).await.unwrap();
    }
    store.replace_shifts(&acme, &day, &[shift("1", &ann, 1, 8)], KEPT, note()).await.unwrap();
    let (kind, id) = (Some(ObjectKind::Tenant), Some(key_of_shifts(&day).id));
    let noted = store.history(&acme, &HistoryPage { kind, id, below: None, limit: 10 }).await.unwrap();
    let [later, first] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((&first.note, &later.note, later.revision), (note(), note(), Revision(1)));
    assert_eq!(kind_told(first.key.kind.as_str(), &first.key.id), SHIFTS_KIND);
    let read = |document: &Option<String>| serde_json::from_str::<Value>(document.as_deref().unwrap()).unwrap();
    let (from, to) = (rfc3339(day.from), rfc3339(day.to));
    let before = json!({ "from": from, "to": to, "people": [ann, bob], "shifts": 0 });
    assert_eq!(read(&first.before), before);
    let mut after = json!({ "added": 2, "changed": 0, "removed": 0, "unchanged": 0 });
    after.as_object_mut().unwrap().extend(before.as_object().unwrap().clone());
    after["shifts"] = 2.into();
    assert_eq!(read(&first.after), after);
    assert_eq!((read(&later.before)["shifts"].as_u64(), read(&later.after)["shifts"].as_u64()), (Some(2), Some(1)));
    assert_eq!((&read(&later.after)["changed"], &read(&later.after)["removed"]), (&json!(1), &json!(1)));
}

async fn of_some_people_the_others_keep_theirs<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-some").await;
    let two = [shift("1", &ann, 0, 8), shift("2", &bob, 0, 8)];
    store.replace_shifts(&acme, &span(0, 24, &[]), &two, KEPT, note()).await.unwrap();
    let outcome =
        store.replace_shifts(&acme, &span(0, 24, &[ann.to_uppercase().as_str()]), &[], KEPT, note()).await.unwrap();
    assert_eq!(outcome, replaced(0, 0, 1, 0));
    assert_eq!(ids(store, &acme, &[ann.clone(), bob.clone()], (0, 24)).await, ["2"]);
    // More than one statement names, and one of them twice.
    let mut many: Vec<String> = (0..250).map(|one| format!("nobody.{one}")).collect();
    many.extend([bob.clone(), bob.to_uppercase()]);
    let of_many = ShiftSpan { people: many, ..span(0, 24, &[]) };
    let three = [shift("2", &bob, 1, 8), shift("4", &bob, 10, 2), shift("5", &bob, 12, 2)];
    assert_eq!(store.replace_shifts(&acme, &of_many, &three, KEPT, note()).await.unwrap(), replaced(2, 1, 0, 0));
    assert_eq!(store.replace_shifts(&acme, &of_many, &[], KEPT, note()).await.unwrap(), replaced(0, 0, 3, 0));
    assert!(ids(store, &acme, &[ann, bob], (0, 48)).await.is_empty());
}

async fn what_reaches_into_a_span_is_found<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-found").await;
    let three = [shift("1", &ann, 20, 8), shift("2", &ann, 30, 4), shift("3", &bob, 20, 4)];
    store.replace_shifts(&acme, &span(0, 48, &[]), &three, KEPT, note()).await.unwrap();
    let both = [ann.clone(), bob];
    assert_eq!(ids(store, &acme, &both, (24, 30)).await, ["1"], "an end and a begin are no part");
    assert_eq!(ids(store, &acme, &both, (0, 48)).await, ["1", "2", "3"]);
    assert_eq!(store.shifts_of(&acme, &both, (at(0), at(48)), 1).await.unwrap().len(), 1);
    assert_eq!(ids(store, &acme, &[ann.to_uppercase()], (27, 31)).await, ["1", "2"]);
    assert_eq!(ids(store, &acme, &[ann.clone(), ann.to_uppercase(), ann.clone()], (0, 48)).await, ["1", "2"]);
    assert!(ids(store, &acme, &["nobody".to_owned()], (0, 48)).await.is_empty());
    let nobodys = store.replace_shifts(&acme, &span(0, 48, &[]), &[shift("4", "nobody", 0, 1)], KEPT, note()).await;
    assert!(matches!(nobodys, Err(StoreError::Invalid(_))), "{nobodys:?}");
}

async fn old_shifts_go<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-old").await;
    let two = [shift("1", &ann, 0, 8), shift("2", &ann, 8, 8)];
    store.replace_shifts(&acme, &span(0, 24, &[]), &two, KEPT, note()).await.unwrap();
    let terms = ShiftTerms { forget_before: at(8) + Duration::from_millis(1), ..KEPT };
    store.replace_shifts(&acme, &span(24, 48, &[]), &[shift("3", &bob, 24, 8)], terms, note()).await.unwrap();
    assert_eq!(ids(store, &acme, &[ann, bob], (0, 48)).await, ["2", "3"]);
}

async fn shifts_go_with_their_person_and_their_tenant<S: Shifts + ProvisioningStore>(store: &S) {
    let (acme, [ann, bob]) = peopled(store, "shifts-gone").await;
    let two = [shift("1", &ann, 0, 8), shift("2", &bob, 0, 8)];
    store.replace_shifts(&acme, &span(0, 24, &[]), &two, KEPT, note()).await.unwrap();
    let key = ObjectKey { kind: ObjectKind::Person, id: ann.clone() };
    let person = objects("shifts-gone").people.into_iter().find(|person| person.user_name == ann).unwrap();
    store.update(&acme, Revision(1), vec![ObjectChange::Delete(key)], note()).await.unwrap();
    let back = vec![ObjectChange::Put(Object::Person(Box::new(person)))];
    store.update(&acme, Revision(2), back, note()).await.unwrap();
    assert_eq!(ids(store, &acme, &[ann.clone(), bob.clone()], (0, 24)).await, ["2"], "who comes later has none");
    store.end_tenant(&acme, Revision(3), note()).await.unwrap().unwrap();
    while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
    assert!(ids(store, &acme, &[ann, bob], (0, 24)).await.is_empty());
}
