//! Which trunk a sender is: by the certificate that it has shown, or by its address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use model::TenantId;

use crate::flow::Flow;
use crate::proxy::settings::Network;
use crate::proxy::{InboundPassword, Trunk};

/// Whether a request may come from a trunk. Carriers do not call by WebSocket; and any page that a browser
/// in a trunk's network shows may open one, as may everybody behind a web server there that passes it on, or behind a gateway.
pub(in crate::proxy) const fn may_be_trunks(flow: Flow) -> bool {
    !flow.transport().is_web_socket() && !flow.is_of_gateway()
}

/// Trunks by their networks and by the names in their certificates. The narrowest network that contains a source decides. A look-up
/// costs one probe for each prefix length in use, however many trunks there are, and however many share a network or a name: each datagram
/// from the edge needs one before its rate is known.
#[derive(Debug, Default)]
pub struct Trunks {
    all: Vec<Arc<Trunk>>,
    by_network: HashMap<Network, TrunksOfNetwork>,
    by_name: HashMap<Box<str>, SharingTrunks>,
    /// By the servers with which we register.
    by_registrar: HashMap<Box<str>, SharingTrunks>,
    /// Prefix lengths in use, the longest first.
    ipv4: Vec<u8>,
    ipv6: Vec<u8>,
}

/// The trunks that name one network.
#[derive(Debug, Default)]
struct TrunksOfNetwork {
    all: Vec<Arc<Trunk>>,
    /// Those that need no certificate.
    uncertified: SharingTrunks,
    /// Those of them that need no password either: whoever sends from there is their carrier.
    plain: Vec<Arc<Trunk>>,
}

impl TrunksOfNetwork {
    fn add(&mut self, trunk: &Arc<Trunk>) {
        add_once(&mut self.all, trunk);
        if !trunk.certificate_names.is_empty() {
            return;
        }
        self.uncertified.add(trunk);
        if trunk.inbound == InboundPassword::NotAsked {
            add_once(&mut self.plain, trunk);
        }
    }
}

/// Trunks that are known by the same.
#[derive(Debug, Default)]
struct SharingTrunks {
    all: Vec<Arc<Trunk>>,
    /// By the users under which we have registered with their carriers.
    by_user: HashMap<Box<str>, Vec<Arc<Trunk>>>,
    /// Their tenants, each once, in order.
    tenants: Arc<[TenantId]>,
}

impl SharingTrunks {
    fn add(&mut self, trunk: &Arc<Trunk>) {
        add_once(&mut self.all, trunk);
        if let Some(user) = &trunk.user {
            add_once(self.by_user.entry(user.as_str().into()).or_default(), trunk);
        }
    }

    fn of_user(&self, user: &str) -> &[Arc<Trunk>] {
        self.by_user.get(user).map(Vec::as_slice).unwrap_or_default()
    }

    fn list_tenants(&mut self) {
        self.tenants = tenants_of(self.all.iter());
    }
}

/// Adds a trunk, unless it was added last: it may name the same twice, and no other trunk comes in between.
fn add_once(trunks: &mut Vec<Arc<Trunk>>, trunk: &Arc<Trunk>) {
    if trunks.last().is_none_or(|last| !Arc::ptr_eq(last, trunk)) {
        trunks.push(trunk.clone());
    }
}

/// The tenants of trunks, each once, in order.
fn tenants_of<'a>(trunks: impl Iterator<Item = &'a Arc<Trunk>>) -> Arc<[TenantId]> {
    let mut tenants: Vec<TenantId> = trunks.map(|trunk| trunk.tenant.clone()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    tenants.into()
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

impl Sender<'_> {
    fn may_call_by(&self, trunk: &Trunk) -> bool {
        trunk.allow.is_empty() || trunk.allow.iter().any(|network| network.contains(self.address))
    }
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
    /// All of them, in the order in which they were given.
    pub fn all(&self) -> &[Arc<Trunk>] {
        &self.all
    }

    /// Whether a trunk names the source, though it may want a certificate or a password too.
    pub fn contains(&self, source: IpAddr) -> bool {
        self.around(source).next().is_some()
    }

    /// Whether a trunk names the source that needs nothing else, neither a certificate nor a password: whoever sends from there is its carrier.
    pub fn knows_by_address(&self, source: IpAddr) -> bool {
        self.around(source).any(|network| !network.plain.is_empty())
    }

    /// The trunks that a sender may be: those that its certificate names; without such, those of its source that need no certificate, and
    /// those that register by its connection.
    pub(in crate::proxy) fn of_sender<'a>(&'a self, sender: Sender<'a>) -> impl Iterator<Item = &'a Arc<Trunk>> {
        let is_certified = self.certified(sender).next().is_some();
        let of_source = self.of_source(sender.address).into_iter().flat_map(|sharing| &sharing.all);
        let others = of_source.chain(self.registering(sender));
        self.certified(sender).chain(others.filter(move |_| !is_certified))
    }

    /// The tenants of the trunks that a sender may be, each once, in order.
    pub(in crate::proxy) fn tenants(&self, sender: Sender<'_>) -> Arc<[TenantId]> {
        if sender.domains.is_empty() && sender.proved.is_none() {
            let of_source = self.of_source(sender.address);
            return of_source.map(|sharing| sharing.tenants.clone()).unwrap_or_default();
        }
        tenants_of(self.of_sender(sender))
    }

    /// The trunks that a sender may be whose account is called: those that its certificate names, those that register by its connection, and
    /// those of all networks around its source that need no certificate. Beside a certificate an address alone is no claim to an account, which
    /// anybody can write into a tenant's file: such a trunk has to register it.
    pub(in crate::proxy) fn of_account<'a>(&'a self, user: &str, sender: Sender<'a>) -> Vec<&'a Arc<Trunk>> {
        let certified = self.named(sender.domains).flat_map(|sharing| sharing.of_user(user));
        let registering = self.registrar_of(sender).into_iter().flat_map(|sharing| sharing.of_user(user));
        let is_certified = self.certified(sender).next().is_some();
        let of_source = self.around(sender.address).flat_map(|network| network.uncertified.of_user(user));
        let of_source = of_source.filter(|trunk| !is_certified || trunk.registrar.is_some());
        certified.filter(|trunk| sender.may_call_by(trunk)).chain(registering).chain(of_source).collect()
    }

    /// The trunk of a call that a sender makes to none of their accounts. What it has proved goes before its address. By a connection that
    /// several tenants share a call is nobody's: each may have named the carrier.
    pub(in crate::proxy) fn of_call<'a>(&'a self, sender: Sender<'a>) -> Option<&'a Arc<Trunk>> {
        let of_source = || self.of_source(sender.address)?.all.last();
        let of_connection = || self.registrar_of(sender).filter(|sharing| sharing.tenants.len() == 1)?.all.last();
        self.certified(sender).next_back().or_else(of_source).or_else(of_connection)
    }

    /// The trunks between which the number that is called has to decide: its certificate names some, its address alone makes others of it, and
    /// they are of several tenants. None where there is no such doubt.
    pub(in crate::proxy) fn rivals<'a>(&'a self, sender: Sender<'a>) -> Vec<&'a Arc<Trunk>> {
        let Some(first) = self.certified(sender).next() else { return Vec::new() };
        let mut networks = self.around(sender.address);
        let Some(network) = networks.find(|network| !network.plain.is_empty()) else { return Vec::new() };
        let rivals: Vec<&Arc<Trunk>> = self.certified(sender).chain(&network.plain).collect();
        if rivals.iter().all(|trunk| trunk.tenant == first.tenant) { Vec::new() } else { rivals }
    }

    /// Whether a sender has proved that it is a trunk's carrier.
    pub(in crate::proxy) fn has_proved(&self, sender: Sender<'_>) -> bool {
        self.certified(sender).chain(self.registering(sender)).next().is_some()
    }

    /// The trunks with the narrowest network around a source that need no certificate. A narrower network of a trunk that needs one takes
    /// nothing from a wider one: it may be another tenant's.
    fn of_source(&self, source: IpAddr) -> Option<&SharingTrunks> {
        self.around(source).map(|network| &network.uncertified).find(|sharing| !sharing.all.is_empty())
    }

    /// The trunks that the certificate of a sender names, unless they name other networks than that of its address.
    pub(in crate::proxy) fn certified<'a>(
        &'a self,
        sender: Sender<'a>,
    ) -> impl DoubleEndedIterator<Item = &'a Arc<Trunk>> {
        let named = self.named(sender.domains).flat_map(|sharing| &sharing.all);
        named.filter(move |trunk| sender.may_call_by(trunk))
    }

    /// The trunk that a sender could be which is none by [`Self::of_sender`], and what it lacks.
    pub(in crate::proxy) fn lacking<'a>(&'a self, sender: Sender<'a>) -> Option<(&'a Arc<Trunk>, Lacking)> {
        let mut named = self.named(sender.domains).flat_map(|sharing| &sharing.all);
        let by_name = named.next_back().map(|trunk| (trunk, Lacking::Address));
        let narrowest = || self.around(sender.address).next();
        let of_source = || narrowest()?.all.iter().find(|trunk| !trunk.certificate_names.is_empty());
        let lacks = if sender.domains.is_empty() { Lacking::Certificate } else { Lacking::OtherCertificate };
        by_name.or_else(|| of_source().map(|trunk| (trunk, lacks)))
    }

    /// On a connection that we have opened, the trunks that register with the server that has proved its name there: carriers call back by
    /// it, and show us no certificate as a client.
    fn registering<'a>(&'a self, sender: Sender<'a>) -> impl Iterator<Item = &'a Arc<Trunk>> {
        self.registrar_of(sender).into_iter().flat_map(|sharing| &sharing.all)
    }

    fn registrar_of(&self, sender: Sender<'_>) -> Option<&SharingTrunks> {
        sender.proved.and_then(|name| self.by_registrar.get(&*name.to_ascii_lowercase()))
    }

    fn named<'a>(&'a self, domains: &'a [Box<str>]) -> impl DoubleEndedIterator<Item = &'a SharingTrunks> {
        domains.iter().filter_map(move |domain| self.by_name.get(domain))
    }

    /// The trunks with each network that contains the source, the narrowest network first.
    fn around(&self, source: IpAddr) -> impl Iterator<Item = &TrunksOfNetwork> {
        let source = source.to_canonical();
        let lengths = if source.is_ipv4() { &self.ipv4 } else { &self.ipv6 };
        let networks = lengths.iter().filter_map(move |bits| Network::around(source, *bits));
        networks.filter_map(|network| self.by_network.get(&network))
    }

    fn add(&mut self, trunk: Arc<Trunk>) {
        for name in &trunk.certificate_names {
            self.by_name.entry(name.clone()).or_default().add(&trunk);
        }
        if let Some(name) = &trunk.registrar {
            self.by_registrar.entry(name.clone()).or_default().add(&trunk);
        }
        for network in &trunk.allow {
            let lengths = if network.is_ipv4() { &mut self.ipv4 } else { &mut self.ipv6 };
            if let Err(place) = lengths.binary_search_by(|bits| network.bits().cmp(bits)) {
                lengths.insert(place, network.bits());
            }
            self.by_network.entry(*network).or_default().add(&trunk);
        }
        self.all.push(trunk);
    }
}

impl<T: Into<Arc<Trunk>>> FromIterator<T> for Trunks {
    fn from_iter<I: IntoIterator<Item = T>>(trunks: I) -> Self {
        let mut of = Self::default();
        trunks.into_iter().map(Into::into).for_each(|trunk| of.add(trunk));
        let of_networks = of.by_network.values_mut().map(|network| &mut network.uncertified);
        let sharing = of_networks.chain(of.by_name.values_mut()).chain(of.by_registrar.values_mut());
        sharing.for_each(SharingTrunks::list_tenants);
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

    /// The names of the trunks with the narrowest network around a source.
    fn names<'a>(trunks: &'a Trunks, source: &str) -> Vec<&'a str> {
        let narrowest = trunks.around(source.parse().unwrap()).next();
        narrowest.into_iter().flat_map(|network| &network.all).map(|trunk| &*trunk.name).collect()
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

    fn asks_for_password(trunk: Trunk) -> Trunk {
        Trunk { inbound: InboundPassword::Unread, ..trunk }
    }

    #[test]
    fn a_network_beside_a_password_makes_nobody_in_it_known() {
        let trunks: Trunks = [
            asks_for_password(trunk("pbx", &["0.0.0.0/0"])),
            asks_for_password(trunk("narrow", &["192.0.2.7"])),
            trunk("plain", &["192.0.2.0/24"]),
        ]
        .into_iter()
        .collect();
        for (source, is_known) in [("192.0.2.1", true), ("192.0.2.7", true), ("203.0.113.1", false)] {
            let source = source.parse().unwrap();
            assert_eq!((trunks.contains(source), trunks.knows_by_address(source)), (true, is_known), "{source}");
        }
        assert_eq!(of_sender(&trunks, "203.0.113.1", &[]), ["pbx"], "it is asked for the password");
        assert_eq!(of_sender(&trunks, "192.0.2.7", &[]), ["narrow"]);
    }

    #[test]
    fn what_trunks_share_is_listed_once_however_many_they_are() {
        let of = |at: usize| Trunk {
            tenant: TenantId::parse(["zenith", "acme"][at % 2]).unwrap(),
            user: Some(format!("line-{at}")),
            ..trunk(&at.to_string(), &["192.0.2.0/24", "192.0.2.1/24"])
        };
        let trunks: Trunks = (0..2_000).map(of).collect();
        let sender = Sender { address: "192.0.2.9".parse().unwrap(), domains: &[], proved: None };
        let tenants = trunks.tenants(sender);
        assert_eq!(tenants.iter().map(TenantId::as_str).collect::<Vec<_>>(), ["acme", "zenith"]);
        assert!(Arc::ptr_eq(&tenants, &trunks.tenants(sender)), "no call makes the list anew");
        assert_eq!((trunks.all().len(), trunks.of_sender(sender).count()), (2_000, 2_000), "each of them once");
        let network = trunks.around(sender.address).next().unwrap();
        assert!(network.uncertified.by_user.values().all(|of_user| of_user.len() == 1));
        let called: Vec<&str> = trunks.of_account("line-7", sender).iter().map(|trunk| &*trunk.name).collect();
        assert_eq!(called, ["7"]);
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
            let address = text(source);
            let source: IpAddr = address.parse().unwrap();
            let most = all.iter().filter(|t| t.allow[0].contains(source)).map(|t| t.allow[0].bits()).max();
            let scanned: Vec<&str> =
                all.iter().filter(|t| t.allow[0].contains(source) && Some(t.allow[0].bits()) == most).map(|t| &*t.name).collect();
            prop_assert_eq!(names(&trunks, &address), scanned);
        }
    }
}
