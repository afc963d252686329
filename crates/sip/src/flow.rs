//! Where a message came from and goes to, as the cores see it.

use std::net::SocketAddr;

use bytes::Bytes;

/// A way to a peer: what RFC 5626 calls a flow. The transport gives and understands the numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flow {
    /// Datagrams between one of our UDP listeners and a remote address.
    Udp {
        /// The listener's number.
        listener: u16,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// One connection (TCP, TLS, WebSocket).
    Stream {
        /// The connection's number; never used again after it closed.
        connection: u64,
    },
}

impl Flow {
    /// Whether the transport repeats what was lost, so that transactions need not (RFC 3261 §17).
    pub const fn reliable(self) -> bool {
        matches!(self, Self::Stream { .. })
    }

    /// The token of the transport in a Via (RFC 3261 §18.1.1).
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Udp { .. } => "UDP",
            Self::Stream { .. } => "TCP",
        }
    }
}

/// A message that leaves: complete bytes on a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// Where to.
    pub flow: Flow,
    /// The message.
    pub bytes: Bytes,
}
