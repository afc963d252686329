//! The poll loop of one thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::Duration;

use infra::Clock;
use media::exchange::{Outgoing, RecordedAudio};
use media::rtp::PACKET_BYTES_MAX;
use media::session::Channel;
use mio::{Events, Interest, Poll, Registry, Token};
use model::Timestamp;
use tokio::sync::mpsc::Sender;

use super::legs::{Legs, Wire};
use super::{Counters, LegEvent, Order, PortPair};

/// The waker's token; legs have small ones.
pub(super) const WAKER: Token = Token(usize::MAX);
/// The most events of one poll.
const EVENTS_PER_TURN: usize = 1_024;
/// The most packets read from one socket in a turn, before the others are served.
const PACKETS_PER_SOCKET: usize = 16;
/// The most orders taken at once.
const ORDERS_AT_ONCE: usize = 256;
/// The longest sleep; news that did not fit are retried then.
const SLEEP_MAX: Duration = Duration::from_millis(500);
/// The least time from one turn to the next. Under load the packets of many calls are read in one turn, in place of one turn for each: a packet
/// waits that long at most, a fortieth of the time between two of its call.
const TURN_MIN: Duration = Duration::from_micros(500);

pub(super) struct Parts {
    pub poll: Poll,
    pub inbox: Receiver<Order>,
    pub news: Sender<LegEvent>,
    pub clock: Arc<dyn Clock>,
    pub counters: Arc<Counters>,
    pub recorded: SyncSender<RecordedAudio>,
}

/// Counts of one turn; added to the shared counters at its end.
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
    legs: Legs,
    sockets: Sockets,
    /// Sockets with more packets than their share of the turn: the kernel notifies about them only once.
    unread: Vec<Token>,
    buffer: Box<[u8; PACKET_BYTES_MAX]>,
}

/// The poll registry of the legs' sockets, with the counts.
struct Sockets {
    registry: Registry,
    tally: Tally,
}

/// Runs until the orders' channel closes.
pub(super) fn run(parts: Parts) {
    let registry = match parts.poll.registry().try_clone() {
        Ok(registry) => registry,
        Err(error) => return tracing::error!(%error, "the RTP sockets cannot be polled: the thread ends"),
    };
    let mut events = Events::with_capacity(EVENTS_PER_TURN);
    let mut this = Loop {
        parts,
        legs: Legs::default(),
        sockets: Sockets { registry, tally: Tally::default() },
        unread: Vec::new(),
        buffer: Box::new([0; PACKET_BYTES_MAX]),
    };
    let mut turn = this.parts.clock.now();
    loop {
        let sleep = this.gather(turn);
        match this.parts.poll.poll(&mut events, Some(sleep)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                tracing::error!(%error, "polling the RTP sockets failed: the thread ends");
                return;
            }
            _ => {}
        }
        let now = this.parts.clock.now();
        turn = now;
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
            // Its legs may have ended in this turn: what was recorded of them is still for the role.
            this.hand_on_recorded();
            return this.legs.tell(&this.parts.news);
        }
        this.time_passes();
        this.legs.tell(&this.parts.news);
        this.hand_on_recorded();
        this.count();
    }
}

impl Loop {
    /// Lets packets gather if the last turn is not long ago; returns how long to wait for one then.
    fn gather(&self, last_turn: Timestamp) -> Duration {
        if !self.unread.is_empty() {
            return Duration::ZERO;
        }
        let now = self.parts.clock.now();
        let gathering = TURN_MIN.saturating_sub(now.since(last_turn));
        if !gathering.is_zero() {
            std::thread::sleep(gathering);
        }
        self.legs.next_timeout().since(now + gathering).min(SLEEP_MAX)
    }

    fn read(&mut self, token: Token, now: Timestamp) {
        let index = token.0 / 2;
        let channel = if token.0.is_multiple_of(2) { Channel::Rtp } else { Channel::Rtcp };
        for _ in 0..PACKETS_PER_SOCKET {
            let Some(pair) = self.legs.ports(index) else { return };
            let Some(socket) = pair.socket(channel) else { return };
            let (length, from) = match socket.recv_from(self.buffer.as_mut_slice()) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // An ICMP error for an earlier packet of ours: the next read goes on.
                Err(_) => continue,
            };
            let at = pair.at();
            self.sockets.tally.packets_in += 1;
            self.sockets.tally.bytes_in += length as u64;
            // Orders given before the packet was sent apply to it. The turn detects that the order channel has closed.
            self.take_orders(now);
            if self.legs.ports(index).map(PortPair::at) != Some(at) {
                return;
            }
            let Self { legs, sockets, buffer, .. } = self;
            let Some(bytes) = buffer.get_mut(..length) else { continue };
            legs.receive((index, channel), bytes, from, now, sockets);
        }
        self.unread.push(token);
    }

    /// Takes orders; returns whether the thread goes on.
    fn take_orders(&mut self, now: Timestamp) -> bool {
        for _ in 0..ORDERS_AT_ONCE {
            match self.parts.inbox.try_recv() {
                Ok(order) => self.legs.perform(order, now, &mut self.sockets),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        // The waker does not notify again about the remaining orders.
        self.unread.push(WAKER);
        true
    }

    fn time_passes(&mut self) {
        let now = self.parts.clock.now();
        self.legs.handle_timeout(now, &mut self.sockets);
    }

    fn hand_on_recorded(&mut self) {
        while let Some(piece) = self.legs.poll_recorded() {
            if self.parts.recorded.try_send(piece).is_err() {
                self.parts.counters.lost_pieces.fetch_add(1, Relaxed);
            }
        }
    }

    fn count(&mut self) {
        let counters = &self.parts.counters;
        let tally = std::mem::take(&mut self.sockets.tally);
        if tally.packets_in + tally.packets_out + tally.unsent > 0 {
            counters.packets_in.fetch_add(tally.packets_in, Relaxed);
            counters.bytes_in.fetch_add(tally.bytes_in, Relaxed);
            counters.packets_out.fetch_add(tally.packets_out, Relaxed);
            counters.bytes_out.fetch_add(tally.bytes_out, Relaxed);
            counters.unsent.fetch_add(tally.unsent, Relaxed);
        }
        let (forged, replayed) = self.legs.take_refused();
        if forged + replayed > 0 {
            counters.forged.fetch_add(forged, Relaxed);
            counters.replayed.fetch_add(replayed, Relaxed);
        }
        counters.lost_news.store(self.legs.dropped_events(), Relaxed);
    }
}

impl Wire for Sockets {
    fn opened(&mut self, index: usize, ports: &mut PortPair) -> io::Result<()> {
        let Some((rtp, rtcp)) = ports.sockets.as_mut() else { return Ok(()) };
        self.registry.register(rtp, Token(index * 2), Interest::READABLE)?;
        self.registry.register(rtcp, Token(index * 2 + 1), Interest::READABLE)
    }

    fn closed(&mut self, ports: &mut PortPair) {
        let Some((rtp, rtcp)) = ports.sockets.as_mut() else { return };
        // A closed socket leaves the poll by itself; this fails only if it never was in it.
        let _ = self.registry.deregister(rtp);
        let _ = self.registry.deregister(rtcp);
    }

    fn send(&mut self, ports: &PortPair, out: &Outgoing<'_>) {
        let Some(socket) = ports.socket(out.channel) else { return };
        // Audio that the kernel does not take now would be late: it is counted, not kept.
        if socket.send_to(out.bytes, out.to).is_ok() {
            self.tally.packets_out += 1;
            self.tally.bytes_out += out.bytes.len() as u64;
        } else {
            self.tally.unsent += 1;
        }
    }
}
