//! Times the message layer: `cargo bench -p trunkline-sip --bench parse`.
//!
//! Each figure is the best of several rounds in nanoseconds per message: on a shared machine only the best one reflects the
//! code.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark reads the clock and prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sip::{HeaderName, Message, StatusCode, Uri};

const INVITE: &str = "\
INVITE sip:7101@pbx.example.com:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-524287-1---7b9f3c2e5d1a4f60;rport\r\n\
Max-Forwards: 70\r\n\
Contact: <sip:1000@192.0.2.10:5060;transport=udp>\r\n\
To: \"Sales\" <sip:7101@pbx.example.com>\r\n\
From: \"Alice Example\" <sip:1000@pbx.example.com>;tag=9f2c41d7\r\n\
Call-ID: 84712ZjY2YjM0ODQ3YzFhMmE0NTg2ZmE3OTk0YzYwMmE@192.0.2.10\r\n\
CSeq: 1 INVITE\r\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, REFER, NOTIFY, UPDATE\r\n\
Supported: replaces, timer, path\r\n\
User-Agent: Example Phone 3.2\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 264\r\n\
\r\n\
v=0\r\n\
o=- 1732089600 1 IN IP4 192.0.2.10\r\n\
s=call\r\n\
c=IN IP4 192.0.2.10\r\n\
t=0 0\r\n\
m=audio 49170 RTP/AVP 8 0 9 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=sendrecv\r\n\
a=ptime:20\r\n\
a=rtcp:49171\r\n";

const ROUNDS: usize = 400;
/// Short enough to fit between two interruptions.
const ROUND: Duration = Duration::from_millis(1);

fn main() {
    let body = INVITE.find("\r\n\r\n").map_or(0, |at| INVITE.len() - at - 4);
    let text = INVITE.replace("Content-Length: 264", &format!("Content-Length: {body}"));
    let bytes = Bytes::from(text);
    let Ok(message) = Message::parse(bytes.clone()) else { return };
    println!("INVITE of {} bytes; a Message is {} bytes", bytes.len(), size_of::<Message>());
    report("parse alone", || {
        black_box(Message::parse(black_box(bytes.clone())).is_ok());
    });
    report("parse + From To Via CSeq Call-ID Contact typed", || {
        if let Ok(message) = Message::parse(black_box(bytes.clone())) {
            black_box(typed(&message));
        }
    });
    report("typed access alone", || {
        black_box(typed(black_box(&message)));
    });
    report("every check of fault()", || {
        black_box(black_box(&message).fault());
    });
    report("proxy hop: parse, check, Via, Record-Route, Max-Forwards, write", || {
        if let Ok(mut message) = Message::parse(black_box(bytes.clone())) {
            black_box(message.fault());
            hop(&mut message);
            black_box(message.to_bytes());
        }
    });
    report("response built", || {
        black_box(Message::response_to(black_box(&message), StatusCode::RINGING).to_tag("abc").build());
    });
    report("request URI taken apart", || {
        black_box(Uri::parse(black_box("sip:7101@pbx.example.com:5060;transport=udp")).is_ok());
    });
}

fn typed(message: &Message) -> Option<usize> {
    let from = message.from().ok()?;
    let to = message.to().ok()?;
    let via = message.top_via().ok()?;
    let cseq = message.cseq().ok()?;
    let contact = *message.contacts().next()?.ok()?.address()?;
    Some(
        from.tag()?.len()
            + to.raw_uri().len()
            + via.branch()?.len()
            + cseq.number as usize
            + message.call_id().ok()?.len()
            + contact.raw_uri().len(),
    )
}

fn hop(message: &mut Message) {
    let left = message.max_forwards().ok().flatten().unwrap_or(70).saturating_sub(1);
    message.set(&HeaderName::MaxForwards, left);
    message.push_front(&HeaderName::RecordRoute, "<sip:flow@proxy.example.com:5060;lr>");
    message.push_front(&HeaderName::Via, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabcdef0123456789");
}

fn report(name: &str, mut work: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let mut count = 0_u32;
        let start = Instant::now();
        while start.elapsed() < ROUND {
            for _ in 0..100 {
                work();
            }
            count += 100;
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(count));
    }
    println!("{best:8.0} ns  {name}");
}
