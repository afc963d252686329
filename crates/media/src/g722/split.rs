//! The filters that split audio of 16 kHz into two bands of 8 kHz, and join them (QMF, §3.1 and §4.4).

use super::saturate;
use super::tables::FILTER;

/// Samples that a filter sees.
const TAPS: usize = 24;
/// Samples that are kept until they are moved to the front at once: moving at each step would cost more than filtering.
const LINE: usize = 8 * TAPS;

/// The last samples of a filter.
#[derive(Clone, Debug)]
struct DelayLine {
    samples: [i32; LINE],
    end: usize,
}

impl Default for DelayLine {
    fn default() -> Self {
        Self { samples: [0; LINE], end: TAPS }
    }
}

impl DelayLine {
    /// Takes two samples; returns the sums over the even and over the odd taps.
    fn filter(&mut self, pair: [i32; 2]) -> (i32, i32) {
        if self.end + 2 > LINE {
            self.samples.copy_within(self.end - (TAPS - 2)..self.end, 0);
            self.end = TAPS - 2;
        }
        let end = self.end + 2;
        if let Some(place) = self.samples.get_mut(self.end..end) {
            place.copy_from_slice(&pair);
        }
        self.end = end;
        let seen = self.samples.get(end - TAPS..end).unwrap_or_default();
        let (mut even, mut odd) = (0, 0);
        let (pairs, _) = seen.as_chunks::<2>();
        for ([first, second], (forward, backward)) in pairs.iter().zip(FILTER.iter().zip(FILTER.iter().rev())) {
            even += first * forward;
            odd += second * backward;
        }
        (even, odd)
    }
}

/// Splits.
#[derive(Clone, Debug, Default)]
pub(super) struct Split(DelayLine);

impl Split {
    /// The next samples of the lower and the upper band.
    pub fn split(&mut self, samples: [i16; 2]) -> (i32, i32) {
        let (even, odd) = self.0.filter(samples.map(i32::from));
        ((odd + even) >> 14, (odd - even) >> 14)
    }
}

/// Joins.
#[derive(Clone, Debug, Default)]
pub(super) struct Join(DelayLine);

impl Join {
    /// The next two samples.
    pub fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        let (even, odd) = self.0.filter([low + high, low - high]);
        // Saturated: they fit.
        [odd >> 11, even >> 11].map(|sample| saturate(sample) as i16)
    }
}
