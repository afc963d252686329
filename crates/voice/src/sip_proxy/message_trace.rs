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
