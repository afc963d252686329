//! Which addresses are of the public Internet: a name or an address that a stranger gives must lead nowhere else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses a stranger may make us connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public Internet.
    Public,
    /// Those, this machine's and those of private networks; not link-local ones, at which clouds tell their secrets.
    Inside,
    /// Every one.
    Everywhere,
}

impl Reach {
    /// Whether that address is among them.
    pub fn allows(self, ip: IpAddr) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Inside => is_public(ip) || is_inside(ip.to_canonical()),
            Self::Public => is_public(ip),
        }
    }
}

/// Whether an address is one of this machine, or of a private network (RFC 1918, RFC 4193).
fn is_inside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || (ip.is_unique_local() && ip != CLOUD_V6),
    }
}

/// Where a cloud tells a machine its secrets by IPv6.
const CLOUD_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The host of a URL as an address, if it is one.
pub fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is one of the public Internet, and not of this machine, its networks, or for special use (RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let is_special = matches!(
        (a, b, c),
        (0 | 10 | 127 | 240..=255, ..) | (100, 64..=127, _) | (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _)
    );
    !(is_special || ip.is_private() || ip.is_link_local() || ip.is_multicast() || ip.is_documentation())
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let [a, b, ..] = segments;
    let embedded = |high: u16, low: u16| {
        let [[x, y], [z, w]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(x, y, z, w))
    };
    match segments {
        // IPv4 inside: mapped, compatible, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Only 2000::/3 is given out; of it not Teredo and others of 2001::/23, and not the documentation's.
        _ => a & 0xe000 == 0x2000 && !(a == 0x2001 && (b < 0x200 || b == 0xdb8)) && a != 0x3fff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_let_in() {
        for public in [
            "9.9.9.9",
            "172.32.0.1",
            "100.128.0.1",
            "2620:fe::fe",
            "::ffff:9.9.9.9",
            "64:ff9b::909:909",
            "2002:909:909::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::7f00:1",
            "64:ff9b::a00:1",
            "2002:7f00:1::1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn inside_are_this_machine_and_private_networks_and_not_where_clouds_tell_secrets() {
        for inside in ["127.3.0.1", "10.0.0.1", "192.168.1.1", "::1", "fd12::1", "::ffff:10.0.0.1", "9.9.9.9"] {
            assert!(Reach::Inside.allows(inside.parse().unwrap()), "{inside}");
        }
        for other in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "100.100.100.200",
            "224.0.0.1",
        ] {
            assert!(!Reach::Inside.allows(other.parse().unwrap()), "{other}");
        }
    }
}
