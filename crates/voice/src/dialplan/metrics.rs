//! What dialplan counts.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Dialled numbers that lead somewhere.
        pub resolved: Counter = "dialplan_numbers_resolved";
        /// Dialled numbers that lead nowhere.
        pub refused: Counter = "dialplan_numbers_refused";
    }
}
