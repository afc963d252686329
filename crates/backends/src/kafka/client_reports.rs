//! Reports of the client library: log lines, failures, and once a second the state of its connections.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use infra::{Line, Watch};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

/// What is known of the connections of one log, over all its producers.
pub(super) struct ClientReports {
    watch: Arc<dyn Watch>,
    last_reason: Mutex<Option<String>>,
}

impl ClientReports {
    pub(super) fn new(watch: Arc<dyn Watch>) -> Self {
        Self { watch, last_reason: Mutex::new(None) }
    }

    pub(super) fn watch(&self) -> &dyn Watch {
        &*self.watch
    }

    /// The last failure, in the library's words; none once a connection is up.
    pub(super) fn last_reason(&self) -> Option<String> {
        self.last_reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_reason(&self, reason: Option<String>) {
        *self.last_reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// The producer has ended, and its connections with it.
    pub(super) fn producer_closed(&self) {
        self.watch.standing(Line::Commands, 0);
    }
}

/// Listens to one producer.
pub(super) struct Context {
    told: Arc<ClientReports>,
    /// Number of connection attempts at the last count.
    attempts: AtomicI64,
}

impl Context {
    pub(super) fn new(told: Arc<ClientReports>) -> Self {
        Self { told, attempts: AtomicI64::new(0) }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "Kafka's client"),
            // A failed append reports an unavailable broker.
            _ => tracing::debug!(facility, message, "Kafka's client"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let brokers = statistics.brokers.values();
        let standing = brokers.clone().filter(|broker| matches!(broker.state.as_str(), "UP" | "UPDATE")).count();
        self.told.watch.standing(Line::Commands, standing);
        if standing > 0 {
            self.told.set_reason(None);
        }
        let attempts: i64 = brokers.filter_map(|broker| broker.connects).sum();
        for _ in self.attempts.swap(attempts, Relaxed)..attempts {
            self.told.watch.attempted(Line::Commands);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka's client");
        self.told.set_reason(Some(reason.to_owned()));
    }
}
