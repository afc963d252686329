use contracts::provisioning::TenantObjects;
use infra::embedded::Embedded;
use infra::{Answer, ObjectChanges, SystemClock};

use super::*;

/// Two tenants, of which the objects of one cannot be read.
struct HalfReadable {
    why: fn() -> StoreError,
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

impl ProvisioningStore for HalfReadable {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        Box::pin(async { Ok(vec![(tenant("acme"), Revision(1)), (tenant("globex"), Revision(1))]) })
    }

    fn load<'a>(&'a self, of: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
        Box::pin(async move {
            match of.as_str() {
                "acme" => Err((self.why)()),
                name => Ok(Some((Revision(1), infra::conformance::provisioning::objects(name)))),
            }
        })
    }

    fn update<'a>(
        &'a self,
        _: &'a TenantId,
        _: Revision,
        _: Vec<ObjectChange>,
        _: &'a infra::ChangeNote,
    ) -> Answer<'a, Revision> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }

    fn changes<'a>(&'a self, _: &'a TenantId, _: Revision) -> Answer<'a, ObjectChanges> {
        Box::pin(async { Err(StoreError::Invalid("nothing changes".to_owned())) })
    }

    fn versioned<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<infra::VersionedObjects>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn find_versioned<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a contracts::provisioning::ObjectKey,
    ) -> Answer<'a, Option<(Revision, contracts::provisioning::Object)>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn history<'a>(&'a self, _: &'a TenantId, _: &'a infra::HistoryPage) -> Answer<'a, Vec<infra::HistoryEntry>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn entry_at<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a contracts::provisioning::ObjectKey,
        _: Revision,
    ) -> Answer<'a, Option<infra::HistoryEntry>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
    fn request<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a str,
        _: model::Timestamp,
    ) -> Answer<'a, Vec<infra::HistoryEntry>> {
        Box::pin(async { Err(StoreError::Invalid("it is read alone".to_owned())) })
    }
}

/// Whether a turn succeeds, whether the cache counts as complete then, and the tenants in it.
async fn published(why: fn() -> StoreError) -> (bool, bool, Vec<TenantId>) {
    let clock = Arc::new(SystemClock::start());
    let configuration = Arc::new(Embedded::in_memory(clock.clone()));
    let mut publisher = Publisher {
        provisioning: Arc::new(HalfReadable { why }),
        configuration: configuration.clone(),
        clock,
        published: BTreeMap::new(),
        faulty: BTreeSet::new(),
        tell: watch::channel(Held::default()).0,
    };
    let succeeds = publisher.turn().await.is_ok();
    let cached = ConfigCache::tenants(&*configuration).await.unwrap();
    (succeeds, configuration.is_complete().await.unwrap(), cached.into_iter().map(|(tenant, _)| tenant).collect())
}

#[tokio::test]
async fn a_tenant_whose_objects_are_damaged_keeps_no_other_from_being_ready() {
    let damaged = || StoreError::Corrupt { what: "table dial_rule".to_owned(), reason: "a test".to_owned() };
    assert_eq!(published(damaged).await, (true, true, vec![tenant("globex")]));
}

#[tokio::test]
async fn a_store_that_is_away_is_no_fault_of_a_tenant() {
    let away = || StoreError::Unavailable { reason: "a test".to_owned() };
    assert_eq!(published(away).await, (false, false, vec![tenant("globex")]));
}
