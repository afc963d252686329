//! What call-state counts.

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
        /// Call threads that are open.
        threads: Gauge = "callthread_call_threads";
        /// Call threads whose record was made.
        closed: Counter = "callthread_closed";
        /// Facts without room in a thread.
        dropped: Counter = "callthread_dropped";
        /// Rounds of the auditor.
        rounds: Counter = "callthread_audits";
        /// Repairs that the auditor has asked for, by what was wrong.
        repairs: CounterBy<Fault> = "callthread_repairs";
    }
}

impl Metrics {
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
        self.repairs.inc(fault);
    }
}
