//! Metrics of gws-data-collector.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterBy, Label};

runtime::metrics! {
    /// The metrics of gws-data-collector.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Searches, by what came of them.
        pub(super) searches: CounterBy<SearchOutcome> = "gws_data_collector_searches";
        /// Searches that have gone on behind what was told before.
        pub(super) gone_on: Counter = "gws_data_collector_searches_gone_on";
        /// Questions for the states of objects.
        pub(super) states_asked: Counter = "gws_data_collector_state_questions";
        /// Tenants that this replica has in hand: somebody searches in them.
        pub(super) tenants: Gauge = "gws_data_collector_tenants";
        /// Times that the directory of a tenant was read.
        pub(super) collected: Counter = "gws_data_collector_directories_read";
        /// Attempts to collect a tenant that have failed; they are repeated.
        pub(super) failed: Counter = "gws_data_collector_failures";
        /// Targets that were written or removed where they are searched.
        pub(super) targets_written: Counter = "gws_data_collector_targets_written";
        /// Targets that are not searched, or whose states are not followed: they are too large, or there are too many.
        pub(super) left_out: Counter = "gws_data_collector_targets_left_out";
        /// States that were written.
        pub(super) states_written: Counter = "gws_data_collector_states_written";
        /// Streams of states that have broken; they are opened again.
        pub(super) streams_broken: Counter = "gws_data_collector_streams_broken";
    }
}

/// What came of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SearchOutcome {
    /// It was answered.
    Answered,
    /// The tenant is not collected yet.
    NotCollected,
    /// The store does not answer.
    Failed,
}

impl Label for SearchOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Answered, Self::NotCollected, Self::Failed];

    fn text(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::NotCollected => "not-collected",
            Self::Failed => "failed",
        }
    }
}
