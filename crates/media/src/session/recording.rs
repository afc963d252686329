//! Recording what the phone says, after a treatment's prompts, until a key, a silence or the longest time.
//!
//! Samples stand where our clock and the packets' timestamps say: what is lost or not sent is silence, and the recording lasts as long
//! as the caller has waited.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::{Frame, Outcome, SAMPLE_US};
use crate::codec::{Codec, Decoder, SampleRate};
use crate::dtmf::Digit;

/// How far the timestamps of a source may be from our clock before it is placed anew, in samples: one second.
const DRIFT_MAX: usize = 8_000;
/// The root mean square of samples above which a packet is speech: -40 dB of full scale. Speech on telephones is at -20 to -30, a quiet
/// room below -50.
const SPEECH: u64 = 330;

/// What is recorded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordingOptions {
    /// How long it lasts at most.
    pub longest: Duration,
    /// The silence after speech that ends it.
    pub silence: Option<Duration>,
    /// The key that ends it.
    pub end_key: Option<Digit>,
}

/// How a recording ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RecordingEnd {
    /// The key was pressed.
    Key,
    /// There was silence after speech.
    Silence,
    /// It has lasted as long as it may.
    Longest,
    /// It was stopped.
    Stopped,
}

/// A recording that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordedSpeech {
    /// How it ended.
    pub end: RecordingEnd,
    /// Its samples, at 8 kHz.
    pub samples: Arc<[i16]>,
}

impl RecordedSpeech {
    /// How long it is.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.samples.len() as u64 * SAMPLE_US)
    }
}

/// A recording in progress.
#[derive(Debug)]
pub(super) struct Recorder {
    record: RecordingOptions,
    /// The outcome of the play before it.
    play: Outcome,
    began: Timestamp,
    /// When the phone spoke last.
    spoke: Option<Timestamp>,
    samples: Vec<i16>,
    decoder: Option<Decoder>,
    run: Option<PacketRun>,
}

/// A source whose packets are placed by their timestamps.
#[derive(Clone, Copy, Debug)]
struct PacketRun {
    codec: Codec,
    source: u32,
    /// The timestamp of the sample at `at`.
    timestamp: u32,
    at: usize,
}

impl Recorder {
    /// Begins, after the play of that outcome.
    pub fn begin(record: RecordingOptions, play: Outcome, now: Timestamp) -> Self {
        Self { record, play, began: now, spoke: None, samples: Vec::new(), decoder: None, run: None }
    }

    /// The id of the treatment.
    pub fn id(&self) -> u64 {
        self.play.id
    }

    /// Whether a key ends it.
    pub fn wants_digits(&self) -> bool {
        self.record.end_key.is_some()
    }

    /// When [`Recorder::advance`] may have something to do.
    pub fn next_timeout(&self) -> Timestamp {
        let longest = self.began + self.record.longest;
        self.quiet_at().map_or(longest, |quiet| quiet.min(longest))
    }

    /// Takes a packet of the phone.
    pub fn take(&mut self, codec: Codec, frame: &Frame<'_>, now: Timestamp) {
        let at = self.place(codec, frame, now);
        let decoder = match self.decoder.take().filter(|decoder| decoder.codec() == codec) {
            Some(decoder) => self.decoder.insert(decoder),
            None => self.decoder.insert(Decoder::new(codec, SampleRate::Narrow)),
        };
        let said = decoder.decode(frame.payload);
        if is_speech(said) {
            self.spoke = Some(now);
        }
        let (Some(at), most) = (at, samples_in(self.record.longest)) else { return };
        let end = (at + said.len()).min(most);
        if end > self.samples.len() {
            self.samples.resize(end, 0);
        }
        let room = self.samples.get_mut(at..).unwrap_or_default();
        room.iter_mut().zip(said).for_each(|(to, from)| *to = *from);
    }

    /// Takes keys from the buffer and looks at the time. Returns the outcome when it is over.
    pub fn advance(&mut self, buffer: &mut VecDeque<Digit>, now: Timestamp) -> Option<Outcome> {
        while let Some(digit) = buffer.pop_front() {
            self.play.last = Some(digit);
            if Some(digit) == self.record.end_key {
                return Some(self.outcome(RecordingEnd::Key, now));
            }
        }
        let end = match self.quiet_at() {
            _ if self.began + self.record.longest <= now => RecordingEnd::Longest,
            Some(quiet) if quiet <= now => RecordingEnd::Silence,
            _ => return None,
        };
        Some(self.outcome(end, now))
    }

    /// The owner stops it.
    pub fn stopped(mut self, now: Timestamp) -> Outcome {
        self.outcome(RecordingEnd::Stopped, now)
    }

    /// When it ends by silence, as far as is known by now.
    fn quiet_at(&self) -> Option<Timestamp> {
        Some(self.spoke? + self.record.silence?)
    }

    /// The index of a packet's first sample; none if it belongs before the beginning.
    fn place(&mut self, codec: Codec, frame: &Frame<'_>, now: Timestamp) -> Option<usize> {
        let (source, timestamp) = (frame.header.ssrc, frame.header.timestamp);
        let by_clock = samples_in(now.since(self.began));
        let units = i64::from(codec.clock() / 8_000);
        let by_timestamp = self.run.filter(|run| (run.codec, run.source) == (codec, source)).map(|run| {
            let later = i64::from(timestamp.wrapping_sub(run.timestamp) as i32) / units;
            run.at as i64 + later
        });
        if let Some(at) = by_timestamp
            && at.abs_diff(by_clock as i64) <= DRIFT_MAX as u64
        {
            return usize::try_from(at).ok();
        }
        self.run = Some(PacketRun { codec, source, timestamp, at: by_clock });
        Some(by_clock)
    }

    fn outcome(&mut self, end: RecordingEnd, now: Timestamp) -> Outcome {
        let length = samples_in(now.since(self.began).min(self.record.longest));
        let mut samples = std::mem::take(&mut self.samples);
        samples.resize(length, 0);
        Outcome { recorded: Some(RecordedSpeech { end, samples: samples.into() }), ..self.play.clone() }
    }
}

fn samples_in(time: Duration) -> usize {
    usize::try_from(time.as_micros() / u128::from(SAMPLE_US)).unwrap_or(usize::MAX)
}

fn is_speech(samples: &[i16]) -> bool {
    let energy: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs()).pow(2)).sum();
    energy > SPEECH * SPEECH * samples.len() as u64
}
