//! Rescues the part of a message beyond a limit that a response needs.

use bytes::{Bytes, BytesMut};

use super::Message;
use super::read::{Framing, read};
use crate::limits::{HEADERS_MAX, LINE_MAX};
use crate::message::{ParseError, ParseErrorKind};

/// The headers copied into a response (RFC 3261 §8.2.6.2), long and compact.
const NEEDED: [&str; 9] = ["via", "v", "from", "f", "to", "t", "call-id", "i", "cseq"];

/// Reads one message. One that breaks a limit of its head is refused without reading it all, but answered if its sender can be determined.
pub(crate) fn read_or_rescue(bytes: &Bytes, framing: Framing) -> Result<Message, ParseError> {
    use ParseErrorKind::{HeadTooLong, LineTooLong, TooManyHeaders};
    read(bytes, framing).map_err(|error| match error.kind {
        HeadTooLong | LineTooLong | TooManyHeaders => {
            let skipped = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            ParseError { partial: rescue(bytes.get(skipped..).unwrap_or_default()), ..error }
        }
        _ => error,
    })
}

/// The request reduced to the headers of a response, if these bytes contain them whole.
pub(crate) fn rescue(bytes: &[u8]) -> Option<Box<Message>> {
    let mut lines = bytes.split(|b| *b == b'\n');
    let start = lines.next()?;
    let mut kept = BytesMut::with_capacity(1_024);
    let mut keep = |line: &[u8]| {
        kept.extend_from_slice(line);
        kept.extend_from_slice(b"\n");
    };
    if start.len() > LINE_MAX {
        return None;
    }
    keep(start);
    lines.take_while(|line| *line != b"\r").filter(|line| is_needed(line)).take(HEADERS_MAX).for_each(keep);
    kept.extend_from_slice(b"\r\n");
    let message = read(&Bytes::from(kept), Framing::Datagram).ok()?;
    message.is_answerable().then(|| Box::new(message))
}

fn is_needed(line: &[u8]) -> bool {
    let name = line.split(|b| *b == b':').next().unwrap_or_default().trim_ascii_end();
    line.len() <= LINE_MAX && NEEDED.iter().any(|needed| name.eq_ignore_ascii_case(needed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFILLf: <sip:x@y>;tag=1\r\n\
                        t: <sip:a@b>\r\nCall-ID: z\r\nCSeq: 1 OPTIONS\r\n\r\n";

    fn refused(fill: &str) -> (ParseErrorKind, Option<u16>) {
        let error = Message::parse(Bytes::from(HEAD.replace("FILL", fill))).unwrap_err();
        let status = error.response().and_then(|response| response.status()).map(|status| status.0);
        (error.kind, status)
    }

    #[test]
    fn what_breaks_a_bound_is_answered_where_the_rest_can_be_read() {
        let line = format!("X: {}\r\n", "x".repeat(LINE_MAX));
        assert_eq!(refused(&line), (ParseErrorKind::LineTooLong, Some(400)));
        assert_eq!(refused(&"X: y\r\n".repeat(HEADERS_MAX)), (ParseErrorKind::TooManyHeaders, Some(400)));
        let long = format!("X: {}\r\n", "x".repeat(LINE_MAX - 100)).repeat(4);
        assert_eq!(refused(&long), (ParseErrorKind::HeadTooLong, Some(513)));
    }

    #[test]
    fn what_lacks_a_header_or_is_no_request_is_not_answered() {
        assert!(rescue(HEAD.replace("Call-ID: z\r\n", "").replace("FILL", "").as_bytes()).is_none());
        assert!(
            rescue(HEAD.replace("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 200 OK").replace("FILL", "").as_bytes()).is_none()
        );
        assert!(rescue(b"").is_none());
        assert!(rescue(&[0xff; 70_000]).is_none());
    }
}
