//! Requests to carriers with names and several addresses.

use super::*;
use crate::flow::Transport;
use crate::next_hop::{Hop, UriHop};
use crate::unreached::Unreached;

const URI: &str = "sip:+4930999@carrier.example";

fn hop(transport: Transport, remote: &str) -> Hop {
    Hop { transport, remote: addr(remote) }
}

fn udp_hops() -> Vec<Hop> {
    vec![hop(Transport::Udp, "192.0.2.1:5060"), hop(Transport::Udp, "192.0.2.2:5060")]
}

/// The name that the proxy wants resolved, and under which number the answer comes.
fn asked(lab: &mut Lab) -> Option<(u64, UriHop)> {
    let at = lab.outputs.iter().position(|output| matches!(output, Output::NeedHops { .. }))?;
    match lab.outputs.remove(at) {
        Output::NeedHops { lookup, place } => Some((lookup, place)),
        _ => None,
    }
}

fn resolve(lab: &mut Lab, hops: Option<Vec<Hop>>) {
    let (lookup, _) = asked(lab).expect("a question");
    lab.proxy.handle_hops(lookup, hops, lab.now);
    lab.drain();
}

/// A call of a node to the carrier; the name is not resolved yet.
fn call(lab: &mut Lab, branch: &str, more: &str) {
    let text = Ask { uri: URI, host: "127.0.2.1", branch, more, ..Ask::default() }.text();
    lab.by(ConnectionId(1), &text);
}

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab
}

/// Why the proxy says that nobody outside has answered, in its only answer to the node.
fn unreached(lab: &mut Lab) -> Option<Unreached> {
    let answers = extract(&mut lab.sent, |message| message.status().is_some());
    let [(_, refused)] = &*answers else { panic!("one answer: {answers:?}") };
    assert_eq!(refused.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    lab.take();
    Unreached::parse(header(refused, &headers::NOT_REACHED))
}

#[test]
fn a_carriers_own_refusal_is_passed_on_as_it_came() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060")]));
    let (_, invite) = lab.only();
    let refusal = answer(&invite, 503, "x").replace("CSeq:", "Trunkline-Not-Reached: down\nCSeq:");
    lab.from("192.0.2.1:5060", &refusal);
    let sent = lab.take();
    let (_, passed) = sent.iter().find(|(flow, _)| *flow == tcp(1)).expect("an answer to the node");
    assert_eq!((passed.status(), passed.header(&headers::NOT_REACHED)), (Some(StatusCode::SERVICE_UNAVAILABLE), None));
}

#[test]
fn a_name_is_asked_for_and_its_second_address_takes_what_the_first_refuses() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    let (_, place) = {
        let asked = lab.outputs.iter().find_map(|output| match output {
            Output::NeedHops { lookup, place } => Some((*lookup, place.clone())),
            _ => None,
        });
        asked.unwrap()
    };
    assert_eq!((&*place.host, place.port, place.transport, place.secure), ("carrier.example", None, None, false));
    assert!(lab.take().is_empty(), "nothing goes out before the answer");
    resolve(&mut lab, Some(udp_hops()));
    let (flow, first) = lab.only();
    assert_eq!(flow, udp("192.0.2.1:5060"));
    lab.from("192.0.2.1:5060", &answer(&first, 503, "x"));
    let sent = lab.take();
    let (flow, second) = sent.iter().find(|(_, m)| m.method() == Method::Invite).unwrap();
    assert_eq!(*flow, udp("192.0.2.2:5060"));
    assert!(sent.iter().any(|(flow, m)| *flow == udp("192.0.2.1:5060") && m.method() == Method::Ack));
    assert_eq!(first.request_uri(), second.request_uri());
    assert_ne!(first.top_via().unwrap().branch(), second.top_via().unwrap().branch());
    assert_eq!(second.vias().count(), 1, "ours; the node's stays here");
    assert_eq!(second.elements(&HeaderName::RecordRoute).count(), 1);
    lab.from("192.0.2.2:5060", &answer(second, 200, "y"));
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.status()), (tcp(1), Some(StatusCode::OK)));
    assert_eq!(ok.elements(&HeaderName::RecordRoute).count(), 1);
    assert_eq!(lab.proxy.counts().hops_failed_over, 1);
}

#[test]
fn an_address_that_failed_is_tried_last_for_a_while() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(udp_hops()));
    let (_, first) = lab.only();
    lab.from("192.0.2.1:5060", &answer(&first, 503, "x"));
    lab.take();
    call(&mut lab, "z9hG4bK-b", "");
    resolve(&mut lab, Some(udp_hops()));
    assert_eq!(lab.only().0, udp("192.0.2.2:5060"));
    lab.pass(Duration::from_secs(61), &[ConnectionId(1)]);
    lab.take();
    call(&mut lab, "z9hG4bK-c", "");
    resolve(&mut lab, Some(udp_hops()));
    assert_eq!(lab.only().0, udp("192.0.2.1:5060"));
}

/// Whether a call for help that has another trunk is put off.
fn is_put_off(lab: &mut Lab, branch: &str, place: Hop) -> bool {
    call(lab, branch, "Trunkline-Insist: 1\nTrunkline-Elsewhere: 1\n");
    resolve(lab, Some(vec![place]));
    let (flow, message) = lab.only();
    let is_put_off = flow == tcp(1);
    if is_put_off {
        assert_eq!(message.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    }
    assert_eq!(message.header(&headers::ELSEWHERE).is_some(), is_put_off, "the node knows why, and nobody outside");
    is_put_off
}

#[test]
fn an_emergency_that_has_another_trunk_is_put_off_by_an_address_that_has_said_nothing() {
    let mut lab = lab();
    let place = hop(Transport::Udp, "192.0.2.1:5060");
    assert!(!is_put_off(&mut lab, "z9hG4bK-a", place), "nothing is said against it");
    lab.pass(Duration::from_secs(33), &[ConnectionId(1)]);
    lab.take();
    assert!(is_put_off(&mut lab, "z9hG4bK-b", place));
    call(&mut lab, "z9hG4bK-c", "Trunkline-Insist: 1\n");
    resolve(&mut lab, Some(vec![place]));
    let (flow, invite) = lab.only();
    assert_eq!(flow, udp("192.0.2.1:5060"), "it is tried at last");
    lab.from("192.0.2.1:5060", &answer(&invite, 486, "x"));
    lab.take();
    assert!(!is_put_off(&mut lab, "z9hG4bK-d", place), "it is there");
    lab.pass(Duration::from_secs(33 + 60), &[ConnectionId(1)]);
    lab.take();
    assert!(!is_put_off(&mut lab, "z9hG4bK-e", place), "for a minute");
}

#[test]
fn what_befalls_one_call_at_an_address_does_not_put_off_another_ones_emergency() {
    let place = hop(Transport::Udp, "192.0.2.1:5060");
    // It is refused there.
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![place]));
    let (_, invite) = lab.only();
    lab.from("192.0.2.1:5060", &answer(&invite, 503, "x"));
    lab.take();
    assert!(!is_put_off(&mut lab, "z9hG4bK-b", place));
    // Its caller hangs up.
    let mut lab = self::lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![place]));
    lab.pass(Duration::from_secs(4), &[ConnectionId(1)]);
    let cancel = Ask { method: "CANCEL", uri: URI, host: "127.0.2.1", branch: "z9hG4bK-a", ..Ask::default() };
    lab.by(ConnectionId(1), &cancel.text());
    lab.take();
    assert!(!is_put_off(&mut lab, "z9hG4bK-b", place));
    // Its connection is not opened, by the carrier or by us.
    let place = hop(Transport::Tcp, "192.0.2.1:5060");
    for (why, counts) in [(Unreached::Refused, true), (Unreached::Late, true), (Unreached::NoWay, false)] {
        let mut lab = self::lab();
        call(&mut lab, "z9hG4bK-a", "");
        resolve(&mut lab, Some(vec![place]));
        let Flow::Stream { connection } = lab.only().0 else { panic!("not a connection") };
        lab.proxy.handle_unopened(connection, why, lab.now);
        lab.drain();
        lab.take();
        assert_eq!(is_put_off(&mut lab, "z9hG4bK-b", place), counts, "{why:?}");
    }
}

#[test]
fn a_carrier_that_answers_options_gets_emergencies_although_it_ignores_a_call() {
    let mut lab = lab();
    let place = UriHop { host: "192.0.2.1".into(), port: None, transport: None, secure: false };
    let trunk = Trunk {
        tenant: TenantId::parse("acme").unwrap(),
        name: "carrier".into(),
        allow: Vec::new(),
        certificate_names: Vec::new(),
        registrar: None,
        inbound: InboundPassword::NotAsked,
        asked: Some(place),
        user: None,
    };
    lab.proxy.set_trunks([trunk], lab.now + Duration::from_millis(5));
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060")]));
    for _ in 0..4 {
        lab.pass(Duration::from_millis(10), &[ConnectionId(1)]);
        let questions = extract(&mut lab.sent, |m| m.is_request() && m.method() == Method::Options);
        let [(_, question)] = &*questions else { panic!("one question: {questions:?}") };
        lab.from("192.0.2.1:5060", &answer(question, 200, "c"));
        lab.pass(Duration::from_millis(9_990), &[ConnectionId(1)]);
    }
    assert!(lab.statuses().contains(&408));
    assert!(!is_put_off(&mut lab, "z9hG4bK-b", hop(Transport::Udp, "192.0.2.1:5060")));
}

#[test]
fn who_rang_is_not_passed_over() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(udp_hops()));
    let (_, first) = lab.only();
    lab.from("192.0.2.1:5060", &answer(&first, 180, "x"));
    lab.from("192.0.2.1:5060", &answer(&first, 503, "x"));
    let sent = lab.take();
    assert!(sent.iter().all(|(flow, _)| *flow != udp("192.0.2.2:5060")), "{sent:?}");
    assert!(sent.iter().any(|(_, m)| m.status() == Some(StatusCode::SERVICE_UNAVAILABLE)));
}

#[test]
fn a_connection_that_cannot_be_opened_leads_to_the_next_address_and_then_to_an_answer() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Tcp, "192.0.2.1:5060"), hop(Transport::Tcp, "192.0.2.2:5060")]));
    let mut tried = Vec::new();
    for _ in 0..2 {
        let Flow::Stream { connection } = lab.only().0 else { panic!("not a connection") };
        tried.extend(lab.outputs.iter().find_map(|output| match output {
            Output::Connect { connection: opened, remote, .. } if *opened == connection => Some(*remote),
            _ => None,
        }));
        lab.proxy.handle_closed(connection, lab.now);
        lab.drain();
    }
    assert_eq!(tried, [addr("192.0.2.1:5060"), addr("192.0.2.2:5060")]);
    assert_eq!(unreached(&mut lab), Some(Unreached::Closed));
    lab.pass(Duration::from_secs(40), &[ConnectionId(1)]);
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn who_sent_a_request_is_told_why_its_place_was_not_reached() {
    let why = |lab: &mut Lab| {
        let (_, answer) = lab.beyond_trying();
        assert_eq!(answer.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
        answer.header(&headers::NOT_REACHED).map(str::to_owned)
    };
    let connection = |lab: &mut Lab| match lab.only().0 {
        Flow::Stream { connection } => connection,
        Flow::Udp { .. } => panic!("not a connection"),
    };
    let both = || vec![hop(Transport::Tls, "192.0.2.1:5061"), hop(Transport::Tcp, "192.0.2.2:5060")];
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(both()));
    for reason in [Unreached::OtherName, Unreached::Refused] {
        let connection = connection(&mut lab);
        lab.proxy.handle_unopened(connection, reason, lab.now);
        lab.drain();
    }
    assert_eq!(why(&mut lab).as_deref(), Some("other-name"), "the first place is the best one");
    call(&mut lab, "z9hG4bK-b", "");
    resolve(&mut lab, Some(vec![hop(Transport::Tcp, "192.0.2.3:5060")]));
    let closed = connection(&mut lab);
    lab.proxy.handle_closed(closed, lab.now);
    lab.drain();
    assert_eq!(why(&mut lab).as_deref(), Some("closed"));
    call(&mut lab, "z9hG4bK-c", "");
    resolve(&mut lab, None);
    assert_eq!(why(&mut lab).as_deref(), Some("no-address"));
}

#[test]
fn a_reason_with_which_the_request_may_have_arrived_is_told_before_others() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    let hops = ["192.0.2.1:5060", "192.0.2.2:5060", "192.0.2.3:5060"].map(|remote| hop(Transport::Tcp, remote));
    resolve(&mut lab, Some(hops.into()));
    for reason in [Unreached::Refused, Unreached::Closed, Unreached::Late] {
        let Flow::Stream { connection } = lab.only().0 else { panic!("not a connection") };
        lab.proxy.handle_unopened(connection, reason, lab.now);
        lab.drain();
    }
    assert_eq!(unreached(&mut lab), Some(Unreached::Closed));
    let mut lab = self::lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060"), hop(Transport::Tcp, "192.0.2.2:5060")]));
    lab.pass(Duration::from_secs(33), &[ConnectionId(1)]);
    let by_us = |(flow, _): &(Flow, Message)| match flow {
        Flow::Stream { connection } if connection.is_opened_by_us() => Some(*connection),
        _ => None,
    };
    let connection = lab.take().iter().find_map(by_us).expect("a connection");
    lab.proxy.handle_unopened(connection, Unreached::Refused, lab.now);
    lab.drain();
    assert_eq!(unreached(&mut lab), Some(Unreached::Silence));
}

#[test]
fn who_finds_no_room_to_wait_for_a_name_is_told_that_it_is_us() {
    let mut lab = Lab::with(|settings| settings.limits.lookups = 1);
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    call(&mut lab, "z9hG4bK-a", "");
    call(&mut lab, "z9hG4bK-b", "");
    assert!(lab.sent.iter().all(|(_, message)| message.header(&HeaderName::RetryAfter).is_none()));
    assert_eq!(unreached(&mut lab), Some(Unreached::Busy));
}

#[test]
fn a_carrier_does_not_say_why_it_was_not_reached() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060")]));
    let (_, invite) = lab.only();
    let response = Message::response_to(&invite, StatusCode::SERVICE_UNAVAILABLE).to_tag("x");
    let response = response.header(&headers::NOT_REACHED, Unreached::Untrusted.as_str()).build();
    lab.from("192.0.2.1:5060", &String::from_utf8(response.to_bytes().to_vec()).unwrap().replace("\r\n", "\n"));
    let sent = lab.take();
    let (_, answer) = sent.iter().find(|(_, m)| m.status().is_some_and(StatusCode::is_final)).expect("an answer");
    assert_eq!((answer.status(), answer.header(&headers::NOT_REACHED)), (Some(StatusCode::SERVICE_UNAVAILABLE), None));
}

#[test]
fn a_name_that_leads_nowhere_or_that_nobody_resolves_is_answered() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, None);
    assert_eq!(unreached(&mut lab), Some(Unreached::NoAddress));
    call(&mut lab, "z9hG4bK-b", "");
    let (late, _) = asked(&mut lab).unwrap();
    lab.pass(Duration::from_secs(6), &[ConnectionId(1)]);
    assert_eq!(lab.statuses().iter().filter(|status| **status == 503).count(), 1);
    lab.proxy.handle_hops(late, Some(udp_hops()), lab.now);
    lab.drain();
    assert!(lab.take().is_empty(), "an answer that comes too late moves nothing");
    assert_eq!(lab.proxy.counts().names_unresolved, 2);
}

#[test]
fn a_call_that_is_cancelled_while_its_name_is_resolved_goes_nowhere() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    let cancel = Ask { method: "CANCEL", uri: URI, host: "127.0.2.1", branch: "z9hG4bK-a", ..Ask::default() };
    lab.by(ConnectionId(1), &cancel.text());
    let mut statuses = lab.statuses();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 487]);
    resolve(&mut lab, Some(udp_hops()));
    assert!(lab.take().is_empty());
}

/// Of each connection that is opened, whether a datagram takes its place.
fn trials(lab: &Lab) -> Vec<bool> {
    let of = |output: &Output| match output {
        Output::Connect { is_trial, .. } => Some(*is_trial),
        _ => None,
    };
    lab.outputs.iter().filter_map(of).collect()
}

#[test]
fn where_no_datagram_would_do_a_connection_has_its_whole_time() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Tcp, "192.0.2.1:5060"), hop(Transport::Udp, "192.0.2.2:5060")]));
    assert_eq!(trials(&lab), [false]);
}

#[test]
fn what_is_too_large_for_a_datagram_goes_by_a_connection_where_there_is_one() {
    let filler = format!("X-Filler: {}\n", "x".repeat(1_200));
    for (uri, opens) in [(URI, true), ("sip:+4930999@carrier.example;transport=udp", false)] {
        let mut lab = lab();
        let text = Ask { uri, host: "127.0.2.1", more: &filler, ..Ask::default() }.text();
        lab.by(ConnectionId(1), &text);
        resolve(&mut lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060")]));
        let (flow, _) = lab.only();
        assert_eq!(matches!(flow, Flow::Stream { .. }), opens, "{uri}");
        if let Flow::Stream { connection } = flow {
            assert_eq!(trials(&lab), [true], "it is given up soon");
            lab.proxy.handle_closed(connection, lab.now);
            lab.drain();
            assert_eq!(lab.only().0, udp("192.0.2.1:5060"), "the peer has no TCP");
        }
    }
}

/// A call that is too large for a datagram, on its way by a connection to a carrier whose URI names no transport.
fn too_large(lab: &mut Lab, branch: &str) -> (Flow, Message) {
    call(lab, branch, &format!("X-Filler: {}\n", "x".repeat(1_200)));
    resolve(lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060")]));
    lab.only()
}

#[test]
fn a_carrier_that_takes_a_connection_and_says_nothing_gets_the_call_by_a_datagram() {
    let mut lab = lab();
    let (Flow::Stream { connection }, _) = too_large(&mut lab, "z9hG4bK-a") else { panic!("not a connection") };
    // The time for an answer begins once the connection is open.
    lab.pass(Duration::from_millis(1_400), &[ConnectionId(1)]);
    lab.proxy.handle_opened(connection, addr("192.0.2.1:5060"), Side::Edge);
    lab.pass(Duration::from_millis(3_000), &[ConnectionId(1)]);
    assert!(extract(&mut lab.sent, |m| m.method() == Method::Invite && m.is_request()).is_empty());
    lab.pass(Duration::from_millis(200), &[ConnectionId(1)]);
    let sent = extract(&mut lab.sent, |m| m.method() == Method::Invite && m.is_request());
    assert_eq!(sent.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(), [udp("192.0.2.1:5060")]);
    lab.from("192.0.2.1:5060", &answer(&sent[0].1, 200, "y"));
    assert!(lab.statuses().contains(&200));
    // It is remembered for longer than other failures.
    lab.pass(Duration::from_secs(120), &[ConnectionId(1)]);
    lab.take();
    assert_eq!(too_large(&mut lab, "z9hG4bK-b").0, udp("192.0.2.1:5060"));
}

/// A call whose INVITE has gone by a datagram too, since nothing was said on the connection; the two INVITEs.
fn sent_twice(lab: &mut Lab) -> [(Flow, Message); 2] {
    let (flow, by_connection) = too_large(lab, "z9hG4bK-a");
    let Flow::Stream { connection } = flow else { panic!("not a connection") };
    lab.proxy.handle_opened(connection, addr("192.0.2.1:5060"), Side::Edge);
    lab.pass(Duration::from_millis(4_600), &[ConnectionId(1)]);
    let of_carrier = |(to, message): &(Flow, Message)| *to == udp("192.0.2.1:5060") && message.is_request();
    let by_datagram = lab.take().into_iter().find(of_carrier).expect("a datagram");
    [(flow, by_connection), by_datagram]
}

/// The carrier says something by a flow; returns what the node is told, and on which flows something is cancelled.
fn says(lab: &mut Lab, (flow, invite): &(Flow, Message), status: u16) -> (Vec<u16>, Vec<Flow>) {
    match flow {
        Flow::Stream { connection } => lab.by(*connection, &answer(invite, status, "by-connection")),
        Flow::Udp { .. } => lab.from("192.0.2.1:5060", &answer(invite, status, "by-datagram")),
    }
    let sent = lab.take();
    let told = sent.iter().filter(|(to, _)| *to == tcp(1)).filter_map(|(_, m)| m.status()).map(|status| status.0);
    let cancelled = sent.iter().filter(|(_, m)| m.is_request() && m.method() == Method::Cancel).map(|(to, _)| *to);
    (told.collect(), cancelled.collect())
}

#[test]
fn where_the_datagram_rings_the_connection_rings_no_more() {
    let mut lab = lab();
    let [by_connection, by_datagram] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_datagram, 180), (vec![180], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 180), (vec![], vec![by_connection.0]));
    assert_eq!(says(&mut lab, &by_connection, 183), (vec![], vec![]), "it was cancelled");
    assert_eq!(says(&mut lab, &by_connection, 487), (vec![], vec![]));
    assert_eq!(says(&mut lab, &by_datagram, 486), (vec![486], vec![]));
    lab.pass(Duration::from_secs(70), &[ConnectionId(1)]);
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn a_carrier_that_has_the_call_by_the_connection_may_refuse_the_datagram() {
    let mut lab = lab();
    let [by_connection, by_datagram] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_datagram, 482), (vec![], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 180), (vec![180], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 200), (vec![200], vec![]));
    // If nothing comes by the connection either, nobody has the call.
    let mut lab = self::lab();
    let [_, by_datagram] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_datagram, 482), (vec![], vec![]));
    lab.pass(Duration::from_secs(70), &[ConnectionId(1)]);
    assert!(lab.statuses().contains(&408));
}

#[test]
fn a_carrier_that_says_100_by_both_ways_may_refuse_the_datagram() {
    let mut lab = lab();
    let say_100 = |lab: &mut Lab| {
        let [by_connection, by_datagram] = sent_twice(lab);
        assert_eq!(says(lab, &by_datagram, 100), (vec![], vec![]));
        assert_eq!(says(lab, &by_connection, 100), (vec![], vec![]), "it may still have the call");
        [by_connection, by_datagram]
    };
    let [by_connection, by_datagram] = say_100(&mut lab);
    assert_eq!(says(&mut lab, &by_datagram, 482), (vec![], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 180), (vec![180], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 200), (vec![200], vec![]));
    // Who hangs up, hangs up on both ways.
    let mut lab = self::lab();
    let both = say_100(&mut lab);
    let cancel = Ask { method: "CANCEL", uri: URI, host: "127.0.2.1", branch: "z9hG4bK-a", ..Ask::default() };
    lab.by(ConnectionId(1), &cancel.text());
    let sent = lab.take();
    let is_cancelled =
        |flow: Flow| sent.iter().any(|(to, m)| *to == flow && m.is_request() && m.method() == Method::Cancel);
    assert!(both.iter().all(|(flow, _)| is_cancelled(*flow)), "{sent:?}");
}

#[test]
fn a_late_100_by_the_connection_does_not_take_the_call_from_the_datagram() {
    for status in [180, 200] {
        let mut lab = lab();
        let [by_connection, by_datagram] = sent_twice(&mut lab);
        assert_eq!(says(&mut lab, &by_connection, 100), (vec![], vec![]));
        assert_eq!(says(&mut lab, &by_datagram, status), (vec![status], vec![by_connection.0]));
        assert_eq!(says(&mut lab, &by_datagram, 200), (vec![200], vec![]));
        // It says nothing more, not even to the CANCEL.
        lab.pass(Duration::from_secs(70), &[ConnectionId(1)]);
        assert_eq!(lab.proxy.sizes().0, 0, "after {status}");
    }
}

#[test]
fn where_both_ways_have_said_100_the_one_that_does_not_answer_is_ended() {
    for (at, other) in [(0, 1), (1, 0)] {
        let mut lab = lab();
        let ways = sent_twice(&mut lab);
        for way in &ways {
            assert_eq!(says(&mut lab, way, 100), (vec![], vec![]));
        }
        assert_eq!(says(&mut lab, &ways[at], 200), (vec![200], vec![ways[other].0]));
        lab.pass(Duration::from_secs(70), &[ConnectionId(1)]);
        assert_eq!(lab.proxy.sizes().0, 0);
    }
    // If neither does, timer C ends both.
    let mut lab = lab();
    let ways = sent_twice(&mut lab);
    for way in &ways {
        says(&mut lab, way, 100);
    }
    lab.pass(settings::TIMER_C, &[ConnectionId(1)]);
    let cancels = extract(&mut lab.sent, |m| m.is_request() && m.method() == Method::Cancel);
    assert!(ways.iter().all(|(flow, _)| cancels.iter().any(|(to, _)| to == flow)), "{cancels:?}");
    lab.pass(Duration::from_secs(70), &[ConnectionId(1)]);
    assert!(lab.statuses().contains(&408));
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn a_carrier_that_says_100_by_the_connection_alone_keeps_the_call() {
    let mut lab = lab();
    let [by_connection, _] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_connection, 100), (vec![], vec![]));
    // The datagram is answered by nobody.
    lab.pass(Duration::from_secs(40), &[ConnectionId(1)]);
    assert!(!lab.statuses().contains(&408));
    assert_eq!(says(&mut lab, &by_connection, 180), (vec![180], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 200), (vec![200], vec![]));
}

#[test]
fn a_way_by_which_the_call_was_refused_is_not_gone_back_to() {
    let mut lab = lab();
    let [by_connection, by_datagram] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_connection, 100), (vec![], vec![]));
    assert_eq!(says(&mut lab, &by_datagram, 482), (vec![], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 482), (vec![482], vec![]), "it is a loop indeed");
    lab.pass(Duration::from_secs(70), &[ConnectionId(1)]);
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn a_carrier_that_rings_by_the_connection_before_the_datagram_has_the_call_there() {
    let mut lab = lab();
    let [by_connection, by_datagram] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_connection, 180), (vec![180], vec![]));
    assert_eq!(says(&mut lab, &by_datagram, 482), (vec![], vec![]));
    assert_eq!(says(&mut lab, &by_connection, 200), (vec![200], vec![]));
    let mut lab = self::lab();
    let [by_connection, by_datagram] = sent_twice(&mut lab);
    assert_eq!(says(&mut lab, &by_connection, 180), (vec![180], vec![]));
    assert_eq!(says(&mut lab, &by_datagram, 180), (vec![], vec![by_datagram.0]));
    assert_eq!(says(&mut lab, &by_connection, 200), (vec![200], vec![]));
}

#[test]
fn a_request_that_is_no_call_stays_on_the_connection_that_was_opened_for_it() {
    let large = |lab: &mut Lab| {
        let (uri, more) = ("sip:carrier.example", format!("X-Filler: {}\n", "x".repeat(1_200)));
        let ask = Ask { method: "REGISTER", uri, host: "127.0.2.1", more: &more, ..Ask::default() };
        lab.by(ConnectionId(1), &ask.text());
        resolve(lab, Some(vec![hop(Transport::Udp, "192.0.2.1:5060")]));
        match lab.only().0 {
            Flow::Stream { connection } => connection,
            Flow::Udp { .. } => panic!("not a connection"),
        }
    };
    let mut lab = lab();
    let connection = large(&mut lab);
    lab.proxy.handle_opened(connection, addr("192.0.2.1:5060"), Side::Edge);
    lab.pass(Duration::from_secs(20), &[ConnectionId(1)]);
    assert!(lab.take().iter().all(|(flow, _)| *flow != udp("192.0.2.1:5060")), "it may be executed already");
    let mut lab = self::lab();
    let connection = large(&mut lab);
    lab.proxy.handle_unopened(connection, Unreached::Late, lab.now);
    lab.drain();
    assert_eq!(lab.only().0, udp("192.0.2.1:5060"));
}

#[test]
fn a_carrier_that_says_100_on_a_connection_keeps_the_call() {
    let mut lab = lab();
    let (flow, invite) = too_large(&mut lab, "z9hG4bK-a");
    let Flow::Stream { connection } = flow else { panic!("not a connection") };
    lab.proxy.handle_opened(connection, addr("192.0.2.1:5060"), Side::Edge);
    lab.by(connection, &answer(&invite, 100, "y"));
    lab.pass(Duration::from_secs(20), &[ConnectionId(1)]);
    let on_its_way = |(to, message): &(Flow, Message)| *to != tcp(1) && message.is_request();
    assert!(!lab.take().iter().any(on_its_way), "neither a datagram nor a CANCEL");
    lab.by(connection, &answer(&invite, 200, "y"));
    assert_eq!(lab.statuses(), [200]);
    assert_eq!(too_large(&mut lab, "z9hG4bK-b").0, flow);
}

#[test]
fn a_carrier_that_answers_no_options_gets_emergency_calls_alone() {
    let mut lab = lab();
    let place = UriHop { host: "carrier.example".into(), port: None, transport: None, secure: false };
    let trunk = || Trunk {
        tenant: TenantId::parse("acme").unwrap(),
        name: "carrier".into(),
        allow: Vec::new(),
        certificate_names: Vec::new(),
        registrar: None,
        inbound: InboundPassword::NotAsked,
        asked: Some(place.clone()),
        user: None,
    };
    lab.proxy.set_trunks([trunk()], lab.now + Duration::from_millis(5));
    for _ in 0..2 {
        lab.pass(Duration::from_millis(10), &[ConnectionId(1)]);
        resolve(&mut lab, Some(udp_hops()));
        let questions = extract(&mut lab.sent, |m| m.method() == Method::Options);
        assert_eq!(
            questions.iter().map(|(flow, _)| *flow).collect::<Vec<_>>(),
            [udp("192.0.2.1:5060"), udp("192.0.2.2:5060")]
        );
        lab.pass(Duration::from_millis(9_990), &[ConnectionId(1)]);
        lab.take();
    }
    assert_eq!(lab.proxy.carriers_down(), 2);
    let told = |lab: &Lab, there: bool| {
        lab.outputs.iter().filter(|o| matches!(o, Output::Carrier { is_there, .. } if *is_there == there)).count()
    };
    assert_eq!((told(&lab, false), told(&lab, true)), (2, 0));
    lab.take();
    while asked(&mut lab).is_some() {}
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(udp_hops()));
    assert_eq!(unreached(&mut lab), Some(Unreached::Down));
    call(&mut lab, "z9hG4bK-b", "Trunkline-Insist: 1\n");
    resolve(&mut lab, Some(udp_hops()));
    let (_, emergency) = lab.only();
    assert_eq!(emergency.header(&headers::INSIST), None, "it stays inside");
    // Two trunks of one place are asked once, and what is known of it stays.
    let twice = || [trunk(), trunk()];
    lab.proxy.set_trunks(twice(), lab.now);
    lab.proxy.set_trunks(twice(), lab.now);
    assert_eq!(lab.proxy.carriers_down(), 2);
    lab.pass(Duration::from_secs(10), &[ConnectionId(1)]);
    assert_eq!(std::iter::from_fn(|| asked(&mut lab)).count(), 1);
    // Nobody asks it any more: it counts as being there.
    lab.proxy.set_trunks([] as [Trunk; 0], lab.now);
    assert_eq!(lab.proxy.carriers_down(), 0);
}

#[test]
fn a_carrier_that_answers_options_stays_and_is_back_after_two_answers() {
    let mut lab = lab();
    let place = UriHop { host: "192.0.2.1".into(), port: None, transport: None, secure: false };
    let trunk = Trunk {
        tenant: TenantId::parse("acme").unwrap(),
        name: "carrier".into(),
        allow: Vec::new(),
        certificate_names: Vec::new(),
        registrar: None,
        inbound: InboundPassword::NotAsked,
        asked: Some(place),
        user: None,
    };
    lab.proxy.set_trunks([trunk], lab.now + Duration::from_millis(5));
    let mut down = Vec::new();
    for answers in [true, false, false, true, true] {
        lab.pass(Duration::from_millis(10), &[ConnectionId(1)]);
        let (flow, question) = lab.only();
        assert_eq!((flow, question.method()), (udp("192.0.2.1:5060"), Method::Options));
        if answers {
            lab.from("192.0.2.1:5060", &answer(&question, 404, "c"));
        }
        lab.pass(Duration::from_millis(9_990), &[ConnectionId(1)]);
        lab.take();
        down.push(lab.proxy.carriers_down());
    }
    assert_eq!(down, [0, 0, 1, 1, 0]);
    assert_eq!(lab.proxy.sizes().0, 0, "no question is kept");
}

#[test]
fn a_carrier_whose_connection_breaks_after_100_rings_nowhere_else() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(vec![hop(Transport::Tcp, "192.0.2.1:5060"), hop(Transport::Tcp, "192.0.2.2:5060")]));
    let (Flow::Stream { connection }, invite) = lab.only() else { panic!("not a connection") };
    lab.proxy.handle_opened(connection, addr("192.0.2.1:5060"), Side::Edge);
    lab.by(connection, &answer(&invite, 100, "x"));
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    assert_eq!(lab.statuses(), [503]);
}

#[test]
fn a_late_answer_of_the_first_address_ends_the_ringing_at_the_second() {
    let mut lab = lab();
    let text = Ask { uri: URI, host: "127.0.2.1", ..Ask::default() }.text();
    lab.by(ConnectionId(1), &text.replace("tag=from-1", &format!("tag={}", tag(1, "a.1"))));
    resolve(&mut lab, Some(udp_hops()));
    let (_, first) = lab.only();
    lab.pass(Duration::from_secs(33), &[ConnectionId(1)]);
    let sent = lab.take();
    let second = sent.iter().find(|(flow, _)| *flow == udp("192.0.2.2:5060")).map(|(_, m)| m.clone()).unwrap();
    lab.from("192.0.2.2:5060", &answer(&second, 180, "y"));
    lab.take();
    lab.from("192.0.2.1:5060", &answer(&first, 200, "x"));
    let sent = lab.take();
    let to_node: Vec<_> = sent.iter().filter(|(flow, _)| *flow == tcp(1)).filter_map(|(_, m)| m.status()).collect();
    assert_eq!(to_node, [StatusCode::OK]);
    assert!(sent.iter().any(|(flow, m)| *flow == udp("192.0.2.2:5060") && m.method() == Method::Cancel), "{sent:?}");
}

#[test]
fn a_late_refusal_of_the_first_address_is_acknowledged_and_no_node_hears_of_it() {
    let mut lab = lab();
    call(&mut lab, "z9hG4bK-a", "");
    resolve(&mut lab, Some(udp_hops()));
    let (_, first) = lab.only();
    lab.pass(Duration::from_secs(33), &[ConnectionId(1)]);
    assert!(lab.take().iter().any(|(flow, _)| *flow == udp("192.0.2.2:5060")));
    for status in [180, 486] {
        lab.from("192.0.2.1:5060", &answer(&first, status, "x"));
    }
    let (flow, ack) = lab.only();
    assert_eq!((flow, ack.method()), (udp("192.0.2.1:5060"), Method::Ack));
    assert_eq!(ack.top_via().unwrap().branch(), first.top_via().unwrap().branch());
}

#[test]
fn a_carrier_with_which_we_register_over_tls_gets_our_address_for_tls() {
    let mut lab = lab();
    let register = "REGISTER sip:carrier.example;transport=tls SIP/2.0\nVia: SIP/2.0/TCP 127.0.2.1;branch=z9hG4bK-r\n\
                    From: <sip:we@carrier.example>;tag=1\nTo: <sip:we@carrier.example>\nCall-ID: r\nCSeq: 1 REGISTER\n\
                    Contact: <sip:we@127.0.0.1:5060>\nMax-Forwards: 70\nContent-Length: 0\n\n";
    lab.by(ConnectionId(1), register);
    resolve(&mut lab, Some(vec![hop(Transport::Tls, "192.0.2.1:5061")]));
    let (flow, sent) = lab.only();
    let Flow::Stream { connection } = flow else { panic!("not a connection") };
    assert_eq!(header(&sent, &HeaderName::Contact), "<sip:we@127.0.0.1:5061;transport=tls>");
    lab.proxy.handle_opened(connection, addr("192.0.2.1:5061"), Side::Edge);
    let ok = answer(&sent, 200, "c");
    let contact = "Contact: <sip:we@127.0.0.1:5061;transport=tls>;expires=60\nContact: <sip:other@192.0.2.9>\n";
    lab.by(connection, &ok.replacen("Call-ID", &format!("{contact}Call-ID"), 1));
    let (_, told) = lab.only();
    let contacts: Vec<_> = told.headers(&HeaderName::Contact).collect();
    assert_eq!(contacts, ["<sip:we@127.0.0.1:5061;transport=tls>;expires=60", "<sip:other@192.0.2.9>"]);
    assert_eq!(header(&told, &headers::CONTACT), "sip:we@127.0.0.1:5061;transport=tls");
}

#[test]
fn over_tcp_our_own_address_for_tcp_is_told() {
    const TCP_EDGE: &str = "198.51.100.1:5062";
    let mut lab = Lab::with(|settings| settings.other_edges.push(other_edge(Transport::Tcp, TCP_EDGE)));
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let call = Ask { uri: "sip:+1@192.0.2.1;transport=tcp", host: "127.0.2.1", branch: "z9hG4bK-a", ..Ask::default() };
    lab.by(ConnectionId(1), &call.text());
    let (_, invite) = lab.only();
    assert!(header(&invite, &HeaderName::Via).starts_with(&format!("SIP/2.0/TCP {TCP_EDGE};")));
    let route = header(&invite, &HeaderName::RecordRoute).to_owned();
    assert!(route.contains(&format!("@{TCP_EDGE};transport=tcp")), "{route}");
    // It names us.
    let (to_tag, more) = (tag(1, "a.1"), format!("Route: {route}\n"));
    let bye = Ask { method: "BYE", to_tag: Some(&to_tag), more: &more, branch: "z9hG4bK-b", ..Ask::default() };
    lab.from(TRUNK, &bye.text());
    let (flow, bye) = lab.only();
    assert_eq!((flow, bye.routes().count()), (tcp(1), 0));
    let register = Ask { method: "REGISTER", uri: "sip:192.0.2.1;transport=tcp", host: "127.0.2.1", ..Ask::default() };
    lab.by(
        ConnectionId(1),
        &register.text().replace("Contact: <sip:+15550199@127.0.2.1>", "Contact: <sip:a@127.0.0.1:5060>"),
    );
    let (_, register) = lab.only();
    assert_eq!(header(&register, &HeaderName::Contact), format!("<sip:a@{TCP_EDGE};transport=tcp>"));
}

#[test]
fn an_early_hang_up_says_nothing_against_an_address_and_a_long_silence_does() {
    for (wait, next) in [(1, "192.0.2.1:5060"), (4, "192.0.2.2:5060")] {
        let mut lab = lab();
        call(&mut lab, "z9hG4bK-a", "");
        resolve(&mut lab, Some(udp_hops()));
        lab.pass(Duration::from_secs(wait), &[ConnectionId(1)]);
        let cancel = Ask { method: "CANCEL", uri: URI, host: "127.0.2.1", branch: "z9hG4bK-a", ..Ask::default() };
        lab.by(ConnectionId(1), &cancel.text());
        lab.take();
        call(&mut lab, "z9hG4bK-b", "");
        resolve(&mut lab, Some(udp_hops()));
        assert_eq!(lab.only().0, udp(next), "after {wait} s");
    }
}

#[test]
fn a_call_with_routes_goes_to_the_first_of_them_and_takes_all_along() {
    let mut lab = lab();
    let routes = ["<sip:p1.carrier.example:5070;lr;transport=udp>", "<sip:p2.carrier.example;lr>"];
    call(&mut lab, "z9hG4bK-a", &format!("Route: {}\nRoute: {}\n", routes[0], routes[1]));
    let (lookup, place) = asked(&mut lab).expect("a question");
    assert_eq!((&*place.host, place.port), ("p1.carrier.example", Some(5070)));
    lab.proxy.handle_hops(lookup, Some(vec![hop(Transport::Udp, "192.0.2.1:5070")]), lab.now);
    lab.drain();
    let (flow, invite) = lab.only();
    assert_eq!((flow, invite.request_uri()), (udp("192.0.2.1:5070"), Some(URI)));
    assert_eq!(invite.elements(&HeaderName::Route).collect::<Vec<_>>(), routes);
}
