use infra::{CallIndex, Change, Record, Written};
use model::request::{RequestKind, RouteTo, Treatment};
use model::{ConnId, Dn, Owner, Token};
use sip::agent::{Event, Reply};

use super::bench::{Bench, EDGE, PHONE_SDP, Peer, new_node, owner, tenant};
use super::calls::{request, talking};
use crate::sip_cluster::node::lookup::Found;
use crate::sip_cluster::node::order::Order;
use sip::ConnectionId;

/// The last record of a call, claimed by the node's next run.
pub fn claimed(bench: &Bench, conn_id: ConnId) -> Record<ConnId> {
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
    Record {
        tenant: tenant(),
        key: conn_id,
        owner: owner("sip-cluster-1", 2),
        token: Token(2),
        state,
        intentions: bytes::Bytes::new(),
        due: None,
        claims: 1,
    }
}

/// The node fails; its next run claims the call from its last record.
pub fn restart(bench: &mut Bench, conn_id: ConnId) {
    let record = claimed(bench, conn_id);
    bench.node = new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
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
fn a_question_whose_answer_died_with_the_node_is_asked_again() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", super::bench::point());
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.orders.clear();
    restart(&mut bench, conn_id);
    bench.plan(super::bench::phone(15_000));
    assert!(bench.story.contains(&"RouteUsed@9000".to_owned()), "{:?}", bench.story);
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
    // The end is stored; the messages sent after that are lost.
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
fn a_bye_whose_answer_died_with_the_node_is_answered_while_the_rest_of_its_call_is_hung_up() {
    let (mut bench, conn_id) = talking();
    let (dialog, now) = (bench.caller_dialog.expect("a dialog"), bench.now);
    bench.agent(Peer::Caller).bye(dialog, Vec::new(), now).expect("a dialog");
    let bye = bench.agent(Peer::Caller).poll_transmit().expect("a BYE");
    let bye = sip::Message::parse(bye.bytes).expect("a message");
    // The node's messages are lost with it; its stored state is not.
    bench.mute = vec![Peer::Caller, Peer::Phone, Peer::Media];
    bench.node.receive(bye.clone(), ConnectionId(1), bench.now);
    bench.run();
    bench.mute.retain(|peer| *peer == Peer::Phone);
    restart(&mut bench, conn_id);
    assert_eq!(bench.node.calls(), 1, "the phone has not answered its BYE");
    // The proxy has got no answer, and repeats the request to the successor.
    bench.node.receive(bye, ConnectionId(1), bench.now);
    let sent = std::iter::from_fn(|| bench.node.poll_transmit());
    let answers = sent.filter_map(|sent| sip::Message::parse(sent.bytes).expect("a message").status());
    assert_eq!(answers.collect::<Vec<_>>(), [sip::StatusCode::OK]);
}

#[test]
fn what_media_never_heard_of_is_asked_for_again() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", super::bench::point());
    bench.mute.push(Peer::Media);
    let treatment = Treatment::Music { resource: "music".to_owned(), duration_ms: None };
    let apply = request(conn_id, "9000", |id| RequestKind::ApplyTreatment(id, treatment.clone(), None));
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
fn a_call_that_a_request_brings_before_the_first_proxy_comes_is_not_taken_up_a_second_time() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", super::bench::point());
    let record = claimed(&bench, conn_id);
    bench.node = new_node(2);
    // The call is this node's already, and waits for a proxy: the lookup of a request finds it by the same token.
    bench.node.found(&CallIndex::Call(conn_id), &Found::Ours(Box::new(record.clone())), bench.now);
    let treatment = Treatment::Music { resource: "music".to_owned(), duration_ms: None };
    let apply = request(conn_id, "9000", |id| RequestKind::ApplyTreatment(id, treatment.clone(), None));
    bench.node.request(apply, bench.now).expect("the call is here");
    bench.run();
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    bench.node.restore_absent(&record, bench.now);
    bench.run();
    assert_eq!(bench.story, ["Queued@9000", "RouteRequest@9000", "TreatmentApplied@9000"]);
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
    assert_eq!(bench.story[3..], ["Abandoned@9000", "CallDeleted"]);
}

/// A request of the caller within a dialog of call 7, as a proxy passes it on.
fn within_call_7(method: &str, owned_by: &Owner, mark: bool) -> sip::Message {
    within((ConnId(7), model::LegId(1)), method, owned_by, mark)
}

fn within((call, leg): (ConnId, model::LegId), method: &str, owned_by: &Owner, mark: bool) -> sip::Message {
    let tag = sip::LocalTag { call, leg, tenant: tenant(), owner: owned_by.clone() };
    let tag = tag.encode(&super::bench::seal());
    let mark = if mark { format!("Trunkline-Unreachable: {owned_by}\r\n") } else { String::new() };
    let text = format!(
        "{method} sip:{EDGE} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK{method}\r\nFrom: \
         <sip:ann@192.0.2.9>;tag=caller\r\nTo: <sip:9000@{EDGE}>;tag={tag}\r\nCall-ID: caller-1\r\nCSeq: 2 \
         {method}\r\nMax-Forwards: 70\r\n{mark}Content-Length: 0\r\n\r\n"
    );
    sip::Message::parse(text.into()).expect("a request")
}

/// Messages of a node without calls when it gets `message` and the ledger's answer is `found`.
fn when_found(message: sip::Message, found: &Found) -> Vec<sip::Message> {
    let mut bench = Bench::new();
    bench.node.receive(message, ConnectionId(1), bench.now);
    assert!(bench.node.poll_transmit().is_none(), "first the ledger is asked");
    let Some(Order::Find(sought)) = bench.node.poll_order(bench.now) else { panic!("nobody asks") };
    assert_eq!((&sought.tenant, &sought.named), (&tenant(), &CallIndex::Call(ConnId(7))));
    bench.node.found(&sought.named, found, bench.now);
    let sent = std::iter::from_fn(|| bench.node.poll_transmit());
    sent.map(|sent| sip::Message::parse(sent.bytes).expect("a message")).collect()
}

#[test]
fn a_bye_whose_answer_died_with_the_node_is_answered_again_and_nothing_else_of_that_call_is() {
    let status = |method: &str, found: &Found| {
        let sent = when_found(within_call_7(method, &owner("sip-cluster-2", 1), true), found);
        sent.first().and_then(sip::Message::status).map(|status| status.0)
    };
    assert_eq!(status("BYE", &Found::Ended), Some(200));
    assert_eq!(status("INFO", &Found::Ended), Some(481));
    assert_eq!(status("BYE", &Found::Unknown), Some(481));
    assert_eq!(status("BYE", &Found::Unanswered), Some(500));
}

#[test]
fn a_message_of_a_call_that_another_node_has_goes_there() {
    let (gone, successor) = (owner("sip-cluster-2", 1), owner("sip-cluster-3", 4));
    let sent = when_found(within_call_7("BYE", &gone, true), &Found::Elsewhere(successor.clone()));
    assert_eq!(sent[0].header(&sip::proxy::headers::OWNER), Some(successor.to_string().as_str()));
    // This node itself had the call before it stood still: no proxy has marked the message.
    let sent = when_found(within_call_7("ACK", &owner("sip-cluster-1", 1), false), &Found::Elsewhere(successor));
    assert_eq!((sent[0].method(), sent[0].routes().count()), (sip::Method::Ack, 1));
}

#[test]
fn messages_that_come_while_a_call_is_looked_for_follow_it_in_their_order() {
    let (mut dead, conn_id) = talking();
    let record = claimed(&dead, conn_id);
    dead.node = new_node(2);
    dead.node.link_up(ConnectionId(1), EDGE, dead.now);
    dead.bye(Peer::Phone);
    let mut asked: Vec<Order> = dead.orders.drain(..).filter(|order| matches!(order, Order::Find(_))).collect();
    let Some(Order::Find(sought)) = asked.pop() else { panic!("nobody asks") };
    assert!(asked.is_empty(), "asked once");
    dead.node.found(&sought.named, &Found::Ours(Box::new(record)), dead.now);
    dead.run();
    assert!(dead.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })), "the caller is hung up");
    assert!(dead.is_clear());
}

#[test]
fn what_is_asked_within_a_leg_that_only_the_successor_knows_is_the_successors_to_answer() {
    let (mut bench, conn_id) = talking();
    let successor = owner("sip-cluster-2", 1);
    // This node does not know yet that it has lost the call, nor the leg that the successor has begun.
    let bye = within((conn_id, model::LegId(99)), "BYE", &successor, true);
    bench.node.receive(bye, ConnectionId(1), bench.now);
    assert_eq!(bench.node.batch().len(), 1, "the ledger is asked whose the call is");
    bench.node.committed([(conn_id, Written::Fenced { owner: successor.clone(), token: Token(2) })]);
    let sent: Vec<_> = std::iter::from_fn(|| bench.node.poll_transmit()).collect();
    let sent: Vec<_> = sent.into_iter().map(|sent| sip::Message::parse(sent.bytes).expect("a message")).collect();
    let answers: Vec<_> = sent.iter().map(|sent| sent.header(&sip::proxy::headers::OWNER)).collect();
    assert_eq!(answers, [Some(successor.to_string().as_str())], "{sent:?}");
}

#[test]
fn a_call_that_is_claimed_a_second_time_goes_on_by_the_new_token() {
    let (mut bench, conn_id) = talking();
    let record = Record { owner: owner("sip-cluster-1", 1), ..claimed(&bench, conn_id) };
    bench.node.orphans_claimed(&[record], bench.now);
    bench.run();
    assert_eq!(bench.writes.last().map(|write| (write.conn_id, write.token)), Some((conn_id, Token(2))));
    bench.bye(Peer::Phone);
    assert!(bench.is_clear());
}

#[test]
fn a_call_that_comes_back_from_a_successor_is_gone_on_with_as_the_successor_has_left_it() {
    let (mut bench, conn_id) = talking();
    let as_it_was = claimed(&bench, conn_id);
    // The successor has written with token 2 and has failed; this node has not learnt of either.
    let takeover = Record { owner: owner("sip-cluster-1", 1), token: Token(3), ..as_it_was };
    bench.node.request(request(conn_id, "7101", RequestKind::ReleaseCall), bench.now).expect("the call is here");
    bench.node.orphans_claimed(&[takeover], bench.now);
    let tokens: Vec<_> = bench.node.batch().iter().map(|write| (write.conn_id, write.token)).collect();
    assert_eq!(tokens, [(conn_id, Token(3))]);
    bench.node.committed([(conn_id, Written::Done { position: None })]);
    let sent: Vec<_> = std::iter::from_fn(|| bench.node.poll_transmit()).collect();
    let sent = sent.into_iter().map(|sent| sip::Message::parse(sent.bytes).expect("a message").method());
    assert!(!sent.collect::<Vec<_>>().contains(&sip::Method::Bye), "what was wanted of the former state is taken back");
    bench.run();
    bench.bye(Peer::Caller);
    assert!(bench.is_clear());
}

#[test]
fn an_invite_that_is_said_to_be_of_a_call_of_ours_makes_no_second_one() {
    let mut bench = Bench::new();
    bench.call("9000", super::bench::point());
    let mut invite = bench.heard.first().expect("an INVITE").clone();
    invite.set(&sip::proxy::headers::OWNER, owner("sip-cluster-1", 2));
    // The claim succeeded and its answer was lost: another node has read the owner in the ledger.
    bench.node = new_node(2);
    bench.node.link_up(ConnectionId(1), EDGE, bench.now);
    bench.node.receive(invite, ConnectionId(1), bench.now);
    assert_eq!(bench.node.calls(), 0);
    let asked = std::iter::from_fn(|| bench.node.poll_order(bench.now)).any(|order| matches!(order, Order::Find(_)));
    assert!(asked, "the ledger is asked for it");
}

/// The INVITE that the phone has got.
fn invite_of_phone(bench: &Bench) -> sip::Message {
    let invited = |(who, event): &(Peer, Event)| match event {
        Event::Incoming { request, .. } if *who == Peer::Phone => Some(sip::Message::clone(request)),
        _ => None,
    };
    bench.seen.iter().rev().find_map(invited).expect("an INVITE")
}

/// The response of another phone to it: a proxy on the path has forked it.
fn from_fork(invite: &sip::Message, status: u16) -> sip::Message {
    sip::Message::response_to(invite, sip::StatusCode(status))
        .to_tag("fork")
        .header(&sip::HeaderName::Contact, "<sip:fork@192.0.2.8>")
        .body("application/sdp", PHONE_SDP)
        .build()
}

/// A response comes to a node that has lost its call without knowing: it sends nothing.
fn is_left_to_the_successor(bench: &mut Bench, conn_id: ConnId, response: sip::Message) {
    bench.node.receive(response, ConnectionId(1), bench.now);
    let asked: Vec<ConnId> = bench.node.batch().iter().map(|write| write.conn_id).collect();
    assert_eq!(asked, [conn_id], "the ledger is asked whose the call is");
    let successor = owner("sip-cluster-2", 1);
    bench.node.committed([(conn_id, Written::Fenced { owner: successor, token: Token(2) })]);
    assert!(bench.node.poll_transmit().is_none(), "nothing leaves");
}

#[test]
fn a_fork_that_answers_late_is_acknowledged_and_hung_up_by_the_owner_alone() {
    let (mut bench, conn_id) = talking();
    let answer = from_fork(&invite_of_phone(&bench), 200);
    is_left_to_the_successor(&mut bench, conn_id, answer);
}

#[test]
fn a_fork_of_a_leg_that_is_over_is_acknowledged_and_hung_up_by_the_owner_alone() {
    let mut bench = Bench::new();
    let conn_id = bench.call("9000", super::bench::point());
    let route = request(conn_id, "9000", |id| {
        RequestKind::RouteCall(id, RouteTo::Dn { dn: Dn::parse("7101").expect("a DN"), agent: None })
    });
    bench.node.request(route, bench.now).expect("the call is here");
    bench.run();
    bench.plan(super::bench::phone(15_000));
    let (dialog, now) = (bench.phone_dialog.expect("an INVITE"), bench.now);
    let busy = Reply::new(sip::StatusCode::BUSY_HERE);
    bench.agent(Peer::Phone).reject(dialog, busy, now).expect("an INVITE");
    bench.run();
    let answer = from_fork(&invite_of_phone(&bench), 200);
    is_left_to_the_successor(&mut bench, conn_id, answer);
}

#[test]
fn a_cancel_that_waited_for_the_first_word_of_a_phone_leaves_as_the_owners_alone() {
    let mut bench = Bench::new();
    bench.mute = vec![Peer::Phone];
    let conn_id = bench.call("7101", super::bench::phone(15_000));
    // The caller gets a 100, and may cancel.
    bench.pass(std::time::Duration::from_millis(300));
    let trying = from_fork(&bench.unheard.pop().expect("an INVITE"), 100);
    let (dialog, now) = (bench.caller_dialog.expect("an INVITE"), bench.now);
    bench.agent(Peer::Caller).cancel(dialog, Vec::new(), now).expect("an INVITE");
    bench.run();
    assert!(bench.unheard.is_empty(), "nobody has heard of the INVITE yet");
    is_left_to_the_successor(&mut bench, conn_id, trying);
}

#[test]
fn what_a_fenced_node_wanted_to_say_is_not_said() {
    let (mut bench, conn_id) = talking();
    assert!(!bench.node.is_in_doubt());
    bench.node.doubt();
    let batch = bench.node.batch();
    assert_eq!((batch.len(), bench.node.is_in_doubt()), (1, true), "a commit that waits is not enough");
    let release = request(conn_id, "7101", RequestKind::ReleaseCall);
    bench.node.request(release, bench.now).expect("the call is here");
    bench.node.batch();
    let successor = owner("sip-cluster-2", 1);
    bench.node.committed([(conn_id, Written::Fenced { owner: successor, token: Token(2) })]);
    assert!(!bench.node.is_in_doubt());
    assert!(bench.node.poll_transmit().is_none(), "no BYE leaves");
    assert_eq!(bench.node.calls(), 0);
    bench.pass(std::time::Duration::from_secs(600));
    assert!(!bench.saw(Peer::Caller, |event| matches!(event, Event::Released { .. })), "nor later");
}
