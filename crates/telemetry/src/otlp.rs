//! Batches of OpenTelemetry's own SDK (OTLP/HTTP 1.x), protobuf or JSON: counted, their texts cleaned, their tenant named, and what the
//! contract of their program does not know left out of spans and log records; all else goes on as it came.

mod attributes;
mod json;
mod protobuf;
mod schema;

use std::collections::BTreeSet;

pub use json::{clean_json, rejected_json};
pub use protobuf::{clean_protobuf, rejected_protobuf};

/// The attribute of every resource that names the tenant. One that a client has set itself is dropped.
pub const TENANT_ATTRIBUTE: &str = "trunkline.tenant";
/// The attribute by which a resource names its program.
const SERVICE_ATTRIBUTE: &str = "service.name";

/// What is in a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpContent {
    /// How many spans, log records or data points of metrics.
    pub items: usize,
    /// The programs that it comes from, as they name themselves.
    pub services: BTreeSet<String>,
    /// How many attributes were left out that the contract of their program does not know.
    pub attributes_dropped: usize,
}

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
    /// It has too many spans, log records or data points of metrics.
    #[error("it has {0} items")]
    TooMany(usize),
}

impl OtlpFault {
    /// It comes from too many programs: each resource gets the tenant's name.
    const TOO_MANY_RESOURCES: Self = Self::Malformed("it has more than 1000 resources");
}
