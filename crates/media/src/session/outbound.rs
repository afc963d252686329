//! Packets to the phone: one stream with one SSRC, made of runs. A run is a treatment, or the packets of one source.

use std::time::Duration;

use model::Timestamp;

use super::keys::{self, Step};
use super::repack::{Piece, Repack};
use super::{Content, FRAME, FRAME_SAMPLES, Frame, OutboundSnapshot, PacketBuffer};
use crate::codec::{Encoder, SampleRate};
use crate::g711::Law;
use crate::rtp::{HEADER_BYTES, Header, distance};
use crate::sdp::AudioStream;

/// A jump of the source's sequence numbers beyond this is a restart: a new run (RFC 3550 §A.1).
const JUMP_MAX: i32 = 3_000;
/// A packet this far behind is useless: 20 s.
const LATE_MAX: i32 = 1_000;

/// Our side of a session.
#[derive(Debug)]
pub(super) struct Outbound {
    state: OutboundSnapshot,
    /// The source whose packets do not have the length that the peer wants. Not part of a snapshot: it buffers less than a packet.
    repack: Option<Repack>,
    /// Units of our timestamps in a second.
    clock: u32,
    /// What encodes our own audio while it lasts. Not part of a snapshot: a phone's decoder follows another one within a packet or two.
    encoder: Option<Encoder>,
}

/// A run of relayed packets: offsets that map the source's numbers to ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Run {
    /// The source's SSRC.
    pub source: u32,
    /// First sequence number of the run; earlier packets belong to a previous run or are far too late.
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
            repack: None,
            clock: 8_000,
            encoder: None,
        }
    }

    /// Writes one packet of a treatment that was due at `due`: samples at 8 kHz.
    pub fn play(&mut self, stream: &AudioStream, samples: &[i16], due: Timestamp, out: &mut PacketBuffer) -> usize {
        let marker = !std::mem::replace(&mut self.state.playing, true);
        self.end_run();
        self.encode(stream, marker, samples, due, out)
    }

    /// Writes one packet that others have encoded, of which each lasts `ticks`, and which begins at `due`.
    pub fn encoded(
        &mut self,
        stream: &AudioStream,
        (payload, ticks): (&[u8], u32),
        due: Timestamp,
        out: &mut PacketBuffer,
    ) -> usize {
        let marker = !std::mem::replace(&mut self.state.playing, true);
        self.end_run();
        self.encoder = None;
        let timestamp = self.timestamp_at(due);
        let length = self.write(marker, payload_type(stream), timestamp, payload.iter().copied(), out);
        self.note_sent(timestamp, due, ticks);
        length
    }

    /// Encodes samples at 8 kHz into a packet.
    fn encode(
        &mut self,
        stream: &AudioStream,
        marker: bool,
        samples: &[i16],
        due: Timestamp,
        out: &mut PacketBuffer,
    ) -> usize {
        let timestamp = self.timestamp_at(due);
        let (codec, terms) = (stream.codec, stream.opus);
        let encoder = match self.encoder.take().filter(|encoder| encoder.codec() == codec && !marker) {
            Some(encoder) => self.encoder.insert(encoder),
            None => self.encoder.insert(Encoder::new(codec, SampleRate::Narrow, terms)),
        };
        let length = encoder.encode(samples, &mut out[HEADER_BYTES..]);
        self.write_header(marker, payload_type(stream), timestamp, out);
        self.count(length);
        let ticks = u32::try_from(samples.len()).unwrap_or(FRAME_SAMPLES as u32) * (self.clock / 8_000);
        self.note_sent(timestamp, due, ticks);
        HEADER_BYTES + length
    }

    /// Writes a packet of a key (RFC 4733, or its tone); `None` if the peer has no payload type for it. Also returns
    /// the timestamp at which an event began.
    pub fn key(&mut self, stream: &AudioStream, step: Step, out: &mut PacketBuffer) -> Option<(usize, Option<u32>)> {
        self.end_run();
        self.state.playing = false;
        match step {
            Step::Tone { due, digit, from } => {
                let mut samples = [0; crate::sdp::negotiation::PACKET_SAMPLES_MAX];
                let samples = samples.get_mut(..stream.packet_samples())?;
                keys::sound(digit, from, samples);
                Some((self.encode(stream, from == 0, samples, due, out), None))
            }
            Step::Event { timestamp, due, packet } => {
                let began = timestamp.unwrap_or_else(|| self.timestamp_at(due));
                let codes = packet.to_bytes().into_iter();
                let length = self.write(timestamp.is_none(), stream.event()?.0, began, codes, out);
                if timestamp.is_none() {
                    (self.state.anchor_timestamp, self.state.anchor) = (began, due);
                }
                Some((length, Some(began)))
            }
        }
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
            self.state.unrelayed = self.state.unrelayed.saturating_add(1);
            self.leave_out(frame);
            return None;
        };
        if self.needs_repack(stream, frame) {
            return self.relay_repacked(stream, frame, (payload_type, transcode), now, out);
        }
        let room = out.get_mut(HEADER_BYTES..HEADER_BYTES + frame.payload.len())?;
        match transcode {
            None => room.copy_from_slice(frame.payload),
            Some(law) => room.iter_mut().zip(frame.payload).for_each(|(to, from)| *to = law.transcode(*from)),
        }
        let header = self.place(frame, payload_type, now)?;
        out.get_mut(..HEADER_BYTES)?.copy_from_slice(&header.to_bytes());
        self.count(frame.payload.len());
        self.encoder = None;
        Some(HEADER_BYTES + frame.payload.len())
    }

    /// The next packet of the wanted length made from the last frame. Call after [`Outbound::relay`] until `None`.
    pub fn next_repacked(&mut self, stream: &AudioStream, now: Timestamp, out: &mut PacketBuffer) -> Option<usize> {
        let Piece { marker, timestamp, codes } = self.repack.as_mut()?.next_ready()?;
        let ticks = u32::try_from(codes.len()).unwrap_or(FRAME_SAMPLES as u32);
        let length = self.write(marker, stream.number()?, timestamp, codes.into_iter(), out);
        self.note_sent(timestamp, now, ticks);
        Some(length)
    }

    fn needs_repack(&self, stream: &AudioStream, frame: &Frame<'_>) -> bool {
        // Opus packets cannot be cut, and whoever takes them takes all lengths.
        let Some(wanted) = stream.packet.filter(|_| stream.codec.has_octets()) else { return false };
        // Once begun, repacking goes on: repacked packets are numbered differently from relayed ones.
        let begun = self.repack.as_ref().is_some_and(|repack| repack.is_of(frame.header.ssrc));
        begun || (matches!(frame.content, Content::Audio(_)) && frame.payload.len() != usize::from(wanted))
    }

    fn relay_repacked(
        &mut self,
        stream: &AudioStream,
        frame: &Frame<'_>,
        (payload_type, transcode): (u8, Option<Law>),
        now: Timestamp,
        out: &mut PacketBuffer,
    ) -> Option<usize> {
        let Header { ssrc, timestamp, marker, .. } = frame.header;
        let goes_on = self.repack.as_ref().is_some_and(|repack| repack.is_of(ssrc) && repack.continues(timestamp));
        if !goes_on {
            // Packets of this source relayed so far keep their place in time.
            let run = self.state.run.filter(|run| run.source == ssrc);
            let offset = run.map_or_else(|| self.timestamp_at(now).wrapping_sub(timestamp), |run| run.timestamp_offset);
            self.repack = Some(Repack::new(ssrc, timestamp, offset, run.is_none()));
        }
        self.state.run = None;
        self.state.playing = false;
        self.encoder = None;
        let repack = self.repack.as_mut()?;
        if matches!(frame.content, Content::Event { .. }) {
            repack.interrupt(timestamp);
            let placed = repack.timestamp(timestamp);
            return Some(self.write(marker, payload_type, placed, frame.payload.iter().copied(), out));
        }
        let codes = frame.payload.iter().map(|code| transcode.map_or(*code, |law| law.transcode(*code)));
        repack.take(timestamp, marker, codes, stream.codec.silence(), stream.packet_samples());
        self.next_repacked(stream, now, out)
    }

    /// Writes a packet with our own sequence number.
    fn write(
        &mut self,
        marker: bool,
        payload_type: u8,
        timestamp: u32,
        payload: impl ExactSizeIterator<Item = u8>,
        out: &mut PacketBuffer,
    ) -> usize {
        let length = payload.len().min(out.len() - HEADER_BYTES);
        self.write_header(marker, payload_type, timestamp, out);
        out.iter_mut().skip(HEADER_BYTES).zip(payload).for_each(|(to, code)| *to = code);
        self.count(length);
        HEADER_BYTES + length
    }

    fn write_header(&mut self, marker: bool, payload_type: u8, timestamp: u32, out: &mut PacketBuffer) {
        let (sequence, ssrc) = (self.state.next_sequence, self.state.ssrc);
        let header = Header { marker, payload_type, sequence, timestamp, ssrc };
        self.state.next_sequence = sequence.wrapping_add(1);
        out.iter_mut().zip(header.to_bytes()).for_each(|(to, octet)| *to = octet);
    }

    /// Timestamp units of 20 ms.
    fn frame_ticks(&self) -> u32 {
        self.clock / 50
    }

    /// Notes that what lasts `ticks` was sent with this timestamp at this time: it is the reference for the next timestamps.
    /// The anchor is its last 20 ms.
    fn note_sent(&mut self, timestamp: u32, at: Timestamp, ticks: u32) {
        let anchor = timestamp.wrapping_add(ticks).wrapping_sub(self.frame_ticks());
        if self.state.packets > 1 && (anchor.wrapping_sub(self.state.anchor_timestamp) as i32) <= 0 {
            return;
        }
        let end = at + Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(self.clock));
        self.state.anchor_timestamp = anchor;
        self.state.anchor = Timestamp::from_micros(end.as_micros().saturating_sub(FRAME.as_micros() as u64));
    }

    /// Maps a frame into our stream: the source's gaps, reordering and pauses stay visible within a run.
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
        if !fresh && frame.left_out > 0 && distance(run.highest, sequence) > 0 {
            run.sequence_offset = run.sequence_offset.wrapping_sub(frame.left_out);
            // Packets before this one cannot be placed: the offset has changed.
            run.first = sequence;
        }
        if distance(run.highest, sequence) > 0 {
            run.highest = sequence;
        }
        if distance(run.first, run.highest) > LATE_MAX {
            // Follows the stream, so that wrapping numbers never seem to be before the run.
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
        let ticks = match frame.content {
            Content::Audio(codec) => codec.duration(frame.payload),
            // All packets of an event carry the time of its start.
            Content::Event { .. } => None,
        };
        self.note_sent(placed.timestamp, now, ticks.unwrap_or(self.frame_ticks()));
        Some(placed)
    }

    /// Skips a frame of the source: our numbers go on without it (RFC 3550 §5.1), and lost packets stay visible.
    pub fn leave_out(&mut self, frame: &Frame<'_>) {
        let Header { ssrc, sequence, .. } = frame.header;
        let Some(run) = self.state.run.as_mut().filter(|run| run.source == ssrc) else { return };
        if !(1..=JUMP_MAX).contains(&distance(run.highest, sequence)) {
            return;
        }
        run.highest = sequence;
        run.first = sequence.wrapping_add(1);
        run.sequence_offset = run.sequence_offset.wrapping_sub(frame.left_out.wrapping_add(1));
        self.state.next_sequence = run.first.wrapping_add(run.sequence_offset);
    }

    /// Ends the run: the source's next packet starts a new one.
    pub fn end_run(&mut self) {
        self.state.run = None;
        self.repack = None;
    }

    /// Applies a new description: the peer may want packets of another length.
    pub fn negotiate(&mut self, before: Option<&AudioStream>, stream: &AudioStream) {
        if before.is_none_or(|before| before.packet != stream.packet || before.codec != stream.codec) {
            self.repack = None;
            self.encoder = None;
        }
        self.clock = stream.codec.clock();
    }

    /// When the first frame of a treatment is due, so that it follows the last packet sent.
    pub fn next_frame_at(&self, now: Timestamp) -> Timestamp {
        if self.state.packets == 0 { now } else { now.max(self.state.anchor + FRAME).min(now + FRAME) }
    }

    /// The timestamp for `now`: whole frames after the last one, at least one.
    pub fn timestamp_at(&self, now: Timestamp) -> u32 {
        if self.state.packets == 0 {
            return self.state.anchor_timestamp;
        }
        let frame = FRAME.as_micros() as u64;
        let frames = ((now.since(self.state.anchor).as_micros() as u64 + frame / 2) / frame).max(1);
        self.state.anchor_timestamp.wrapping_add((frames as u32).wrapping_mul(self.frame_ticks()))
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

    /// Whether anything was sent since the last call; if so the report is a sender report.
    pub fn sent_since_report(&mut self) -> bool {
        std::mem::replace(&mut self.state.packets_at_report, self.state.packets) != self.state.packets
    }

    pub fn snapshot(&self) -> OutboundSnapshot {
        self.state
    }

    /// Continues `gap` after the snapshot: sequence numbers that the failed process may have used since, one each packet, are skipped; the
    /// timestamps follow the clock anyway.
    pub fn restore(mut state: OutboundSnapshot, stream: Option<&AudioStream>, gap: Duration, now: Timestamp) -> Self {
        let packet = stream.map_or(FRAME, AudioStream::packet_time).min(FRAME);
        // The longest packet lasts 60 ms.
        state.anchor = state.anchor.min(now + FRAME * 3);
        let skipped = (gap.as_micros() / packet.as_micros().max(1)) as u16;
        if skipped > 0 {
            state.next_sequence = state.next_sequence.wrapping_add(skipped);
            state.run = None;
            state.playing = false;
        }
        let clock = stream.map_or(8_000, |stream| stream.codec.clock());
        Self { state, repack: None, clock, encoder: None }
    }

    /// Goes on as another source: half of a random number is its SSRC, and some of the rest its first sequence number, which RFC 3711 §3.3.1
    /// wants in the lower half for one that is encrypted.
    pub fn begin_anew(&mut self, random: u64) {
        let before = self.state.ssrc;
        let ssrc = random as u32;
        self.state.ssrc = if ssrc == before { ssrc.wrapping_add(1) } else { ssrc };
        self.state.next_sequence = (random >> 32) as u16 & 0x7FFF;
        self.state.playing = false;
        self.end_run();
    }

    fn count(&mut self, octets: usize) {
        self.state.packets = self.state.packets.wrapping_add(1);
        self.state.octets = self.state.octets.wrapping_add(octets as u32);
    }
}

/// The payload type that the phone uses for this content, and the law to transcode from if it takes only the other.
fn payload(stream: &AudioStream, content: Content) -> Option<(u8, Option<Law>)> {
    match content {
        Content::Event { clock } => stream.numbers.event(clock).map(|pt| (pt, None)),
        Content::Audio(codec) if codec == stream.codec => Some((stream.number()?, None)),
        Content::Audio(codec) if codec.converts_to(stream.codec) => Some((stream.number()?, codec.law())),
        Content::Audio(_) => None,
    }
}

/// The payload type of the codec that we send.
fn payload_type(stream: &AudioStream) -> u8 {
    stream.number().unwrap_or(stream.codec.payload_type())
}
