//! The legs of a thread: which session and which ports a name stands for, and what orders do to them. Whoever has the
//! sockets moves the packets.

use std::collections::HashMap;
use std::io;

use media::exchange::{Exchange, LegKey, Outgoing};
use media::session::{Channel, Session, Statistics};
use model::Timestamp;
use tokio::sync::mpsc::Sender;

use super::{LegId, News, Order, Photograph, PortPair};

/// What moves the packets of a thread's legs.
pub(super) trait Wire {
    /// A leg begins: packets that come to its ports belong to the leg in that place.
    fn opened(&mut self, index: usize, ports: &mut PortPair) -> io::Result<()>;
    /// A leg has ended.
    fn closed(&mut self, ports: &mut PortPair);
    /// Sends a packet from one of a leg's ports.
    fn send(&mut self, ports: &PortPair, out: &Outgoing<'_>);
}

/// See the module.
#[derive(Default)]
pub(super) struct Legs {
    exchange: Exchange,
    ports: Vec<Option<PortPair>>,
    keys: HashMap<LegId, LegKey>,
    names: HashMap<LegKey, LegId>,
}

impl Legs {
    /// The ports of the leg in that place.
    pub fn ports(&self, index: usize) -> Option<&PortPair> {
        self.ports.get(index)?.as_ref()
    }

    /// The place of the leg that has this port, and which of its two it is.
    pub fn at(&self, port: u16) -> Option<(usize, Channel)> {
        let channel = if port.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp };
        let place = self.ports.iter().position(|pair| pair.as_ref().is_some_and(|pair| pair.port() == port & !1))?;
        Some((place, channel))
    }

    /// Takes in a packet at a port of the leg in that place.
    pub fn receive(
        &mut self,
        (index, channel): (usize, Channel),
        bytes: &[u8],
        from: std::net::SocketAddr,
        now: Timestamp,
        wire: &mut impl Wire,
    ) {
        let Self { exchange, ports, .. } = self;
        exchange.handle_packet(index as u32, channel, bytes, from, now, &mut |out| send(ports, wire, &out));
    }

    /// Does all that is due.
    pub fn handle_timeout(&mut self, now: Timestamp, wire: &mut impl Wire) {
        let Self { exchange, ports, .. } = self;
        exchange.handle_timeout(now, &mut |out| send(ports, wire, &out));
    }

    /// When [`Legs::handle_timeout`] is due next.
    pub fn next_timeout(&self) -> Timestamp {
        self.exchange.next_timeout()
    }

    /// Carries an order out.
    pub fn perform(&mut self, order: Order, now: Timestamp, wire: &mut impl Wire) {
        match order {
            Order::Open { leg, ports, session } => {
                if let Err(error) = self.open(leg, ports, *session, wire) {
                    tracing::error!(leg = leg.0, %error, "a leg's sockets cannot be polled");
                }
            }
            Order::Negotiate(leg, stream) => self.with(leg, |s| s.negotiate(stream, now)),
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
            Order::Join(leg, conference) => {
                if let Some(key) = self.keys.get(&leg)
                    && let Err(error) = self.exchange.join(*key, &conference)
                {
                    tracing::warn!(leg = leg.0, %error, "a leg cannot join its conference");
                }
            }
            Order::Close(leg) => self.close(leg, now, wire),
            Order::Figures(legs, reply) => {
                let figures = legs.into_iter().filter_map(|leg| Some((leg, self.figures(leg)?))).collect();
                let _ = reply.send(figures);
            }
            Order::Photograph(legs, reply) => {
                let pictures = legs.into_iter().filter_map(|leg| self.photograph(leg, now)).collect();
                // A role that no longer waits needs no answer.
                let _ = reply.send(pictures);
            }
        }
    }

    /// Passes on what the legs have to tell, as far as there is room.
    pub fn tell(&mut self, news: &Sender<News>) {
        while let Ok(room) = news.try_reserve() {
            let Some((key, event)) = self.exchange.poll_event() else { return };
            // A leg that was closed meanwhile has nothing more to say.
            if let Some(leg) = self.names.get(&key) {
                room.send(News { leg: *leg, event });
            }
        }
    }

    /// Events lost because nobody took them.
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
        if let Some(mut pair) = self.ports.get_mut(key.index as usize).and_then(Option::take) {
            wire.closed(&mut pair);
        }
    }

    fn photograph(&mut self, leg: LegId, now: Timestamp) -> Option<Photograph> {
        let key = *self.keys.get(&leg)?;
        self.exchange.with(key, |s| Photograph { leg, session: s.snapshot(now), statistics: s.statistics() })
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
