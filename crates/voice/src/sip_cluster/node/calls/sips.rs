//! Calls to `sips:`: they go on by TLS alone (RFC 3261 section 26.2.2, RFC 5630). Which flow is one, sip-proxy knows; what asks for it, the
//! node of the call.

use std::borrow::Cow;

use model::ConnId;
use sip::proxy::headers::BY_TLS;
use sip::uri::Scheme;
use sip::{HeaderName, Message, NameAddr, Transport, Uri};

use super::leg::Target;
use crate::sip_cluster::node::Node;

/// What the caller of a call that could not go on by TLS is told (RFC 5630 section 6.2): it may try `sip:`.
pub(super) const NOT_ALLOWED: &str = "380 trunkline \"SIPS Not Allowed\"";

/// How an INVITE has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CallerWay {
    /// To a URI of `sips:`, by TLS then.
    Sips,
    /// By TLS.
    Tls,
    /// In the clear.
    InTheClear,
}

impl CallerWay {
    pub(super) fn of(request: &Message) -> Self {
        if request.request_uri().is_some_and(is_sips) {
            return Self::Sips;
        }
        // The proxy's own, which names the transport of the flow by which the request came.
        let route = request.elements(&HeaderName::RecordRoute).next().and_then(|route| NameAddr::parse(route).ok());
        let transport = route.and_then(|route| Transport::of(&route.uri().ok()?));
        if transport.is_some_and(Transport::is_secure) { Self::Tls } else { Self::InTheClear }
    }
}

impl Node {
    /// Whether whoever is rung for a thread must be rung by TLS: one of its calls came to `sips:`.
    pub(super) fn needs_tls(&self, thread: ConnId) -> bool {
        let entry = self.calls.get(&thread);
        entry.is_some_and(|entry| entry.legs.iter().any(|leg| leg.sips && leg.target.is_none()))
    }
}

/// Whether the dialog with whom we ring is one of `sips:`: a phone has registered such a URI. A carrier gets it for a call that came to one,
/// since its own next hop has to be one by TLS, too.
pub(super) fn is_called_so(target: &Target, needs_tls: bool) -> bool {
    is_sips(&target.contact.uri) || (needs_tls && target.trunk.is_some())
}

/// Whether a target cannot be reached by TLS for certain: a trunk with another transport, or with an address and none. What a phone has
/// registered does not tell; the proxy knows its flow.
pub(super) fn is_in_the_clear(target: &Target) -> bool {
    let Ok(uri) = Uri::parse(&target.contact.uri) else { return true };
    let may_be_found =
        uri.transport().is_none() && uri.port().is_none() && uri.host().is_some_and(|host| host.ip().is_none());
    let is_tls = Transport::of(&uri).is_some_and(Transport::is_secure);
    target.trunk.is_some() && !is_tls && !may_be_found
}

/// The Request-URI for whom we ring.
pub(super) fn request_uri(target: &Target, needs_tls: bool) -> Cow<'_, str> {
    match target.contact.uri.strip_prefix("sip:").filter(|_| is_called_so(target, needs_tls)) {
        Some(rest) => format!("sips:{rest}").into(),
        None => target.contact.uri.as_str().into(),
    }
}

/// What tells the proxy to send a phone's INVITE by TLS or not at all.
pub(super) fn by_tls(needs_tls: bool) -> Option<(HeaderName, String)> {
    needs_tls.then(|| (BY_TLS, "1".to_owned()))
}

/// The scheme that a Request-URI keeps which is written anew.
pub(super) fn scheme_of(request: &Message) -> &'static str {
    if request.request_uri().is_some_and(is_sips) { "sips" } else { "sip" }
}

fn is_sips(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.scheme() == Scheme::Sips)
}
