//! The sources of a trunk's calls, for comparison.

use std::net::IpAddr;

use super::Trunk;

impl Trunk {
    /// The networks of `allow`, each as its first address and prefix length, so that those that are equal compare equal.
    pub fn networks(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        self.allow.iter().filter_map(|text| network(text))
    }
}

/// A network such as `192.0.2.0/24`, or one address: its first address and its prefix length. `None` if it is neither.
pub fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = bits.map_or(Some(longest), |bits| bits.parse().ok()).filter(|bits| *bits <= longest)?;
    let rest = u32::from(longest - bits);
    let first = match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(rest).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0)).into()),
    };
    Some((first, bits))
}
