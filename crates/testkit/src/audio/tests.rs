use super::*;

/// Speech-like audio: bursts of a wandering tone.
fn speech(seed: u64, ms: usize) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (mut phase, mut hz, mut loud) = (0.0, 300.0, 0.0);
    (0..ms * 8)
        .map(|n| {
            if n % 640 == 0 {
                (hz, loud) = (200.0 + 1_500.0 * random(), if random() < 0.3 { 0.0 } else { 8_000.0 * random() });
            }
            phase += TAU * hz / 8_000.0;
            (loud * phase.sin()) as i16
        })
        .collect()
}

#[test]
fn a_delayed_quieter_and_noisy_copy_is_found() {
    let sent = speech(1, 3_000);
    let mut heard = vec![0; 1_237];
    heard.extend(sent.iter().enumerate().map(|(n, s)| s / 2 + (n % 7) as i16 * 30));
    let found = compare(&sent, &heard).unwrap();
    assert_eq!(found.delay, 1_237);
    assert!(found.similarity > 0.99 && found.snr_db > 20.0, "{found:?}");
}

#[test]
fn a_recording_that_begins_late_is_found_inside_what_was_sent() {
    let sent = speech(2, 4_000);
    let found = compare(&sent, &sent[5_003..]).unwrap();
    assert_eq!(found.delay, -5_003);
    assert!(found.similarity > 0.999);
}

#[test]
fn other_audio_is_not_alike_and_silence_is_an_error() {
    let found = compare(&speech(1, 3_000), &speech(99, 3_000)).unwrap();
    assert!(found.similarity < 0.5, "{found:?}");
    assert!(compare(&speech(1, 3_000), &[0; 24_000]).is_err());
    assert!(compare(&speech(1, 100), &speech(1, 3_000)).is_err());
}

#[test]
fn companding_keeps_a_copy_alike_and_lost_packets_do_not() {
    let sent = speech(3, 3_000);
    // Eight bits of floating point, as in both laws.
    let coarse: Vec<i16> = sent.iter().map(|s| (f64::from(*s) / 24.0).round() as i16 * 24).collect();
    assert!(compare(&sent, &coarse).unwrap().similarity > 0.99);
    let holes: Vec<i16> = sent.iter().enumerate().map(|(n, s)| if n / 160 % 2 == 0 { *s } else { 0 }).collect();
    assert!(compare(&sent, &holes).unwrap().similarity < 0.9);
}

#[test]
fn what_leaves_out_20_ms_is_heard_in_most_halves_of_seconds() {
    let sent = speech(6, 3_000);
    let slipped: Vec<i16> = [&sent[..11_000], &sent[11_160..17_000], &sent[17_160..]].concat();
    assert!(compare(&sent, &slipped).unwrap().similarity < 0.9);
    let alike = compare_halves_of_seconds(&sent, &slipped);
    assert!(alike.iter().filter(|piece| **piece > 0.99).count() >= 4, "{alike:?}");
    let other = compare_halves_of_seconds(&sent, &speech(99, 3_000));
    assert!(other.iter().all(|piece| *piece < 0.95), "{other:?}");
}

#[test]
fn a_tone_that_leaves_out_half_a_period_keeps_its_power() {
    let tone: Vec<i16> = (0..16_009).map(|n| (6_000.0 * (TAU * 440.0 * f64::from(n) / 8_000.0).sin()) as i16).collect();
    let slipped: Vec<i16> = [&tone[..8_000], &tone[8_009..]].concat();
    assert!(tone_power(&slipped, 440.0) < 1e6);
    assert!(mean_tone_power(&slipped, 440.0) > 1.6e7);
    assert!(mean_tone_power(&slipped, 1_000.0) < 1e5);
}

#[test]
fn tone_pairs_are_told_apart() {
    let seven = tone_pair(852.0, 1_209.0, 200);
    assert!(has_tone_pair(&seven, 852.0, 1_209.0));
    assert!(!has_tone_pair(&seven, 697.0, 1_209.0));
    assert!(!has_tone_pair(&[0; 1_600], 852.0, 1_209.0));
    assert!(!has_tone_pair(&speech(5, 500), 852.0, 1_209.0));
}

#[test]
fn recordings_are_written_and_read() {
    let path = std::env::temp_dir().join(format!("testkit-audio-{}.wav", std::process::id()));
    let sent = speech(4, 600);
    write_wav(&path, &sent).unwrap();
    assert_eq!(read_wav(&path).unwrap(), sent);
    std::fs::remove_file(&path).unwrap();
    assert_eq!((mu_law(0x80), mu_law(0xFF), a_law(0xAA), a_law(0xD5)), (32_124, 0, 32_256, 8));
}
