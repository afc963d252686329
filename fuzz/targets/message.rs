//! Datagrams and streams: whatever comes is read or refused, what is read says the same after it was written, and an
//! edited message is still one message.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sip::digest::{Secret, respond, verify};
use sip::location::{GEOLOCATION, GEOLOCATION_ROUTING, Geolocation, LOCATION_BYTES_MAX};
use sip::message::Capabilities;
use sip::multipart::{BodyPart, mixed};
use sip::{Frame, Framer, HeaderName, Message, Method};

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::parse(Bytes::copy_from_slice(data)) {
        datagram(&message);
    }
    let mut framer = Framer::new();
    for piece in data.chunks(data.len() / 3 + 1) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(Frame::Message(message)) => datagram(&message),
                Ok(Frame::KeepAlive) => {}
                Err(error) => drop(error.response().map(|r| reread(&r))),
            }
        }
    }
});

fn datagram(message: &Message) {
    reread(message);
    let fault = message.fault();
    if let Some(response) = fault.as_ref().and_then(|f| f.response(message)) {
        reread(&response);
    }
    let able = Capabilities {
        required_by: &HeaderName::Require,
        extensions: &["path"],
        methods: &[Method::Invite],
        bodies: &["application/sdp"],
    };
    let _ = message.refusal(&able);
    if let Some(location) = Geolocation::read(message) {
        parts(message, &location);
    }
    let _ = (message.expires(), message.rack(), message.retry_after(), message.content_type());
    for via in message.vias().flatten() {
        let _ = (via.rport(), via.received(), via.same_sent_by(&via));
    }
    for contact in message.contacts().flatten() {
        let Some(address) = contact.address() else { continue };
        let _ = (address.q(), address.expires(), address.display_name());
        if let Ok(uri) = address.uri() {
            assert!(uri.equivalent(&uri));
        }
    }
    for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
        for credentials in message.authorizations(name).flatten() {
            let _ = verify(&credentials, "REGISTER", Secret::Password("x"));
        }
    }
    for challenge in message.challenges(HeaderName::WwwAuthenticate).flatten() {
        let answer = respond(&challenge, "user", "secret", "REGISTER", "sip:example.com", "cn", 1);
        assert!(verify(&answer, "REGISTER", Secret::Password("secret")));
    }
    edit(message.clone());
}

/// What an INVITE carries beside its session goes on unchanged, whatever it is.
fn parts(message: &Message, location: &Geolocation) {
    assert!(location.document.len() <= LOCATION_BYTES_MAX);
    let (headers, part) = location.attach("1@node.example".to_owned());
    let session = BodyPart { content_type: "application/sdp".into(), content_id: None, content: "v=0".into() };
    let (content_type, body) = mixed(&[session, part]);
    let mut next = message.clone();
    next.remove(&GEOLOCATION);
    next.remove(&GEOLOCATION_ROUTING);
    next.set_body(&content_type, body);
    for (name, value) in headers {
        next.append(&name, value);
    }
    assert_eq!(Geolocation::read(&next).as_ref(), Some(location));
}

fn edit(mut message: Message) {
    message.push_front(&HeaderName::Via, "SIP/2.0/UDP proxy.example;branch=z9hG4bK1");
    message.set(&HeaderName::MaxForwards, 69);
    message.set_request_uri("sip:next@example.com");
    message.add_to_tag("t");
    reread(&message);
    assert!(message.remove_first_value(&HeaderName::Via));
    message.set_body("text/plain", "hello");
    reread(&message);
    while message.remove_first_value(&HeaderName::Contact) {}
    assert_eq!(message.contacts().count(), 0);
}

fn reread(message: &Message) {
    let bytes = message.to_bytes();
    match Message::parse(bytes.clone()) {
        Ok(again) => {
            assert_eq!(&again, message);
            assert_eq!(again.to_bytes(), bytes);
        }
        // Edits may push a message over a limit; nothing else may make it unreadable.
        Err(error) => assert!(is_limit(&error.kind), "{error}"),
    }
}

fn is_limit(kind: &sip::ParseErrorKind) -> bool {
    use sip::ParseErrorKind::{HeadTooLong, LineTooLong, MessageTooLong, TooManyHeaders};
    matches!(kind, HeadTooLong | LineTooLong | MessageTooLong | TooManyHeaders)
}
