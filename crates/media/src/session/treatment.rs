//! Treatments: lists of prompts, once or in a loop, and the collection of digits.
//!
//! What is recorded after the prompts is in [`super::recording`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::{RecordedSpeech, RecordingOptions, SAMPLE_US, TreatmentSnapshot};
use crate::dtmf::Digit;
use crate::sdp::negotiation::PACKET_SAMPLES_MAX;

/// How far the player may fall behind before it skips instead of catching up with a burst.
const LATE_MAX: Duration = Duration::from_millis(100);

/// A prompt: samples at 8 kHz and the name that they were requested by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// Its name, for records.
    pub name: Arc<str>,
    /// Its samples.
    pub samples: Arc<[i16]>,
}

/// What a leg hears, and which digits are collected from it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Treatment {
    /// Played one after the other, without a gap.
    pub prompts: Vec<Prompt>,
    /// How often.
    pub repeat: Repeat,
    /// Whether a key stops the play.
    pub interruptible: bool,
    /// What is collected, during and after the play.
    pub collect: Option<Collect>,
    /// What is recorded after the play. Nothing is collected then.
    pub record: Option<RecordingOptions>,
}

/// How often the prompts are played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    /// That many times.
    Times(u16),
    /// Until it is stopped.
    Forever,
}

impl Default for Repeat {
    fn default() -> Self {
        Self::Times(1)
    }
}

/// A collection of digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collect {
    /// Discard digits pressed before.
    pub clear_buffer: bool,
    /// How long to wait for the first digit once the play is over.
    pub first_digit: Duration,
    /// How long to wait between digits.
    pub inter_digit: Duration,
    /// Fewest digits of a match.
    pub min: u8,
    /// Most digits; reaching it is a match.
    pub max: u8,
    /// The key that ends the input; it is not part of the digits.
    pub return_key: Option<Digit>,
}

/// How a treatment ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The id of the treatment.
    pub id: u64,
    /// How the play ended; `None` without one.
    pub play_end: Option<PlayEnd>,
    /// Duration played.
    pub played: Duration,
    /// The digits, without the return key.
    pub digits: String,
    /// The last key.
    pub last: Option<Digit>,
    /// How the collection ended; `None` without one.
    pub collect_end: Option<CollectEnd>,
    /// What was recorded; `None` without it.
    pub recorded: Option<RecordedSpeech>,
}

/// How a play ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlayEnd {
    /// Everything was played.
    Complete,
    /// A key interrupted it.
    Interrupted,
    /// It was stopped.
    Stopped,
}

/// How a collection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CollectEnd {
    /// The digits match.
    Match,
    /// No key was pressed in time.
    NoInput,
    /// The input ended with too few digits.
    NoMatch,
    /// It was stopped.
    Stopped,
}

/// How far a treatment has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Playing.
    Playing {
        /// When the next frame is due.
        due: Timestamp,
    },
    /// Waiting for digits.
    Collecting {
        /// When the wait ends.
        deadline: Timestamp,
    },
    /// It is over.
    Over,
}

/// The samples of one packet.
pub(super) struct Due {
    samples: [i16; PACKET_SAMPLES_MAX],
    length: usize,
    pub due: Timestamp,
}

impl Due {
    pub fn samples(&self) -> &[i16] {
        self.samples.get(..self.length).unwrap_or_default()
    }
}

/// A running treatment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Running {
    treatment: Treatment,
    state: Progress,
}

/// The progress of a treatment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The treatment's id, given by the leg's owner.
    pub id: u64,
    /// The current phase.
    pub phase: Phase,
    /// Index of the prompt that plays.
    pub prompt: usize,
    /// Index of its next sample.
    pub sample: usize,
    /// Rounds completed.
    pub rounds: u16,
    /// Samples played.
    pub played: u64,
    /// How the play ended.
    pub play_end: Option<PlayEnd>,
    /// Digits collected.
    pub digits: Vec<Digit>,
    /// The last key.
    pub last: Option<Digit>,
    /// How the collection ended.
    pub collect_end: Option<CollectEnd>,
}

impl Running {
    pub fn start(id: u64, treatment: Treatment, due: Timestamp) -> Self {
        let state = Progress {
            id,
            phase: Phase::Playing { due },
            prompt: 0,
            sample: 0,
            rounds: 0,
            played: 0,
            play_end: None,
            digits: Vec::new(),
            last: None,
            collect_end: None,
        };
        Self { treatment, state }
    }

    pub fn id(&self) -> u64 {
        self.state.id
    }

    pub fn is_playing(&self) -> bool {
        matches!(self.state.phase, Phase::Playing { .. })
    }

    /// What is recorded after the play.
    pub fn record(&self) -> Option<RecordingOptions> {
        self.treatment.record
    }

    pub fn wants_digits(&self) -> bool {
        self.treatment.collect.is_some() || self.treatment.interruptible
    }

    pub fn next_timeout(&self) -> Timestamp {
        match self.state.phase {
            Phase::Playing { due } => due,
            Phase::Collecting { deadline } => deadline,
            Phase::Over => Timestamp::ZERO,
        }
    }

    /// Returns the due frame of `length` samples; `None` when the prompts are at their end.
    pub fn next_frame(&mut self, length: usize, now: Timestamp) -> Option<Due> {
        let Phase::Playing { due } = self.state.phase else { return None };
        if due > now {
            return None;
        }
        // A process that slept does not catch up: the phone has heard silence already.
        let due = if now.since(due) > LATE_MAX { now } else { due };
        let length = length.clamp(1, PACKET_SAMPLES_MAX);
        let mut samples = [0; PACKET_SAMPLES_MAX];
        if self.fill(samples.get_mut(..length)?) == 0 {
            return None;
        }
        self.state.played = self.state.played.saturating_add(length as u64);
        self.state.phase = Phase::Playing { due: due + Duration::from_micros(length as u64 * SAMPLE_US) };
        Some(Due { samples, length, due })
    }

    /// A key was pressed and is in the buffer; it stops an interruptible play.
    pub fn handle_digit(&mut self, now: Timestamp) {
        if self.is_playing() && self.treatment.interruptible {
            self.end_play(PlayEnd::Interrupted, now);
        }
    }

    /// Proceeds as far as possible at `now`, taking keys from the buffer. Returns the outcome when the treatment is over.
    pub fn advance(&mut self, buffer: &mut VecDeque<Digit>, now: Timestamp) -> Option<Outcome> {
        if let Phase::Playing { due } = self.state.phase
            && due <= now
            && self.is_at_end()
        {
            if !self.treatment.prompts.is_empty() && self.treatment.collect.is_some_and(|c| c.clear_buffer) {
                buffer.clear();
            }
            self.end_play(PlayEnd::Complete, now);
        }
        if let (Phase::Collecting { .. }, Some(collect)) = (self.state.phase, self.treatment.collect) {
            self.collect(collect, buffer, now);
        }
        (self.state.phase == Phase::Over).then(|| self.outcome())
    }

    /// The owner stops the treatment.
    pub fn stopped(mut self, now: Timestamp) -> Outcome {
        if self.is_playing() {
            self.end_play(PlayEnd::Stopped, now);
        }
        if self.treatment.collect.is_some() && self.state.collect_end.is_none() {
            self.state.collect_end = Some(CollectEnd::Stopped);
        }
        self.outcome()
    }

    pub fn snapshot(&self) -> TreatmentSnapshot {
        let Treatment { prompts, repeat, interruptible, collect, record: _ } = &self.treatment;
        TreatmentSnapshot {
            prompts: prompts.iter().map(|p| p.name.clone()).collect(),
            repeat: *repeat,
            interruptible: *interruptible,
            collect: *collect,
            progress: self.state.clone(),
        }
    }

    /// Continues `gap` after `snapshot`: what plays without end is where it would be by now, so that nobody needs to record how far it is;
    /// anything else goes on where it was recorded, since its words matter. Prompts that no longer exist are skipped.
    pub fn restore(
        snapshot: TreatmentSnapshot,
        gap: Duration,
        now: Timestamp,
        prompt: impl Fn(&str) -> Option<Prompt>,
    ) -> Self {
        let TreatmentSnapshot { prompts, repeat, interruptible, collect, mut progress } = snapshot;
        progress.phase = match progress.phase {
            Phase::Playing { due } => Phase::Playing { due: due.min(now + LATE_MAX) },
            Phase::Collecting { deadline } => {
                let longest = collect.map_or(Duration::ZERO, |collect| collect.first_digit.max(collect.inter_digit));
                Phase::Collecting { deadline: deadline.min(now + longest) }
            }
            Phase::Over => Phase::Over,
        };
        let gone = |name: &Arc<str>| Prompt { name: name.clone(), samples: Arc::new([]) };
        let prompts = prompts.iter().map(|name| prompt(name).unwrap_or_else(|| gone(name))).collect();
        let treatment = Treatment { prompts, repeat, interruptible, collect, record: None };
        let mut running = Self { treatment, state: progress };
        if running.is_playing() && repeat == Repeat::Forever {
            running.skip(gap, now);
        }
        running
    }

    /// Moves on by what plays in `gap`, in whole rounds and the rest of one.
    fn skip(&mut self, gap: Duration, now: Timestamp) {
        let Phase::Playing { due } = self.state.phase else { return };
        let lengths: Vec<u64> = self.treatment.prompts.iter().map(|prompt| prompt.samples.len() as u64).collect();
        let round: u64 = lengths.iter().sum();
        let skipped = u64::try_from(gap.as_micros()).unwrap_or(u64::MAX) / SAMPLE_US;
        if round == 0 || skipped == 0 {
            return;
        }
        let state = &mut self.state;
        let before: u64 = lengths.iter().take(state.prompt).sum();
        let to = before.saturating_add(state.sample as u64).saturating_add(skipped);
        let mut rest = to % round;
        for (prompt, length) in lengths.iter().enumerate() {
            if rest < *length {
                (state.prompt, state.sample) = (prompt, rest as usize);
                break;
            }
            rest -= length;
        }
        state.rounds = state.rounds.saturating_add(u16::try_from(to / round).unwrap_or(u16::MAX));
        state.played = state.played.saturating_add(skipped);
        state.phase = Phase::Playing { due: (due + gap).min(now + LATE_MAX) };
    }

    /// Copies the next samples and returns how many. The rest of the last frame stays silent.
    fn fill(&mut self, out: &mut [i16]) -> usize {
        let (mut filled, length) = (0, out.len());
        while filled < length && !self.is_at_end() {
            let state = &mut self.state;
            let Some(prompt) = self.treatment.prompts.get(state.prompt) else { break };
            let rest = prompt.samples.get(state.sample..).unwrap_or_default();
            let (Some(room), count) = (out.get_mut(filled..), rest.len().min(length - filled)) else { break };
            room.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            filled += count;
            state.sample += count;
            self.next_prompt();
        }
        filled
    }

    /// Skips finished prompts and starts the next round if there is one.
    fn next_prompt(&mut self) {
        let prompts = &self.treatment.prompts;
        let silent = prompts.iter().all(|p| p.samples.is_empty());
        let state = &mut self.state;
        while prompts.get(state.prompt).is_some_and(|p| state.sample >= p.samples.len()) {
            (state.prompt, state.sample) = (state.prompt + 1, 0);
            if state.prompt < prompts.len() {
                continue;
            }
            state.rounds = state.rounds.saturating_add(1);
            let again = match self.treatment.repeat {
                Repeat::Times(times) => state.rounds < times,
                Repeat::Forever => true,
            };
            if !again || silent {
                return;
            }
            state.prompt = 0;
        }
    }

    fn is_at_end(&self) -> bool {
        let prompts = &self.treatment.prompts;
        self.state.prompt >= prompts.len() || prompts.iter().all(|p| p.samples.is_empty())
    }

    fn end_play(&mut self, end: PlayEnd, now: Timestamp) {
        if !self.treatment.prompts.is_empty() {
            self.state.play_end = Some(end);
        }
        self.state.phase = match self.treatment.collect {
            Some(collect) if end != PlayEnd::Stopped => Phase::Collecting { deadline: now + collect.first_digit },
            _ => Phase::Over,
        };
    }

    fn collect(&mut self, collect: Collect, buffer: &mut VecDeque<Digit>, now: Timestamp) {
        let state = &mut self.state;
        let enough = |state: &Progress| {
            if state.digits.len() >= usize::from(collect.min) { CollectEnd::Match } else { CollectEnd::NoMatch }
        };
        while let Some(digit) = buffer.pop_front() {
            state.last = Some(digit);
            if Some(digit) == collect.return_key {
                state.collect_end = Some(enough(state));
                break;
            }
            state.digits.push(digit);
            state.phase = Phase::Collecting { deadline: now + collect.inter_digit };
            if state.digits.len() >= usize::from(collect.max) {
                state.collect_end = Some(CollectEnd::Match);
                break;
            }
        }
        if let Phase::Collecting { deadline } = state.phase
            && deadline <= now
            && state.collect_end.is_none()
        {
            let end = if state.digits.is_empty() { CollectEnd::NoInput } else { enough(state) };
            state.collect_end = Some(end);
        }
        if state.collect_end.is_some() {
            state.phase = Phase::Over;
        }
    }

    fn outcome(&self) -> Outcome {
        let state = &self.state;
        Outcome {
            id: state.id,
            play_end: state.play_end,
            played: Duration::from_micros(state.played.saturating_mul(SAMPLE_US)),
            digits: state.digits.iter().map(|d| d.as_char()).collect(),
            last: state.last,
            collect_end: state.collect_end,
            recorded: None,
        }
    }
}
