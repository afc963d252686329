//! Messages that the proxy itself sends at the edge.

use super::*;

#[test]
fn options_to_the_proxy_is_answered_by_it() {
    let mut lab = Lab::new();
    for uri in ["sip:127.0.0.1:5060", "sip:127.0.0.1", "sip:edge.example"] {
        let branch = format!("z9hG4bK{}", uri.len());
        lab.from(PHONE, &Ask { method: "OPTIONS", uri, host: PHONE, branch: &branch, ..Ask::default() }.text());
        let (flow, ok) = lab.only();
        assert_eq!((flow, ok.status()), (udp(PHONE), Some(StatusCode::OK)));
        let allow = header(&ok, &HeaderName::Allow);
        assert_eq!(allow, format!("{}, REGISTER", crate::agent::ALLOW), "nothing is promised that calls do not take");
        assert_eq!(header(&ok, &HeaderName::Accept), "application/sdp");
        assert_eq!(header(&ok, &HeaderName::Supported), "100rel, replaces, timer, path");
    }
}

#[test]
fn options_within_a_dialog_are_not_answered_for_a_party_that_gives_our_address_as_its_contact() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let flow = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{flow}@127.0.0.1:5060;lr>\n");
    let ask = Ask {
        method: "OPTIONS",
        uri: "sip:127.0.0.1:5060",
        to_tag: Some("theirs"),
        host: "127.0.2.1",
        ..Ask::default()
    };
    lab.by(ConnectionId(1), &Ask { more: &more, ..ask }.text());
    let (to, asked) = lab.only();
    assert_eq!((to, asked.method()), (udp(PHONE), Method::Options), "whether it lives is asked of the party itself");
    let ask =
        Ask { method: "OPTIONS", uri: "sip:127.0.0.1:5060", to_tag: Some("unknown"), host: PHONE, ..Ask::default() };
    lab.from(PHONE, &ask.text());
    assert_eq!(lab.statuses(), [481], "a dialog that nobody here has");
}

#[test]
fn what_must_not_be_forwarded_is_refused_with_its_reason() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let cases = [
        (Ask { branch: "z9hG4bK-a", uri: "mailto:x@example.com", ..Ask::default() }.text(), 416),
        (Ask { branch: "z9hG4bK-b", ..Ask::default() }.text().replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (Ask { branch: "z9hG4bK-c", more: "Proxy-Require: nothing-we-know\n", ..Ask::default() }.text(), 420),
        (Ask { branch: "z9hG4bK-d", host: "198.51.100.1:5060", ..Ask::default() }.text(), 403),
    ];
    for (text, status) in cases {
        let from = if status == 403 { "198.51.100.1:5060" } else { TRUNK };
        lab.from(from, &text);
        assert_eq!(lab.statuses(), [status], "{text}");
    }
    assert_eq!(lab.proxy.counts().unknown_sources, 1);
    assert_eq!(lab.proxy.counts().loops, 1);
}

#[test]
fn a_call_to_the_emergency_service_needs_no_number() {
    for (method, uri, is_taken) in [
        ("INVITE", "urn:service:sos", true),
        ("INVITE", "URN:service:SOS.fire", true),
        ("INVITE", "urn:service:sosfire", false),
        ("INVITE", "urn:service:counseling", false),
        ("SUBSCRIBE", "urn:service:sos", false),
    ] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(1), "sip-cluster", "a.1");
        lab.from(TRUNK, &Ask { method, uri, ..Ask::default() }.text());
        let (_, message) = lab.beyond_trying();
        let status = message.status().map(|status| status.0);
        assert_eq!((message.is_request(), status), (is_taken, (!is_taken).then_some(416)), "{method} {uri}");
    }
}

#[test]
fn what_lives_in_dialogs_alone_belongs_to_none_without_one_even_from_a_phone() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for method in ["BYE", "INFO", "UPDATE", "PRACK"] {
        for (n, to_tag) in [None, Some("unknown")].into_iter().enumerate() {
            let branch = format!("z9hG4bK-{method}{n}");
            let ask = Ask { method, from: "7101", host: PHONE, to_tag, branch: &branch, ..Ask::default() };
            lab.from(PHONE, &ask.text());
            assert_eq!(lab.statuses(), [481], "{method}");
        }
    }
    assert_eq!(lab.proxy.counts().challenges, 0);
}

#[test]
fn a_request_that_comes_back_unchanged_has_looped() {
    let mut lab = Lab::with(|s| s.static_route = Some(addr("192.0.2.77:5060")));
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    let looped = text_of(&invite).replace("\r\n", "\n").replacen(
        "Via:",
        "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bK-l\nVia:",
        1,
    );
    lab.from("192.0.2.77:5060", &looped);
    assert_eq!(lab.statuses(), [482]);
    let spiral = looped.replace("sip:+15550100@", "sip:+15550101@").replace("bK-l", "bK-m");
    lab.from("192.0.2.77:5060", &spiral);
    assert_eq!(lab.beyond_trying().0, udp("192.0.2.77:5060"));
}

#[test]
fn without_a_live_node_new_calls_get_503_with_retry_after() {
    let mut lab = Lab::new();
    lab.from(TRUNK, &Ask::default().text());
    let (_, refused) = lab.only();
    assert_eq!(refused.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(refused.retry_after().unwrap(), Some(5));
    assert_eq!(lab.proxy.counts().no_node, 1);
}

#[test]
fn a_draining_proxy_takes_no_new_calls() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.drain(lab.now);
    for (method, from, uri) in [
        ("INVITE", TRUNK, "sip:+15550100@127.0.0.1:5060"),
        ("REGISTER", PHONE, "sip:acme.example"),
        ("OPTIONS", TRUNK, "sip:127.0.0.1"),
        ("MESSAGE", PHONE, "sip:7102@acme.example"),
    ] {
        let branch = format!("z9hG4bK-{method}");
        lab.from(from, &Ask { method, uri, branch: &branch, ..Ask::default() }.text());
        let (_, refused) = lab.only();
        assert_eq!(refused.status(), Some(StatusCode::SERVICE_UNAVAILABLE), "{method}");
        assert_eq!(refused.retry_after().unwrap(), Some(5), "{method}");
    }
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-2", ..Ask::default() }.text());
    assert_eq!(lab.only().0, tcp(1));
}

#[test]
fn nodes_are_told_by_each_keep_alive_whether_the_proxy_drains() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for drains in [false, true] {
        if drains {
            lab.proxy.drain(lab.now);
        }
        lab.now = lab.now + settings::KEEP_ALIVE;
        lab.proxy.handle_timeout(lab.now);
        lab.drain();
        let last = lab.sent.iter().rev().map(|(_, message)| message).find(|message| is_keep_alive(message));
        assert_eq!(last.expect("a keep-alive").header(&headers::DRAINING).is_some(), drains);
    }
}

#[test]
fn a_node_that_joins_is_told_whether_the_proxy_drains() {
    let mut lab = Lab::new();
    for (number, drains) in [(1, false), (2, true)] {
        if drains {
            lab.proxy.drain(lab.now);
        }
        lab.proxy.handle_opened(ConnectionId(number), addr("127.0.2.1:40000"), Side::Cluster);
        lab.announce(ConnectionId(number), &format!("sip-cluster;node=a{number};epoch=1"), TOKEN);
        let (_, greeting) = lab.only();
        assert_eq!(greeting.status(), Some(StatusCode::OK));
        assert_eq!(greeting.header(&headers::DRAINING).is_some(), drains);
    }
}

#[test]
fn a_proxy_drains_until_the_nodes_that_drain_too_have_gone() {
    let mut lab = Lab::new();
    for (connection, role, owner) in [(1, "sip-cluster", "a.1"), (2, "media", "m.1")] {
        lab.node(ConnectionId(connection), role, owner);
    }
    lab.pass(Duration::from_secs(60), &[1, 2].map(ConnectionId));
    assert!(!lab.proxy.has_drained(lab.now), "nobody told it to");
    lab.proxy.drain(lab.now);
    lab.announce(ConnectionId(1), "sip-cluster;node=a;epoch=1;draining", TOKEN);
    lab.announce(ConnectionId(2), "media;node=m;epoch=1;draining", TOKEN);
    lab.take();
    lab.pass(Duration::from_secs(20), &[1, 2].map(ConnectionId));
    assert!(!lab.proxy.has_drained(lab.now), "both have calls");
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-2", ..Ask::default() }.text());
    let (_, bye) = lab.only();
    lab.proxy.handle_closed(ConnectionId(2), lab.now);
    assert!(!lab.proxy.has_drained(lab.now), "the BYE is not answered");
    lab.by(ConnectionId(1), &answer(&bye, 200, &to_tag));
    assert_eq!(lab.statuses(), [200]);
    assert!(!lab.proxy.has_drained(lab.now), "one node is left");
    lab.proxy.handle_closed(ConnectionId(1), lab.now);
    assert!(lab.proxy.has_drained(lab.now));
}

#[test]
fn a_proxy_that_drains_does_not_wait_for_a_carrier_whose_registrar_has_gone() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "registrar", "r.1");
    let register = "REGISTER sip:192.0.2.77 SIP/2.0\nVia: SIP/2.0/TCP 127.0.2.1;branch=z9hG4bK-r\n\
                    From: <sip:we@192.0.2.77>;tag=1\nTo: <sip:we@192.0.2.77>\nCall-ID: r\nCSeq: 1 REGISTER\n\
                    Contact: <sip:we@127.0.0.1:5060>\nMax-Forwards: 70\nContent-Length: 0\n\n";
    lab.by(ConnectionId(1), register);
    assert_eq!(lab.only().0, udp("192.0.2.77:5060"));
    lab.proxy.drain(lab.now);
    assert!(!lab.proxy.is_idle(), "the registrar waits for the carrier");
    lab.proxy.handle_closed(ConnectionId(1), lab.now);
    assert!(lab.proxy.has_drained(lab.now), "nobody does");
}

#[test]
fn a_proxy_that_drains_alone_ends_when_no_request_waits() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.proxy.drain(lab.now);
    assert!(!lab.proxy.has_drained(lab.now), "the node may be about to say that it drains");
    let to_tag = tag(1, "a.1");
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-2", ..Ask::default() }.text());
    let (_, bye) = lab.only();
    lab.pass(settings::DRAIN_ALONE_AFTER, &[1].map(ConnectionId));
    assert!(!lab.proxy.has_drained(lab.now), "the BYE is not answered");
    lab.by(ConnectionId(1), &answer(&bye, 200, &to_tag));
    assert!(lab.proxy.has_drained(lab.now));
}

#[test]
fn malformed_messages_are_answered_where_possible_and_counted() {
    let mut lab = Lab::new();
    lab.from(TRUNK, &Ask::default().text().replace("CSeq: 1 INVITE", "CSeq: 1 BYE"));
    assert_eq!(lab.statuses(), [400]);
    lab.from(TRUNK, "\n\nthis is not SIP\n\n");
    lab.from(TRUNK, "INVITE sip:a@b SIP/2.0\nFrom: <sip:a@b>\n\n");
    assert!(lab.take().is_empty());
    let counts = lab.proxy.counts();
    assert_eq!((counts.malformed_answered, counts.malformed_dropped), (1, 2));
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn another_protocol_version_is_505() {
    let mut lab = Lab::new();
    lab.from(TRUNK, &Ask::default().text().replacen("SIP/2.0\n", "SIP/7.0\n", 1));
    assert_eq!(lab.statuses(), [505]);
}

#[test]
fn a_strict_router_is_understood() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    let ours = invite.record_routes().next().unwrap().unwrap().raw_uri().to_owned();
    let real = format!("sip:{}@127.0.0.1:5060", tag(5, "a.1"));
    let route = format!("Route: <{real}>\n");
    let bye = Ask { method: "BYE", uri: &ours, to_tag: Some("x"), branch: "z9hG4bK-s", more: &route, ..Ask::default() };
    lab.from(TRUNK, &bye.text());
    let (flow, bye) = lab.only();
    assert_eq!((flow, bye.request_uri(), bye.routes().count()), (tcp(1), Some(real.as_str()), 0));
}

#[test]
fn a_stray_response_goes_nowhere() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let stray = Message::parse(Ask::default().text().replace('\n', "\r\n").into_bytes().into()).unwrap();
    lab.from(TRUNK, &answer(&stray, 200, "x"));
    assert!(lab.take().is_empty());
    assert_eq!(lab.proxy.counts().responses_stray, 1);
}

#[test]
fn who_has_not_proven_anything_leaves_nothing_behind_and_is_answered_once() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for (method, from, status) in
        [("INVITE", "7101", 407), ("MESSAGE", "7101", 407), ("INVITE", "nobody", 403), ("SUBSCRIBE", "nobody", 403)]
    {
        let branch = format!("z9hG4bK-{method}{from}");
        let ask = Ask { method, from, host: PHONE, branch: &branch, ..Ask::default() };
        lab.from(PHONE, &ask.text());
        let (_, first) = lab.only();
        assert_eq!(first.status().unwrap().0, status);
        lab.from(PHONE, &ask.text());
        let (_, second) = lab.only();
        assert_eq!(first.to().unwrap().tag(), second.to().unwrap().tag());
        let to_tag = first.to().unwrap().tag().map(str::to_owned);
        lab.from(PHONE, &Ask { method: "ACK", to_tag: to_tag.as_deref(), ..ask }.text());
        lab.pass(Duration::from_secs(40), &[1].map(ConnectionId));
        assert!(lab.take().is_empty(), "nothing is repeated to an address that may be forged");
        assert_eq!((lab.proxy.sizes().0, lab.proxy.layer.len()), (0, (0, 0)));
    }
    assert_eq!(lab.proxy.counts().unknown_sources, 4);
}

#[test]
fn the_ack_of_a_stranger_goes_nowhere_by_a_static_route_either() {
    let mut lab = Lab::with(|s| s.static_route = Some(addr("198.51.100.7:5070")));
    let ask = Ask { host: PHONE, from: "nobody", ..Ask::default() };
    lab.from(PHONE, &ask.text());
    let (_, refused) = lab.only();
    assert_eq!(refused.status(), Some(StatusCode::FORBIDDEN));
    lab.from(PHONE, &Ask { method: "ACK", to_tag: refused.to().unwrap().tag(), ..ask }.text());
    assert!(lab.take().is_empty());
    assert_eq!(lab.proxy.counts().acks_stray, 1);
}

#[test]
fn a_phone_does_not_speak_in_a_transaction_of_a_node() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let path = flow_token::seal(udp(PHONE), None, &seal());
    let more = format!("Route: <sip:{path}@127.0.0.1:5060;lr>\n");
    let invite = Ask { uri: "sip:7101@10.0.0.7:5066", host: "127.0.2.1", branch: "z9hG4bK-n", ..Ask::default() };
    lab.by(ConnectionId(1), &Ask { more: &more, ..invite }.text());
    let (_, ringing) = lab.only();
    // Who has seen the node's Via, as below ours in earlier releases:
    for method in ["INVITE", "CANCEL", "ACK"] {
        lab.from(TRUNK, &Ask { method, ..invite }.text());
        assert!(lab.take().is_empty(), "{method}");
    }
    assert_eq!(lab.proxy.counts().transactions_foreign, 3);
    lab.from(PHONE, &answer(&ringing, 200, "p"));
    let (flow, response) = lab.only();
    assert_eq!((flow, response.status()), (tcp(1), Some(StatusCode::OK)));
}

#[test]
fn nothing_that_the_edge_says_in_our_name_reaches_a_node() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let ours = "trunkline-owner: b.1\nTRUNKLINE-UNREACHABLE: b.1\nTrunkline-Passed: 1\nTrunkline-Anything: x\n\
                Trunkline-Node: sip-cluster;node=c;epoch=1\nTrunkline-Token: a-token\nTrunkline-Party: 192.0.2.99\n";
    let to_tag = tag(1, "a.1");
    for (method, branch) in
        [("BYE", "z9hG4bK-a"), ("ACK", "z9hG4bK-b"), ("OPTIONS", "z9hG4bK-c"), ("INVITE", "z9hG4bK-d")]
    {
        lab.from(TRUNK, &Ask { method, to_tag: Some(&to_tag), more: ours, branch, ..Ask::default() }.text());
        let (flow, mut request) = lab.only();
        // Added by the proxy itself: the message's source.
        let party = request.header(&headers::PARTY).map(str::to_owned);
        assert_eq!(party, (method == "INVITE").then(|| "192.0.2.10".to_owned()), "{method}");
        request.remove(&headers::PARTY);
        assert_eq!((flow, text_of(&request).to_ascii_lowercase().contains("trunkline-")), (tcp(1), false), "{method}");
    }
    assert_eq!(lab.proxy.live().count(), 2);
    // Nor in a response, where it would send the node's request to another node.
    lab.by(
        ConnectionId(1),
        &Ask { uri: "sip:1@192.0.2.10", host: "127.0.2.1", branch: "z9hG4bK-e", ..Ask::default() }.text(),
    );
    let (_, invite) = lab.only();
    lab.from(TRUNK, &answer(&invite, 302, "x").replace("Call-ID", "Trunkline-Owner: b.1\nCall-ID"));
    let response = lab.take().into_iter().find(|(_, m)| m.status().is_some()).unwrap();
    assert_eq!((response.0, response.1.header(&headers::OWNER)), (tcp(1), None));
}

#[test]
fn a_request_that_made_the_core_fail_is_answered_500_and_an_ack_is_not() {
    let mut lab = Lab::new();
    for (method, expected) in [("INVITE", 1), ("ACK", 0)] {
        let text = Ask { method, ..Ask::default() }.text().replace('\n', "\r\n");
        lab.proxy.refuse_faulty(text.into_bytes().into(), udp(TRUNK));
        lab.drain();
        let said = lab.take();
        assert_eq!(said.len(), expected, "{method}");
        assert!(said.iter().all(|(flow, answer)| {
            (*flow, answer.status()) == (udp(TRUNK), Some(StatusCode::SERVER_INTERNAL_ERROR))
        }));
    }
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn what_goes_on_with_nothing_leaves_nothing_behind() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    for method in ["INVITE", "OPTIONS", "REGISTER", "BYE", "CANCEL"] {
        for from in [TRUNK, PHONE] {
            let branch = format!("z9hG4bK-{method}{from}");
            lab.from(from, &Ask { method, host: from, branch: &branch, to_tag: Some("x"), ..Ask::default() }.text());
            assert_eq!(lab.statuses(), [481], "{method} from {from}");
        }
    }
    assert_eq!((lab.proxy.sizes().0, lab.proxy.layer.len()), (0, (0, 0)));
}

#[test]
fn credentials_that_answer_nobody_are_those_of_a_stranger() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let given = "Digest username=\"7101\", realm=\"acme.example\", nonce=\"x\", uri=\"sip:a\", response=\"00\"";
    for (method, header, status) in [
        ("INVITE", "Proxy-Authorization", 407),
        ("INVITE", "Proxy-Authorization", 407),
        ("REGISTER", "Authorization", 401),
    ] {
        for given in [given, "Digest x"] {
            let more = format!("{header}: {given}\n");
            let ask =
                Ask { method, from: "7101", uri: "sip:7101@127.0.0.1", host: PHONE, more: &more, ..Ask::default() };
            lab.from(PHONE, &ask.text());
            assert_eq!(lab.statuses(), [status]);
        }
    }
    assert_eq!((lab.proxy.sizes().0, lab.proxy.layer.len()), (0, (0, 0)));
}
