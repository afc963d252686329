//! What a role remembers of the latest calls, so that one call can be explained afterwards.
//!
//! Each replica has one [`Recorder`]: in memory, bounded in bytes and in age, oldest out first. A role appends what it sees
//! of a call; `GET /trace/{tenant}/{call}` at its admin port gives it out, and whoever asks every role puts the answers
//! together. Secrets are taken out before anything is kept ([`sip`]), phone numbers before anything is given ([`mask`]).
//! Where a collector is set the same facts become spans ([`crate::spans`]).

pub mod entry;
pub mod mask;
pub mod serve;
pub mod sip;
mod store;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use infra::Clock;
use model::{CallUuid, ConnId, TenantId, Timestamp};

use crate::directory::Directory;
use crate::metrics::Metrics;
use crate::settings::ByteSize;
use crate::spans::Spans;

pub use entry::{Entry, RoleTrace, Summary, What};
pub use store::{Counts, Found, Key, Limits};
use store::{Kept, Store};

/// The scope that may see what happened to a call.
pub const READ_SCOPE: &str = "trace:read";
/// The scope that sees phone numbers in full.
pub const NUMBERS_SCOPE: &str = "trace:numbers";

crate::settings! {
    /// What each role remembers of the latest calls, for `trunkline trace`.
    pub struct TraceSettings {
        /// Whether calls are recorded at all; without it there is nothing to explain a call by.
        record: bool = true;
        /// Memory that each role may use for it; the oldest calls go first.
        memory: ByteSize = ByteSize(32 << 20), |v| {
            if (64 << 10..=64 << 30).contains(&v.0) { Ok(()) } else { Err("it must be 64KiB to 64GiB".to_owned()) }
        };
        /// Calls that each role remembers at most.
        calls: usize = 100_000, |v| if *v > 0 { Ok(()) } else { Err("it must be at least 1".to_owned()) };
        /// How long after its last sign a call is forgotten.
        age: Duration = Duration::from_secs(1_800);
        /// Where an OpenTelemetry collector takes the spans of calls (OTLP over gRPC), as http://127.0.0.1:4317; empty: nowhere. Works without `record` too.
        otlp: String = String::new(), |v| crate::spans::check(v);
    }
}

/// Answers what is known of a call only now, as the figures of its audio.
pub type Live = Arc<dyn Fn(TenantId, ConnId) -> BoxFuture<'static, Vec<Entry>> + Send + Sync>;

/// A SIP message that came or left.
pub struct Passing<'a> {
    /// When.
    pub at: Timestamp,
    /// The other end.
    pub peer: SocketAddr,
    /// Whether the other end is a node of ours.
    pub inside: bool,
    /// Whether it came by UDP or goes by it.
    pub udp: bool,
    /// Whether it came.
    pub inbound: bool,
    /// The whole message.
    pub bytes: &'a [u8],
}

/// A replica's memory of the latest calls, and where their spans go. Cheap to clone; all clones write to one store.
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

    /// A recorder within those bounds, or one that is off.
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

    /// What is noted also becomes spans.
    #[must_use]
    pub fn with_spans(self, spans: Spans) -> Self {
        Self { spans, ..self }
    }

    /// Where spans go.
    pub const fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Whether anything is kept or goes to a collector.
    pub const fn is_on(&self) -> bool {
        self.memory.is_some() || self.spans.is_on()
    }

    /// Registers the metrics in a life's registry.
    pub fn register(&self, metrics: &Metrics) {
        self.spans.register(metrics);
        if let Some(shared) = &self.memory {
            shared.lock().counts().show(metrics);
        }
    }

    /// Something of a call.
    pub fn note(&self, tenant: &TenantId, conn_id: ConnId, at: Timestamp, what: What) {
        self.spans.noted(conn_id, at, &what);
        if let Some(shared) = &self.memory {
            shared.lock().note(tenant, conn_id, Kept::What(Entry { at: at.as_micros(), what }));
        }
    }

    /// As [`Recorder::note`]; `what` is only made when it is kept.
    pub fn note_with(&self, tenant: &TenantId, conn_id: ConnId, at: Timestamp, what: impl FnOnce() -> What) {
        if self.is_on() {
            self.note(tenant, conn_id, at, what());
        }
    }

    /// A SIP Call-ID belongs to that call.
    pub fn name(&self, tenant: &TenantId, conn_id: ConnId, call_id: &str, at: Timestamp) {
        if let Some(shared) = &self.memory {
            shared.lock().name(tenant, conn_id, call_id, at);
        }
    }

    /// The global id of a call.
    pub fn identify(&self, tenant: &TenantId, conn_id: ConnId, uuid: CallUuid, at: Timestamp) {
        self.spans.identify(tenant, conn_id, uuid, at);
        if let Some(shared) = &self.memory {
            shared.lock().identify(tenant, conn_id, uuid, at);
        }
    }

    /// A SIP message. Registrations and questions between nodes belong to no call and are passed over.
    pub fn message(&self, passing: &Passing<'_>) {
        if !self.is_on() {
            return;
        }
        let Some(scanned) = sip::scan(passing.bytes) else { return };
        self.spans.passed(&scanned, passing);
        let Some(shared) = &self.memory else { return };
        // Only our own nodes are believed which call a dialog belongs to.
        let conn_id = if passing.inside && passing.inbound { scanned.conn_id } else { None };
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
        shared.lock().message(scanned.call_id, conn_id, tenant.as_ref(), kept);
    }

    /// What is asked when somebody wants a call explained, beside what is recorded.
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

    /// The latest calls of a tenant, newest first; `from` leaves only those whose caller's number ends so, in
    /// full or as it is shown to who may not see `numbers`.
    pub fn latest(&self, tenant: &TenantId, from: Option<&str>, numbers: bool, limit: usize) -> Vec<Summary> {
        let Some(shared) = &self.memory else { return Vec::new() };
        let now = shared.clock.now();
        shared.lock().latest(tenant, from, numbers, limit, now)
    }

    /// The tenants of which something is remembered.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.memory.as_ref().map(|shared| shared.lock().tenants()).unwrap_or_default()
    }

    /// How long after its last sign a call is remembered.
    pub fn keeps(&self) -> Duration {
        self.memory.as_ref().map(|shared| shared.keeps).unwrap_or_default()
    }

    /// Since when it is recorded; none when it is not.
    pub fn since(&self) -> Option<Timestamp> {
        self.memory.as_ref().map(|shared| shared.since)
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Store> {
        // A panic within leaves a store that is still readable.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
