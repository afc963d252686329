//! The metrics of the subscriptions on 8000.

use contracts::v1;
use futures::StreamExt as _;
use net::grpc::Answers;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

runtime::metrics! {
    /// The metrics of the events on 8000.
    #[derive(Clone, Debug)]
    pub(super) struct Metrics {
        /// Snapshots of tenants restarted from the records, because the stream does not reach back far enough.
        begun: Counter = "tenant_views_begun";
        /// Records of agents and calls left out of a snapshot as unreadable.
        skipped: Counter = "tenant_records_skipped";
        /// Subscriptions that are open now.
        subscribers: Gauge = "tenant_subscribers";
        /// Subscriptions that were ended because their readers were too slow.
        slow: Counter = "tenant_subscribers_slow";
        /// Readers of tenants' streams for subscriptions: one for each tenant with subscriptions, and one for each that is catching up.
        stream_readers: Gauge = "tenant_stream_readers";
    }
}

impl Metrics {
    pub fn view_begun(&self) {
        self.begun.inc();
    }

    pub fn records_skipped(&self, count: u64) {
        self.skipped.inc_by(count);
    }

    pub fn subscriber_slow(&self) {
        self.slow.inc();
    }

    /// Counts a reader of a stream until the returned value is dropped.
    #[must_use]
    pub fn stream_reader(&self) -> InGauge {
        InGauge::one(&self.stream_readers)
    }

    /// The same answers, counted as a subscription until they end or are no longer read.
    pub fn subscriber(&self, answers: Answers<v1::Delivery>) -> Answers<v1::Delivery> {
        let counted = InGauge::one(&self.subscribers);
        Box::pin(answers.inspect(move |_| {
            let _ = &counted;
        }))
    }
}

/// One more in a gauge, while it exists.
pub(super) struct InGauge(Gauge);

impl InGauge {
    fn one(of: &Gauge) -> Self {
        of.inc();
        Self(of.clone())
    }
}

impl Drop for InGauge {
    fn drop(&mut self) {
        self.0.dec();
    }
}
