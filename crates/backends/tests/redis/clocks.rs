//! Processes with different clocks, and nodes of the previous release.

use std::sync::Arc;
use std::time::Duration;

use infra::bounds::{LEASE, LEASE_MARGIN};
use infra::conformance::SetClock;
use infra::conformance::clocks::{self, Process};
use infra::{NewCall, Position, StoreError, SystemClock};
use model::{CallUuid, ConnId, Owner, Timestamp};

use super::server::Server;
use super::{create, stores, tenant};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

async fn process(server: &Server, database: u32, now: Timestamp) -> Process {
    let clock = SetClock::at(now);
    Process { stores: stores(server, database, clock.clone()).await.0, clock }
}

#[tokio::test]
async fn clocks_that_are_minutes_apart_cost_nobody_a_lease() {
    let server = Server::start();
    for (database, apart) in [(0, 0), (1, 180), (2, 3_600)] {
        let (early, late) =
            (process(&server, database, NOW), process(&server, database, NOW + Duration::from_secs(apart)));
        clocks::run(&early.await, &late.await).await;
        let (early, late) =
            (process(&server, database + 10, NOW), process(&server, database + 10, NOW + Duration::from_secs(apart)));
        clocks::run(&late.await, &early.await).await;
    }
}

#[tokio::test]
async fn rows_of_the_release_before_are_understood() {
    let server = Server::start();
    let process = process(&server, 0, NOW).await;
    let (leases, outbox) = (&process.stores.leases, &process.stores.outbox);
    // As nodes of that release have written them, one with a clock that is late by an hour.
    let till = |seconds: i64| (1_700_000_000_000_i64 + seconds * 1_000).to_string();
    let renew =
        |seconds| server.cli(&["HSET", "leases:{nodes}", "node-1", &format!("5 {} sip-cluster", till(seconds))]);
    server.cli(&["HSET", "jobs:{nodes}", "sweep", &format!("{} 7 node-1.5", till(-3_600))]);
    server.cli(&["HSET", "export:{acme}", "o", "node-1.5", "t", "7", "u", &till(-3_600), "p", "4-2"]);
    let old: Owner = "node-1.5".parse().unwrap();
    let new: Owner = "node-2.5".parse().unwrap();
    for second in 0..10 {
        renew(second - 3_600);
        let live = leases.live("sip-cluster").await.unwrap();
        assert_eq!(live.iter().map(|lease| &lease.owner).collect::<Vec<_>>(), [&old], "second {second}");
        process.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(leases.take_job("sweep", &new, LEASE).await.unwrap(), None);
    assert_eq!(outbox.take(&tenant(), &new, LEASE).await.unwrap(), None);
    process.clock.advance(LEASE + LEASE_MARGIN);
    assert_eq!(leases.live("sip-cluster").await.unwrap(), []);
    assert!(leases.take_job("sweep", &new, LEASE).await.unwrap().is_some());
    let lease = outbox.take(&tenant(), &new, LEASE).await.unwrap().unwrap();
    assert_eq!((lease.token.0, lease.position.to_string()), (8, "4-2".to_owned()));
    // And that release can read what this one writes: the epoch, a future time, the role.
    leases.renew(&new, "sip-cluster", LEASE).await.unwrap();
    let row = server.cli(&["HGET", "leases:{nodes}", "node-2"]);
    let words: Vec<&str> = row.trim().split(' ').collect();
    assert_eq!((words[0], words[2]), ("5", "sip-cluster"));
    assert!(words[1].parse::<u64>().unwrap() > 1_700_000_000_000);
}

#[tokio::test]
async fn who_had_a_job_or_an_export_before_redis_was_emptied_is_fenced() {
    let server = Server::start();
    let Process { stores, clock } = process(&server, 0, NOW).await;
    let (old, new): (Owner, Owner) = ("node-1.5".parse().unwrap(), "node-2.5".parse().unwrap());
    let mut job = stores.leases.take_job("sweep", &old, LEASE).await.unwrap().unwrap();
    let mut export = stores.outbox.take(&tenant(), &old, LEASE).await.unwrap().unwrap().token;
    for holder in [&new, &old] {
        server.cli(&["FLUSHALL"]);
        clock.advance(Duration::from_millis(1));
        let next = stores.leases.take_job("sweep", holder, LEASE).await.unwrap().unwrap();
        assert!(next > job, "{next:?} after {job:?}");
        let lease = stores.outbox.take(&tenant(), holder, LEASE).await.unwrap().unwrap();
        let late = stores.outbox.exported(&tenant(), export, Position::START).await;
        assert!(matches!(late, Err(StoreError::Fenced { .. })), "{late:?}");
        stores.outbox.exported(&tenant(), lease.token, Position::START).await.unwrap();
        (job, export) = (next, lease.token);
    }
}

#[tokio::test]
async fn readers_of_epochs_that_are_over_go() {
    let server = Server::start();
    let (stores, _) = stores(&server, 0, Arc::new(SystemClock::start())).await;
    let node: Owner = "sip-cluster-1.5".parse().unwrap();
    let ors = |epoch: u64| -> Owner { format!("ors-1.{epoch}").parse().unwrap() };
    let consumers = || server.cli(&["XINFO", "CONSUMERS", "newcalls:{acme}", "readers"]).matches("ors-1.").count();
    for epoch in 1..=5 {
        let body = bytes::Bytes::new();
        let (conn_id, trace) = (ConnId(epoch), CallUuid(1));
        let new_call = Some(NewCall { conn_id, trace, at: NOW, body });
        stores.calls.commit(vec![infra::CallWrite { new_call, ..create(epoch, &node) }]).await.unwrap();
        assert_eq!(stores.new_calls.take(&tenant(), &ors(epoch), 10, Duration::ZERO).await.unwrap().len(), 1);
    }
    assert_eq!(consumers(), 5);
    let taken = stores.new_calls.reclaim(&tenant(), &ors(6), Duration::ZERO, 10).await.unwrap();
    assert_eq!(taken.len(), 5, "nothing that they held is lost");
    assert_eq!(consumers(), 1, "who holds it now");
    // A reader that never held anything, or has acknowledged it, is recognised by its silence.
    server.cli(&["XGROUP", "CREATECONSUMER", "newcalls:{acme}", "readers", "ors-1.7"]);
    stores.new_calls.reclaim(&tenant(), &ors(6), Duration::ZERO, 10).await.unwrap();
    assert_eq!(consumers(), 2, "it may have just begun");
}

#[tokio::test]
async fn work_whose_answer_was_lost_comes_to_the_same_reader_again() {
    let server = Server::start();
    let clock = SetClock::at(NOW);
    let (stores, _) = stores(&server, 0, clock.clone()).await;
    let (node, reader, idle): (Owner, Owner, _) =
        ("sip-cluster-1.5".parse().unwrap(), "ors-1.5".parse().unwrap(), Duration::from_secs(5));
    let enters = async |number| {
        let (conn_id, trace, body) = (ConnId(number), CallUuid(1), bytes::Bytes::new());
        let new_call = Some(NewCall { conn_id, trace, at: NOW, body });
        stores.calls.commit(vec![infra::CallWrite { new_call, ..create(number, &node) }]).await.unwrap();
    };
    let (mut got, take) = (Vec::new(), async || {
        let taken = stores.new_calls.reclaim(&tenant(), &reader, idle, 10).await.unwrap();
        taken.iter().map(|taken| taken.call.conn_id.0).collect::<Vec<_>>()
    });
    enters(1).await;
    got.extend(stores.new_calls.take(&tenant(), &reader, 10, Duration::ZERO).await.unwrap());
    enters(2).await;
    // Redis assigns it, and the answer is lost.
    let takes =
        "redis.call('XREADGROUP', 'GROUP', 'readers', 'ors-1.5', 'COUNT', '9', 'STREAMS', KEYS[1], '>') return 1";
    server.cli(&["EVAL", takes, "1", "newcalls:{acme}"]);
    assert_eq!(take().await, [0; 0], "it may be on its way");
    clock.advance(idle);
    assert_eq!(take().await, [2], "and nothing that the reader has got");
    clock.advance(idle);
    assert_eq!(take().await, [0; 0]);
    assert_eq!(got.len(), 1);
}
