//! Connections by which nodes register us with carriers.

use crate::proxy::tests::*;

const REGISTRAR: ConnectionId = ConnectionId(1);
const CARRIER: &str = "192.0.2.10:5061";

/// A node that registers.
fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.node(REGISTRAR, "registrar", "registrar-1.1");
    lab
}

/// Registers for so long, which the carrier accepts; returns the connection, and the answer that the node gets.
fn registered(lab: &mut Lab, transport: &str, expires: u32, branch: &str) -> (ConnectionId, Message) {
    registered_with(lab, transport, expires, branch, "")
}

/// As [`registered`]; the answer has `more`.
fn registered_with(lab: &mut Lab, transport: &str, expires: u32, branch: &str, more: &str) -> (ConnectionId, Message) {
    // What is removed is named as the carrier has it.
    let place = if (transport, expires) == ("tls", 0) { "127.0.0.1:5061;transport=tls" } else { "127.0.0.1:5060" };
    let register = format!(
        "REGISTER sip:192.0.2.10;transport={transport} SIP/2.0\nVia: SIP/2.0/TCP 127.0.2.1;branch={branch}\n\
         From: <sip:we@192.0.2.10>;tag=1\nTo: <sip:we@192.0.2.10>\nCall-ID: r\nCSeq: 1 REGISTER\n\
         Contact: <sip:we@{place}>\nExpires: {expires}\nMax-Forwards: 70\nContent-Length: 0\n\n"
    );
    lab.by(REGISTRAR, &register);
    let (Flow::Stream { connection }, sent) = lab.only() else { panic!("a connection") };
    lab.proxy.handle_opened(connection, addr(if transport == "tls" { CARRIER } else { TRUNK }), Side::Edge);
    lab.by(connection, &answer(&sent, 200, "c").replacen("Call-ID", &format!("{more}Call-ID"), 1));
    (connection, lab.only().1)
}

#[test]
fn a_connection_by_which_we_are_registered_is_pinged_until_the_registration_ends() {
    let mut lab = lab();
    let (connection, told) = registered(&mut lab, "tls", 600, "z9hG4bK-a");
    assert_eq!(header(&told, &headers::FLOW), connection.0.to_string());
    lab.pass(Duration::from_secs(120), &[REGISTRAR]);
    assert_eq!(lab.pinged, [Flow::from(connection)], "every 95 to 120 s");
    lab.pass(Duration::from_secs(1_200), &[REGISTRAR]);
    assert_eq!(lab.pinged.len(), 5);
}

#[test]
fn a_registration_that_is_removed_needs_no_pings() {
    let mut lab = lab();
    registered(&mut lab, "tls", 3_600, "z9hG4bK-a");
    lab.pass(Duration::from_secs(120), &[REGISTRAR]);
    assert_eq!(lab.pinged.len(), 1);
    registered(&mut lab, "tls", 0, "z9hG4bK-b");
    lab.pass(Duration::from_secs(300), &[REGISTRAR]);
    assert_eq!(lab.pinged.len(), 1);
}

#[test]
fn a_registration_lasts_as_long_as_the_registrar_grants() {
    for (granted, pings) in [(300, 2), (1_200, 11)] {
        for more in [
            format!("Contact: <sip:we@127.0.0.1:5061;transport=tls>;expires={granted}\n"),
            format!("Contact: <sip:we@127.0.0.1:5061;transport=tls>\nExpires: {granted}\n"),
        ] {
            let mut lab = lab();
            registered_with(&mut lab, "tls", 600, "z9hG4bK-a", &more);
            lab.pass(Duration::from_secs(2_000), &[REGISTRAR]);
            assert_eq!(lab.pinged.len(), pings, "{more}");
        }
    }
}

#[test]
fn a_connection_whose_carrier_has_answered_pings_and_does_not_any_more_is_closed() {
    let mut lab = lab();
    let (connection, _) = registered(&mut lab, "tls", 3_600, "z9hG4bK-a");
    let is_closed = |lab: &Lab| lab.outputs.contains(&Output::Close { connection });
    lab.pass(Duration::from_secs(250), &[REGISTRAR]);
    // Long after the second ping: it is no answer.
    lab.proxy.handle_pong(connection);
    lab.pass(Duration::from_secs(155), &[REGISTRAR]);
    assert!(!is_closed(&lab), "who has never answered need not");
    lab.proxy.handle_pong(connection);
    lab.pass(Duration::from_secs(100), &[REGISTRAR]);
    lab.by(connection, &Ask { method: "OPTIONS", uri: "sip:127.0.0.1", ..Ask::default() }.text());
    lab.pass(Duration::from_secs(100), &[REGISTRAR]);
    assert!(!is_closed(&lab), "a message shows as well that the carrier is there");
    lab.pass(Duration::from_secs(10), &[REGISTRAR]);
    assert!(is_closed(&lab));
    assert_eq!(lab.pinged.len(), 6, "there is no further ping");
}

#[test]
fn the_node_is_told_when_the_connection_closes_by_which_it_has_registered() {
    let mut lab = lab();
    lab.node(ConnectionId(2), "registrar", "registrar-2.1");
    let (connection, _) = registered(&mut lab, "tls", 600, "z9hG4bK-a");
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    let (flow, told) = lab.only();
    assert_eq!((flow, told.method()), (Flow::from(REGISTRAR), Method::Options));
    assert_eq!(header(&told, &headers::FLOW_CLOSED), connection.0.to_string());
    lab.pass(Duration::from_secs(300), &[REGISTRAR, ConnectionId(2)]);
    assert!(lab.pinged.is_empty());
}

#[test]
fn a_connection_in_the_clear_is_pinged_and_its_end_says_nothing_unless_the_carrier_knows_flows() {
    let mut lab = lab();
    let (connection, told) = registered(&mut lab, "tcp", 600, "z9hG4bK-a");
    assert_eq!(told.header(&headers::FLOW), None);
    lab.pass(Duration::from_secs(120), &[REGISTRAR]);
    assert_eq!(lab.pinged, [Flow::from(connection)]);
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    assert!(lab.take().is_empty(), "the carrier calls by a connection of its own");
    let (connection, told) = registered_with(&mut lab, "tcp", 600, "z9hG4bK-b", "Require: outbound\n");
    assert_eq!(header(&told, &headers::FLOW), connection.0.to_string());
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    assert_eq!(header(&lab.only().1, &headers::FLOW_CLOSED), connection.0.to_string());
}

#[test]
fn what_comes_by_a_connection_in_the_clear_is_no_trunks_because_of_it() {
    let mut lab = lab();
    let trunk = Trunk {
        tenant: TenantId::parse("acme").unwrap(),
        name: "carrier".into(),
        allow: Vec::new(),
        certificate_names: Vec::new(),
        asked: None,
        user: Some("we".into()),
        registrar: Some("192.0.2.10".into()),
        inbound: InboundPassword::NotAsked,
    };
    lab.proxy.set_trunks(vec![trunk], lab.now);
    let (connection, _) = registered_with(&mut lab, "tcp", 600, "z9hG4bK-a", "Require: outbound\n");
    lab.by(connection, &Ask { uri: "sip:we@127.0.0.1:5060", branch: "z9hG4bK-in", ..Ask::default() }.text());
    assert_eq!(lab.statuses(), [403]);
}

#[test]
fn a_carrier_that_knows_flows_has_to_answer_the_first_ping_and_says_how_often_it_wants_one() {
    for (asked, each) in [(60, 54), (1, 12), (86_400, 100)] {
        let mut lab = lab();
        let more = format!("Require: outbound\nFlow-Timer: {asked}\n");
        let (connection, _) = registered_with(&mut lab, "tcp", 3_600, "z9hG4bK-a", &more);
        let is_closed = |lab: &Lab| lab.outputs.contains(&Output::Close { connection });
        lab.pass(Duration::from_secs(each - 1), &[REGISTRAR]);
        assert!(lab.pinged.is_empty(), "{asked}");
        lab.pass(Duration::from_secs(2), &[REGISTRAR]);
        assert_eq!(lab.pinged.len(), 1, "{asked}");
        assert!(!is_closed(&lab), "it has time for its answer");
        lab.pass(Duration::from_secs(10), &[REGISTRAR]);
        assert!(is_closed(&lab), "{asked}");
    }
}

/// A REGISTER that asks for a flow, and ends a former Contact.
fn asking(by: &str) -> String {
    format!(
        "REGISTER sip:192.0.2.10{by} SIP/2.0\nVia: SIP/2.0/TCP 127.0.2.1;branch=z9hG4bK-a\n\
         From: <sip:we@192.0.2.10>;tag=1\nTo: <sip:we@192.0.2.10>\nCall-ID: r\nCSeq: 1 REGISTER\n\
         Contact: <sip:we@127.0.0.1:5060>\nContact: <sip:we@192.0.2.1:5060>;expires=0\nExpires: 600\n\
         Trunkline-Instance: urn:uuid:f81d4fae-7dec-81d0-a765-00a0c91e6bf6\nMax-Forwards: 70\nContent-Length: 0\n\n"
    )
}

#[test]
fn by_a_connection_the_carrier_is_asked_for_a_flow_and_we_are_its_first_hop() {
    for (transport, place) in
        [(";transport=tcp", "127.0.0.1:5060;transport=tcp"), (";transport=tls", "127.0.0.1:5061;transport=tls")]
    {
        let mut lab = lab();
        lab.by(REGISTRAR, &asking(transport));
        let (Flow::Stream { connection }, sent) = lab.only() else { panic!("a connection") };
        let contacts: Vec<&str> = sent.headers(&HeaderName::Contact).collect();
        let ours =
            format!("<sip:we@{place}>;reg-id=1;+sip.instance=\"<urn:uuid:f81d4fae-7dec-81d0-a765-00a0c91e6bf6>\"");
        assert_eq!(contacts, [ours.as_str(), "<sip:we@192.0.2.1:5060>;expires=0"]);
        assert!(["path", "outbound"].iter().all(|tag| sent.has_token(&HeaderName::Supported, tag)));
        assert_eq!((sent.vias().count(), sent.header(&headers::INSTANCE)), (1, None));
        // The node gets its own Via back, and the Contact as the carrier has it.
        lab.proxy.handle_opened(connection, addr(CARRIER), Side::Edge);
        let contact = format!("Contact: {ours};expires=90\nCall-ID");
        lab.by(connection, &answer(&sent, 200, "c").replacen("Call-ID", &contact, 1));
        let (flow, told) = lab.only();
        assert_eq!(flow, Flow::from(REGISTRAR));
        assert_eq!((told.vias().count(), told.top_via().unwrap().branch()), (1, Some("z9hG4bK-a")));
        assert!(header(&told, &HeaderName::Contact).starts_with(&ours));
        assert_eq!(header(&told, &headers::CONTACT), format!("sip:we@{place}"));
    }
}

#[test]
fn a_challenge_reaches_the_node_that_has_asked_for_a_flow() {
    let mut lab = lab();
    lab.by(REGISTRAR, &asking(";transport=tcp"));
    let (Flow::Stream { connection }, sent) = lab.only() else { panic!("a connection") };
    lab.proxy.handle_opened(connection, addr(CARRIER), Side::Edge);
    let challenge = "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\nCall-ID";
    lab.by(connection, &answer(&sent, 401, "c").replacen("Call-ID", challenge, 1));
    let (flow, told) = lab.only();
    assert_eq!((flow, told.status()), (Flow::from(REGISTRAR), Some(StatusCode::UNAUTHORIZED)));
    assert_eq!(told.top_via().unwrap().branch(), Some("z9hG4bK-a"));
}

#[test]
fn by_datagrams_no_flow_is_asked_for() {
    let mut lab = lab();
    lab.by(REGISTRAR, &asking(":5060"));
    let (flow, sent) = lab.only();
    assert_eq!(flow, udp(TRUNK));
    assert_eq!(header(&sent, &HeaderName::Contact), "<sip:we@127.0.0.1:5060>");
    assert_eq!((sent.vias().count(), sent.header(&HeaderName::Supported)), (1, None));
    assert_eq!(sent.header(&headers::INSTANCE), None);
}
