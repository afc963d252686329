//! Where a request goes: flows in Routes, owners in tags, nodes by domain, addresses (RFC 3261 §16.4, §16.5).

use model::{Owner, Timestamp};

use super::answer::Answer;
use super::exchange::Target;
use super::nodes::owns_calls;
use super::own_routes::OwnRoute;
use super::{Proxy, flow_token, rendezvous};
use crate::flow::Flow;
use crate::header::HeaderName;
use crate::local_tag::LocalTag;
use crate::message::Message;
use crate::next_hop::{Lookup, UriHop};
use crate::replaces::Replaces;
use crate::status::StatusCode;
use crate::uri::Uri;

/// The role that keeps registrations.
pub(super) const REGISTRAR: &str = "registrar";
/// The domain in which nodes are named: `[<node>.<epoch>.]<role>.trunkline.invalid`.
const DOMAIN: &str = ".trunkline.invalid";

/// Where a request goes, and what is needed to give it to another node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Destination {
    pub(super) target: Target,
    /// The intended owner, if that is not live.
    pub(super) unreachable: Option<Owner>,
    /// The hash that chose the node; `None` if no other node will do.
    pub(super) key: Option<u64>,
}

/// Where a node's request goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Onward {
    /// There.
    To(Destination),
    /// Out of the installation, to a place that may have several addresses.
    Out(UriHop),
}

impl Destination {
    pub(super) const fn edge(flow: Flow) -> Self {
        Self { target: Target::Edge(flow), unreachable: None, key: None }
    }
}

/// A node named by one of our host names.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Named {
    Any { role: Box<str> },
    One { owner: Owner },
}

impl Proxy {
    /// The dialog tag of a node, from To or the Request-URI.
    pub(super) fn owner_tag(&self, message: &Message) -> Option<LocalTag> {
        let to = message.to().ok()?;
        to.tag().and_then(|tag| LocalTag::decode(tag, &self.seal)).or_else(|| {
            let uri = Uri::parse(message.request_uri()?).ok()?;
            LocalTag::decode(uri.user()?, &self.seal)
        })
    }

    /// The dialog tag of a node in the dialog whose place an INVITE is to take (RFC 3891).
    pub(super) fn replaced_tag(&self, message: &Message) -> Option<LocalTag> {
        let replaces = Replaces::parse(message.header(&HeaderName::Replaces)?)?;
        replaces.tags().into_iter().find_map(|tag| LocalTag::decode(tag, &self.seal))
    }

    /// The owner of a dialog if it is live, else its successor.
    pub(super) fn to_owner(&self, tag: &LocalTag) -> Result<Destination, Answer> {
        let key = rendezvous::key_of(tag.call);
        // An owner reported by a node precedes that of the tag: a dialog keeps its tag when its call moves to another
        // node.
        let told = self.moved.owner_of(tag.call).filter(|_| owns_calls(&tag.owner));
        if let Some(node) = self.nodes.by_owner(told.unwrap_or(&tag.owner)) {
            return Ok(Destination { target: Target::Node(node.connection), unreachable: None, key: Some(key) });
        }
        let successor = self.nodes.successor_of(&tag.owner, key).ok_or_else(Answer::unavailable)?;
        let unreachable = Some(tag.owner.clone());
        Ok(Destination { target: Target::Node(successor.connection), unreachable, key: Some(key) })
    }

    /// A node of this role for an initial request.
    pub(super) fn to_role(&self, role: &str, key: &str) -> Result<Destination, Answer> {
        let key = rendezvous::hash(key.as_bytes());
        let node = self.nodes.for_new(role, key).ok_or_else(Answer::unavailable)?;
        Ok(Destination { target: Target::Node(node.connection), unreachable: None, key: Some(key) })
    }

    /// Where a node's request goes.
    pub(super) fn destination_from_node(&mut self, message: &mut Message, now: Timestamp) -> Result<Onward, Answer> {
        if let Some(route) = self.take_own_routes(message) {
            return self.flow_destination(&route, message, now).map(Onward::To);
        }
        if let Some(destination) = self.take_node_route(message) {
            return Ok(Onward::To(destination));
        }
        let uri = message.request_uri().and_then(|u| Uri::parse(u).ok());
        let named = uri.and_then(|u| named(u.host()?.as_str()).map(|n| (n, u.user().unwrap_or_default())));
        match named {
            Some((Named::Any { role }, user)) => return self.to_role(&role, user).map(Onward::To),
            Some((Named::One { owner }, _)) => return self.to_one(&owner, message).map(Onward::To),
            None => {}
        }
        if let Some(tag) = self.owner_tag(message) {
            return self.to_owner(&tag).map(Onward::To);
        }
        self.place_outside(message).map(Onward::Out)
    }

    /// The flow named by a Route of ours. If its connection has closed, another path to the same phone; 430 if there is
    /// none, or if the phone has registered this flow as one of several: the others are tried in their order (RFC 5626 §5.3).
    fn flow_destination(&mut self, route: &OwnRoute, message: &Message, now: Timestamp) -> Result<Destination, Answer> {
        if let Some((flow, owner)) = flow_token::open_whole(&route.token, &self.seal) {
            let flow = self.by_listener_of_now(flow);
            if self.is_alive(flow, now) {
                return Ok(Destination::edge(flow));
            }
            if let Some(flow) = owner.and_then(|owner| self.carrier_again(owner, flow, route.name.as_deref())) {
                return Ok(Destination::edge(flow));
            }
            let owner = owner.filter(|_| !route.is_only);
            if let Some(flow) = owner.and_then(|owner| self.another_way(owner, flow.transport(), message)) {
                return Ok(Destination::edge(flow));
            }
        }
        self.counts.dead_flows += 1;
        Err(Answer::new(StatusCode::FLOW_FAILED))
    }

    /// A datagram's flow by the listener that its family has now: our previous run may have numbered them otherwise.
    fn by_listener_of_now(&self, flow: Flow) -> Flow {
        match flow {
            Flow::Udp { remote, .. } if !self.has_listener_for(flow) => self.udp_to(remote).unwrap_or(flow),
            _ => flow,
        }
    }

    /// A Route that names a live node: a node hands a call back to its owner with it. A Route to a failed node is
    /// removed, and the rest of the message decides.
    fn take_node_route(&self, message: &mut Message) -> Option<Destination> {
        let route = message.routes().next()?.ok()?;
        let Named::One { owner } = named(route.uri().ok()?.host()?.as_str())? else { return None };
        message.remove_first_value(&HeaderName::Route);
        let node = self.nodes.by_owner(&owner)?;
        let key = self.owner_tag(message).map(|tag| rendezvous::key_of(tag.call));
        Some(Destination { target: Target::Node(node.connection), unreachable: None, key })
    }

    fn to_one(&self, owner: &Owner, message: &Message) -> Result<Destination, Answer> {
        // Media has the sessions of its calls again after a restart.
        match self.nodes.by_owner(owner).or_else(|| self.nodes.later_run(owner)) {
            Some(node) => Ok(Destination { target: Target::Node(node.connection), unreachable: None, key: None }),
            // The dialog was lost with its process (RFC 3261 §12.2.1.2).
            None if message.to().is_ok_and(|to| to.tag().is_some()) => {
                Err(Answer::new(StatusCode::CALL_DOES_NOT_EXIST))
            }
            None => Err(Answer::unavailable()),
        }
    }

    /// The destination of an ACK: it follows its dialog's route, so it has nothing to find out.
    pub(super) fn known_destination(&mut self, message: &mut Message, now: Timestamp) -> Result<Destination, Answer> {
        let place = match self.destination_from_node(message, now)? {
            Onward::To(destination) => return Ok(destination),
            Onward::Out(place) => place,
        };
        let flow = match place.lookup() {
            Lookup::None(hop) => self.flow_to(hop, (&place.host, false)),
            _ => None,
        };
        flow.map(Destination::edge).ok_or_else(|| Answer::new(StatusCode::BAD_GATEWAY))
    }

    /// The place in the next Route or the Request-URI: a carrier (RFC 3261 §16.6 step 7). Within a dialog the party itself has
    /// chosen it, so it must be the address of a trunk.
    fn place_outside(&mut self, message: &Message) -> Result<UriHop, Answer> {
        let route = message.routes().next().and_then(Result::ok).and_then(|r| r.uri().ok());
        let named_by_route = route.is_some();
        let uri = route.or_else(|| message.request_uri().and_then(|u| Uri::parse(u).ok()));
        let Some(uri) = uri.filter(Uri::is_sip) else { return Err(Answer::new(StatusCode::UNSUPPORTED_URI_SCHEME)) };
        if self.is_us(&uri) {
            return Err(Answer::new(StatusCode::NOT_FOUND));
        }
        // Another proxy of the installation, whose flow this is.
        let of_other_proxy = || named_by_route && uri.user().is_some_and(|u| flow_token::open(u, &self.seal).is_some());
        let of_trunk = || uri.host().and_then(|h| h.ip()).is_some_and(|ip| self.trunks.contains(ip));
        let in_dialog = message.to().is_ok_and(|to| to.tag().is_some());
        if in_dialog && !of_trunk() && !of_other_proxy() {
            self.counts.dead_flows += 1;
            return Err(Answer::new(StatusCode::FLOW_FAILED));
        }
        UriHop::of(&uri).ok_or_else(|| Answer::new(StatusCode::BAD_GATEWAY))
    }
}

fn named(host: &str) -> Option<Named> {
    let at = host.len().checked_sub(DOMAIN.len())?;
    let (name, domain) = (host.get(..at)?, host.get(at..)?);
    if !domain.eq_ignore_ascii_case(DOMAIN) {
        return None;
    }
    match name.rsplit_once('.') {
        Some((owner, _role)) => Some(Named::One { owner: owner.parse().ok()? }),
        None => Some(Named::Any { role: name.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_ours_name_a_role_or_one_node() {
        assert_eq!(named("media.trunkline.invalid"), Some(Named::Any { role: "media".into() }));
        let owner = "media-1.17".parse().unwrap();
        assert_eq!(named("media-1.17.media.Trunkline.Invalid"), Some(Named::One { owner }));
        for other in
            ["", "trunkline.invalid", "example.com", "x.media.trunkline.invalid", "media.trunkline.invalid.example"]
        {
            assert_eq!(named(other), None, "{other}");
        }
    }
}
