//! A UDP socket for SIP (RFC 3261 §18). The role's loop reads and writes it directly, without a task or channel, so datagrams
//! keep their order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use super::{Counters, Limits, stun};

/// A datagram that holds a message.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// Where it came from.
    pub remote: SocketAddr,
    /// The message.
    pub bytes: Bytes,
}

/// A bound UDP socket.
#[derive(Debug)]
pub struct UdpEndpoint {
    socket: UdpSocket,
    // The same socket: tokio's own try_send refuses until its poller has reported the socket writable once.
    sender: std::net::UdpSocket,
    local: SocketAddr,
    buffer: Box<[u8]>,
    /// Whether the last read found nothing.
    is_empty: bool,
    counters: Arc<Counters>,
}

// The longest datagram of IPv4, and of IPv6 without jumbograms.
const DATAGRAM_MAX: usize = 65_535;
// Keep-alives skipped in one call. Those of thousands of phones come one by one; a flood of them must not block the role's
// loop.
const SKIPPED_MAX: usize = 64;

impl UdpEndpoint {
    /// Binds `local`. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The kernel's error, usually that the address is in use or not ours.
    pub fn bind(local: SocketAddr, limits: &Limits, counters: Arc<Counters>) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(local), Type::DGRAM, Some(Protocol::UDP))?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // Exceeds net.core.rmem_max if the process may; otherwise the kernel caps it there, which is no error:
        // `receive_buffer`.
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, limits.receive_buffer_bytes).is_err() {
            let _ = socket.set_recv_buffer_size(limits.receive_buffer_bytes);
        }
        socket.set_nonblocking(true)?;
        socket.bind(&local.into())?;
        let sender = socket.try_clone()?.into();
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok(Self { socket, sender, local, buffer: vec![0; DATAGRAM_MAX].into(), is_empty: true, counters })
    }

    /// The address that it is bound to.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Waits until there may be something to receive. Cancel-safe.
    ///
    /// # Errors
    /// When the socket has become unusable.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// The kernel's receive buffer in bytes, as the kernel counts it: twice the requested size, or less.
    pub fn receive_buffer(&self) -> usize {
        SockRef::from(&self.socket).recv_buffer_size().unwrap_or_default()
    }

    /// Takes the next datagram, skipping keep-alives, of which those by STUN are answered; `None` when none is left, or after too many keep-alives in a row. The
    /// caller limits how many it takes in one turn.
    pub fn try_receive(&mut self) -> Option<Datagram> {
        self.is_empty = false;
        for _ in 0..SKIPPED_MAX {
            match self.socket.try_recv_from(&mut self.buffer) {
                Ok((length, remote)) => {
                    let bytes = self.buffer.get(..length).unwrap_or_default();
                    self.counters.bytes_in.more(length as u64);
                    if is_keep_alive(bytes) {
                        self.counters.keep_alives_in.one();
                        continue;
                    }
                    if stun::is_stun(bytes) {
                        self.counters.keep_alives_in.one();
                        if let Some(answer) = stun::answer(bytes, remote) {
                            self.counters.bytes_out.more(answer.len() as u64);
                            // A phone whose answer is lost asks again.
                            let _ = self.sender.send_to(&answer, remote);
                        }
                        continue;
                    }
                    self.counters.messages_in.one();
                    return Some(Datagram { remote, bytes: Bytes::copy_from_slice(bytes) });
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.is_empty = true;
                    return None;
                }
                // An ICMP error for a datagram that we sent; the datagrams behind it are fine.
                Err(_) => {}
            }
        }
        // The socket stays readable: the caller returns to it after serving the others.
        None
    }

    /// Whether there may be more to receive: the last [`Self::try_receive`] has not found the socket empty.
    pub const fn may_have_more(&self) -> bool {
        !self.is_empty
    }

    /// Sends one datagram. A datagram that the kernel does not take is counted and lost, as UDP permits.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) {
        match self.sender.send_to(bytes, to) {
            Ok(_) => {
                self.counters.messages_out.one();
                self.counters.bytes_out.more(bytes.len() as u64);
            }
            Err(_) => self.counters.datagrams_unsent.one(),
        }
    }
}

/// RFC 5626 §3.5.1 defines CRLF for connections only, but phones also send it over UDP, or empty datagrams, or a NUL.
fn is_keep_alive(bytes: &[u8]) -> bool {
    bytes.len() <= 4 && bytes.iter().all(|b| matches!(b, b'\r' | b'\n' | b' ' | 0))
}
