//! Metrics of ors.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::metrics::{CounterBy, Label};
use scxml::LimitKind;

use super::call_session::Fault;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Sessions running.
        strategies: Gauge = "orsnode_strategies";
        /// Sessions started.
        started: Counter = "orsnode_strategies_started";
        /// Applications that could not be loaded for a call.
        load_errors: Counter = "orsnode_load_errors";
        /// Sessions that ended by a fault, by fault.
        failed: CounterBy<Fault> = "orsnode_failed_strategies";
        /// Facts about calls processed by sessions.
        facts: Counter = "orsnode_callevents";
        /// Requests that frontend refused or did not receive.
        refused: Counter = "orsnode_requests_refused";
        /// Sessions taken over from their records.
        restored: Counter = "orsnode_ha_reads";
        /// Records of sessions written.
        written: Counter = "orsnode_ha_writes";
        /// Records of sessions moved to quarantine.
        aside: Counter = "orsnode_records_put_aside";
        /// Records of sessions, and entries of new calls, that could not be decoded.
        unreadable: Counter = "orsnode_records_unreadable";
        /// Threads abandoned because a script blocked them.
        abandoned: Counter = "orsnode_threads_abandoned";
        /// Messages dropped because a queue was full.
        overflowed: Counter = "orsnode_queue_overflows";
    }
}

impl Label for Fault {
    const NAME: &'static str = "fault";
    const ALL: &'static [Self] = &[
        Self::UnhandledError,
        Self::EndedEarly,
        Self::Stalled,
        Self::Unstorable,
        Self::TooLarge,
        Self::Unwritten,
        Self::NotRestored,
        Self::Panicked,
        Self::Held,
        Self::Quarantined,
        Self::Limit(LimitKind::Microsteps),
        Self::Limit(LimitKind::Steps),
        Self::Limit(LimitKind::Queue),
        Self::Limit(LimitKind::EventsPerInput),
        Self::Limit(LimitKind::Delayed),
        Self::Limit(LimitKind::OwnEvents),
        Self::Limit(LimitKind::Outputs),
        Self::Limit(LimitKind::Payload),
        Self::Limit(LimitKind::ScriptTime),
        Self::Limit(LimitKind::ScriptMemory),
        Self::Limit(LimitKind::ScriptStack),
    ];

    fn text(self) -> &'static str {
        self.as_str()
    }
}

impl Metrics {
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
        self.failed.inc(fault);
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

    pub fn record_unreadable(&self) {
        self.unreadable.inc();
    }

    pub fn record_put_aside(&self) {
        self.aside.inc();
    }

    pub fn thread_abandoned(&self) {
        self.abandoned.inc();
    }

    pub fn overflowed(&self) {
        self.overflowed.inc();
    }
}
