//! The way to gateways of ours (voice-57): webrtc, behind which are phones in browsers. Datagrams, from our own address and the port that
//! webrtc has too: what it sends comes back there.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use net::sip::{Counters, Datagram, Limits, UdpEndpoint};
use runtime::{Directory, Meter, RoleContext};

/// The port of both ends.
const PORT: u16 = 5_070;
/// The connection of the table.
const CONNECTION: &str = "voice-57";
/// The role at the other end, and nobody else is heard.
const ROLE: &str = "webrtc";

/// The socket.
pub(super) struct Gateways {
    socket: UdpEndpoint,
    meter: Meter,
    directory: Directory,
}

impl Gateways {
    /// Binds it at the replica's own address.
    ///
    /// # Errors
    /// Says why it cannot be bound.
    pub(super) fn bind(ctx: &RoleContext, limits: &Limits, counters: &Arc<Counters>) -> Result<Self> {
        let at = SocketAddr::new(ctx.address, PORT);
        let socket = UdpEndpoint::bind(at, limits, counters.clone());
        let socket = socket.map_err(|error| runtime::listener::in_words("udp", at, &error))?;
        Ok(Self { socket, meter: ctx.meter(CONNECTION), directory: ctx.directory.clone() })
    }

    /// Our own address, as gateways know it: `host:port`.
    pub(super) fn name(&self) -> String {
        self.socket.local().to_string()
    }

    /// Waits until there may be something to receive. Cancel-safe.
    ///
    /// # Errors
    /// When the socket has become unusable.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Whether there may be more to receive.
    pub(super) const fn may_have_more(&self) -> bool {
        self.socket.may_have_more()
    }

    /// The next datagram of a gateway.
    pub(super) fn try_receive(&mut self) -> Option<Datagram> {
        loop {
            let datagram = self.socket.try_receive()?;
            if self.directory.role_at(datagram.remote.ip()) == Some(ROLE) {
                self.peer(datagram.remote, |peer| {
                    peer.request();
                    peer.answered();
                    peer.bytes_in(datagram.bytes.len());
                });
                return Some(datagram);
            }
            tracing::debug!(from = %datagram.remote, "a datagram for gateways is of none");
        }
    }

    /// Sends a datagram.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.peer(to, |peer| {
            peer.request();
            peer.bytes_out(bytes.len());
        });
        self.socket.send(to, bytes);
    }

    fn peer(&self, at: SocketAddr, count: impl FnOnce(&runtime::PeerMeter)) {
        count(&self.meter.peer(&self.directory.node_at(at.ip())));
    }
}
