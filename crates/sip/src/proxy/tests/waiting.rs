//! Requests that wait for the next life of the only node that can have their call.

use super::*;

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
