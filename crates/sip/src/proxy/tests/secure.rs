//! Flows over TLS: they are named in routes, go on over TLS alone, and end where a peer would have to be believed.

use super::phones::{register, registered_by};
use super::*;
use crate::flow::Transport;
use crate::uri::Uri;

const fn tls(number: u64) -> ConnectionId {
    ConnectionId::accepted(number, Transport::Tls)
}

fn connects(lab: &Lab) -> Vec<(ConnectionId, SocketAddr, &str)> {
    let connect = |output| match output {
        &Output::Connect { connection, remote, ref name, .. } => Some((connection, remote, name.as_str())),
        _ => None,
    };
    lab.outputs.iter().filter_map(connect).collect()
}

/// A request of a node to a URI.
fn ask_for(lab: &mut Lab, uri: &str, branch: &str, more: &str) -> (Flow, Message) {
    lab.by(ConnectionId(1), &Ask { uri, host: "127.0.2.1", branch, more, ..Ask::default() }.text());
    lab.only()
}

#[test]
fn a_call_by_tls_is_kept_on_its_connection() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.handle_opened(tls(70), addr(TRUNK), Side::Edge);
    lab.by(tls(70), &Ask::default().text().replace("SIP/2.0/UDP", "SIP/2.0/TLS"));
    let (_, invite) = lab.beyond_trying();
    let route = header(&invite, &HeaderName::RecordRoute).to_owned();
    assert!(route.ends_with(&format!("@{SECURE_EDGE};transport=tls;lr>")), "{route}");
    let more = format!("Route: {route}\n");
    lab.by(
        ConnectionId(1),
        &Ask { method: "BYE", host: "127.0.2.1", to_tag: Some("x"), more: &more, ..Ask::default() }.text(),
    );
    let (flow, bye) = lab.only();
    assert_eq!(flow, Flow::from(tls(70)));
    assert!(header(&bye, &HeaderName::Via).starts_with(&format!("SIP/2.0/TLS {SECURE_EDGE};branch=")), "{bye:?}");
    assert_eq!(bye.routes().count(), 0, "the route is ours");
}

#[test]
fn a_phone_by_tls_is_called_by_tls_or_not_at_all() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let path = registered_by(&mut lab, tls(70), &register("", "z9hG4bK-r"), "secret-7101");
    let route = format!("Route: <sip:{path}@{EDGE};lr>\n");
    let uri = format!("sip:7101@{};transport=tls", addr(PHONE));
    assert_eq!(ask_for(&mut lab, &uri, "z9hG4bK-a", &route).0, Flow::from(tls(70)));
    // Gone, and back in the clear: whoever listens there learns nothing.
    registered_by(&mut lab, ConnectionId(71), &register("", "z9hG4bK-s"), "secret-7101");
    lab.proxy.handle_closed(tls(70), lab.now);
    lab.drain();
    lab.take();
    for (uri, branch) in [(&*uri, "z9hG4bK-b"), (&uri.replace("tls", "tcp"), "z9hG4bK-c")] {
        assert_eq!(ask_for(&mut lab, uri, branch, &route).1.status(), Some(StatusCode::FLOW_FAILED), "{uri}");
    }
    assert_eq!(connects(&lab), [], "no peer could prove to be that phone");
    registered_by(&mut lab, tls(72), &register("", "z9hG4bK-t"), "secret-7101");
    assert_eq!(ask_for(&mut lab, &uri, "z9hG4bK-d", &route).0, Flow::from(tls(72)));
}

#[test]
fn a_phone_that_has_changed_to_tls_is_called_by_it() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let path = registered_by(&mut lab, ConnectionId(70), &register("", "z9hG4bK-r"), "secret-7101");
    registered_by(&mut lab, tls(71), &register("", "z9hG4bK-s"), "secret-7101");
    // Later, though its transport has the lower value.
    registered_by(&mut lab, ConnectionId(72), &register("", "z9hG4bK-t"), "secret-7101");
    let route = format!("Route: <sip:{path}@{EDGE};lr>\n");
    for (gone, left) in [(ConnectionId(70), ConnectionId(72)), (ConnectionId(72), tls(71))] {
        lab.proxy.handle_closed(gone, lab.now);
        lab.drain();
        lab.take();
        let branch = format!("z9hG4bK-{}", gone.0);
        assert_eq!(ask_for(&mut lab, "sip:7101@10.0.0.7", &branch, &route).0, Flow::from(left));
    }
}

#[test]
fn a_carrier_is_called_by_a_connection_of_ours_that_proves_its_address() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    // From the carrier's address and port, but it has proved nothing.
    lab.proxy.handle_opened(tls(70), addr("192.0.2.10:5061"), Side::Edge);
    let (first, invite) = ask_for(&mut lab, "sip:+1@192.0.2.10;transport=tls", "z9hG4bK-a", "");
    assert!(header(&invite, &HeaderName::Via).starts_with("SIP/2.0/TLS "), "{invite:?}");
    let Flow::Stream { connection } = first else { panic!("{first:?}") };
    assert_eq!((connection.transport(), connection.is_opened_by_us()), (Transport::Tls, true));
    assert_eq!(connects(&lab), [(connection, addr("192.0.2.10:5061"), "192.0.2.10")]);
    assert_eq!(ask_for(&mut lab, "sips:+2@192.0.2.10", "z9hG4bK-b", "").0, first, "one is enough");
    let (plain, _) = ask_for(&mut lab, "sip:+3@192.0.2.10:5061;transport=tcp", "z9hG4bK-c", "");
    assert_ne!(plain, first, "in the clear is another");
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    assert_eq!(lab.statuses(), [503, 503]);
}

/// The first connection to the carrier over TLS, and the Route that leads there.
fn called_by_tls(lab: &mut Lab) -> (ConnectionId, String) {
    let (flow, invite) = ask_for(lab, "sip:+1@192.0.2.10;transport=tls", "z9hG4bK-a", "");
    let Flow::Stream { connection } = flow else { panic!("{flow:?}") };
    lab.proxy.handle_opened(connection, addr("192.0.2.10:5061"), Side::Edge);
    (connection, header(&invite, &HeaderName::RecordRoute).to_owned())
}

fn bye(lab: &mut Lab, route: &str, branch: &str) -> (Flow, Message) {
    let more = format!("Route: {route}\n");
    let uri = "sip:x@192.0.2.99;transport=tls";
    lab.by(
        ConnectionId(1),
        &Ask { method: "BYE", uri, host: "127.0.2.1", branch, to_tag: Some("x"), more: &more, ..Ask::default() }.text(),
    );
    lab.only()
}

#[test]
fn a_call_by_tls_goes_on_after_its_carrier_has_closed_the_connection() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let (connection, route) = called_by_tls(&mut lab);
    assert!(route.ends_with(&format!("@{SECURE_EDGE};transport=tls;proves=192.0.2.10;lr>")), "{route}");
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    lab.take();
    let (flow, _) = bye(&mut lab, &route, "z9hG4bK-b");
    let Flow::Stream { connection: next } = flow else { panic!("{flow:?}") };
    assert_ne!(next, connection);
    assert_eq!(connects(&lab).last(), Some(&(next, addr("192.0.2.10:5061"), "192.0.2.10")));
    // A further request takes the same one, and so does one of another run of the proxy.
    assert_eq!(bye(&mut lab, &route, "z9hG4bK-c").0, flow);
    let mut other = Lab::new();
    other.node(ConnectionId(1), "sip-cluster", "a.1");
    assert!(bye(&mut other, &route, "z9hG4bK-d").0.transport().is_secure());
    assert_eq!(connects(&other)[0].2, "192.0.2.10");
}

#[test]
fn nobody_chooses_the_name_that_a_carrier_has_to_prove() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let (connection, route) = called_by_tls(&mut lab);
    lab.proxy.handle_closed(connection, lab.now);
    lab.drain();
    lab.take();
    for (changed, branch) in [
        (route.replace("proves=192.0.2.10", "proves=evil.example"), "z9hG4bK-b"),
        (route.replace(";proves=192.0.2.10", ""), "z9hG4bK-c"),
        (route.replace("=192.0.2.10", ""), "z9hG4bK-d"),
    ] {
        assert_eq!(bye(&mut lab, &changed, branch).1.status(), Some(StatusCode::FLOW_FAILED), "{changed}");
    }
}

#[test]
fn the_secure_edge_is_us() {
    let lab = Lab::new();
    for (uri, ours) in [
        ("sip:127.0.0.1:5061", true),
        ("sip:127.0.0.1;transport=tls", true),
        ("sips:127.0.0.1", true),
        ("sip:127.0.0.1", true),
        ("sips:edge.example", false),
        ("sip:127.0.0.1:5062;transport=tls", false),
    ] {
        assert_eq!(lab.proxy.is_us(&Uri::parse(uri).unwrap()), ours, "{uri}");
    }
}
