//! The metrics of the subscriptions on 8000.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of the events on 8000.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// Snapshots of tenants restarted from the records, because the stream does not reach back far enough.
        begun: Counter = "tenant_views_begun";
        /// Records of agents and calls left out of a snapshot as unreadable.
        skipped: Counter = "tenant_records_skipped";
    }
}

impl Metrics {
    pub fn view_begun(&self) {
        self.begun.inc();
    }

    pub fn records_skipped(&self, count: u64) {
        self.skipped.inc_by(count);
    }
}
