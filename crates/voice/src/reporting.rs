//! Records that a role itself writes into the reporting log. A bounded queue ensures that no request or phone waits for the log. A bounded
//! file ensures that neither an unavailable log nor a restart loses records.

mod buffer;
mod waiting_file;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use contracts::json::rfc3339;
use infra::LogRecord;
use model::{Owner, TenantId, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use runtime::RoleContext;
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use buffer::{Buffer, IncomingRecords};

/// The most records waiting for the file; further ones are dropped and counted. Lasts for seconds in a very busy role while a disk hangs.
const WAITING_MAX: usize = 10_000;

runtime::metrics! {
    /// The metrics of a role's own reporting.
    #[derive(Clone)]
    pub(crate) struct Metrics {
        /// Records that the role has written into the reporting log.
        written: Counter = "reporting_records_written";
        /// Records dropped because the reporting log or the disk was unavailable for too long.
        dropped: Counter = "reporting_records_dropped";
        /// Records that the reporting log refuses for good: too long, or more than one line.
        refused: Counter = "reporting_records_refused";
        /// Writes that failed and were repeated.
        failures: Counter = "reporting_failures";
        /// Bytes of records in the file that wait for the reporting log.
        waiting: Gauge = "reporting_waiting_bytes";
    }
}

/// Takes a role's records. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporter {
    records: mpsc::Sender<LogRecord>,
    owner: Owner,
    numbered: Arc<AtomicU64>,
    /// How many records have entered the queue, and how many of them are safe.
    entered: Arc<AtomicU64>,
    safe: watch::Receiver<u64>,
    topic: &'static str,
    metrics: Metrics,
}

impl Reporter {
    /// Writes to a topic of the reporting log over the connection `id` until the role has ended.
    pub fn start(ctx: &RoleContext, id: &str, topic: &'static str) -> Self {
        debug_assert!(ctx.spec.opens.contains(&id), "{id} is not declared by {}", ctx.spec.name);
        debug_assert!(contracts::reporting::topic(topic).is_some(), "{topic} is not declared in contracts::reporting");
        let metrics = Metrics::register(&ctx.metrics);
        let (reporter, incoming) = Self::new(ctx.owner(), topic, metrics.clone());
        let buffer = Buffer {
            folder: ctx.data_dir.join("reporting-waiting").join(ctx.node.as_str()).join(topic),
            topic,
            log: ctx.stores.reporting.clone(),
            drain: ctx.drain.clone(),
            metrics,
        };
        ctx.spawn("reporting", async move {
            buffer.run(incoming).await;
            Ok(())
        });
        reporter
    }

    fn new(owner: Owner, topic: &'static str, metrics: Metrics) -> (Self, IncomingRecords) {
        let (records, waiting) = mpsc::channel(WAITING_MAX);
        let (safe, seen) = watch::channel(0);
        let (numbered, entered) = (Arc::default(), Arc::default());
        (
            Self { records, owner, numbered, entered, safe: seen, topic, metrics },
            IncomingRecords { records: waiting, safe },
        )
    }

    /// A reporter whose records are never read, for tests of roles.
    #[cfg(test)]
    pub fn unread(topic: &'static str) -> Self {
        let owner = Owner { node: model::NodeId::parse("test-1").expect("a node's name"), epoch: model::Epoch(1) };
        Self::new(owner, topic, Metrics::register(&runtime::Metrics::default())).0
    }

    /// How many records it was told, for tests of roles.
    #[cfg(test)]
    pub fn told(&self) -> u64 {
        self.numbered.load(Relaxed)
    }

    /// Reports an event as a CloudEvent. `key` is the call, phone or requester of the tenant that it concerns.
    pub fn report(&self, tenant: &TenantId, name: &str, key: &str, at: Timestamp, data: Json) {
        self.tell(&format!("/tenants/{tenant}"), format!("{tenant}:{key}"), name, key, at, data);
    }

    /// Reports an event at this node that belongs to no tenant.
    pub fn report_of_node(&self, name: &str, at: Timestamp, data: Json) {
        let node = self.owner.node.as_str();
        self.tell(&format!("/nodes/{node}"), node.to_owned(), name, node, at, data);
    }

    fn tell(&self, source: &str, key: String, name: &str, subject: &str, at: Timestamp, data: Json) {
        // A node numbers its records from 1 in each run (epoch), so no identity is used twice.
        let id = format!("{}:{}", self.owner, self.numbered.fetch_add(1, Relaxed) + 1);
        let json = cloud_event(&id, source, name, subject, at, &data);
        if !self.give(LogRecord { topic: self.topic, key, id, json }) {
            self.metrics.dropped.inc();
        }
    }

    /// Takes a finished record of the topic. Returns whether there was room for it.
    #[must_use]
    pub fn give(&self, record: LogRecord) -> bool {
        let is_taken = self.records.try_send(record).is_ok();
        self.entered.fetch_add(u64::from(is_taken), Relaxed);
        is_taken
    }

    /// Takes finished records, as the file takes those before them. What has no room at `until` is dropped and counted.
    pub async fn give_all(&self, records: impl IntoIterator<Item = LogRecord>, until: Instant) {
        for record in records {
            match tokio::time::timeout_at(until, self.records.send(record)).await {
                Ok(Ok(())) => drop(self.entered.fetch_add(1, Relaxed)),
                Ok(Err(_)) | Err(_) => drop(self.metrics.dropped.inc()),
            }
        }
    }

    /// How many records have been taken so far.
    pub fn taken(&self) -> u64 {
        self.entered.load(Relaxed)
    }

    /// Whether the first `count` records that were taken are safe: they are in the file or in the log, or they count as dropped or refused.
    pub fn is_safe(&self, count: u64) -> bool {
        *self.safe.borrow() >= count
    }

    /// Waits until all records taken so far are safe; `false` if the role has ended before.
    pub async fn all_safe(&self) -> bool {
        let count = self.taken();
        self.safe.clone().wait_for(|safe| *safe >= count).await.is_ok()
    }
}

/// A record about something of a tenant. Its identity stays the same however often it is written.
pub(crate) fn record(
    tenant: &TenantId,
    (topic, id): (&'static str, String),
    (name, key): (&str, &str),
    at: Timestamp,
    data: &Json,
) -> LogRecord {
    let json = cloud_event(&id, &format!("/tenants/{tenant}"), name, key, at, data);
    LogRecord { topic, key: format!("{tenant}:{key}"), id, json }
}

fn cloud_event(id: &str, source: &str, name: &str, subject: &str, at: Timestamp, data: &Json) -> String {
    let time = rfc3339(at);
    let event =
        CloudEvent { specversion: "1.0", id, source, name, subject, time, datacontenttype: "application/json", data };
    // Serialising texts and a JSON tree cannot fail.
    serde_json::to_string(&event).unwrap_or_default()
}

/// A record in the log's format.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    name: &'a str,
    subject: &'a str,
    time: String,
    datacontenttype: &'static str,
    data: &'a Json,
}

#[cfg(test)]
mod tests;
