//! What goes to the phone: one stream with one SSRC, made of runs. A run is a treatment, or what one source says.

use model::Timestamp;

use super::{Content, FRAME, FRAME_SAMPLES, Frame, OutboundSnapshot, PacketBuffer};
use crate::g711::Law;
use crate::rtp::{HEADER_BYTES, Header, distance};
use crate::sdp::AudioStream;

/// A jump in the source's sequence beyond this is a restart: a new run (RFC 3550 §A.1).
const JUMP_MAX: i32 = 3_000;
/// A packet that is this many behind is of no use to anybody: 20 s.
const LATE_MAX: i32 = 1_000;

/// Our side of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Outbound {
    state: OutboundSnapshot,
}

/// A run of relayed packets: offsets that turn the source's numbers into ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The source's SSRC.
    pub source: u32,
    /// Earlier packets belong to what was before the run, or are hopelessly late.
    pub first: u16,
    /// Its highest sequence number.
    pub highest: u16,
    /// Ours minus the source's, modulo 2^16.
    pub sequence_offset: u16,
    /// Ours minus the source's, modulo 2^32.
    pub timestamp_offset: u32,
}

impl Outbound {
    pub fn new(ssrc: u32, sequence: u16, timestamp: u32, now: Timestamp) -> Self {
        Self {
            state: OutboundSnapshot {
                ssrc,
                next_sequence: sequence,
                anchor_timestamp: timestamp,
                anchor: now,
                run: None,
                playing: false,
                packets: 0,
                octets: 0,
                packets_at_report: 0,
                unrelayed: 0,
            },
        }
    }

    /// Writes one frame of a treatment that was due at `due`.
    pub fn play(
        &mut self,
        stream: &AudioStream,
        samples: &[i16; FRAME_SAMPLES],
        due: Timestamp,
        out: &mut PacketBuffer,
    ) -> usize {
        let timestamp = self.timestamp_at(due);
        let state = &mut self.state;
        let marker = !std::mem::replace(&mut state.playing, true);
        state.run = None;
        let header = Header {
            marker,
            payload_type: number(stream).unwrap_or(stream.law.payload_type()),
            sequence: state.next_sequence,
            timestamp,
            ssrc: state.ssrc,
        };
        state.next_sequence = state.next_sequence.wrapping_add(1);
        (state.anchor_timestamp, state.anchor) = (timestamp, due);
        let (head, body) = out.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header.to_bytes());
        body.iter_mut().zip(samples).for_each(|(code, sample)| *code = stream.law.encode(*sample));
        self.count(FRAME_SAMPLES);
        HEADER_BYTES + FRAME_SAMPLES
    }

    /// Writes a frame of another leg; `None` if the phone cannot take it.
    pub fn relay(
        &mut self,
        stream: &AudioStream,
        frame: &Frame<'_>,
        now: Timestamp,
        out: &mut PacketBuffer,
    ) -> Option<usize> {
        let Some((payload_type, transcode)) = payload(stream, frame.content) else {
            self.state.unrelayed += 1;
            return None;
        };
        let room = out.get_mut(HEADER_BYTES..HEADER_BYTES + frame.payload.len())?;
        match transcode {
            None => room.copy_from_slice(frame.payload),
            Some(law) => room.iter_mut().zip(frame.payload).for_each(|(to, from)| *to = law.transcode(*from)),
        }
        let header = self.place(frame, payload_type, now)?;
        out.get_mut(..HEADER_BYTES)?.copy_from_slice(&header.to_bytes());
        self.count(frame.payload.len());
        Some(HEADER_BYTES + frame.payload.len())
    }

    /// The frame's place in our stream: the source's gaps, reordering and pauses stay visible within a run.
    fn place(&mut self, frame: &Frame<'_>, payload_type: u8, now: Timestamp) -> Option<Header> {
        let Header { marker, sequence, timestamp, ssrc, .. } = frame.header;
        let known =
            self.state.run.filter(|run| run.source == ssrc && distance(run.highest, sequence).abs() <= JUMP_MAX);
        let fresh = known.is_none();
        let mut run = known.unwrap_or_else(|| Run {
            source: ssrc,
            first: sequence,
            highest: sequence,
            sequence_offset: self.state.next_sequence.wrapping_sub(sequence),
            timestamp_offset: self.timestamp_at(now).wrapping_sub(timestamp),
        });
        if distance(run.first, sequence) < 0 {
            return None;
        }
        if distance(run.highest, sequence) > 0 {
            run.highest = sequence;
        }
        if distance(run.first, run.highest) > LATE_MAX {
            // Follows the stream, so that numbers that wrap never seem to be before the run.
            run.first = run.highest.wrapping_sub(LATE_MAX as u16);
        }
        let state = &mut self.state;
        let placed = Header {
            marker: marker || fresh,
            payload_type,
            sequence: sequence.wrapping_add(run.sequence_offset),
            timestamp: timestamp.wrapping_add(run.timestamp_offset),
            ssrc: state.ssrc,
        };
        state.run = Some(run);
        state.playing = false;
        state.next_sequence = run.highest.wrapping_add(run.sequence_offset).wrapping_add(1);
        if (placed.timestamp.wrapping_sub(state.anchor_timestamp) as i32) > 0 {
            (state.anchor_timestamp, state.anchor) = (placed.timestamp, now);
        }
        Some(placed)
    }

    /// Another run has begun elsewhere: what the source says next starts a new one.
    pub fn end_run(&mut self) {
        self.state.run = None;
    }

    /// When the first frame of a treatment is due, so that it follows what was sent last.
    pub fn next_frame_at(&self, now: Timestamp) -> Timestamp {
        if self.state.packets == 0 { now } else { now.max(self.state.anchor + FRAME).min(now + FRAME) }
    }

    /// The timestamp of a moment: whole frames after the last one, at least one.
    pub fn timestamp_at(&self, now: Timestamp) -> u32 {
        if self.state.packets == 0 {
            return self.state.anchor_timestamp;
        }
        let frame = FRAME.as_micros() as u64;
        let frames = ((now.since(self.state.anchor).as_micros() as u64 + frame / 2) / frame).max(1);
        self.state.anchor_timestamp.wrapping_add((frames as u32).wrapping_mul(FRAME_SAMPLES as u32))
    }

    pub fn ssrc(&self) -> u32 {
        self.state.ssrc
    }

    pub fn packets(&self) -> u32 {
        self.state.packets
    }

    pub fn octets(&self) -> u32 {
        self.state.octets
    }

    pub fn unrelayed(&self) -> u64 {
        self.state.unrelayed
    }

    /// Whether anything was sent since this was asked last: then the report is a sender's.
    pub fn sent_since_report(&mut self) -> bool {
        std::mem::replace(&mut self.state.packets_at_report, self.state.packets) != self.state.packets
    }

    pub fn snapshot(&self) -> OutboundSnapshot {
        self.state
    }

    /// Goes on `gap` after the snapshot: what the dead process may have sent meanwhile is skipped in the sequence; the
    /// timestamps follow the clock anyway.
    pub fn restore(mut state: OutboundSnapshot, gap: std::time::Duration) -> Self {
        let skipped = (gap.as_micros() / FRAME.as_micros()) as u16;
        if skipped > 0 {
            state.next_sequence = state.next_sequence.wrapping_add(skipped);
            state.run = None;
            state.playing = false;
        }
        Self { state }
    }

    fn count(&mut self, octets: usize) {
        self.state.packets = self.state.packets.wrapping_add(1);
        self.state.octets = self.state.octets.wrapping_add(octets as u32);
    }
}

/// The payload type that the phone gives this content, and the law to transcode from where it takes the other one.
fn payload(stream: &AudioStream, content: Content) -> Option<(u8, Option<Law>)> {
    match content {
        Content::Event => stream.telephone_event.map(|pt| (pt, None)),
        Content::Audio(law) if law == stream.law => Some((number(stream)?, None)),
        Content::Audio(law) => Some((number(stream)?, Some(law))),
    }
}

/// The payload type of the law that we send.
fn number(stream: &AudioStream) -> Option<u8> {
    match stream.law {
        Law::Mu => stream.pcmu,
        Law::A => stream.pcma,
    }
}
