//! SIP sockets: UDP; connections over TCP, TLS and WebSocket with reuse (RFC 5923) and keep-alive (RFC 5626); and the connections of
//! nodes to every sip-proxy.
//!
//! A role's loop owns everything here, so nothing is locked. The loop itself reads and writes datagrams. Each connection has a
//! task that frames its input and passes it on through one bounded channel; the loop writes directly to the socket as long as
//! the peer keeps up.

pub mod connection;
pub mod counters;
pub mod drops;
pub mod limits;
pub mod node;
mod outlet;
pub mod places;
mod stun;
pub mod tcp;
pub mod udp;
mod web_socket;

pub use connection::Closed;
pub use counters::Counters;
pub use limits::Limits;
pub use node::{LinkEvent, NodeIdentity, NodeLinks};
pub use places::{Peers, ProvenOwner};
pub use tcp::{Forwards, ListenerId, TcpEvent, TcpTable};
pub use udp::{Datagram, UdpEndpoint};

#[cfg(test)]
mod tests;
