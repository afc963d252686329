//! What frontend counts.

use prometheus_client::metrics::counter::Counter;

/// The metrics of this role.
#[derive(Clone)]
pub(super) struct Metrics {
    accepted: Counter,
    refused: Counter,
    repeated: Counter,
    failed: Counter,
}

impl Metrics {
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            accepted: registry.counter("frontend_requests_accepted", "Requests handed on"),
            refused: registry.counter("frontend_requests_refused", "Requests with a fault, or about no call"),
            repeated: registry.counter("frontend_requests_repeated", "Repeats answered without doing it again"),
            failed: registry.counter("frontend_requests_failed", "Requests whose owner did not answer"),
        }
    }

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
