//! Where a carrier that has registered us calls: at the edge of a proxy of ours, by the transport by which the REGISTER went.

use crate::flow::Transport;
use crate::uri::Uri;

/// The addresses of a proxy's edge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EdgeAddresses {
    /// For datagrams and for connections in the clear, `host:port`.
    pub plain: String,
    /// For TLS, `host:port`; none if the proxy, one of the release before, does not tell it.
    pub secure: Option<String>,
    /// What the proxy writes behind the `@` of a Contact, for each transport and family of a carrier's address: `host:port` with the parameter
    /// `transport`. Those of its first family come first. None if the proxy, one of the release before, does not tell them.
    pub places: Vec<String>,
}

impl EdgeAddresses {
    /// The part of a Contact behind the `@`, for a carrier of the edge's first family.
    pub(super) fn place(&self, by: Transport) -> String {
        if let Some(place) = self.places.iter().find(|place| transport_at(place) == Some(by)) {
            return place.clone();
        }
        match (by, &self.secure) {
            (Transport::Tls, Some(secure)) => format!("{secure}{}", by.uri_parameter()),
            // The proxy writes its address for TLS in its place.
            (Transport::Tls, None) => self.plain.clone(),
            _ => format!("{}{}", self.plain, by.uri_parameter()),
        }
    }

    /// Those of all transports and families by which we may have registered.
    pub(super) fn all_places(&self) -> impl Iterator<Item = String> {
        Transport::OF_CARRIERS.into_iter().map(move |by| self.place(by)).chain(self.places.iter().cloned())
    }

    /// All its addresses, `host:port`; some of them more than once.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let places = self.places.iter().filter_map(|place| place.split(';').next());
        std::iter::once(self.plain.as_str()).chain(self.secure.as_deref()).chain(places)
    }
}

/// The transport of a place.
fn transport_at(place: &str) -> Option<Transport> {
    let uri = format!("sip:{place}");
    Uri::parse(&uri).ok().and_then(|uri| Transport::of(&uri))
}
