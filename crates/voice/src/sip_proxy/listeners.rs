//! The sockets of the edge and of the nodes. A listener of the edge has one address, or one of each family.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use model::AddressFamily;
use net::sip::{Counters, Datagram, Limits, ListenerId, Peers, TcpTable, UdpEndpoint};
use runtime::RoleContext;
use runtime::edge::EdgeBounds;
use runtime::listener::{Bound, HostPort};
use sip::Transport;
use sip::proxy::OtherEdge;
use tracing::warn;

/// Where the role listens.
pub(super) struct ListenAddresses {
    pub(super) udp: EdgeBounds,
    pub(super) tcp: EdgeBounds,
    pub(super) tls: EdgeBounds,
    pub(super) ws: EdgeBounds,
    pub(super) wss: EdgeBounds,
    pub(super) nodes: SocketAddr,
    /// Where ingress passes WebSockets on.
    pub(super) ingress: SocketAddr,
}

impl ListenAddresses {
    pub(super) fn of(ctx: &RoleContext) -> Result<Self> {
        Ok(Self {
            udp: ctx.bounds("sip-udp")?,
            tcp: ctx.bounds("sip-tcp")?,
            tls: ctx.bounds("sip-tls")?,
            ws: ctx.bounds("sip-ws")?,
            wss: ctx.bounds("sip-wss")?,
            nodes: ctx.bound("nodes")?.listen,
            ingress: ctx.bound("ingress")?.listen,
        })
    }

    /// The addresses of the edge that peers are told, beside the first one for datagrams.
    pub(super) fn other_edges(&self) -> Vec<OtherEdge> {
        let by = |transport, at: &Bound| OtherEdge { transport, family: family(at), address: at.advertise.to_string() };
        let mut edges: Vec<OtherEdge> = self.udp.second.iter().map(|at| by(Transport::Udp, at)).collect();
        edges.extend(self.tcp.all().filter(|at| self.is_told_of_tcp(at)).map(|at| by(Transport::Tcp, at)));
        for (transport, bounds) in [(Transport::Tls, &self.tls), (Transport::Ws, &self.ws), (Transport::Wss, &self.wss)]
        {
            edges.extend(bounds.all().map(|at| by(transport, at)));
        }
        edges
    }

    /// Whether peers on TCP are told this address of it. They are told that for datagrams as long as TCP listens beside it and advertises
    /// nothing else: where a NAT is in front, many set `sip_udp_advertise` alone.
    fn is_told_of_tcp(&self, tcp: &Bound) -> bool {
        let is_beside = self.udp.all().any(|udp| udp.listen == tcp.listen);
        !is_beside || tcp.advertise != HostPort::from(tcp.listen)
    }

    /// Further names of ours, by which a peer may call us.
    pub(super) fn aliases(&self) -> Vec<String> {
        let others = [&self.tls, &self.ws, &self.wss].into_iter().flat_map(EdgeBounds::all);
        let listens = others.map(|at| at.listen.to_string());
        listens.chain(self.tcp.all().flat_map(|at| [at.listen.to_string(), at.advertise.to_string()])).collect()
    }

    /// The names under which the edge is reached over TLS.
    pub(super) fn certificate_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for at in self.tls.all().chain(self.wss.all()) {
            let advertised = at.advertise.host.trim_start_matches('[').trim_end_matches(']').to_owned();
            for name in [advertised, at.listen.ip().to_string()] {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// The address from which a connection to a peer is opened; `None` if the edge has none of its family.
    pub(super) fn source_for(&self, remote: SocketAddr) -> Option<IpAddr> {
        let mut own = [&self.tcp, &self.tls, &self.udp].into_iter().flat_map(EdgeBounds::all).map(|at| at.listen.ip());
        own.find(|ip| ip.is_ipv4() == remote.is_ipv4())
    }
}

fn family(at: &Bound) -> AddressFamily {
    AddressFamily::of(at.listen.ip())
}

/// What comes by a listener for connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StreamListener {
    /// Phones and carriers.
    Edge,
    /// Phones, by WebSocket.
    WebEdge,
    /// Nodes.
    Nodes,
    /// The WebSockets that ingress passes on, and says from whom.
    Ingress,
}

/// The listeners for connections, in the order of their numbers.
#[derive(Clone)]
pub(super) struct StreamListeners(Arc<[(StreamListener, Transport, SocketAddr)]>);

impl StreamListeners {
    pub(super) fn of(addresses: &ListenAddresses) -> Self {
        use StreamListener::{Edge, Ingress, Nodes, WebEdge};
        let edges = [
            (Edge, Transport::Tcp, &addresses.tcp),
            (Edge, Transport::Tls, &addresses.tls),
            (WebEdge, Transport::Ws, &addresses.ws),
            (WebEdge, Transport::Wss, &addresses.wss),
        ];
        let inside = [(Nodes, Transport::Tcp, addresses.nodes), (Ingress, Transport::Ws, addresses.ingress)];
        let at_the_edge = edges
            .into_iter()
            .flat_map(|(kind, transport, bounds)| bounds.all().map(move |at| (kind, transport, at.listen)));
        Self(inside.into_iter().chain(at_the_edge).collect())
    }

    /// Binds them all.
    ///
    /// # Errors
    /// Says which one cannot be bound, and why.
    pub(super) fn bind(&self, tcp: &mut TcpTable) -> Result<()> {
        for (number, (kind, transport, at)) in self.0.iter().enumerate() {
            let peers = if *kind == StreamListener::Nodes { Peers::Ours } else { Peers::Strangers };
            let bound = tcp.listen_for(*transport, *at, peers);
            let (listener, _) = bound.map_err(|error| runtime::listener::in_words("tcp", *at, &error))?;
            anyhow::ensure!(listener == ListenerId(number), "the listeners are bound in the order of their numbers");
        }
        Ok(())
    }

    /// What comes by the listener of this number; `None` for a connection that we have opened.
    pub(super) fn kind(&self, listener: Option<ListenerId>) -> Option<StreamListener> {
        self.0.get(listener?.0).map(|(kind, ..)| *kind)
    }
}

/// The sockets for datagrams, in the order of their listeners' numbers: at most one of each family.
pub(super) struct UdpListeners {
    sockets: Vec<UdpEndpoint>,
    /// Which one is read next, so that a flood at one does not shut out the other.
    next: usize,
}

impl UdpListeners {
    /// Binds them.
    ///
    /// # Errors
    /// Says which one cannot be bound, and why.
    pub(super) fn bind(at: &EdgeBounds, limits: &Limits, counters: &Arc<Counters>) -> Result<Self> {
        let bind = |at: &Bound| -> Result<UdpEndpoint> {
            let socket = UdpEndpoint::bind(at.listen, limits, counters.clone());
            let socket = socket.map_err(|error| runtime::listener::in_words("udp", at.listen, &error))?;
            check_buffer(&socket, limits);
            Ok(socket)
        };
        Ok(Self { sockets: at.all().map(bind).collect::<Result<_>>()?, next: 0 })
    }

    /// The addresses that they are bound to.
    pub(super) fn local(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(UdpEndpoint::local).collect()
    }

    /// The smallest of the kernel's receive buffers, in bytes.
    pub(super) fn receive_buffer(&self) -> usize {
        self.sockets.iter().map(UdpEndpoint::receive_buffer).min().unwrap_or_default()
    }

    /// The number of the listener by which a peer's datagrams come.
    pub(super) fn number_for(&self, remote: SocketAddr) -> u16 {
        let at = self.sockets.iter().position(|socket| socket.local().is_ipv4() == remote.is_ipv4());
        at.and_then(|at| u16::try_from(at).ok()).unwrap_or_default()
    }

    /// Waits until there may be something to receive at one of them. Cancel-safe.
    ///
    /// # Errors
    /// When a socket has become unusable.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self.sockets.as_slice() {
            [] => std::future::pending().await,
            [only] => only.readable().await,
            [first, second, ..] => tokio::select! {
                readable = first.readable() => readable,
                readable = second.readable() => readable,
            },
        }
    }

    /// Takes the next datagram, of each in turn; `None` when none is left.
    pub(super) fn try_receive(&mut self) -> Option<Datagram> {
        for _ in 0..self.sockets.len() {
            let at = self.next % self.sockets.len();
            self.next = at + 1;
            if let Some(datagram) = self.sockets.get_mut(at).and_then(UdpEndpoint::try_receive) {
                return Some(datagram);
            }
        }
        None
    }

    /// Whether there may be more to receive, as far as [`Self::try_receive`] has found out.
    pub(super) fn may_have_more(&self) -> bool {
        self.sockets.iter().any(UdpEndpoint::may_have_more)
    }

    /// Sends a datagram by the listener of this number.
    pub(super) fn send(&self, listener: u16, to: SocketAddr, bytes: &[u8]) {
        if let Some(socket) = self.sockets.get(usize::from(listener)) {
            socket.send(to, bytes);
        }
    }
}

/// Warns if the kernel's receive buffer, which keeps datagrams while the loop is busy, is smaller than requested.
fn check_buffer(udp: &UdpEndpoint, limits: &Limits) {
    if udp.receive_buffer() < limits.receive_buffer_bytes {
        let (bytes, wanted) = (udp.receive_buffer(), limits.receive_buffer_bytes);
        warn!(
            bytes,
            wanted, "the kernel gives the UDP socket a small receive buffer (net.core.rmem_max): bursts are lost"
        );
    }
}

#[cfg(test)]
mod tests;
