use proptest::prelude::*;

use super::*;

fn part(content_type: &'static str, content_id: Option<&str>, content: impl Into<Bytes>) -> BodyPart {
    let content_id = content_id.map(str::to_owned);
    BodyPart { content_type: Cow::Borrowed(content_type), content_id, content: content.into() }
}

/// Reads a body by its own Content-Type.
fn reread(content_type: &str, body: &Bytes) -> Vec<Part> {
    let kind = MediaType::parse(content_type).expect("a type");
    parts(body, &boundary(&kind).expect("a boundary"))
}

#[test]
fn what_was_put_together_is_taken_apart() {
    let (content_type, body) =
        mixed(&[part("application/sdp", None, "v=0\r\n"), part("application/pidf+xml", Some("a@b"), "<presence/>")]);
    assert_eq!(content_type, "multipart/mixed;boundary=trunkline-part-1-end");
    assert_eq!(
        body,
        "--trunkline-part-1-end\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--trunkline-part-1-end\r\n\
         Content-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n\r\n<presence/>\r\n--trunkline-part-1-end--\r\n"
    );
    let read = reread(&content_type, &body);
    assert_eq!((read[0].is("application", "sdp"), &*read[0].content), (true, &b"v=0\r\n"[..]));
    assert_eq!(read[1].header("content-id", "content-id"), Some("<a@b>"));
    assert_eq!(read[1].content, "<presence/>");
}

#[test]
fn what_stands_around_the_parts_is_ignored() {
    let body = Bytes::from_static(
        b"preamble\r\n--b\r\n\r\none\r\n--bc\r\nstill one\r\n--b  \r\nc: text/plain\r\n\r\ntwo\r\n--b--\r\nepilogue\r\n--b\r\n\r\nthree\r\n--b--",
    );
    let read = parts(&body, "b");
    let contents: Vec<&[u8]> = read.iter().map(|part| &*part.content).collect();
    assert_eq!(contents, [&b"one\r\n--bc\r\nstill one"[..], b"two"]);
    assert!(read[1].is("Text", "Plain"), "by its compact name");
}

#[test]
fn a_header_of_a_part_may_go_over_several_lines() {
    let body = Bytes::from_static(
        b"--b\r\nContent-Type:\r\n application/pidf+xml;\r\n\tcharset=utf-8\r\nContent-ID:\r\n <a@b>\r\n\r\n<a>\r\n b</a>\r\n--b--",
    );
    let read = parts(&body, "b");
    assert!(read[0].is("application", "pidf+xml"));
    assert_eq!(read[0].header("Content-ID", "Content-ID"), Some("<a@b>"));
    assert_eq!(read[0].content, "<a>\r\n b</a>", "what it holds stays as it came");
}

#[test]
fn what_a_part_holds_is_in_no_log() {
    let (_, body) = mixed(&[part("text/plain", None, "Main Street 7")]);
    let shown = format!("{:?} {:?}", part("text/plain", None, "Main Street 7"), parts(&body, "trunkline-part-1-end"));
    assert_eq!(shown, "BodyPart(text/plain, 13 bytes) [Part(13 bytes)]");
}

#[test]
fn more_parts_than_the_most_are_not_read() {
    let body = Bytes::from("--b\r\n\r\nx\r\n".repeat(100) + "--b--");
    assert_eq!(parts(&body, "b").len(), PARTS_MAX);
}

#[test]
fn a_multipart_within_is_one_part() {
    let body = Bytes::from_static(
        b"--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\nc: application/sdp\r\n\r\nv=0\r\n--i--\r\n--o--",
    );
    let read = parts(&body, "o");
    assert_eq!((read.len(), read[0].is("application", "sdp")), (1, false));
}

#[test]
fn a_boundary_that_is_none_is_refused() {
    let of = |content_type: &str| boundary(&MediaType::parse(content_type).expect("a type"));
    assert_eq!(of("multipart/mixed;boundary=\"a b\"").as_deref(), Some("a b"));
    for none in ["multipart/mixed", "multipart/mixed;boundary=\"\"", "text/plain;boundary=a"] {
        assert_eq!(of(none), None, "{none}");
    }
    assert_eq!(of(&format!("multipart/mixed;boundary={}", "x".repeat(71))), None);
}

proptest! {
    /// No part can end the body before its end, whatever whoever has written it knows of us.
    #[test]
    fn any_content_comes_out_as_it_went_in(
        contents in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                Just(b"x\r\n--trunkline-part-1-end--\r\ny".to_vec()),
                Just(b"--trunkline-part-1-end\r\n--trunkline-part-2-end".to_vec()),
            ],
            1..PARTS_MAX,
        ),
    ) {
        let written: Vec<BodyPart> = contents.iter().map(|content| part("a/b", None, content.clone())).collect();
        let (content_type, body) = mixed(&written);
        let read = reread(&content_type, &body);
        prop_assert_eq!(read.len(), contents.len());
        for (read, content) in read.iter().zip(&contents) {
            prop_assert_eq!(&*read.content, &**content);
            prop_assert!(read.is("a", "b"));
        }
    }

    #[test]
    fn any_body_is_read_within_bounds(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("--b".to_owned()), Just("--".to_owned()), Just("\r\n".to_owned()), Just("\n".to_owned()),
                Just("Content-Type: application/sdp".to_owned()), ".{0,9}",
            ],
            0..60,
        ),
    ) {
        let body = Bytes::from(pieces.concat());
        let read = parts(&body, "b");
        prop_assert!(read.len() <= PARTS_MAX);
        let sum: usize = read.iter().map(|part| part.head.len() + part.content.len()).sum();
        prop_assert!(sum <= body.len());
    }
}
