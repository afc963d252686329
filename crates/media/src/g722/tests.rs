//! G.722 against its own law: the decoder follows the encoder. Another program's G.722 hears ours, and we its, in the system test `codecs`.

use super::*;

#[test]
fn silence_stays_silence_and_the_reset_is_the_recommendations() {
    let mut encoder = Encoder::default();
    let codes: Vec<u8> = (0..4).map(|_| encoder.encode([0, 0])).collect();
    // What all devices send while they are silent.
    assert_eq!(codes[0], 0xFA);
    let mut decoder = Decoder::default();
    for _ in 0..400 {
        let heard = decoder.decode(encoder.encode([0, 0]));
        assert!(heard.iter().all(|sample| sample.abs() < 16), "{heard:?}");
    }
}

#[test]
fn the_decoder_follows_the_encoder_bit_by_bit() {
    let (mut encoder, mut decoder) = (Encoder::default(), Decoder::default());
    let mut noise = 1_u32;
    for n in 0..20_000_u32 {
        let mut next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Loud and soft parts, so that the step grows and shrinks.
            ((noise >> 16) as i16) >> (n / 1_000 % 12)
        };
        decoder.decode(encoder.encode([next(), next()]));
        assert_eq!(encoder.low.predicted(), decoder.low.predicted());
        assert_eq!((encoder.high.predicted(), encoder.high.step()), (decoder.high.predicted(), decoder.high.step()));
    }
}
