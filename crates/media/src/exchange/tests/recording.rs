use super::*;

/// The part of a leg that is recorded as that, or is not.
fn recorded(leg: LegKey, name: Option<&str>, beep: bool) -> Part {
    Part { recording: name.map(|name| Recording { name: name.into(), beep, is_on: true }), ..part(leg) }
}

/// Two phones say 1,000 and 2,000 for so many frames from the one on. Returns what the first one hears, a sample of each packet.
fn talk(exchange: &mut Exchange, legs: &[LegKey], frames: std::ops::Range<u32>) -> Vec<i16> {
    let mut heard = Vec::new();
    for n in frames {
        let now = START + FRAME * n;
        let mut sent = Vec::new();
        for (at, leg) in legs.iter().enumerate() {
            let packet = audio(Law::Mu, at as u32 + 1, n, 1_000 * (at as i16 + 1));
            sent.extend(say(exchange, *leg, at as u16, &packet, now));
        }
        let relayed = sent.iter().map(|(to, bytes)| (*to, Law::Mu.decode(Packet::parse(bytes).unwrap().payload[80])));
        heard.extend(relayed.chain(mixed(exchange, now)).filter(|(to, _)| *to == phone(0)).map(|(_, sample)| sample));
    }
    heard
}

fn pieces(exchange: &mut Exchange) -> Vec<RecordedAudio> {
    std::iter::from_fn(|| exchange.poll_recorded()).collect()
}

fn all_samples(pieces: &[RecordedAudio]) -> Vec<i16> {
    pieces.iter().flat_map(|piece| piece.samples.iter().copied()).collect()
}

#[test]
fn what_two_say_is_recorded_until_none_of_them_is_joined_with_the_recording() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..2).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    legs.iter().for_each(|leg| exchange.join(*leg, "c", part(*leg), START).unwrap());
    let before = talk(&mut exchange, &legs, 0..10);
    assert!(before.len() == 10 && pieces(&mut exchange).is_empty(), "relayed, and not recorded");
    let at = |n: u32| START + FRAME * n;
    exchange.join(legs[0], "c", recorded(legs[0], Some("r"), false), at(10)).unwrap();
    talk(&mut exchange, &legs, 10..60);
    exchange.join(legs[1], "c", recorded(legs[1], Some("r"), false), at(60)).unwrap();
    exchange.join(legs[0], "c", part(legs[0]), at(60)).unwrap();
    let during = talk(&mut exchange, &legs, 60..260);
    assert!(during.iter().all(|sample| (sample - 2_000).abs() < 100), "it hears the other one as before");
    exchange.join(legs[1], "c", part(legs[1]), at(260)).unwrap();
    let pieces = pieces(&mut exchange);
    let lengths: Vec<usize> = pieces.iter().map(|piece| piece.samples.len()).collect();
    assert_eq!(
        (&lengths[..2], pieces.len()),
        (&[16_000, 16_000][..], 3),
        "two seconds each, and the rest: {lengths:?}"
    );
    assert!(pieces.iter().all(|piece| &*piece.name == "r" && piece.began == at(10)));
    assert_eq!(pieces.iter().map(|piece| piece.at).collect::<Vec<_>>(), [0, 16_000, 32_000]);
    assert_eq!(pieces.iter().map(|piece| piece.is_last).collect::<Vec<_>>(), [false, false, true]);
    let samples = all_samples(&pieces);
    assert!((39_000..=40_000).contains(&samples.len()), "five seconds: {}", samples.len());
    assert!(samples[1_000..].iter().all(|sample| (sample - 3_000).abs() < 150), "what both say");
    talk(&mut exchange, &legs, 260..280);
    assert!(exchange.poll_recorded().is_none(), "it is over");
    assert!(mixed(&mut exchange, at(281)).is_empty(), "and they are relayed again");
}

#[test]
fn one_members_word_ends_a_recording_whatever_the_others_say() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..2).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    for leg in &legs {
        exchange.join(*leg, "c", recorded(*leg, Some("r"), false), START).unwrap();
    }
    talk(&mut exchange, &legs, 0..10);
    let over = |leg: LegKey| {
        let recording = recorded(leg, Some("r"), false).recording.map(|on| Recording { is_on: false, ..on });
        Part { recording, ..part(leg) }
    };
    exchange.join(legs[1], "c", over(legs[1]), START + FRAME * 10).unwrap();
    assert!(pieces(&mut exchange).last().is_some_and(|piece| piece.is_last), "it is paused, or over");
    talk(&mut exchange, &legs, 10..200);
    assert!(pieces(&mut exchange).is_empty(), "the other one's word is an old one");
    // It goes on once both say so.
    exchange.join(legs[1], "c", recorded(legs[1], Some("r"), false), START + FRAME * 200).unwrap();
    talk(&mut exchange, &legs, 200..310);
    assert_eq!(pieces(&mut exchange).len(), 1);
}

#[test]
fn a_recording_goes_on_with_who_stays_and_ends_with_the_last_member() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..2).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    for leg in &legs {
        exchange.join(*leg, "c", recorded(*leg, Some("r"), false), START).unwrap();
    }
    talk(&mut exchange, &legs, 0..10);
    exchange.leave(legs[1]);
    talk(&mut exchange, &legs[..1], 10..20);
    assert!(pieces(&mut exchange).is_empty());
    exchange.close(legs[0], START + FRAME * 20, &mut |_| {});
    let pieces = pieces(&mut exchange);
    assert!(
        pieces.len() == 1 && pieces[0].is_last && pieces[0].samples.len() == 19 * 160,
        "{}",
        pieces[0].samples.len()
    );
    assert!((pieces[0].samples[15 * 160] - 1_000).abs() < 100, "the one that has stayed");
}

#[test]
fn a_tone_tells_the_members_that_they_are_recorded_and_who_is_not_heard_by_all_is_not_recorded() {
    let mut exchange = Exchange::default();
    let legs: Vec<LegKey> = (0..3).map(|n| leg(&mut exchange, n, Law::Mu)).collect();
    let coach = Part { heard_by: HeardBy::Only(legs[0].index.to_string().into()), ..part(legs[2]) };
    exchange.join(legs[2], "c", coach, START).unwrap();
    for leg in &legs[..2] {
        exchange.join(*leg, "c", recorded(*leg, Some("r"), true), START).unwrap();
    }
    let (mut loud, mut last) = (Vec::new(), 0);
    for n in 0..760 {
        let now = START + FRAME * n;
        for (at, sample) in [(0, 0), (1, 0), (2, 8_000)] {
            say(&mut exchange, legs[usize::from(at)], at, &audio(Law::Mu, u32::from(at) + 1, n, sample), now);
        }
        exchange.handle_timeout(now, &mut |out| {
            // Reports come by the same port.
            let Some(packet) = Packet::parse(out.bytes).ok().filter(|packet| packet.payload.len() == 160) else {
                return;
            };
            if out.to == phone(1) {
                let said: Vec<i16> = packet.payload.iter().map(|code| Law::Mu.decode(*code)).collect();
                last = n;
                loud.extend(said.iter().any(|sample| *sample > 2_000).then_some(n));
            }
        });
    }
    assert!(last == 759, "nothing but silence in between, not nothing");
    assert!(
        loud.len() >= 18 && loud.iter().all(|n| *n < 15 || *n >= 745),
        "200 ms at the beginning and after 15 s: {loud:?}"
    );
    for leg in &legs {
        exchange.close(*leg, START + FRAME * 760, &mut |_| {});
    }
    let samples = all_samples(&pieces(&mut exchange));
    assert!(samples[..1_600].iter().any(|sample| *sample > 2_000), "the tone is in the recording");
    assert!(samples[2_400..100_000].iter().all(|sample| sample.abs() < 10), "what the coach says is not");
}
