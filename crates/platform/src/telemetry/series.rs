//! Counters whose label values come from contracts: known only when the role starts, and bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use runtime::Metrics;
use runtime::metrics::{Instrument, Kind, LabelSet, LabelValues};

/// The most series of one metric; what is beyond is counted under [`OTHERS`].
const SERIES_MAX: usize = 4_096;
/// The label value of what is beyond the bound.
const OTHERS: &str = "others";

/// The labels of a metric.
pub(super) trait SeriesLabels: 'static {
    /// Each label, and where its values are listed.
    const LABELS: &'static [(&'static str, &'static str)];
}

type SeriesCounts = Arc<Mutex<BTreeMap<Vec<String>, u64>>>;

/// Counters by several labels.
pub(super) struct Series<L> {
    counts: SeriesCounts,
    of: PhantomData<fn(L)>,
}

impl<L: SeriesLabels> Series<L> {
    /// Adds to the count of these label values, in the order of the labels.
    pub fn add(&self, values: &[&str], by: u64) {
        debug_assert_eq!(values.len(), L::LABELS.len(), "one value for each label");
        let mut key: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= SERIES_MAX && !counts.contains_key(&key) {
            key = vec![OTHERS.to_owned(); values.len()];
        }
        *counts.entry(key).or_default() += by;
    }
}

impl<L> Clone for Series<L> {
    fn clone(&self) -> Self {
        Self { counts: self.counts.clone(), of: PhantomData }
    }
}

impl<L> Default for Series<L> {
    fn default() -> Self {
        Self { counts: SeriesCounts::default(), of: PhantomData }
    }
}

impl<L: SeriesLabels> Instrument for Series<L> {
    const KIND: Kind = Kind::Counter;

    fn labels() -> Vec<LabelSet> {
        labels(L::LABELS)
    }

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        let (name, help) = (name.to_owned(), help.to_owned());
        metrics.collect(ShownSeries { name, help, labels: L::LABELS, counts: self.counts.clone() });
    }
}

/// Labels as they are declared.
pub(super) fn labels(of: &[(&'static str, &'static str)]) -> Vec<LabelSet> {
    of.iter().map(|&(name, values)| LabelSet { name, values: LabelValues::Of(values) }).collect()
}

struct ShownSeries {
    name: String,
    help: String,
    labels: &'static [(&'static str, &'static str)],
    counts: SeriesCounts,
}

impl fmt::Debug for ShownSeries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShownSeries({})", self.name)
    }
}

impl Collector for ShownSeries {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(&self.name, &self.help, None, MetricType::Counter)?;
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for (values, count) in counts.iter() {
            let labels: Vec<(&str, &str)> =
                self.labels.iter().map(|(name, _)| *name).zip(values.iter().map(String::as_str)).collect();
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Times added up.
#[derive(Clone, Debug, Default)]
pub(super) struct AddedSeconds(Counter<f64, AtomicU64>);

impl AddedSeconds {
    /// Adds a time.
    pub fn add(&self, time: Duration) {
        self.0.inc_by(time.as_secs_f64());
    }
}

impl Instrument for AddedSeconds {
    const KIND: Kind = Kind::Counter;

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use runtime::metrics::Format;

    use super::*;

    struct OfTest;

    impl SeriesLabels for OfTest {
        const LABELS: &'static [(&'static str, &'static str)] = &[("app", "an application"), ("type", "a type")];
    }

    #[test]
    fn series_are_shown_and_bounded() {
        let metrics = Metrics::default();
        let series = Series::<OfTest>::default();
        series.show(&metrics, "telemetry_test", "Tests");
        assert!(metrics.encode(Format::Text).contains("# TYPE telemetry_test_total counter"));
        series.add(&["a", "log"], 2);
        assert!(metrics.encode(Format::Text).contains("telemetry_test_total{app=\"a\",type=\"log\"} 2"));
        for i in 0..SERIES_MAX + 10 {
            series.add(&["a", &i.to_string()], 1);
        }
        assert!(metrics.encode(Format::Text).contains("telemetry_test_total{app=\"others\",type=\"others\"}"));
        assert!(series.counts.lock().unwrap().len() <= SERIES_MAX + 1);
    }
}
