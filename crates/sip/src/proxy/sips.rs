//! `sips:`: what names it travels by TLS alone, in and out (RFC 3261 §26.2.2, RFC 5630).

use super::answer::Answer;
use super::exchange::Target;
use super::target::Onward;
use super::{Proxy, headers};
use crate::flow::{Flow, Transport};
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::uri::{Scheme, Uri};

/// The warning of RFC 5630 §6.2: the sender may try `sip:`.
const NOT_ALLOWED: &str = "380 sip-proxy \"SIPS Not Allowed\"";

/// Why a node's request does not go there: it begins something that may travel by TLS alone, and the way there is in the clear.
pub(super) fn refusal_onward(request: &Message, needs_tls: bool, onward: &Onward) -> Option<Answer> {
    let is_in_clear = match onward {
        // A phone that has registered a URI of `sips:` in the clear is called as it can be, unless the call needs more.
        Onward::To(destination) => match destination.target {
            Target::Edge(flow) => !flow.transport().is_secure() && request.header(&headers::BY_TLS).is_some(),
            Target::Node(_) => false,
        },
        Onward::Out(place) => !place.secure,
    };
    (needs_tls && is_in_clear && begins(request)).then(not_allowed)
}

/// Whether a node's request may travel by TLS alone.
pub(super) fn needs_tls(request: &Message) -> bool {
    is_to_sips(request) || request.header(&headers::BY_TLS).is_some()
}

/// Whether the Request-URI is one of `sips:`.
pub(super) fn is_to_sips(request: &Message) -> bool {
    request.request_uri().is_some_and(is_sips)
}

/// Whether a request is outside any dialog. No ACK or CANCEL begins something.
fn begins(request: &Message) -> bool {
    !matches!(request.method(), Method::Ack | Method::Cancel) && request.to().is_ok_and(|to| to.tag().is_none())
}

fn is_sips(uri: &str) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.scheme() == Scheme::Sips)
}

fn not_allowed() -> Answer {
    Answer::new(StatusCode::TEMPORARILY_UNAVAILABLE).with(HeaderName::Warning, NOT_ALLOWED)
}

/// Scheme and transport parameter of a URI of ours that leads down a flow; in a dialog with `sips:` it is one of those (RFC 3261 §16.6
/// step 4, §12.1.1).
pub(super) const fn written(transport: Transport, in_sips: bool) -> (&'static str, &'static str) {
    match transport {
        Transport::Tls if in_sips => ("sips", ""),
        Transport::Wss if in_sips => ("sips", Transport::Ws.uri_parameter()),
        other => ("sip", other.uri_parameter()),
    }
}

impl Proxy {
    /// Why a request of the edge is refused that begins something, is to `sips:`, and has come in the clear: who sent it believes that
    /// nobody on the way reads it. In an existing dialog it goes on, since a call must be able to end. Phones behind a server that takes TLS
    /// from them write `sips:` in Contact and Route, and register so: that says nothing about whom they call. Of a call that may be one for
    /// help the node decides, once the tenant's plan says whether it is.
    pub(super) fn refusal_of_sips(&self, request: &Message, flow: Flow) -> Option<Answer> {
        let is_meant = begins(request) && is_to_sips(request) && request.method() != Method::Register;
        (is_meant && !flow.transport().is_secure() && !self.may_be_for_help(request)).then(not_allowed)
    }

    /// A node gives our address for datagrams in each Contact. In one of `sips:` the peer gets our address for its transport.
    pub(super) fn contact_of_sips(&self, message: &mut Message, flow: Flow) {
        let transport = flow.transport();
        let is_meant = |contact: &str| contact.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("<sips:"));
        if !transport.is_secure() || !message.headers(&HeaderName::Contact).any(is_meant) {
            return;
        }
        let (_, parameter) = written(transport, true);
        self.exchange_contact(message, &format!("{}{parameter}", self.edge_at(flow)));
    }
}
