//! The session with virtual time: learning, strangers, NAT, pacing, continuity, digits, silence, restore.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::codec::OpusTerms;
use crate::dtmf::EventPacket;
use crate::g711::Law;
use crate::rtcp::{self, Report};
use crate::rtp::{Header, PACKET_BYTES_MAX, Packet};
use crate::sdp::PayloadTypes;

mod agreement;
mod bounds;
mod encryption;
mod recording;
mod sources;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn at(ms: u64) -> Timestamp {
    START + Duration::from_millis(ms)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn stream(law: Law) -> AudioStream {
    AudioStream {
        remote: Some(address("192.0.2.1:4000")),
        party: "192.0.2.1".parse().ok(),
        remote_rtcp: Some(address("192.0.2.1:4001")),
        rtcp_mux: false,
        codec: law.into(),
        numbers: PayloadTypes { pcmu: Some(0), pcma: Some(8), event: Some(101), ..PayloadTypes::default() },
        offered: PayloadTypes::default(),
        opus: OpusTerms::default(),
        direction: Direction::SendRecv,
        packet: None,
        protection: None,
        association: None,
    }
}

fn session() -> Session {
    let setup = Setup {
        ssrc: 0xABCD,
        sequence: 65_530,
        timestamp: u32::MAX - 1_000,
        cname: "leg@example".to_owned(),
        quiet_after: Duration::from_secs(20),
    };
    let mut session = Session::new(setup, START);
    session.negotiate(stream(Law::Mu), START);
    session
}

fn audio(payload_type: u8, ssrc: u32, n: u32, fill: u8) -> Vec<u8> {
    let header =
        Header { marker: n == 0, payload_type, sequence: (n % 65_536) as u16, timestamp: n.wrapping_mul(160), ssrc };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend([fill; 160]);
    bytes
}

fn key(ssrc: u32, sequence: u16, timestamp: u32, digit: char, end: bool) -> Vec<u8> {
    let header = Header { marker: !end, payload_type: 101, sequence, timestamp, ssrc };
    let mut bytes = header.to_bytes().to_vec();
    let code = Digit::from_char(digit).unwrap().event();
    bytes.extend(EventPacket { code, end, volume: 10, duration: 400 }.to_bytes());
    bytes
}

/// A packet of a telephone event that has lasted for `duration`.
fn key_of(ssrc: u32, sequence: u16, timestamp: u32, digit: char, end: bool, duration: u16) -> Vec<u8> {
    let mut bytes = key(ssrc, sequence, timestamp, digit, end);
    let code = Digit::from_char(digit).unwrap().event();
    bytes.truncate(12);
    bytes.extend(EventPacket { code, end, volume: 10, duration }.to_bytes());
    bytes
}

fn prompt(name: &str, samples: usize, value: i16) -> Prompt {
    Prompt { name: name.into(), samples: vec![value; samples].into() }
}

/// All RTP packets that are due at `now`.
fn due(session: &mut Session, now: Timestamp) -> Vec<(SocketAddr, Header, Vec<u8>)> {
    let mut buffer = [0; PACKET_BYTES_MAX];
    let mut sent = Vec::new();
    session.handle_timeout(now);
    while let Some(transmit) = session.poll_transmit(now, &mut buffer) {
        let bytes = &buffer[..transmit.length];
        if transmit.channel == Channel::Rtp {
            let packet = Packet::parse(bytes).unwrap();
            sent.push((transmit.to, packet.header, packet.payload.to_vec()));
        }
    }
    sent
}

fn relay_all(session: &mut Session, packet: &[u8], content: Content, now: Timestamp) -> Vec<(Header, Vec<u8>)> {
    let mut buffer = [0; PACKET_BYTES_MAX];
    let parsed = Packet::parse(packet).unwrap();
    let frame = Frame { header: parsed.header, content, payload: parsed.payload, left_out: 0 };
    let mut sent = Vec::new();
    let mut next = session.relay(&frame, now, &mut buffer);
    while let Some(transmit) = next {
        let out = Packet::parse(&buffer[..transmit.length]).unwrap();
        sent.push((out.header, out.payload.to_vec()));
        next = session.relay_next(now, &mut buffer);
    }
    sent
}

fn relay(session: &mut Session, packet: &[u8], content: Content, now: Timestamp) -> Option<(Header, Vec<u8>)> {
    let mut sent = relay_all(session, packet, content, now);
    assert!(sent.len() <= 1);
    sent.pop()
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

fn outcome(session: &mut Session) -> Option<Outcome> {
    events(session).into_iter().find_map(|e| match e {
        Event::Ended(outcome) => Some(outcome),
        _ => None,
    })
}

fn press(session: &mut Session, digit: char, ms: u64) {
    let n = (ms / 20) as u16;
    session.handle_rtp(&mut key(7, n, ms as u32 * 8, digit, false), address("192.0.2.1:4000"), at(ms));
    session.handle_rtp(&mut key(7, n + 1, ms as u32 * 8, digit, true), address("192.0.2.1:4000"), at(ms));
}

fn collect(max: u8) -> Collect {
    Collect {
        clear_buffer: true,
        first_digit: Duration::from_secs(4),
        inter_digit: Duration::from_secs(2),
        min: 1,
        max,
        return_key: Digit::from_char('#'),
    }
}

// === learning ===

#[test]
fn a_phone_behind_a_nat_is_answered_where_it_sends_from() {
    let mut session = session();
    let nat = address("203.0.113.5:61000");
    let behind = AudioStream { party: Some(nat.ip()), ..stream(Law::Mu) };
    session.negotiate(behind.clone(), START);
    session.play(1, Treatment { prompts: vec![prompt("p", 1_600, 1)], ..Treatment::default() }, START);
    assert_eq!(due(&mut session, START)[0].0, address("192.0.2.1:4000"), "as described until it is heard");
    assert!(session.handle_rtp(&mut audio(0, 7, 0, 1), nat, at(5)).is_some());
    assert_eq!(events(&mut session), [Event::Learned(nat)]);
    assert_eq!(due(&mut session, at(20))[0].0, nat);
    // A refresh with the same description keeps the address, until the phone is silent and heard again from its host.
    session.negotiate(behind.clone(), at(30));
    assert_eq!(due(&mut session, at(40))[0].0, nat);
    let moved = address("203.0.113.5:61002");
    assert!(session.handle_rtp(&mut audio(0, 8, 0, 1), moved, at(45)).is_none());
    session.negotiate(behind, at(1_000));
    assert!(session.handle_rtp(&mut audio(0, 8, 0, 1), moved, at(1_005)).is_some());
    session.play(2, Treatment { prompts: vec![prompt("p", 1_600, 1)], ..Treatment::default() }, at(1_010));
    assert_eq!(due(&mut session, at(1_040))[0].0, moved);
}

#[test]
fn strangers_are_counted_and_dropped() {
    let mut session = session();
    let phone = address("192.0.2.1:4000");
    session.handle_rtp(&mut audio(0, 7, 0, 1), phone, at(0));
    assert!(
        session.handle_rtp(&mut audio(0, 7, 1, 1), address("198.51.100.66:9"), at(20)).is_none(),
        "another address"
    );
    assert!(session.handle_rtp(&mut audio(0, 66, 1, 1), phone, at(20)).is_none(), "another source");
    assert!(session.handle_rtp(&mut audio(0, 7, 1, 1), phone, at(20)).is_some());
    assert!(session.handle_rtp(&mut audio(34, 7, 2, 1), phone, at(40)).is_none(), "a payload type not agreed");
    assert!(session.handle_rtp(&mut b"hello".to_owned(), phone, at(40)).is_none());
    let figures = session.statistics();
    assert_eq!((figures.received, figures.strangers, figures.invalid, figures.lost), (2, 2, 2, 0));
    assert_eq!((figures.first_packet, figures.learned), (Some(at(0)), Some(phone)));
}

#[test]
fn the_locked_address_may_restart_its_stream_after_a_pause() {
    let mut session = session();
    let phone = address("192.0.2.1:4000");
    session.handle_rtp(&mut audio(0, 7, 0, 1), phone, at(0));
    assert!(session.handle_rtp(&mut audio(0, 8, 0, 1), address("192.0.2.9:4000"), at(500)).is_none());
    assert!(session.handle_rtp(&mut audio(0, 8, 0, 1), phone, at(500)).is_some());
    assert!(session.handle_rtp(&mut audio(0, 7, 1, 1), phone, at(520)).is_none());
}

#[test]
fn nothing_is_taken_or_sent_before_a_description() {
    let setup = Setup { ssrc: 1, sequence: 1, timestamp: 1, cname: String::new(), quiet_after: Duration::from_secs(9) };
    let mut session = Session::new(setup, START);
    session.play(1, Treatment { prompts: vec![prompt("p", 320, 1)], ..Treatment::default() }, START);
    assert!(session.handle_rtp(&mut audio(0, 7, 0, 1), address("192.0.2.1:4000"), START).is_none());
    assert!(due(&mut session, START).is_empty());
    assert!(due(&mut session, at(20_000)).is_empty());
}

// === pacing and continuity ===

#[test]
fn prompts_follow_each_other_without_a_gap_at_exactly_20_ms() {
    let mut session = session();
    // 100 and 260 samples: the second starts inside the first packet, and the last packet is padded.
    let prompts = vec![prompt("a", 100, 8_000), prompt("b", 260, -8_000)];
    session.play(9, Treatment { prompts, repeat: Repeat::Times(2), ..Treatment::default() }, START);
    let mut sent = Vec::new();
    let mut now = START;
    while session.treatment().is_some() {
        now = session.next_timeout().max(now);
        sent.extend(due(&mut session, now).into_iter().map(|p| (now, p)));
    }
    let audio: Vec<i16> = sent.iter().flat_map(|(_, (.., payload))| payload).map(|c| Law::Mu.decode(*c)).collect();
    let expected: Vec<i16> = [(100, 1), (260, -1), (100, 1), (260, -1), (80, 0)]
        .into_iter()
        .flat_map(|(n, sign)| vec![Law::Mu.decode(Law::Mu.encode(8_000)) * sign; n])
        .collect();
    assert_eq!(audio, expected);
    for (n, (when, (_, header, _))) in sent.iter().enumerate() {
        assert_eq!(*when, START + FRAME * n as u32);
        assert_eq!(header.sequence, 65_530_u16.wrapping_add(n as u16));
        assert_eq!(header.timestamp, (u32::MAX - 1_000).wrapping_add(160 * n as u32));
        assert_eq!((header.marker, header.ssrc, header.payload_type), (n == 0, 0xABCD, 0));
    }
    let ended = outcome(&mut session).unwrap();
    assert_eq!((ended.id, ended.play_end, ended.collect_end), (9, Some(PlayEnd::Complete), None));
    assert_eq!(ended.played, FRAME * 5);
    assert_eq!(now, START + FRAME * 5, "over when the last packet has been heard");
}

#[test]
fn a_late_driver_catches_up_but_a_sleeping_one_skips() {
    let mut session = session();
    session.play(1, Treatment { prompts: vec![prompt("m", 80_000, 1)], ..Treatment::default() }, START);
    assert_eq!(due(&mut session, START).len(), 1);
    let burst = due(&mut session, at(65));
    assert_eq!(burst.len(), 3, "20, 40 and 60 ms");
    let after = due(&mut session, at(565));
    assert_eq!(after.len(), 1, "no burst of 25 packets");
    assert_eq!(after[0].1.sequence, burst[2].1.sequence.wrapping_add(1));
    assert_eq!(after[0].1.timestamp.wrapping_sub(burst[2].1.timestamp), 25 * 160, "the clock went on");
}

#[test]
fn music_loops_until_it_is_stopped_and_the_stream_goes_on_into_the_relay() {
    let mut session = session();
    let music = Treatment { prompts: vec![prompt("m", 330, 5)], repeat: Repeat::Forever, ..Treatment::default() };
    session.play(1, music, START);
    let mut last = None;
    for n in 0..50 {
        let sent = due(&mut session, at(20 * n));
        assert_eq!(sent.len(), 1);
        last = Some(sent[0].1);
    }
    let last = last.unwrap();
    // While music plays, the other leg is not heard.
    assert_eq!(relay(&mut session, &audio(0, 5, 1_000, 3), Content::Audio(Law::Mu.into()), at(985)), None);
    assert_eq!(session.stop(at(990)).unwrap().play_end, Some(PlayEnd::Stopped));
    let (first, payload) =
        relay(&mut session, &audio(0, 5, 1_001, 3), Content::Audio(Law::Mu.into()), at(1_004)).unwrap();
    assert_eq!(payload, [3; 160]);
    assert_eq!(first.sequence, last.sequence.wrapping_add(1));
    assert_eq!(first.timestamp, last.timestamp.wrapping_add(160));
    assert!(first.marker, "a new talk spurt");
    assert_eq!(first.ssrc, last.ssrc);
    let (second, _) = relay(&mut session, &audio(0, 5, 1_002, 3), Content::Audio(Law::Mu.into()), at(1_024)).unwrap();
    assert_eq!((second.sequence, second.marker), (first.sequence.wrapping_add(1), false));
    // And back: the next prompt follows the relay.
    session.play(2, Treatment { prompts: vec![prompt("p", 160, 1)], ..Treatment::default() }, at(1_030));
    assert!(due(&mut session, at(1_030)).is_empty(), "the last packet lasts until 1044");
    let back = due(&mut session, at(1_044));
    assert_eq!(back[0].1.sequence, second.sequence.wrapping_add(1));
    assert_eq!(back[0].1.timestamp, second.timestamp.wrapping_add(160));
    assert!(back[0].1.marker);
}

#[test]
fn loss_and_reordering_of_the_source_stay_visible_within_a_run() {
    let mut session = session();
    let base = relay(&mut session, &audio(0, 5, 10, 1), Content::Audio(Law::Mu.into()), at(0)).unwrap().0;
    let offsets: Vec<u16> = [13_u32, 12, 14, 14]
        .iter()
        .map(|n| relay(&mut session, &audio(0, 5, *n, 1), Content::Audio(Law::Mu.into()), at(60)).unwrap().0)
        .map(|h| {
            assert_eq!(
                h.timestamp.wrapping_sub(base.timestamp),
                160 * u32::from(h.sequence.wrapping_sub(base.sequence))
            );
            h.sequence.wrapping_sub(base.sequence)
        })
        .collect();
    assert_eq!(offsets, [3, 2, 4, 4]);
    assert_eq!(relay(&mut session, &audio(0, 5, 9, 1), Content::Audio(Law::Mu.into()), at(80)), None, "before the run");
    // Another source continues our numbers.
    let other = relay(&mut session, &audio(0, 6, 40_000, 1), Content::Audio(Law::Mu.into()), at(100)).unwrap().0;
    assert_eq!(other.sequence.wrapping_sub(base.sequence), 5);
    assert!(other.marker);
}

#[test]
fn what_a_held_phone_is_not_sent_leaves_no_gap_in_its_numbers() {
    let mut session = session();
    let say = |session: &mut Session, n: u32| {
        relay(session, &audio(0, 5, n, 1), Content::Audio(Law::Mu.into()), at(20 * u64::from(n))).map(|sent| sent.0)
    };
    let before = say(&mut session, 0).unwrap();
    for direction in [Direction::RecvOnly, Direction::Inactive] {
        let held = AudioStream { direction, ..stream(Law::Mu) };
        session.negotiate(held, at(20));
        assert!((1..100).all(|n| say(&mut session, n).is_none()));
    }
    session.negotiate(stream(Law::Mu), at(1_990));
    let after = say(&mut session, 100).unwrap();
    assert_eq!(after.sequence, before.sequence.wrapping_add(1));
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 16_000, "it tells how long it was");
    assert!(after.marker);
}

#[test]
fn packets_that_the_phone_cannot_take_leave_no_gap_and_lost_ones_do() {
    let mut session = session();
    session.negotiate(deaf_to_events(Law::Mu), START);
    let say = |session: &mut Session, n: u32| {
        relay(session, &audio(0, 5, n, 1), Content::Audio(Law::Mu.into()), at(20 * u64::from(n))).unwrap().0.sequence
    };
    let first = say(&mut session, 1);
    for sequence in [2, 3, 5] {
        let event = key(5, sequence, 320, '5', sequence == 5);
        assert_eq!(relay(&mut session, &event, Content::Event { clock: 8_000 }, at(40)), None);
    }
    // The fourth was lost; the tone of the key is not part of this test.
    session.keys.clear();
    assert_eq!(say(&mut session, 6).wrapping_sub(first), 2);
    assert_eq!(say(&mut session, 7).wrapping_sub(first), 3);
}

#[test]
fn comfort_noise_is_not_passed_on_and_nothing_is_lost_by_it() {
    let (mut alice, mut bob) = (session(), session());
    let mut sent = Vec::new();
    for n in 0..6 {
        let mut packet = audio(if n == 3 { 13 } else { 0 }, 9, n, 1);
        let mut buffer = [0; PACKET_BYTES_MAX];
        let now = at(20 * u64::from(n));
        let Some(frame) = alice.handle_rtp(&mut packet, address("192.0.2.1:4000"), now) else { continue };
        let out = bob.relay(&frame, now, &mut buffer).unwrap();
        sent.push(Packet::parse(&buffer[..out.length]).unwrap().header);
    }
    let steps: Vec<_> = sent.windows(2).map(|two| two[1].sequence.wrapping_sub(two[0].sequence)).collect();
    assert_eq!(steps, [1; 4]);
    assert_eq!(sent[3].timestamp.wrapping_sub(sent[2].timestamp), 320);
    assert_eq!(alice.statistics().lost, 0);
}

#[test]
fn a_long_relay_wraps_its_numbers_without_a_gap() {
    let mut session = session();
    let mut previous: Option<Header> = None;
    for n in 0..140_000_u32 {
        let now = at(20 * u64::from(n));
        let header = relay(&mut session, &audio(0, 5, n, 1), Content::Audio(Law::Mu.into()), now).unwrap().0;
        if let Some(previous) = previous {
            assert_eq!(header.sequence, previous.sequence.wrapping_add(1));
            assert_eq!(header.timestamp, previous.timestamp.wrapping_add(160));
        }
        previous = Some(header);
    }
}

#[test]
fn the_other_law_is_transcoded_and_payload_types_are_mapped() {
    let mut session = session();
    let mut numbered = stream(Law::A);
    (numbered.numbers.event, numbered.numbers.pcma) = (Some(96), Some(107));
    session.negotiate(numbered, START);
    let code = Law::Mu.encode(1_234);
    let (header, payload) = relay(&mut session, &audio(0, 5, 0, code), Content::Audio(Law::Mu.into()), at(0)).unwrap();
    assert_eq!((header.payload_type, payload[0]), (107, Law::Mu.transcode(code)));
    let (header, payload) =
        relay(&mut session, &key(5, 1, 160, '5', true), Content::Event { clock: 8_000 }, at(20)).unwrap();
    assert_eq!((header.payload_type, payload[0], payload.len()), (96, 5, 4));
    session.negotiate(deaf_to_events(Law::A), at(30));
    // It becomes a tone, with its own timing.
    assert_eq!(relay(&mut session, &key(5, 2, 160, '5', true), Content::Event { clock: 8_000 }, at(40)), None);
}

#[test]
fn a_phone_on_hold_gets_nothing_and_the_treatment_goes_on_in_time() {
    let mut session = session();
    session.play(1, Treatment { prompts: vec![prompt("p", 1_600, 1)], ..Treatment::default() }, START);
    assert_eq!(due(&mut session, START).len(), 1);
    session.negotiate(AudioStream { direction: Direction::RecvOnly, ..stream(Law::Mu) }, at(10));
    for ms in (20..200).step_by(20) {
        assert!(due(&mut session, at(ms)).is_empty());
    }
    session.handle_timeout(at(200));
    assert_eq!(outcome(&mut session).unwrap().played, Duration::from_millis(200));
}

// === digits ===

#[test]
fn a_key_interrupts_the_prompt_and_the_digits_are_collected() {
    let mut session = session();
    let menu = Treatment {
        prompts: vec![prompt("menu", 80_000, 1)],
        interruptible: true,
        collect: Some(collect(4)),
        ..Treatment::default()
    };
    session.play(3, menu, START);
    assert_eq!(due(&mut session, START).len(), 1);
    press(&mut session, '4', 100);
    assert!(due(&mut session, at(120)).is_empty(), "the prompt is silent");
    press(&mut session, '2', 1_000);
    press(&mut session, '#', 2_000);
    let ended = outcome(&mut session).unwrap();
    assert_eq!((ended.digits.as_str(), ended.collect_end), ("42", Some(CollectEnd::Match)));
    assert_eq!((ended.play_end, ended.last.map(Digit::as_char)), (Some(PlayEnd::Interrupted), Some('#')));
}

#[test]
fn timeouts_and_limits_end_a_collection() {
    // (keys with their times, min, max, when it ends, digits, end)
    type Case = (&'static [(char, u64)], u8, u8, u64, &'static str, CollectEnd);
    let cases: [Case; 5] = [
        (&[], 1, 4, 4_000, "", CollectEnd::NoInput),
        (&[('1', 3_900)], 1, 4, 5_900, "1", CollectEnd::Match),
        (&[('1', 100)], 2, 4, 2_100, "1", CollectEnd::NoMatch),
        (&[('1', 100), ('#', 200)], 2, 4, 200, "1", CollectEnd::NoMatch),
        (&[('1', 100), ('9', 200)], 1, 2, 200, "19", CollectEnd::Match),
    ];
    for (keys, min, max, over, digits, end) in cases {
        let mut session = session();
        let wanted = Collect { min, ..collect(max) };
        session.play(1, Treatment { collect: Some(wanted), ..Treatment::default() }, START);
        keys.iter().for_each(|(key, ms)| press(&mut session, *key, *ms));
        if end != CollectEnd::Match || digits == "1" {
            session.handle_timeout(at(over - 1));
        }
        session.handle_timeout(at(over));
        let ended = outcome(&mut session).unwrap_or_else(|| panic!("{keys:?} is not over at {over}"));
        assert_eq!((ended.digits.as_str(), ended.collect_end, ended.play_end), (digits, Some(end), None));
    }
}

#[test]
fn keys_pressed_ahead_count_unless_the_buffer_is_cleared() {
    for (clear_buffer, expected) in [(false, Some("7")), (true, None)] {
        let mut session = session();
        press(&mut session, '7', 0);
        events(&mut session);
        let treatment = Treatment {
            prompts: vec![prompt("p", 1_600, 1)],
            interruptible: true,
            collect: Some(Collect { clear_buffer, ..collect(1) }),
            ..Treatment::default()
        };
        session.play(1, treatment, at(500));
        session.handle_timeout(at(600));
        assert_eq!(outcome(&mut session).map(|o| o.digits).as_deref(), expected);
    }
}

#[test]
fn keys_in_the_audio_count_where_there_are_no_events() {
    let mut session = session();
    session.negotiate(deaf_to_events(Law::Mu), START);
    session.play(1, Treatment { collect: Some(collect(1)), ..Treatment::default() }, START);
    let tones = crate::tone::pair(852, 1_336, 100, 8_000);
    for (n, chunk) in tones.chunks(160).enumerate() {
        let mut bytes = audio(0, 7, n as u32, 0)[..12].to_vec();
        bytes.extend(chunk.iter().map(|s| Law::Mu.encode(*s)));
        session.handle_rtp(&mut bytes, address("192.0.2.1:4000"), at(100 + 20 * n as u64));
    }
    assert_eq!(outcome(&mut session).unwrap().digits, "8");
}

// === silence and reports ===

#[test]
fn a_phone_that_was_never_heard_is_told_later() {
    let mut session = session();
    let due = |session: &mut Session, ms| {
        session.handle_timeout(at(ms));
        events(session)
    };
    assert_eq!(due(&mut session, 49_999), []);
    assert_eq!(due(&mut session, 50_000), [Event::Quiet { since: at(0), held: false }]);
}

#[test]
fn a_phone_that_falls_silent_is_told_once_and_again_when_heard() {
    let mut session = session();
    let phone = address("192.0.2.1:4000");
    session.handle_rtp(&mut audio(0, 7, 0, 1), phone, at(5_000));
    events(&mut session);
    let mut told = Vec::new();
    for ms in (5_000..60_000).step_by(500) {
        session.handle_timeout(at(ms));
        told.extend(events(&mut session).into_iter().map(|e| (ms, e)));
    }
    assert_eq!(told, [(25_000, Event::Quiet { since: at(5_000), held: false })]);
    session.handle_timeout(at(75_000));
    assert_eq!(
        events(&mut session),
        [Event::Quiet { since: at(5_000), held: false }],
        "told again, in case it was lost"
    );
    session.handle_rtp(&mut audio(0, 7, 1, 1), phone, at(80_000));
    assert_eq!(events(&mut session), [Event::Resumed]);
}

#[test]
fn a_phone_on_hold_may_be_silent_and_is_told_about_now_and_then() {
    let mut session = session();
    session.negotiate(AudioStream { direction: Direction::RecvOnly, ..stream(Law::Mu) }, START);
    (0..50).for_each(|s| session.handle_timeout(at(s * 1_000)));
    assert!(events(&mut session).is_empty());
    (50..110).for_each(|s| session.handle_timeout(at(s * 1_000)));
    assert_eq!(events(&mut session), vec![Event::Quiet { since: START, held: true }; 2], "at 50 s and 100 s");
}

#[test]
fn reports_tell_loss_and_strangers_reports_are_dropped() {
    let mut session = session();
    let phone = address("192.0.2.1:4000");
    for n in (0..100).filter(|n| n % 10 != 5) {
        session.handle_rtp(&mut audio(0, 7, n, 1), phone, at(20 * u64::from(n)));
    }
    let block = rtcp::ReportBlock { ssrc: 0xABCD, fraction_lost: 77, ..rtcp::ReportBlock::default() };
    let mut report = Report { ssrc: 7, sender: None, block: Some(block), cname: "p", goodbye: false }.to_bytes();
    session.handle_rtcp(&mut report, address("198.51.100.66:4001"), at(2_000));
    assert_eq!(session.statistics().remote_fraction_lost, 0);
    session.handle_rtcp(&mut report, address("192.0.2.1:4001"), at(2_000));
    assert_eq!(session.statistics().remote_fraction_lost, 77);
    let mut buffer = [0; PACKET_BYTES_MAX];
    let transmit = session.poll_transmit(at(8_000), &mut buffer).unwrap();
    assert_eq!((transmit.channel, transmit.to), (Channel::Rtcp, address("192.0.2.1:4001")));
    let read = rtcp::parse(&buffer[..transmit.length], 7).unwrap();
    assert_eq!((read.ssrc, read.about_us.unwrap().cumulative_lost), (0xABCD, 10));
    assert!(session.poll_transmit(at(8_000), &mut buffer).is_none());
}

// === keys that are sent ===

/// A phone without telephone events.
fn deaf_to_events(law: Law) -> AudioStream {
    let mut deaf = stream(law);
    deaf.numbers.event = None;
    deaf
}

/// All packets sent up to `until`, polled every 10 ms.
fn sent_until(session: &mut Session, from: u64, until: u64) -> Vec<(u64, Header, Vec<u8>)> {
    let looks = (from..until).step_by(10);
    looks.flat_map(|ms| due(session, at(ms)).into_iter().map(move |(_, header, body)| (ms, header, body))).collect()
}

#[test]
fn a_key_is_sent_as_an_event_with_one_begin_growing_length_and_three_ends() {
    let mut session = session();
    relay(&mut session, &audio(8, 5, 1, 1), Content::Audio(Law::A.into()), at(0));
    assert!(session.send_key(Digit::from_char('7').unwrap(), Duration::from_millis(100), at(20)));
    assert!(
        relay(&mut session, &audio(8, 5, 2, 1), Content::Audio(Law::A.into()), at(20)).is_none(),
        "no audio meanwhile"
    );
    let sent = sent_until(&mut session, 20, 300);
    let events: Vec<EventPacket> = sent.iter().map(|(_, _, body)| EventPacket::parse(body).unwrap()).collect();
    assert_eq!(sent.iter().map(|(ms, ..)| *ms).collect::<Vec<_>>(), [20, 40, 60, 80, 100, 120, 140]);
    assert_eq!(events.iter().map(|e| e.duration).collect::<Vec<_>>(), [160, 320, 480, 640, 800, 800, 800]);
    assert_eq!(events.iter().map(|e| e.end).collect::<Vec<_>>(), [false, false, false, false, true, true, true]);
    assert!(events.iter().all(|e| e.code == 7 && e.volume == 10));
    let first = sent[0].1;
    for (n, (_, header, _)) in sent.iter().enumerate() {
        assert_eq!((header.timestamp, header.ssrc, header.payload_type), (first.timestamp, 0xABCD, 101));
        assert_eq!(header.sequence, first.sequence.wrapping_add(n as u16));
        assert_eq!(header.marker, n == 0);
    }
    let (after, _) = relay(&mut session, &audio(8, 5, 9, 1), Content::Audio(Law::A.into()), at(160)).unwrap();
    assert!(after.marker && after.sequence == first.sequence.wrapping_add(7));
    assert_eq!(after.timestamp.wrapping_sub(first.timestamp), 7 * 160, "the clock went on");
}

#[test]
fn a_key_keeps_its_length_although_the_process_slept() {
    for hears_events in [true, false] {
        let mut session = session();
        if !hears_events {
            session.negotiate(deaf_to_events(Law::Mu), START);
        }
        assert!(session.send_key(Digit::from_char('5').unwrap(), Duration::from_millis(160), at(0)));
        let mut sent = sent_until(&mut session, 0, 10);
        sent.extend(sent_until(&mut session, 500, 1_000));
        if hears_events {
            let events: Vec<EventPacket> = sent.iter().map(|(_, _, body)| EventPacket::parse(body).unwrap()).collect();
            let durations: Vec<u16> = events.iter().map(|event| event.duration).collect();
            assert_eq!(durations, [160, 320, 480, 640, 800, 960, 1_120, 1_280, 1_280, 1_280]);
            assert_eq!(events.iter().filter(|event| event.end).count(), 3);
        } else {
            assert_eq!(sent.len(), 8, "160 ms of its tones");
        }
    }
}

#[test]
fn keys_follow_each_other_with_a_pause_and_no_more_wait_than_there_is_room_for() {
    let mut session = session();
    for key in "12".chars() {
        assert!(session.send_key(Digit::from_char(key).unwrap(), Duration::from_millis(80), at(0)));
    }
    let sent = sent_until(&mut session, 0, 600);
    let begins: Vec<u64> = sent.iter().filter(|(_, header, _)| header.marker).map(|(ms, ..)| *ms).collect();
    assert_eq!(begins.len(), 2);
    let last_of_first = sent.iter().filter(|(ms, ..)| *ms < begins[1]).map(|(ms, ..)| *ms).max().unwrap();
    assert!(begins[1] - last_of_first >= 60, "{begins:?} {last_of_first}");
    let taken = (0..100).filter(|_| session.send_key(Digit::from_char('5').unwrap(), Duration::ZERO, at(700))).count();
    assert_eq!(taken, 33);
}

#[test]
fn a_phone_without_events_hears_the_key_as_its_tones_in_its_own_law() {
    for law in [Law::Mu, Law::A] {
        let mut session = session();
        session.negotiate(deaf_to_events(law), START);
        for (n, key) in "5#".chars().enumerate() {
            let begin = 200 * n as u64;
            let packets = [(0, false), (1, false), (2, true), (3, true), (4, true)];
            for (m, end) in packets {
                let now = at(begin + 20 * m);
                let packet =
                    key_of(5, (n * 10 + m as usize) as u16, 1_600 * n as u32, key, end, 160 * (m as u16 + 1).min(3));
                assert!(relay(&mut session, &packet, Content::Event { clock: 8_000 }, now).is_none());
                assert!(
                    relay(&mut session, &audio(0, 5, 1, 1), Content::Audio(law.into()), now).is_none(),
                    "no audio meanwhile"
                );
            }
        }
        let mut detector = crate::dtmf::InbandDetector::default();
        let sent = sent_until(&mut session, 0, 800);
        let heard: String = sent
            .iter()
            .flat_map(|(_, _, body)| body.iter().map(|code| law.decode(*code)).collect::<Vec<_>>())
            .filter_map(|sample| detector.handle(sample))
            .map(Digit::as_char)
            .collect();
        assert_eq!(heard, "5#", "{law:?}");
        assert!(sent.iter().all(|(_, header, body)| body.len() == 160 && header.payload_type == law.payload_type()));
        assert!((8..=12).contains(&sent.len()), "two keys of 80 ms: {}", sent.len());
    }
}

#[test]
fn a_key_that_is_held_sounds_until_it_is_released_or_its_packets_cease() {
    for (released, length) in [(true, 400), (false, 550)] {
        let mut session = session();
        session.negotiate(deaf_to_events(Law::Mu), START);
        let mut sent = Vec::new();
        for m in 0..20_u64 {
            let packet = key_of(5, m as u16, 0, '9', released && m == 19, 160 * (m as u16 + 1));
            relay(&mut session, &packet, Content::Event { clock: 8_000 }, at(20 * m));
            sent.extend(sent_until(&mut session, 20 * m, 20 * m + 20));
        }
        sent.extend(sent_until(&mut session, 400, 1_500));
        let (first, last) = (sent.first().unwrap(), sent.last().unwrap());
        assert!(first.1.marker);
        assert!((length - 20..=length + 20).contains(&(last.0 + 20)), "{released} {}", last.0);
        assert_eq!(last.1.timestamp.wrapping_sub(first.1.timestamp), 160 * (sent.len() as u32 - 1), "without a gap");
    }
}

#[test]
fn a_treatment_goes_before_keys_and_keys_of_a_held_phone_are_dropped() {
    let mut session = session();
    session.play(1, Treatment { prompts: vec![prompt("a", 1_600, 1)], ..Treatment::default() }, at(0));
    assert!(!session.send_key(Digit::from_char('1').unwrap(), Duration::from_millis(100), at(0)));
    session.stop(at(20));
    assert!(session.send_key(Digit::from_char('1').unwrap(), Duration::from_millis(100), at(20)));
    session.negotiate(AudioStream { direction: Direction::RecvOnly, ..stream(Law::Mu) }, at(30));
    assert!(sent_until(&mut session, 40, 400).is_empty());
    session.negotiate(stream(Law::Mu), at(400));
    assert!(sent_until(&mut session, 400, 800).is_empty(), "it is of its moment");
}

/// The keys that are told until then, each with its time and length in ms; polled every 10 ms.
fn told_until(session: &mut Session, from: u64, until: u64) -> Vec<(u64, char, u128)> {
    let mut told = Vec::new();
    for ms in (from..until).step_by(10) {
        assert!(due(session, at(ms)).is_empty(), "nothing goes by the audio");
        told.extend(events(session).into_iter().filter_map(|event| match event {
            Event::Key(digit, length) => Some((ms, digit.as_char(), length.as_millis())),
            _ => None,
        }));
    }
    told
}

#[test]
fn a_phone_that_gets_keys_by_signalling_is_sent_none_and_each_is_told_in_its_pace() {
    let mut session = session();
    session.negotiate(deaf_to_events(Law::Mu), START);
    session.signal_keys();
    for key in "12".chars() {
        assert!(session.send_key(Digit::from_char(key).unwrap(), Duration::from_millis(100), at(0)));
    }
    assert_eq!(told_until(&mut session, 0, 400), [(0, '1', 100), (160, '2', 100)]);
    assert!(relay(&mut session, &audio(0, 5, 1, 1), Content::Audio(Law::Mu.into()), at(400)).is_some());
    for m in 0..20_u64 {
        let packet = key_of(5, 30 + m as u16, 1_600, '9', m == 19, 160 * (m as u16 + 1));
        relay(&mut session, &packet, Content::Event { clock: 8_000 }, at(1_000 + 20 * m));
        assert_eq!(told_until(&mut session, 1_000 + 20 * m, 1_020 + 20 * m), [], "it is still pressed");
    }
    let told = told_until(&mut session, 1_400, 1_800);
    assert_eq!(told.iter().map(|(_, digit, ms)| (*digit, *ms)).collect::<Vec<_>>(), [('9', 400)]);
}

#[test]
fn a_key_that_is_signalled_and_whose_end_is_lost_is_told_once() {
    let mut session = session();
    session.negotiate(deaf_to_events(Law::Mu), START);
    session.signal_keys();
    relay(&mut session, &key_of(5, 1, 0, '3', false, 160), Content::Event { clock: 8_000 }, at(0));
    assert_eq!(told_until(&mut session, 0, 1_000), [(150, '3', 150)]);
}

#[test]
fn tones_of_a_phone_that_signals_keys_do_not_count() {
    let mut session = session();
    session.negotiate(deaf_to_events(Law::Mu), START);
    session.signal_keys();
    session.play(1, Treatment { collect: Some(collect(1)), ..Treatment::default() }, START);
    let tones = crate::tone::pair(852, 1_336, 100, 8_000);
    for (n, chunk) in tones.chunks(160).enumerate() {
        let mut bytes = audio(0, 7, n as u32, 0)[..12].to_vec();
        bytes.extend(chunk.iter().map(|s| Law::Mu.encode(*s)));
        session.handle_rtp(&mut bytes, address("192.0.2.1:4000"), at(100 + 20 * n as u64));
    }
    assert_eq!(outcome(&mut session), None);
    session.pressed(Digit::from_char('8').unwrap(), at(300));
    assert_eq!(outcome(&mut session).unwrap().digits, "8");
}

// === packets of the length that the phone wants ===

#[test]
fn prompts_are_sent_in_packets_of_the_length_that_the_phone_wants() {
    for ms in [10_u64, 20, 30, 40, 60] {
        let mut session = session();
        let length = ms as usize * 8;
        session.negotiate(AudioStream { packet: Some(length as u16), ..stream(Law::Mu) }, START);
        session.play(1, Treatment { prompts: vec![prompt("a", 4_800, 1)], ..Treatment::default() }, START);
        let sent = sent_until(&mut session, 0, 1_000);
        assert_eq!(sent.len() as u64, 600 / ms);
        for (n, (sent_at, header, body)) in sent.iter().enumerate() {
            assert_eq!((*sent_at, body.len()), (ms * n as u64, length));
            assert_eq!(header.timestamp.wrapping_sub(sent[0].1.timestamp) as usize, n * length);
        }
        assert_eq!(outcome(&mut session).unwrap().played, Duration::from_millis(600));
    }
}

#[test]
fn a_phone_that_wants_other_packets_than_the_other_leg_sends_gets_them() {
    for wanted in [80_usize, 160, 240, 320, 480] {
        let mut session = session();
        session.negotiate(AudioStream { packet: Some(wanted as u16), ..stream(Law::Mu) }, START);
        let mut sent: Vec<(Header, Vec<u8>)> = Vec::new();
        for n in 0..30 {
            let packet = audio(0, 5, n, n as u8);
            sent.extend(relay_all(&mut session, &packet, Content::Audio(Law::Mu.into()), at(20 * u64::from(n))));
        }
        assert_eq!(sent.len(), 30 * 160 / wanted);
        for (n, (header, body)) in sent.iter().enumerate() {
            assert_eq!(body.len(), wanted);
            assert_eq!(header.sequence, sent[0].0.sequence.wrapping_add(n as u16));
            assert_eq!(header.timestamp.wrapping_sub(sent[0].0.timestamp) as usize, n * wanted);
            assert_eq!(header.marker, n == 0);
        }
        let codes: Vec<u8> = sent.into_iter().flat_map(|(_, body)| body).collect();
        assert!(codes.iter().enumerate().all(|(n, code)| usize::from(*code) == n / 160), "nothing is lost or doubled");
    }
}

#[test]
fn a_phone_that_says_nothing_of_packets_gets_them_as_they_come() {
    let mut session = session();
    for (n, length) in [(0_u32, 80_usize), (1, 240), (2, 480), (3, 1_000)] {
        let mut packet = audio(0, 5, n, 9)[..12].to_vec();
        packet.extend(vec![9; length]);
        let sent = relay_all(&mut session, &packet, Content::Audio(Law::Mu.into()), at(100 * u64::from(n)));
        assert_eq!(sent.iter().map(|(_, body)| body.len()).collect::<Vec<_>>(), [length]);
    }
}

#[test]
fn events_between_packets_made_anew_keep_their_begin_and_their_numbers() {
    let mut session = session();
    session.negotiate(AudioStream { packet: Some(240), ..stream(Law::Mu) }, START);
    let mut sent = Vec::new();
    for n in 0..6 {
        sent.extend(relay_all(&mut session, &audio(0, 5, n, 1), Content::Audio(Law::Mu.into()), at(20 * u64::from(n))));
    }
    for m in 0..4_u16 {
        let packet = key_of(5, 6 + m, 960, '3', m > 1, 160 * (m + 1).min(2));
        sent.extend(relay_all(&mut session, &packet, Content::Event { clock: 8_000 }, at(120 + 20 * u64::from(m))));
    }
    let events: Vec<&Header> = sent.iter().filter(|(_, body)| body.len() == 4).map(|(header, _)| header).collect();
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|h| h.timestamp.wrapping_sub(sent[0].0.timestamp) == 960 && h.payload_type == 101));
    for (n, (header, _)) in sent.iter().enumerate() {
        assert_eq!(header.sequence, sent[0].0.sequence.wrapping_add(n as u16));
    }
}

// === restore ===

#[derive(Clone, Debug)]
enum Input {
    Audio(u32),
    Stranger,
    Key(char),
    Relay(u32),
    Play,
    Menu,
    Stop,
    Hold(bool),
    Wait,
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        4 => (0..4_u32).prop_map(Input::Audio),
        1 => Just(Input::Stranger),
        2 => prop::sample::select(vec!['1', '5', '#']).prop_map(Input::Key),
        3 => (0..4_u32).prop_map(Input::Relay),
        1 => Just(Input::Play),
        1 => Just(Input::Menu),
        1 => Just(Input::Stop),
        1 => any::<bool>().prop_map(Input::Hold),
        3 => Just(Input::Wait),
    ]
}

fn apply(session: &mut Session, input: &Input, n: u32, now: Timestamp) -> String {
    let phone = address("192.0.2.1:4000");
    let mut seen = String::new();
    match input {
        Input::Audio(skip) => {
            session.handle_rtp(&mut audio(0, 7, n * 3 + skip, 1), phone, now);
        }
        Input::Stranger => {
            session.handle_rtp(&mut audio(0, 9, n, 1), address("198.51.100.66:9"), now);
        }
        Input::Key(digit) => {
            session.handle_rtp(&mut key(7, (n * 3) as u16, n * 480, *digit, true), phone, now);
        }
        Input::Relay(skip) => {
            let packet = audio(8, 5, n * 2 + skip, 1);
            seen = format!("{:?}", relay(session, &packet, Content::Audio(Law::A.into()), now));
        }
        Input::Play => {
            let prompts = vec![prompt("a", 900, 1), prompt("b", 333, 2)];
            session.play(u64::from(n), Treatment { prompts, repeat: Repeat::Times(3), ..Treatment::default() }, now);
        }
        Input::Menu => {
            let prompts = vec![prompt("a", 2_000, 1)];
            let menu = Treatment { prompts, interruptible: true, collect: Some(collect(3)), ..Treatment::default() };
            session.play(u64::from(n), menu, now);
        }
        Input::Stop => seen = format!("{:?}", session.stop(now)),
        Input::Hold(held) => {
            let direction = if *held { Direction::RecvOnly } else { Direction::SendRecv };
            session.negotiate(AudioStream { direction, ..stream(Law::Mu) }, now);
        }
        Input::Wait => {}
    }
    let sent = due(session, now);
    let figures = session.statistics();
    format!("{seen} {sent:?} {:?} {figures:?} {:?}", events(session), session.next_timeout())
}

proptest! {
    /// After every input the session is replaced by one restored from its snapshot; the behaviour stays the same.
    #[test]
    fn behaviour_after_restore_equals_behaviour_without(
        inputs in prop::collection::vec((input(), 0..700_u64), 1..80),
    ) {
        let mut one = session();
        let mut other = session();
        let mut now = START;
        for (n, (input, wait)) in inputs.iter().enumerate() {
            now = now + Duration::from_millis(*wait);
            prop_assert_eq!(apply(&mut one, input, n as u32, now), apply(&mut other, input, n as u32, now));
            let known = |name: &str| match name {
                "a" if matches!(&one.snapshot(now).treatment, Some(t) if t.prompts.len() == 1) => Some(prompt("a", 2_000, 1)),
                "a" => Some(prompt("a", 900, 1)),
                _ => Some(prompt("b", 333, 2)),
            };
            let snapshot = other.snapshot(now);
            other = Session::restore(snapshot.clone(), (7, false), now, known);
            prop_assert_eq!(other.snapshot(now), snapshot);
        }
    }
}

#[test]
fn a_process_that_was_away_goes_on_behind_what_the_dead_one_may_have_sent() {
    let mut session = session();
    let samples: Arc<[i16]> = (0..16_000).map(|n| n as i16).collect::<Vec<_>>().into();
    let long = Prompt { name: "long".into(), samples };
    session.play(1, Treatment { prompts: vec![long.clone()], ..Treatment::default() }, START);
    for n in 0..10 {
        due(&mut session, at(20 * n));
    }
    let snapshot = session.snapshot(at(190));
    let last = due(&mut session, at(200));
    let mut restored = Session::restore(snapshot, (7, false), at(1_190), |_| Some(long.clone()));
    let first = due(&mut restored, at(1_190));
    assert_eq!(first.len(), 1);
    assert!(crate::rtp::distance(last[0].1.sequence, first[0].1.sequence) > 0, "no number is used twice");
    assert!(first[0].1.timestamp.wrapping_sub(last[0].1.timestamp) >= 160 * 48, "the clock went on");
    assert_eq!(first[0].2, last[0].2, "the prompt goes on where the record was");
}

#[test]
fn what_plays_without_end_is_after_a_restart_where_it_would_be_by_now() {
    let ramp = |name: &str, from: i16, samples: i16| Prompt {
        name: name.into(),
        samples: (0..samples).map(|n| (from + n) * 3).collect::<Vec<_>>().into(),
    };
    // Neither the prompts nor a round of them are whole packets; 20 ms and 10 ms of audio in each.
    for (packet, ms) in [(None, 20), (Some(80), 10)] {
        for seconds in [1, 59, 600] {
            let prompts = vec![ramp("a", 0, 5_001), ramp("b", -9_000, 3_333)];
            let known = prompts.clone();
            let mut session = session();
            session.negotiate(AudioStream { packet, ..stream(Law::Mu) }, START);
            session.play(1, Treatment { prompts, repeat: Repeat::Forever, ..Treatment::default() }, START);
            due(&mut session, START);
            let record = session.snapshot(START);
            for elapsed in (ms..=seconds * 1_000).step_by(ms as usize) {
                due(&mut session, at(elapsed));
            }
            let known = |name: &str| known.iter().find(|p| &*p.name == name).cloned();
            let mut restored = Session::restore(record, (7, false), at(seconds * 1_000), known);
            let next = at(seconds * 1_000 + ms);
            let (undisturbed, goes_on) = (due(&mut session, next), due(&mut restored, next));
            let ([was], [is]) = (undisturbed.as_slice(), goes_on.as_slice()) else {
                panic!("{packet:?} after {seconds} s: {} and {} packets", undisturbed.len(), goes_on.len());
            };
            assert_eq!((is.1.timestamp, &is.2), (was.1.timestamp, &was.2), "{packet:?} after {seconds} s");
            assert!(is.1.sequence.wrapping_sub(was.1.sequence) <= 1, "{} after {}", is.1.sequence, was.1.sequence);
        }
    }
}
