//! Where a registrar's redirections are followed to.

use super::*;

const TLS: &str = "203.0.113.9:5061;transport=tls";

#[test]
fn a_redirection_is_followed_to_the_same_host_once() {
    let mut lab = Lab::new();
    lab.challenge("n1", Algorithm::Md5, false);
    lab.answer(302, &[(HeaderName::Contact, "<sip:x@203.0.113.9:5070;transport=tcp>".to_owned())]);
    assert_eq!(lab.last().request_uri(), Some("sip:203.0.113.9:5070;transport=tcp"));
    assert!(lab.last().header(&HeaderName::Authorization).is_none());
    lab.answer(302, &[(HeaderName::Contact, "<sip:203.0.113.9:5071>".to_owned())]);
    assert_eq!(lab.problem(), Some(Problem::Moved));
    let mut lab = Lab::new();
    lab.answer(301, &[(HeaderName::Contact, "<sip:192.0.2.66>".to_owned())]);
    assert_eq!(
        (lab.problem(), lab.sent.len()),
        (Some(Problem::Moved), 1),
        "somebody else gets no hash of the password"
    );
    let told = lab.status().last.and_then(|last| last.answer).map(|(_, text)| text);
    assert!(told.as_ref().is_some_and(|text| text.ends_with(", to 192.0.2.66")), "{told:?}");
}

#[test]
fn a_registration_by_tls_follows_no_redirection_that_leaves_it() {
    for (contact, place) in [
        ("<sips:203.0.113.9:5071>", Some("sip:203.0.113.9:5071;transport=tls")),
        ("<sips:x@203.0.113.9>", Some("sip:203.0.113.9;transport=tls")),
        ("<sips:203.0.113.9:5071;transport=tcp>", Some("sip:203.0.113.9:5071;transport=tls")),
        ("<sip:203.0.113.9:5071;transport=TLS>", Some("sip:203.0.113.9:5071;transport=tls")),
        ("<sip:203.0.113.9:5060>, <sips:203.0.113.9:5071>", Some("sip:203.0.113.9:5071;transport=tls")),
        ("<sip:203.0.113.9:5071>", None),
        ("<sip:203.0.113.9>", None),
        ("<sip:203.0.113.9:5060;transport=tcp>", None),
        ("<sip:203.0.113.9:5060;transport=udp>", None),
        ("<sip:192.0.2.66>, <sip:203.0.113.9:5060>", None),
    ] {
        let mut lab = Lab::at(TLS);
        lab.challenge("n1", Algorithm::Md5, false);
        lab.answer(302, &[(HeaderName::Contact, contact.to_owned())]);
        match place {
            Some(place) => {
                assert_eq!((lab.sent.len(), lab.last().request_uri()), (3, Some(place)), "{contact}");
                assert!(lab.last().header(&HeaderName::Authorization).is_none(), "{contact}");
                // The proof is for that place.
                lab.challenge("n2", Algorithm::Md5, false);
                assert!(proves_itself(lab.last()) && lab.last().request_uri() == Some(place), "{contact}");
            }
            None => assert_eq!((lab.sent.len(), lab.problem()), (2, Some(Problem::MovedInTheClear)), "{contact}"),
        }
    }
}

#[test]
fn who_leads_to_another_host_or_to_no_transport_of_ours_is_not_followed() {
    for contact in ["<sips:192.0.2.66>", "<sips:203.0.113.9;transport=udp>", "<sips:203.0.113.9;transport=ws>", "*"] {
        for registrar in [TLS, "203.0.113.9:5062"] {
            let mut lab = Lab::at(registrar);
            lab.answer(302, &[(HeaderName::Contact, contact.to_owned())]);
            assert_eq!((lab.sent.len(), lab.problem()), (1, Some(Problem::Moved)), "{contact} {registrar}");
        }
    }
}

#[test]
fn a_name_that_leads_to_tls_is_not_left_either() {
    let redirected = |by: &str| {
        let mut lab = Lab::at("carrier.example");
        let told = (headers::CONTACT, format!("sip:our%20line@{by}"));
        lab.answer(302, &[told, (HeaderName::Contact, "<sip:carrier.example:5070>".to_owned())]);
        (lab.sent.len(), lab.problem(), lab.status().state)
    };
    let refused = (1, Some(Problem::MovedInTheClear), State::Refused);
    assert_eq!(redirected("198.51.100.7:5061;transport=tls"), refused);
    assert_eq!(redirected("198.51.100.7:5060"), (2, None, State::Trying));
    assert!(Problem::MovedInTheClear.in_words().contains("without TLS"));
}

#[test]
fn a_redirection_from_the_clear_may_lead_to_tls() {
    let mut lab = Lab::new();
    lab.answer(302, &[(HeaderName::Contact, "<sips:203.0.113.9:5061>".to_owned())]);
    assert_eq!(lab.last().request_uri(), Some("sip:203.0.113.9:5061;transport=tls"));
    // With a domain of its own the registrar is a route.
    let credentials = AgentCredentials { user: "our line".to_owned(), password: PASSWORD.to_owned() };
    let (registrar, domain) = (TLS.to_owned(), Some("carrier.example".to_owned()));
    let (user, instance) = (credentials.user.clone(), instance());
    let mut lab = Lab::of(Account { registrar, domain, user, credentials, instance });
    lab.answer(302, &[(HeaderName::Contact, "<sips:203.0.113.9:5071>".to_owned())]);
    assert_eq!(lab.last().header(&HeaderName::Route), Some("<sip:203.0.113.9:5071;transport=tls;lr>"));
}
