//! Calls to `sips:`: they go on by TLS alone (RFC 3261 section 26.2.2, RFC 5630). Which flow is one, sip-proxy knows; what asks for it, the
//! node of the call.

use std::borrow::Cow;

use model::plan::Destination;
use model::{ConnId, LegId};
use sip::proxy::headers::BY_TLS;
use sip::uri::Scheme;
use sip::{HeaderName, Message, NameAddr, StatusCode, Transport, Uri};

use super::leg::{Leg, Target};
use crate::sip_cluster::node::Node;

/// What the caller of a call that could not go on by TLS is told (RFC 5630 section 6.2): it may try `sip:`.
pub(super) const NOT_ALLOWED: &str = "380 trunkline \"SIPS Not Allowed\"";

/// How an INVITE has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CallerWay {
    /// To a URI of `sips:`, by TLS.
    Sips,
    /// To such a URI, in the clear: the proxy lets in what may be an emergency.
    SipsInTheClear,
    /// By TLS.
    Tls,
    /// In the clear.
    InTheClear,
}

impl CallerWay {
    pub(super) fn of(request: &Message) -> Self {
        // The proxy's own, which names the transport of the flow by which the request came.
        let route = request.elements(&HeaderName::RecordRoute).next().and_then(|route| NameAddr::parse(route).ok());
        let transport = route.and_then(|route| Transport::of(&route.uri().ok()?));
        let is_secure = transport.map(Transport::is_secure);
        match (request.request_uri().is_some_and(is_sips), is_secure) {
            (true, Some(false)) => Self::SipsInTheClear,
            (true, _) => Self::Sips,
            (false, Some(true)) => Self::Tls,
            (false, _) => Self::InTheClear,
        }
    }
}

/// How whom we ring may be rung.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RingBy {
    /// In whichever way it is reached.
    AnyWay,
    /// By TLS or not at all.
    Tls,
}

impl Node {
    /// Whether whoever is rung for a thread must be rung by TLS: one of its calls came to `sips:`, or has been or is being transferred there.
    pub(super) fn needs_tls(&self, thread: ConnId) -> bool {
        let asks = |leg: &Leg| leg.refers_to_sips || (leg.sips && leg.target.is_none());
        self.calls.get(&thread).is_some_and(|entry| entry.needs_tls || entry.legs.iter().any(asks))
    }

    /// A transfer by a phone is over, or has found whom it is to: if that is `sips:`, the thread keeps to it once the phone has left.
    pub(super) fn note_transfer(&mut self, thread: ConnId, id: LegId, status: StatusCode) {
        let was_to_sips = self.leg_mut(thread, id).is_some_and(|leg| std::mem::take(&mut leg.refers_to_sips));
        if let Some(entry) = self.calls.get_mut(&thread).filter(|_| was_to_sips && status == StatusCode::OK) {
            entry.needs_tls = true;
        }
    }

    /// Notes for the caller whether whom we have tried last has no TLS: what others lacked says nothing about why a call ends.
    pub(in crate::sip_cluster::node) fn note_tls(&mut self, thread: ConnId, is_lacking: bool) {
        let Some(entry) = self.calls.get_mut(&thread) else { return };
        if is_lacking {
            entry.warning = Some(NOT_ALLOWED.to_owned());
        } else if entry.warning.as_deref() == Some(NOT_ALLOWED) {
            entry.warning = None;
        }
    }

    /// Whether a call may not go on to where the dial plan leads it: who calls wants TLS, and has not come by it. An emergency may.
    pub(in crate::sip_cluster::node) fn lacks_tls(&self, thread: ConnId, ask: u32, destination: &Destination) -> bool {
        let is_emergency = matches!(destination, Destination::Outside(outside) if outside.way.is_emergency);
        let leg = self.calls.get(&thread).and_then(|entry| entry.leg(entry.thread.asks_on(ask)?));
        leg.is_some_and(|leg| leg.sips_in_the_clear) && !is_emergency
    }

    /// How whoever is rung for a thread may be rung. An emergency goes out in any way.
    pub(super) fn ring_by(&self, thread: ConnId) -> RingBy {
        if self.needs_tls(thread) { RingBy::Tls } else { RingBy::AnyWay }
    }

    /// The same, of a leg that is there. What was decided for a trunk stays: it may have been an emergency.
    pub(super) fn rings_by(&self, thread: ConnId, leg: &Leg, target: &Target) -> RingBy {
        match &target.trunk {
            Some(_) if leg.sips => RingBy::Tls,
            Some(_) => RingBy::AnyWay,
            None => self.ring_by(thread),
        }
    }
}

/// What becomes of a call that lacks TLS. The caller is told by [`Node::note_tls`] what that means.
pub(in crate::sip_cluster::node) fn refused() -> Destination {
    Destination::Reject { status: StatusCode::SERVICE_UNAVAILABLE.0, reason: "SIPS Not Allowed".to_owned() }
}

/// Whether the dialog with whom we ring is one of `sips:`: a phone has registered such a URI. A carrier gets it for a call that came to one,
/// since its own next hop has to be one by TLS, too.
pub(super) fn is_called_so(target: &Target, by: RingBy) -> bool {
    is_sips(&target.contact.uri) || (by == RingBy::Tls && target.trunk.is_some())
}

/// Whether a trunk is not called by TLS for certain: its first server's URI names another transport, or an address and none.
pub(super) fn is_in_the_clear(trunk: &Target) -> bool {
    let route = trunk.contact.path.first().and_then(|route| NameAddr::parse(route).ok());
    let uri = route.map_or_else(|| Uri::parse(&trunk.contact.uri), |route| route.uri());
    let Ok(uri) = uri else { return true };
    let is_named = uri.host().is_some_and(|host| host.ip().is_none());
    let may_be_found = is_named && uri.transport().is_none() && uri.port().is_none();
    !may_be_found && !Transport::of(&uri).is_some_and(Transport::is_secure)
}

/// Whether a failure is that of our proxy, by which there is no way by TLS.
pub(super) fn is_of_proxy(status: StatusCode, response: Option<&Message>) -> bool {
    let warning = response.and_then(|response| response.header(&HeaderName::Warning));
    status == StatusCode::TEMPORARILY_UNAVAILABLE && warning.is_some_and(|text| text.starts_with("380 sip-proxy "))
}

/// The Request-URI for whom we ring.
pub(super) fn request_uri(target: &Target, by: RingBy) -> Cow<'_, str> {
    match target.contact.uri.strip_prefix("sip:").filter(|_| is_called_so(target, by)) {
        Some(rest) => format!("sips:{rest}").into(),
        None => target.contact.uri.as_str().into(),
    }
}

/// What tells the proxy to send the INVITE by TLS or not at all.
pub(super) fn told_proxy(by: RingBy) -> Option<(HeaderName, String)> {
    (by == RingBy::Tls).then(|| (BY_TLS, "1".to_owned()))
}

/// The scheme that a Request-URI keeps which is written anew.
pub(super) fn scheme_of(request: &Message) -> &'static str {
    if request.request_uri().is_some_and(is_sips) { "sips" } else { "sip" }
}

fn is_sips(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.scheme() == Scheme::Sips)
}
