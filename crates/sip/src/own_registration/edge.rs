//! Where a carrier that has registered us calls: at the edge of a proxy of ours, by the transport by which the REGISTER went.

use crate::flow::Transport;

/// The transports by which we register.
const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

/// The addresses of a proxy's edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeAddresses {
    /// For datagrams and for connections in the clear, `host:port`.
    pub plain: String,
    /// For TLS, `host:port`; none if the proxy, one of the release before, does not tell it.
    pub secure: Option<String>,
}

impl EdgeAddresses {
    /// The part of a Contact behind the `@`.
    pub(super) fn place(&self, by: Transport) -> String {
        match (by, &self.secure) {
            (Transport::Tls, Some(secure)) => format!("{secure}{}", by.uri_parameter()),
            // The proxy writes its address for TLS in its place.
            (Transport::Tls, None) => self.plain.clone(),
            _ => format!("{}{}", self.plain, by.uri_parameter()),
        }
    }

    /// Those of all transports by which we may have registered.
    pub(super) fn places(&self) -> impl Iterator<Item = String> {
        TRANSPORTS.into_iter().map(move |by| self.place(by))
    }
}
