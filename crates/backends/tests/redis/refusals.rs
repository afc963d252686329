//! A refused write or a damaged record costs itself alone, not its neighbours, the tenant or the role.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use infra::{
    CallWrite, Change, Claim, Claimed, Consumed, Loaded, NewCall, Position, QueueBatch, Refusal, StoreError,
    SystemClock, Written, bounds,
};
use model::{CallUuid, ConnId, Owner, TenantId, Timestamp, Token};

use super::server::Server;
use super::{create, owner, save, stores, tenant, until_renewed};

fn done(written: &[Written]) -> Vec<bool> {
    written.iter().map(|written| matches!(written, Written::Done { .. })).collect()
}

#[tokio::test]
async fn a_record_that_redis_holds_as_something_else_costs_that_one() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner()), create(9, &owner())]).await.unwrap();
    server.cli(&["SET", &format!("call:{{acme}}:{}", ConnId(8)), "damaged"]);
    let batch = || vec![save(7, "second"), create(8, &owner()), save(9, "second")];
    let written = stores.calls.commit(batch()).await.unwrap();
    assert_eq!(done(&written), [true, false, true], "{written:?}");
    assert!(matches!(&written[1], Written::Refused(Refusal::Invalid(_))), "{written:?}");
    for call in [7, 9] {
        let loaded = stores.calls.load(&tenant(), ConnId(call)).await.unwrap();
        assert!(matches!(&loaded, Loaded::Live(record) if record.state == "second"), "{loaded:?}");
    }
    assert!(stores.calls.has_room(), "Redis is there");
    let written = stores.calls.confirm(batch()).await.unwrap();
    assert_eq!(done(&written), [true, false, true], "{written:?}");
}

#[tokio::test]
async fn a_tenant_whose_facts_or_calls_nobody_takes_begins_no_call_and_keeps_those_that_it_has() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    stores.calls.commit(vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    let other = TenantId::parse("other").unwrap();
    let fact = |call| create(call, &owner()).events;
    for bytes in [bounds::STREAM_BYTES_HARD, 2 * bounds::STREAM_BYTES_HARD] {
        server.cli(&["HSET", "evmeta:{acme}", "bytes", &bytes.to_string()]);
        let batch = vec![
            create(9, &owner()),
            CallWrite { events: fact(7), ..save(7, "goes on") },
            save(8, "without a fact"),
            CallWrite { tenant: other.clone(), ..create(bytes as u64, &owner()) },
        ];
        let written = stores.calls.commit(batch).await.unwrap();
        assert_eq!(done(&written), [false, true, true, true], "{written:?}");
        assert!(matches!(&written[0], Written::Refused(Refusal::NoRoom { .. })), "{written:?}");
        assert!(stores.calls.has_room(), "other tenants have room");
    }
    server.cli(&["HSET", "evmeta:{acme}", "bytes", "0"]);
    let script = format!("for i = 1, {} do redis.call('XADD', KEYS[1], '*', 'b', '') end", bounds::NEW_CALLS_MAX);
    server.cli(&["EVAL", &script, "1", "newcalls:{acme}"]);
    let at_point = |write: CallWrite| {
        let (conn_id, at, body) = (write.conn_id, Timestamp::from_millis(1_700_000_000_000), Bytes::new());
        CallWrite { new_call: Some(NewCall { conn_id, trace: CallUuid(9), at, body }), ..write }
    };
    let written =
        stores.calls.commit(vec![at_point(create(10, &owner())), at_point(save(8, "transferred"))]).await.unwrap();
    assert_eq!(done(&written), [false, true], "{written:?}");
    let end = CallWrite { change: Change::End, ..create(7, &owner()) };
    assert_eq!(done(&stores.calls.commit(vec![end]).await.unwrap()), [true]);
    assert_eq!(stores.calls.load(&tenant(), ConnId(7)).await.unwrap(), Loaded::Ended);
}

#[tokio::test]
async fn calls_go_on_when_more_commits_wait_for_redis_than_are_kept() {
    let mut server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let calls = 0..300_u64;
    stores.calls.commit(calls.clone().map(|call| create(call, &owner())).collect()).await.unwrap();
    server.kill();
    // More than may wait in memory, which these calls share.
    let state = Bytes::from(vec![b'x'; bounds::STATE_MAX]);
    let large = |call| {
        let change = Change::Save { state: state.clone(), intentions: Bytes::new() };
        CallWrite { change, ..save(call, "") }
    };
    let written = stores.calls.commit(calls.clone().map(large).collect()).await.unwrap();
    assert!(written.iter().all(|written| matches!(written, Written::Done { .. })), "{written:?}");
    assert!(!stores.calls.has_room(), "none begins");
    let end = CallWrite { change: Change::End, ..create(1, &owner()) };
    let batch = vec![save(0, "last"), create(1_000, &owner()), save(299, "last"), end];
    let written = stores.calls.commit(batch).await.unwrap();
    assert_eq!(done(&written), [true, false, true, true], "{written:?}");
    assert!(matches!(&written[1], Written::Refused(Refusal::NoRoom { .. })), "{written:?}");
    server.start_again();
    let handed_in = async {
        while !stores.calls.has_room() {
            until_renewed(&stores).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), handed_in).await.unwrap();
    for call in [0, 299] {
        let loaded = stores.calls.load(&tenant(), ConnId(call)).await.unwrap();
        assert!(matches!(&loaded, Loaded::Live(record) if record.state == "last"), "call {call}");
    }
    assert_eq!(stores.calls.load(&tenant(), ConnId(1)).await.unwrap(), Loaded::Ended);
    assert_eq!(done(&stores.calls.commit(vec![create(1_000, &owner())]).await.unwrap()), [true]);
}

#[tokio::test]
async fn a_turn_of_rq_that_removes_is_done_though_redis_has_no_room() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let rq: Owner = "rq-1.5".parse().unwrap();
    let token = stores.queues.claim(&rq, &tenant(), None).await.unwrap().unwrap().token;
    let body = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let turn = |requests: Vec<(&str, Option<Bytes>)>, state| QueueBatch {
        tenant: tenant(),
        owner: rq.clone(),
        token,
        requests: requests.into_iter().map(|(id, body)| (id.to_owned(), body)).collect(),
        reservations: Vec::new(),
        state,
        events: create(7, &owner()).events,
        consumed: Some(Consumed { view: "rq", position: Position::START }),
        number: 0,
    };
    let written = stores.queues.commit(turn(vec![("a", body("x")), ("b", body("x"))], body("s"))).await.unwrap();
    assert!(matches!(written, Written::Done { .. }), "{written:?}");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = stores.queues.commit(turn(vec![("c", body("x"))], None)).await;
    assert!(matches!(refused, Err(StoreError::Full { .. })), "{refused:?}");
    let written = stores.queues.commit(turn(vec![("a", body("y")), ("b", None)], body("t"))).await.unwrap();
    assert!(matches!(written, Written::Done { .. }), "{written:?}");
    let queues = stores.queues.load(&tenant()).await.unwrap().unwrap();
    assert_eq!((&queues.state[..], queues.requests), (&b"t"[..], vec![("a".to_owned(), Bytes::from_static(b"y"))]));
}

#[tokio::test]
async fn a_redis_without_room_keeps_leases_lets_calls_be_taken_over_and_gets_room_by_what_is_exported() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner()), create(8, &owner())]).await.unwrap();
    let (rq, successor): (Owner, Owner) = ("rq-1.5".parse().unwrap(), "sip-cluster-2.6".parse().unwrap());
    let first = stores.queues.claim(&rq, &tenant(), None).await.unwrap().unwrap().token;
    stores.threads.claim(&rq, &tenant(), "call-state").await.unwrap();
    let job = stores.leases.take_job("sweep", &owner(), bounds::LEASE).await.unwrap().unwrap();
    let export = stores.outbox.take(&tenant(), &owner(), bounds::LEASE).await.unwrap().unwrap();
    server.cli(&["HSET", "evmeta:{acme}", "bytes", &bounds::STREAM_BYTES_HARD.to_string()]);
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..3 {
        stores.leases.renew(&owner(), "sip-cluster", bounds::LEASE).await.unwrap();
        assert_eq!(stores.leases.take_job("sweep", &owner(), bounds::LEASE).await.unwrap(), Some(job));
        assert_eq!(stores.outbox.take(&tenant(), &owner(), bounds::LEASE).await.unwrap(), Some(export.clone()));
    }
    let claim = Claim { tenant: tenant(), key: ConnId(7), seen: Some(Token(1)) };
    let claimed = stores.calls.claim(&successor, vec![claim]).await.unwrap();
    assert!(matches!(&claimed[..], [Claimed::Yours(record)] if record.owner == successor), "{claimed:?}");
    let second = stores.queues.claim(&rq, &tenant(), None).await.unwrap().unwrap().token;
    assert_eq!(second, Token(first.0 + 1));
    stores.threads.claim(&rq, &tenant(), "call-state").await.unwrap();
    let end = stores.events.end(&tenant()).await.unwrap();
    stores.outbox.exported(&tenant(), export.token, end).await.unwrap();
    assert_eq!(server.cli(&["XLEN", "ev:{acme}"]).trim(), "0", "what is exported has gone");
}

#[tokio::test]
async fn a_call_that_redis_has_lost_is_written_again_though_the_stream_of_facts_is_full() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    until_renewed(&stores).await;
    stores.calls.commit(vec![create(7, &owner())]).await.unwrap();
    server.cli(&["HSET", "evmeta:{acme}", "bytes", &bounds::STREAM_BYTES_HARD.to_string()]);
    server.cli(&["DEL", &format!("call:{{acme}}:{}", ConnId(7))]);
    assert_eq!(done(&stores.calls.commit(vec![save(7, "goes on")]).await.unwrap()), [true]);
    let loaded = stores.calls.load(&tenant(), ConnId(7)).await.unwrap();
    assert!(matches!(&loaded, Loaded::Live(record) if record.state == "goes on"), "{loaded:?}");
    assert!(stores.calls.has_room(), "nothing waits");
}
