//! Host names at which tenants are meant: each is one tenant's.

use contracts::provisioning::Object;
use model::TenantId;

use super::{note, objects, tenant};
use crate::{ObjectChange, ProvisioningStore, Revision, StoreError};

pub(super) async fn run(store: &dyn ProvisioningStore) {
    a_host_is_of_one_tenant_until_that_gives_it_up(store).await;
}

/// The tenant with these hosts.
fn with_hosts(of: &TenantId, hosts: &[&str]) -> Vec<ObjectChange> {
    let mut settings = objects(of.as_str()).tenant;
    settings.sign_in.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    vec![ObjectChange::Put(Object::Tenant(Box::new(settings)))]
}

async fn a_host_is_of_one_tenant_until_that_gives_it_up(store: &dyn ProvisioningStore) {
    let (acme, globex) = (tenant("hosts"), tenant("hosts-too"));
    let (shared, own) = ("shared.hosts.example", "own.hosts.example");
    // Other cases have tenants of their own in the same store.
    let known = async || {
        let hosts = store.hosts().await.unwrap().into_iter().filter(|(host, _)| host.ends_with(".hosts.example"));
        hosts.map(|(host, of)| format!("{host} {of}")).collect::<Vec<_>>()
    };
    store.update(&acme, Revision(0), with_hosts(&acme, &[shared, own]), note()).await.unwrap();
    assert_eq!(known().await, ["own.hosts.example hosts", "shared.hosts.example hosts"]);
    let refused = store.update(&globex, Revision(0), with_hosts(&globex, &[shared]), note()).await;
    let why = match refused {
        Err(StoreError::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(why.contains(shared) && !why.contains("hosts-too") && why.starts_with("sign_in.hosts"), "{why}");
    assert_eq!(store.revision(&globex).await.unwrap(), None, "nothing of it is stored");
    // The same again is no conflict with itself.
    store.update(&acme, Revision(1), with_hosts(&acme, &[own]), note()).await.unwrap();
    store.update(&globex, Revision(0), with_hosts(&globex, &[shared]), note()).await.unwrap();
    assert_eq!(known().await, ["own.hosts.example hosts", "shared.hosts.example hosts-too"]);
    let (_, held) = store.load(&globex).await.unwrap().unwrap();
    assert_eq!(held.tenant.sign_in.hosts, [shared]);
}
