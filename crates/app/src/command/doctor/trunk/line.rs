//! A line to the carrier: one socket, and the transactions on it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use infra::{Clock, SystemClock};
use model::{Entropy, Timestamp};
use net::tls::{TlsClient, TlsSession};
use runtime::entropy::Strong;
use sip::framer::{Frame, Framer};
use sip::next_hop::Hop;
use sip::transaction::{ClientId, ClientRequest, Intervals, Received, TransactionEvent, TransactionLayer};
use sip::{ConnectionId, Flow, HeaderName, Message, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// Time for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// 8 s for an answer, since somebody waits at the screen: requests are repeated sooner than in operation.
const INTERVALS: Intervals =
    Intervals { t1: Duration::from_millis(125), t2: Duration::from_secs(2), t4: Duration::from_secs(5) };
/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// Transactions of one line.
const TRANSACTIONS_MAX: usize = 64;

enum Socket {
    Udp(UdpSocket),
    Stream(TcpStream, Option<Box<TlsSession>>, Framer),
}

/// A line to one address.
pub(super) struct CarrierLine {
    socket: Socket,
    flow: Flow,
    local: SocketAddr,
    layer: TransactionLayer,
    clock: SystemClock,
    entropy: Strong,
    arrived: VecDeque<Message>,
}

/// Why a request has no final answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// None came in time.
    Silence,
    /// The socket failed.
    Broken(std::io::Error),
}

impl CarrierLine {
    /// Opens a line; over TCP this shows whether the carrier takes connections, over TLS whether it proves `name`.
    pub async fn open(Hop { transport, remote }: Hop, name: &str, tls: &TlsClient) -> std::io::Result<Self> {
        let (socket, local, flow) = match transport {
            Transport::Udp => {
                let any: IpAddr =
                    if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = UdpSocket::bind((any, 0)).await?;
                // Chooses our address, and tells when nothing listens there.
                socket.connect(remote).await?;
                let local = socket.local_addr()?;
                (Socket::Udp(socket), local, Flow::Udp { listener: 0, remote })
            }
            // No place that is called asks for WebSocket.
            Transport::Ws | Transport::Wss => return Err(std::io::ErrorKind::Unsupported.into()),
            Transport::Tcp | Transport::Tls => {
                let mut stream = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(remote)).await??;
                let local = stream.local_addr()?;
                let session = match transport.is_secure() {
                    true => Some(tokio::time::timeout(CONNECT_WITHIN, secure(&mut stream, name, tls)).await??.into()),
                    false => None,
                };
                let connection = ConnectionId::opened(1, transport);
                (Socket::Stream(stream, session, Framer::new()), local, Flow::Stream { connection })
            }
        };
        let layer = TransactionLayer::restorable(TRANSACTIONS_MAX, INTERVALS);
        let (clock, entropy) = (SystemClock::start(), Strong::seeded_by_system());
        Ok(Self { socket, flow, local, layer, clock, entropy, arrived: VecDeque::new() })
    }

    /// Our address on it.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// A random word for tags and Call-IDs.
    pub fn word(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends a request and waits for its final answer.
    pub async fn ask(&mut self, request: &Message) -> Result<Message, NoAnswer> {
        self.begin(request)?;
        loop {
            let answer = self.next(None).await?;
            if answer.status().is_some_and(|status| status.is_final()) {
                return Ok(answer);
            }
        }
    }

    /// Begins a request; its answers come by [`Self::next`].
    pub fn begin(&mut self, request: &Message) -> Result<ClientId, NoAnswer> {
        let branch = format!("z9hG4bK{}", self.word());
        let mut request = request.clone();
        let (transport, local) = (self.flow.transport(), self.local);
        request.push_front(&HeaderName::Via, format_args!("SIP/2.0/{transport} {local};branch={branch};rport"));
        let request = ClientRequest { message: &request, branch: &branch, flow: self.flow, owner: 1 };
        self.layer.send(request, self.clock.now()).map_err(|error| NoAnswer::Broken(std::io::Error::other(error)))
    }

    /// Cancels an INVITE that rings.
    pub fn cancel(&mut self, client: ClientId) {
        self.layer.cancel(client, &[], self.clock.now());
    }

    /// Sends an ACK to a 2xx.
    pub async fn acknowledge(&mut self, client: ClientId, to_tag: &str, mut ack: Message) -> Result<(), NoAnswer> {
        let (transport, local, branch) = (self.flow.transport(), self.local, self.word());
        ack.push_front(&HeaderName::Via, format_args!("SIP/2.0/{transport} {local};branch=z9hG4bK{branch};rport"));
        self.layer.acknowledge(client, to_tag, ack.to_bytes(), self.flow);
        self.transmit().await
    }

    /// The next answer to a request that was begun; [`NoAnswer::Silence`] at `until`, too.
    pub async fn next(&mut self, until: Option<Timestamp>) -> Result<Message, NoAnswer> {
        loop {
            self.transmit().await?;
            if let Some(answer) = self.arrived.pop_front() {
                return Ok(answer);
            }
            let now = self.clock.now();
            if until.is_some_and(|until| until <= now) {
                return Err(NoAnswer::Silence);
            }
            let due = [self.layer.next_timeout(), until].into_iter().flatten().min();
            let wait = due.map_or(Duration::from_secs(1), |due| due.since(now));
            match tokio::time::timeout(wait, self.read()).await {
                Ok(read) => read.map_err(NoAnswer::Broken)?,
                Err(_) => self.layer.handle_timeout(self.clock.now()),
            }
            while let Some(event) = self.layer.poll_event() {
                if matches!(event, TransactionEvent::ClientTimeout { owner: 1, .. }) {
                    return Err(NoAnswer::Silence);
                }
            }
        }
    }

    async fn transmit(&mut self) -> Result<(), NoAnswer> {
        while let Some(transmit) = self.layer.poll_transmit() {
            let sent = match &mut self.socket {
                Socket::Udp(socket) => socket.send(&transmit.bytes).await.map(drop),
                Socket::Stream(stream, None, _) => stream.write_all(&transmit.bytes).await,
                Socket::Stream(stream, Some(session), _) => {
                    session.send(&transmit.bytes).map_err(|error| NoAnswer::Broken(std::io::Error::other(error)))?;
                    stream.write_all(&session.take_output()).await
                }
            };
            sent.map_err(NoAnswer::Broken)?;
        }
        Ok(())
    }

    /// Reads what comes next. Cancel-safe.
    async fn read(&mut self) -> std::io::Result<()> {
        let mut messages = Vec::new();
        match &mut self.socket {
            Socket::Udp(socket) => {
                let mut buffer = vec![0; DATAGRAM_MAX];
                let length = socket.recv(&mut buffer).await?;
                buffer.truncate(length);
                messages.extend(Message::parse(buffer.into()).ok());
            }
            Socket::Stream(stream, session, framer) => {
                let mut buffer = [0; 4_096];
                let length = stream.read(&mut buffer).await?;
                match session {
                    _ if length == 0 => return Err(std::io::ErrorKind::ConnectionReset.into()),
                    None => framer.push(&buffer[..length]),
                    Some(session) => {
                        let received = session.receive(&buffer[..length], |plain| framer.push(plain));
                        received.map_err(std::io::Error::other)?;
                    }
                }
                while let Some(frame) = framer.next() {
                    if let Ok(Frame::Message(message)) = frame {
                        messages.push(message);
                    }
                }
            }
        }
        for message in messages {
            // Requests of the carrier, as a BYE that crosses ours, need no answer here.
            if message.is_request() {
                continue;
            }
            if let Received::Response { owner: 1, message, .. } =
                self.layer.receive(message, self.flow, self.clock.now())
            {
                self.arrived.push_back(message);
            }
        }
        Ok(())
    }
}

/// The handshake: the carrier has to prove the name.
async fn secure(stream: &mut TcpStream, name: &str, tls: &TlsClient) -> std::io::Result<TlsSession> {
    let mut session = tls.connect(name).map_err(std::io::Error::other)?;
    let mut buffer = [0; 4_096];
    loop {
        stream.write_all(&session.take_output()).await?;
        if !session.is_handshaking() {
            return Ok(session);
        }
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        // A carrier says nothing before we do.
        let received = session.receive(&buffer[..length], |_| {});
        if let Err(error) = received {
            let _ = stream.write_all(&session.take_output()).await;
            return Err(std::io::Error::other(error));
        }
    }
}
