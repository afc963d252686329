use super::*;

fn message(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.replace('\n', "\r\n").as_bytes())).unwrap()
}

const REQUEST: &str = "OPTIONS sip:a@example.com SIP/2.0\nv: SIP/2.0/UDP one.example;branch=z9hG4bK1 ,\n SIP/2.0/UDP two.example;branch=z9hG4bK2\nX-Odd:  kept \nf: <sip:b@example.com>;tag=1\nt: <sip:a@example.com>\ni: abc\nCSeq: 1 OPTIONS\nl: 3\n\nabc";

fn wire(message: &Message) -> String {
    String::from_utf8(message.to_bytes().to_vec()).unwrap().replace("\r\n", "\n")
}

#[test]
fn untouched_headers_go_out_byte_for_byte() {
    let mut m = message(REQUEST);
    assert_eq!(wire(&m), REQUEST);
    m.push_front(&HeaderName::Via, "SIP/2.0/TCP me.example;branch=z9hG4bK0");
    let expected = REQUEST.replace("\nv:", "\nVia: SIP/2.0/TCP me.example;branch=z9hG4bK0\nv:");
    assert_eq!(wire(&m), expected);
}

#[test]
fn first_value_of_a_list_is_removed_alone() {
    let mut m = message(REQUEST);
    assert!(m.remove_first_value(&HeaderName::Via));
    assert_eq!(m.header(&HeaderName::Via), Some("SIP/2.0/UDP two.example;branch=z9hG4bK2"));
    assert!(m.remove_first_value(&HeaderName::Via));
    assert!(!m.remove_first_value(&HeaderName::Via));
    assert_eq!(m.header(&HeaderName::Via), None);
}

#[test]
fn line_ends_in_values_cannot_make_headers() {
    let mut m = message(REQUEST);
    m.set(&HeaderName::other("X-Odd"), "a\r\nEvil: yes");
    assert_eq!(m.header(&HeaderName::other("Evil")), None);
    assert_eq!(m.header(&HeaderName::other("x-odd")), Some("a  Evil: yes"));
    assert_eq!(Message::parse(m.to_bytes()).unwrap(), m);
}

#[test]
fn body_and_uri_are_replaced() {
    let mut m = message(REQUEST);
    m.set_request_uri("sip:c@example.com");
    m.set_body("text/plain", "hello");
    let again = Message::parse(m.to_bytes()).unwrap();
    assert_eq!(again.request_uri(), Some("sip:c@example.com"));
    assert_eq!(again.body(), b"hello");
    assert_eq!(again.header(&HeaderName::ContentLength), Some("5"));
}

#[test]
fn response_takes_over_what_it_must() {
    let m = message(REQUEST);
    let response = Message::response_to(&m, StatusCode::OK).to_tag("xyz").build();
    assert_eq!(response.to().unwrap().tag(), Some("xyz"));
    assert_eq!(response.vias().count(), 2);
    assert_eq!(response.call_id().unwrap(), "abc");
    assert_eq!(response.method(), Method::Options);
    assert_eq!(Message::parse(response.to_bytes()).unwrap(), response);
    assert_eq!(response.header(&HeaderName::other("X-Odd")), None);
}
