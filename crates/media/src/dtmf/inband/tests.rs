use super::*;
use crate::g711::Law;
use crate::tone;

fn detect(samples: &[i16]) -> String {
    let mut detector = InbandDetector::default();
    samples.iter().filter_map(|s| detector.handle(*s)).map(Digit::as_char).collect()
}

#[test]
fn every_key_is_found_once_through_either_law() {
    let keys = "0123456789*#ABCD";
    let mut audio = Vec::new();
    for key in keys.chars() {
        let (low, high) = Digit::from_char(key).unwrap().tones();
        audio.extend(tone::pair(low, high, 70, 6_000));
        audio.extend(vec![0; 8 * 60]);
    }
    for law in [Law::Mu, Law::A] {
        let coded: Vec<i16> = audio.iter().map(|s| law.decode(law.encode(*s))).collect();
        assert_eq!(detect(&coded), keys);
    }
}

#[test]
fn a_long_key_is_one_and_a_repeated_key_two() {
    let (low, high) = Digit::from_char('7').unwrap().tones();
    assert_eq!(detect(&tone::pair(low, high, 900, 8_000)), "7");
    let mut twice = tone::pair(low, high, 80, 8_000);
    twice.extend(vec![0; 8 * 70]);
    twice.extend(tone::pair(low, high, 80, 8_000));
    assert_eq!(detect(&twice), "77");
}

#[test]
fn single_tones_noise_and_silence_are_no_keys() {
    assert_eq!(detect(&tone::pair(697, 697, 500, 8_000)), "");
    assert_eq!(detect(&tone::pair(440, 480, 500, 8_000)), "");
    assert_eq!(detect(&vec![0; 8_000]), "");
    let mut seed = 1_u32;
    let noise: Vec<i16> = (0..16_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 18) as i16 - 8_192
        })
        .collect();
    assert_eq!(detect(&noise), "");
}
