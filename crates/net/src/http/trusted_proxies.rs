//! Who asks at a web edge, and how: the peer itself, or whoever a web server that is believed says it got the request from.

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::server::Accepted;
use sip::proxy::Network;

use crate::forwarded_for::{FORWARDED_FOR, FORWARDED_PROTO, forwarded_for};

/// The web servers in front of an edge that are believed from whom a request is. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[Network]>);

/// The far end of a request at a web edge. It is in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebClient {
    /// Its address.
    pub address: IpAddr,
    /// Whether it has asked by TLS.
    pub is_secure: bool,
    /// Whether a web server that is believed has passed the request on, and has said for whom.
    pub is_passed_on: bool,
}

impl WebClient {
    /// What a role behind the edge is told of it.
    pub fn told(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let scheme = HeaderValue::from_static(if self.is_secure { "https" } else { "http" });
        let address = HeaderValue::from_str(&self.address.to_string()).ok();
        let address = address.map(|address| (FORWARDED_FOR, address));
        std::iter::once((FORWARDED_PROTO, scheme)).chain(address)
    }
}

impl TrustedProxies {
    /// From addresses and networks, as `192.0.2.80` and `192.0.2.0/24`.
    ///
    /// # Errors
    /// The one that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let parsed = texts.iter().map(|text| Network::parse(text).ok_or(text));
        let networks: Result<Vec<Network>, &String> = parsed.collect();
        let networks =
            networks.map_err(|text| format!("{text:?} is no address and no network such as 192.0.2.0/24"))?;
        Ok(Self(networks.into()))
    }

    /// Whether one of them has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Who has sent a request with these headers: the nearest of `X-Forwarded-For` that is none of them if the peer is one, else the peer.
    pub fn client(&self, accepted: &Accepted, headers: &HeaderMap) -> WebClient {
        let peer = accepted.peer.ip().to_canonical();
        if !self.contains(peer) {
            return WebClient { address: peer, is_secure: accepted.is_secure, is_passed_on: false };
        }
        let address = forwarded_for(headers).into_iter().find(|address| !self.contains(*address));
        let scheme = headers.get_all(FORWARDED_PROTO).iter().next_back().and_then(|scheme| scheme.to_str().ok());
        // What others have written before the last one was written by a stranger, perhaps.
        let scheme = scheme.and_then(|scheme| scheme.rsplit(',').next()).map(str::trim);
        WebClient {
            address: address.unwrap_or(peer),
            is_secure: scheme.map_or(accepted.is_secure, |scheme| scheme.eq_ignore_ascii_case("https")),
            // Others in its network ask for themselves, as a probe of it does.
            is_passed_on: headers.contains_key(FORWARDED_FOR),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, is_secure: bool, headers: &[(&'static str, &'static str)]) -> WebClient {
        let trusted = TrustedProxies::parse(&["192.0.2.80".to_owned(), "198.51.100.0/24".to_owned()]).unwrap();
        let accepted = Accepted::new(format!("{peer}:40000").parse().unwrap());
        let accepted = if is_secure { accepted.over_tls() } else { accepted };
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(name, HeaderValue::from_static(value));
        }
        trusted.client(&accepted, &map)
    }

    #[test]
    fn the_word_of_a_web_server_that_is_named_counts_and_a_strangers_does_not() {
        let said = [("x-forwarded-for", "10.0.0.1, 203.0.113.7, 198.51.100.9"), ("x-forwarded-proto", "https")];
        let told = client("192.0.2.80", false, &said);
        assert_eq!((told.address.to_string(), told.is_secure, told.is_passed_on), ("203.0.113.7".into(), true, true));
        let stranger = client("203.0.113.9", false, &said);
        assert_eq!(
            (stranger.address.to_string(), stranger.is_secure, stranger.is_passed_on),
            ("203.0.113.9".into(), false, false)
        );
    }

    #[test]
    fn the_last_word_counts_and_silence_leaves_the_connection() {
        let proto = |said: &'static str| client("192.0.2.80", true, &[("x-forwarded-proto", said)]).is_secure;
        assert!(proto("http, HTTPS") && !proto("https, http"));
        let silent = client("192.0.2.80", true, &[]);
        assert_eq!(
            (silent.address.to_string(), silent.is_secure, silent.is_passed_on),
            ("192.0.2.80".into(), true, false)
        );
        let nonsense = client("192.0.2.80", false, &[("x-forwarded-for", "203.0.113.7, unknown")]);
        assert_eq!((nonsense.address.to_string(), nonsense.is_passed_on), ("192.0.2.80".into(), true));
    }

    #[test]
    fn roles_are_told_of_a_client_as_a_web_server_that_is_believed_tells_it() {
        let seen = WebClient { address: "2001:db8::7".parse().unwrap(), is_secure: true, is_passed_on: false };
        let told: HeaderMap = seen.told().collect();
        let accepted = Accepted::new("192.0.2.80:40000".parse().unwrap());
        let trusted = TrustedProxies::parse(&["192.0.2.80".to_owned()]).unwrap();
        assert_eq!(trusted.client(&accepted, &told), WebClient { is_passed_on: true, ..seen });
    }

    #[test]
    fn what_is_no_network_is_named() {
        let fault = TrustedProxies::parse(&["192.0.2.0/40".to_owned()]).unwrap_err();
        assert!(fault.contains("\"192.0.2.0/40\""), "{fault}");
    }
}
