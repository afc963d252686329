//! What config counts.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Tenants whose configuration is held.
        tenants: Gauge = "config_tenants";
        /// Times that a tenant's configuration changed here.
        refreshed: Counter = "config_refreshes";
        /// Reads of the cache that failed.
        failed: Counter = "config_read_failures";
    }
}

impl Metrics {
    pub fn tenants_held(&self, count: usize) {
        self.tenants.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn refreshed(&self) {
        self.refreshed.inc();
    }

    pub fn read_failed(&self) {
        self.failed.inc();
    }
}
