//! Nodes fail: their requests and responses go to a successor.

use super::*;

/// Two nodes, and an INVITE of a trunk that went to one of them; returns its node, the other node and the INVITE.
fn invited(lab: &mut Lab) -> (ConnectionId, ConnectionId, Message) {
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    lab.from(TRUNK, &Ask::default().text());
    let (flow, invite) = lab.beyond_trying();
    let (one, other) = (ConnectionId(1), ConnectionId(2));
    if flow == one.into() { (one, other, invite) } else { (other, one, invite) }
}

fn name(connection: ConnectionId) -> &'static str {
    if connection == ConnectionId(1) { "a.1" } else { "b.1" }
}

#[test]
fn a_request_for_a_lost_owner_goes_marked_to_its_successor() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.2");
    for gone in ["c.1", "b.1"] {
        let to_tag = tag(1, gone);
        let branch = format!("z9hG4bK-{gone}");
        lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: &branch, ..Ask::default() }.text());
        let (_, bye) = lab.only();
        assert_eq!(header(&bye, &headers::UNREACHABLE), gone);
    }
}

#[test]
fn an_unanswered_invite_of_a_killed_node_goes_to_the_other_with_a_new_branch() {
    let mut lab = Lab::new();
    let (dead, successor, first) = invited(&mut lab);
    lab.by(dead, &answer(&first, 100, "x"));
    lab.proxy.handle_closed(dead, lab.now);
    lab.drain();
    let (flow, second) = lab.only();
    assert_eq!((flow, second.method()), (Flow::from(successor), Method::Invite));
    assert_ne!(first.top_via().unwrap().branch(), second.top_via().unwrap().branch());
    assert_eq!(second.vias().count(), 2);
    assert_eq!(header(&second, &headers::UNREACHABLE), name(dead));
    assert_eq!(header(&second, &headers::TENANT), "acme");
    lab.by(successor, &answer(&second, 200, "y"));
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.status(), ok.vias().count()), (udp(TRUNK), Some(StatusCode::OK), 1));
    assert_eq!(lab.proxy.counts().requests_repeated, 1);
}

#[test]
fn an_invite_that_rang_waits_4_s_for_the_successors_own_answer() {
    let mut lab = Lab::new();
    let (dead, successor, first) = invited(&mut lab);
    lab.by(dead, &answer(&first, 180, "x"));
    lab.take();
    lab.proxy.handle_closed(dead, lab.now);
    lab.drain();
    lab.pass(Duration::from_millis(3_900), &[successor]);
    assert!(lab.take().is_empty());
    lab.by(successor, &answer(&first, 200, "x"));
    assert_eq!(lab.statuses(), [200], "by the branch that the dead node knew");
    lab.pass(Duration::from_secs(10), &[successor]);
    assert!(lab.take().is_empty());
}

#[test]
fn an_answer_that_crosses_the_repeated_invite_is_the_only_one_that_the_caller_gets() {
    let mut lab = Lab::new();
    let (dead, successor, first) = invited(&mut lab);
    lab.by(dead, &answer(&first, 180, "x"));
    lab.take();
    lab.proxy.handle_closed(dead, lab.now);
    lab.drain();
    lab.pass(Duration::from_millis(4_100), &[successor]);
    let (flow, second) = lab.only();
    assert_eq!((flow, second.method()), (Flow::from(successor), Method::Invite));
    lab.by(successor, &answer(&first, 200, "x"));
    assert_eq!(lab.statuses(), [200], "by the branch that the failed node knew");
    lab.by(successor, &answer(&second, 482, "x"));
    let to_caller = |(flow, message): &(Flow, Message)| *flow == udp(TRUNK) && !message.is_request();
    assert_eq!(lab.take().iter().filter(|sent| to_caller(sent)).count(), 0, "after a 2xx nothing else may follow");
    lab.by(successor, &answer(&first, 200, "x"));
    assert_eq!(lab.statuses(), [200], "a 2xx whose ACK is missing is repeated");
}

/// The repeat of an INVITE that rang at a node which failed, and that node's connection when it is back.
fn repeated(lab: &mut Lab) -> (ConnectionId, ConnectionId, Message, Message) {
    const BACK: ConnectionId = ConnectionId(9);
    let (silent, successor, first) = invited(lab);
    lab.by(silent, &answer(&first, 180, "x"));
    lab.take();
    lab.proxy.handle_closed(silent, lab.now);
    lab.drain();
    lab.pass(Duration::from_millis(4_100), &[successor]);
    let (flow, second) = lab.only();
    assert_eq!((flow, second.method()), (Flow::from(successor), Method::Invite));
    lab.node(BACK, "sip-cluster", name(silent));
    (BACK, successor, first, second)
}

#[test]
fn an_answer_by_the_first_branch_cancels_the_repeated_invite_when_that_has_a_response() {
    for rings_before in [true, false] {
        let mut lab = Lab::new();
        let (back, successor, first, second) = repeated(&mut lab);
        if rings_before {
            lab.by(successor, &answer(&second, 180, "y"));
            assert_eq!(lab.statuses(), [180]);
        }
        lab.by(back, &answer(&first, 200, "x"));
        let mut sent = lab.take();
        if !rings_before {
            assert_eq!(sent.len(), 1, "a CANCEL waits for a provisional response");
            lab.by(successor, &answer(&second, 180, "y"));
            sent.append(&mut lab.take());
        }
        let caller: Vec<_> = extract(&mut sent, |m| !m.is_request());
        assert_eq!(caller.iter().map(|(_, m)| m.status().unwrap().0).collect::<Vec<_>>(), [200]);
        let [(flow, cancel)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!((*flow, cancel.method()), (Flow::from(successor), Method::Cancel));
        assert_eq!(cancel.top_via().unwrap().branch(), second.top_via().unwrap().branch());
        assert_eq!(header(cancel, &HeaderName::Reason), crate::agent::COMPLETED_ELSEWHERE);
        lab.by(successor, &answer(cancel, 200, "y"));
        lab.by(successor, &answer(&second, 487, "y"));
        let (flow, ack) = lab.only();
        assert_eq!((flow, ack.method()), (Flow::from(successor), Method::Ack), "the caller hears nothing of it");
        lab.pass(Duration::from_secs(70), &[back, successor]);
        assert_eq!(lab.proxy.sizes().0, 0);
    }
}

#[test]
fn a_repeated_invite_that_is_answered_in_spite_of_its_cancel_is_the_callers_to_end() {
    let mut lab = Lab::new();
    let (back, successor, first, second) = repeated(&mut lab);
    lab.by(successor, &answer(&second, 180, "y"));
    lab.by(back, &answer(&first, 200, "x"));
    lab.take();
    let theirs = tag(2, name(successor));
    lab.by(successor, &answer(&second, 200, &theirs));
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.status(), ok.to().unwrap().tag()), (udp(TRUNK), Some(StatusCode::OK), Some(&*theirs)));
    for (method, branch) in [("ACK", "z9hG4bK-a"), ("BYE", "z9hG4bK-b")] {
        lab.from(TRUNK, &Ask { method, to_tag: Some(&theirs), branch, cseq: 2, ..Ask::default() }.text());
        assert_eq!(lab.only().0, Flow::from(successor));
    }
}

#[test]
fn an_invite_whose_second_node_has_failed_too_leaves_nothing_when_the_first_answers() {
    let mut lab = Lab::new();
    let (back, successor, first, second) = repeated(&mut lab);
    lab.by(successor, &answer(&second, 180, "y"));
    lab.proxy.handle_closed(successor, lab.now);
    lab.drain();
    lab.take();
    lab.by(back, &answer(&first, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
    lab.pass(Duration::from_secs(70), &[back]);
    assert!(lab.take().is_empty());
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn a_silent_nodes_ringing_invite_waits_for_the_successor_though_its_connection_is_closed() {
    let mut lab = Lab::new();
    let (dead, successor, first) = invited(&mut lab);
    lab.by(dead, &answer(&first, 180, "x"));
    lab.take();
    lab.pass(Duration::from_millis(1_300), &[successor]);
    assert!(lab.outputs.contains(&Output::Close { connection: dead }));
    lab.proxy.handle_closed(dead, lab.now);
    lab.drain();
    lab.pass(Duration::from_secs(2), &[successor]);
    assert!(lab.take().is_empty());
    lab.by(successor, &answer(&first, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
}

#[test]
fn an_invite_that_rang_is_repeated_when_the_successor_says_nothing() {
    let mut lab = Lab::new();
    let (dead, successor, first) = invited(&mut lab);
    lab.by(dead, &answer(&first, 183, "x"));
    lab.take();
    lab.proxy.handle_closed(dead, lab.now);
    lab.drain();
    lab.pass(Duration::from_millis(4_100), &[successor]);
    let (flow, second) = lab.only();
    assert_eq!((flow, header(&second, &headers::UNREACHABLE)), (Flow::from(successor), name(dead)));
    lab.by(successor, &answer(&second, 486, "x"));
    assert!(lab.statuses().contains(&486));
}

#[test]
fn a_bye_in_a_killed_nodes_buffers_is_repeated() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), ..Ask::default() }.text());
    assert_eq!(lab.only().0, tcp(1));
    lab.proxy.handle_closed(ConnectionId(1), lab.now);
    lab.drain();
    let (flow, bye) = lab.only();
    assert_eq!((flow, header(&bye, &headers::UNREACHABLE)), (tcp(2), "a.1"));
    lab.by(ConnectionId(2), &answer(&bye, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
}

#[test]
fn with_no_other_node_a_lost_request_is_503() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    lab.take();
    lab.proxy.handle_closed(ConnectionId(1), lab.now);
    lab.drain();
    assert_eq!(lab.statuses(), [503]);
}

#[test]
fn a_cancelled_invite_is_cancelled_at_the_successor_too() {
    let mut lab = Lab::new();
    let (dead, successor, first) = invited(&mut lab);
    lab.by(dead, &answer(&first, 100, "x"));
    lab.from(TRUNK, &Ask { method: "CANCEL", ..Ask::default() }.text());
    lab.take();
    lab.proxy.handle_closed(dead, lab.now);
    lab.drain();
    let (_, second) = lab.only();
    lab.by(successor, &answer(&second, 100, "x"));
    let (flow, cancel) = lab.only();
    assert_eq!((flow, cancel.method()), (Flow::from(successor), Method::Cancel));
}

#[test]
fn a_phones_answer_to_a_killed_node_reaches_the_successor_of_the_call() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\n");
    let invite = Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", more: &more, ..Ask::default() }.text();
    lab.by(ConnectionId(1), &invite.replace("tag=from-1", &format!("tag={}", tag(1, "a.1"))));
    let (_, invite) = lab.only();
    lab.proxy.handle_closed(ConnectionId(1), lab.now);
    lab.drain();
    assert!(lab.take().is_empty());
    lab.from(PHONE, &answer(&invite, 200, "p"));
    let (flow, ok) = lab.only();
    assert_eq!((flow, header(&ok, &headers::UNREACHABLE)), (tcp(2), "a.1"));
}

#[test]
fn a_node_that_connects_again_gets_what_it_has_not_answered() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.proxy.handle_opened(ConnectionId(2), addr("127.0.2.1:2"), Side::Cluster);
    lab.announce(ConnectionId(2), "sip-cluster;node=a;epoch=1", TOKEN);
    let sent = lab.take();
    assert!(sent.iter().any(|(f, m)| *f == tcp(2) && m.method() == Method::Invite), "{sent:?}");
    assert!(lab.outputs.contains(&Output::Close { connection: ConnectionId(1) }));
    lab.by(ConnectionId(2), &answer(&invite, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
}

#[test]
fn an_answer_that_a_node_repeats_after_the_proxy_was_started_again_goes_back_by_its_via() {
    let mut former = Lab::new();
    let (node, _, invite) = invited(&mut former);
    let answer = answer(&invite, 200, &tag(1, name(node)));
    for (source, back) in [("", TRUNK), (";received=192.0.2.9;rport=7777", "192.0.2.9:7777")] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(1), "sip-cluster", "a.2");
        lab.by(ConnectionId(1), &answer.replace(&format!("UDP {TRUNK}"), &format!("UDP {TRUNK}{source}")));
        let (flow, passed) = lab.only();
        assert_eq!((flow, passed.vias().count(), passed.status()), (udp(back), 1, Some(StatusCode::OK)));
        assert_eq!(lab.proxy.counts().responses_stray, 0);
    }
}

#[test]
fn nothing_else_that_belongs_to_no_transaction_goes_back() {
    let mut former = Lab::new();
    let (node, _, invite) = invited(&mut former);
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.2");
    let ok = answer(&invite, 200, &tag(1, name(node)));
    let failure = answer(&invite, 486, &tag(1, name(node)));
    let of_a_connection = ok.replace(&format!("UDP {TRUNK}"), &format!("TCP {TRUNK}"));
    lab.by(ConnectionId(1), &failure);
    lab.by(ConnectionId(1), &of_a_connection);
    lab.from(TRUNK, &ok);
    assert!(lab.take().is_empty());
    assert_eq!(lab.proxy.counts().responses_stray, 3);
}

#[test]
fn a_2xx_that_a_dead_proxy_has_waited_for_goes_to_the_owner_of_the_call_and_no_other_response_does() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "media", "m.1");
    let response = |status: u16, method: &str, tag: &str| {
        format!(
            "SIP/2.0 {status} x\nVia: SIP/2.0/UDP {EDGE};branch=z9hG4bKformer\nVia: SIP/2.0/TCP 127.0.2.1;branch=z9hG4bKnode\n\
             From: <sip:a@b>;tag={tag}\nTo: <sip:c@d>;tag=phone\nCall-ID: x\nCSeq: 1 {method}\n\
             Contact: <sip:c@d>\nContent-Length: 0\n\n"
        )
    };
    let forged =
        LocalTag { call: ConnId(1), leg: LegId(1), tenant: TenantId::parse("acme").unwrap(), owner: owner("a.1") }
            .encode(&Seal::new(&[1; 32]));
    for (status, method, tag) in [(180, "INVITE", tag(1, "a.1")), (200, "BYE", tag(1, "a.1")), (200, "INVITE", forged)]
    {
        lab.from(PHONE, &response(status, method, &tag));
        assert!(lab.take().is_empty(), "{status} {method}");
    }
    lab.from(PHONE, &response(200, "INVITE", &tag(1, "a.1")));
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.vias().count()), (tcp(1), 1));
    assert_eq!(ok.top_via().unwrap().branch(), Some("z9hG4bKnode"));
    // A response of media, through another proxy than the failed one.
    lab.by(ConnectionId(2), &response(200, "INVITE", &tag(1, "a.1")).replace(EDGE, "127.0.1.9:5080"));
    assert_eq!(lab.only().0, tcp(1));
}
