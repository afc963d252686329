//! What passes through a session: frames in, packets out.

use std::net::SocketAddr;
use std::time::Duration;

use crate::codec::Codec;
use crate::rtp::{self, PACKET_BYTES_MAX};

/// Length of a packet that we send, unless the phone asked for another.
pub const FRAME: Duration = Duration::from_millis(20);

/// Samples, at 8 kHz, of a packet of [`FRAME`].
pub const FRAME_SAMPLES: usize = 160;

/// A received packet that may be relayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Its header as it came.
    pub header: rtp::Header,
    /// Audio or telephone event.
    pub content: Content,
    /// The payload.
    pub payload: &'a [u8],
    /// Packets from the same source since its last frame that are not relayed (usually comfort noise).
    pub left_out: u16,
}

/// The kind of a frame's payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// Encoded audio.
    Audio(Codec),
    /// A telephone event, with the units of its duration in a second.
    Event {
        /// 8000 or 48000.
        clock: u32,
    },
}

/// A packet to send, written to the start of the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The destination.
    pub to: SocketAddr,
    /// The local port to send from.
    pub channel: Channel,
    /// Its length in bytes.
    pub length: usize,
}

/// The two ports of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Channel {
    /// The even port.
    Rtp,
    /// The port above; unused with RTCP multiplexed (RFC 5761).
    Rtcp,
}

/// The buffer that packets are written to.
pub type PacketBuffer = [u8; PACKET_BYTES_MAX];
