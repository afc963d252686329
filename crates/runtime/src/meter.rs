//! Counters of each connection of the table, per peer: state, attempts, requests, bytes, errors, last use.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use infra::Clock;
use model::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metrics::{Declared, LabelSet, LabelValues};

/// Maximum of peers counted separately on one connection; the rest is counted together as `others`.
const PEERS_MAX: usize = 256;
/// The name under which peers beyond [`PEERS_MAX`] are counted.
const OTHERS: &str = "others";

/// Whether the role opens the connection or accepts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The role opens it.
    Opens,
    /// The role accepts it.
    Accepts,
}

/// All connections of one role in this process.
#[derive(Clone)]
pub struct Meters {
    clock: Arc<dyn Clock>,
    all: Arc<Mutex<BTreeMap<String, BTreeMap<Side, Meter>>>>,
}

impl Meters {
    /// Starts without meters; the clock stamps the last use.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, all: Arc::default() }
    }

    /// The present time by the role's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The meter of a connection.
    pub fn meter(&self, id: &str, side: Side) -> Meter {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        // It is there: each request asks for it.
        if let Some(meter) = all.get(id).and_then(|sides| sides.get(&side)) {
            return meter.clone();
        }
        let meter = Meter { shared: Arc::new(Shared::new(&self.clock)) };
        all.entry(id.to_owned()).or_default().insert(side, meter.clone());
        meter
    }

    /// The counts of all connections.
    pub fn report(&self) -> Vec<ConnectionReport> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let sides = all.iter().flat_map(|(id, sides)| sides.iter().map(move |(side, meter)| (id, side, meter)));
        sides.map(|(id, side, meter)| meter.report(id, *side)).collect()
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meters")
    }
}

/// Reads one metric from the counts of a peer.
type Count = fn(&PeerReport) -> u64;
/// Name, help and value of every connection metric.
const METRICS: [(&str, &str, Count); 5] = [
    ("connection_attempts", "Attempts to connect, by connection of the table", |p| p.attempts),
    ("connection_requests", "Requests or messages, by connection of the table", |p| p.requests),
    ("connection_errors", "Failed attempts and requests, by connection of the table", |p| p.errors),
    ("connection_received_bytes", "Bytes received, by connection of the table", |p| p.bytes_in),
    ("connection_sent_bytes", "Bytes sent, by connection of the table", |p| p.bytes_out),
];

/// The connection metrics, for the reference.
pub(crate) fn declared() -> Vec<Declared> {
    let labels = vec![
        LabelSet { name: "connection", values: LabelValues::Of("id in the table of connections") },
        LabelSet { name: "side", values: LabelValues::Listed(vec!["opens", "accepts"]) },
    ];
    let row =
        |(name, help, _): &(&str, &str, Count)| Declared { labels: labels.clone(), ..Declared::counter(name, &[help]) };
    METRICS.iter().map(row).collect()
}

impl Collector for Meters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let report = self.report();
        for (name, help, count) in METRICS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for row in &report {
                let side = if row.side == Side::Opens { "opens" } else { "accepts" };
                let total: u64 = row.peers.iter().map(count).sum();
                let labels = [("connection", row.id.as_str()), ("side", side)];
                ConstCounter::new(total).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

/// Counts one connection of the table.
#[derive(Clone)]
pub struct Meter {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    embedded: AtomicBool,
    peers: Mutex<BTreeMap<String, PeerMeter>>,
}

impl Shared {
    fn new(clock: &Arc<dyn Clock>) -> Self {
        Self { clock: clock.clone(), embedded: AtomicBool::new(false), peers: Mutex::default() }
    }
}

impl Meter {
    /// The counters of a peer, as `config-1` or `127.0.6.1:9100`.
    pub fn peer(&self, name: &str) -> PeerMeter {
        let mut peers = self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peer) = peers.get(name) {
            return peer.clone();
        }
        let name = if peers.len() < PEERS_MAX { name } else { OTHERS };
        let fresh = || PeerMeter { clock: self.shared.clock.clone(), counts: Arc::default() };
        peers.entry(name.to_owned()).or_insert_with(fresh).clone()
    }

    /// Marks the other side as embedded in this process: it has no socket.
    pub fn embedded(&self) {
        self.shared.embedded.store(true, Relaxed);
    }

    fn report(&self, id: &str, side: Side) -> ConnectionReport {
        let peers = self.shared.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let peers: Vec<PeerReport> = peers.iter().map(|(name, peer)| peer.report(name)).collect();
        let state = if self.shared.embedded.load(Relaxed) {
            State::Embedded
        } else if peers.iter().any(|p| p.open > 0) {
            State::Open
        } else if peers.iter().any(|p| p.failing) {
            State::Failing
        } else if peers.iter().any(|p| p.last_use_ms.is_some()) {
            State::Idle
        } else {
            State::Unused
        };
        ConnectionReport { id: id.to_owned(), side, state, peers }
    }
}

/// Counts one peer of a connection. Cheap to clone and to call.
#[derive(Clone)]
pub struct PeerMeter {
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    open: AtomicU64,
    attempts: AtomicU64,
    requests: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    errors: AtomicU64,
    last_use_ms: AtomicU64,
    failing: AtomicBool,
}

impl PeerMeter {
    /// An attempt to connect was made.
    pub fn attempted(&self) {
        self.counts.attempts.fetch_add(1, Relaxed);
    }

    /// A connection was established or accepted.
    pub fn opened(&self) {
        self.counts.open.fetch_add(1, Relaxed);
        self.counts.failing.store(false, Relaxed);
        self.used();
    }

    /// A connection that was counted by [`Self::opened`] ended.
    pub fn closed(&self) {
        // Never below zero, whatever the order of calls.
        let _ = self.counts.open.fetch_update(Relaxed, Relaxed, |open| open.checked_sub(1));
    }

    /// A request, message or batch was sent or received.
    pub fn request(&self) {
        self.counts.requests.fetch_add(1, Relaxed);
        self.used();
    }

    /// Bytes were received.
    pub fn bytes_in(&self, bytes: usize) {
        self.counts.bytes_in.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes were sent.
    pub fn bytes_out(&self, bytes: usize) {
        self.counts.bytes_out.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes went over what has neither connections nor requests, as audio, since the last call.
    pub fn carried(&self, bytes_in: usize, bytes_out: usize) {
        if bytes_in > 0 || bytes_out > 0 {
            self.bytes_in(bytes_in);
            self.bytes_out(bytes_out);
            self.used();
        }
    }

    /// A connection attempt or a request failed.
    pub fn error(&self) {
        self.counts.errors.fetch_add(1, Relaxed);
        self.counts.failing.store(true, Relaxed);
        self.used();
    }

    /// The peer has answered what needs no connection: what had failed before has passed.
    pub fn answered(&self) {
        self.counts.failing.store(false, Relaxed);
        self.used();
    }

    fn used(&self) {
        self.counts.last_use_ms.store(self.clock.now().as_millis(), Relaxed);
    }

    fn report(&self, name: &str) -> PeerReport {
        let c = &*self.counts;
        let last_use = c.last_use_ms.load(Relaxed);
        PeerReport {
            peer: name.to_owned(),
            open: c.open.load(Relaxed),
            attempts: c.attempts.load(Relaxed),
            requests: c.requests.load(Relaxed),
            bytes_in: c.bytes_in.load(Relaxed),
            bytes_out: c.bytes_out.load(Relaxed),
            errors: c.errors.load(Relaxed),
            failing: c.failing.load(Relaxed),
            last_use_ms: (last_use > 0).then_some(last_use),
        }
    }
}

/// The state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was not used yet.
    Unused,
    /// At least one connection is open.
    Open,
    /// It was used; no connection is open now.
    Idle,
    /// The last attempt or request failed, and no connection is open.
    Failing,
    /// The other side is an embedded store: no socket.
    Embedded,
}

/// Counts of one connection of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConnectionReport {
    /// Id in the table.
    pub id: String,
    /// Whether this role opens or accepts it.
    pub side: Side,
    /// Its state.
    pub state: State,
    /// Its peers.
    pub peers: Vec<PeerReport>,
}

/// Counts of one peer of a connection.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PeerReport {
    /// The peer.
    pub peer: String,
    /// Open connections.
    pub open: u64,
    /// Attempts to connect.
    pub attempts: u64,
    /// Requests or messages.
    pub requests: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Failed attempts and requests.
    pub errors: u64,
    /// Whether the last attempt or request failed.
    pub failing: bool,
    /// When it was last used, in ms since the Unix epoch.
    pub last_use_ms: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct At(u64);
    impl Clock for At {
        fn now(&self) -> model::Timestamp {
            model::Timestamp::from_millis(self.0)
        }
    }

    fn only(meters: &Meters) -> ConnectionReport {
        let mut all = meters.report();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn a_connection_is_open_while_one_stands_and_idle_after() {
        let meters = Meters::new(Arc::new(At(5)));
        let peer = meters.meter("voice-27", Side::Opens).peer("dialplan-1");
        assert_eq!(only(&meters).state, State::Unused);
        peer.attempted();
        peer.error();
        assert_eq!(only(&meters).state, State::Failing);
        peer.attempted();
        peer.opened();
        peer.request();
        peer.bytes_out(100);
        peer.bytes_in(50);
        let report = only(&meters);
        assert_eq!(report.state, State::Open);
        let counted = &report.peers[0];
        assert_eq!((counted.attempts, counted.requests, counted.errors), (2, 1, 1));
        assert_eq!((counted.bytes_in, counted.bytes_out, counted.last_use_ms), (50, 100, Some(5)));
        peer.closed();
        peer.closed();
        assert_eq!((only(&meters).state, only(&meters).peers[0].open), (State::Idle, 0));
    }

    #[test]
    fn an_answer_without_a_connection_ends_a_failure() {
        let meters = Meters::new(Arc::new(At(5)));
        let peer = meters.meter("voice-59", Side::Opens).peer("carriers");
        peer.error();
        peer.request();
        assert_eq!(only(&meters).state, State::Failing, "a request of ours says nothing");
        peer.answered();
        assert_eq!((only(&meters).state, only(&meters).peers[0].errors), (State::Idle, 1));
    }

    #[test]
    fn audio_is_a_use_without_connections() {
        let meters = Meters::new(Arc::new(At(5)));
        let peer = meters.meter("own-19", Side::Accepts).peer("phones");
        peer.carried(0, 0);
        assert_eq!(only(&meters).state, State::Unused);
        peer.carried(172, 0);
        let report = only(&meters);
        assert_eq!((report.state, report.peers[0].last_use_ms), (State::Idle, Some(5)));
    }

    #[test]
    fn peers_beyond_the_bound_are_counted_together() {
        let meters = Meters::new(Arc::new(At(5)));
        let meter = meters.meter("own-17", Side::Accepts);
        for i in 0..PEERS_MAX + 10 {
            meter.peer(&i.to_string()).request();
        }
        let report = only(&meters);
        assert_eq!(report.peers.len(), PEERS_MAX + 1);
        assert_eq!(report.peers.iter().map(|p| p.requests).sum::<u64>(), PEERS_MAX as u64 + 10);
        assert!(report.peers.iter().any(|p| p.peer == OTHERS && p.requests == 10));
    }
}
