//! ITU-T G.722 at 64 kbit/s: 16 kHz audio in two bands, each coded by adaptive differences (ADPCM).
//!
//! The names of the steps are the Recommendation's blocks (§3.6 and §4): what encoder and decoder must compute alike, bit by bit.

mod band;
mod split;
mod tables;

use band::Band;
use split::{Join, Split};
use tables::{DECISION_LOW, INDEX_NEGATIVE, INDEX_POSITIVE, LEVEL_4, LEVEL_6, LEVEL_HIGH};

/// Half of the first quantiser interval of the upper band, in 1/4096 of the step.
const DECISION_HIGH: i32 = 564;

/// The encoder: two samples in, one octet out.
#[derive(Clone, Debug)]
pub struct Encoder {
    split: Split,
    low: Band,
    high: Band,
}

/// The decoder: one octet in, two samples out.
#[derive(Clone, Debug)]
pub struct Decoder {
    join: Join,
    low: Band,
    high: Band,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { split: Split::default(), low: Band::low(), high: Band::high() }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self { join: Join::default(), low: Band::low(), high: Band::high() }
    }
}

impl Encoder {
    /// Codes two samples.
    pub fn encode(&mut self, samples: [i16; 2]) -> u8 {
        let (low, high) = self.split.split(samples);
        let low_index = self.low_index(low);
        let high_index = self.high_index(high);
        self.low.adapt_low(low_index >> 2);
        self.high.adapt_high(high_index);
        // Both indices are within their bits by construction.
        (high_index << 6 | low_index) as u8
    }

    /// Blocks SUBTRA and QUANTL: the index of the lower band, six bits.
    fn low_index(&self, sample: i32) -> usize {
        let difference = saturate(sample - self.low.predicted());
        let magnitude = if difference >= 0 { difference } else { !difference };
        let below = |decision: &&i32| magnitude >= (**decision * self.low.step()) >> 12;
        let interval = DECISION_LOW.iter().take_while(below).count();
        let indices = if difference < 0 { &INDEX_NEGATIVE } else { &INDEX_POSITIVE };
        usize::from(indices.get(interval).copied().unwrap_or_default())
    }

    /// Blocks SUBTRA and QUANTH: the index of the upper band, two bits.
    fn high_index(&self, sample: i32) -> usize {
        let difference = saturate(sample - self.high.predicted());
        let magnitude = if difference >= 0 { difference } else { !difference };
        let is_outer = magnitude >= (DECISION_HIGH * self.high.step()) >> 12;
        match (difference < 0, is_outer) {
            (true, true) => 0,
            (true, false) => 1,
            (false, true) => 2,
            (false, false) => 3,
        }
    }
}

impl Decoder {
    /// Decodes an octet.
    pub fn decode(&mut self, code: u8) -> [i16; 2] {
        let (low_index, high_index) = (usize::from(code & 0x3F), usize::from(code >> 6));
        // The output has all six bits; the predictor goes by four, so that an encoder at a lower rate is followed too.
        let low = self.low.reconstruct(LEVEL_6.get(low_index).copied().unwrap_or_default());
        let high = self.high.reconstruct(LEVEL_HIGH.get(high_index).copied().unwrap_or_default());
        self.low.adapt_low(low_index >> 2);
        self.high.adapt_high(high_index);
        self.join.join(low, high)
    }
}

impl Band {
    /// Blocks INVQAL, LOGSCL and SCALEL, then the predictor.
    fn adapt_low(&mut self, index: usize) {
        let difference = self.scaled(LEVEL_4.get(index).copied().unwrap_or_default());
        self.adapt_step(tables::growth_low(index));
        self.predict(difference);
    }

    /// Blocks INVQAH, LOGSCH and SCALEH, then the predictor.
    fn adapt_high(&mut self, index: usize) {
        let difference = self.scaled(LEVEL_HIGH.get(index).copied().unwrap_or_default());
        self.adapt_step(tables::growth_high(index));
        self.predict(difference);
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

#[cfg(test)]
mod tests;
