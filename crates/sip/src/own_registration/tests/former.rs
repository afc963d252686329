//! Contacts that the registrar keeps from before, as it has them, and registrars that mind them.

use super::*;

/// Our Contact at a place.
fn ours(place: &str) -> String {
    format!("<sip:our%20line@{place}>")
}

fn ended(place: &str) -> String {
    ours(place) + ";expires=0"
}

fn contacts(lab: &Lab) -> Vec<String> {
    lab.last().headers(&HeaderName::Contact).map(str::to_owned).collect()
}

/// Accepts for 600 s what a proxy has registered at this place; the registrar keeps further ones.
fn accept_at(lab: &mut Lab, place: &str, further: &[&str]) {
    let told = (headers::CONTACT, format!("sip:our%20line@{place}"));
    let kept = std::iter::once(ours(place)).chain(further.iter().map(|contact| (*contact).to_owned()));
    let kept = kept.map(|contact| (HeaderName::Contact, contact + ";expires=600"));
    lab.answer(200, &std::iter::once(told).chain(kept).collect::<Vec<_>>());
}

#[test]
fn what_was_registered_by_tls_is_ended_by_the_next_proxy_as_the_carrier_has_it() {
    let (tls, other_tls) = ("198.51.100.7:5061;transport=tls", "198.51.100.8:5061;transport=tls");
    for registrar in ["carrier.example;transport=tls", "carrier.example;transport=TLS", "carrier.example"] {
        let mut lab = Lab::at(registrar);
        accept_at(&mut lab, tls, &[]);
        assert_eq!(lab.status().registered_until, Some(lab.now + Duration::from_secs(600)));
        lab.registration.handle_way(Some(&edge(OTHER_EDGE)), back_off::AT_ONCE, lab.now);
        lab.go_to_next();
        assert_eq!(contacts(&lab), [ours(other_tls), ended(tls)], "{registrar}");
        accept_at(&mut lab, other_tls, &[]);
        lab.registration.end(lab.now);
        lab.take();
        assert_eq!((contacts(&lab), lab.last().header(&HeaderName::Expires)), (vec![ours(other_tls)], Some("0")));
    }
}

#[test]
fn what_a_request_by_tls_without_an_answer_may_have_registered_is_ended_as_such() {
    let mut lab = Lab::at("carrier.example;transport=tls");
    lab.registration.handle_way(Some(&edge(OTHER_EDGE)), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(contacts(&lab)[1..], [ended("198.51.100.7:5061;transport=tls")]);
    // By which transport a name has led is told with the challenge.
    let mut lab = Lab::at("carrier.example");
    let challenge = r#"Digest realm="carrier", nonce="n1", algorithm=MD5, qop="auth""#;
    let told = (headers::CONTACT, "sip:our%20line@198.51.100.7:5060;transport=tcp".to_owned());
    lab.answer(401, &[told, (HeaderName::WwwAuthenticate, challenge.to_owned())]);
    lab.registration.handle_silence(lab.now);
    lab.registration.handle_way(Some(&edge(OTHER_EDGE)), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(contacts(&lab)[1..], [ended("198.51.100.7:5060;transport=tcp")]);
}

#[test]
fn a_proxy_of_the_release_before_writes_its_address_for_tls_by_itself() {
    let mut lab = Lab::at("carrier.example;transport=tls");
    let plain = EdgeAddresses { plain: OTHER_EDGE.to_owned(), secure: None };
    lab.registration.handle_way(Some(&plain), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(contacts(&lab)[0], ours(OTHER_EDGE));
}

#[test]
fn another_transport_at_the_same_edge_is_another_contact() {
    let (udp, tls) = (EDGE, "198.51.100.7:5061;transport=tls");
    let mut lab = Lab::at("carrier.example");
    accept_at(&mut lab, udp, &[]);
    assert!(lab.go_to_next() >= Duration::from_secs(300));
    // The registrar lists the present one alone.
    accept_at(&mut lab, tls, &[]);
    assert!(lab.go_to_next() <= back_off::AT_ONCE);
    assert_eq!(contacts(&lab), [ours(tls), ended(udp)]);
    accept_at(&mut lab, tls, &[]);
    assert!(lab.go_to_next() >= Duration::from_secs(300));
    assert_eq!(contacts(&lab), [ours(tls)]);
}

#[test]
fn what_is_left_at_an_edge_of_ours_is_found_by_any_transport_and_ended_as_it_is_listed() {
    let left = [
        "<sip:our%20line@198.51.100.8:5061;transport=TLS;ob>",
        "<sip:our%20line@198.51.100.8:5060;transport=tcp>",
        "<sip:our%20line@198.51.100.7:5060>",
    ];
    let others = [
        "<sip:our%20line@198.51.100.8:5070>",
        "<sip:our%20line@198.51.100.8:5061>",
        "<sip:another@198.51.100.8:5061;transport=tls>",
        "<sip:our%20line@192.0.2.1:5061;transport=tls>",
    ];
    let mut lab = Lab::at("carrier.example;transport=tls");
    let listed: Vec<&str> = left.iter().chain(&others).copied().collect();
    accept_at(&mut lab, "198.51.100.7:5061;transport=tls", &listed);
    assert!(lab.go_to_next() <= back_off::AT_ONCE);
    assert_eq!(contacts(&lab)[1..], left.map(|contact| contact.to_owned() + ";expires=0"));
    let mut lab = Lab::at("carrier.example;transport=tls");
    accept_at(&mut lab, "198.51.100.7:5061;transport=tls", &others);
    assert!(lab.go_to_next() >= Duration::from_secs(300), "these are not ours");
}

#[test]
fn of_a_long_list_no_more_is_kept_than_a_request_ends() {
    let mut lab = Lab::new();
    let endless = format!("<sip:our%20line@{OTHER_EDGE};x={}>", "y".repeat(600));
    let listed: Vec<String> = (0..200).map(|number| format!("<sip:our%20line@{OTHER_EDGE};x={number}>")).collect();
    let listed: Vec<&str> = std::iter::once(endless.as_str()).chain(listed.iter().map(String::as_str)).collect();
    accept_at(&mut lab, EDGE, &listed);
    lab.go_to_next();
    assert_eq!(contacts(&lab).len(), 5);
    assert!(contacts(&lab).iter().all(|contact| contact.len() < 100));
}

#[test]
fn a_registrar_that_takes_one_contact_alone_gets_ours() {
    let contacts = |lab: &Lab| lab.last().headers(&HeaderName::Contact).count();
    for refusal in [400, 403] {
        let in_doubt = || {
            let mut lab = Lab::new();
            lab.registration.handle_way(Some(&edge(OTHER_EDGE)), back_off::AT_ONCE, lab.now);
            lab.go_to_next();
            lab.challenge("n1", Algorithm::Md5, false);
            assert_eq!(contacts(&lab), 2);
            lab.answer(refusal, &[]);
            assert_eq!((contacts(&lab), lab.problem()), (1, None), "it follows at once, and nothing has failed");
            lab
        };
        let mut lab = in_doubt();
        lab.accept(600);
        assert_eq!(lab.status().state, State::Registered);
        assert!(lab.go_to_next() >= Duration::from_secs(300));
        assert_eq!(contacts(&lab), 1, "what was in doubt ends by itself");
        // It does not want us at all.
        let mut lab = in_doubt();
        lab.answer(refusal, &[]);
        assert_eq!((lab.sent.len(), lab.problem()), (4, Some(Problem::Refused)));
    }
}

#[test]
fn a_registrar_that_keeps_what_it_refuses_to_end_is_not_asked_without_end() {
    let mut lab = Lab::new();
    let lists_both = |lab: &mut Lab| {
        let ours = lab.last().header(&HeaderName::Contact).unwrap().to_owned();
        let contacts = [ours, format!("<sip:our%20line@{OTHER_EDGE}>")];
        lab.answer(200, &contacts.map(|contact| (HeaderName::Contact, contact + ";expires=600")));
    };
    lists_both(&mut lab);
    lab.go_to_next();
    lab.answer(400, &[]);
    lists_both(&mut lab);
    assert!(lab.go_to_next() >= Duration::from_secs(300));
}
