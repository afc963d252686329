//! The metrics of frontend.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Requests forwarded.
        accepted: Counter = "frontend_requests_accepted";
        /// Requests refused as faulty or about an unknown call.
        refused: Counter = "frontend_requests_refused";
        /// Repeats answered with the earlier answer.
        repeated: Counter = "frontend_requests_repeated";
        /// Requests whose owner did not answer.
        failed: Counter = "frontend_requests_failed";
    }
}

impl Metrics {
    pub fn request_repeated(&self) {
        self.repeated.inc();
    }

    /// Counts an outcome by its HTTP status; `None` means accepted.
    pub fn request_ended(&self, refusal: Option<u16>) {
        match refusal {
            None => self.accepted.inc(),
            Some(status) if status < 500 => self.refused.inc(),
            Some(_) => self.failed.inc(),
        };
    }
}
