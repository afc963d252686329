use infra::{Change, Record};
use model::request::{RequestKind, Treatment};
use model::{ConnId, Token};
use sip::agent::Event;

use super::bench::{Bench, EDGE, Peer, new_node, owner};
use super::calls::{request, talking};

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

#[test]
fn a_hang_up_that_died_with_the_node_is_said_again() {
    let (mut bench, conn_id) = talking();
    // The end is stored; what was to be sent then is lost.
    bench.mute = vec![Peer::Phone, Peer::Media];
    bench.bye(Peer::Caller);
    assert!(bench.story.ends_with(&["CallDeleted".to_owned()]));
    bench.mute.clear();
    restart(&mut bench, conn_id);
    assert!(bench.saw(Peer::Phone, |event| matches!(event, Event::Released { .. })), "the phone is hung up");
    assert!(bench.is_clear(), "and media has let both legs go");
    assert!(matches!(bench.writes.last().map(|write| &write.change), Some(Change::End)));
    assert_eq!(bench.story.iter().filter(|name| *name == "CallDeleted").count(), 1, "the end is told once");
}

#[test]
fn what_media_never_heard_of_is_asked_for_again() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", super::bench::point());
    bench.mute.push(Peer::Media);
    let treatment = Treatment::Music { resource: "music".to_owned(), duration_ms: None };
    let apply = request(conn_id, "9000", |id| RequestKind::ApplyTreatment(id, treatment.clone()));
    bench.node.request(apply, bench.now).expect("the call is here");
    bench.run();
    assert!(!bench.story.contains(&"TreatmentApplied@9000".to_owned()));
    bench.mute.clear();
    restart(&mut bench, conn_id);
    assert!(bench.story.contains(&"TreatmentApplied@9000".to_owned()), "{:?}", bench.story);
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}
