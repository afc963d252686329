//! Where a request goes: flows in Routes, owners in tags, nodes by domain, addresses (RFC 3261 §16.4, §16.5).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::{Dn, Owner, TenantId, Timestamp};

use super::answer::Answer;
use super::exchange::Target;
use super::flow_token::{PhoneMark, StreamOwner};
use super::nodes::owns_calls;
use super::{Peer, Proxy, Side, Trunk, flow_token, rendezvous};
use crate::flow::{ConnectionId, Flow, Transport};
use crate::header::{Contact, HeaderName};
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
            let path = crate::header::NameAddr::parse(path).ok();
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
        let Ok(real) = crate::header::NameAddr::parse(last) else { return };
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
        self.us.iter().any(|(h, p)| *p == port && h.eq_ignore_ascii_case(host.as_str()))
    }

    /// The dialog tag of a node, from To or the Request-URI.
    pub(super) fn owner_tag(&self, message: &Message) -> Option<LocalTag> {
        let to = message.to().ok()?;
        to.tag().and_then(|tag| LocalTag::open(tag, &self.seal)).or_else(|| {
            let uri = Uri::parse(message.request_uri()?).ok()?;
            LocalTag::open(uri.user()?, &self.seal)
        })
    }

    /// The dialog tag of a node in the dialog whose place an INVITE is to take (RFC 3891).
    pub(super) fn replaced_tag(&self, message: &Message) -> Option<LocalTag> {
        let replaces = Replaces::parse(message.header(&HeaderName::Replaces)?)?;
        replaces.tags().into_iter().find_map(|tag| LocalTag::open(tag, &self.seal))
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
    pub(super) fn destination_from_node(&mut self, message: &mut Message) -> Result<Onward, Answer> {
        if let Some(route) = self.take_own_routes(message) {
            return self.flow_destination(&route, message).map(Onward::To);
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
    fn flow_destination(&mut self, route: &OwnRoute, message: &Message) -> Result<Destination, Answer> {
        if let Some((flow, owner)) = flow_token::open_whole(&route.token, &self.seal) {
            if self.is_alive(flow) {
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

    /// A connection to the carrier whose connection over TLS has closed, ours or of our previous run: to the same address, where it has to
    /// prove the same name. A carrier closes what is idle, and the call that it carries goes on.
    fn carrier_again(&mut self, owner: StreamOwner, was: Flow, name: Option<&str>) -> Option<Flow> {
        let is_ours = matches!(was, Flow::Stream { connection } if connection.is_opened_by_us());
        let name = name.filter(|_| is_ours && was.transport().is_secure() && owner.home.port() != 0)?;
        // The Route is not sealed, the mark of the name is.
        let is_proved = owner.phone.is(PhoneMark::of_name(name, &self.seal));
        is_proved.then(|| self.stream_to(owner.home, Transport::Tls, name))
    }

    /// Another path to a phone whose connection has closed, alone or with our previous run: the connection on which it
    /// last authenticated; else a new one to the address that it registered or gives in its Contact (RFC 3261 §18.1.1),
    /// if that is the address it came from. No peer can make us connect to a third party.
    ///
    /// What went over TLS goes on over TLS, and only where the phone has authenticated: to a new connection of ours the phone
    /// would have to prove its name, and phones have no certificates that anybody could verify.
    fn another_way(&mut self, owner: StreamOwner, was: Transport, message: &Message) -> Option<Flow> {
        let trunk = self.trunks_by_mark.get(&owner.phone.number());
        let is_own = |connection: ConnectionId, peer: &Peer| {
            let is_of_trunk = || trunk.is_some_and(|trunk| self.is_of_trunk(connection, peer, trunk));
            peer.side == Side::Edge && (peer.phone.is(owner.phone) || is_of_trunk())
        };
        let own = self.connections.iter().filter(|(connection, peer)| is_own(**connection, peer));
        let of_phone = own.map(|(connection, _)| *connection);
        let of_phone = of_phone.filter(|connection| connection.transport().is_secure() || !was.is_secure());
        // A number may have several phones: one that came by the same transport is most likely the one. Connections opened by the phone
        // come before ours; among these the latest.
        if let Some(connection) =
            of_phone.max_by_key(|one| (one.transport() == was, !one.is_opened_by_us(), one.count()))
        {
            return Some(Flow::Stream { connection });
        }
        // A client by WebSocket listens nowhere.
        if was.is_secure() || was.is_web_socket() {
            return None;
        }
        let listens = (owner.home.port() != 0).then_some(owner.home);
        let remote = listens.or_else(|| home_of(message.request_uri()?, owner.home.ip()))?;
        // A phone that claims our own address gets no call.
        if self.settings.udp_listeners.contains(&remote) {
            return None;
        }
        let flow = self.stream_to(remote, Transport::Tcp, "");
        if let Flow::Stream { connection } = flow
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            (peer.phone, peer.listens) = (owner.phone, listens);
        }
        Some(flow)
    }

    /// Whether a connection has shown the certificate of this trunk. It may be that of several: then its mark tells only which has called last.
    fn is_of_trunk(&self, connection: ConnectionId, peer: &Peer, trunk: &Arc<Trunk>) -> bool {
        if !self.certified.contains_key(&connection) {
            return false;
        }
        let sender = self.sender(Flow::Stream { connection }, peer.remote.ip());
        self.trunks.certified(sender).any(|certified| Arc::ptr_eq(certified, trunk))
    }

    /// Records that a phone has authenticated on this flow.
    pub(super) fn note_phone(&mut self, flow: Flow, tenant: &TenantId, dn: &Dn, now: Timestamp) {
        self.allowance.proved(flow, now);
        if let Flow::Stream { connection } = flow
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            peer.phone = PhoneMark::of(tenant, dn, &self.seal);
        }
    }

    /// Records that a trunk has called on this flow that has shown its certificate: once the connection is gone, its calls go on by
    /// another one of the same trunk.
    pub(super) fn note_certified(&mut self, flow: Flow, tenant: &TenantId, trunk: &str) {
        if let Flow::Stream { connection } = flow
            && self.certified.contains_key(&connection)
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            peer.phone = PhoneMark::of_trunk(tenant, trunk, &self.seal);
        }
    }

    /// Records where a phone that registers on this flow listens, by its Contact.
    pub(super) fn note_home(&mut self, flow: Flow, message: &Message) {
        if let Flow::Stream { connection } = flow
            && !connection.transport().is_web_socket()
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            let came_from = peer.remote.ip();
            peer.listens = message.contacts().find_map(|contact| match contact {
                Ok(Contact::Address(address)) => home_of(address.raw_uri(), came_from),
                _ => None,
            });
        }
    }

    /// The phone that a flow's connection belongs to.
    pub(super) fn stream_owner(&self, flow: Flow) -> Option<StreamOwner> {
        let Flow::Stream { connection } = flow else { return None };
        let peer = self.connections.get(&connection)?;
        let home = peer.listens.unwrap_or_else(|| SocketAddr::new(peer.remote.ip(), 0));
        Some(StreamOwner { home, phone: peer.phone })
    }

    fn is_alive(&self, flow: Flow) -> bool {
        match flow {
            Flow::Udp { listener, .. } => usize::from(listener) < self.settings.udp_listeners.len(),
            Flow::Stream { connection } => self.connections.get(&connection).is_some_and(|p| p.side == Side::Edge),
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
    pub(super) fn known_destination(&mut self, message: &mut Message) -> Result<Destination, Answer> {
        let place = match self.destination_from_node(message)? {
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

    /// A connection has closed.
    pub(super) fn forget_peer(&mut self, connection: ConnectionId, remote: SocketAddr) {
        let secure_name = self.proved_names.remove(&connection);
        // One over TLS that we have not opened is found by nobody.
        if connection.transport().is_secure() && secure_name.is_none() {
            return;
        }
        let key = PeerKey { remote, secure_name };
        if self.by_peer.get(&key) == Some(&connection) {
            self.by_peer.remove(&key);
        }
    }

    pub(super) fn udp_to(&self, remote: SocketAddr) -> Option<Flow> {
        let of_family = |l: &SocketAddr| l.is_ipv4() == remote.is_ipv4();
        let listener = u16::try_from(self.settings.udp_listeners.iter().position(of_family)?).ok()?;
        Some(Flow::Udp { listener, remote })
    }

    /// The connection to this peer, whichever side opened it (RFC 5923), else a new one. Over TLS only one of ours whose peer has
    /// proved this name: who has opened the other has proved none.
    pub(super) fn stream_to(&mut self, remote: SocketAddr, transport: Transport, name: &str) -> Flow {
        self.stream_or_trial_to(remote, transport, (name, false))
    }

    /// As [`Self::stream_to`]; whether another way to the same place is left stands beside the name.
    pub(super) fn stream_or_trial_to(
        &mut self,
        remote: SocketAddr,
        transport: Transport,
        (name, is_trial): (&str, bool),
    ) -> Flow {
        let peer = PeerKey { remote, secure_name: transport.is_secure().then(|| name.into()) };
        let open = self.by_peer.get(&peer);
        if let Some(connection) = open {
            return Flow::Stream { connection: *connection };
        }
        self.opened += 1;
        let connection = ConnectionId::opened(self.opened, transport);
        let phone = PhoneMark::default();
        let mut peer_of_ours = Peer { remote, side: Side::Edge, phone, listens: None, asked: false, is_open: false };
        if transport.is_secure() {
            (peer_of_ours.phone, peer_of_ours.listens) = (PhoneMark::of_name(name, &self.seal), Some(remote));
            self.proved_names.insert(connection, name.into());
        }
        self.connections.insert(connection, peer_of_ours);
        self.by_peer.insert(peer, connection);
        // At the front: see `poll_output`.
        self.outputs.push_front(super::Output::Connect { connection, remote, name: name.to_owned(), is_trial });
        Flow::Stream { connection }
    }
}

/// The URI parameter of our Record-Route that has the name that a carrier proves.
pub(super) const PROVED_NAME: &str = "proves";

/// A Route of ours in a request.
pub(super) struct OwnRoute {
    /// Its user part: the flow, or what a stranger has written there.
    pub(super) token: String,
    /// The name that the carrier at the end of the flow has to prove.
    pub(super) name: Option<String>,
    /// Whether no other way will do (RFC 5626 §5.1, `ob`).
    pub(super) is_only: bool,
}

/// By what a connection to a peer is found again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct PeerKey {
    pub(super) remote: SocketAddr,
    /// The name that the peer has proved to us; `None` for a connection in the clear.
    pub(super) secure_name: Option<Box<str>>,
}

/// The address on which a phone that came from `ip` claims to listen; `None` if that is another host's.
fn home_of(uri: &str, came_from: IpAddr) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
    let ip = uri.host()?.ip()?;
    let tcp = uri.transport().is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"));
    let home = ip == came_from || (ip.is_loopback() && came_from.is_loopback());
    (tcp && home).then(|| SocketAddr::new(ip, uri.port().unwrap_or(5060)))
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

    #[test]
    fn a_host_comes_with_or_without_port_and_brackets() {
        assert_eq!(host_and_port("127.0.0.1:5062"), Some(("127.0.0.1".into(), 5062)));
        assert_eq!(host_and_port("[::1]:5062"), Some(("[::1]".into(), 5062)));
        assert_eq!(host_and_port("[::1]"), Some(("[::1]".into(), 5060)));
        assert_eq!(host_and_port("edge.example"), Some(("edge.example".into(), 5060)));
    }
}
