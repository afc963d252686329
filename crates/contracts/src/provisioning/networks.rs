//! The sources of a trunk's calls, for comparison.

use std::net::{IpAddr, SocketAddr};

use super::Trunk;

/// Whether calls are known as a trunk's by the connection that we open to register: by TLS its carrier proves there who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByRegistration {
    /// It does not register, or not by TLS.
    No,
    /// Only if the records of the name in `contact` lead to TLS.
    IfNameLeadsToTls,
    /// They are, also without `allow`.
    Yes,
}

/// A network in `allow` that is wider than any carrier's, where it alone makes whoever calls from it the carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WideNetwork<'a> {
    /// As it is written.
    pub text: &'a str,
    /// Whether it has every address of its family.
    pub is_everybody: bool,
}

/// The shortest prefix of a carrier's network: registries have given nobody more at once.
const PREFIX_MIN_V4: u8 = 8;
/// The same of IPv6.
const PREFIX_MIN_V6: u8 = 16;

/// The most names of certificates of one trunk: those of a carrier's border elements.
pub const CERTIFICATE_NAMES_MAX: usize = 32;

impl Trunk {
    /// Where its calls come from: `allow`. A carrier with which we register calls us from where we register, unless it says otherwise:
    /// its `contact` is a source too, if that is an address and `allow` does not contain it already. Who is known by a certificate comes
    /// from `allow` alone, and from anywhere without it.
    pub fn sources(&self) -> impl Iterator<Item = String> {
        let registrar = self.registers().and_then(|(contact, _)| {
            let ip = address_of(contact)?;
            let whole = network(&ip.to_string())?;
            let is_known = self.allow.iter().filter_map(|text| network(text)).any(|known| contains(known, whole));
            (!is_known && self.certificate_names.is_empty()).then(|| ip.to_string())
        });
        self.allow.iter().cloned().chain(registrar)
    }

    /// Whether its calls are known by the connection that we open to register.
    pub fn by_registration(&self) -> ByRegistration {
        let Some((contact, _)) = self.registers() else { return ByRegistration::No };
        match contact.split_once(';') {
            Some((_, transport)) if transport.eq_ignore_ascii_case("transport=tls") => ByRegistration::Yes,
            // Without a transport an address, or a port, is for UDP (RFC 3263 section 4.1).
            None if !contact.contains(':') && address_of(contact).is_none() => ByRegistration::IfNameLeadsToTls,
            Some(_) | None => ByRegistration::No,
        }
    }

    /// Whether calls can be known as its own at all: by their addresses, a certificate, or the connection that we open to register.
    pub fn is_recognised(&self) -> bool {
        self.sources().next().is_some()
            || !self.certificate_names.is_empty()
            || self.by_registration() != ByRegistration::No
    }

    /// Networks that are wider than any carrier's; none where a password or a certificate is wanted besides.
    pub fn wide_networks(&self) -> impl Iterator<Item = WideNetwork<'_>> {
        let is_alone = self.inbound_user.is_none() && self.certificate_names.is_empty();
        self.allow.iter().filter(move |_| is_alone).filter_map(|text| {
            let (first, bits) = network(text)?;
            let least = if first.is_ipv4() { PREFIX_MIN_V4 } else { PREFIX_MIN_V6 };
            (bits < least).then(|| WideNetwork { text, is_everybody: bits == 0 })
        })
    }

    /// The names in certificates that another trunk has, too.
    pub fn shared_certificate_names<'a>(&'a self, other: &Self) -> impl Iterator<Item = &'a str> {
        let is_theirs = move |name: &&str| other.certificate_names.iter().any(|their| their.eq_ignore_ascii_case(name));
        self.certificate_names.iter().map(String::as_str).filter(is_theirs)
    }

    /// The names in certificates that are the host of another trunk's `contact`: most likely both have the same carrier.
    pub fn certificate_names_called<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let host = other.contact.as_deref().map(host_of);
        let is_called = move |name: &&str| host.is_some_and(|host| host.eq_ignore_ascii_case(name));
        self.certificate_names.iter().map(String::as_str).filter(is_called)
    }

    /// The account that another trunk registers, too: with whom, without port and transport, and as whom.
    pub fn shared_account<'a>(&'a self, other: &Self) -> Option<(&'a str, &'a str)> {
        let (ours, their) = (self.account()?, other.account()?);
        (ours.0.eq_ignore_ascii_case(their.0) && ours.1 == their.1).then_some(ours)
    }

    /// The host with which it registers, and as whom.
    pub fn account(&self) -> Option<(&str, &str)> {
        self.registers().map(|(contact, user)| (host_of(contact), user))
    }

    /// The address of its `contact`; none if it has a name, or no calls go out.
    pub fn contact_address(&self) -> Option<IpAddr> {
        address_of(self.outgoing()?.0)
    }

    /// The networks of its sources, each as its first address and prefix length, so that those that are equal compare equal.
    pub fn networks(&self) -> impl Iterator<Item = (IpAddr, u8)> {
        self.sources().filter_map(|text| network(&text))
    }
}

/// The name or address in a `contact`, without brackets.
fn host_of(contact: &str) -> &str {
    let place = contact.split_once(';').map_or(contact, |(place, _)| place);
    let end = if place.starts_with('[') { ']' } else { ':' };
    let host = place.split_once(end).map_or(place, |(host, _)| host);
    host.trim_start_matches('[')
}

/// The address in a `contact`, with or without a port; none if it is a name.
pub(super) fn address_of(contact: &str) -> Option<IpAddr> {
    let place = contact.split(';').next()?;
    let bare = || place.trim_start_matches('[').trim_end_matches(']').parse();
    let ip: IpAddr = place.parse().map(|address: SocketAddr| address.ip()).or_else(|_| bare()).ok()?;
    Some(ip.to_canonical())
}

/// A network such as `192.0.2.0/24`, or one address: its first address and its prefix length. `None` if it is neither.
pub fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    if address.is_ipv6()
        && let IpAddr::V4(mapped) = address.to_canonical()
    {
        // Written as IPv6, which sip-proxy takes for what it is. Its prefix begins within the 96 bits of the mapping.
        let bits: u8 = bits.map_or(Some(128), |bits| bits.parse().ok()).filter(|bits| *bits <= 128)?;
        return network(&format!("{mapped}/{}", bits.checked_sub(96)?));
    }
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let bits: u8 = bits.map_or(Some(longest), |bits| bits.parse().ok()).filter(|bits| *bits <= longest)?;
    let rest = u32::from(longest - bits);
    let first = match address {
        IpAddr::V4(v4) => IpAddr::V4((v4.to_bits() & u32::MAX.checked_shl(rest).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & u128::MAX.checked_shl(rest).unwrap_or(0)).into()),
    };
    Some((first, bits))
}

/// Whether every address of `inner` is also one of `outer`.
pub fn contains(outer: (IpAddr, u8), inner: (IpAddr, u8)) -> bool {
    outer.1 <= inner.1 && network(&format!("{}/{}", inner.0, outer.1)) == Some(outer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_known_by_a_certificate_comes_from_allow_alone() {
        let registers = Trunk {
            contact: Some("203.0.113.9:5060".into()),
            user: Some("we".into()),
            register: true,
            ..Trunk::default()
        };
        assert_eq!(registers.sources().collect::<Vec<_>>(), ["203.0.113.9"]);
        let names = vec!["sbc.carrier.example".into(), "*.carrier.example".into(), "203.0.113.9".into(), "".into()];
        let certified = Trunk { certificate_names: names, ..registers };
        assert_eq!(certified.sources().count(), 0);
        let wrong: Vec<&str> = certified.wrong_certificate_names().collect();
        assert_eq!(wrong, ["*.carrier.example", "203.0.113.9", ""]);
    }

    #[test]
    fn an_account_is_shared_by_whoever_registers_it_at_whichever_port() {
        let registers = |contact: &str, user: &str| Trunk {
            contact: Some(contact.into()),
            user: Some(user.into()),
            register: true,
            ..Trunk::default()
        };
        let ours = registers("sip.carrier.example;transport=tls", "we");
        assert_eq!(
            ours.shared_account(&registers("SIP.carrier.example:5071", "we")),
            Some(("sip.carrier.example", "we"))
        );
        for other in [
            registers("sip.carrier.example", "you"),
            registers("sip2.carrier.example", "we"),
            Trunk { register: false, ..registers("sip.carrier.example", "we") },
        ] {
            assert_eq!(ours.shared_account(&other), None, "{other:?}");
        }
        assert_eq!(registers("[2001:db8::9]:5060", "we").account(), Some(("2001:db8::9", "we")));
        assert_eq!(registers("203.0.113.9:5060;transport=tcp", "we").account(), Some(("203.0.113.9", "we")));
    }

    #[test]
    fn a_network_wider_than_any_carriers_is_told_where_it_is_all_that_is_asked_for() {
        let wide = |trunk: &Trunk| -> Vec<(String, bool)> {
            trunk.wide_networks().map(|network| (network.text.to_owned(), network.is_everybody)).collect()
        };
        let allow = ["0.0.0.0/0", "10.0.0.0/8", "128.0.0.0/7", "::/0", "2000::/3", "2001::/16", "::ffff:0.0.0.0/96"];
        let trunk = Trunk { allow: allow.map(str::to_owned).into(), ..Trunk::default() };
        let told = [("0.0.0.0/0", true), ("128.0.0.0/7", false), ("::/0", true), ("2000::/3", false)];
        let told = told.into_iter().chain([("::ffff:0.0.0.0/96", true)]);
        assert_eq!(wide(&trunk), told.map(|(text, all)| (text.to_owned(), all)).collect::<Vec<_>>());
        let asked = Trunk { inbound_user: Some("pbx".into()), ..trunk.clone() };
        let certified = Trunk { certificate_names: vec!["sbc.example".into()], ..trunk };
        assert_eq!((wide(&asked), wide(&certified)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        let holds = |outer, inner| contains(network(outer).unwrap(), network(inner).unwrap());
        assert!(holds("203.0.113.0/24", "203.0.113.7"));
        assert!(holds("203.0.113.0/24", "203.0.113.9/24"));
        assert!(holds("0.0.0.0/0", "::ffff:203.0.113.7"));
        assert!(!holds("203.0.113.7", "203.0.113.0/24"));
        assert!(!holds("203.0.112.0/24", "203.0.113.7"));
        assert!(!holds("::/0", "203.0.113.7"));
    }
}
