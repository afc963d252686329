use super::*;

fn kind(text: &str) -> ParseErrorKind {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap_err().kind
}

fn with_headers(headers: &str) -> String {
    format!("OPTIONS sip:a@example.com SIP/2.0\r\n{headers}\r\n")
}

#[test]
fn each_limit_has_its_own_error() {
    let many = "A: b\r\n".repeat(HEADERS_MAX + 1);
    assert_eq!(kind(&with_headers(&many)), ParseErrorKind::TooManyHeaders);
    let long = format!("A: {}\r\n", "b".repeat(LINE_MAX));
    assert_eq!(kind(&with_headers(&long)), ParseErrorKind::LineTooLong);
    let folded = format!("A: b\r\n{}", " c\r\n".repeat(LINE_MAX / 4));
    assert_eq!(kind(&with_headers(&folded)), ParseErrorKind::LineTooLong);
    let head = format!("A: {}\r\n", "b".repeat(LINE_MAX - 100)).repeat(4);
    assert_eq!(kind(&with_headers(&head)), ParseErrorKind::HeadTooLong);
    let body = "x".repeat(MESSAGE_MAX);
    assert_eq!(kind(&(with_headers("") + &body)), ParseErrorKind::MessageTooLong);
}

#[test]
fn broken_lines_are_told_apart() {
    assert_eq!(kind("\r\n\r\n"), ParseErrorKind::Empty);
    assert_eq!(kind("\n"), ParseErrorKind::Empty);
    assert_eq!(kind("OPTIONS sip:a SIP/2.0\r\nA: b\r\n"), ParseErrorKind::NoEnd);
    assert_eq!(kind("OPTIONS sip:a SIP/2.0\nA: b\n\n"), ParseErrorKind::NotText);
    assert_eq!(kind(&with_headers("A: b\rc\r\n")), ParseErrorKind::NotText);
    assert_eq!(kind(&with_headers("A: b\r\nno colon\r\n")), ParseErrorKind::HeaderLine(2));
    assert_eq!(kind("hello\r\n\r\n"), ParseErrorKind::StartLine);
    assert_eq!(kind("SIP/2.0 99 Low\r\n\r\n"), ParseErrorKind::StartLine);
    assert_eq!(kind("SIP/3.0 200 OK\r\n\r\n"), ParseErrorKind::Version);
    let latin = Bytes::from_static(b"OPTIONS sip:\xe4 SIP/2.0\r\nA: b\r\n\r\n");
    assert_eq!(Message::parse(latin).unwrap_err().kind, ParseErrorKind::NotText);
}

#[test]
fn a_value_in_latin_1_is_read_as_that_and_goes_on_as_it_came() {
    let text = b"SIP/2.0 486 Besch\xe4ftigt\r\nFrom: \"M\xfcller\" <sip:a@b>;tag=1\r\nSubject: \xfc\r\n \xe4\r\nVia: x\r\n\r\n";
    let message = Message::parse(Bytes::from_static(text)).unwrap();
    assert_eq!(message.from().unwrap().display_name(), "M\u{fc}ller");
    assert_eq!(message.header(&HeaderName::Subject), Some("\u{fc} \u{e4}"));
    assert_eq!(message.header(&HeaderName::Via), Some("x"));
    assert_eq!(message.status(), Some(StatusCode(486)));
    assert_eq!(&message.to_bytes()[..], text);
}

#[test]
fn line_ends_before_a_datagram_and_bytes_behind_its_body_are_ignored() {
    let text = format!("\r\n\r\n{}abcdef", with_headers("l: 3\r\n"));
    let message = Message::parse(Bytes::from(text)).unwrap();
    assert_eq!(message.body(), b"abc");
    assert!(message.to_bytes().ends_with(b"\r\n\r\nabc"));
}

#[test]
fn without_a_length_the_rest_of_the_datagram_is_the_body() {
    let message = Message::parse(Bytes::from(with_headers("") + "abc")).unwrap();
    assert_eq!(message.body(), b"abc");
}
