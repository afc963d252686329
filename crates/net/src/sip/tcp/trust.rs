//! Certificates and authorities that change while connections are up.

use super::{Closed, ConnectionId, TcpTable};
use crate::tls::Tls;

impl TcpTable {
    /// From now on TLS connections begin with these certificates; those that are up go on with what they began with. One whose peer is known
    /// by a certificate that nobody vouches for any more is closed: a connection may last for months, and trust in it must not.
    pub fn use_tls(&mut self, tls: Tls) {
        let is_changed = self.tls.as_ref().is_some_and(|former| !former.believes_same_clients(&tls));
        // What a peer shows to whom we connect is judged by the handshake alone.
        let accepted = self.open.iter().filter(|(_, open)| is_changed && open.listener.is_some());
        let distrusted = accepted.filter(|(_, open)| open.writer.is_distrusted_by(&tls));
        let distrusted: Vec<ConnectionId> = distrusted.map(|(connection, _)| *connection).collect();
        for connection in distrusted {
            self.end(connection, Closed::ByUs);
        }
        self.tls = Some(tls);
    }
}
