//! Metrics of registrar.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// REGISTERs answered 200.
        accepted: Counter = "registrar_requests_accepted";
        /// REGISTERs answered otherwise.
        refused: Counter = "registrar_requests_refused";
        /// Writes repeated because another registrar wrote first.
        conflicts: Counter = "registrar_conflicts";
        /// Phones whose registration expired.
        expired: Counter = "registrar_phones_expired";
        /// REGISTERs answered 503: too many at once.
        overloaded: Counter = "registrar_requests_overloaded";
        /// Reads or writes that failed in the store.
        store_failures: Counter = "registrar_store_failures";
        /// Phones whose expired registration cannot be ended, because their record cannot be read or written.
        set_aside: Gauge = "registrar_phones_set_aside";
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

    pub fn phones_expired(&self, count: u64) {
        self.expired.inc_by(count);
    }

    pub fn phones_set_aside(&self, count: usize) {
        self.set_aside.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn overloaded(&self) {
        self.overloaded.inc();
    }

    pub fn store_failed(&self) {
        self.store_failures.inc();
    }
}
