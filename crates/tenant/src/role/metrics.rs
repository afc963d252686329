//! What the subscriptions on 8000 count.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of the events on 8000.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// Snapshots of tenants that were begun from the records, because the stream does not reach back far enough.
        begun: Counter = "tenant_views_begun";
        /// Records of agents and calls that could not be read for a snapshot.
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
