//! The path of a message to or from a peer, as the cores see it.

use std::fmt;
use std::net::SocketAddr;

use bytes::Bytes;

use crate::uri::{Scheme, Uri};

/// How messages travel to a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A connection in the clear.
    Tcp,
    /// A connection under TLS.
    Tls,
    /// WebSocket in the clear (RFC 7118).
    Ws,
    /// WebSocket under TLS.
    Wss,
}

impl Transport {
    /// Those by which carriers are reached, and registered with.
    pub(crate) const OF_CARRIERS: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// The token in a Via (RFC 3261 §18.1.1).
    pub const fn via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }

    /// The parameter that a URI of ours has for it; UDP is what a URI means without one. RFC 3261 §26.2.2 deprecates
    /// `transport=tls` in favour of `sips:`, but that also demands TLS on every further hop (RFC 5630 §3.1.3), which a call from
    /// a phone to a carrier cannot promise, and phones use the parameter. The same holds for `transport=wss`, which RFC 7118 §5.2
    /// does not have.
    pub const fn uri_parameter(self) -> &'static str {
        match self {
            Self::Udp => "",
            Self::Tcp => ";transport=tcp",
            Self::Tls => ";transport=tls",
            Self::Ws => ";transport=ws",
            Self::Wss => ";transport=wss",
        }
    }

    /// The port where none is named (RFC 7118 §5.2.1 takes those of HTTP).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
        }
    }

    /// Whether the transport itself repeats lost data, so that transactions need not (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// Whether nobody on the way can read or change a message.
    pub const fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::Wss)
    }

    /// Whether each message travels in a message of WebSocket. Peers open these connections, never we.
    pub const fn is_web_socket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }

    /// The transport that a sip or sips URI names (RFC 3261 §19.1.2); `None` if we have none of that name.
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        let secure = uri.scheme() == Scheme::Sips;
        match uri.transport() {
            None if secure => Some(Self::Tls),
            None => Some(Self::Udp),
            Some(t) if t.eq_ignore_ascii_case("tls") => Some(Self::Tls),
            // `sips:` with `transport=tcp` is TLS over TCP.
            Some(t) if t.eq_ignore_ascii_case("tcp") => Some(if secure { Self::Tls } else { Self::Tcp }),
            Some(t) if t.eq_ignore_ascii_case("udp") && !secure => Some(Self::Udp),
            // And so is `sips:` with `transport=ws`.
            Some(t) if t.eq_ignore_ascii_case("ws") => Some(if secure { Self::Wss } else { Self::Ws }),
            Some(t) if t.eq_ignore_ascii_case("wss") => Some(Self::Wss),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.via())
    }
}

/// A connection, unique within a run of the process and never used again after it closed. Its number tells its transport, so that
/// whatever keeps the number, a sealed flow token or a record, keeps the transport too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId(pub u64);

impl ConnectionId {
    /// The top bit of a number: set if a core has asked for the connection, not the peer.
    pub const OPENED_BY_US: u64 = 1 << 63;
    /// Bits of a number that count connections.
    const COUNT: u64 = (1 << Self::COUNT_BITS) - 1;
    /// How many bits these are. The two above them tell the transport.
    pub const COUNT_BITS: u32 = 61;
    /// The transport's value for WebSocket in the clear. 0 is TCP. So is this one in a connection that we have opened: an earlier
    /// release took the number of the first of those from 62 random bits, and we open none by WebSocket.
    const WS: u64 = 1 << Self::COUNT_BITS;
    const TLS: u64 = 2 << Self::COUNT_BITS;
    const WSS: u64 = 3 << Self::COUNT_BITS;
    const TRANSPORT: u64 = 3 << Self::COUNT_BITS;

    /// The connection of that number that a peer has opened.
    pub const fn accepted(count: u64, transport: Transport) -> Self {
        let bits = match transport {
            Transport::Udp | Transport::Tcp => 0,
            Transport::Tls => Self::TLS,
            Transport::Ws => Self::WS,
            Transport::Wss => Self::WSS,
        };
        Self(count & Self::COUNT | bits)
    }

    /// The connection of that number that a core has asked for.
    pub const fn opened(count: u64, transport: Transport) -> Self {
        Self(Self::accepted(count, transport).0 | Self::OPENED_BY_US)
    }

    /// Whether a core has asked for the connection, not the peer.
    pub const fn is_opened_by_us(self) -> bool {
        self.0 & Self::OPENED_BY_US != 0
    }

    /// The number without what else it tells: of two that the same side has opened, the later one's is higher.
    pub const fn count(self) -> u64 {
        self.0 & Self::COUNT
    }

    /// What it goes over.
    pub const fn transport(self) -> Transport {
        match self.0 & Self::TRANSPORT {
            Self::TLS => Transport::Tls,
            Self::WS if !self.is_opened_by_us() => Transport::Ws,
            Self::WSS => Transport::Wss,
            _ => Transport::Tcp,
        }
    }
}

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
    /// The number of the listener by which gateways send, which are ours and pass on what others send: no listener of the edge has it.
    pub const GATEWAYS: u16 = u16::MAX;

    /// Whether the transport itself repeats lost data, so that transactions need not (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        self.transport().is_reliable()
    }

    /// Whether it leads to a gateway of ours, and so to many phones.
    pub const fn is_of_gateway(self) -> bool {
        matches!(self, Self::Udp { listener: Self::GATEWAYS, .. })
    }

    /// What it goes over.
    pub const fn transport(self) -> Transport {
        match self {
            Self::Udp { .. } => Transport::Udp,
            Self::Stream { connection } => connection.transport(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connections_number_tells_its_transport() {
        for transport in [Transport::Tcp, Transport::Tls] {
            for count in [0, 7, (1 << 61) - 1] {
                let (accepted, opened) =
                    (ConnectionId::accepted(count, transport), ConnectionId::opened(count, transport));
                for (connection, ours) in [(accepted, false), (opened, true)] {
                    assert_eq!(connection.transport(), transport);
                    assert_eq!((connection.count(), connection.is_opened_by_us()), (count, ours));
                }
            }
        }
        for transport in [Transport::Ws, Transport::Wss] {
            let accepted = ConnectionId::accepted(7, transport);
            assert_eq!((accepted.transport(), accepted.count(), accepted.is_opened_by_us()), (transport, 7, false));
        }
        assert_eq!(ConnectionId(70), ConnectionId::accepted(70, Transport::Tcp), "as an earlier release numbered it");
        let former = ConnectionId(ConnectionId::OPENED_BY_US | (u64::MAX >> 2));
        assert_eq!(former.transport(), Transport::Tcp, "an earlier release opened no other");
    }

    #[test]
    fn a_uri_names_a_transport() {
        for (uri, transport) in [
            ("sip:a@192.0.2.1", Some(Transport::Udp)),
            ("sip:a@192.0.2.1;transport=UDP", Some(Transport::Udp)),
            ("sip:a@192.0.2.1;transport=tcp", Some(Transport::Tcp)),
            ("sip:a@192.0.2.1;transport=TLS", Some(Transport::Tls)),
            ("sips:a@192.0.2.1", Some(Transport::Tls)),
            ("sips:a@192.0.2.1;transport=tcp", Some(Transport::Tls)),
            ("sips:a@192.0.2.1;transport=udp", None),
            ("sip:a@192.0.2.1;transport=ws", Some(Transport::Ws)),
            ("sip:a@192.0.2.1;transport=WSS", Some(Transport::Wss)),
            ("sips:a@192.0.2.1;transport=ws", Some(Transport::Wss)),
            ("sip:a@192.0.2.1;transport=sctp", None),
        ] {
            assert_eq!(Transport::of(&Uri::parse(uri).unwrap()), transport, "{uri}");
        }
    }
}
