//! Connections by source address. Connecting needs no token, so each address has a limit of connections without one, and so has each network
//! that a customer may have: it cannot use up the places of other addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::counted::{Tally, Watched};

/// Maximum of connections of one address without a token: enough for the pages of an office behind one address; an
/// eighth of a listener's maximum.
const STRANGERS_OF_SOURCE_MAX: usize = 512;
/// The same for one network of IPv6 that a customer may have.
const STRANGERS_OF_NETWORK_MAX: usize = 1_024;
/// Maximum of connections of a web server in front that have brought no request yet: whole networks may be trusted, with others in them than
/// web servers. Half of a listener's maximum.
const OF_WEB_SERVER_MAX: usize = 2_048;
/// The same for all of them: three quarters.
const OF_WEB_SERVERS_MAX: usize = 3_072;
/// What stands for all of them.
const WEB_SERVERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Number of addresses from which on those without connections are removed.
const SOURCES_MAX: usize = 8_192;

/// Whether the connections of an address are those of many.
pub(crate) type CarriesMany = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// The connections of one listener.
#[derive(Default)]
pub(crate) struct Sources {
    of: SourceStrangers,
    of_networks: SourceStrangers,
    of_web_server: SourceStrangers,
    of_web_servers: SourceStrangers,
    /// Addresses with wider limits; none if there are no such.
    carries_many: Option<CarriesMany>,
}

impl Sources {
    /// With wider limits for these addresses.
    pub fn with_wider_limits_for(carries_many: Option<CarriesMany>) -> Self {
        Self { carries_many, ..Self::default() }
    }

    /// Admits a connection; false if its address, or its network, has too many without a token.
    pub fn admit(&mut self, from: IpAddr, connection: &Tally) -> bool {
        let carries_many = self.carries_many.as_ref().is_some_and(|carries_many| carries_many(from));
        let (of_source, of_group, source_max, group_max, group) = if carries_many {
            let (of_source, of_group) = (&mut self.of_web_server, &mut self.of_web_servers);
            (of_source, of_group, OF_WEB_SERVER_MAX, OF_WEB_SERVERS_MAX, Some(WEB_SERVERS))
        } else {
            let (of_source, of_group) = (&mut self.of, &mut self.of_networks);
            (of_source, of_group, STRANGERS_OF_SOURCE_MAX, STRANGERS_OF_NETWORK_MAX, network(from))
        };
        let source = source(from);
        let has_room =
            of_source.has_room(source, source_max) && group.is_none_or(|group| of_group.has_room(group, group_max));
        if has_room {
            of_source.add(source, connection);
            if let Some(group) = group {
                of_group.add(group, connection);
            }
        }
        has_room
    }
}

/// Connections on which no token was shown, by where they come from.
#[derive(Default)]
struct SourceStrangers(HashMap<IpAddr, Vec<Watched>>);

impl SourceStrangers {
    /// Whether one more may come from there. Those that have ended, or shown a token, are forgotten when there seem to be too many.
    fn has_room(&mut self, from: IpAddr, strangers_max: usize) -> bool {
        let Some(held) = self.0.get_mut(&from) else { return true };
        if held.len() >= strangers_max {
            held.retain(Watched::is_unauthenticated);
        }
        held.len() < strangers_max
    }

    fn add(&mut self, from: IpAddr, connection: &Tally) {
        if self.0.len() >= SOURCES_MAX {
            self.0.retain(|_, held| {
                held.retain(Watched::is_unauthenticated);
                !held.is_empty()
            });
        }
        self.0.entry(from).or_default().push(connection.watched());
    }
}

/// The least network of IPv6 that a host has to itself: all addresses of a /64 count as one.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 => v4,
    }
}

/// The network of IPv6 that a customer may have, a /48 (RFC 6177); none of IPv4, where each address is one.
fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(v6) => Some(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80)).into()),
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::CONNECTIONS_MAX;

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
    fn a_web_server_that_passes_on_requests_of_many_has_more_and_leaves_places_to_others() {
        let (proxy, neighbour, other) = ([192_u8, 0, 2, 80], [192, 0, 2, 81], [203, 0, 113, 1]);
        let [proxy, neighbour, other] = [proxy, neighbour, other].map(IpAddr::from);
        let mut sources = Sources::with_wider_limits_for(Some(Arc::new(move |from: IpAddr| from != other)));
        let held = connections(CONNECTIONS_MAX);
        for (from, admitted) in [
            (proxy, OF_WEB_SERVER_MAX),
            (neighbour, OF_WEB_SERVERS_MAX - OF_WEB_SERVER_MAX),
            (other, STRANGERS_OF_SOURCE_MAX),
        ] {
            assert_eq!(held.iter().filter(|connection| sources.admit(from, connection)).count(), admitted, "{from}");
        }
        // Each has brought a request that the web server passes on.
        held.iter().for_each(Tally::mark_authenticated);
        let more = connections(CONNECTIONS_MAX);
        assert_eq!(more.iter().filter(|connection| sources.admit(proxy, connection)).count(), OF_WEB_SERVER_MAX);
    }

    #[test]
    fn addresses_without_connections_are_forgotten() {
        let mut sources = Sources::default();
        for number in 0..3 * u32::try_from(SOURCES_MAX).unwrap() {
            assert!(sources.admit(IpAddr::from(number.to_be_bytes()), &Tally::default()));
        }
        assert!(sources.of.0.len() <= SOURCES_MAX);
    }

    #[test]
    fn a_customer_with_many_networks_of_ipv6_has_a_part_of_the_places() {
        let (mut sources, held) = (Sources::default(), connections(4 * STRANGERS_OF_NETWORK_MAX));
        let read = |text: String| text.parse::<IpAddr>().unwrap();
        let of_customer = held.iter().enumerate().filter(|(n, connection)| {
            let from = read(format!("2001:db8:0:{n:x}::1"));
            sources.admit(from, connection)
        });
        assert_eq!(of_customer.count(), STRANGERS_OF_NETWORK_MAX);
        let more = connections(2);
        assert!(sources.admit(read("2001:db8:1::1".to_owned()), &more[0]), "another customer");
        held[7].mark_authenticated();
        assert!(sources.admit(read("2001:db8::1".to_owned()), &more[1]), "one with a token counts no more");
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let read = |text: &str| source(text.parse().unwrap());
        assert_eq!(read("2001:db8::1"), read("2001:db8::ffff:1"));
        assert_ne!(read("2001:db8::1"), read("2001:db8:0:1::1"));
        assert_eq!(read("::ffff:192.0.2.1"), IpAddr::from([192, 0, 2, 1]));
    }
}
