//! The mix of a conference: each member hears the sum of the others.
//!
//! It has one rate of samples, that of the room. Members send by their own clocks: what one sends waits in its [`Input`] until the mixer's
//! clock takes [`FRAME`] of it. What several members hear alike is encoded once for them ([`shared`]).

use std::time::Duration;

use model::Timestamp;

use crate::codec::{Codec, Encoder, OpusTerms, SampleRate};
use crate::session::{FRAME, FRAME_SAMPLES};

mod bridge;
mod input;
mod part;
mod recorder;
mod shared;

pub(crate) use bridge::Bridge;
pub(crate) use input::Heard;
use input::Input;
pub(crate) use part::{Hearers, MixPart};
use recorder::MixRecorder;
pub use recorder::{RecordedAudio, Recording};
use shared::{Alike, Share, SharedEncoder};

/// How far the mix may fall behind before it skips ahead.
const LATE_MAX: Duration = Duration::from_millis(100);
/// The most frames that wait for a member that takes none, or until they fill its packet: 120 ms.
const WAITING_MAX: usize = 6;
/// The longest payload: 60 ms of G.711 are 480 octets, and Opus has at most 1275 (RFC 6716 §3.4).
pub(crate) const PAYLOAD_MAX: usize = 1_275;

/// How a member takes its mix.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Format {
    /// The codec.
    pub(crate) codec: Codec,
    /// Its terms, where it is Opus.
    pub(crate) terms: OpusTerms,
    /// Samples of its packets, at 8 kHz.
    pub(crate) samples: usize,
}

/// A packet of the mix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mixed<'a> {
    /// The payload.
    pub(crate) payload: &'a [u8],
    /// The units of time that it lasts.
    pub(crate) ticks: u32,
    /// How long before the end of the frame it begins.
    pub(crate) waited: Duration,
}

/// Who gets the mix.
pub(crate) trait Listeners {
    /// How a member takes it; `None` while it takes none.
    fn format(&self, leg: u32) -> Option<Format>;
    /// Gives a member a packet.
    fn send(&mut self, leg: u32, packet: Mixed<'_>);
    /// Takes a piece of the mix's recording.
    fn keep(&mut self, piece: RecordedAudio);
}

/// A member of the mix.
#[derive(Debug)]
struct Member {
    line: MixPart,
    input: Input,
    /// What it says in this frame; empty while it is silent.
    frame: Vec<i16>,
    /// The mix for it, until it fills one of its packets.
    output: Vec<i16>,
    encoder: Option<Encoder>,
    share: Share,
}

/// The mix of a conference.
#[derive(Debug)]
pub(crate) struct Mixer {
    members: Vec<Member>,
    rate: SampleRate,
    shared: Vec<SharedEncoder>,
    recorder: Option<MixRecorder>,
    /// Room for the sum, for what one member hears, and for a payload.
    sum: Vec<i32>,
    heard: Vec<i16>,
    payload: Box<[u8; PAYLOAD_MAX]>,
    /// When the next frame is mixed.
    pub(crate) due: Timestamp,
}

impl Format {
    /// The units of time of one of its packets.
    fn ticks(self) -> u32 {
        u32::try_from(self.samples).unwrap_or_default() * (self.codec.clock() / 8_000)
    }
}

impl Member {
    fn new(line: MixPart) -> Self {
        let (input, share) = (Input::default(), Share::default());
        Self { line, input, frame: Vec::new(), output: Vec::new(), encoder: None, share }
    }

    /// What it hears as others do in this frame.
    fn alike(&self, whispered: &[(u32, Vec<i16>)]) -> Option<Alike> {
        if !self.line.hears {
            return Some(Alike::Silence);
        }
        let speaks = self.line.is_open() && !self.frame.is_empty();
        let is_told = whispered.iter().any(|(leg, _)| *leg == self.line.leg);
        (!speaks && !is_told).then_some(Alike::Sum)
    }
}

impl Mixer {
    /// A mix of these legs at this rate, from now on.
    pub(crate) fn new(lines: &[MixPart], rate: SampleRate, now: Timestamp) -> Self {
        let mut mixer = Self {
            members: Vec::new(),
            rate,
            shared: Vec::new(),
            recorder: None,
            sum: Vec::new(),
            heard: Vec::new(),
            payload: Box::new([0; PAYLOAD_MAX]),
            due: now + FRAME,
        };
        mixer.set_members(lines, rate);
        mixer
    }

    /// Sets who is in it, who hears whom, and the rate. Who stays goes on without a gap.
    pub(crate) fn set_members(&mut self, lines: &[MixPart], rate: SampleRate) {
        self.members.retain(|member| lines.iter().any(|line| line.leg == member.line.leg));
        for line in lines {
            match self.members.iter_mut().find(|member| member.line.leg == line.leg) {
                Some(member) => member.line = *line,
                None => self.members.push(Member::new(*line)),
            }
        }
        if self.rate != rate {
            self.rate = rate;
            self.shared.clear();
            if let Some(recorder) = &mut self.recorder {
                recorder.set_rate(rate);
            }
            for member in &mut self.members {
                member.input.set_rate(rate);
                member.output.clear();
                (member.encoder, member.share) = (None, Share::default());
            }
        }
    }

    /// Records it from now on, unless that is so already. Returns the end of the recording that it had.
    pub(crate) fn record(&mut self, recording: Recording, now: Timestamp) -> Option<RecordedAudio> {
        if self.recorder.as_ref().map(MixRecorder::recording) == Some(&recording) {
            return None;
        }
        self.recorder.replace(MixRecorder::new(recording, self.rate, now)).map(MixRecorder::end)
    }

    /// Ends its recording, if it has one.
    pub(crate) fn end_recording(&mut self) -> Option<RecordedAudio> {
        self.recorder.take().map(MixRecorder::end)
    }

    /// How many legs it mixes.
    pub(crate) fn members(&self) -> usize {
        self.members.len()
    }

    /// The members that hear a leg.
    pub(crate) fn hearers(&self, leg: u32) -> impl Iterator<Item = u32> {
        let from = self.members.iter().find(|member| member.line.leg == leg).map(|member| member.line);
        let hears = move |member: &&Member| from.is_some_and(|from| from.reaches(member.line));
        self.members.iter().filter(hears).map(|member| member.line.leg)
    }

    /// Takes a packet of a member.
    pub(crate) fn take(&mut self, leg: u32, heard: Heard<'_>) {
        let rate = self.rate;
        if let Some(member) = self.members.iter_mut().find(|member| member.line.leg == leg) {
            member.input.take(rate, heard);
        }
    }

    /// Takes the last packet of a member that was relayed until now: it stands in for the time by which the mix is later.
    pub(crate) fn follow(&mut self, leg: u32, heard: Heard<'_>) {
        let rate = self.rate;
        if let Some(member) = self.members.iter_mut().find(|member| member.line.leg == leg) {
            member.input.follow(rate, heard);
        }
    }

    /// What leads from the mix to a relay of this member, for a mix that ends.
    pub(crate) fn bridge(&mut self, leg: u32) -> Option<Bridge> {
        let member = self.members.iter_mut().find(|member| member.line.leg == leg)?;
        std::mem::take(&mut member.input).bridge()
    }

    /// Takes the next frame's time, and sets that of the one after. A thread that stood still does not catch up.
    pub(crate) fn begin_frame(&mut self, now: Timestamp) -> Timestamp {
        let begins = if now.since(self.due) > LATE_MAX { now } else { self.due };
        self.due = begins + FRAME;
        begins
    }

    /// Mixes the next frame.
    pub(crate) fn mix(&mut self, listeners: &mut impl Listeners) {
        let samples = FRAME_SAMPLES * self.rate.times();
        self.sum.clear();
        self.sum.resize(samples, 0);
        let mut whispered: Vec<(u32, Vec<i16>)> = Vec::new();
        for member in &mut self.members {
            member.input.next(self.rate, &mut member.frame);
            match member.line.heard_by {
                Hearers::All => add(&mut self.sum, &member.frame),
                Hearers::Only(leg) if !member.frame.is_empty() => whispered.push((leg, member.frame.clone())),
                Hearers::Only(_) | Hearers::Nobody => {}
            }
        }
        self.record_frame(listeners);
        let formats: Vec<Option<Format>> =
            self.members.iter().map(|member| listeners.format(member.line.leg)).collect();
        // Whoever parts from the others needs their encoder's state as it was before this frame.
        for (member, format) in self.members.iter_mut().zip(&formats) {
            let alike = member.alike(&whispered);
            let parted = member.share.settle(alike, *format, member.output.is_empty(), &self.shared);
            if parted.is_some() {
                member.encoder = parted;
            }
        }
        for (member, format) in self.members.iter_mut().zip(formats) {
            let Some(format) = format else {
                // What it has missed is not made up for.
                member.output.clear();
                continue;
            };
            let alike = member.alike(&whispered);
            hear(&self.sum, member, alike, &whispered, &mut self.heard);
            let leg = member.line.leg;
            if let Some(key) = member.share.key() {
                let place = shared::place(&mut self.shared, key, self.rate, &mut member.encoder);
                if let Some(payload) = self.shared.get_mut(place).map(|shared| shared.payload(&self.heard)) {
                    listeners.send(leg, Mixed { payload, ticks: format.ticks(), waited: FRAME });
                }
                continue;
            }
            member.output.extend_from_slice(&self.heard);
            speak(member, format, self.rate, &mut self.payload, listeners);
        }
        self.shared.retain_mut(SharedEncoder::end_frame);
    }

    /// Gives the recorder what is said to all in this frame, with the tone by which they hear that they are recorded.
    fn record_frame(&mut self, listeners: &mut impl Listeners) {
        let Some(recorder) = &mut self.recorder else { return };
        recorder.warn(&mut self.sum);
        self.heard.clear();
        self.heard.extend(self.sum.iter().map(|sample| clipped(*sample)));
        if let Some(piece) = recorder.take(&self.heard) {
            listeners.keep(piece);
        }
    }
}

/// What a member hears in this frame.
fn hear(sum: &[i32], member: &Member, alike: Option<Alike>, whispered: &[(u32, Vec<i16>)], heard: &mut Vec<i16>) {
    heard.clear();
    match alike {
        Some(Alike::Silence) => heard.resize(sum.len(), 0),
        Some(Alike::Sum) => heard.extend(sum.iter().map(|sample| clipped(*sample))),
        None => {
            let mut own = sum.to_vec();
            if member.line.is_open() {
                own.iter_mut().zip(&member.frame).for_each(|(heard, said)| *heard -= i32::from(*said));
            }
            let told = whispered.iter().filter(|(leg, _)| *leg == member.line.leg);
            told.for_each(|(_, frame)| add(&mut own, frame));
            heard.extend(own.into_iter().map(clipped));
        }
    }
}

/// Encodes what waits for a member, packet by packet. Packets may be shorter than a frame, or longer.
fn speak(
    member: &mut Member,
    format: Format,
    rate: SampleRate,
    room: &mut [u8; PAYLOAD_MAX],
    listeners: &mut impl Listeners,
) {
    let Member { output, encoder, line, .. } = member;
    let encoder = match encoder.take().filter(|encoder| encoder.codec() == format.codec && encoder.rate() == rate) {
        Some(kept) => encoder.insert(kept),
        None => encoder.insert(Encoder::new(format.codec, rate, format.terms)),
    };
    let wanted = (format.samples * rate.times()).max(1);
    while output.len() >= wanted {
        let waited = Duration::from_micros(output.len() as u64 * 1_000_000 / u64::from(rate.hz()));
        let Some(samples) = output.get(..wanted) else { break };
        let length = encoder.encode(samples, room);
        if let Some(payload) = room.get(..length).filter(|payload| !payload.is_empty()) {
            listeners.send(line.leg, Mixed { payload, ticks: format.ticks(), waited });
        }
        output.drain(..wanted);
    }
    let old = output.len().saturating_sub(WAITING_MAX * FRAME_SAMPLES * rate.times());
    output.drain(..old);
}

fn clipped(sample: i32) -> i16 {
    i16::try_from(sample.clamp(i16::MIN.into(), i16::MAX.into())).unwrap_or_default()
}

fn add(sum: &mut [i32], frame: &[i16]) {
    sum.iter_mut().zip(frame).for_each(|(sum, sample)| *sum += i32::from(*sample));
}

#[cfg(test)]
mod tests;
