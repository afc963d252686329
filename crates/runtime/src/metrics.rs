//! The metrics of one life of a role, in OpenMetrics or in the text format before it.

mod declare;
pub mod reference;
mod text;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use prometheus_client::registry::{Metric, Registry};

pub use declare::{CounterBy, Declared, Instrument, Kind, Label, LabelSet, LabelValues, help};
pub use text::Format;

/// What every role counts about itself, besides its own metrics.
pub fn of_every_role() -> Vec<Declared> {
    let mut all = crate::meter::declared();
    all.extend(OfEveryRole::declared());
    all.extend(crate::trace::Counts::declared());
    all.extend(crate::spans::Counts::declared());
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

crate::metrics! {
    /// What the shell counts about a role; outlives its lives.
    #[derive(Clone, Debug, Default)]
    pub struct OfEveryRole {
        /// Lives of this role that ended in a failure.
        pub restarts: Counter = "role_restarts";
        /// Connections to HTTP and gRPC listeners of this role that were ended for what the peer did, by why.
        pub connections_failed: CounterBy<ConnectionFault> = "http_connections_failed";
        /// Requests to HTTP and gRPC listeners of this role that were refused before anybody looked at them, by why.
        pub requests_refused: CounterBy<Refusal> = "http_requests_refused";
    }
}

/// Why a connection of HTTP was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFault {
    /// What came is no HTTP.
    Malformed,
    /// The head of a request was too large.
    HeadTooLarge,
    /// The head of a request took too long.
    Slow,
    /// The peer went away in the middle of a message, or the network failed.
    Broken,
    /// Its address has too many connections on which nobody has shown a token.
    Crowded,
}

impl Label for ConnectionFault {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[Self::Malformed, Self::HeadTooLarge, Self::Slow, Self::Broken, Self::Crowded];

    fn text(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
            Self::Slow => "slow",
            Self::Broken => "broken",
            Self::Crowded => "crowded",
        }
    }
}

/// Why a request was refused at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It had no valid caller token.
    Token,
    /// Its body was too large.
    BodyTooLarge,
    /// Its body did not come in time.
    SlowBody,
    /// Too many requests were under way.
    Overloaded,
    /// Its caller or tenant had its share of the requests under way.
    Share,
    /// Its answer did not begin in time.
    Late,
}

impl Label for Refusal {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] =
        &[Self::Token, Self::BodyTooLarge, Self::SlowBody, Self::Overloaded, Self::Share, Self::Late];

    fn text(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::BodyTooLarge => "body_too_large",
            Self::SlowBody => "slow_body",
            Self::Overloaded => "overloaded",
            Self::Share => "share",
            Self::Late => "late",
        }
    }
}

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
        counter.show(self, name, help);
        counter
    }

    /// Registers and returns a gauge.
    pub fn gauge(&self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        gauge.show(self, name, help);
        gauge
    }

    /// Works on the registry itself: for histograms and collectors.
    pub fn with<T>(&self, work: impl FnOnce(&mut Registry) -> T) -> T {
        work(&mut self.lock())
    }

    /// All metrics as text in that format.
    pub fn encode(&self, format: Format) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.lock());
        match format {
            Format::OpenMetrics => text,
            Format::Text => text::from_openmetrics(&text),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        // A panic while registering leaves a registry that is still readable.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
