use std::sync::atomic::Ordering::SeqCst;

use infra::SystemClock;
use tonic::Code;

use super::*;
use crate::role::test_database::{TestDatabase, tenant};

/// Looks up a skill of a tenant.
async fn skill(server: &Server, of: &str) -> Result<(u64, usize), Code> {
    let view = View { tenant: tenant(of), kinds: vec!["skill".to_owned()], secrets: Secrets::None };
    let found = server.wanted(&view, "Sales".to_owned()).await;
    found.map(|(point, objects)| (point.revision.0, objects.len())).map_err(|status| status.code())
}

#[tokio::test]
async fn a_tenant_is_found_before_the_tenants_are_listed_and_only_the_database_says_that_there_is_none() {
    let database = TestDatabase::new(None);
    let (tell, stored) = watch::channel(StoredTenants::default());
    let server = Server::new(database.clone(), stored, Arc::new(SystemClock::start()));
    assert_eq!(skill(&server, "globex").await, Ok((1, 1)));
    assert_eq!(skill(&server, "initech").await, Err(Code::NotFound));
    database.is_away.store(true, SeqCst);
    assert_eq!(skill(&server, "globex").await, Err(Code::Unavailable), "nobody is taken for gone");
    tell.send_replace(StoredTenants::known([(tenant("globex"), HistoryPoint::unstamped(Revision(1)))]));
    assert_eq!(skill(&server, "globex").await, Ok((1, 1)));
    assert_eq!(skill(&server, "initech").await, Err(Code::Unavailable));
}
