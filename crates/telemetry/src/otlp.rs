//! Batches of OpenTelemetry's own SDK (OTLP/HTTP 1.x), protobuf or JSON: counted, and their texts cleaned; all else goes on as it came.

mod json;
mod protobuf;
mod schema;

pub use json::clean_json;
pub use protobuf::clean_protobuf;

/// What a batch carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpSignal {
    /// Spans.
    Traces,
    /// Log records.
    Logs,
    /// Metrics.
    Metrics,
}

impl OtlpSignal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Logs, Self::Metrics];

    /// Its name, which ends the path.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }
}

/// Why a batch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtlpFault {
    /// It is not what the protocol says.
    #[error("it is no batch of OTLP: {0}")]
    Malformed(&'static str),
    /// It has too many spans, log records or metrics.
    #[error("it has {0} items")]
    TooMany(usize),
}
