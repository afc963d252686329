use std::net::IpAddr;

use proptest::prelude::*;

use model::AddressFamily;

use super::negotiation::{accept_answer, answer, family_of, offer, speaking, without_events};
use super::*;
use crate::codec::Codec;

const PHONE: &str = "v=0\r\no=alice 2890844526 1 IN IP4 192.0.2.9\r\ns=call\r\ni=with a line nobody needs\r\n\
    c=IN IP4 192.0.2.9\r\nb=AS:80\r\nt=0 0\r\na=X-unknown:kept as it came \r\n\
    m=audio 40000 RTP/AVP 9 8 0 96\r\na=rtpmap:9 G722/8000\r\na=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n\
    a=ptime:20\r\na=rtcp:40003 IN IP4 192.0.2.10\r\nm=video 40010 RTP/AVP 31\r\na=sendonly\r\n";

fn local() -> LocalAudio {
    LocalAudio {
        address: "198.51.100.1".parse().unwrap(),
        port: 20_000,
        session_id: 7,
        version: 1,
        encryption: LocalEncryption::Off,
    }
}

fn with(text: &str, from: &str, to: &str) -> Description {
    assert!(text.contains(from), "{from}");
    parse(text.replace(from, to).as_bytes()).unwrap()
}

#[test]
fn the_family_of_a_description_is_that_of_its_address_unless_that_says_nothing() {
    const AT: &str = "c=IN IP4 192.0.2.9";
    assert_eq!(family_of(&parse(PHONE.as_bytes()).unwrap()), Some(AddressFamily::V4));
    assert_eq!(family_of(&with(PHONE, AT, "c=IN IP6 2001:db8::9")), Some(AddressFamily::V6));
    for hold in ["c=IN IP4 0.0.0.0", "c=IN IP6 ::", "c=IN IP4 phone.example"] {
        assert_eq!(family_of(&with(PHONE, AT, hold)), None, "{hold}");
    }
    assert_eq!(family_of(&with(PHONE, "a=ptime:20", "a=ice-ufrag:abcd")), None, "it finds the way by ICE");
}

#[test]
fn a_description_is_built_as_it_was_read() {
    assert_eq!(parse(PHONE.as_bytes()).unwrap().to_string(), PHONE);
}

#[test]
fn bare_line_feeds_and_a_missing_name_are_read() {
    let sdp = parse(b"v=0\no=- 1 1 IN IP4 192.0.2.1\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 4 RTP/AVP 0\n").unwrap();
    assert_eq!(sdp.name, None);
    assert_eq!(sdp.audio().unwrap().port, 4);
}

#[test]
fn faults_are_named() {
    let cases: [(&[u8], SdpError); 6] = [
        (b"", SdpError::Version),
        (b"o=- 1 1 IN IP4 192.0.2.1\r\n", SdpError::Version),
        (b"v=0\r\ns=-\r\n", SdpError::NoOrigin),
        (b"v=0\r\nnonsense\r\n", SdpError::Malformed(2)),
        (b"v=0\r\no=- x 1 IN IP4 192.0.2.1\r\n", SdpError::Unreadable { line: 2, letter: 'o' }),
        (b"v=0\r\no=- 1 1 IN IP4 a\r\nm=audio 70000 RTP/AVP 0\r\n", SdpError::Unreadable { line: 3, letter: 'm' }),
    ];
    for (body, error) in cases {
        assert_eq!(parse(body), Err(error));
    }
    assert_eq!(parse(&vec![b'x'; DESCRIPTION_BYTES_MAX + 1]), Err(SdpError::TooLong));
}

#[test]
fn an_offer_is_answered_with_one_law_and_the_rest_rejected() {
    let offered = parse(PHONE.as_bytes()).unwrap();
    let prefer_a = Preference { codec: Codec::Pcma, ..Preference::default() };
    let (ours, stream) = answer(&offered, &local(), prefer_a).unwrap();
    assert_eq!(stream.codec, Codec::Pcma);
    assert_eq!(stream.remote, Some("192.0.2.9:40000".parse().unwrap()));
    assert_eq!(stream.remote_rtcp, Some("192.0.2.10:40003".parse().unwrap()));
    let numbers = stream.numbers;
    assert_eq!((numbers.pcmu, numbers.pcma, numbers.event), (Some(0), Some(8), Some(96)));
    assert_eq!(ours.media.len(), 2);
    assert_eq!(ours.media[0].formats, ["8", "96"]);
    assert_eq!(ours.media[1].port, 0);
    assert_eq!(parse(ours.to_string().as_bytes()).unwrap(), ours);
}

#[test]
fn an_answer_to_our_offer_makes_the_same_stream_on_both_sides() {
    let ours = offer(&local(), Preference { codec: Codec::Pcma, direction: Direction::SendRecv }, &[]);
    assert_eq!(ours.media[0].formats, ["8", "0", "9", "111", "101", "110"]);
    let peer = LocalAudio {
        address: "192.0.2.8".parse().unwrap(),
        port: 5_000,
        session_id: 1,
        version: 1,
        encryption: LocalEncryption::Off,
    };
    let (theirs, at_peer) = answer(&ours, &peer, Preference::default()).unwrap();
    let at_us = accept_answer(&ours, &theirs, Preference::default()).unwrap();
    assert_eq!(at_us.codec, at_peer.codec);
    assert_eq!(at_us.remote, Some("192.0.2.8:5000".parse().unwrap()));
    assert!(at_us.rtcp_mux && at_peer.rtcp_mux);
    assert_eq!(at_us.remote_rtcp, at_us.remote);
}

#[test]
fn an_answer_may_number_codecs_differently_and_its_author_sends_our_numbers() {
    let ours = offer(&local(), Preference { codec: Codec::Opus, direction: Direction::SendRecv }, &[]);
    let theirs =
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 120 96\r\n\
        a=rtpmap:120 opus/48000/2\r\na=rtpmap:96 telephone-event/8000\r\n";
    let stream = accept_answer(&ours, &parse(theirs).unwrap(), Preference::default()).unwrap();
    assert_eq!((stream.number(), stream.event()), (Some(120), Some((96, 8_000))));
    assert_eq!(
        (stream.offered.opus, stream.offered.event, stream.offered.event_full),
        (Some(111), Some(101), Some(110))
    );
}

#[test]
fn the_length_of_packets_is_the_one_that_the_peer_wants() {
    let cases: [(&str, Option<u16>, u16); 12] = [
        ("a=ptime:10", Some(80), 10),
        ("a=ptime:20", Some(160), 20),
        ("a=ptime:30", Some(240), 30),
        ("a=ptime:40", Some(320), 40),
        ("a=ptime:20.0", Some(160), 20),
        ("a=ptime:25", Some(160), 20),
        ("a=ptime:5", Some(80), 10),
        ("a=ptime:200", Some(480), 60),
        ("a=ptime:40\r\na=maxptime:30", Some(240), 30),
        ("a=maxptime:10", Some(80), 10),
        ("a=maxptime:150", None, 20),
        ("a=ptime:soon", None, 20),
    ];
    for (line, packet, told) in cases {
        let (reply, stream) = answer(&with(PHONE, "a=ptime:20", line), &local(), Preference::default()).unwrap();
        assert_eq!((stream.packet, stream.packet_samples()), (packet, usize::from(told) * 8), "{line}");
        let ours = reply.media[0].attribute("ptime").unwrap().value.as_deref();
        assert_eq!(ours, Some(told.to_string().as_str()), "{line}");
    }
}

#[test]
fn hold_is_told_in_three_ways() {
    assert!(!parse(PHONE.as_bytes()).unwrap().is_hold());
    assert!(with(PHONE, "a=ptime:20", "a=sendonly").is_hold());
    assert!(with(PHONE, "a=ptime:20", "a=inactive").is_hold());
    assert!(with(PHONE, "c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0").is_hold());
    assert!(with(PHONE, "b=AS:80", "a=sendonly").is_hold(), "at session level");
    assert!(!with(PHONE, "a=ptime:20", "a=recvonly").is_hold());
}

#[test]
fn a_hold_is_answered_from_the_other_side() {
    for (theirs, ours) in [("sendonly", "recvonly"), ("inactive", "inactive"), ("recvonly", "sendonly")] {
        let held = with(PHONE, "a=ptime:20", &format!("a={theirs}"));
        let (reply, stream) = answer(&held, &local(), Preference::default()).unwrap();
        assert_eq!(reply.direction_of(&reply.media[0]).as_str(), ours);
        assert_eq!(stream.direction.as_str(), ours);
    }
}

#[test]
fn an_unspecified_address_leaves_no_one_to_send_to() {
    let held = with(PHONE, "c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
    assert_eq!(answer(&held, &local(), Preference::default()).unwrap().1.remote, None);
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let refuse = |sdp: &Description| answer(sdp, &local(), Preference::default()).unwrap_err();
    assert_eq!(refuse(&with(PHONE, "m=audio 40000", "m=audio 0")), NegotiationError::NoAudio);
    assert_eq!(refuse(&with(PHONE, "RTP/AVP 9 8 0 96", "RTP/SAVP 9 8 0 96")), NegotiationError::NoAudio);
    assert_eq!(refuse(&with(PHONE, "RTP/AVP 9 8 0 96", "RTP/AVP 18")), NegotiationError::NoCodec);
    assert_eq!(refuse(&with(PHONE, "c=IN IP4 192.0.2.9", "c=IN IP4 phone.example")), NegotiationError::NoAddress);
    assert_eq!(refuse(&with(PHONE, "c=IN IP4 192.0.2.9\r\n", "")), NegotiationError::NoConnection);
    assert_eq!(refuse(&with(PHONE, "c=IN IP4 192.0.2.9", "c=IN IP6 2001:db8::9")), NegotiationError::Family);
    let ours = offer(&local(), Preference::default(), &[]);
    let six = LocalAudio { address: "2001:db8::1".parse().unwrap(), ..local() };
    let (theirs, _) = answer(&offer(&six, Preference::default(), &[]), &six, Preference::default()).unwrap();
    assert_eq!(accept_answer(&ours, &theirs, Preference::default()), Err(NegotiationError::Family));
    let two = parse(PHONE.as_bytes()).unwrap();
    assert_eq!(accept_answer(&ours, &two, Preference::default()), Err(NegotiationError::Mismatch));
}

#[test]
fn groups_and_everybody_are_not_sent_to() {
    let refuse = |sdp: &Description| answer(sdp, &local(), Preference::default()).unwrap_err();
    for address in ["224.1.1.1", "239.255.0.1", "255.255.255.255"] {
        let sdp = with(PHONE, "c=IN IP4 192.0.2.9", &format!("c=IN IP4 {address}"));
        assert_eq!(refuse(&sdp), NegotiationError::NoAddress, "{address}");
    }
    let reports = |line: &str| {
        let sdp = with(PHONE, "a=rtcp:40003 IN IP4 192.0.2.10", line);
        answer(&sdp, &local(), Preference::default()).unwrap().1.remote_rtcp.map(|at| at.to_string())
    };
    assert_eq!(reports("a=rtcp:40009 IN IP4 224.1.1.1"), None);
    assert_eq!(reports("a=rtcp:40009 IN IP6 2001:db8::1"), None);
    assert_eq!(reports("a=rtcp:0"), None);
    assert_eq!(reports("a=rtcp:70000"), None);
    assert_eq!(reports("a=rtcp:40009 IN IP4 192.0.2.9").as_deref(), Some("192.0.2.9:40009"));
    assert_eq!(reports("a=rtcp:40009").as_deref(), Some("192.0.2.9:40009"));
}

#[test]
fn numbers_beyond_their_bounds_are_not_taken() {
    let line = |media: &str| parse(format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\nm={media}\r\n").as_bytes());
    let many = |count: usize| format!("audio 4000 RTP/AVP{}", " 0".repeat(count));
    assert!(line(&many(FORMATS_MAX)).is_ok());
    assert!(line(&many(FORMATS_MAX + 1)).is_err());
    assert!(line("audio 65536 RTP/AVP 0").is_err() && line("audio -1 RTP/AVP 0").is_err());
    let wanted = |attribute: &str| {
        answer(&with(PHONE, "a=ptime:20", attribute), &local(), Preference::default()).unwrap().1.packet
    };
    assert_eq!(wanted("a=ptime:0"), None);
    assert_eq!(wanted("a=ptime:4294967296"), None);
    assert_eq!(wanted("a=ptime:65535"), Some(480));
    assert_eq!(wanted("a=ptime:1"), Some(80));
    assert_eq!(wanted("a=maxptime:0"), None);
    // 65535 has no port above it.
    let last = PHONE.replace("m=audio 40000", "m=audio 65535").replace("a=rtcp:40003 IN IP4 192.0.2.10\r\n", "");
    let last = parse(last.as_bytes()).unwrap();
    assert_eq!(answer(&last, &local(), Preference::default()).unwrap().1.remote_rtcp, None);
}

#[test]
fn a_law_that_is_not_spoken_is_neither_offered_nor_taken() {
    let prefer_a = Preference { codec: Codec::Pcma, ..Preference::default() };
    let ours = offer(&local(), prefer_a, &[Codec::Pcma]);
    assert_eq!(ours.media[0].formats, ["8", "101"]);
    assert!(!ours.to_string().contains("PCMU"));
    let refused = answer(&speaking(with(PHONE, "RTP/AVP 9 8 0 96", "RTP/AVP 9 0"), &[Codec::Pcma]), &local(), prefer_a);
    assert_eq!(refused.unwrap_err(), NegotiationError::NoCodec);
    let (reply, stream) =
        answer(&speaking(parse(PHONE.as_bytes()).unwrap(), &[Codec::Pcma]), &local(), prefer_a).unwrap();
    assert_eq!((stream.codec, stream.numbers.pcmu), (Codec::Pcma, None));
    assert_eq!(reply.media[0].formats[0], "8");
    assert_eq!(speaking(ours.clone(), &[]), ours, "no codecs are no restriction");
}

#[test]
fn where_keys_go_another_way_telephone_events_are_neither_offered_nor_taken() {
    let ours = without_events(offer(&local(), Preference::default(), &[Codec::Pcmu, Codec::Opus]));
    assert_eq!(ours.media[0].formats, ["0", "111"]);
    assert!(!ours.to_string().contains("telephone-event") && ours.to_string().contains("a=fmtp:111 "), "{ours}");
    let theirs = parse(PHONE.as_bytes()).unwrap();
    assert!(theirs.to_string().contains("telephone-event"));
    let (reply, stream) = answer(&without_events(theirs), &local(), Preference::default()).unwrap();
    assert_eq!(stream.event(), None);
    assert!(!reply.to_string().contains("telephone-event"), "{reply}");
}

#[test]
fn media_level_connection_wins() {
    let sdp = with(PHONE, "a=ptime:20", "c=IN IP6 2001:db8::7");
    assert_eq!(sdp.address_of(sdp.audio().unwrap()), Some("2001:db8::7".parse::<IpAddr>().unwrap()));
}

fn line() -> impl Strategy<Value = Line> {
    let address = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
    prop_oneof![
        address.prop_map(|address| Line::Connection(Connection { address })),
        "[a-z]{1,8}".prop_map(|name| Line::flag(&name)),
        ("[a-zA-Z-]{1,8}", "[ -~]{0,20}").prop_map(|(name, value)| Line::attribute(&name, value)),
        ("[biektruz]", "[ -~]{1,20}").prop_map(|(k, value)| Line::Other(k.chars().next().unwrap(), value)),
    ]
}

fn media() -> impl Strategy<Value = Media> {
    let head = ("[a-z]{1,6}", any::<u16>(), proptest::option::of(any::<u16>()), "[A-Z/]{1,9}");
    (head, proptest::collection::vec("[0-9]{1,3}", 0..5), proptest::collection::vec(line(), 0..6)).prop_map(
        |((kind, port, port_count, protocol), formats, lines)| Media {
            kind,
            port,
            port_count,
            protocol,
            formats,
            lines,
        },
    )
}

/// Numbers at and beyond the edges of what they may be.
fn number() -> impl Strategy<Value = String> {
    const EDGES: [&str; 16] = [
        "0",
        "1",
        "-1",
        "8",
        "20",
        "72",
        "101",
        "127",
        "128",
        "255",
        "65534",
        "65535",
        "65536",
        "4294967296",
        "18446744073709551616",
        "1e9",
    ];
    prop::sample::select(EDGES.to_vec()).prop_map(str::to_owned)
}

fn hostile_line() -> impl Strategy<Value = String> {
    const HOSTS: [&str; 8] =
        ["192.0.2.9", "0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "10.0.0.1", "256.1.1.1", "phone.example"];
    let host = || prop::sample::select(HOSTS.to_vec());
    prop_oneof![
        (number(), prop::collection::vec(number(), 0..70))
            .prop_map(|(port, formats)| format!("m=audio {port} RTP/AVP {}", formats.join(" "))),
        (number(), number()).prop_map(|(port, count)| format!("m=audio {port}/{count} RTP/AVP 0 8 101")),
        host().prop_map(|host| format!("c=IN IP4 {host}")),
        (number(), host()).prop_map(|(port, host)| format!("a=rtcp:{port} IN IP4 {host}")),
        number().prop_map(|port| format!("a=rtcp:{port}")),
        number().prop_map(|ms| format!("a=ptime:{ms}")),
        number().prop_map(|ms| format!("a=maxptime:{ms}")),
        (number(), number()).prop_map(|(pt, rate)| format!("a=rtpmap:{pt} PCMU/{rate}")),
        (number(), number()).prop_map(|(pt, rate)| format!("a=rtpmap:{pt} telephone-event/{rate}")),
        (number(), "[ -~]{0,40}").prop_map(|(pt, what)| format!("a=fmtp:{pt} {what}")),
        "a=(rtcp-mux|sendonly|recvonly|inactive|crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x)",
    ]
}

proptest! {
    #[test]
    fn what_is_agreed_with_whatever_is_described_is_within_its_bounds(
        lines in prop::collection::vec(hostile_line(), 0..24),
    ) {
        let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\n{}\r\n", lines.join("\r\n"));
        let Ok(sdp) = parse(text.as_bytes()) else { return Ok(()) };
        let Ok((reply, stream)) = answer(&sdp, &local(), Preference::default()) else { return Ok(()) };
        prop_assert_eq!(reply.media.len(), sdp.media.len());
        prop_assert!(reply.to_string().len() <= DESCRIPTION_BYTES_MAX);
        prop_assert_eq!(parse(reply.to_string().as_bytes()).unwrap(), reply);
        let types = [stream.numbers.pcmu, stream.numbers.pcma, stream.numbers.event];
        prop_assert!(types.into_iter().flatten().all(|number| number < 128));
        prop_assert!(stream.number().is_some());
        prop_assert!(stream.packet.is_none_or(|samples| samples % 80 == 0 && (80..=480).contains(&samples)));
        for at in stream.remote.into_iter().chain(stream.remote_rtcp) {
            let broadcast = at.ip() == "255.255.255.255".parse::<IpAddr>().unwrap();
            prop_assert!(at.port() != 0 && !at.ip().is_multicast() && !broadcast && at.is_ipv4());
        }
    }

    #[test]
    fn parsing_what_was_built_gives_the_same(
        user in "[!-~]{1,8}", ids in any::<(u64, u64)>(), name in proptest::option::of("[ -~]{0,12}"),
        lines in proptest::collection::vec(line(), 0..6), media in proptest::collection::vec(media(), 0..4),
    ) {
        let origin = Origin { user, session_id: ids.0, version: ids.1, address: "IN IP4 host.example".to_owned() };
        let built = Description { origin, name, lines, media };
        prop_assert_eq!(parse(built.to_string().as_bytes()).unwrap(), built);
    }

    #[test]
    fn no_input_panics(body in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..PHONE.len()) {
        let _ = parse(&body);
        let mut mixed = PHONE.as_bytes()[..cut].to_vec();
        mixed.extend(&body);
        if let Ok(sdp) = parse(&mixed) {
            let _ = answer(&sdp, &local(), Preference::default());
            prop_assert_eq!(parse(sdp.to_string().as_bytes()).unwrap(), sdp);
        }
    }
}
