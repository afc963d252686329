//! Web servers that pass WebSockets on: whose a connection is that comes by one.

use std::net::{IpAddr, SocketAddr};

use sip::{ConnectionId, Transport};
use tokio::time::Instant;

use super::{Closed, ListenerId, TcpTable};

/// Tells whether an address is that of a web server that is believed from whom it passes a WebSocket on: of a peer by the listener that
/// accepted it (`None`: of one that was passed on itself).
pub type Forwards = Box<dyn Fn(Option<ListenerId>, IpAddr) -> bool + Send>;

impl TcpTable {
    /// The web servers that pass WebSockets on, and write from whom (`X-Forwarded-For`): such a connection counts as one of the nearest
    /// address that is none of them. Without this each counts as its peer's.
    pub fn believe_forwarders(&mut self, forwards: Forwards) {
        self.forwards = forwards;
    }

    /// Whether who has connected to a listener is believed from whom it passes a WebSocket on.
    pub(super) fn is_forwarder(&self, listener: Option<ListenerId>, peer: IpAddr) -> bool {
        let transport = listener.and_then(|listener| self.listeners.get(listener.0)).map(|listener| listener.transport);
        transport.is_some_and(Transport::is_web_socket) && (self.forwards)(listener, peer)
    }

    /// A connection that a web server has passed on takes a place among those of its true source.
    pub(super) fn note_forwarded(&mut self, connection: ConnectionId, forwarded_for: &[IpAddr]) {
        let Some(open) = self.open.get(&connection) else { return };
        let is_believed = self.is_forwarder(open.listener, open.remote.ip());
        let source = forwarded_for.iter().find(|address| !(self.forwards)(None, **address));
        let Some(source) = source.filter(|_| is_believed) else { return };
        let (source, listener) = (SocketAddr::new(*source, open.remote.port()), open.listener);
        let Some(places) = self.places.get_mut(&listener) else { return };
        places.leave(connection);
        match places.take(connection, source.ip(), Instant::now()) {
            Ok(given_up) => {
                if let Some(open) = self.open.get_mut(&connection) {
                    open.remote = source;
                }
                if let Some(given_up) = given_up {
                    self.counters.connections_displaced.one();
                    self.end(given_up, Closed::Displaced);
                }
            }
            Err(_) => {
                self.counters.connections_refused.one();
                self.end(connection, Closed::Displaced);
            }
        }
    }
}
