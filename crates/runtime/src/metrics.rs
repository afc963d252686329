//! The metrics of one life of a role, in OpenMetrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge};
use prometheus_client::registry::{Metric, Registry};

/// Where a role registers its metrics. Each life of a role has its own, so a restart repeats none.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// Registers a metric. Names are `area_noun_unit`; counters get `_total` by themselves.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register(name, help, metric);
    }

    /// Registers what is counted elsewhere.
    pub fn collect(&self, collector: impl prometheus_client::collector::Collector) {
        self.lock().register_collector(Box::new(collector));
    }

    /// Registers and returns a counter.
    pub fn counter(&self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.register(name, help, counter.clone());
        counter
    }

    /// Registers and returns a gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.register(name, help, gauge.clone());
        gauge
    }

    /// Registers and returns a family of counters by labels; the labels must come from closed sets.
    pub fn counters<L>(&self, name: &str, help: &str) -> Family<L, Counter>
    where
        L: prometheus_client::encoding::EncodeLabelSet
            + std::fmt::Debug
            + Clone
            + std::hash::Hash
            + Eq
            + Send
            + Sync
            + 'static,
    {
        let family = Family::<L, Counter>::default();
        self.register(name, help, family.clone());
        family
    }

    /// Works on the registry itself: for histograms and collectors.
    pub fn with<T>(&self, work: impl FnOnce(&mut Registry) -> T) -> T {
        work(&mut self.lock())
    }

    /// All metrics as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.lock());
        text
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        // A panic while registering leaves a registry that is still readable.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
