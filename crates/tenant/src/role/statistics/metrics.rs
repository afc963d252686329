//! The metrics of port 2060.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of port 2060.
    #[derive(Clone, Debug)]
    pub(in crate::role) struct Metrics {
        /// Facts counted for the statistics of tenants.
        pub(super) facts: Counter = "tenant_statistics_facts";
        /// Facts left out of the statistics as unreadable.
        pub(super) facts_unreadable: Counter = "tenant_statistics_facts_unreadable";
        /// Statistics of port 2060 that are open, or were within the last day.
        pub(super) held: Gauge = "tenant_statistics_held";
        /// Streams of port 2060 that are open now.
        pub(super) streams: Gauge = "tenant_statistics_streams";
        /// Values told on port 2060.
        pub(super) told: Counter = "tenant_statistics_values_told";
        /// Statistics that were refused on port 2060.
        pub(super) refused: Counter = "tenant_statistics_refused";
        /// Number of times a tenant's statistics restarted from a snapshot, because facts were missing or their state had a fault.
        pub(super) begun_anew: Counter = "tenant_statistics_begun_anew";
        /// Faults of the program after which one tenant's statistics restarted from what was kept.
        pub(super) faults: Counter = "tenant_statistics_faults";
        /// Writes of a tenant's statistics that failed; they are repeated.
        pub(super) writes_failed: Counter = "tenant_statistics_writes_failed";
        /// Subjects (calls, agents, DNs, queues) whose last fact was forgotten for lack of room: a repeat of it would count twice.
        pub(super) marks_forgotten: Counter = "tenant_statistics_marks_forgotten";
    }
}
