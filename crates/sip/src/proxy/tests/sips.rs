//! `sips:`: it comes and goes by TLS alone.

use super::phones::{register, registered_by};
use super::*;
use crate::flow::Transport;

const NOT_ALLOWED: &str = "380 sip-proxy \"SIPS Not Allowed\"";

const fn secure(number: u64, transport: Transport) -> ConnectionId {
    ConnectionId::accepted(number, transport)
}

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab
}

/// A request of a node to a URI, and what becomes of it.
fn ask_for(lab: &mut Lab, uri: &str, branch: &str, more: &str) -> (Flow, Message) {
    lab.by(ConnectionId(1), &Ask { uri, host: "127.0.2.1", branch, more, ..Ask::default() }.text());
    lab.only()
}

fn refused(message: &Message) -> (Option<u16>, Option<&str>) {
    (message.status().map(|status| status.0), message.header(&HeaderName::Warning))
}

#[test]
fn what_names_sips_comes_by_tls_or_is_refused() {
    let to_sips = Ask { uri: "sips:+15550100@127.0.0.1:5061", ..Ask::default() }.text();
    for text in [to_sips] {
        let mut lab = lab();
        lab.from(TRUNK, &text);
        assert_eq!(refused(&lab.only().1), (Some(480), Some(NOT_ALLOWED)), "{text}");
        for (number, transport, is_taken) in
            [(70, Transport::Tcp, false), (71, Transport::Ws, false), (72, Transport::Tls, true)]
        {
            let connection = secure(number, transport);
            lab.proxy.handle_opened(connection, addr(TRUNK), Side::Edge);
            let call = format!("Call-ID: {number}\n");
            let text =
                text.replace("z9hG4bK-1", &format!("z9hG4bK-{number}")).replace("Call-ID: call-1@192.0.2.10\n", &call);
            lab.by(connection, &text);
            let (_, message) = lab.beyond_trying();
            assert_eq!(message.is_request(), is_taken, "{transport:?} {text}");
        }
    }
}

#[test]
fn a_call_for_help_is_let_in_by_any_way() {
    for (method, uri, is_taken) in [
        ("INVITE", "sips:112@127.0.0.1:5061", true),
        ("INVITE", "sips:711@127.0.0.1:5061", false),
        ("SUBSCRIBE", "sips:112@127.0.0.1:5061", false),
    ] {
        let mut lab = lab();
        lab.from(TRUNK, &Ask { method, uri, ..Ask::default() }.text());
        assert_eq!(lab.beyond_trying().1.is_request(), is_taken, "{method} {uri}");
    }
}

#[test]
fn a_phone_that_writes_sips_of_itself_registers_and_calls_in_the_clear() {
    let contact = "Contact: <sips:7101@10.0.0.7:5066>\n";
    let ask = register(contact, "z9hG4bK-r").text().replacen("Contact: <sip:7101@10.0.0.7:5066>\n", "", 1);
    let mut lab = lab();
    lab.from(PHONE, &ask);
    assert_eq!(lab.statuses(), [401], "it is asked for its password as ever");
    lab.from(TRUNK, &Ask::default().text().replace("Contact: <sip:", "Contact: <sips:"));
    assert!(lab.beyond_trying().1.is_request());
}

#[test]
fn a_dialog_ends_in_the_clear_as_well() {
    let mut lab = lab();
    let to_tag = tag(5, "a.1");
    let uri = "sips:x@127.0.0.1:5061";
    lab.from(TRUNK, &Ask { method: "BYE", uri, to_tag: Some(&to_tag), ..Ask::default() }.text());
    assert_eq!(lab.beyond_trying().1.method(), Method::Bye);
}

#[test]
fn a_phone_in_the_clear_gets_no_call_to_sips() {
    let mut lab = lab();
    let by_tls = format!("{}: 1\n", headers::BY_TLS);
    for (number, transport, is_called) in [
        (70, Transport::Tcp, false),
        (71, Transport::Ws, false),
        (72, Transport::Tls, true),
        (73, Transport::Wss, true),
    ] {
        let branch = format!("z9hG4bK-r{number}");
        let path = registered_by(&mut lab, secure(number, transport), &register("", &branch), "secret-7101");
        let more = format!("Route: <sip:{path}@{EDGE};lr>\n");
        for (uri, mark, needs_tls) in [
            ("sip:7101@10.0.0.7:5066", "", false),
            ("sip:7101@10.0.0.7:5066", by_tls.as_str(), true),
            ("sips:7101@10.0.0.7:5066", "", false),
            ("sips:7101@10.0.0.7:5066", by_tls.as_str(), true),
        ] {
            let branch = format!("z9hG4bK-{number}{}{}", uri.len(), mark.len());
            let (flow, message) = ask_for(&mut lab, uri, &branch, &format!("{more}{mark}"));
            if is_called || !needs_tls {
                assert_eq!(flow, Flow::from(secure(number, transport)), "{transport:?} {uri}");
                assert_eq!(message.header(&headers::BY_TLS), None, "it stays inside");
            } else {
                assert_eq!(refused(&message), (Some(480), Some(NOT_ALLOWED)), "{transport:?} {uri}");
            }
        }
    }
}

#[test]
fn a_carrier_is_called_by_sips_over_tls_alone() {
    let mut lab = lab();
    let by_tls = format!("{}: 1\n", headers::BY_TLS);
    let (flow, _) = ask_for(&mut lab, "sips:+1@192.0.2.10", "z9hG4bK-a", &by_tls);
    assert!(flow.transport().is_secure());
    let (_, message) = ask_for(&mut lab, "sip:+2@192.0.2.10", "z9hG4bK-b", &by_tls);
    assert_eq!(refused(&message), (Some(480), Some(NOT_ALLOWED)));
    assert_eq!(ask_for(&mut lab, "sip:+3@192.0.2.10", "z9hG4bK-c", "").0, udp("192.0.2.10:5060"));
}

#[test]
fn in_a_dialog_of_sips_our_route_and_contact_are_of_sips() {
    for (number, transport, place) in
        [(70, Transport::Tls, SECURE_EDGE.to_owned()), (71, Transport::Wss, format!("{SECURE_WEB_EDGE};transport=ws"))]
    {
        let mut lab = lab();
        let connection = secure(number, transport);
        let path = registered_by(&mut lab, connection, &register("", "z9hG4bK-r"), "secret-7101");
        // We call the phone.
        let contact =
            |text: &str| text.replacen("Contact: <sip:+15550199@127.0.2.1>", "Contact: <sips:t@127.0.0.1:5060>", 1);
        let more = format!("Route: <sip:{path}@{EDGE};lr>\n");
        let ask = Ask { uri: "sips:7101@10.0.0.7", host: "127.0.2.1", more: &more, ..Ask::default() }.text();
        lab.by(ConnectionId(1), &contact(&ask));
        let (_, invite) = lab.only();
        assert_eq!(header(&invite, &HeaderName::Contact), format!("<sips:t@{place}>"));
        let route = header(&invite, &HeaderName::RecordRoute);
        assert!(route.starts_with("<sips:") && route.ends_with(&format!("@{place};lr>")), "{route}");
        // A request of that dialog finds its way back by this Route.
        let more = format!("Route: {route}\n");
        let bye = Ask {
            method: "BYE",
            host: "127.0.2.1",
            branch: "z9hG4bK-b",
            to_tag: Some("x"),
            more: &more,
            ..Ask::default()
        };
        lab.by(ConnectionId(1), &bye.text());
        assert_eq!(lab.only().0, Flow::from(connection));
    }
}

#[test]
fn the_answer_to_a_call_to_sips_has_our_secure_address() {
    let mut lab = lab();
    let connection = secure(70, Transport::Tls);
    lab.proxy.handle_opened(connection, addr(TRUNK), Side::Edge);
    lab.by(connection, &Ask { uri: "sips:+15550100@127.0.0.1:5061", ..Ask::default() }.text());
    let (_, invite) = lab.beyond_trying();
    assert!(header(&invite, &HeaderName::RecordRoute).starts_with("<sips:"), "{invite:?}");
    let ok =
        answer(&invite, 200, "n").replacen("Content-Length", "Contact: <sips:n@127.0.0.1:5060>\nContent-Length", 1);
    lab.by(ConnectionId(1), &ok);
    let (flow, ok) = lab.only();
    assert_eq!(flow, Flow::from(connection));
    assert_eq!(header(&ok, &HeaderName::Contact), format!("<sips:n@{SECURE_EDGE}>"));
}
