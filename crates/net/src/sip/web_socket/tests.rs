use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::forwarded_for::FORWARDERS_MAX;

const OPENING: &str = "GET /sip HTTP/1.1\r\nHost: edge.example\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn opening(protocols: &str) -> String {
    format!("{OPENING}Sec-WebSocket-Protocol: {protocols}\r\n\r\n")
}

fn opened() -> WebSocketSession {
    let mut session = WebSocketSession::new();
    assert_eq!(session.receive(opening("sip").as_bytes()), WholeInput::Message);
    assert!(!session.is_opening());
    session.take_output().expect("the answer");
    session
}

/// A frame as a client sends it.
fn from_client(frame: Frame) -> Vec<u8> {
    let (mut frame, mut bytes) = (frame, Vec::new());
    frame.header_mut().mask = Some([7, 1, 9, 4]);
    frame.format(&mut bytes).unwrap();
    bytes
}

fn text(text: &str) -> Vec<u8> {
    from_client(Frame::message(text.to_owned(), OpCode::Data(Data::Text), true))
}

/// The code and the reason of a close.
fn close_in(output: &[u8]) -> (u16, String) {
    let mut cursor = Cursor::new(output);
    let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
    assert_eq!(header.opcode, OpCode::Control(tungstenite::protocol::frame::coding::Control::Close));
    let payload = &output[usize::try_from(cursor.position()).unwrap()..][..usize::try_from(length).unwrap()];
    (u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8_lossy(&payload[2..]).into_owned())
}

#[test]
fn an_opening_is_answered_with_the_subprotocol() {
    let mut session = WebSocketSession::new();
    let request = opening("chat, sip");
    let (first, rest) = request.as_bytes().split_at(30);
    assert_eq!(session.receive(first), WholeInput::Nothing);
    assert!(session.is_opening() && session.take_output().is_none());
    assert_eq!(session.receive(rest), WholeInput::Message);
    let answer = String::from_utf8(session.take_output().unwrap().to_vec()).unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("sec-websocket-accept: s3ppl"), "{answer}");
    assert!(answer.contains("sec-websocket-protocol: sip\r\n"), "{answer}");
    assert_eq!(session.more(), More::MayCome);
}

#[test]
fn what_asks_for_no_sip_is_told_why() {
    for (request, status) in [
        (format!("{OPENING}\r\n"), "400 "),
        (opening("chat"), "400 "),
        (opening("SIP"), "400 "),
        (opening("sip").replace("Version: 13", "Version: 8"), "426 "),
        ("GET / HTTP/1.1\r\nHost: edge.example\r\n\r\n".to_owned(), "426 "),
        ("POST / HTTP/1.1\r\nHost: edge.example\r\n\r\n".to_owned(), "426 "),
        ("OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c\r\n\r\n".to_owned(), "426 "),
        (format!("{OPENING}Cookie: {}", "x".repeat(OPENING_MAX)), "431 "),
    ] {
        let mut session = WebSocketSession::new();
        session.receive(request.as_bytes());
        assert_eq!(session.more(), More::Broken, "{status}");
        let answer = String::from_utf8(session.take_output().unwrap().to_vec()).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(answer.contains(&format!("Content-Length: {}\r\n", body.len())), "{answer}");
    }
}

#[test]
fn who_looks_whether_anybody_is_here_is_answered_and_has_done_nothing_wrong() {
    let mut session = WebSocketSession::new();
    session.receive(b"GET /live HTTP/1.1\r\nHost: 127.0.14.1:5071\r\n\r\n");
    assert!(!session.is_opening());
    assert_eq!(session.more(), More::No);
    let answer = String::from_utf8(session.take_output().unwrap().to_vec()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("Connection: close\r\n"), "{answer}");
    let mut session = WebSocketSession::new();
    session.receive(opening("sip").replacen("/sip", "/live", 1).as_bytes());
    assert_eq!(session.more(), More::MayCome, "a phone that asks there for a WebSocket has one");
}

#[test]
fn pings_and_a_close_are_answered() {
    let mut session = opened();
    assert_eq!(session.receive(&from_client(Frame::ping("are you there"))), WholeInput::Control);
    assert!(session.take_output().unwrap().ends_with(b"are you there"));
    assert!(session.next().is_none());
    assert_eq!(session.receive(&from_client(Frame::close(None))), WholeInput::Control);
    assert!(session.take_output().is_some());
    assert_eq!(session.more(), More::No);
}

#[test]
fn a_breach_of_the_protocol_ends_it_with_a_reason() {
    let mut unmasked = Vec::new();
    Frame::message("x", OpCode::Data(Data::Text), true).format(&mut unmasked).unwrap();
    let no_text = from_client(Frame::message(vec![0xFF_u8, 0xFE], OpCode::Data(Data::Text), true));
    for (input, code) in [(unmasked, 1002), (no_text, 1007), (text(&"x".repeat(MESSAGE_MAX + 1)), 1009)] {
        let mut session = opened();
        session.receive(&text("before"));
        session.receive(&input);
        assert_eq!(session.next().unwrap(), "before");
        assert_eq!(session.more(), More::Broken);
        let (said, reason) = close_in(&session.take_output().unwrap());
        assert_eq!(said, code);
        assert!(!reason.is_empty());
    }
}

#[test]
fn what_is_no_text_goes_as_binary() {
    assert_eq!(framed(&Bytes::from_static(b"SIP/2.0 200 OK"))[0], 0x81);
    assert_eq!(framed(&Bytes::from_static(b"From: \"J\xFCrgen\" <sip:a@b>"))[0], 0x82);
}

#[test]
fn who_was_forwarded_is_told_the_nearest_first() {
    let forwarded = |lines: &str| {
        let mut session = WebSocketSession::new();
        let request = opening("sip").replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
        session.receive(request.as_bytes());
        session.take_forwarded_for().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(forwarded(""), Vec::<String>::new());
    assert_eq!(forwarded("X-Forwarded-For: 203.0.113.7\r\n"), ["203.0.113.7"]);
    let two = "x-forwarded-for: 198.51.100.1, 203.0.113.7:41000\r\nX-Forwarded-For: [2001:db8::7]\r\n";
    assert_eq!(forwarded(two), ["2001:db8::7", "203.0.113.7", "198.51.100.1"]);
    assert_eq!(forwarded("X-Forwarded-For: ::ffff:203.0.113.7\r\n"), ["203.0.113.7"]);
    // What stands before something that nobody can read says nothing.
    assert_eq!(forwarded("X-Forwarded-For: 198.51.100.1, unknown, 203.0.113.7\r\n"), ["203.0.113.7"]);
    let many = (0..40).map(|n| format!("192.0.2.{n}")).collect::<Vec<_>>().join(",");
    assert_eq!(forwarded(&format!("X-Forwarded-For: {many}\r\n")).len(), FORWARDERS_MAX);
}

#[test]
fn what_stands_behind_the_path_of_the_opening_is_told_once() {
    let mut session = WebSocketSession::new();
    session.receive(opening("sip").replacen("/sip", "/phone?ticket=abc&flow=1", 1).as_bytes());
    assert_eq!((&*session.take_query(), &*session.take_query()), ("ticket=abc&flow=1", ""));
}

proptest! {
    #[test]
    fn input_means_the_same_however_it_is_cut(
        messages in prop::collection::vec("[a-z\r\n]{0,300}", 1..5),
        cuts in prop::collection::vec(1_usize..40, 1..60),
    ) {
        let mut input = opening("sip").into_bytes();
        messages.iter().for_each(|message| input.extend(text(message)));
        let (mut session, mut got) = (WebSocketSession::new(), Vec::new());
        let (mut rest, mut cuts) = (&input[..], cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (part, after) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            session.receive(part);
            got.extend(std::iter::from_fn(|| session.next()));
            rest = after;
        }
        prop_assert_eq!(got, messages);
        prop_assert_eq!(session.more(), More::MayCome);
    }

    #[test]
    fn no_input_panics(input in prop::collection::vec(any::<u8>(), 0..300), is_open in any::<bool>()) {
        let mut session = if is_open { opened() } else { WebSocketSession::new() };
        session.receive(&input);
        session.receive(&input);
    }
}
