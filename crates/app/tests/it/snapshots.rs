//! Snapshots on the embedded store: what is sent again counts once, and the history says who has made and removed them.

use backends::sqlite::SqliteProvisioning;
use contracts::provisioning::{Object, ObjectKind, Skill};
use infra::{
    ChangeNote, ChangeOrigin, ChangeWay, HistoryEntry, HistoryPage, ObjectChange, ProvisioningStore as _, Revision,
    TenantArchive as _,
};
use model::{TenantId, Timestamp};
use tenant::objects::ChangedDocuments;
use tenant::snapshots::{self, RestoreRefusal, RestoreTerms, SnapshotRefusal};

fn sent(request: &str) -> ChangeNote {
    ChangeNote {
        by: "tool/boss".to_owned(),
        way: ChangeWay::Snapshot,
        origin: ChangeOrigin::default(),
        at: Timestamp::from_millis(1_700_000_000_000),
        request: Some(request.to_owned()).filter(|request| !request.is_empty()),
    }
}

/// The example as it is stored, whose generated secrets have values.
async fn stored(folder: &tempfile::TempDir) -> (SqliteProvisioning, TenantId) {
    let store = SqliteProvisioning::open(&folder.path().join("configuration.sqlite")).await.unwrap();
    let text = include_str!("../../../../data/example-tenant.yaml");
    let objects = tenant::file::read(text, |_| Ok("<scxml/>".to_owned())).unwrap();
    tenant::import::import(&store, &objects, &sent("")).await.unwrap();
    (store, TenantId::parse("example").unwrap())
}

async fn about(store: &SqliteProvisioning, of: &TenantId, name: &str) -> Vec<HistoryEntry> {
    let page = HistoryPage { kind: Some(ObjectKind::Tenant), id: Some(name.to_owned()), below: None, limit: 100 };
    store.history(of, &page).await.unwrap()
}

#[tokio::test]
async fn a_snapshot_that_is_asked_for_again_is_made_once_and_so_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, of) = stored(&folder).await;
    let made = snapshots::create(&store, &of, "before", &sent("one")).await.unwrap();
    assert_eq!(snapshots::create(&store, &of, "before", &sent("one")).await.unwrap(), made);
    let other = snapshots::create(&store, &of, "another", &sent("one")).await.unwrap_err();
    assert!(matches!(other, SnapshotRefusal::RequestReused), "{other}");
    let taken = snapshots::create(&store, &of, "before", &sent("two")).await.unwrap_err();
    assert!(matches!(taken, SnapshotRefusal::Taken(_)), "{taken}");
    for _ in 0..2 {
        snapshots::delete(&store, &of, "before", &sent("three")).await.unwrap();
    }
    let gone = snapshots::delete(&store, &of, "before", &sent("")).await.unwrap_err();
    assert!(matches!(gone, SnapshotRefusal::Missing { .. }), "{gone}");
    // Still the first answer, of a snapshot that is gone.
    assert_eq!(snapshots::create(&store, &of, "before", &sent("one")).await.unwrap(), made);
    assert!(store.snapshots(&of).await.unwrap().is_empty());
    let noted = about(&store, &of, "before").await;
    let told: Vec<_> = noted.iter().map(|entry| (entry.note.request.as_deref(), entry.after.is_some())).collect();
    assert_eq!(told, [(Some("three"), false), (Some("one"), true)]);
    assert!(noted.iter().all(|entry| entry.note.by == "tool/boss" && entry.revision == made.revision));
}

#[tokio::test]
async fn a_restore_that_is_asked_for_again_undoes_nothing_that_has_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (store, of) = stored(&folder).await;
    snapshots::create(&store, &of, "before", &sent("")).await.unwrap();
    let skill = |name: &str| vec![ObjectChange::Put(Object::Skill(Skill { name: name.to_owned() }))];
    store.update(&of, Revision(1), skill("Patience"), &sent("")).await.unwrap();
    let terms = RestoreTerms { expected: Some(Revision(2)), is_trial: false };
    let first = snapshots::restore(&store, &of, "before", terms, &sent("one")).await.unwrap();
    assert_eq!((first.revision, first.changed, first.is_repeated), (Revision(3), 1, false));
    store.update(&of, Revision(3), skill("Tact"), &sent("")).await.unwrap();
    let again = snapshots::restore(&store, &of, "before", terms, &sent("one")).await.unwrap();
    assert_eq!((again.revision, again.changed, again.is_repeated), (Revision(3), 1, true));
    let told = |documents: &[ChangedDocuments]| documents.iter().map(|one| one.key.clone()).collect::<Vec<_>>();
    assert_eq!(told(&again.documents), told(&first.documents));
    assert_eq!(store.revision(&of).await.unwrap(), Some(Revision(4)), "Tact is there");
    let restored = about(&store, &of, "before").await.remove(0);
    assert!(restored.before.is_some() && restored.after.is_some_and(|text| text.contains("\"restored_revision\":3")));
    snapshots::create(&store, &of, "later", &sent("two")).await.unwrap();
    let terms = RestoreTerms::default();
    let reused = snapshots::restore(&store, &of, "before", terms, &sent("two")).await.unwrap_err();
    assert!(matches!(reused, RestoreRefusal::Snapshot(SnapshotRefusal::RequestReused)), "{reused}");
    // The key is that of the one snapshot, of its restore alone.
    let reused = snapshots::restore(&store, &of, "later", terms, &sent("one")).await.unwrap_err();
    assert!(matches!(reused, RestoreRefusal::Snapshot(SnapshotRefusal::RequestReused)), "{reused}");
    let reused = snapshots::create(&store, &of, "before", &sent("one")).await.unwrap_err();
    assert!(matches!(reused, SnapshotRefusal::RequestReused), "{reused}");
}

#[tokio::test]
async fn a_restore_that_is_asked_for_again_is_done_also_if_its_snapshot_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, of) = stored(&folder).await;
    snapshots::create(&store, &of, "before", &sent("")).await.unwrap();
    let patience = ObjectChange::Put(Object::Skill(Skill { name: "Patience".to_owned() }));
    store.update(&of, Revision(1), vec![patience], &sent("")).await.unwrap();
    let terms = RestoreTerms::default();
    let first = snapshots::restore(&store, &of, "before", terms, &sent("one")).await.unwrap();
    snapshots::delete(&store, &of, "before", &sent("")).await.unwrap();
    let again = snapshots::restore(&store, &of, "before", terms, &sent("one")).await.unwrap();
    assert_eq!((again.revision, again.changed, again.is_repeated), (first.revision, 1, true));
    let gone = snapshots::restore(&store, &of, "before", terms, &sent("two")).await.unwrap_err();
    assert!(matches!(gone, RestoreRefusal::Snapshot(SnapshotRefusal::Missing { .. })), "{gone}");
}
