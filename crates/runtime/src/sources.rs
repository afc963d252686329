//! Connections by source address. Connecting needs no token, so each address has a limit of connections without one: it
//! cannot use up the places of other addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::counted::{Tally, Watched};

/// Maximum of connections of one address without a token: enough for the pages of an office behind one address; an
/// eighth of a listener's maximum.
const STRANGERS_OF_SOURCE_MAX: usize = 512;
/// Number of addresses from which on those without connections are removed.
const SOURCES_MAX: usize = 8_192;

/// The connections of one listener.
#[derive(Default)]
pub(crate) struct Sources {
    of: HashMap<IpAddr, Vec<Watched>>,
}

impl Sources {
    /// Admits a connection; false if its address has too many without a token.
    pub fn admit(&mut self, from: IpAddr, connection: &Tally) -> bool {
        if self.of.len() >= SOURCES_MAX {
            self.of.retain(|_, held| {
                held.retain(Watched::is_unauthenticated);
                !held.is_empty()
            });
        }
        let held = self.of.entry(source(from)).or_default();
        if held.len() >= STRANGERS_OF_SOURCE_MAX {
            held.retain(Watched::is_unauthenticated);
        }
        let has_room = held.len() < STRANGERS_OF_SOURCE_MAX;
        if has_room {
            held.push(connection.watched());
        }
        has_room
    }
}

/// A site has a whole IPv6 network (RFC 6177): all addresses of a /64 count as one.
fn source(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(count: usize) -> Vec<Tally> {
        (0..count).map(|_| Tally::default()).collect()
    }

    #[test]
    fn an_address_has_so_many_connections_of_strangers_and_takes_none_of_others() {
        let (mut sources, held) = (Sources::default(), connections(STRANGERS_OF_SOURCE_MAX + 1));
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let admitted = held.iter().filter(|connection| sources.admit(one, connection)).count();
        assert_eq!(admitted, STRANGERS_OF_SOURCE_MAX);
        assert!(sources.admit(other, &held[0]));
        held[7].mark_authenticated();
        let more = connections(2);
        assert!(sources.admit(one, &more[0]), "one with a token counts no more");
        assert!(!sources.admit(one, &more[1]));
        drop(held);
        assert!(sources.admit(one, &more[1]), "those that have ended count no more");
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let mut sources = Sources::default();
        for number in 0..3 * u32::try_from(SOURCES_MAX).unwrap() {
            assert!(sources.admit(IpAddr::from(number.to_be_bytes()), &Tally::default()));
        }
        assert!(sources.of.len() <= SOURCES_MAX);
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let read = |text: &str| source(text.parse().unwrap());
        assert_eq!(read("2001:db8::1"), read("2001:db8::ffff:1"));
        assert_ne!(read("2001:db8::1"), read("2001:db8:0:1::1"));
        assert_eq!(read("::ffff:192.0.2.1"), IpAddr::from([192, 0, 2, 1]));
    }
}
