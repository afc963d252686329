//! Records every message that passes the proxy, at the edge and between nodes, so that a call can be explained.

use std::collections::HashMap;
use std::net::SocketAddr;

use model::Timestamp;
use runtime::trace::{Passing, TaggedLeg};
use runtime::{Directory, Recorder};
use sip::{ConnectionId, Flow, LocalTag, Seal};

/// Records messages, and the peer of each connection.
pub(super) struct MessageTrace {
    recorder: Recorder,
    directory: Directory,
    seal: Seal,
    remotes: HashMap<ConnectionId, (SocketAddr, bool)>,
}

impl MessageTrace {
    /// `seal` reads the tags of our nodes.
    pub(super) fn new(recorder: Recorder, directory: Directory, seal: Seal) -> Self {
        Self { recorder, directory, seal, remotes: HashMap::new() }
    }

    /// A connection is up or being opened; messages sent before it is up belong to it too.
    pub(super) fn opened(&mut self, connection: ConnectionId, remote: SocketAddr) {
        if self.recorder.is_on() {
            self.remotes.insert(connection, (remote, self.directory.role_at(remote.ip()).is_some()));
        }
    }

    pub(super) fn closed(&mut self, connection: ConnectionId) {
        self.remotes.remove(&connection);
    }

    pub(super) fn datagram(&self, remote: SocketAddr, bytes: &[u8], at: Timestamp) {
        self.record(&Passing { at, peer: remote, inside: false, udp: true, inbound: true, bytes });
    }

    pub(super) fn came(&self, connection: ConnectionId, message: &sip::Message, at: Timestamp) {
        let Some((peer, inside)) = self.remotes.get(&connection).copied() else { return };
        let bytes = message.to_bytes();
        self.record(&Passing { at, peer, inside, udp: false, inbound: true, bytes: &bytes });
    }

    pub(super) fn leaves(&self, flow: Flow, bytes: &[u8], at: Timestamp) {
        // A gateway asks each second whether we are there: that is no call.
        if flow.is_of_gateway() && answers_options(bytes) {
            return;
        }
        let (peer, inside, udp) = match flow {
            Flow::Udp { remote, .. } => (remote, false, true),
            Flow::Stream { connection } => {
                let Some((peer, inside)) = self.remotes.get(&connection).copied() else { return };
                (peer, inside, false)
            }
        };
        self.record(&Passing { at, peer, inside, udp, inbound: false, bytes });
    }

    fn record(&self, passing: &Passing<'_>) {
        self.recorder.message(passing, |tag| LocalTag::decode(tag, &self.seal).as_ref().map(tagged_leg));
    }
}

/// What a tag of ours names.
fn tagged_leg(tag: &LocalTag) -> TaggedLeg {
    let is_with_node = tag.leg.0 & LocalTag::WITH_NODE != 0;
    TaggedLeg { conn_id: tag.call, leg: if is_with_node { 0 } else { tag.leg.0 } }
}

/// Whether it is an answer to OPTIONS, by its CSeq (RFC 3261 section 20.16).
fn answers_options(bytes: &[u8]) -> bool {
    let is_of_options = |line: &[u8]| {
        let line = line.trim_ascii();
        line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case(b"cseq:")) && line.ends_with(b" OPTIONS")
    };
    bytes.starts_with(b"SIP/2.0 ") && bytes.split(|byte| *byte == b'\n').any(is_of_options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_options_is_known_by_its_cseq() {
        assert!(answers_options(b"SIP/2.0 200 OK\r\nCSeq: 7 OPTIONS\r\nCall-ID: a\r\n\r\n"));
        for other in [
            "SIP/2.0 200 OK\r\nCSeq: 7 INVITE\r\nAllow: INVITE, OPTIONS\r\n\r\n",
            "OPTIONS sip:a SIP/2.0\r\nCSeq: 7 OPTIONS\r\n\r\n",
        ] {
            assert!(!answers_options(other.as_bytes()), "{other}");
        }
    }
}
