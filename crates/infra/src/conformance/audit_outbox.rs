//! What waits for the reporting log: every row of the tables once, in order, until it is sent. What other cases have written may wait too.

use contracts::provisioning::{Object, Secret};
use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use model::{TenantId, Timestamp};

use super::provisioning::objects;
use crate::{
    ArchivedPart, AuditEntry, AuditOutbox, Audited, AuditedDocument, ChangeNote, ChangeOrigin, ChangeWay, ObjectChange,
    ProvisioningStore, Revision, SignInAudit, TenantArchive,
};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

/// Runs the cases.
pub async fn run<S: TenantArchive + SignInAudit + AuditOutbox>(store: &S) {
    // What others have left.
    loop {
        let left = store.waiting(500, "").await.unwrap().entries;
        if left.is_empty() {
            break;
        }
        store.sent(&places(&left)).await.unwrap();
    }
    what_is_written_waits_in_order_until_it_is_sent(store).await;
    what_is_refused_does_not_wait(store).await;
    of_what_a_backup_brings_back_it_is_told_that_it_is_back_and_by_whom(store).await;
}

fn places(entries: &[AuditEntry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.place).collect()
}

fn note(request: &str) -> ChangeNote {
    let origin = ChangeOrigin { client: None, session: Some("s1".into()), source: Some("192.0.2.1".into()) };
    ChangeNote { by: "person/boss".into(), way: ChangeWay::Page, origin, at: AT, request: Some(request.into()) }
}

/// Ann, with that name and password.
fn ann(first_name: &str, password: &str) -> ObjectChange {
    let mut person = objects("x").people.remove(0);
    person.first_name = first_name.into();
    person.password = Some(Secret(password.into()));
    ObjectChange::Put(Object::Person(Box::new(person)))
}

async fn what_is_written_waits_in_order_until_it_is_sent<S>(store: &S)
where
    S: ProvisioningStore + SignInAudit + AuditOutbox,
{
    let acme = TenantId::parse("outbox").unwrap();
    let all: Vec<_> = objects("outbox").objects().map(ObjectChange::Put).collect();
    let count = all.len();
    store.update(&acme, Revision(0), all, &note("first")).await.unwrap();
    let refused = SignInRecord { at: AT, source: "192.0.2.7".into(), ..SignInRecord::of(SignInEvent::Refused) };
    let refused = refused.by_way(SignInWay::Password).about("person/ann").at_client("app");
    store.note(&[(acme.clone(), refused)]).await.unwrap();
    store.update(&acme, Revision(1), vec![ann("Anna", "hush hush")], &note("second")).await.unwrap();

    let waiting = store.waiting(1_000, "").await.unwrap().entries;
    assert_eq!(waiting.len(), count + 2);
    assert!(waiting.is_sorted_by(|one, other| one.place < other.place), "{waiting:?}");
    assert!(waiting.iter().all(|entry| entry.tenant == "outbox" && entry.at == AT));
    let Audited::SignIn(sign_in) = &waiting[count].what else { panic!("{:?}", waiting[count]) };
    let told = (sign_in.event.as_str(), sign_in.way.as_deref(), sign_in.subject.as_deref(), sign_in.times);
    assert_eq!(told, ("refused", Some("password"), Some("person/ann"), 1));
    let origin = ChangeOrigin { client: Some("app".into()), session: None, source: Some("192.0.2.7".into()) };
    assert_eq!((&sign_in.origin, sign_in.by.as_deref()), (&origin, None));
    let Audited::Change(change) = &waiting[count + 1].what else { panic!("{:?}", waiting[count + 1]) };
    let told = (change.by.as_str(), change.way.as_str(), change.revision, change.request.as_deref());
    assert_eq!(told, ("person/boss", "page", 2, Some("second")));
    assert_eq!((change.kind.as_str(), &change.origin, change.secrets_changed), ("person", &note("").origin, true));
    let (AuditedDocument::Json(before), AuditedDocument::Json(after)) = (&change.before, &change.after) else {
        panic!("{change:?}")
    };
    assert!(after.contains("Anna") && !before.contains("Anna"), "{before} {after}");
    assert!(!after.contains("hush hush"), "a secret is told: {after}");
    let Audited::Change(first) = &waiting[0].what else { panic!("{:?}", waiting[0]) };
    assert_eq!((first.kind.as_str(), first.id.as_str(), &first.before), ("tenant", "", &AuditedDocument::None));

    assert_eq!(store.waits_since().await.unwrap(), Some(AT));
    let first = [waiting[0].clone(), waiting[1].clone(), waiting[count].clone()];
    assert_eq!(
        store.waiting(3, "").await.unwrap().entries,
        first,
        "what has happened at signing in does not wait for all changes"
    );
    // A hole stays a hole: what is sent is told by its place.
    store.sent(&[waiting[1].place, waiting[0].place]).await.unwrap();
    assert_eq!(store.waiting(1_000, "").await.unwrap().entries, waiting[2..]);
    store.sent(&places(&waiting)).await.unwrap();
    store.sent(&[]).await.unwrap();
    assert_eq!(
        (store.waiting(1_000, "").await.unwrap().entries, store.waits_since().await.unwrap()),
        (Vec::new(), None)
    );
}

async fn what_is_refused_does_not_wait<S: ProvisioningStore + AuditOutbox>(store: &S) {
    let acme = TenantId::parse("outbox").unwrap();
    let stale = store.update(&acme, Revision(1), vec![ann("Late", "x")], &note("stale")).await;
    assert!(stale.is_err(), "{stale:?}");
    let same = store.update(&acme, Revision(2), vec![ann("Anna", "hush hush")], &note("same")).await;
    assert!(same.is_ok(), "{same:?}");
    assert_eq!(store.waiting(10, "").await.unwrap().entries, [], "nothing has changed");
}

async fn of_what_a_backup_brings_back_it_is_told_that_it_is_back_and_by_whom<S: TenantArchive + AuditOutbox>(
    store: &S,
) {
    let (acme, copy) = (TenantId::parse("outbox").unwrap(), TenantId::parse("outbox-back").unwrap());
    let mut parts = Vec::new();
    let mut take = |part| {
        parts.push(part);
        Ok(())
    };
    assert!(store.archive(&acme, &mut take).await.unwrap());
    let renamed = |part: ArchivedPart| match part {
        ArchivedPart::Object(Object::Tenant(mut own), revision) => {
            own.id = "outbox-back".into();
            own.sign_in.hosts.clear();
            ArchivedPart::Object(Object::Tenant(own), revision)
        }
        other => other,
    };
    let mut parts = parts.into_iter().map(renamed);
    let mut give = || Ok(parts.next());
    let note = ChangeNote { way: ChangeWay::Backup, ..note("sha256:00") };
    store.restore_archive(&copy, &mut give, &note).await.unwrap();
    let waiting = store.waiting(10, "").await.unwrap().entries;
    let [entry] = waiting.as_slice() else { panic!("its history has happened before: {waiting:?}") };
    let Audited::Change(change) = &entry.what else { panic!("{entry:?}") };
    assert_eq!((entry.tenant.as_str(), change.kind.as_str(), change.id.as_str()), ("outbox-back", "tenant", ""));
    let told = (change.by.as_str(), change.way.as_str(), change.revision, change.request.as_deref());
    assert_eq!(told, ("person/boss", "backup", 3, Some("sha256:00")));
}
