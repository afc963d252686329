//! Random tenants on the embedded store: what a backup brings back is what was there, by whatever way it came.

use backends::sqlite::SqliteProvisioning;
use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person, Secret, Skill};
use infra::conformance::provisioning;
use infra::{
    ChangeNote, ChangeOrigin, ChangeWay, HistoryEntry, HistoryPage, HistoryPoint, ObjectChange, ProvisioningStore as _,
    Revision, VersionedObjects,
};
use model::{TenantId, Timestamp};
use proptest::prelude::*;
use tenant::backup::{self, BackupReader};

/// A change of a tenant: of a skill or of a person, by their numbers.
#[derive(Clone, Debug)]
enum TenantStep {
    PutSkill(u8),
    DeleteSkill(u8),
    PutPerson(u8, String, Option<String>),
    DeletePerson(u8),
}

fn change() -> impl Strategy<Value = TenantStep> {
    prop_oneof![
        (0..4_u8).prop_map(TenantStep::PutSkill),
        (0..4_u8).prop_map(TenantStep::DeleteSkill),
        (0..4_u8, "\\PC{1,12}", any::<bool>()).prop_map(|(who, name, has)| {
            let secret = has.then(|| format!("$argon2id${who}"));
            TenantStep::PutPerson(who, name, secret)
        }),
        (0..4_u8).prop_map(TenantStep::DeletePerson),
    ]
}

impl TenantStep {
    fn of_store(self) -> ObjectChange {
        let key = |kind, number| ObjectKey { kind, id: format!("x{number}") };
        match self {
            Self::PutSkill(number) => ObjectChange::Put(Object::Skill(Skill { name: format!("x{number}") })),
            Self::DeleteSkill(number) => ObjectChange::Delete(key(ObjectKind::Skill, number)),
            Self::PutPerson(number, first_name, password) => ObjectChange::Put(Object::Person(Box::new(Person {
                user_name: format!("x{number}"),
                first_name,
                last_name: "\u{1f4de} \"'\\".to_owned(),
                password: password.map(Secret),
                ..Person::default()
            }))),
            Self::DeletePerson(number) => ObjectChange::Delete(key(ObjectKind::Person, number)),
        }
    }
}

fn note() -> ChangeNote {
    ChangeNote {
        by: "user/model".to_owned(),
        way: ChangeWay::Backup,
        origin: ChangeOrigin::default(),
        at: Timestamp::from_millis(1_700_000_000_000),
        request: Some("again".to_owned()),
    }
}

async fn opened(folder: &tempfile::TempDir, name: &str) -> SqliteProvisioning {
    SqliteProvisioning::open(&folder.path().join(name)).await.unwrap()
}

async fn changed(store: &SqliteProvisioning, tenant: &TenantId, changes: Vec<TenantStep>) {
    for change in changes {
        let (at, _) = store.load(tenant).await.unwrap().unwrap();
        store.update(tenant, at, vec![change.of_store()], &note()).await.unwrap();
    }
}

async fn history(store: &SqliteProvisioning, tenant: &TenantId) -> Vec<HistoryEntry> {
    let page = HistoryPage { limit: 10_000, ..HistoryPage::default() };
    let entries = store.history(tenant, &page).await.unwrap();
    entries.into_iter().map(|entry| HistoryEntry { number: 0, ..entry }).collect()
}

async fn run(first: Vec<TenantStep>, later: Vec<TenantStep>) {
    let folder = tempfile::tempdir().unwrap();
    let origin = opened(&folder, "origin.sqlite").await;
    let tenants = ["acme", "other"].map(|name| TenantId::parse(name).unwrap());
    for tenant in &tenants {
        let objects = provisioning::objects(tenant.as_str());
        origin.update(tenant, Revision(0), objects.objects().map(ObjectChange::Put).collect(), &note()).await.unwrap();
        changed(&origin, tenant, first.clone()).await;
    }
    let made = Timestamp::from_millis(1_700_000_000_000);
    let (summary, file) = backup::write(&origin, &tenants, None, made, Vec::new()).await.unwrap();
    let read = || BackupReader::new(file.as_slice());
    assert_eq!(backup::examine(read()).unwrap(), summary);

    let copy = opened(&folder, "copy.sqlite").await;
    backup::restore(&copy, read(), |_| true, false, &note()).await.unwrap();
    for tenant in &tenants {
        let then = origin.versioned(tenant).await.unwrap();
        let restored = copy.versioned(tenant).await.unwrap().unwrap();
        // A copy has a history of its own: followers of the origin read it anew.
        let as_in_copy = |of: VersionedObjects| VersionedObjects {
            point: HistoryPoint { revision: of.point.revision, stamp: restored.point.stamp },
            ..of
        };
        assert_ne!(then.as_ref().map(|of| of.point.stamp), Some(restored.point.stamp));
        assert_eq!(Some(&restored), then.clone().map(as_in_copy).as_ref());
        let of_copy = history(&copy, tenant).await;
        let (restore, before) = of_copy.split_first().unwrap();
        assert_eq!(
            (restore.key.kind, restore.before.is_some()),
            (ObjectKind::Tenant, true),
            "who has restored it is noted"
        );
        assert_eq!(before, history(&origin, tenant).await);
        // What has followed is undone, and the history says so.
        changed(&copy, tenant, later.clone()).await;
        let before = history(&copy, tenant).await.len();
        assert!(backup::restore(&copy, read(), |wanted| wanted == tenant, false, &note()).await.is_err());
        let done = backup::restore(&copy, read(), |wanted| wanted == tenant, true, &note()).await.unwrap();
        let [done] = done.as_slice() else { panic!("{done:?}") };
        let now = copy.versioned(tenant).await.unwrap().unwrap();
        let replaced = done.replaced.unwrap();
        // Objects that were deleted and come back stand behind the others.
        let sorted = |objects: &contracts::provisioning::TenantObjects| {
            let mut all: Vec<_> = objects.objects().map(|object| (object.key(), object)).collect();
            all.sort_by(|one, other| one.0.cmp(&other.0));
            all
        };
        assert_eq!(sorted(&now.objects), sorted(&then.unwrap().objects));
        assert_eq!(now.point.revision, done.revision);
        assert_eq!(history(&copy, tenant).await.len() - before, replaced.put + replaced.deleted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn a_backup_brings_back_what_was_there(
        first in prop::collection::vec(change(), 0..8),
        later in prop::collection::vec(change(), 0..8),
    ) {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        executor.block_on(run(first, later));
    }
}
