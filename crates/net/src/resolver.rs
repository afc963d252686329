//! Names of SIP peers (RFC 3263): NAPTR, SRV, A and AAAA records, asked of the system's name servers or of given ones.
//!
//! What is asked and how answers are ordered is decided in [`sip::next_hop`]. Answers are kept for as long as their records say, at
//! least [`KEPT_LEAST`], at most [`KEPT_MOST`]; that there is no record, at most [`NOTHING_KEPT_MOST`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::join_all;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use model::Entropy;
use sip::next_hop::{HOPS_MAX, Hop, Lookup, Naptr, Srv, UriHop, targets};
use sip::{Transport, Uri};

/// How long an answer is kept at least, whatever its record says.
pub const KEPT_LEAST: Duration = Duration::from_secs(1);
/// How long an answer is kept at most.
pub const KEPT_MOST: Duration = Duration::from_secs(3_600);
/// How long it is kept at most that a name has no such record.
pub const NOTHING_KEPT_MOST: Duration = Duration::from_secs(30);
/// How long one name server has for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(1);
/// Answers that are kept.
const KEPT: u64 = 4_096;
/// The most addresses of one host that are tried.
const ADDRESSES_MAX: usize = 4;

/// Why a name leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unresolved {
    /// The name servers say that it has no address.
    #[error("{0} has no SRV record and no address")]
    NoAddress(Box<str>),
    /// No name server has answered, or not sensibly.
    #[error("the name servers do not say where {0} is: {1}")]
    Unanswered(Box<str>, Box<str>),
}

/// Asks name servers.
#[derive(Clone)]
pub struct Resolver {
    inner: TokioResolver,
}

// === impl Resolver ===

impl Resolver {
    /// One that asks these name servers, or those of `/etc/resolv.conf` where none are given.
    pub fn new(name_servers: &[SocketAddr]) -> anyhow::Result<Self> {
        let mut builder = if name_servers.is_empty() {
            TokioResolver::builder_tokio()?
        } else {
            let servers = name_servers.iter().map(|at| name_server(*at)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        set_bounds(builder.options_mut());
        Ok(Self { inner: builder.build()? })
    }

    /// The places to try for a request, best first; at most [`HOPS_MAX`], and never none.
    pub async fn hops(&self, place: &UriHop, entropy: &mut (dyn Entropy + Send)) -> Result<Vec<Hop>, Unresolved> {
        match place.lookup() {
            Lookup::None(hop) => Ok(vec![hop]),
            Lookup::Addresses { transport, port } => self.of_host(&place.host, transport, port).await,
            Lookup::Service(transport) => {
                let services = vec![(transport, place.srv_name(transport).into())];
                self.of_services(place, services, transport, entropy).await
            }
            Lookup::Services => {
                let mut services = place.services(self.naptr(&place.host).await?);
                if services.is_empty() {
                    let unlisted = place.unlisted_services().iter();
                    services = unlisted.map(|transport| (*transport, place.srv_name(*transport).into())).collect();
                }
                let usual = if place.secure { Transport::Tls } else { Transport::Udp };
                self.of_services(place, services, usual, entropy).await
            }
        }
    }

    /// The hosts of the SRV records of these services; where no service has any, the host's own addresses (RFC 3263 section 4.2).
    /// One service or host of which nobody says where it is leaves the others.
    async fn of_services(
        &self,
        place: &UriHop,
        services: Vec<(Transport, Box<str>)>,
        usual: Transport,
        entropy: &mut (dyn Entropy + Send),
    ) -> Result<Vec<Hop>, Unresolved> {
        let asked = services.iter().map(|(transport, name)| async { (*transport, self.srv(name).await) });
        let (mut hosts, mut has_records, mut failed) = (Vec::new(), false, None);
        for (transport, found) in join_all(asked).await {
            match found {
                Ok(records) => {
                    has_records |= !records.is_empty();
                    hosts.extend(targets(records, entropy).into_iter().map(|srv| (transport, srv)));
                }
                Err(reason) => failed = Some(reason),
            }
        }
        hosts.truncate(HOPS_MAX);
        let found =
            join_all(hosts.iter().map(|(transport, srv)| self.of_host(&srv.target, *transport, srv.port))).await;
        let mut hops = Vec::new();
        for of_host in found {
            match of_host {
                Ok(addresses) => hops.extend(addresses),
                Err(reason @ Unresolved::Unanswered(..)) => failed = Some(reason),
                Err(Unresolved::NoAddress(_)) => {}
            }
        }
        hops.truncate(HOPS_MAX);
        match failed {
            _ if !hops.is_empty() => Ok(hops),
            Some(reason) => Err(reason),
            None if has_records => Err(Unresolved::NoAddress(place.host.clone())),
            None => self.of_host(&place.host, usual, usual.default_port()).await,
        }
    }

    async fn of_host(&self, host: &str, transport: Transport, port: u16) -> Result<Vec<Hop>, Unresolved> {
        // A name of one label, as in a network of containers, is looked for in the search domains.
        let name = if host.contains('.') { complete(host) } else { host.to_owned() };
        let found = self.inner.lookup_ip(name).await.map_err(|error| unresolved(host, &error))?;
        let mut addresses: Vec<IpAddr> = found.iter().collect();
        // Few networks have IPv6 alone, and a carrier that has both is reached by either.
        addresses.sort_by_key(IpAddr::is_ipv6);
        addresses.truncate(ADDRESSES_MAX);
        let hops: Vec<Hop> =
            addresses.into_iter().map(|ip| Hop { transport, remote: SocketAddr::new(ip, port) }).collect();
        if hops.is_empty() { Err(Unresolved::NoAddress(host.into())) } else { Ok(hops) }
    }

    async fn naptr(&self, host: &str) -> Result<Vec<Naptr>, Unresolved> {
        let text = |bytes: &[u8]| Box::<str>::from(String::from_utf8_lossy(bytes));
        let records = self.records(host, RecordType::NAPTR).await?.into_iter().filter_map(|data| match data {
            RData::NAPTR(naptr) => Some(Naptr {
                order: naptr.order,
                preference: naptr.preference,
                flags: text(&naptr.flags),
                service: text(&naptr.services),
                replacement: naptr.replacement.to_ascii().into(),
            }),
            _ => None,
        });
        Ok(records.collect())
    }

    async fn srv(&self, name: &str) -> Result<Vec<Srv>, Unresolved> {
        let records = self.records(name, RecordType::SRV).await?.into_iter().filter_map(|data| match data {
            RData::SRV(srv) => Some(Srv {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii().into(),
            }),
            _ => None,
        });
        Ok(records.collect())
    }

    /// The records of a kind; none where the name has none of that kind.
    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Unresolved> {
        match self.inner.lookup(complete(name), kind).await {
            Ok(found) => Ok(found.answers().iter().map(|record| record.data.clone()).collect()),
            Err(error) if error.is_no_records_found() => Ok(Vec::new()),
            Err(error) => Err(unresolved(name, &error)),
        }
    }
}

fn name_server(at: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = at.port();
        connection
    });
    NameServerConfig::new(at.ip(), true, connections.to_vec())
}

/// With a dot at its end a name is complete, and no search domain is put behind it.
fn complete(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

fn set_bounds(options: &mut ResolverOpts) {
    options.timeout = ANSWER_TIME;
    options.attempts = 2;
    options.cache_size = KEPT;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.positive_min_ttl = Some(KEPT_LEAST);
    options.positive_max_ttl = Some(KEPT_MOST);
    options.negative_max_ttl = Some(NOTHING_KEPT_MOST);
}

fn unresolved(name: &str, error: &NetError) -> Unresolved {
    if error.is_no_records_found() {
        return Unresolved::NoAddress(name.into());
    }
    Unresolved::Unanswered(name.into(), error.to_string().into())
}

/// The place that a URI's text leads to.
pub fn place_of(uri: &str) -> Option<UriHop> {
    UriHop::of(&Uri::parse(uri).ok()?)
}
