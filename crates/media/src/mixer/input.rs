//! What a member of a mix has sent and has not been mixed yet: the jitter buffer.

use std::collections::VecDeque;

use super::bridge::Bridge;
use crate::codec::{Codec, Decoder, SampleRate};
use crate::session::FRAME_SAMPLES;

/// Frames that a member who begins to speak must have sent before it is heard: 40 ms.
const DELAY: usize = 2;
/// The most frames that wait; older ones are left out: 120 ms.
const WAITING_MAX: usize = 6;
/// How far behind the last packet another one of its source may be to count as overtaken: one second, in units of 1/8000 s. What is further
/// behind begins anew.
const OVERTAKEN_MAX: u32 = 8_000;
/// The longest gap that is concealed: 40 ms. What comes after a longer one begins anew.
const CONCEALED_MAX: u32 = 320;
/// The frames over which it is judged how much of the delay is needed: one second.
const WINDOW: u8 = 50;
/// A frame is a pause if no sample of it is louder than the loudest of the last window divided by this.
const PAUSE: u16 = 8;
/// A frame without a louder sample is none: the silence of both laws of G.711.
const SILENCE: u16 = 8;

/// A packet of a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    /// Its codec.
    pub(crate) codec: Codec,
    /// Its source (SSRC).
    pub(crate) source: u32,
    /// Its timestamp.
    pub(crate) timestamp: u32,
    /// Its payload.
    pub(crate) payload: &'a [u8],
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Input {
    samples: VecDeque<i16>,
    /// Source, and the timestamp that follows its last sample.
    next: Option<(u32, u32)>,
    decoder: Option<Decoder>,
    /// The last payload: a new decoder begins with it.
    last: Vec<u8>,
    speaks: bool,
    spare: Spare,
}

/// Frames that wait without need, since packets no longer come as unevenly as they did. Pauses of the speaker take them up.
#[derive(Debug, Default)]
struct Spare {
    frames: usize,
    /// The loudest sample of the last window.
    loudest: u16,
    window: Window,
}

#[derive(Debug, Default)]
struct Window {
    frames: u8,
    /// The fewest samples that were left after a frame; none before the first.
    least: Option<usize>,
    loudest: u16,
}

impl Spare {
    /// Notes a frame of `whole` samples, and how many were `left` after it.
    fn note(&mut self, frame: &[i16], left: usize, whole: usize) {
        let Window { frames, least, loudest } = &mut self.window;
        *frames += 1;
        *least = Some(least.map_or(left, |least| least.min(left)));
        *loudest = peak(frame).max(*loudest);
        if *frames == WINDOW {
            // One frame of the delay has been taken.
            self.frames = (least.unwrap_or_default() / whole).saturating_sub(DELAY - 1);
            self.loudest = *loudest;
            self.window = Window::default();
        }
    }

    /// Whether this frame may be left out.
    fn take(&mut self, frame: &[i16]) -> bool {
        let leaves_out = self.frames > 0 && peak(frame) <= self.loudest / PAUSE;
        if leaves_out {
            self.frames -= 1;
            self.window = Window::default();
        }
        leaves_out
    }
}

fn peak(frame: &[i16]) -> u16 {
    frame.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default()
}

impl Input {
    /// Takes a packet. A lost one before it is concealed.
    pub fn take(&mut self, rate: SampleRate, heard: Heard<'_>) {
        let Heard { codec, source, timestamp, payload } = heard;
        let Some(ticks) = codec.duration(payload) else { return };
        let is_known = self.decoder.as_ref().is_some_and(|decoder| decoder.codec() == codec);
        // A phone that begins anew has another source, and any timestamp.
        let next = self.next.filter(|(of, _)| is_known && *of == source).map_or(timestamp, |(_, next)| next);
        let units = codec.clock() / 8_000;
        let (gap, behind) = (timestamp.wrapping_sub(next), next.wrapping_sub(timestamp));
        if (1..=OVERTAKEN_MAX * units).contains(&behind) {
            // Its place has been concealed.
            return;
        }
        let decoder = match self.decoder.take().filter(|_| is_known) {
            Some(decoder) => self.decoder.insert(decoder),
            None => self.decoder.insert(Decoder::new(codec, rate)),
        };
        if (1..=CONCEALED_MAX * units).contains(&gap) && !decoder.last().is_empty() {
            let mut concealed = Vec::new();
            decoder.conceal(gap as usize * rate.times() / units as usize, payload, &mut concealed);
            self.samples.extend(concealed);
        }
        self.samples.extend(decoder.decode(payload));
        self.last.clear();
        self.last.extend_from_slice(payload);
        self.next = Some((source, timestamp.wrapping_add(ticks)));
        let ahead = self.samples.len().saturating_sub(WAITING_MAX * FRAME_SAMPLES * rate.times());
        self.samples.drain(..ahead);
    }

    /// Takes a packet that has been heard already, and repeats it softly for as long as the mix is later than the relay: an extended sound is
    /// not heard as a gap is.
    pub fn follow(&mut self, rate: SampleRate, heard: Heard<'_>) {
        self.take(rate, heard);
        self.samples.clear();
        let Some(decoder) = self.decoder.as_ref().filter(|decoder| !decoder.last().is_empty()) else { return };
        let delay = DELAY * FRAME_SAMPLES * rate.times();
        self.samples.extend(decoder.last().iter().cycle().take(delay).map(|sample| sample / 2));
        self.speaks = true;
    }

    /// The next frame; empty while it does not speak.
    pub fn next(&mut self, rate: SampleRate, frame: &mut Vec<i16>) {
        frame.clear();
        let whole = FRAME_SAMPLES * rate.times();
        if !self.speaks && self.samples.len() < DELAY * whole {
            return;
        }
        let there = self.samples.len().min(whole);
        frame.extend(self.samples.drain(..there));
        if self.samples.len() >= DELAY * whole && self.spare.take(frame) {
            frame.clear();
            frame.extend(self.samples.drain(..whole));
        }
        self.spare.note(frame, self.samples.len(), whole);
        self.speaks = there == whole;
        if peak(frame) <= SILENCE {
            frame.clear();
        } else {
            frame.resize(whole, 0);
        }
    }

    /// What has not been mixed, with what decodes the next packet.
    pub fn bridge(self) -> Option<Bridge> {
        let decoder = self.decoder?;
        (!self.samples.is_empty()).then(|| Bridge::new(decoder, self.samples.into()))
    }

    /// Goes on at another rate of samples.
    pub fn set_rate(&mut self, rate: SampleRate) {
        let Some(before) = self.decoder.take() else { return };
        let samples: Vec<i16> = std::mem::take(&mut self.samples).into();
        self.samples = at_rate(&samples, before.rate(), rate).into();
        self.spare = Spare::default();
        let mut decoder = Decoder::new(before.codec(), rate);
        decoder.decode(&self.last);
        self.decoder = Some(decoder);
    }
}

/// The same at another rate, by straight lines: it is for a few frames.
fn at_rate(samples: &[i16], from: SampleRate, to: SampleRate) -> Vec<i16> {
    let (from, to) = (from.times(), to.times());
    let at = |n: usize| samples.get(n).or(samples.last()).copied().map_or(0, i32::from);
    let count = samples.len() * to / from;
    let between = |n: usize| {
        let (whole, part) = (n * from / to, (n * from % to) as i32);
        let sample = at(whole) + (at(whole + 1) - at(whole)) * part / to as i32;
        i16::try_from(sample).unwrap_or_default()
    };
    (0..count).map(between).collect()
}
