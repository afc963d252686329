//! Protects what we send.

use super::cipher::{CipherKind, PacketId, SessionKeys};
use super::index::{Window, estimate};
use super::{ENCRYPTED, Keying, RTCP_CLEAR, clear_bytes, numbers, word};

/// Our direction: one source with one key.
pub struct SrtpSender {
    keying: Keying,
    rtp: SessionKeys,
    rtcp: SessionKeys,
    ssrc: u32,
    /// Which indexes were used. None before the first packet.
    used: Option<Window>,
    reports: u32,
}

impl SrtpSender {
    /// A source that has sent nothing under this key. No other one may use the key with the same SSRC, before or after.
    pub fn new(keying: Keying, ssrc: u32) -> Option<Self> {
        let rtp = SessionKeys::derive(&keying, CipherKind::Rtp).ok()?;
        let rtcp = SessionKeys::derive(&keying, CipherKind::Rtcp).ok()?;
        Some(Self { keying, rtp, rtcp, ssrc, used: None, reports: 0 })
    }

    /// A source that has got as far as `index` under another key, for tests.
    #[cfg(test)]
    pub fn resume(keying: Keying, ssrc: u32, index: u64) -> Option<Self> {
        Some(Self { used: Some(Window::new(index)), ..Self::new(keying, ssrc)? })
    }

    /// The key.
    pub const fn keying(&self) -> &Keying {
        &self.keying
    }

    /// Its source.
    pub const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Whether its sequence numbers have begun again.
    pub fn has_rolled_over(&self) -> bool {
        self.used.as_ref().is_some_and(|used| used.highest() >> 16 > 0)
    }

    /// Protects the RTP packet in the first `length` bytes, and returns how long it is now. `None`, and it must not be sent: its index was
    /// used before (a second packet with the keystream of the first would give both away), or there is no room for the tag.
    pub fn protect(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let (clear, (sequence, ssrc)) = packet.get(..length).and_then(|text| clear_bytes(text).zip(numbers(text)))?;
        let index = match &self.used {
            Some(used) => estimate(used.highest(), sequence).filter(|index| used.is_new(*index))?,
            None => u64::from(sequence),
        };
        if ssrc != self.ssrc || packet.len() < length + self.rtp.tag_bytes() {
            return None;
        }
        self.used.get_or_insert(Window::new(index)).note(index);
        let rollovers = ((index >> 16) as u32).to_be_bytes();
        self.rtp.seal(CipherKind::Rtp, PacketId { ssrc, index }, (packet, clear, length), rollovers).ok()
    }

    /// Protects the RTCP packet in the first `length` bytes, and returns how long it is now; `None`, and it must not be sent.
    pub fn protect_report(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let ssrc = word(packet.get(..length)?, 4).filter(|ssrc| *ssrc == self.ssrc)?;
        if packet.len() < length + self.rtcp.tag_bytes() + 4 || length < RTCP_CLEAR {
            return None;
        }
        // One in five seconds: 31 bits last for centuries. Indexes begin with 1 (RFC 3711 §3.4).
        self.reports = self.reports.checked_add(1).filter(|index| *index < ENCRYPTED)?;
        let trailer = (self.reports | ENCRYPTED).to_be_bytes();
        let id = PacketId { ssrc, index: self.reports.into() };
        self.rtcp.seal(CipherKind::Rtcp, id, (packet, RTCP_CLEAR, length), trailer).ok()
    }
}

impl std::fmt::Debug for SrtpSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { keying, ssrc, used, reports, .. } = self;
        f.debug_struct("SrtpSender")
            .field("keying", keying)
            .field("ssrc", ssrc)
            .field("used", used)
            .field("reports", reports)
            .finish_non_exhaustive()
    }
}
