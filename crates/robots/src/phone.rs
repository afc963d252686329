//! A user agent on its own UDP socket or its own connection: a phone, or the carrier that brings all callers and takes the calls that go out.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use media::sdp::crypto::SECRET_BYTES;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use model::{Entropy, Timestamp};
use rand::Rng as _;
use rand::rngs::StdRng;
use sip::agent::{AgentConfig, AgentCredentials, DialogId, Event, LocalIdentity, OutgoingRequest, UserAgent};
use sip::{Flow, HeaderName, Message, Method};

use crate::secure_line::{CONNECTION, LineChange, SecureLine};
use crate::site::SecureEdge;

/// The longest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// User agent name in our messages.
const PRODUCT: &str = "trunkline-robots";

/// Where the carrier takes calls.
pub const CARRIER_PORT: u16 = PORT_BASE;
/// The port of a phone is this one and its number: above the ports of servers, below the system's ephemeral ports.
const PORT_BASE: u16 = 10_000;

/// A phone keeps its port between runs if it can: it registers the same contact again, so that a killed phone leaves no
/// second contact behind.
fn bind(own: IpAddr, user: &str) -> Result<UdpSocket> {
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

/// How a user agent reaches the edge.
enum EdgeLine {
    Udp(UdpSocket),
    Secure(Box<SecureLine>),
}

/// A user agent with its line.
pub struct Phone {
    pub ua: UserAgent,
    pub local: SocketAddr,
    user: String,
    edge: SocketAddr,
    line: EdgeLine,
    ids: Strong,
    register_cseq: u32,
    register_call: String,
}

impl Phone {
    /// A phone, whose user agent answers challenges.
    pub fn open(
        registry: &Registry,
        token: Token,
        (own, edge): (IpAddr, SocketAddr),
        (user, password): (&str, &str),
    ) -> Result<Self> {
        Self::on_socket(bind(own, user)?, registry, token, edge, (user, Some(password)))
    }

    /// The carrier. It takes calls at `at`, if that is given and free.
    pub fn open_carrier(
        registry: &Registry,
        token: Token,
        (own, edge): (IpAddr, SocketAddr),
        at: Option<SocketAddr>,
    ) -> Result<Self> {
        let wanted = at.and_then(|at| UdpSocket::bind(at).ok());
        let socket = wanted.map_or_else(|| bind(own, "carrier"), Ok)?;
        Self::on_socket(socket, registry, token, edge, ("carrier", None))
    }

    fn on_socket(
        mut socket: UdpSocket,
        registry: &Registry,
        token: Token,
        edge: SocketAddr,
        (user, password): (&str, Option<&str>),
    ) -> Result<Self> {
        registry.register(&mut socket, token, Interest::READABLE)?;
        let local = socket.local_addr()?;
        Ok(Self::on(EdgeLine::Udp(socket), (local, edge), user, password))
    }

    /// A phone whose messages nobody reads on the way: SIP over TLS at `edge`, which proves its name to the authority.
    pub fn open_secure(
        registry: &Registry,
        token: Token,
        own: IpAddr,
        (user, password): (&str, &str),
        (edge, secure): (SocketAddr, &SecureEdge),
    ) -> Result<Self> {
        let line = SecureLine::new(registry, token, (edge, &secure.host), &secure.certificate, Instant::now())?;
        // No connection is opened to it: it tells the phone from others at its host.
        let local = SocketAddr::new(
            own,
            user.parse::<u16>().ok().and_then(|user| PORT_BASE.checked_add(user)).unwrap_or(PORT_BASE),
        );
        Ok(Self::on(EdgeLine::Secure(Box::new(line)), (local, edge), user, Some(password)))
    }

    fn on(line: EdgeLine, (local, edge): (SocketAddr, SocketAddr), user: &str, password: Option<&str>) -> Self {
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
        Self { ua, local, user: user.to_owned(), edge, line, ids, register_cseq: 1, register_call }
    }

    /// The flow to the edge.
    pub const fn flow(&self) -> Flow {
        match self.line {
            EdgeLine::Udp(_) => Flow::Udp { listener: 0, remote: self.edge },
            EdgeLine::Secure(_) => Flow::Stream { connection: CONNECTION },
        }
    }

    /// Whether it can send.
    pub fn is_connected(&self) -> bool {
        match &self.line {
            EdgeLine::Udp(_) => true,
            EdgeLine::Secure(line) => line.is_up(),
        }
    }

    /// Why it cannot send, or could not.
    pub fn trouble(&self) -> Option<&str> {
        match &self.line {
            EdgeLine::Udp(_) => None,
            EdgeLine::Secure(line) => line.trouble(),
        }
    }

    /// Where the edge sends what it has for this user.
    fn contact(&self, user: &str) -> String {
        format!("<sip:{user}@{}{}>", self.local, self.flow().transport().uri_parameter())
    }

    /// A new random identifier.
    pub fn fresh(&mut self) -> String {
        format!("{:016x}", self.ids.next_u64())
    }

    /// What the keys of a call are made of.
    pub fn secret(&mut self) -> [u8; SECRET_BYTES] {
        let mut secret = [0; SECRET_BYTES];
        for bytes in secret.chunks_mut(8) {
            bytes.copy_from_slice(&self.ids.next_u64().to_be_bytes()[..bytes.len()]);
        }
        secret
    }

    /// Our identity in a new dialog.
    pub fn identity(&mut self, user: &str) -> LocalIdentity {
        LocalIdentity { tag: self.fresh(), contact: self.contact(user) }
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
                (HeaderName::Contact, self.contact(&self.user)),
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

    /// Reads everything that has arrived; opens the connection that is missing. Returns what became of that: what was registered by the one
    /// before is to be registered again.
    pub fn receive(&mut self, now: Timestamp) -> Option<LineChange> {
        let flow = self.flow();
        let (line, ua) = (&mut self.line, &mut self.ua);
        match line {
            EdgeLine::Udp(socket) => {
                receive_datagrams(socket, |message, from| {
                    ua.receive(message, Flow::Udp { listener: 0, remote: from }, now);
                });
                None
            }
            EdgeLine::Secure(line) => {
                let change = line.tend(Instant::now(), |message| ua.receive(message, flow, now));
                if change == Some(LineChange::Down) {
                    ua.flow_failed(flow, now);
                }
                change
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
            match (&mut self.line, transmit.flow) {
                (EdgeLine::Udp(socket), Flow::Udp { remote, .. }) => {
                    let _ = socket.send_to(&transmit.bytes, remote);
                }
                (EdgeLine::Secure(line), _) => line.send(&transmit.bytes),
                (EdgeLine::Udp(_), Flow::Stream { .. }) => {}
            }
        }
    }
}

/// Reads all datagrams that have arrived.
fn receive_datagrams(socket: &UdpSocket, mut take: impl FnMut(Message, SocketAddr)) {
    let mut buffer = [0; DATAGRAM_MAX];
    // Ends with "would block"; other errors (an ICMP port unreachable) cannot be handled here.
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        let Some(bytes) = buffer.get(..length) else { continue };
        if let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes)) {
            take(message, from);
        }
    }
}
