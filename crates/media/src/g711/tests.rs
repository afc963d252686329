use super::*;

/// The µ-law decision values of G.711 table 2a, in units of 14 bits: segment ends 31, 95, 223, ...
fn mu_reference(sample: i16) -> u8 {
    let x = i32::from(sample >> 2);
    let (sign, magnitude) = if x < 0 { (0x00, -x - 1) } else { (0x80, x) };
    let mut low = 0;
    for segment in 0..8 {
        let step = 2 << segment;
        // The first interval of the first segment is one unit wide: the decision values are 1, 3, 5, ...
        for k in 0..16 {
            let width = if segment == 0 && k == 0 { 1 } else { step };
            if magnitude < low + width {
                return sign | (0x7F - (segment as u8 * 16 + k));
            }
            low += width;
        }
    }
    sign
}

/// The A-law decision values of G.711 table 1a, in units of 12 bits of magnitude: 64 steps of 2, then doubling.
fn a_reference(sample: i16) -> u8 {
    let x = i32::from(sample >> 3);
    let (sign, magnitude) = if x < 0 { (0x00, -x - 1) } else { (0x80, x) };
    let mut low = 0;
    for segment in 0..8u8 {
        let step = if segment == 0 { 2 } else { 1 << segment };
        for k in 0..16 {
            if magnitude < low + step {
                return (sign | (segment * 16 + k)) ^ 0x55;
            }
            low += step;
        }
    }
    (sign | 0x7F) ^ 0x55
}

#[test]
fn every_sample_encodes_as_the_decision_values_say() {
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(Law::Mu.encode(sample), mu_reference(sample), "µ-law of {sample}");
        assert_eq!(Law::A.encode(sample), a_reference(sample), "A-law of {sample}");
    }
}

#[test]
fn known_values_of_the_recommendation_decode() {
    let mu = [(0xFF, 0), (0x7F, 0), (0x80, 8031 * 4), (0x00, -8031 * 4), (0xF0, 30 * 4), (0xEF, 33 * 4)];
    let a = [(0xD5, 8), (0x55, -8), (0xAA, 4032 * 8), (0x2A, -4032 * 8), (0xC5, 33 * 8)];
    mu.iter().for_each(|(code, sample)| assert_eq!(i32::from(Law::Mu.decode(*code)), *sample, "µ {code:#x}"));
    a.iter().for_each(|(code, sample)| assert_eq!(i32::from(Law::A.decode(*code)), *sample, "A {code:#x}"));
}

#[test]
fn decoding_then_encoding_is_identity() {
    for code in 0..=255u8 {
        // µ-law has two zeros; the negative one (0x7F) becomes the positive.
        let expected = if code == 0x7F { 0xFF } else { code };
        assert_eq!(Law::Mu.encode(Law::Mu.decode(code)), expected);
        assert_eq!(Law::A.encode(Law::A.decode(code)), code);
    }
}

#[test]
fn transcoding_goes_through_the_linear_value() {
    for code in 0..=255u8 {
        assert_eq!(Law::Mu.transcode(code), Law::A.encode(Law::Mu.decode(code)));
        assert_eq!(Law::A.transcode(code), Law::Mu.encode(Law::A.decode(code)));
    }
    assert_eq!(Law::Mu.decode(Law::Mu.silence()), 0);
    assert_eq!(Law::A.encode(0), Law::A.silence());
}
