//! What rq counts.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// The metrics of this role.
#[derive(Clone)]
pub(super) struct Metrics {
    submitted: Counter,
    refused: Counter,
    offered: Counter,
    returned: Counter,
    timed_out: Counter,
    ended: Counter,
    waiting: Gauge,
    lost: Counter,
    overflowed: Counter,
}

impl Metrics {
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            submitted: registry.counter("rq_requests_submitted", "Requests for an agent that came in"),
            refused: registry.counter("rq_requests_refused", "Requests refused: a fault in them, or a limit reached"),
            offered: registry.counter("rq_decisions", "Pairings of a call with an agent"),
            returned: registry
                .counter("rq_requests_returned", "Calls that came back because the agent did not take them"),
            timed_out: registry
                .counter("rq_requests_timed_out", "Requests whose application was told that time is over"),
            ended: registry.counter("rq_requests_ended", "Requests that ended"),
            waiting: registry.gauge("rq_requests_open", "Requests that wait or are promised to an agent"),
            lost: registry.counter("rq_ownership_lost", "Times that another replica had taken a tenant's queues over"),
            overflowed: registry.counter("rq_outcomes_dropped", "Outcomes for a client that did not read them"),
        }
    }

    pub fn request_submitted(&self) {
        self.submitted.inc();
    }

    pub fn request_refused(&self) {
        self.refused.inc();
    }

    pub fn agent_offered(&self) {
        self.offered.inc();
    }

    pub fn request_returned(&self) {
        self.returned.inc();
    }

    pub fn request_timed_out(&self) {
        self.timed_out.inc();
    }

    pub fn request_ended(&self) {
        self.ended.inc();
    }

    pub fn open_changed(&self, by: i64) {
        self.waiting.inc_by(by);
    }

    pub fn ownership_lost(&self) {
        self.lost.inc();
    }

    pub fn outcome_dropped(&self) {
        self.overflowed.inc();
    }
}
