//! What a role remembers of a call: the entries of traces and spans, their masks, and the parts of SIP messages that both need.

pub mod entry;
pub mod mask;
pub mod sip;

use std::net::SocketAddr;

use model::{ConnId, Timestamp};

pub use entry::{Entry, RoleTrace, Summary, What};

/// What a tag names that a node of ours has given to a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaggedLeg {
    /// The call.
    pub conn_id: ConnId,
    /// The number of the leg whose dialog it is; 0 for a dialog between nodes.
    pub leg: u16,
}

/// A SIP message received or sent.
pub struct Passing<'a> {
    /// When.
    pub at: Timestamp,
    /// The peer's address.
    pub peer: SocketAddr,
    /// Whether the peer is one of our nodes.
    pub inside: bool,
    /// Whether it is received or sent over UDP.
    pub udp: bool,
    /// Whether it was received.
    pub inbound: bool,
    /// The whole message.
    pub bytes: &'a [u8],
}
