//! Floods and full tables: each has its limit, its answer and its count.

use super::*;

#[test]
fn a_flood_from_one_source_is_refused_then_dropped_and_trunks_go_on() {
    let mut lab = Lab::new();
    lab.node(1, "sip-cluster", "a.1");
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
    let mut lab = Lab::with(|s| s.limits.lookups = 3);
    lab.node(1, "sip-cluster", "a.1");
    lab.lookups = Lookups::Held;
    for n in 0..5 {
        let branch = format!("z9hG4bK-{n}");
        lab.from(TRUNK, &Ask { method: "MESSAGE", branch: &branch, ..Ask::default() }.text());
    }
    assert_eq!(lab.statuses(), [503, 503]);
    assert_eq!(lab.proxy.counts().overloads, 2);
    lab.pass(Duration::from_secs(70), &[1]);
    assert_eq!(lab.proxy.sizes().0, 0, "given up");
    lab.from(TRUNK, &Ask { method: "MESSAGE", branch: "z9hG4bK-9", ..Ask::default() }.text());
    assert!(lab.take().is_empty(), "there is room again");
}

#[test]
fn an_invite_that_is_cancelled_during_its_lookup_ends() {
    let mut lab = Lab::new();
    lab.node(1, "sip-cluster", "a.1");
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
    lab.proxy.handle_opened(1, addr("127.0.2.1:1"), Side::Cluster);
    lab.announce(1, "sip-cluster;node=a;epoch=1", "forged");
    assert_eq!(lab.statuses(), [403]);
    assert!(lab.outputs.contains(&Output::Close { connection: 1 }));
    lab.proxy.handle_opened(2, addr("127.0.2.1:2"), Side::Cluster);
    lab.by(2, &Ask { branch: "z9hG4bK-2", ..Ask::default() }.text());
    assert_eq!(lab.statuses(), [403]);
    assert_eq!(lab.proxy.counts().nodes_refused, 2);
    assert_eq!(lab.proxy.live().count(), 0);
}

#[test]
fn more_nodes_than_the_limit_are_turned_away() {
    let mut lab = Lab::with(|s| s.limits.nodes = 1);
    lab.node(1, "sip-cluster", "a.1");
    lab.proxy.handle_opened(2, addr("127.0.2.1:2"), Side::Cluster);
    lab.announce(2, "sip-cluster;node=b;epoch=1", TOKEN);
    assert_eq!(lab.statuses(), [403]);
}
