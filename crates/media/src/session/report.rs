//! The RTCP reports that the session sends (RFC 3550 §6).

use std::time::Duration;

use model::Timestamp;

use super::{Channel, PacketBuffer, Session, Transmit};
use crate::rtcp::{self, SenderInfo};

/// Why a report is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReportCause {
    Interval,
    LegEnds,
}

impl Session {
    /// The last report, with BYE (RFC 3550 §6.6), for a leg that ends.
    pub fn goodbye(&mut self, now: Timestamp, out: &mut PacketBuffer) -> Option<Transmit> {
        self.report(now, out, ReportCause::LegEnds)
    }

    pub(super) fn report(&mut self, now: Timestamp, out: &mut PacketBuffer, cause: ReportCause) -> Option<Transmit> {
        let stream = self.stream.as_ref()?;
        stream.remote?;
        let to = self.inbound.source.rtcp_destination(stream)?;
        let channel = if stream.rtcp_mux { Channel::Rtp } else { Channel::Rtcp };
        let sender = self.outbound.sent_since_report().then(|| SenderInfo {
            ntp: rtcp::ntp(now),
            rtp_timestamp: self.outbound.timestamp_at(now),
            packets: self.outbound.packets(),
            octets: self.outbound.octets(),
        });
        let block = self.inbound.report(now);
        let goodbye = cause == ReportCause::LegEnds;
        let report = rtcp::Report { ssrc: self.outbound.ssrc(), sender, block, cname: &self.cname, goodbye };
        let bytes = report.to_bytes();
        out.get_mut(..bytes.len())?.copy_from_slice(&bytes);
        let length = self.guard.seal_report(out, bytes.len())?;
        self.note_sent(to, length);
        Some(Transmit { to, channel, length })
    }
}

/// 2.5 to 7.5 s (RFC 3550 §6.2 and §6.3.1), spread by a hash of our SSRC and the packets sent: reports of many legs
/// must not be synchronised. It need not be unguessable.
pub(super) fn report_interval(ssrc: u32, packets: u32) -> Duration {
    let mixed = (u64::from(ssrc) << 32 | u64::from(packets)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Duration::from_millis(2_500 + (mixed >> 40) % 5_000)
}
