//! What records a mix: all that its members say to all, at 8 kHz, and the tone that tells them of it.

use std::sync::Arc;

use model::Timestamp;

use crate::codec::{Resampler, SampleRate};
use crate::tone;

/// Samples that are handed on together: two seconds.
const CHUNK: usize = 2 * tone::SAMPLE_RATE as usize;
/// Frames from one warning tone to the next: 15 s (47 CFR 64.501).
const WARN_EVERY: usize = 750;

/// A recording of a conference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recording {
    /// Its name for who keeps it.
    pub name: Arc<str>,
    /// Whether the members hear a tone now and then that says so.
    pub beep: bool,
    /// Whether it goes on.
    pub is_on: bool,
}

/// A piece of a recording. Pieces of the same name and beginning follow each other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedAudio {
    /// The recording.
    pub name: Arc<str>,
    /// When this stretch of it began.
    pub began: Timestamp,
    /// Where in the stretch the piece is: samples before it.
    pub at: usize,
    /// The samples, at 8 kHz.
    pub samples: Vec<i16>,
    /// Whether the stretch ends with it.
    pub is_last: bool,
}

/// Records a mix.
#[derive(Debug)]
pub(super) struct MixRecorder {
    recording: Recording,
    began: Timestamp,
    frames: usize,
    /// The warning tone at the rate of the mix; empty without one.
    warning: Vec<i16>,
    down: Resampler,
    /// Samples handed on before.
    at: usize,
    samples: Vec<i16>,
}

impl MixRecorder {
    /// Begins at that time; the mix has that rate.
    pub fn new(recording: Recording, rate: SampleRate, began: Timestamp) -> Self {
        let (warning, down) = (warning(&recording, rate), Resampler::new(rate, SampleRate::Narrow));
        Self { recording, began, frames: 0, warning, down, at: 0, samples: Vec::with_capacity(CHUNK) }
    }

    /// What it records.
    pub const fn recording(&self) -> &Recording {
        &self.recording
    }

    /// The mix has another rate from now on.
    pub fn set_rate(&mut self, rate: SampleRate) {
        self.warning = warning(&self.recording, rate);
        self.down = Resampler::new(rate, SampleRate::Narrow);
    }

    /// Adds the warning tone to a frame, where it sounds in it.
    pub fn warn(&self, sum: &mut [i32]) {
        let at = (self.frames % WARN_EVERY) * sum.len();
        let tone = self.warning.get(at..).unwrap_or_default();
        sum.iter_mut().zip(tone).for_each(|(sum, sample)| *sum += i32::from(*sample));
    }

    /// Takes a frame. Returns a piece when there is one.
    pub fn take(&mut self, frame: &[i16]) -> Option<RecordedAudio> {
        self.frames += 1;
        self.down.run(frame, &mut self.samples);
        (self.samples.len() >= CHUNK).then(|| self.piece(false))
    }

    /// Ends, with the last piece.
    pub fn end(mut self) -> RecordedAudio {
        self.piece(true)
    }

    fn piece(&mut self, is_last: bool) -> RecordedAudio {
        // Room for the next piece at once: it must not grow bit by bit between packets.
        let room = if is_last { 0 } else { CHUNK };
        let samples = std::mem::replace(&mut self.samples, Vec::with_capacity(room));
        let at = self.at;
        self.at += samples.len();
        RecordedAudio { name: self.recording.name.clone(), began: self.began, at, samples, is_last }
    }
}

/// The tone of a recording that has one.
fn warning(recording: &Recording, rate: SampleRate) -> Vec<i16> {
    let mut tone = Vec::new();
    if recording.beep {
        Resampler::new(SampleRate::Narrow, rate).run(&tone::recording_warning(), &mut tone);
    }
    tone
}
