//! Archives of a tenant, and its snapshots.

use contracts::provisioning::{Object, ObjectKey, ObjectKind, Skill};
use model::{TenantId, Timestamp};

use super::{note, objects, put_all, tenant};
use crate::{
    ArchiveBegin, ArchivedPart, ChangeNote, ChangeWay, HistoryEntry, HistoryPage, NamedSnapshot, ObjectChange,
    Revision, SNAPSHOTS_MAX, SnapshotHead, StoreError, TenantArchive, TenantFileText,
};

fn snapshot(name: &str) -> NamedSnapshot {
    NamedSnapshot {
        head: SnapshotHead {
            name: name.into(),
            at: Timestamp::from_millis(1_700_000_000_321),
            by: "user/ann".into(),
            revision: Revision(2),
        },
        file: TenantFileText("tenant: acme\n# ünïcode 'and' \"quotes\"\n".into()),
        documents: vec![("applications/sales.scxml".into(), "<scxml/>".into())],
    }
}

async fn parts(store: &dyn TenantArchive, of: &TenantId) -> Option<Vec<ArchivedPart>> {
    let mut parts = Vec::new();
    let mut take = |part| {
        parts.push(part);
        Ok(())
    };
    let is_there = store.archive(of, &mut take).await.unwrap();
    is_there.then_some(parts)
}

/// Who restores.
fn restorer() -> ChangeNote {
    ChangeNote { by: "user/op".into(), way: ChangeWay::Backup, request: Some("sha256:00".into()), ..note().clone() }
}

async fn restored(store: &dyn TenantArchive, of: &TenantId, parts: Vec<ArchivedPart>) -> Result<Revision, StoreError> {
    let mut parts = parts.into_iter();
    let mut give = || Ok(parts.next());
    store.restore_archive(of, &mut give, &restorer()).await
}

/// A tenant whose every table has rows: three revisions, an object that is gone, a snapshot.
async fn changed_often(store: &dyn TenantArchive, name: &str) -> TenantId {
    let acme = tenant(name);
    store.update(&acme, Revision(0), put_all(&objects(name)), note()).await.unwrap();
    let german = ObjectChange::Put(Object::Skill(Skill { name: "German".into() }));
    store.update(&acme, Revision(1), vec![german], note()).await.unwrap();
    let gone = ObjectChange::Delete(ObjectKey { kind: ObjectKind::Skill, id: "German".into() });
    store.update(&acme, Revision(2), vec![gone], note()).await.unwrap();
    assert!(store.keep_snapshot(&acme, &snapshot("before"), note()).await.unwrap());
    acme
}

pub(super) async fn run(store: &dyn TenantArchive) {
    an_archive_has_everything_in_its_order(store).await;
    a_restored_tenant_is_the_same_but_for_the_numbers_of_its_history(store).await;
    what_is_no_archive_leaves_no_tenant(store).await;
    snapshots_are_kept_under_names(store).await;
}

async fn an_archive_has_everything_in_its_order(store: &dyn TenantArchive) {
    assert_eq!(parts(store, &tenant("nobody")).await, None);
    let acme = changed_often(store, "archive").await;
    let all = parts(store, &acme).await.unwrap();
    let life = store.life(&acme).await.unwrap().unwrap();
    assert_eq!(all[0], ArchivedPart::Begin(ArchiveBegin { revision: Revision(3), pruned: Revision(0), life }));
    let count = objects("archive").objects().count();
    let of_objects: Vec<ArchivedPart> =
        objects("archive").objects().map(|object| ArchivedPart::Object(object, Revision(1))).collect();
    assert_eq!(all[1..=count], of_objects);
    let german = ObjectKey { kind: ObjectKind::Skill, id: "German".into() };
    assert_eq!(all[count + 1], ArchivedPart::Gone(german.clone(), Revision(3)));
    let entries: Vec<&HistoryEntry> =
        all.iter().filter_map(|part| if let ArchivedPart::Entry(entry) = part { Some(entry) } else { None }).collect();
    assert_eq!(entries.len(), count + 3);
    assert!(entries.is_sorted_by_key(|entry| entry.number));
    let kept = ObjectKey { kind: ObjectKind::Tenant, id: "before".into() };
    let last = entries.iter().rev().take(2).map(|entry| (&entry.key, entry.revision)).collect::<Vec<_>>();
    assert_eq!(last, [(&kept, Revision(3)), (&german, Revision(3))]);
    assert_eq!(all.last(), Some(&ArchivedPart::Snapshot(snapshot("before"))));
}

async fn a_restored_tenant_is_the_same_but_for_the_numbers_of_its_history(store: &dyn TenantArchive) {
    let acme = changed_often(store, "origin").await;
    assert_eq!(store.prune_history(&acme, Timestamp::from_millis(1_700_000_000_001), 3).await.unwrap(), 3);
    let all = parts(store, &acme).await.unwrap();
    let life = store.life(&acme).await.unwrap().unwrap();
    assert_eq!(all[0], ArchivedPart::Begin(ArchiveBegin { revision: Revision(3), pruned: Revision(1), life }));
    let there = restored(store, &acme, all.clone()).await;
    assert!(matches!(there, Err(StoreError::Conflict { actual: 3, .. })), "{there:?}");

    // Under another id, as in another installation.
    let copy = tenant("copied");
    let renamed = |part: ArchivedPart| match part {
        ArchivedPart::Object(Object::Tenant(mut tenant), revision) => {
            tenant.id = "copied".into();
            // No two tenants of an installation have the same one.
            tenant.sign_in.hosts = vec!["copied.example".into()];
            ArchivedPart::Object(Object::Tenant(tenant), revision)
        }
        other => other,
    };
    let all: Vec<ArchivedPart> = all.into_iter().map(renamed).collect();
    assert_eq!(restored(store, &copy, all.clone()).await.unwrap(), Revision(3));
    let (point, origin) = (store.point(&copy).await.unwrap().unwrap(), store.point(&acme).await.unwrap().unwrap());
    assert_eq!(point.revision, origin.revision);
    assert!(point.stamp.is_known() && point.stamp != origin.stamp, "its history is another one from here on");
    let again = store.life(&copy).await.unwrap();
    assert_eq!(again, Some(life), "nobody has deleted it here: what others keep of it is its own");
    let unnumbered = |part: ArchivedPart| match part {
        ArchivedPart::Entry(entry) => ArchivedPart::Entry(HistoryEntry { number: 0, ..entry }),
        other => other,
    };
    let mut read: Vec<ArchivedPart> = parts(store, &copy).await.unwrap().into_iter().map(unnumbered).collect();
    let last = read.iter().rposition(|part| matches!(part, ArchivedPart::Entry(_))).unwrap();
    let ArchivedPart::Entry(told) = read.remove(last) else { panic!("it is an entry") };
    assert_eq!((told.note, told.revision, told.key.kind), (restorer(), Revision(3), ObjectKind::Tenant));
    assert!(told.before == told.after && told.after.is_some_and(|own| own.contains("copied")));
    assert_eq!(read, all.into_iter().map(unnumbered).collect::<Vec<_>>());
    let page = HistoryPage { kind: Some(ObjectKind::Skill), id: Some("German".into()), below: None, limit: 10 };
    assert_eq!(store.history(&copy, &page).await.unwrap().len(), 2);
    assert_eq!(store.pruned_revision(&copy).await.unwrap(), Revision(1));
    let next = ObjectChange::Put(Object::Skill(Skill { name: "French".into() }));
    assert_eq!(store.update(&copy, Revision(3), vec![next], note()).await.unwrap(), Revision(4));
}

async fn what_is_no_archive_leaves_no_tenant(store: &dyn TenantArchive) {
    let acme = changed_often(store, "whole").await;
    let all = parts(store, &acme).await.unwrap();
    let other = tenant("torn");
    let mut twice = all.clone();
    twice.push(ArchivedPart::Begin(ArchiveBegin::default()));
    let without_tenant: Vec<ArchivedPart> =
        all.iter().filter(|part| !matches!(part, ArchivedPart::Object(Object::Tenant(_), _))).cloned().collect();
    for wrong in [Vec::new(), all[1..].to_vec(), twice, without_tenant, all] {
        // The last one is whole, but another tenant's.
        let refused = restored(store, &other, wrong).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
        assert_eq!(store.load(&other).await.unwrap(), None);
    }
}

async fn snapshots_are_kept_under_names(store: &dyn TenantArchive) {
    let acme = changed_often(store, "snapshots").await;
    assert!(!store.keep_snapshot(&acme, &snapshot("before"), note()).await.unwrap(), "the name is taken");
    assert!(store.keep_snapshot(&acme, &snapshot("after"), note()).await.unwrap());
    let heads = store.snapshots(&acme).await.unwrap();
    assert_eq!(heads, [snapshot("before").head, snapshot("after").head]);
    assert_eq!(store.snapshot(&acme, "after").await.unwrap(), Some(snapshot("after")));
    assert_eq!(store.snapshot(&acme, "none").await.unwrap(), None);
    assert_eq!(store.snapshots(&tenant("nobody")).await.unwrap(), []);
    assert!(store.remove_snapshot(&acme, "after", note()).await.unwrap());
    assert!(!store.remove_snapshot(&acme, "after", note()).await.unwrap());
    let about = HistoryPage { kind: Some(ObjectKind::Tenant), id: Some("after".into()), below: None, limit: 10 };
    let noted = store.history(&acme, &about).await.unwrap();
    let [removed, made] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((&removed.note, removed.before.is_some(), removed.after.is_some()), (note(), true, false));
    assert_eq!((&made.before, &made.after, made.revision), (&None, &removed.before, Revision(3)));
    assert_eq!(crate::kind_told(made.key.kind.as_str(), &made.key.id), crate::SNAPSHOT_KIND);
    let own = HistoryPage { id: Some(String::new()), ..about };
    assert_eq!(store.history(&acme, &own).await.unwrap().len(), 1, "nothing of it is about the tenant itself");
    let nobody = store.keep_snapshot(&tenant("nobody"), &snapshot("x"), note()).await;
    assert!(matches!(nobody, Err(StoreError::Invalid(_))), "{nobody:?}");
    for number in 1..SNAPSHOTS_MAX {
        assert!(store.keep_snapshot(&acme, &snapshot(&format!("s{number}")), note()).await.unwrap());
    }
    let full = store.keep_snapshot(&acme, &snapshot("one more"), note()).await;
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
}
