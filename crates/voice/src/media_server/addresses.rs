//! The addresses of audio: one, or one of each family. A leg has the one of its peer's family (RFC 6157), so two legs of different
//! families are relayed like any others.

use std::net::IpAddr;

use anyhow::{Context as _, Result};
use model::AddressFamily;
use runtime::edge::EdgeBounds;
use runtime::listener::Bound;

/// The addresses in our descriptions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioAddresses {
    first: IpAddr,
    second: Option<IpAddr>,
}

impl AudioAddresses {
    /// One address, and perhaps one of the other family.
    pub const fn new(first: IpAddr, second: Option<IpAddr>) -> Self {
        Self { first, second }
    }

    /// Those that the listener tells.
    ///
    /// # Errors
    /// If one is a name, or of another family than the socket's: then nobody could send to it what that socket receives.
    pub fn told_by(bounds: &EdgeBounds) -> Result<Self> {
        let told = |bound: &Bound| -> Result<IpAddr> {
            let host = &bound.advertise.host;
            let told: IpAddr = host.parse().with_context(|| format!("{host:?} is not an address for SDP"))?;
            let (own, listens) = (AddressFamily::of(told), AddressFamily::of(bound.listen.ip()));
            anyhow::ensure!(own == listens, "media.rtp_advertise: {told} is of {own}, and rtp_listen of {listens}");
            Ok(told)
        };
        Ok(Self { first: told(&bounds.first)?, second: bounds.second.as_ref().map(told).transpose()? })
    }

    /// Every one.
    pub fn all(&self) -> impl Iterator<Item = IpAddr> {
        std::iter::once(self.first).chain(self.second)
    }

    /// The one of a family.
    pub fn in_family(&self, family: AddressFamily) -> Option<IpAddr> {
        self.all().find(|address| AddressFamily::of(*address) == family)
    }

    /// The one for a peer that is reached by that family: if we have none of it, the other. Of whom nothing is known, IPv4 is assumed, which
    /// nearly every peer has.
    pub fn nearest(&self, wanted: Option<AddressFamily>) -> IpAddr {
        self.in_family(wanted.unwrap_or(AddressFamily::V4)).unwrap_or(self.first)
    }
}

impl From<IpAddr> for AudioAddresses {
    fn from(only: IpAddr) -> Self {
        Self::new(only, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(listen: &str, advertise: &str) -> Bound {
        let listen: std::net::SocketAddr = listen.parse().unwrap();
        let advertise = runtime::listener::HostPort { host: advertise.to_owned(), port: listen.port() };
        Bound { listen, advertise }
    }

    #[test]
    fn a_leg_gets_the_address_of_the_family_that_is_wanted_if_there_is_one() {
        let (four, six): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
        let both = AudioAddresses::new(six, Some(four));
        assert_eq!(both.nearest(Some(AddressFamily::V6)), six);
        assert_eq!(both.nearest(Some(AddressFamily::V4)), four);
        assert_eq!(both.nearest(None), four);
        assert_eq!(AudioAddresses::from(six).nearest(None), six);
        assert_eq!(AudioAddresses::from(four).nearest(Some(AddressFamily::V6)), four);
    }

    #[test]
    fn what_is_told_must_be_an_address_of_the_sockets_family() {
        let both = EdgeBounds {
            first: bound("10.0.0.1:0", "192.0.2.1"),
            second: Some(bound("[2001:db8::1]:0", "2001:db8::1")),
        };
        let told = AudioAddresses::told_by(&both).unwrap();
        assert_eq!(told.all().map(|address| address.to_string()).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
        for wrong in ["media.example", "2001:db8::1"] {
            let bounds = EdgeBounds::from(bound("10.0.0.1:0", wrong));
            assert!(AudioAddresses::told_by(&bounds).is_err(), "{wrong}");
        }
    }
}
