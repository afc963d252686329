//! The path of a message to or from a peer, as the cores see it.

use std::net::SocketAddr;

use bytes::Bytes;

/// A connection, unique within a run of the process and never used again after it closed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

/// A path to a peer, called flow in RFC 5626. The transport assigns and understands the numbers.
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
        /// The connection.
        connection: ConnectionId,
    },
}

impl From<ConnectionId> for Flow {
    fn from(connection: ConnectionId) -> Self {
        Self::Stream { connection }
    }
}

impl Flow {
    /// Whether the transport itself repeats lost data, so that transactions need not (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        matches!(self, Self::Stream { .. })
    }

    /// The transport's token in a Via (RFC 3261 §18.1.1).
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Udp { .. } => "UDP",
            Self::Stream { .. } => "TCP",
        }
    }
}

/// A message to send: complete bytes on a flow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The flow to send it on.
    pub flow: Flow,
    /// The message.
    pub bytes: Bytes,
}
