//! Packets with a forged source: senders that have proven something are not affected.

use super::phones::{credentials, invite, register};
use super::*;

/// The office's address, with a port unused there.
const FORGED: &str = "203.0.113.5:9";

/// A phone of the office that has registered by UDP.
fn office() -> Lab {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "registrar-1.4");
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    lab.from(PHONE, &register("", "z9hG4bK-r1").text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &register("", ""), "secret-7101");
    lab.from(PHONE, &register(&given, "z9hG4bK-r2").text());
    let (_, forwarded) = lab.only();
    lab.by(ConnectionId(1), &answer(&forwarded, 200, "r"));
    lab.take();
    lab
}

/// The phone calls; the node answers with `status` and the tag of call 7. Returns the phone's request.
fn called(lab: &mut Lab, status: u16) -> String {
    lab.from(PHONE, &invite("", "z9hG4bK-i1").text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &invite("", ""), "secret-7101");
    let text = invite(&given, "z9hG4bK-i2").text();
    lab.from(PHONE, &text);
    let (_, forwarded) = lab.beyond_trying();
    lab.by(ConnectionId(2), &answer(&forwarded, status, &tag(7, "a.1")));
    lab.take();
    text
}

/// A node rings the phone; returns the message that the phone gets.
fn rung(lab: &mut Lab) -> Message {
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\n");
    lab.by(
        ConnectionId(2),
        &Ask { uri: "sip:7101@10.0.0.7:5066", host: "127.0.2.1", more: &more, ..Ask::default() }.text(),
    );
    lab.only().1
}

/// Everything that a stranger can forge, from that address.
fn flood(lab: &mut Lab, from: &str) {
    for n in 0..700 {
        let branch = format!("z9hG4bK-f{n}");
        let forged = format!("{n:016x}.1.acme.a.1.0123456789abcdef");
        let route = "Route: <sip:AQAAywBxBZxBF_Zqxxxty-w@127.0.0.1:5060;lr>\n";
        for text in [
            Ask { method: "OPTIONS", uri: "sip:127.0.0.1", host: from, branch: &branch, ..Ask::default() }.text(),
            Ask { method: "BYE", host: from, to_tag: Some(&forged), branch: &branch, ..Ask::default() }.text(),
            Ask { method: "INFO", host: from, to_tag: Some("x"), more: route, branch: &branch, ..Ask::default() }
                .text(),
            format!(
                "SIP/2.0 200 OK\nVia: SIP/2.0/UDP {EDGE};branch=z9hG4bKtk{n:08x}{n:016x}\nFrom: <sip:a@b>;tag=1\n\
                 To: <sip:b@a>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nContent-Length: 0\n\n"
            ),
        ] {
            lab.from(from, &text);
        }
    }
    lab.take();
    assert!(lab.proxy.counts().rate_dropped > 2_000, "{:?}", lab.proxy.counts());
}

#[test]
fn forged_packets_keep_neither_responses_nor_requests_of_a_dialog_from_an_office() {
    // Also from the phone's own port: that can only keep out the phone's initial requests.
    for from in [FORGED, PHONE] {
        let mut lab = office();
        called(&mut lab, 200);
        let ringing = rung(&mut lab);
        flood(&mut lab, from);
        lab.from(PHONE, &answer(&ringing, 180, "p"));
        let (flow, response) = lab.only();
        assert_eq!((flow, response.status()), (tcp(2), Some(StatusCode::RINGING)), "{from}");
        let to_tag = tag(7, "a.1");
        for method in ["ACK", "INFO", "BYE"] {
            let branch = format!("z9hG4bK-{method}");
            let ask = Ask { method, host: PHONE, to_tag: Some(&to_tag), branch: &branch, cseq: 3, ..Ask::default() };
            lab.from(PHONE, &ask.text());
            let (flow, request) = lab.only();
            assert_eq!((flow, request.method().as_str()), (tcp(2), method), "{from}");
        }
        assert_eq!(lab.proxy.counts().rate_known, 4 + u64::from(from == PHONE) * 200);
    }
}

#[test]
fn a_call_that_begins_is_cancelled_in_spite_of_forged_packets() {
    let mut lab = office();
    let invite = called(&mut lab, 180);
    flood(&mut lab, PHONE);
    lab.from(PHONE, &invite);
    assert_eq!(lab.statuses(), [180], "it is repeated");
    let cancel = invite.replace("INVITE sip:+", "CANCEL sip:+").replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
    lab.from(PHONE, &cancel);
    let sent = lab.take();
    assert!(sent.iter().any(|(flow, m)| *flow == tcp(2) && m.method() == Method::Cancel), "{sent:?}");
}

#[test]
fn forged_packets_keep_no_phone_from_registering_that_has_done_so_lately() {
    let mut lab = office();
    flood(&mut lab, FORGED);
    lab.from(PHONE, &register("", "z9hG4bK-r3").text());
    assert_eq!(lab.statuses(), [401]);
    lab.from("203.0.113.5:40002", &register("", "z9hG4bK-r4").text());
    assert!(lab.take().is_empty(), "nobody has proven himself by that port");
    // Nor from beginning a call.
    called(&mut lab, 200);
}

#[test]
fn who_has_connected_is_not_kept_away_by_forged_datagrams() {
    let mut lab = office();
    flood(&mut lab, FORGED);
    lab.proxy.handle_opened(ConnectionId(70), addr("203.0.113.5:50000"), Side::Edge);
    for n in 0..300 {
        let branch = format!("z9hG4bK-t{n}");
        lab.by(
            ConnectionId(70),
            &Ask { method: "OPTIONS", uri: "sip:127.0.0.1", branch: &branch, ..Ask::default() }.text(),
        );
    }
    assert_eq!(lab.statuses(), [200; 200], "within a rate of their own");
}

#[test]
fn after_a_restart_dialogs_of_the_former_life_are_verified_and_no_more_than_a_few_forged_ones() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "sip-cluster", "a.1");
    for n in 0..400 {
        let branch = format!("z9hG4bK-o{n}");
        lab.from(PHONE, &Ask { method: "OPTIONS", uri: "sip:127.0.0.1", branch: &branch, ..Ask::default() }.text());
    }
    lab.take();
    let to_tag = tag(7, "a.1");
    let bye = |branch: &str| Ask { method: "BYE", to_tag: Some(&to_tag), branch, ..Ask::default() }.text();
    lab.from(PHONE, &bye("z9hG4bK-b1"));
    assert_eq!(lab.only().0, tcp(2));
    assert_eq!(lab.proxy.counts().seals_checked, 1);
    flood(&mut lab, PHONE);
    assert!(lab.proxy.counts().seals_checked <= 101, "{}", lab.proxy.counts().seals_checked);
    lab.from(PHONE, &bye("z9hG4bK-b2"));
    assert_eq!(lab.only().0, tcp(2), "it is known by now");
}

#[test]
fn what_a_peer_knows_of_us_lets_it_in_within_a_rate_only() {
    let mut lab = office();
    called(&mut lab, 200);
    let ringing = rung(&mut lab);
    flood(&mut lab, FORGED);
    let to_tag = tag(7, "a.1");
    for n in 0..1_000 {
        let branch = format!("z9hG4bK-x{n}");
        lab.from(FORGED, &Ask { method: "INFO", to_tag: Some(&to_tag), branch: &branch, ..Ask::default() }.text());
    }
    assert_eq!(lab.take().len(), 50, "of one dialog");
    for _ in 0..1_000 {
        lab.from(FORGED, &answer(&ringing, 180, "p"));
    }
    assert_eq!(lab.take().len(), 200, "of transactions");
}

#[test]
fn a_response_without_a_via_below_ours_ends_no_transaction() {
    const FAR: &str = "198.51.100.7:5070";
    let mut lab = Lab::with(|s| s.static_route = Some(addr(FAR)));
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    let whole = answer(&invite, 486, "x");
    let mut vias = 0;
    let is_first_via_or_none = |line: &&str| {
        vias += usize::from(line.starts_with("Via:"));
        !line.starts_with("Via:") || vias == 1
    };
    let short: Vec<&str> = whole.lines().filter(is_first_via_or_none).collect();
    lab.from(FAR, &(short.join("\n") + "\n\n"));
    assert!(lab.take().is_empty(), "neither an ACK nor a response");
    lab.from(FAR, &whole);
    assert!(lab.statuses().contains(&486), "the right one is still awaited");
}

#[test]
fn refused_invites_fill_no_table() {
    let mut lab = office();
    lab.from(PHONE, &invite("", "z9hG4bK-i0").text());
    let (_, challenge) = lab.only();
    let given = credentials(&challenge, &invite("", ""), "wrong");
    for n in 0..5 {
        let branch = format!("z9hG4bK-w{n}");
        let text = invite(&given, &branch).text();
        lab.from(PHONE, &text);
        let (_, first) = lab.only();
        assert_eq!(first.status(), Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
        lab.from(PHONE, &text);
        assert_eq!(lab.only().1.to_bytes(), first.to_bytes(), "a repeat is no further guess");
        let ack = Ask { method: "ACK", to_tag: first.to().unwrap().tag(), ..invite("", &branch) };
        lab.from(PHONE, &ack.text());
        assert!(lab.take().is_empty());
    }
    assert_eq!(lab.proxy.counts().wrong_passwords, 5);
    assert_eq!((lab.proxy.exchanges.len(), lab.proxy.layer.len().1), (0, 0));
}

#[test]
fn an_address_that_a_caller_writes_into_its_via_is_not_kept() {
    let mut lab = office();
    let text = Ask::default().text().replace(";branch=", ";received=198.51.100.66;branch=");
    lab.from(TRUNK, &text);
    let forwarded = lab.beyond_trying().1;
    assert!(!text_of(&forwarded).contains("198.51.100.66"), "{}", text_of(&forwarded));
}

#[test]
fn the_ack_of_a_nodes_refused_invite_goes_no_further() {
    let mut lab = office();
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let route = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\n");
    let demanding = format!("{route}Proxy-Require: x\n");
    let ask = Ask { uri: "sip:7101@10.0.0.7:5066", host: "127.0.2.1", more: &demanding, ..Ask::default() };
    lab.by(ConnectionId(2), &ask.text());
    let (_, refused) = lab.only();
    assert_eq!(refused.status(), Some(StatusCode::BAD_EXTENSION));
    let ack = Ask { method: "ACK", to_tag: refused.to().unwrap().tag(), more: &route, ..ask };
    lab.by(ConnectionId(2), &ack.text());
    assert!(lab.take().is_empty(), "no phone has seen that INVITE");
}
