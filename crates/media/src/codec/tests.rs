//! Codecs judged by tones: what is encoded is heard again, at every rate.

use proptest::prelude::*;

use super::*;
use crate::session::FRAME_SAMPLES;

const RATES: [SampleRate; 3] = [SampleRate::Narrow, SampleRate::Wide, SampleRate::Full];

fn tone(hz: f64, rate: SampleRate, frames: usize) -> Vec<i16> {
    let count = frames * FRAME_SAMPLES * rate.times();
    (0..count)
        .map(|n| (8_000.0 * (std::f64::consts::TAU * hz * n as f64 / f64::from(rate.hz())).sin()) as i16)
        .collect()
}

/// The amplitude of a tone in samples, and that of all else.
fn heard(samples: &[i16], hz: f64, rate: SampleRate) -> (f64, f64) {
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let (sin, cos) = (std::f64::consts::TAU * hz * n as f64 / f64::from(rate.hz())).sin_cos();
        real += f64::from(*sample) * cos;
        imaginary += f64::from(*sample) * sin;
        power += f64::from(*sample).powi(2);
    }
    let count = samples.len() as f64;
    let amplitude = 2.0 * (real * real + imaginary * imaginary).sqrt() / count;
    let rest = (2.0 * power / count - amplitude * amplitude).max(0.0).sqrt();
    (amplitude, rest)
}

/// Encodes at one rate and decodes at another; returns what is heard, without the first 200 ms.
fn through(codec: Codec, hz: f64, from: SampleRate, to: SampleRate) -> Vec<i16> {
    let mut encoder = Encoder::new(codec, from, OpusTerms::default());
    let mut decoder = Decoder::new(codec, to);
    let mut out = Vec::new();
    for frame in tone(hz, from, 50).chunks(FRAME_SAMPLES * from.times()) {
        let mut room = [0; 1_275];
        let length = encoder.encode(frame, &mut room);
        assert!(length > 0);
        assert_eq!(codec.duration(&room[..length]), Some(codec.clock() / 50), "{codec:?}");
        out.extend_from_slice(decoder.decode(&room[..length]));
    }
    assert_eq!(out.len(), 50 * FRAME_SAMPLES * to.times());
    out.split_off(10 * FRAME_SAMPLES * to.times())
}

#[test]
fn each_codec_carries_a_tone_from_each_rate_to_each() {
    for codec in Codec::ALL {
        for (from, to) in RATES.into_iter().flat_map(|from| RATES.map(|to| (from, to))) {
            let (amplitude, rest) = heard(&through(codec, 1_000.0, from, to), 1_000.0, to);
            assert!((6_800.0..9_200.0).contains(&amplitude), "{codec:?} {from:?} {to:?}: {amplitude}");
            assert!(rest < amplitude / 8.0, "{codec:?} {from:?} {to:?}: {amplitude} and {rest} beside it");
        }
    }
}

#[test]
fn a_wide_codec_carries_what_the_telephone_does_not() {
    for (codec, hz, rate) in [
        (Codec::G722, 6_000.0, SampleRate::Wide),
        (Codec::Opus, 6_000.0, SampleRate::Wide),
        (Codec::Opus, 10_000.0, SampleRate::Full),
    ] {
        let (amplitude, _) = heard(&through(codec, hz, rate, rate), hz, rate);
        assert!(amplitude > 4_000.0, "{codec:?} at {hz} Hz: {amplitude}");
        // And what comes down to 8 kHz has none of it, mirrored or not.
        let narrow = through(codec, hz, rate, SampleRate::Narrow);
        let (_, rest) = heard(&narrow, 50.0, SampleRate::Narrow);
        assert!(rest < 600.0, "{codec:?} at {hz} Hz: {rest} at 8 kHz");
    }
}

#[test]
fn a_lost_opus_packet_is_concealed_by_the_decoder_and_repaired_by_the_next() {
    let terms = OpusTerms { takes_repair: true, ..OpusTerms::default() };
    let mut encoder = Encoder::new(Codec::Opus, SampleRate::Wide, terms);
    let mut decoder = Decoder::new(Codec::Opus, SampleRate::Wide);
    let frames = tone(400.0, SampleRate::Wide, 40);
    let (mut out, mut room) = (Vec::new(), [0; 1_275]);
    for (n, frame) in frames.chunks(320).enumerate() {
        let length = encoder.encode(frame, &mut room);
        if n == 20 {
            continue;
        }
        if n == 21 {
            decoder.conceal(320, &room[..length], &mut out);
        }
        out.extend_from_slice(decoder.decode(&room[..length]));
    }
    assert_eq!(out.len(), 40 * 320);
    for (n, frame) in out.chunks(320).enumerate().skip(5) {
        let (amplitude, _) = heard(frame, 400.0, SampleRate::Wide);
        assert!(amplitude > 4_000.0, "frame {n}: {amplitude}");
    }
}

#[test]
fn a_codec_that_cannot_conceal_repeats_softly() {
    let mut decoder = Decoder::new(Codec::Pcma, SampleRate::Narrow);
    let mut out = Vec::new();
    decoder.conceal(160, &[], &mut out);
    assert_eq!(out, [0; 160]);
    decoder.decode(&[crate::g711::Law::A.encode(4_000); 160]);
    out.clear();
    decoder.conceal(200, &[], &mut out);
    let expected = crate::g711::Law::A.decode(crate::g711::Law::A.encode(4_000)) / 2;
    assert_eq!(out, [expected; 200]);
}

#[test]
fn encodings_are_read_as_sdp_writes_them() {
    let cases = [
        ("PCMU/8000", Some(Codec::Pcmu)),
        ("pcma/8000/1", Some(Codec::Pcma)),
        ("G722/8000", Some(Codec::G722)),
        ("G722/16000", None),
        ("opus/48000/2", Some(Codec::Opus)),
        ("OPUS/48000/2", Some(Codec::Opus)),
        ("opus/48000", None),
        ("PCMU/16000", None),
        ("G729/8000", None),
        ("PCMU", None),
    ];
    for (encoding, codec) in cases {
        assert_eq!(Codec::from_encoding(encoding), codec, "{encoding}");
    }
}

proptest! {
    /// Packets come from strangers.
    #[test]
    fn no_payload_breaks_a_decoder(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..12), which in 0..4_usize) {
        let codec = Codec::ALL[which];
        let mut decoder = Decoder::new(codec, SampleRate::Wide);
        for payload in payloads {
            let samples = decoder.decode(&payload).len();
            prop_assert!(samples <= 1_920, "{samples}");
            if let (Codec::G722 | Codec::Pcma | Codec::Pcmu, Some(ticks)) = (codec, codec.duration(&payload)) {
                prop_assert_eq!(samples, ticks as usize * 2);
            }
            let mut out = Vec::new();
            decoder.conceal(320, &payload, &mut out);
            prop_assert!(out.len() <= 640);
        }
    }

    /// Whatever is encoded is a packet that can be decoded, of the same length.
    #[test]
    fn no_sound_breaks_an_encoder(samples in prop::collection::vec(any::<i16>(), 960), which in 0..4_usize, rate in 0..3_usize) {
        let (codec, rate) = (Codec::ALL[which], RATES[rate]);
        let mut encoder = Encoder::new(codec, rate, OpusTerms::default());
        let mut room = [0; 1_275];
        for frame in samples.chunks_exact(160 * rate.times()) {
            let length = encoder.encode(frame, &mut room);
            prop_assert_eq!(codec.duration(&room[..length]), Some(codec.clock() / 50));
        }
    }
}
