//! Packets from the phone: rejecting strangers, keys, reception statistics.

use std::net::SocketAddr;
use std::time::Duration;

use model::Timestamp;

use super::source::Source;
use super::{Content, Frame, InboundSnapshot, ReceptionReport, Statistics};
use crate::codec::{Codec, Decoder, SampleRate};
use crate::dtmf::{Digit, EventReceiver, InbandDetector};
use crate::rtcp::{self, Reception, ReportBlock};
use crate::rtp::Packet;
use crate::sdp::AudioStream;

/// The payload type of comfort noise (RFC 3389).
const COMFORT_NOISE: u8 = 13;

/// The phone's side of a session.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// The source whose packets are accepted.
    pub source: Source,
    reception: Option<Reception>,
    keys: EventReceiver,
    inband: InbandDetector,
    /// What keys in the audio are listened for with. Not part of a snapshot.
    ear: Option<Decoder>,
    totals: Totals,
    /// The phone's last reception report. Not part of a snapshot: it repeats within seconds.
    told: Option<ReceptionReport>,
    /// Packets since the last frame that are not relayed. Not part of a snapshot: a restored relay begins a new run.
    left_out: u16,
}

/// Counters over all sources of the leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// See [`Statistics`].
    pub received: u64,
    /// See [`Statistics`].
    pub received_octets: u64,
    /// Packets lost from sources that ended.
    pub lost_before: i64,
    /// See [`Statistics`].
    pub strangers: u64,
    /// See [`Statistics`].
    pub invalid: u64,
    /// See [`Statistics`].
    pub first_packet: Option<Timestamp>,
    /// See [`Statistics`].
    pub remote_fraction_lost: u8,
}

impl Inbound {
    pub fn handle<'a>(
        &mut self,
        stream: &AudioStream,
        bytes: &'a [u8],
        from: SocketAddr,
        now: Timestamp,
    ) -> Option<Frame<'a>> {
        let Ok(packet) = Packet::parse(bytes) else {
            self.totals.invalid += 1;
            return None;
        };
        let header = packet.header;
        let Some(content) = content(stream, &packet) else {
            self.totals.invalid += 1;
            if header.payload_type == COMFORT_NOISE {
                self.source.hears_noise(stream, from);
            }
            // The packet has used a sequence number of the source, so it is not lost.
            if self.source.lock == Some((from, header.ssrc)) {
                self.left_out = self.left_out.saturating_add(1);
                if let Some(reception) = self.reception.as_mut().filter(|r| r.ssrc() == header.ssrc) {
                    reception.handle_untimed(header.sequence, header.timestamp, now);
                }
            }
            return None;
        };
        if !self.source.admits(stream, from, (header.ssrc, header.sequence), now) {
            self.totals.strangers += 1;
            return None;
        }
        match self.reception.as_mut().filter(|r| r.ssrc() == header.ssrc) {
            // All packets of a telephone event carry its start time.
            Some(reception) if matches!(content, Content::Event { .. }) => {
                reception.handle_untimed(header.sequence, header.timestamp, now);
            }
            Some(reception) => reception.handle(header.sequence, header.timestamp, now),
            None => {
                self.totals.lost_before += self.reception.as_ref().map_or(0, Reception::lost);
                let clock = stream.codec.clock();
                self.reception = Some(Reception::new(header.ssrc, clock, (header.sequence, header.timestamp), now));
            }
        }
        self.totals.received += 1;
        self.totals.received_octets += packet.payload.len() as u64;
        self.totals.first_packet.get_or_insert(now);
        let left_out = std::mem::take(&mut self.left_out);
        Some(Frame { header, content, payload: packet.payload, left_out })
    }

    /// Returns whether the packet shows that the phone is alive.
    pub fn handle_rtcp(
        &mut self,
        stream: &AudioStream,
        bytes: &[u8],
        from: SocketAddr,
        our_ssrc: u32,
        now: Timestamp,
    ) -> bool {
        let Ok(compound) = rtcp::parse(bytes, our_ssrc) else {
            self.totals.invalid += 1;
            return false;
        };
        if !self.source.admits_report(stream, from, (compound.ssrc, compound.about_us.is_some())) {
            self.totals.strangers += 1;
            return false;
        }
        if let Some(block) = compound.about_us {
            self.totals.remote_fraction_lost = block.fraction_lost;
            let round_trip = round_trip(&block, now);
            let jitter = block.jitter / (stream.codec.clock() / 8_000);
            self.told = Some(ReceptionReport { lost: block.cumulative_lost, jitter, round_trip });
        }
        if let (Some(info), Some(reception)) = (compound.sender, self.reception.as_mut())
            && compound.ssrc == reception.ssrc()
        {
            reception.handle_sender_report(info.ntp, now);
        }
        !compound.goodbye
    }

    pub fn key(&mut self, frame: &Frame<'_>) -> Option<Digit> {
        self.keys.handle(frame.header.ssrc, frame.header.timestamp, frame.payload)
    }

    /// The key that a packet completes as two tones. It contains at most one: detecting a key takes 25 ms.
    pub fn inband_key(&mut self, codec: Codec, payload: &[u8]) -> Option<Digit> {
        if self.ear.as_ref().is_none_or(|ear| ear.codec() != codec) {
            self.ear = Some(Decoder::new(codec, SampleRate::Narrow));
        }
        let samples = self.ear.as_mut()?.decode(payload);
        samples.iter().filter_map(|sample| self.inband.handle(*sample)).last()
    }

    /// Nothing is listened for any more.
    pub fn end_listening(&mut self) {
        self.ear = None;
    }

    /// The address being heard.
    pub fn heard_from(&self) -> Option<SocketAddr> {
        self.source.lock.map(|(address, _)| address)
    }

    pub fn report(&mut self, now: Timestamp) -> Option<ReportBlock> {
        self.reception.as_mut().map(|r| r.report(now))
    }

    pub fn statistics(&self) -> Statistics {
        let Totals { received, received_octets, lost_before, strangers, invalid, first_packet, .. } = self.totals;
        Statistics {
            received,
            received_octets,
            lost: lost_before + self.reception.as_ref().map_or(0, Reception::lost),
            jitter: self.reception.as_ref().map_or(0, Reception::jitter_8000),
            strangers,
            invalid,
            first_packet,
            learned: self.source.learned,
            remote_fraction_lost: self.totals.remote_fraction_lost,
            last_packet: first_packet.map(|_| self.source.last_packet),
            told: self.told,
            ..Statistics::default()
        }
    }

    pub fn snapshot(&self) -> InboundSnapshot {
        InboundSnapshot {
            source: self.source,
            reception: self.reception.as_ref().map(Reception::snapshot),
            last_key: self.keys.last,
            totals: self.totals,
        }
    }

    pub fn restore(snapshot: InboundSnapshot, now: Timestamp) -> Self {
        Self {
            source: snapshot.source.restored(now),
            reception: snapshot.reception.map(Reception::restore),
            keys: EventReceiver { last: snapshot.last_key },
            inband: InbandDetector::default(),
            ear: None,
            totals: snapshot.totals,
            told: None,
            left_out: 0,
        }
    }
}

/// Time from our report to the phone's answer, less the time that the phone held it (RFC 3550 §6.4.1).
fn round_trip(block: &ReportBlock, now: Timestamp) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let here = (rtcp::ntp(now) >> 16) as u32;
    let span = here.wrapping_sub(block.last_sender_report).wrapping_sub(block.delay_since);
    // The upper half of the range is negative: the phone's clock runs fast.
    (span < 1 << 31).then(|| Duration::from_micros((u64::from(span) * 1_000_000) >> 16))
}

fn content(stream: &AudioStream, packet: &Packet<'_>) -> Option<Content> {
    let number = packet.header.payload_type;
    // A peer sends the numbers of our offer, whatever numbers its answer has (RFC 3264 §6.1); some send their own.
    [&stream.offered, &stream.numbers].into_iter().find_map(|numbers| {
        let codec = numbers.codec(number).map(Content::Audio);
        codec.or_else(|| numbers.event_clock(number).map(|clock| Content::Event { clock }))
    })
}
