//! Nodes join, drain, fall silent and fail.

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
fn a_node_is_told_the_edge_and_who_is_live() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.handle_opened(ConnectionId(2), addr("127.0.2.2:1"), Side::Cluster);
    lab.announce(ConnectionId(2), "media;node=m;epoch=5", TOKEN);
    let (_, greeting) = lab.only();
    assert_eq!(header(&greeting, &headers::EDGE), EDGE);
    assert_eq!(header(&greeting, &headers::LIVE), "a.1, m.5");
    assert!(lab.outputs.iter().any(|o| matches!(o, Output::NodeUp(a) if a.owner == owner("m.5"))));
}

#[test]
fn a_node_that_answers_stays_and_a_silent_one_is_lost_within_1_2_s() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    lab.pass(Duration::from_secs(60), &[1, 2].map(ConnectionId));
    assert_eq!(lab.proxy.live().count(), 2);
    lab.pass(Duration::from_millis(1_200), &[1].map(ConnectionId));
    assert_eq!(lab.proxy.live().map(|a| a.owner.to_string()).collect::<Vec<_>>(), ["a.1"]);
    assert!(lab.outputs.contains(&Output::NodeDown(owner("b.1"), NodeLoss::Silent)));
    assert!(lab.outputs.contains(&Output::Close { connection: ConnectionId(2) }));
}

#[test]
fn a_node_that_drains_gets_what_it_owns_and_nothing_new() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    lab.announce(ConnectionId(1), "sip-cluster;node=a;epoch=1;draining", TOKEN);
    lab.take();
    for n in 0..20 {
        let (call, branch) = (format!("c{n}"), format!("z9hG4bK-{n}"));
        lab.from(TRUNK, &Ask { call: &call, branch: &branch, ..Ask::default() }.text());
        assert_eq!(lab.beyond_trying().0, tcp(2));
    }
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-b", ..Ask::default() }.text());
    assert_eq!(lab.only().0, tcp(1));
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
fn a_dialog_of_media_goes_to_the_next_life_of_its_node_and_to_nobody_else() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.1");
    lab.node(ConnectionId(2), "media", "media-2.7");
    let bye = |lab: &mut Lab, call: u64| {
        let (to_tag, branch) = (tag(call, "media-1.1"), format!("z9hG4bK-{call}"));
        lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: &branch, ..Ask::default() }.text());
    };
    bye(&mut lab, 1);
    lab.pass(Duration::from_secs(5), &[1, 2].map(ConnectionId));
    assert_eq!(lab.statuses(), [503], "its ports are nobody's yet");
    lab.node(ConnectionId(3), "media", "media-1.2");
    for call in 2..20 {
        bye(&mut lab, call);
        let (flow, bye) = lab.only();
        assert_eq!((flow, header(&bye, &headers::UNREACHABLE)), (tcp(3), "media-1.1"));
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
fn a_call_that_one_node_has_no_room_for_goes_to_another_once() {
    let mut lab = Lab::new();
    let (full, other, first) = invited(&mut lab);
    lab.by(full, &answer(&first, 503, "x"));
    let ack_and_invite = lab.take();
    let again = ack_and_invite.iter().find(|(_, message)| message.method() == Method::Invite).expect("a second INVITE");
    assert_eq!(again.0, Flow::from(other));
    assert_eq!((again.1.vias().count(), header(&again.1, &headers::TENANT)), (2, "acme"));
    assert!(again.1.header(&headers::UNREACHABLE).is_none(), "no node has failed");
    lab.by(other, &answer(&again.1, 200, "y"));
    assert_eq!(lab.statuses(), [200]);

    let mut lab = Lab::new();
    let (full, other, first) = invited(&mut lab);
    lab.by(full, &answer(&first, 503, "x"));
    let sent = lab.take();
    let again = &sent.iter().find(|(_, message)| message.method() == Method::Invite).expect("a second INVITE").1;
    lab.by(other, &answer(again, 503, "y"));
    let (statuses, invites): (Vec<_>, Vec<_>) = lab.take().into_iter().partition(|(_, message)| !message.is_request());
    assert_eq!(statuses.iter().filter_map(|(_, message)| message.status()).collect::<Vec<_>>(), [StatusCode(503)]);
    assert!(invites.iter().all(|(_, message)| message.method() == Method::Ack), "no third one");
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
fn nodes_reach_media_by_role_and_by_name() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "media", "m.1");
    lab.node(ConnectionId(3), "media", "n.1");
    let mut chosen = std::collections::BTreeSet::new();
    for n in 0..20 {
        let (uri, branch) = (format!("sip:conf={n:016x}@media.trunkline.invalid"), format!("z9hG4bK-{n}"));
        let ask = Ask { uri: &uri, host: "127.0.2.1", branch: &branch, ..Ask::default() };
        lab.by(ConnectionId(1), &ask.text());
        let (Flow::Stream { connection }, invite) = lab.only() else { panic!("not by a connection") };
        assert_eq!(invite.header(&HeaderName::RecordRoute), None);
        chosen.insert(connection);
    }
    assert_eq!(chosen.into_iter().collect::<Vec<_>>(), [2, 3].map(ConnectionId));
    let info = |uri: &'static str, branch: &'static str| {
        Ask { method: "INFO", uri, to_tag: Some("m"), host: "127.0.2.1", branch, ..Ask::default() }.text()
    };
    lab.by(ConnectionId(1), &info("sip:x@n.1.media.trunkline.invalid", "z9hG4bK-i1"));
    assert_eq!(lab.only().0, tcp(3));
    lab.by(ConnectionId(1), &info("sip:x@n.0.media.trunkline.invalid", "z9hG4bK-i3"));
    assert_eq!(lab.only().0, tcp(3), "started again, it has what it had");
    lab.by(ConnectionId(1), &info("sip:x@gone.1.media.trunkline.invalid", "z9hG4bK-i2"));
    assert_eq!(lab.statuses(), [481]);
}

#[test]
fn a_media_nodes_request_finds_the_owner_of_the_dialog() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "media", "m.1");
    let to_tag = tag(1, "a.1");
    let uri = format!("sip:{to_tag}@127.0.0.1:5060");
    lab.by(
        ConnectionId(2),
        &Ask { method: "INFO", uri: &uri, to_tag: Some(&to_tag), host: "127.0.13.1", ..Ask::default() }.text(),
    );
    assert_eq!(lab.only().0, tcp(1));
}

#[test]
fn a_node_hands_a_call_back_by_naming_its_owner_in_a_route() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let to_tag = tag(1, "c.1");
    let bye = |node: &str, branch: &str| {
        let more = format!("Route: <sip:{node}.sip-cluster.trunkline.invalid;lr>\n");
        Ask { method: "BYE", to_tag: Some(&to_tag), host: "127.0.2.1", branch, more: &more, ..Ask::default() }.text()
    };
    lab.by(ConnectionId(1), &bye("b.1", "z9hG4bK-1"));
    let (flow, handed) = lab.only();
    assert_eq!((flow, handed.routes().count(), handed.header(&headers::UNREACHABLE)), (tcp(2), 0, None));
    lab.by(ConnectionId(1), &bye("gone.1", "z9hG4bK-2"));
    let (_, marked) = lab.only();
    assert_eq!(header(&marked, &headers::UNREACHABLE), "c.1");
}

/// A node that was away reconnects; returns the resulting messages except the greeting.
fn back(lab: &mut Lab, connection: ConnectionId, node: &str) -> Vec<(Flow, Message)> {
    lab.proxy.handle_opened(connection, addr("127.0.2.1:40000"), Side::Cluster);
    lab.announce(connection, node, TOKEN);
    let mut sent = lab.take();
    assert_eq!(sent.remove(0).1.status(), Some(StatusCode::OK), "the greeting comes first");
    sent
}

#[test]
fn a_request_within_a_dialog_waits_for_the_next_life_of_the_only_node() {
    let mut lab = Lab::new();
    let to_tag = tag(1, "a.1");
    for (n, method) in ["INFO", "BYE"].into_iter().enumerate() {
        let branch = format!("z9hG4bK-{n}");
        lab.from(TRUNK, &Ask { method, to_tag: Some(&to_tag), branch: &branch, ..Ask::default() }.text());
    }
    lab.pass(Duration::from_secs(2), &[]);
    assert!(lab.take().is_empty());
    assert!(
        back(&mut lab, ConnectionId(2), "media;node=m;epoch=1").is_empty(),
        "a node of another role is no successor"
    );
    let sent = back(&mut lab, ConnectionId(1), "sip-cluster;node=a;epoch=2");
    assert_eq!(sent.iter().map(|(_, m)| m.method()).collect::<Vec<_>>(), [Method::Info, Method::Bye], "in their order");
    assert!(sent.iter().all(|(flow, m)| *flow == tcp(1) && header(m, &headers::UNREACHABLE) == "a.1"));
    lab.by(ConnectionId(1), &answer(&sent[1].1, 200, &to_tag));
    assert_eq!(lab.statuses(), [200]);
    assert_eq!((lab.proxy.counts().requests_waited, lab.proxy.counts().no_node), (2, 0));
}

#[test]
fn nobody_waits_longer_than_4_s_for_an_owner() {
    let mut lab = Lab::new();
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), ..Ask::default() }.text());
    lab.pass(Duration::from_millis(3_900), &[]);
    assert!(lab.take().is_empty());
    lab.pass(Duration::from_millis(200), &[]);
    assert_eq!(lab.statuses(), [503]);
    assert!(back(&mut lab, ConnectionId(1), "sip-cluster;node=a;epoch=2").is_empty());
}

#[test]
fn what_begins_waits_for_no_node_and_neither_does_a_proxy_that_drains() {
    let mut lab = Lab::new();
    lab.from(TRUNK, &Ask::default().text());
    assert_eq!(lab.beyond_trying().1.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    lab.proxy.drain(lab.now);
    let to_tag = tag(1, "a.1");
    let bye = Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-2", ..Ask::default() };
    lab.from(TRUNK, &bye.text());
    assert_eq!(lab.statuses(), [503]);
}

#[test]
fn a_request_that_its_only_node_has_not_answered_waits_for_its_next_life() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), ..Ask::default() }.text());
    assert_eq!(lab.only().0, tcp(1));
    lab.proxy.handle_closed(ConnectionId(1), lab.now);
    lab.drain();
    assert!(lab.take().is_empty());
    let sent = back(&mut lab, ConnectionId(2), "sip-cluster;node=a;epoch=2");
    assert_eq!((sent.len(), sent[0].0, sent[0].1.method()), (1, tcp(2), Method::Bye));
    assert_eq!(header(&sent[0].1, &HeaderName::MaxForwards), "69", "it was changed once");
}

/// A node's report that another one has the call.
fn elsewhere(request: &Message, owner: &str) -> String {
    answer(request, 302, "x").replacen("Content-Length", &format!("Trunkline-Owner: {owner}\nContent-Length"), 1)
}

#[test]
fn a_request_of_a_call_that_has_moved_goes_to_the_node_that_has_it() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), ..Ask::default() }.text());
    let (flow, first) = lab.only();
    assert_eq!(flow, tcp(1));
    lab.by(ConnectionId(1), &elsewhere(&first, "b.1"));
    let (flow, second) = lab.only();
    assert_eq!((flow, second.header(&headers::UNREACHABLE), second.vias().count()), (tcp(2), None, 2));
    lab.by(ConnectionId(2), &answer(&second, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
}

/// A request of call `call`, owned by `a.1`; returns where it went, and the request with its mark.
fn asked_of(lab: &mut Lab, call: u64, number: u32) -> (Flow, Message) {
    let (to_tag, branch) = (tag(call, "a.1"), format!("z9hG4bK-{call}-{number}"));
    lab.from(
        TRUNK,
        &Ask { method: "INFO", to_tag: Some(&to_tag), branch: &branch, cseq: number, ..Ask::default() }.text(),
    );
    lab.only()
}

#[test]
fn who_has_a_call_is_remembered_as_long_as_that_node_is_there() {
    let mut lab = Lab::new();
    // The failed node is back with another epoch: the hash of its name gives it half of the calls.
    lab.node(ConnectionId(1), "sip-cluster", "a.2");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let call = (1..).find(|call| asked_of(&mut lab, *call, 1).0 == tcp(1)).unwrap();
    let (_, first) = asked_of(&mut lab, call, 2);
    assert_eq!(header(&first, &headers::UNREACHABLE), "a.1");
    lab.by(ConnectionId(1), &elsewhere(&first, "b.1"));
    assert_eq!(lab.only().0, tcp(2));
    let (flow, second) = asked_of(&mut lab, call, 3);
    assert_eq!((flow, second.header(&headers::UNREACHABLE)), (tcp(2), None), "no detour");
    let other = asked_of(&mut lab, call + 1_000, 1);
    assert_eq!(header(&other.1, &headers::UNREACHABLE), "a.1", "of that call alone");
    lab.proxy.handle_closed(ConnectionId(2), lab.now);
    lab.drain();
    lab.take();
    let (flow, third) = asked_of(&mut lab, call, 4);
    assert_eq!((flow, header(&third, &headers::UNREACHABLE)), (tcp(1), "a.1"));
}

#[test]
fn what_a_call_has_at_media_does_not_go_to_the_calls_owner() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.1");
    lab.node(ConnectionId(2), "sip-cluster", "sip-cluster-2.1");
    lab.node(ConnectionId(3), "media", "media-1.1");
    let info = |lab: &mut Lab, owned_by: &str, number: u32| {
        let (to_tag, branch) = (tag(1, owned_by), format!("z9hG4bK-{number}"));
        lab.from(
            TRUNK,
            &Ask { method: "INFO", to_tag: Some(&to_tag), branch: &branch, cseq: number, ..Ask::default() }.text(),
        );
        lab.only()
    };
    let (_, first) = info(&mut lab, "sip-cluster-1.1", 1);
    lab.by(ConnectionId(1), &elsewhere(&first, "sip-cluster-2.1"));
    lab.take();
    assert_eq!(info(&mut lab, "sip-cluster-1.1", 2).0, tcp(2));
    assert_eq!(info(&mut lab, "media-1.1", 3).0, tcp(3));
}

#[test]
fn a_request_that_has_its_answer_goes_to_nobody_else() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let to_tag = tag(1, "a.1");
    for method in ["INVITE", "BYE"] {
        let branch = format!("z9hG4bK-{method}");
        lab.from(TRUNK, &Ask { method, to_tag: Some(&to_tag), branch: &branch, ..Ask::default() }.text());
        let (_, request) = lab.only();
        lab.by(ConnectionId(1), &answer(&request, 200, &to_tag));
        assert_eq!(lab.statuses(), [200]);
        lab.by(ConnectionId(2), &elsewhere(&request, "b.1"));
        assert!(lab.take().is_empty(), "{method}");
    }
}

#[test]
fn a_request_whose_call_was_with_a_node_that_is_gone_too_goes_marked_to_the_next_successor_and_not_for_ever() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.1");
    let to_tag = tag(1, "sip-cluster-1.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), ..Ask::default() }.text());
    let mut times = 0;
    while let Some((_, bye)) = lab.take().pop().filter(|(flow, _)| *flow == tcp(1)) {
        times += 1;
        lab.by(ConnectionId(1), &elsewhere(&bye, "sip-cluster-2.7"));
        if times > 1 {
            assert_eq!(header(&bye, &headers::UNREACHABLE), "sip-cluster-2.7");
        }
    }
    assert_eq!(times, 5);
}

#[test]
fn a_request_that_nodes_give_to_each_other_ends_although_nodes_come_and_go() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.1");
    lab.node(ConnectionId(2), "sip-cluster", "sip-cluster-2.1");
    let to_tag = tag(1, "sip-cluster-1.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), ..Ask::default() }.text());
    let mut times = 0;
    for life in 3..40 {
        while let Some((flow, bye)) = lab.take().pop().filter(|(flow, m)| *flow != udp(TRUNK) && m.is_request()) {
            times += 1;
            let Flow::Stream { connection } = flow else { panic!("to a node") };
            let other = if connection == ConnectionId(1) { "sip-cluster-2.1" } else { "sip-cluster-1.1" };
            lab.by(connection, &elsewhere(&bye, other));
        }
        // A node joins: requests that wait for a node are assigned again.
        lab.proxy.handle_opened(ConnectionId(life), addr("127.0.2.1:40000"), Side::Cluster);
        lab.announce(ConnectionId(life), &format!("media;node=media-1;epoch={life}"), TOKEN);
        lab.sent.retain(|(_, m)| m.status() != Some(StatusCode::OK));
    }
    assert_eq!(times, usize::from(settings::REPEATS_AFTER_WAITING_MAX) + 1);
    assert_eq!(lab.proxy.counts().handovers_limited, 1);
    assert_eq!((lab.proxy.counts().no_node, lab.proxy.is_idle()), (1, true), "it was answered");
}

#[test]
fn a_response_that_nodes_give_to_each_other_ends() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    // To a request that a node has sent itself.
    let own =
        Message::parse(Ask { host: "127.0.2.1", ..Ask::default() }.text().replace('\n', "\r\n").into_bytes().into());
    let mut response = elsewhere(&own.unwrap(), "b.1");
    let mut times = 0;
    loop {
        lab.by(ConnectionId(if times % 2 == 0 { 1 } else { 2 }), &response);
        let Some((flow, passed)) = lab.take().pop() else { break };
        times += 1;
        assert_eq!(flow, tcp(if times % 2 == 0 { 1 } else { 2 }));
        let other = if times % 2 == 0 { "b.1" } else { "a.1" };
        response = text_of(&passed).replace("\r\n", "\n").replacen(
            "Content-Length",
            &format!("Trunkline-Owner: {other}\nContent-Length"),
            1,
        );
    }
    assert_eq!((times, lab.proxy.counts().handovers_limited), (settings::PASSES_MAX, 1));
}

#[test]
fn thousands_that_wait_for_a_node_in_vain_are_answered_each_once() {
    let mut lab = Lab::with(|s| s.limits.trunk_requests_per_s = 1_000_000);
    let to_tag = tag(1, "a.1");
    for n in 0..settings::OWNER_BACK_MAX + 10 {
        let branch = format!("z9hG4bK-{n}");
        lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: &branch, ..Ask::default() }.text());
    }
    assert_eq!(lab.statuses(), [503; 10], "beyond the bound nobody waits");
    lab.pass(Duration::from_secs(5), &[]);
    assert_eq!(lab.statuses().len(), settings::OWNER_BACK_MAX);
    let ask = Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-again", ..Ask::default() };
    lab.from(TRUNK, &ask.text());
    assert!(lab.take().is_empty(), "there is room again");
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
            .seal(&Seal::new(&[1; 32]));
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
