//! Encrypted legs: what is sent and taken, and what a takeover keeps.

use super::*;
use crate::sdp::crypto::{LocalKeys, SECRET_BYTES};
use crate::sdp::{Fingerprint, Protection};
use crate::srtp::{Keying, OVERHEAD_MAX, SUITES, SrtpReceiver, SrtpSender, Suite};

const PHONE: &str = "192.0.2.1:4000";

/// The key of our side, and that of the phone's.
fn protection(suite: Suite, number: u8) -> Protection {
    let keying = |secret: u8| LocalKeys::new([secret; SECRET_BYTES], Fingerprint::of(b"ours")).keying(suite).unwrap();
    Protection { ours: keying(number), theirs: keying(number + 100) }
}

fn encrypted(suite: Suite) -> Session {
    let mut session = session();
    session.negotiate(AudioStream { protection: Some(protection(suite, 1)), ..stream(Law::Mu) }, START);
    session
}

/// A phone with the other side's keys.
struct Peer {
    says: SrtpSender,
    hears: SrtpReceiver,
    ssrc: u32,
}

impl Peer {
    fn new(suite: Suite, ssrc: u32) -> Self {
        let Protection { ours, theirs } = protection(suite, 1);
        Self { says: SrtpSender::new(theirs, ssrc).unwrap(), hears: SrtpReceiver::new(ours).unwrap(), ssrc }
    }

    fn say(&mut self, n: u32, fill: u8) -> Vec<u8> {
        let mut packet = audio(0, self.ssrc, n, fill);
        let length = packet.len();
        packet.resize(length + OVERHEAD_MAX, 0);
        let sealed = self.says.protect(&mut packet, length).unwrap();
        packet.truncate(sealed);
        packet
    }

    /// The header and the payload of a packet that it gets.
    fn hear(&mut self, mut packet: Vec<u8>) -> Option<(Header, Vec<u8>)> {
        let (opened, _) = self.hears.open(&mut packet).ok()?;
        let packet = Packet::parse(opened).unwrap();
        Some((packet.header, packet.payload.to_vec()))
    }
}

fn sent(session: &mut Session, now: Timestamp) -> Vec<(Transmit, Vec<u8>)> {
    let mut out = [0; PACKET_BYTES_MAX];
    let mut packets = Vec::new();
    session.handle_due(now, &mut out, |transmit, buffer| packets.push((transmit, buffer[..transmit.length].to_vec())));
    packets
}

fn prompt_of(level: i16) -> Treatment {
    let samples: Arc<[i16]> = vec![level; 80_000].into();
    Treatment { prompts: vec![Prompt { name: "p".into(), samples }], ..Treatment::default() }
}

#[test]
fn audio_is_relayed_between_an_encrypted_leg_and_one_in_clear() {
    for suite in SUITES {
        let (mut secure, mut clear) = (encrypted(suite), session());
        let mut peer = Peer::new(suite, 7);
        let mut out = [0; PACKET_BYTES_MAX];
        for n in 0..5 {
            let now = at(20 * u64::from(n));
            let mut packet = peer.say(n, 0x11 + n as u8);
            let wire = packet.clone();
            let frame = secure.handle_rtp(&mut packet, address(PHONE), now).expect("taken");
            assert_eq!(frame.payload, [0x11 + n as u8; 160]);
            assert!(!wire.windows(8).any(|part| part == [0x11 + n as u8; 8]), "nobody can read it on its way");
            let transmit = clear.relay(&frame, now, &mut out).unwrap();
            assert_eq!(Packet::parse(&out[..transmit.length]).unwrap().payload, [0x11 + n as u8; 160]);
            let mut packet = audio(0, 9, n, 0x55);
            let frame = clear.handle_rtp(&mut packet, address(PHONE), now).unwrap();
            let transmit = secure.relay(&frame, now, &mut out).unwrap();
            assert!(!out[..transmit.length].windows(8).any(|part| part == [0x55; 8]));
            assert_eq!(peer.hear(out[..transmit.length].to_vec()).unwrap().1, [0x55; 160], "{suite:?}");
        }
    }
}

#[test]
fn what_is_not_authentic_or_was_there_has_no_effect() {
    for suite in SUITES {
        let mut session = encrypted(suite);
        let mut peer = Peer::new(suite, 7);
        let first = peer.say(0, 1);
        assert!(session.handle_rtp(&mut first.clone(), address(PHONE), at(0)).is_some());
        while session.poll_event().is_some() {}
        let before = session.snapshot(at(20));
        let stranger = address("198.51.100.66:9");
        let mut forged = peer.say(1, 1);
        *forged.last_mut().unwrap() ^= 1;
        let mut bad = Peer::new(suite, 7);
        bad.says = SrtpSender::new(protection(suite, 50).theirs, 7).unwrap();
        for (from, round) in [(stranger, 0), (address(PHONE), 20)] {
            for ms in round..round + 20 {
                let now = at(20 + ms);
                assert!(session.handle_rtp(&mut first.clone(), from, now).is_none(), "replayed");
                assert!(session.handle_rtp(&mut forged.clone(), from, now).is_none(), "forged");
                assert!(session.handle_rtp(&mut audio(0, 7, 1, 1), from, now).is_none(), "in clear");
                assert!(session.handle_rtp(&mut bad.say(ms as u32 + 1, 1), from, now).is_none(), "another key");
                session.handle_rtcp(&mut receiver_report(0xABCD), from, now);
            }
        }
        let after = session.snapshot(at(20));
        assert_eq!(after.refused, (160, 40));
        assert_eq!(session.poll_event(), None, "nobody is learned");
        assert_eq!(SessionSnapshot { refused: before.refused, ..after }, before);
        let figures = session.statistics();
        assert_eq!((figures.forged, figures.replayed, figures.received), (160, 40, 1));
    }
}

fn receiver_report(about: u32) -> Vec<u8> {
    let block = crate::rtcp::ReportBlock { ssrc: about, ..Default::default() };
    crate::rtcp::Report { ssrc: 7, sender: None, block: Some(block), cname: "p", goodbye: false }.to_bytes()
}

#[test]
fn reports_are_encrypted_and_read() {
    for suite in SUITES {
        let mut session = encrypted(suite);
        let mut peer = Peer::new(suite, 7);
        session.handle_rtp(&mut peer.say(0, 1), address(PHONE), START);
        let mut told = receiver_report(0xABCD);
        let length = told.len();
        told.resize(length + OVERHEAD_MAX, 0);
        let sealed = peer.says.protect_report(&mut told, length).unwrap();
        told.truncate(sealed);
        session.handle_rtcp(&mut told, address("192.0.2.1:4001"), at(10));
        assert!(session.statistics().told.is_some());
        let (transmit, mut report) = sent(&mut session, at(8_000)).pop().expect("a report");
        assert_eq!(transmit.channel, Channel::Rtcp);
        assert!(crate::rtcp::parse(&report, 7).is_err());
        let opened = peer.hears.open_report(&mut report).unwrap();
        assert_eq!(crate::rtcp::parse(opened, 7).unwrap().ssrc, 0xABCD);
        let mut out = [0; PACKET_BYTES_MAX];
        let goodbye = session.goodbye(at(8_010), &mut out).unwrap();
        let opened = peer.hears.open_report(&mut out[..goodbye.length]).unwrap();
        assert!(crate::rtcp::parse(opened, 7).unwrap().goodbye);
    }
}

#[test]
fn a_key_that_stays_goes_on_and_a_new_one_begins() {
    let suite = Suite::AesCm128Sha1_80;
    let mut session = encrypted(suite);
    let mut peer = Peer::new(suite, 7);
    let first = peer.say(0, 1);
    assert!(session.handle_rtp(&mut first.clone(), address(PHONE), at(0)).is_some());
    let with = |protection| AudioStream { protection: Some(protection), ..stream(Law::Mu) };
    session.negotiate(with(protection(suite, 1)), at(10));
    assert!(session.handle_rtp(&mut first.clone(), address(PHONE), at(20)).is_none(), "it was there before");
    assert!(session.handle_rtp(&mut peer.say(1, 1), address(PHONE), at(20)).is_some());
    let next = Protection { theirs: protection(suite, 2).theirs, ..protection(suite, 1) };
    session.negotiate(with(next), at(30));
    assert!(session.handle_rtp(&mut first.clone(), address(PHONE), at(40)).is_none(), "it was there before");
    assert!(session.handle_rtp(&mut peer.say(2, 1), address(PHONE), at(40)).is_some(), "until it uses the new one");
    let mut late = peer.say(4, 1);
    let former = std::mem::replace(&mut peer.says, SrtpSender::new(next.theirs, 7).unwrap());
    assert!(session.handle_rtp(&mut peer.say(3, 1), address(PHONE), at(60)).is_some());
    assert!(session.handle_rtp(&mut late, address(PHONE), at(60)).is_none(), "the old key is over");
    // The offer is withdrawn before the phone has used its key.
    peer.says = former;
    session.negotiate(with(protection(suite, 1)), at(61));
    session.negotiate(with(next), at(62));
    session.negotiate(with(protection(suite, 1)), at(63));
    assert!(session.handle_rtp(&mut peer.say(5, 1), address(PHONE), at(64)).is_some());
    session.negotiate(stream(Law::Mu), at(70));
    assert!(session.handle_rtp(&mut audio(0, 7, 4, 1), address(PHONE), at(80)).is_some(), "in clear, as agreed");
}

/// Packets with all sequence numbers, so that the next ones are of the next cycle.
fn roll_over(session: &mut Session, peer: &mut Peer, from: u32) {
    for n in (from..from + 0x1_0000).step_by(0x4000) {
        assert!(session.handle_rtp(&mut peer.say(n, 1), address(PHONE), at(u64::from(n) * 20)).is_some(), "{n}");
    }
}

#[test]
fn a_phone_may_keep_its_rollover_counter_under_a_new_key() {
    for suite in SUITES {
        let mut session = encrypted(suite);
        let mut peer = Peer::new(suite, 7);
        for cycle in 0..3 {
            roll_over(&mut session, &mut peer, cycle * 0x1_0000);
        }
        let next = Protection { theirs: protection(suite, 2).theirs, ..protection(suite, 1) };
        let now = at(3 * 0x1_0000 * 20);
        session.negotiate(AudioStream { protection: Some(next), ..stream(Law::Mu) }, now);
        peer.says = SrtpSender::resume(next.theirs, 7, (2 << 16) + 0xFFFF).unwrap();
        assert!(session.handle_rtp(&mut peer.say(0x3_0000, 1), address(PHONE), now).is_some(), "{suite:?}");
    }
}

#[test]
fn another_receiver_gets_another_source_once_ours_has_rolled_over() {
    let suite = Suite::AesCm128Sha1_80;
    let (mut secure, mut clear) = (encrypted(suite), session());
    let mut out = [0; PACKET_BYTES_MAX];
    let mut relay = |secure: &mut Session, n: u32| {
        let now = at(u64::from(n) * 20);
        let mut packet = audio(0, 9, n, 0x55);
        let frame = clear.handle_rtp(&mut packet, address(PHONE), now).unwrap();
        let transmit = secure.relay(&frame, now, &mut out).unwrap();
        out[..transmit.length].to_vec()
    };
    let elsewhere = |port: u16| AudioStream {
        protection: Some(protection(suite, 1)),
        remote: Some(SocketAddr::new(address(PHONE).ip(), port)),
        ..stream(Law::Mu)
    };
    let mut first = Peer::new(suite, 7);
    let ssrc = first.hear(relay(&mut secure, 0)).expect("it begins").0.ssrc;
    secure.negotiate(elsewhere(4_002), at(10));
    let mut second = Peer::new(suite, 7);
    assert_eq!(second.hear(relay(&mut secure, 1)).expect("it knows the counter").0.ssrc, ssrc);
    for n in (2..0x1_0010).step_by(0x1000) {
        assert!(second.hear(relay(&mut secure, n)).is_some());
    }
    secure.negotiate(elsewhere(4_002), at(0x1_0010 * 20));
    assert_eq!(second.hear(relay(&mut secure, 0x1_0020)).expect("the same one goes on").0.ssrc, ssrc);
    secure.negotiate(elsewhere(4_004), at(0x1_0021 * 20));
    let mut third = Peer::new(suite, 7);
    let (header, _) = third.hear(relay(&mut secure, 0x1_0022)).expect("it counts from nought");
    assert!(header.ssrc != ssrc && header.sequence < 0x8000, "{header:?}");
}

#[test]
fn a_flood_of_sources_is_told_once_a_second_and_does_not_push_out_the_one_that_talks() {
    let suite = Suite::AesGcm128;
    let mut session = encrypted(suite);
    let mut peer = Peer::new(suite, 7);
    let mut told = 0;
    let first = peer.say(0, 1);
    assert!(session.handle_rtp(&mut first.clone(), address(PHONE), at(0)).is_some());
    for n in 1..200 {
        let mut other = Peer::new(suite, 1_000 + n);
        session.handle_rtp(&mut other.say(0, 1), address(PHONE), at(5 * u64::from(n)));
        session.handle_rtp(&mut peer.say(n, 1), address(PHONE), at(5 * u64::from(n)));
        told += std::iter::from_fn(|| session.poll_event()).filter(|event| *event == Event::Counted).count();
    }
    assert_eq!(told, 1);
    assert!(session.handle_rtp(&mut first.clone(), address(PHONE), at(1_000)).is_none(), "it is remembered");
}

#[test]
fn what_may_have_become_encrypted_since_its_snapshot_goes_on_as_another_source() {
    let mut clear = session();
    clear.negotiate(stream(Law::Mu), START);
    clear.play(1, prompt_of(1_000), START);
    let source = |said: &[(Transmit, Vec<u8>)]| Packet::parse(&said[0].1).unwrap().header.ssrc;
    let before = source(&sent(&mut clear, at(0)));
    let snapshot = clear.snapshot(at(10));
    for (may_be_encrypted, is_same) in [(false, true), (true, false)] {
        let known = |_: &str| prompt_of(1_000).prompts.pop();
        let mut next = Session::restore(snapshot.clone(), (0x1111_2222_3333_4444, may_be_encrypted), at(5_000), known);
        let said: Vec<_> = (0..5).flat_map(|n| sent(&mut next, at(5_000 + 20 * n))).collect();
        assert_eq!(source(&said) == before, is_same);
    }
}

#[test]
fn a_takeover_goes_on_without_using_a_keystream_again() {
    for suite in SUITES {
        let mut session = encrypted(suite);
        let mut peer = Peer::new(suite, 7);
        session.play(1, prompt_of(1_000), START);
        let said: Vec<_> = (0..10).flat_map(|n| sent(&mut session, at(20 * n))).collect();
        let old: Vec<Header> = said.iter().filter_map(|(_, packet)| Some(peer.hear(packet.clone())?.0)).collect();
        let before = peer.say(0, 1);
        assert!(session.handle_rtp(&mut before.clone(), address(PHONE), at(200)).is_some());
        assert_eq!(session.poll_event(), Some(Event::Counted), "a successor must know of the source");
        let snapshot = session.snapshot(at(200));
        // Two successors of the same snapshot: the first one dies before it has stored anything.
        let mut ssrcs = vec![old[0].ssrc];
        for fresh in [0x1111_2222_3333_4444, 0x5555_6666_7777_8888] {
            let known = |_: &str| prompt_of(1_000).prompts.pop();
            let mut next = Session::restore(snapshot.clone(), (fresh, false), at(5_000), known);
            let said: Vec<_> = (0..5).flat_map(|n| sent(&mut next, at(5_000 + 20 * n))).collect();
            let heard: Vec<_> = said.iter().filter_map(|(_, packet)| peer.hear(packet.clone())).collect();
            assert!(heard.len() >= 4, "{suite:?}");
            assert!(heard.iter().all(|(header, _)| header.ssrc == heard[0].0.ssrc && header.sequence < 0x8000));
            ssrcs.push(heard[0].0.ssrc);
            assert!(next.handle_rtp(&mut before.clone(), address(PHONE), at(5_100)).is_none(), "it was there before");
            let mut packet = peer.say(ssrcs.len() as u32 * 100, 1);
            assert!(next.handle_rtp(&mut packet, address(PHONE), at(5_110)).is_some(), "the phone goes on");
        }
        ssrcs.sort_unstable();
        ssrcs.dedup();
        assert_eq!(ssrcs.len(), 3, "no source has the keystream of another one");
    }
}

#[test]
fn a_source_that_repeats_its_numbers_gets_no_second_packet_under_them() {
    let (mut secure, mut clear) = (encrypted(Suite::AesGcm128), session());
    let mut out = [0; PACKET_BYTES_MAX];
    let mut relayed = 0;
    for fill in [1, 2, 3] {
        let mut packet = audio(0, 9, 5, fill);
        let frame = clear.handle_rtp(&mut packet, address(PHONE), at(0)).unwrap();
        relayed += usize::from(secure.relay(&frame, at(0), &mut out).is_some());
    }
    assert_eq!(relayed, 1);
}

#[test]
fn keys_that_cannot_be_read_are_not_shown_either() {
    let session = encrypted(Suite::AesCm128Sha1_80);
    let Protection { ours, theirs } = protection(Suite::AesCm128Sha1_80, 1);
    let shown = format!("{session:?}{:?}{:?}", session.snapshot(START), session.stream());
    for keying in [ours, theirs] {
        let bytes: Vec<String> = keying.material()[..4].iter().map(ToString::to_string).collect();
        assert!(!shown.contains(&bytes.join(", ")));
    }
    assert!(Keying::new(Suite::AesGcm256, &[0; 30], None).is_none());
}
