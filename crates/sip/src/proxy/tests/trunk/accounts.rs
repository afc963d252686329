//! Calls of carriers with which we have registered, and our REGISTERs to them.

use crate::proxy::tests::*;
use crate::uri::Uri;

fn trunk(tenant: &str, user: Option<&str>) -> Trunk {
    Trunk {
        asked: None,
        tenant: TenantId::parse(tenant).unwrap(),
        name: "carrier".into(),
        allow: vec![Network::parse("192.0.2.0/24").unwrap()],
        certificate_names: Vec::new(),
        registrar: None,
        inbound: InboundPassword::NotAsked,
        user: user.map(str::to_owned),
    }
}

fn lab(trunks: Vec<Trunk>) -> Lab {
    let mut lab = Lab::new();
    lab.proxy.set_trunks(trunks, lab.now);
    lab.node(ConnectionId(1), "sip-cluster", "sip-cluster-1.17");
    lab.node(ConnectionId(2), "registrar", "registrar-1.17");
    lab
}

/// The tenant and the number with which an INVITE reaches the node.
fn reaches(lab: &mut Lab, uri: &str, to: &str) -> (String, String) {
    let text = Ask { uri, ..Ask::default() }.text().replacen(&format!("To: <{uri}>"), &format!("To: {to}"), 1);
    lab.from(TRUNK, &text);
    let (flow, invite) = lab.beyond_trying();
    assert_eq!(flow, tcp(1));
    assert_eq!(header(&invite, &HeaderName::To), to, "the To stays as the carrier wrote it");
    let number = Uri::parse(invite.request_uri().unwrap()).unwrap().user().unwrap_or_default().to_owned();
    (header(&invite, &headers::TENANT).to_owned(), number)
}

#[test]
fn a_call_to_the_account_is_to_the_number_of_its_to() {
    for (uri, to, number) in [
        ("sip:line%201@127.0.0.1:5060", "<sip:+4930123@carrier.example>", "+4930123"),
        ("sip:line%201@127.0.0.1:5060", "\"Us\" <tel:+4930123;phone-context=x>", "+4930123"),
        ("sip:line%201@127.0.0.1:5060", "<sip:line%201@carrier.example>", "line%201"),
        ("sip:line%201@127.0.0.1:5060", "<sip:carrier.example>", "line%201"),
        ("sip:+4930555@127.0.0.1:5060", "<sip:+4930123@carrier.example>", "+4930555"),
    ] {
        let mut lab = lab(vec![trunk("acme", Some("line 1"))]);
        assert_eq!(reaches(&mut lab, uri, to), ("acme".to_owned(), number.to_owned()), "{uri} {to}");
    }
}

#[test]
fn of_trunks_of_one_source_the_one_whose_account_is_called_gets_the_call() {
    let trunks = || vec![trunk("one", Some("a")), trunk("two", Some("b")), trunk("plain", None)];
    let to = "<sip:+4930123@carrier.example>";
    for (uri, tenant, number) in [
        ("sip:a@127.0.0.1:5060", "one", "+4930123"),
        ("sip:b@127.0.0.1:5060", "two", "+4930123"),
        ("sip:+4930555@127.0.0.1:5060", "plain", "+4930555"),
    ] {
        assert_eq!(reaches(&mut lab(trunks()), uri, to), (tenant.to_owned(), number.to_owned()), "{uri}");
    }
}

#[test]
fn a_narrower_network_of_another_tenant_takes_no_calls_to_an_account() {
    let narrow = || Trunk { allow: vec![Network::parse("192.0.2.10").unwrap()], ..trunk("narrow", Some("n")) };
    let trunks = || vec![trunk("wide", Some("w")), narrow()];
    let to = "<sip:+4930123@carrier.example>";
    for (uri, tenant) in [
        ("sip:w@127.0.0.1:5060", "wide"),
        ("sip:n@127.0.0.1:5060", "narrow"),
        ("sip:+4930555@127.0.0.1:5060", "narrow"),
    ] {
        assert_eq!(reaches(&mut lab(trunks()), uri, to).0, tenant, "{uri}");
    }
}

#[test]
fn a_register_of_ours_goes_out_at_the_edge_and_its_challenge_comes_back() {
    let mut lab = lab(vec![trunk("acme", Some("a"))]);
    let register = "REGISTER sip:192.0.2.10:5060 SIP/2.0\nVia: SIP/2.0/TCP 127.0.4.1;branch=z9hG4bKours\n\
                    From: <sip:a@192.0.2.10>;tag=t\nTo: <sip:a@192.0.2.10>\nCall-ID: r\nCSeq: 1 REGISTER\n\
                    Contact: <sip:a@127.0.0.1:5060>\nMax-Forwards: 70\nContent-Length: 0\n\n";
    lab.by(ConnectionId(2), register);
    let (flow, sent) = lab.only();
    assert_eq!(flow, udp(TRUNK));
    assert_eq!(header(&sent, &HeaderName::Contact), "<sip:a@127.0.0.1:5060>");
    assert!(header(&sent, &HeaderName::Via).starts_with("SIP/2.0/UDP 127.0.0.1:5060;"));
    let challenge =
        answer(&sent, 401, "c").replace("Call-ID", "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\nCall-ID");
    lab.from(TRUNK, &challenge);
    let (flow, back) = lab.only();
    assert_eq!((flow, back.status().unwrap().0), (tcp(2), 401));
    assert_eq!(back.challenges(HeaderName::WwwAuthenticate).filter_map(Result::ok).count(), 1);
}

/// Two tenants that name one account of one carrier.
fn contested() -> Lab {
    let registers = |tenant: &str| Trunk { registrar: Some("192.0.2.10".into()), ..trunk(tenant, Some("a")) };
    lab(vec![registers("aaa"), registers("acme")])
}

/// A node registers the account for a tenant, for ten minutes or no more, which the carrier accepts; returns by which flow.
fn register(lab: &mut Lab, tenant: &str, (transport, expires): (&str, u32), branch: &str) -> Flow {
    // What is removed is named as the carrier has it.
    let is_removal = (transport, expires) == (";transport=tls", 0);
    let place = if is_removal { "127.0.0.1:5061;transport=tls" } else { "127.0.0.1:5060" };
    register_at(lab, tenant, place, (transport, expires), branch)
}

/// The same; the Contact of the request is at this place.
fn register_at(lab: &mut Lab, tenant: &str, place: &str, (transport, expires): (&str, u32), branch: &str) -> Flow {
    let register = format!(
        "REGISTER sip:192.0.2.10{transport} SIP/2.0\nVia: SIP/2.0/TCP 127.0.4.1;branch={branch}\n\
         From: <sip:a@192.0.2.10>;tag=t\nTo: <sip:a@192.0.2.10>\nCall-ID: {tenant}\nCSeq: 1 REGISTER\n\
         Trunkline-Tenant: {tenant}\nContact: <sip:a@{place}>\nExpires: {expires}\nMax-Forwards: 70\n\
         Content-Length: 0\n\n"
    );
    lab.by(ConnectionId(2), &register);
    let (flow, sent) = lab.only();
    assert_eq!(sent.header(&headers::TENANT), None, "it stays inside");
    match flow {
        Flow::Udp { .. } => lab.from(TRUNK, &answer(&sent, 200, "c")),
        Flow::Stream { connection } => {
            lab.proxy.handle_opened(connection, addr("192.0.2.10:5061"), Side::Edge);
            lab.by(connection, &answer(&sent, 200, "c"));
        }
    }
    lab.take();
    flow
}

/// The tenant to which a call to the account comes by a flow; `None` if it is refused.
fn whose(lab: &mut Lab, flow: Flow, branch: &str) -> Option<String> {
    let ask = Ask { uri: "sip:a@127.0.0.1:5060", branch, call: branch, ..Ask::default() }.text();
    match flow {
        Flow::Udp { .. } => lab.from(TRUNK, &ask),
        Flow::Stream { connection } => lab.by(connection, &ask.replace("SIP/2.0/UDP", "SIP/2.0/TLS")),
    }
    let (_, message) = lab.beyond_trying();
    assert_eq!(message.status(), message.header(&headers::TENANT).is_none().then_some(StatusCode::FORBIDDEN));
    message.header(&headers::TENANT).map(str::to_owned)
}

#[test]
fn of_two_tenants_that_name_an_account_the_one_that_is_registered_gets_its_calls() {
    for transport in ["", ";transport=tls"] {
        let mut lab = contested();
        assert_eq!(whose(&mut lab, udp(TRUNK), "z9hG4bK-0"), None, "nobody has shown its password");
        let flow = register(&mut lab, "acme", (transport, 600), "z9hG4bK-r");
        assert_eq!(whose(&mut lab, flow, "z9hG4bK-1"), Some("acme".to_owned()), "{transport}");
        register(&mut lab, "acme", (transport, 0), "z9hG4bK-s");
        assert_eq!(whose(&mut lab, flow, "z9hG4bK-2"), None, "it has left");
        register(&mut lab, "acme", (transport, 600), "z9hG4bK-t");
        lab.pass(Duration::from_secs(700), &[ConnectionId(1), ConnectionId(2)]);
        lab.take();
        assert_eq!(whose(&mut lab, flow, "z9hG4bK-3"), None, "its time is over");
    }
}

#[test]
fn the_end_of_a_former_contact_is_not_that_of_the_registration() {
    for (transport, pings) in [("", 0), (";transport=tls", 1)] {
        let mut lab = contested();
        let flow = register(&mut lab, "acme", (transport, 600), "z9hG4bK-r");
        let former = format!("127.0.0.2:5061{transport}");
        register_at(&mut lab, "acme", &former, (transport, 0), "z9hG4bK-f");
        assert_eq!(whose(&mut lab, flow, "z9hG4bK-1"), Some("acme".to_owned()), "{transport}");
        lab.pass(Duration::from_secs(120), &[ConnectionId(1), ConnectionId(2)]);
        assert_eq!(lab.pinged.len(), pings, "{transport}");
        lab.take();
        if let Flow::Stream { connection } = flow {
            lab.proxy.handle_closed(connection, lab.now);
            lab.drain();
            let sent = lab.take();
            let told = sent.iter().any(|(_, message)| message.header(&headers::FLOW_CLOSED).is_some());
            assert!(told, "the node is told when the connection closes");
        }
    }
}

#[test]
fn who_is_registered_with_another_carrier_takes_no_calls_of_the_one_that_calls() {
    let network = || vec![Network::parse("192.0.2.0/24").unwrap()];
    let elsewhere = Trunk { registrar: Some("198.51.100.9".into()), allow: network(), ..trunk("aaa", Some("a")) };
    let ours = Trunk { registrar: Some("192.0.2.10".into()), ..trunk("acme", Some("a")) };
    let mut lab = lab(vec![elsewhere, ours]);
    let register_elsewhere = "REGISTER sip:198.51.100.9 SIP/2.0\nVia: SIP/2.0/TCP 127.0.4.1;branch=z9hG4bK-e\n\
         From: <sip:a@198.51.100.9>;tag=t\nTo: <sip:a@198.51.100.9>\nCall-ID: e\nCSeq: 1 REGISTER\n\
         Trunkline-Tenant: aaa\nContact: <sip:a@127.0.0.1:5060>\nExpires: 600\nMax-Forwards: 70\nContent-Length: 0\n\n";
    lab.by(ConnectionId(2), register_elsewhere);
    let (_, sent) = lab.only();
    lab.from("198.51.100.9:5060", &answer(&sent, 200, "c"));
    lab.take();
    register(&mut lab, "acme", ("", 600), "z9hG4bK-r");
    assert_eq!(whose(&mut lab, udp(TRUNK), "z9hG4bK-1"), Some("acme".to_owned()));
}
