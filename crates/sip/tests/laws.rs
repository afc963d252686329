//! Properties of the message layer, with arbitrary input.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use sip::{Frame, Framer, HeaderName, Message, Method, NameAddr, StatusCode, Uri, Via};

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,20}"
}

/// A header value acceptable to a builder: any text on one line.
fn value() -> impl Strategy<Value = String> {
    "[^\\r\\n]{0,60}".prop_map(|text| text.trim_matches([' ', '\t']).to_owned())
}

fn uri() -> impl Strategy<Value = String> {
    let host = prop_oneof![
        "[a-z][a-z0-9-]{0,8}(\\.[a-z]{2,5}){0,2}",
        any::<std::net::Ipv4Addr>().prop_map(|ip| ip.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|ip| format!("[{ip}]")),
    ];
    let user = proptest::option::of("[a-z0-9_;?/+=&,$%41]{1,12}".prop_map(|u| u.replace('%', "%41")));
    let params = vec("[a-z]{1,5}(=[a-z0-9:/]{1,5})?", 0..4);
    (host, user, proptest::option::of(any::<u16>()), params).prop_map(|(host, user, port, params)| {
        let user = user.map(|u| format!("{u}@")).unwrap_or_default();
        let port = port.map(|p| format!(":{p}")).unwrap_or_default();
        let params: String = params.iter().map(|p| format!(";{p}")).collect();
        format!("sip:{user}{host}{port}{params}")
    })
}

fn headers() -> impl Strategy<Value = Vec<(HeaderName, String)>> {
    let reserved = |name: &str| HeaderName::from(name) == HeaderName::ContentLength;
    let name =
        token().prop_filter("length is the builder's", move |n| !reserved(n)).prop_map(|n| HeaderName::from(&*n));
    vec((name, value()), 0..40)
}

fn message() -> impl Strategy<Value = Message> {
    let start = prop_oneof![
        (token(), uri()).prop_map(|(method, uri)| Message::request(Method::from_token(&method), uri)),
        (100..700_u16, value()).prop_map(|(code, reason)| Message::response(StatusCode(code)).reason(&reason)),
    ];
    (start, headers(), vec(any::<u8>(), 0..300)).prop_map(|(mut builder, headers, body)| {
        for (name, value) in headers {
            builder = builder.header(&name, value);
        }
        builder.body("application/octet-stream", body).build()
    })
}

proptest! {
    #[test]
    fn what_was_built_is_what_is_parsed(message in message()) {
        let parsed = Message::parse(message.to_bytes()).unwrap();
        prop_assert_eq!(&parsed, &message);
        prop_assert_eq!(parsed.to_bytes(), message.to_bytes());
    }

    #[test]
    fn edits_survive_the_wire_and_leave_the_rest(
        message in message(), front in value(), back in value(), uri in uri(), body in vec(any::<u8>(), 0..50)
    ) {
        let probe = HeaderName::other("Probe-Of-Ours");
        let mut edited = message.clone();
        edited.push_front(&probe, &front);
        edited.append(&probe, &back);
        edited.set_request_uri(&uri);
        edited.set_body("x/y", body.clone());
        let parsed = Message::parse(edited.to_bytes()).unwrap();
        prop_assert_eq!(&parsed, &edited);
        prop_assert_eq!(parsed.headers(&probe).collect::<Vec<_>>(), vec![front.as_str(), back.as_str()]);
        prop_assert_eq!(parsed.body(), &body[..]);
        if message.is_request() {
            prop_assert_eq!(parsed.request_uri(), Some(uri.as_str()));
        }
        let others = |m: &Message| -> Vec<(HeaderName, String)> {
            m.header_lines()
                .filter(|(n, _)| ![&probe, &HeaderName::ContentType, &HeaderName::ContentLength].contains(&n))
                .map(|(n, v)| (n, v.to_owned()))
                .collect()
        };
        prop_assert_eq!(others(&parsed), others(&message));
    }

    #[test]
    fn streams_give_the_messages_however_they_are_cut(messages in vec(message(), 1..5), size in 1..400_usize) {
        let stream: Vec<u8> = messages.iter().flat_map(|m| m.to_bytes()).collect();
        let mut framer = Framer::new();
        let mut got = Vec::new();
        for piece in stream.chunks(size) {
            framer.push(piece);
            while let Some(frame) = framer.next() {
                if let Frame::Message(message) = frame.unwrap() {
                    got.push(message);
                }
            }
        }
        prop_assert_eq!(got, messages);
    }

    #[test]
    fn uris_are_taken_apart_and_equal_themselves(text in uri()) {
        let uri = Uri::parse(&text).unwrap();
        prop_assert!(uri.equivalent(&uri));
        let user = uri.user().map(|u| format!("{u}@")).unwrap_or_default();
        let port = uri.port().map(|p| format!(":{p}")).unwrap_or_default();
        prop_assert_eq!(format!("sip:{user}{}{port}{}", uri.host().unwrap(), uri.params().as_str()), text);
    }

    #[test]
    fn addresses_and_vias_print_as_what_they_parse(
        uri in uri(), name in "[a-zA-Z]{0,8}", tag in token(), transport in token(), port in any::<u16>()
    ) {
        let text = format!("\"{name} \\\"x\\\"\" <{uri}>;tag={tag};q=0.5");
        let address = NameAddr::parse(&text).unwrap();
        prop_assert_eq!(address.to_string(), text.clone());
        prop_assert_eq!(address.tag(), Some(tag.as_str()));
        prop_assert_eq!(address.display_name(), format!("{name} \"x\""));
        let text = format!("SIP/2.0/{transport} host.example:{port};branch=z9hG4bK{tag};rport");
        let via = Via::parse(&text).unwrap();
        prop_assert_eq!(via.to_string(), text.clone());
        prop_assert_eq!(via.rport(), Some(None));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in vec(any::<u8>(), 0..400)) {
        let _ = Message::parse(Bytes::from(bytes));
    }

    #[test]
    fn any_head_is_taken_apart_without_panic(lines in vec("(Via|v|To|From|Contact|Route|CSeq|l|Date|WWW-Authenticate|Authorization)[ :]{0,2}[ -~\u{e4}]{0,40}", 0..8)) {
        let text = format!("INVITE sip:a@b SIP/2.0\r\n{}\r\n\r\n", lines.join("\r\n"));
        if let Ok(mut message) = Message::parse(Bytes::from(text)) {
            let _ = message.fault().map(|f| f.response(&message));
            let _ = message.challenges(HeaderName::WwwAuthenticate).count();
            let _ = message.authorizations(HeaderName::Authorization).count();
            message.add_to_tag("t");
            while message.remove_first_value(&HeaderName::Contact) {}
            prop_assert!(message.is_request());
            prop_assert_eq!(&Message::parse(message.to_bytes()).unwrap(), &message);
        }
    }
}
