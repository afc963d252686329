//! Which trunk a source belongs to.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Trunk;
use super::settings::Network;

/// Trunks by their networks. The narrowest network that contains a source decides. A look-up costs one probe for each prefix
/// length in use, however many trunks there are: each datagram from the edge needs one before its rate is known.
#[derive(Debug, Default)]
pub struct Trunks {
    by_network: HashMap<Network, Vec<Arc<Trunk>>>,
    /// Prefix lengths in use, the longest first.
    ipv4: Vec<u8>,
    ipv6: Vec<u8>,
}

impl Trunks {
    /// Whether a trunk names the source.
    pub fn contains(&self, source: IpAddr) -> bool {
        !self.of(source).is_empty()
    }

    /// The trunks with the narrowest network that contains the source: tenants may share a carrier.
    pub fn of(&self, source: IpAddr) -> &[Arc<Trunk>] {
        self.around(source).next().unwrap_or_default()
    }

    /// The trunks with each network that contains the source, the narrowest network first.
    pub(super) fn around(&self, source: IpAddr) -> impl Iterator<Item = &[Arc<Trunk>]> {
        let source = source.to_canonical();
        let lengths = if source.is_ipv4() { &self.ipv4 } else { &self.ipv6 };
        let networks = lengths.iter().filter_map(move |bits| Network::around(source, *bits));
        networks.filter_map(|network| self.by_network.get(&network)).map(Vec::as_slice)
    }
}

impl<T: Into<Arc<Trunk>>> FromIterator<T> for Trunks {
    fn from_iter<I: IntoIterator<Item = T>>(trunks: I) -> Self {
        let mut of = Self::default();
        for trunk in trunks.into_iter().map(Into::into) {
            for network in &trunk.allow {
                let lengths = if network.is_ipv4() { &mut of.ipv4 } else { &mut of.ipv6 };
                if let Err(place) = lengths.binary_search_by(|bits| network.bits().cmp(bits)) {
                    lengths.insert(place, network.bits());
                }
                let sharing = of.by_network.entry(*network).or_default();
                if !sharing.iter().any(|other| Arc::ptr_eq(other, &trunk)) {
                    sharing.push(trunk.clone());
                }
            }
        }
        of
    }
}

#[cfg(test)]
mod tests {
    use model::TenantId;
    use proptest::prelude::*;

    use super::*;

    fn trunk(name: &str, networks: &[&str]) -> Trunk {
        let allow = networks.iter().map(|text| Network::parse(text).unwrap()).collect();
        Trunk { tenant: TenantId::parse("acme").unwrap(), name: name.into(), allow, asked: None, user: None }
    }

    fn names<'a>(trunks: &'a Trunks, source: &str) -> Vec<&'a str> {
        trunks.of(source.parse().unwrap()).iter().map(|trunk| &*trunk.name).collect()
    }

    #[test]
    fn the_narrowest_network_decides_and_may_be_shared() {
        let trunks: Trunks = [
            trunk("wide", &["0.0.0.0/0", "2001:db8::/32"]),
            trunk("narrow", &["192.0.2.9/24"]),
            trunk("same", &["192.0.2.0/24", "192.0.2.1/24"]),
            trunk("host", &["::ffff:192.0.2.7"]),
        ]
        .into_iter()
        .collect();
        assert_eq!(names(&trunks, "203.0.113.1"), ["wide"]);
        assert_eq!(names(&trunks, "192.0.2.1"), ["narrow", "same"]);
        assert_eq!(names(&trunks, "::ffff:192.0.2.1"), ["narrow", "same"]);
        assert_eq!(names(&trunks, "192.0.2.7"), ["host"]);
        assert_eq!(names(&trunks, "2001:db8::1"), ["wide"]);
        assert_eq!(names(&trunks, "2001:db9::1"), [""; 0]);
    }

    proptest! {
        /// The law: what is found by prefix is what a look at each network finds.
        #[test]
        fn every_source_finds_what_a_scan_finds(
            networks in proptest::collection::vec((any::<u32>(), 0_u8..=32), 0..40),
            source in any::<u32>(),
            near in any::<proptest::sample::Index>(),
            flip in 0_u32..32,
        ) {
            let text = |bits: u32| std::net::Ipv4Addr::from_bits(bits).to_string();
            let all: Vec<Arc<Trunk>> = networks
                .iter()
                .enumerate()
                .map(|(at, (address, bits))| Arc::new(trunk(&at.to_string(), &[&format!("{}/{bits}", text(*address))])))
                .collect();
            let trunks: Trunks = all.iter().cloned().collect();
            // Half of the sources are one bit off a network's address.
            let source = if networks.is_empty() { source } else { networks[near.index(networks.len())].0 ^ (1 << flip) };
            let source: IpAddr = text(source).parse().unwrap();
            let most = all.iter().filter(|t| t.allow[0].contains(source)).map(|t| t.allow[0].bits()).max();
            let scanned: Vec<&str> =
                all.iter().filter(|t| t.allow[0].contains(source) && Some(t.allow[0].bits()) == most).map(|t| &*t.name).collect();
            let found: Vec<&str> = trunks.of(source).iter().map(|t| &*t.name).collect();
            prop_assert_eq!(found, scanned);
        }
    }
}
