use infra::{Change, Record};
use model::{ConnId, Token};
use sip::agent::Event;

use super::bench::{Bench, EDGE, Peer, new_node, owner};
use super::calls::talking;

/// The node dies; another life of it claims the call from its last record.
fn restart(bench: &mut Bench, conn_id: ConnId) {
    let state = bench
        .writes
        .iter()
        .rev()
        .filter(|write| write.conn_id == conn_id)
        .find_map(|write| match &write.change {
            Change::Create { state, .. } | Change::Save { state, .. } => Some(state.clone()),
            Change::Keep | Change::End => None,
        })
        .expect("a record");
    let record = Record {
        tenant: model::TenantId::parse("t1").expect("a tenant"),
        key: conn_id,
        owner: owner("sip-cluster-1", 2),
        token: Token(2),
        state,
        intentions: bytes::Bytes::new(),
        due: None,
    };
    bench.node = new_node(2);
    bench.node.link_up(1, EDGE, bench.now);
    assert!(bench.node.restore(&record, bench.now));
    bench.run();
}

#[test]
fn a_talking_call_goes_on_after_a_restart() {
    let (mut bench, conn_id) = talking();
    restart(&mut bench, conn_id);
    bench.bye(Peer::Phone);
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })), "the caller is hung up");
    assert!(bench.is_clear());
    let ended: Vec<_> = bench.writes.iter().rev().flat_map(|write| &write.events).take(2).collect();
    assert!(ended.iter().all(|fact| fact.id.token == Token(2)), "events are numbered under the new token");
}

#[test]
fn a_ringing_call_is_answered_after_a_restart() {
    let mut bench = Bench::new();
    let conn_id = bench.call("7101", super::bench::phone(15_000));
    bench.phone_rings();
    restart(&mut bench, conn_id);
    bench.phone_answers();
    assert!(bench.saw(Peer::Caller, |event| matches!(event, Event::Answered { .. })));
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn a_call_that_waits_goes_on_waiting_and_is_abandoned_once() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", super::bench::point());
    restart(&mut bench, conn_id);
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
    assert_eq!(bench.story, ["Queued@9000", "RouteRequest@9000", "Abandoned@9000", "CallDeleted"]);
}
