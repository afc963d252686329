//! Detects keys in the audio by Goertzel's algorithm: eight filters over blocks of 12.75 ms.

use super::Digit;
use crate::tone::power;

/// Samples of a block: long enough to separate 697 from 770 Hz, short enough for keys of 40 ms (ITU-T Q.24).
const BLOCK: usize = 102;
const ROWS: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYPAD: [[char; 4]; 4] = [['1', '2', '3', 'A'], ['4', '5', '6', 'B'], ['7', '8', '9', 'C'], ['*', '0', '#', 'D']];
/// Consecutive blocks that must agree before a key counts (25 ms), and that must lack it before it is released.
const AGREE: u8 = 2;
/// Weakest tone, as mean power of a 16-bit sample: about -40 dBm0.
const POWER_MIN: f32 = 40_000.0;
/// Share of the block's power that the two tones must have: speech spreads its power.
const PURITY_MIN: f32 = 0.7;
/// Largest ratio between the two tones' powers: 8 dB.
const TWIST_MAX: f32 = 6.3;

/// Detects keys in linear audio.
#[derive(Clone, Debug, Default)]
pub struct InbandDetector {
    block: Vec<f32>,
    candidate: Option<Digit>,
    agreeing: u8,
    missing: u8,
    pressed: Option<Digit>,
}

impl InbandDetector {
    /// Processes one sample; returns the key that is newly pressed.
    pub fn handle(&mut self, sample: i16) -> Option<Digit> {
        self.block.push(f32::from(sample));
        if self.block.len() < BLOCK {
            return None;
        }
        let found = classify(&self.block);
        self.block.clear();
        self.step(found)
    }

    fn step(&mut self, found: Option<Digit>) -> Option<Digit> {
        if self.pressed.is_some() && found == self.pressed {
            self.missing = 0;
            return None;
        }
        self.missing = self.missing.saturating_add(1);
        if self.missing >= AGREE {
            self.pressed = None;
        }
        self.agreeing = if found == self.candidate { self.agreeing.saturating_add(1) } else { 1 };
        self.candidate = found;
        let digit = found.filter(|_| self.agreeing >= AGREE)?;
        self.pressed = Some(digit);
        self.missing = 0;
        Some(digit)
    }
}

fn classify(block: &[f32]) -> Option<Digit> {
    let total = block.iter().map(|s| s * s).sum::<f32>() / block.len() as f32;
    if total < POWER_MIN {
        return None;
    }
    let (row, low) = strongest(block, &ROWS)?;
    let (column, high) = strongest(block, &COLUMNS)?;
    let pure = low + high >= PURITY_MIN * total;
    let even = low <= high * TWIST_MAX && high <= low * TWIST_MAX;
    let key = KEYPAD.get(row)?.get(column)?;
    if pure && even { Digit::from_char(*key) } else { None }
}

/// The index and mean power of the strongest tone.
fn strongest(block: &[f32], tones: &[f32]) -> Option<(usize, f32)> {
    tones.iter().map(|hz| power(block, *hz)).enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests;
