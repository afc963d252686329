//! Our Record-Route (RFC 3261 §16.6 step 4): it brings the later requests of a dialog here, and its flow token says where they go.

use super::exchange::{Origin, Target};
use super::own_routes::PROVED_NAME;
use super::{Proxy, flow_token, sips};
use crate::flow::Flow;
use crate::header::{HeaderName, NameAddr};
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;

impl Proxy {
    /// Later requests of this dialog come through us again, and those towards the edge go down this flow (RFC 5626
    /// §5.3).
    pub(super) fn record_route(&mut self, message: &mut Message, origin: Origin, target: Target) {
        let flow = match (origin, target) {
            (Origin::Edge(flow), _) | (_, Target::Edge(flow)) => flow,
            (Origin::Node(_), Target::Node(_)) => return,
        };
        let route = self.route_down(flow, sips::is_to_sips(message));
        message.push_front(&HeaderName::RecordRoute, route);
        // With a static route the two sides may have addresses of different families: each is told ours of its own (RFC 5658 §5). Whichever
        // comes back to us takes both out, and the first one says where the request goes.
        if let (Origin::Edge(from), Target::Edge(to)) = (origin, target)
            && self.family_of(from) != self.family_of(to)
        {
            let token = flow_token::seal(from, self.stream_owner(from), &self.seal);
            let route = self.route_by(to, &token, "", sips::is_to_sips(message));
            message.push_front(&HeaderName::RecordRoute, route);
        }
    }

    fn route_down(&mut self, flow: Flow, in_sips: bool) -> String {
        let token = flow_token::seal(flow, self.stream_owner(flow), &self.seal);
        self.allowance.sealed(&token);
        let proves = self.proved_name(flow).map(|name| format!(";{PROVED_NAME}={name}")).unwrap_or_default();
        self.route_by(flow, &token, &proves, in_sips)
    }

    /// Our Route with this token, as the peer of a flow reaches us.
    fn route_by(&self, flow: Flow, token: &str, proves: &str, in_sips: bool) -> String {
        let (scheme, transport) = sips::written(flow.transport(), in_sips);
        format!("<{scheme}:{token}@{}{transport}{proves};lr>", self.edge_at(flow))
    }

    pub(super) fn proved_name(&self, flow: Flow) -> Option<&str> {
        let Flow::Stream { connection } = flow else { return None };
        self.proved_names.get(&connection).map(|name| &**name)
    }

    /// As [`restore`], for a response whose request is forgotten: a flow that we have sealed stays, else it is the one that
    /// the response came on.
    pub(super) fn restore_forgotten(&mut self, response: &mut Message, flow: Flow) {
        if self.node_of(flow).is_some() || self.ends_with_ours(response) {
            return;
        }
        // Only the node reads it.
        let route = self.route_down(flow, false);
        restore(response, &route);
    }

    fn ends_with_ours(&self, response: &Message) -> bool {
        let last = response.elements(&HeaderName::RecordRoute).last().and_then(|route| NameAddr::parse(route).ok());
        let Some(Ok(uri)) = last.as_ref().map(NameAddr::uri) else { return false };
        self.is_us(&uri) && uri.user().is_some_and(|token| flow_token::open(token, &self.seal).is_some())
    }
}

/// Whether a request begins a dialog.
pub(super) fn begins_dialog(message: &Message) -> bool {
    matches!(message.method(), Method::Invite | Method::Subscribe | Method::Refer)
        && message.to().is_ok_and(|to| to.tag().is_none())
}

/// Our Record-Route in a node's request to the edge. The response must have it.
pub(super) fn recorded(request: &Message, origin: Origin, target: Target) -> Option<Box<str>> {
    match (origin, target) {
        (Origin::Node(_), Target::Edge(_)) if begins_dialog(request) => {
            request.elements(&HeaderName::RecordRoute).next().map(Into::into)
        }
        _ => None,
    }
}

/// Makes sure that the route set that a node takes from a response begins with our Route: what a party leaves out of its
/// Record-Route, or says in its Contact, must not decide the address to which we send the dialog's requests.
///
/// The response has the values in the order of the request (RFC 3261 §12.1.1), and a node reverses them: ours is the last.
pub(super) fn restore(response: &mut Message, ours: &str) {
    let creates = response.status().is_some_and(|s| s != StatusCode::TRYING && (s.is_provisional() || s.is_success()));
    if creates && response.elements(&HeaderName::RecordRoute).last() != Some(ours) {
        response.append(&HeaderName::RecordRoute, ours);
    }
}
