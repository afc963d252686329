//! Tones: one or two sine waves, for signals that need no prompt file.

use std::f32::consts::PI;

/// Samples in a second of telephone audio.
pub const SAMPLE_RATE: u32 = 8_000;

/// Two tones together, each with half of `amplitude`; equal frequencies give one tone.
pub fn pair(low_hz: u16, high_hz: u16, ms: u32, amplitude: i16) -> Vec<i16> {
    let count = ms.saturating_mul(SAMPLE_RATE) / 1_000;
    let half = f32::from(amplitude) / 2.0;
    let wave = |hz: u16, n: u32| {
        // The phase is taken modulo a second, so that long tones lose no precision.
        let turns = (u64::from(hz) * u64::from(n % SAMPLE_RATE) % u64::from(SAMPLE_RATE)) as f32;
        (2.0 * PI * turns / SAMPLE_RATE as f32).sin()
    };
    (0..count).map(|n| (half * (wave(low_hz, n) + wave(high_hz, n))) as i16).collect()
}
