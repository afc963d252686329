use super::*;

fn same(a: &str, b: &str) -> bool {
    let (x, y) = (Uri::parse(a).unwrap(), Uri::parse(b).unwrap());
    assert_eq!(x.equivalent(&y), y.equivalent(&x));
    x.equivalent(&y)
}

#[test]
fn uris_that_rfc_3261_calls_equivalent_are() {
    for (a, b) in [
        ("sip:%61lice@atlanta.example;transport=TCP", "sip:alice@AtLanTa.example;Transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example;newparam=5"),
        ("sip:carol@chicago.example;newparam=5", "sip:carol@chicago.example;security=on"),
        (
            "sip:biloxi.example;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.example",
            "sip:biloxi.example;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.example",
        ),
        ("sip:a@b.example?subject=project%20x&priority=urgent", "sip:a@b.example?priority=urgent&subject=project%20x"),
        ("sip:[2001:DB8::1]", "sip:[2001:db8:0::1]"),
        ("tel:+1-201-555-0123", "tel:+1(201)5550123"),
        ("URN:service:sos", "urn:service:sos"),
    ] {
        assert!(same(a, b), "{a} {b}");
    }
}

#[test]
fn repeated_parameters_still_equal_themselves() {
    for uri in ["tel:+10123;phone-context=a;phone-context=b", "sip:a;fr;fr=a"] {
        assert!(same(uri, uri), "{uri}");
    }
}

#[test]
fn what_has_more_parts_than_a_phone_writes_is_compared_as_text() {
    for (part, between, first) in [("a=%41", ";", ";"), ("a=%41", "&", "?"), ("b=c", ";", ";")] {
        let uri = |host: &str, parts: usize| format!("sip:a@{host}{first}{}", vec![part; parts].join(between));
        assert!(same(&uri("b.example", PARTS_MAX), &uri("B.example", PARTS_MAX)));
        assert!(!same(&uri("b.example", PARTS_MAX + 1), &uri("B.example", PARTS_MAX + 1)));
        assert!(same(&uri("b.example", 200), &uri("b.example", 200)));
    }
}

#[test]
fn uris_that_rfc_3261_calls_different_are() {
    for (a, b) in [
        ("SIP:ALICE@AtLanTa.example;Transport=udp", "sip:alice@AtLanTa.example;Transport=UDP"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example:5060"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example;transport=udp"),
        ("sip:bob@biloxi.example", "sip:bob@biloxi.example:6000;transport=tcp"),
        ("sip:carol@chicago.example", "sip:carol@chicago.example?Subject=next%20meeting"),
        ("sip:bob@phone21.example", "sip:bob@192.0.2.4"),
        ("sip:bob@biloxi.example", "sips:bob@biloxi.example"),
        ("sip:a%3bb@example.com", "sip:a;b@example.com"),
    ] {
        assert!(!same(a, b), "{a} {b}");
    }
}
