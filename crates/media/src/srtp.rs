//! Secure RTP and RTCP (RFC 3711; RFC 7714 for AES-GCM): packets are protected and opened in place.
//!
//! [`SrtpSender`] never uses a packet index twice, so that no keystream repeats; [`SrtpReceiver`] refuses what is forged or was there
//! before, and such a packet changes nothing. Keys come from the descriptions (RFC 4568): see [`crate::sdp::crypto`].

mod cipher;
mod derivation;
mod index;
mod receiver;
mod sender;
mod suite;

pub use receiver::{SSRCS_MAX, SourceIndex, SrtpReceiver};
pub use sender::SrtpSender;
pub use suite::{Keying, Mki, SUITES, Suite};

/// Most bytes by which protection makes a packet longer: the tag of AES-GCM and the index of SRTCP.
pub const OVERHEAD_MAX: usize = 20;

/// Why a packet is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PacketRefused {
    /// It does not come from who has the key, or has changed on its way.
    #[error("the packet is not authentic")]
    Forged,
    /// It was there before, or is too old to tell.
    #[error("the packet was there before")]
    Replayed,
}

/// The bytes of an RTP packet that stay in clear: the header with its sources and extension (RFC 3711 §3.1). `None` if it is no packet.
fn clear_bytes(packet: &[u8]) -> Option<usize> {
    let first = *packet.first().filter(|first| **first >> 6 == 2)?;
    let mut length = crate::rtp::HEADER_BYTES + usize::from(first & 0x0F) * 4;
    if first & 0x10 != 0 {
        let words = u16::from_be_bytes(packet.get(length + 2..length + 4)?.try_into().ok()?);
        length += 4 + usize::from(words) * 4;
    }
    (length <= packet.len()).then_some(length)
}

/// The sequence number and the source of an RTP packet.
fn numbers(packet: &[u8]) -> Option<(u16, u32)> {
    let sequence = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
    Some((sequence, word(packet, 8)?))
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?))
}

/// The bytes of an RTCP packet that stay in clear: its first header and source.
const RTCP_CLEAR: usize = 8;

/// The bit of the index word of SRTCP that says that the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

#[cfg(test)]
mod tests;
