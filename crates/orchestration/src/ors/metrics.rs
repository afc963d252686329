//! What ors counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

use super::call_session::Fault;

/// The metrics of this role.
#[derive(Clone)]
pub(super) struct Metrics {
    strategies: Gauge,
    started: Counter,
    load_errors: Counter,
    failed: Family<FaultLabel, Counter>,
    facts: Counter,
    refused: Counter,
    restored: Counter,
    written: Counter,
    overflowed: Counter,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct FaultLabel {
    fault: &'static str,
}

impl Metrics {
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            strategies: registry.gauge("orsnode_strategies", "Sessions that run"),
            started: registry.counter("orsnode_total_strategies", "Sessions started"),
            load_errors: registry.counter("orsnode_load_errors", "Applications that could not be loaded for a call"),
            failed: registry.counters("orsnode_failed_strategies", "Sessions that ended by a fault, by fault"),
            facts: registry.counter("orsnode_callevents", "Facts about calls that sessions have taken in"),
            refused: registry.counter("orsnode_requests_refused", "Requests that frontend refused or did not get"),
            restored: registry.counter("orsnode_ha_reads", "Sessions taken over from their records"),
            written: registry.counter("orsnode_ha_writes", "Records of sessions written"),
            overflowed: registry.counter("orsnode_queue_overflows", "Messages dropped because a queue was full"),
        }
    }

    pub fn session_started(&self) {
        self.started.inc();
    }

    pub fn sessions_run(&self, more: i64) {
        self.strategies.inc_by(more);
    }

    pub fn load_failed(&self) {
        self.load_errors.inc();
    }

    pub fn session_failed(&self, fault: Fault) {
        self.failed.get_or_create(&FaultLabel { fault: fault.as_str() }).inc();
    }

    pub fn fact_taken(&self) {
        self.facts.inc();
    }

    pub fn request_refused(&self) {
        self.refused.inc();
    }

    pub fn session_restored(&self) {
        self.restored.inc();
    }

    pub fn records_written(&self, count: usize) {
        self.written.inc_by(count as u64);
    }

    pub fn overflowed(&self) {
        self.overflowed.inc();
    }
}
