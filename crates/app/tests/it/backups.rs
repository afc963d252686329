//! Random tenants on the embedded store: what a backup brings back is what was there, by whatever way it came.

use std::sync::Arc;

use backends::sqlite::SqliteProvisioning;
use contracts::provisioning::{Object, ObjectKey, ObjectKind, Person, Secret, Skill};
use infra::conformance::provisioning;
use infra::conformance::secrets::LegibleCipher;
use infra::{
    ChangeNote, ChangeOrigin, ChangeWay, HistoryEntry, HistoryPage, HistoryPoint, NamedSnapshot, ObjectChange,
    ProvisioningStore as _, Revision, SecretCipher, SecretPlace, SecretSeals, SnapshotHead, TenantArchive as _,
    TenantFileText, VersionedObjects,
};
use model::{TenantId, Timestamp};
use proptest::prelude::*;
use tenant::backup::{self, BackupError, BackupReader, RestoredBackup, RestoredTenant, WrittenBackup};

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

/// The tenants of a restore that has left nothing out.
fn whole(done: RestoredBackup) -> Vec<RestoredTenant> {
    assert!(done.failed.is_empty() && done.restored.iter().all(|tenant| tenant.left_out.is_empty()), "{done:?}");
    done.restored
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
    let written = backup::write(&origin, &tenants, None, made, Vec::new()).await.unwrap();
    let WrittenBackup { summary, unreadable, out: file } = written;
    assert_eq!(unreadable, []);
    let read = || BackupReader::new(file.as_slice());
    assert_eq!(backup::examine(read()).unwrap(), summary);

    let copy = opened(&folder, "copy.sqlite").await;
    whole(backup::restore(&copy, read(), |_| true, false, &note()).await);
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
        let refused = backup::restore(&copy, read(), |wanted| wanted == tenant, false, &note()).await;
        assert!(matches!(refused.failed.as_slice(), [BackupError::Present(_)]), "{refused:?}");
        let done = whole(backup::restore(&copy, read(), |wanted| wanted == tenant, true, &note()).await);
        let [done] = done.as_slice() else { panic!("{done:?}") };
        let now = copy.versioned(tenant).await.unwrap().unwrap();
        let replaced = done.replaced.unwrap();
        // Objects that were deleted and come back stand behind the others. PINs in clear come back as hashes.
        let sorted = |objects: &contracts::provisioning::TenantObjects| {
            let mut objects = objects.clone();
            for agent in objects.people.iter_mut().filter_map(|person| person.agent.as_mut()) {
                agent.pin = None;
            }
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

/// Opens all that [`LegibleCipher`] has sealed but one field and one snapshot of acme, or nothing at all.
#[derive(Debug)]
struct DamagedSecrets {
    all: bool,
}

impl SecretCipher for DamagedSecrets {
    fn seal(&self, place: &SecretPlace<'_>, plain: &str) -> Option<String> {
        LegibleCipher.seal(place, plain)
    }

    fn open(&self, place: &SecretPlace<'_>, sealed: &str) -> Option<String> {
        let is_damaged = place.field == "inbound_password" || place.key.id == "damaged";
        let is_lost = self.all || (place.tenant.as_str() == "acme" && is_damaged);
        if is_lost { None } else { LegibleCipher.open(place, sealed) }
    }
}

fn seals(cipher: impl SecretCipher + 'static) -> SecretSeals {
    SecretSeals::of(Arc::new(cipher))
}

/// Two tenants, each with two snapshots.
async fn two_tenants(folder: &tempfile::TempDir, ids: &[TenantId; 2]) -> SqliteProvisioning {
    let origin = opened(folder, "origin.sqlite").await.sealed_by(seals(LegibleCipher));
    for tenant in ids {
        let objects = provisioning::objects(tenant.as_str());
        origin.update(tenant, Revision(0), objects.objects().map(ObjectChange::Put).collect(), &note()).await.unwrap();
        for name in ["damaged", "good"] {
            let head = SnapshotHead { name: name.to_owned(), at: note().at, by: note().by, revision: Revision(1) };
            let file = TenantFileText("tenant: x".to_owned());
            let kept = NamedSnapshot { head, file, documents: Vec::new() };
            assert!(origin.keep_snapshot(tenant, &kept, &note()).await.unwrap());
        }
    }
    origin
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_keeps_no_tenant_from_coming_back_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tenants = ["acme", "other"].map(|name| TenantId::parse(name).unwrap());
    let [acme, other] = &tenants;
    let origin = two_tenants(&folder, &tenants).await.sealed_by(seals(DamagedSecrets { all: false }));
    let written = backup::write(&origin, &tenants, None, note().at, Vec::new()).await.unwrap();
    let trunk = &provisioning::objects("acme").trunks[0];
    let lost = [format!("trunk {} inbound_password", trunk.name), "snapshot damaged".to_owned()];
    assert_eq!(written.unreadable.iter().map(|part| &part.what).collect::<Vec<_>>(), lost.iter().collect::<Vec<_>>());
    assert!(written.unreadable.iter().all(|part| part.tenant == *acme));
    let read = || BackupReader::new(written.out.as_slice());

    let copy = opened(&folder, "copy.sqlite").await.sealed_by(seals(DamagedSecrets { all: false }));
    let done = backup::restore(&copy, read(), |_| true, false, &note()).await;
    assert!(done.failed.is_empty(), "{done:?}");
    let left_out: Vec<_> = done.restored.iter().map(|tenant| tenant.left_out.clone()).collect();
    assert_eq!(left_out, [lost.to_vec(), Vec::new()]);
    let names = |heads: Vec<SnapshotHead>| heads.into_iter().map(|head| head.name).collect::<Vec<_>>();
    assert_eq!(names(copy.snapshots(acme).await.unwrap()), ["good"]);
    assert_eq!(names(copy.snapshots(other).await.unwrap()), ["damaged", "good"]);
    let (revision, mut held) = copy.load(acme).await.unwrap().unwrap();
    let whole = provisioning::objects("acme");
    assert_eq!(held.trunks[0].inbound_password.take(), None);
    assert_eq!((&held.trunks[0].password, &held.dns), (&whole.trunks[0].password, &whole.dns));

    // Where the object has another one by now, it keeps that.
    held.trunks[0].inbound_password = Some(Secret("hush".to_owned()));
    let given = ObjectChange::Put(Object::Trunk(Box::new(held.trunks[0].clone())));
    copy.update(acme, revision, vec![given], &note()).await.unwrap();
    let copy = copy.sealed_by(seals(LegibleCipher));
    let (_, held) = copy.load(acme).await.unwrap().unwrap();
    let copy = copy.sealed_by(seals(DamagedSecrets { all: false }));
    let done = backup::restore(&copy, read(), |wanted| wanted == acme, true, &note()).await;
    assert!(done.failed.is_empty() && done.restored[0].left_out == lost, "{done:?}");
    let copy = copy.sealed_by(seals(LegibleCipher));
    assert_eq!(copy.load(acme).await.unwrap().unwrap().1.trunks, held.trunks);
}

#[tokio::test]
async fn a_tenant_comes_back_without_a_host_name_that_another_one_has_taken() {
    let folder = tempfile::tempdir().unwrap();
    let tenants = ["acme", "other"].map(|name| TenantId::parse(name).unwrap());
    let origin = two_tenants(&folder, &tenants).await;
    let written = backup::write(&origin, &tenants, None, note().at, Vec::new()).await.unwrap();
    let read = || BackupReader::new(written.out.as_slice());
    let copy = opened(&folder, "copy.sqlite").await.sealed_by(seals(LegibleCipher));
    let mut heir = provisioning::objects("heir").tenant;
    heir.sign_in.hosts = provisioning::objects("acme").tenant.sign_in.hosts;
    let (id, put) = (TenantId::parse("heir").unwrap(), ObjectChange::Put(Object::Tenant(Box::new(heir))));
    copy.update(&id, Revision(0), vec![put], &note()).await.unwrap();
    let taken = "sign_in.hosts: acme.example is a host name of another tenant";
    // Where it is not there, and again where it is.
    for may_replace in [false, true] {
        let done = backup::restore(&copy, read(), |wanted| *wanted == tenants[0], may_replace, &note()).await;
        assert!(done.failed.is_empty() && done.restored[0].left_out == [taken], "{done:?}");
        assert!(copy.load(&tenants[0]).await.unwrap().unwrap().1.tenant.sign_in.hosts.is_empty());
    }
    let hosts = copy.hosts().await.unwrap();
    assert_eq!(hosts, [("acme.example".to_owned(), id)]);
}

#[tokio::test]
async fn a_tenant_that_cannot_come_back_keeps_no_later_one_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let tenants = ["acme", "other"].map(|name| TenantId::parse(name).unwrap());
    let origin = two_tenants(&folder, &tenants).await;
    let written = backup::write(&origin, &tenants, None, note().at, Vec::new()).await.unwrap();
    let read = || BackupReader::new(written.out.as_slice());
    let copy = opened(&folder, "copy.sqlite").await.sealed_by(seals(LegibleCipher));
    // One with its id was deleted, and goes still.
    let own = ObjectChange::Put(Object::Tenant(Box::new(provisioning::objects("acme").tenant)));
    copy.update(&tenants[0], Revision(0), vec![own], &note()).await.unwrap();
    copy.end_tenant(&tenants[0], Revision(1), &note()).await.unwrap().unwrap();
    let done = backup::restore(&copy, read(), |_| true, false, &note()).await;
    assert!(matches!(done.failed.as_slice(), [BackupError::Store { tenant, .. }] if *tenant == tenants[0]), "{done:?}");
    assert_eq!(done.restored.iter().map(|tenant| &tenant.tenant).collect::<Vec<_>>(), [&tenants[1]]);

    // With another key nothing comes back.
    let strange = opened(&folder, "strange.sqlite").await.sealed_by(seals(DamagedSecrets { all: true }));
    let done = backup::restore(&strange, read(), |_| true, false, &note()).await;
    assert!(done.restored.is_empty() && done.failed.len() == 2, "{done:?}");
    assert!(strange.tenants().await.unwrap().is_empty());
}
