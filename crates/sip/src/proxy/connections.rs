//! The connections: to which phone, carrier or node each leads, and by which one a peer is reached once its own is gone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use model::{AddressFamily, Dn, TenantId, Timestamp};

use super::flow_token::{PhoneMark, StreamOwner};
use super::{NodeLoss, Output, Proxy, Side, Trunk};
use crate::flow::{ConnectionId, Flow, Transport};
use crate::header::Contact;
use crate::message::Message;
use crate::unreached::Unreached;
use crate::uri::Uri;

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) remote: SocketAddr,
    pub(super) side: Side,
    /// The phone that has authenticated on this connection.
    pub(super) phone: PhoneMark,
    /// The registered address on which that phone listens for connections.
    pub(super) listens: Option<SocketAddr>,
    /// Whether a request of ours was ever sent on it; only then can a request wait for its answer.
    pub(super) asked: bool,
    /// Whether it is established.
    pub(super) is_open: bool,
}

/// What the certificate says of who has connected.
pub(super) struct Certified {
    /// The domains that it names, in lower case.
    pub(super) domains: Box<[Box<str>]>,
    /// When it expires.
    pub(super) until: Timestamp,
}

/// By what a connection to a peer is found again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct PeerKey {
    pub(super) remote: SocketAddr,
    /// The name that the peer has proved to us; `None` for a connection in the clear.
    pub(super) secure_name: Option<Box<str>>,
}

// === impl Proxy: inputs ===

impl Proxy {
    /// A connection was accepted, or one that the proxy requested is established.
    pub fn handle_opened(&mut self, connection: ConnectionId, remote: SocketAddr, side: Side) {
        let known = self.connections.get(&connection).map(|peer| (peer.phone, peer.listens, peer.asked));
        let (phone, listens, asked) = known.unwrap_or_default();
        self.connections.insert(connection, Peer { remote, side, phone, listens, asked, is_open: true });
        if side == Side::Edge && connection.transport() == Transport::Tcp {
            self.by_peer.entry(PeerKey { remote, secure_name: None }).or_insert(connection);
        }
    }

    /// The peer of an open connection has shown a certificate with these domains (RFC 5922 §7.1), in lower case, and its key. The
    /// certificate counts until then, though the connection may last longer.
    pub fn handle_certificate(&mut self, connection: ConnectionId, domains: Vec<Box<str>>, until: Timestamp) {
        if self.connections.contains_key(&connection) && !domains.is_empty() {
            self.certified.insert(connection, Certified { domains: domains.into(), until });
        }
    }

    pub(super) fn forget_expired(&mut self, connection: ConnectionId, now: Timestamp) {
        if self.certified.get(&connection).is_some_and(|certified| certified.until <= now) {
            self.certified.remove(&connection);
        }
    }

    /// Whether the peer of a connection has shown the certificate of a trunk.
    pub fn is_certified(&self, connection: ConnectionId) -> bool {
        let Some(peer) = self.connections.get(&connection) else { return false };
        self.trunks.has_proved(self.sender(Flow::Stream { connection }, peer.remote.ip()))
    }

    /// A connection that the proxy requested could not be opened.
    pub fn handle_unopened(&mut self, connection: ConnectionId, why: Unreached, now: Timestamp) {
        self.unopened = Some((connection, why));
        self.handle_closed(connection, now);
        self.unopened = None;
    }

    /// A connection closed, or could not be opened for a reason that is not known.
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Timestamp) {
        // A connection that the core closed itself is already removed.
        let Some(peer) = self.connections.remove(&connection) else { return };
        self.forget_peer(connection, peer.remote);
        self.certified.remove(&connection);
        self.tell_closed(connection);
        match peer.side {
            Side::Cluster => self.lose(connection, NodeLoss::Closed, now),
            // A stranger that connects and closes again causes no search.
            Side::Edge if peer.asked => self.layer.flow_failed(Flow::Stream { connection }),
            Side::Edge => {}
        }
        self.settle(now);
    }
}

// === impl Proxy: whose a connection is, and which one leads to a peer ===

impl Proxy {
    /// A connection to the carrier whose connection over TLS has closed, ours or of our previous run: to the same address, where it has to
    /// prove the same name. A carrier closes what is idle, and the call that it carries goes on.
    pub(super) fn carrier_again(&mut self, owner: StreamOwner, was: Flow, name: Option<&str>) -> Option<Flow> {
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
    pub(super) fn another_way(&mut self, owner: StreamOwner, was: Transport, message: &Message) -> Option<Flow> {
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

    /// Records that a phone has authenticated on this flow, `behind` a gateway under that name; returns its mark.
    pub(super) fn note_phone(
        &mut self,
        flow: Flow,
        behind: Option<&str>,
        tenant: &TenantId,
        dn: &Dn,
        now: Timestamp,
    ) -> PhoneMark {
        let phone = PhoneMark::of(tenant, dn, &self.seal);
        self.allowance.proved(flow, behind, phone, now);
        if let Flow::Stream { connection } = flow
            && let Some(peer) = self.connections.get_mut(&connection)
        {
            peer.phone = phone;
        }
        phone
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

    pub(super) fn is_alive(&self, flow: Flow, now: Timestamp) -> bool {
        match flow {
            Flow::Udp { remote, .. } if flow.is_of_gateway() => !self.gateways.is_gone(remote, now),
            Flow::Udp { .. } => self.has_listener_for(flow),
            Flow::Stream { connection } => self.connections.get(&connection).is_some_and(|p| p.side == Side::Edge),
        }
    }

    /// Whether the listener of a datagram's flow is one of ours, of the peer's family.
    pub(super) fn has_listener_for(&self, flow: Flow) -> bool {
        let Flow::Udp { listener, remote } = flow else { return false };
        let own = self.settings.udp_listeners.get(usize::from(listener));
        flow.is_of_gateway() || own.is_some_and(|own| own.is_ipv4() == remote.is_ipv4())
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

    /// The peer's address.
    pub(super) fn remote_at(&self, flow: Flow) -> Option<SocketAddr> {
        match flow {
            Flow::Udp { remote, .. } => Some(remote),
            Flow::Stream { connection } => self.connections.get(&connection).map(|peer| peer.remote),
        }
    }

    /// The family of the peer's address; of one that is not known any more, that of our first address.
    pub(super) fn family_of(&self, flow: Flow) -> AddressFamily {
        self.remote_at(flow).map_or(self.settings.family(), |remote| AddressFamily::of(remote.ip()))
    }

    /// Our address as the peer sees it.
    pub(super) fn edge_at(&self, flow: Flow) -> &str {
        self.settings.edge_of(flow.transport(), self.family_of(flow))
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
        self.outputs.push_front(Output::Connect { connection, remote, name: name.to_owned(), is_trial });
        Flow::Stream { connection }
    }
}

/// The address on which a phone that came from `ip` claims to listen; `None` if that is another host's.
fn home_of(uri: &str, came_from: IpAddr) -> Option<SocketAddr> {
    let uri = Uri::parse(uri).ok().filter(Uri::is_sip)?;
    let ip = uri.host()?.ip()?;
    let tcp = uri.transport().is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"));
    let home = ip == came_from || (ip.is_loopback() && came_from.is_loopback());
    (tcp && home).then(|| SocketAddr::new(ip, uri.port().unwrap_or(5060)))
}
