//! Phones with tickets: they have no password, and challenges are answered in their place.

use super::*;

fn challenge(request: &Message, nonce: &str) -> Message {
    let asks = format!("Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"");
    let refused = Message::response_to(request, StatusCode::UNAUTHORIZED).to_tag("p");
    refused.header(&HeaderName::WwwAuthenticate, asks).build()
}

fn is_right(request: &Message, password: &str) -> bool {
    let given = request.authorizations(HeaderName::Authorization).next().unwrap().unwrap();
    let ha1 = digest::ha1(Algorithm::Md5, "7101", REALM, password);
    given.username == "7101" && digest::verify(&given, "REGISTER", digest::Secret::Ha1(&ha1))
}

/// The flow for which credentials are wanted.
fn wanted(lab: &mut Lab) -> FlowKey {
    let wanted = lab.others.drain(..).find_map(|output| match output {
        GatewayOutput::NeedCredentials { flow, dn, .. } => Some((flow, dn)),
        _ => None,
    });
    let (flow, dn) = wanted.expect("credentials are wanted");
    assert_eq!(dn.as_str(), "7101");
    flow
}

fn knows(lab: &mut Lab, flow: FlowKey, password: Option<&str>) {
    lab.gateway.handle_credentials(flow, password.map(credentials), lab.now);
    lab.drain();
}

#[test]
fn a_challenge_is_answered_for_a_phone_with_a_ticket_alone() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    lab.by(7, of_phone("REGISTER", 1, ""));
    let first = lab.asked();
    lab.hear_proxy(&challenge(&first, "n1"));
    assert!(lab.to_proxy.is_empty() && lab.to_phone.is_empty(), "it waits for credentials");
    knows(&mut lab, flow, Some("secret"));
    let second = lab.asked();
    assert!(is_right(&second, "secret"));
    assert_eq!(second.cseq().unwrap(), first.cseq().unwrap());
    assert_ne!(second.top_via().unwrap().branch(), first.top_via().unwrap().branch());
    lab.hear_proxy(&granted(&second));
    assert_eq!(lab.told().1.status(), Some(StatusCode::OK), "the phone has seen no challenge");
    assert_eq!(lab.gateway.counts().answered, 1);
}

/// A phone whose answer by this password is challenged again, so that credentials are looked up once more.
fn answered_in_vain(password: &str) -> (Lab, FlowKey) {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    knows(&mut lab, flow, Some(password));
    lab.by(7, of_phone("REGISTER", 1, ""));
    let first = lab.asked();
    lab.hear_proxy(&challenge(&first, "n1"));
    let second = lab.asked();
    assert!(is_right(&second, password));
    lab.hear_proxy(&challenge(&second, "n2"));
    assert_eq!(wanted(&mut lab), flow);
    (lab, flow)
}

#[test]
fn with_the_password_of_its_number_a_phone_ends() {
    let (mut lab, flow) = answered_in_vain("former");
    knows(&mut lab, flow, Some("secret"));
    assert!(lab.to_proxy.is_empty() && lab.to_phone.is_empty());
    assert_eq!(lab.others, [GatewayOutput::Close(socket(7))]);
    assert_eq!((lab.gateway.sizes(), lab.gateway.exchanges.iter().count()), ((0, 0), 0));
}

#[test]
fn a_password_that_is_refused_and_has_not_changed_is_tried_once_more() {
    let (mut lab, flow) = answered_in_vain("secret");
    knows(&mut lab, flow, Some("secret"));
    let third = lab.asked();
    lab.hear_proxy(&challenge(&third, "n3"));
    assert!(lab.to_proxy.is_empty() && lab.others.is_empty());
    assert_eq!(lab.told().1.status(), Some(StatusCode::UNAUTHORIZED));
}

#[test]
fn a_request_that_waits_for_credentials_ends_with_its_phone() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    for method in ["REGISTER", "INVITE"] {
        lab.by(7, of_phone(method, 1, ""));
        let asked = lab.asked();
        lab.hear_proxy(&challenge(&asked, "n1"));
    }
    lab.to_proxy.clear();
    assert_eq!(lab.gateway.exchanges.iter().count(), 2);
    lab.closes(7);
    assert_eq!(lab.gateway.exchanges.iter().count(), 0);
}

#[test]
fn without_credentials_the_phone_is_told_to_come_again() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    lab.by(7, of_phone("REGISTER", 1, ""));
    let first = lab.asked();
    lab.hear_proxy(&challenge(&first, "n1"));
    knows(&mut lab, flow, None);
    assert_eq!(lab.told().1.status(), Some(StatusCode::SERVICE_UNAVAILABLE));
}

#[test]
fn a_ticket_is_for_its_phone_alone() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    for method in ["REGISTER", "INVITE"] {
        let other = String::from_utf8(of_phone(method, 1, "").to_bytes().to_vec()).unwrap().replace("7101", "7109");
        lab.by(7, Message::parse(other.into_bytes().into()).unwrap());
        assert_eq!(lab.told().1.status(), Some(StatusCode::FORBIDDEN), "{method}");
    }
    assert!(lab.to_proxy.is_empty());
}

#[test]
fn another_realms_challenge_is_for_the_phone() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    knows(&mut lab, flow, Some("secret"));
    lab.by(7, of_phone("REGISTER", 1, ""));
    let first = lab.asked();
    let refused = Message::response_to(&first, StatusCode::UNAUTHORIZED).to_tag("p");
    let refused = refused.header(&HeaderName::WwwAuthenticate, "Digest realm=\"elsewhere\", nonce=\"n\"");
    lab.hear_proxy(&refused.build());
    assert!(lab.to_proxy.is_empty());
    assert_eq!(lab.told().1.status(), Some(StatusCode::UNAUTHORIZED));
}

#[test]
fn with_its_sign_in_a_phone_ends() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    let name = lab.registers(7, 1);
    assert_eq!(lab.gateway.held().count(), 1);
    lab.others.clear();
    lab.gateway.revoke(flow, lab.now);
    lab.drain();
    assert_eq!(lab.others, [GatewayOutput::Close(socket(7))]);
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    assert_eq!(statuses(&mut lab.to_proxy), [430]);
    assert_eq!((lab.gateway.sizes(), lab.gateway.counts().revoked), ((0, 0), 1));
}

#[test]
fn with_the_right_to_its_phone_a_page_is_called_no_more_and_talks_on() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    let name = lab.registers(7, 1);
    lab.hear_proxy(&to_phone("INVITE", &name, ""));
    let (_, rings) = lab.told();
    lab.by(7, Message::response_to(&rings, StatusCode::RINGING).to_tag("mine").build());
    assert_eq!(statuses(&mut lab.to_proxy), [180]);
    for _ in 0..2 {
        lab.gateway.bar(flow, lab.now);
        lab.drain();
    }
    let (_, cancel) = lab.told();
    assert_eq!(cancel.method(), sip::Method::Cancel, "nobody answers it there");
    lab.by(7, Message::response_to(&cancel, StatusCode::OK).to_tag("mine").build());
    lab.by(7, Message::response_to(&rings, StatusCode::REQUEST_TERMINATED).to_tag("mine").build());
    assert_eq!(statuses(&mut lab.to_proxy), [487]);
    lab.to_phone.clear();
    lab.hear_proxy(&to_phone("OPTIONS", &name, ""));
    assert_eq!(statuses(&mut lab.to_proxy), [430], "as if it were gone");
    for request in [of_phone("REGISTER", 2, ""), of_phone("INVITE", 3, "")] {
        lab.by(7, request);
        assert_eq!(lab.told().1.status(), Some(StatusCode::FORBIDDEN));
    }
    assert!(lab.to_proxy.is_empty());
    lab.hear_proxy(&to_phone("BYE", &name, "mine"));
    let (_, bye) = lab.told();
    assert_eq!(bye.method(), sip::Method::Bye, "its calls go on, and end");
    lab.by(7, Message::response_to(&bye, StatusCode::OK).build());
    assert_eq!(statuses(&mut lab.to_proxy), [200]);
    assert_eq!((lab.gateway.counts().barred, lab.gateway.sizes()), (1, (1, 0)));
    // With another ticket it is a phone again.
    lab.opens(8, Some(holder("tab")));
    lab.registers(8, 4);
    lab.hear_proxy(&to_phone("NOTIFY", &name, ""));
    assert_eq!(lab.told().1.request_uri(), Some("sip:x7@h.invalid;transport=ws"));
}

#[test]
fn a_page_without_a_right_to_its_phone_takes_its_registration_back() {
    let mut lab = Lab::new();
    lab.opens(7, Some(holder("tab")));
    let flow = wanted(&mut lab);
    lab.registers(7, 1);
    lab.gateway.bar(flow, lab.now);
    let text = String::from_utf8(of_phone("REGISTER", 2, "").to_bytes().to_vec()).unwrap();
    lab.by(7, Message::parse(text.replace("expires=600", "expires=0").into_bytes().into()).unwrap());
    assert_eq!(lab.asked().method(), sip::Method::Register);
}
