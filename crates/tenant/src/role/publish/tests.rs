use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;

use contracts::provisioning::Skill;
use infra::embedded::Embedded;
use infra::{Answer, Extent, KnownLife, Publication, Reading, SystemClock, TenantLife, bounds};

use super::*;
use crate::role::test_database::{TestDatabase, tenant};

/// A clock that stands still until it is set.
struct StandingClock(Mutex<Timestamp>);

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

fn in_memory() -> Arc<Embedded> {
    Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())))
}

fn publisher(provisioning: &Arc<TestDatabase>, configuration: &Arc<Embedded>) -> Publisher {
    let (clock, tell) = (Arc::new(SystemClock::start()), watch::channel(PublishedTenants::default()).0);
    Publisher::of(provisioning.clone(), configuration.clone(), configuration.clone(), clock, tell)
}

impl Publisher {
    /// Looks once, and waits until what was begun is over.
    async fn turn(&mut self) -> infra::Result<bool> {
        self.look().await?;
        while !self.under_way.is_empty() {
            self.settled().await?;
        }
        self.completed().await
    }

    /// Waits until one of what is under way is over.
    async fn settled(&mut self) -> infra::Result<()> {
        let finished = self.publications.join_next().await.unwrap().unwrap();
        self.settle(finished).await
    }
}

/// All that a cache has of globex.
async fn whole(cache: &Embedded) -> Reading {
    ConfigCache::read(cache, &tenant("globex"), None, Duration::ZERO).await.unwrap()
}

/// A cache that has this alone.
async fn with(reading: Reading) -> Arc<Embedded> {
    let cache = in_memory();
    let Reading { version, documents, .. } = reading;
    let publication = Publication { tenant: tenant("globex"), version, base: None, documents };
    ConfigCache::publish(&*cache, publication).await.unwrap();
    cache
}

fn skills(reading: &Reading) -> Vec<&str> {
    reading.documents.iter().filter(|document| document.kind == "skill").map(|document| document.id.as_str()).collect()
}

/// Whether the role is ready after a turn, whether the cache counts as complete then, and the tenants in it.
async fn published(publisher: &mut Publisher, cache: &Embedded) -> (bool, bool, Vec<TenantId>) {
    let is_ready = publisher.turn().await.unwrap_or(false);
    let cached = ConfigCache::tenants(cache).await.unwrap();
    (is_ready, cache.is_complete().await.unwrap(), cached.into_iter().map(|(tenant, _)| tenant).collect())
}

fn damaged() -> StoreError {
    StoreError::Corrupt { what: "table dial_rule".to_owned(), reason: "a test".to_owned() }
}

fn too_slow() -> StoreError {
    StoreError::Unavailable { reason: "a test".to_owned() }
}

#[tokio::test]
async fn a_tenant_whose_objects_are_damaged_keeps_no_other_from_being_ready() {
    let (database, cache) = (TestDatabase::new(Some(damaged)), in_memory());
    let mut publisher = publisher(&database, &cache);
    assert_eq!(published(&mut publisher, &cache).await, (true, true, vec![tenant("globex")]));
    assert_eq!(publisher.faulty.count(), 1);
}

#[tokio::test]
async fn a_damaged_tenant_is_not_read_again_in_every_turn_but_at_once_after_a_change() {
    let (database, cache) = (TestDatabase::new(Some(damaged)), in_memory());
    let mut publisher = publisher(&database, &cache);
    let clock = Arc::new(StandingClock(Mutex::new(Timestamp::from_millis(1_000))));
    publisher.clock = clock.clone();
    for _ in 0..5 {
        publisher.turn().await.unwrap();
    }
    assert_eq!(database.loads_of_acme.load(SeqCst), 1);
    database.acme_at.store(2, SeqCst);
    publisher.turn().await.unwrap();
    assert_eq!(database.loads_of_acme.load(SeqCst), 2);
    *clock.0.lock().unwrap() = Timestamp::from_millis(1_500);
    publisher.turn().await.unwrap();
    assert_eq!(database.loads_of_acme.load(SeqCst), 3);
}

#[tokio::test]
async fn a_tenant_that_is_too_slow_to_read_is_waited_for_and_then_keeps_no_other_from_being_ready() {
    let (database, cache) = (TestDatabase::new(Some(too_slow)), in_memory());
    let mut publisher = publisher(&database, &cache);
    let clock = Arc::new(StandingClock(Mutex::new(Timestamp::from_millis(1_000))));
    publisher.clock = clock.clone();
    for at_s in [1, 10] {
        *clock.0.lock().unwrap() = Timestamp::from_millis(at_s * 1_000);
        assert_eq!(published(&mut publisher, &cache).await, (false, false, vec![tenant("globex")]), "{at_s}");
    }
    *clock.0.lock().unwrap() = Timestamp::from_millis(20_000);
    assert_eq!(published(&mut publisher, &cache).await, (true, true, vec![tenant("globex")]));
}

#[tokio::test]
async fn a_database_that_is_away_is_no_fault_of_a_tenant() {
    let (database, cache) = (TestDatabase::new(Some(too_slow)), in_memory());
    database.is_away.store(true, SeqCst);
    let mut publisher = publisher(&database, &cache);
    for _ in 0..5 {
        assert_eq!(published(&mut publisher, &cache).await, (false, false, Vec::new()));
    }
    assert_eq!(publisher.faulty.count(), 0);
}

#[tokio::test]
async fn what_the_cache_has_lost_again_is_published_again() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    let before = whole(&cache).await;
    database.adds("Patience");
    publisher.turn().await.unwrap();
    let published = whole(&cache).await;

    // It crashed, and the last second was not on its disk.
    let cache = with(before.clone()).await;
    publisher.configuration = cache.clone();
    publisher.turn().await.unwrap();
    let again = whole(&cache).await;
    assert_eq!(again, published);
    assert_eq!(again.version.generation, before.version.generation, "nobody has to read everything again");

    // The next change comes before that is noticed.
    let cache = with(before).await;
    publisher.configuration = cache.clone();
    database.adds("Courage");
    publisher.turn().await.unwrap();
    let next = whole(&cache).await;
    assert!(skills(&next).contains(&"Patience") && skills(&next).contains(&"Courage"), "{:?}", skills(&next));
}

#[tokio::test]
async fn what_the_cache_has_lost_and_was_taken_back_reaches_those_who_have_read_it() {
    for restarts in [false, true] {
        let (database, cache) = (TestDatabase::new(None), in_memory());
        let mut running = publisher(&database, &cache);
        running.turn().await.unwrap();
        let before = whole(&cache).await;
        database.adds("Patience");
        running.turn().await.unwrap();
        let read = whole(&cache).await;
        assert!(skills(&read).contains(&"Patience"));

        let cache = with(before.clone()).await;
        running.configuration = cache.clone();
        if restarts {
            running = publisher(&database, &cache);
        }
        database.reverts_to(1);
        running.turn().await.unwrap();
        let globex = tenant("globex");
        let next = ConfigCache::read(&*cache, &globex, Some(read.version), Duration::ZERO).await.unwrap();
        let ConfigVersion { generation, .. } = before.version;
        assert_eq!((next.version, next.extent), (ConfigVersion { generation, revision: 3 }, Extent::Changes));
        let gone: Vec<_> =
            next.documents.iter().map(|document| (document.id.as_str(), document.body.is_some())).collect();
        assert_eq!(gone, [("Patience", false)], "restarts: {restarts}");
    }
}

#[tokio::test]
async fn a_tenant_that_was_deleted_is_withdrawn_and_published_again_when_there_is_one_with_its_id() {
    let (database, cache) = (TestDatabase::new(Some(damaged)), in_memory());
    let mut publisher = publisher(&database, &cache);
    assert_eq!(published(&mut publisher, &cache).await.2, [tenant("globex")]);
    let first = whole(&cache).await.version;
    database.lacks_globex.store(true, SeqCst);
    database.has_ended_globex.store(true, SeqCst);
    assert!(published(&mut publisher, &cache).await.2.is_empty());
    assert!(!publisher.tell.borrow().contains_key(&tenant("globex")));
    assert!(cache.is_withdrawn(&tenant("globex")).await.unwrap());
    assert_eq!(infra::known_life(&*cache, &tenant("globex")).await.unwrap(), KnownLife::Over);
    database.lacks_globex.store(false, SeqCst);
    for _ in 0..2 {
        assert_eq!(published(&mut publisher, &cache).await.2, [tenant("globex")]);
    }
    let present = KnownLife::Present(TenantLife::default());
    assert_eq!(
        infra::known_life(&*cache, &tenant("globex")).await.unwrap(),
        present,
        "others know it before it is served"
    );
    assert!(whole(&cache).await.version.generation > first.generation, "nobody goes on with what was before");
}

#[tokio::test]
async fn a_database_that_merely_lacks_a_tenant_withdraws_none_whether_or_not_it_has_others() {
    for other in [None, Some(damaged as fn() -> StoreError)] {
        let (database, cache) = (TestDatabase::new(other), in_memory());
        let mut publisher = publisher(&database, &cache);
        let clock = Arc::new(StandingClock(Mutex::new(Timestamp::from_millis(1_000))));
        publisher.clock = clock.clone();
        publisher.turn().await.unwrap();
        // Tenant after tenant is restored into a database that was emptied, and globex is the last one.
        database.lacks_globex.store(true, SeqCst);
        for at_ms in [1_000, 9_000, 3_600_000] {
            *clock.0.lock().unwrap() = Timestamp::from_millis(at_ms);
            assert_eq!(published(&mut publisher, &cache).await.2, [tenant("globex")], "{at_ms}");
            assert!(publisher.tell.borrow().contains_key(&tenant("globex")), "{at_ms}");
        }
    }
}

#[tokio::test]
async fn a_cache_that_was_emptied_learns_again_who_was_deleted() {
    let (database, cache) = (TestDatabase::new(Some(damaged)), in_memory());
    database.lacks_globex.store(true, SeqCst);
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    assert!(!cache.is_withdrawn(&tenant("globex")).await.unwrap());
    database.has_ended_globex.store(true, SeqCst);
    let cache = in_memory();
    publisher.configuration = cache.clone();
    publisher.turn().await.unwrap();
    assert!(cache.is_withdrawn(&tenant("globex")).await.unwrap());
}

#[tokio::test]
async fn a_tenant_that_takes_long_delays_no_change_of_another() {
    let (database, cache) = (TestDatabase::new(Some(damaged)), in_memory());
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    database.acme_takes_long.store(true, SeqCst);
    database.acme_at.store(2, SeqCst);
    for name in ["Patience", "Courage"] {
        database.adds(name);
        publisher.look().await.unwrap();
        publisher.settled().await.unwrap();
        let published = whole(&cache).await;
        assert!(skills(&published).contains(&name), "{:?}", skills(&published));
    }
    assert_eq!(database.loads_of_acme.load(SeqCst), 2, "it is read once at a time");
    assert_eq!(publisher.under_way, BTreeSet::from([tenant("acme")]));
}

#[tokio::test]
async fn a_cache_that_lacks_a_tenant_whose_publication_is_under_way_is_not_complete() {
    let (database, cache) = (TestDatabase::new(Some(damaged)), in_memory());
    database.acme_takes_long.store(true, SeqCst);
    let mut publisher = publisher(&database, &cache);
    for _ in 0..2 {
        publisher.look().await.unwrap();
        tokio::task::yield_now().await;
        assert!(publisher.under_way.contains(&tenant("acme")));
        assert!(!publisher.completed().await.unwrap() && !cache.is_complete().await.unwrap());
    }
}

/// A cache after a failover: the former master has told once which versions it had.
struct FailedOver {
    told: Mutex<Option<Vec<(TenantId, ConfigVersion)>>>,
    /// Whether what it has takes too long to read.
    is_unreadable: bool,
    cache: Arc<Embedded>,
}

impl ConfigCache for FailedOver {
    fn publish(&self, publication: Publication) -> Answer<'_, ()> {
        ConfigCache::publish(&*self.cache, publication)
    }
    fn withdraw<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        ConfigCache::withdraw(&*self.cache, tenant)
    }
    fn is_withdrawn<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, bool> {
        ConfigCache::is_withdrawn(&*self.cache, tenant)
    }
    fn complete(&self) -> Answer<'_, ()> {
        self.cache.complete()
    }
    fn is_complete(&self) -> Answer<'_, bool> {
        self.cache.is_complete()
    }
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, ConfigVersion)>> {
        match self.told.lock().unwrap().take() {
            Some(told) => Box::pin(async { Ok(told) }),
            None => ConfigCache::tenants(&*self.cache),
        }
    }
    fn read<'a>(&'a self, of: &'a TenantId, after: Option<ConfigVersion>, wait: Duration) -> Answer<'a, Reading> {
        if self.is_unreadable {
            return Box::pin(async { Err(too_slow()) });
        }
        ConfigCache::read(&*self.cache, of, after, wait)
    }
}

#[tokio::test]
async fn what_a_failover_loses_during_a_turn_is_published_with_the_next_change() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    let before = whole(&cache).await;
    database.adds("Patience");
    publisher.turn().await.unwrap();
    let told = Mutex::new(Some(ConfigCache::tenants(&*cache).await.unwrap()));
    let cache = with(before.clone()).await;
    publisher.configuration = Arc::new(FailedOver { told, is_unreadable: false, cache: cache.clone() });
    database.adds("Courage");
    publisher.turn().await.unwrap();
    let next = whole(&cache).await;
    assert!(skills(&next).contains(&"Patience") && skills(&next).contains(&"Courage"), "{:?}", skills(&next));
    let ConfigVersion { generation, .. } = before.version;
    assert_eq!(next.version, ConfigVersion { generation, revision: 3 }, "nobody has to read everything again");
}

#[tokio::test]
async fn a_cache_that_can_be_written_but_not_read_gets_everything_in_the_end() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    publisher(&database, &cache).turn().await.unwrap();
    let before = whole(&cache).await;
    database.adds("Patience");
    let mut restarted = publisher(&database, &cache);
    restarted.configuration =
        Arc::new(FailedOver { told: Mutex::default(), is_unreadable: true, cache: cache.clone() });
    let clock = Arc::new(StandingClock(Mutex::new(Timestamp::from_millis(1_000))));
    restarted.clock = clock.clone();
    assert!(!restarted.turn().await.unwrap());
    assert_eq!(whole(&cache).await, before, "it may have been away for a moment");
    *clock.0.lock().unwrap() = Timestamp::from_millis(2_000);
    assert!(restarted.turn().await.unwrap());
    let after = whole(&cache).await;
    assert!(after.version.generation > before.version.generation && skills(&after).contains(&"Patience"));
}

#[tokio::test]
async fn so_many_changes_that_one_write_cannot_have_them_are_published_as_a_whole() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    let before = whole(&cache).await;
    let mut imported = database.states.lock().unwrap()[0].clone();
    let names = (0..=bounds::CONFIG_CHANGES_MAX).map(|number| format!("Skill {number}"));
    imported.skills.extend(names.map(|name| Skill { name }));
    database.states.lock().unwrap().push(imported);
    publisher.turn().await.unwrap();
    let after = whole(&cache).await;
    assert_eq!(after.version.revision, 2);
    assert!(after.version.generation > before.version.generation);
    assert_eq!(after.documents.len(), before.documents.len() + bounds::CONFIG_CHANGES_MAX + 1);
}

#[tokio::test]
async fn a_cache_with_another_state_than_the_published_one_gets_a_new_generation() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    let published = whole(&cache).await;
    let mut other = published.clone();
    other.version.generation -= 1;
    other.documents.clear();
    let cache = with(other).await;
    publisher.configuration = cache.clone();
    publisher.turn().await.unwrap();
    let again = whole(&cache).await;
    assert_eq!(skills(&again), skills(&published));
    assert!(again.version.generation >= published.version.generation);
}

#[tokio::test]
async fn a_generation_is_later_than_all_before_whatever_the_clock_says() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    publisher(&database, &cache).turn().await.unwrap();
    let published = whole(&cache).await.version;
    // The clock was an hour fast, and was set right; Redis was emptied, and the role restarted.
    *database.generation.lock().unwrap() = published.generation + 3_600_000;
    let cache = in_memory();
    publisher(&database, &cache).turn().await.unwrap();
    let again = whole(&cache).await.version;
    assert!(again.generation > published.generation + 3_600_000, "{again:?}");
}

#[tokio::test]
async fn a_cache_that_is_back_at_an_earlier_generation_gets_a_later_one_than_all_before() {
    for restarts in [false, true] {
        let (database, cache) = (TestDatabase::new(None), in_memory());
        publisher(&database, &cache).turn().await.unwrap();
        let first = whole(&cache).await;
        // It was emptied.
        let cache = in_memory();
        let mut running = publisher(&database, &cache);
        running.turn().await.unwrap();
        let second = whole(&cache).await;
        assert!(second.version.generation > first.version.generation);

        let cache = with(first).await;
        running.configuration = cache.clone();
        if restarts {
            running = publisher(&database, &cache);
        }
        running.turn().await.unwrap();
        let third = whole(&cache).await;
        assert!(third.version.generation > second.version.generation, "restarts: {restarts}, {:?}", third.version);
    }
}

#[tokio::test]
async fn a_restart_publishes_what_has_changed_meanwhile_and_no_new_generation() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    publisher(&database, &cache).turn().await.unwrap();
    let first = whole(&cache).await;

    let mut restarted = publisher(&database, &cache);
    restarted.turn().await.unwrap();
    assert_eq!(whole(&cache).await, first, "the cache has everything already");
    assert!(restarted.tell.borrow().contains_key(&tenant("globex")), "rq gets its agents all the same");

    database.adds("Patience");
    database.adds("Courage");
    publisher(&database, &cache).turn().await.unwrap();
    let changed = ConfigCache::read(&*cache, &tenant("globex"), Some(first.version), Duration::ZERO).await.unwrap();
    assert_eq!((changed.version.generation, changed.version.revision), (first.version.generation, 3));
    assert_eq!((changed.extent, skills(&changed)), (Extent::Changes, vec!["Courage", "Patience"]));

    let without_both = database.states.lock().unwrap()[0].clone();
    database.states.lock().unwrap().push(without_both);
    publisher(&database, &cache).turn().await.unwrap();
    let gone = whole(&cache).await;
    assert_eq!((gone.version.generation, skills(&gone)), (first.version.generation, skills(&first)));
}

#[tokio::test]
async fn a_restart_trusts_no_cache_of_another_database() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    publisher(&database, &cache).turn().await.unwrap();
    let right = whole(&cache).await;
    let mut other = right.clone();
    other.documents.pop();
    let mut later = right.clone();
    later.version.revision = 7;
    for wrong in [other, later] {
        let cache = with(wrong).await;
        publisher(&database, &cache).turn().await.unwrap();
        let again = whole(&cache).await;
        assert!(again.version.generation > right.version.generation, "{:?}", again.version);
        assert_eq!((again.version.revision, again.documents), (1, right.documents.clone()));
    }
}

#[tokio::test]
async fn a_restored_tenant_is_published_whatever_its_revision_is() {
    let (database, cache) = (TestDatabase::new(None), in_memory());
    database.is_put_back(1);
    database.adds("Patience");
    database.adds("Tact");
    let mut publisher = publisher(&database, &cache);
    publisher.turn().await.unwrap();
    let (mut before, mut told) = (whole(&cache).await, publisher.tell.borrow().get(&tenant("globex")).unwrap().0);
    assert_eq!(told, before.version);
    // Its revision is lower, the same and higher by then.
    for names in [vec!["Humour"], vec!["Wit"], vec!["Charm", "Calm"]] {
        database.is_put_back(1);
        names.iter().for_each(|name| database.adds(name));
        publisher.turn().await.unwrap();
        let restored = whole(&cache).await;
        let present: Vec<&str> =
            skills(&restored).into_iter().filter(|name| !["Sales", "English"].contains(name)).collect();
        assert_eq!(present.len(), names.len(), "{present:?}");
        assert!(names.iter().all(|name| present.contains(name)), "{present:?}");
        assert!(restored.version > before.version, "readers take it for later: {restored:?}");
        let now = publisher.tell.borrow().get(&tenant("globex")).unwrap().0;
        assert!(now == restored.version && now != told, "rq is told");
        (before, told) = (restored, now);
    }
}
