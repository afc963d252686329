//! What RFC 3263 asks of the name system for a URI, and how the answers become places to try, best first.
//!
//! Whoever has a resolver asks: [`UriHop::lookup`] says for what, [`UriHop::services`] and [`UriHop::unlisted_services`] whose SRV
//! records, and [`targets`] orders those.

use std::net::{IpAddr, SocketAddr};

use model::Entropy;
use model::turns::in_turn;

use crate::flow::Transport;
use crate::uri::Uri;

/// The most places to try for one request: more make a caller wait without telling anybody anything new.
pub const HOPS_MAX: usize = 8;

/// The most records of one answer that are read; an answer is at most 64 KiB.
const RECORDS_MAX: usize = 256;

/// Where a URI leads, before its name is resolved.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct UriHop {
    /// The host, without brackets.
    pub host: Box<str>,
    /// The port, if the URI has one.
    pub port: Option<u16>,
    /// The transport, if the URI asks for one.
    pub transport: Option<Transport>,
    /// Whether only TLS will do (`sips:`, or `transport=tls`).
    pub secure: bool,
}

/// A place to send a request to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Hop {
    /// By which transport.
    pub transport: Transport,
    /// The address.
    pub remote: SocketAddr,
}

/// A NAPTR record (RFC 3403 section 4.1), with its texts as they came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naptr {
    /// Records of a lower order come first.
    pub order: u16,
    /// Among those of one order, those of a lower preference.
    pub preference: u16,
    /// Its flags; `s` where an SRV record is next.
    pub flags: Box<str>,
    /// The service, as `SIP+D2U`.
    pub service: Box<str>,
    /// The name of the SRV records.
    pub replacement: Box<str>,
}

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Srv {
    /// The lowest is tried first.
    pub priority: u16,
    /// The share among those of one priority.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; `.` where the service does not exist.
    pub target: Box<str>,
}

/// How the transport and the hosts of a place are found (RFC 3263 section 4.1 and 4.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// The host is an address.
    None(Hop),
    /// The host's addresses alone.
    Addresses {
        /// With this transport.
        transport: Transport,
        /// And this port.
        port: u16,
    },
    /// The SRV records of one transport; without any, the host's addresses.
    Service(Transport),
    /// NAPTR records name the services; without any, the SRV records of each transport.
    Services,
}

impl UriHop {
    /// The place that a URI leads to; `None` if it is no SIP URI, or asks for a transport that we do not have.
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        let host = uri.host()?.as_str();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        // A client by WebSocket listens nowhere (RFC 7118 §5).
        let usual = Transport::of(uri).filter(|transport| !transport.is_web_socket())?;
        let transport = uri.transport().map(|_| usual);
        Some(Self { host: host.into(), port: uri.port(), transport, secure: usual.is_secure() })
    }

    /// How its hosts are found.
    pub fn lookup(&self) -> Lookup {
        let or_usual = |transport: Option<Transport>| {
            transport.unwrap_or(if self.secure { Transport::Tls } else { Transport::Udp })
        };
        if let Ok(ip) = self.host.parse::<IpAddr>() {
            let transport = or_usual(self.transport);
            let port = self.port.unwrap_or(transport.default_port());
            return Lookup::None(Hop { transport, remote: SocketAddr::new(ip, port) });
        }
        match (self.port, self.transport) {
            (Some(port), transport) => Lookup::Addresses { transport: or_usual(transport), port },
            (None, Some(transport)) => Lookup::Service(transport),
            (None, None) => Lookup::Services,
        }
    }

    /// The name of this host's SRV records for a transport.
    pub fn srv_name(&self, transport: Transport) -> String {
        let service = match transport {
            Transport::Udp => "_sip._udp",
            Transport::Tcp => "_sip._tcp",
            Transport::Tls => "_sips._tcp",
            Transport::Ws => "_sip._ws",
            Transport::Wss => "_sips._ws",
        };
        format!("{service}.{}", self.host)
    }

    /// The services whose SRV records are asked for where no NAPTR record names any.
    pub fn unlisted_services(&self) -> &'static [Transport] {
        if self.secure { &[Transport::Tls] } else { &[Transport::Udp, Transport::Tcp, Transport::Tls] }
    }

    /// The services that NAPTR records name and that we have, best first, with the names of their SRV records.
    pub fn services(&self, mut records: Vec<Naptr>) -> Vec<(Transport, Box<str>)> {
        records.sort_by_key(|record| (record.order, record.preference));
        let known = records.into_iter().filter_map(|record| {
            let transport = match record.service.to_ascii_uppercase().as_str() {
                "SIP+D2U" if !self.secure => Transport::Udp,
                "SIP+D2T" if !self.secure => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                _ => return None,
            };
            record.flags.eq_ignore_ascii_case("s").then_some((transport, record.replacement))
        });
        known.take(HOPS_MAX).collect()
    }
}

/// The hosts of SRV records in the order in which they are tried; none where the only target is `.`.
pub fn targets(records: Vec<Srv>, entropy: &mut dyn Entropy) -> Vec<Srv> {
    let usable = records.into_iter().filter(|srv| &*srv.target != "." && srv.port != 0).take(RECORDS_MAX).collect();
    let mut order = in_turn(usable, |srv: &Srv| (srv.priority.into(), srv.weight.into()), entropy);
    order.truncate(HOPS_MAX);
    order
}

#[cfg(test)]
mod tests {
    use model::entropy::Seeded;

    use super::*;

    fn place(uri: &str) -> Option<UriHop> {
        UriHop::of(&Uri::parse(uri).unwrap())
    }

    fn hop(transport: Transport, remote: &str) -> Lookup {
        Lookup::None(Hop { transport, remote: remote.parse().unwrap() })
    }

    #[test]
    fn what_is_asked_depends_on_host_port_and_transport() {
        use Transport::{Tcp, Tls, Udp};
        for (uri, lookup) in [
            ("sip:1@192.0.2.1", hop(Udp, "192.0.2.1:5060")),
            ("sips:1@192.0.2.1", hop(Tls, "192.0.2.1:5061")),
            ("sip:1@[2001:db8::1]:5080;transport=tcp", hop(Tcp, "[2001:db8::1]:5080")),
            ("sip:1@192.0.2.1;transport=TLS", hop(Tls, "192.0.2.1:5061")),
            ("sip:1@carrier.example:5070", Lookup::Addresses { transport: Udp, port: 5070 }),
            ("sips:1@carrier.example:5070", Lookup::Addresses { transport: Tls, port: 5070 }),
            ("sips:1@carrier.example;transport=tcp", Lookup::Service(Tls)),
            ("sip:1@carrier.example;transport=tcp", Lookup::Service(Tcp)),
            ("sip:1@carrier.example", Lookup::Services),
        ] {
            assert_eq!(place(uri).unwrap().lookup(), lookup, "{uri}");
        }
        assert_eq!(place("sip:1@carrier.example;transport=sctp"), None);
        assert_eq!(place("sip:1@carrier.example;transport=ws"), None);
        assert_eq!(place("sips:1@carrier.example;transport=udp"), None);
        assert_eq!(place("tel:+15550100"), None);
    }

    #[test]
    fn services_come_in_the_order_of_the_domain_and_secure_means_tls() {
        let naptr = |order, preference, service: &str| Naptr {
            order,
            preference,
            flags: "S".into(),
            service: service.into(),
            replacement: format!("{service}.carrier.example").into(),
        };
        let records = vec![
            naptr(20, 10, "sip+d2u"),
            naptr(10, 20, "SIP+D2T"),
            naptr(10, 10, "SIPS+D2T"),
            naptr(5, 5, "SIP+D2W"),
            Naptr { flags: "u".into(), ..naptr(1, 1, "SIP+D2U") },
        ];
        let transports = |uri: &str| -> Vec<Transport> {
            place(uri).unwrap().services(records.clone()).into_iter().map(|(transport, _)| transport).collect()
        };
        assert_eq!(transports("sip:carrier.example"), [Transport::Tls, Transport::Tcp, Transport::Udp]);
        assert_eq!(transports("sips:carrier.example"), [Transport::Tls]);
    }

    #[test]
    fn a_service_that_does_not_exist_has_no_target() {
        let srv = |priority, target: &str| Srv { priority, weight: 0, port: 5060, target: target.into() };
        assert_eq!(targets(vec![srv(0, ".")], &mut Seeded::new(1)), []);
        let many = (0..20).rev().map(|priority| srv(priority, "host")).collect();
        let order: Vec<u16> = targets(many, &mut Seeded::new(1)).iter().map(|one| one.priority).collect();
        assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
        let order = targets(vec![srv(20, "spare"), srv(10, "first")], &mut Seeded::new(1));
        assert_eq!(order.iter().map(|one| &*one.target).collect::<Vec<_>>(), ["first", "spare"]);
    }
}
