//! What rq counts.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Requests for an agent that came in.
        submitted: Counter = "rq_requests_submitted";
        /// Requests refused: a fault in them, or a limit reached.
        refused: Counter = "rq_requests_refused";
        /// Pairings of a call with an agent.
        offered: Counter = "rq_decisions";
        /// Calls that came back because the agent did not take them.
        returned: Counter = "rq_requests_returned";
        /// Requests whose application was told that time is over.
        timed_out: Counter = "rq_requests_timed_out";
        /// Requests that ended.
        ended: Counter = "rq_requests_ended";
        /// Requests that wait or are promised to an agent.
        waiting: Gauge = "rq_requests_open";
        /// Times that another replica had taken a tenant's queues over.
        lost: Counter = "rq_ownership_lost";
        /// Rows of a tenant's record that could not be read and were left out.
        unreadable: Counter = "rq_rows_unreadable";
        /// Times that a tenant's queues were given up for a fault and taken over anew.
        begun_anew: Counter = "rq_queues_begun_anew";
        /// Outcomes for a client that did not read them.
        overflowed: Counter = "rq_outcomes_dropped";
    }
}

impl Metrics {
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

    pub fn row_unreadable(&self) {
        self.unreadable.inc();
    }

    pub fn queues_begun_anew(&self) {
        self.begun_anew.inc();
    }

    pub fn outcome_dropped(&self) {
        self.overflowed.inc();
    }
}
