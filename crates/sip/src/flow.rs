//! The path of a message to or from a peer, as the cores see it.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

/// How messages travel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
    /// Connections that are encrypted.
    Tls,
}

impl Transport {
    /// Reads a Via's token or a URI's `transport` parameter.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|one| text.eq_ignore_ascii_case(one.parameter()))
    }

    /// As a URI's `transport` parameter.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port where none is given (RFC 3261 section 19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        })
    }
}

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
    pub const fn transport(self) -> Transport {
        match self {
            Self::Udp { .. } => Transport::Udp,
            Self::Stream { .. } => Transport::Tcp,
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
