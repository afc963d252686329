//! What call-state counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};

use super::audit::Fault;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByFault {
    fault: &'static str,
}

/// The metrics of this role.
#[derive(Clone)]
pub(super) struct Metrics {
    threads: Gauge,
    closed: Counter,
    dropped: Counter,
    rounds: Counter,
    repairs: Family<ByFault, Counter>,
}

impl Metrics {
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            threads: registry.gauge("callthread_call_threads", "Call threads that are open"),
            closed: registry.counter("callthread_closed", "Call threads whose record was written"),
            dropped: registry.counter("callthread_dropped", "Facts without room in a thread, and records without room"),
            rounds: registry.counter("callthread_audits", "Rounds of the auditor"),
            repairs: registry
                .counters("callthread_repairs", "Repairs that the auditor has asked for, by what was wrong"),
        }
    }

    /// By how many the open threads have changed.
    pub fn threads(&self, by: i64) {
        self.threads.inc_by(by);
    }

    pub fn closed(&self, records: usize) {
        self.closed.inc_by(records as u64);
    }

    pub fn dropped(&self, count: u64) {
        self.dropped.inc_by(count);
    }

    pub fn round(&self) {
        self.rounds.inc();
    }

    pub fn repair(&self, fault: Fault) {
        self.repairs.get_or_create(&ByFault { fault: fault.as_str() }).inc();
    }
}
