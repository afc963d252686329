use std::time::Duration;

use model::entropy::{Entropy, Seeded};

use super::*;
use crate::g711::Law;
use crate::rtp::{Header, Packet};
use crate::sdp::{AudioStream, Direction};
use crate::session::{FRAME, Prompt, Repeat, Setup, Treatment};

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn phone(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000 + n))
}

fn leg(exchange: &mut Exchange, n: u16, law: Law) -> LegKey {
    let setup = Setup {
        ssrc: 1_000 + u32::from(n),
        sequence: 0,
        timestamp: 0,
        cname: "x".to_owned(),
        quiet_after: Duration::from_secs(20),
    };
    let mut session = Session::new(setup, START);
    let stream = AudioStream {
        remote: Some(phone(n)),
        party: None,
        remote_rtcp: None,
        rtcp_mux: true,
        law,
        pcmu: Some(0),
        pcma: Some(8),
        telephone_event: Some(101),
        direction: Direction::SendRecv,
        packet: None,
    };
    session.negotiate(stream, START);
    exchange.open(session)
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
    exchange.handle_packet(from.index, Channel::Rtp, bytes, phone(n), now, &mut send);
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
    exchange.join(a, "c").unwrap();
    exchange.join(b, "c").unwrap();
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
    exchange.join(a, "c").unwrap();
    exchange.join(b, "c").unwrap();
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
fn echo_gives_a_phone_its_own_voice_and_ends() {
    let mut exchange = Exchange::default();
    let a = leg(&mut exchange, 0, Law::Mu);
    exchange.echo(a, true);
    assert_eq!(heard_by(&mut exchange, a, 0, 0, START), [phone(0)]);
    exchange.echo(a, false);
    assert!(heard_by(&mut exchange, a, 0, 1, START).is_empty());
}

#[test]
fn the_member_that_joined_last_is_heard_and_a_full_conference_refuses() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..6).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    (0..3).for_each(|n| exchange.join(legs[n], "c").unwrap());
    assert!(heard_by(&mut exchange, legs[0], 0, 0, START).is_empty());
    assert_eq!(heard_by(&mut exchange, legs[1], 1, 0, START), [phone(2)]);
    assert_eq!(heard_by(&mut exchange, legs[2], 2, 0, START), [phone(0), phone(1)]);
    exchange.leave(legs[1]);
    assert_eq!(heard_by(&mut exchange, legs[0], 0, 1, START), [phone(2)]);
    (3..5).for_each(|n| exchange.join(legs[n], "c").unwrap());
    assert_eq!(exchange.join(legs[5], "c"), Err(JoinError::Full));
}

#[test]
fn a_closed_leg_is_silent_and_its_key_is_dead() {
    let mut exchange = Exchange::default();
    let (a, b) = (leg(&mut exchange, 0, Law::Mu), leg(&mut exchange, 1, Law::Mu));
    exchange.join(a, "c").unwrap();
    exchange.join(b, "c").unwrap();
    heard_by(&mut exchange, a, 0, 0, START);
    let mut goodbyes = 0;
    assert!(exchange.close(b, START, &mut |_| goodbyes += 1).is_some());
    assert_eq!(goodbyes, 1);
    assert!(heard_by(&mut exchange, a, 0, 1, START).is_empty());
    let c = leg(&mut exchange, 2, Law::Mu);
    assert_eq!(c.index, b.index, "the place is used again");
    assert_eq!(exchange.join(b, "c"), Err(JoinError::NoLeg));
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
