//! What a party says in Record-Route and Contact does not decide the address to which its dialog's requests go.

use super::*;

/// Where nothing may be sent.
const VICTIM: &str = "198.51.100.66:5060";
const VICTIMS_ROUTE: &str = "<sip:198.51.100.66;lr>";
/// The Contacts and Record-Routes by which a party could name a third one.
const VICTIMS_CONTACT: &str = "Contact: <sip:7101@198.51.100.66;transport=tcp>\n";

/// A node's INVITE to the phone, as the phone got it.
fn ringing(lab: &mut Lab) -> Message {
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\n");
    let invite = Ask { uri: "sip:7101@10.0.0.7", host: "127.0.2.1", more: &more, ..Ask::default() }.text();
    lab.by(ConnectionId(1), &invite.replace("tag=from-1", &format!("tag={}", tag(1, "a.1"))));
    let (flow, invite) = lab.only();
    assert_eq!(flow, udp(PHONE));
    invite
}

/// The phone's response with these Record-Routes in place of those that it should have, and with the victim's Contact.
fn answered(invite: &Message, status: u16, record_routes: &[&str]) -> String {
    let lines: String = record_routes.iter().map(|route| format!("Record-Route: {route}\n")).collect();
    let text = answer(invite, status, "p");
    let kept: String = text.split_inclusive('\n').filter(|line| !line.starts_with("Record-Route")).collect();
    kept.replacen("Call-ID", &format!("{lines}{VICTIMS_CONTACT}Call-ID"), 1)
}

fn recorded(message: &Message) -> Vec<String> {
    message.elements(&HeaderName::RecordRoute).map(str::to_owned).collect()
}

/// A node's request within the dialog that this response creates (RFC 3261 §12.2.1.1).
fn within(response: &Message, method: &str, branch: &str) -> String {
    let routes: String = recorded(response).iter().rev().map(|route| format!("Route: {route}\n")).collect();
    let uri = "sip:7101@198.51.100.66;transport=tcp";
    Ask { method, uri, host: "127.0.2.1", to_tag: Some("p"), branch, more: &routes, ..Ask::default() }.text()
}

fn connects(lab: &Lab) -> bool {
    lab.outputs.iter().any(|output| matches!(output, Output::Connect { .. }))
}

#[test]
fn a_party_that_drops_or_forges_our_record_route_is_still_reached_by_its_flow_alone() {
    let other = flow_token::seal(udp(VICTIM), None, &Seal::new(&[1; 32]));
    let forged = format!("<sip:{other}@127.0.0.1:5060;lr>");
    let elsewhere = format!("<sip:{}@198.51.100.66;lr>", flow_token::seal(udp(PHONE), None, &seal()));
    for routes in [&[][..], &[VICTIMS_ROUTE], &[&forged], &[VICTIMS_ROUTE, &forged], &[&elsewhere], &[VICTIMS_ROUTE; 9]]
    {
        let mut lab = Lab::new();
        let invite = ringing(&mut lab);
        for status in [183, 200] {
            lab.from(PHONE, &answered(&invite, status, routes));
            let (flow, response) = lab.only();
            assert_eq!(flow, tcp(1));
            assert_eq!(recorded(&response).last(), recorded(&invite).first(), "{status} {routes:?}");
            for method in ["ACK", "OPTIONS", "UPDATE", "BYE"] {
                lab.by(ConnectionId(1), &within(&response, method, &format!("z9hG4bK-{method}{status}")));
                let (flow, request) = lab.only();
                assert_eq!((flow, request.method().as_str()), (udp(PHONE), method), "{routes:?}");
            }
        }
        assert!(!connects(&lab));
    }
}

#[test]
fn a_record_route_that_came_back_as_it_went_stays_as_it_is() {
    let mut lab = Lab::new();
    let invite = ringing(&mut lab);
    let ours = recorded(&invite).remove(0);
    lab.from(PHONE, &answered(&invite, 200, &["<sip:10.0.0.1;lr>", &ours]));
    assert_eq!(recorded(&lab.only().1), ["<sip:10.0.0.1;lr>", &ours]);
    let mut lab = Lab::new();
    let invite = ringing(&mut lab);
    lab.from(PHONE, &answered(&invite, 486, &[]));
    let response = lab.take().into_iter().find(|(flow, _)| *flow == tcp(1)).unwrap().1;
    assert!(recorded(&response).is_empty(), "a failure creates no dialog");
}

#[test]
fn an_answer_that_comes_after_our_restart_leads_back_by_a_flow_of_ours_too() {
    let mut before = Lab::new();
    let invite = ringing(&mut before);
    let ours = recorded(&invite).remove(0);
    for (routes, expected) in [(&[ours.as_str()][..], 1), (&[VICTIMS_ROUTE], 2), (&[], 1)] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(1), "sip-cluster", "a.1");
        lab.from(PHONE, &answered(&invite, 200, routes));
        let (flow, ok) = lab.only();
        assert_eq!((flow, recorded(&ok).len(), recorded(&ok).last()), (tcp(1), expected, Some(&ours)));
    }
}

#[test]
fn a_caller_with_record_routes_of_its_own_is_reached_by_its_flow() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let more = format!("Record-Route: {VICTIMS_ROUTE}, <sip:198.51.100.66:5070>\n");
    lab.from(TRUNK, &Ask { more: &more, ..Ask::default() }.text());
    let (_, invite) = lab.beyond_trying();
    let routes: String = recorded(&invite).iter().map(|route| format!("Route: {route}\n")).collect();
    let bye = Ask {
        method: "BYE",
        uri: "sip:x@198.51.100.66",
        host: "127.0.2.1",
        to_tag: Some("t"),
        branch: "z9hG4bK-b",
        more: &routes,
        ..Ask::default()
    };
    lab.by(ConnectionId(1), &bye.text());
    let (flow, bye) = lab.only();
    assert_eq!((flow, bye.routes().count()), (udp(TRUNK), 2));
}

#[test]
fn without_a_flow_a_request_within_a_dialog_reaches_trunks_alone() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let ask = |method: &'static str, uri: &'static str, branch: &'static str| {
        Ask { method, uri, host: "127.0.2.1", to_tag: Some("p"), branch, ..Ask::default() }.text()
    };
    lab.by(ConnectionId(1), &ask("OPTIONS", "sip:7101@198.51.100.66", "z9hG4bK-1"));
    lab.by(ConnectionId(1), &ask("BYE", "sip:7101@198.51.100.66;transport=tcp", "z9hG4bK-2"));
    assert_eq!(lab.statuses(), [430, 430]);
    lab.by(ConnectionId(1), &ask("ACK", "sip:7101@198.51.100.66", "z9hG4bK-3"));
    assert!(lab.take().is_empty() && !connects(&lab));
    lab.by(ConnectionId(1), &ask("BYE", "sip:1@192.0.2.77", "z9hG4bK-4"));
    assert_eq!(lab.only().0, udp("192.0.2.77:5060"), "another host of the carrier");
}

#[test]
fn a_route_to_another_proxy_of_ours_is_followed() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let token = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{token}@198.51.100.1:5060;lr>\n");
    let bye = Ask { method: "BYE", uri: "sip:7101@10.0.0.7", to_tag: Some("p"), more: &more, ..Ask::default() };
    lab.by(ConnectionId(1), &bye.text());
    assert_eq!(lab.only().0, udp("198.51.100.1:5060"));
}
