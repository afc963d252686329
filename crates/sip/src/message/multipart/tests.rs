use super::*;

fn message(headers: &str, body: &str) -> Message {
    let text = format!("INVITE sip:a@b SIP/2.0\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    Message::parse(Bytes::from(text)).unwrap().unpacked()
}

fn mixed(isup: &str) -> Message {
    let body = format!(
        "preamble\r\n--x1\r\nContent-Type: application/ISUP;version=itu-t92+\r\n{isup}\r\n\u{1}\u{2}--x1\r\n--x1\r\n\
             c: application/sdp\r\n\r\nv=0\r\n--x1--\r\nepilogue"
    );
    message("Content-Type: multipart/mixed;boundary=\"x1\"\r\n", &body)
}

#[test]
fn a_session_description_among_other_parts_is_the_body() {
    for isup in ["", "Content-Disposition: signal; handling=optional\r\n"] {
        let message = mixed(isup);
        assert_eq!(message.body(), b"v=0");
        assert!(message.content_type().unwrap().unwrap().is("application", "sdp"));
        assert_eq!(message.content_length(), Ok(Some(3)));
    }
}

#[test]
fn a_part_that_must_be_understood_leaves_the_message_as_it_is() {
    let message = mixed("Content-Disposition: signal;handling=required\r\n");
    assert!(message.content_type().unwrap().unwrap().is("multipart", "mixed"));
}

#[test]
fn a_location_that_must_be_understood_keeps_no_call_from_being_taken() {
    let body = "--x1\r\nContent-Type: application/pidf+xml\r\nContent-Disposition: by-reference;handling=required\r\n\r\n<presence/>\r\n\
                --x1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x1--";
    assert_eq!(message("Content-Type: multipart/mixed;boundary=x1\r\n", body).body(), b"v=0");
}

#[test]
fn a_body_that_may_be_ignored_is() {
    let headers = "Content-Type: text/plain\r\nContent-Disposition: render; handling=optional\r\n";
    let optional = message(headers, "hello");
    assert_eq!((optional.body(), optional.header(&HeaderName::ContentType)), (&b""[..], None));
    assert_eq!(message("Content-Type: text/plain\r\n", "hello").body(), b"hello");
}

#[test]
fn broken_parts_hurt_nobody() {
    for (boundary, body) in [("", "--\r\n--"), ("b", "--b"), ("b", "--b\r\n--b"), ("b", "--b--"), ("b", "\n--b\n\n--b")]
    {
        let message = message(&format!("Content-Type: multipart/mixed;boundary=\"{boundary}\"\r\n"), body);
        assert_eq!(message.body(), body.as_bytes());
    }
}
