//! Where a request comes from: the browser's or program's own address and scheme, and the host that it has asked, as ingress tells them,
//! and nobody else.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use net::http::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO};
use runtime::listener::HostPort;
use runtime::server::Accepted;

use super::super::Auth;

/// The role whose word counts.
const INGRESS: &str = "ingress";
/// The most characters of what a browser or program calls itself.
const USER_AGENT_MAX: usize = 256;
/// What is of the customer in an address of IPv6: the first 48 bits (RFC 6177).
const CUSTOMER: u128 = !0 << 80;
/// Any port: only the name of a host is looked at.
const NO_PORT: u16 = 0;

/// The other end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::auth) struct RequestSource {
    /// Its address, or the network of a site (IPv6); empty if it is not known.
    pub address: String,
    /// The same in full; none if it is not known, as where ingress asks for itself.
    pub sender: Option<IpAddr>,
    /// Whether it came by TLS.
    pub is_secure: bool,
    /// What the browser or program calls itself; empty if it says nothing.
    pub user_agent: String,
    /// The name of the host that was asked, in lower case and without a port; empty if it is not known.
    pub host: String,
}

impl FromRequestParts<Arc<Auth>> for RequestSource {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, auth: &Arc<Auth>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<Accepted>().map(|accepted| accepted.peer.ip());
        let is_ingress = peer.is_some_and(|peer| auth.ctx.directory.role_at(peer) == Some(INGRESS));
        Ok(Self::of(peer, is_ingress, &parts.headers))
    }
}

impl RequestSource {
    /// That of a use of which ingress tells later.
    pub fn told(address: IpAddr, said: &str) -> Self {
        Self {
            address: site(address),
            sender: Some(address.to_canonical()),
            is_secure: false,
            user_agent: printed(said.as_bytes()),
            host: String::new(),
        }
    }

    /// The network that one customer may have, of which the address is a part; none where that is the address alone (IPv4), or not known.
    pub fn network(&self) -> Option<String> {
        match self.address.parse() {
            Ok(IpAddr::V6(v6)) => Some(format!("{}/48", Ipv6Addr::from_bits(v6.to_bits() & CUSTOMER))),
            _ => None,
        }
    }

    fn of(peer: Option<IpAddr>, is_ingress: bool, headers: &HeaderMap) -> Self {
        let told = |name: HeaderName| {
            let value = headers.get(name).filter(|_| is_ingress)?.to_str().ok()?;
            // Ingress drops what it was sent; the last word would be its own in any case.
            value.rsplit(',').next().map(str::trim)
        };
        let named: Option<IpAddr> = told(FORWARDED_FOR).and_then(|text| text.parse().ok());
        let sender = if is_ingress { named } else { peer };
        let address = named.or(peer);
        let is_secure = told(FORWARDED_PROTO).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        let host = told(FORWARDED_HOST).map(host_name).unwrap_or_default();
        Self {
            address: address.map(site).unwrap_or_default(),
            sender: sender.map(|address| address.to_canonical()),
            is_secure,
            user_agent: user_agent(headers),
            host,
        }
    }
}

/// The name of a host as it is compared: in lower case, without its port and a dot at the end. Empty for what is none.
pub(in crate::auth) fn host_name(authority: &str) -> String {
    let host = HostPort::parse(authority, NO_PORT).map(|at| at.host).unwrap_or_default();
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn user_agent(headers: &HeaderMap) -> String {
    printed(headers.get(header::USER_AGENT).map_or(&b""[..], |value| value.as_bytes()))
}

/// What is shown of a name later, in tables of others too: its first characters, and none but what is printed (RFC 9110 section 10.1.5).
fn printed(said: &[u8]) -> String {
    let printed = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' };
    said.trim_ascii().iter().take(USER_AGENT_MAX).map(printed).collect()
}

/// A site has a whole IPv6 network (RFC 6177): all addresses of a /64 count as one.
fn site(address: IpAddr) -> String {
    const NETWORK: u128 = !0 << 64;
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & NETWORK).to_string(),
        IpAddr::V4(v4) => v4.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(peer: &str, is_ingress: bool, forwarded_for: &'static str) -> (String, bool) {
        let headers = HeaderMap::from_iter([
            (FORWARDED_FOR, forwarded_for.parse().unwrap()),
            (FORWARDED_PROTO, "https".parse().unwrap()),
        ]);
        let source = RequestSource::of(peer.parse().ok(), is_ingress, &headers);
        (source.address, source.is_secure)
    }

    #[test]
    fn only_ingress_says_who_asks() {
        assert_eq!(source("127.0.40.1", true, "198.51.100.1, 203.0.113.7"), ("203.0.113.7".to_owned(), true));
        assert_eq!(source("127.0.0.1", false, "203.0.113.7"), ("127.0.0.1".to_owned(), false));
        assert_eq!(source("127.0.40.1", true, "nonsense").0, "127.0.40.1");
    }

    #[test]
    fn an_address_is_known_in_full_where_somebody_says_it() {
        let sender = |is_ingress, forwarded_for: &'static str| {
            let headers = HeaderMap::from_iter([(FORWARDED_FOR, forwarded_for.parse().unwrap())]);
            RequestSource::of("127.0.40.1".parse().ok(), is_ingress, &headers).sender
        };
        let said = |address: &str| Some(address.parse::<IpAddr>().unwrap());
        assert_eq!(sender(true, "2001:db8:1:2:3:4:5:6"), said("2001:db8:1:2:3:4:5:6"));
        assert_eq!(sender(true, "::ffff:192.0.2.1"), said("192.0.2.1"));
        assert_eq!((sender(true, "nonsense"), sender(false, "203.0.113.7")), (None, said("127.0.40.1")));
        assert_eq!(RequestSource::told("192.0.2.1".parse().unwrap(), "").sender, said("192.0.2.1"));
    }

    #[test]
    fn the_host_is_what_ingress_says_without_its_port() {
        let host = |is_ingress, said: &'static str| {
            let headers = HeaderMap::from_iter([(FORWARDED_HOST, said.parse().unwrap())]);
            RequestSource::of("127.0.40.1".parse().ok(), is_ingress, &headers).host
        };
        assert_eq!(host(true, "Acme.Example:8443"), "acme.example");
        assert_eq!(
            (host(true, "acme.example."), host(false, "acme.example")),
            ("acme.example".to_owned(), String::new())
        );
        assert_eq!((host(true, "[::1]:8443"), host(true, "")), ("::1".to_owned(), String::new()));
    }

    #[test]
    fn what_a_browser_calls_itself_is_short_and_printed() {
        let said = |value: &[u8]| {
            let value = axum::http::HeaderValue::from_bytes(value).unwrap();
            user_agent(&HeaderMap::from_iter([(header::USER_AGENT, value)]))
        };
        assert_eq!(said(b" Mozilla/5.0 (X11) "), "Mozilla/5.0 (X11)");
        assert_eq!(said(b"a\tb\xe2\x80\xaec"), "a?b???c");
        assert_eq!(said(&[b'x'; 1_000]).len(), USER_AGENT_MAX);
        assert_eq!(user_agent(&HeaderMap::new()), "");
    }

    #[test]
    fn the_addresses_of_a_site_are_one_source() {
        assert_eq!(source("127.0.40.1", true, "2001:db8:1:2:3:4:5:6").0, "2001:db8:1:2::");
        assert_eq!(source("127.0.40.1", true, "::ffff:192.0.2.1").0, "192.0.2.1");
        let network = |address: &str| RequestSource::told(address.parse().unwrap(), "").network();
        assert_eq!(network("2001:db8:1:2::3").as_deref(), Some("2001:db8:1::/48"));
        assert_eq!(network("2001:db8:1:2::3"), network("2001:db8:1:ffff::"));
        assert_eq!(network("::ffff:192.0.2.1"), None);
    }
}
