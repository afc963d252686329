//! Nodes join, drain and fall silent, and are found by role and by name.

use super::*;

#[test]
fn a_node_is_told_the_edge_and_who_is_live() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.handle_opened(ConnectionId(2), addr("127.0.2.2:1"), Side::Cluster);
    lab.announce(ConnectionId(2), "media;node=m;epoch=5", TOKEN);
    let (_, greeting) = lab.only();
    assert_eq!(header(&greeting, &headers::EDGE), EDGE);
    assert_eq!(header(&greeting, &headers::SECURE_EDGE), SECURE_EDGE);
    let places = "127.0.0.1:5060, 127.0.0.1:5060;transport=tcp, 127.0.0.1:5061;transport=tls";
    assert_eq!(header(&greeting, &headers::PLACES), places);
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
fn a_node_that_closes_its_connection_is_lost_unless_it_was_to_end() {
    for (node_drains, proxy_drains, why) in
        [(false, false, NodeLoss::Closed), (true, false, NodeLoss::Ended), (false, true, NodeLoss::Ended)]
    {
        let mut lab = Lab::new();
        lab.node(ConnectionId(1), "sip-cluster", "a.1");
        if node_drains {
            lab.announce(ConnectionId(1), "sip-cluster;node=a;epoch=1;draining", TOKEN);
        }
        if proxy_drains {
            lab.proxy.drain(lab.now);
        }
        lab.proxy.handle_closed(ConnectionId(1), lab.now);
        lab.drain();
        assert!(lab.outputs.contains(&Output::NodeDown(owner("a.1"), why)), "{why:?}: {:?}", lab.outputs);
    }
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
