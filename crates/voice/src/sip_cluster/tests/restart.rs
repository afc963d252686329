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

#[test]
fn a_bye_whose_answer_died_with_the_node_is_answered_again_and_nothing_else_of_that_call_is() {
    let repeated = |method: &str, tag: &str, epoch: u64| {
        let text = format!(
            "{method} sip:{EDGE} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{method}{epoch}\r\nFrom: \
             <sip:ann@192.0.2.9>;tag=caller\r\nTo: <sip:9000@{EDGE}>;tag={tag}\r\nCall-ID: caller-1\r\nCSeq: 2 \
             {method}\r\nMax-Forwards: 70\r\nTrunkline-Unreachable: sip-cluster-1.{epoch}\r\nContent-Length: 0\r\n\r\n"
        );
        sip::Message::parse(text.into()).expect("a request")
    };
    let mut answers = Vec::new();
    for (method, node, epoch) in
        [("BYE", "sip-cluster-1", 1), ("INFO", "sip-cluster-1", 1), ("BYE", "sip-cluster-2", 1)]
    {
        let mut bench = Bench::new();
        bench.node = new_node(2);
        bench.node.link_up(1, EDGE, bench.now);
        let tag = sip::LocalTag { call: ConnId(7), leg: model::LegId(1), owner: owner(node, epoch) };
        let tag = tag.seal(&super::bench::seal()).to_string();
        bench.node.receive(repeated(method, &tag, epoch), 1, bench.now);
        let sent = bench.node.poll_transmit().expect("an answer");
        answers.push(sip::Message::parse(sent.bytes).expect("a response").status().map(|status| status.0));
    }
    assert_eq!(answers, [Some(200), Some(481), Some(481)]);
}
