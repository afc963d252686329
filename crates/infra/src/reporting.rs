//! The export of facts: each tenant's stream is an outbox with one exporter at a time.

use model::{Owner, TenantId, Token};
use std::time::Duration;

use crate::{Answer, Position, bounds};

/// A record for reporting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The topic, as `voice-callthread`.
    pub topic: &'static str,
    /// The partition key: tenant and call, or tenant and agent.
    pub key: String,
    /// The identity of the fact: a reader drops records that it has seen.
    pub id: String,
    /// One line of JSON (a CloudEvent), without a line break.
    pub json: String,
}

/// A record that the log will never accept, however often it is repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The identity of the record.
    pub id: String,
    /// Its topic.
    pub topic: &'static str,
    /// The reason.
    pub reason: String,
}

/// The reporting log: append-only files in the embedded form, Kafka in the real one.
pub trait ReportingLog: Send + Sync {
    /// Appends records; those of one key keep their order. When it answers they are durable, except those that it names, which the log will
    /// never accept.
    ///
    /// # Errors
    /// Any part of the records may be in the log. A caller that repeats them all, in order, makes them complete; repeats keep
    /// their identity.
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>>;
}

/// Sorts out the records that no log accepts: longer than the bound, or more than one line.
pub fn sort_out(records: Vec<LogRecord>) -> (Vec<LogRecord>, Vec<Refused>) {
    let (mut taken, mut refused) = (Vec::with_capacity(records.len()), Vec::new());
    for record in records {
        let bytes = record.json.len() + record.key.len();
        let reason = match () {
            () if bytes > bounds::LOG_RECORD_BYTES_MAX => {
                format!("{bytes} bytes: at most {} are taken", bounds::LOG_RECORD_BYTES_MAX)
            }
            () if record.json.contains(['\n', '\r']) => "it is not one line".to_owned(),
            () => {
                taken.push(record);
                continue;
            }
        };
        refused.push(Refused { id: record.id, topic: record.topic, reason });
    }
    (taken, refused)
}

/// The right to export, and the position reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportLease {
    /// Fences [`Outbox::exported`].
    pub token: Token,
    /// Everything up to here has been exported.
    pub position: Position,
}

/// Each tenant stream as an outbox. Keys `export:{tenant}` beside the stream: nothing is trimmed before it is exported.
pub trait Outbox: Send + Sync {
    /// The tenants that have a stream.
    fn tenants(&self) -> Answer<'_, Vec<TenantId>>;

    /// Takes or renews the right to export a tenant's stream; none while another exporter has it.
    fn take<'a>(&'a self, tenant: &'a TenantId, by: &'a Owner, ttl: Duration) -> Answer<'a, Option<ExportLease>>;

    /// Notes that everything up to `position` has been exported.
    ///
    /// # Errors
    /// [`crate::StoreError::Fenced`] when another exporter has taken over.
    fn exported<'a>(&'a self, tenant: &'a TenantId, token: Token, position: Position) -> Answer<'a, ()>;
}
