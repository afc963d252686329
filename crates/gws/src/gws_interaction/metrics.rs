//! Metrics of gws-interaction.

use prometheus_client::metrics::counter::Counter;

runtime::metrics! {
    /// The metrics of gws-interaction.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Questions for what a person has open.
        pub(super) read: Counter = "gws_interaction_reads";
        /// Interactions that were opened or closed, or were to be.
        pub(super) written: Counter = "gws_interaction_writes";
        /// Reads and writes that failed at Redis.
        pub(super) failed: Counter = "gws_interaction_failures";
        /// Operations that were refused, since Interaction Server would carry them out and there is none.
        pub(super) refused: Counter = "gws_interaction_operations_refused";
    }
}
