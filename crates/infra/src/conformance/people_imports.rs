//! Tables of people that were taken. `store` has none of these tenants.

use std::time::Duration;

use contracts::provisioning::Object;
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use super::provisioning::{note, objects};
use crate::bounds::PEOPLE_IMPORTS_MAX;
use crate::{
    ImportEnd, ImportPage, ObjectChange, PeopleImport, PeopleImports, ProvisioningStore, Revision, StoreError,
};

const ALL: u32 = 100_000;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_123) + Duration::from_secs(secs)
}

fn import(id: &str, user: &str, secs: u64) -> PeopleImport {
    PeopleImport {
        id: id.to_owned(),
        request: format!("request {id}"),
        user: user.to_owned(),
        client: None,
        file_name: "Größe, neu.csv".to_owned(),
        begun_at: at(secs),
        lines: 3,
        end: None,
    }
}

fn faulty(secs: u64) -> ImportEnd {
    let faults = vec!["line 2: no \"Patience\"".to_owned(), "line 3: Grüße".to_owned()];
    ImportEnd { at: at(secs), taken: 0, faults, is_unknown: false }
}

/// A tenant that is there.
async fn made(store: &dyn ProvisioningStore, name: &str) -> TenantId {
    let all = objects(name).objects().map(ObjectChange::Put).collect();
    store.update(&tenant(name), Revision(0), all, note()).await.unwrap();
    tenant(name)
}

async fn ids(store: &dyn PeopleImports, tenant: &TenantId, page: ImportPage) -> Vec<String> {
    store.imports(tenant, &page).await.unwrap().into_iter().map(|one| one.id).collect()
}

fn everything() -> ImportPage {
    ImportPage { limit: ALL, ..ImportPage::default() }
}

/// Runs the cases.
pub async fn run<S: PeopleImports + ProvisioningStore>(store: &S) {
    one_is_read_as_it_was_noted_before_its_end_and_after(store).await;
    they_are_read_in_pages_the_latest_first(store).await;
    there_are_as_many_as_may_be_and_the_earliest_go(store).await;
    those_that_are_too_old_go_of_every_tenant(store).await;
    they_belong_to_a_tenant_that_is_there_and_go_with_it(store).await;
}

async fn one_is_read_as_it_was_noted_before_its_end_and_after<S: PeopleImports + ProvisioningStore>(store: &S) {
    let acme = made(store, "imports-one").await;
    let begun = PeopleImport { client: Some("crm".to_owned()), ..import("one", "Ada", 0) };
    store.import_begins(&acme, &begun).await.unwrap();
    assert_eq!(store.imports(&acme, &everything()).await.unwrap(), std::slice::from_ref(&begun));
    assert!(!store.import_ends(&acme, "two", &faulty(1)).await.unwrap());
    for _ in 0..2 {
        assert!(store.import_ends(&acme, "one", &faulty(1)).await.unwrap());
    }
    let ended = PeopleImport { end: Some(faulty(1)), ..begun };
    assert_eq!(store.imports(&acme, &everything()).await.unwrap(), std::slice::from_ref(&ended));
    let unknown = ImportEnd { is_unknown: true, ..faulty(2) };
    assert!(store.import_ends(&acme, "one", &unknown).await.unwrap());
    let ended = PeopleImport { end: Some(unknown), ..ended };
    assert_eq!(store.imports(&acme, &everything()).await.unwrap(), [ended]);
}

async fn they_are_read_in_pages_the_latest_first<S: PeopleImports + ProvisioningStore>(store: &S) {
    let (acme, globex) = (made(store, "imports-pages").await, made(store, "imports-others").await);
    for (id, user, secs) in [("a", "ada", 1), ("b", "ben", 2), ("c", "ada", 3), ("d", "ada", 3)] {
        store.import_begins(&acme, &import(id, user, secs)).await.unwrap();
    }
    store.import_begins(&globex, &import("a", "ada", 9)).await.unwrap();
    assert_eq!(ids(store, &acme, everything()).await, ["d", "c", "b", "a"]);
    let of_ada = ImportPage { user: Some("ADA".to_owned()), ..everything() };
    assert_eq!(ids(store, &acme, of_ada.clone()).await, ["d", "c", "a"]);
    assert_eq!(ids(store, &acme, ImportPage { since: at(2), ..of_ada.clone() }).await, ["d", "c"]);
    assert_eq!(ids(store, &acme, ImportPage { offset: 1, limit: 1, ..of_ada }).await, ["c"]);
    assert_eq!(ids(store, &acme, ImportPage { offset: 2, limit: 9, ..ImportPage::default() }).await, ["b", "a"]);
}

async fn there_are_as_many_as_may_be_and_the_earliest_go<S: PeopleImports + ProvisioningStore>(store: &S) {
    let acme = made(store, "imports-many").await;
    for n in 0..=PEOPLE_IMPORTS_MAX {
        store.import_begins(&acme, &import(&n.to_string(), "ada", n as u64)).await.unwrap();
    }
    let all = ids(store, &acme, everything()).await;
    assert_eq!((all.len(), all.last().map(String::as_str)), (PEOPLE_IMPORTS_MAX, Some("1")));
}

async fn those_that_are_too_old_go_of_every_tenant<S: PeopleImports + ProvisioningStore>(store: &S) {
    let old = |secs: u64| Timestamp::from_millis(1_000_000_000_000) + Duration::from_secs(secs);
    let (acme, globex) = (made(store, "imports-old").await, made(store, "imports-older").await);
    for tenant in [&acme, &globex] {
        for n in 0..3 {
            let import = PeopleImport { begun_at: old(n), ..import(&n.to_string(), "ada", 0) };
            store.import_begins(tenant, &import).await.unwrap();
        }
    }
    assert_eq!(store.forget_imports_before(old(2)).await.unwrap(), 4);
    assert_eq!(store.forget_imports_before(old(2)).await.unwrap(), 0);
    for tenant in [&acme, &globex] {
        assert_eq!(ids(store, tenant, everything()).await, ["2"]);
    }
}

async fn they_belong_to_a_tenant_that_is_there_and_go_with_it<S: PeopleImports + ProvisioningStore>(store: &S) {
    let nowhere = store.import_begins(&tenant("imports-nowhere"), &import("a", "ada", 0)).await;
    assert!(matches!(nowhere, Err(StoreError::Invalid(_))), "{nowhere:?}");
    let acme = made(store, "imports-gone").await;
    store.import_begins(&acme, &import("a", "ada", 0)).await.unwrap();
    let mut person = objects("imports-gone").people.swap_remove(0);
    person.last_name = "Other".to_owned();
    let changed = vec![ObjectChange::Put(Object::Person(Box::new(person)))];
    store.update(&acme, Revision(1), changed, note()).await.unwrap();
    assert_eq!(ids(store, &acme, everything()).await, ["a"], "a change takes it away");
    store.end_tenant(&acme, Revision(2), note()).await.unwrap().unwrap();
    let late = store.import_begins(&acme, &import("b", "ada", 0)).await;
    assert!(matches!(late, Err(StoreError::Invalid(_))), "a tenant that has ended takes a table: {late:?}");
    while store.remove_ended(&acme, 1).await.unwrap() > 0 {}
    assert_eq!(ids(store, &acme, everything()).await, [""; 0]);
}
