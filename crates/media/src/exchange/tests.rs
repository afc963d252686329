use std::time::Duration;

use model::entropy::{Entropy, Seeded};

use super::*;
use crate::codec::{Codec, Decoder, Encoder, OpusTerms, SampleRate};
use crate::g711::Law;
use crate::rtp::{Header, Packet};
use crate::sdp::{AudioStream, Direction, PayloadTypes};
use crate::session::{FRAME, Prompt, Repeat, Setup, Treatment};

mod recording;

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn phone(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000 + n))
}

fn leg(exchange: &mut Exchange, n: u16, law: Law) -> LegKey {
    leg_with(exchange, n, law, |_| {})
}

fn leg_with(exchange: &mut Exchange, n: u16, law: Law, change: impl FnOnce(&mut AudioStream)) -> LegKey {
    let setup = Setup {
        ssrc: 1_000 + u32::from(n),
        sequence: 0,
        timestamp: 0,
        cname: "x".to_owned(),
        quiet_after: Duration::from_secs(20),
    };
    let mut session = Session::new(setup, START);
    let mut stream = AudioStream {
        remote: Some(phone(n)),
        party: None,
        remote_rtcp: None,
        rtcp_mux: true,
        codec: law.into(),
        numbers: PayloadTypes { pcmu: Some(0), pcma: Some(8), event: Some(101), ..PayloadTypes::default() },
        offered: PayloadTypes::default(),
        opus: OpusTerms::default(),
        direction: Direction::SendRecv,
        packet: None,
        protection: None,
        association: None,
    };
    change(&mut stream);
    session.negotiate(stream, START);
    exchange.open(session)
}

fn part(leg: LegKey) -> Part {
    Part::open(leg.index.to_string())
}

fn audio(law: Law, ssrc: u32, n: u32, sample: i16) -> Vec<u8> {
    let payload_type = law.payload_type();
    let header = Header { marker: false, payload_type, sequence: n as u16, timestamp: n * 160, ssrc };
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend([law.encode(sample); 160]);
    bytes
}

/// Gives a packet to a leg; returns (destination phone, bytes) of each packet sent.
fn say(exchange: &mut Exchange, from: LegKey, n: u16, bytes: &[u8], now: Timestamp) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent = Vec::new();
    let mut send = |out: Outgoing<'_>| sent.push((out.to, out.bytes.to_vec()));
    exchange.handle_packet(from.index, Channel::Rtp, &mut bytes.to_vec(), phone(n), now, &mut send);
    sent
}

fn heard_by(exchange: &mut Exchange, from: LegKey, n: u16, seq: u32, now: Timestamp) -> Vec<SocketAddr> {
    let packet = audio(Law::Mu, u32::from(n) + 1, seq, 99);
    say(exchange, from, n, &packet, now).into_iter().map(|(to, _)| to).collect()
}

#[test]
fn two_members_hear_each_other_across_the_laws() {
    let mut exchange = Exchange::default();
    let (a, b) = (leg(&mut exchange, 0, Law::Mu), leg(&mut exchange, 1, Law::A));
    exchange.join(a, "c", part(a), START).unwrap();
    exchange.join(b, "c", part(b), START).unwrap();
    let sent = say(&mut exchange, a, 0, &audio(Law::Mu, 1, 0, 3_000), START);
    assert_eq!(sent.len(), 1);
    let packet = Packet::parse(&sent[0].1).unwrap();
    assert_eq!((sent[0].0, packet.header.payload_type), (phone(1), 8));
    assert!((Law::A.decode(packet.payload[0]) - 3_000).abs() < 200);
    assert_eq!(heard_by(&mut exchange, b, 1, 0, START), [phone(0)]);
    exchange.leave(b);
    assert!(heard_by(&mut exchange, a, 0, 1, START).is_empty());
}

#[test]
fn a_key_that_a_phone_signals_is_told_once_and_reaches_the_other_as_an_event() {
    let mut exchange = Exchange::default();
    let (a, b) = (leg(&mut exchange, 0, Law::Mu), leg(&mut exchange, 1, Law::A));
    exchange.join(a, "c", part(a), START).unwrap();
    exchange.join(b, "c", part(b), START).unwrap();
    exchange.press(a, Digit::from_char('4').unwrap(), Duration::from_millis(100), START);
    let told: Vec<(LegKey, Event)> = std::iter::from_fn(|| exchange.poll_event()).collect();
    assert_eq!(told, [(a, Event::Digit(Digit::from_char('4').unwrap()))]);
    let mut sent = Vec::new();
    for n in 0..20 {
        exchange.handle_timeout(START + FRAME * n, &mut |out| sent.push((out.to, out.bytes.to_vec())));
    }
    assert!(sent.iter().all(|(to, _)| *to == phone(1)));
    let codes: Vec<u8> = sent.iter().map(|(_, bytes)| Packet::parse(bytes).unwrap().payload[0]).collect();
    assert_eq!(codes, [4; 7]);
}

#[test]
fn a_key_for_a_phone_that_has_them_by_signalling_is_told_and_not_sent() {
    let mut exchange = Exchange::default();
    let (a, b) =
        (leg(&mut exchange, 0, Law::Mu), leg_with(&mut exchange, 1, Law::A, |stream| stream.numbers.event = None));
    exchange.with(b, Session::signal_keys);
    exchange.join(a, "c", part(a), START).unwrap();
    exchange.join(b, "c", part(b), START).unwrap();
    let four = Digit::from_char('4').unwrap();
    exchange.press(a, four, Duration::from_millis(100), START);
    let mut sent = Vec::new();
    for n in 0..20 {
        exchange.handle_timeout(START + FRAME * n, &mut |out| sent.push(out.to));
    }
    assert!(sent.is_empty(), "{sent:?}");
    let told: Vec<(LegKey, Event)> = std::iter::from_fn(|| exchange.poll_event()).collect();
    assert_eq!(told, [(a, Event::Digit(four)), (b, Event::Key(four, Duration::from_millis(100)))]);
}

#[test]
fn echo_gives_a_phone_its_own_voice_and_ends() {
    let mut exchange = Exchange::default();
    let a = leg(&mut exchange, 0, Law::Mu);
    exchange.echo(a, true);
    assert_eq!(heard_by(&mut exchange, a, 0, 0, START), [phone(0)]);
    exchange.echo(a, false);
    assert!(heard_by(&mut exchange, a, 0, 1, START).is_empty());
}

/// What the phones hear of the mix at a time: destination and a sample from the middle of the packet.
fn mixed(exchange: &mut Exchange, now: Timestamp) -> Vec<(SocketAddr, i16)> {
    let mut heard = Vec::new();
    exchange.handle_timeout(now, &mut |out| {
        if let Ok(packet) = Packet::parse(out.bytes) {
            let law = if packet.header.payload_type == 0 { Law::Mu } else { Law::A };
            heard.push((out.to, law.decode(packet.payload[packet.payload.len() / 2])));
        }
    });
    heard.sort();
    heard
}

#[test]
fn three_members_are_mixed_and_two_are_relayed_again() {
    let mut exchange = Exchange::default();
    let laws = [Law::Mu, Law::A, Law::Mu];
    let legs: Vec<LegKey> = laws.iter().zip(0..).map(|(law, n)| leg(&mut exchange, n, *law)).collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    for n in 0..6 {
        let now = START + FRAME * n;
        for (at, (leg, law)) in legs.iter().zip(laws).enumerate() {
            let packet = audio(law, at as u32 + 1, n, 1_000 * (at as i16 + 1));
            assert!(say(&mut exchange, *leg, at as u16, &packet, now).is_empty(), "nothing is relayed");
        }
        let heard = mixed(&mut exchange, now);
        let near = |heard: &(SocketAddr, i16), to, sample: i16| heard.0 == phone(to) && (heard.1 - sample).abs() < 300;
        if n >= 3 {
            assert!(near(&heard[0], 0, 5_000) && near(&heard[1], 1, 4_000) && near(&heard[2], 2, 3_000), "{heard:?}");
        }
    }
    exchange.leave(legs[2]);
    assert_eq!(heard_by(&mut exchange, legs[0], 0, 6, START + FRAME * 6), [phone(1)]);
    assert!(mixed(&mut exchange, START + FRAME * 7).is_empty(), "the mixer is gone");
}

#[test]
fn every_packet_time_gets_the_whole_mix() {
    for ptime in [10, 20, 30, 40, 50, 60_u16] {
        let mut exchange = Exchange::default();
        let legs: Vec<LegKey> = (0..3)
            .map(|n| leg_with(&mut exchange, n, Law::Mu, |stream| stream.packet = (n == 2).then_some(ptime * 8)))
            .collect();
        legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
        let mut packets = Vec::new();
        for n in 0..60 {
            let now = START + FRAME * n;
            say(&mut exchange, legs[0], 0, &audio(Law::Mu, 1, n, 1_000), now);
            exchange.handle_timeout(now, &mut |out| {
                if out.to == phone(2) && out.channel == Channel::Rtp {
                    let packet = Packet::parse(out.bytes).unwrap();
                    packets.push((packet.header.timestamp, packet.payload.len()));
                }
            });
        }
        let samples = usize::from(ptime) * 8;
        assert!(packets.iter().all(|(_, length)| *length == samples), "{ptime} ms");
        let steps: Vec<u32> = packets.windows(2).map(|two| two[1].0.wrapping_sub(two[0].0)).collect();
        assert!(steps.iter().all(|step| *step as usize == samples), "{ptime} ms: {steps:?}");
        assert!(packets.len() * samples >= 56 * 160, "{ptime} ms: nothing is left out, {} packets", packets.len());
    }
}

#[test]
fn what_a_phone_plays_to_whom_it_holds_is_not_for_a_conference() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..3)
        .map(|n| {
            leg_with(&mut exchange, n, Law::Mu, |stream| {
                stream.direction = if n == 0 { Direction::RecvOnly } else { Direction::SendRecv };
            })
        })
        .collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    for n in 0..6 {
        let now = START + FRAME * n;
        say(&mut exchange, legs[0], 0, &audio(Law::Mu, 1, n, 10_000), now);
        assert!(mixed(&mut exchange, now).iter().all(|(_, sample)| sample.abs() < 100));
    }
}

#[test]
fn one_members_keys_do_not_silence_the_others() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..3).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    let (mut audio_packets, mut events_after) = (0, 0);
    for n in 0..150 {
        let now = START + FRAME * n;
        if n < 100 {
            exchange.press(legs[0], Digit::from_char('4').unwrap(), Duration::from_millis(100), now);
        }
        exchange.handle_timeout(now, &mut |out| {
            if out.to == phone(1) && out.channel == Channel::Rtp {
                let is_event = Packet::parse(out.bytes).unwrap().header.payload_type == 101;
                audio_packets += u32::from(!is_event);
                events_after += u32::from(is_event && n > 130);
            }
        });
    }
    assert!(audio_packets >= 148, "{audio_packets}");
    assert_eq!(events_after, 0, "what waits is soon over");
}

#[test]
fn a_key_in_a_mix_reaches_the_others() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..3).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    exchange.press(legs[0], Digit::from_char('4').unwrap(), Duration::from_millis(100), START);
    let mut heard = Vec::new();
    for n in 0..20 {
        exchange.handle_timeout(START + FRAME * n, &mut |out| {
            let packet = Packet::parse(out.bytes).unwrap();
            heard.extend((packet.header.payload_type == 101).then_some((out.to, packet.payload[0])));
        });
    }
    assert_eq!(heard.iter().filter(|(to, code)| *to == phone(1) && *code == 4).count(), 7);
    assert_eq!(heard.iter().filter(|(to, _)| *to == phone(2)).count(), 7);
    assert!(heard.iter().all(|(to, _)| *to != phone(0)));
}

#[test]
fn all_keys_of_one_of_two_in_a_mix_reach_the_other() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..2).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    for key in 0..10 {
        let digit = char::from_digit(key, 10).and_then(Digit::from_char).unwrap();
        exchange.press(legs[0], digit, Duration::from_millis(100), START);
    }
    let mut heard = Vec::new();
    for n in 0..100 {
        exchange.handle_timeout(START + FRAME * n, &mut |out| {
            let packet = Packet::parse(out.bytes).unwrap();
            heard.extend((packet.header.payload_type == 101).then_some(packet.payload[0]));
        });
    }
    heard.dedup();
    assert_eq!(heard, (0..10).collect::<Vec<u8>>());
}

/// What three phones that speak at 1,000, 2,000 and 4,000 hear in the end, in thousands; none for a phone that gets nothing.
fn heard_with(parts: &[Part]) -> Vec<Option<i16>> {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..parts.len()).map(|n| leg(&mut exchange, n as u16, Law::Mu)).collect();
    // First all in the open: a part changes while the conference goes on.
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    legs.iter().zip(parts).for_each(|(leg, part)| exchange.join(*leg, "c", part.clone(), START).unwrap());
    let mut last = vec![None; parts.len()];
    for n in 0..8 {
        let now = START + FRAME * n;
        let mut sent = Vec::new();
        for (at, leg) in legs.iter().enumerate() {
            let packet = audio(Law::Mu, at as u32 + 1, n, 1_000 << at);
            sent.extend(say(&mut exchange, *leg, at as u16, &packet, now));
        }
        let relayed = sent.iter().map(|(to, bytes)| (*to, Law::Mu.decode(Packet::parse(bytes).unwrap().payload[80])));
        for (to, sample) in relayed.chain(mixed(&mut exchange, now)) {
            last[usize::from(to.port() - 4_000)] = Some((sample + 200) / 1_000);
        }
    }
    last
}

#[test]
fn a_part_says_who_hears_and_is_heard() {
    let open = |n: u32| Part::open(n.to_string());
    let mute = |n: u32| Part { heard_by: HeardBy::Nobody, ..open(n) };
    let deaf = |n: u32| Part { hears: false, ..open(n) };
    let coach = |n: u32, whom: u32| Part { heard_by: HeardBy::Only(whom.to_string().into()), ..open(n) };
    assert_eq!(heard_with(&[open(0), open(1)]), [Some(2), Some(1)]);
    assert_eq!(heard_with(&[mute(0), open(1)]), [Some(2), Some(0)], "silence, not nothing");
    assert_eq!(heard_with(&[deaf(0), open(1)]), [Some(0), Some(1)]);
    assert_eq!(heard_with(&[open(0), open(1), mute(2)]), [Some(2), Some(1), Some(3)]);
    assert_eq!(heard_with(&[open(0), open(1), coach(2, 0)]), [Some(6), Some(1), Some(3)]);
    assert_eq!(heard_with(&[open(0), open(1), coach(2, 7)]), [Some(2), Some(1), Some(3)], "who is not there");
}

#[test]
fn a_key_of_a_mute_member_is_heard_by_nobody() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..3).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    exchange.join(legs[0], "c", Part { heard_by: HeardBy::Nobody, ..part(legs[0]) }, START).unwrap();
    exchange.press(legs[0], Digit::from_char('4').unwrap(), Duration::from_millis(100), START);
    for n in 0..20 {
        exchange.handle_timeout(START + FRAME * n, &mut |out| {
            assert_ne!(Packet::parse(out.bytes).unwrap().header.payload_type, 101);
        });
    }
}

#[test]
fn a_conference_has_room_for_fifty() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..51).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    legs[..MEMBERS_MAX].iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    assert_eq!(exchange.join(legs[MEMBERS_MAX], "c", part(legs[MEMBERS_MAX]), START), Err(JoinError::Full));
    assert_eq!(exchange.join(legs[0], "c", part(legs[0]), START), Ok(()), "who is in it stays");
}

#[test]
fn a_closed_leg_is_silent_and_its_key_is_dead() {
    let mut exchange = Exchange::default();
    let (a, b) = (leg(&mut exchange, 0, Law::Mu), leg(&mut exchange, 1, Law::Mu));
    exchange.join(a, "c", part(a), START).unwrap();
    exchange.join(b, "c", part(b), START).unwrap();
    heard_by(&mut exchange, a, 0, 0, START);
    let mut goodbyes = 0;
    assert!(exchange.close(b, START, &mut |_| goodbyes += 1).is_some());
    assert_eq!(goodbyes, 1);
    assert!(heard_by(&mut exchange, a, 0, 1, START).is_empty());
    let c = leg(&mut exchange, 2, Law::Mu);
    assert_eq!(c.index, b.index, "the place is used again");
    assert_eq!(exchange.join(b, "c", part(b), START), Err(JoinError::NoLeg));
    assert!(exchange.close(b, START, &mut |_| {}).is_none());
}

#[test]
fn many_treatments_keep_their_pace() {
    let mut exchange = Exchange::default();
    let music = Prompt { name: "m".into(), samples: vec![1_000; 1_234].into() };
    let mut random = Seeded::new(7);
    let legs: Vec<LegKey> = (0..50).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    let mut now = START;
    for key in &legs {
        now = now + Duration::from_micros(random.below(3_000));
        let treatment = Treatment { prompts: vec![music.clone()], repeat: Repeat::Forever, ..Treatment::default() };
        exchange.with(*key, |session| session.play(1, treatment, now));
    }
    let mut last: Vec<Option<(Timestamp, Header)>> = vec![None; legs.len()];
    let mut count = 0;
    while now < START + Duration::from_secs(2) {
        now = exchange.next_timeout().max(now);
        exchange.handle_timeout(now, &mut |out| {
            let header = Packet::parse(out.bytes).unwrap().header;
            if let Some((before, previous)) = last[out.index as usize].replace((now, header)) {
                // The first packets wait until all legs are open.
                assert!(now == before + FRAME || now < START + FRAME * 6);
                assert_eq!(header.sequence, previous.sequence.wrapping_add(1));
            }
            count += 1;
        });
    }
    assert!((4_900..=5_050).contains(&count), "{count}");
}

/// A leg of a codec that has a state, with its encoder and its decoder.
struct Voice {
    key: LegKey,
    codec: Codec,
    encoder: Encoder,
    decoder: Decoder,
    heard: Vec<i16>,
}

impl Voice {
    fn new(exchange: &mut Exchange, n: u16, codec: Codec) -> Self {
        let key = leg_with(exchange, n, Law::A, |stream| {
            stream.codec = codec;
            stream.numbers = PayloadTypes { g722: Some(9), opus: Some(111), event_full: Some(110), ..stream.numbers };
        });
        exchange.join(key, "c", part(key), START).unwrap();
        let encoder = Encoder::new(codec, SampleRate::Narrow, OpusTerms::default());
        Self { key, codec, encoder, decoder: Decoder::new(codec, SampleRate::Narrow), heard: Vec::new() }
    }

    fn packet(&mut self, n: u32, samples: &[i16]) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type: self.codec.payload_type(),
            sequence: n as u16,
            timestamp: n * self.codec.clock() / 50,
            ssrc: 1 + self.key.index,
        };
        let mut bytes = header.to_bytes().to_vec();
        let mut room = [0; 1_275];
        let length = self.encoder.encode(samples, &mut room);
        bytes.extend_from_slice(&room[..length]);
        bytes
    }
}

/// Lets each say a tone of its own for two seconds, beginning with that packet; returns how many packets passed as they came.
fn talk(exchange: &mut Exchange, voices: &mut [Voice], tones: &[u16], from: u32) -> usize {
    let said: Vec<Vec<i16>> = tones.iter().map(|hz| crate::tone::pair(*hz, *hz, 2_000, 8_000)).collect();
    let mut untouched = 0;
    for n in from..from + 100 {
        let now = START + FRAME * n;
        let mut sent: Vec<(u32, Vec<u8>)> = Vec::new();
        for at in 0..voices.len() {
            let samples = &said[at][(n - from) as usize * 160..][..160];
            let bytes = voices[at].packet(n, samples);
            let mut received = bytes.clone();
            exchange.handle_packet(
                voices[at].key.index,
                Channel::Rtp,
                &mut received,
                phone(at as u16),
                now,
                &mut |out| {
                    untouched += usize::from(out.bytes[12..] == bytes[12..]);
                    sent.push((out.index, out.bytes.to_vec()));
                },
            );
        }
        exchange.handle_timeout(now, &mut |out| sent.push((out.index, out.bytes.to_vec())));
        for (index, bytes) in sent.iter().filter(|(_, bytes)| !crate::rtp::is_rtcp(bytes)) {
            let voice = voices.iter_mut().find(|voice| voice.key.index == *index).unwrap();
            let packet = Packet::parse(bytes).unwrap();
            assert_eq!(packet.header.payload_type, voice.codec.payload_type());
            voice.heard.extend_from_slice(voice.decoder.decode(packet.payload));
        }
    }
    untouched
}

/// How loud a tone is in the last second.
fn level(heard: &[i16], hz: u16) -> f64 {
    let last = &heard[heard.len() - 8_000..];
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (n, sample) in last.iter().enumerate() {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(hz) * n as f64 / 8_000.0).sin_cos();
        (real, imaginary) = (real + f64::from(*sample) * cos, imaginary + f64::from(*sample) * sin);
    }
    2.0 * (f64::hypot(real, imaginary)) / 8_000.0
}

#[test]
fn legs_of_every_codec_hear_each_other_and_not_themselves() {
    const TONES: [u16; 4] = [400, 700, 1_100, 1_700];
    for codecs in [
        &[Codec::Opus, Codec::Pcma][..],
        &[Codec::G722, Codec::Pcmu],
        &[Codec::Opus, Codec::G722],
        &[Codec::Opus, Codec::Opus, Codec::Pcma],
        &[Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Opus],
    ] {
        let mut exchange = Exchange::default();
        let mut voices: Vec<Voice> =
            codecs.iter().zip(0..).map(|(codec, n)| Voice::new(&mut exchange, n, *codec)).collect();
        talk(&mut exchange, &mut voices, &TONES, 0);
        for (at, voice) in voices.iter().enumerate() {
            for (from, hz) in TONES.iter().enumerate().take(voices.len()) {
                let level = level(&voice.heard, *hz);
                let expected = if from == at { 0.0..400.0 } else { 6_000.0..10_000.0 };
                assert!(expected.contains(&level), "{codecs:?}: {at} hears {from} at {level}");
            }
        }
    }
}

#[test]
fn two_of_one_codec_are_relayed_untouched_until_one_speaks_another() {
    for codec in [Codec::Opus, Codec::G722] {
        let mut exchange = Exchange::default();
        let mut voices: Vec<Voice> = (0..2).map(|n| Voice::new(&mut exchange, n, codec)).collect();
        assert_eq!(talk(&mut exchange, &mut voices, &[400, 900], 0), 200, "{codec:?}");
        assert!(level(&voices[1].heard, 400) > 6_000.0);
        // One is described anew: it takes G.711 from now on.
        let mut stream = exchange.with(voices[1].key, |session| session.stream().unwrap().clone()).unwrap();
        stream.codec = Codec::Pcma;
        exchange.negotiate(voices[1].key, stream, START + FRAME * 100);
        let other = &mut voices[1];
        other.codec = Codec::Pcma;
        other.encoder = Encoder::new(Codec::Pcma, SampleRate::Narrow, OpusTerms::default());
        other.decoder = Decoder::new(Codec::Pcma, SampleRate::Narrow);
        assert_eq!(talk(&mut exchange, &mut voices, &[400, 900], 100), 0, "{codec:?}");
        assert!(level(&voices[0].heard, 900) > 6_000.0 && level(&voices[1].heard, 400) > 6_000.0);
    }
}
