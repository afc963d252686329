use std::sync::Arc;

use contracts::provisioning::Trunk;
use infra::conformance::provisioning::{note, objects};
use infra::conformance::secrets::LegibleCipher;
use infra::{ProvisioningStore as _, Revision, SnapshotHead, TenantArchive as _};
use model::Timestamp;

use super::*;
use crate::sqlite::SqliteProvisioning;

fn seals() -> SecretSeals {
    SecretSeals::of(Arc::new(LegibleCipher))
}

async fn opened(folder: &tempfile::TempDir) -> SqliteProvisioning {
    SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap()
}

/// A tenant as a release before has stored it, with a snapshot.
async fn in_clear(store: &SqliteProvisioning, tenant: &TenantId) -> NamedSnapshot {
    let put = objects("acme").objects().map(ObjectChange::Put).collect();
    store.update(tenant, Revision(0), put, note()).await.unwrap();
    let at = Timestamp::from_millis(1_700_000_000_000);
    let head = SnapshotHead { name: "before".into(), at, by: "tester".into(), revision: Revision(1) };
    let kept = NamedSnapshot { head, file: TenantFileText("password: hush".into()), documents: Vec::new() };
    assert!(store.keep_snapshot(tenant, &kept, note()).await.unwrap());
    kept
}

#[tokio::test]
async fn what_a_release_before_has_left_in_clear_is_sealed_once_and_stays_what_it_was() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await;
    let kept = in_clear(&store, &tenant).await;
    let before = store.point(&tenant).await.unwrap();
    let store = store.sealed_by(seals());
    assert!(store.seal_stored().await.unwrap() >= 6);
    assert_eq!(store.seal_stored().await.unwrap(), 0);
    assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), objects("acme"))));
    assert_eq!(store.snapshot(&tenant, "before").await.unwrap(), Some(kept));
    assert_eq!(store.point(&tenant).await.unwrap(), before);
    let mut stored = Vec::new();
    let mut take = |part: ArchivedPart| -> Result<()> {
        stored.push(part);
        Ok(())
    };
    assert!(store.archive(&tenant, &mut take).await.unwrap());
    for part in stored {
        match part {
            ArchivedPart::Object(mut object, _) => {
                assert!(object.readable_secrets().iter().all(|(_, secret)| secret.is_sealed()));
            }
            ArchivedPart::Snapshot(snapshot) => assert!(Secret(snapshot.file.0).is_sealed()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_pin_that_is_kept_as_a_hash_is_neither_sealed_nor_lost_with_the_key() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await.sealed_by(seals());
    let mut given = objects("acme");
    let pin = given.people[0].agent.as_mut().and_then(|agent| agent.pin.as_mut()).unwrap();
    *pin = Secret("$argon2id$of-a-pin#4".to_owned());
    let put = given.objects().map(ObjectChange::Put).collect();
    store.update(&tenant, Revision(0), put, note()).await.unwrap();
    assert_eq!(store.seal_stored().await.unwrap(), 0);
    assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), given.clone())));
    let (_, seen) = opened(&folder).await.load(&tenant).await.unwrap().unwrap();
    assert_eq!(seen.people, given.people, "it needs no key");
    // A process of the release before seals it, as what stands in clear.
    let mut turn = store.0.appends().await.unwrap();
    let ann = ObjectKey { kind: ObjectKind::Person, id: "ann".to_owned() };
    let place = SecretPlace { tenant: &tenant, key: ann, field: "agent.pin" };
    let sealed = seals().sealed(&place, &Secret("$argon2id$of-a-pin#4".to_owned())).unwrap();
    turn.run(query("UPDATE person SET pin = ?").bind(sealed.reveal())).await.unwrap();
    turn.commit().await.unwrap();
    assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), given)));
}

#[tokio::test]
async fn rules_that_cannot_be_read_keep_no_other_tenant_from_being_sealed() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await;
    in_clear(&store, &tenant).await;
    let other = TenantId::parse("other").unwrap();
    let put = objects("other").objects().map(ObjectChange::Put).collect();
    store.update(&other, Revision(0), put, note()).await.unwrap();
    for damaged in ["{\"client_secret\":\"hush", "{\"client_secret\":\"sealed:v1:hush"] {
        let mut turn = store.0.appends().await.unwrap();
        turn.run(query("UPDATE tenant SET sign_in = ? WHERE id = 'acme'").bind(damaged)).await.unwrap();
        turn.commit().await.unwrap();
        let store = store.clone().sealed_by(seals());
        store.seal_stored().await.unwrap();
        assert!(matches!(store.load(&tenant).await, Err(StoreError::Corrupt { .. })));
        assert_eq!(store.load(&other).await.unwrap().unwrap().1, objects("other"));
    }
    let rows = store.0.reads().await.unwrap().rows(query(SEALED_RULES).bind(10_i64)).await.unwrap();
    assert!(rows.iter().any(|row| row.text("id").unwrap() == "other"), "its secret is sealed");
}

#[tokio::test]
async fn whoever_has_another_key_or_none_is_refused_before_anything_is_written() {
    #[derive(Debug)]
    struct OtherKey;
    impl infra::SecretCipher for OtherKey {
        fn seal(&self, _: &SecretPlace<'_>, plain: &str) -> Option<String> {
            Some(format!("other.{plain}"))
        }
        fn open(&self, _: &SecretPlace<'_>, sealed: &str) -> Option<String> {
            sealed.strip_prefix("other.").map(str::to_owned)
        }
    }
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await;
    in_clear(&store, &tenant).await;
    store.sealed_by(seals()).seal_stored().await.unwrap();
    for other in [SecretSeals::default(), SecretSeals::of(Arc::new(OtherKey))] {
        let refused = opened(&folder).await.sealed_by(other).seal_stored().await.unwrap_err();
        assert!(refused.to_string().contains("installation.key"), "{refused}");
    }
    assert_eq!(opened(&folder).await.sealed_by(seals()).seal_stored().await.unwrap(), 0);
}

#[tokio::test]
async fn damaged_secrets_of_one_column_are_no_other_key_while_one_of_another_column_opens() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await;
    in_clear(&store, &tenant).await;
    let store = store.sealed_by(seals());
    store.seal_stored().await.unwrap();
    let mut turn = store.0.appends().await.unwrap();
    let phones = turn.run(query("UPDATE dn SET password = 'sealed:v1:damaged' WHERE password <> ''")).await.unwrap();
    assert!(phones > 0, "no phone has a password");
    turn.commit().await.unwrap();
    assert_eq!(store.seal_stored().await.unwrap(), 0, "others open");

    let mut turn = store.0.appends().await.unwrap();
    for statement in OF_A_LOST_KEY.into_iter().filter(|statement| !statement.contains("UPDATE dn")) {
        turn.run(query(statement)).await.unwrap();
    }
    turn.commit().await.unwrap();
    let refused = store.seal_stored().await.unwrap_err();
    assert!(refused.to_string().contains("installation.key"), "nothing opens: {refused}");
}

#[tokio::test]
async fn a_key_is_known_by_one_secret_behind_many_of_a_key_of_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder).await.sealed_by(seals());
    for name in ["a1", "a2", "a3", "a4", "later"] {
        let put = objects(name).objects().map(ObjectChange::Put).collect();
        store.update(&TenantId::parse(name).unwrap(), Revision(0), put, note()).await.unwrap();
    }
    let mut turn = store.0.appends().await.unwrap();
    for statement in OF_A_LOST_KEY.into_iter().filter(|statement| !statement.contains("UPDATE dn")) {
        turn.run(query(statement)).await.unwrap();
    }
    let of_before = "UPDATE dn SET password = 'sealed:v1:before' WHERE password <> '' AND tenant <> 'later'";
    assert!(turn.run(query(of_before)).await.unwrap() > 3);
    turn.commit().await.unwrap();
    assert!(store.key_opens_some().await.unwrap());
    let mut turn = store.0.appends().await.unwrap();
    turn.run(query("UPDATE dn SET password = 'sealed:v1:before' WHERE password <> ''")).await.unwrap();
    turn.commit().await.unwrap();
    assert!(!store.key_opens_some().await.unwrap());
}

/// What takes away all that a lost key has sealed.
const OF_A_LOST_KEY: [&str; 6] = [
    "UPDATE dn SET password = NULL;",
    "UPDATE person SET pin = NULL WHERE pin LIKE 'sealed:%';",
    "UPDATE person SET second_factor = NULL;",
    "UPDATE trunk SET password = NULL, inbound_password = NULL, stir_private_key = NULL;",
    "DELETE FROM tenant_snapshot;",
    "UPDATE tenant SET sign_in = json_remove(sign_in, '$.upstream.client_secret') WHERE sign_in IS NOT NULL;",
];

#[tokio::test]
async fn after_a_lost_key_nothing_is_gone_but_what_it_has_sealed() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await;
    in_clear(&store, &tenant).await;
    store.clone().sealed_by(seals()).seal_stored().await.unwrap();
    let mut turn = store.0.appends().await.unwrap();
    for statement in OF_A_LOST_KEY {
        turn.run(query(statement)).await.unwrap();
    }
    turn.commit().await.unwrap();
    assert_eq!(store.seal_stored().await.unwrap(), 0, "nothing is sealed any more");
    let (_, found) = store.load(&tenant).await.unwrap().unwrap();
    let mut expected = objects("acme").tenant.sign_in;
    let provider = expected.upstream.as_mut().unwrap();
    assert!(provider.client_secret.take().is_some());
    assert_eq!(found.tenant.sign_in, expected);
    assert_eq!(found.people.len(), objects("acme").people.len());
}

#[tokio::test]
async fn one_secret_that_cannot_be_opened_keeps_nobody_from_its_tenant_and_its_object_is_given_another() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await.sealed_by(seals());
    in_clear(&store, &tenant).await;
    let mut turn = store.0.appends().await.unwrap();
    turn.run(query("UPDATE trunk SET inbound_password = 'sealed:v1:damaged'")).await.unwrap();
    turn.commit().await.unwrap();
    let (revision, held) = store.load(&tenant).await.unwrap().unwrap();
    let mut trunk = held.trunks[0].clone();
    assert_eq!(trunk.inbound_password, Some(Secret::of_sealed("damaged")));
    let put = |trunk: &Trunk| vec![ObjectChange::Put(Object::Trunk(Box::new(trunk.clone())))];
    // What an edit leaves as it is, stays.
    trunk.priority = Some(7);
    let revision = store.update(&tenant, revision, put(&trunk), note()).await.unwrap();
    assert_eq!(store.load(&tenant).await.unwrap().unwrap().1.trunks, [trunk.clone()]);
    // Another one that cannot be opened is refused, and one in clear is taken.
    let stranger = Trunk { inbound_password: Some(Secret::of_sealed("moved")), ..trunk.clone() };
    let refused = store.update(&tenant, revision, put(&stranger), note()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Invalid(_)), "{refused}");
    trunk.inbound_password = Some(Secret("hush".to_owned()));
    store.update(&tenant, revision, put(&trunk), note()).await.unwrap();
    assert_eq!(store.load(&tenant).await.unwrap().unwrap().1.trunks, [trunk]);
}

#[tokio::test]
async fn what_a_lost_key_has_sealed_of_a_tenant_that_nobody_can_read_is_told_and_goes() {
    let (folder, tenant) = (tempfile::tempdir().unwrap(), TenantId::parse("acme").unwrap());
    let store = opened(&folder).await;
    in_clear(&store, &tenant).await;
    let with_key = store.clone().sealed_by(seals());
    with_key.seal_stored().await.unwrap();
    let mut turn = store.0.appends().await.unwrap();
    turn.run(query("UPDATE tenant SET login_password = 'hologram'")).await.unwrap();
    turn.commit().await.unwrap();
    assert!(matches!(store.load(&tenant).await, Err(StoreError::Corrupt { .. })));
    assert_eq!(with_key.unopened(&tenant, Some(note())).await.unwrap(), [], "what the key opens stays");
    assert!(with_key.key_opens_some().await.unwrap());

    assert!(store.expect_own_key().await.is_err() && !store.key_opens_some().await.unwrap());
    let told = store.unopened(&tenant, None).await.unwrap();
    let fields: std::collections::HashSet<&str> = told.iter().map(|one| one.field.as_str()).collect();
    for field in ["password", "agent.pin", "inbound_password", "sign_in.upstream.client_secret", "snapshot"] {
        assert!(fields.contains(field), "{field} is not told: {told:?}");
    }
    assert!(store.expect_own_key().await.is_err(), "a look changes nothing");
    assert_eq!(store.unopened(&tenant, Some(note())).await.unwrap(), told);
    assert_eq!(store.unopened(&tenant, None).await.unwrap(), []);
    store.expect_own_key().await.unwrap();
    let page = infra::HistoryPage { limit: 2, ..infra::HistoryPage::default() };
    let noted = store.history(&tenant, &page).await.unwrap();
    assert!(
        noted[0].secrets_changed && noted[1].after.is_none(),
        "the secrets, and before them the snapshot: {noted:?}"
    );
}
