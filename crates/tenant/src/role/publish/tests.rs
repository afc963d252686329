use std::sync::Mutex;

use contracts::provisioning::{Object, ObjectKey, Skill, TenantObjects};
use infra::embedded::Embedded;
use infra::{Answer, ObjectChanges, Reading, SystemClock};

use super::*;

/// A database with the tenant globex, and perhaps acme, whose objects cannot be read.
struct Database {
    why: Option<fn() -> StoreError>,
    /// What globex had at revision 1, 2 and so on.
    states: Mutex<Vec<TenantObjects>>,
    /// The highest generation that was given.
    generation: Mutex<u64>,
}

impl Database {
    fn new(why: Option<fn() -> StoreError>) -> Arc<Self> {
        let states = Mutex::new(vec![infra::conformance::provisioning::objects("globex")]);
        Arc::new(Self { why, states, generation: Mutex::default() })
    }

    /// A change of globex.
    fn adds(&self, skill: &str) {
        let mut states = self.states.lock().unwrap();
        let mut next = states.last().unwrap().clone();
        next.skills.push(Skill { name: skill.to_owned() });
        states.push(next);
    }

    fn at(&self, revision: u64) -> HashMap<ObjectKey, Object> {
        let states = self.states.lock().unwrap();
        let index = usize::try_from(revision).unwrap().checked_sub(1);
        let objects = index.map(|index| states[index].objects().map(|object| (object.key(), object)).collect());
        objects.unwrap_or_default()
    }

    fn revision(&self) -> u64 {
        self.states.lock().unwrap().len() as u64
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

impl ProvisioningStore for Database {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        Box::pin(async move {
            let acme = self.why.map(|_| (tenant("acme"), Revision(1)));
            Ok(acme.into_iter().chain([(tenant("globex"), Revision(self.revision()))]).collect())
        })
    }

    fn load<'a>(&'a self, of: &'a TenantId) -> Answer<'a, Option<(Revision, TenantObjects)>> {
        Box::pin(async move {
            match self.why {
                Some(why) if of.as_str() == "acme" => Err(why()),
                _ => {
                    let states = self.states.lock().unwrap();
                    Ok(states.last().map(|last| (Revision(states.len() as u64), last.clone())))
                }
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

    fn next_generation<'a>(&'a self, _: &'a TenantId, at_least: u64) -> Answer<'a, u64> {
        Box::pin(async move {
            let mut highest = self.generation.lock().unwrap();
            *highest = at_least.max(*highest + 1);
            Ok(*highest)
        })
    }

    fn changes<'a>(&'a self, _: &'a TenantId, since: Revision) -> Answer<'a, ObjectChanges> {
        Box::pin(async move {
            let revision = self.revision();
            let before = self.at(since.0);
            let put = self.at(revision).into_iter().filter(|(key, object)| before.get(key) != Some(object));
            let changes = put.map(|(_, object)| ObjectChange::Put(object)).collect();
            Ok(ObjectChanges { revision: Revision(revision), changes })
        })
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

fn in_memory() -> Arc<Embedded> {
    Arc::new(Embedded::in_memory(Arc::new(SystemClock::start())))
}

fn publisher(provisioning: &Arc<Database>, configuration: &Arc<Embedded>) -> Publisher {
    Publisher {
        provisioning: provisioning.clone(),
        configuration: configuration.clone(),
        clock: Arc::new(SystemClock::start()),
        published: BTreeMap::new(),
        faulty: BTreeSet::new(),
        tell: watch::channel(Held::default()).0,
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
    let publication = Publication { tenant: tenant("globex"), version, extent: Extent::Whole, documents };
    ConfigCache::publish(&*cache, publication).await.unwrap();
    cache
}

fn skills(reading: &Reading) -> Vec<&str> {
    reading.documents.iter().filter(|document| document.kind == "skill").map(|document| document.id.as_str()).collect()
}

/// Whether a turn succeeds, whether the cache counts as complete then, and the tenants in it.
async fn published(why: fn() -> StoreError) -> (bool, bool, Vec<TenantId>) {
    let configuration = in_memory();
    let mut publisher = publisher(&Database::new(Some(why)), &configuration);
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

#[tokio::test]
async fn what_the_cache_has_lost_again_is_published_again() {
    let (database, cache) = (Database::new(None), in_memory());
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
async fn a_cache_with_another_state_than_the_published_one_gets_a_new_generation() {
    let (database, cache) = (Database::new(None), in_memory());
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
    let (database, cache) = (Database::new(None), in_memory());
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
async fn a_restart_publishes_what_has_changed_meanwhile_and_no_new_generation() {
    let (database, cache) = (Database::new(None), in_memory());
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
    let (database, cache) = (Database::new(None), in_memory());
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
