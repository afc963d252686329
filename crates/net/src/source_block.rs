//! What counts as one source.

use std::net::{IpAddr, Ipv6Addr};

/// The unit that counts as one source: an IPv4 address, or an IPv6 /64, the least that one host has to itself.
pub(crate) fn block(source: IpAddr) -> IpAddr {
    masked(source, 64)
}

/// The network of many such units that one customer may have: an IPv4 address, or an IPv6 /48 (RFC 6177).
pub(crate) fn network(source: IpAddr) -> IpAddr {
    masked(source, 80)
}

/// Without the last bits of an IPv6 address.
fn masked(source: IpAddr, without: u32) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << without))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_of_one_host_and_a_network_of_one_customer() {
        let read = |text: &str| text.parse::<IpAddr>().unwrap();
        for (source, of_host, of_customer) in [
            ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3::4", "2001:db8:1:2::", "2001:db8:1::"),
        ] {
            assert_eq!((block(read(source)), network(read(source))), (read(of_host), read(of_customer)));
        }
    }
}
