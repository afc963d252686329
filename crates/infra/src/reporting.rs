//! The way of facts out of the house: each tenant's stream is an outbox with one exporter at a time.

use model::{Owner, TenantId, Token};
use std::time::Duration;

use crate::{Answer, Position};

/// A record for reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The topic, as `voice-callthread`.
    pub topic: &'static str,
    /// The partition key: tenant and call, or tenant and agent.
    pub key: String,
    /// The identity of the fact: a reader drops what it has seen.
    pub id: String,
    /// One line of JSON (a CloudEvent), without a line break.
    pub json: String,
}

/// The reporting log: append-only files in the embedded form, Kafka in the real one.
pub trait ReportingLog: Send + Sync {
    /// Appends records; durable when it answers.
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, ()>;
}

/// The exporter's right and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportLease {
    /// Fences [`Outbox::exported`].
    pub token: Token,
    /// What is out already.
    pub position: Position,
}

/// Each tenant stream as an outbox. Keys `export:{tenant}` beside the stream: nothing is trimmed before it is out.
pub trait Outbox: Send + Sync {
    /// The tenants that have a stream.
    fn tenants(&self) -> Answer<'_, Vec<TenantId>>;

    /// Takes or keeps the right to export a tenant's stream; none while somebody else has it.
    fn take<'a>(&'a self, tenant: &'a TenantId, by: &'a Owner, ttl: Duration) -> Answer<'a, Option<ExportLease>>;

    /// Says that everything up to `position` is out.
    ///
    /// # Errors
    /// [`crate::StoreError::Fenced`] when another exporter has taken over.
    fn exported<'a>(&'a self, tenant: &'a TenantId, token: Token, position: Position) -> Answer<'a, ()>;
}
