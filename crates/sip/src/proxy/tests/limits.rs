//! Floods and full tables: each has its limit, its answer and its counter.

use super::*;

#[test]
fn a_flood_from_one_source_is_refused_then_dropped_and_trunks_go_on() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let mut statuses = Vec::new();
    for n in 0..400 {
        let branch = format!("z9hG4bK-{n}");
        lab.from(PHONE, &Ask { method: "OPTIONS", uri: "sip:127.0.0.1", branch: &branch, ..Ask::default() }.text());
        statuses.extend(lab.statuses());
    }
    assert_eq!(statuses.iter().filter(|s| **s == 200).count(), 200);
    assert_eq!(statuses.iter().filter(|s| **s == 503).count(), 10);
    assert_eq!((lab.proxy.counts().rate_refused, lab.proxy.counts().rate_dropped), (10, 190));
    lab.from(TRUNK, &Ask::default().text());
    assert_eq!(lab.beyond_trying().0, tcp(1));
}

#[test]
fn lookups_that_never_end_are_bounded() {
    let mut lab = Lab::with(|s| s.limits.trunk_lookups = 3);
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.lookups = Lookups::Held;
    for n in 0..5 {
        let branch = format!("z9hG4bK-{n}");
        lab.from(TRUNK, &Ask { method: "MESSAGE", branch: &branch, ..Ask::default() }.text());
    }
    assert_eq!(lab.statuses(), [503, 503]);
    assert_eq!(lab.proxy.counts().overloads, 2);
    lab.pass(Duration::from_secs(70), &[1].map(ConnectionId));
    assert_eq!(lab.proxy.sizes().0, 0, "given up");
    lab.from(TRUNK, &Ask { method: "MESSAGE", branch: "z9hG4bK-9", ..Ask::default() }.text());
    assert!(lab.take().is_empty(), "there is room again");
}

#[test]
fn strangers_take_no_lookup_of_a_carriers_calls() {
    let mut lab = Lab::with(|s| (s.limits.lookups, s.limits.trunk_lookups) = (2, 1));
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.lookups = Lookups::Held;
    let asked = |lab: &Lab| lab.outputs.iter().filter(|o| matches!(o, Output::NeedCredentials { .. })).count();
    for n in 0..3 {
        let branch = format!("z9hG4bK-{n}");
        lab.from(PHONE, &Ask { method: "REGISTER", branch: &branch, ..Ask::default() }.text());
    }
    assert_eq!((asked(&lab), lab.statuses()), (2, vec![503]));
    lab.from(TRUNK, &Ask { method: "MESSAGE", branch: "z9hG4bK-t", ..Ask::default() }.text());
    assert_eq!((asked(&lab), lab.statuses()), (3, vec![]), "the call of a carrier waits");
    lab.from(TRUNK, &Ask { method: "MESSAGE", branch: "z9hG4bK-u", ..Ask::default() }.text());
    assert_eq!((asked(&lab), lab.statuses()), (3, vec![503]));
    lab.pass(settings::LOOKUP_TIME, &[1].map(ConnectionId));
    lab.take();
    for (from, branch) in [(PHONE, "z9hG4bK-v"), (TRUNK, "z9hG4bK-w")] {
        lab.from(from, &Ask { method: "MESSAGE", branch, ..Ask::default() }.text());
    }
    assert!(lab.take().is_empty(), "there is room again for both");
}

#[test]
fn an_invite_that_is_cancelled_during_its_lookup_ends() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.lookups = Lookups::Held;
    lab.from(TRUNK, &Ask::default().text());
    lab.from(TRUNK, &Ask { method: "CANCEL", ..Ask::default() }.text());
    assert_eq!(lab.statuses(), [200, 487]);
    let lookup = lab.outputs.iter().find_map(|o| match o {
        Output::NeedCredentials { lookup, .. } => Some(*lookup),
        _ => None,
    });
    lab.proxy.handle_credentials(lookup.unwrap(), Credentials::Unknown { realm: None }, lab.now);
    lab.drain();
    assert!(lab.take().is_empty(), "the late answer changes nothing");
}

#[test]
fn a_peer_on_the_nodes_port_that_is_no_node_is_turned_away() {
    let mut lab = Lab::new();
    lab.proxy.handle_opened(ConnectionId(1), addr("127.0.2.1:1"), Side::Cluster);
    lab.announce(ConnectionId(1), "sip-cluster;node=a;epoch=1", "forged");
    assert_eq!(lab.statuses(), [403]);
    assert!(lab.outputs.contains(&Output::Close { connection: ConnectionId(1) }));
    lab.proxy.handle_opened(ConnectionId(2), addr("127.0.2.1:2"), Side::Cluster);
    lab.by(ConnectionId(2), &Ask { branch: "z9hG4bK-2", ..Ask::default() }.text());
    assert_eq!(lab.statuses(), [403]);
    assert_eq!(lab.proxy.counts().nodes_refused, 2);
    assert_eq!(lab.proxy.live().count(), 0);
}

#[test]
fn more_nodes_than_the_limit_are_turned_away() {
    let mut lab = Lab::with(|s| s.limits.nodes = 1);
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.handle_opened(ConnectionId(2), addr("127.0.2.1:2"), Side::Cluster);
    lab.announce(ConnectionId(2), "sip-cluster;node=b;epoch=1", TOKEN);
    assert_eq!(lab.statuses(), [403]);
}

#[test]
fn what_has_come_too_far_goes_no_further() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let vias = |n: usize| "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK-hop\n".repeat(n);
    let max = usize::from(settings::HOPS_MAX);
    lab.from(TRUNK, &Ask { more: &vias(max - 1), branch: "z9hG4bK-a", ..Ask::default() }.text());
    assert_eq!(lab.beyond_trying().0, tcp(1));
    for (method, branch) in [("INVITE", "z9hG4bK-b"), ("REGISTER", "z9hG4bK-c")] {
        lab.from(TRUNK, &Ask { method, more: &vias(max), branch, ..Ask::default() }.text());
        assert_eq!(lab.statuses(), [483], "{method}");
    }
    let to_tag = tag(1, "a.1");
    let ack = Ask { method: "ACK", to_tag: Some(&to_tag), more: &vias(max), branch: "z9hG4bK-d", ..Ask::default() };
    lab.from(TRUNK, &ack.text());
    assert!(lab.take().is_empty());
    assert_eq!((lab.proxy.counts().loops, lab.proxy.counts().acks_stray), (2, 1));
}

#[test]
fn nobody_is_given_more_hops_than_a_request_may_have() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for (given, left, branch) in [(255, "69", "z9hG4bK-a"), (70, "69", "z9hG4bK-b"), (5, "4", "z9hG4bK-c")] {
        let text = Ask { branch, ..Ask::default() }.text();
        lab.from(TRUNK, &text.replace("Max-Forwards: 70", &format!("Max-Forwards: {given}")));
        assert_eq!(header(&lab.beyond_trying().1, &HeaderName::MaxForwards), left);
    }
}

#[test]
fn a_request_with_more_routes_than_are_followed_is_refused() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let to_tag = tag(1, "a.1");
    let ask = |lab: &mut Lab, routes: usize, branch: &str| {
        let more = format!("Route: {}\n", vec!["<sip:127.0.0.1:5060;lr>"; routes].join(", "));
        lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), more: &more, branch, ..Ask::default() }.text());
        lab.only().1
    };
    assert_eq!(ask(&mut lab, settings::ROUTES_MAX, "z9hG4bK-a").routes().count(), 0);
    let refused = ask(&mut lab, settings::ROUTES_MAX + 1, "z9hG4bK-b");
    assert_eq!(refused.status(), Some(StatusCode::BAD_REQUEST));
    assert_eq!(lab.proxy.counts().requests_too_long, 1);
}

#[test]
fn who_answers_without_end_is_not_listened_to_without_end_and_ends_the_call_all_the_same() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    let max = usize::from(settings::RESPONSES_MAX);
    for _ in 0..max + 100 {
        lab.by(ConnectionId(1), &answer(&invite, 180, "x"));
    }
    assert_eq!(lab.statuses().len(), max);
    assert_eq!(lab.proxy.counts().responses_limited, 100);
    lab.by(ConnectionId(1), &answer(&invite, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
}

#[test]
fn an_invite_of_which_nobody_says_whose_it_is_is_refused_in_time() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.lookups = Lookups::Held;
    lab.from(TRUNK, &Ask::default().text());
    lab.pass(settings::LOOKUP_TIME, &[1].map(ConnectionId));
    assert_eq!(lab.statuses(), [100, 503]);
    assert_eq!((lab.proxy.sizes().0, lab.proxy.counts().lookups_late), (0, 1));
}

#[test]
fn a_turn_looks_at_so_many_timers_and_leaves_the_rest_to_the_next() {
    let mut lab = Lab::with(|s| s.static_route = Some(addr("192.0.2.77:5060")));
    let calls = 2 * settings::TIMERS_PER_TURN;
    for n in 0..calls {
        let (branch, call) = (format!("z9hG4bK-{n}"), format!("call-{n}"));
        lab.from(TRUNK, &Ask { branch: &branch, call: &call, ..Ask::default() }.text());
    }
    lab.take();
    // The process is suspended: everything is due at once.
    lab.now = lab.now + Duration::from_secs(3_600);
    let mut turns = 0;
    while lab.proxy.next_timeout().is_some_and(|due| due <= lab.now) {
        lab.proxy.handle_timeout(lab.now);
        lab.drain();
        turns += 1;
        assert!(lab.take().len() <= 2 * settings::TIMERS_PER_TURN);
    }
    assert!((3..60).contains(&turns), "{turns}");
    assert_eq!(lab.proxy.counts().turns_cut, turns - 1);
}
