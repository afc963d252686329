//! The session's keys at work: what is sent is protected, what comes is opened (RFC 3711), before anything else looks at it.
//!
//! The phone's side goes on after a move to another process, with the rollover counters in the snapshot. Ours does not: how many packets the
//! former process has sent is not known for certain, and a keystream must not be used twice. So our stream begins anew with another,
//! random SSRC under the same key, which RFC 3711 §8.1 allows: keystreams of two sources differ.

use super::Session;
use crate::rtp::PACKET_BYTES_MAX;
use crate::sdp::{AudioStream, Protection};
use crate::srtp::{PacketRefused, SourceIndex, SrtpReceiver, SrtpSender};

impl Session {
    /// Another receiver does not know how often our encrypted stream has rolled over (RFC 3711 §3.3.1) and counts from nought: after a
    /// rollover it gets another source. The next one of a sequence through all numbers is none that was used under this key.
    pub(super) fn begin_source_anew(&mut self, next: &AudioStream) {
        let Some(stream) = &self.stream else { return };
        let theirs = |stream: &AudioStream| stream.protection.as_ref().map(|protection| protection.theirs);
        let is_another = stream.remote != next.remote && next.remote.is_some() || theirs(stream) != theirs(next);
        if is_another && self.guard.has_rolled_over() {
            let source = self.outbound.ssrc().wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            self.outbound.begin_anew(u64::from(source));
        }
    }
}

/// Both directions of a session.
#[derive(Debug, Default)]
pub(super) struct Guard {
    outbound: Option<SrtpSender>,
    inbound: Option<SrtpReceiver>,
    /// Under the key before, until the phone uses the present one. It may go back to that, if an offer is withdrawn.
    former: Option<SrtpReceiver>,
    /// Whether audio goes in clear. With keys that cannot be used nothing goes at all.
    is_clear: bool,
    forged: u64,
    replayed: u64,
}

/// What comes out of a packet that has arrived.
pub(super) struct Opened<'a> {
    pub bytes: &'a mut [u8],
    /// Whether a successor must know of it: see [`SrtpReceiver::open`].
    pub has_rolled: bool,
}

impl Guard {
    /// Applies what was agreed. A direction whose key stays goes on. Nothing goes while a session awaits its keys.
    pub fn negotiate(&mut self, agreed: Option<&Protection>, awaits_keys: bool, ssrc: u32) {
        self.is_clear = agreed.is_none() && !awaits_keys;
        let Some(Protection { ours, theirs }) = agreed else {
            (self.outbound, self.inbound, self.former) = (None, None, None);
            return;
        };
        if self.outbound.as_ref().is_none_or(|sender| sender.keying() != ours || sender.ssrc() != ssrc) {
            self.outbound = SrtpSender::new(*ours, ssrc);
        }
        if self.inbound.as_ref().is_none_or(|receiver| receiver.keying() != theirs) {
            let is_former = self.former.as_ref().is_some_and(|former| former.keying() == theirs);
            let next = match self.former.take().filter(|_| is_former) {
                Some(former) => Some(former),
                None => SrtpReceiver::after(*theirs, self.inbound.as_ref()),
            };
            self.former = std::mem::replace(&mut self.inbound, next);
        }
    }

    /// Whether our stream has rolled over, so that who begins to listen now cannot know its counter.
    pub fn has_rolled_over(&self) -> bool {
        self.outbound.as_ref().is_some_and(SrtpSender::has_rolled_over)
    }

    /// Goes on in another process. The SSRC must be a new one.
    pub fn resume(
        (agreed, awaits_keys): (Option<&Protection>, bool),
        ssrc: u32,
        sources: &[SourceIndex],
        refused: (u64, u64),
    ) -> Self {
        let mut guard = Self { forged: refused.0, replayed: refused.1, ..Self::default() };
        guard.negotiate(agreed, awaits_keys, ssrc);
        guard.inbound = agreed.and_then(|agreed| SrtpReceiver::resume(agreed.theirs, sources));
        guard
    }

    /// How far each source of the phone is, for a snapshot.
    pub fn sources(&self) -> Vec<SourceIndex> {
        self.inbound.as_ref().map(SrtpReceiver::sources).unwrap_or_default()
    }

    /// Packets refused as forged, and as there before.
    pub const fn refused(&self) -> (u64, u64) {
        (self.forged, self.replayed)
    }

    /// Protects an RTP packet that is about to be sent; `None`, and it must not be.
    pub fn seal(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        if self.is_clear {
            return Some(length);
        }
        self.outbound.as_mut()?.protect(packet, length)
    }

    /// Protects an RTCP packet that is about to be sent; `None`, and it must not be.
    pub fn seal_report(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        if self.is_clear {
            return Some(length);
        }
        self.outbound.as_mut()?.protect_report(packet, length)
    }

    /// Opens an RTP packet of the phone. One that is refused is counted and has no other effect.
    pub fn open<'a>(&mut self, bytes: &'a mut [u8]) -> Option<Opened<'a>> {
        if self.is_clear {
            return Some(Opened { bytes, has_rolled: false });
        }
        let inbound = self.inbound.as_mut()?;
        let Some(former) = &mut self.former else {
            let opened = inbound.open(bytes);
            let (bytes, has_rolled) = opened.map_err(|refused| self.count(refused)).ok()?;
            return Some(Opened { bytes, has_rolled });
        };
        // What is refused may be overwritten.
        let mut room = [0; PACKET_BYTES_MAX];
        let copy = room.get_mut(..bytes.len())?;
        copy.copy_from_slice(bytes);
        if let Ok((opened, has_rolled)) = inbound.open(copy) {
            self.former = None;
            let bytes = bytes.get_mut(..opened.len())?;
            bytes.copy_from_slice(opened);
            return Some(Opened { bytes, has_rolled });
        }
        let opened = former.open(bytes);
        let (bytes, _) = opened.map_err(|refused| self.count(refused)).ok()?;
        Some(Opened { bytes, has_rolled: false })
    }

    /// Opens an RTCP packet of the phone. One that is refused is counted and has no other effect.
    pub fn open_report<'a>(&mut self, bytes: &'a mut [u8]) -> Option<&'a mut [u8]> {
        if self.is_clear {
            return Some(bytes);
        }
        let opened = self.inbound.as_mut()?.open_report(bytes);
        opened.map_err(|refused| self.count(refused)).ok()
    }

    fn count(&mut self, refused: PacketRefused) {
        match refused {
            PacketRefused::Forged => self.forged = self.forged.saturating_add(1),
            PacketRefused::Replayed => self.replayed = self.replayed.saturating_add(1),
        }
    }
}
