//! Sealed secrets: what every database must do with them. `store` is empty, and seals by [`LegibleCipher`].

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Secret};
use model::{TenantId, Timestamp};

use super::provisioning::{note, objects};
use crate::{
    ArchivedPart, ChangeNote, ChangeWay, HistoryPage, HistoryPoint, NamedSnapshot, ObjectChange, Revision,
    SecretCipher, SecretPlace, SnapshotHead, StoreError, TenantArchive, TenantFileText, ToldChange,
};

/// A cipher for tests, which hides nothing: what it has sealed says for which place, and what.
#[derive(Debug)]
pub struct LegibleCipher;

impl LegibleCipher {
    fn place(place: &SecretPlace<'_>) -> String {
        let hex = |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16).unwrap_or('-'));
        place.bytes().iter().flat_map(hex).collect()
    }
}

impl SecretCipher for LegibleCipher {
    fn seal(&self, place: &SecretPlace<'_>, plain: &str) -> Option<String> {
        // Turned round, so that whoever looks for the secret itself does not find it.
        Some(format!("{}.{}", Self::place(place), plain.chars().rev().collect::<String>()))
    }

    fn open(&self, place: &SecretPlace<'_>, sealed: &str) -> Option<String> {
        let plain = sealed.strip_prefix(&Self::place(place))?.strip_prefix('.')?;
        Some(plain.chars().rev().collect())
    }
}

/// Whoever asks the store has the secrets in clear; what leaves it as an archive has them sealed.
pub async fn run(store: &dyn TenantArchive) {
    assert!(store.seals().are_there());
    let (tenant, plain) = (TenantId::parse("sealed").unwrap(), objects("sealed"));
    let put = plain.objects().map(ObjectChange::Put).collect();
    store.update(&tenant, Revision(0), put, note()).await.unwrap();
    assert_eq!(store.load(&tenant).await.unwrap(), Some((Revision(1), plain.clone())));
    for object in plain.objects() {
        let found = store.find(&tenant, &object.key()).await.unwrap();
        assert_eq!(found.as_ref(), Some(&object));
        let (_, found) = store.find_versioned(&tenant, &object.key()).await.unwrap().unwrap();
        assert_eq!(found, object);
    }
    let changes = store.changes(&tenant, HistoryPoint::default()).await.unwrap().changes;
    assert!(plain.objects().all(|object| changes.contains(&ToldChange::Put(object))));
    let trunks = store.of_kind(&tenant, ObjectKind::Trunk).await.unwrap();
    assert_eq!(trunks, plain.trunks.iter().cloned().map(Box::new).map(Object::Trunk).collect::<Vec<_>>());

    what_is_put_again_is_not_changed(store, &tenant).await;
    what_is_sealed_elsewhere_is_refused(store, &tenant).await;
    archives_are_sealed(store, &tenant).await;
    who_shows_secrets_is_noted(store, &tenant).await;
}

async fn who_shows_secrets_is_noted(store: &dyn TenantArchive, tenant: &TenantId) {
    let (point, by) = (store.point(tenant).await.unwrap(), ChangeNote { way: ChangeWay::Reveal, ..note().clone() });
    store.note_reveal(tenant, &by).await.unwrap();
    let latest = store.history(tenant, &HistoryPage { limit: 1, ..HistoryPage::default() }).await.unwrap().remove(0);
    assert_eq!((latest.note, latest.key.kind, latest.secrets_changed), (by, ObjectKind::Tenant, false));
    assert!(latest.before.is_some() && latest.before == latest.after, "nothing has changed");
    assert_eq!(store.point(tenant).await.unwrap(), point, "nor has the revision");
    let missing = store.note_reveal(&TenantId::parse("sealed-nowhere").unwrap(), note()).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
}

fn trunk_with(object: Object, secret: &str) -> Object {
    let Object::Trunk(mut trunk) = object else { panic!("a trunk") };
    trunk.password = Some(Secret(secret.to_owned()));
    Object::Trunk(trunk)
}

async fn what_is_put_again_is_not_changed(store: &dyn TenantArchive, tenant: &TenantId) {
    let before = store.history(tenant, &HistoryPage { limit: 100, ..HistoryPage::default() }).await.unwrap().len();
    let again = objects("sealed").objects().map(ObjectChange::Put).collect();
    store.update(tenant, Revision(1), again, note()).await.unwrap();
    let after = store.history(tenant, &HistoryPage { limit: 100, ..HistoryPage::default() }).await.unwrap().len();
    assert_eq!(after, before, "the same secrets are the same rows");
}

async fn what_is_sealed_elsewhere_is_refused(store: &dyn TenantArchive, tenant: &TenantId) {
    let with_password = |object: &Object| object.secrets().iter().any(|(field, _)| *field == "password");
    let trunk = store.of_kind(tenant, ObjectKind::Trunk).await.unwrap().into_iter().find(with_password).unwrap();
    let key = ObjectKey { kind: ObjectKind::Dn, id: "7101".to_owned() };
    let of_dn = SecretPlace { tenant, key, field: "password" };
    let sealed = store.seals().sealed(&of_dn, &Secret("hush".to_owned())).unwrap();
    let put = vec![ObjectChange::Put(trunk_with(trunk.clone(), sealed.reveal()))];
    let refused = store.update(tenant, Revision(2), put, note()).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    // For its own place it is taken, and is the same secret.
    let here = SecretPlace { tenant, key: trunk.key().folded(), field: "password" };
    let secret = trunk.secrets().into_iter().find(|(field, _)| *field == "password").unwrap().1;
    let own = store.seals().sealed(&here, secret).unwrap();
    let put = vec![ObjectChange::Put(trunk_with(trunk.clone(), own.reveal()))];
    store.update(tenant, Revision(2), put, note()).await.unwrap();
    assert_eq!(store.find(tenant, &trunk.key()).await.unwrap(), Some(trunk));
}

async fn archives_are_sealed(store: &dyn TenantArchive, tenant: &TenantId) {
    let head = SnapshotHead {
        name: "before".to_owned(),
        at: Timestamp::from_millis(1_700_000_000_000),
        by: "tester".to_owned(),
        revision: Revision(3),
    };
    let file = TenantFileText("password: very hush".to_owned());
    let kept = NamedSnapshot { head, file, documents: Vec::new() };
    assert!(store.keep_snapshot(tenant, &kept, note()).await.unwrap());
    assert_eq!(store.snapshot(tenant, "before").await.unwrap(), Some(kept.clone()));

    let mut parts = Vec::new();
    let mut take = |part: ArchivedPart| -> crate::Result<()> {
        parts.push(part);
        Ok(())
    };
    assert!(store.archive(tenant, &mut take).await.unwrap());
    let (mut sealed, mut snapshots) = (0, 0);
    for part in &parts {
        match part {
            ArchivedPart::Object(object, _) => {
                for (_, secret) in object.clone().readable_secrets() {
                    assert!(secret.is_sealed(), "{:?}", object.key());
                    sealed += 1;
                }
            }
            ArchivedPart::Snapshot(snapshot) => {
                assert!(!snapshot.file.0.contains("very hush"));
                snapshots += 1;
            }
            _ => {}
        }
    }
    assert!(sealed >= 5 && snapshots == 1, "{sealed} secrets, {snapshots} snapshots");
    // For another tenant it is worth nothing.
    let other = TenantId::parse("sealed-not").unwrap();
    let renamed = |part: ArchivedPart| match part {
        ArchivedPart::Object(Object::Tenant(mut own), revision) => {
            own.id = "sealed-not".to_owned();
            own.sign_in.hosts.clear();
            ArchivedPart::Object(Object::Tenant(own), revision)
        }
        part => part,
    };
    let mut given = parts.into_iter().map(renamed);
    let stolen = store.restore_archive(&other, &mut || Ok(given.next()), note()).await;
    assert!(stolen.is_err_and(|error| error.to_string().contains("for another object")));
}
