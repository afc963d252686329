//! Port pairs: an even port for RTP and the one above for RTCP (RFC 3550 §11). Each address has a pool of its own, and a leg has ports of
//! the family of its peer.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use media::session::Channel;
use model::AddressFamily;
use socket2::{Domain, Protocol, Socket, Type};

/// The most pairs that are tried when other processes hold ports of our range.
const ATTEMPTS_MAX: usize = 64;
/// The receive buffer in bytes: room for 100 ms of packets while the thread is delayed.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// The free pairs of a range. A returned pair is reused last, so that late packets of an old leg do not reach a new one.
#[derive(Debug)]
pub struct Ports {
    address: IpAddr,
    free: Mutex<VecDeque<u16>>,
    total: usize,
    /// Whether a pair has sockets; a simulation has none.
    bound: bool,
}

/// The pools of one address, or of one of each family.
#[derive(Debug)]
pub struct PortPools {
    pools: Vec<Arc<Ports>>,
}

/// Two bound sockets. Dropping it closes them and gives the ports back.
#[derive(Debug)]
pub struct PortPair {
    /// For RTP and for RTCP; none in a simulation.
    pub(super) sockets: Option<(mio::net::UdpSocket, mio::net::UdpSocket)>,
    port: u16,
    ports: Arc<Ports>,
}

/// Why no pair is available.
#[derive(Debug, thiserror::Error)]
pub enum PortsError {
    /// There is no address of the wanted family.
    #[error("there is no address of {0} for audio")]
    NoAddress(AddressFamily),
    /// All pairs of the range are in use.
    #[error("no RTP port is free")]
    Exhausted,
    /// The wanted pair is in use.
    #[error("RTP port {0} is in use")]
    Taken(u16),
    /// The kernel refuses to bind it.
    #[error("an RTP socket cannot be bound")]
    Bind(#[source] io::Error),
}

impl Ports {
    /// All pairs of `range` on `address`.
    pub(super) fn new(address: IpAddr, range: RangeInclusive<u16>) -> Self {
        let last = *range.end();
        let free: VecDeque<u16> = range.filter(|p| p.is_multiple_of(2) && *p < last && *p > 0).collect();
        let total = free.len();
        Self { address, free: Mutex::new(free), total, bound: true }
    }

    /// The same without kernel sockets.
    pub(super) fn without_sockets(address: IpAddr, range: RangeInclusive<u16>) -> Self {
        Self { bound: false, ..Self::new(address, range) }
    }

    /// Binds the next free pair.
    pub fn bind(self: &Arc<Self>) -> Result<PortPair, PortsError> {
        for _ in 0..ATTEMPTS_MAX {
            let port = self.lock().pop_front().ok_or(PortsError::Exhausted)?;
            match self.pair(port) {
                Ok(pair) => return Ok(pair),
                Err(error) => {
                    self.give_back(port);
                    if error.kind() != io::ErrorKind::AddrInUse {
                        return Err(PortsError::Bind(error));
                    }
                }
            }
        }
        Err(PortsError::Exhausted)
    }

    /// Binds this pair, for a restored leg.
    pub fn bind_again(self: &Arc<Self>, port: u16) -> Result<PortPair, PortsError> {
        {
            let mut free = self.lock();
            let place = free.iter().position(|p| *p == port).ok_or(PortsError::Taken(port))?;
            free.remove(place);
        }
        self.pair(port).map_err(|error| {
            self.give_back(port);
            PortsError::Bind(error)
        })
    }

    /// The number of pairs.
    pub fn total(&self) -> usize {
        self.total
    }

    /// The number of free pairs.
    pub fn free(&self) -> usize {
        self.lock().len()
    }

    fn pair(self: &Arc<Self>, port: u16) -> io::Result<PortPair> {
        let at = |port| bind(SocketAddr::new(self.address, port));
        let sockets = if self.bound { Some((at(port)?, at(port + 1)?)) } else { None };
        Ok(PortPair { sockets, port, ports: self.clone() })
    }

    fn give_back(&self, port: u16) {
        self.lock().push_back(port);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<u16>> {
        // The queue is consistent after every statement under the lock.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PortPools {
    /// A pool of `range` for each of these addresses.
    pub(super) fn new(addresses: &[IpAddr], range: &RangeInclusive<u16>) -> Self {
        Self { pools: addresses.iter().map(|address| Arc::new(Ports::new(*address, range.clone()))).collect() }
    }

    /// The same without kernel sockets.
    pub(super) fn without_sockets(addresses: &[IpAddr], range: &RangeInclusive<u16>) -> Self {
        let pool = |address: &IpAddr| Arc::new(Ports::without_sockets(*address, range.clone()));
        Self { pools: addresses.iter().map(pool).collect() }
    }

    /// Binds the next free pair of a family.
    ///
    /// # Errors
    /// [`PortsError::NoAddress`], and those of [`Ports::bind`].
    pub fn bind(&self, family: AddressFamily) -> Result<PortPair, PortsError> {
        self.of(family)?.bind()
    }

    /// Binds this pair of a family, for a restored leg.
    ///
    /// # Errors
    /// [`PortsError::NoAddress`], and those of [`Ports::bind_again`].
    pub fn bind_again(&self, family: AddressFamily, port: u16) -> Result<PortPair, PortsError> {
        self.of(family)?.bind_again(port)
    }

    /// The number of pairs.
    pub fn total(&self) -> usize {
        self.pools.iter().map(|pool| pool.total()).sum()
    }

    /// The number of free pairs.
    pub fn free(&self) -> usize {
        self.pools.iter().map(|pool| pool.free()).sum()
    }

    fn of(&self, family: AddressFamily) -> Result<&Arc<Ports>, PortsError> {
        let is_of_family = |pool: &&Arc<Ports>| AddressFamily::of(pool.address) == family;
        self.pools.iter().find(is_of_family).ok_or(PortsError::NoAddress(family))
    }
}

impl PortPair {
    /// The RTP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of both ports.
    pub(super) fn address(&self) -> IpAddr {
        self.ports.address
    }

    /// The address and the port of RTP.
    pub(super) fn at(&self) -> SocketAddr {
        SocketAddr::new(self.address(), self.port)
    }

    pub(super) fn socket(&self, channel: Channel) -> Option<&mio::net::UdpSocket> {
        let (rtp, rtcp) = self.sockets.as_ref()?;
        Some(match channel {
            Channel::Rtp => rtp,
            Channel::Rtcp => rtcp,
        })
    }
}

impl Drop for PortPair {
    fn drop(&mut self) {
        // The fields close the sockets slightly later; the queue is long, so nobody binds these ports before that.
        self.ports.give_back(self.port);
    }
}

fn bind(address: SocketAddr) -> io::Result<mio::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // The kernel caps this at net.core.rmem_max; less is not an error.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(mio::net::UdpSocket::from_std(socket.into()))
}
