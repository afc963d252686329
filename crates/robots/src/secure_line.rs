//! The connection of a phone that speaks SIP over TLS. One that breaks is opened again.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::{Buf as _, BytesMut};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use net::tls::{TlsClient, TlsSession, authorities};
use sip::{ConnectionId, Frame, Framer, Message, Transport};

/// The flow of the connection, whichever it is at the time.
pub const CONNECTION: ConnectionId = ConnectionId::opened(1, Transport::Tls);
/// A connection that could not be opened, or broke, is opened again after this time.
const AGAIN: Duration = Duration::from_secs(1);
/// The most that waits for a connection; what comes then is lost, as the transactions notice.
const WAITING_MAX: usize = 1 << 20;

/// The line of a phone.
pub struct SecureLine {
    edge: SocketAddr,
    tls: TlsClient,
    registry: Registry,
    token: Token,
    /// What the edge has to prove.
    name: String,
    open: Option<LiveConnection>,
    /// When the next connection is opened.
    again: Instant,
    /// Why there is none, or was none.
    trouble: Option<String>,
}

/// A connection, or the attempt to open one.
struct LiveConnection {
    stream: TcpStream,
    session: TlsSession,
    framer: Framer,
    waiting: BytesMut,
    /// The handshake is over.
    is_up: bool,
}

/// What became of the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LineChange {
    /// Messages can be sent.
    Up,
    /// It broke: nobody gets what was sent last.
    Down,
}

impl SecureLine {
    /// A line to the edge at this address, which has to prove its name to the authority in this text (PEM).
    pub fn new(
        registry: &Registry,
        token: Token,
        (edge, name): (SocketAddr, &str),
        authority: &str,
        now: Instant,
    ) -> Result<Self> {
        let authorities = authorities::of_text(authority).map_err(anyhow::Error::msg)?;
        let tls = TlsClient::new(None, authorities)?;
        let (registry, name) = (registry.try_clone()?, name.to_owned());
        Ok(Self { edge, tls, registry, token, name, open: None, again: now, trouble: None })
    }

    /// Why there is no connection, or was none.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Whether the handshake of the present connection is over.
    pub fn is_up(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.is_up)
    }

    /// Opens, reads and writes as far as possible; gives `take` the messages that have come.
    pub fn tend(&mut self, now: Instant, mut take: impl FnMut(Message)) -> Option<LineChange> {
        if self.open.is_none() && self.again <= now {
            self.again = now + AGAIN;
            match self.begin() {
                Ok(open) => self.open = Some(open),
                Err(error) => self.trouble = Some(format!("{error:#}")),
            }
        }
        let open = self.open.as_mut()?;
        let was_up = open.is_up;
        match open.turn(&mut take) {
            Ok(()) => return (open.is_up && !was_up).then_some(LineChange::Up),
            Err(error) => self.trouble = Some(format!("{error:#}")),
        }
        if let Some(mut open) = self.open.take() {
            // It is closed at once: nobody hears of it any more.
            let _ = self.registry.deregister(&mut open.stream);
        }
        was_up.then_some(LineChange::Down)
    }

    /// Sends a message by the present connection, if there is one.
    pub fn send(&mut self, message: &[u8]) {
        if let Some(open) = self.open.as_mut().filter(|open| open.is_up) {
            let is_taken = open.waiting.len() < WAITING_MAX && open.session.send(message).is_ok();
            if is_taken {
                // A broken connection is seen at the next turn.
                let _ = open.write();
            }
        }
    }

    fn begin(&self) -> Result<LiveConnection> {
        let mut stream = TcpStream::connect(self.edge)?;
        self.registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        let mut session = self.tls.connect(&self.name)?;
        session.limit(WAITING_MAX);
        Ok(LiveConnection { stream, session, framer: Framer::new(), waiting: BytesMut::new(), is_up: false })
    }
}

impl LiveConnection {
    fn turn(&mut self, take: &mut impl FnMut(Message)) -> Result<()> {
        if self.stream.take_error()?.is_some() {
            anyhow::bail!("there is no connection");
        }
        self.write()?;
        self.read(take)?;
        self.write()?;
        self.is_up = !self.session.is_handshaking();
        Ok(())
    }

    fn read(&mut self, take: &mut impl FnMut(Message)) -> Result<()> {
        let mut buffer = [0; 16_384];
        loop {
            let length = match self.stream.read(&mut buffer) {
                Ok(0) => anyhow::bail!("the edge has closed the connection"),
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let framer = &mut self.framer;
            let ends = self.session.receive(buffer.get(..length).unwrap_or_default(), |plain| framer.push(plain))?;
            while let Some(frame) = self.framer.next() {
                // A message that cannot be read is as good as lost.
                if let Ok(Frame::Message(message)) = frame {
                    take(message);
                }
            }
            anyhow::ensure!(!ends && !self.framer.is_broken(), "the edge ends the connection");
        }
    }

    fn write(&mut self) -> Result<()> {
        self.waiting.extend_from_slice(&self.session.take_output());
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(written) => self.waiting.advance(written),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => break,
                Err(error) => return Err(error).context("the edge takes nothing"),
            }
        }
        Ok(())
    }
}
