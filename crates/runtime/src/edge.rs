//! The settings of edge listeners: `<name>_listen` and `<name>_advertise` in the role's section.
//!
//! Those for SIP and audio take one address, or one of each family: then the same role serves peers of both. A setting that takes several
//! is a text, a text with commas, or a list of texts.

use std::net::{IpAddr, SocketAddr};

use model::AddressFamily;

use crate::address;
use crate::listener::{Bound, HostPort};
use crate::settings::declare::SettingOwned;
use crate::settings::{Fault, Faults, SettingValue, Values};
use crate::spec::{Listen, Place, Protocol, RoleSpec};

/// What `_listen` takes where a listener may have an address of each family.
const LISTEN_KIND: &str = "an address and a port, as 192.0.2.1:5060, or one of IPv4 and one of IPv6, as \
     [\"192.0.2.1:5060\", \"[2001:db8::1]:5060\"]";
/// What `_advertise` takes there.
const ADVERTISE_KIND: &str = "a host, or a host and a port, or an address of IPv4 and one of IPv6 in a list";
/// What both refuse.
const AT_MOST_TWO: &str = "it takes one address, or one of IPv4 and one of IPv6";

/// The addresses of a listener: one, or one of each family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeBounds {
    /// The one that is named first.
    pub first: Bound,
    /// The one of the other family.
    pub second: Option<Bound>,
}

impl EdgeBounds {
    /// Every one, the first in front.
    pub fn all(&self) -> impl Iterator<Item = &Bound> {
        std::iter::once(&self.first).chain(&self.second)
    }
}

impl From<Bound> for EdgeBounds {
    fn from(only: Bound) -> Self {
        Self { first: only, second: None }
    }
}

/// The settings that the edge listeners of a role add to its section.
pub fn settings(spec: &RoleSpec) -> Vec<SettingOwned> {
    let edge = spec.listens.iter().filter(|l| l.place == Place::Edge);
    edge.flat_map(|listen| {
        let default = SocketAddr::new(address::of_edge(0, 1), listen.port);
        let takes_both = takes_both_families(listen.protocol);
        [
            SettingOwned {
                key: key(listen, "listen"),
                doc: format!(
                    "Where the edge listener {} binds ({}). The default's address follows instance and replica.",
                    listen.name,
                    listen.protocol.as_str()
                ),
                kind: if takes_both { LISTEN_KIND } else { SocketAddr::KIND },
                default: default.show(),
                check: if takes_both { check_addresses } else { check_address },
                beside: None,
                secret: false,
            },
            SettingOwned {
                key: key(listen, "advertise"),
                doc: format!(
                    "The host, with or without a port, that {} advertises to its peers; empty: as it binds.",
                    listen.name
                ),
                kind: if takes_both { ADVERTISE_KIND } else { "a host, or a host and a port" },
                default: "\"\"".to_owned(),
                check: if takes_both { check_hosts } else { check_host },
                beside: None,
                secret: false,
            },
        ]
    })
    .collect()
}

/// The first address that an edge listener binds, and the one that it advertises.
pub fn bound(spec: &RoleSpec, listen: &Listen, instance: u8, replica: u8, values: &Values) -> Result<Bound, Faults> {
    bounds(spec, listen, instance, replica, values).map(|bounds| bounds.first)
}

/// The addresses that an edge listener binds, each with the one that it advertises.
pub fn bounds(
    spec: &RoleSpec,
    listen: &Listen,
    instance: u8,
    replica: u8,
    values: &Values,
) -> Result<EdgeBounds, Faults> {
    let read = |what: &str| values.get(spec.name, &key(listen, what));
    let fault =
        |what: &str, reason| Faults(vec![Fault { key: format!("{}.{}", spec.name, key(listen, what)), reason }]);
    let usual = || (SocketAddr::new(address::of_edge(instance, replica), listen.port), None);
    let (first, second) =
        read("listen").map_or_else(|| Ok(usual()), addresses).map_err(|reason| fault("listen", reason))?;
    let hosts = read("advertise").map_or_else(|| Ok(Vec::new()), hosts).map_err(|reason| fault("advertise", reason))?;
    if let (None, [_, _]) = (second, hosts.as_slice()) {
        let own = AddressFamily::of(first.ip());
        let of_other = hosts.iter().find(|host| is_of_other(host, own)).map(String::as_str).unwrap_or_default();
        let key = key(listen, "listen");
        return Err(fault(
            "advertise",
            format!(
                "nobody reaches {of_other}: {key} has an address of {own} alone, so that one is advertised at most"
            ),
        ));
    }
    let of = |listen: SocketAddr| -> Result<Bound, Faults> {
        let advertise = advertised(listen, second.is_none(), &hosts).map_err(|reason| fault("advertise", reason))?;
        Ok(Bound { listen, advertise })
    };
    Ok(EdgeBounds { first: of(first)?, second: second.map(of).transpose()? })
}

/// Whether a listener may have an address of each family.
const fn takes_both_families(protocol: Protocol) -> bool {
    match protocol {
        Protocol::SipUdp | Protocol::SipTcp | Protocol::SipTls | Protocol::SipWs | Protocol::SipWss | Protocol::Rtp => {
            true
        }
        Protocol::Http | Protocol::Https | Protocol::Grpc => false,
    }
}

/// What a listener tells its peers: what is set for its family; a name, or what is set for the only address, whatever its family is.
fn advertised(listen: SocketAddr, is_alone: bool, hosts: &[String]) -> Result<HostPort, String> {
    let hosts: Vec<HostPort> =
        hosts.iter().map(|host| HostPort::parse(host, listen.port())).collect::<Result<_, _>>()?;
    let own = AddressFamily::of(listen.ip());
    let of_family = hosts.iter().find(|host| family(host) == Some(own));
    let of_any = || hosts.first().filter(|host| is_alone || family(host).is_none());
    Ok(of_family.or_else(of_any).cloned().unwrap_or_else(|| listen.into()))
}

/// Whether a host of `_advertise` is an address of the other family.
fn is_of_other(host: &str, own: AddressFamily) -> bool {
    HostPort::parse(host, 0).ok().and_then(|host| family(&host)).is_some_and(|family| family != own)
}

fn family(host: &HostPort) -> Option<AddressFamily> {
    host.host.parse::<IpAddr>().ok().map(AddressFamily::of)
}

/// The addresses of `_listen`.
fn addresses(value: &toml::Value) -> Result<(SocketAddr, Option<SocketAddr>), String> {
    let mut addresses = Vec::new();
    for text in texts(value)? {
        let address = SocketAddr::read(&toml::Value::String(text))?;
        not_any(address)?;
        addresses.push(address);
    }
    match addresses.as_slice() {
        [only] => Ok((*only, None)),
        [first, second] if first.is_ipv4() == second.is_ipv4() => {
            Err(format!("{first} and {second} are both of {}: {AT_MOST_TWO}", AddressFamily::of(first.ip())))
        }
        [first, second] => Ok((*first, Some(*second))),
        _ => Err(AT_MOST_TWO.to_owned()),
    }
}

/// The hosts of `_advertise`; none if it is empty.
fn hosts(value: &toml::Value) -> Result<Vec<String>, String> {
    let texts: Vec<String> = texts(value)?.into_iter().filter(|text| !text.is_empty()).collect();
    let parsed = texts.iter().map(|text| HostPort::parse(text, 0)).collect::<Result<Vec<_>, _>>()?;
    match parsed.as_slice() {
        [] | [_] => Ok(texts),
        [first, second] => match (family(first), family(second)) {
            (Some(one), Some(other)) if one != other => Ok(texts),
            (Some(one), Some(_)) => Err(format!("two addresses are of {one}: {AT_MOST_TWO}")),
            _ => Err(format!("a name stands alone, and is for both families: {AT_MOST_TWO}")),
        },
        _ => Err(AT_MOST_TWO.to_owned()),
    }
}

/// The texts of a setting that takes several: one, some with commas between them, or a list.
fn texts(value: &toml::Value) -> Result<Vec<String>, String> {
    match value.as_str() {
        Some(text) => Ok(text.split(',').map(|one| one.trim().to_owned()).collect()),
        None if value.is_array() => Vec::<String>::read(value),
        None => Err(format!("expected a text or a list of texts, found {}", value.type_str())),
    }
}

fn check_addresses(value: &toml::Value) -> Result<(), String> {
    addresses(value).map(drop)
}

fn check_address(value: &toml::Value) -> Result<(), String> {
    not_any(SocketAddr::read(value)?)
}

fn check_hosts(value: &toml::Value) -> Result<(), String> {
    hosts(value).map(drop)
}

fn check_host(value: &toml::Value) -> Result<(), String> {
    let text = String::read(value)?;
    if text.is_empty() { Ok(()) } else { HostPort::parse(&text, 0).map(drop) }
}

/// Replies must leave from the address that peers know.
fn not_any(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_unspecified() { Err("a wildcard address cannot be used".into()) } else { Ok(()) }
}

fn key(listen: &Listen, what: &str) -> String {
    format!("{}_{what}", listen.name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Section, Sources, load};

    const LISTEN: Listen =
        Listen { name: "sip-udp", protocol: Protocol::SipUdp, port: 5060, place: Place::Edge, accepts: &[] };
    const WEB: Listen = Listen { name: "web", protocol: Protocol::Http, port: 8080, place: Place::Edge, accepts: &[] };
    const SPEC: RoleSpec = RoleSpec { listens: &[LISTEN, WEB], ..RoleSpec::bare("sip-proxy", 1) };

    fn with(sources: Sources) -> Result<EdgeBounds, String> {
        let section = Section { name: SPEC.name.to_owned(), summary: String::new(), settings: settings(&SPEC) };
        let values = load(&[section], &sources).map_err(|faults| faults.to_string())?;
        bounds(&SPEC, &LISTEN, 0, 1, &values).map_err(|faults| faults.to_string())
    }

    /// Where it binds and what it tells, with these flags.
    fn set(flags: &[&str]) -> Result<Vec<(String, String)>, String> {
        let flags = flags.iter().map(|flag| format!("sip-proxy.{flag}")).collect();
        let bounds = with(Sources { flags, ..Sources::default() })?;
        Ok(bounds.all().map(|at| (at.listen.to_string(), at.advertise.to_string())).collect())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(listen, told)| ((*listen).to_owned(), (*told).to_owned())).collect()
    }

    #[test]
    fn one_address_is_taken_as_ever() {
        assert_eq!(set(&[]), Ok(pairs(&[("127.0.0.1:5060", "127.0.0.1:5060")])));
        let six = set(&["sip_udp_listen=[2001:db8::1]:5070", "sip_udp_advertise=sip.example"]);
        assert_eq!(six, Ok(pairs(&[("[2001:db8::1]:5070", "sip.example:5070")])));
        let behind_nat = set(&["sip_udp_listen=192.0.2.1:5060", "sip_udp_advertise=203.0.113.1:5070"]);
        assert_eq!(behind_nat, Ok(pairs(&[("192.0.2.1:5060", "203.0.113.1:5070")])));
    }

    #[test]
    fn one_address_of_each_family_comes_as_a_text_with_a_comma_or_as_a_list() {
        let both = Ok(pairs(&[("192.0.2.1:5060", "192.0.2.1:5060"), ("[2001:db8::1]:5062", "[2001:db8::1]:5062")]));
        assert_eq!(set(&["sip_udp_listen=192.0.2.1:5060,[2001:db8::1]:5062"]), both);
        assert_eq!(set(&["sip_udp_listen=[\"192.0.2.1:5060\", \"[2001:db8::1]:5062\"]"]), both);
        let text = "[sip-proxy]\nsip_udp_listen = [\"192.0.2.1:5060\", \"[2001:db8::1]:5062\"]\n".to_owned();
        assert!(with(Sources { files: vec![("t.toml".into(), text)], ..Sources::default() }).is_ok());
        let variable = ("TRUNKLINE_SIP_PROXY__SIP_UDP_LISTEN".into(), "[::1]:5060, 127.0.0.1:5060".into());
        let bounds = with(Sources { environment: vec![variable], ..Sources::default() }).unwrap();
        assert_eq!(bounds.first.listen, "[::1]:5060".parse().unwrap(), "the order is kept");
    }

    #[test]
    fn what_is_advertised_is_for_its_family_and_a_name_for_both() {
        let listen = "sip_udp_listen=192.0.2.1:5060,[2001:db8::1]:5060";
        let told = |advertise: &str| {
            let all = set(&[listen, &format!("sip_udp_advertise={advertise}")]).unwrap();
            all.into_iter().map(|(_, told)| told).collect::<Vec<_>>()
        };
        assert_eq!(told("203.0.113.1"), ["203.0.113.1:5060", "[2001:db8::1]:5060"]);
        assert_eq!(told("[2001:db8::9]:5070,203.0.113.1"), ["203.0.113.1:5060", "[2001:db8::9]:5070"]);
        assert_eq!(told("sip.example"), ["sip.example:5060", "sip.example:5060"]);
    }

    #[test]
    fn two_of_one_family_and_more_than_two_are_refused_with_the_key() {
        for (flag, says) in [
            ("sip_udp_listen=192.0.2.1:5060,192.0.2.2:5060", "are both of IPv4"),
            ("sip_udp_listen=[::1]:5060,[::2]:5060", "are both of IPv6"),
            ("sip_udp_listen=192.0.2.1:5060,[::1]:5060,[::2]:5060", AT_MOST_TWO),
            ("sip_udp_listen=[]", AT_MOST_TWO),
            ("sip_udp_listen=192.0.2.1:5060,[::]:5060", "a wildcard address cannot be used"),
            ("sip_udp_listen=edge.example:5060", "is not an address and a port"),
            ("sip_udp_listen=5060", "expected a text or a list of texts"),
            ("sip_udp_advertise=192.0.2.1,192.0.2.2", "two addresses are of IPv4"),
            ("sip_udp_advertise=sip.example,2001:db8::1", "a name stands alone"),
        ] {
            let refused = set(&[flag]).unwrap_err();
            let key = flag.split('=').next().unwrap();
            assert!(refused.contains(&format!("sip-proxy.{key}: ")) && refused.contains(says), "{flag}: {refused}");
        }
        let unheard = "nobody reaches 2001:db8::9: sip_udp_listen has an address of IPv4 alone";
        let listen = "sip_udp_listen=192.0.2.1:5060";
        for flags in
            [&["sip_udp_advertise=203.0.113.1,2001:db8::9"][..], &[listen, "sip_udp_advertise=2001:db8::9,203.0.113.1"]]
        {
            let refused = set(flags).unwrap_err();
            assert!(refused.contains("sip-proxy.sip_udp_advertise: ") && refused.contains(unheard), "{refused}");
        }
        let web = set(&["web_listen=192.0.2.1:8080,[::1]:8080"]).unwrap_err();
        assert!(web.contains("sip-proxy.web_listen: "), "{web}");
    }
}
