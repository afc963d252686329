//! Gateways of ours: one flow with many phones behind it, each with its own address.

use super::overloaded::begin_overload;
use super::*;
use crate::digest::{Challenge, respond};

const GATEWAY: &str = "127.0.14.1:5070";

fn gateway() -> Flow {
    Flow::Udp { listener: Flow::GATEWAYS, remote: addr(GATEWAY) }
}

fn passed_on(lab: &mut Lab, client: &str, ask: &Ask<'_>) {
    let text = ask.text().replacen("Max-Forwards", &format!("Trunkline-Client: {client}\nMax-Forwards"), 1);
    lab.proxy.handle_passed_on(addr(GATEWAY), text.replace('\n', "\r\n").into_bytes().into(), lab.now);
    lab.drain();
}

fn register<'a>(branch: &'a str, more: &'a str) -> Ask<'a> {
    let uri = "sip:7101@acme.example";
    Ask { method: "REGISTER", uri, host: GATEWAY, from: "7101", branch, call: "r@gateway", more, ..Ask::default() }
}

/// The only challenge that was sent.
fn challenged(lab: &mut Lab) -> Challenge {
    let (flow, refused) = lab.only();
    assert_eq!((flow, refused.status()), (gateway(), Some(StatusCode::UNAUTHORIZED)));
    Challenge::parse(header(&refused, &HeaderName::WwwAuthenticate)).unwrap()
}

/// The `use_of_it`th answer to a challenge.
fn given(challenge: &Challenge, password: &str, use_of_it: u32) -> String {
    let given = respond(challenge, "7101", password, "REGISTER", "sip:7101@acme.example", "c", use_of_it);
    format!("Authorization: {given}\n")
}

/// The answer to the only challenge that was sent.
fn answered(lab: &mut Lab) -> String {
    given(&challenged(lab), "secret-7101", 1)
}

#[test]
fn a_phone_behind_a_gateway_proves_itself_for_its_own_address() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    passed_on(&mut lab, "203.0.113.5", &register("z9hG4bK-a", ""));
    let given = answered(&mut lab);
    passed_on(&mut lab, "203.0.113.6", &register("z9hG4bK-b", &given));
    assert_eq!(lab.statuses(), [401], "the nonce was issued to another one");
    passed_on(&mut lab, "203.0.113.5", &register("z9hG4bK-c", &given));
    let (flow, register) = lab.beyond_trying();
    assert_eq!(flow, Flow::from(ConnectionId(2)));
    assert_eq!(header(&register, &headers::PARTY), "203.0.113.5");
    let path = register.paths().next().unwrap().unwrap();
    let token = path.uri().unwrap().user().unwrap().to_owned();
    // The phone is called on that flow, whichever run of ours has sealed it.
    let mut later = Lab::restarted();
    later.node(ConnectionId(1), "sip-cluster", "a.1");
    let more = format!("Route: <sip:{token}@{EDGE};lr>\n");
    let uri = "sip:f1@127.0.14.1:5070";
    later.by(ConnectionId(1), &Ask { uri, host: "127.0.2.1", more: &more, ..Ask::default() }.text());
    assert_eq!(later.beyond_trying().0, gateway());
}

#[test]
fn a_phone_behind_a_gateway_is_offered_audio_in_the_family_of_its_own_address() {
    for (client, is_over_ipv6) in [("203.0.113.5", false), ("2001:db8::5", true)] {
        let mut lab = Lab::new();
        lab.node(ConnectionId(2), "registrar", "registrar-1.1");
        passed_on(&mut lab, client, &register("z9hG4bK-a", ""));
        let given = answered(&mut lab);
        passed_on(&mut lab, client, &register("z9hG4bK-b", &given));
        let path = header(&lab.beyond_trying().1, &HeaderName::Path).to_owned();
        let family = if is_over_ipv6 { AddressFamily::V6 } else { AddressFamily::V4 };
        assert_eq!(family_of_path(&path), Some(family), "{path}");
    }
}

#[test]
fn who_sends_too_much_by_a_gateway_takes_nothing_of_the_others() {
    let mut lab = Lab::new();
    for n in 0..600 {
        passed_on(&mut lab, "203.0.113.6", &register(&format!("z9hG4bK-{n}"), ""));
    }
    assert!(lab.proxy.counts().rate_dropped > 0);
    lab.take();
    passed_on(&mut lab, "203.0.113.5", &register("z9hG4bK-a", ""));
    assert_eq!(lab.statuses(), [401]);
}

#[test]
fn who_guesses_a_number_beside_its_phone_does_not_keep_that_phone_out() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    let mut uses = 0;
    let mut tries = |lab: &mut Lab, flow: &str, challenge: &Challenge, password: &str| {
        uses += 1;
        let more = format!("Trunkline-Client-Flow: {flow}\n{}", given(challenge, password, uses));
        let branch = format!("z9hG4bK-{uses};rport");
        passed_on(lab, "203.0.113.5", &register(&branch, &more));
        lab.beyond_trying()
    };
    passed_on(&mut lab, "203.0.113.5", &register("z9hG4bK-a;rport", "Trunkline-Client-Flow: f1\n"));
    let challenge = challenged(&mut lab);
    let (flow, register) = tries(&mut lab, "f1", &challenge, "secret-7101");
    assert_eq!((flow, register.header(&headers::CLIENT_FLOW)), (Flow::from(ConnectionId(2)), None));
    for _ in 0..100 {
        assert_eq!(tries(&mut lab, "f2", &challenge, "wrong").1.status(), Some(StatusCode::UNAUTHORIZED));
    }
    let elsewhere = tries(&mut lab, "f2", &challenge, "secret-7101").1;
    assert_eq!(elsewhere.status(), Some(StatusCode::UNAUTHORIZED), "it may be another guess");
    assert_eq!(tries(&mut lab, "f1", &challenge, "secret-7101").0, Flow::from(ConnectionId(2)));
}

#[test]
fn nobody_behind_a_gateway_is_a_trunk() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(1), "sip-cluster", "a.1");
    passed_on(&mut lab, "192.0.2.10", &Ask::default());
    assert_eq!(lab.statuses(), [403]);
}

fn is_asked(lab: &mut Lab, branch: &str) {
    let uri = "sip:127.0.1.1:5070";
    let ask = Ask { method: "OPTIONS", uri, host: GATEWAY, from: "webrtc", branch, ..Ask::default() };
    lab.proxy.handle_passed_on(addr(GATEWAY), ask.text().replace('\n', "\r\n").into_bytes().into(), lab.now);
    lab.drain();
    assert_eq!(lab.statuses(), [200]);
}

#[test]
fn a_gateway_asks_whether_we_are_there() {
    let mut lab = Lab::with(|settings| settings.aliases.push("127.0.1.1:5070".to_owned()));
    is_asked(&mut lab, "z9hG4bK-1");
}

#[test]
fn a_call_to_a_phone_whose_gateway_is_gone_fails_at_once() {
    let mut lab = Lab::with(|settings| settings.aliases.push("127.0.1.1:5070".to_owned()));
    let node = ConnectionId(1);
    lab.node(node, "sip-cluster", "a.1");
    is_asked(&mut lab, "z9hG4bK-1");
    let token = flow_token::seal(gateway(), None, &seal());
    let more = format!("Route: <sip:{token}@{EDGE};lr>\n");
    let calls = |lab: &mut Lab, branch: &str| {
        let uri = "sip:f1@127.0.14.1:5070";
        lab.by(node, &Ask { uri, host: "127.0.2.1", branch, call: branch, more: &more, ..Ask::default() }.text());
        lab.beyond_trying()
    };
    lab.pass(Duration::from_secs(4), &[node]);
    assert_eq!(calls(&mut lab, "z9hG4bK-2").0, gateway());
    lab.pass(Duration::from_secs(2), &[node]);
    lab.take();
    let (to, refused) = calls(&mut lab, "z9hG4bK-3");
    assert_eq!((to, refused.status()), (Flow::from(node), Some(StatusCode::FLOW_FAILED)));
    is_asked(&mut lab, "z9hG4bK-4");
    assert_eq!(calls(&mut lab, "z9hG4bK-5").0, gateway());
}

#[test]
fn behind_a_gateway_who_has_authenticated_may_call_for_help_while_too_much_comes_and_nobody_else() {
    let mut lab = Lab::new();
    lab.node(ConnectionId(2), "registrar", "registrar-1.1");
    passed_on(&mut lab, "203.0.113.5", &register("z9hG4bK-a;rport", "Trunkline-Client-Flow: f1\n"));
    let more = format!("Trunkline-Client-Flow: f1\n{}", answered(&mut lab));
    passed_on(&mut lab, "203.0.113.5", &register("z9hG4bK-b;rport", &more));
    assert_eq!(lab.beyond_trying().0, Flow::from(ConnectionId(2)));
    begin_overload(&mut lab);
    lab.take();
    let mut calls = |name: &str, branch: &str| {
        let more = format!("Trunkline-Client-Flow: {name}\n");
        let (uri, branch) = ("sip:112@127.0.0.1", format!("z9hG4bK-{branch};rport"));
        let ask = Ask { uri, host: GATEWAY, from: "7101", branch: &branch, more: &more, ..Ask::default() };
        passed_on(&mut lab, "203.0.113.5", &ask);
        lab.statuses()
    };
    for n in 0..10 {
        assert_eq!(calls("f2", &format!("s{n}")), [503], "a stranger");
    }
    assert_eq!(calls("f1", "h"), [407]);
}
