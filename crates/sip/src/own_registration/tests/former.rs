//! Contacts that the registrar keeps from before, as it has them, and registrars that mind them.

use super::super::former::APART_EACH;
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

/// Registered at one edge, and asked for at another: what was registered is to be ended.
fn moved(registrar: &str) -> Lab {
    let mut lab = Lab::at(registrar);
    lab.accept(600);
    lab.registration.handle_way(Some(&edge(OTHER_EDGE)), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(lab.last().headers(&HeaderName::Contact).count(), 2);
    lab
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
    let plain = EdgeAddresses { plain: OTHER_EDGE.to_owned(), secure: None, places: Vec::new() };
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
fn a_registrar_that_refuses_to_end_and_to_register_at_once_is_asked_one_by_one() {
    for refusal in [400, 403, 503] {
        let refused = || {
            let mut lab = moved("203.0.113.9:5062");
            lab.challenge("n1", Algorithm::Md5, false);
            lab.answer(refusal, &[]);
            let asked = (contacts(&lab), lab.last().header(&HeaderName::Expires), lab.problem());
            assert_eq!(asked, (vec![ours(EDGE)], Some("0"), None), "it follows at once, and nothing has failed");
            lab
        };
        let is_alone = |lab: &Lab| {
            let expires = lab.last().header(&HeaderName::Expires);
            contacts(lab) == [ours(OTHER_EDGE)] && expires == Some("3600")
        };
        // It ends the former one, or does not know how.
        for answer in [200, 400, 503] {
            let mut lab = refused();
            lab.answer(answer, &[]);
            assert!(is_alone(&lab), "{refusal} {answer}");
            assert_eq!(lab.problem(), None, "{refusal} {answer}");
            lab.accept(600);
            assert_eq!(lab.status().state, State::Registered);
            assert!(lab.go_to_next() >= Duration::from_secs(300));
            assert!(is_alone(&lab), "what it would not end ends by itself");
        }
        // It does not want us at all.
        let mut lab = refused();
        lab.answer(200, &[]);
        lab.answer(refusal, &[]);
        let problem = if refusal == 503 { Problem::Unavailable } else { Problem::Refused };
        assert_eq!((lab.sent.len(), lab.problem()), (5, Some(problem)));
        lab.go_to_next();
        assert!(is_alone(&lab), "the former one is ended");
    }
}

#[test]
fn a_wrong_password_is_not_tried_once_more_because_of_former_contacts() {
    let mut lab = moved("203.0.113.9:5062");
    lab.challenge("n1", Algorithm::Md5, false);
    lab.answer(403, &[]);
    lab.challenge("n2", Algorithm::Md5, false);
    lab.challenge("n3", Algorithm::Md5, false);
    assert_eq!((lab.sent.len(), lab.problem()), (5, Some(Problem::WrongPassword)));
    // Nor when nobody answers.
    let mut lab = moved("203.0.113.9:5062");
    lab.answer(503, &[]);
    lab.registration.handle_silence(lab.now);
    assert_eq!((lab.sent.len(), lab.problem()), (3, Some(Problem::Silence)));
}

#[test]
fn a_registrar_that_says_when_it_has_time_is_believed_once() {
    let mut lab = moved("203.0.113.9:5062");
    let later = [(HeaderName::RetryAfter, "20".to_owned())];
    lab.answer(503, &later);
    assert_eq!((lab.sent.len(), lab.problem()), (2, Some(Problem::Unavailable)));
    assert!(lab.go_to_next() >= Duration::from_secs(20));
    assert_eq!(contacts(&lab).len(), 2);
    lab.answer(503, &later);
    assert_eq!((contacts(&lab), lab.last().header(&HeaderName::Expires)), (vec![ours(EDGE)], Some("0")));
}

#[test]
fn a_registrar_that_is_in_trouble_gets_three_requests_once_in_a_while() {
    let mut lab = moved("203.0.113.9:5062");
    let began = lab.now;
    let mut rounds = Vec::new();
    while lab.now.since(began) < Duration::from_secs(400) {
        let before = lab.sent.len();
        while lab.registration.is_asked() {
            lab.answer(503, &[]);
        }
        rounds.push((lab.now.since(began), lab.sent.len() - before));
        lab.go_to_next();
    }
    assert_eq!(rounds[0].1, 2, "{rounds:?}");
    let apart: Vec<Duration> = rounds.iter().filter(|(_, more)| *more == 2).map(|(at, _)| *at).collect();
    assert!(rounds.iter().all(|(_, more)| matches!(more, 0 | 2)), "{rounds:?}");
    assert!(apart.len() > 1 && apart.windows(2).all(|pair| pair[1] - pair[0] >= APART_EACH), "{rounds:?}");
}

#[test]
fn a_former_way_does_not_count_as_registered_once_the_present_one_has_failed() {
    let mut lab = moved("203.0.113.9:5062");
    assert_eq!(lab.status().state, State::Registered, "nothing has failed yet");
    lab.answer(503, &[(HeaderName::RetryAfter, "5".to_owned())]);
    let status = lab.status();
    assert_eq!((status.state, status.registered_until), (State::Unreachable, None));
    assert_eq!(lab.problem(), Some(Problem::Unavailable));
    // It is ended all the same once it is over.
    assert!(lab.registration.is_registered(lab.now));
    lab.go_to_next();
    lab.accept(600);
    assert_eq!(lab.status().state, State::Registered);
}

#[test]
fn a_registration_that_is_to_end_while_former_ones_are_ended_leaves_nothing() {
    let mut lab = moved("203.0.113.9:5062");
    lab.answer(503, &[]);
    lab.registration.end(lab.now);
    lab.answer(200, &[]);
    assert!(lab.registration.is_over() && lab.sent.len() == 3);
    // It was refused: what the registrar keeps is ended once more.
    let mut lab = moved("203.0.113.9:5062");
    lab.answer(503, &[]);
    lab.registration.end(lab.now);
    lab.answer(503, &[]);
    assert_eq!((contacts(&lab), lab.last().header(&HeaderName::Expires)), (vec![ours(EDGE)], Some("0")));
    lab.answer(200, &[]);
    assert!(lab.registration.is_over());
}

#[test]
fn a_registrar_that_keeps_what_it_refuses_to_end_is_not_asked_without_end() {
    let mut lab = Lab::new();
    let left = ours(OTHER_EDGE);
    accept_at(&mut lab, EDGE, &[left.as_str()]);
    lab.go_to_next();
    lab.answer(400, &[]);
    lab.answer(400, &[]);
    accept_at(&mut lab, EDGE, &[left.as_str()]);
    assert!(lab.go_to_next() >= Duration::from_secs(300));
}

#[test]
fn what_a_proxy_has_registered_at_another_address_of_its_own_is_the_present_contact() {
    const SIX: &str = "[2001:db8::1]:5060";
    let ends_it = |request: &Message| {
        let is_removal = request.header(&HeaderName::Expires) == Some("0");
        let mut contacts = request.headers(&HeaderName::Contact);
        contacts.any(|contact| contact == ended(SIX) || (is_removal && contact == ours(SIX)))
    };
    for refusal in [400, 403, 503] {
        let mut lab = Lab::new();
        accept_at(&mut lab, SIX, &[]);
        lab.go_to_next();
        assert_eq!(contacts(&lab), [ours(SIX)], "the proxy writes it anew, if need be");
        lab.answer(refusal, &[]);
        lab.go_to_next();
        lab.answer(refusal, &[]);
        assert!(!lab.sent.iter().any(ends_it), "{refusal}");
        assert_eq!(lab.status().state, State::Registered, "the carrier still has it");
        // And at the end it is removed.
        lab.registration.end(lab.now);
        lab.take();
        assert!(ends_it(lab.last()), "{refusal}");
    }
}

#[test]
fn a_proxy_that_comes_back_and_tells_its_places_has_the_present_contact() {
    const SIX: &str = "[2001:db8::1]:5060";
    let mut lab = Lab::new();
    accept_at(&mut lab, SIX, &[]);
    lab.registration.handle_way(None, back_off::AT_ONCE, lab.now);
    let upgraded = EdgeAddresses { places: [EDGE, SIX].map(str::to_owned).to_vec(), ..edge(EDGE) };
    lab.registration.handle_way(Some(&upgraded), back_off::AT_ONCE, lab.now);
    lab.go_to_next();
    assert_eq!(contacts(&lab), [ours(SIX)]);
}

#[test]
fn what_is_left_at_an_address_of_another_family_or_of_tcp_alone_is_found_too() {
    let places = [OTHER_EDGE, "198.51.100.8:5062;transport=tcp", "[2001:db8::8]:5060"];
    let other = EdgeAddresses { places: places.map(str::to_owned).to_vec(), ..edge(OTHER_EDGE) };
    let mut lab = Lab::new();
    let mut response = Message::response_to(lab.last(), StatusCode::OK);
    for place in [EDGE, "[2001:db8::8]:5060", "198.51.100.8:5062;transport=tcp", "[2001:db8::9]:5060"] {
        response = response.header(&HeaderName::Contact, ours(place) + ";expires=600");
    }
    lab.registration.handle_response(&response.build(), &[edge(EDGE), other], lab.now);
    assert!(lab.go_to_next() <= back_off::AT_ONCE);
    assert_eq!(contacts(&lab), [ours(EDGE), ended(places[2]), ended(places[1])]);
}

#[test]
fn the_first_contact_has_the_address_that_the_proxy_tells_for_its_transport() {
    let places = [OTHER_EDGE, "198.51.100.8:5062;transport=tcp", "[2001:db8::8]:5062;transport=tcp"];
    let other = EdgeAddresses { places: places.map(str::to_owned).to_vec(), ..edge(OTHER_EDGE) };
    for (registrar, place) in [("203.0.113.9:5062", places[0]), ("203.0.113.9:5062;transport=tcp", places[1])] {
        let mut lab = Lab::at(registrar);
        lab.registration.handle_way(Some(&other), back_off::AT_ONCE, lab.now);
        lab.go_to_next();
        assert_eq!(contacts(&lab)[0], ours(place), "{registrar}");
    }
}
