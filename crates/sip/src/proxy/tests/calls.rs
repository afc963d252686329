//! A trunk's call through a node, message by message.

use super::*;

/// An INVITE of the trunk, answered by the node with `to_tag`; returns the INVITE as the node got it.
fn established(lab: &mut Lab, to_tag: &str) -> Message {
    lab.from(TRUNK, &Ask::default().text());
    let (flow, invite) = lab.beyond_trying();
    assert_eq!(flow, tcp(1));
    lab.by(ConnectionId(1), &answer(&invite, 200, to_tag));
    assert_eq!(lab.statuses(), [200]);
    invite
}

#[test]
fn an_invite_of_a_trunk_reaches_a_node_with_tenant_and_source() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.17");
    lab.from(
        TRUNK,
        &Ask {
            more: "Trunkline-Tenant: other\nTrunkline-Source: phone;dn=7101\nTrunkline-Party: 198.51.100.66\n",
            ..Ask::default()
        }
        .text(),
    );
    let (flow, invite) = &lab.only();
    assert_eq!(*flow, tcp(1));
    assert_eq!(invite.headers(&headers::TENANT).collect::<Vec<_>>(), ["acme"]);
    assert_eq!(invite.headers(&headers::SOURCE).collect::<Vec<_>>(), ["trunk;name=carrier"]);
    assert_eq!(invite.headers(&headers::PARTY).collect::<Vec<_>>(), ["192.0.2.10"]);
    assert_eq!(header(invite, &HeaderName::MaxForwards), "69");
    assert!(header(invite, &HeaderName::Via).starts_with("SIP/2.0/TCP 127.0.1.1:5080;branch=z9hG4bK"));
    assert!(header(invite, &HeaderName::RecordRoute).ends_with("@127.0.0.1:5060;lr>"));
    assert_eq!(invite.vias().count(), 2);
}

#[test]
fn responses_go_back_without_our_via_and_our_own_headers() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.17");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
    assert!(lab.take().is_empty());
    for status in [180, 200] {
        let text = answer(&invite, status, "x").replace("Call-ID", "Trunkline-Secret: 1\nCall-ID");
        lab.by(ConnectionId(1), &text);
        let (flow, response) = lab.only();
        assert_eq!((flow, response.status().unwrap().0), (udp(TRUNK), status));
        assert_eq!(response.vias().count(), 1);
        assert!(!text_of(&response).contains("Trunkline"));
    }
}

#[test]
fn a_repeated_invite_is_answered_from_the_transaction() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.17");
    lab.from(TRUNK, &Ask::default().text());
    assert_eq!(lab.statuses(), [0; 0]);
    lab.pass(Duration::from_millis(210), &[1].map(ConnectionId));
    assert_eq!(lab.statuses(), [100]);
    lab.from(TRUNK, &Ask::default().text());
    assert_eq!(lab.statuses(), [100]);
}

#[test]
fn a_caller_hears_nothing_before_the_call_can_be_stored() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.17");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.only();
    lab.pass(Duration::from_millis(150), &[1].map(ConnectionId));
    assert_eq!(lab.statuses(), [0; 0], "who has heard nothing repeats its INVITE if we die now");
    lab.by(ConnectionId(1), &answer(&invite, 200, "x"));
    assert_eq!(lab.statuses(), [200]);
}

#[test]
fn ack_and_bye_without_route_find_the_owner_in_the_to_tag() {
    let mut lab = Lab::new();
    for n in 1..=5 {
        lab.node(ConnectionId(n), "sip-cluster", &format!("sip-cluster-{n}.17"));
    }
    for n in 1..=5 {
        let to_tag = tag(n, &format!("sip-cluster-{n}.17"));
        let branch = format!("z9hG4bK-ack-{n}");
        let ask = Ask { method: "ACK", to_tag: Some(&to_tag), branch: &branch, ..Ask::default() };
        lab.from(TRUNK, &ask.text());
        let (flow, ack) = lab.only();
        assert_eq!((flow, ack.header(&headers::UNREACHABLE)), (tcp(n), None));
        let branch = format!("z9hG4bK-bye-{n}");
        lab.from(TRUNK, &Ask { method: "BYE", branch: &branch, ..ask }.text());
        let (flow, bye) = lab.only();
        assert_eq!(flow, tcp(n));
        lab.by(ConnectionId(n), &answer(&bye, 200, "x"));
        assert_eq!(lab.statuses(), [200]);
    }
}

#[test]
fn a_request_to_a_nodes_contact_finds_its_owner() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.node(ConnectionId(2), "sip-cluster", "b.1");
    let uri = format!("sip:{}@127.0.0.1:5060", tag(7, "b.1"));
    lab.from(TRUNK, &Ask { method: "BYE", uri: &uri, to_tag: Some("theirs"), ..Ask::default() }.text());
    assert_eq!(lab.only().0, tcp(2));
}

#[test]
fn a_forged_owner_is_nobody() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let forged =
        LocalTag { call: ConnId(1), leg: LegId(1), tenant: TenantId::parse("acme").unwrap(), owner: owner("a.1") }
            .encode(&Seal::new(&[1; 32]));
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&forged), ..Ask::default() }.text());
    assert_eq!(lab.statuses(), [481]);
}

#[test]
fn a_failure_is_acknowledged_on_each_side_by_itself() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.by(ConnectionId(1), &answer(&invite, 486, "x"));
    let sent = lab.take();
    assert!(sent.iter().any(|(f, m)| *f == tcp(1) && m.method() == Method::Ack));
    assert!(sent.iter().any(|(f, m)| *f == udp(TRUNK) && m.status().is_some_and(|s| s.0 == 486)));
    lab.from(TRUNK, &Ask { method: "ACK", to_tag: Some("x"), ..Ask::default() }.text());
    assert!(lab.take().is_empty(), "the ACK to a failure goes one hop");
    lab.pass(Duration::from_secs(40), &[1].map(ConnectionId));
    assert!(lab.take().is_empty());
    assert_eq!(lab.proxy.sizes().0, 0);
}

#[test]
fn cancel_waits_for_a_provisional_response_and_goes_the_invites_way() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.from(TRUNK, &Ask { method: "CANCEL", ..Ask::default() }.text());
    let (flow, ok) = lab.only();
    assert_eq!((flow, ok.status(), ok.method()), (udp(TRUNK), Some(StatusCode::OK), Method::Cancel));
    lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
    let (flow, cancel) = lab.only();
    assert_eq!((flow, cancel.method()), (tcp(1), Method::Cancel));
    assert_eq!(cancel.top_via().unwrap().branch(), invite.top_via().unwrap().branch());
    lab.by(ConnectionId(1), &answer(&cancel, 200, "x"));
    lab.by(ConnectionId(1), &answer(&invite, 487, "x"));
    let statuses: Vec<u16> = lab.statuses();
    assert_eq!(statuses, [487]);
}

#[test]
fn a_cancel_of_nothing_is_481() {
    let mut lab = Lab::new();
    lab.from(TRUNK, &Ask { method: "CANCEL", ..Ask::default() }.text());
    assert_eq!(lab.statuses(), [481]);
}

#[test]
fn an_invite_that_rings_too_long_is_cancelled_by_timer_c() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.by(ConnectionId(1), &answer(&invite, 180, "x"));
    lab.pass(Duration::from_secs(650), &[1].map(ConnectionId));
    lab.by(ConnectionId(1), &answer(&invite, 183, "x"));
    assert_eq!(lab.statuses(), [180, 183]);
    lab.pass(Duration::from_secs(659), &[1].map(ConnectionId));
    assert!(lab.take().is_empty());
    lab.pass(Duration::from_secs(3), &[1].map(ConnectionId));
    let (_, cancel) = lab.only();
    assert_eq!(cancel.method(), Method::Cancel);
    lab.pass(Duration::from_secs(40), &[1].map(ConnectionId));
    let mut statuses = lab.statuses();
    // Repeated, since no ACK comes.
    statuses.dedup();
    assert_eq!(statuses, [408]);
}

#[test]
fn an_invite_that_was_answered_with_100_alone_is_cancelled_by_timer_c_too() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
    lab.pass(Duration::from_secs(600), &[1].map(ConnectionId));
    // Only 101 to 199 restart it (RFC 3261 §16.7 step 2).
    lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
    assert_eq!(lab.statuses(), [100], "ours, after 200 ms");
    lab.pass(Duration::from_secs(59), &[1].map(ConnectionId));
    assert!(lab.take().is_empty());
    lab.pass(Duration::from_secs(2), &[1].map(ConnectionId));
    assert_eq!(lab.only().1.method(), Method::Cancel);
    lab.pass(Duration::from_secs(80), &[1].map(ConnectionId));
    let mut statuses = lab.statuses();
    // Repeated, since no ACK comes.
    statuses.dedup();
    assert_eq!((statuses.as_slice(), lab.proxy.sizes().0), ([408].as_slice(), 0));
}

#[test]
fn a_cancels_reason_goes_with_it_also_when_it_waits_for_a_provisional_response() {
    const REASON: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";
    let more = format!("Reason: {REASON}\nReason: Q.850;cause=26\n");
    for waits in [false, true] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(1), "sip-cluster", "a.1");
        lab.from(TRUNK, &Ask::default().text());
        let (_, invite) = lab.beyond_trying();
        if !waits {
            lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
        }
        lab.from(TRUNK, &Ask { method: "CANCEL", more: &more, ..Ask::default() }.text());
        if waits {
            lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
        }
        let (_, cancel) = lab.take().pop().unwrap();
        assert_eq!(cancel.method(), Method::Cancel);
        assert_eq!(cancel.headers(&HeaderName::Reason).collect::<Vec<_>>(), [REASON, "Q.850;cause=26"]);
    }
}

#[test]
fn of_a_cancels_reasons_no_more_is_kept_than_is_worth_keeping() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    let long = format!("Reason: SIP;cause=486;text=\"{}\"\n", "x".repeat(settings::REASON_BYTES_MAX));
    let more = format!("{long}{}", "Reason: SIP;cause=200\n".repeat(9));
    lab.from(TRUNK, &Ask { method: "CANCEL", more: &more, ..Ask::default() }.text());
    lab.by(ConnectionId(1), &answer(&invite, 100, "x"));
    let (_, cancel) = lab.take().pop().unwrap();
    let reasons: Vec<&str> = cancel.headers(&HeaderName::Reason).collect();
    assert_eq!(reasons, ["SIP;cause=200"; settings::REASONS_MAX]);
}

#[test]
fn unknown_methods_are_forwarded_and_silence_is_408_for_an_invite_alone() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask { method: "PONDER", branch: "z9hG4bK-p", ..Ask::default() }.text());
    let (flow, ponder) = lab.only();
    assert_eq!((flow, ponder.method().as_str()), (tcp(1), "PONDER"));
    lab.from(TRUNK, &Ask::default().text());
    lab.take();
    lab.pass(Duration::from_secs(40), &[1].map(ConnectionId));
    let mut statuses = lab.statuses();
    // Repeated, since no ACK comes.
    statuses.dedup();
    assert_eq!(statuses, [100, 408]);
}

#[test]
fn order_within_a_dialog_is_the_order_of_arrival() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    for status in [180, 183, 200] {
        lab.by(ConnectionId(1), &answer(&invite, status, "x"));
    }
    assert_eq!(lab.statuses(), [180, 183, 200]);
}

#[test]
fn with_a_static_route_both_sides_reach_each_other_without_nodes() {
    const FAR: &str = "198.51.100.7:5070";
    let mut lab = Lab::with(|s| s.static_route = Some(addr(FAR)));
    lab.from(TRUNK, &Ask::default().text());
    let (flow, invite) = lab.beyond_trying();
    assert_eq!(flow, udp(FAR));
    assert!(!text_of(&invite).contains("Trunkline"));
    lab.from(FAR, &answer(&invite, 200, "far"));
    assert_eq!(lab.only().0, udp(TRUNK));
    lab.from(TRUNK, &Ask { method: "ACK", to_tag: Some("far"), branch: "z9hG4bK-a", ..Ask::default() }.text());
    assert_eq!(lab.only().0, udp(FAR));
    let route = format!("Route: {}\n", header(&invite, &HeaderName::RecordRoute));
    let bye =
        Ask { method: "BYE", host: FAR, to_tag: Some("near"), branch: "z9hG4bK-f", more: &route, ..Ask::default() };
    lab.from(FAR, &bye.text());
    let (flow, bye) = lab.only();
    assert_eq!((flow, bye.routes().count()), (udp(TRUNK), 0));
}

#[test]
fn an_established_call_leaves_nothing_behind() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    let to_tag = tag(3, "a.1");
    established(&mut lab, &to_tag);
    lab.from(TRUNK, &Ask { method: "BYE", to_tag: Some(&to_tag), branch: "z9hG4bK-b", ..Ask::default() }.text());
    let (_, bye) = lab.only();
    lab.by(ConnectionId(1), &answer(&bye, 200, "x"));
    lab.pass(Duration::from_secs(64), &[1].map(ConnectionId));
    assert_eq!(lab.statuses(), [200]);
    assert_eq!(lab.proxy.sizes().0, 0);
}

/// The call outcomes that were reported.
fn attempted(lab: &mut Lab) -> Vec<(Attempt, u16)> {
    let (told, rest) =
        std::mem::take(&mut lab.outputs).into_iter().partition(|o| matches!(o, Output::Attempted { .. }));
    lab.outputs = rest;
    let told: Vec<Output> = told;
    let one = |output| match output {
        Output::Attempted { attempt, status } => Some((*attempt, status.0)),
        _ => None,
    };
    told.into_iter().filter_map(one).collect()
}

#[test]
fn what_becomes_of_a_call_is_told_once_with_its_final_response() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.17");
    let began_at = lab.now;
    lab.from(TRUNK, &Ask::default().text());
    let (_, invite) = lab.beyond_trying();
    lab.by(ConnectionId(1), &answer(&invite, 180, "x"));
    assert_eq!(attempted(&mut lab), []);
    lab.by(ConnectionId(1), &answer(&invite, 200, "x"));
    lab.by(ConnectionId(1), &answer(&invite, 200, "x"));
    let attempt = Attempt {
        tenant: TenantId::parse("acme").unwrap(),
        caller: AttemptCaller::Trunk("carrier".into()),
        from: "+15550199".into(),
        dialled: "+15550100".into(),
        call_id: "call-1@192.0.2.10".into(),
        began_at,
    };
    assert_eq!(attempted(&mut lab), [(attempt, 200)]);
    // A request within a dialog begins no call.
    let to_tag = tag(1, "sip-cluster-1.17");
    lab.from(TRUNK, &Ask { to_tag: Some(&to_tag), branch: "z9hG4bK-2", cseq: 2, ..Ask::default() }.text());
    let again = lab.take().into_iter().find(|(_, m)| m.is_request()).unwrap().1;
    lab.by(ConnectionId(1), &answer(&again, 200, "x"));
    assert_eq!(attempted(&mut lab), []);
}

#[test]
fn a_call_that_no_node_takes_is_told_and_a_strangers_is_not() {
    let mut lab = Lab::new();
    lab.from(TRUNK, &Ask::default().text());
    assert_eq!(attempted(&mut lab).into_iter().map(|(_, status)| status).collect::<Vec<_>>(), [503]);
    lab.from("198.51.100.7:5060", &Ask { branch: "z9hG4bK-s", call: "stranger", ..Ask::default() }.text());
    assert_eq!(attempted(&mut lab), []);
}
