//! The metrics of one run of a role, in OpenMetrics or in the older text format.

mod declare;
mod text;

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use prometheus_client::registry::{Metric, Registry};

pub use declare::{
    CounterBy, CounterByTwo, Declared, GaugeIfKnown, Instrument, Kind, Label, LabelSet, LabelValues, help,
};
pub use text::Format;

crate::metrics! {
    /// Counters of the shell about a role; they survive its restarts.
    #[derive(Clone, Debug, Default)]
    pub struct OfEveryRole {
        /// Runs of this role that ended in a failure.
        pub restarts: Counter = "role_restarts";
        /// Connections to HTTP and gRPC listeners of this role that were closed because of the peer's behaviour, by
        /// reason.
        pub connections_failed: CounterBy<ConnectionFault> = "http_connections_failed";
        /// Requests to HTTP and gRPC listeners of this role that were refused before they were processed, by reason.
        pub requests_refused: CounterBy<Refusal> = "http_requests_refused";
    }
}

/// Why an HTTP connection was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFault {
    /// The received bytes are not HTTP.
    Malformed,
    /// The head of a request was too large.
    HeadTooLarge,
    /// The head of a request, or the TLS handshake before it, took too long.
    Slow,
    /// The peer closed the connection in the middle of a message, or the network failed.
    Broken,
    /// Its address has too many connections without a valid token, or began too many TLS handshakes.
    Crowded,
    /// The TLS handshake failed: what came is no TLS, the versions differ, or the peer did not believe our certificate.
    Handshake,
}

impl Label for ConnectionFault {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] =
        &[Self::Malformed, Self::HeadTooLarge, Self::Slow, Self::Broken, Self::Crowded, Self::Handshake];

    fn text(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::HeadTooLarge => "head_too_large",
            Self::Slow => "slow",
            Self::Broken => "broken",
            Self::Crowded => "crowded",
            Self::Handshake => "handshake",
        }
    }
}

/// Why a listener refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It had no valid caller token.
    Token,
    /// It came from a role that has no connection to this listener.
    Connection,
    /// Its body was too large.
    BodyTooLarge,
    /// Its body did not arrive in time.
    SlowBody,
    /// Too many requests were being processed.
    Overloaded,
    /// Its caller or tenant had used up its share of the requests being processed.
    Share,
    /// Its response did not begin in time.
    Late,
}

impl Label for Refusal {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] =
        &[Self::Token, Self::Connection, Self::BodyTooLarge, Self::SlowBody, Self::Overloaded, Self::Share, Self::Late];

    fn text(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Connection => "connection",
            Self::BodyTooLarge => "body_too_large",
            Self::SlowBody => "slow_body",
            Self::Overloaded => "overloaded",
            Self::Share => "share",
            Self::Late => "late",
        }
    }
}

/// Registry for the metrics of a role. Each run of a role has its own, so a restart registers none twice.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
}

impl Metrics {
    /// Registers a metric. Names are `area_noun_unit`; counters get the suffix `_total`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.lock().register(name, help, metric);
    }

    /// Registers a collector of counts that are kept elsewhere.
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

    /// Access to the registry itself: for histograms and collectors.
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
        // A panic while registering leaves the registry readable.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
