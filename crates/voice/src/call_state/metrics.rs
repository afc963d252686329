//! The metrics of call-state.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::metrics::{CounterBy, Label};

use super::audit::Fault;

impl Label for Fault {
    const NAME: &'static str = "fault";
    const ALL: &'static [Self] = &[
        Self::AgentOnMissingCall,
        Self::AgentBusyAlone,
        Self::PhoneGone,
        Self::EventMissing,
        Self::QueuedMissingCall,
        Self::CallOrphaned,
        Self::CallOverdue,
        Self::CallSilent,
        Self::ThreadOfMissingCall,
    ];

    fn text(self) -> &'static str {
        self.as_str()
    }
}

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Open call threads.
        threads: Gauge = "callthread_call_threads";
        /// Call threads closed with a record.
        closed: Counter = "callthread_closed";
        /// Stored call threads that cannot be read; each of them gets no record.
        damaged: Counter = "callthread_damaged";
        /// Call threads that were too large to be stored when they changed.
        too_large: Counter = "callthread_too_large";
        /// Times at which the open call threads could not be stored; it is tried again.
        failures: Counter = "callthread_store_failures";
        /// Facts dropped for lack of room in a thread.
        dropped: Counter = "callthread_dropped";
        /// Rounds of the auditor.
        rounds: Counter = "callthread_audits";
        /// Repairs requested by the auditor, by fault.
        repairs: CounterBy<Fault> = "callthread_repairs";
    }
}

impl Metrics {
    /// Adds the change in the number of open threads.
    pub fn threads(&self, by: i64) {
        self.threads.inc_by(by);
    }

    pub fn closed(&self, records: usize) {
        self.closed.inc_by(records as u64);
    }

    pub fn damaged(&self) {
        self.damaged.inc();
    }

    /// How many stored threads could not be read so far.
    #[cfg(test)]
    pub fn damaged_so_far(&self) -> u64 {
        self.damaged.get()
    }

    pub fn too_large(&self) {
        self.too_large.inc();
    }

    pub fn store_failed(&self) {
        self.failures.inc();
    }

    pub fn dropped(&self, count: u64) {
        self.dropped.inc_by(count);
    }

    pub fn round(&self) {
        self.rounds.inc();
    }

    pub fn repair(&self, fault: Fault) {
        self.repairs.inc(fault);
    }
}
