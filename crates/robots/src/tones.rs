//! Pairs of tones, which identify a call.
//!
//! All tones are multiples of 50 Hz, so a packet of 20 ms contains whole waves of each: every packet of a pair is the
//! same 160 samples, a lost one causes no discontinuity, and the Goertzel filter of one tone ignores all others.

use media::g711::Law;

/// Samples of a packet: 20 ms at 8 kHz.
pub const FRAME: usize = 160;
const RATE_HZ: f32 = 8_000.0;
const STEP_HZ: u16 = 50;
const LOWEST_HZ: u16 = 400;
const HIGHEST_HZ: u16 = 3_300;
/// Peak of each tone in 16-bit samples: about -16 dBm0, a voice's level.
const AMPLITUDE: f32 = 5_000.0;

/// Two tones.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pair {
    /// The lower one, Hz.
    pub low: u16,
    /// The higher one, Hz.
    pub high: u16,
}

impl std::fmt::Display for Pair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{} Hz", self.low, self.high)
    }
}

impl Pair {
    /// The payload of one packet of the pair.
    pub fn frame(self, law: Law) -> [u8; FRAME] {
        let wave = |hz: u16, n: usize| (std::f32::consts::TAU * f32::from(hz) * n as f32 / RATE_HZ).sin();
        std::array::from_fn(|n| law.encode((AMPLITUDE * (wave(self.low, n) + wave(self.high, n))) as i16))
    }

    const fn shares_a_tone(self, other: Self) -> bool {
        self.low == other.low || self.low == other.high || self.high == other.low || self.high == other.high
    }

    /// Whether a DTMF detector may take it for a key (ITU-T Q.23).
    fn is_key(self) -> bool {
        const ROWS: [u16; 4] = [697, 770, 852, 941];
        const COLUMNS: [u16; 4] = [1_209, 1_336, 1_477, 1_633];
        let near = |hz: u16, keys: [u16; 4]| keys.iter().any(|key| hz.abs_diff(*key) * 25 <= *key);
        near(self.low, ROWS) && near(self.high, COLUMNS)
    }
}

/// All pairs; each party of a call borrows one.
pub struct Grid {
    pairs: Vec<Pair>,
    borrowed: Vec<u32>,
    next: usize,
}

impl Grid {
    /// Every pair of two tones of the grid, except those of telephone keys.
    pub fn new() -> Self {
        let tones: Vec<u16> = (LOWEST_HZ..=HIGHEST_HZ).step_by(usize::from(STEP_HZ)).collect();
        let mut pairs = Vec::new();
        for (at, low) in tones.iter().enumerate() {
            for high in tones.iter().skip(at + 1) {
                pairs.push(Pair { low: *low, high: *high });
            }
        }
        pairs.retain(|pair| !pair.is_key());
        Self { borrowed: vec![0; pairs.len()], pairs, next: 0 }
    }

    /// A pair that no running call has, and no tone of which is in `beside`: the parties of a call are heard together. If all are in
    /// use (over 800 calls at once), the one borrowed longest ago.
    pub fn borrow(&mut self, beside: &[Pair]) -> Pair {
        let count = self.pairs.len();
        let is_apart = |at: &usize| beside.iter().all(|pair| !pair.shares_a_tone(self.pairs[*at]));
        let order = || (0..count).map(|step| (self.next + step) % count).filter(is_apart);
        let at = order().find(|at| self.borrowed[*at] == 0).or_else(|| order().next()).unwrap_or(self.next % count);
        self.next = at + 1;
        self.borrowed[at] += 1;
        self.pairs[at]
    }

    /// Returns a pair.
    pub fn give_back(&mut self, pair: Pair) {
        if let Some(at) = self.pairs.iter().position(|p| *p == pair) {
            self.borrowed[at] = self.borrowed[at].saturating_sub(1);
        }
    }
}

/// Content of a packet, for a listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sound {
    /// The pairs that are listened for, or some of them, and nothing else of significance.
    Pair,
    /// Hardly any power.
    Silence,
    /// Any other sound.
    Other,
}

/// Mean power below which a packet is silence: an RMS of 100, about -47 dBm0.
const SILENT_POWER: f32 = 10_000.0;
/// The share of a packet's power that the pairs must have; companding leaves over 0.99 of it.
const SHARE_MIN: f32 = 0.8;
/// The share that each tone must have of a pair that is heard alone; of several pairs each has its part.
const TONE_SHARE_MIN: f32 = 0.2;

/// Listens for a pair by two Goertzel filters.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    low: f32,
    high: f32,
}

impl Filter {
    /// A filter for that pair.
    pub fn new(pair: Pair) -> Self {
        Self { low: coefficient(pair.low), high: coefficient(pair.high) }
    }

    /// Classifies 20 ms of audio for a listener of this pair alone.
    pub fn judge(&self, samples: &[f32; FRAME]) -> Sound {
        judge([self], samples).0
    }

    /// The shares of the power that its tones have.
    fn shares(&self, samples: &[f32; FRAME], energy: f32) -> (f32, f32) {
        let share = |coefficient: f32| 2.0 * power(samples, coefficient) / (FRAME as f32 * energy);
        (share(self.low), share(self.high))
    }
}

/// Classifies 20 ms of audio for a listener of these pairs at once, and says which of them are there.
pub fn judge<const N: usize>(pairs: [&Filter; N], samples: &[f32; FRAME]) -> (Sound, [bool; N]) {
    let energy: f32 = samples.iter().map(|s| s * s).sum();
    if energy < SILENT_POWER * FRAME as f32 {
        return (Sound::Silence, [false; N]);
    }
    let shares = pairs.map(|pair| pair.shares(samples, energy));
    let all: f32 = shares.iter().map(|(low, high)| low + high).sum();
    let least = TONE_SHARE_MIN / N as f32;
    let there = shares.map(|(low, high)| low >= least && high >= least);
    if all >= SHARE_MIN && there.contains(&true) { (Sound::Pair, there) } else { (Sound::Other, [false; N]) }
}

/// The two strongest tones of the grid in a packet, if they make up most of it: identifies another call's pair.
pub fn strongest(samples: &[f32; FRAME]) -> Option<Pair> {
    let mut found: Vec<(f32, u16)> = (LOWEST_HZ..=HIGHEST_HZ)
        .step_by(usize::from(STEP_HZ))
        .map(|hz| (power(samples, coefficient(hz)), hz))
        .collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (first, second) = (found.first()?.1, found.get(1)?.1);
    let pair = Pair { low: first.min(second), high: first.max(second) };
    (Filter::new(pair).judge(samples) == Sound::Pair).then_some(pair)
}

fn coefficient(hz: u16) -> f32 {
    2.0 * (std::f32::consts::TAU * f32::from(hz) / RATE_HZ).cos()
}

/// The squared magnitude of a tone by Goertzel's recurrence.
fn power(samples: &[f32; FRAME], coefficient: f32) -> f32 {
    let (mut last, mut before) = (0.0_f32, 0.0_f32);
    for sample in samples {
        let next = sample + coefficient * last - before;
        before = last;
        last = next;
    }
    last * last + before * before - coefficient * last * before
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn heard(frame: [u8; FRAME], law: Law) -> [f32; FRAME] {
        frame.map(|code| f32::from(law.decode(code)))
    }

    #[test]
    fn a_pair_is_known_in_both_laws_and_from_every_other() {
        let mut grid = Grid::new();
        let pairs: Vec<Pair> = (0..grid.pairs.len()).map(|_| grid.borrow(&[])).collect();
        assert!(pairs.len() > 1_600, "{} pairs", pairs.len());
        assert_eq!(pairs.iter().collect::<HashSet<_>>().len(), pairs.len());
        for (at, pair) in pairs.iter().enumerate() {
            let other = pairs[(at + 1) % pairs.len()];
            for law in [Law::Mu, Law::A] {
                let sound = heard(pair.frame(law), law);
                assert_eq!(Filter::new(*pair).judge(&sound), Sound::Pair, "{pair}");
                assert_eq!(Filter::new(other).judge(&sound), Sound::Other, "{pair} for {other}");
            }
        }
    }

    #[test]
    fn a_pair_survives_the_way_through_the_other_law() {
        let pair = Pair { low: 650, high: 2_900 };
        let there = pair.frame(Law::Mu).map(|code| Law::Mu.transcode(code));
        assert_eq!(Filter::new(pair).judge(&heard(there, Law::A)), Sound::Pair);
    }

    #[test]
    fn silence_a_single_tone_and_two_pairs_at_once_are_not_the_pair() {
        let pair = Pair { low: 500, high: 1_000 };
        let listener = Filter::new(pair);
        assert_eq!(listener.judge(&[0.0; FRAME]), Sound::Silence);
        let alone: [f32; FRAME] =
            std::array::from_fn(|n| 5_000.0 * (std::f32::consts::TAU * 500.0 * n as f32 / 8_000.0).sin());
        assert_eq!(listener.judge(&alone), Sound::Other);
        let own = heard(pair.frame(Law::A), Law::A);
        let second = heard(Pair { low: 700, high: 1_800 }.frame(Law::A), Law::A);
        let both: [f32; FRAME] = std::array::from_fn(|n| own[n] + second[n]);
        assert_eq!(listener.judge(&both), Sound::Other);
    }

    #[test]
    fn two_who_speak_at_once_are_told_from_one_of_them_and_from_a_third() {
        let mut grid = Grid::new();
        let one = grid.borrow(&[]);
        let two = grid.borrow(&[one]);
        let third = grid.borrow(&[one, two]);
        let (first, second) = (Filter::new(one), Filter::new(two));
        let sound = |pair: Pair| heard(pair.frame(Law::A), Law::A);
        let mixed = |a: Pair, b: Pair| -> [f32; FRAME] { std::array::from_fn(|n| sound(a)[n] + sound(b)[n]) };
        assert_eq!(judge([&first, &second], &mixed(one, two)), (Sound::Pair, [true, true]));
        assert_eq!(judge([&first, &second], &sound(two)), (Sound::Pair, [false, true]));
        assert_eq!(judge([&first, &second], &mixed(one, third)), (Sound::Other, [false, false]));
    }

    #[test]
    fn who_is_heard_instead_is_found_out() {
        let pair = Pair { low: 900, high: 2_150 };
        assert_eq!(strongest(&heard(pair.frame(Law::Mu), Law::Mu)), Some(pair));
        assert_eq!(strongest(&[0.0; FRAME]), None);
    }

    #[test]
    fn no_pair_is_lent_twice_while_others_are_free_and_none_sounds_like_a_key() {
        let mut grid = Grid::new();
        let first = grid.borrow(&[]);
        let rest: Vec<Pair> = (1..grid.pairs.len()).map(|_| grid.borrow(&[])).collect();
        assert!(!rest.contains(&first));
        grid.give_back(rest[5]);
        assert_eq!(grid.borrow(&[]), rest[5]);
        assert!(rest.iter().all(|pair| !(pair.low == 700 && pair.high == 1_200)));
    }
}
