//! A user agent on its own UDP socket: an agent's phone, or the carrier that brings all callers.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use model::{Entropy, Timestamp};
use rand::Rng as _;
use rand::rngs::StdRng;
use sip::agent::{AgentConfig, AgentCredentials, DialogId, Event, LocalIdentity, OutgoingRequest, UserAgent};
use sip::{Flow, HeaderName, Message, Method};

/// The longest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// User agent name in our messages.
const PRODUCT: &str = "trunkline-robots";

/// A phone keeps its port between runs if it can: it registers the same contact again, so that a killed phone leaves no
/// second contact behind.
fn bind(own: IpAddr, user: &str) -> Result<UdpSocket> {
    /// Above the ports of servers, below the system's ephemeral ports.
    const PORT_BASE: u16 = 10_000;
    let wanted = user.parse::<u16>().ok().filter(|number| *number < PORT_BASE).map(|number| PORT_BASE + number);
    let kept = wanted.and_then(|port| UdpSocket::bind(SocketAddr::new(own, port)).ok());
    kept.map_or_else(|| UdpSocket::bind(SocketAddr::new(own, 0)), Ok).with_context(|| format!("a SIP port on {own}"))
}

/// Unpredictable randomness, for tags and branches.
pub struct Strong(StdRng);

impl Strong {
    pub fn new() -> Self {
        Self(rand::make_rng())
    }
}

impl Entropy for Strong {
    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// A user agent with its socket.
pub struct Phone {
    pub ua: UserAgent,
    pub local: SocketAddr,
    user: String,
    edge: SocketAddr,
    socket: UdpSocket,
    ids: Strong,
    register_cseq: u32,
    register_call: String,
}

impl Phone {
    /// Opens a socket; with a password, the user agent answers challenges.
    pub fn open(
        registry: &Registry,
        token: Token,
        (own, edge): (IpAddr, SocketAddr),
        user: &str,
        password: Option<&str>,
    ) -> Result<Self> {
        let mut socket = bind(own, user)?;
        registry.register(&mut socket, token, Interest::READABLE)?;
        let local = socket.local_addr()?;
        let credentials =
            password.map(|password| AgentCredentials { user: user.to_owned(), password: password.to_owned() });
        let config = AgentConfig {
            sent_by: local.to_string(),
            product: Some(PRODUCT.to_owned()),
            methods: Vec::new(),
            credentials,
            ..AgentConfig::default()
        };
        let mut ids = Strong::new();
        let register_call = format!("{:016x}", ids.next_u64());
        let ua = UserAgent::new(config, Box::new(Strong::new()));
        Ok(Self { ua, local, user: user.to_owned(), edge, socket, ids, register_cseq: 1, register_call })
    }

    /// The flow to the edge.
    pub const fn flow(&self) -> Flow {
        Flow::Udp { listener: 0, remote: self.edge }
    }

    /// A new random identifier.
    pub fn fresh(&mut self) -> String {
        format!("{:016x}", self.ids.next_u64())
    }

    /// Our identity in a new dialog.
    pub fn identity(&mut self, user: &str) -> LocalIdentity {
        LocalIdentity { tag: self.fresh(), contact: format!("<sip:{user}@{}>", self.local) }
    }

    /// Registers for `expires_s` seconds; 0 removes the registration.
    pub fn register(&mut self, expires_s: u32, now: Timestamp) -> Result<()> {
        let own = format!("<sip:{}@{}>", self.user, self.edge);
        let request = OutgoingRequest {
            flow: self.flow(),
            method: Method::Register,
            target: format!("sip:{}", self.edge),
            from: own.clone(),
            to: own,
            call_id: self.register_call.clone(),
            cseq: self.register_cseq,
            routes: Vec::new(),
            headers: vec![
                (HeaderName::Contact, format!("<sip:{}@{}>", self.user, self.local)),
                (HeaderName::Expires, expires_s.to_string()),
            ],
            body: None,
        };
        // A repeat with credentials uses a CSeq number of its own.
        self.register_cseq += 2;
        self.ua.request(request, now).context("REGISTER")?;
        Ok(())
    }

    /// Ends a dialog as its state requires.
    pub fn hang_up(&mut self, dialog: DialogId, now: Timestamp) {
        if self.ua.bye(dialog, Vec::new(), now).is_err() {
            // Not established yet: cancel our INVITE. A dialog that has ended needs nothing.
            let _ = self.ua.cancel(dialog, Vec::new(), now);
        }
    }

    /// Reads all datagrams that have arrived.
    pub fn receive(&mut self, now: Timestamp) {
        let mut buffer = [0; DATAGRAM_MAX];
        // Ends with "would block"; other errors (an ICMP port unreachable) cannot be handled here.
        while let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            let Some(bytes) = buffer.get(..length) else { continue };
            if let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) {
                self.ua.receive(message, Flow::Udp { listener: 0, remote: from }, now);
            }
        }
    }

    /// The next event.
    pub fn next_event(&mut self) -> Option<Event> {
        self.ua.poll_event()
    }

    /// Sends all pending messages; the transactions repeat those that the socket refuses.
    pub fn send(&mut self) {
        while let Some(transmit) = self.ua.poll_transmit() {
            if let Flow::Udp { remote, .. } = transmit.flow {
                let _ = self.socket.send_to(&transmit.bytes, remote);
            }
        }
    }
}
