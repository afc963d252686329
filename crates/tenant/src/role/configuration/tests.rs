use std::sync::atomic::Ordering::SeqCst;

use contracts::provisioning::{AccessGroup, Privilege};
use infra::SystemClock;
use tonic::Code;

use super::*;
use crate::role::test_database::{TestDatabase, tenant};

/// Looks up a skill of a tenant.
async fn skill(server: &Server, of: &str) -> Result<(u64, usize), Code> {
    let view = View { tenant: tenant(of), kinds: vec!["skill".to_owned()], secrets: Secrets::None, person: None };
    let found = server.wanted(&view, "Sales".to_owned()).await;
    found.map(|(point, objects)| (point.revision.0, objects.len())).map_err(|status| status.code())
}

#[tokio::test]
async fn a_tenant_is_found_before_the_tenants_are_listed_and_only_the_database_says_that_there_is_none() {
    let database = TestDatabase::new(None);
    let (tell, stored) = watch::channel(StoredTenants::default());
    let server = Server::new(database.clone(), stored, Arc::default(), Arc::default(), Arc::new(SystemClock::start()));
    assert_eq!(skill(&server, "globex").await, Ok((1, 1)));
    assert_eq!(skill(&server, "initech").await, Err(Code::NotFound));
    database.is_away.store(true, SeqCst);
    assert_eq!(skill(&server, "globex").await, Err(Code::Unavailable), "nobody is taken for gone");
    tell.send_replace(StoredTenants::known([(tenant("globex"), HistoryPoint::unstamped(Revision(1)))]));
    assert_eq!(skill(&server, "globex").await, Ok((1, 1)));
    assert_eq!(skill(&server, "initech").await, Err(Code::Unavailable));
}

/// Reads the objects of globex.
async fn read(server: &Server, kinds: &[&str], id: &str) -> (u64, Vec<Arc<Object>>) {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    let view = View { tenant: tenant("globex"), kinds, secrets: Secrets::None, person: None };
    let (point, objects) = server.wanted(&view, id.to_owned()).await.unwrap();
    (point.revision.0, objects)
}

#[tokio::test]
async fn a_read_of_kinds_costs_one_reading_of_the_tenant_and_no_copy_of_an_object() {
    let database = TestDatabase::new(None);
    let (_tell, stored) = watch::channel(StoredTenants::default());
    let server = Server::new(database.clone(), stored, Arc::default(), Arc::default(), Arc::new(SystemClock::start()));
    let objects = infra::conformance::provisioning::objects("globex");
    let (revision, skills) = read(&server, &["skill"], "").await;
    assert_eq!((revision, skills.len()), (1, objects.skills.len()));
    assert_eq!(read(&server, &[], "").await.1.len(), objects.objects().count());
    assert_eq!(read(&server, &["skill", "client"], "Sales").await.1.len(), 1);
    assert!(read(&server, &["nothing"], "").await.1.is_empty());
    assert!(Arc::ptr_eq(&skills[0], &read(&server, &["skill"], "").await.1[0]));
    database.adds("Patience");
    let (revision, more) = read(&server, &["skill"], "").await;
    assert_eq!((revision, more.len()), (2, skills.len() + 1));
    assert_eq!(database.whole_reads.load(SeqCst), 1);
}

/// What somebody of globex may do, as auth reads it.
async fn privileges(server: &Server, user: &str) -> Vec<Privilege> {
    let kinds = vec!["person".to_owned()];
    let view = View { tenant: tenant("globex"), kinds, secrets: Secrets::All, person: None };
    let (_, found) = server.wanted(&view, user.to_owned()).await.unwrap();
    match found.first().map(|object| &**object) {
        Some(Object::Person(person)) => person.privileges.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn privileges_by_few_roles_are_read_and_those_by_many_names_are_found_in_memory() {
    let database = TestDatabase::new(None);
    let (_tell, stored) = watch::channel(StoredTenants::default());
    let server = Server::new(database.clone(), stored, Arc::default(), Arc::default(), Arc::new(SystemClock::start()));
    let by_roles = privileges(&server, "ann").await;
    let own = infra::conformance::provisioning::objects("globex").people.remove(0).privileges;
    assert!(by_roles.len() > own.len(), "she has a role: {by_roles:?}");
    assert_eq!(database.whole_reads.load(SeqCst), 0);
    let mut next = database.states.lock().unwrap().last().unwrap().clone();
    let people = (0..40_000).map(|number| format!("person {number}")).collect();
    next.access_groups.push(AccessGroup { name: "Large".to_owned(), people, groups: Vec::new() });
    database.states.lock().unwrap().push(next);
    for _ in 0..3 {
        assert_eq!(privileges(&server, "ann").await, by_roles);
    }
    assert_eq!(database.whole_reads.load(SeqCst), 1, "whoever signs in next finds it");
}
