//! One band: its quantiser's step and its predictor of two poles and six zeros.

use super::saturate;
use super::tables::SIGNIFICAND;

/// The state of a band.
#[derive(Clone, Debug)]
pub(super) struct Band {
    /// The sample that is expected next, and the part of it that the zeros give.
    expected: i32,
    by_zeros: i32,
    /// Reconstructed samples, and those without the poles' part; the newest first.
    rebuilt: [i32; 2],
    partial: [i32; 2],
    poles: [i32; 2],
    /// Differences, the newest first.
    differences: [i32; 6],
    zeros: [i32; 6],
    /// The logarithm of the step, and the step.
    logarithm: i32,
    step: i32,
    /// Bounds of this band's logarithm, and its exponent's offset.
    logarithm_max: i32,
    exponent: i32,
}

impl Band {
    /// The lower band at its reset.
    pub fn low() -> Self {
        Self::new(32, 18_432, 8)
    }

    /// The upper band at its reset.
    pub fn high() -> Self {
        Self::new(8, 22_528, 10)
    }

    fn new(step: i32, logarithm_max: i32, exponent: i32) -> Self {
        Self {
            expected: 0,
            by_zeros: 0,
            rebuilt: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            differences: [0; 6],
            zeros: [0; 6],
            logarithm: 0,
            step,
            logarithm_max,
            exponent,
        }
    }

    pub fn predicted(&self) -> i32 {
        self.expected
    }

    pub fn step(&self) -> i32 {
        self.step
    }

    /// A level in units of the step.
    pub fn scaled(&self, level: i32) -> i32 {
        (self.step * level) >> 15
    }

    /// Blocks RECONS and LIMIT: the decoder's output.
    pub fn reconstruct(&self, level: i32) -> i32 {
        (self.expected + self.scaled(level)).clamp(-16_384, 16_383)
    }

    /// Blocks LOGSCL, SCALEL and their like.
    pub fn adapt_step(&mut self, growth: i32) {
        self.logarithm = (((self.logarithm * 127) >> 7) + growth).clamp(0, self.logarithm_max);
        let significand = SIGNIFICAND.get((self.logarithm >> 6 & 31) as usize).copied().unwrap_or_default();
        let shift = self.exponent - (self.logarithm >> 11);
        let scaled = if shift < 0 { significand << -shift } else { significand >> shift };
        self.step = scaled << 2;
    }

    /// Block 4: adapts the predictor to a quantised difference, and predicts.
    pub fn predict(&mut self, difference: i32) {
        // RECONS, PARREC
        let rebuilt = saturate(self.expected + difference);
        let partial = saturate(self.by_zeros + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        // DELAYA
        self.differences = shifted(self.differences, difference);
        self.rebuilt = shifted(self.rebuilt, rebuilt);
        self.partial = shifted(self.partial, partial);
        // FILTEP, FILTEZ, PREDIC
        let doubled = |coefficient: &i32, value: &i32| (coefficient * saturate(value + value)) >> 15;
        let by_poles: i32 = self.poles.iter().zip(&self.rebuilt).map(|(a, r)| doubled(a, r)).sum();
        let by_zeros: i32 = self.zeros.iter().zip(&self.differences).map(|(b, d)| doubled(b, d)).sum();
        self.by_zeros = saturate(by_zeros);
        self.expected = saturate(saturate(by_poles) + self.by_zeros);
    }

    /// Blocks UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let [first, second] = self.poles;
        let same = |other: i32| (partial >> 15) == (other >> 15);
        let towards = saturate(first << 2);
        let towards = if same(self.partial[0]) { (-towards).min(32_767) } else { towards };
        let drift = if same(self.partial[1]) { 128 } else { -128 };
        let second = ((towards >> 7) + drift + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let pull = if same(self.partial[0]) { 192 } else { -192 };
        let bound = saturate(15_360 - second);
        let first = saturate(pull + ((first * 32_640) >> 15)).clamp(-bound, bound);
        self.poles = [first, second];
    }

    /// Block UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let pull = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(&self.differences) {
            let towards = if (difference >> 15) == (earlier >> 15) { pull } else { -pull };
            *zero = saturate(towards + ((*zero * 32_640) >> 15));
        }
    }
}

fn shifted<const N: usize>(mut values: [i32; N], newest: i32) -> [i32; N] {
    values.rotate_right(1);
    values[0] = newest;
    values
}
