//! A role's memory of the latest calls, so that one call can be explained afterwards.
//!
//! Each replica has one [`Recorder`]: in memory, bounded in bytes and in age, oldest removed first. A role records its
//! part of a call; `GET /trace/{tenant}/{call}` at its admin port returns it. A client queries every role and combines
//! the answers. Secrets are removed before storing ([`sip`]), phone numbers are masked before answering ([`mask`]). If
//! a collector is set, the same entries become spans ([`crate::spans`]).

pub mod serve;
mod store;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use infra::Clock;
use model::{CallUuid, ConnId, TenantId, Timestamp};

use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::settings::ByteSize;
use crate::spans::Spans;

pub use crate::trace_data::{Entry, Passing, RoleTrace, Summary, TaggedLeg, What, entry, mask, sip};
pub use store::{Counts, Found, Key, Limits};
use store::{Kept, Store};

/// The scope for reading the trace of a call.
pub const READ_SCOPE: &str = "trace:read";
/// The scope for phone numbers in full.
pub const NUMBERS_SCOPE: &str = "trace:numbers";

crate::settings! {
    /// Each role's memory of the latest calls, for `trunkline trace`.
    pub struct TraceSettings {
        /// Whether calls are recorded; without it, `trunkline trace` has no data.
        record: bool = true;
        /// Memory that each role may use for traces; the oldest calls are removed first.
        memory: ByteSize = ByteSize(32 << 20), |v| {
            if (64 << 10..=64 << 30).contains(&v.0) { Ok(()) } else { Err("it must be 64KiB to 64GiB".to_owned()) }
        };
        /// Maximum of calls that each role keeps for traces.
        calls: usize = 100_000, |v| if *v > 0 { Ok(()) } else { Err("it must be at least 1".to_owned()) };
        /// How long after its last event a call is kept for traces.
        age: Duration = Duration::from_secs(1_800);
        /// Address of an OpenTelemetry collector for the spans of calls (OTLP over gRPC), as http://127.0.0.1:4317;
        /// empty: no export. Works without `record` too.
        otlp: String = String::new(), |v| crate::spans::check(v);
    }
}

/// Returns entries that exist only at query time, as the figures of a call's audio.
pub type Live = Arc<dyn Fn(TenantId, ConnId) -> BoxFuture<'static, Vec<Entry>> + Send + Sync>;

/// A replica's memory of the latest calls, and the exporter of their spans. Cheap to clone; all clones share one store.
#[derive(Clone, Default)]
pub struct Recorder {
    memory: Option<Arc<Shared>>,
    spans: Spans,
}

struct Shared {
    store: Mutex<Store>,
    live: Mutex<Option<Live>>,
    since: Timestamp,
    keeps: Duration,
    directory: Directory,
    clock: Arc<dyn Clock>,
}

impl Recorder {
    /// A recorder that keeps nothing and costs nothing.
    pub fn off() -> Self {
        Self::default()
    }

    /// A recorder with the limits of the settings, or one that is off.
    pub fn new(settings: &TraceSettings, directory: Directory, clock: Arc<dyn Clock>) -> Self {
        if !settings.record {
            return Self::off();
        }
        let limits = Limits {
            bytes: usize::try_from(settings.memory.0).unwrap_or(usize::MAX),
            calls: settings.calls,
            age: settings.age,
        };
        let (since, keeps) = (clock.now(), limits.age);
        let store = Mutex::new(Store::new(limits));
        let shared = Shared { store, live: Mutex::new(None), since, keeps, directory, clock };
        Self { memory: Some(Arc::new(shared)), spans: Spans::default() }
    }

    /// Also turns entries into spans.
    #[must_use]
    pub fn with_spans(self, spans: Spans) -> Self {
        Self { spans, ..self }
    }

    /// The exporter of spans.
    pub const fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Whether entries are kept or sent to a collector.
    pub const fn is_on(&self) -> bool {
        self.memory.is_some() || self.spans.is_on()
    }

    /// Registers the metrics in the registry of a run.
    pub fn register(&self, metrics: &Metrics) {
        self.spans.register(metrics);
        if let Some(shared) = &self.memory {
            shared.lock().counts().show(metrics);
        }
    }

    /// Records an entry of a call.
    pub fn note(&self, tenant: &TenantId, conn_id: ConnId, at: Timestamp, what: What) {
        self.spans.noted(conn_id, at, &what);
        if let Some(shared) = &self.memory {
            shared.lock().note(tenant, conn_id, Kept::What(Entry { at: at.as_micros(), what }));
        }
    }

    /// As [`Recorder::note`]; `what` is only called if the recorder is on.
    pub fn note_with(&self, tenant: &TenantId, conn_id: ConnId, at: Timestamp, what: impl FnOnce() -> What) {
        if self.is_on() {
            self.note(tenant, conn_id, at, what());
        }
    }

    /// Links a SIP Call-ID to a call.
    pub fn name(&self, tenant: &TenantId, conn_id: ConnId, call_id: &str, at: Timestamp) {
        if let Some(shared) = &self.memory {
            shared.lock().name(tenant, conn_id, call_id, at);
        }
    }

    /// A further call belongs to the thread of another one, where its entries are: its id leads there.
    pub fn lead(&self, tenant: &TenantId, further: ConnId, thread: ConnId, at: Timestamp) {
        if let Some(shared) = &self.memory {
            shared.lock().lead(tenant, further, thread, at);
        }
    }

    /// Sets the global id of a call.
    pub fn identify(&self, tenant: &TenantId, conn_id: ConnId, uuid: CallUuid, at: Timestamp) {
        self.spans.identify(tenant, conn_id, uuid, at);
        if let Some(shared) = &self.memory {
            shared.lock().identify(tenant, conn_id, uuid, at);
        }
    }

    /// Records a SIP message. Registrations and keep-alives belong to no call and are ignored. `open` reads a tag of ours.
    pub fn message(&self, passing: &Passing<'_>, open: impl Fn(&str) -> Option<TaggedLeg>) {
        if !self.is_on() {
            return;
        }
        let Some(scanned) = sip::scan(passing.bytes) else { return };
        self.spans.passed(&scanned, passing);
        let Some(shared) = &self.memory else { return };
        let tenant = if passing.inside { scanned.tenant.and_then(|t| TenantId::parse(t).ok()) } else { None };
        let text = scanned.without_secrets(passing.bytes);
        let kept = Kept::Message {
            at: passing.at.as_micros(),
            peer: passing.peer,
            inside: passing.inside,
            udp: passing.udp,
            inbound: passing.inbound,
            text,
        };
        let mut store = shared.lock();
        // The call of a dialog is accepted from our own nodes only.
        let is_new = passing.inside && passing.inbound && !store.knows_call_of(scanned.call_id);
        let tagged = if is_new { scanned.tagged(open) } else { None };
        store.message(scanned.call_id, tagged, tenant.as_ref(), kept);
    }

    /// Sets the source of live entries, which is queried in addition to the recorded ones.
    pub fn ask_live(&self, live: Live) {
        if let Some(shared) = &self.memory {
            *shared.live.lock().unwrap_or_else(PoisonError::into_inner) = Some(live);
        }
    }

    /// All that is known of the call by any of those keys. `nobodys`: also dialogs whose tenant was never known.
    pub async fn find(&self, tenant: &TenantId, keys: &[Key], nobodys: bool) -> Found {
        let Some(shared) = &self.memory else { return Found::default() };
        let now = shared.clock.now();
        let mut found = shared.lock().find(tenant, keys, nobodys, now, &shared.directory);
        let live = shared.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(live) = live {
            let asked: Vec<ConnId> = match found.conn_ids.as_slice() {
                [] => keys.iter().filter_map(Key::conn_id).collect(),
                known => known.to_vec(),
            };
            for conn_id in asked {
                found.entries.extend(live(tenant.clone(), conn_id).await);
            }
        }
        found
    }

    /// The latest calls of a tenant, newest first. `from` keeps only calls whose caller's number ends so: the full
    /// number, or the masked one without `numbers`.
    pub fn latest(&self, tenant: &TenantId, from: Option<&str>, numbers: bool, limit: usize) -> Vec<Summary> {
        let Some(shared) = &self.memory else { return Vec::new() };
        let now = shared.clock.now();
        shared.lock().latest(tenant, from, numbers, limit, now)
    }

    /// The dialogs of a tenant that were refused before they became calls, newest first: each with its Call-ID in the place of the ConnID,
    /// and the status in that of the last event. With `nobodys` also those of unknown tenant; `from` as for calls.
    pub fn refused(
        &self,
        (tenant, nobodys): (&TenantId, bool),
        from: Option<&str>,
        numbers: bool,
        limit: usize,
    ) -> Vec<Summary> {
        let Some(shared) = &self.memory else { return Vec::new() };
        let now = shared.clock.now();
        shared.lock().refused((tenant, nobodys), from, numbers, limit, now)
    }

    /// The tenants with recorded calls.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.memory.as_ref().map(|shared| shared.lock().tenants()).unwrap_or_default()
    }

    /// How long after its last entry a call is kept.
    pub fn keeps(&self) -> Duration {
        self.memory.as_ref().map(|shared| shared.keeps).unwrap_or_default()
    }

    /// Start of the recording; none if it is off.
    pub fn since(&self) -> Option<Timestamp> {
        self.memory.as_ref().map(|shared| shared.since)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        // A panic while it was locked leaves the store readable.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
