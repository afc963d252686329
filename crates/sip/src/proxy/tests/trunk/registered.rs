//! Connections over TLS by which nodes register us with carriers.

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
    let register = format!(
        "REGISTER sip:192.0.2.10;transport={transport} SIP/2.0\nVia: SIP/2.0/TCP 127.0.2.1;branch={branch}\n\
         From: <sip:we@192.0.2.10>;tag=1\nTo: <sip:we@192.0.2.10>\nCall-ID: r\nCSeq: 1 REGISTER\n\
         Contact: <sip:we@127.0.0.1:5060>\nExpires: {expires}\nMax-Forwards: 70\nContent-Length: 0\n\n"
    );
    lab.by(REGISTRAR, &register);
    let (Flow::Stream { connection }, sent) = lab.only() else { panic!("a connection") };
    lab.proxy.handle_opened(connection, addr(CARRIER), Side::Edge);
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
fn a_connection_in_the_clear_is_left_alone() {
    let mut lab = lab();
    let (connection, told) = registered(&mut lab, "tcp", 600, "z9hG4bK-a");
    assert_eq!(told.header(&headers::FLOW), None);
    lab.pass(Duration::from_secs(300), &[REGISTRAR]);
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    assert!(lab.take().is_empty() && lab.pinged.is_empty());
}
