//! The metrics of rq.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use runtime::metrics::{Instrument, Kind};

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Requests for an agent received.
        submitted: Counter = "rq_requests_submitted";
        /// Requests refused because of a fault or a limit.
        refused: Counter = "rq_requests_refused";
        /// Decisions that chose an agent for a call.
        offered: Counter = "rq_decisions";
        /// Calls that returned because the agent did not take them.
        returned: Counter = "rq_requests_returned";
        /// Requests whose application was notified that its timeout has passed.
        timed_out: Counter = "rq_requests_timed_out";
        /// Requests that ended.
        ended: Counter = "rq_requests_ended";
        /// Requests that wait or have a reserved agent.
        waiting: Gauge = "rq_requests_open";
        /// Number of times another replica had taken over a tenant's queues.
        lost: Counter = "rq_ownership_lost";
        /// Rows of a tenant's record left out as unreadable.
        unreadable: Counter = "rq_rows_unreadable";
        /// Number of times a tenant's queues were dropped after a fault and taken over again.
        begun_anew: Counter = "rq_queues_begun_anew";
        /// Outcomes dropped because a client did not read them.
        overflowed: Counter = "rq_outcomes_dropped";
        /// Requests of which somebody was told why they wait.
        explained: Counter = "rq_requests_explained";
        /// Questions why a call waits that were refused because too many were asked at once.
        unexplained: Counter = "rq_questions_refused";
        /// Time that routing has given to questions why calls wait, all together.
        explaining: ExplainingSeconds = "rq_explaining_seconds";
    }
}

/// Times added up.
#[derive(Clone, Debug, Default)]
struct ExplainingSeconds(Counter<f64, AtomicU64>);

impl Instrument for ExplainingSeconds {
    const KIND: Kind = Kind::Counter;

    fn show(&self, metrics: &runtime::Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.0.clone());
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

    pub fn question_answered(&self, requests: usize, took: Duration) {
        self.explained.inc_by(u64::try_from(requests).unwrap_or(u64::MAX));
        self.explaining.0.inc_by(took.as_secs_f64());
    }

    pub fn question_refused(&self) {
        self.unexplained.inc();
    }
}
