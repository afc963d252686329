//! The legs of a thread: maps names to sessions and ports, and applies orders to them. The owner of the sockets moves
//! the packets.
//!
//! A panic costs only the leg being processed: the leg is dropped, its ports are freed, its role is notified.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use media::exchange::{Exchange, LegKey, Outgoing, RecordedAudio};
use media::session::{Channel, Session, Statistics};
use model::{AddressFamily, Timestamp};
use runtime::fault::Cause;
use tokio::sync::mpsc::Sender;

use super::{LegEvent, LegId, LegSnapshot, Order, PortPair};

/// The most orders that wait for a leg which comes from another thread: it is on its way for less than a turn.
const EXPECTED_ORDERS_MAX: usize = 64;

/// A leg that comes from another thread.
#[derive(Default)]
struct Expected {
    /// Orders that wait for it.
    orders: Vec<Order>,
    /// Whether it has ended on its way.
    is_closed: bool,
}

impl Order {
    /// The legs that it is for.
    fn legs(&self) -> Vec<LegId> {
        match self {
            Self::Open { leg, .. }
            | Self::Negotiate(leg, _)
            | Self::ChangePorts(leg, _)
            | Self::Play(leg, ..)
            | Self::Stop(leg)
            | Self::Press(leg, ..)
            | Self::Echo(leg, _)
            | Self::Join(leg, ..)
            | Self::Leave(leg)
            | Self::Move(leg, _)
            | Self::Absent(leg)
            | Self::Close(leg) => vec![*leg],
            Self::Figures(legs, _) | Self::LegSnapshot(legs, _) => legs.clone(),
            Self::Expect(_) => Vec::new(),
        }
    }
}

/// Moves the packets of a thread's legs.
pub(super) trait Wire {
    /// A leg begins: packets to its ports belong to the leg at this index.
    fn opened(&mut self, index: usize, ports: &mut PortPair) -> io::Result<()>;
    /// A leg has ended.
    fn closed(&mut self, ports: &mut PortPair);
    /// Sends a packet from one of a leg's ports.
    fn send(&mut self, ports: &PortPair, out: &Outgoing<'_>);
}

/// The legs of one thread; see the module.
#[derive(Default)]
pub(super) struct Legs {
    exchange: Exchange,
    ports: Vec<Option<PortPair>>,
    keys: HashMap<LegId, LegKey>,
    names: HashMap<LegKey, LegId>,
    /// Legs that come from other threads, and the orders that wait for them.
    expected: HashMap<LegId, Expected>,
    /// What the role is not notified of yet, beside the sessions' own events: dropped legs, and recordings that were stopped.
    ended: VecDeque<LegEvent>,
}

impl Legs {
    /// The ports of the leg at this index.
    pub fn ports(&self, index: usize) -> Option<&PortPair> {
        self.ports.get(index)?.as_ref()
    }

    /// The index of the leg that owns this port of a family, and which of its two ports it is.
    pub fn at(&self, family: AddressFamily, port: u16) -> Option<(usize, Channel)> {
        let channel = if port.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp };
        let is_it = |pair: &PortPair| pair.port() == port & !1 && AddressFamily::of(pair.address()) == family;
        let place = self.ports.iter().position(|pair| pair.as_ref().is_some_and(is_it))?;
        Some((place, channel))
    }

    /// Processes a packet at a port of the leg at this index.
    pub fn receive(
        &mut self,
        (index, channel): (usize, Channel),
        bytes: &mut [u8],
        from: std::net::SocketAddr,
        now: Timestamp,
        wire: &mut impl Wire,
    ) {
        self.attempt(wire, |legs, wire| {
            let Self { exchange, ports, .. } = legs;
            exchange.handle_packet(index as u32, channel, bytes, from, now, &mut |out| send(ports, wire, &out));
        });
    }

    /// Does all work that is due.
    pub fn handle_timeout(&mut self, now: Timestamp, wire: &mut impl Wire) {
        let timeout = |legs: &mut Self, wire: &mut _| {
            let Self { exchange, ports, .. } = legs;
            exchange.handle_timeout(now, &mut |out| send(ports, wire, &out));
        };
        // Each failed attempt costs a leg, so this loop ends.
        while !self.attempt(wire, timeout) {}
    }

    /// When to call [`Legs::handle_timeout`] next.
    pub fn next_timeout(&self) -> Timestamp {
        self.exchange.next_timeout()
    }

    /// Carries out an order.
    pub fn perform(&mut self, order: Order, now: Timestamp, wire: &mut impl Wire) {
        self.attempt(wire, |legs, wire| legs.carry_out(order, now, wire));
    }

    /// Runs `work`; returns whether it completed.
    fn attempt<W: Wire>(&mut self, wire: &mut W, work: impl FnOnce(&mut Self, &mut W)) -> bool {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self, wire))) else { return true };
        // If no leg was being processed, none can be dropped, and the role restarts.
        let in_hand = self.exchange.in_hand();
        let Some(key) = in_hand.filter(|key| self.exchange.discard(*key)) else { resume_unwind(panic) };
        let cause = Cause::of_panic(&*panic);
        let leg = self.names.remove(&key);
        tracing::error!(?leg, %cause, "a leg's audio has failed: the leg is dropped, all others go on");
        self.release_ports(key, wire);
        if let Some(leg) = leg {
            self.keys.remove(&leg);
            self.ended.push_back(LegEvent::Failed(leg, cause));
        }
        false
    }

    fn carry_out(&mut self, order: Order, now: Timestamp, wire: &mut impl Wire) {
        if self.expected.is_empty() {
            return self.carry_out_here(order, now, wire);
        }
        let expected = order.legs().into_iter().find(|leg| self.expected.contains_key(leg));
        let Some((leg, expected)) = expected.and_then(|leg| Some((leg, self.expected.get_mut(&leg)?))) else {
            return self.carry_out_here(order, now, wire);
        };
        match order {
            Order::Open { .. } | Order::Absent(_) => {
                let Some(expected) = self.expected.remove(&leg) else { return };
                // One that was closed on its way ends here, with its sockets.
                if !expected.is_closed {
                    self.carry_out_here(order, now, wire);
                }
                expected.orders.into_iter().for_each(|order| self.carry_out(order, now, wire));
            }
            Order::Close(_) => expected.is_closed = true,
            order if expected.orders.len() < EXPECTED_ORDERS_MAX => expected.orders.push(order),
            _ => tracing::error!(leg = leg.0, "too many orders wait for a leg on its way from another thread"),
        }
    }

    fn carry_out_here(&mut self, order: Order, now: Timestamp, wire: &mut impl Wire) {
        match order {
            Order::Expect(leg) => drop(self.expected.insert(leg, Expected::default())),
            Order::Absent(_) => {}
            Order::Move(leg, passage) => {
                if let Err(error) = passage.deliver(leg, self.take(leg, wire)) {
                    tracing::error!(leg = leg.0, %error, "a leg cannot go to another thread: it ends");
                    self.ended.push_back(LegEvent::Failed(leg, Cause::of_panic(&error.to_string())));
                }
            }
            Order::Open { leg, ports, session } => {
                if let Err(error) = self.open(leg, ports, *session, wire) {
                    tracing::error!(leg = leg.0, %error, "a leg's sockets cannot be polled: it ends");
                    self.ended.push_back(LegEvent::Failed(leg, Cause::of_panic(&error.to_string())));
                }
            }
            Order::Negotiate(leg, stream) => {
                if let Some(key) = self.keys.get(&leg) {
                    self.exchange.negotiate(*key, *stream, now);
                }
            }
            Order::ChangePorts(leg, ports) => {
                if let Err(error) = self.change_ports(leg, ports, wire) {
                    tracing::error!(leg = leg.0, %error, "a leg's new sockets cannot be polled: it keeps those that it has");
                }
            }
            Order::Play(leg, id, treatment) => self.with(leg, |s| s.play(id, treatment, now)),
            Order::Stop(leg) => self.stop(leg, now),
            Order::Press(leg, digit, duration) => {
                if let Some(key) = self.keys.get(&leg) {
                    self.exchange.press(*key, digit, duration, now);
                }
            }
            Order::Echo(leg, echo) => {
                if let Some(key) = self.keys.get(&leg) {
                    self.exchange.echo(*key, echo);
                }
            }
            Order::Join(leg, conference, part) => {
                if let Some(key) = self.keys.get(&leg)
                    && let Err(error) = self.exchange.join(*key, &conference, part, now)
                {
                    tracing::warn!(leg = leg.0, %error, "a leg cannot join its conference");
                }
            }
            Order::Leave(leg) => {
                if let Some(key) = self.keys.get(&leg) {
                    self.exchange.leave(*key);
                }
            }
            Order::Close(leg) => self.close(leg, now, wire),
            Order::Figures(legs, reply) => {
                let figures = legs.into_iter().filter_map(|leg| Some((leg, self.figures(leg)?))).collect();
                let _ = reply.send(figures);
            }
            Order::LegSnapshot(legs, reply) => {
                let pictures = legs.into_iter().filter_map(|leg| self.snapshot(leg, now)).collect();
                // A role that no longer waits needs no answer.
                let _ = reply.send(pictures);
            }
        }
    }

    /// Sends the legs' events to the role, as far as there is room.
    pub fn tell(&mut self, news: &Sender<LegEvent>) {
        while let Ok(room) = news.try_reserve() {
            if let Some(ended) = self.ended.pop_front() {
                room.send(ended);
                continue;
            }
            let Some((key, event)) = self.exchange.poll_event() else { return };
            // The leg was closed since.
            if let Some(leg) = self.names.get(&key) {
                room.send(LegEvent::Event(*leg, event));
            }
        }
    }

    /// The next piece of a conference's recording.
    pub fn poll_recorded(&mut self) -> Option<RecordedAudio> {
        self.exchange.poll_recorded()
    }

    /// Encrypted packets refused since the last call: as forged, and as there before.
    pub fn take_refused(&mut self) -> (u64, u64) {
        self.exchange.take_refused()
    }

    /// Events lost because the role did not take them.
    pub fn dropped_events(&self) -> u64 {
        self.exchange.dropped_events()
    }

    fn open(&mut self, leg: LegId, mut ports: PortPair, session: Session, wire: &mut impl Wire) -> io::Result<()> {
        let key = self.exchange.open(session);
        let index = key.index as usize;
        if let Err(error) = wire.opened(index, &mut ports) {
            self.exchange.discard(key);
            return Err(error);
        }
        if self.ports.len() <= index {
            self.ports.resize_with(index + 1, || None);
        }
        if let Some(place) = self.ports.get_mut(index) {
            *place = Some(ports);
        }
        self.keys.insert(leg, key);
        self.names.insert(key, leg);
        Ok(())
    }

    /// Gives a leg other sockets. What still comes to the former ones is lost: its peer has been told the new ones.
    fn change_ports(&mut self, leg: LegId, mut ports: PortPair, wire: &mut impl Wire) -> io::Result<()> {
        let Some(key) = self.keys.get(&leg) else { return Ok(()) };
        let index = key.index as usize;
        wire.opened(index, &mut ports)?;
        if let Some(place) = self.ports.get_mut(index)
            && let Some(mut former) = place.replace(ports)
        {
            wire.closed(&mut former);
        }
        Ok(())
    }

    /// Stops a leg's treatment; what it has recorded is for the role.
    fn stop(&mut self, leg: LegId, now: Timestamp) {
        let Some(key) = self.keys.get(&leg) else { return };
        let stopped = self.exchange.with(*key, |session| {
            let records = session.records();
            session.stop(now).filter(|_| records)
        });
        if let Some(outcome) = stopped.flatten() {
            self.ended.push_back(LegEvent::Recorded(leg, outcome.id, outcome.recorded));
        }
    }

    fn close(&mut self, leg: LegId, now: Timestamp, wire: &mut impl Wire) {
        self.stop(leg, now);
        let Some(key) = self.keys.remove(&leg) else { return };
        self.names.remove(&key);
        let Self { exchange, ports, .. } = self;
        exchange.close(key, now, &mut |out| send(ports, wire, &out));
        self.release_ports(key, wire);
    }

    /// Takes a leg out, with its sockets.
    fn take(&mut self, leg: LegId, wire: &mut impl Wire) -> Option<(PortPair, Session)> {
        let key = self.keys.remove(&leg)?;
        self.names.remove(&key);
        let session = self.exchange.take(key)?;
        let mut pair = self.ports.get_mut(key.index as usize).and_then(Option::take)?;
        wire.closed(&mut pair);
        Some((pair, session))
    }

    fn release_ports(&mut self, key: LegKey, wire: &mut impl Wire) {
        if let Some(mut pair) = self.ports.get_mut(key.index as usize).and_then(Option::take) {
            wire.closed(&mut pair);
        }
    }

    fn snapshot(&mut self, leg: LegId, now: Timestamp) -> Option<LegSnapshot> {
        let key = *self.keys.get(&leg)?;
        self.exchange.with(key, |s| LegSnapshot { leg, session: s.snapshot(now), statistics: s.statistics() })
    }

    fn figures(&mut self, leg: LegId) -> Option<Statistics> {
        let key = *self.keys.get(&leg)?;
        self.exchange.with(key, |s| s.statistics())
    }

    fn with(&mut self, leg: LegId, act: impl FnOnce(&mut Session)) {
        if let Some(key) = self.keys.get(&leg) {
            self.exchange.with(*key, act);
        }
    }
}

fn send(ports: &[Option<PortPair>], wire: &mut impl Wire, out: &Outgoing<'_>) {
    if let Some(Some(pair)) = ports.get(out.index as usize) {
        wire.send(pair, out);
    }
}

#[cfg(test)]
mod tests;
