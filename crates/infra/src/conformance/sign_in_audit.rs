//! What is noted of signing in. `store` has none of these tenants.

use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use model::{TenantId, Timestamp};

use super::fixtures::tenant;
use crate::{AuditPage, AuditPart, SignInAudit, SignInPlace};

const AT_MS: u64 = 1_700_000_000_123;
const ALL: AuditPage = AuditPage { subject: None, event: None, since: None, until: None, behind: None, limit: 1_000 };

fn record(n: u64, event: SignInEvent) -> SignInRecord {
    SignInRecord { at: Timestamp::from_millis(AT_MS + n), source: "192.0.2.1".to_owned(), ..SignInRecord::of(event) }
}

async fn noted(store: &dyn SignInAudit, tenant: &TenantId, page: &AuditPage) -> Vec<SignInRecord> {
    let part = store.noted(tenant, page).await.unwrap();
    part.records.into_iter().map(|(_, record)| record).collect()
}

async fn put(store: &dyn SignInAudit, tenant: &TenantId, records: &[SignInRecord]) {
    let records: Vec<_> = records.iter().map(|record| (tenant.clone(), record.clone())).collect();
    store.note(&records).await.unwrap();
}

/// Runs the cases.
pub async fn run(store: &dyn SignInAudit) {
    what_is_noted_is_read_back_the_latest_first(store).await;
    records_are_read_in_pages(store).await;
    records_are_found_by_subject_event_and_time(store).await;
    tenants_are_apart(store).await;
    what_is_too_old_goes_first(store).await;
}

async fn what_is_noted_is_read_back_the_latest_first(store: &dyn SignInAudit) {
    let acme = tenant("audit-back");
    assert_eq!(store.noted(&acme, &ALL).await.unwrap(), AuditPart::default());
    store.note(&[]).await.unwrap();
    let full = SignInRecord {
        user_agent: "Mozilla/5.0 (\"x\"; Grüße)".to_owned(),
        times: 7,
        ..record(2, SignInEvent::SessionEnded)
            .by_way(SignInWay::RecoveryCode)
            .about("person/ann")
            .done_by("person/boss")
            .at_client("app")
            .in_session("s1")
    };
    let bare = SignInRecord { source: String::new(), ..record(1, SignInEvent::Refused) };
    put(store, &acme, &[bare.clone(), full.clone()]).await;
    // One that comes later and happened earlier stands where it belongs.
    let early = record(0, SignInEvent::KeyRotated);
    put(store, &acme, std::slice::from_ref(&early)).await;
    assert_eq!(noted(store, &acme, &ALL).await, [full, bare, early]);
}

async fn records_are_read_in_pages(store: &dyn SignInAudit) {
    let acme = tenant("audit-pages");
    // Two of each time.
    let records: Vec<_> = (0..10).map(|n| record(n / 2, SignInEvent::SignedIn).in_session(n.to_string())).collect();
    put(store, &acme, &records).await;
    let mut read = Vec::new();
    let mut page = AuditPage { limit: 3, ..ALL };
    loop {
        let part = store.noted(&acme, &page).await.unwrap();
        assert!(part.records.len() <= 3);
        assert!(part.records.iter().all(|(place, _)| page.behind.is_none_or(|behind| *place < behind)));
        read.extend(part.records.into_iter().map(|(_, record)| record));
        let Some(last) = part.last else { break };
        page.behind = Some(last);
    }
    read.reverse();
    assert_eq!(read, records);
}

async fn records_are_found_by_subject_event_and_time(store: &dyn SignInAudit) {
    let acme = tenant("audit-find");
    let records = [
        record(0, SignInEvent::SignedIn).about("person/Ann"),
        record(10, SignInEvent::Refused).about("person/Ann"),
        record(20, SignInEvent::Refused),
        record(30, SignInEvent::SignedIn).about("person/bob"),
    ];
    put(store, &acme, &records).await;
    let at = |n: u64| Some(Timestamp::from_millis(AT_MS + n));
    let ann = Some("person/ANN".to_owned());
    let cases: [(AuditPage, &[usize]); 7] = [
        (AuditPage { subject: ann.clone(), ..ALL }, &[1, 0]),
        (AuditPage { event: Some(SignInEvent::Refused), ..ALL }, &[2, 1]),
        (AuditPage { subject: ann.clone(), event: Some(SignInEvent::Refused), ..ALL }, &[1]),
        (AuditPage { since: at(10), ..ALL }, &[3, 2, 1]),
        (AuditPage { until: at(20), ..ALL }, &[1, 0]),
        (AuditPage { since: at(10), until: at(30), ..ALL }, &[2, 1]),
        (AuditPage { subject: ann, until: at(10), ..ALL }, &[0]),
    ];
    for (page, found) in cases {
        let found: Vec<_> = found.iter().map(|n| records[*n].clone()).collect();
        assert_eq!(noted(store, &acme, &page).await, found, "{page:?}");
    }
    let behind = Some(SignInPlace { at_ms: AT_MS + 10, number: 0 });
    assert_eq!(noted(store, &acme, &AuditPage { behind, until: at(30), ..ALL }).await, [records[0].clone()]);
}

async fn tenants_are_apart(store: &dyn SignInAudit) {
    let (one, other) = (tenant("audit-one"), tenant("audit-other"));
    let records = [(one.clone(), record(0, SignInEvent::SignedIn)), (other.clone(), record(1, SignInEvent::Refused))];
    store.note(&records).await.unwrap();
    for (tenant, record) in records {
        assert_eq!(noted(store, &tenant, &ALL).await, [record]);
    }
}

async fn what_is_too_old_goes_first(store: &dyn SignInAudit) {
    let acme = tenant("audit-age");
    // Before all that the other cases have noted.
    let old: Vec<_> =
        (0..5).map(|n| SignInRecord { at: Timestamp::from_millis(n), ..record(0, SignInEvent::Revoked) }).collect();
    put(store, &acme, &old).await;
    let before = Timestamp::from_millis(4);
    assert_eq!(store.forget_before(before, 3).await.unwrap(), 3);
    assert_eq!(noted(store, &acme, &ALL).await, [old[4].clone(), old[3].clone()]);
    assert_eq!(store.forget_before(before, 3).await.unwrap(), 1);
    assert_eq!(store.forget_before(before, 3).await.unwrap(), 0);
    assert_eq!(noted(store, &acme, &ALL).await, [old[4].clone()]);
}
