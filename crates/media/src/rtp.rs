//! RTP packets (RFC 3550 §5): read in place, written into a caller's buffer.

/// Fixed header, without sources and extension.
pub const HEADER_BYTES: usize = 12;
/// Largest packet that is read or written, in bytes: the payload of an Ethernet frame.
pub const PACKET_BYTES_MAX: usize = 1_500;

/// The fixed fields of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Header {
    /// First packet of a talk spurt.
    pub marker: bool,
    /// 0..=127
    pub payload_type: u8,
    /// Grows by one with each packet, modulo 2^16.
    pub sequence: u16,
    /// In units of 1/8000 s.
    pub timestamp: u32,
    /// The stream's synchronisation source.
    pub ssrc: u32,
}

/// A packet in a receive buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// The fixed fields.
    pub header: Header,
    /// The rest without contributing sources, extension and padding.
    pub payload: &'a [u8],
}

/// Why bytes are no valid RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RtpError {
    /// Shorter than its own header says.
    #[error("the packet is too short")]
    Short,
    /// The version is not 2.
    #[error("the version is not 2")]
    Version,
    /// The padding is longer than the payload.
    #[error("the padding does not fit")]
    Padding,
}

impl<'a> Packet<'a> {
    /// Reads a packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RtpError> {
        let (fixed, mut rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(RtpError::Short)?;
        let [first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if first >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let sources = usize::from(first & 0x0F) * 4;
        rest = rest.get(sources..).ok_or(RtpError::Short)?;
        if first & 0x10 != 0 {
            let (head, after) = rest.split_first_chunk::<4>().ok_or(RtpError::Short)?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            rest = after.get(words * 4..).ok_or(RtpError::Short)?;
        }
        if first & 0x20 != 0 {
            let padding = usize::from(*rest.last().ok_or(RtpError::Padding)?);
            let kept = rest.len().checked_sub(padding).filter(|_| padding > 0).ok_or(RtpError::Padding)?;
            rest = rest.get(..kept).ok_or(RtpError::Padding)?;
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok(Self { header, payload: rest })
    }
}

impl Header {
    /// The header's bytes.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = (self.payload_type & 0x7F) | if self.marker { 0x80 } else { 0 };
        [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

/// Whether bytes on a shared port are RTCP, by their second byte (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// How far `later` is after `earlier` in sequence numbers that wrap: negative if it is before.
pub fn distance(earlier: u16, later: u16) -> i32 {
    i32::from(later.wrapping_sub(earlier) as i16)
}

#[cfg(test)]
mod tests;
