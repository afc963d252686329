//! Changes the rate of samples by a whole number: a windowed sinc of which each output sample computes what it needs.

use std::f32::consts::PI;
use std::sync::OnceLock;

use super::SampleRate;

/// Samples of the lower rate that an output sample is computed from.
const SPAN: usize = 24;
/// The edge of what passes, as a share of the lower rate: 3.6 kHz of 8 kHz.
const EDGE: f32 = 0.45;

/// Up or down by a whole number, or neither.
#[derive(Clone, Debug)]
pub(crate) enum Resampler {
    Same,
    Up { filter: &'static RateFilter, line: Vec<f32> },
    Down { filter: &'static RateFilter, line: Vec<f32> },
}

/// The filter for one ratio.
#[derive(Debug)]
pub(crate) struct RateFilter {
    times: usize,
    /// The whole filter, for the way down.
    whole: Vec<f32>,
    /// Each `times`-th coefficient, last first, beginning with each of the first: for the way up.
    phases: Vec<[f32; SPAN]>,
}

impl Resampler {
    /// From one rate to another.
    pub fn new(from: SampleRate, to: SampleRate) -> Self {
        let (from, to) = (from.times(), to.times());
        if from == to {
            Self::Same
        } else if to > from {
            Self::Up { filter: filter(to / from), line: vec![0.0; SPAN - 1] }
        } else {
            let filter = filter(from / to);
            Self::Down { filter, line: vec![0.0; filter.whole.len() - filter.times] }
        }
    }

    /// Appends the samples at the other rate. On the way down, `samples` must be whole groups.
    pub fn run(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        match self {
            Self::Same => out.extend_from_slice(samples),
            Self::Up { filter, line } => {
                line.extend(samples.iter().map(|sample| f32::from(*sample)));
                for seen in line.windows(SPAN) {
                    out.extend(filter.phases.iter().map(|phase| rounded(dot(phase, seen))));
                }
                line.drain(..samples.len());
            }
            Self::Down { filter, line } => {
                line.extend(samples.iter().map(|sample| f32::from(*sample)));
                for seen in line.windows(filter.whole.len()).step_by(filter.times) {
                    out.push(rounded(dot(&filter.whole, seen)));
                }
                line.drain(..samples.len());
            }
        }
    }
}

impl RateFilter {
    fn new(times: usize) -> Self {
        let taps = SPAN * times;
        let middle = (taps - 1) as f32 / 2.0;
        let edge = 2.0 * EDGE / times as f32;
        let sinc = |x: f32| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
        let mut whole: Vec<f32> = (0..taps)
            .map(|n| {
                let window = 0.54 - 0.46 * (2.0 * PI * n as f32 / (taps - 1) as f32).cos();
                edge * sinc(edge * (n as f32 - middle)) * window
            })
            .collect();
        let sum: f32 = whole.iter().sum();
        whole.iter_mut().for_each(|tap| *tap /= sum);
        let phases = (0..times)
            .map(|phase| std::array::from_fn(|n| whole[phase + (SPAN - 1 - n) * times] * times as f32))
            .collect();
        Self { times, whole, phases }
    }
}

/// The filter for a ratio: 2, 3 or 6.
fn filter(times: usize) -> &'static RateFilter {
    static BY_TWO: OnceLock<RateFilter> = OnceLock::new();
    static BY_THREE: OnceLock<RateFilter> = OnceLock::new();
    static BY_SIX: OnceLock<RateFilter> = OnceLock::new();
    let place = match times {
        2 => &BY_TWO,
        3 => &BY_THREE,
        _ => &BY_SIX,
    };
    place.get_or_init(|| RateFilter::new(times))
}

/// Sums of eight columns, so that the compiler may add them at once.
fn dot(taps: &[f32], samples: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let ((taps, _), (samples, _)) = (taps.as_chunks::<8>(), samples.as_chunks::<8>());
    for (taps, samples) in taps.iter().zip(samples) {
        for ((sum, tap), sample) in sums.iter_mut().zip(taps).zip(samples) {
            *sum += tap * sample;
        }
    }
    sums.iter().sum()
}

/// The nearest sample; what is too loud is clipped by the cast.
fn rounded(value: f32) -> i16 {
    value.round() as i16
}
