//! All limits of a SIP socket.

use std::time::Duration;

/// Limits of a SIP listener and its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Kernel receive buffer of a UDP socket, in bytes. The kernel doubles it and counts some 1,800 bytes per message of a
    /// call: half a second of 1,000 calls/s with seven messages each fits.
    pub receive_buffer_bytes: usize,
    /// The most TCP connections at once, of each listener and of those that we open.
    pub connections: usize,
    /// The most TCP connections at once of a listener from one address (IPv6: one /64) on which no phone has authenticated. Those that
    /// we open ourselves are not counted by address.
    pub connections_per_source: usize,
    /// Bytes that wait for one slow peer before its connection is closed.
    pub write_queue_bytes: usize,
    /// How long a peer may leave a non-empty write queue without taking a byte.
    pub write_stall: Duration,
    /// How long a connection may stay silent; one of strangers has less, see [`super::places`]. RFC 5626 §4.4.1 pings come every 95 to 120 s. A
    /// ping that we have sent counts as a word of the peer, who need not answer it.
    pub idle: Duration,
    /// How long one message may take from its first byte to its last (a slow sender occupies a slot).
    pub message_time: Duration,
    /// How long a TLS handshake may take: a peer that does not finish one occupies a place.
    pub handshake_time: Duration,
    /// TLS handshakes that one source may begin in a second, beyond a burst of `connections_per_source`.
    pub handshakes_per_second: u32,
    /// How long an outgoing connection may take to open; a TLS handshake on it may take as long again.
    pub connect_time: Duration,
    /// As `connect_time`, where a datagram goes to the same peer if it does not open.
    pub trial_time: Duration,
    /// Messages that wait for the role's loop; when full, connections are not read and TCP slows the peers.
    pub event_queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_buffer_bytes: 4 << 20,
            connections: 10_000,
            connections_per_source: 256,
            write_queue_bytes: 1 << 20,
            write_stall: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            message_time: Duration::from_secs(20),
            handshake_time: Duration::from_secs(10),
            handshakes_per_second: 100,
            connect_time: Duration::from_secs(4),
            trial_time: sip::proxy::settings::TRIAL_OPENS_WITHIN,
            event_queue: 4_096,
        }
    }
}
