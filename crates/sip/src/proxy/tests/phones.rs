//! Phones: challenges, registrations, flows.

use super::*;
use crate::digest::{self, Challenge};

pub(super) fn register<'a>(more: &'a str, branch: &'a str) -> Ask<'a> {
    Ask {
        method: "REGISTER",
        uri: "sip:7101@127.0.0.1",
        host: "10.0.0.7:5066",
        from: "7101",
        branch,
        more,
        ..Ask::default()
    }
}

pub(super) fn invite<'a>(more: &'a str, branch: &'a str) -> Ask<'a> {
    Ask { method: "INVITE", host: "10.0.0.7:5066", from: "7101", branch, more, ..Ask::default() }
}

/// The credentials for the challenge in `response`.
pub(super) fn credentials(response: &Message, ask: &Ask<'_>, password: &str) -> String {
    let (challenged, given) = match response.status() {
        Some(StatusCode::UNAUTHORIZED) => (HeaderName::WwwAuthenticate, "Authorization"),
        _ => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
    };
    let challenge: Challenge = response.challenges(challenged).next().unwrap().unwrap();
    format!("{given}: {}\n", digest::respond(&challenge, ask.from, password, ask.method, ask.uri, "cnonce", 1))
}

#[test]
fn a_phone_registers_with_digest_and_gets_a_path_to_its_flow() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.4");
    lab.from(PHONE, &register("", "z9hG4bK-1").text());
    let (flow, challenge) = lab.only();
    assert_eq!((flow, challenge.status()), (udp(PHONE), Some(StatusCode::UNAUTHORIZED)));
    assert!(header(&challenge, &HeaderName::WwwAuthenticate).contains("realm=\"acme.example\""));
    let given = credentials(&challenge, &register("", ""), "secret-7101");
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    let (flow, register) = lab.only();
    assert_eq!(flow, tcp(1));
    assert_eq!(header(&register, &headers::SOURCE), "phone;dn=7101");
    assert_eq!(header(&register, &headers::TENANT), "acme");
    assert_eq!(register.header(&HeaderName::Authorization), None);
    assert_eq!(register.header(&HeaderName::RecordRoute), None);
    assert_eq!(register.vias().nth(1).unwrap().unwrap().received(), Some(addr(PHONE).ip()));
    let path = register.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert_eq!(flow_token::open(&path, &seal()), Some(udp(PHONE)));
    lab.by(ConnectionId(1), &answer(&register, 200, "r"));
    assert_eq!(lab.only().0, udp(PHONE));
}

#[test]
fn a_register_that_proves_nothing_leaves_nothing_behind_and_is_challenged_again() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.4");
    lab.from(PHONE, &register("", "z9hG4bK-1").text());
    let (_, first) = lab.only();
    assert_eq!(lab.proxy.sizes().0, 0);
    lab.from(PHONE, &register("", "z9hG4bK-1").text());
    let (flow, second) = lab.only();
    assert_eq!((flow, second.status()), (udp(PHONE), Some(StatusCode::UNAUTHORIZED)));
    assert_eq!(first.to().unwrap().tag(), second.to().unwrap().tag());
    // A repeated wrong password counts once.
    let given = credentials(&first, &register("", ""), "wrong");
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    assert_eq!(lab.statuses(), [401, 401]);
    assert_eq!(lab.proxy.counts().wrong_passwords, 1);
}

#[test]
fn a_malformed_expiration_time_is_no_reason_to_refuse_a_phone() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.4");
    lab.from(PHONE, &register("Expires: abc\n", "z9hG4bK-1").text());
    let (_, challenge) = lab.only();
    assert_eq!(challenge.status(), Some(StatusCode::UNAUTHORIZED));
    let given = credentials(&challenge, &register("", ""), "secret-7101") + "Expires: abc\n";
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    assert_eq!(header(&lab.only().1, &HeaderName::Expires), "abc", "the registrar decides what it means");
}

#[test]
fn a_phone_that_calls_is_challenged_even_from_a_trunks_network() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &invite("", "z9hG4bK-1").text());
    let (_, challenge) = lab.only();
    assert_eq!(challenge.status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    let given = credentials(&challenge, &invite("", ""), "secret-7101");
    lab.from(TRUNK, &invite(&given, "z9hG4bK-2").text());
    let (flow, invite) = lab.beyond_trying();
    assert_eq!((flow, header(&invite, &headers::SOURCE)), (tcp(1), "phone;dn=7101"));
    assert_eq!(invite.header(&HeaderName::ProxyAuthorization), None);
}

#[test]
fn another_phones_password_does_not_do() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    lab.from(PHONE, &register("", "z9hG4bK-1").text());
    let (_, challenge) = lab.only();
    let as_7102 = Ask { from: "7102", ..register("", "") };
    let given = credentials(&challenge, &as_7102, "secret-7102");
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    assert_eq!(lab.statuses(), [401]);
    assert_eq!(lab.proxy.counts().wrong_passwords, 1);
}

#[test]
fn overheard_credentials_do_not_serve_a_second_time() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    lab.from(PHONE, &register("", "z9hG4bK-a").text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &register("", ""), "secret-7101");
    lab.from(PHONE, &register(&given, "z9hG4bK-b").text());
    assert_eq!(lab.only().0, tcp(1));
    lab.from("198.51.100.9:5060", &register(&given, "z9hG4bK-c").text());
    let (_, again) = lab.only();
    assert_eq!(again.status(), Some(StatusCode::UNAUTHORIZED));
    assert!(again.header(&HeaderName::WwwAuthenticate).is_some_and(|value| value.contains("stale=true")));
    assert_eq!(lab.proxy.counts().wrong_passwords, 0, "the phone itself may only have lost count");
}

#[test]
fn an_old_nonce_is_stale() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    lab.from(PHONE, &register("", "z9hG4bK-1").text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &register("", ""), "secret-7101");
    lab.pass(Duration::from_secs(301), &[1].map(ConnectionId));
    lab.from(PHONE, &register(&given, "z9hG4bK-2").text());
    let (_, again) = lab.only();
    assert!(again.challenges(HeaderName::WwwAuthenticate).next().unwrap().unwrap().stale);
    assert_eq!(lab.proxy.counts().wrong_passwords, 0);
}

#[test]
fn a_number_that_is_no_phone_is_asked_for_its_password_like_any_other_and_never_registers() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    let as_nobody = |given: &str, branch: &str| register(given, branch).text().replace("7101", "7999");
    let asked = |lab: &mut Lab, text: &str| {
        lab.from(TRUNK, text);
        let (_, challenge) = lab.only();
        assert_eq!(challenge.status(), Some(StatusCode::UNAUTHORIZED));
        let realm = challenge.challenges(HeaderName::WwwAuthenticate).next().unwrap().unwrap().realm;
        assert_eq!(realm, "acme.example");
        challenge
    };
    let challenge = asked(&mut lab, &as_nobody("", "z9hG4bK-1"));
    let given = credentials(&challenge, &register("", ""), "secret-7101");
    asked(&mut lab, &as_nobody(&given, "z9hG4bK-2"));
    assert_eq!((lab.proxy.counts().wrong_passwords, lab.proxy.counts().unknown_sources), (1, 0));
}

#[test]
fn while_credentials_cannot_be_had_trunks_call_and_phones_wait() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.lookups = Lookups::Unavailable;
    lab.from(TRUNK, &Ask::default().text());
    assert_eq!(lab.beyond_trying().0, tcp(1));
    lab.from(PHONE, &register("", "z9hG4bK-2").text());
    assert_eq!(lab.statuses(), [503]);
}

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
fn a_phone_on_a_connection_is_reached_by_it() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    lab.proxy.handle_opened(ConnectionId(70), addr(PHONE), Side::Edge);
    lab.by(ConnectionId(70), &register("", "z9hG4bK-1").text());
    let (flow, challenge) = lab.only();
    assert_eq!(flow, tcp(70));
    lab.by(ConnectionId(70), &register(&credentials(&challenge, &register("", ""), "secret-7101"), "z9hG4bK-2").text());
    let (_, register) = lab.only();
    let path = register.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert_eq!(flow_token::open(&path, &seal()), Some(tcp(70)));
}

#[test]
fn replies_to_a_phone_behind_a_nat_go_where_the_packet_came_from() {
    let mut lab = Lab::new();
    let text = Ask { method: "OPTIONS", uri: "sip:127.0.0.1", host: "10.0.0.7:5066", ..Ask::default() }.text();
    lab.from(PHONE, &text.replace(";branch", ";rport;branch"));
    let (flow, ok) = lab.only();
    let via = ok.top_via().unwrap();
    assert_eq!((flow, via.received(), via.rport()), (udp(PHONE), Some(addr(PHONE).ip()), Some(Some(40001))));
    lab.from(PHONE, &text.replace("bK-1", "bK-2"));
    assert_eq!(lab.only().0, udp(PHONE));
}

#[test]
fn replies_to_a_phone_without_a_nat_go_to_the_port_that_its_via_names() {
    let mut lab = Lab::new();
    let ask = |sent_by: &str, branch: &str| {
        Ask { method: "OPTIONS", uri: "sip:127.0.0.1", host: sent_by, branch, ..Ask::default() }.text()
    };
    for (sent_by, branch, answered) in [
        ("203.0.113.5:5066", "z9hG4bK-1", "203.0.113.5:5066"),
        ("203.0.113.5", "z9hG4bK-2", "203.0.113.5:5060"),
        ("203.0.113.5:0", "z9hG4bK-3", PHONE),
        ("phone.example:5066", "z9hG4bK-4", PHONE),
        ("203.0.113.6:5066", "z9hG4bK-5", PHONE),
    ] {
        lab.from(PHONE, &ask(sent_by, branch));
        let (flow, ok) = lab.only();
        assert_eq!((flow, ok.status()), (udp(answered), Some(StatusCode::OK)), "{sent_by}");
    }
    lab.from(PHONE, &ask("203.0.113.5:5066", "z9hG4bK-6").replace(";branch", ";rport;branch"));
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.top_via().unwrap().rport()), (udp(PHONE), Some(Some(40001))), "rport goes before");
    // On a connection the answer goes back on it.
    lab.proxy.handle_opened(ConnectionId(70), addr(PHONE), Side::Edge);
    lab.by(ConnectionId(70), &ask("203.0.113.5:5066", "z9hG4bK-7"));
    assert_eq!(lab.only().0, tcp(70));
}

#[test]
fn a_phone_that_sends_from_one_port_and_listens_at_another_registers_where_it_listens() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    let asking = |more: &str, branch: &str| Ask { host: "203.0.113.5:5066", ..register(more, branch) }.text();
    lab.from(PHONE, &asking("", "z9hG4bK-1"));
    let (flow, challenge) = lab.only();
    assert_eq!(flow, udp("203.0.113.5:5066"));
    let given = credentials(&challenge, &register("", ""), "secret-7101");
    lab.from(PHONE, &asking(&given, "z9hG4bK-2"));
    let (_, forwarded) = lab.only();
    let path = forwarded.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned();
    assert_eq!(flow_token::open(&path, &seal()), Some(udp("203.0.113.5:5066")));
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

/// A phone authenticates on a connection; returns the user part of its Path.
pub(super) fn registered_by(lab: &mut Lab, connection: ConnectionId, ask: &Ask<'_>, password: &str) -> String {
    lab.proxy.handle_opened(connection, addr(PHONE), Side::Edge);
    let [first, second] = ["a", "b"].map(|end| format!("{}-{}{end}", ask.branch, connection.0));
    lab.by(connection, &Ask { branch: &first, ..*ask }.text());
    let (_, challenge) = lab.only();
    let more = credentials(&challenge, ask, password);
    lab.by(connection, &Ask { branch: &second, more: &more, ..*ask }.text());
    let (_, forwarded) = lab.only();
    forwarded.paths().next().unwrap().unwrap().uri().unwrap().user().unwrap().to_owned()
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

#[test]
fn a_registration_carries_no_more_paths_than_calls_can() {
    let mut lab = Lab::new();
    let paths = "Path: <sip:sbc.example;lr>\n".repeat(settings::PATHS_MAX + 1);
    lab.from(PHONE, &register(&paths, "z9hG4bK-1").text());
    assert_eq!(lab.statuses(), [400]);
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
