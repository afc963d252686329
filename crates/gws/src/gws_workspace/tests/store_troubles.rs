//! A store that loses records or does not answer.

use std::sync::atomic::Ordering::SeqCst;

use super::super::reporter::StatisticsReporter;
use super::super::reporting::{OpenedStatistic, SessionReporting, statistics_of};
use super::*;
use crate::sessions::replica::LOOKS_MAX;
use crate::sessions::store::OF_OWNER_MAX;
use crate::test_records::{StoreTrouble, TroubledRecords};

/// Two replicas at one store.
struct TroubledBench {
    clock: Arc<SetClock>,
    records: Arc<TroubledRecords>,
    store: DeskStore,
    one: Arc<Workspace>,
    other: Arc<Workspace>,
}

fn bench() -> TroubledBench {
    let clock = clock();
    let records = TroubledRecords::new(&clock);
    let store = DeskStore::of_test(records.clone());
    let (one, other) = (believing("one.1", &clock, &store), believing("other.1", &clock, &store));
    TroubledBench { clock, records, store, one, other }
}

#[tokio::test]
async fn a_session_whose_record_is_lost_goes_on_and_is_written_again() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    let client = listener(&session).await;
    settle().await;
    bench.records.are_lost();
    let same = bench.one.session(&cookie).await.unwrap();
    settle().await;
    assert!(Arc::ptr_eq(&session, &same) && bench.store.read(&cookie).await.unwrap().is_some());
    bench.records.are_lost();
    bench.clock.advance(Duration::from_secs(121));
    bench.one.on_tick(false);
    settle().await;
    assert!(!session.is_over());
    assert_eq!(subscriptions(&bench.other.session(&cookie).await.unwrap())[0].0, client, "nobody has to ask");
}

#[tokio::test]
async fn a_write_does_not_say_that_somebody_has_looked_whether_the_sign_in_is_revoked() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    let begun = bench.clock.now();
    let checked_at = async || bench.store.read(&cookie).await.unwrap().unwrap().kept.checked_at;
    bench.clock.advance(Duration::from_secs(30));
    listener(&session).await;
    settle().await;
    assert_eq!(bench.store.read(&cookie).await.unwrap().unwrap().kept.desk.hub.clients.len(), 1, "it is written");
    assert_eq!(checked_at().await, begun);
    bench.one.on_tick(true);
    listener(&session).await;
    settle().await;
    assert_eq!(checked_at().await, bench.clock.now());
}

#[tokio::test]
async fn a_session_that_is_over_stays_so_for_whoever_takes_it_over_next() {
    let bench = bench();
    let (_, cookie) = begin(&bench.one, "ann").await;
    bench.clock.advance(UNCHECKED_MAX + Duration::from_secs(1));
    let is_over = |kept: &KeptSession, now: Timestamp| now.since(kept.checked_at) > UNCHECKED_MAX;
    // Whoever has taken it over first is gone before the agent is logged out.
    assert!(bench.other.sessions.taken(&cookie, is_over).await.unwrap().is_over);
    assert_eq!(bench.other.session(&cookie).await.err(), Some(ApiRefusal::without_session()));
}

#[tokio::test]
async fn what_has_ended_elsewhere_is_not_written_again() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    settle().await;
    let moved = bench.other.session(&cookie).await.unwrap();
    settle().await;
    moved.end(DeskEnd::Logout);
    settle().await;
    bench.clock.advance(Duration::from_secs(121));
    bench.one.on_tick(false);
    settle().await;
    assert!(session.is_over() && bench.store.read(&cookie).await.unwrap().is_none());
    assert_eq!(bench.one.parts.metrics.ended.get(SessionEnd::Moved), 1);
    assert!(bench.one.session(&cookie).await.is_err());
}

#[tokio::test]
async fn a_session_too_many_ends_the_one_that_was_used_longest_ago_wherever_it_is() {
    let bench = bench();
    let (first, cookie) = begin(&bench.other, "ann").await;
    settle().await;
    let (of_bob, _) = begin(&bench.one, "bob").await;
    let mut further = Vec::new();
    for _ in 0..OF_OWNER_MAX {
        bench.clock.advance(Duration::from_secs(1));
        further.push(begin(&bench.one, "ann").await.0);
        settle().await;
    }
    assert_eq!(bench.one.parts.metrics.ended.get(SessionEnd::Revoked), 1, "it is not forgotten: it has ended");
    assert!(!first.is_still_held().await && bench.store.read(&cookie).await.unwrap().is_none());
    assert!(further.iter().all(|session| !session.is_over()) && !of_bob.is_over());
    let acme = TenantId::parse("acme").unwrap();
    assert_eq!(bench.store.count_of(&acme, "ann").await, OF_OWNER_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_ended_is_not_found_again_by_a_record_that_could_not_be_ended() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    settle().await;
    bench.records.have(StoreTrouble::Away);
    session.end(DeskEnd::Logout);
    settle().await;
    bench.one.on_tick(true);
    bench.records.have(StoreTrouble::Nothing);
    assert!(bench.store.read(&cookie).await.unwrap().is_some());
    assert_eq!(bench.one.session(&cookie).await.err(), Some(ApiRefusal::without_session()));
    tokio::time::advance(Duration::from_secs(2)).await;
    settle().await;
    assert!(bench.store.read(&cookie).await.unwrap().is_none(), "it is tried again");
    assert_eq!(bench.other.session(&cookie).await.err(), Some(ApiRefusal::without_session()));
}

#[tokio::test]
async fn whoever_takes_a_session_over_while_it_is_written_reads_it_again() {
    let bench = bench();
    let (_, cookie) = begin(&bench.one, "ann").await;
    bench.records.overtaken.store(LOOKS_MAX - 1, SeqCst);
    assert!(bench.other.session(&cookie).await.is_ok());
    assert_eq!(bench.other.parts.metrics.adopted.get(), 1);
    settle().await;
    bench.records.overtaken.store(LOOKS_MAX, SeqCst);
    assert_eq!(bench.one.session(&cookie).await.err().unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_a_desktop_up_once() {
    let bench = bench();
    let (of_ann, anns) = begin(&bench.one, "ann").await;
    let (_, bobs) = begin(&bench.one, "bob").await;
    bench.records.have(StoreTrouble::Hung);
    let began = tokio::time::Instant::now();
    // A handshake and a subscription, each of which is written; then requests.
    listener(&of_ann).await;
    for _ in 0..3 {
        assert!(bench.one.session(&anns).await.is_ok());
    }
    let held_up = began.elapsed();
    assert!(held_up < Duration::from_millis(900), "{held_up:?}");
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        assert!(bench.one.session(&bobs).await.is_ok());
    }
    let held_up = began.elapsed();
    assert!(held_up < Duration::from_millis(900), "{held_up:?}");
    bench.records.have(StoreTrouble::Nothing);
    bench.clock.advance(Duration::from_secs(1));
    bench.one.on_tick(false);
    settle().await;
    assert_eq!(bench.store.read(&anns).await.unwrap().unwrap().kept.desk.hub.clients.len(), 1);
    let moved = bench.other.session(&anns).await.unwrap();
    assert!(!of_ann.is_still_held().await && moved.is_still_held().await, "it is looked at again");
}

fn queue(name: &str) -> Vec<OpenedStatistic> {
    statistics_of(&json!({"statistics": [WantedStatistic::named("Queue", name, "CurrentCallsWaiting").asked("s")]}))
        .unwrap()
}

#[tokio::test]
async fn what_is_open_of_statistics_is_read_once_the_store_answers_and_who_had_the_session_writes_it_no_more() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    let mut before = SessionReporting::default();
    before.open("before".to_owned(), queue("sales"), &ReadStatistics::default()).unwrap();
    let until = bench.one.parts.replica.kept_until(bench.clock.now());
    bench.store.keep_reporting(&cookie, None, before.kept(), until).await.unwrap();
    bench.records.have(StoreTrouble::Away);
    session.adopt_reporting().await;
    session.open_statistics("after".to_owned(), queue("service"), &ReadStatistics::default()).unwrap();
    session.keep_reporting().await;
    assert_eq!(session.subscriptions(), ["after"]);
    bench.records.have(StoreTrouble::Nothing);
    bench.clock.advance(Duration::from_secs(2));
    let parts = &bench.one.parts;
    StatisticsReporter { held: bench.one.sessions.held.clone(), statistics: parts.statistics.clone() }.turn().await;
    assert_eq!(session.subscriptions(), ["after", "before"]);

    let moved = bench.other.session(&cookie).await.unwrap();
    assert_eq!(moved.subscriptions(), ["after", "before"]);
    session.open_statistics("late".to_owned(), queue("late"), &ReadStatistics::default()).unwrap();
    session.keep_reporting().await;
    assert!(session.is_over(), "it sees that another replica has the session");
    assert!(moved.close_statistics("before"));
    moved.keep_reporting().await;
    let third = believing("one.2", &bench.clock, &bench.store);
    assert_eq!(third.session(&cookie).await.unwrap().subscriptions(), ["after"]);
}

#[tokio::test]
async fn what_many_requests_change_while_a_record_is_written_is_one_more_write() {
    let bench = bench();
    let (session, _) = begin(&bench.one, "ann").await;
    let before = bench.records.replaced.load(SeqCst);
    let hello = json!([{
        "id": "1", "channel": "/meta/handshake", "version": "1.0", "supportedConnectionTypes": ["long-polling"],
    }]);
    let sent = (0..5).map(|_| session.bayeux(Batch::read(hello.to_string().as_bytes()).unwrap()).unwrap().1);
    for answered in sent.collect::<Vec<_>>() {
        assert!(answered.await.is_ok());
    }
    assert_eq!(bench.records.replaced.load(SeqCst) - before, 2);
}

#[tokio::test]
async fn a_request_reads_no_record_that_has_not_changed() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    listener(&session).await;
    settle().await;
    let read = bench.records.read.load(SeqCst);
    for _ in 0..5 {
        assert!(Arc::ptr_eq(&session, &bench.one.session(&cookie).await.unwrap()));
    }
    assert_eq!(bench.records.read.load(SeqCst), read);
    let moved = bench.other.session(&cookie).await.unwrap();
    assert!(!session.is_still_held().await && moved.is_still_held().await, "it is seen all the same");
}

#[tokio::test(start_paused = true)]
async fn of_a_session_whose_adoption_is_broken_off_no_dn_stays_followed() {
    let bench = bench();
    let (session, cookie) = begin(&bench.one, "ann").await;
    let activation = desk::ActivateBody::read(&json!({"data": {"dn": "7101"}})).unwrap();
    drop(session.operate(|desk, reply, now| desk.activate(activation, "7101".to_owned(), None, reply, now)));
    settle().await;
    let roles: Arc<AgreeingRoles> = Arc::default();
    let (_, believed) = tokio::sync::watch::channel(Believed::default());
    let tokens = TokenVerifier::new(believed, &[], bench.clock.clone());
    let other = replica_of(roles.clone(), "other.2", &bench.clock, &bench.store, tokens);
    bench.records.beside.store(true, SeqCst);
    assert!(
        tokio::time::timeout(Duration::from_millis(100), other.session(&cookie)).await.is_err(),
        "it is broken off"
    );
    assert!(roles.followed.lock().unwrap().is_empty());
    bench.records.beside.store(false, SeqCst);
    other.session(&cookie).await.unwrap();
    assert_eq!(roles.followed.lock().unwrap().len(), 1);
}
