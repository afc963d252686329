//! Packets at an open port: RTP, telephone events and RTCP, into a session that collects digits and relays.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use media::codec::OpusTerms;
use media::g711::Law;
use media::rtp::PACKET_BYTES_MAX;
use media::sdp::{AudioStream, Direction, PayloadTypes};
use media::session::{Collect, Session, Setup, Treatment};
use model::Timestamp;

fuzz_target!(|data: &[u8]| {
    let mut now = Timestamp::from_millis(1_700_000_000_000);
    let quiet_after = Duration::from_secs(20);
    let setup = Setup { ssrc: 1, sequence: u16::MAX, timestamp: u32::MAX, cname: "fuzz".to_owned(), quiet_after };
    let mut session = Session::new(setup, now);
    let phone = ([192, 0, 2, 1], 4_000).into();
    let event = data.first().is_some_and(|b| b % 2 == 0).then_some(101);
    let stream = AudioStream {
        remote: Some(phone),
        party: None,
        remote_rtcp: None,
        rtcp_mux: true,
        codec: Law::A.into(),
        numbers: PayloadTypes { pcmu: Some(0), pcma: Some(8), event, ..PayloadTypes::default() },
        offered: PayloadTypes::default(),
        opus: OpusTerms::default(),
        direction: Direction::SendRecv,
        packet: None,
        protection: None,
        association: None,
    };
    session.negotiate(stream, now);
    let collect = Collect {
        clear_buffer: true,
        first_digit: Duration::from_secs(5),
        inter_digit: Duration::from_secs(5),
        min: 1,
        max: 32,
        return_key: None,
    };
    session.play(1, Treatment { collect: Some(collect), ..Treatment::default() }, now);
    let mut buffer = [0; PACKET_BYTES_MAX];
    // A length byte before each packet.
    let mut rest = data;
    while let Some((length, after)) = rest.split_first() {
        let (packet, next) = after.split_at(after.len().min(usize::from(*length)));
        rest = next;
        now = now + Duration::from_millis(u64::from(*length));
        let mut received = packet.to_vec();
        if let Some(frame) = session.handle_rtp(&mut received, phone, now) {
            let _ = session.relay(&frame, now, &mut buffer);
        }
        session.handle_rtcp(&mut packet.to_vec(), phone, now);
        session.handle_timeout(now);
        while session.poll_transmit(now, &mut buffer).is_some() {}
        while session.poll_event().is_some() {}
    }
    let _ = session.snapshot(now);
});
