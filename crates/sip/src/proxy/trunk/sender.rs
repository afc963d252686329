//! Which trunk a sender is: by the certificate that it has shown, or by its address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::proxy::Trunk;
use crate::proxy::settings::Network;

/// Trunks by their networks and by the names in their certificates. The narrowest network that contains a source decides. A look-up
/// costs one probe for each prefix length in use, however many trunks there are: each datagram from the edge needs one before its rate
/// is known.
#[derive(Debug, Default)]
pub struct Trunks {
    by_network: HashMap<Network, Vec<Arc<Trunk>>>,
    by_name: HashMap<Box<str>, Vec<Arc<Trunk>>>,
    /// By the servers with which we register.
    by_registrar: HashMap<Box<str>, Vec<Arc<Trunk>>>,
    /// Prefix lengths in use, the longest first.
    ipv4: Vec<u8>,
    ipv6: Vec<u8>,
}

/// What nobody can forge about who sends a request.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Sender<'a> {
    /// Its address.
    pub(in crate::proxy) address: IpAddr,
    /// The domains in the certificate that it has shown, in lower case; none without one.
    pub(in crate::proxy) domains: &'a [Box<str>],
    /// The name that it has proved, where we have connected to it over TLS.
    pub(in crate::proxy) proved: Option<&'a str>,
}

/// What a sender lacks to be the trunk that it could be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lacking {
    /// It comes from the trunk's address, and has shown no certificate that an authority of ours vouches for.
    Certificate,
    /// It comes from the trunk's address, and its certificate is for other names.
    OtherCertificate,
    /// It has shown the trunk's certificate, and comes from another address.
    Address,
}

impl Trunks {
    /// Whether a trunk names the source, though it may want a certificate too.
    pub fn contains(&self, source: IpAddr) -> bool {
        !self.of(source).is_empty()
    }

    /// Whether a trunk names the source that needs nothing else: whoever sends from there is its carrier.
    pub fn knows_by_address(&self, source: IpAddr) -> bool {
        self.of_source(source).next().is_some()
    }

    /// The trunks with the narrowest network that contains the source: tenants may share a carrier.
    fn of(&self, source: IpAddr) -> &[Arc<Trunk>] {
        self.around(source).next().unwrap_or_default()
    }

    /// The trunks that a sender may be: those that its certificate names; without such, those of its source that need no certificate, and
    /// those that register by its connection.
    pub(in crate::proxy) fn of_sender<'a>(&'a self, sender: Sender<'a>) -> impl Iterator<Item = &'a Arc<Trunk>> {
        let is_certified = self.certified(sender).next().is_some();
        let others = self.of_source(sender.address).chain(self.registering(sender));
        self.certified(sender).chain(others.filter(move |_| !is_certified))
    }

    /// The trunk of a call that a sender makes to none of their accounts. What it has proved goes before its address. By a connection that
    /// several tenants share a call is nobody's: each may have named the carrier.
    pub(in crate::proxy) fn of_call<'a>(&'a self, sender: Sender<'a>) -> Option<&'a Arc<Trunk>> {
        let of_connection = || {
            let last = self.registering(sender).last()?;
            self.registering(sender).all(|trunk| trunk.tenant == last.tenant).then_some(last)
        };
        self.certified(sender).last().or_else(|| self.of_source(sender.address).last()).or_else(of_connection)
    }

    /// Whether a sender has proved that it is a trunk's carrier.
    pub(in crate::proxy) fn has_proved(&self, sender: Sender<'_>) -> bool {
        self.certified(sender).chain(self.registering(sender)).next().is_some()
    }

    /// The trunks with the narrowest network around a source that need no certificate. A narrower network of a trunk that needs one takes
    /// nothing from a wider one: it may be another tenant's.
    fn of_source(&self, source: IpAddr) -> impl Iterator<Item = &Arc<Trunk>> {
        let needs_none = |trunk: &&Arc<Trunk>| trunk.certificate_names.is_empty();
        let mut networks = self.around(source);
        let found = networks.find(|trunks| trunks.iter().any(|trunk| needs_none(&trunk))).unwrap_or_default();
        found.iter().filter(needs_none)
    }

    /// The trunks that the certificate of a sender names, unless they name other networks than that of its address.
    pub(in crate::proxy) fn certified<'a>(&'a self, sender: Sender<'a>) -> impl Iterator<Item = &'a Arc<Trunk>> {
        let may_come_from = move |trunk: &&Arc<Trunk>| {
            trunk.allow.is_empty() || trunk.allow.iter().any(|network| network.contains(sender.address))
        };
        self.named(sender.domains).filter(may_come_from)
    }

    /// The trunk that a sender could be which is none by [`Self::of_sender`], and what it lacks.
    pub(in crate::proxy) fn lacking<'a>(&'a self, sender: Sender<'a>) -> Option<(&'a Arc<Trunk>, Lacking)> {
        let by_name = self.named(sender.domains).last().map(|trunk| (trunk, Lacking::Address));
        let of_source = || self.of(sender.address).iter().find(|trunk| !trunk.certificate_names.is_empty());
        let lacks = if sender.domains.is_empty() { Lacking::Certificate } else { Lacking::OtherCertificate };
        by_name.or_else(|| of_source().map(|trunk| (trunk, lacks)))
    }

    /// On a connection that we have opened, the trunks that register with the server that has proved its name there: carriers call back by
    /// it, and show us no certificate as a client.
    pub(in crate::proxy) fn registering<'a>(&'a self, sender: Sender<'a>) -> impl Iterator<Item = &'a Arc<Trunk>> {
        let known = sender.proved.and_then(|name| self.by_registrar.get(&*name.to_ascii_lowercase()));
        known.into_iter().flatten()
    }

    fn named<'a>(&'a self, domains: &'a [Box<str>]) -> impl Iterator<Item = &'a Arc<Trunk>> {
        domains.iter().filter_map(move |domain| self.by_name.get(domain)).flatten()
    }

    /// The trunks with each network that contains the source, the narrowest network first.
    pub(in crate::proxy) fn around(&self, source: IpAddr) -> impl Iterator<Item = &[Arc<Trunk>]> {
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
            for name in &trunk.certificate_names {
                of.by_name.entry(name.clone()).or_default().push(trunk.clone());
            }
            if let Some(name) = &trunk.registrar {
                of.by_registrar.entry(name.clone()).or_default().push(trunk.clone());
            }
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
    use crate::proxy::InboundPassword;

    fn trunk(name: &str, networks: &[&str]) -> Trunk {
        let allow = networks.iter().map(|text| Network::parse(text).unwrap()).collect();
        Trunk {
            tenant: TenantId::parse("acme").unwrap(),
            name: name.into(),
            allow,
            certificate_names: Vec::new(),
            asked: None,
            user: None,
            registrar: None,
            inbound: InboundPassword::NotAsked,
        }
    }

    fn names<'a>(trunks: &'a Trunks, source: &str) -> Vec<&'a str> {
        trunks.of(source.parse().unwrap()).iter().map(|trunk| &*trunk.name).collect()
    }

    /// The names of the trunks that a sender with these domains may be.
    fn of_sender(trunks: &Trunks, address: &str, domains: &[&str]) -> Vec<String> {
        let domains: Vec<Box<str>> = domains.iter().map(|domain| (*domain).into()).collect();
        let sender = Sender { address: address.parse().unwrap(), domains: &domains, proved: None };
        trunks.of_sender(sender).map(|trunk| trunk.name.clone()).collect()
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

    #[test]
    fn a_certificate_goes_before_the_address_and_does_not_replace_it() {
        let named = |name: &str, networks: &[&str], certificate: &str| Trunk {
            certificate_names: vec![certificate.into()],
            ..trunk(name, networks)
        };
        let trunks: Trunks = [
            trunk("plain", &["192.0.2.0/24", "198.51.100.0/24"]),
            named("anywhere", &[], "one.example"),
            named("both", &["198.51.100.7"], "two.example"),
        ]
        .into_iter()
        .collect();
        for (address, domains, found) in [
            ("203.0.113.1", &["one.example"][..], &["anywhere"][..]),
            ("192.0.2.1", &["other.example", "one.example"], &["anywhere"]),
            ("192.0.2.1", &["other.example"], &["plain"]),
            ("198.51.100.7", &["two.example"], &["both"]),
            ("198.51.100.7", &["other.example"], &["plain"]),
            ("198.51.100.7", &[], &["plain"]),
            ("203.0.113.1", &["two.example"], &[]),
            ("203.0.113.1", &[], &[]),
        ] {
            assert_eq!(of_sender(&trunks, address, domains), found, "{address} {domains:?}");
        }
    }

    #[test]
    fn a_network_beside_a_certificate_makes_nobody_in_it_known() {
        let named = Trunk { certificate_names: vec!["one.example".into()], ..trunk("named", &["0.0.0.0/0"]) };
        let trunks: Trunks = [named, trunk("plain", &["192.0.2.0/24"])].into_iter().collect();
        for (source, is_known) in [("192.0.2.1", true), ("203.0.113.1", false)] {
            let source = source.parse().unwrap();
            assert_eq!((trunks.contains(source), trunks.knows_by_address(source)), (true, is_known), "{source}");
        }
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
