//! What frontend counts.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Requests handed on.
        accepted: Counter = "frontend_requests_accepted";
        /// Requests with a fault, or about no call.
        refused: Counter = "frontend_requests_refused";
        /// Repeats answered without doing it again.
        repeated: Counter = "frontend_requests_repeated";
        /// Requests whose owner did not answer.
        failed: Counter = "frontend_requests_failed";
    }
}

impl Metrics {
    pub fn request_repeated(&self) {
        self.repeated.inc();
    }

    /// Counts an outcome by its HTTP status; none means that it was accepted.
    pub fn request_ended(&self, refusal: Option<u16>) {
        match refusal {
            None => self.accepted.inc(),
            Some(status) if status < 500 => self.refused.inc(),
            Some(_) => self.failed.inc(),
        };
    }
}
