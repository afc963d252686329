//! How old what a process believes of tokens is, as its metrics say: it grows while the files cannot be read, and while a disk hangs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra::Clock;
use model::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};

use crate::metrics::Declared;

/// When this process last knew keys and revocations as their files had them. Cheap to clone.
#[derive(Clone)]
pub struct BelievedAge {
    reads: Arc<Mutex<LastReads>>,
    clock: Arc<dyn Clock>,
}

/// When reads that succeeded began.
#[derive(Clone, Copy)]
struct LastReads {
    keys: Timestamp,
    revocations: Timestamp,
}

/// One of these times.
type LastRead = fn(&LastReads) -> Timestamp;
/// Name, help and time of each metric.
const METRICS: [(&str, &str, LastRead); 2] = [
    (
        "token_keys_age_seconds",
        "Seconds since this process last knew the keys that verify tokens as they are. Keys made since are unknown to it",
        |reads| reads.keys,
    ),
    (
        "token_revocations_age_seconds",
        "Seconds since this process last knew what is revoked. What was revoked since is good here until it runs out",
        |reads| reads.revocations,
    ),
];

impl BelievedAge {
    /// Of what was read just now.
    pub(super) fn of_now(clock: Arc<dyn Clock>) -> Self {
        let now = clock.now();
        Self { reads: Arc::new(Mutex::new(LastReads { keys: now, revocations: now })), clock }
    }

    /// The keys were as in the files at that time.
    pub(super) fn keys_were_read(&self, at: Timestamp) {
        self.locked().keys = at;
    }

    /// The revocations were as in their file at that time.
    pub(super) fn revocations_were_read(&self, at: Timestamp) {
        self.locked().revocations = at;
    }

    /// Its metrics, for the reference.
    pub(crate) fn declared() -> Vec<Declared> {
        METRICS.iter().map(|(name, help, _)| Declared::of::<Gauge>(name, &[help])).collect()
    }

    /// How old what is known of revocations is.
    #[cfg(test)]
    pub(super) fn of_revocations(&self) -> std::time::Duration {
        self.clock.now().since(self.locked().revocations)
    }

    fn locked(&self) -> MutexGuard<'_, LastReads> {
        self.reads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BelievedAge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BelievedAge")
    }
}

impl Collector for BelievedAge {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (reads, now) = (*self.locked(), self.clock.now());
        for (name, help, last) in METRICS {
            let family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(now.since(last(&reads)).as_secs()).encode(family)?;
        }
        Ok(())
    }
}
