//! Flows over WebSocket: phones open them, and nobody else is behind one.

use super::phones::{register, registered_by};
use super::*;
use crate::flow::Transport;

const fn web(number: u64, transport: Transport) -> ConnectionId {
    ConnectionId::accepted(number, transport)
}

#[test]
fn a_web_socket_from_a_trunks_address_is_no_trunk() {
    for transport in [Transport::Ws, Transport::Wss] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(1), "sip-cluster", "a.1");
        lab.proxy.handle_opened(web(70, transport), addr(TRUNK), Side::Edge);
        lab.by(web(70, transport), &Ask::default().text().replace("SIP/2.0/UDP", "SIP/2.0/WS"));
        assert_eq!(lab.statuses(), [403], "anybody may be behind it");
        lab.from(TRUNK, &Ask { branch: "z9hG4bK-d", ..Ask::default() }.text());
        assert_eq!(lab.beyond_trying().1.method(), Method::Invite);
    }
}

#[test]
fn a_phone_by_web_socket_is_called_by_it_or_not_at_all() {
    for (transport, parameter) in [(Transport::Ws, "ws"), (Transport::Wss, "wss")] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(2), "registrar", "registrar-1.1");
        lab.node(ConnectionId(1), "sip-cluster", "a.1");
        // One that wants us to call a port of the host on which its web server is, or of our own.
        let contact = format!("Contact: <sip:7101@{};transport=tcp>\n", addr(PHONE));
        let ask = register(&contact, "z9hG4bK-r");
        let path = registered_by(&mut lab, web(70, transport), &ask, "secret-7101");
        let more = format!("Route: <sip:{path}@{EDGE};lr>\n");
        let uri = format!("sip:7101@{};transport=tcp", addr(PHONE));
        let ask = |branch| Ask { uri: &uri, host: "127.0.2.1", branch, more: &more, ..Ask::default() }.text();
        lab.by(ConnectionId(1), &ask("z9hG4bK-a"));
        let (flow, invite) = lab.only();
        assert_eq!(flow, Flow::from(web(70, transport)));
        let via = header(&invite, &HeaderName::Via).to_owned();
        assert!(via.starts_with(&format!("SIP/2.0/{} ", parameter.to_ascii_uppercase())), "{via}");
        let route = header(&invite, &HeaderName::RecordRoute);
        assert!(route.contains(&format!(";transport={parameter};lr>")), "{route}");
        lab.proxy.handle_closed(web(70, transport), lab.now);
        lab.drain();
        lab.take();
        lab.by(ConnectionId(1), &ask("z9hG4bK-b"));
        assert_eq!(lab.statuses(), [430]);
        assert!(!lab.outputs.iter().any(|output| matches!(output, Output::Connect { .. })), "nobody listens there");
        registered_by(&mut lab, web(71, transport), &register("", "z9hG4bK-s"), "secret-7101");
        lab.by(ConnectionId(1), &ask("z9hG4bK-c"));
        assert_eq!(lab.only().0, Flow::from(web(71, transport)), "it is back");
    }
}

#[test]
fn nobody_is_called_by_a_web_socket_of_ours() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for (uri, branch) in
        [("sip:+1@192.0.2.10;transport=ws", "z9hG4bK-a"), ("sips:+1@192.0.2.10;transport=ws", "z9hG4bK-b")]
    {
        lab.by(ConnectionId(1), &Ask { uri, host: "127.0.2.1", branch, ..Ask::default() }.text());
        assert_eq!(lab.statuses(), [502], "{uri}");
    }
}
