//! The metrics of dialplan.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of this role.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Dialled numbers resolved to a destination.
        pub resolved: Counter = "dialplan_numbers_resolved";
        /// Dialled numbers rejected.
        pub refused: Counter = "dialplan_numbers_refused";
    }
}
