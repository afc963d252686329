//! Histograms: how long answers take, and the values that clients measured.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::telemetry::apdex::ApdexRule;
use ::telemetry::value_ranges::ValueRanges;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use runtime::Metrics;
use runtime::metrics::{Instrument, Kind, LabelSet};

use super::series::labels;

/// Upper bounds of the times of answers, in seconds. The service level is at a tenth of a second.
const ANSWER_BOUNDS_S: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];
/// The label of bounds.
const BOUND: (&str, &str) = ("le", "an upper bound");
const LABELS: &[(&str, &str)] =
    &[("app", "an application with a contract"), ("metric", "a metric with an extended Apdex in its contract"), BOUND];

/// Times of answers by range.
#[derive(Clone, Debug)]
pub(super) struct AnswerTimes(Histogram);

impl AnswerTimes {
    /// Counts a time.
    pub fn add(&self, time: Duration) {
        self.0.observe(time.as_secs_f64());
    }
}

impl Default for AnswerTimes {
    fn default() -> Self {
        Self(Histogram::new(ANSWER_BOUNDS_S))
    }
}

impl Instrument for AnswerTimes {
    const KIND: Kind = Kind::Histogram;

    fn labels() -> Vec<LabelSet> {
        labels(&[BOUND])
    }

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.register(name, help, self.0.clone());
    }
}

type ValuesByMetric = Arc<Mutex<BTreeMap<(String, String), ValueRanges>>>;

/// Values by application and metric: as many as contracts have.
#[derive(Clone, Default)]
pub(super) struct ValueHistograms(ValuesByMetric);

impl ValueHistograms {
    /// Counts a value of a metric with these thresholds.
    pub fn add(&self, app: &str, metric: &str, rule: &ApdexRule, value: f64) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_metric = values.entry((app.to_owned(), metric.to_owned()));
        of_metric.or_insert_with(|| ValueRanges::of(rule)).add(value);
    }
}

impl Instrument for ValueHistograms {
    const KIND: Kind = Kind::Histogram;

    fn labels() -> Vec<LabelSet> {
        labels(LABELS)
    }

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.collect(ShownValues { name: name.to_owned(), help: help.to_owned(), values: self.0.clone() });
    }
}

struct ShownValues {
    name: String,
    help: String,
    values: ValuesByMetric,
}

impl fmt::Debug for ShownValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShownValues({})", self.name)
    }
}

impl Collector for ShownValues {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(&self.name, &self.help, None, MetricType::Histogram)?;
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        for ((app, metric), of_metric) in values.iter() {
            let labels = [("app", app.as_str()), ("metric", metric.as_str())];
            let mut shown = family.encode_family(&labels)?;
            shown.encode_histogram::<NoLabelSet>(of_metric.sum(), of_metric.count(), of_metric.ranges(), None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use runtime::metrics::Format;

    use super::*;

    #[test]
    fn values_are_shown_by_range_as_prometheus_reads_them() {
        let (metrics, values) = (Metrics::default(), ValueHistograms::default());
        values.show(&metrics, "telemetry_client_value", "Values");
        let rule = ApdexRule { satisfied: 200.0, tolerated: 500.0, is_extended: true };
        for value in [100.0, 200.0, 4_000.0] {
            values.add("a", "delay", &rule, value);
        }
        let shown = metrics.encode(Format::Text);
        assert!(shown.contains("# TYPE telemetry_client_value histogram\n"), "{shown}");
        for sample in [
            "_bucket{le=\"50.0\",app=\"a\",metric=\"delay\"} 0",
            "_bucket{le=\"200.0\",app=\"a\",metric=\"delay\"} 2",
            "_bucket{le=\"+Inf\",app=\"a\",metric=\"delay\"} 3",
            "_count{app=\"a\",metric=\"delay\"} 3",
            "_sum{app=\"a\",metric=\"delay\"} 4300.0",
        ] {
            assert!(shown.contains(&format!("telemetry_client_value{sample}\n")), "{sample} is not in {shown}");
        }
    }

    #[test]
    fn times_of_answers_are_shown_from_the_start() {
        let (metrics, times) = (Metrics::default(), AnswerTimes::default());
        times.show(&metrics, "telemetry_answer_seconds", "Times");
        times.add(Duration::from_millis(80));
        let shown = metrics.encode(Format::Text);
        for sample in ["_bucket{le=\"0.05\"} 0", "_bucket{le=\"0.1\"} 1", "_count 1", "_sum 0.08"] {
            assert!(shown.contains(&format!("telemetry_answer_seconds{sample}\n")), "{sample} is not in {shown}");
        }
    }
}
