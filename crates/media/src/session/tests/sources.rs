//! Which sources are accepted and where we send: thieves, reflection, phones behind a NAT, phones that only listen.

use super::*;

const PHONE: &str = "192.0.2.1:4000";
const THIEF: &str = "198.51.100.66:9000";

/// Sends one second of packets of one source from `ms` on; returns how many were accepted.
fn say(session: &mut Session, from: &str, ssrc: u32, ms: u64) -> usize {
    let first = (ms / 20) as u32;
    let packets = (0..50).map(|n| (audio(0, ssrc, first + n, 1), at(ms + 20 * u64::from(n))));
    packets.filter(|(packet, now)| session.handle_rtp(&mut packet.clone(), address(from), *now).is_some()).count()
}

fn music(session: &mut Session, now: Timestamp) {
    let prompts = vec![prompt("m", 8_000, 1)];
    session.play(1, Treatment { prompts, repeat: Repeat::Forever, ..Treatment::default() }, now);
}

/// Where audio goes in the second from `ms` on, packet by packet.
fn goes(session: &mut Session, ms: u64) -> Vec<SocketAddr> {
    (0..50).flat_map(|n| due(session, at(ms + 20 * n))).map(|(to, ..)| to).collect()
}

#[test]
fn a_new_description_does_not_open_a_stream_that_flows_to_whoever_comes_first() {
    let mut session = session();
    assert_eq!(say(&mut session, PHONE, 7, 0), 50);
    session.negotiate(stream(Law::Mu), at(1_000));
    assert!(session.handle_rtp(&mut audio(0, 66, 0, 9), address(THIEF), at(1_001)).is_none());
    music(&mut session, at(1_010));
    assert_eq!(due(&mut session, at(1_020))[0].0, address(PHONE));
    assert!(session.handle_rtp(&mut audio(0, 7, 50, 1), address(PHONE), at(1_020)).is_some());
}

#[test]
fn a_description_of_the_other_family_leads_there_at_once() {
    const SIX: &str = "[2001:db8::7]:4000";
    let mut session = session();
    assert_eq!(say(&mut session, PHONE, 7, 0), 50);
    session.negotiate(AudioStream { remote: Some(address(SIX)), ..stream(Law::Mu) }, at(1_000));
    music(&mut session, at(1_010));
    let sent = due(&mut session, at(1_020));
    assert_eq!(sent[0].0, address(SIX));
    let mut packet = audio(0, 8, 0, 1);
    let first = session.handle_rtp(&mut packet, address(SIX), at(1_021));
    assert!(first.is_some(), "without probation");
}

#[test]
fn signalling_of_the_other_family_is_no_way_to_a_private_address() {
    let (private, party) = (Some(address("10.0.0.7:4000")), Some("2001:db8::5".parse().unwrap()));
    let mut session = with(AudioStream { remote: private, party, ..stream(Law::Mu) });
    music(&mut session, at(10));
    let sent = due(&mut session, at(20));
    assert_eq!(sent[0].0, address("10.0.0.7:4000"));
}

#[test]
fn an_address_that_nobody_has_heard_from_gets_ten_seconds_of_audio_and_no_more() {
    let mut session = with(AudioStream { party: None, ..stream(Law::Mu) });
    music(&mut session, at(0));
    let sent: usize = (0..60).map(|second| goes(&mut session, second * 1_000).len()).sum();
    assert!((400..=500).contains(&sent), "{sent}");
}

fn named(party: &str, remote: &str) -> AudioStream {
    let remote = Some(address(remote));
    AudioStream { party: party.parse().ok(), remote, remote_rtcp: None, ..stream(Law::Mu) }
}

fn with(stream: AudioStream) -> Session {
    let mut session = session();
    session.negotiate(stream, START);
    session
}

#[test]
fn a_phone_that_only_listens_is_played_to_as_long_as_its_signalling_comes_from_there() {
    for (party, remote) in [("192.0.2.1", PHONE), ("127.7.0.1", "127.0.0.1:4000")] {
        let mut session = with(named(party, remote));
        music(&mut session, at(0));
        let sent: Vec<SocketAddr> = (0..120).flat_map(|second| goes(&mut session, second * 1_000)).collect();
        assert_eq!((sent.len(), sent[0]), (6_000, address(remote)));
    }
}

#[test]
fn what_was_withheld_is_told_once_and_goes_on_when_somebody_there_is_heard() {
    for answer in ["audio", "a report"] {
        let mut session = with(named("198.51.100.9", PHONE));
        music(&mut session, at(0));
        (0..20).for_each(|second| drop(goes(&mut session, second * 1_000)));
        assert_eq!(events(&mut session), [Event::Withheld(address(PHONE))]);
        assert!(goes(&mut session, 20_000).is_empty());
        // A new description does not bypass the limit.
        session.negotiate(named("198.51.100.9", "192.0.2.2:4000"), at(21_000));
        assert!(goes(&mut session, 21_000).is_empty());
        session.negotiate(named("198.51.100.9", PHONE), at(22_000));
        if answer == "audio" {
            assert!(session.handle_rtp(&mut audio(0, 7, 0, 1), address(PHONE), at(22_000)).is_some());
        } else {
            session.handle_rtcp(&mut about(0xABCD, 7, false), address("192.0.2.1:4001"), at(22_000));
        }
        let sent: usize = (23..60).map(|second| goes(&mut session, second * 1_000).len()).sum();
        assert_eq!(sent, 37 * 50, "{answer}");
    }
}

#[test]
fn comfort_noise_shows_that_somebody_is_in_the_call() {
    for (source, sent) in [(PHONE, 6_000), ("198.51.100.77:4000", 0)] {
        let mut session = with(named("198.51.100.9", PHONE));
        music(&mut session, at(0));
        session.handle_rtp(&mut audio(13, 7, 0, 1), address(source), at(0));
        let heard: usize = (0..120).map(|second| goes(&mut session, second * 1_000).len()).sum();
        assert!(if sent > 0 { heard == sent } else { heard < 600 }, "{source}: {heard}");
    }
}

#[test]
fn a_carrier_that_hears_at_one_host_and_speaks_from_another_goes_on_hearing() {
    let mut session = with(named("198.51.100.9", PHONE));
    music(&mut session, at(0));
    for n in 0..100 {
        session.handle_rtp(&mut audio(0, 7, n, 1), address("203.0.113.80:6000"), at(600 + u64::from(n) * 20));
    }
    session.handle_rtcp(&mut about(0xABCD, 7, false), address("203.0.113.80:6001"), at(3_000));
    let sent: Vec<SocketAddr> = (3..60).flat_map(|second| goes(&mut session, second * 1_000)).collect();
    assert!(sent.iter().all(|to| *to == address(PHONE)) && sent.len() > 50 * 50, "{}", sent.len());
}

#[test]
fn reports_do_not_go_to_a_private_address_that_a_phone_outside_names() {
    let reports = |named_in_sdp: &str| {
        let remote_rtcp = Some(address(named_in_sdp));
        let mut session = with(AudioStream { remote_rtcp, ..named("203.0.113.5", "203.0.113.5:4000") });
        session.goodbye(at(1_000), &mut [0; PACKET_BYTES_MAX]).map(|report| report.to)
    };
    assert_eq!(reports("203.0.113.5:4009"), Some(address("203.0.113.5:4009")));
    assert_eq!(reports("10.0.0.7:6379"), Some(address("203.0.113.5:6379")), "as its audio would");
}

/// A receiver report of source `ssrc` about a stream.
fn about(stream: u32, ssrc: u32, goodbye: bool) -> Vec<u8> {
    let block = rtcp::ReportBlock { ssrc: stream, fraction_lost: 77, ..rtcp::ReportBlock::default() };
    Report { ssrc, sender: None, block: Some(block), cname: "p", goodbye }.to_bytes()
}

#[test]
fn a_silent_phone_behind_a_nat_is_sent_to_where_its_signalling_comes_from() {
    let mut session = with(named("203.0.113.5", "10.0.0.7:4000"));
    music(&mut session, at(0));
    assert_eq!(goes(&mut session, 0)[0], address("203.0.113.5:4000"));
    assert_eq!(
        say(&mut session, "203.0.113.5:61000", 7, 1_000),
        50,
        "another port of the same host is the NAT's doing"
    );
    assert_eq!(goes(&mut session, 2_000)[0], address("203.0.113.5:61000"));
    // It stays the best address known when the phone describes itself again or has held for a while.
    session.negotiate(AudioStream { remote: None, ..named("203.0.113.5", PHONE) }, at(3_000));
    session.negotiate(named("203.0.113.5", "10.0.0.7:4002"), at(4_000));
    assert_eq!(goes(&mut session, 5_000)[0], address("203.0.113.5:61000"));
    // We never send to ourselves; among private addresses the description is trusted.
    let mut itself = with(named("203.0.113.5", "127.0.0.1:4000"));
    music(&mut itself, at(0));
    assert_eq!(goes(&mut itself, 0)[0], address("203.0.113.5:4000"));
    let mut gateway = with(named("10.0.0.1", "10.0.0.7:4000"));
    music(&mut gateway, at(0));
    assert_eq!(goes(&mut gateway, 0)[0], address("10.0.0.7:4000"));
}

#[test]
fn a_source_that_nobody_has_named_is_heard_after_its_probation_and_gives_way_at_once() {
    let mut session = with(named("192.0.2.1", PHONE));
    music(&mut session, at(0));
    let taken = say(&mut session, THIEF, 66, 0);
    assert_eq!(taken, 50 - 25 - 4, "half a second is the phone's, and four packets are its probation");
    assert_eq!(goes(&mut session, 1_000)[0], address(PHONE), "it does not get what is for the phone");
    assert_eq!(say(&mut session, PHONE, 7, 2_000), 50);
    // A phone that is silent for a second is not replaced, and one that returns is heard at once.
    assert_eq!(say(&mut session, THIEF, 66, 3_000), 0);
    assert_eq!(say(&mut session, PHONE, 7, 4_000), 50);
    assert_eq!(say(&mut session, THIEF, 66, 5_000) + say(&mut session, THIEF, 66, 6_000), 0);
    assert!(say(&mut session, THIEF, 66, 7_000) > 40);
    assert_eq!(say(&mut session, PHONE, 7, 8_000), 50);
}

#[test]
fn packets_that_are_not_consecutive_or_of_many_sources_are_no_probation() {
    let mut session = session();
    for n in 0..400_u32 {
        let now = at(1_000 + 20 * u64::from(n));
        assert!(session.handle_rtp(&mut audio(0, 66, n * 2, 1), address(THIEF), now).is_none());
        assert!(session.handle_rtp(&mut audio(0, 1_000 + n, n, 1), address("198.51.100.67:9"), now).is_none());
    }
}

#[test]
fn a_phone_whose_nat_has_changed_its_port_is_found_again() {
    let mut session = with(named("203.0.113.5", "10.0.0.7:4000"));
    assert_eq!(say(&mut session, "203.0.113.5:61000", 7, 0), 50);
    let taken = say(&mut session, "203.0.113.5:61002", 7, 1_000);
    assert!((20..=27).contains(&taken), "{taken}");
    music(&mut session, at(2_000));
    assert_eq!(goes(&mut session, 2_000)[0], address("203.0.113.5:61002"));
}

#[test]
fn a_phone_that_moves_is_followed_by_its_description_and_not_by_what_was_under_way() {
    let mut session = with(named("192.0.2.1", PHONE));
    assert_eq!(say(&mut session, PHONE, 7, 0), 50);
    session.negotiate(named("192.0.2.1", "192.0.2.77:4000"), at(1_000));
    assert!(session.handle_rtp(&mut audio(0, 7, 50, 1), address(PHONE), at(1_001)).is_some(), "it still flows");
    music(&mut session, at(1_002));
    assert_eq!(goes(&mut session, 1_020)[0], address("192.0.2.77:4000"));
    let moved = say(&mut session, "192.0.2.77:4000", 7, 1_060);
    assert!(moved >= 45, "{moved}");
}

#[test]
fn reports_of_strangers_are_not_heeded() {
    let mut session = session();
    say(&mut session, PHONE, 7, 0);
    let lost = |session: &Session| session.statistics().remote_fraction_lost;
    // Another host, another source that does not even know our stream, nonsense.
    session.handle_rtcp(&mut about(0xABCD, 7, true), address("198.51.100.66:4001"), at(1_000));
    session.handle_rtcp(&mut about(0x1234, 66, true), address("192.0.2.1:4001"), at(1_000));
    session.handle_rtcp(&mut [0x9F, 201, 0xFF, 0xFF, 0, 0, 0, 7], address("192.0.2.1:4001"), at(1_000));
    let figures = session.statistics();
    assert_eq!((lost(&session), figures.strangers, figures.invalid), (0, 2, 1));
    session.handle_rtcp(&mut about(0xABCD, 7, false), address("192.0.2.1:4001"), at(1_000));
    assert_eq!(lost(&session), 77);
    // With one port for both, reports from another port are ignored.
    let mut mux = with(AudioStream { rtcp_mux: true, ..named("192.0.2.1", PHONE) });
    say(&mut mux, PHONE, 7, 0);
    mux.handle_rtcp(&mut about(0xABCD, 7, false), address("192.0.2.1:4001"), at(1_000));
    assert_eq!(lost(&mux), 0);
    mux.handle_rtp(&mut about(0xABCD, 7, false), address(PHONE), at(1_000));
    assert_eq!(lost(&mux), 77);
}

#[test]
fn another_life_does_not_open_the_lock_or_forget_what_has_gone() {
    let mut heard = with(named("198.51.100.9", PHONE));
    say(&mut heard, PHONE, 7, 0);
    let mut heard = Session::restore(heard.snapshot(at(1_000)), (7, false), at(1_100), |_| None);
    assert!(heard.handle_rtp(&mut audio(0, 66, 0, 1), address(THIEF), at(1_100)).is_none());
    assert!(heard.handle_rtp(&mut audio(0, 7, 60, 1), address(PHONE), at(1_100)).is_some());

    let mut silent = with(named("198.51.100.9", PHONE));
    music(&mut silent, at(0));
    (0..20).for_each(|second| drop(goes(&mut silent, second * 1_000)));
    let known = |name: &str| Some(prompt(name, 8_000, 1));
    let mut silent = Session::restore(silent.snapshot(at(20_000)), (7, false), at(21_000), known);
    assert!(goes(&mut silent, 21_000).is_empty());
}

#[derive(Clone, Debug)]
enum Hostile {
    /// Any bytes, from any of the hostile addresses, to either port.
    Bytes(Vec<u8>, usize, bool),
    /// A packet like the phone's own, with this source, number and payload type.
    Alike(u32, u16, u8, usize),
    /// A report or BYE that claims to be the phone's.
    Report(u32, bool, usize),
    /// The owner refreshes the session.
    Refresh,
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let source = prop_oneof![Just(7_u32), any::<u32>()];
    let kind = prop::sample::select(vec![0_u8, 8, 13, 101, 34, 72]);
    prop_oneof![
        (prop::collection::vec(any::<u8>(), 0..60), 0..3_usize, any::<bool>())
            .prop_map(|(bytes, from, rtp)| Hostile::Bytes(bytes, from, rtp)),
        (source.clone(), any::<u16>(), kind, 0..3_usize).prop_map(|(s, n, k, from)| Hostile::Alike(s, n, k, from)),
        (source, any::<bool>(), 0..3_usize).prop_map(|(ssrc, bye, from)| Hostile::Report(ssrc, bye, from)),
        Just(Hostile::Refresh),
    ]
}

/// The packets relayed to the other leg, with `hostile` packets between the phone's.
fn relayed(hostile: &[(u8, Hostile)]) -> Vec<Option<(Header, Vec<u8>)>> {
    let from = [THIEF, "198.51.100.67:5000", "10.0.0.7:4000"].map(address);
    let (mut alice, mut bob) = (with(named("192.0.2.1", PHONE)), session());
    let mut buffer = [0; PACKET_BYTES_MAX];
    let mut out = Vec::new();
    let mut rest = hostile.iter();
    for n in 0..100_u32 {
        let now = at(20 * u64::from(n));
        if let Some(frame) = alice.handle_rtp(&mut audio(0, 7, n, n as u8), address(PHONE), now) {
            out.push(bob.relay(&frame, now, &mut buffer).map(|sent| {
                let packet = Packet::parse(&buffer[..sent.length]).unwrap();
                (packet.header, packet.payload.to_vec())
            }));
        }
        let at_once = usize::from(hostile.first().map_or(0, |(count, _)| *count));
        for (_, it) in rest.by_ref().take(at_once) {
            match it {
                Hostile::Bytes(bytes, who, true) => {
                    assert!(alice.handle_rtp(&mut bytes.clone(), from[*who], now).is_none())
                }
                Hostile::Bytes(bytes, who, false) => alice.handle_rtcp(&mut bytes.clone(), from[*who], now),
                Hostile::Alike(ssrc, number, kind, who) => {
                    let header = Header { payload_type: *kind, sequence: *number, ssrc: *ssrc, ..Header::default() };
                    let mut bytes = header.to_bytes().to_vec();
                    bytes.extend([9; 160]);
                    assert!(alice.handle_rtp(&mut bytes, from[*who], now).is_none());
                }
                Hostile::Report(ssrc, bye, who) => alice.handle_rtcp(&mut about(0xABCD, *ssrc, *bye), from[*who], now),
                Hostile::Refresh => alice.negotiate(named("192.0.2.1", PHONE), now),
            }
            alice.handle_due(now, &mut [0; PACKET_BYTES_MAX], |transmit, _| {
                assert_eq!(transmit.to.ip(), address(PHONE).ip());
            });
        }
    }
    assert!(events(&mut alice).iter().all(|event| matches!(event, Event::Learned(at) if *at == address(PHONE))));
    out
}

proptest! {
    #[test]
    fn whatever_strangers_send_what_the_phone_says_arrives_unchanged(
        input in prop::collection::vec((0..20_u8, hostile()), 0..200),
    ) {
        prop_assert_eq!(relayed(&input), relayed(&[]));
    }
}
