//! What config counts.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

/// The metrics of this role.
#[derive(Clone)]
pub(super) struct Metrics {
    tenants: Gauge,
    refreshed: Counter,
    failed: Counter,
}

impl Metrics {
    pub fn new(registry: &runtime::Metrics) -> Self {
        Self {
            tenants: registry.gauge("config_tenants", "Tenants whose configuration is held"),
            refreshed: registry.counter("config_refreshes", "Times that a tenant's configuration changed here"),
            failed: registry.counter("config_read_failures", "Reads of the cache that failed"),
        }
    }

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
