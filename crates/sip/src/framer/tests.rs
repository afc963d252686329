use super::*;

const MESSAGE: &[u8] = b"MESSAGE sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/TCP h.example;branch=z9hG4bK1\r\nFrom: <sip:b@example.com>;tag=1\r\nTo: <sip:a@example.com>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nl :\r\n 5\r\n\r\nhello";

fn frames(framer: &mut Framer) -> Vec<Result<Frame, FrameError>> {
    std::iter::from_fn(|| framer.next()).collect()
}

#[test]
fn messages_and_pings_are_cut_wherever_the_pieces_end() {
    let stream = [b"\r\n\r\n".as_slice(), MESSAGE, b"\r\n", MESSAGE, b"\r\n\r\n", MESSAGE].concat();
    for size in 1..stream.len() {
        let mut framer = Framer::new();
        let mut kinds = String::new();
        for piece in stream.chunks(size) {
            framer.push(piece);
            for frame in frames(&mut framer) {
                match frame.unwrap() {
                    Frame::Message(m) => {
                        assert_eq!(m.body(), b"hello");
                        kinds.push('m');
                    }
                    Frame::KeepAlive => kinds.push('k'),
                }
            }
        }
        assert_eq!(kinds, "kmmkm", "pieces of {size}");
        assert!(framer.is_empty());
    }
}

#[test]
fn a_message_that_is_kept_does_not_keep_the_buffer() {
    let mut framer = Framer::new();
    framer.push(&[MESSAGE, MESSAGE].concat());
    let kept = frames(&mut framer);
    assert_eq!(kept.len(), 2);
    assert!(framer.buffer.try_reclaim(2 * MESSAGE.len()), "nobody else uses it");
}

#[test]
fn message_without_length_is_answered_and_ends_the_stream() {
    let text = String::from_utf8(MESSAGE.to_vec()).unwrap().replace("l :\r\n 5\r\n", "");
    let mut framer = Framer::new();
    framer.push(text.as_bytes());
    let error = framer.next().unwrap().unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::NoContentLength);
    assert_eq!(error.response().unwrap().status().unwrap().0, 400);
    assert!(framer.is_broken());
}

#[test]
fn malformed_message_with_a_length_leaves_the_stream_in_step() {
    let bad = String::from_utf8(MESSAGE.to_vec()).unwrap().replace("To: ", "To\u{20}sip\r\nTo: ");
    let mut framer = Framer::new();
    framer.push(bad.as_bytes());
    framer.push(MESSAGE);
    assert!(framer.next().unwrap().is_err());
    assert!(!framer.is_broken());
    assert!(framer.next().unwrap().is_ok());
}

#[test]
fn endless_head_and_huge_body_are_refused() {
    let mut framer = Framer::new();
    let mut refused = false;
    for _ in 0..100 {
        framer.push(&[b'a'; 1_000]);
        refused |= framer.next().is_some_and(|f| f.is_err());
    }
    assert!(refused && framer.is_broken() && framer.is_empty());
    let huge = String::from_utf8(MESSAGE.to_vec()).unwrap().replace(" 5", " 70000");
    let mut framer = Framer::new();
    framer.push(huge.as_bytes());
    assert_eq!(framer.next().unwrap().unwrap_err().kind, ParseErrorKind::MessageTooLong);
}
