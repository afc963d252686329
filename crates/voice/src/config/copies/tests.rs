use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use contracts::provisioning::ObjectKind;
use futures::future::{Either, select};
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

fn copies() -> Copies {
    Copies::new(Metrics::register(&runtime::Metrics::default()))
}

/// Looks at a cache, reads what differs to the end, and looks again.
async fn refresh(copies: &Copies, cache: impl ConfigCache + 'static) -> Result<(), String> {
    refresh_from(copies, &mut FollowedCache::new(Arc::new(cache))).await
}

async fn refresh_from(copies: &Copies, followed: &mut FollowedCache) -> Result<(), String> {
    copies.look(followed).await?;
    while let Some(ended) = followed.reads.next().await {
        copies.settle(ended);
    }
    copies.look(followed).await?;
    copies.failed().why().map_or(Ok(()), Err)
}

impl ConfigCache for Cache {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn withdraw<'a>(&'a self, _: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_withdrawn<'a>(&'a self, _: &'a TenantId) -> Answer<'a, bool> {
        Box::pin(async { Ok(false) })
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
    let copies = copies();
    let changes = copies.changes();
    assert!(refresh(&copies, COMPLETE).await.is_err(), "it is told and tried again");
    assert_eq!(copies.tenant(&tenant("acme")).err(), Some(NoCopy::Unread));
    assert!(copies.tenant(&tenant("globex")).unwrap().get(ObjectKind::Skill, "sales").is_some());
    assert!(changes.has_changed().unwrap());
}

/// A cache with one tenant that cannot be read, or is never done with being read once that is so.
#[derive(Default)]
struct WithSlowTenant {
    is_slow: AtomicBool,
    reads_of_acme: AtomicUsize,
    /// How often globex has changed.
    changes_of_globex: AtomicU64,
}

impl WithSlowTenant {
    fn version_of_globex(&self) -> ConfigVersion {
        ConfigVersion { revision: 1 + self.changes_of_globex.load(SeqCst), ..VERSION }
    }
}

impl ConfigCache for WithSlowTenant {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn withdraw<'a>(&'a self, _: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_withdrawn<'a>(&'a self, _: &'a TenantId) -> Answer<'a, bool> {
        Box::pin(async { Ok(false) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async { Ok(vec![(tenant("acme"), VERSION), (tenant("globex"), self.version_of_globex())]) })
    }
    fn read<'a>(&'a self, of: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        if *of == tenant("acme") {
            self.reads_of_acme.fetch_add(1, SeqCst);
            if self.is_slow.load(SeqCst) {
                return Box::pin(std::future::pending());
            }
            return ConfigCache::read(&COMPLETE, of, after, wait);
        }
        Box::pin(async move {
            let reading = ConfigCache::read(&COMPLETE, of, after, wait).await?;
            Ok(Reading { version: self.version_of_globex(), ..reading })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_could_not_be_read_is_read_behind_the_others_and_ever_more_rarely() {
    let copies = copies();
    let cache = Arc::new(WithSlowTenant::default());
    let mut followed = FollowedCache::new(cache.clone());
    for _ in 0..5 {
        assert!(refresh_from(&copies, &mut followed).await.is_err(), "it is still told");
    }
    assert_eq!(cache.reads_of_acme.load(SeqCst), 1);
    assert_eq!(copies.tenant(&tenant("acme")).err(), Some(NoCopy::Unread));

    // The other one is published anew, and the first one is tried again without an end.
    tokio::time::advance(Duration::from_millis(250)).await;
    cache.is_slow.store(true, SeqCst);
    cache.changes_of_globex.store(1, SeqCst);
    let mut changes = copies.changes();
    tokio::select! {
        biased;
        _ = refresh_from(&copies, &mut followed) => panic!("it is still reading"),
        told = changes.changed() => told.unwrap(),
    }
    assert_eq!(copies.tenant(&tenant("globex")).unwrap().version, cache.version_of_globex());
    assert_eq!(cache.reads_of_acme.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn the_tenants_are_known_after_the_first_attempt_at_each_though_one_is_being_read_again() {
    let copies = copies();
    let cache = Arc::new(WithSlowTenant::default());
    let mut followed = FollowedCache::new(cache.clone());
    copies.look(&mut followed).await.unwrap();
    for _ in 0..2 {
        let ended = followed.reads.next().await.unwrap();
        copies.settle(ended);
    }
    assert_eq!(copies.versions(), None);
    // The next attempt at acme begins before anybody has looked again, and does not end.
    cache.is_slow.store(true, SeqCst);
    tokio::time::advance(Duration::from_millis(250)).await;
    copies.look(&mut followed).await.unwrap();
    assert!(followed.reads.has(&tenant("acme")));
    let known: Vec<_> = copies.versions().unwrap().into_keys().collect();
    assert_eq!(known, [tenant("acme"), tenant("globex")]);
}

#[tokio::test]
async fn a_tenant_that_takes_long_to_read_holds_up_no_later_change_of_another() {
    let copies = copies();
    let cache = Arc::new(WithSlowTenant::default());
    cache.is_slow.store(true, SeqCst);
    let mut followed = FollowedCache::new(cache.clone());
    for changes in 0..3 {
        cache.changes_of_globex.store(changes, SeqCst);
        copies.look(&mut followed).await.unwrap();
        let ended = followed.reads.next().await.unwrap();
        assert_eq!(ended.tenant, tenant("globex"));
        copies.settle(ended);
        assert_eq!(copies.tenant(&tenant("globex")).unwrap().version, cache.version_of_globex());
    }
    assert_eq!(cache.reads_of_acme.load(SeqCst), 1, "the reading goes on, and none begins beside it");
    assert_eq!(copies.versions(), None, "it is not known yet whether it can be read");
}

/// Many tenants, all of which take long to read.
struct SlowTenants(AtomicUsize);

impl ConfigCache for SlowTenants {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn withdraw<'a>(&'a self, _: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_withdrawn<'a>(&'a self, _: &'a TenantId) -> Answer<'a, bool> {
        Box::pin(async { Ok(false) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async { Ok((0..100).map(|number| (tenant(&format!("t{number}")), VERSION)).collect()) })
    }
    fn read<'a>(&'a self, _: &'a TenantId, _: Option<ConfigVersion>, _: Duration) -> Answer<'a, Reading> {
        Box::pin(async move {
            self.0.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Reading { version: VERSION, extent: Extent::Whole, documents: Vec::new() })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn few_tenants_are_read_at_once_and_the_next_one_begins_with_the_end_of_another() {
    let copies = copies();
    let cache = Arc::new(SlowTenants(AtomicUsize::default()));
    let mut followed = FollowedCache::new(cache.clone());
    copies.look(&mut followed).await.unwrap();
    let first = followed.reads.next().await.unwrap();
    let begun = cache.0.load(SeqCst);
    assert!((2..=8).contains(&begun), "{begun}");
    copies.settle(first);
    for _ in 0..begun {
        copies.settle(followed.reads.next().await.unwrap());
    }
    assert!(cache.0.load(SeqCst) > begun);
    refresh_from(&copies, &mut followed).await.unwrap();
    assert_eq!(copies.versions().unwrap().len(), 100);
    assert_eq!(cache.0.load(SeqCst), 100, "each is read once");
}

#[test]
fn a_large_document_set_is_parsed_beside_the_executor() {
    let documents = (0..10_000).map(|number| {
        let body = Some(format!(r#"{{"name":"skill {number}"}}"#).into_bytes().into());
        Document { kind: "skill".to_owned(), id: format!("skill {number}"), revision: 1, body }
    });
    let cache = Arc::new(Fixed(Reading { version: VERSION, extent: Extent::Whole, documents: documents.collect() }));
    // What blocks has one thread, which is taken: only who parses on the thread of the others would go on.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, held) = std::sync::mpsc::sync_channel::<()>(0);
        tokio::task::spawn_blocking(move || held.recv());
        let copies = copies();
        let mut followed = FollowedCache::new(cache);
        copies.look(&mut followed).await.unwrap();
        let (reading, others) = (std::pin::pin!(followed.reads.next()), std::pin::pin!(tokio::task::yield_now()));
        let Either::Right(((), reading)) = select(reading, others).await else {
            panic!("it is parsed by the thread that answers")
        };
        release.send(()).unwrap();
        copies.settle(reading.await.unwrap());
        assert!(copies.tenant(&tenant("globex")).unwrap().get(ObjectKind::Skill, "skill 9999").is_some());
    });
}

/// A cache with globex alone, which has this.
struct Fixed(Reading);

impl ConfigCache for Fixed {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn withdraw<'a>(&'a self, _: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_withdrawn<'a>(&'a self, _: &'a TenantId) -> Answer<'a, bool> {
        Box::pin(async { Ok(false) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(true) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async move { Ok(vec![(tenant("globex"), self.0.version)]) })
    }
    fn read<'a>(&'a self, _: &'a TenantId, _: Option<ConfigVersion>, _: Duration) -> Answer<'a, Reading> {
        Box::pin(async move { Ok(self.0.clone()) })
    }
}

/// A cache that globex is withdrawn from, or lost by.
struct Emptied {
    is_empty: AtomicBool,
    is_complete: AtomicBool,
    is_withdrawn: AtomicBool,
}

impl ConfigCache for Emptied {
    fn publish(&self, _: Publication) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn withdraw<'a>(&'a self, _: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_withdrawn<'a>(&'a self, of: &'a TenantId) -> Answer<'a, bool> {
        Box::pin(async { Ok(*of == tenant("globex") && self.is_withdrawn.load(SeqCst)) })
    }
    fn complete(&self) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        Box::pin(async { Ok(self.is_complete.load(SeqCst)) })
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        Box::pin(async {
            let listed = if self.is_empty.load(SeqCst) { Vec::new() } else { vec![(tenant("globex"), VERSION)] };
            Ok(listed)
        })
    }
    fn read<'a>(&'a self, of: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        ConfigCache::read(&COMPLETE, of, after, wait)
    }
}

#[tokio::test]
async fn a_tenant_that_was_withdrawn_is_served_no_more_and_one_that_the_cache_merely_lacks_is() {
    let copies = copies();
    let is = AtomicBool::new;
    let cache = Arc::new(Emptied { is_empty: is(false), is_complete: is(true), is_withdrawn: is(false) });
    let mut followed = FollowedCache::new(cache.clone());
    refresh_from(&copies, &mut followed).await.unwrap();
    let is_served = || copies.tenant(&tenant("globex")).is_ok();

    // The cache was emptied, and is complete again without a tenant that nobody can publish now.
    cache.is_empty.store(true, SeqCst);
    for is_complete in [false, true] {
        cache.is_complete.store(is_complete, SeqCst);
        for _ in 0..3 {
            copies.look(&mut followed).await.unwrap();
        }
        assert!(is_served(), "complete: {is_complete}");
    }

    cache.is_withdrawn.store(true, SeqCst);
    let changes = copies.changes();
    copies.look(&mut followed).await.unwrap();
    assert_eq!(copies.tenant(&tenant("globex")).err(), Some(NoCopy::Unknown));
    assert!(copies.versions().unwrap().is_empty() && changes.has_changed().unwrap());

    // It comes back.
    cache.is_withdrawn.store(false, SeqCst);
    cache.is_empty.store(false, SeqCst);
    refresh_from(&copies, &mut followed).await.unwrap();
    assert!(is_served());
}

#[tokio::test]
async fn nobody_is_told_that_there_is_no_tenant_before_that_is_known() {
    let copies = copies();
    assert_eq!(copies.versions(), None, "an empty list would make every role forget its tenants");
    assert_eq!(copies.tenant(&tenant("globex")).err(), Some(NoCopy::Unread));
    assert!(refresh(&copies, COMPLETE).await.is_err());
    let listed: Vec<_> = copies.versions().unwrap().into_keys().collect();
    assert_eq!(listed, [tenant("acme"), tenant("globex")], "one that cannot be read is no removed one");
    assert_eq!(copies.tenant(&tenant("initech")).err(), Some(NoCopy::Unknown));
}

#[tokio::test]
async fn a_list_that_is_still_being_published_is_none() {
    let copies = copies();
    assert!(refresh(&copies, Cache { is_complete: false }).await.is_err());
    assert_eq!(copies.versions(), None);
    assert!(refresh(&copies, COMPLETE).await.is_err());
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
    fn withdraw<'a>(&'a self, _: &'a TenantId) -> Answer<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn is_withdrawn<'a>(&'a self, _: &'a TenantId) -> Answer<'a, bool> {
        Box::pin(async { Ok(false) })
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
    let copies = copies();
    let at = |generation, revision, skill| AtVersion { version: ConfigVersion { generation, revision }, skill };
    let has = |skill| copies.tenant(&tenant("acme")).unwrap().get(ObjectKind::Skill, skill).is_some();
    refresh(&copies, at(1, 10, "patience")).await.unwrap();
    let changes = copies.changes();
    refresh(&copies, at(1, 9, "sales")).await.unwrap();
    assert!(has("patience") && !has("sales") && !changes.has_changed().unwrap());
    refresh(&copies, at(1, 11, "courage")).await.unwrap();
    assert!(has("courage"));
    refresh(&copies, at(2, 9, "sales")).await.unwrap();
    assert!(has("sales"), "another generation is another state, whatever its revision");
}
