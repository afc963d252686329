//! Calls that have moved: a node says which other one has them.

use super::*;

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
