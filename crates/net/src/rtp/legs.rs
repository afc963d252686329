//! The legs of a thread: maps names to sessions and ports, and applies orders to them. The owner of the sockets moves
//! the packets.
//!
//! A panic costs only the leg being processed: the leg is dropped, its ports are freed, its role is notified.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use media::exchange::{Exchange, LegKey, Outgoing};
use media::session::{Channel, Session, Statistics};
use model::Timestamp;
use runtime::fault::Cause;
use tokio::sync::mpsc::Sender;

use super::{LegEvent, LegId, LegSnapshot, Order, PortPair};

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
    /// Dropped legs of which the role is not notified yet.
    failed: VecDeque<(LegId, Cause)>,
}

impl Legs {
    /// The ports of the leg at this index.
    pub fn ports(&self, index: usize) -> Option<&PortPair> {
        self.ports.get(index)?.as_ref()
    }

    /// The index of the leg that owns this port, and which of its two ports it is.
    pub fn at(&self, port: u16) -> Option<(usize, Channel)> {
        let channel = if port.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp };
        let place = self.ports.iter().position(|pair| pair.as_ref().is_some_and(|pair| pair.port() == port & !1))?;
        Some((place, channel))
    }

    /// Processes a packet at a port of the leg at this index.
    pub fn receive(
        &mut self,
        (index, channel): (usize, Channel),
        bytes: &[u8],
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
            self.failed.push_back((leg, cause));
        }
        false
    }

    fn carry_out(&mut self, order: Order, now: Timestamp, wire: &mut impl Wire) {
        match order {
            Order::Open { leg, ports, session } => {
                if let Err(error) = self.open(leg, ports, *session, wire) {
                    tracing::error!(leg = leg.0, %error, "a leg's sockets cannot be polled");
                }
            }
            Order::Negotiate(leg, stream) => {
                if let Some(key) = self.keys.get(&leg) {
                    self.exchange.negotiate(*key, stream, now);
                }
            }
            Order::Play(leg, id, treatment) => self.with(leg, |s| s.play(id, treatment, now)),
            Order::Stop(leg) => self.with(leg, |s| {
                s.stop(now);
            }),
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
            if let Some((leg, cause)) = self.failed.pop_front() {
                room.send(LegEvent::Failed(leg, cause));
                continue;
            }
            let Some((key, event)) = self.exchange.poll_event() else { return };
            // The leg was closed since.
            if let Some(leg) = self.names.get(&key) {
                room.send(LegEvent::Event(*leg, event));
            }
        }
    }

    /// Events lost because the role did not take them.
    pub fn dropped_events(&self) -> u64 {
        self.exchange.dropped_events()
    }

    fn open(&mut self, leg: LegId, mut ports: PortPair, session: Session, wire: &mut impl Wire) -> io::Result<()> {
        let key = self.exchange.open(session);
        let index = key.index as usize;
        wire.opened(index, &mut ports)?;
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

    fn close(&mut self, leg: LegId, now: Timestamp, wire: &mut impl Wire) {
        let Some(key) = self.keys.remove(&leg) else { return };
        self.names.remove(&key);
        let Self { exchange, ports, .. } = self;
        exchange.close(key, now, &mut |out| send(ports, wire, &out));
        self.release_ports(key, wire);
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
