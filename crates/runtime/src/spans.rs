//! Spans of calls for an OpenTelemetry collector: OTLP over gRPC (own-14), when one is set.
//!
//! A call is one trace: its id is the CallUUID, and the root span has the ConnID as its id, so every role can compute
//! the parent of its spans. Most spans are derived from the entries recorded for `trunkline trace` ([`facts`],
//! [`invites`]); a role emits only those spans itself that it alone can time. Spans wait in a bounded queue. When the
//! collector does not keep up, they are dropped and counted: nothing waits for it.

mod calls;
mod export;
mod facts;
mod invites;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{CallUuid, ConnId, Entropy as _, TenantId, Timestamp};
pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::SpanKind;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, oneshot};

use crate::meter::PeerMeter;
use crate::metrics::{CounterBy, Label, Metrics};
use crate::trace_data::{Passing, What, sip::Scanned};
pub use crate::trace_parent::{TRACE_PARENT, TRACE_RESPONSE, TraceParent};
use calls::Calls;
pub use calls::Opening;
pub use facts::{AUDIO, TREATMENT};
use invites::Invites;

/// The connection by which spans go to a collector.
pub const CONNECTION: &str = "own-14";
/// Maximum of spans that wait for the collector.
const WAITING_MAX: usize = 4_096;
/// How long an ending process waits for the export of the last spans.
const FLUSH_WITHIN: Duration = Duration::from_secs(1);

crate::metrics! {
    /// Counters of the exporter; they survive restarts of its role.
    #[derive(Clone, Debug, Default)]
    pub struct Counts {
        /// Spans that the OpenTelemetry collector has accepted.
        pub exported: Counter = "otlp_spans_exported";
        /// Spans that did not reach an OpenTelemetry collector, by reason.
        pub dropped: CounterBy<Lost> = "otlp_spans_dropped";
    }
}

/// Why a span was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The queue was full: the collector is unreachable or too slow.
    QueueFull,
    /// The collector was unreachable or refused the spans, after all retries.
    Collector,
}

impl Label for Lost {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[Self::QueueFull, Self::Collector];

    fn text(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Collector => "collector",
        }
    }
}

/// An operation with a duration.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The trace: a call.
    pub trace: CallUuid,
    /// Its own id.
    pub id: u64,
    /// Span of which this is a part.
    pub parent: Option<u64>,
    /// Server, client or internal.
    pub kind: SpanKind,
    /// Name of the operation; low cardinality.
    pub name: Cow<'static, str>,
    /// When it began, in microseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// Details. Numbers are masked.
    pub attributes: Vec<KeyValue>,
    /// Events during the span.
    pub events: Vec<Happened>,
    /// Spans of other traces that it belongs to.
    pub links: Vec<TraceParent>,
    /// Why it failed, if it did.
    pub failed: Option<String>,
}

/// An event at one time within a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// When, in microseconds since 1970.
    pub at: u64,
    /// Name of the event.
    pub name: Cow<'static, str>,
    /// Details.
    pub attributes: Vec<KeyValue>,
}

/// A collector that all roles of a process send to.
#[derive(Clone, Debug)]
pub struct Collector {
    endpoint: String,
    /// Whether an unreachable collector was logged: once for all roles.
    told: Arc<AtomicBool>,
}

impl Collector {
    /// The collector of the setting; none if it is empty.
    pub fn named(endpoint: &str) -> Option<Self> {
        (!endpoint.is_empty()).then(|| Self { endpoint: endpoint.to_owned(), told: Arc::default() })
    }
}

/// Origin of the spans.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The role.
    pub role: &'static str,
    /// The replica.
    pub node: String,
    /// Its address.
    pub address: IpAddr,
}

/// Exports the spans of a replica; off by default. Cheap to clone.
#[derive(Clone, Default)]
pub struct Spans {
    inner: Option<Arc<Inner>>,
    counts: Counts,
}

struct Inner {
    queue: mpsc::Sender<Item>,
    /// Whether the last export failed.
    is_failing: Arc<AtomicBool>,
    ids: Ids,
    calls: Mutex<Calls>,
    invites: Mutex<Invites>,
}

enum Item {
    Span(Box<Span>),
    /// Answered when all earlier items were sent or dropped.
    Flush(oneshot::Sender<()>),
}

impl Spans {
    /// Starts the exporter of a replica on the current executor. It connects for the first span.
    ///
    /// # Errors
    /// If the endpoint is no URI, or an OTEL_EXPORTER_OTLP_* variable requires an unsupported feature, as compression.
    pub fn start(collector: &Collector, from: Origin, meter: PeerMeter) -> anyhow::Result<Self> {
        let counts = Counts::default();
        let is_failing = Arc::<AtomicBool>::default();
        let (queue, items) = mpsc::channel(WAITING_MAX);
        let exporter = export::Exporter::new(collector, &from, meter, counts.clone(), is_failing.clone())?;
        tokio::spawn(exporter.run(items));
        Ok(Self::of(queue, is_failing, counts))
    }

    fn of(queue: mpsc::Sender<Item>, is_failing: Arc<AtomicBool>, counts: Counts) -> Self {
        let (calls, invites) = (Mutex::default(), Mutex::default());
        let inner = Inner { queue, is_failing, ids: Ids::seeded(), calls, invites };
        Self { inner: Some(Arc::new(inner)), counts }
    }

    /// Whether a collector is configured.
    pub const fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Registers the metrics in the registry of a role's run.
    pub fn register(&self, metrics: &Metrics) {
        self.counts.show(metrics);
    }

    /// An id for a span.
    pub fn new_id(&self) -> u64 {
        self.inner.as_ref().map_or(1, |inner| inner.ids.next())
    }

    /// Queues a span, or drops it if the queue is full.
    pub fn emit(&self, span: Span) {
        if let Some(inner) = &self.inner
            && inner.queue.try_send(Item::Span(Box::new(span))).is_err()
        {
            self.counts.dropped.inc(Lost::QueueFull);
        }
    }

    /// Sets the global id of a call: without it, the call has no spans here.
    pub fn identify(&self, tenant: &TenantId, conn_id: ConnId, uuid: CallUuid, at: Timestamp) {
        if let Some(inner) = &self.inner {
            inner.calls().identify(tenant, conn_id, uuid, at.as_micros());
        }
    }

    /// Takes an entry that was recorded about a call: it may begin or end a span.
    pub fn noted(&self, conn_id: ConnId, at: Timestamp, what: &What) {
        let Some(inner) = &self.inner else { return };
        let mut ended = Vec::new();
        facts::noted(&mut inner.calls(), &inner.ids, conn_id, at.as_micros(), what, &mut ended);
        ended.into_iter().for_each(|span| self.emit(span));
    }

    /// Takes a SIP message that passed the proxy.
    pub(crate) fn passed(&self, scanned: &Scanned<'_>, passing: &Passing<'_>) {
        let Some(inner) = &self.inner else { return };
        let Some(invite) = scanned.invite else { return };
        let ended =
            inner.invites.lock().unwrap_or_else(PoisonError::into_inner).passed(&inner.ids, scanned, invite, passing);
        ended.into_iter().for_each(|span| self.emit(span));
    }

    /// Begins an operation of a call, which [`Self::ends`] ends. Without effect while the call's global id is unknown.
    pub fn begins(&self, conn_id: ConnId, opening: Opening) {
        if let Some(inner) = &self.inner {
            inner.calls().open(&inner.ids, conn_id, opening);
        }
    }

    /// Ends an operation and emits its span. Without effect if it did not begin here.
    pub fn ends(&self, conn_id: ConnId, what: &'static str, which: &str, at: Timestamp, known: Vec<KeyValue>) {
        let Some(inner) = &self.inner else { return };
        let ended = inner.calls().close(conn_id, what, which, at.as_micros(), known);
        ended.into_iter().for_each(|span| self.emit(span));
    }

    /// The context of the call itself, to pass on with messages about it.
    pub fn context_of(&self, conn_id: ConnId) -> Option<TraceParent> {
        let trace = self.inner.as_ref()?.calls().trace_of(conn_id)?;
        Some(TraceParent { trace, span: root_of(conn_id), sampled: true })
    }

    /// The context of the role's present work in the call: its innermost span that has not ended.
    pub fn doing_in(&self, conn_id: ConnId) -> Option<TraceParent> {
        let (trace, span) = self.inner.as_ref()?.calls().innermost(conn_id)?;
        Some(TraceParent { trace, span, sampled: true })
    }

    /// Waits up to 1 s until all emitted spans are sent. Returns at once if the last export failed.
    pub async fn flush(&self) {
        let Some(inner) = &self.inner else { return };
        if inner.is_failing.load(Relaxed) {
            return;
        }
        let (done, sent) = oneshot::channel();
        if inner.queue.try_send(Item::Flush(done)).is_ok() {
            // The process ends in either case.
            let _ = tokio::time::timeout(FLUSH_WITHIN, sent).await;
        }
    }
}

impl Inner {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        // A panic while it was locked leaves the calls readable.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Id of the call's root span.
pub fn root_of(conn_id: ConnId) -> u64 {
    conn_id.0.max(1)
}

/// Checks `trace.otlp`: empty, or the collector's address.
///
/// # Errors
/// Says why the endpoint is invalid.
pub fn check(endpoint: &str) -> Result<(), String> {
    const WANTED: &str = "it must be as http://127.0.0.1:4317, the collector's port for OTLP over gRPC, or empty";
    if endpoint.is_empty() {
        return Ok(());
    }
    let uri: http::Uri = endpoint.parse().map_err(|_| WANTED.to_owned())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match (uri.scheme_str(), uri.host(), uri.port_u16(), path) {
        (Some("https"), ..) => Err(format!("TLS to the collector is not there yet: {WANTED}")),
        (Some("http"), Some(_), Some(_), "/") => Ok(()),
        _ => Err(WANTED.to_owned()),
    }
}

/// Makes unique span ids, which cannot be guessed from another replica's.
struct Ids {
    seed: u64,
    count: AtomicU64,
}

impl Ids {
    fn seeded() -> Self {
        Self { seed: crate::entropy::Strong::seeded_by_system().next_u64(), count: AtomicU64::new(0) }
    }

    /// Never 0, which means none.
    fn next(&self) -> u64 {
        // The finaliser of splitmix64: a bijection, so no id comes twice.
        let mut x = self.seed.wrapping_add(self.count.fetch_add(1, Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)).max(1)
    }
}
