//! Routes and Paths that name this proxy: the flow tokens of its own, and what a peer has only copied.

use model::AddressFamily;

use super::{Proxy, flow_token};
use crate::flow::Transport;
use crate::header::{HeaderName, NameAddr};
use crate::message::Message;
use crate::uri::{Host, Uri};

/// The URI parameter of our Record-Route that has the name that a carrier proves.
pub(super) const PROVED_NAME: &str = "proves";

/// The URI parameter of our Path whose flow leads to an address of IPv6.
pub(super) const OVER_IPV6: &str = "ip6";

/// The family of a phone's address, by the Path that a proxy of ours has put before its own; `None` if that cannot be read.
pub fn family_of_path(path: &str) -> Option<AddressFamily> {
    let address = NameAddr::parse(path).ok()?;
    let is_over_ipv6 = address.uri().ok()?.params().contains(OVER_IPV6);
    Some(if is_over_ipv6 { AddressFamily::V6 } else { AddressFamily::V4 })
}

/// A Route of ours in a request.
pub(super) struct OwnRoute {
    /// Its user part: the flow, or what a stranger has written there.
    pub(super) token: String,
    /// The name that the carrier at the end of the flow has to prove.
    pub(super) name: Option<String>,
    /// Whether no other way will do (RFC 5626 §5.1, `ob`).
    pub(super) is_only: bool,
}

impl Proxy {
    /// Removes the topmost Routes that name us and returns the user part of the first one, the flow token. Routes of
    /// ours further down were added by a peer and decide nothing.
    pub(super) fn take_own_routes(&self, message: &mut Message) -> Option<OwnRoute> {
        let mut taken = None;
        while let Some(token) = self.own_top_route(message) {
            if taken.is_none() {
                let uri = message.routes().next().and_then(Result::ok).and_then(|route| route.uri().ok());
                let name = uri.and_then(|uri| uri.params().get(PROVED_NAME).map(str::to_owned));
                taken = Some(OwnRoute { token, name, is_only: uri.is_some_and(|uri| uri.params().contains("ob")) });
            }
            message.remove_first_value(&HeaderName::Route);
        }
        taken
    }

    /// The user part of the topmost Route, if that names us.
    pub(super) fn own_top_route(&self, message: &Message) -> Option<String> {
        let uri = message.routes().next()?.ok()?.uri().ok()?;
        self.is_us(&uri).then(|| uri.user().unwrap_or_default().to_owned())
    }

    /// Removes the Path entries of a phone that name us: only the one that we add names its flow.
    pub(super) fn remove_own_paths(&self, register: &mut Message) {
        let means_us = |path: &&str| {
            let path = NameAddr::parse(path).ok();
            path.and_then(|path| path.uri().ok()).is_some_and(|uri| self.is_us(&uri))
        };
        if !register.elements(&HeaderName::Path).any(|path| means_us(&path)) {
            return;
        }
        let others = register.elements(&HeaderName::Path).filter(|path| !means_us(path));
        let others: Vec<String> = others.map(str::to_owned).collect();
        register.remove(&HeaderName::Path);
        for path in others {
            register.append(&HeaderName::Path, path);
        }
    }

    /// Undoes strict routing: our Route is in the Request-URI and the real one is last (RFC 3261 §16.4).
    pub(super) fn undo_strict_routing(&self, message: &mut Message) {
        let Some(uri) = message.request_uri().and_then(|u| Uri::parse(u).ok()) else { return };
        let ours =
            uri.user().is_some_and(|u| flow_token::looks_like_one(u) && flow_token::open(u, &self.seal).is_some());
        if !ours || !self.is_us(&uri) {
            return;
        }
        let routes: Vec<String> = message.elements(&HeaderName::Route).map(str::to_owned).collect();
        let Some((last, rest)) = routes.split_last() else { return };
        let Ok(real) = NameAddr::parse(last) else { return };
        let real = real.raw_uri().to_owned();
        let own = message.request_uri().unwrap_or_default().to_owned();
        message.set_request_uri(real);
        message.remove(&HeaderName::Route);
        message.append(&HeaderName::Route, format_args!("<{own}>"));
        for route in rest {
            message.append(&HeaderName::Route, route);
        }
    }

    pub(super) fn is_us(&self, uri: &Uri<'_>) -> bool {
        let Some(host) = uri.host() else { return false };
        let port = uri.port().unwrap_or_else(|| Transport::of(uri).unwrap_or(Transport::Udp).default_port());
        // One address of IPv6 is written in several ways (RFC 5954 §4.2).
        let is_same = |ours: &str| match host.as_str().starts_with('[') {
            true => Host::parse(ours).is_ok_and(|ours| ours == host),
            false => ours.eq_ignore_ascii_case(host.as_str()),
        };
        self.us.iter().any(|(ours, p)| *p == port && is_same(ours))
    }
}

/// `host:port`, an IPv6 host in brackets; the port defaults to 5060.
pub(super) fn host_and_port(text: &str) -> Option<(Box<str>, u16)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Some((host.into(), port.parse().ok()?)),
        _ => Some((text.into(), 5060)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_comes_with_or_without_port_and_brackets() {
        assert_eq!(host_and_port("127.0.0.1:5062"), Some(("127.0.0.1".into(), 5062)));
        assert_eq!(host_and_port("[::1]:5062"), Some(("[::1]".into(), 5062)));
        assert_eq!(host_and_port("[::1]"), Some(("[::1]".into(), 5060)));
        assert_eq!(host_and_port("edge.example"), Some(("edge.example".into(), 5060)));
    }

    #[test]
    fn a_path_says_by_which_family_a_phone_is_reached() {
        let of = |path: &str| family_of_path(path);
        assert_eq!(of("<sip:token@192.0.2.1:5060;lr;ip6;ob>"), Some(AddressFamily::V6));
        assert_eq!(of("<sip:token@[2001:db8::1]:5060;lr;ob>"), Some(AddressFamily::V4), "our address says nothing");
        assert_eq!(of("nonsense"), None);
    }
}
