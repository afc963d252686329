use super::*;
use crate::codec::Decoder;
use crate::g711::Law;

fn open(legs: &[u32]) -> Vec<MixPart> {
    legs.iter().map(|leg| MixPart { leg: *leg, heard_by: Hearers::All, hears: true }).collect()
}

const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Listeners of G.711, with packets of as many samples as each wants; `None` takes nothing. They keep what they hear.
#[derive(Default)]
struct Phones {
    wants: Vec<(u32, Option<usize>)>,
    heard: Vec<(u32, Vec<i16>)>,
}

impl Listeners for Phones {
    fn format(&self, leg: u32) -> Option<Format> {
        let wants = self.wants.iter().find(|(of, _)| *of == leg).map_or(Some(FRAME_SAMPLES), |(_, wants)| *wants);
        Some(Format { codec: Codec::Pcma, terms: OpusTerms::default(), samples: wants? })
    }

    fn send(&mut self, leg: u32, packet: Mixed<'_>) {
        self.heard.push((leg, packet.payload.iter().map(|code| Law::A.decode(*code)).collect()));
    }

    fn keep(&mut self, _: RecordedAudio) {}
}

fn mixer(lines: &[MixPart]) -> Mixer {
    Mixer::new(lines, SampleRate::Narrow, START)
}

fn packet(mixer: &mut Mixer, leg: u32, (source, timestamp): (u32, u32), sample: i16) {
    let payload = [Law::A.encode(sample); FRAME_SAMPLES];
    mixer.take(leg, Heard { codec: Codec::Pcma, source, timestamp, payload: &payload });
}

fn say(mixer: &mut Mixer, leg: u32, n: u32, sample: i16) {
    packet(mixer, leg, (leg, n * FRAME_SAMPLES as u32), sample);
}

/// The middle sample that each leg hears in one frame, rounded as its law rounds.
fn heard(mixer: &mut Mixer) -> Vec<(u32, i16)> {
    let mut phones = Phones::default();
    mixer.mix(&mut phones);
    phones.heard.iter().map(|(leg, samples)| (*leg, samples[FRAME_SAMPLES / 2])).collect()
}

/// Whether each hears about this.
fn assert_hear(mixer: &mut Mixer, expected: &[i16]) {
    let heard: Vec<i16> = heard(mixer).into_iter().map(|(_, sample)| sample).collect();
    let near = |heard: i16, wanted: i16| (heard - wanted).abs() <= 8 + wanted.abs() / 15;
    let alike =
        heard.len() == expected.len() && heard.iter().zip(expected).all(|(heard, wanted)| near(*heard, *wanted));
    assert!(alike, "{heard:?}, not {expected:?}");
}

#[test]
fn each_hears_the_others_and_not_itself() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    for packet in 0..4 {
        say(&mut mixer, 1, packet, 100);
        say(&mut mixer, 2, packet, 1_000);
    }
    assert_hear(&mut mixer, &[1_000, 100, 1_100]);
    mixer.set_members(&open(&[1, 3, 4]), SampleRate::Narrow);
    assert_hear(&mut mixer, &[0, 100, 100]);
}

#[test]
fn a_mute_member_is_not_heard_a_deaf_one_hears_nobody_and_a_coach_is_heard_by_one() {
    let line = |leg, heard_by, hears| MixPart { leg, heard_by, hears };
    let cases = [
        (
            [line(1, Hearers::Nobody, true), line(2, Hearers::All, true), line(3, Hearers::All, true)],
            [11_000, 10_000, 1_000],
        ),
        ([line(1, Hearers::All, false), line(2, Hearers::All, true), line(3, Hearers::All, true)], [0, 10_100, 1_100]),
        (
            [line(1, Hearers::Only(3), true), line(2, Hearers::All, true), line(3, Hearers::All, true)],
            [11_000, 10_000, 1_100],
        ),
        (
            [line(1, Hearers::Only(3), true), line(2, Hearers::All, true), line(3, Hearers::Nobody, false)],
            [1_000, 0, 0],
        ),
        (
            [line(1, Hearers::Only(9), true), line(2, Hearers::All, true), line(3, Hearers::All, true)],
            [11_000, 10_000, 1_000],
        ),
    ];
    for (lines, expected) in cases {
        let mut mixer = mixer(&lines);
        for packet in 0..3 {
            say(&mut mixer, 1, packet, 100);
            say(&mut mixer, 2, packet, 1_000);
            say(&mut mixer, 3, packet, 10_000);
        }
        assert_hear(&mut mixer, &expected);
        for from in lines {
            let expected: Vec<u32> = lines.iter().filter(|to| from.reaches(**to)).map(|to| to.leg).collect();
            assert_eq!(mixer.hearers(from.leg).collect::<Vec<_>>(), expected);
        }
    }
}

#[test]
fn a_loud_mix_is_clipped_and_not_wrapped() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    for packet in 0..2 {
        say(&mut mixer, 1, packet, 30_000);
        say(&mut mixer, 2, packet, 30_000);
    }
    assert_hear(&mut mixer, &[30_000, 30_000, i16::MAX]);
}

#[test]
fn a_lost_packet_is_concealed_and_a_late_one_left_out() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    for packet in [0, 2, 1, 3] {
        say(&mut mixer, 1, packet, 1_000 * (packet as i16 + 1));
    }
    for sample in [1_000, 500, 3_000, 4_000, 0] {
        assert_hear(&mut mixer, &[0, sample, sample]);
    }
}

#[test]
fn a_phone_that_begins_anew_is_heard_whatever_its_timestamps() {
    for (source, timestamp) in [(9, 1_000), (1, 1_000)] {
        let mut mixer = mixer(&open(&[1, 2, 3]));
        for n in 0..3 {
            packet(&mut mixer, 1, (1, 3_000_000 + n * 160), 100);
        }
        for n in 0..3 {
            packet(&mut mixer, 1, (source, timestamp + n * 160), 200);
        }
        for sample in [100, 100, 100, 200, 200, 200] {
            assert_hear(&mut mixer, &[0, sample, sample]);
        }
    }
}

#[test]
fn a_mix_that_stood_still_does_not_catch_up() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    assert_eq!(mixer.begin_frame(START + FRAME * 3), START + FRAME, "a little late");
    let now = START + Duration::from_secs(3_600);
    assert_eq!((mixer.begin_frame(now), mixer.due), (now, now + FRAME));
}

#[test]
fn packets_shorter_than_a_frame_are_sent_as_often_as_needed() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    let mut phones = Phones { wants: vec![(2, Some(80))], ..Phones::default() };
    for n in 0..4 {
        say(&mut mixer, 1, n, 700);
        mixer.mix(&mut phones);
    }
    let lengths: Vec<usize> = phones.heard.iter().filter(|(leg, _)| *leg == 2).map(|(_, heard)| heard.len()).collect();
    assert_eq!(lengths, [80; 8]);
}

#[test]
fn a_burst_does_not_delay_what_follows() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    (0..50).for_each(|n| say(&mut mixer, 1, n, 100 * n as i16));
    // The last 120 ms.
    assert_hear(&mut mixer, &[0, 4_400, 4_400]);
}

#[test]
fn a_pause_takes_up_the_delay_that_packets_no_longer_need() {
    let mut mixer = mixer(&open(&[1, 2]));
    // Four packets come at once, as after a stall of the network; then they come evenly.
    let loudness = |n: u32| if (80..90).contains(&n) { 100 } else { 2_000 + 1_000 * (n % 8) as i16 };
    (0..4).for_each(|n| say(&mut mixer, 1, n, loudness(n)));
    let delay_at = |mixer: &mut Mixer, n: u32| {
        say(mixer, 1, n, loudness(n));
        (heard(mixer)[1].1, n)
    };
    let heard: Vec<_> = (4..120).map(|n| delay_at(&mut mixer, n)).collect();
    let lag = |(sample, n): (i16, u32)| (0..6).find(|lag| (sample - loudness(n - lag)).abs() < 300);
    assert_eq!(lag(heard[30]), Some(4), "{:?}", heard[30]);
    assert_eq!(lag(heard[100]), Some(1), "{:?}", heard[100]);
}

#[test]
fn who_takes_nothing_keeps_no_backlog_and_long_packets_are_filled() {
    let mut mixer = mixer(&open(&[1, 2, 3]));
    let mut phones = Phones { wants: vec![(1, None), (2, Some(240)), (3, None)], ..Phones::default() };
    for n in 0..20 {
        say(&mut mixer, 1, n, 700);
        mixer.mix(&mut phones);
    }
    assert!(mixer.members.iter().all(|member| member.output.len() < 240));
    assert_eq!(phones.heard.len(), 20 * 160 / 240);
    assert!(phones.heard.iter().all(|(leg, heard)| *leg == 2 && heard.len() == 240));
}

/// A listener of Opus or G.722 that decodes all that it gets.
struct Ear {
    codec: Codec,
    decoders: Vec<(u32, Decoder)>,
    heard: Vec<(u32, Vec<i16>)>,
    payloads: Vec<(u32, Vec<u8>)>,
}

impl Ear {
    fn new(codec: Codec) -> Self {
        Self { codec, decoders: Vec::new(), heard: Vec::new(), payloads: Vec::new() }
    }
}

impl Listeners for Ear {
    fn format(&self, _: u32) -> Option<Format> {
        Some(Format { codec: self.codec, terms: OpusTerms::default(), samples: FRAME_SAMPLES })
    }

    fn send(&mut self, leg: u32, packet: Mixed<'_>) {
        if !self.decoders.iter().any(|(of, _)| *of == leg) {
            self.decoders.push((leg, Decoder::new(self.codec, SampleRate::Narrow)));
        }
        let decoder = self.decoders.iter_mut().find(|(of, _)| *of == leg).map(|(_, decoder)| decoder).unwrap();
        self.heard.push((leg, decoder.decode(packet.payload).to_vec()));
        self.payloads.push((leg, packet.payload.to_vec()));
    }

    fn keep(&mut self, _: RecordedAudio) {}
}

/// A second of a tone in frames of G.711.
fn tone(hz: u16) -> Vec<i16> {
    crate::tone::pair(hz, hz, 2_000, 8_000)
}

fn sound(mixer: &mut Mixer, leg: u32, n: usize, samples: &[i16]) {
    let payload: Vec<u8> =
        samples.iter().skip(n * FRAME_SAMPLES).take(FRAME_SAMPLES).map(|sample| Law::A.encode(*sample)).collect();
    let heard = Heard { codec: Codec::Pcma, source: leg, timestamp: (n * FRAME_SAMPLES) as u32, payload: &payload };
    mixer.take(leg, heard);
}

/// The loudness of each leg's frames.
fn levels(ear: &Ear, leg: u32) -> Vec<f64> {
    let of = ear.heard.iter().filter(|(of, _)| *of == leg);
    of.map(|(_, heard)| {
        (heard.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / heard.len().max(1) as f64).sqrt()
    })
    .collect()
}

#[test]
fn who_hears_the_same_gets_the_same_packets_and_parts_without_a_gap() {
    for codec in [Codec::G722, Codec::Opus] {
        let mut mixer = Mixer::new(&open(&[1, 2, 3, 4]), SampleRate::Wide, START);
        let mut ear = Ear::new(codec);
        let (first, second) = (tone(600), tone(900));
        for n in 0..90 {
            sound(&mut mixer, 1, n, &first);
            if n >= 60 {
                sound(&mut mixer, 2, n, &second);
            }
            mixer.mix(&mut ear);
        }
        let of = |leg: u32| ear.payloads.iter().filter(move |(of, _)| *of == leg).map(|(_, payload)| payload);
        let alike = |a: u32, b: u32| of(a).zip(of(b)).map(|(a, b)| a == b).collect::<Vec<_>>();
        assert!(alike(2, 3)[30..60].iter().all(|alike| *alike), "{codec:?}: one encoder for both");
        assert!(alike(3, 4)[30..].iter().all(|alike| *alike), "{codec:?}: and for those who stay");
        assert!(!alike(2, 3)[65..].iter().any(|alike| *alike), "{codec:?}: who speaks has its own");
        // Who has parted goes on hearing the first as loud as before, from the first packet.
        let levels = levels(&ear, 2);
        let usual = levels[55];
        let steady = levels[58..88].iter().all(|level| (0.8..1.25).contains(&(level / usual)));
        assert!(steady, "{codec:?}: {levels:?}");
    }
}

#[test]
fn what_follows_a_relay_has_no_gap() {
    for codec in [Codec::Pcma, Codec::G722] {
        let mut mixer = Mixer::new(&open(&[1, 2]), SampleRate::Narrow, START);
        let mut ear = Ear::new(codec);
        let voice = tone(600);
        let payload: Vec<u8> = voice[..FRAME_SAMPLES].iter().map(|sample| Law::A.encode(*sample)).collect();
        mixer.follow(1, Heard { codec: Codec::Pcma, source: 1, timestamp: 0, payload: &payload });
        for n in 1..20 {
            sound(&mut mixer, 1, n, &voice);
            mixer.mix(&mut ear);
        }
        let levels = levels(&ear, 2);
        let usual = levels[15];
        assert!(levels.iter().all(|level| *level > usual / 3.0), "{codec:?}: {levels:?}");
    }
}

#[test]
fn a_room_that_changes_its_rate_goes_on() {
    let mut mixer = Mixer::new(&open(&[1, 2, 3]), SampleRate::Narrow, START);
    let mut ear = Ear::new(Codec::Opus);
    let voice = tone(600);
    for n in 0..60 {
        if n % 20 == 0 {
            let rate = [SampleRate::Narrow, SampleRate::Full, SampleRate::Wide][n / 20];
            mixer.set_members(&open(&[1, 2, 3]), rate);
        }
        sound(&mut mixer, 1, n, &voice);
        mixer.mix(&mut ear);
    }
    let levels = levels(&ear, 2);
    let usual = levels[15];
    assert!(levels[5..].iter().all(|level| (0.6..1.5).contains(&(level / usual))), "{levels:?}");
}
