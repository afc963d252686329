//! Messages of a hostile party (`simnet::hostile`): the same for the same seed, and readable for everybody where declared so.

use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;
use simnet::hostile::{Deviation, Dice, Draft, Party, Place, Role, Validity};
use sip::Message;

fn place() -> Place {
    Place {
        sent_by: "192.0.2.2:5060".to_owned(),
        edge: "192.0.2.1".to_owned(),
        user: "stranger".to_owned(),
        call_ids: "hostile-".to_owned(),
        audio_port: 4_000,
    }
}

#[test]
fn what_keeps_a_message_valid_is_read() {
    let mut unread = Vec::new();
    for deviation in Deviation::all().filter(|it| it.validity == Validity::Kept) {
        for seed in 0..20 {
            let mut dice = Dice::new(seed);
            let place = place();
            let mut draft = Draft::new("INVITE sip:9000@192.0.2.1 SIP/2.0")
                .with("Via", "SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK1")
                .with("Max-Forwards", "70")
                .with("From", "<sip:stranger@192.0.2.2>;tag=1")
                .with("To", "<sip:9000@192.0.2.1>")
                .with("Call-ID", "1")
                .with("CSeq", "1 INVITE")
                .with("Contact", "<sip:stranger@192.0.2.2>")
                .with_body("application/sdp", "v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
            deviation.apply(&mut draft, &mut dice, &place);
            let text = draft.text();
            let head = text.len() - draft.body.len();
            let too_long = head > sip::limits::HEAD_MAX
                || text.len() > sip::limits::MESSAGE_MAX
                || text.split("\r\n").any(|line| line.len() > sip::limits::LINE_MAX)
                || draft.headers.len() > sip::limits::HEADERS_MAX - 2;
            let read = Message::parse(Bytes::from(text.clone()));
            let fault = read.as_ref().map(|message| message.fault().map(|fault| format!("{fault:?}")));
            if !too_long && !matches!(fault, Ok(None)) {
                unread.push(format!("{}, seed {seed}: {fault:?}\n{:.1500}", deviation.name, text));
            }
        }
    }
    assert!(unread.is_empty(), "{}", unread.join("\n\n"));
}

#[test]
fn equal_seeds_say_the_same() {
    let said = |seed| {
        let now = Timestamp::from_millis(1);
        let mut party = Party::new(seed, Role::Caller("9000".to_owned()), place(), now);
        party.handle_timeout(now + Duration::from_secs(60));
        std::iter::from_fn(|| party.poll_transmit()).collect::<Vec<_>>()
    };
    assert!((0..50).all(|seed| said(seed) == said(seed)));
    assert_ne!(said(1), said(2));
}
