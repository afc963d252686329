//! Phones: challenges, registrations, and where they are answered.

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
    let is_told = |lab: &Lab| {
        lab.outputs.iter().any(|output| matches!(output, Output::Proved { flow, .. } if *flow == udp(TRUNK)))
    };
    assert!(!is_told(&lab), "anybody may have sent that");
    let given = credentials(&challenge, &invite("", ""), "secret-7101");
    lab.from(TRUNK, &invite(&given, "z9hG4bK-2").text());
    let (flow, invite) = lab.beyond_trying();
    assert_eq!((flow, header(&invite, &headers::SOURCE)), (tcp(1), "phone;dn=7101"));
    assert!(is_told(&lab), "it is no carrier");
    assert_eq!(invite.header(&HeaderName::ProxyAuthorization), None);
}

/// The node that gets a call of 7101 with that Call-ID.
fn node_of_call(lab: &mut Lab, call: &str) -> Flow {
    let [first, second] = ["1", "2"].map(|end| format!("z9hG4bK-{call}-{end}"));
    lab.from(PHONE, &Ask { call, ..invite("", &first) }.text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &invite("", ""), "secret-7101");
    lab.from(PHONE, &Ask { call, ..invite(&given, &second) }.text());
    lab.beyond_trying().0
}

#[test]
fn all_calls_that_a_phone_makes_come_to_one_node_whatever_their_call_ids_are() {
    let call_ids: Vec<String> = (0..6).map(|n| format!("c{n}")).collect();
    let mut chosen = Vec::new();
    // Two proxies, which have met the nodes in different orders.
    for nodes in [[(1, "a.1"), (2, "b.1")], [(2, "b.1"), (1, "a.1")]] {
        let mut lab = Lab::new();
        for (connection, owner) in nodes {
            lab.node(ConnectionId(connection), "sip-cluster", owner);
        }
        chosen.extend(call_ids.iter().map(|call| node_of_call(&mut lab, call)));
        lab.announce(ConnectionId(1), "sip-cluster;node=a;epoch=1;draining", TOKEN);
        lab.take();
        assert_eq!(node_of_call(&mut lab, "later"), tcp(2), "to the one that takes calls");
    }
    assert_eq!(chosen, vec![tcp(1); 12]);
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
fn a_registration_carries_no_more_paths_than_calls_can() {
    let mut lab = Lab::new();
    let paths = "Path: <sip:sbc.example;lr>\n".repeat(settings::PATHS_MAX + 1);
    lab.from(PHONE, &register(&paths, "z9hG4bK-1").text());
    assert_eq!(lab.statuses(), [400]);
}
