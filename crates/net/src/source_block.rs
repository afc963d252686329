//! What counts as one source.

use std::net::{IpAddr, Ipv6Addr};

/// The unit that counts as one source: an IPv4 address, or an IPv6 /64, the least that one host has to itself.
pub(crate) fn block(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64))),
    }
}
