//! The proxy's settings: its addresses, its trunks, its limits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use model::{AddressFamily, Dn, TenantId};

use crate::flow::Transport;
use crate::next_hop::UriHop;
use crate::transaction::TransactionLayer;

/// Addresses and limits of a proxy.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our edge address as peers of the first UDP listener's family see it, `host:port`, written into Via and Record-Route. Nodes know us
    /// by it, so it is in every Path too, whatever the flow: only they follow one.
    pub edge: String,
    /// The same of the listeners of other transports, and of the other family: in Via, Record-Route and Contact of flows over those. TCP is
    /// among them where peers are told another address of it than of UDP.
    pub other_edges: Vec<OtherEdge>,
    /// The edge's UDP listeners in the order of their numbers; a request leaves by the first one of its address family.
    pub udp_listeners: Vec<SocketAddr>,
    /// Further `host:port` that name us in a Route or Request-URI.
    pub aliases: Vec<String>,
    /// Our address towards nodes, `host:port`, written into the Via of messages to them.
    pub cluster: String,
    /// Where initial requests from trunks go instead of to a node, for a proxy in front of another system.
    pub static_route: Option<SocketAddr>,
    /// The hashes that a phone may use.
    pub algorithms: Vec<crate::digest::Algorithm>,
    /// Limits.
    pub limits: Limits,
}

/// An address of the edge beside the first one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtherEdge {
    /// By what it is reached.
    pub transport: Transport,
    /// The family of whoever is told it; a name leads there all the same.
    pub family: AddressFamily,
    /// `host:port`.
    pub address: String,
}

impl Settings {
    /// Our address as peers of that transport and family see it. In the clear, datagrams and connections stand in for each other: who has no
    /// address of its own in the family is told as the other one is there. What does not listen in the family at all is told as it is in the
    /// other one: who is there is reached by a connection.
    pub(super) fn edge_of(&self, transport: Transport, family: AddressFamily) -> &str {
        let is_clear = |transport| matches!(transport, Transport::Udp | Transport::Tcp);
        let edges = || self.other_edges.iter();
        let own = edges().find(|edge| edge.transport == transport && edge.family == family);
        if own.is_none() && is_clear(transport) && family == self.family() {
            return &self.edge;
        }
        let clear = || edges().find(|edge| is_clear(transport) && is_clear(edge.transport) && edge.family == family);
        let of_transport = || edges().find(|edge| edge.transport == transport);
        own.or_else(clear).or_else(of_transport).map_or(&self.edge, |edge| &edge.address)
    }

    /// What stands behind the `@` of the Contact of a REGISTER to a carrier, for each transport and family of its address: those of our first
    /// family first.
    pub(super) fn places(&self) -> Vec<String> {
        let first = self.family();
        let second = if first == AddressFamily::V4 { AddressFamily::V6 } else { AddressFamily::V4 };
        let mut places: Vec<String> = Vec::new();
        for family in [first, second].into_iter().filter(|family| self.has_family(*family)) {
            for by in Transport::OF_CARRIERS {
                let place = format!("{}{}", self.edge_of(by, family), by.uri_parameter());
                if !places.contains(&place) {
                    places.push(place);
                }
            }
        }
        places
    }

    /// The family of our first address.
    pub(super) fn family(&self) -> AddressFamily {
        self.udp_listeners.first().map_or(AddressFamily::V4, |at| AddressFamily::of(at.ip()))
    }

    /// Whether the edge has an address of that family: peers of the other one are not reached.
    pub(super) fn has_family(&self, family: AddressFamily) -> bool {
        family == self.family()
            || self.udp_listeners.iter().any(|at| AddressFamily::of(at.ip()) == family)
            || self.other_edges.iter().any(|edge| edge.family == family)
    }
}

/// The bounds of a proxy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests a second from one source that is no trunk: an office of 1,000 phones behind one address.
    pub source_requests_per_s: u32,
    /// Requests a second from one source of a trunk: 4,000 calls/s of three requests, and as much again.
    pub trunk_requests_per_s: u32,
    /// Sources that are remembered; those silent longest are evicted for new ones.
    pub sources: usize,
    /// Wrong passwords for one number from one source before any wait.
    pub wrong_passwords_free: u8,
    /// The longest wait of a number at a source for its wrong passwords.
    pub wrong_password_wait_max: Duration,
    /// The most requests that wait for credentials at once, and the most that wait for a name.
    pub lookups: usize,
    /// The most requests beside these that may come by a trunk and wait for credentials: whoever else comes takes no place of a carrier's calls.
    pub trunk_lookups: usize,
    /// The most nodes at once.
    pub nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_requests_per_s: 200,
            trunk_requests_per_s: 24_000,
            sources: 65_536,
            wrong_passwords_free: 5,
            wrong_password_wait_max: Duration::from_secs(64),
            lookups: 4_096,
            trunk_lookups: 1_024,
            nodes: 256,
        }
    }
}

/// The interval of keep-alives to nodes.
pub const KEEP_ALIVE: Duration = Duration::from_millis(300);
/// Unanswered keep-alives after which a node counts as failed.
pub const MISSED_MAX: u8 = 3;
/// How long an INVITE that had a provisional response waits for the successor of its node.
pub const SUCCESSOR_WAIT: Duration = Duration::from_secs(4);
/// How long a request within a dialog waits for the next run of the dialog's owner: a restarted process is back within a second
/// or two, and a peer refused before that would not ask again.
pub const OWNER_BACK: Duration = Duration::from_secs(4);
/// The most requests that wait for an owner at once.
pub const OWNER_BACK_MAX: usize = 10_000;
/// Timer C: how long an INVITE may ring (RFC 3261 §16.6 demands more than 3 minutes). Longer than a tenant may let a phone ring
/// (600 s), since many phones send only one 180.
pub const TIMER_C: Duration = Duration::from_secs(660);
/// Timer C is checked at least this often. So a request's entry leaves the timer queue at most this long after the request
/// ended, however short the call was.
pub const TIMER_C_LOOK: Duration = Duration::from_secs(64);
/// The most reasons forwarded with a CANCEL (RFC 3326): one for each protocol in use, and some spare.
pub const REASONS_MAX: usize = 4;
/// The longest reason that is forwarded, in bytes: a code and a sentence.
pub const REASON_BYTES_MAX: usize = 512;
/// How long a request waits for its user's credentials.
pub const LOOKUP_TIME: Duration = Duration::from_secs(32);
/// How long a request waits for the name of its place: two name servers that are silent, asked twice.
pub const RESOLVE_TIME: Duration = Duration::from_secs(5);
/// How long a connection that is tried because of a request's size may take to open: long enough for one SYN to be lost.
pub const TRIAL_OPENS_WITHIN: Duration = Duration::from_millis(1_500);
/// How often a sender is reported that lacks the certificate or the address of its trunk, how often one whose call may be for several tenants,
/// and how often one that nobody knows.
pub const REFUSED_TOLD_EACH: Duration = Duration::from_secs(1);
/// The most names of the certificate of such a sender that are reported, and the most trunks between which it is not known.
pub const NAMES_TOLD_MAX: usize = 8;
/// How long a nonce is valid.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);
/// How long a draining proxy waits for nodes to announce that they drain too, before it assumes that it alone drains.
pub const DRAIN_ALONE_AFTER: Duration = Duration::from_secs(2);
/// The Retry-After of a 503, in seconds.
pub const RETRY_AFTER_S: u32 = 5;
/// How often a request is given to another node because its node failed, or reported that another node has the call.
pub const REPEATS_MAX: u8 = 4;
/// The same including the attempts before which it had to wait for a node; then the sender gets an answer.
pub const REPEATS_AFTER_WAITING_MAX: u8 = 8;
/// How often a response is passed from node to node because each reports that another one has the call.
pub const PASSES_MAX: u8 = 4;
/// The most hops that a request has left, whatever its Max-Forwards, and that it may have passed: those of RFC 3261 §20.22. A
/// loop over elements that do not count hops is limited to this length.
pub const HOPS_MAX: u8 = 70;
/// The most Routes of one request: those of two chains of proxies, and some spare. Each Route of ours costs an edit of the
/// message.
pub const ROUTES_MAX: usize = 32;
/// The part of the request and transaction tables that initial requests may use. The remaining eighth is for requests of
/// existing dialogs: without it callers could not hang up.
pub const BEGINNING_MAX: usize = TransactionLayer::TRANSACTIONS_MAX / 8 * 7;
/// The most Paths of a REGISTER (RFC 3327): a registration stores them, and every call to the phone carries them.
pub const PATHS_MAX: usize = 8;
/// Phones of which is remembered which node has their last call.
pub const PHONES_MAX: usize = 65_536;
/// The most responses to one request that are forwarded: those of an hour of ringing, each repeated, and of some forks.
pub const RESPONSES_MAX: u16 = 1_000;
/// The most timers handled in one turn; further due ones wait for the next turn, so that messages get their turn in between.
pub const TIMERS_PER_TURN: usize = 4_096;

/// A trunk, known by the sources of its calls, by the certificate of who sends them, or by both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trunk {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub name: String,
    /// The sources of its calls; none with [`Self::certificate_names`]: any.
    pub allow: Vec<Network>,
    /// The domains of which the sender's certificate must have one, in lower case (RFC 5922 §7.1); none if no certificate is needed.
    pub certificate_names: Vec<Box<str>>,
    /// Where its carrier is asked by OPTIONS whether it is there; `None` if it is not asked.
    pub asked: Option<UriHop>,
    /// The user under which we have registered with it: its calls are addressed to this user, and the To names the number.
    pub user: Option<String>,
    /// The host with which we register, in lower case; over TLS it proves this name.
    pub registrar: Option<Box<str>>,
    /// Whether who calls by it has to give a password besides.
    pub inbound: InboundPassword,
}

/// Whether who calls by a trunk has to give a password.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InboundPassword {
    /// It has not.
    NotAsked,
    /// It has, and against what it is checked is not known yet: nobody gets in.
    Unread,
    /// It has to give that of this account.
    Asked(Arc<InboundAccount>),
}

/// The account of whoever calls by a trunk.
#[derive(PartialEq, Eq, Debug)]
pub struct InboundAccount {
    /// The digest user.
    pub user: String,
    /// The realm of its digest: that of the tenant's phones.
    pub realm: String,
    /// H(user:realm:password) with each hash.
    pub hashes: Hashes,
}

/// A range of addresses, as `192.0.2.0/24`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    /// Its first address. An IPv4 address is never mapped to IPv6.
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Parses `address` or `address/bits`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().ok()?;
        let most: u8 = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 = bits.map_or(Some(most), |b| b.parse().ok())?;
        if bits > most {
            return None;
        }
        // The prefix of a mapped address begins within its 96 mapping bits.
        let bits = if address.to_canonical().is_ipv4() && most == 128 { bits.checked_sub(96)? } else { bits };
        Self::around(address.to_canonical(), bits)
    }

    /// The network of that prefix length that contains an address.
    pub(super) fn around(address: IpAddr, bits: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(a) => {
                let host = 32_u32.checked_sub(bits.into())?;
                Ipv4Addr::from_bits(a.to_bits() & u32::MAX.checked_shl(host).unwrap_or(0)).into()
            }
            IpAddr::V6(a) => {
                let host = 128_u32.checked_sub(bits.into())?;
                Ipv6Addr::from_bits(a.to_bits() & u128::MAX.checked_shl(host).unwrap_or(0)).into()
            }
        };
        Some(Self { address, bits })
    }

    /// Whether it contains `source`. An IPv4 address matches in either notation, since a dual-stack listener maps it to IPv6.
    pub fn contains(&self, source: IpAddr) -> bool {
        let source = source.to_canonical();
        source.is_ipv4() == self.is_ipv4() && Self::around(source, self.bits) == Some(*self)
    }

    pub(super) const fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// The prefix length: the more bits, the narrower the network.
    pub const fn bits(&self) -> u8 {
        self.bits
    }
}

/// The hashes that a digest is checked against: see [`crate::digest::ha1`].
#[derive(Clone, PartialEq, Eq)]
pub struct Hashes {
    /// With MD5.
    pub md5: String,
    /// With SHA-256.
    pub sha256: String,
}

impl std::fmt::Debug for Hashes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hashes(..)")
    }
}

/// A phone and its secrets.
#[derive(PartialEq, Eq)]
pub struct Phone {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its number, also its digest user.
    pub dn: Dn,
    /// The realm of its digest.
    pub realm: String,
    /// H(number:realm:password) with each hash.
    pub hashes: Hashes,
}

/// The result of looking up a user who wants to register or call.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A phone.
    Phone(Arc<Phone>),
    /// No phone has that number.
    Unknown {
        /// The realm in which a phone of that address would be challenged.
        realm: Option<String>,
    },
    /// The user cannot be looked up now.
    Unavailable,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Phone(phone) => write!(f, "Phone({}, {})", phone.tenant, phone.dn),
            Self::Unknown { .. } => f.write_str("Unknown"),
            Self::Unavailable => f.write_str("Unavailable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_shares_its_bits() {
        let cases = [
            ("127.0.0.0/8", "127.9.8.7", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "192.0.2.1", false),
            ("192.0.2.0/24", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("::ffff:192.0.2.0/120", "::ffff:192.0.2.9", true),
            ("::ffff:192.0.2.0/120", "192.0.3.1", false),
        ];
        for (network, source, holds) in cases {
            assert_eq!(Network::parse(network).unwrap().contains(source.parse().unwrap()), holds, "{network} {source}");
        }
        for bad in ["", "x", "127.0.0.1/33", "::1/129", "127.0.0.1/", "::ffff:192.0.2.1/95"] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
