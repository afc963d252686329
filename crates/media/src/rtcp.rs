//! RTCP (RFC 3550 §6): sender and receiver reports, the canonical name, BYE, and the reception statistics in reports.

use std::time::Duration;

use model::Timestamp;

mod reception;

pub use reception::{Reception, ReceptionSnapshot};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;

/// One report block: a receiver's statistics about a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReportBlock {
    /// The stream reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost since the start, 24 bits, negative with duplicates.
    pub cumulative_lost: i32,
    /// Highest sequence number with its cycles.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle 32 bits of the NTP time of the last sender report.
    pub last_sender_report: u32,
    /// Delay since it, in 1/65536 s.
    pub delay_since: u32,
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    /// NTP time, 32.32 fixed point.
    pub ntp: u64,
    /// The RTP timestamp of the same instant.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

/// The parts of a compound packet that are used here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compound {
    /// The sender of the first report.
    pub ssrc: u32,
    /// Present in a sender report.
    pub sender: Option<SenderInfo>,
    /// The first report block about the wanted stream.
    pub about_us: Option<ReportBlock>,
    /// The packet has a BYE.
    pub goodbye: bool,
}

/// The bytes are no RTCP compound packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the bytes are no RTCP compound packet")]
pub struct RtcpError;

/// Reads a compound packet; `our_ssrc` selects the report block about our stream.
///
/// The checks of RFC 3550 §A.2: version 2, a report first, and lengths that add up.
pub fn parse(bytes: &[u8], our_ssrc: u32) -> Result<Compound, RtcpError> {
    let mut compound = Compound::default();
    let mut rest = bytes;
    let mut first = true;
    while !rest.is_empty() {
        let (head, _) = rest.split_first_chunk::<4>().ok_or(RtcpError)?;
        let [flags, kind, l0, l1] = *head;
        let length = (usize::from(u16::from_be_bytes([l0, l1])) + 1) * 4;
        let packet = rest.get(4..length).ok_or(RtcpError)?;
        if flags >> 6 != 2 || (first && !matches!(kind, SENDER_REPORT | RECEIVER_REPORT)) {
            return Err(RtcpError);
        }
        let count = usize::from(flags & 0x1F);
        match kind {
            SENDER_REPORT | RECEIVER_REPORT => report(packet, kind, count, our_ssrc, first, &mut compound)?,
            GOODBYE => compound.goodbye = true,
            _ => {}
        }
        first = false;
        rest = rest.get(length..).ok_or(RtcpError)?;
    }
    if first { Err(RtcpError) } else { Ok(compound) }
}

fn report(packet: &[u8], kind: u8, count: usize, ours: u32, first: bool, out: &mut Compound) -> Result<(), RtcpError> {
    let mut words = packet.as_chunks::<4>().0.iter().map(|w| u32::from_be_bytes(*w));
    let mut next = || words.next().ok_or(RtcpError);
    let ssrc = next()?;
    if first {
        out.ssrc = ssrc;
    }
    if kind == SENDER_REPORT {
        let ntp = u64::from(next()?) << 32 | u64::from(next()?);
        out.sender = Some(SenderInfo { ntp, rtp_timestamp: next()?, packets: next()?, octets: next()? });
    }
    for _ in 0..count {
        let (about, lost, highest, jitter, last, delay) = (next()?, next()?, next()?, next()?, next()?, next()?);
        if about == ours && out.about_us.is_none() {
            out.about_us = Some(ReportBlock {
                ssrc: about,
                fraction_lost: (lost >> 24) as u8,
                // Sign-extend the 24 bits.
                cumulative_lost: ((lost << 8) as i32) >> 8,
                highest_sequence: highest,
                jitter,
                last_sender_report: last,
                delay_since: delay,
            });
        }
    }
    Ok(())
}

/// A report to be written.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Our stream.
    pub ssrc: u32,
    /// Present if we have sent since the last report.
    pub sender: Option<SenderInfo>,
    /// The statistics of the stream that we receive.
    pub block: Option<ReportBlock>,
    /// Our canonical name, at most 255 bytes.
    pub cname: &'a str,
    /// Whether to append a BYE.
    pub goodbye: bool,
}

impl Report<'_> {
    /// The compound packet: a report, the canonical name, and BYE for `goodbye`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let kind = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        section(&mut out, u8::from(self.block.is_some()), kind, |out| {
            put(out, self.ssrc);
            if let Some(info) = &self.sender {
                out.extend(info.ntp.to_be_bytes());
                [info.rtp_timestamp, info.packets, info.octets].into_iter().for_each(|w| put(out, w));
            }
            if let Some(block) = &self.block {
                put(out, block.ssrc);
                put(out, u32::from(block.fraction_lost) << 24 | (block.cumulative_lost as u32 & 0x00FF_FFFF));
                let rest = [block.highest_sequence, block.jitter, block.last_sender_report, block.delay_since];
                rest.into_iter().for_each(|w| put(out, w));
            }
        });
        section(&mut out, 1, SOURCE_DESCRIPTION, |out| {
            put(out, self.ssrc);
            let name = self.cname.as_bytes();
            let name = name.get(..name.len().min(255)).unwrap_or_default();
            out.extend([1, name.len() as u8]);
            out.extend(name);
            // An end mark, and zeros up to the next word.
            out.push(0);
        });
        if self.goodbye {
            section(&mut out, 1, GOODBYE, |out| put(out, self.ssrc));
        }
        out
    }
}

fn section(out: &mut Vec<u8>, count: u8, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0x80 | count, kind, 0, 0]);
    body(out);
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some(field) = out.get_mut(start + 2..start + 4) {
        field.copy_from_slice(&words.to_be_bytes());
    }
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend(word.to_be_bytes());
}

/// `now` as NTP time, 32.32 fixed point (RFC 3550 §4).
pub fn ntp(now: Timestamp) -> u64 {
    /// Seconds from 1900 to 1970.
    const ERA: u64 = 2_208_988_800;
    let micros = now.as_micros();
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    (micros / 1_000_000 + ERA) << 32 | fraction
}

/// A time span in 1/65536 s, as reports carry it.
pub fn short_span(span: Duration) -> u32 {
    u32::try_from((span.as_micros() << 16) / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
