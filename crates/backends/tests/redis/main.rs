//! The conformance suite of the stores on a real Redis, and cases of Redis alone: lost connections, a restart, wake-ups.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests report by panicking and wait by the clock")]

mod clocks;
mod cluster;
mod configuration;
mod damage;
mod disk;
mod emptied;
mod positions;
mod refusals;
mod sentinel;
mod server;
mod sign_ins;
mod takeovers;
mod tls;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backends::redis::{self, RedisSettings, RedisStores, Unusable};
use backends::sqlite::SqliteProvisioning;
use bytes::Bytes;
use infra::conformance::{self, SetClock};
use infra::embedded::FileLog;
use infra::{
    Binding, CallIndex, CallLedger, CallWrite, Change, Claim, Claimed, Client, Clock, ConfigVersion, Consumed,
    DialogKey, Loaded, OutEntry, Position, Publication, QueueBatch, RegistrationWrite, SessionBatch, SessionId,
    SessionWrite, StoreError, Stores, SystemClock, Written,
};
use model::plan::Contact;
use model::{
    AgentId, CallUuid, ConnId, Dn, Event, EventId, EventName, Owner, Seq, Stamped, Subject, TenantId, Timestamp, Token,
};
use server::Server;

/// The stores of one role in that database of the server; stores that Redis does not provide are embedded.
async fn stores(server: &Server, database: u32, clock: Arc<dyn Clock>) -> (Stores, Arc<RedisStores>) {
    stores_at(&RedisSettings::at(&server.url(database)), &server.folder().join(database.to_string()), clock).await
}

/// The same for any Redis; the embedded stores are in that folder.
async fn stores_at(settings: &RedisSettings, folder: &Path, clock: Arc<dyn Clock>) -> (Stores, Arc<RedisStores>) {
    let redis = Arc::new(RedisStores::open(settings, Client::unwatched("trunkline/test"), clock.clone()).unwrap());
    let reporting = FileLog::open(folder, clock.clone()).unwrap();
    let provisioning = SqliteProvisioning::open(&folder.join("configuration.sqlite")).await.unwrap();
    let stores = Stores::of(redis.clone(), Arc::new(reporting), Arc::new(provisioning), clock);
    (stores, redis)
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn create(call: u64, owner: &Owner) -> CallWrite {
    let subject = Subject::Call(ConnId(call));
    let event = Stamped {
        id: EventId { subject, token: Token(1), seq: Seq(1) },
        tenant: tenant(),
        at: Timestamp::from_millis(1_700_000_000_000),
        trace: Some(CallUuid(u128::from(call))),
        event: Event::new(EventName::Ringing),
    };
    CallWrite {
        tenant: tenant(),
        conn_id: ConnId(call),
        owner: owner.clone(),
        token: Token(1),
        change: Change::Create { state: Bytes::from_static(b"state"), intentions: Bytes::new() },
        due: None,
        index: Vec::new(),
        events: vec![event],
        new_call: None,
        absorbs: None,
    }
}

fn owner() -> Owner {
    "sip-cluster-1.5".parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_does_what_every_implementation_does() {
    let server = Server::start();
    let next = AtomicU32::new(0);
    let fresh = || {
        let database = next.fetch_add(1, Ordering::SeqCst);
        let clock = SetClock::moving(Timestamp::from_millis(1_700_000_000_000), server.ageing(database));
        let made = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(stores(&server, database, clock.clone()))
        });
        (made.0, clock)
    };
    conformance::run(&fresh).await;
    conformance::run_large(&fresh().0).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_of_redis() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let written = stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { position: Some(_) }]), "{written:?}");
    server.kill();
    let away = stores.registrations.ending(Timestamp::default(), 1).await;
    assert!(matches!(away, Err(StoreError::Unavailable { .. })), "{away:?}");
    server.start_again();
    let loaded = until_it_answers(&stores, 7).await;
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "state"), "{loaded:?}");
}

#[tokio::test]
async fn commits_of_calls_wait_while_redis_is_away_and_are_written_in_their_order() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.kill();
    for state in ["second", "third"] {
        let written = stores.calls.commit(vec![save(7, state)]).await.unwrap();
        assert_eq!(written, [Written::Done { position: None }], "the call goes on");
    }
    stores.calls.commit(vec![create(8, &owner())]).await.unwrap();
    server.start_again();
    until_renewed(&stores).await;
    let loaded = stores.calls.load(&tenant(), ConnId(7)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "third"), "{loaded:?}");
    assert!(matches!(stores.calls.load(&tenant(), ConnId(8)).await.unwrap(), Loaded::Live(_)));
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "2");
}

#[tokio::test]
async fn a_commit_that_is_repeated_because_its_answer_was_late_is_done_once() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.freeze();
    // Each attempt times out. Redis reads both commits when it continues; then they are written again.
    let second = CallWrite { events: create(7, &owner()).events, ..save(7, "second") };
    for write in [second, create(8, &owner())] {
        assert_eq!(stores.calls.commit(vec![write]).await.unwrap(), [Written::Done { position: None }]);
    }
    server.go_on();
    until_renewed(&stores).await;
    stores.calls.commit(vec![save(7, "third")]).await.unwrap();
    let loaded = stores.calls.load(&tenant(), ConnId(7)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "third"), "{loaded:?}");
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "3", "each fact stands once");
}

#[tokio::test]
async fn a_batch_that_its_role_repeats_because_nobody_answered_is_done_once() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    // The connection is up, the tenant is announced, and Redis has the script.
    stores.calls.commit(vec![save(9, "nothing is told")]).await.unwrap();
    let session = |number, change| SessionBatch {
        tenant: tenant(),
        owner: "ors-1.5".parse().unwrap(),
        writes: vec![SessionWrite {
            session: SessionId("s1".to_owned()),
            conn_id: Some(ConnId(7)),
            token: Token(1),
            change,
            due: None,
            events: create(7, &owner()).events,
            began_with: None,
        }],
        consumed: None,
        number,
    };
    let (state, intentions) = (Bytes::from_static(b"x"), Bytes::new());
    let begun = Change::Create { state: state.clone(), intentions: intentions.clone() };
    for batch in [session(10, begun), session(11, Change::Save { state, intentions }), session(12, Change::End)] {
        server.freeze();
        let unanswered = stores.sessions.commit(batch.clone()).await;
        assert!(matches!(unanswered, Err(StoreError::Unavailable { .. })), "{unanswered:?}");
        server.go_on();
        assert_eq!(stores.sessions.commit(batch).await.unwrap(), [Written::Done { position: None }]);
    }
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "3", "each fact stands once");
    for major in [5, 7, 6] {
        let consumed = Some(Consumed { view: "ors", position: Position { major, minor: 0 } });
        let read_on = SessionBatch { writes: Vec::new(), consumed, ..session(0, Change::End) };
        stores.sessions.commit(read_on).await.unwrap();
    }
    let read = stores.sessions.consumed(&tenant(), "ors").await.unwrap();
    assert_eq!(read, Position { major: 7, minor: 0 }, "a turn that comes late takes nothing back");
    let rq: Owner = "rq-1.5".parse().unwrap();
    let token = stores.queues.claim(&rq, &tenant(), None).await.unwrap().unwrap().token;
    let turn = |number| QueueBatch {
        tenant: tenant(),
        owner: rq.clone(),
        token,
        requests: Vec::new(),
        reservations: Vec::new(),
        state: None,
        events: create(7, &owner()).events,
        consumed: None,
        number,
    };
    stores.queues.commit(turn(10)).await.unwrap();
    server.freeze();
    stores.queues.commit(turn(11)).await.unwrap_err();
    server.go_on();
    assert_eq!(stores.queues.commit(turn(11)).await.unwrap(), Written::Done { position: None });
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "5");
}

#[tokio::test]
async fn what_waits_for_an_emptied_redis_keeps_its_facts() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    server.kill();
    server.empty();
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.start_again();
    until_renewed(&stores).await;
    assert!(matches!(stores.calls.load(&tenant(), ConnId(7)).await.unwrap(), Loaded::Live(_)));
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "1");
}

#[tokio::test]
async fn a_call_that_ended_while_redis_was_away_and_came_back_empty_keeps_its_facts() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.kill();
    server.empty();
    let fact = || create(7, &owner()).events;
    let save = CallWrite { events: fact(), ..save(7, "second") };
    let end = CallWrite { change: Change::End, events: fact(), ..create(7, &owner()) };
    for write in [save, end] {
        assert_eq!(stores.calls.commit(vec![write]).await.unwrap(), [Written::Done { position: None }]);
    }
    server.start_again();
    until_renewed(&stores).await;
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "3");
    assert_eq!(stores.calls.load(&tenant(), ConnId(7)).await.unwrap(), Loaded::Ended);
    assert_eq!(server.cli(&["HLEN", "owners:{acme}:call"]).trim(), "0", "nobody owns it");
}

#[tokio::test]
async fn a_phone_that_an_emptied_redis_has_lost_is_not_called_unregistered() {
    let mut server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (registrar, _) = stores(&server, 0, clock.clone()).await;
    let (dialplan, _) = self::stores(&server, 0, clock).await;
    let dn = Dn::parse("7101").unwrap();
    let binding = Binding {
        contact: Contact::new("sip:7101@192.0.2.7".to_owned(), Vec::new()),
        call_id: "c".to_owned(),
        cseq: 1,
        refreshed_at: Timestamp::default(),
        expires_at: Timestamp::from_millis(4_000_000_000_000),
        q: 1_000,
        user_agent: None,
        instance: None,
        reg_id: None,
    };
    let (tenant, bindings, events) = (tenant(), vec![binding], create(7, &owner()).events);
    let write = RegistrationWrite { tenant: tenant.clone(), dn: dn.clone(), expected: 0, bindings, events };
    registrar.registrations.commit(vec![write]).await.unwrap();
    assert_eq!(dialplan.registrations.load(&tenant, &dn).await.unwrap().bindings.len(), 1);
    registrar.registrations.ending(Timestamp::default(), 1).await.unwrap();
    server.kill();
    server.empty();
    server.start_again();
    let found = async |is_mended: bool| {
        loop {
            match dialplan.registrations.load(&tenant, &dn).await {
                Ok(registration) => return registration.bindings.len(),
                Err(StoreError::Unavailable { reason }) if !is_mended && reason.contains("empty") => return 0,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), found(false)).await, Ok(0), "nobody knows yet");
    let mended = async { while registrar.registrations.ending(Timestamp::default(), 1).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), mended).await.unwrap();
    assert_eq!(tokio::time::timeout(Duration::from_secs(30), found(true)).await, Ok(1));
    let again = registrar.registrations.load(&tenant, &dn).await.unwrap();
    assert_eq!((again.version, again.events), (1, 1), "its facts are numbered on");
}

#[tokio::test]
async fn calls_go_on_while_redis_has_no_room_and_none_begins() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    assert!(stores.calls.has_room());
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let fact = || create(7, &owner()).events;
    let waits = CallWrite { events: fact(), ..save(7, "later") };
    assert_eq!(stores.calls.commit(vec![waits]).await.unwrap(), [Written::Done { position: None }]);
    assert!(!stores.calls.has_room());
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "1", "what was there before");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    until_renewed(&stores).await;
    assert!(stores.calls.has_room());
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "2");
    let Loaded::Live(record) = stores.calls.load(&tenant(), ConnId(7)).await.unwrap() else { panic!("it is there") };
    assert_eq!(record.state, "later");
}

#[tokio::test]
async fn a_call_that_ended_before_its_process_died_and_redis_was_emptied_keeps_its_facts() {
    let mut server = Server::start();
    let folder = server.folder().join("waiting");
    let life = |url: &str| {
        let client = Client::unwatched("trunkline/sip-cluster-1/voice-41");
        let opened = RedisStores::open(&RedisSettings::at(url), client, Arc::new(SystemClock::start())).unwrap();
        opened.keeping_in(&folder, "sip-cluster-1").unwrap()
    };
    let first = life(&server.url(0));
    CallLedger::commit(&first, vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    server.kill();
    server.empty();
    let fact = || create(7, &owner()).events;
    let end = CallWrite { change: Change::End, events: fact(), ..create(7, &owner()) };
    let save = CallWrite { events: fact(), ..save(8, "goes on") };
    CallLedger::commit(&first, vec![save, end]).await.unwrap();
    drop(first);
    server.start_again();
    let by: Owner = "sip-cluster-1.6".parse().unwrap();
    let claim = Claim { tenant: tenant(), key: ConnId(8), seen: None };
    let claimed = CallLedger::claim(&life(&server.url(0)), &by, vec![claim]).await.unwrap();
    assert!(matches!(&claimed[..], [Claimed::Yours(record)] if record.state == "goes on"), "{claimed:?}");
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "2");
}

#[tokio::test]
async fn a_call_that_was_lost_and_claimed_again_is_written() {
    let mut server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (stores, _) = stores(&server, 0, clock.clone()).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.kill();
    stores.calls.commit(vec![save(7, "late")]).await.unwrap();
    server.start_again();
    let (other, _) = self::stores(&server, 0, clock).await;
    until_it_answers(&other, 7).await;
    let successor: Owner = "sip-cluster-2.6".parse().unwrap();
    let claim = Claim { tenant: tenant(), key: ConnId(7), seen: None };
    other.calls.claim(&successor, vec![claim.clone()]).await.unwrap();
    until_renewed(&stores).await;
    let claimed = async {
        loop {
            // For some seconds, claims wait for the owners.
            match stores.calls.claim(&owner(), vec![claim.clone()]).await {
                Ok(claimed) => return claimed,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let claimed = tokio::time::timeout(Duration::from_secs(30), claimed).await.unwrap();
    assert!(matches!(&claimed[..], [Claimed::Yours(record)] if record.token == Token(3)), "{claimed:?}");
    let written = stores.calls.commit(vec![CallWrite { token: Token(3), ..save(7, "again") }]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
}

#[tokio::test]
async fn who_asks_for_a_proof_hears_who_owns_a_call_and_not_that_its_commit_waits() {
    let mut server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (stores, _) = stores(&server, 0, clock.clone()).await;
    let calls: Vec<CallWrite> = (0..450).map(|call| create(call, &owner())).collect();
    stores.calls.commit(calls).await.unwrap();
    let (other, _) = self::stores(&server, 0, clock).await;
    let successor: Owner = "sip-cluster-2.6".parse().unwrap();
    let claim = Claim { tenant: tenant(), key: ConnId(7), seen: None };
    other.calls.claim(&successor, vec![claim]).await.unwrap();
    server.kill();
    let in_doubt = (0..450).map(|call| save(call, "goes on")).collect();
    let proof = stores.calls.confirm(in_doubt);
    let server_is_back = async {
        // A commit of another call waits during that time, and is done.
        let written = stores.calls.commit(vec![create(1_000, &owner())]).await.unwrap();
        assert_eq!(written, [Written::Done { position: None }]);
        server.start_again();
        server.cli(&["CONFIG", "RESETSTAT"]);
    };
    let (answers, ()) = tokio::join!(proof, server_is_back);
    let answers = answers.unwrap();
    assert!(matches!(&answers[7], Written::Fenced { owner, .. } if *owner == successor), "{:?}", answers[7]);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Written::Done { .. })).count(), 449);
    let scripts = server.cli(&["INFO", "commandstats"]);
    let scripts = scripts.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default().to_owned();
    let count = scripts.split(['=', ',']).nth(1).and_then(|count| count.parse::<u32>().ok());
    assert!(count.is_some_and(|count| count >= 3), "no script has all of them: {scripts}");
}

#[tokio::test]
async fn what_an_emptied_redis_does_not_know_is_not_said_to_be_unknown() {
    let server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (owner_of, _) = stores(&server, 0, clock.clone()).await;
    let (asker, _) = stores(&server, 0, clock).await;
    until_renewed(&owner_of).await;
    until_renewed(&asker).await;
    owner_of.calls.commit(vec![create(7, &owner())]).await.unwrap();
    assert_eq!(asker.calls.load(&tenant(), ConnId(8)).await.unwrap(), Loaded::Unknown);
    server.cli(&["FLUSHALL"]);
    for call in [7, 8] {
        let asked = asker.calls.load(&tenant(), ConnId(call)).await;
        assert!(matches!(asked, Err(StoreError::Unavailable { .. })), "{asked:?}");
    }
    asker.queues.load(&tenant()).await.unwrap_err();
    until_renewed(&owner_of).await;
    assert!(matches!(asker.calls.load(&tenant(), ConnId(7)).await.unwrap(), Loaded::Live(_)));
    asker.calls.load(&tenant(), ConnId(8)).await.unwrap_err();
}

#[tokio::test]
async fn a_call_that_was_given_away_is_no_longer_the_givers_when_redis_comes_back_empty() {
    let server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (giver, _) = stores(&server, 0, clock.clone()).await;
    let (other, _) = stores(&server, 0, clock).await;
    until_renewed(&giver).await;
    giver.calls.commit(vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    let to: Owner = "sip-cluster-2.6".parse().unwrap();
    let claim = Claim { tenant: tenant(), key: ConnId(7), seen: Some(Token(1)) };
    let given = giver.calls.claim(&to, vec![claim]).await.unwrap();
    assert!(matches!(given[..], [Claimed::Yours(_)]), "{given:?}");
    server.cli(&["FLUSHALL"]);
    until_renewed(&giver).await;
    assert!(matches!(other.calls.load(&tenant(), ConnId(8)).await, Ok(Loaded::Live(_))), "what it has kept is back");
    let loaded = other.calls.load(&tenant(), ConnId(7)).await;
    assert!(!matches!(loaded, Ok(Loaded::Live(_))), "{loaded:?}");
}

#[tokio::test]
async fn a_call_that_ended_while_redis_was_away_does_not_come_back_to_its_owner() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.kill();
    stores.calls.commit(vec![CallWrite { change: Change::End, ..save(7, "") }]).await.unwrap();
    server.start_again();
    let own = answered(async || stores.calls.orphans(&tenant(), &owner(), 10).await).await;
    assert_eq!(own, [], "its end waited here");
}

#[tokio::test]
async fn a_call_that_ended_while_its_node_stood_still_does_not_come_back() {
    let server = Server::start();
    let clock = SetClock::at(Timestamp::from_millis(1_700_000_000_000));
    let (stopped, _) = stores(&server, 0, clock.clone()).await;
    stopped.calls.commit(vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    // Others have taken it over and ended it; by now the tombstone is gone too.
    server.cli(&["DEL", "call:{acme}:0000000000000007"]);
    clock.advance(infra::bounds::TOMBSTONE);
    assert_eq!(stopped.calls.confirm(vec![save(7, "again")]).await.unwrap(), [Written::Unknown]);
    assert_eq!(stopped.calls.commit(vec![save(7, "again")]).await.unwrap(), [Written::Unknown]);
    // If a record was lost with all of Redis's data, its owner knows that.
    server.cli(&["FLUSHALL"]);
    clock.advance(Duration::from_millis(1));
    let written = stopped.calls.commit(vec![save(8, "goes on")]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
    assert!(matches!(stopped.calls.load(&tenant(), ConnId(8)).await.unwrap(), Loaded::Live(_)));
}

#[tokio::test]
async fn what_may_wait_elsewhere_for_redis_is_not_said_to_be_unknown() {
    let mut server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (owner_of, _) = stores(&server, 0, clock.clone()).await;
    let (asker, _) = stores(&server, 0, clock).await;
    server.kill();
    owner_of.calls.commit(vec![create(7, &owner())]).await.unwrap();
    asker.leases.renew(&owner(), "sip-cluster", Duration::from_secs(2)).await.unwrap_err();
    // Long enough for leases to expire.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    server.start_again();
    until_renewed(&asker).await;
    let asked = asker.calls.load(&tenant(), ConnId(7)).await;
    assert!(matches!(asked, Err(StoreError::Unavailable { .. })), "{asked:?}");
    let key = CallIndex::Invite(DialogKey { call_id: "a".to_owned(), from_tag: "b".to_owned() });
    asker.calls.lookup(&tenant(), &key).await.unwrap_err();
    until_renewed(&owner_of).await;
    assert!(matches!(asker.calls.load(&tenant(), ConnId(7)).await.unwrap(), Loaded::Live(_)));
}

#[tokio::test]
async fn what_waited_when_its_process_died_is_handed_in_by_the_next_life() {
    let mut server = Server::start();
    let folder = server.folder().join("waiting");
    let life = |url: &str| {
        let client = Client::unwatched("trunkline/sip-cluster-1/voice-41");
        let opened = RedisStores::open(&RedisSettings::at(url), client, Arc::new(SystemClock::start())).unwrap();
        opened.keeping_in(&folder, "sip-cluster-1").unwrap()
    };
    let url = server.url(0);
    let first = life(&url);
    CallLedger::commit(&first, vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    server.kill();
    let with_fact = CallWrite { events: create(7, &owner()).events, ..save(7, "waited") };
    CallLedger::commit(&first, vec![with_fact, save(8, "waited too")]).await.unwrap();
    drop(first);
    server.start_again();
    // Call 8 has been taken over in between.
    let (successor, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let claim = |call: u64| Claim { tenant: tenant(), key: ConnId(call), seen: None };
    let by: Owner = "sip-cluster-2.9".parse().unwrap();
    successor.calls.claim(&by, vec![claim(8)]).await.unwrap();
    let second = life(&url);
    let by: Owner = "sip-cluster-1.6".parse().unwrap();
    let claimed = CallLedger::claim(&second, &by, vec![claim(7)]).await.unwrap();
    assert!(matches!(&claimed[..], [Claimed::Yours(record)] if record.state == "waited"), "{claimed:?}");
    let loaded = successor.calls.load(&tenant(), ConnId(8)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "state"), "its successor is right: {loaded:?}");
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "3");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing waits any more");
}

#[tokio::test]
async fn an_owner_gives_an_emptied_redis_its_records_again() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    stores.calls.commit(vec![save(7, "second")]).await.unwrap();
    server.kill();
    server.empty();
    server.start_again();
    until_renewed(&stores).await;
    let loaded = stores.calls.load(&tenant(), ConnId(7)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "second"), "{loaded:?}");
    // Emptied without notice: the next write detects it.
    server.cli(&["FLUSHALL"]);
    let written = stores.calls.commit(vec![save(7, "third")]).await.unwrap();
    assert!(matches!(written[..], [Written::Done { .. }]), "{written:?}");
}

#[tokio::test]
async fn the_facts_of_the_last_moments_are_told_again_to_an_emptied_redis() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    let saves = CallWrite { events: fact(7, 2), ..save(7, "second") };
    let ends = CallWrite { change: Change::End, events: fact(8, 2), ..create(8, &owner()) };
    stores.calls.commit(vec![saves, ends]).await.unwrap();
    stores.events.read(&tenant(), Position::START, 100, Duration::ZERO).await.unwrap();
    // Emptied without notice: the next write of a call detects it, and its facts are published before the new one.
    server.cli(&["FLUSHALL"]);
    let third = CallWrite { events: fact(7, 3), ..save(7, "third") };
    stores.calls.commit(vec![third]).await.unwrap();
    assert_eq!(out(&stores).await, ["7/1", "7/2", "7/3"]);
    assert_eq!(stores.events.read(&tenant(), Position::START, 100, Duration::ZERO).await.unwrap().len(), 1);
    until_renewed(&stores).await;
    assert_eq!(out(&stores).await, ["7/1", "7/2", "7/3", "8/1", "8/2"]);
    // However long the outage was: no facts were published in between.
    server.kill();
    server.empty();
    server.start_again();
    until_renewed(&stores).await;
    assert_eq!(out(&stores).await, ["7/1", "7/2", "7/3", "8/1", "8/2"]);
    let heard = stores.events.read(&tenant(), Position::START, 100, Duration::ZERO).await.unwrap();
    assert!(heard.is_empty(), "who follows the stream has received them: {heard:?}");
}

#[tokio::test]
async fn a_reader_receives_the_facts_that_an_emptied_redis_has_lost_before_it_had_read_them() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let read = stores.events.read(&tenant(), Position::START, 100, Duration::ZERO).await.unwrap();
    let position = read.last().unwrap().position;
    stores.calls.commit(vec![CallWrite { events: fact(7, 2), ..save(7, "second") }]).await.unwrap();
    server.cli(&["FLUSHALL"]);
    let acme = tenant();
    let following = stores.events.read(&acme, position, 100, Duration::from_secs(10));
    let (following, ()) = tokio::join!(following, until_renewed(&stores));
    let following = following.unwrap();
    let numbers: Vec<u64> = following.iter().map(|entry| entry.event.id.seq.0).collect();
    assert_eq!(numbers, [2], "the first was received before");
    assert_eq!(following[0].owner, Some(owner()));
}

#[tokio::test]
async fn an_emptied_redis_is_told_again_whose_records_and_configuration_it_has() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let publication = |generation| Publication {
        tenant: tenant(),
        version: ConfigVersion { generation, revision: 1 },
        base: None,
        documents: Vec::new(),
    };
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    stores.configuration.publish(publication(1)).await.unwrap();
    // Emptied without notice, with the connection left as it is.
    server.cli(&["FLUSHALL"]);
    stores.configuration.publish(publication(2)).await.unwrap();
    let configured = stores.configuration.tenants().await.unwrap();
    assert_eq!(configured, [(tenant(), ConfigVersion { generation: 2, revision: 1 })]);
    until_renewed(&stores).await;
    stores.calls.commit(vec![CallWrite { events: fact(7, 2), ..save(7, "second") }]).await.unwrap();
    assert_eq!(stores.outbox.tenants().await.unwrap(), [tenant()], "its facts are found by who exports them");
}

/// A fact of a call.
fn fact(call: u64, seq: u64) -> Vec<Stamped> {
    let mut events = create(call, &owner()).events;
    events.iter_mut().for_each(|event| event.id.seq = Seq(seq));
    events
}

async fn out_entries(stores: &Stores) -> Vec<OutEntry> {
    stores.events.read_out(&tenant(), Position::START, 100).await.unwrap()
}

/// The facts of calls that go into the reporting log, by call and number, in their order for each call, the first of each identity.
async fn out(stores: &Stores) -> Vec<String> {
    let entries = out_entries(stores).await;
    let mut told: Vec<_> = entries.iter().map(|out| &out.entry.event.id).collect();
    told.sort_by(|a, b| a.subject.cmp(&b.subject));
    let text = |id: &&EventId| match id.subject {
        Subject::Call(call) => format!("{}/{}", call.0, id.seq.0),
        _ => id.subject.to_string(),
    };
    let mut seen = BTreeSet::new();
    told.iter().map(text).filter(|id| seen.insert(id.clone())).collect()
}

#[tokio::test]
async fn what_another_owner_has_taken_meanwhile_is_not_written_over_and_what_was_told_is_a_correction() {
    let mut server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let (stores, _) = stores(&server, 0, clock.clone()).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.kill();
    stores.calls.commit(vec![CallWrite { events: fact(7, 2), ..save(7, "late") }]).await.unwrap();
    server.start_again();
    // Another node, which has not seen the outage, claims before the owner has written.
    let (other, _) = self::stores(&server, 0, clock).await;
    until_it_answers(&other, 7).await;
    let successor: Owner = "sip-cluster-2.6".parse().unwrap();
    let claim = infra::Claim { tenant: tenant(), key: ConnId(7), seen: None };
    other.calls.claim(&successor, vec![claim]).await.unwrap();
    until_renewed(&stores).await;
    let written = stores.calls.commit(vec![save(7, "later")]).await.unwrap();
    assert!(matches!(&written[..], [Written::Fenced { owner, .. }] if *owner == successor), "{written:?}");
    let loaded = stores.calls.load(&tenant(), ConnId(7)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "state"), "{loaded:?}");
    let told = out_entries(&stores).await;
    let told: Vec<_> = told.iter().map(|out| (out.entry.event.id.seq.0, out.is_correction)).collect();
    assert_eq!(told, [(1, false), (2, true)]);
    let heard = stores.events.read(&tenant(), Position::START, 100, Duration::ZERO).await.unwrap();
    assert_eq!(heard.len(), 1, "only the reporting log is told");
}

#[tokio::test]
async fn a_connection_that_was_made_again_has_its_name_again() {
    let mut server = Server::start();
    let (stores, redis) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    redis.ping().await.unwrap();
    server.kill();
    server.start_again();
    until_it_answers(&stores, 7).await;
    assert!(server.cli(&["CLIENT", "LIST"]).contains("name=trunkline/test "));
}

#[tokio::test]
async fn a_server_with_a_password_tells_what_is_wrong_and_what_is_dangerous() {
    let server =
        Server::start_with(&["--requirepass", "geheim", "--appendonly", "no", "--maxmemory-policy", "allkeys-lru"]);
    let refused = redis::examine(&RedisSettings::at(&server.url(0))).await;
    assert!(matches!(&refused, Err(Unusable::Wrong(why)) if why.contains("password")), "{refused:?}");
    let settings = RedisSettings::at(&server.url(0).replace("redis://", "redis://:geheim@"));
    assert!(!format!("{settings:?}").contains("geheim"));
    let examined = redis::examine(&settings).await.unwrap();
    assert_eq!(examined.warnings.len(), 2, "{examined:?}");
    let away = redis::examine(&RedisSettings::at("redis://127.253.0.1:1")).await;
    assert!(matches!(away, Err(Unusable::Away(_))), "{away:?}");
}

fn save(call: u64, state: &'static str) -> CallWrite {
    let change = Change::Save { state: Bytes::from_static(state.as_bytes()), intentions: Bytes::new() };
    CallWrite { change, events: Vec::new(), ..create(call, &owner()) }
}

/// Renews a lease until Redis answers again, as an owner does all the time.
async fn until_renewed(stores: &Stores) {
    let renewed = async {
        while stores.leases.renew(&owner(), "sip-cluster", Duration::from_secs(2)).await.is_err() {
            tokio::task::yield_now().await;
        }
        // An attempt that came too early is repeated a moment later.
        tokio::time::sleep(Duration::from_millis(300)).await;
        stores.leases.renew(&owner(), "sip-cluster", Duration::from_secs(2)).await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
}

#[tokio::test]
async fn an_emptied_redis_lists_its_tenants_again_with_the_next_write() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    assert_eq!(stores.outbox.tenants().await.unwrap(), [tenant()]);
    server.kill();
    server.empty();
    server.start_again();
    assert_eq!(until_it_answers(&stores, 7).await, Loaded::Unknown);
    stores.calls.commit(vec![create(9, &owner())]).await.unwrap();
    assert_eq!(stores.outbox.tenants().await.unwrap(), [tenant()]);
}

#[tokio::test]
async fn a_reader_in_another_process_is_woken() {
    let server = Server::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let ((reader, _), (writer, _)) = (stores(&server, 0, clock.clone()).await, stores(&server, 0, clock).await);
    let tenant = tenant();
    let reading = reader.events.read(&tenant, Position::START, 10, Duration::from_secs(20));
    let writing = async {
        // The reader has queried once before this commit: it gets the entry by a wake-up or by another query.
        reader.events.end(&tenant).await.unwrap();
        writer.calls.commit(vec![create(7, &owner())]).await.unwrap()
    };
    let (entries, _) = tokio::join!(reading, writing);
    assert_eq!(entries.unwrap().len(), 1);
}

#[tokio::test]
async fn a_registration_that_cannot_be_read_is_over_and_hides_no_other() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let dn = |number: &str| Dn::parse(number).unwrap();
    let ends = Timestamp::from_millis(4_000_000_000_000);
    let write = |number: &str, expected, expires_at: Option<Timestamp>| {
        let binding = |expires_at| Binding {
            contact: Contact::new(format!("sip:{number}@192.0.2.7"), Vec::new()),
            call_id: "c".to_owned(),
            cseq: 1,
            refreshed_at: Timestamp::default(),
            expires_at,
            q: 1_000,
            user_agent: None,
            instance: None,
            reg_id: None,
        };
        let bindings = expires_at.into_iter().map(binding).collect();
        RegistrationWrite { tenant: tenant(), dn: dn(number), expected, bindings, events: Vec::new() }
    };
    stores.registrations.commit(vec![write("7101", 0, Some(ends)), write("7102", 0, Some(ends))]).await.unwrap();
    server.cli(&["HSET", "reg:{acme}:7101", "b", "no record"]);
    for set in ["regs:{acme}", "regends:{acme}"] {
        server.cli(&["ZADD", set, "0", "no\nDN"]);
    }

    let both = [(tenant(), dn("7101")), (tenant(), dn("7102"))];
    assert_eq!(stores.registrations.ending(ends, 2).await.unwrap().len(), 1, "one place was that of the name");
    assert_eq!(stores.registrations.ending(ends, 2).await.unwrap(), both);
    let listed = stores.registrations.list(&tenant(), None, 9).await.unwrap();
    assert_eq!(
        listed.iter().map(|(_, held)| (held.version, held.bindings.len())).collect::<Vec<_>>(),
        [(1, 1), (1, 1)]
    );
    let damaged = stores.registrations.load(&tenant(), &dn("7101")).await.unwrap();
    assert_eq!(damaged.bindings[0].expires_at, Timestamp::ZERO, "it is over");
    let written = stores.registrations.commit(vec![write("7101", damaged.version, Some(ends))]).await.unwrap();
    assert_eq!(written, [infra::RegistrationWritten::Done(2)]);
    let anew = stores.registrations.load(&tenant(), &dn("7101")).await.unwrap();
    assert_eq!(anew.bindings[0].expires_at, ends);
}

#[tokio::test]
async fn connections_are_named_for_whoever_looks_at_redis() {
    let server = Server::start();
    let (_, redis) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    redis.ping().await.unwrap();
    assert!(server.cli(&["CLIENT", "LIST"]).contains("name=trunkline/test "));
}

#[tokio::test]
async fn the_record_and_the_stream_can_be_read_with_redis_cli() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let key = format!("call:{{acme}}:{}", ConnId(7));
    assert_eq!(server.cli(&["HGET", &key, "o"]).trim(), "sip-cluster-1.5");
    assert_eq!(server.cli(&["HGET", &key, "s"]).trim(), "state");
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "1");
}

#[tokio::test]
async fn facts_of_a_later_release_hold_no_reader_up() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    for _ in 0..3 {
        server.cli(&["XADD", "ev:{acme}", "*", "e", "not known here"]);
    }
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    let entries = stores.events.read(&tenant(), Position::START, 1, Duration::ZERO).await.unwrap();
    assert_eq!(entries.len(), 1);
}

/// Loads a call until Redis answers again.
async fn until_it_answers(stores: &Stores, call: u64) -> Loaded<ConnId> {
    answered(async || stores.calls.load(&tenant(), ConnId(call)).await).await
}

/// Repeats a query until Redis is available.
async fn answered<T>(ask: impl AsyncFn() -> infra::Result<T>) -> T {
    let asked = async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(StoreError::Unavailable { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked).await.unwrap()
}
