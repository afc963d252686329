//! What registrar counts.

use prometheus_client::metrics::counter::Counter;

/// The metrics of this role.
#[derive(Clone, Debug)]
pub(super) struct Metrics {
    accepted: Counter,
    refused: Counter,
    conflicts: Counter,
    expired: Counter,
    overloaded: Counter,
    store_failures: Counter,
}

impl Metrics {
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            accepted: registry.counter("registrar_requests_accepted", "REGISTERs answered 200"),
            refused: registry.counter("registrar_requests_refused", "REGISTERs answered otherwise"),
            conflicts: registry.counter("registrar_conflicts", "Writes repeated because another registrar was faster"),
            expired: registry.counter("registrar_phones_expired", "Phones whose registration ran out"),
            overloaded: registry.counter("registrar_requests_overloaded", "REGISTERs answered 503: too many at once"),
            store_failures: registry.counter("registrar_store_failures", "Reads or writes that the store failed"),
        }
    }

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
