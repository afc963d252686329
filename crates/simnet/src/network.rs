//! Packets under way: lost, duplicated, delayed and reordered as the seed determines.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use model::entropy::Seeded;
use model::{Entropy, Timestamp};

use crate::Clock;

/// The behaviour of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conditions {
    /// Packets lost, per thousand.
    pub loss_per_mille: u16,
    /// Packets duplicated, per thousand.
    pub duplicate_per_mille: u16,
    /// Shortest delay.
    pub delay_min: Duration,
    /// Longest delay. Packets are reordered if it exceeds the shortest one (unless `delivery` forbids).
    pub delay_max: Duration,
    /// Whether packets may be reordered.
    pub delivery: Delivery,
}

/// Whether the packets of a link may be reordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// As with UDP.
    Datagram,
    /// As with TCP: in order, without loss or duplicates.
    Stream,
}

impl Conditions {
    /// A network without faults: 1 ms each way.
    pub const PERFECT: Self = Self {
        loss_per_mille: 0,
        duplicate_per_mille: 0,
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(1),
        delivery: Delivery::Datagram,
    };

    /// An ordered stream: 1 to 5 ms, no loss.
    pub const STREAM: Self = Self { delay_max: Duration::from_millis(5), delivery: Delivery::Stream, ..Self::PERFECT };

    /// A bad network: 10 % loss, 5 % duplicates, delays up to 300 ms.
    pub const ROUGH: Self = Self {
        loss_per_mille: 100,
        duplicate_per_mille: 50,
        delay_min: Duration::from_millis(1),
        delay_max: Duration::from_millis(300),
        delivery: Delivery::Datagram,
    };
}

/// A packet that arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<A, P> {
    /// The sender.
    pub from: A,
    /// The receiver.
    pub to: A,
    /// The content.
    pub payload: P,
}

/// The next event of a simulation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step<A, P> {
    /// A packet arrived.
    Arrived(Packet<A, P>),
    /// The time given by the caller has come.
    Due(Timestamp),
    /// No packet is under way and the caller gave no time.
    Idle,
}

/// A seeded network with the simulation's clock.
pub struct Network<A, P> {
    clock: Clock,
    entropy: Seeded,
    default_conditions: Conditions,
    links: BTreeMap<(A, A), Conditions>,
    last_on_stream: BTreeMap<(A, A), Timestamp>,
    cut: Vec<A>,
    under_way: BinaryHeap<Reverse<(Timestamp, u64)>>,
    packets: BTreeMap<u64, Packet<A, P>>,
    next_number: u64,
}

impl<A: Copy + Ord, P: Clone> Network<A, P> {
    /// The most packets under way; more means that the cores under test flood each other.
    pub const PACKETS_MAX: usize = 1 << 20;

    /// A network with this seed, whose links all have `conditions`.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            clock: Clock::default(),
            entropy: Seeded::new(seed),
            default_conditions: conditions,
            links: BTreeMap::new(),
            last_on_stream: BTreeMap::new(),
            cut: Vec::new(),
            under_way: BinaryHeap::new(),
            packets: BTreeMap::new(),
            next_number: 0,
        }
    }

    /// The current time of the simulation.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sets separate conditions for the link from `from` to `to`.
    pub fn set_link(&mut self, from: A, to: A, conditions: Conditions) {
        self.links.insert((from, to), conditions);
    }

    /// Drops all packets from and to `node` from now on, including those under way to it.
    pub fn cut(&mut self, node: A) {
        self.cut.push(node);
    }

    /// Ends a cut.
    pub fn mend(&mut self, node: A) {
        self.cut.retain(|n| *n != node);
    }

    /// Sends a packet.
    ///
    /// # Panics
    /// If more than [`Self::PACKETS_MAX`] packets are under way.
    pub fn send(&mut self, from: A, to: A, payload: P) {
        let conditions = *self.links.get(&(from, to)).unwrap_or(&self.default_conditions);
        if self.cut.contains(&from) || self.cut.contains(&to) {
            return;
        }
        if conditions.delivery == Delivery::Stream {
            let earliest = self.last_on_stream.get(&(from, to)).copied().unwrap_or(Timestamp::ZERO);
            let at = (self.now() + self.delay(&conditions)).max(earliest);
            self.last_on_stream.insert((from, to), at);
            self.enqueue(at, Packet { from, to, payload });
            return;
        }
        if self.chance(conditions.duplicate_per_mille) {
            let at = self.now() + self.delay(&conditions);
            self.enqueue(at, Packet { from, to, payload: payload.clone() });
        }
        if !self.chance(conditions.loss_per_mille) {
            let at = self.now() + self.delay(&conditions);
            self.enqueue(at, Packet { from, to, payload });
        }
    }

    /// When the next packet arrives.
    pub fn next_arrival(&self) -> Option<Timestamp> {
        self.under_way.peek().map(|Reverse((at, _))| *at)
    }

    /// Advances the clock to the next event: an arrival, or `waiting_for`. An arrival at the same instant comes first.
    pub fn step(&mut self, waiting_for: Option<Timestamp>) -> Step<A, P> {
        loop {
            match (self.next_arrival(), waiting_for) {
                (Some(arrival), due) if due.is_none_or(|due| arrival <= due) => {
                    self.clock.advance_to(arrival);
                    if let Some(packet) = self.take_next() {
                        return Step::Arrived(packet);
                    }
                }
                (_, Some(due)) => {
                    self.clock.advance_to(due);
                    return Step::Due(self.now());
                }
                (_, None) => return Step::Idle,
            }
        }
    }

    fn take_next(&mut self) -> Option<Packet<A, P>> {
        let Reverse((_, number)) = self.under_way.pop()?;
        self.packets.remove(&number).filter(|packet| !self.cut.contains(&packet.to))
    }

    fn enqueue(&mut self, at: Timestamp, packet: Packet<A, P>) {
        assert!(self.packets.len() < Self::PACKETS_MAX, "the cores under test flood the network");
        let number = self.next_number;
        self.next_number += 1;
        self.packets.insert(number, packet);
        self.under_way.push(Reverse((at, number)));
    }

    fn delay(&mut self, conditions: &Conditions) -> Duration {
        let spread = conditions.delay_max.saturating_sub(conditions.delay_min);
        let micros = u64::try_from(spread.as_micros()).unwrap_or(u64::MAX - 1);
        conditions.delay_min + Duration::from_micros(self.entropy.below(micros + 1))
    }

    fn chance(&mut self, per_mille: u16) -> bool {
        self.entropy.below(1_000) < u64::from(per_mille)
    }
}

#[cfg(test)]
mod tests;
