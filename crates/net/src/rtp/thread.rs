//! The poll loop of one thread.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use infra::Clock;
use media::exchange::{Exchange, LegKey, Outgoing};
use media::rtp::PACKET_BYTES_MAX;
use media::session::{Channel, Session, Statistics};
use mio::{Events, Interest, Poll, Token};
use model::Timestamp;
use tokio::sync::mpsc::Sender;

use super::{Counters, LegId, News, Order, Photograph, PortPair};

/// The token of the waker; legs have small ones.
pub(super) const WAKER: Token = Token(usize::MAX);
/// Events of one poll.
const EVENTS_PER_TURN: usize = 1_024;
/// Packets that one socket may have taken in a turn before the others get theirs.
const PACKETS_PER_SOCKET: usize = 16;
/// Orders taken at once.
const ORDERS_AT_ONCE: usize = 256;
/// Longest sleep: news that did not fit are tried again then.
const SLEEP_MAX: Duration = Duration::from_millis(500);

pub(super) struct Parts {
    pub poll: Poll,
    pub inbox: Receiver<Order>,
    pub news: Sender<News>,
    pub clock: Arc<dyn Clock>,
    pub counters: Arc<Counters>,
}

/// What a turn has counted; added to the shared counters once a turn.
#[derive(Default)]
struct Tally {
    packets_in: u64,
    bytes_in: u64,
    packets_out: u64,
    bytes_out: u64,
    unsent: u64,
}

struct Loop {
    parts: Parts,
    exchange: Exchange,
    sockets: Vec<Option<PortPair>>,
    legs: HashMap<LegId, LegKey>,
    names: HashMap<LegKey, LegId>,
    /// Sockets that had more packets than their share of the turn: the kernel tells of them only once.
    unread: Vec<Token>,
    tally: Tally,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
}

/// Runs until the orders' channel closes.
pub(super) fn run(parts: Parts) {
    let mut events = Events::with_capacity(EVENTS_PER_TURN);
    let mut this = Loop {
        parts,
        exchange: Exchange::default(),
        sockets: Vec::new(),
        legs: HashMap::new(),
        names: HashMap::new(),
        unread: Vec::new(),
        tally: Tally::default(),
        buffer: Box::new([0; PACKET_BYTES_MAX]),
    };
    loop {
        let sleep = this.sleep();
        match this.parts.poll.poll(&mut events, Some(sleep)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                tracing::error!(%error, "polling the RTP sockets failed: the thread ends");
                return;
            }
            _ => {}
        }
        let now = this.parts.clock.now();
        for token in std::mem::take(&mut this.unread) {
            if token != WAKER {
                this.read(token, now);
            }
        }
        for event in &events {
            if event.token() != WAKER {
                this.read(event.token(), now);
            }
        }
        if !this.take_orders(now) {
            return;
        }
        this.time_passes();
        this.tell();
        this.count();
    }
}

impl Loop {
    fn sleep(&self) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        self.exchange.next_timeout().since(self.parts.clock.now()).min(SLEEP_MAX)
    }

    fn read(&mut self, token: Token, now: Timestamp) {
        let index = token.0 / 2;
        let channel = if token.0.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp };
        for _ in 0..PACKETS_PER_SOCKET {
            let Some(Some(pair)) = self.sockets.get(index) else { return };
            let socket = match channel {
                Channel::Rtp => &pair.rtp,
                Channel::Rtcp => &pair.rtcp,
            };
            let (length, from) = match socket.recv_from(self.buffer.as_mut_slice()) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // What ICMP says of an earlier packet of ours: the next read goes on.
                Err(_) => continue,
            };
            self.tally.packets_in += 1;
            self.tally.bytes_in += length as u64;
            let port = pair.port();
            // What was ordered before the packet was sent holds for it. That the orders have ended is seen by the turn.
            self.take_orders(now);
            if self.sockets.get(index).and_then(Option::as_ref).map(PortPair::port) != Some(port) {
                return;
            }
            let Self { exchange, sockets, tally, buffer, .. } = self;
            let Some(bytes) = buffer.get(..length) else { continue };
            let mut send = |out: Outgoing<'_>| send(sockets, tally, &out);
            exchange.handle_packet(index as u32, channel, bytes, from, now, &mut send);
        }
        self.unread.push(token);
    }

    /// Returns whether the thread shall go on.
    fn take_orders(&mut self, now: Timestamp) -> bool {
        for _ in 0..ORDERS_AT_ONCE {
            match self.parts.inbox.try_recv() {
                Ok(order) => self.perform(order, now),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        // The waker tells only once of what is left.
        self.unread.push(WAKER);
        true
    }

    fn perform(&mut self, order: Order, now: Timestamp) {
        match order {
            Order::Open { leg, ports, session } => {
                if let Err(error) = self.open(leg, ports, *session) {
                    tracing::error!(leg = leg.0, %error, "a leg's sockets cannot be polled");
                }
            }
            Order::Negotiate(leg, stream) => self.with(leg, |s| s.negotiate(stream, now)),
            Order::Play(leg, id, treatment) => self.with(leg, |s| s.play(id, treatment, now)),
            Order::Stop(leg) => self.with(leg, |s| {
                s.stop(now);
            }),
            Order::Press(leg, digit, duration) => {
                if let Some(key) = self.legs.get(&leg) {
                    self.exchange.press(*key, digit, duration, now);
                }
            }
            Order::Echo(leg, echo) => {
                if let Some(key) = self.legs.get(&leg) {
                    self.exchange.echo(*key, echo);
                }
            }
            Order::Join(leg, conference) => {
                if let Some(key) = self.legs.get(&leg)
                    && let Err(error) = self.exchange.join(*key, &conference)
                {
                    tracing::warn!(leg = leg.0, %error, "a leg cannot join its conference");
                }
            }
            Order::Close(leg) => self.close(leg, now),
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

    fn open(&mut self, leg: LegId, mut ports: PortPair, session: Session) -> io::Result<()> {
        let key = self.exchange.open(session);
        let index = key.index as usize;
        let registry = self.parts.poll.registry();
        registry.register(&mut ports.rtp, Token(index * 2), Interest::READABLE)?;
        registry.register(&mut ports.rtcp, Token(index * 2 + 1), Interest::READABLE)?;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        if let Some(place) = self.sockets.get_mut(index) {
            *place = Some(ports);
        }
        self.legs.insert(leg, key);
        self.names.insert(key, leg);
        Ok(())
    }

    fn close(&mut self, leg: LegId, now: Timestamp) {
        let Some(key) = self.legs.remove(&leg) else { return };
        self.names.remove(&key);
        let Self { exchange, sockets, tally, .. } = self;
        exchange.close(key, now, &mut |out| send(sockets, tally, &out));
        if let Some(mut pair) = self.sockets.get_mut(key.index as usize).and_then(Option::take) {
            let registry = self.parts.poll.registry();
            // A socket that is closed leaves the poll by itself; this only fails if it never was in it.
            let _ = registry.deregister(&mut pair.rtp);
            let _ = registry.deregister(&mut pair.rtcp);
        }
    }

    fn photograph(&mut self, leg: LegId, now: Timestamp) -> Option<Photograph> {
        let key = *self.legs.get(&leg)?;
        self.exchange.with(key, |s| Photograph { leg, session: s.snapshot(now), statistics: s.statistics() })
    }

    fn figures(&mut self, leg: LegId) -> Option<Statistics> {
        let key = *self.legs.get(&leg)?;
        self.exchange.with(key, |s| s.statistics())
    }

    fn with(&mut self, leg: LegId, act: impl FnOnce(&mut Session)) {
        if let Some(key) = self.legs.get(&leg) {
            self.exchange.with(*key, act);
        }
    }

    fn time_passes(&mut self) {
        let now = self.parts.clock.now();
        let Self { exchange, sockets, tally, .. } = self;
        exchange.handle_timeout(now, &mut |out| send(sockets, tally, &out));
    }

    fn tell(&mut self) {
        while let Ok(room) = self.parts.news.try_reserve() {
            let Some((key, event)) = self.exchange.poll_event() else { return };
            // A leg that was closed meanwhile has nothing more to say.
            if let Some(leg) = self.names.get(&key) {
                room.send(News { leg: *leg, event });
            }
        }
    }

    fn count(&mut self) {
        let counters = &self.parts.counters;
        let tally = std::mem::take(&mut self.tally);
        if tally.packets_in + tally.packets_out + tally.unsent > 0 {
            counters.packets_in.fetch_add(tally.packets_in, Relaxed);
            counters.bytes_in.fetch_add(tally.bytes_in, Relaxed);
            counters.packets_out.fetch_add(tally.packets_out, Relaxed);
            counters.bytes_out.fetch_add(tally.bytes_out, Relaxed);
            counters.unsent.fetch_add(tally.unsent, Relaxed);
        }
        counters.lost_news.store(self.exchange.dropped_events(), Relaxed);
    }
}

fn send(sockets: &[Option<PortPair>], tally: &mut Tally, out: &Outgoing<'_>) {
    let Some(Some(pair)) = sockets.get(out.index as usize) else { return };
    let socket = match out.channel {
        Channel::Rtp => &pair.rtp,
        Channel::Rtcp => &pair.rtcp,
    };
    // Audio that the kernel does not take now is late already: it is counted, not kept.
    if socket.send_to(out.bytes, out.to).is_ok() {
        tally.packets_out += 1;
        tally.bytes_out += out.bytes.len() as u64;
    } else {
        tally.unsent += 1;
    }
}
