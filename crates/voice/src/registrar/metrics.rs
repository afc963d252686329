//! What registrar counts.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// REGISTERs answered 200.
        accepted: Counter = "registrar_requests_accepted";
        /// REGISTERs answered otherwise.
        refused: Counter = "registrar_requests_refused";
        /// Writes repeated because another registrar was faster.
        conflicts: Counter = "registrar_conflicts";
        /// Phones whose registration ran out.
        expired: Counter = "registrar_phones_expired";
        /// REGISTERs answered 503: too many at once.
        overloaded: Counter = "registrar_requests_overloaded";
        /// Reads or writes that the store failed.
        store_failures: Counter = "registrar_store_failures";
    }
}

impl Metrics {
    pub fn request_answered(&self, status: u16) {
        if status < 300 {
            self.accepted.inc()
        } else {
            self.refused.inc()
        };
    }

    pub fn write_conflicted(&self) {
        self.conflicts.inc();
    }

    pub fn phone_expired(&self) {
        self.expired.inc();
    }

    pub fn overloaded(&self) {
        self.overloaded.inc();
    }

    pub fn store_failed(&self) {
        self.store_failures.inc();
    }
}
