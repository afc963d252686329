//! The Apdex of each metric of each application, as of the moment in which it is read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::telemetry::apdex::{ApdexWindow, ApdexZone};
use infra::Clock;
use model::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use runtime::Metrics;
use runtime::metrics::{Instrument, Kind, LabelSet};

use super::series::labels;

const LABELS: &[(&str, &str)] =
    &[("app", "an application with a contract"), ("metric", "a metric with an Apdex in its contract")];

/// Scores by application and metric: as many as contracts have.
#[derive(Clone, Default)]
pub(super) struct ApdexScores(Arc<Scores>);

#[derive(Default)]
struct Scores {
    windows: Mutex<BTreeMap<(String, String), ApdexWindow>>,
    clock: OnceLock<Arc<dyn Clock>>,
}

impl ApdexScores {
    /// Sets the clock by which scores are read.
    pub fn follow(&self, clock: Arc<dyn Clock>) {
        let _ = self.0.clock.set(clock);
    }

    /// Counts a value.
    pub fn add(&self, app: &str, metric: &str, zone: ApdexZone, now: Timestamp) {
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        windows.entry((app.to_owned(), metric.to_owned())).or_default().add(zone, now);
    }
}

impl Instrument for ApdexScores {
    const KIND: Kind = Kind::Gauge;

    fn labels() -> Vec<LabelSet> {
        labels(LABELS)
    }

    fn show(&self, metrics: &Metrics, name: &str, help: &str) {
        metrics.collect(ShownScores { name: name.to_owned(), help: help.to_owned(), scores: self.0.clone() });
    }
}

struct ShownScores {
    name: String,
    help: String,
    scores: Arc<Scores>,
}

impl fmt::Debug for ShownScores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShownScores({})", self.name)
    }
}

impl Collector for ShownScores {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(&self.name, &self.help, None, MetricType::Gauge)?;
        let Some(clock) = self.scores.clock.get() else { return Ok(()) };
        let mut windows = self.scores.windows.lock().unwrap_or_else(PoisonError::into_inner);
        for ((app, metric), window) in windows.iter_mut() {
            let Some(score) = window.score(clock.now()) else { continue };
            let labels = [("app", app.as_str()), ("metric", metric.as_str())];
            ConstGauge::new(score).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
