//! Metrics of telemetry.

use ::telemetry::apdex::ApdexZone;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::metrics::{CounterBy, Label};

use super::apdex_scores::ApdexScores;
use super::histograms::{AnswerTimes, ValueHistograms};
use super::series::{AddedSeconds, Series, SeriesLabels};

runtime::metrics! {
    /// The metrics of telemetry.
    #[derive(Clone)]
    pub(super) struct Metrics {
        /// Items of clients whose lines were written, by application, type and tenant.
        pub(super) items: Series<OfItems> = "telemetry_client_items";
        /// Lines of clients that were written, by tenant.
        pub(super) line_bytes: Series<OfLines> = "telemetry_line_bytes";
        /// Items that were not kept, by reason.
        pub(super) dropped: CounterBy<DropReason> = "telemetry_dropped";
        /// Properties that a contract does not name or that are no plain values, and attributes of OpenTelemetry that it does not know.
        pub(super) properties_dropped: Counter = "telemetry_properties_dropped";
        /// Batches by what came of them, those of OpenTelemetry too.
        pub(super) batches: CounterBy<BatchOutcome> = "telemetry_batches";
        /// Time that answers to batches took, all together.
        pub(super) batch_time: AddedSeconds = "telemetry_batch_seconds";
        /// Times of answers to batches, by range.
        pub(super) answer_times: AnswerTimes = "telemetry_answer_seconds";
        /// Events that a contract monitors, by application and pattern.
        pub(super) monitored_events: Series<OfEvents> = "telemetry_monitored_event";
        /// Batches with events that a contract monitors, by application and pattern.
        pub(super) monitored_batches: Series<OfEvents> = "telemetry_monitored_batches";
        /// Values beyond a threshold that a contract monitors, by application and metric.
        pub(super) monitored_metrics: Series<OfMetrics> = "telemetry_monitored_metric";
        /// Values of metrics with an Apdex, by what they mean for their users.
        pub(super) apdex_values: Series<OfApdex> = "telemetry_apdex_values";
        /// Values of metrics with an extended Apdex, in the unit of the application, by range.
        pub(super) values: ValueHistograms = "telemetry_client_value";
        /// The Apdex of the last five minutes: the satisfied and half of the tolerating among all.
        pub(super) apdex_scores: ApdexScores = "telemetry_apdex_ratio";
        /// Clients that have sent something within a minute.
        pub(super) active_clients: Gauge = "telemetry_active_clients";
        /// Lines that wait to be written.
        pub(super) lines_waiting: Gauge = "telemetry_lines_waiting_bytes";
        /// Questions to auth about tokens, by answer.
        pub(super) auth_calls: CounterBy<AuthOutcome> = "telemetry_auth_calls";
        /// Time that auth's answers took, all together.
        pub(super) auth_time: AddedSeconds = "telemetry_auth_call_seconds";
        /// Spans, log records and data points of OpenTelemetry, by what came of them.
        pub(super) otlp_items: CounterBy<OtlpOutcome> = "telemetry_otlp_items";
    }
}

impl Metrics {
    /// Counts items that are not kept.
    pub(super) fn drops(&self, reason: DropReason, items: u64) {
        for _ in 0..items {
            self.dropped.inc(reason);
        }
    }
}

/// Labels of items.
pub(super) struct OfItems;

impl SeriesLabels for OfItems {
    const LABELS: &'static [(&'static str, &'static str)] = &[
        ("app", "an application with a contract"),
        ("type", "`log`, `event`, `metric`, `span`"),
        ("tenant", "a tenant of the installation"),
    ];
}

/// Labels of lines.
pub(super) struct OfLines;

impl SeriesLabels for OfLines {
    const LABELS: &'static [(&'static str, &'static str)] = &[("tenant", "a tenant of the installation")];
}

/// Labels of monitored events.
pub(super) struct OfEvents;

impl SeriesLabels for OfEvents {
    const LABELS: &'static [(&'static str, &'static str)] =
        &[("app", "an application with a contract"), ("event", "a pattern of its contract")];
}

/// Labels of monitored metrics.
pub(super) struct OfMetrics;

impl SeriesLabels for OfMetrics {
    const LABELS: &'static [(&'static str, &'static str)] =
        &[("app", "an application with a contract"), ("metric", "a monitored metric of its contract")];
}

/// Labels of values with an Apdex.
pub(super) struct OfApdex;

impl SeriesLabels for OfApdex {
    const LABELS: &'static [(&'static str, &'static str)] = &[
        ("app", "an application with a contract"),
        ("metric", "a metric with an Apdex in its contract"),
        ("zone", "`satisfied`, `tolerating`, `frustrated`"),
    ];
}

/// The label of a zone.
pub(super) const fn zone(zone: ApdexZone) -> &'static str {
    match zone {
        ApdexZone::Satisfied => "satisfied",
        ApdexZone::Tolerating => "tolerating",
        ApdexZone::Frustrated => "frustrated",
    }
}

/// Why an item was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DropReason {
    /// It has a fault.
    Faulty,
    /// There was too much, and it mattered least.
    Shed,
    /// Its client, or all of its person or tenant, had caused too many lines.
    OverBudget,
    /// Its line could not be written.
    NotWritten,
    /// With the attributes of its batch its line is too long, or the lines of the batch are.
    TooLarge,
    /// Its application is switched off.
    Off,
}

impl Label for DropReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] =
        &[Self::Faulty, Self::Shed, Self::OverBudget, Self::NotWritten, Self::TooLarge, Self::Off];

    fn text(self) -> &'static str {
        match self {
            Self::Faulty => "faulty",
            Self::Shed => "shed",
            Self::OverBudget => "over_budget",
            Self::NotWritten => "not_written",
            Self::TooLarge => "too_large",
            Self::Off => "off",
        }
    }
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchOutcome {
    /// It was taken.
    Taken,
    /// It cannot be read, or breaks a rule.
    Faulty,
    /// No contract is configured for its application.
    NoContract,
    /// It is too large, or has too many items.
    TooLarge,
    /// Its client sends too often, or its person with all tokens, or by too many new ones.
    TooOften,
    /// There are more clients than are told apart, of all tenants or of its own.
    TooManyClients,
    /// It is OpenTelemetry's, and too much waits for the collector, of all tenants or of its own.
    CollectorQueueFull,
    /// Its token is of no tenant that may send, or revoked.
    NotAllowed,
    /// It is OpenTelemetry's, and no collector is set.
    NoCollector,
}

impl Label for BatchOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[
        Self::Taken,
        Self::Faulty,
        Self::NoContract,
        Self::TooLarge,
        Self::TooOften,
        Self::TooManyClients,
        Self::CollectorQueueFull,
        Self::NotAllowed,
        Self::NoCollector,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Faulty => "faulty",
            Self::NoContract => "no_contract",
            Self::TooLarge => "too_large",
            Self::TooOften => "too_often",
            Self::TooManyClients => "too_many_clients",
            Self::CollectorQueueFull => "collector_queue_full",
            Self::NotAllowed => "not_allowed",
            Self::NoCollector => "no_collector",
        }
    }
}

/// What auth has said of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AuthOutcome {
    /// It is good.
    Good,
    /// It is not good any more.
    Revoked,
    /// Nothing: auth is away, or too much is asked at once.
    Unanswered,
}

impl Label for AuthOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Good, Self::Revoked, Self::Unanswered];

    fn text(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Revoked => "revoked",
            Self::Unanswered => "unanswered",
        }
    }
}

/// What came of an item of OpenTelemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtlpOutcome {
    /// The collector has it.
    Forwarded,
    /// The collector finds it wrong, or what came with it.
    Faulty,
    /// The collector cannot be reached, or takes nothing.
    Lost,
}

impl Label for OtlpOutcome {
    const NAME: &'static str = "outcome";
    const ALL: &'static [Self] = &[Self::Forwarded, Self::Faulty, Self::Lost];

    fn text(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Faulty => "faulty",
            Self::Lost => "lost",
        }
    }
}
