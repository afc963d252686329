//! Audio without sockets and threads, for simulations with their own packets and clock.
//!
//! The role uses a [`Driver`] as with threads; an order is carried out at once. The simulation uses [`Simulated`]: it carries
//! packets to and from the legs' ports and lets time pass.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra::Clock;
use media::exchange::Outgoing;
use media::session::Channel;
use model::{AddressFamily, Timestamp};
use tokio::sync::mpsc;

use super::legs::{Legs, Wire};
use super::{Counters, Driver, DriverError, LegEvent, LegId, NEWS_MAX, Order, PortPair, PortPools};

/// The most packets that wait for [`Simulated::poll_packet`]: a turn of many legs. Further ones are lost, as on a wire.
const PACKETS_MAX: usize = 65_536;

/// A packet sent by a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Its source: a port of a leg.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The simulation's side; see the module.
#[derive(Clone)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

/// The role's side.
pub struct SimulatedDriver {
    state: Arc<Mutex<State>>,
    ports: PortPools,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
}

struct State {
    legs: Legs,
    sent: Sent,
    news: mpsc::Sender<LegEvent>,
}

struct Sent {
    packets: VecDeque<Packet>,
}

impl Simulated {
    /// Audio at this address, or one of each family, and these ports; news arrive through the receiver.
    pub fn start(
        addresses: &[IpAddr],
        ports: RangeInclusive<u16>,
        clock: Arc<dyn Clock>,
    ) -> (Self, SimulatedDriver, mpsc::Receiver<LegEvent>) {
        let (news, receiver) = mpsc::channel(NEWS_MAX);
        let sent = Sent { packets: VecDeque::new() };
        let state = Arc::new(Mutex::new(State { legs: Legs::default(), sent, news }));
        let driver = SimulatedDriver {
            state: state.clone(),
            ports: PortPools::without_sockets(addresses, &ports),
            counters: Arc::new(Counters::default()),
            clock,
        };
        (Self { state }, driver, receiver)
    }

    /// Delivers a packet to a port of ours, of the family of its sender. Returns whether a leg owns the port.
    pub fn receive(&self, port: u16, bytes: &[u8], from: SocketAddr, now: Timestamp) -> bool {
        let State { legs, sent, news } = &mut *self.lock();
        let Some(place) = legs.at(AddressFamily::of(from.ip()), port) else { return false };
        legs.receive(place, &mut bytes.to_vec(), from, now, sent);
        tell(legs, news);
        true
    }

    /// Runs the timers that are due.
    pub fn handle_timeout(&self, now: Timestamp) {
        let State { legs, sent, news } = &mut *self.lock();
        legs.handle_timeout(now, sent);
        tell(legs, news);
    }

    /// When to call [`Simulated::handle_timeout`] next.
    pub fn next_timeout(&self) -> Timestamp {
        self.lock().legs.next_timeout()
    }

    /// The next packet to carry.
    pub fn poll_packet(&self) -> Option<Packet> {
        self.lock().sent.packets.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a finding of the simulation and ends it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for SimulatedDriver {
    fn shard_of(&self, _conference: &str) -> usize {
        0
    }

    fn order(&self, _shard: usize, order: Order) -> Result<(), DriverError> {
        let State { legs, sent, news } = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        legs.perform(order, self.clock.now(), sent);
        tell(legs, news);
        Ok(())
    }

    fn move_leg(&self, _leg: LegId, _from: usize, _to: usize) -> Result<(), DriverError> {
        Ok(())
    }

    fn ports(&self) -> &PortPools {
        &self.ports
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// Tells the role; nobody keeps recordings.
fn tell(legs: &mut Legs, news: &mpsc::Sender<LegEvent>) {
    legs.tell(news);
    while legs.poll_recorded().is_some() {}
}

impl Wire for Sent {
    fn opened(&mut self, _index: usize, _ports: &mut PortPair) -> io::Result<()> {
        Ok(())
    }

    fn closed(&mut self, _ports: &mut PortPair) {}

    fn send(&mut self, ports: &PortPair, out: &Outgoing<'_>) {
        if self.packets.len() < PACKETS_MAX {
            let port = ports.port() + u16::from(out.channel == Channel::Rtcp);
            let from = SocketAddr::new(ports.address(), port);
            self.packets.push_back(Packet { from, to: out.to, bytes: out.bytes.to_vec() });
        }
    }
}
