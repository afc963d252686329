//! The persistent configuration in SQLite.

#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::path::PathBuf;

use backends::sqlite::SqliteProvisioning;
use contracts::provisioning::{
    Agent, Dn, DnKind, Object, ObjectKey, ObjectKind, Person, Place, Secret, Skill, SkillLevel, Tenant, TenantObjects,
};
use infra::{ObjectChange, ProvisioningStore, Revision, StoreError};
use model::TenantId;

/// A file of a test's own, removed at its end.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("trunkline-sqlite-{}-{name}.db", std::process::id())))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

fn objects() -> TenantObjects {
    let mut objects = TenantObjects::new(Tenant {
        id: "acme".into(),
        name: "Acme".into(),
        realm: "acme.invalid".into(),
        codecs: vec!["PCMU".into(), "PCMA".into()],
        hold_music: "music".into(),
        no_answer_s: 15,
        wrap_up_s: 1,
        confirmation_prompt: None,
        refusal_prompt: Some("no".into()),
        country_prefix: None,
        national_prefix: None,
        international_prefix: None,
        time_zone: Some("Europe/Berlin".to_owned()),
    });
    objects.skills = vec![Skill { name: "Sales".into() }, Skill { name: "English".into() }];
    let phone = |number: &str| Dn {
        number: number.into(),
        kind: DnKind::Extension { password: Secret("secret".into()), no_answer_s: Some(20) },
    };
    objects.dns = vec![phone("7101"), phone("7102"), Dn { number: "q".into(), kind: DnKind::VirtualQueue }];
    let place = |name: &str, dn: &str| Place { name: name.into(), dns: vec![dn.into()] };
    objects.places = vec![place("P1", "7101"), place("P2", "7102")];
    objects.people = vec![Person {
        user_name: "ann".into(),
        first_name: "Ann".into(),
        last_name: "Adams".into(),
        agent: Some(Agent {
            id: "1001".into(),
            login_code: "1001".into(),
            pin: Some(Secret("1234".into())),
            default_place: Some("P1".into()),
            wrap_up_s: None,
            skills: vec![SkillLevel { skill: "Sales".into(), level: 5 }],
        }),
    }];
    objects
}

fn put_all(objects: &TenantObjects) -> Vec<ObjectChange> {
    objects.objects().map(ObjectChange::Put).collect()
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

#[tokio::test]
async fn a_tenant_comes_back_as_it_was_stored() {
    let file = File::new("round");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    assert_eq!(store.load(&acme()).await.unwrap(), None);
    let revision = store.update(&acme(), Revision(0), put_all(&objects())).await.unwrap();
    assert_eq!(revision, Revision(1));
    drop(store);
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    assert_eq!(store.load(&acme()).await.unwrap(), Some((Revision(1), objects())));
    assert_eq!(store.tenants().await.unwrap(), [(acme(), Revision(1))]);
}

#[tokio::test]
async fn an_update_needs_the_present_revision() {
    let file = File::new("conflict");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    store.update(&acme(), Revision(0), put_all(&objects())).await.unwrap();
    let stale = store.update(&acme(), Revision(0), put_all(&objects())).await;
    assert!(matches!(stale, Err(StoreError::Conflict { expected: 0, actual: 1, .. })), "{stale:?}");
}

#[tokio::test]
async fn changes_are_read_since_a_revision() {
    let file = File::new("changes");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    store.update(&acme(), Revision(0), put_all(&objects())).await.unwrap();
    let english = ObjectKey { kind: ObjectKind::Skill, id: "English".into() };
    let german = Object::Skill(Skill { name: "German".into() });
    let changes = vec![ObjectChange::Delete(english.clone()), ObjectChange::Put(german.clone())];
    store.update(&acme(), Revision(1), changes).await.unwrap();
    let read = store.changes(&acme(), Revision(1)).await.unwrap();
    assert_eq!(read.revision, Revision(2));
    assert_eq!(read.changes, [ObjectChange::Delete(english), ObjectChange::Put(german)]);
    assert_eq!(store.changes(&acme(), Revision(2)).await.unwrap().changes, []);
}

#[tokio::test]
async fn a_broken_rule_is_the_callers_fault_and_changes_nothing() {
    let file = File::new("rules");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    store.update(&acme(), Revision(0), put_all(&objects())).await.unwrap();
    let used = ObjectChange::Delete(ObjectKey { kind: ObjectKind::Skill, id: "Sales".into() });
    let refused = store.update(&acme(), Revision(1), vec![used]).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    let twice = Object::Place(Place { name: "P3".into(), dns: vec!["7101".into()] });
    let refused = store.update(&acme(), Revision(1), vec![ObjectChange::Put(twice)]).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(store.load(&acme()).await.unwrap(), Some((Revision(1), objects())));
}

#[tokio::test]
async fn a_dn_may_move_between_places_in_one_update() {
    let file = File::new("move");
    let store = SqliteProvisioning::open(&file.0).await.unwrap();
    store.update(&acme(), Revision(0), put_all(&objects())).await.unwrap();
    let place =
        |name: &str, dn: &str| ObjectChange::Put(Object::Place(Place { name: name.into(), dns: vec![dn.into()] }));
    store.update(&acme(), Revision(1), vec![place("P1", "7102"), place("P2", "7101")]).await.unwrap();
    let (_, held) = store.load(&acme()).await.unwrap().unwrap();
    assert_eq!(held.places[0].dns, ["7102"]);
}
