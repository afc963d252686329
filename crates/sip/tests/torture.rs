//! The messages of RFC 4475 and RFC 5118, each with the outcome that its RFC demands.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use sip::message::Capabilities;
use sip::uri::Scheme;
use sip::{Contact, Frame, Framer, HeaderName, Message, Method, Start, StatusCode};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).with_extension("sip")
}

fn bytes(name: &str) -> Bytes {
    std::fs::read(path(name)).unwrap_or_else(|e| panic!("{name}: {e}")).into()
}

/// A message that every element must accept.
fn valid(name: &str) -> Message {
    let message = Message::parse(bytes(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(message.fault(), None, "{name}");
    message
}

/// The answer to a malformed message; none if it is to be dropped.
fn answer(name: &str) -> Option<Message> {
    match Message::parse(bytes(name)) {
        Err(error) => error.response(),
        Ok(message) => message.fault().unwrap_or_else(|| panic!("{name} has no fault")).response(&message),
    }
}

/// The refusal by an element that supports SDP, the usual methods and no extension.
fn refusal(name: &str, required_by: &HeaderName) -> Option<(StatusCode, Option<(HeaderName, String)>)> {
    let able = Capabilities {
        required_by,
        extensions: &[],
        methods: &[Method::Invite, Method::Options, Method::Register, Method::Message],
        bodies: &["application/sdp"],
    };
    valid(name).refusal(&able).map(|r| (r.status, r.header))
}

#[test]
fn every_file_is_covered_here() {
    let this = include_str!("torture.rs");
    for folder in ["rfc4475", "rfc5118"] {
        for entry in std::fs::read_dir(path(folder).with_extension("")).unwrap() {
            let file = entry.unwrap().path();
            let name = format!("{folder}/{}", file.file_stem().unwrap().to_string_lossy());
            assert!(this.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}

#[test]
fn malformed_requests_get_a_400() {
    for name in [
        "rfc4475/badinv01",
        "rfc4475/clerr",
        "rfc4475/ncl",
        "rfc4475/scalar02",
        "rfc4475/quotbal",
        "rfc4475/ltgtruri",
        "rfc4475/lwsruri",
        "rfc4475/lwsstart",
        "rfc4475/trws",
        "rfc4475/escruri",
        "rfc4475/regbadct",
        "rfc4475/badaspec",
        "rfc4475/baddn",
        "rfc4475/mismatch01",
        "rfc4475/mismatch02",
        "rfc4475/multi01",
        "rfc4475/mcl01",
        "rfc5118/ipv6-bad",
    ] {
        let answer = answer(name);
        if name == "rfc4475/badinv01" {
            // Its only Via is malformed, so no response can be routed.
            assert_eq!(answer, None);
            continue;
        }
        let answer = answer.unwrap_or_else(|| panic!("{name} is not answered"));
        assert_eq!(answer.status(), Some(StatusCode::BAD_REQUEST), "{name}");
        assert!(Message::parse(answer.to_bytes()).is_ok(), "{name}");
        assert!(answer.top_via().is_ok(), "{name}");
    }
}

#[test]
fn a_date_of_another_time_zone_condemns_nothing_that_does_not_read_it() {
    assert!(valid("rfc4475/baddate").fault().is_none());
}

#[test]
fn other_version_gets_a_505() {
    assert_eq!(answer("rfc4475/badvers").unwrap().status(), Some(StatusCode::VERSION_NOT_SUPPORTED));
}

#[test]
fn malformed_responses_and_requests_without_a_way_back_are_dropped() {
    for name in ["rfc4475/bigcode", "rfc4475/scalarlg", "rfc4475/insuf"] {
        assert_eq!(answer(name), None, "{name}");
    }
}

#[test]
fn what_is_not_understood_is_refused_with_its_own_status() {
    let require = &HeaderName::Require;
    assert_eq!(refusal("rfc4475/unkscm", require).unwrap().0, StatusCode::UNSUPPORTED_URI_SCHEME);
    assert_eq!(refusal("rfc4475/novelsc", require).unwrap().0, StatusCode::UNSUPPORTED_URI_SCHEME);
    let (status, header) = refusal("rfc4475/bext01", require).unwrap();
    assert_eq!(status, StatusCode::BAD_EXTENSION);
    let unsupported = "nothingSupportsThis, nothingSupportsThisEither".to_owned();
    assert_eq!(header, Some((HeaderName::Unsupported, unsupported)));
    let (_, header) = refusal("rfc4475/bext01", &HeaderName::ProxyRequire).unwrap();
    let unsupported = "noProxiesSupportThis, norDoAnyProxiesSupportThis".to_owned();
    assert_eq!(header, Some((HeaderName::Unsupported, unsupported)));
    let (status, header) = refusal("rfc4475/invut", require).unwrap();
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(header, Some((HeaderName::Accept, "application/sdp".to_owned())));
    assert_eq!(refusal("rfc4475/sdp01", require).unwrap().0, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(refusal("rfc4475/esc02", require).unwrap().0, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(refusal("rfc4475/wsinv", require), None);
}

#[test]
fn wsinv_is_read_through_its_folds_and_blanks() {
    let m = valid("rfc4475/wsinv");
    assert_eq!(m.request_uri(), Some("sip:vivekg@chair-dnrc.example.com;unknownparam"));
    let vias: Vec<_> = m.vias().map(Result::unwrap).collect();
    assert_eq!(vias.len(), 3);
    assert_eq!((vias[0].transport, vias[0].host.as_str(), vias[0].branch()), ("UDP", "192.0.2.2", Some("390skdjuw")));
    assert!(!vias[0].has_rfc3261_branch());
    assert_eq!((vias[1].transport, vias[1].host.as_str()), ("TCP", "spindle.example.com"));
    assert_eq!(vias[1].branch(), Some("z9hG4bK9ikj8"));
    assert_eq!((vias[2].host.as_str(), vias[2].branch()), ("192.168.255.111", Some("z9hG4bK30239")));
    assert_eq!(m.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(m.to().unwrap().raw_uri(), "sip:vivekg@chair-dnrc.example.com");
    assert_eq!(m.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!(m.from().unwrap().display_name(), "J Rosenberg \\\"");
    assert_eq!(m.max_forwards(), Ok(Some(68)));
    assert_eq!(m.cseq().unwrap().number, 9);
    assert_eq!(m.header(&HeaderName::Subject), Some(""));
    assert_eq!(m.header(&HeaderName::from("newfangledheader")), Some("newfangled value continued newfangled value"));
    assert_eq!(m.header(&HeaderName::from("UnknownHeaderWithUnusualValue")), Some(";;,,;;,;"));
    assert!(m.routes().next().unwrap().unwrap().uri().unwrap().is_loose_router());
    let contact = *m.contacts().next().unwrap().unwrap().address().unwrap();
    assert_eq!(contact.display_name(), "Quoted string \"\"");
    assert_eq!(contact.params().get("newparam"), Some("newvalue"));
    assert_eq!(contact.q(), Some(330));
    assert_eq!(m.body().len(), 150);
    assert_eq!(m.to_bytes(), bytes("rfc4475/wsinv"));
}

#[test]
fn intmeth_keeps_every_character() {
    let m = valid("rfc4475/intmeth");
    let method = Method::Other("!interesting-Method0123456789_*+`.%indeed'~".into());
    assert_eq!(m.method(), method);
    assert_eq!(m.cseq().unwrap().method, method);
    assert_eq!(m.top_via().unwrap().branch(), Some("z9hG4bK-.!%66*_+`'~"));
    assert_eq!(m.to().unwrap().display_name(), "BEL:\u{7} NUL:\0 DEL:\u{7f}");
    assert_eq!(m.from().unwrap().display_name(), "token1~` token2'+_ token3*%!.-");
    assert_eq!(m.from().unwrap().tag(), Some("_token~1'+`*%!-."));
    assert_eq!(m.from().unwrap().params().find("fromParam''~+*_!.-%").unwrap().unquoted(), "работающий");
    assert_eq!(m.max_forwards(), Ok(Some(255)));
    let name = HeaderName::from("extensionHeader-!.%*+_`'~");
    assert_eq!(m.header(&name), Some("\u{feff}大停電"));
    let Start::Request { uri, .. } = m.start() else { panic!("not a request") };
    let uri = sip::Uri::parse(uri).unwrap();
    assert_eq!(uri.host().unwrap().as_str(), "example.com");
    assert_eq!(uri.user(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
}

#[test]
fn escapes_are_kept_apart_from_what_they_stand_for() {
    let m = valid("rfc4475/esc01");
    let uri = sip::Uri::parse(m.request_uri().unwrap()).unwrap();
    assert_eq!((uri.user(), uri.host().unwrap().as_str()), (Some("sips%3Auser%40example.com"), "example.net"));
    assert!(m.to().unwrap().uri().unwrap().equivalent(&sip::Uri::parse("sip:user@example.com").unwrap()));
    let contact = m.contacts().next().unwrap().unwrap().address().unwrap().uri().unwrap();
    assert!(!contact.is_loose_router());
    assert_eq!(sip::uri::escape::unescape(contact.params().get("n%61me").unwrap()), "value%41");
    let m = valid("rfc4475/escnull");
    assert_eq!(m.contacts().count(), 2);
    let m = valid("rfc4475/esc02");
    assert_eq!(m.method(), Method::Other("RE%47IST%45R".into()));
    assert_eq!(m.contacts().count(), 2);
    assert_eq!(m.to().unwrap().display_name(), "%Z%45");
    let m = valid("rfc4475/semiuri");
    let uri = sip::Uri::parse(m.request_uri().unwrap()).unwrap();
    assert_eq!(uri.user(), Some("user;par=u%40example.net"));
    assert!(uri.params().is_empty());
    assert_eq!(m.elements(&HeaderName::Accept).count(), 6);
}

#[test]
fn long_values_are_no_problem() {
    let m = valid("rfc4475/longreq");
    assert_eq!(m.vias().count(), 34);
    assert_eq!(m.vias().next().unwrap().unwrap().host.as_str(), "sip33.example.com");
    assert_eq!(m.from().unwrap().tag().unwrap().len(), 155);
    assert_eq!(m.body().len(), 150);
}

#[test]
fn display_name_may_touch_the_bracket() {
    assert_eq!(valid("rfc4475/lwsdisp").from().unwrap().display_name(), "caller");
}

#[test]
fn second_request_in_a_datagram_is_ignored_and_in_a_stream_is_read() {
    let m = valid("rfc4475/dblreq");
    assert_eq!((m.method(), m.body().len()), (Method::Register, 0));
    let mut framer = Framer::new();
    framer.push(&bytes("rfc4475/dblreq"));
    // After the second body, whose length is wrong by some bytes, the stream is out of step.
    let methods: Vec<_> = std::iter::from_fn(|| framer.next()?.ok())
        .filter_map(|frame| match frame {
            Frame::Message(message) => Some(message.method()),
            Frame::KeepAlive => None,
        })
        .collect();
    assert_eq!(methods, [Method::Register, Method::Invite]);
}

#[test]
fn unknown_transports_are_carried() {
    let m = valid("rfc4475/transports");
    let transports: Vec<_> = m.vias().map(|v| v.unwrap().transport).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn binary_bodies_are_carried() {
    let m = valid("rfc4475/mpart01");
    assert_eq!(m.body().len(), 553);
    assert!(m.content_type().unwrap().unwrap().is("multipart", "mixed"));
    assert!(m.content_type().unwrap().unwrap().params.contains("boundary"));
}

#[test]
fn reason_phrases_are_free() {
    let m = valid("rfc4475/unreason");
    let Start::Response { status, reason } = m.start() else { panic!("not a response") };
    assert_eq!(status, StatusCode::OK);
    assert!(reason.starts_with("= 2**3 * 5**2 но сто"), "{reason}");
    let m = valid("rfc4475/noreason");
    assert_eq!(m.start(), Start::Response { status: StatusCode::TRYING, reason: "" });
}

#[test]
fn valid_messages_of_the_application_layer_have_no_fault() {
    assert!(!valid("rfc4475/badbranch").top_via().unwrap().has_rfc3261_branch());
    let m = valid("rfc4475/unksm2");
    assert_eq!(m.to().unwrap().uri().unwrap().scheme(), Scheme::Other("isbn"));
    assert_eq!(valid("rfc4475/regaut01").authorizations(HeaderName::Authorization).count(), 0);
    assert_eq!(valid("rfc4475/bcast").vias().count(), 2);
    assert_eq!(valid("rfc4475/zeromf").max_forwards(), Ok(Some(0)));
    let m = valid("rfc4475/inv2543");
    assert_eq!((m.max_forwards(), m.top_via().unwrap().branch(), m.from().unwrap().tag()), (Ok(None), None, None));
    assert_eq!(m.to().unwrap().params().get("user"), Some("phone"));
}

#[test]
fn parameters_belong_to_header_or_uri_by_the_brackets() {
    let m = valid("rfc4475/cparam01");
    let contact = *m.contacts().next().unwrap().unwrap().address().unwrap();
    assert!(contact.params().contains("unknownparam") && contact.uri().unwrap().params().is_empty());
    let m = valid("rfc4475/cparam02");
    let contact = *m.contacts().next().unwrap().unwrap().address().unwrap();
    assert!(contact.params().is_empty() && contact.uri().unwrap().params().contains("unknownparam"));
    let m = valid("rfc4475/regescrt");
    let Contact::Address(contact) = m.contacts().next().unwrap().unwrap() else { panic!("star") };
    assert_eq!(contact.uri().unwrap().headers(), "Route=%3Csip:sip.example.com%3E");
}

#[test]
fn ipv6_references_are_taken_apart() {
    for (name, host, port) in [
        ("rfc5118/ipv6-good", "2001:db8::10", None),
        ("rfc5118/port-ambiguous", "2001:db8::10:5070", None),
        ("rfc5118/port-unambiguous", "2001:db8::10", Some(5070)),
        ("rfc5118/ipv6-in-sdp", "2001:db8::10", None),
        ("rfc5118/mult-ip-in-sdp", "2001:db8::10", None),
        ("rfc5118/ipv6-bug-abnf-3-colons", "2001:db8::192.0.2.1", None),
        ("rfc5118/ipv6-correct-abnf-2-colons", "2001:db8::192.0.2.1", None),
    ] {
        let m = valid(name);
        let uri = sip::Uri::parse(m.request_uri().unwrap()).unwrap();
        assert_eq!(uri.host().unwrap().ip(), Some(host.parse().unwrap()), "{name}");
        assert_eq!(uri.port(), port, "{name}");
        assert_eq!(m.to_bytes(), bytes(name));
    }
}

#[test]
fn ipv6_in_via_comes_in_many_forms() {
    for name in ["rfc5118/via-received-param-with-delim", "rfc5118/via-received-param-no-delim"] {
        let m = valid(name);
        assert_eq!(m.top_via().unwrap().received(), Some("2001:db8::9:255".parse().unwrap()), "{name}");
    }
    let m = valid("rfc5118/mult-ip-in-header");
    let vias: Vec<_> = m.vias().map(Result::unwrap).collect();
    assert_eq!((vias[0].host.as_str(), vias[0].port), ("[2001:db8::9:1]", Some(6050)));
    assert_eq!(vias[1].host.ip(), Some("192.0.2.1".parse().unwrap()));
    assert_eq!(vias[2].received(), Some("192.0.2.200".parse().unwrap()));
    let m = valid("rfc5118/ipv4-mapped-ipv6");
    assert_eq!(m.top_via().unwrap().host.ip(), Some("::ffff:192.0.2.10".parse().unwrap()));
    assert_eq!(m.top_via().unwrap().port, Some(19_823));
}
