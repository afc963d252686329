use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use contracts::provisioning::ObjectKind;
use infra::{Answer, Document, Extent, Publication, Reading, StoreError};

use super::*;

/// Two tenants, one of them unreadable.
struct Cache {
    is_complete: bool,
}

const COMPLETE: Cache = Cache { is_complete: true };

const VERSION: ConfigVersion = ConfigVersion { generation: 1, revision: 1 };

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

impl ConfigCache for Cache {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(self.is_complete) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async { Ok(vec![(tenant("acme"), VERSION), (tenant("globex"), VERSION)]) })
    }
    fn read<'a>(&'a self, of: &'a TenantId, _: Option<ConfigVersion>, _: Duration) -> Answer<'a, Reading> {
        Box::pin(async move {
            if *of == tenant("acme") {
                return Err(StoreError::Unavailable { reason: "a test".to_owned() });
            }
            let body = Some(br#"{"name":"sales"}"#.as_slice().into());
            let skill = Document { kind: "skill".to_owned(), id: "sales".to_owned(), revision: 1, body };
            Ok(Reading { version: VERSION, extent: Extent::Whole, documents: vec![skill] })
        })
    }
}

#[tokio::test]
async fn a_tenant_that_cannot_be_read_holds_up_no_other() {
    let copies = Copies::new(Metrics::register(&runtime::Metrics::default()));
    let changes = copies.changes();
    assert!(copies.refresh(&COMPLETE).await.is_err(), "it is told and tried again");
    assert_eq!(copies.tenant(&tenant("acme")).err(), Some(NoCopy::Unread));
    assert!(copies.tenant(&tenant("globex")).unwrap().get(ObjectKind::Skill, "sales").is_some());
    assert!(changes.has_changed().unwrap());
}

/// A cache with one tenant that is never done with being read, once that is so.
struct WithSlowTenant {
    is_slow: AtomicBool,
    reads_of_acme: AtomicUsize,
}

impl ConfigCache for WithSlowTenant {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        ConfigCache::tenants(&COMPLETE)
    }
    fn read<'a>(&'a self, of: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        if *of == tenant("acme") {
            self.reads_of_acme.fetch_add(1, SeqCst);
            if self.is_slow.load(SeqCst) {
                return Box::pin(std::future::pending());
            }
        }
        ConfigCache::read(&COMPLETE, of, after, wait)
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_could_not_be_read_is_read_behind_the_others_and_ever_more_rarely() {
    let copies = Copies::new(Metrics::register(&runtime::Metrics::default()));
    let cache = WithSlowTenant { is_slow: AtomicBool::new(false), reads_of_acme: AtomicUsize::new(0) };
    assert!(copies.refresh(&cache).await.is_err());
    for _ in 0..5 {
        assert!(copies.refresh(&cache).await.is_err(), "it is still told");
    }
    assert_eq!(cache.reads_of_acme.load(SeqCst), 1);
    assert_eq!(copies.tenant(&tenant("acme")).err(), Some(NoCopy::Unread));

    // The other one is published anew, and the first one is tried again without an end.
    tokio::time::advance(Duration::from_millis(250)).await;
    cache.is_slow.store(true, SeqCst);
    copies.tenants.write().unwrap().remove(&tenant("globex"));
    let mut changes = copies.changes();
    tokio::select! {
        biased;
        _ = copies.refresh(&cache) => panic!("it is still reading"),
        told = changes.changed() => told.unwrap(),
    }
    assert!(copies.tenant(&tenant("globex")).is_ok());
    assert_eq!(cache.reads_of_acme.load(SeqCst), 2);
}

#[tokio::test]
async fn nobody_is_told_that_there_is_no_tenant_before_that_is_known() {
    let copies = Copies::new(Metrics::register(&runtime::Metrics::default()));
    assert_eq!(copies.versions(), None, "an empty list would make every role forget its tenants");
    assert_eq!(copies.tenant(&tenant("globex")).err(), Some(NoCopy::Unread));
    assert!(copies.refresh(&COMPLETE).await.is_err());
    let listed: Vec<_> = copies.versions().unwrap().into_keys().collect();
    assert_eq!(listed, [tenant("acme"), tenant("globex")], "one that cannot be read is no removed one");
    assert_eq!(copies.tenant(&tenant("initech")).err(), Some(NoCopy::Unknown));
}

#[tokio::test]
async fn a_list_that_is_still_being_published_is_none() {
    let copies = Copies::new(Metrics::register(&runtime::Metrics::default()));
    assert!(copies.refresh(&Cache { is_complete: false }).await.is_err());
    assert_eq!(copies.versions(), None);
    assert!(copies.refresh(&COMPLETE).await.is_err());
    assert!(copies.versions().is_some());
}

#[test]
fn a_document_that_cannot_be_read_takes_nothing_away() {
    let document = |body: &str| {
        let body = Some(body.as_bytes().to_vec().into());
        let skill = Document { kind: "skill".to_owned(), id: "sales".to_owned(), revision: 1, body };
        Reading { version: VERSION, extent: Extent::Whole, documents: vec![skill] }
    };
    let held = TenantCopy::after(None, document(r#"{"name":"sales"}"#));
    let after = TenantCopy::after(Some(&held), document(r#"{"of a later version": true}"#));
    assert!(after.get(ObjectKind::Skill, "sales").is_some());
}

/// The tenant acme at a version, with a skill of that name.
struct AtVersion {
    version: ConfigVersion,
    skill: &'static str,
}

impl ConfigCache for AtVersion {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async move { Ok(vec![(tenant("acme"), self.version)]) })
    }
    fn read<'a>(&'a self, _: &'a TenantId, _: Option<ConfigVersion>, _: Duration) -> Answer<'a, Reading> {
        Box::pin(async move {
            let body = Some(format!(r#"{{"name":"{}"}}"#, self.skill).into_bytes().into());
            let (id, revision) = (self.skill.to_owned(), self.version.revision);
            let documents = vec![Document { kind: "skill".to_owned(), id, revision, body }];
            Ok(Reading { version: self.version, extent: Extent::Whole, documents })
        })
    }
}

#[tokio::test]
async fn a_cache_that_has_lost_changes_takes_none_back() {
    let copies = Copies::new(Metrics::register(&runtime::Metrics::default()));
    let at = |generation, revision, skill| AtVersion { version: ConfigVersion { generation, revision }, skill };
    let has = |skill| copies.tenant(&tenant("acme")).unwrap().get(ObjectKind::Skill, skill).is_some();
    copies.refresh(&at(1, 10, "patience")).await.unwrap();
    let changes = copies.changes();
    copies.refresh(&at(1, 9, "sales")).await.unwrap();
    assert!(has("patience") && !has("sales") && !changes.has_changed().unwrap());
    copies.refresh(&at(1, 11, "courage")).await.unwrap();
    assert!(has("courage"));
    copies.refresh(&at(2, 9, "sales")).await.unwrap();
    assert!(has("sales"), "another generation is another state, whatever its revision");
}
