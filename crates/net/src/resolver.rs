//! Names of SIP peers (RFC 3263): NAPTR, SRV, A and AAAA records, asked of the system's name servers or of given ones.
//!
//! What is asked and how answers are ordered is decided in [`sip::next_hop`]. Answers are kept for as long as their records say, at
//! least [`KEPT_LEAST`], at most [`KEPT_MOST`]; that there is no record, at most [`NOTHING_KEPT_MOST`].

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, RecordType};
use model::Entropy;
use sip::next_hop::{HOPS_MAX, Hop, Lookup, Naptr, Place, Srv, targets};
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
    pub async fn hops(&self, place: &Place, entropy: &mut (dyn Entropy + Send)) -> Result<Vec<Hop>, Unresolved> {
        match place.lookup() {
            Lookup::None(hop) => Ok(vec![hop]),
            Lookup::Addresses { transport, port } => self.of_host(&place.host, transport, port).await,
            Lookup::Service(transport) => {
                let hops = self.of_service(&place.srv_name(transport), transport, entropy).await?;
                if hops.is_empty() {
                    self.of_host(&place.host, transport, transport.default_port()).await
                } else {
                    Ok(hops)
                }
            }
            Lookup::Services => self.of_services(place, entropy).await,
        }
    }

    /// NAPTR records, else the SRV records of each transport, else the host's own addresses (RFC 3263 section 4.1).
    async fn of_services(&self, place: &Place, entropy: &mut (dyn Entropy + Send)) -> Result<Vec<Hop>, Unresolved> {
        let mut services = place.services(self.naptr(&place.host).await?);
        if services.is_empty() {
            let unlisted = place.unlisted_services().iter();
            services = unlisted.map(|transport| (*transport, place.srv_name(*transport).into())).collect();
        }
        let mut hops = Vec::new();
        for (transport, name) in services {
            hops.extend(self.of_service(&name, transport, entropy).await?);
        }
        if hops.is_empty() {
            let transport = if place.secure { Transport::Tls } else { Transport::Udp };
            return self.of_host(&place.host, transport, transport.default_port()).await;
        }
        hops.truncate(HOPS_MAX);
        Ok(hops)
    }

    /// The addresses of the hosts that SRV records name; none without such records.
    async fn of_service(
        &self,
        name: &str,
        transport: Transport,
        entropy: &mut (dyn Entropy + Send),
    ) -> Result<Vec<Hop>, Unresolved> {
        let mut hops = Vec::new();
        for srv in targets(self.srv(name).await?, entropy) {
            // One host without an address leaves the others.
            let Ok(of_host) = self.of_host(&srv.target, transport, srv.port).await else { continue };
            hops.extend(of_host);
            if hops.len() >= HOPS_MAX {
                break;
            }
        }
        hops.truncate(HOPS_MAX);
        Ok(hops)
    }

    async fn of_host(&self, host: &str, transport: Transport, port: u16) -> Result<Vec<Hop>, Unresolved> {
        let found = self.inner.lookup_ip(host).await.map_err(|error| unresolved(host, &error))?;
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
        // With a dot at its end a name is complete, and no search domain is put behind it.
        let whole = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
        match self.inner.lookup(whole, kind).await {
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
pub fn place_of(uri: &str) -> Option<Place> {
    Place::of(&Uri::parse(uri).ok()?)
}
