//! One recorded entry, in the memory of a recorder.

use std::net::SocketAddr;

use bytes::Bytes;

use crate::directory::Directory;
use crate::trace::entry::{Entry, Message, What};

/// Approximate memory of a message beside its text.
const MESSAGE_BYTES: usize = 112;

/// One recorded entry as it is stored.
pub(in crate::trace) enum Kept {
    /// A SIP message, its text as it passed.
    Message { at: u64, peer: SocketAddr, inside: bool, udp: bool, inbound: bool, text: Bytes },
    /// Anything else.
    What(Entry),
}

impl Kept {
    /// When.
    pub(super) fn at(&self) -> u64 {
        match self {
            Self::Message { at, .. } => *at,
            Self::What(entry) => entry.at,
        }
    }

    /// Approximate memory that it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Message { text, .. } => text.len() + MESSAGE_BYTES,
            Self::What(entry) => entry.what.weight(),
        }
    }

    /// As it is told; a message is one of the dialog of that leg.
    pub(super) fn entry(&self, directory: &Directory, leg: Option<u16>) -> Entry {
        match self {
            Self::What(entry) => entry.clone(),
            Self::Message { at, peer, inside, udp, inbound, text } => Entry {
                at: *at,
                what: What::Message(Message {
                    peer: peer.to_string(),
                    node: inside.then(|| directory.node_at(peer.ip())),
                    transport: if *udp { "udp" } else { "tcp" }.to_owned(),
                    inbound: *inbound,
                    leg,
                    text: String::from_utf8_lossy(text).into_owned(),
                }),
            },
        }
    }
}
