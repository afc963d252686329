use std::collections::BTreeMap;

use contracts::configuration::Listed;

use super::*;

#[test]
fn objects_of_a_replica_that_is_behind_are_asked_for_again() {
    let tenants = BTreeMap::from([("example".to_owned(), "1-2".to_owned())]);
    let versions = Versions { etag: "b".to_owned(), tenants };
    let held = |version: &str| HashMap::from([(TenantId::parse("example").unwrap(), version.to_owned())]);
    assert!(is_as_listed(&versions, &held("1-2"), &HashSet::new()));
    assert!(!is_as_listed(&versions, &held("1-1"), &HashSet::new()));
    let none = HashMap::new();
    assert!(is_as_listed(&versions, &none, &HashSet::new()), "a name that cannot be read is no reason to ask for ever");
}

/// A simulated config that cannot read some tenants.
struct Played {
    versions: BTreeMap<String, String>,
    broken: HashSet<String>,
    /// The tenants whose objects it never tells.
    hanging: HashSet<String>,
    /// The skills that it tells as changed; everything if there are none yet.
    skills: Option<Vec<&'static str>>,
}

impl Source for Played {
    async fn versions(&self, _: Option<&str>, _: u64) -> Result<Versions, CallError> {
        Ok(Versions { etag: format!("{:?}", self.versions), tenants: self.versions.clone() })
    }
}

impl Pages for Played {
    async fn page(&self, tenant: &str, _: Option<&str>, _: &str) -> Result<Changes, CallError> {
        if self.hanging.contains(tenant) {
            std::future::pending::<()>().await;
        }
        if self.broken.contains(tenant) {
            return Err(CallError::Shape("a test".to_owned()));
        }
        let skill = |name: &&str| {
            let object = serde_json::json!({ "name": name });
            Listed { kind: ObjectKind::Skill, id: (*name).to_owned(), object }
        };
        let (version, whole) = (self.versions[tenant].clone(), self.skills.is_none());
        let objects = self.skills.iter().flatten().map(skill).collect();
        Ok(Changes { version, whole, objects, gone: Vec::new(), next: None })
    }
}

fn follower(tenants: [&str; 2], version: &str, broken: &str) -> Follower<Played> {
    let versions = tenants.map(|tenant| (tenant.to_owned(), version.to_owned())).into();
    let (broken, hanging) = (HashSet::from([broken.to_owned()]), HashSet::new());
    let config = Played { versions, broken, hanging, skills: None };
    let metrics = Metrics::register(&runtime::Metrics::default());
    let (publish, unlisted) = (watch::Sender::default(), HashSet::new());
    Follower { config, publish, read_at: ReadAt::new(), unlisted, unread: Arc::default(), metrics }
}

fn held(follower: &Follower<Played>, tenant: &str) -> Option<String> {
    follower.publish.borrow().get(&TenantId::parse(tenant).unwrap()).map(|config| config.version.clone())
}

#[tokio::test]
async fn a_tenant_that_cannot_be_read_costs_no_other_its_configuration() {
    let mut follower = follower(["acme", "globex"], "1-1", "acme");
    let etag = follower.turn(None).await.unwrap();
    let changes = follower.publish.subscribe();
    assert_eq!((held(&follower, "acme"), held(&follower, "globex").as_deref()), (None, Some("1-1")));
    assert!(etag.is_some(), "the next question waits");
    assert_eq!((follower.metrics.unread.get(), follower.metrics.failed.get()), (1, 1));

    follower.turn(etag.as_deref()).await.unwrap();
    assert!(!changes.has_changed().unwrap(), "what has not changed is not told again");

    follower.config.broken.clear();
    follower.turn(etag.as_deref()).await.unwrap();
    assert_eq!(held(&follower, "acme").as_deref(), Some("1-1"), "it is asked for again although no version differs");
    assert_eq!(follower.metrics.unread.get(), 0);
}

#[tokio::test]
async fn what_was_known_of_a_tenant_that_cannot_be_read_holds() {
    let mut follower = follower(["acme", "globex"], "1-1", "");
    follower.turn(None).await.unwrap();
    follower.config.broken.insert("acme".to_owned());
    for version in follower.config.versions.values_mut() {
        *version = "1-2".to_owned();
    }
    follower.turn(Some("before")).await.unwrap();
    let both = (held(&follower, "acme"), held(&follower, "globex"));
    assert_eq!((both.0.as_deref(), both.1.as_deref()), (Some("1-1"), Some("1-2")));
}

#[tokio::test]
async fn before_config_has_answered_and_while_a_tenant_cannot_be_read_it_may_exist() {
    let mut follower = follower(["acme", "globex"], "1-1", "acme");
    let configuration = Configuration { tenants: follower.publish.subscribe(), unread: Arc::clone(&follower.unread) };
    let may_exist = |tenant| configuration.may_exist(&TenantId::parse(tenant).unwrap());
    assert!(may_exist("acme") && may_exist("initech"));
    follower.turn(None).await.unwrap();
    assert!(may_exist("acme") && !may_exist("initech"));
    follower.config.broken.clear();
    follower.turn(None).await.unwrap();
    assert!(!may_exist("acme"), "it is among those that were read");
}

#[tokio::test]
async fn a_change_of_other_objects_is_told_to_nobody_and_not_read_again() {
    let mut follower = follower(["acme", "globex"], "1-1", "");
    follower.turn(None).await.unwrap();
    let changes = follower.publish.subscribe();
    let acme = TenantId::parse("acme").unwrap();
    let change = |follower: &mut Follower<Played>, version: &str, skills: Option<Vec<&'static str>>| {
        follower.config.versions.insert("acme".to_owned(), version.to_owned());
        follower.config.skills = skills;
    };
    change(&mut follower, "1-2", Some(Vec::new()));
    let etag = follower.turn(Some("before")).await.unwrap();
    assert!(etag.is_some() && !changes.has_changed().unwrap());
    assert_eq!((held(&follower, "acme").as_deref(), follower.read_at[&acme].as_str()), (Some("1-1"), "1-2"));

    change(&mut follower, "1-3", Some(vec!["sales"]));
    follower.turn(etag.as_deref()).await.unwrap();
    assert!(changes.has_changed().unwrap());
    assert_eq!(held(&follower, "acme").as_deref(), Some("1-3"));
    assert!(follower.publish.borrow()[&acme].get(ObjectKind::Skill, "sales").is_some());
    assert_eq!(held(&follower, "globex").as_deref(), Some("1-1"));
}

#[tokio::test]
async fn a_replica_that_is_cut_off_leads_nobody_back() {
    let mut follower = follower(["acme", "globex"], "1-2", "");
    follower.turn(None).await.unwrap();
    let changes = follower.publish.subscribe();
    for version in follower.config.versions.values_mut() {
        *version = "1-1".to_owned();
    }
    // If it were asked, it would tell everything.
    follower.config.broken.insert("acme".to_owned());
    let etag = follower.turn(Some("before")).await.unwrap();
    assert_eq!(etag, None, "it is asked again after a pause");
    assert_eq!((held(&follower, "acme").as_deref(), held(&follower, "globex").as_deref()), (Some("1-2"), Some("1-2")));
    assert!(!changes.has_changed().unwrap());
    assert_eq!(follower.metrics.unread.get(), 0, "nothing is to be read from it");
}

#[tokio::test]
async fn a_tenant_that_is_read_for_ever_holds_up_no_other() {
    let mut follower = follower(["acme", "globex"], "1-1", "");
    follower.turn(None).await.unwrap();
    let mut changes = follower.publish.subscribe();
    for version in follower.config.versions.values_mut() {
        *version = "1-2".to_owned();
    }
    follower.config.hanging.insert("acme".to_owned());
    tokio::select! {
        _ = follower.turn(Some("before")) => panic!("acme is still being read"),
        changed = changes.changed() => changed.unwrap(),
    }
    assert_eq!((held(&follower, "acme").as_deref(), held(&follower, "globex").as_deref()), (Some("1-1"), Some("1-2")));
    assert_eq!(follower.read_at[&TenantId::parse("globex").unwrap()], "1-2", "it is not read again");
}

#[tokio::test]
async fn many_tenants_are_read_and_those_that_are_gone_are_forgotten() {
    let mut follower = follower(["acme", "globex"], "1-1", "");
    let names: Vec<String> = (0..3 * READS_AT_ONCE).map(|number| format!("tenant-{number}")).collect();
    follower.config.versions.extend(names.iter().map(|name| (name.clone(), "1-1".to_owned())));
    follower.turn(None).await.unwrap();
    assert_eq!(follower.publish.borrow().len(), names.len() + 2);
    follower.config.versions.retain(|name, _| name == "acme");
    let etag = follower.turn(Some("before")).await.unwrap();
    assert_eq!((etag, follower.publish.borrow().len()), (None, names.len() + 2), "one replica may not know them yet");
    assert!(follower.turn(None).await.unwrap().is_some());
    assert_eq!((follower.publish.borrow().len(), follower.read_at.len()), (1, 1));
}

#[tokio::test]
async fn many_objects_are_read_as_few_are() {
    let changes = |count: usize| {
        let skill = |number: usize| {
            let (id, object) = (number.to_string(), serde_json::json!({ "name": number.to_string() }));
            Listed { kind: ObjectKind::Skill, id, object }
        };
        let objects = (0..count).map(skill).collect();
        Changes { version: "1-2".to_owned(), whole: true, objects, gone: Vec::new(), next: None }
    };
    for count in [1, OBJECTS_AT_ONCE, OBJECTS_AT_ONCE + 1] {
        let (read, at) = after_changes(None, changes(count)).await.unwrap();
        assert_eq!((read.of_kind(ObjectKind::Skill).count(), at.as_str()), (count, "1-2"));
        assert_eq!(read, TenantConfig::after(None, changes(count)));
    }
}

#[tokio::test]
async fn a_replica_that_does_not_know_a_new_tenant_takes_it_from_nobody() {
    let mut follower = follower(["acme", "globex"], "1-1", "");
    let all = follower.config.versions.clone();
    follower.turn(None).await.unwrap();
    let changes = follower.publish.subscribe();
    for _ in 0..3 {
        follower.config.versions.remove("globex");
        follower.turn(Some("before")).await.unwrap();
        follower.config.versions = all.clone();
        follower.turn(Some("before")).await.unwrap();
    }
    assert!(!changes.has_changed().unwrap() && held(&follower, "globex").is_some());
}
