//! RTP and RTCP sockets: a few threads, each with one poll loop that owns its legs and their sockets.
//!
//! The same thread reads a packet, processes it and writes it to the other leg's socket: no lock, no allocation, no other task.
//! Orders come in through a bounded channel with a waker; news go out through a bounded channel. All members of a conference
//! must be on one thread, so the conference's name determines the thread ([`RtpDriver::shard_of`]). A leg that joins one on another thread
//! moves there with its sockets; its packets wait in them for that moment.

mod legs;
mod ports;
pub mod simulated;
mod thread;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use infra::Clock;
use media::dtmf::Digit;
use media::exchange::{Part, RecordedAudio};
use media::sdp::AudioStream;
use media::session::{Event, RecordedSpeech, Session, SessionSnapshot, Statistics, Treatment};
use runtime::fault::Cause;
use tokio::sync::{mpsc, oneshot};

pub use ports::{PortPair, PortPools, Ports, PortsError};

/// The most orders that wait for a thread: a burst of call set-ups.
const ORDERS_MAX: usize = 8_192;
/// The most news that wait for the role.
const NEWS_MAX: usize = 65_536;

/// A leg's id in the driver, assigned by the role and never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub u64);

/// An event of a leg for its role.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LegEvent {
    /// An event of its audio.
    Event(LegId, Event),
    /// The treatment of this id, which records, was stopped, by an order or with its leg: what was recorded of it, if it had begun to record.
    Recorded(LegId, u64, Option<RecordedSpeech>),
    /// Its audio has failed and ended; the thread's other legs go on.
    Failed(LegId, Cause),
}

/// A snapshot of a leg.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegSnapshot {
    /// The leg.
    pub leg: LegId,
    /// Its session.
    pub session: SessionSnapshot,
    /// Its statistics.
    pub statistics: Statistics,
}

/// An order of a role to a thread.
pub enum Order {
    /// A new or restored leg.
    Open {
        /// Its name.
        leg: LegId,
        /// Its sockets.
        ports: PortPair,
        /// Its session.
        session: Box<Session>,
    },
    /// Applies a negotiated audio stream to the session.
    Negotiate(LegId, Box<AudioStream>),
    /// The leg's sockets from now on: its peer has an address of the other family.
    ChangePorts(LegId, PortPair),
    /// Start a treatment; its id comes back with its end.
    Play(LegId, u64, Treatment),
    /// Stop the treatment.
    Stop(LegId),
    /// The leg's phone has pressed a key for this long, reported by its signalling.
    Press(LegId, Digit, Duration),
    /// Sets whether the leg hears itself.
    Echo(LegId, bool),
    /// The leg becomes a member of a conference, or changes its part there.
    Join(LegId, String, Part),
    /// The leg leaves its conference.
    Leave(LegId),
    /// The leg comes from another thread: its orders wait for it.
    Expect(LegId),
    /// The leg that was expected does not come.
    Absent(LegId),
    /// The leg goes to the thread that expects it.
    Move(LegId, Passage),
    /// The leg ends; its ports are free again.
    Close(LegId),
    /// The statistics of these legs; those that have ended are left out.
    Figures(Vec<LegId>, oneshot::Sender<Vec<(LegId, Statistics)>>),
    /// Snapshots of these legs; those that have ended are left out.
    LegSnapshot(Vec<LegId>, oneshot::Sender<Vec<LegSnapshot>>),
}

/// The way to another thread.
pub struct Passage {
    orders: SyncSender<Order>,
    waker: Arc<mio::Waker>,
}

impl Passage {
    /// Gives a leg to the other thread, or says that there is none.
    ///
    /// # Errors
    /// When that thread does not keep up or has ended: the leg ends.
    fn deliver(&self, leg: LegId, there: Option<(PortPair, Session)>) -> Result<(), DriverError> {
        let order = match there {
            Some((ports, session)) => Order::Open { leg, ports, session: Box::new(session) },
            None => Order::Absent(leg),
        };
        give(&self.orders, &self.waker, order)
    }
}

fn give(orders: &SyncSender<Order>, waker: &mio::Waker, order: Order) -> Result<(), DriverError> {
    orders.try_send(order).map_err(|error| match error {
        TrySendError::Full(_) => DriverError::Busy,
        TrySendError::Disconnected(_) => DriverError::Ended,
    })?;
    waker.wake().map_err(|_| DriverError::Ended)
}

/// Counters of all threads.
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets received.
    pub packets_in: AtomicU64,
    /// Bytes received.
    pub bytes_in: AtomicU64,
    /// Packets sent.
    pub packets_out: AtomicU64,
    /// Bytes sent.
    pub bytes_out: AtomicU64,
    /// Packets that the kernel did not take.
    pub unsent: AtomicU64,
    /// Encrypted packets dropped because they are not authentic, or not encrypted.
    pub forged: AtomicU64,
    /// Encrypted packets dropped because they were there before.
    pub replayed: AtomicU64,
    /// LegEvent lost because the role did not read them.
    pub lost_news: AtomicU64,
    /// Pieces of conferences' recordings that were not taken.
    pub lost_pieces: AtomicU64,
}

/// How the driver is set up.
pub struct Settings {
    /// The address that the sockets are bound to, or one of each family.
    pub addresses: Vec<IpAddr>,
    /// The ports, RTP even and RTCP above.
    pub ports: RangeInclusive<u16>,
    /// How many threads.
    pub threads: usize,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where pieces of conferences' recordings go; what is not taken is lost.
    pub recorded: SyncSender<RecordedAudio>,
}

/// The order was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DriverError {
    /// The thread does not keep up.
    #[error("the RTP thread has too many orders")]
    Busy,
    /// The thread has ended.
    #[error("the RTP thread has ended")]
    Ended,
}

/// Carries the audio of a role's legs: threads with sockets, or a simulation.
pub trait Driver: Send {
    /// The thread for a conference.
    fn shard_of(&self, conference: &str) -> usize;

    /// Gives an order to a thread.
    ///
    /// # Errors
    /// When the thread does not keep up or has ended; the order is not carried out.
    fn order(&self, shard: usize, order: Order) -> Result<(), DriverError>;

    /// Moves a leg to another thread; orders that are given to that one from now on reach it there.
    ///
    /// # Errors
    /// As of [`Driver::order`]: the leg stays where it is.
    fn move_leg(&self, leg: LegId, from: usize, to: usize) -> Result<(), DriverError>;

    /// The port pools.
    fn ports(&self) -> &PortPools;

    /// The counters of all threads.
    fn counters(&self) -> &Arc<Counters>;
}

/// The threads and the ports. Dropping it ends the threads and closes all sockets.
pub struct RtpDriver {
    shards: Vec<Shard>,
    ports: PortPools,
    counters: Arc<Counters>,
}

struct Shard {
    orders: Option<SyncSender<Order>>,
    waker: Arc<mio::Waker>,
    thread: Option<JoinHandle<()>>,
}

impl RtpDriver {
    /// Starts the threads; news arrive through the receiver.
    pub fn start(settings: Settings) -> io::Result<(Self, mpsc::Receiver<LegEvent>)> {
        let (news, receiver) = mpsc::channel(NEWS_MAX);
        let counters = Arc::new(Counters::default());
        let ports = PortPools::new(&settings.addresses, &settings.ports);
        let mut shards = Vec::new();
        for number in 0..settings.threads.max(1) {
            let (orders, inbox): (_, Receiver<Order>) = sync_channel(ORDERS_MAX);
            let poll = mio::Poll::new()?;
            let waker = Arc::new(mio::Waker::new(poll.registry(), thread::WAKER)?);
            let parts = thread::Parts {
                poll,
                inbox,
                news: news.clone(),
                clock: settings.clock.clone(),
                counters: counters.clone(),
                recorded: settings.recorded.clone(),
            };
            // Names the thread after its role.
            let name = format!("media-rtp-{number}");
            let thread = std::thread::Builder::new().name(name).spawn(move || thread::run(parts))?;
            shards.push(Shard { orders: Some(orders), waker, thread: Some(thread) });
        }
        Ok((Self { shards, ports, counters }, receiver))
    }
}

impl Driver for RtpDriver {
    fn shard_of(&self, conference: &str) -> usize {
        let mut hasher = DefaultHasher::new();
        conference.hash(&mut hasher);
        (hasher.finish() % self.shards.len().max(1) as u64) as usize
    }

    fn order(&self, shard: usize, order: Order) -> Result<(), DriverError> {
        let shard = self.shards.get(shard).ok_or(DriverError::Ended)?;
        let orders = shard.orders.as_ref().ok_or(DriverError::Ended)?;
        give(orders, &shard.waker, order)
    }

    fn move_leg(&self, leg: LegId, from: usize, to: usize) -> Result<(), DriverError> {
        if from == to {
            return Ok(());
        }
        let shard = self.shards.get(to).ok_or(DriverError::Ended)?;
        let orders = shard.orders.clone().ok_or(DriverError::Ended)?;
        let passage = Passage { orders, waker: shard.waker.clone() };
        self.order(to, Order::Expect(leg))?;
        self.order(from, Order::Move(leg, passage)).inspect_err(|_| {
            let _ = self.order(to, Order::Absent(leg));
        })
    }

    fn ports(&self) -> &PortPools {
        &self.ports
    }

    fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

impl Drop for RtpDriver {
    fn drop(&mut self) {
        for shard in &mut self.shards {
            // A closed channel tells the thread to end.
            shard.orders = None;
            let _ = shard.waker.wake();
            if let Some(thread) = shard.thread.take() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests;
