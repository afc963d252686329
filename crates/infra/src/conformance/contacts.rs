//! The contacts of desktops. `store` has none of these tenants.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects, objects_with_free_people};
use crate::bounds::{CONTACTS_MAX, SHARED_CONTACTS_MAX};
use crate::{
    ArchivedPart, ContactAdded, ContactChanged, ContactOwner, ContactRecords, KeptContact, ObjectChange,
    ProvisioningStore, Revision, SharedContacts, StoreError, TargetSearch, TenantArchive,
};

const SHARED: ContactOwner = ContactOwner::Tenant;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123 + ms)
}

fn contact(id: &str, ms: u64) -> KeptContact {
    KeptContact { id: id.to_owned(), at: at(ms), document: format!("{{\"of\":\"Grüße {id} {ms}\"}}") }
}

fn of(user: &str) -> ContactOwner {
    ContactOwner::Person(user.to_owned())
}

/// A tenant with people, and one of them as an owner.
async fn peopled(store: &dyn ProvisioningStore, name: &str) -> (TenantId, String) {
    let (acme, held) = (tenant(name), objects_with_free_people(name));
    let user = held.people.first().unwrap().user_name.clone();
    let all = held.objects().map(ObjectChange::Put).collect();
    store.update(&acme, Revision(0), all, note()).await.unwrap();
    (acme, user)
}

async fn add(store: &dyn ContactRecords, acme: &TenantId, owner: &ContactOwner, one: &KeptContact) {
    assert_eq!(store.add_contact(acme, owner, one).await.unwrap(), ContactAdded::Kept, "{one:?}");
}

/// Changes a contact that was changed last at `expected`.
async fn change(
    store: &dyn ContactRecords,
    acme: &TenantId,
    owner: &ContactOwner,
    expected: u64,
    one: &KeptContact,
) -> ContactChanged {
    store.change_contact(acme, owner, at(expected), one).await.unwrap()
}

/// Runs the cases.
pub async fn run<S: TenantArchive>(store: &S) {
    contacts_are_added_changed_and_removed(store).await;
    a_change_of_what_was_changed_since_is_told(store).await;
    contacts_are_bounded(store).await;
    each_owner_has_contacts_of_its_own(store).await;
    contacts_belong_to_who_is_there(store).await;
    contacts_go_with_their_person_and_their_tenant(store).await;
    a_name_in_another_spelling_keeps_its_contacts(store).await;
    shared_ones_are_read_by_name_and_found_by_their_words(store).await;
    an_archive_has_them_and_brings_them_back(store).await;
}

async fn shared_ones_are_read_by_name_and_found_by_their_words(store: &dyn TenantArchive) {
    let (acme, _) = peopled(store, "contacts-found").await;
    let (globex, _) = peopled(store, "contacts-found-elsewhere").await;
    let named = |id: &str, name: &str, number: &str, ms: u64| {
        let numbers = serde_json::json!([{ "type": "work", "number": number }]);
        let document = serde_json::json!({ "name": name, "company": "Nord 50%", "numbers": numbers }).to_string();
        KeptContact { document, ..contact(id, ms) }
    };
    let all = [named("z", "ada", "7101", 0), named("b", "Jörg Müller", "+4930", 0), named("a", "Zoe", "7102", 0)];
    for one in [&all[2], &all[0], &all[1]] {
        add(store, &acme, &SHARED, one).await;
    }
    add(store, &globex, &SHARED, &all[0]).await;
    let found = async |typed: &str, at_most: usize| {
        let terms = TargetSearch::terms_of(typed).unwrap();
        let SharedContacts { first, total } = store.shared_contacts(&acme, &terms, at_most).await.unwrap();
        let ids: Vec<String> = first.into_iter().map(|one| one.id).collect();
        format!("{} of {total}", ids.join(" "))
    };
    for (typed, at_most, due) in [
        ("*", 9, "z b a of 3"),
        ("", 2, "z b of 3"),
        ("", 0, " of 3"),
        ("mueller", 9, "b of 1"),
        ("nord MULLER", 9, "b of 1"),
        ("ada zoe", 9, " of 0"),
        ("ada, zoe", 1, "z of 2"),
        ("710", 9, "z a of 2"),
        ("50%", 9, "z b a of 3"),
        ("5%", 9, " of 0"),
        ("_", 9, " of 0"),
    ] {
        assert_eq!(found(typed, at_most).await, due, "{typed} {at_most}");
    }
    assert_eq!(change(store, &acme, &SHARED, 0, &named("z", "Zzz", "7103", 1)).await, ContactChanged::Kept);
    assert_eq!(found("", 9).await, "b a z of 3");
    assert_eq!(found("7101", 9).await, " of 0");
}

async fn contacts_are_added_changed_and_removed<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "contacts-kept").await;
    for owner in [of(&user), SHARED] {
        add(store, &acme, &owner, &contact("b", 0)).await;
        add(store, &acme, &owner, &contact("a", 1)).await;
        // Who has had no answer asks once more, and takes nothing back that has come between.
        assert_eq!(change(store, &acme, &owner, 0, &contact("b", 2)).await, ContactChanged::Kept);
        add(store, &acme, &owner, &contact("b", 0)).await;
        assert_eq!(store.contacts(&acme, &owner).await.unwrap(), [contact("a", 1), contact("b", 2)]);
        assert_eq!(store.contact(&acme, &owner, "b").await.unwrap(), Some(contact("b", 2)));
        assert_eq!(store.contact(&acme, &owner, "c").await.unwrap(), None);
        assert_eq!(change(store, &acme, &owner, 0, &contact("c", 3)).await, ContactChanged::NotThere);
        assert!(!store.remove_contact(&acme, &owner, "c").await.unwrap());
        assert!(store.remove_contact(&acme, &owner, "a").await.unwrap());
        assert!(!store.remove_contact(&acme, &owner, "a").await.unwrap());
        assert_eq!(store.contacts(&acme, &owner).await.unwrap(), [contact("b", 2)]);
    }
    let upper = of(&user.to_uppercase());
    assert_eq!(store.contacts(&acme, &upper).await.unwrap(), [contact("b", 2)]);
}

async fn a_change_of_what_was_changed_since_is_told<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "contacts-since").await;
    for owner in [of(&user), SHARED] {
        add(store, &acme, &owner, &contact("a", 0)).await;
        add(store, &acme, &owner, &contact("b", 0)).await;
        assert_eq!(change(store, &acme, &owner, 0, &contact("a", 1)).await, ContactChanged::Kept);
        assert_eq!(change(store, &acme, &owner, 0, &contact("a", 2)).await, ContactChanged::ChangedSince);
        // Who has had no answer asks once more; another one at the same moment is told that it was too late.
        assert_eq!(change(store, &acme, &owner, 0, &contact("a", 1)).await, ContactChanged::Kept);
        let other = KeptContact { document: "{}".to_owned(), ..contact("a", 1) };
        assert_eq!(change(store, &acme, &owner, 0, &other).await, ContactChanged::ChangedSince);
        assert_eq!(store.contacts(&acme, &owner).await.unwrap(), [contact("a", 1), contact("b", 0)]);
        assert_eq!(change(store, &acme, &owner, 1, &contact("a", 2)).await, ContactChanged::Kept);
    }
}

async fn contacts_are_bounded<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "contacts-many").await;
    assert_eq!([of(&user).most(), SHARED.most()], [CONTACTS_MAX, SHARED_CONTACTS_MAX]);
    let owner = of(&user);
    for number in 0..=CONTACTS_MAX {
        let added = store.add_contact(&acme, &owner, &contact(&number.to_string(), 0)).await.unwrap();
        let due = if number < CONTACTS_MAX { ContactAdded::Kept } else { ContactAdded::TooMany };
        assert_eq!(added, due, "{number}");
    }
    add(store, &acme, &owner, &contact("0", 1)).await;
    assert_eq!(change(store, &acme, &owner, 0, &contact("0", 1)).await, ContactChanged::Kept, "it takes no place");
    add(store, &acme, &SHARED, &contact("0", 0)).await;
}

async fn each_owner_has_contacts_of_its_own<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "contacts-owner").await;
    let (globex, _) = peopled(store, "contacts-other").await;
    let other = objects("contacts-owner").people.get(1).map(|person| of(&person.user_name));
    add(store, &acme, &of(&user), &contact("1", 0)).await;
    add(store, &acme, &SHARED, &contact("1", 1)).await;
    let elsewhere = [(&globex, of(&user)), (&globex, SHARED)];
    for (tenant, owner) in elsewhere.into_iter().chain(other.map(|other| (&acme, other))) {
        assert!(store.contacts(tenant, &owner).await.unwrap().is_empty(), "{tenant} {owner:?}");
        assert_eq!(store.contact(tenant, &owner, "1").await.unwrap(), None, "{tenant} {owner:?}");
        let changed = change(store, tenant, &owner, 0, &contact("1", 2)).await;
        assert_eq!(changed, ContactChanged::NotThere, "{tenant} {owner:?}");
        assert!(!store.remove_contact(tenant, &owner, "1").await.unwrap(), "{tenant} {owner:?}");
    }
    assert_eq!(store.contacts(&acme, &of(&user)).await.unwrap(), [contact("1", 0)]);
    assert_eq!(store.contacts(&acme, &SHARED).await.unwrap(), [contact("1", 1)]);
}

async fn contacts_belong_to_who_is_there<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, _) = peopled(store, "contacts-nobody").await;
    let nobody = of("nobody");
    assert!(store.contacts(&acme, &nobody).await.unwrap().is_empty());
    for (tenant, owner) in [(acme, nobody), (tenant("contacts-nowhere"), SHARED)] {
        let added = store.add_contact(&tenant, &owner, &contact("1", 0)).await;
        assert!(matches!(added, Err(StoreError::Invalid(_))), "{owner:?}: {added:?}");
    }
}

async fn contacts_go_with_their_person_and_their_tenant<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, user) = peopled(store, "contacts-gone").await;
    let owner = of(&user);
    add(store, &acme, &owner, &contact("1", 0)).await;
    add(store, &acme, &SHARED, &contact("2", 0)).await;
    let person = objects("contacts-gone").people.swap_remove(0);
    let put = |person: &Person| vec![ObjectChange::Put(Object::Person(Box::new(person.clone())))];
    let renamed = Person { last_name: "Other".to_owned(), ..person.clone() };
    store.update(&acme, Revision(1), put(&renamed), note()).await.unwrap();
    assert_eq!(store.contacts(&acme, &owner).await.unwrap().len(), 1, "a change takes it away");
    let key = ObjectKey { kind: ObjectKind::Person, id: user.clone() };
    store.update(&acme, Revision(2), vec![ObjectChange::Delete(key)], note()).await.unwrap();
    store.update(&acme, Revision(3), put(&person), note()).await.unwrap();
    assert!(store.contacts(&acme, &owner).await.unwrap().is_empty(), "who comes later has nothing of it");
    assert_eq!(store.contacts(&acme, &SHARED).await.unwrap().len(), 1, "what is shared is nobody's");

    add(store, &acme, &owner, &contact("1", 0)).await;
    store.end_tenant(&acme, Revision(4), note()).await.unwrap().unwrap();
    while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
    for owner in [owner, SHARED] {
        assert!(store.contacts(&acme, &owner).await.unwrap().is_empty(), "{owner:?}");
    }
}

async fn a_name_in_another_spelling_keeps_its_contacts<S: ContactRecords + ProvisioningStore>(store: &S) {
    let (acme, _) = peopled(store, "contacts-spelled").await;
    let put = |name: &str| {
        let person = Person { user_name: name.to_owned(), ..Person::default() };
        ObjectChange::Put(Object::Person(Box::new(person)))
    };
    store.update(&acme, Revision(1), vec![put("änne")], note()).await.unwrap();
    add(store, &acme, &of("änne"), &contact("1", 0)).await;
    let gone = ObjectKey { kind: ObjectKind::Person, id: "änne".to_owned() };
    store.update(&acme, Revision(2), vec![put("ÄNNE"), ObjectChange::Delete(gone)], note()).await.unwrap();
    assert_eq!(store.contacts(&acme, &of("ÄNNE")).await.unwrap(), [contact("1", 0)]);
}

async fn an_archive_has_them_and_brings_them_back(store: &dyn TenantArchive) {
    let (acme, user) = peopled(store, "contacts-archived").await;
    let held = [(of(&user), contact("1", 0)), (of(&user), contact("2", 1)), (SHARED, contact("1", 2))];
    for (owner, one) in &held {
        add(store, &acme, owner, one).await;
    }
    let mut parts = Vec::new();
    let mut take = |part: ArchivedPart| {
        parts.push(part);
        Ok(())
    };
    assert!(store.archive(&acme, &mut take).await.unwrap());
    for (owner, one) in held.clone() {
        let part = ArchivedPart::Contact(owner, one);
        assert!(parts.contains(&part), "{part:?}");
    }
    store.end_tenant(&acme, Revision(1), note()).await.unwrap().unwrap();
    while store.remove_ended(&acme, 1_000).await.unwrap() > 0 {}
    let mut parts = parts.into_iter();
    store.restore_archive(&acme, &mut || Ok(parts.next()), note()).await.unwrap();
    for (owner, one) in held {
        assert_eq!(store.contact(&acme, &owner, &one.id).await.unwrap(), Some(one));
    }
}
