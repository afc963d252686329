//! The flows by which phones and carriers are reached, and what is tried once one is gone.

use super::phones::{credentials, register, registered_by};
use super::*;

#[test]
fn a_node_is_told_by_which_host_a_session_was_answered() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\n");
    lab.by(
        ConnectionId(1),
        &Ask { uri: "sip:7101@10.0.0.7:5066", host: "127.0.2.1", more: &more, ..Ask::default() }.text(),
    );
    let (_, invite) = lab.only();
    lab.from(PHONE, &answer(&invite, 180, "p"));
    assert_eq!(lab.only().1.header(&headers::PARTY), None, "it describes no session");
    let forged = "Trunkline-Party: 198.51.100.66\nTrunkline-Tenant: other\nContent-Type: application/sdp\n";
    let ok =
        answer(&invite, 200, "p").replace("Content-Length: 0\n\n", &format!("{forged}Content-Length: 5\n\nv=0\n\n"));
    lab.from(PHONE, &ok);
    let (_, ok) = lab.only();
    assert_eq!(ok.headers(&headers::PARTY).collect::<Vec<_>>(), ["203.0.113.5"]);
    assert_eq!(ok.header(&headers::TENANT), None);
}

#[test]
fn a_call_to_a_phone_goes_down_its_flow() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\nTrunkline-Secret: 1\n");
    lab.by(
        ConnectionId(1),
        &Ask { uri: "sip:7101@10.0.0.7:5066", host: "127.0.2.1", more: &more, ..Ask::default() }.text(),
    );
    let (flow, invite) = lab.only();
    assert_eq!((flow, invite.request_uri(), invite.routes().count()), (udp(PHONE), Some("sip:7101@10.0.0.7:5066"), 0));
    assert!(!text_of(&invite).contains("Trunkline"));
    assert!(header(&invite, &HeaderName::Via).starts_with("SIP/2.0/UDP 127.0.0.1:5060;branch="));
    let recorded = invite.record_routes().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert_eq!(flow_token::open(&recorded, &seal()), Some(udp(PHONE)));
    lab.from(PHONE, &answer(&invite, 180, "p"));
    assert_eq!(lab.only().0, tcp(1));
}

#[test]
fn a_dead_or_foreign_flow_is_430() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.handle_opened(ConnectionId(70), addr(PHONE), Side::Edge);
    let path = flow_token::seal(tcp(70), None, &seal());
    let foreign = flow_token::seal(udp(PHONE), None, &Seal::new(&[1; 32]));
    let call = |path: &str, branch: &str| {
        let more = format!("Route: <sip:{path}@127.0.0.1:5060;transport=tcp;lr>\n");
        Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", branch, more: &more, ..Ask::default() }.text()
    };
    lab.by(ConnectionId(1), &call(&path, "z9hG4bK-1"));
    assert_eq!(lab.only().0, tcp(70));
    lab.proxy.handle_closed(ConnectionId(70), lab.now);
    lab.drain();
    assert_eq!(lab.statuses(), [430], "what was under way");
    lab.by(ConnectionId(1), &call(&path, "z9hG4bK-2"));
    lab.by(ConnectionId(1), &call(&foreign, "z9hG4bK-3"));
    assert_eq!(lab.statuses(), [430, 430]);
    assert_eq!(lab.proxy.counts().dead_flows, 2);
}

#[test]
fn an_outbound_call_opens_a_connection_to_the_carrier_once() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let call = |branch: &str| {
        let uri = "sip:+15550199@192.0.2.10:5062;transport=tcp";
        Ask { uri, host: "127.0.2.1", branch, ..Ask::default() }.text()
    };
    lab.by(ConnectionId(1), &call("z9hG4bK-1"));
    let opened = lab.outputs.iter().find_map(|o| match o {
        Output::Connect { connection, remote, .. } => Some((*connection, *remote)),
        _ => None,
    });
    let (connection, remote) = opened.unwrap();
    assert_eq!((remote, lab.only().0), (addr("192.0.2.10:5062"), Flow::from(connection)));
    lab.by(ConnectionId(1), &call("z9hG4bK-2"));
    assert_eq!(lab.only().0, Flow::from(connection));
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    assert_eq!(lab.statuses(), [503, 503]);
    lab.by(
        ConnectionId(1),
        &Ask { uri: "sip:1@192.0.2.10", host: "127.0.2.1", branch: "z9hG4bK-3", ..Ask::default() }.text(),
    );
    assert_eq!(lab.only().0, udp("192.0.2.10:5060"));
}

#[test]
fn a_phone_whose_connection_is_gone_is_reached_where_it_listens_and_no_stranger_is() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let ip = addr(PHONE).ip();
    let home = SocketAddr::new(ip, 0);
    let dead = flow_token::seal(
        tcp(70),
        Some(flow_token::StreamOwner { home, phone: flow_token::PhoneMark::default() }),
        &seal(),
    );
    let more = format!("Route: <sip:{dead}@127.0.0.1:5060;transport=tcp;lr>\n");
    let mut way_to = |uri: &str, branch: &str| {
        lab.by(ConnectionId(1), &Ask { uri, host: "127.0.2.1", branch, more: &more, ..Ask::default() }.text());
        lab.only()
    };
    for (uri, branch) in [
        ("sip:7101@203.0.113.7:5066;transport=tcp".to_owned(), "z9hG4bK-a"),
        (format!("sip:7101@{ip}:5066"), "z9hG4bK-b"),
        ("sip:7101@phone.example;transport=tcp".to_owned(), "z9hG4bK-c"),
    ] {
        assert_eq!(way_to(&uri, branch).1.status(), Some(StatusCode::FLOW_FAILED), "{uri}");
    }
    let contact = format!("sip:7101@{ip}:5066;transport=tcp");
    let (flow, invite) = way_to(&contact, "z9hG4bK-d");
    assert!(matches!(flow, Flow::Stream { connection } if connection.is_opened_by_us()), "a connection of ours");
    assert_eq!(invite.request_uri(), Some(&*contact));
}

#[test]
fn a_phone_that_has_registered_again_gets_its_calls_by_the_new_connection() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.1");
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    let mut paths = Vec::new();
    for (number, asks, proves) in [(70, "z9hG4bK-1", "z9hG4bK-2"), (71, "z9hG4bK-3", "z9hG4bK-4")] {
        let connection = ConnectionId(number);
        lab.proxy.handle_opened(connection, addr(PHONE), Side::Edge);
        lab.by(connection, &register("", asks).text());
        let (_, challenge) = lab.only();
        let given = credentials(&challenge, &register("", ""), "secret-7101");
        lab.by(connection, &register(&given, proves).text());
        let (_, forwarded) = lab.only();
        paths.push(forwarded.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned());
        lab.by(ConnectionId(1), &answer(&forwarded, 200, "r"));
        lab.take();
    }
    lab.proxy.handle_closed(ConnectionId(70), lab.now);
    lab.drain();
    lab.take();
    let more = format!("Route: <sip:{}@127.0.0.1:5060;transport=tcp;lr>\n", paths[0]);
    lab.by(ConnectionId(2), &Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", more: &more, ..Ask::default() }.text());
    assert_eq!(lab.only().0, tcp(71));
}

#[test]
fn a_path_of_a_former_release_leads_to_the_phone_that_has_connected_again() {
    // Of connection 70, acme/7101 from 203.0.113.5, as the previous release sealed it.
    const FORMER: &str = "BAAAAAAAAABGYNdbnwAAywBxBfeRNkjhTt2S";
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.1");
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    registered_by(&mut lab, ConnectionId(71), &register("", "z9hG4bK"), "secret-7101");
    registered_by(
        &mut lab,
        ConnectionId(72),
        &Ask { from: "7102", uri: "sip:7102@127.0.0.1", ..register("", "z9hG4bK2") },
        "secret-7102",
    );
    let more = format!("Route: <sip:{FORMER}@127.0.0.1:5060;transport=tcp;lr>\n");
    lab.by(ConnectionId(2), &Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", more: &more, ..Ask::default() }.text());
    let (flow, invite) = lab.only();
    assert_eq!(flow, tcp(71));
    let recorded = invite.record_routes().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert!(recorded.starts_with("Bg"), "what is given out now is keyed: {recorded}");
}

#[test]
fn where_a_phone_listens_is_known_from_its_registration() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.1");
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    let ip = addr(PHONE).ip();
    let contact = format!("Contact: <sip:7101@{ip}:5062;transport=tcp>\n");
    lab.proxy.handle_opened(ConnectionId(70), addr(PHONE), Side::Edge);
    lab.by(ConnectionId(70), &register("", "z9hG4bK-1").text());
    let (_, challenge) = lab.only();
    let more = credentials(&challenge, &register("", ""), "secret-7101") + &contact;
    lab.by(ConnectionId(70), &register(&more, "z9hG4bK-2").text());
    let (_, forwarded) = lab.only();
    let path = forwarded.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    lab.proxy.handle_closed(ConnectionId(70), lab.now);
    lab.drain();
    lab.take();
    let route = format!("Route: <sip:{path}@127.0.0.1:5060;transport=tcp;lr>\n");
    // Within a dialog its URI has a port of the connection that has closed.
    let uri = format!("sip:7101@{ip}:49152;transport=tcp");
    lab.outputs.clear();
    lab.by(ConnectionId(2), &Ask { uri: &uri, host: "127.0.2.1", more: &route, ..Ask::default() }.text());
    let listens = SocketAddr::new(ip, 5_062);
    assert!(lab.outputs.iter().any(|o| matches!(o, Output::Connect { remote, .. } if *remote == listens)));
}

#[test]
fn a_phone_cannot_say_that_it_is_reached_by_another_flow_of_ours() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.1");
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    let other = flow_token::seal(udp("198.51.100.9:5060"), None, &seal());
    let paths =
        format!("Path: <sip:{other}@127.0.0.1:5060;lr>, <sip:sbc.example;lr>\nPath: <sip:{other}@edge.example;lr>\n");
    lab.from(PHONE, &register("", "z9hG4bK-1").text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &register("", ""), "secret-7101") + &paths;
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    let (_, forwarded) = lab.only();
    let paths: Vec<&str> = forwarded.elements(&HeaderName::Path).collect();
    assert_eq!((paths.len(), paths[1]), (2, "<sip:sbc.example;lr>"), "{paths:?}");
    let own = forwarded.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert_eq!(flow_token::open(&own, &seal()), Some(udp(PHONE)));
    // From an earlier registration, or a Record-Route of the phone's own: our Route, which is first, decides.
    let more = format!("Route: <sip:{own}@127.0.0.1:5060;lr>, <sip:{other}@127.0.0.1:5060;lr>\n");
    lab.by(ConnectionId(2), &Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", more: &more, ..Ask::default() }.text());
    let (flow, invite) = lab.only();
    assert_eq!((flow, invite.routes().count()), (udp(PHONE), 0));
}

/// What a phone that knows flows writes into its REGISTER.
const FLOW: &str = "Supported: outbound, path\nContact: <sip:7101@10.0.0.7:5066;transport=tcp>;\
                    +sip.instance=\"<urn:uuid:00000000-0000-1000-8000-00000000000a>\";reg-id=1\n";

/// A phone registers on a connection; returns the URI of its Path.
fn path_of(lab: &mut Lab, connection: u64, more: &str, branch: &str) -> String {
    lab.by(ConnectionId(connection), &register(more, &format!("{branch}a")).text());
    let challenge = lab.only().1;
    let given = format!("{}{more}", credentials(&challenge, &register("", ""), "secret-7101"));
    lab.by(ConnectionId(connection), &register(&given, &format!("{branch}b")).text());
    let (_, register) = lab.only();
    let path = register.elements(&HeaderName::Path).next().unwrap().to_owned();
    lab.by(ConnectionId(1), &answer(&register, 200, "r"));
    lab.only();
    path
}

#[test]
fn the_path_of_a_flow_says_that_it_is_kept() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    lab.proxy.handle_opened(ConnectionId(70), addr(PHONE), Side::Edge);
    assert!(path_of(&mut lab, 70, FLOW, "z9hG4bK-1").ends_with(";lr;ob>"));
    let (plain, nameless) = (FLOW.replace(";reg-id=1", ""), FLOW.replace("urn:uuid:", ""));
    let unaware = FLOW.replace("outbound, ", "");
    for (other, branch) in [(plain, "z9hG4bK-2"), (unaware, "z9hG4bK-3"), (nameless, "z9hG4bK-5")] {
        assert!(path_of(&mut lab, 70, &other, branch).ends_with(";lr>"), "{other}");
    }
    let through = format!("{FLOW}Via: SIP/2.0/TCP 10.0.0.9;branch=z9hG4bK-behind\n");
    assert!(path_of(&mut lab, 70, &through, "z9hG4bK-4").ends_with(";lr>"), "the flow is another proxy's");
}

#[test]
fn a_request_within_a_dialog_to_a_gruu_goes_down_the_dialogs_flow() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.handle_opened(ConnectionId(70), addr(PHONE), Side::Edge);
    let recorded = flow_token::seal(tcp(70), None, &seal());
    // Its host is ours.
    let gruu = "sip:7101@127.0.0.1:5060;gr=urn:uuid:00000000-0000-1000-8000-00000000000a";
    let more = format!("Route: <sip:{recorded}@127.0.0.1:5060;lr>\n");
    let bye = Ask { method: "BYE", uri: gruu, host: "127.0.2.1", to_tag: Some("p"), more: &more, ..Ask::default() };
    lab.by(ConnectionId(1), &bye.text());
    let (flow, forwarded) = lab.only();
    assert_eq!((flow, forwarded.request_uri(), forwarded.routes().count()), (tcp(70), Some(gruu), 0));
}

#[test]
fn a_lost_flow_is_430_although_the_phone_has_another_one_here() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    for connection in [70, 71] {
        lab.proxy.handle_opened(ConnectionId(connection), addr(PHONE), Side::Edge);
    }
    let kept = path_of(&mut lab, 70, FLOW, "z9hG4bK-1");
    let second = path_of(&mut lab, 71, &FLOW.replace("reg-id=1", "reg-id=2"), "z9hG4bK-2");
    lab.proxy.handle_closed(ConnectionId(70), lab.now);
    lab.drain();
    let call = |path: &str, branch: &str| {
        let more = format!("Route: {path}\n");
        Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", branch, more: &more, ..Ask::default() }.text()
    };
    lab.by(ConnectionId(2), &call(&kept, "z9hG4bK-3"));
    assert_eq!(lab.statuses(), [430], "the node knows the flow that is next");
    lab.by(ConnectionId(2), &call(&kept.replace(";ob", ""), "z9hG4bK-4"));
    assert_eq!(lab.only().0, tcp(71), "a phone without flows is found where it is");
    lab.by(ConnectionId(2), &call(&second, "z9hG4bK-5"));
    assert_eq!(lab.only().0, tcp(71));
}
