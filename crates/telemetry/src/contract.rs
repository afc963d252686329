//! The contract of a client application: which properties it may send, which of its events and metrics are counted, and by which thresholds
//! its users count as satisfied.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::Value;

use crate::apdex::ApdexRule;
use crate::clean::DIGITS_MIN;
use crate::limits::NAME_BYTES_MAX;

pub use read::read_list;

/// A property whose name ends so stands for that name with any number in its place.
const NUMBERED: &str = "__NUM";
/// The most digits of that number: with more the name would be personal data, as a phone number is in a text.
const NUMBER_DIGITS_MAX: usize = DIGITS_MIN - 1;

/// What one application may send.
#[derive(Clone, Debug)]
pub struct Contract {
    app: String,
    properties: BTreeSet<String>,
    /// What stands before the number, as `value__`.
    numbered: BTreeSet<String>,
    metrics: Vec<MonitoredMetric>,
    events: Vec<MonitoredEvent>,
    apdex: BTreeMap<String, ApdexRule>,
    document: Value,
}

/// A metric of a client whose crossings of a threshold are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitoredMetric {
    /// Its name.
    pub name: String,
    /// The threshold.
    pub value: f64,
    /// Which side of it is counted.
    pub side: ThresholdSide,
}

/// The side of a threshold that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdSide {
    /// Values above it.
    Above,
    /// Values below it.
    Below,
}

/// Events of a client that are counted: those whose whole name fits a pattern.
#[derive(Clone, Debug)]
pub struct MonitoredEvent {
    /// The pattern, as configured.
    pub pattern: String,
    whole: Regex,
}

impl MonitoredMetric {
    /// Whether a value is counted.
    pub fn is_crossed_by(&self, value: f64) -> bool {
        match self.side {
            ThresholdSide::Above => value > self.value,
            ThresholdSide::Below => value < self.value,
        }
    }
}

impl MonitoredEvent {
    /// Whether an event of that name is counted.
    pub fn fits(&self, name: &str) -> bool {
        self.whole.is_match(name)
    }
}

impl Contract {
    /// The application.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Whether a property of that name may be kept.
    pub fn allows(&self, property: &str) -> bool {
        if self.properties.contains(property) {
            return true;
        }
        let before = property.trim_end_matches(|c: char| c.is_ascii_digit());
        let digits = property.len() - before.len();
        (1..=NUMBER_DIGITS_MAX).contains(&digits) && property.len() <= NAME_BYTES_MAX && self.numbered.contains(before)
    }

    /// The monitored metrics.
    pub fn metrics(&self) -> &[MonitoredMetric] {
        &self.metrics
    }

    /// The first monitored event that an event of that name is.
    pub fn event(&self, name: &str) -> Option<&MonitoredEvent> {
        self.events.iter().find(|event| event.fits(name))
    }

    /// The thresholds of a metric for users' satisfaction.
    pub fn apdex(&self, metric: &str) -> Option<&ApdexRule> {
        self.apdex.get(metric)
    }

    /// As it was configured, for the client.
    pub fn document(&self) -> &Value {
        &self.document
    }
}

#[cfg(test)]
mod tests;
